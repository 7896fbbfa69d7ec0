/* SPDX-License-Identifier: MIT */
/*
 * The screen about a host: rows of VMs and vCPUs, their figures, orders, folds and filters, what is
 * drawn, printed and kept. Worked out by hand for the frames of host_frames.h; for random ones the
 * sums are held to what host.h says. Live VMs are tests/system/test_top_host.c's affair.
 */
#include "base/units.h"
#include "screen/host.h"
#include "screen/layout.h"
#include "screen/table.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "canvas_text.h"
#include "host_frames.h"

static int begin(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return -1;
	begin_frames();
	return 0;
}

static int end(void **state)
{
	(void)state;
	end_frames();
	return 0;
}

static void make(const struct model_view *view, struct model *ret)
{
	assert_int_equal(host_model(&first, &second, view, ret), 0);
}

/* "M100^0. C101^1": kind, thread or process, depth, a dot for the last sibling. */
static void assert_rows(const struct model *m, const char *expected)
{
	char text[1024] = "";

	for (size_t i = 0; i < m->n_rows; i++) {
		const struct model_row *r = &m->rows[i];
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%s%c%d^%u%s", i ? " " : "",
			 r->kind->letter, r->tid ? r->tid : r->pid, r->depth, r->last ? "." : "");
	}
	assert_string_equal(text, expected);
}

static const struct model_row *row_of(const struct model *m, pid_t id)
{
	for (size_t i = 0; i < m->n_rows; i++)
		if ((m->rows[i].tid ? m->rows[i].tid : m->rows[i].pid) == id)
			return &m->rows[i];
	fail_msg("no row %d", id);
	return NULL;
}

/* ms, in the order of enum ledger_state, then overhead. */
static void assert_ms(const struct model_row *row, const uint64_t expected[LEDGER_STATES + 1])
{
	for (int s = 0; s < LEDGER_STATES; s++)
		assert_int_equal(row->host.ns[s], expected[s] * NS_PER_MS);
	assert_int_equal(row->host.overhead, expected[LEDGER_STATES] * NS_PER_MS);
}

static void an_interval_is_the_difference(void **state)
{
	struct model m;

	(void)state;
	make(&(struct model_view){.threads = true}, &m);
	assert_int_equal(m.elapsed, NS_PER_SEC);
	assert_ms(row_of(&m, 100), (uint64_t[]){850, 350, 50, 0, 0, 700, 50, 40});
	assert_ms(row_of(&m, 101), (uint64_t[]){600, 300, 0, 0, 0, 100, 0, 0});
	assert_ms(row_of(&m, 102), (uint64_t[]){250, 50, 50, 0, 0, 600, 50, 0});
	assert_ms(row_of(&m, 200), (uint64_t[]){100, 0, 0, 0, 0, 900, 0, 0});
	assert_ms(row_of(&m, 300), (uint64_t[]){400, 100, 0, 0, 0, 0, 0, 0});
	assert_ms(row_of(&m, 400), (uint64_t[]){200, 0, 0, 50, 0, 0, 0, 10});
	assert_true(row_of(&m, 400)->ended && !row_of(&m, 300)->ended);
	assert_ms(row_of(&m, 600), (uint64_t[]){30, 0, 0, 0, 0, 70, 0, 0});
	assert_int_equal(m.ns[LEDGER_RUN], 1580 * NS_PER_MS);
	assert_int_equal(m.ns[LEDGER_HALT], 1670 * NS_PER_MS);
	assert_int_equal(m.overhead, 50 * NS_PER_MS);
	assert_int_equal(m.n_vcpus, 6);
	assert_int_equal(m.bars[0].whole, 3850 * NS_PER_MS);
	model_done(&m);
	/* Without a frame before, it is all since measuring began. */
	assert_int_equal(host_model(NULL, &second, &(struct model_view){.tree = false}, &m), 0);
	assert_ms(row_of(&m, 200), (uint64_t[]){110, 20, 0, 0, 0, 930, 0, 7});
	model_done(&m);
}

