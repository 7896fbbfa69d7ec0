/* SPDX-License-Identifier: MIT */
/*
 * What a host's screen has beside the ledger's states: the computed entitlement, limits of cgroups,
 * the longest wait, who ran instead, alarms, trails. By hand, for the frames of host_frames.h where
 * there are any. Rows and states are test_screen_host.c's affair.
 */
#include "host/cpu_limit.h"
#include "host/entitlement.h"
#include "ledger/ready.h"
#include "screen/here.h"
#include "screen/host.h"
#include "screen/layout.h"
#include "screen/table.h"
#include "screen/trails.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_frames.h"

#include "canvas_text.h"

static int begin(void **state)
{
	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return -1;
	begin_frames();
	add_the_rest();
	return 0;
}

static int end(void **state)
{
	(void)state;
	end_frames();
	return 0;
}

static void make(struct model *ret)
{
	assert_int_equal(host_model(&first, &second, &(struct model_view){.threads = true}, ret),
			 0);
}

static const struct model_row *row_of(const struct model *m, pid_t id)
{
	for (size_t i = 0; i < m->n_rows; i++)
		if ((m->rows[i].tid ? m->rows[i].tid : m->rows[i].pid) == id)
			return &m->rows[i];
	fail_msg("no row %d", id);
	return NULL;
}

/* ---- entitlement ---- */

static void assert_entitled(const struct model *m, pid_t pid, double percent)
{
	double got = model_percent(m, row_of(m, pid)->host.entitled);

	if (fabs(got - percent) > 1e-3)
		fail_msg("process %d is entitled to %g %%, not %g %%", pid, got, percent);
}

static enum style style_of_entitled(const struct model *m, pid_t pid)
{
	for (size_t i = 0; i < subject_host.n_columns; i++) {
		const struct column *c = &subject_host.columns[i];

		if (c->name && !strcmp(c->name, "entitled"))
			return c->value(c, m, row_of(m, pid)).style;
	}
	fail_msg("no such column");
	return STYLE_NORMAL;
}

/*
 * What they wanted: web1 850 + 350 + 50, hostile 500, old 250, db 100, other 30. Of two CPUs the four
 * of one vCPU have what they want, 880, since web1 with its two gets more than twice as much a vCPU:
 * 2000 - 880. Of one CPU db and other have what they want; the other 870 are 2 : 1 : 1. With a limit
 * of 0.6 web1 has that, and all others what they want.
 */
static void entitlement_by_equal_shares(void **state)
{
	struct model m;

	(void)state;
	make(&m);
	assert_entitled(&m, 100, 112.0);
	assert_entitled(&m, 300, 50.0);
	assert_entitled(&m, 400, 25.0);
	assert_entitled(&m, 200, 10.0);
	assert_entitled(&m, 600, 3.0);
	model_done(&m);
	second.cpus = 1;
	make(&m);
	assert_entitled(&m, 100, 43.5);
	assert_entitled(&m, 300, 21.75);
	assert_entitled(&m, 400, 21.75);
	assert_entitled(&m, 200, 10.0);
	assert_entitled(&m, 600, 3.0);
	model_done(&m);
	second.cpus = 2;
	second.vms[0].cpu_limit = 0.6;
	make(&m);
	assert_entitled(&m, 100, 60.0);
	assert_entitled(&m, 300, 50.0);
	assert_int_equal(style_of_entitled(&m, 100), STYLE_WARNING);
	assert_int_equal(style_of_entitled(&m, 300), STYLE_NORMAL);
	model_done(&m);
}

/* deschedd knows settings: what it says counts, of the VMs of which it says something. */
static void entitlement_by_settings(void **state)
{
	struct model m;

	(void)state;
	second.cpus = 2;
	second.vms[0].has_entitled = true;
	second.vms[0].entitled = 0.75;
	second.vms[0].cpu_limit = 1;
	make(&m);
	assert_entitled(&m, 100, 75.0);
	assert_entitled(&m, 300, 50.0);
	assert_int_equal(style_of_entitled(&m, 100), STYLE_NORMAL);
	model_done(&m);
	second.vms[0].cpu_limit = 0.76;
	make(&m);
	assert_int_equal(style_of_entitled(&m, 100), STYLE_WARNING);
	model_done(&m);
}

