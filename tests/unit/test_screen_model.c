/* SPDX-License-Identifier: MIT */
/*
 * Frames and the model: what rows an interval has, in which order. Worked out by hand for two
 * snapshots (screen_frames.h); for random ones, the sums and the tree are held to what model.h
 * says. What it looks like is test_screen_layout.c's affair.
 */
#include "base/units.h"
#include "screen/guest.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "screen_frames.h"

static struct snapshot first, second;

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
	snapshot_done(&first);
	snapshot_done(&second);
	return 0;
}

/* "kind:pid:tid:depth:name" of all rows, one after the other. */
static void assert_rows(const struct model *m, const char *expected)
{
	char text[2048] = "";

	for (size_t i = 0; i < m->n_rows; i++) {
		const struct model_row *r = &m->rows[i];
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%c%d/%d^%u%s", i ? " " : "",
			 r->kind->letter, r->pid, r->tid, r->depth, r->last ? "." : "");
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
	assert_int_equal(guest_model(&first, &second, &view, &m), 0);
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
	assert_ptr_equal(m.rows[m.n_rows - 2].kind, &row_exited);
	assert_figures(&m.rows[m.n_rows - 2].own, 1, 0, 0);
	assert_ptr_equal(m.rows[0].kind, &row_vmdesched);
	assert_figures(&m.rows[0].own, 43, 0, 0);
	assert_int_equal(m.bars[0].ns[LEDGER_RUN], 600 * NS_PER_MS);
	assert_int_equal(m.bars[1].ns[LEDGER_COSTOP], 50 * NS_PER_MS);
	assert_int_equal(model_away(m.bars[1].ns), 150 * NS_PER_MS);
	assert_true(fabs(model_percent(&m, figures_occupied(&m.busy)) - 128) < 1e-6);
	model_done(&m);
}

static void rows_are_in_order(void **state)
{
	struct model_view view = {.sort = NULL};
	struct model m;
	const struct {
		const char *sort;
		bool reverse;
		const char *rows;
	} cases[] = {
		{"reported", false, "V0/0^0. P100/0^0 P200/0^0 P101/0^0 P300/0^0 X0/0^0 P1/0^0."},
		{"reported", true, "V0/0^0. P1/0^0 X0/0^0 P300/0^0 P101/0^0 P200/0^0 P100/0^0."},
		{"true", false, "V0/0^0. P100/0^0 P200/0^0 P101/0^0 P300/0^0 X0/0^0 P1/0^0."},
		{"descheduled", false,
		 "V0/0^0. P100/0^0 P200/0^0 P101/0^0 P300/0^0 X0/0^0 P1/0^0."},
		{"pid", false, "V0/0^0. X0/0^0 P1/0^0 P100/0^0 P101/0^0 P200/0^0 P300/0^0."},
		{"user", false, "V0/0^0. X0/0^0 P100/0^0 P101/0^0 P1/0^0 P300/0^0 P200/0^0."},
		/* ESC sorts before brackets, and those before letters */
		{"name", false, "V0/0^0. P300/0^0 X0/0^0 P200/0^0 P100/0^0 P1/0^0 P101/0^0."},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		view.sort = subject_column(&subject_guest, cases[i].sort);
		view.reverse = cases[i].reverse;
		assert_int_equal(guest_model(&first, &second, &view, &m), 0);
		assert_rows(&m, cases[i].rows);
		model_done(&m);
	}
}