static void rows_are_in_order(void **state)
{
	static const struct {
		const char *order;
		bool reverse, threads;
		const char *rows;
	} cases[] = {
		/* used: 890 400 210 100 30 */
		{"used", false, false, "M100^0 M300^0 M400^0 M200^0 M600^0."},
		{"used", true, false, "M600^0 M200^0 M400^0 M300^0 M100^0."},
		{"ready", false, true,
		 "M100^0 C101^1 C102^1. M300^0 C301^1. M200^0 C201^1. M400^0 C401^1. M600^0. "
		 "C601^1."},
		{"wait", false, true,
		 "M100^0 C102^1 C101^1. M200^0 C201^1. M300^0 C301^1. M400^0 C401^1. M600^0. "
		 "C601^1."},
		{"halt", false, false, "M200^0 M100^0 M600^0 M300^0 M400^0."},
		{"overhead", false, false, "M100^0 M400^0 M200^0 M300^0 M600^0."},
		{"limited", false, false, "M400^0 M100^0 M200^0 M300^0 M600^0."},
		{"name", false, false, "M300^0 M200^0 M400^0 M600^0 M100^0."},
		{"pid", true, false, "M600^0 M400^0 M300^0 M200^0 M100^0."},
	};
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make(&(struct model_view){.sort = subject_column(&subject_host, cases[i].order),
					  .reverse = cases[i].reverse,
					  .threads = cases[i].threads},
		     &m);
		assert_rows(&m, cases[i].rows);
		model_done(&m);
	}
}

static void folds_and_filters(void **state)
{
	struct ui ui = {.subject = &subject_host, .view = {.threads = true}};
	struct model m;

	(void)state;
	make(&ui.view, &m);
	ui_follow(&ui, &m, 10); /* the first row, web1 */
	ui_key(&ui, UI_KEY_ENTER, &m, 10);
	model_done(&m);
	make(&ui.view, &m);
	assert_rows(&m, "M100^0 M300^0 C301^1. M400^0 C401^1. M200^0 C201^1. M600^0. C601^1.");
	assert_int_equal(m.rows[0].hidden, 2);
	assert_int_equal(m.rows[2].parent, 1);
	assert_ms(&m.rows[0], (uint64_t[]){850, 350, 50, 0, 0, 700, 50, 40});
	ui_follow(&ui, &m, 10);
	ui_key(&ui, UI_KEY_ENTER, &m, 10);
	assert_int_equal(ui.view.n_folded, 0);
	model_done(&m);
	make(&(struct model_view){.filter = "6F1D"}, &m); /* web1's UUID */
	assert_rows(&m, "M100^0.");
	assert_int_equal(m.n_matching, 1);
	assert_int_equal(m.n_all, 5);
	assert_int_equal(m.ns[LEDGER_RUN], 1580 * NS_PER_MS); /* the totals are of all */
	model_done(&m);
	make(&(struct model_view){.pids = {200, 600}, .n_pids = 2}, &m);
	assert_rows(&m, "M200^0 M600^0.");
	model_done(&m);
}

/* H folds all, or none; Enter one against the rest, from its vCPUs, too. */
static void one_is_unfolded_where_all_are_folded(void **state)
{
	struct ui ui = {.subject = &subject_host, .view = {.threads = true}};
	struct model m;

	(void)state;
	make(&ui.view, &m);
	ui_follow(&ui, &m, 10);
	ui_key(&ui, UI_KEY_ENTER, &m, 10); /* web1 folded */
	ui_key(&ui, 'H', &m, 10);	   /* all are */
	assert_int_equal(ui.view.n_folded, 0);
	model_done(&m);
	make(&ui.view, &m);
	assert_rows(&m, "M100^0 M300^0 M400^0 M200^0 M600^0.");
	assert_int_equal(m.rows[0].hidden, 2);
	assert_int_equal(m.rows[1].hidden, 1);
	ui_follow(&ui, &m, 10);
	ui_key(&ui, UI_KEY_DOWN, &m, 10);
	ui_key(&ui, UI_KEY_ENTER, &m, 10); /* hostile unfolded */
	model_done(&m);
	make(&ui.view, &m);
	assert_rows(&m, "M100^0 M300^0 C301^1. M400^0 M200^0 M600^0.");
	assert_int_equal(m.rows[1].hidden, 0);
	ui_follow(&ui, &m, 10);
	ui_key(&ui, UI_KEY_DOWN, &m, 10); /* its vCPU */
	ui_key(&ui, UI_KEY_ENTER, &m, 10);
	model_done(&m);
	make(&ui.view, &m);
	assert_rows(&m, "M100^0 M300^0 M400^0 M200^0 M600^0.");
	ui_follow(&ui, &m, 10);
	assert_int_equal(ui.selected, 1);
	ui_key(&ui, 'H', &m, 10);
	assert_true(ui.view.threads);
	model_done(&m);
}