/* None of them is more than what is wanted, the limit, or all together than there is. */
static void entitlement_of_random_hosts(void **state)
{
	(void)state;
	srandom(4);
	for (int i = 0; i < 2000; i++) {
		struct entitlement vms[20];
		size_t n = (size_t)random() % 20;
		double cpus = (double)(random() % 8), sum = 0, wanted = 0;

		for (size_t v = 0; v < n; v++) {
			vms[v] = (struct entitlement){
				.n_vcpus = (size_t)random() % 5,
				.wanted = (double)(random() % 1000) / 250,
				.limit = random() % 3 ? 0 : (double)(1 + random() % 1000) / 500};
			wanted += vms[v].limit > 0 ? fmin(vms[v].wanted, vms[v].limit)
						   : vms[v].wanted;
		}
		assert_int_equal(
			entitlement_divide(vms, n, &(struct entitlement_host){cpus, NULL, 0}), 0);
		for (size_t v = 0; v < n; v++) {
			assert_true(vms[v].entitled <= vms[v].wanted + 1e-9);
			assert_true(!(vms[v].limit > 0) || vms[v].entitled <= vms[v].limit + 1e-9);
			sum += vms[v].entitled;
		}
		assert_true(fabs(sum - fmin(wanted, cpus)) < 1e-6); /* nothing is left over */
	}
}

/* ---- limits ---- */

