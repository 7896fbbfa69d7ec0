/* SPDX-License-Identifier: MIT */
/*
 * Frames and the model: what rows an interval has, in which order. Worked out by hand for two
 * snapshots (screen_frames.h); for random ones, the sums and the tree are held to what model.h
 * says. What it looks like is test_screen_layout.c's affair.
 */
#include "base/units.h"
#include "screen/model.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "screen_frames.h"

static struct frame first, second;

static int parse_frames(void **state)
{
	(void)state;
	assert_int_equal(frames_parse(FRAME_1, FRAMES_TIME - NS_PER_SEC, &first), 0);
	assert_int_equal(frames_parse(FRAME_2, FRAMES_TIME, &second), 0);
	return 0;
}

static int drop_frames(void **state)
{
	(void)state;
	frame_done(&first);
	frame_done(&second);
	return 0;
}

/* "kind:pid:tid:depth:name" of all rows, one after the other. */
static void assert_rows(const struct model *m, const char *expected)
{
	static const char kinds[] = "VGPTX";
	char text[2048] = "";

	for (size_t i = 0; i < m->n_rows; i++) {
		const struct model_row *r = &m->rows[i];
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%c%d/%d^%u%s", i ? " " : "",
			 kinds[r->kind], r->pid, r->tid, r->depth, r->last ? "." : "");
	}
	assert_string_equal(text, expected);
}

static const struct model_row *row_of(const struct model *m, pid_t pid, pid_t tid)
{
	for (size_t i = 0; i < m->n_rows; i++)
		if (m->rows[i].pid == pid && m->rows[i].tid == tid)
			return &m->rows[i];
	fail_msg("no row for %d/%d", pid, tid);
	return NULL;
}

static void assert_figures(const struct figures *f, unsigned truth, unsigned descheduled,
			   unsigned wait)
{
	assert_int_equal(f->truth, truth * 10 * NS_PER_MS);
	assert_int_equal(f->descheduled, descheduled * 10 * NS_PER_MS);
	assert_int_equal(f->wait, wait * 10 * NS_PER_MS);
}

static void an_interval_is_the_difference(void **state)
{
	struct model_view view = {.threads = true};
	struct model m;

	(void)state;
	assert_int_equal(model_make(&first, &second, &view, &m), 0);
	assert_int_equal(m.elapsed, NS_PER_SEC);
	assert_figures(&m.busy, 85, 38, 5);
	assert_figures(&m.idle, 0, 2, 0);
	assert_figures(&row_of(&m, 100, 0)->own, 50, 25, 0);
	assert_figures(&row_of(&m, 101, 0)->own, 10, 5, 0);
	assert_figures(&row_of(&m, 200, 0)->own, 20, 6, 5);
	assert_figures(&row_of(&m, 200, 200)->own, 5, 1, 0);
	assert_figures(&row_of(&m, 200, 201)->own, 15, 5, 5);
	/* pid 300 is another process than before: nothing is subtracted. */
	assert_figures(&row_of(&m, 300, 0)->own, 4, 2, 0);
	/* What pid 300 was before, and whoever else is gone, had the rest. */
	assert_int_equal(m.rows[m.n_rows - 2].kind, ROW_EXITED);
	assert_figures(&m.rows[m.n_rows - 2].own, 1, 0, 0);
	assert_int_equal(m.rows[0].kind, ROW_VMDESCHED);
	assert_figures(&m.rows[0].own, 43, 0, 0);
	assert_int_equal(m.cpus[0].ns[LEDGER_RUN], 600 * NS_PER_MS);
	assert_int_equal(m.cpus[1].ns[LEDGER_COSTOP], 50 * NS_PER_MS);
	assert_int_equal(model_away(m.cpus[1].ns), 150 * NS_PER_MS);
	assert_true(fabs(model_percent(&m, figures_occupied(&m.busy)) - 128) < 1e-6);
	model_done(&m);
}