/* Whatever is shown, V asks for the other subject. */
static void a_key_turns_round(void **state)
{
	struct ui ui = {.subject = &subject_host}, guest = {.subject = &subject_guest};

	(void)state;
	assert_int_equal(ui_key(&ui, 'V', NULL, 10), UI_TURN);
	assert_int_equal(ui_key(&guest, 'V', NULL, 10), UI_TURN);
	guest.replay = true;
	assert_int_equal(ui_key(&guest, 'V', NULL, 10), UI_NOTHING);
}

static char *draw(const struct ui *ui, const struct model *m, int width, int height)
{
	struct scene scene = {.model = m, .ui = ui, .origin = "this host"};
	struct canvas canvas;
	struct layout layout;
	char *text;

	assert_int_equal(canvas_new(width, height, false, &canvas), 0);
	layout_draw(&scene, &canvas, &layout);
	text = canvas_text(&canvas);
	canvas_done(&canvas);
	return text;
}

/*
 * By hand. The bar has 80 - 9 - 26 = 45 cells for 3.85 s: run 1.58 s is 18.5 of them, rounded 18;
 * ready up to 2.03 is 23.7; co-stop up to 2.08, 24.3; limited up to 2.13, 24.9; wait up to 2.18,
 * 25.5, rounded 25. So 18, 6, 0, 1, 0. Of 3.85 s, 41.0 % ran and 15.6 % were away. There is no room
 * for swap waits where there are none.
 */
static void the_screen_at_80x24(void **state)
{
	static const char golden[] =
		" desched top   this host, source bpf   5 VMs   1.0 s                   12:00:11\n"
		" run 158.0 % + descheduled 55.0 % + wait 5.0 % + idle 167.0 %    overhead 5.0 %\n"
		" desched.                                                            peak 0.0 %\n"
		" 6 vCPUs[||||||||||||||||||RRRRRRL                    ]  41.0 % ran  15.6 % away\n"
		"         | run   R ready   C co-stop   L limited   S swap   W wait   (idle)\n"
		"    PID  %USED   %RUN   %RDY  %CSTP %MLMTD  %IDLE  %WAIT  %OVHD VM\n"
		"    100   89.0   85.0   35.0    5.0    0.0   70.0    5.0    4.0 web1\n"
		"    101   60.0   60.0   30.0    0.0    0.0   10.0    0.0      - |-vCPU 0\n"
		"    102   25.0   25.0    5.0    5.0    0.0   60.0    5.0      - `-vCPU 1\n"
		"    300   40.0   40.0   10.0    0.0    0.0    0.0    0.0    0.0 a?]0;b?\n"
		"    301   40.0   40.0   10.0    0.0    0.0    0.0    0.0      - `-vCPU 0\n"
		"    400   21.0   20.0    0.0    0.0    5.0    0.0    0.0    1.0 old (ended)\n"
		"    401   20.0   20.0    0.0    0.0    5.0    0.0    0.0      - `-vCPU 0\n"
		"    200   10.0   10.0    0.0    0.0    0.0   90.0    0.0    0.0 db\n"
		"    201   10.0   10.0    0.0    0.0    0.0   90.0    0.0      - `-vCPU 0\n"
		"    600    3.0    3.0    0.0    0.0    0.0    7.0    0.0    0.0 other\n"
		"    601    3.0    3.0    0.0    0.0    0.0    7.0    0.0      - `-vCPU 0\n"
		"\n\n\n\n\n"
		" 100 web1, 2 vCPUs, 6f1d-uuid                                             5 VMs\n"
		"? Help q Quit Space Pause / Filter s Sort H vCPUs B Busy V Procs\n";
	struct ui ui = {.subject = &subject_host, .view = {.threads = true}};
	struct model m;
	char *text;

	(void)state;
	make(&ui.view, &m);
	text = draw(&ui, &m, 80, 24);
	assert_string_equal(text, golden);
	free(text);
	model_done(&m);
	ui.view.sort = subject_column(&subject_host, "memory");
	ui.view.threads = false;
	make(&ui.view, &m);
	text = draw(&ui, &m, 140, 24);
	/* A share of 12 cells for the 1300 ms that were not idle: 850 are 7.8, 1200 11.1, 1250 11.5. */
	assert_non_null(strstr(text, "%SWPWT  %IDLE  %WAIT  %OVHD   MEM SHARE        VM\n"));
	assert_non_null(strstr(text, "  0.0   70.0    5.0    4.0  300M ||||||||RRRC web1 +2\n"));
	free(text);
	model_done(&m);
}