static void put_file(const char *root, const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *slash = strchr(full + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_limit(const char *root, pid_t pid, double expected)
{
	double got = cpu_limit_of(root, pid, pid + 1, 4);

	if (fabs(got - expected) > 1e-9)
		fail_msg("process %d has %g CPUs, not %g", pid, got, expected);
}

#define SCOPE "/machine.slice/machine-qemu\\x2d1\\x2dweb1.scope/libvirt"

/* Version 2: of libvirt, of its parents alone, without one, in another namespace. Version 1. */
static void limits_are_those_of_cgroups(void **state)
{
	char root[] = "/tmp/test-host-columns.XXXXXX", command[128];

	(void)state;
	assert_non_null(mkdtemp(root));
	put_file(root, "/proc/100/cgroup", "0::" SCOPE "/emulator\n");
	put_file(root, "/proc/100/task/101/cgroup", "0::" SCOPE "/vcpu0\n");
	put_file(root, "/sys/fs/cgroup" SCOPE "/cpu.max", "max 100000\n");
	assert_limit(root, 100, 0);
	put_file(root, "/sys/fs/cgroup" SCOPE "/emulator/cpu.max", "1000 100000\n");
	put_file(root, "/sys/fs/cgroup" SCOPE "/vcpu0/cpu.max", "50000 100000\n");
	assert_limit(root, 100, 4 * 0.5); /* each of four vCPUs */
	put_file(root, "/sys/fs/cgroup" SCOPE "/cpu.max", "15000 10000\n");
	assert_limit(root, 100, 1.5); /* all together */
	put_file(root, "/sys/fs/cgroup/machine.slice/cpu.max", "120000 100000\n");
	assert_limit(root, 100, 1.2);
	put_file(root, "/proc/200/cgroup", "0::/user.slice\n");
	put_file(root, "/proc/200/task/201/cgroup", "0::/user.slice\n");
	assert_limit(root, 200, 0);
	put_file(root, "/proc/300/cgroup", "0::/../../other\n");
	put_file(root, "/proc/300/task/301/cgroup", "0::/../../other\n");
	assert_limit(root, 300, 0);
	assert_limit(root, 400, 0); /* it is gone */
	put_file(root, "/proc/500/cgroup", "4:cpu,cpuacct:/qemu/web\n0::/\n");
	put_file(root, "/proc/500/task/501/cgroup", "4:cpu,cpuacct:/qemu/web\n0::/\n");
	put_file(root, "/sys/fs/cgroup/cpu/qemu/web/cpu.cfs_quota_us", "25000\n");
	put_file(root, "/sys/fs/cgroup/cpu/qemu/web/cpu.cfs_period_us", "100000\n");
	assert_limit(root, 500, 0.25);
	put_file(root, "/sys/fs/cgroup/cpu/qemu/web/cpu.cfs_quota_us", "-1\n");
	assert_limit(root, 500, 0);
	put_file(root, "/sys/fs/cgroup/cpu/qemu/web/cpu.cfs_quota_us", "a lot\n");
	assert_limit(root, 500, 0);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

/* ---- waits ---- */

static void waits_and_culprits(void **state)
{
	struct model m;

	(void)state;
	make(&m);
	assert_int_equal(row_of(&m, 100)->host.longest, 45 * NS_PER_MS);
	assert_int_equal(row_of(&m, 102)->host.longest, 12500 * NS_PER_US);
	assert_int_equal(row_of(&m, 200)->host.longest, 0);
	assert_string_equal(row_of(&m, 100)->host.by, "kworker/0:1");
	assert_int_equal(row_of(&m, 100)->host.by_ns, 150 * NS_PER_MS);
	assert_null(row_of(&m, 200)->host.by);
	model_done(&m);
}

static void times_have_a_unit_that_fits(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0.00ms"},
		{450 * NS_PER_US, "0.45ms"},
		{9994 * NS_PER_US, "9.99ms"},
		{9996 * NS_PER_US, "10.0ms"},
		{12500 * NS_PER_US, "12.5ms"},
		{123400 * NS_PER_US, "123ms"},
		{999 * NS_PER_MS, "999ms"},
		{1200 * NS_PER_MS, "1.2s"},
		{3600 * NS_PER_SEC, "3600s"},
	};
	char text[TIME_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		time_text(cases[i].ns, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void alarms_begin_at_5_and_10_percent(void **state)
{
	(void)state;
	assert_int_equal(ready_level(0, 0), READY_IS_FINE);
	assert_int_equal(ready_level(49999, 1000000), READY_IS_FINE);
	assert_int_equal(ready_level(50000, 1000000), READY_IS_WARNING);
	assert_int_equal(ready_level(99999, 1000000), READY_IS_WARNING);
	assert_int_equal(ready_level(100000, 1000000), READY_IS_ALARM);
}

/* ---- the screen ---- */

static struct canvas canvas;

static char *draw(const struct model *m, int width)
{
	struct ui ui = {.subject = &subject_host, .view = {.threads = true}};
	struct scene scene = {.model = m, .ui = &ui, .origin = "this host"};
	struct layout layout;

	assert_int_equal(canvas_new(width, 24, false, &canvas), 0);
	layout_draw(&scene, &canvas, &layout);
	return canvas_text(&canvas);
}

static void assert_line(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no '%s' in\n%s", line, text);
}

/* By hand: 79 columns are taken without those of co-stop and limited, so that %IDLE and %WAIT make
 * room for a name of 15. */
static void columns_that_yield_at_80(void **state)
{
	struct model m;
	char *text;

	(void)state;
	make(&m);
	text = draw(&m, 80);
	assert_line(text, "    PID  %USED   %RUN   %RDY  %CSTP %MLMTD  %OVHD ~%ENTL LONGEST VM\n");
	assert_line(text,
		    "    100   89.0   85.0   35.0    5.0    0.0    4.0  112.0  45.0ms web1\n");
	assert_line(text,
		    "    102   25.0   25.0    5.0    5.0    0.0      -      -  12.5ms `-vCPU 1\n");
	assert_line(text,
		    "    300   40.0   40.0   10.0    0.0    0.0    0.0   50.0    1.2s a?]0;b?\n");
	assert_line(
		text,
		"    400   21.0   20.0    0.0    0.0    5.0    1.0   25.0  0.45ms old (ended)\n");
	free(text);
	canvas_done(&canvas);
	text = draw(&m, 110);
	assert_line(text, "  %WAIT  %OVHD ~%ENTL LONGEST BY                 MEM VM\n");
	assert_line(text, "    5.0    4.0  112.0  45.0ms kworker/0:1       300M web1\n");
	assert_line(text, " 100 web1, 2 vCPUs, 6f1d-uuid, waited for kworker/0:1");
	free(text);
	canvas_done(&canvas);
	model_done(&m);
}

/* A name of 40 has 15 columns, of which the end takes 8. */
static void ends_are_seen_behind_long_names(void **state)
{
	struct model m;
	char *text;

	(void)state;
	memset(second.vms[3].name, 'x', 40);
	make(&m);
	text = draw(&m, 80);
	assert_line(text, "0.45ms xxxxxxx (ended)\n");
	free(text);
	canvas_done(&canvas);
	model_done(&m);
}

static enum style style_of_ready(int y)
{
	return (enum style)canvas_at(&canvas, y, 27)->style; /* its last digit */
}

/* In the order of lines from the 7th on: web1's worst vCPU waited 30 %, its other one 5 %; hostile's
 * 10 %, the rest not. */
static void alarms_have_styles(void **state)
{
	static const enum style expected[] = {STYLE_ALARM, STYLE_ALARM, STYLE_WARNING, STYLE_ALARM,
					      STYLE_ALARM, STYLE_DIM,	STYLE_DIM};
	struct model m;

	(void)state;
	make(&m);
	free(draw(&m, 80));
	for (int i = 0; i < (int)ARRAY_SIZE(expected); i++)
		assert_int_equal(style_of_ready(6 + i), expected[i]);
	canvas_done(&canvas);
	model_done(&m);
}

static void tables_and_json_have_them(void **state)
{
	struct failure f = {""};
	const json_t *web1, *vcpu;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	struct model m;
	json_t *o;

	(void)state;
	second.vms[0].cpu_limit = 1.5;
	make(&m);
	table_print(&m, "", to);
	fclose(to);
	assert_line(text, "  %OVHD  ~%ENTL  LONGEST BY                 VM\n");
	assert_line(text, "    4.0   112.0   45.0ms kworker/0:1        web1\n");
	assert_line(text, "      -       -   12.5ms -                  ");
	free(text);
	to = open_memstream(&text, &size);
	assert_int_equal(table_json(&m, to, "a table", &f), 0);
	fclose(to);
	o = json_loads(text, 0, NULL);
	free(text);
	web1 = json_array_get(json_object_get(o, "vms"), 0);
	vcpu = json_array_get(json_object_get(web1, "vcpus"), 1);
	assert_true(fabs(json_number_value(json_object_get(web1, "entitled")) - 1.12) < 1e-6);
	assert_true(fabs(json_number_value(json_object_get(web1, "longest_s")) - 0.045) < 1e-9);
	assert_true(fabs(json_number_value(json_object_get(web1, "cpu_limit")) - 1.5) < 1e-9);
	assert_string_equal(json_string_value(json_object_get(web1, "by")), "kworker/0:1");
	assert_string_equal(json_string_value(json_object_get(web1, "alarm")), "alarm");
	assert_string_equal(json_string_value(json_object_get(vcpu, "alarm")), "warning");
	assert_true(json_is_null(
		json_object_get(json_array_get(json_object_get(o, "vms"), 4), "alarm")));
	assert_true(json_is_null(json_object_get(vcpu, "entitled")));
	assert_int_equal(json_integer_value(json_object_get(o, "cpus")), 2);
	json_decref(o);
	model_done(&m);
}

/* ---- trails ---- */

static void assert_trail(const struct trails *t, pid_t pid, const double *expected)
{
	double got[TRAIL_CELLS];

	trails_get(t, pid, 5, got);
	for (int i = 0; i < TRAIL_CELLS; i++)
		if (fabs(got[i] - expected[i]) > 1e-9)
			fail_msg("cell %d is %g, not %g", i, got[i], expected[i]);
}

/* Seconds 0 to 5 have 0.2, 5 to 15 have 0.1, 15 to 125 have 0.3: so of spans of 10 s the first has
 * 0.15, the second 0.2, all others 0.3, and the last of 12 is half over. */
static void trails_are_of_spans(void **state)
{
	struct trails *t = trails_new();

	(void)state;
	assert_non_null(t);
	trails_add(t, 1, 5, 0, 5 * NS_PER_SEC, 0.2);
	trails_add(t, 1, 5, 5 * NS_PER_SEC, 15 * NS_PER_SEC, 0.1);
	assert_trail(t, 1, (double[]){-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0.15, 0.1});
	trails_add(t, 1, 5, 15 * NS_PER_SEC, 125 * NS_PER_SEC, 0.3);
	assert_trail(t, 1, (double[]){0.2, .3, .3, .3, .3, .3, .3, .3, .3, .3, .3, .3});
	trails_add(t, 2, 5, 110 * NS_PER_SEC, 125 * NS_PER_SEC, 0);
	assert_trail(t, 2, (double[]){-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0});
	trails_forget(t, 126 * NS_PER_SEC);
	assert_trail(t, 1, (double[]){-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1});
	trails_free(t);
	assert_trail(NULL, 1, (double[]){-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1});
}

/* Per vCPU: web1 (350 + 50) / 2 = 20 %, hostile 10 %, old 5 %, db none. Full is 10 %, so that old
 * has level 4 of 8. */
static void trails_are_drawn(void **state)
{
	struct trails *t = trails_new();
	struct model m;
	char *text;

	(void)state;
	host_leave_trails(&first, &second, t);
	make(&m);
	m.trails = t;
	text = draw(&m, 130);
	assert_line(text, " 300M            # web1\n");
	assert_line(text, " 300M            # a?]0;b?\n");
	assert_line(text, " 300M            - old (ended)\n");
	assert_line(text, " 300M            _ db\n");
	assert_line(text, "    -              `-vCPU 0\n");
	free(text);
	canvas_done(&canvas);
	model_done(&m);
	trails_free(t);
}

/* ---- what this machine is ---- */

static void a_machine_with_vms_is_a_host(void **state)
{
	static const struct {
		struct here here;
		const struct subject *subject;
		bool note; /* on a screen: the other makes sense, too */
	} cases[] = {
		{{.has_vms = true}, &subject_host, false},
		{{.has_vms = true, .is_vm = true}, &subject_host, true},
		{{.runs_vms = true}, &subject_host, false},
		{{.runs_vms = true, .is_vm = true}, &subject_guest, false},
		{{.is_vm = true}, &subject_guest, false},
		{{.is_vm = false}, &subject_guest, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct here *h = &cases[i].here;

		assert_ptr_equal(here_subject(h), cases[i].subject);
		assert_int_equal(here_note(h, true) != NULL, cases[i].note);
		assert_int_equal(here_note(h, false) != NULL, cases[i].subject == &subject_host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entitlement_by_equal_shares, begin, end),
		cmocka_unit_test_setup_teardown(entitlement_by_settings, begin, end),
		cmocka_unit_test(entitlement_of_random_hosts),
		cmocka_unit_test(limits_are_those_of_cgroups),
		cmocka_unit_test_setup_teardown(waits_and_culprits, begin, end),
		cmocka_unit_test(times_have_a_unit_that_fits),
		cmocka_unit_test(alarms_begin_at_5_and_10_percent),
		cmocka_unit_test_setup_teardown(columns_that_yield_at_80, begin, end),
		cmocka_unit_test_setup_teardown(alarms_have_styles, begin, end),
		cmocka_unit_test_setup_teardown(ends_are_seen_behind_long_names, begin, end),
		cmocka_unit_test_setup_teardown(tables_and_json_have_them, begin, end),
		cmocka_unit_test(trails_are_of_spans),
		cmocka_unit_test_setup_teardown(trails_are_drawn, begin, end),
		cmocka_unit_test(a_machine_with_vms_is_a_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