static void rows_are_in_order(void **state)
{
	struct model_view view = {.sort = SORT_REPORTED};
	struct model m;
	const struct {
		enum model_sort sort;
		bool reverse;
		const char *rows;
	} cases[] = {
		{SORT_REPORTED, false,
		 "V0/0^0. P100/0^0 P200/0^0 P101/0^0 P300/0^0 X0/0^0 P1/0^0."},
		{SORT_REPORTED, true, "V0/0^0. P1/0^0 X0/0^0 P300/0^0 P101/0^0 P200/0^0 P100/0^0."},
		{SORT_TRUE, false, "V0/0^0. P100/0^0 P200/0^0 P101/0^0 P300/0^0 X0/0^0 P1/0^0."},
		{SORT_DESCHEDULED, false,
		 "V0/0^0. P100/0^0 P200/0^0 P101/0^0 P300/0^0 X0/0^0 P1/0^0."},
		{SORT_PID, false, "V0/0^0. X0/0^0 P1/0^0 P100/0^0 P101/0^0 P200/0^0 P300/0^0."},
		{SORT_USER, false, "V0/0^0. X0/0^0 P100/0^0 P101/0^0 P1/0^0 P300/0^0 P200/0^0."},
		/* ESC sorts before brackets, and those before letters */
		{SORT_NAME, false, "V0/0^0. P300/0^0 X0/0^0 P200/0^0 P100/0^0 P1/0^0 P101/0^0."},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		view.sort = cases[i].sort;
		view.reverse = cases[i].reverse;
		assert_int_equal(model_make(&first, &second, &view, &m), 0);
		assert_rows(&m, cases[i].rows);
		model_done(&m);
	}
}