/* What the screen says of a host without VMs, and of gaps that were lost, tables say, too. */
static void tables_have_the_notes(void **state)
{
	struct host_frame none = {
		.time = TIME, .elapsed = 2 * NS_PER_SEC, .source = "bpf", .gaps_lost = 7};
	struct frame from = {.host = none}, to = {.host = none};
	struct model m;
	char *text = NULL;
	size_t size = 0;
	FILE *table = open_memstream(&text, &size);

	(void)state;
	from.host.elapsed = NS_PER_SEC;
	assert_int_equal(subject_host.make(&from, &to, &(struct model_view){.threads = true}, &m),
			 0);
	table_print(&m, "", table);
	fclose(table);
	assert_non_null(strstr(text, "\nno VM found: no process has KVM vCPUs, "));
	assert_non_null(strstr(text, "-name NAME,debug-threads=on"));
	assert_non_null(strstr(text, "\n7 gaps were lost; their time is counted\n"));
	free(text);
	model_done(&m);
}

static json_t *as_json(const struct model *m)
{
	struct failure f = {""};
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	json_t *o;

	assert_int_equal(table_json(m, to, "a table", &f), 0);
	fclose(to);
	o = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(o);
	return o;
}

static void assert_number(const json_t *o, const char *key, double expected)
{
	double got = json_number_value(json_object_get(o, key));

	if (fabs(got - expected) > 1e-9)
		fail_msg("%s is %g, not %g", key, got, expected);
}

static void tables_and_json(void **state)
{
	const json_t *web1, *vcpu;
	struct model m;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	json_t *o;

	(void)state;
	make(&(struct model_view){.threads = true}, &m);
	table_print(&m, "", to);
	fclose(to);
	assert_non_null(strstr(text, "desched top - this host, source bpf, 5 VMs, 1.0 s\n"));
	assert_non_null(strstr(text, "6 vCPUs: run 158.0 %, descheduled 55.0 %, wait 5.0 %, idle "
				     "167.0 %; overhead 5.0 %\n"));
	assert_non_null(strstr(text, "    0.0     0.0     1.0   old (ended)\n"));
	assert_non_null(strstr(text, "  a?]0;b?\n"));
	assert_non_null(strstr(text, "       -     vCPU 1\n"));
	free(text);
	o = as_json(&m);
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "desched-top-host/1");
	assert_number(o, "seconds", 1);
	assert_int_equal(json_array_size(json_object_get(o, "vms")), 5);
	web1 = json_array_get(json_object_get(o, "vms"), 0);
	assert_number(web1, "pid", 100);
	assert_number(web1, "used", 0.89);
	assert_number(web1, "costop", 0.05);
	assert_number(web1, "overhead", 0.04);
	assert_number(web1, "memory_bytes", 300 * MIB);
	assert_int_equal(json_array_size(json_object_get(web1, "vcpus")), 2);
	vcpu = json_array_get(json_object_get(web1, "vcpus"), 1);
	assert_number(vcpu, "index", 1);
	assert_number(vcpu, "halt", 0.6);
	assert_true(json_is_null(json_object_get(vcpu, "overhead")));
	assert_true(json_is_true(
		json_object_get(json_array_get(json_object_get(o, "vms"), 2), "ended")));
	json_decref(o);
	model_done(&m);
}