static void trees_threads_and_groups(void **state)
{
	struct model_view view = {.tree = true, .threads = true};
	struct model m;

	(void)state;
	assert_int_equal(guest_model(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. X0/0^0 P1/0^0. P100/0^1 P101/0^2. P200/0^1 T200/201^2 "
			"T200/200^2. P300/0^1.");
	assert_int_equal(m.rows[4].rails, 1u << 1); /* 101: a sibling of 100 follows below */
	assert_int_equal(m.rows[4].parent, 3);
	model_done(&m);
	view = (struct model_view){.groups = true};
	assert_int_equal(guest_model(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. G0/0^0 G0/0^0 G0/0^0 X0/0^0 G0/0^0.");
	assert_string_equal(m.rows[1].name, "/db");
	assert_int_equal(m.rows[1].members, 2);
	assert_figures(&m.rows[1].own, 60, 30, 0);
	assert_string_equal(m.rows[3].name, "(not known)");
	assert_string_equal(m.rows[5].name, "/init.scope");
	assert_null(m.rows[4].user);
	model_done(&m);
	view.tree = true;
	assert_int_equal(guest_model(&first, &second, &view, &m), 0);
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
	struct model_view view = {.sort = NULL};
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(view.filter, sizeof(view.filter), "%s", cases[i].filter);
		assert_int_equal(guest_model(&first, &second, &view, &m), 0);
		assert_int_equal(m.n_matching, cases[i].matching);
		assert_int_equal(m.n_rows, 1 + cases[i].matching); /* and vmdesched, for all */
		assert_figures(&m.rows[0].own, 43, 0, 0);
		model_done(&m);
	}
	view = (struct model_view){.busy_only = true};
	assert_int_equal(guest_model(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. P100/0^0 P200/0^0 P101/0^0 P300/0^0 X0/0^0.");
	model_done(&m);
	view = (struct model_view){.user = "postgres"};
	assert_int_equal(guest_model(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. P100/0^0 P101/0^0.");
	model_done(&m);
	view = (struct model_view){.pids = {300, 101}, .n_pids = 2};
	assert_int_equal(guest_model(&first, &second, &view, &m), 0);
	assert_rows(&m, "V0/0^0. P101/0^0 P300/0^0.");
	model_done(&m);
}

/* Another agent's figures have nothing to do with these: they count from its start. */
static void an_agent_that_was_started_anew(void **state)
{
	struct model_view view = {.sort = NULL};
	struct model m;

	(void)state;
	assert_int_equal(guest_model(&second, &first, &view, &m), 0);
	assert_int_equal(m.elapsed, 10 * NS_PER_SEC);
	assert_figures(&m.busy, 600, 250, 50);
	model_done(&m);
	assert_int_equal(guest_model(NULL, &first, &view, &m), 0);
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
	struct model_view view = {.sort = NULL};
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sessions); i++) {
		struct snapshot from = first, to = second;

		from.session = sessions[i].before;
		to.session = sessions[i].id;
		to.sessions[0].id = sessions[i].seen;
		to.n_sessions = 1;
		to.elapsed = sessions[i].elapsed * NS_PER_SEC;
		assert_int_equal(guest_model(&from, &to, &view, &m), sessions[i].err);
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
	struct model_view view = {.sort = NULL};
	struct snapshot to = second;
	struct snapshot_process *p;
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
	assert_int_equal(guest_model(&first, &to, &view, &m), 0);
	assert_figures(&m.rows[1].own, 50, 25, 0);
	assert_int_equal(m.rows[1].own.unaccounted, 200 * NS_PER_MS);
	assert_int_equal(snapshot_reported(&to, &m.rows[1].own), 950 * NS_PER_MS);
	assert_int_equal(figures_occupied(&m.busy), 1480 * NS_PER_MS);
	assert_figures(&m.rows[0].own, 43, 0, 0); /* vmdesched has none of it */
	assert_int_equal(m.idle.unaccounted, 100 * NS_PER_MS);
	model_done(&m);
	free(p);
}

static void what_the_kernel_reports(void **state)
{
	struct snapshot frame = {.kernel_subtracts = false, .split = true};
	struct figures f = {.truth = 5, .descheduled = 3, .wait = 1, .unaccounted = 20};

	(void)state;
	assert_int_equal(snapshot_reported(&frame, &f), 29);
	frame.kernel_subtracts = true;
	assert_int_equal(snapshot_reported(&frame, &f), 25);
}

/* ---- random frames ---- */

#define RANDOM_PROCESSES 40

static struct figures random_figures(uint64_t most)
{
	return (struct figures){(uint64_t)random() % most, (uint64_t)random() % most,
				(uint64_t)random() % most, (uint64_t)random() % most, 0};
}

/* Parents are anybody: nobody, the process itself, circles. */
static void random_frame(struct snapshot *f, struct snapshot_process *p,
			 struct snapshot_thread *threads)
{
	static const char *const names[] = {"a", "b", "\x01", "\xff\xfe", "long name of a process"};
	static const char *const groups[] = {"/", "/a", "/a/b", NULL};
	size_t n = (size_t)random() % (RANDOM_PROCESSES + 1);

	*f = (struct snapshot){.source = "random",
			       .split = true,
			       .kernel_subtracts = random() % 2,
			       .elapsed = 2 * NS_PER_SEC,
			       .processes = p,
			       .n_processes = n,
			       .threads = threads};
	f->busy = random_figures(50); /* of processes that are gone */
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct snapshot_process){
			.pid = (pid_t)i + 1,
			.parent = (pid_t)(random() % (long)(n + 3)),
			.name = names[random() % 5],
			.cgroup = groups[random() % 4],
			.own = random_figures(random() % 4 ? NS_PER_SEC : 1),
			.first_thread = f->n_threads,
			.n_threads = (size_t)random() % 4};
		for (size_t t = 0; t < p[i].n_threads; t++)
			threads[f->n_threads++] = (struct snapshot_thread){
				1000 + (pid_t)f->n_threads, names[0], random_figures(1000), NULL};
		figures_add(&f->busy, &p[i].own);
	}
}

static struct model_view random_view(void)
{
	static const char *const orders[] = {"reported", "true", "descheduled", "pid",
					     "user",	 "name", "memory"};

	return (struct model_view){.sort = subject_column(&subject_guest, orders[random() % 7]),
				   .reverse = random() % 2,
				   .tree = random() % 2,
				   .groups = random() % 2,
				   .threads = random() % 2,
				   .busy_only = random() % 4 == 0};
}

static void check_sums(const struct model *m, bool grouped_only)
{
	struct figures sum = {0};
	uint64_t dust = 4 * m->n_all; /* that (exited) leaves out */

	for (size_t i = 1; i < m->n_rows; i++)
		if (m->rows[i].kind == (grouped_only ? &row_group : &row_process) ||
		    m->rows[i].kind == &row_exited)
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

static void check_each_once(const struct model *m, const struct snapshot *f,
			    const struct model_view *view)
{
	size_t times[RANDOM_PROCESSES + 1] = {0}, threads = 0;

	for (size_t i = 0; i < m->n_rows; i++) {
		times[m->rows[i].kind == &row_process ? m->rows[i].pid : 0]++;
		threads += m->rows[i].kind == &row_thread;
	}
	for (size_t i = 0; i < f->n_processes && !(view->groups && !view->tree); i++)
		assert_int_equal(times[i + 1],
				 !view->busy_only || figures_occupied(&f->processes[i].own));
	if (view->threads && !view->groups && !view->busy_only)
		assert_int_equal(threads, f->n_threads);
}

static uint64_t key_of(const struct model *m, const struct model_row *r, const char *order)
{
	return !strcmp(order, "true")	       ? r->own.truth
	       : !strcmp(order, "descheduled") ? figures_away(&r->own)
					       : snapshot_reported(m->frame, &r->own);
}

/* Siblings that follow each other are in the order that was asked for. */
static void check_order(const struct model *m, const struct model_view *view)
{
	const char *order = view->sort->name;
	bool figures = !strcmp(order, "reported") || !strcmp(order, "true") ||
		       !strcmp(order, "descheduled");

	for (size_t i = 2; i < m->n_rows && figures; i++) {
		const struct model_row *b = &m->rows[i];
		uint64_t key = key_of(m, b, order), before = key;

		if (b->kind == &row_exited)
			continue;
		for (size_t j = i - 1; j > 0 && m->rows[j].depth >= b->depth; j--)
			if (m->rows[j].depth == b->depth) {
				before = key_of(m, &m->rows[j], order);
				break;
			}
		assert_true(view->reverse ? before <= key : before >= key);
	}
}

static void random_models_keep_the_sums(void **state)
{
	static struct snapshot_process processes[RANDOM_PROCESSES];
	static struct snapshot_thread threads[4 * RANDOM_PROCESSES];

	(void)state;
	srandom(7);
	for (int i = 0; i < 20000; i++) {
		struct model_view view = random_view();
		struct snapshot frame;
		struct model m;

		random_frame(&frame, processes, threads);
		assert_int_equal(guest_model(NULL, &frame, &view, &m), 0);
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
		cmocka_unit_test(random_models_keep_the_sums),
	};

	return cmocka_run_group_tests(tests, parse_frames, drop_frames);
}