static void trees_threads_and_groups(void **state)
{
	struct model_view view = {.tree = true, .threads = true};
	struct model m;

	(void)state;
	assert_int_equal(model_make(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. X0/0^0 P1/0^0. P100/0^1 P101/0^2. P200/0^1 T200/201^2 "
			"T200/200^2. P300/0^1.");
	assert_int_equal(m.rows[4].rails, 1u << 1); /* 101: a sibling of 100 follows below */
	assert_int_equal(m.rows[4].parent, 3);
	model_done(&m);
	view = (struct model_view){.groups = true};
	assert_int_equal(model_make(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. G0/0^0 G0/0^0 G0/0^0 X0/0^0 G0/0^0.");
	assert_string_equal(m.rows[1].name, "/db");
	assert_int_equal(m.rows[1].members, 2);
	assert_figures(&m.rows[1].own, 60, 30, 0);
	assert_string_equal(m.rows[3].name, "(not known)");
	assert_string_equal(m.rows[5].name, "/init.scope");
	assert_null(m.rows[4].user);
	model_done(&m);
	view.tree = true;
	assert_int_equal(model_make(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. G0/0^0 P100/0^1 P101/0^1. G0/0^0 P200/0^1. G0/0^0 P300/0^1. "
			"X0/0^0 G0/0^0. P1/0^1.");
	model_done(&m);
}

static void filters(void **state)
{
	static const struct {
		const char *filter;
		size_t matching;
	} cases[] = {
		{"post", 2},   {"POSTGRES", 2}, {"/db", 2},	      {"30", 1},
		{"tomcat", 1}, {"red", 1},	{"no such thing", 0},
	};
	struct model_view view = {.sort = SORT_REPORTED};
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(view.filter, sizeof(view.filter), "%s", cases[i].filter);
		assert_int_equal(model_make(&first, &second, &view, &m), 0);
		assert_int_equal(m.n_matching, cases[i].matching);
		assert_int_equal(m.n_rows, 1 + cases[i].matching); /* and vmdesched, for all */
		assert_figures(&m.rows[0].own, 43, 0, 0);
		model_done(&m);
	}
	view = (struct model_view){.busy_only = true};
	assert_int_equal(model_make(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. P100/0^0 P200/0^0 P101/0^0 P300/0^0 X0/0^0.");
	model_done(&m);
	view = (struct model_view){.user = "postgres"};
	assert_int_equal(model_make(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. P100/0^0 P101/0^0.");
	model_done(&m);
	view = (struct model_view){.pids = {300, 101}, .n_pids = 2};
	assert_int_equal(model_make(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. P101/0^0 P300/0^0.");
	model_done(&m);
}

/* Another agent's figures have nothing to do with these: they count from its start. */
static void an_agent_that_was_started_anew(void **state)
{
	struct model_view view = {.sort = SORT_REPORTED};
	struct model m;

	(void)state;
	assert_int_equal(model_make(&second, &first, &view, &m), 0);
	assert_int_equal(m.elapsed, 10 * NS_PER_SEC);
	assert_figures(&m.busy, 600, 250, 50);
	model_done(&m);
	assert_int_equal(model_make(NULL, &first, &view, &m), 0);
	assert_figures(&m.busy, 600, 250, 50);
	model_done(&m);
}

/* Sessions: of the second frame, with what its agent has seen, and how long that has been there. */
static const struct {
	uint64_t before, id, seen;
	uint64_t elapsed; /* s, of the second frame; the first has 10 */
	int err;
	uint64_t interval; /* s */
	bool other;
} sessions[] = {
	{5, 5, 0, 11, 0, 1, false},
	{5, 6, 5, 11, 0, 1, true},	  /* another host: the account goes on */
	{5, 6, 0, 11, -ESTALE, 0, false}, /* another agent, which had been there for long */
	{5, 6, 0, 1, 0, 1, true},	  /* one that was started in the interval */
	{5, 6, 7, 30, -ESTALE, 0, false},
	{0, 0, 0, 11, 0, 1, false}, /* an agent that tells none */
	{0, 6, 0, 11, 0, 1, true},
};

static void a_delta_across_sessions(void **state)
{
	struct model_view view = {.sort = SORT_REPORTED};
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct frame from = first, to = second;

		from.session = (struct wire_session){.id = sessions[i].before};
		to.session = (struct wire_session){
			.id = sessions[i].id, .before = {sessions[i].seen}, .n_before = 1};
		to.elapsed = sessions[i].elapsed * NS_PER_SEC;
		assert_int_equal(model_make(&from, &to, &view, &m), sessions[i].err);
		if (sessions[i].err)
			continue;
		assert_int_equal(m.elapsed, sessions[i].interval * NS_PER_SEC);
		assert_int_equal(m.other, sessions[i].other);
		model_done(&m);
	}
}

/* 0.2 s of postgres and 0.1 s of an idle CPU are not known: neither true nor away. */
static void what_is_unaccounted_stays_apart(void **state)
{
	struct model_view view = {.sort = SORT_REPORTED};
	struct frame to = second;
	struct frame_process *p;
	struct model m;

	(void)state;
	p = calloc(second.n_processes, sizeof(*p));
	assert_non_null(p);
	memcpy(p, second.processes, second.n_processes * sizeof(*p));
	for (size_t i = 0; i < to.n_processes; i++)
		if (p[i].pid == 100)
			p[i].own.unaccounted += 200 * NS_PER_MS;
	to.processes = p;
	to.busy.unaccounted = 200 * NS_PER_MS;
	to.idle.unaccounted = 100 * NS_PER_MS;
	assert_int_equal(model_make(&first, &to, &view, &m), 0);
	assert_figures(&m.rows[1].own, 50, 25, 0);
	assert_int_equal(m.rows[1].own.unaccounted, 200 * NS_PER_MS);
	assert_int_equal(frame_reported(&to, &m.rows[1].own), 950 * NS_PER_MS);
	assert_int_equal(figures_occupied(&m.busy), 1480 * NS_PER_MS);
	assert_figures(&m.rows[0].own, 43, 0, 0); /* vmdesched has none of it */
	assert_int_equal(m.idle.unaccounted, 100 * NS_PER_MS);
	model_done(&m);
	free(p);
}

static void what_the_kernel_reports(void **state)
{
	struct frame frame = {.kernel_subtracts = false, .split = true};
	struct figures f = {.truth = 5, .descheduled = 3, .wait = 1, .unaccounted = 20};

	(void)state;
	assert_int_equal(frame_reported(&frame, &f), 29);
	frame.kernel_subtracts = true;
	assert_int_equal(frame_reported(&frame, &f), 25);
}

static void bad_snapshots_are_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{'schema':'desched-agent/3'}",
		"{'schema':'desched-agent/1','elapsed_s':-1}",
		"{'schema':'desched-agent/1','elapsed_s':1e300}",
		"{'schema':'desched-agent/1','elapsed_s':'1'}",
		"{'schema':'desched-agent/1','stale':1}",
		"{'schema':'desched-agent/1','cpus':{}}",
		"{'schema':'desched-agent/1','cpus':[{'cpu':4096}]}",
		"{'schema':'desched-agent/1','processes':[{'pid':3000000000}]}",
		"{'schema':'desched-agent/1','processes':[{'pid':1,'name':5}]}",
		"{'schema':'desched-agent/1','processes':[{'pid':1,'threads':7}]}",
		"{'schema':'desched-agent/1','processes':[{'pid':1,'ppid':-4}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct failure f = {.text = ""};
		struct frame frame;
		json_t *o = frames_json(bad[i]);

		assert_non_null(o);
		if (frame_parse(o, 0, &f, &frame) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_true(strstr(f.text, "desched-agent/2") && !strchr(f.text, '\n'));
		json_decref(o);
	}
}

/* An empty table would look like an idle machine. */
static void a_snapshot_without_cpus_is_refused(void **state)
{
	static const char *const bad[] = {
		"{'schema':'desched-agent/1','elapsed_s':5,'totals':{'true_s':2},"
		"'processes':[{'pid':1,'name':'a','true_s':2}]}",
		"{'schema':'desched-agent/1','cpus':[],'processes':[]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct failure f = {.text = ""};
		struct frame frame;
		json_t *o = frames_json(bad[i]);

		assert_int_equal(frame_parse(o, 0, &f, &frame), -EBADMSG);
		assert_non_null(strstr(f.text, "'cpus'"));
		json_decref(o);
	}
}

/* ---- random frames ---- */

#define RANDOM_PROCESSES 40

static struct figures random_figures(uint64_t most)
{
	return (struct figures){(uint64_t)random() % most, (uint64_t)random() % most,
				(uint64_t)random() % most, (uint64_t)random() % most};
}

/* Parents are anybody: nobody, the process itself, circles. */
static void random_frame(struct frame *f, struct frame_process *p, struct frame_thread *threads)
{
	static const char *const names[] = {"a", "b", "\x01", "\xff\xfe", "long name of a process"};
	static const char *const groups[] = {"/", "/a", "/a/b", NULL};
	size_t n = (size_t)random() % (RANDOM_PROCESSES + 1);

	*f = (struct frame){.source = "random",
			    .split = true,
			    .kernel_subtracts = random() % 2,
			    .elapsed = 2 * NS_PER_SEC,
			    .processes = p,
			    .n_processes = n,
			    .threads = threads};
	f->busy = random_figures(50); /* of processes that are gone */
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct frame_process){.pid = (pid_t)i + 1,
					      .parent = (pid_t)(random() % (long)(n + 3)),
					      .name = names[random() % 5],
					      .cgroup = groups[random() % 4],
					      .own = random_figures(random() % 4 ? NS_PER_SEC : 1),
					      .first_thread = f->n_threads,
					      .n_threads = (size_t)random() % 4};
		for (size_t t = 0; t < p[i].n_threads; t++)
			threads[f->n_threads++] = (struct frame_thread){
				1000 + (pid_t)f->n_threads, names[0], random_figures(1000)};
		figures_add(&f->busy, &p[i].own);
	}
}

static struct model_view random_view(void)
{
	return (struct model_view){.sort = (enum model_sort)(random() % MODEL_SORTS),
				   .reverse = random() % 2,
				   .tree = random() % 2,
				   .groups = random() % 2,
				   .threads = random() % 2,
				   .busy_only = random() % 4 == 0};
}

static void check_sums(const struct model *m, bool grouped_only)
{
	struct figures sum = {0};
	uint64_t dust = 4 * m->n_processes; /* that (exited) leaves out */

	for (size_t i = 1; i < m->n_rows; i++)
		if (m->rows[i].kind == (grouped_only ? ROW_GROUP : ROW_PROCESS) ||
		    m->rows[i].kind == ROW_EXITED)
			figures_add(&sum, &m->rows[i].own);
	assert_true(figures_occupied(&m->busy) - figures_occupied(&sum) <= dust);
	assert_int_equal(m->rows[0].own.truth, figures_away(&m->busy));
	/* true + vmdesched + unaccounted = occupied */
	assert_int_equal(m->busy.truth + m->rows[0].own.truth + m->busy.unaccounted,
			 figures_occupied(&m->busy));
}

static void check_tree(const struct model *m)
{
	for (size_t i = 1; i < m->n_rows; i++) {
		const struct model_row *r = &m->rows[i];

		if (r->parent == SIZE_MAX) {
			assert_int_equal(r->depth, 0);
			continue;
		}
		assert_true(r->parent < i);
		assert_int_equal(m->rows[r->parent].depth + 1, r->depth);
	}
}

static void check_each_once(const struct model *m, const struct frame *f,
			    const struct model_view *view)
{
	size_t times[RANDOM_PROCESSES + 1] = {0}, threads = 0;

	for (size_t i = 0; i < m->n_rows; i++) {
		times[m->rows[i].kind == ROW_PROCESS ? m->rows[i].pid : 0]++;
		threads += m->rows[i].kind == ROW_THREAD;
	}
	for (size_t i = 0; i < f->n_processes && !(view->groups && !view->tree); i++)
		assert_int_equal(times[i + 1],
				 !view->busy_only || figures_occupied(&f->processes[i].own));
	if (view->threads && !view->groups && !view->busy_only)
		assert_int_equal(threads, f->n_threads);
}

static uint64_t key_of(const struct model *m, const struct model_row *r, enum model_sort sort)
{
	return sort == SORT_TRUE	  ? r->own.truth
	       : sort == SORT_DESCHEDULED ? figures_away(&r->own)
					  : frame_reported(m->frame, &r->own);
}

/* Siblings that follow each other are in the order that was asked for. */
static void check_order(const struct model *m, const struct model_view *view)
{
	for (size_t i = 2; i < m->n_rows && view->sort <= SORT_DESCHEDULED; i++) {
		const struct model_row *b = &m->rows[i];
		uint64_t key = key_of(m, b, view->sort), before = key;

		if (b->kind == ROW_EXITED)
			continue;
		for (size_t j = i - 1; j > 0 && m->rows[j].depth >= b->depth; j--)
			if (m->rows[j].depth == b->depth) {
				before = key_of(m, &m->rows[j], view->sort);
				break;
			}
		assert_true(view->reverse ? before <= key : before >= key);
	}
}

static void random_models_keep_the_sums(void **state)
{
	static struct frame_process processes[RANDOM_PROCESSES];
	static struct frame_thread threads[4 * RANDOM_PROCESSES];

	(void)state;
	srandom(7);
	for (int i = 0; i < 20000; i++) {
		struct model_view view = random_view();
		struct frame frame;
		struct model m;

		random_frame(&frame, processes, threads);
		assert_int_equal(model_make(NULL, &frame, &view, &m), 0);
		check_sums(&m, view.groups && !view.tree);
		check_tree(&m);
		check_each_once(&m, &frame, &view);
		check_order(&m, &view);
		model_done(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interval_is_the_difference),
		cmocka_unit_test(rows_are_in_order),
		cmocka_unit_test(trees_threads_and_groups),
		cmocka_unit_test(filters),
		cmocka_unit_test(an_agent_that_was_started_anew),
		cmocka_unit_test(a_delta_across_sessions),
		cmocka_unit_test(what_is_unaccounted_stays_apart),
		cmocka_unit_test(what_the_kernel_reports),
		cmocka_unit_test(bad_snapshots_are_refused),
		cmocka_unit_test(a_snapshot_without_cpus_is_refused),
		cmocka_unit_test(random_models_keep_the_sums),
	};

	return cmocka_run_group_tests(tests, parse_frames, drop_frames);
}