/* ---- random hosts ---- */

static void random_frame(struct host_frame *f, uint64_t elapsed)
{
	size_t n = (size_t)random() % 8;

	*f = (struct host_frame){
		.elapsed = elapsed, .source = "x", .vms = calloc(n + 1, sizeof(*f->vms))};
	f->cpus = (unsigned)random() % 4;
	f->has_gaps = random() % 2;
	for (size_t i = 0; i < n; i++) {
		struct host_frame_vm *vm = host_frame_add(f, (size_t)random() % 5);

		vm->pid = 1 + (pid_t)(random() % 6);
		vm->since = (uint64_t)random() % 2;
		vm->ended = random() % 4 == 0;
		vm->overhead = (uint64_t)random() % 1000;
		vm->cpu_limit = (double)(random() % 3) / 2;
		snprintf(vm->name, sizeof(vm->name), "%c%c", (int)(random() % 256),
			 (int)(random() % 256));
		for (size_t v = 0; v < vm->n_vcpus; v++)
			for (int s = 0; s < LEDGER_STATES; s++)
				vm->vcpus[v].ns[s] = (uint64_t)random() % NS_PER_SEC;
	}
}

/* Below each VM its vCPUs, which sum up to it; all VMs sum up to the whole. */
static void check_sums(const struct model *m)
{
	uint64_t all[LEDGER_STATES] = {0};

	for (size_t i = 0; i < m->n_rows; i++) {
		const struct model_row *vm = &m->rows[i];
		uint64_t sum[LEDGER_STATES] = {0};

		if (vm->kind != &row_vm)
			continue;
		for (size_t v = i + 1; v < m->n_rows && m->rows[v].kind == &row_vcpu; v++) {
			assert_int_equal(m->rows[v].parent, i);
			for (int s = 0; s < LEDGER_STATES; s++)
				sum[s] += m->rows[v].host.ns[s];
		}
		assert_memory_equal(sum, vm->host.ns, sizeof(sum));
		for (int s = 0; s < LEDGER_STATES; s++)
			all[s] += vm->host.ns[s];
	}
	assert_memory_equal(all, m->ns, sizeof(all));
}

static void random_hosts_keep_the_sums(void **state)
{
	(void)state;
	srandom(3);
	for (int i = 0; i < 5000; i++) {
		struct ui ui = {.subject = &subject_host, .view = {.threads = true}};
		struct host_frame from, to;
		struct model m;

		ui.view.sort = &subject_host.columns[(size_t)random() % 13];
		ui.view.reverse = random() % 2;
		random_frame(&from, 1);
		random_frame(&to, NS_PER_SEC + 1);
		assert_int_equal(host_model(&from, &to, &ui.view, &m), 0);
		for (size_t r = 0; r < m.n_rows; r++)
			assert_true(m.rows[r].kind == subject_host.kinds[0] ||
				    m.rows[r].kind == subject_host.kinds[1]);
		check_sums(&m);
		free(draw(&ui, &m, (int)(random() % 180), (int)(random() % 50)));
		model_done(&m);
		host_frame_done(&from);
		host_frame_done(&to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interval_is_the_difference),
		cmocka_unit_test(rows_are_in_order),
		cmocka_unit_test(folds_and_filters),
		cmocka_unit_test(one_is_unfolded_where_all_are_folded),
		cmocka_unit_test(a_key_turns_round),
		cmocka_unit_test(the_screen_at_80x24),
		cmocka_unit_test(tables_have_the_notes),
		cmocka_unit_test(tables_and_json),
		cmocka_unit_test(random_hosts_keep_the_sums),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
