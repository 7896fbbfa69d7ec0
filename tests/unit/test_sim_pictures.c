/* SPDX-License-Identifier: MIT */
/*
 * What people look at: pictures, traces over a window, the table. Expected shares are added up here
 * from the states that the core reports, or known beforehand. Sibling: test_sim.c, files and
 * limits.
 */
#include "base/units.h"
#include "sim/plot.h"
#include "sim/sim_report.h"
#include "sim/trace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VCPUS 3
#define FROM  (UINT64_C(300) * 1000000)
#define LONG  (UINT64_C(450) * 1000000)

/* One CPU: a has twice of b, c little; slices are shorter than a cell of the picture. */
static const char text[] =
	"[host]\ncpus=1\nslice=1ms\n[run]\nduration=1s\n[vm a-name-of-20-letters]\n"
	"shares=2000\n[vm b]\n[vm c]\nworkload=duty\nload=0.1\nburst=1ms\n";

static struct {
	struct plot *plot;
	struct trace *trace;
	uint64_t at[VCPUS], ns[VCPUS][LEDGER_STATES];
	enum ledger_state state[VCPUS];
} seen;

static void count(uint32_t v, uint64_t now, enum ledger_state state)
{
	uint64_t from = u64_max(seen.at[v], FROM), to = u64_min(now, FROM + LONG);

	if (to > from)
		seen.ns[v][seen.state[v]] += to - from;
	seen.at[v] = now;
	seen.state[v] = state;
}

static void watch(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	(void)data;
	count(vcpu, now, state);
	plot_state(seen.plot, vcpu, now, state);
	if (seen.trace)
		trace_state(seen.trace, vcpu, now, state);
}

struct fixture {
	struct scenario *scenario;
	struct sim *sim;
};

static void begin(struct fixture *x, const char *trace)
{
	struct failure f = {""};

	memset(&seen, 0, sizeof(seen));
	if (scenario_parse(text, strlen(text), "t.ini", &f, &x->scenario))
		fail_msg("%s", f.text);
	assert_int_equal(sim_new(x->scenario, 1, 0, &f, &x->sim), 0);
	assert_int_equal(plot_new(x->sim, FROM, LONG, &seen.plot), 0);
	if (trace)
		assert_int_equal(trace_open(x->sim, trace, FROM, LONG, &f, &seen.trace), 0);
	for (uint32_t v = 0; v < VCPUS; v++)
		seen.state[v] = core_state_of(x->sim->core, v);
	core_set_watch(x->sim->core, (struct core_watch){watch, NULL});
	sim_run(x->sim, NS_PER_SEC);
	sim_settle(x->sim);
	for (uint32_t v = 0; v < VCPUS; v++)
		count(v, NS_PER_SEC, seen.state[v]);
}

static void end(struct fixture *x)
{
	plot_free(seen.plot);
	sim_free(x->sim);
	scenario_free(x->scenario);
}

static double share(uint32_t v, enum ledger_state state)
{
	return (double)seen.ns[v][state] / (double)LONG;
}

static double letters(const char *line, char letter)
{
	double n = 0;

	for (; *line && *line != '\n'; line++)
		n += *line == letter;
	return n;
}

/* Each vCPU's row has a state's letter as often as the vCPU was in it, to a character. */
static void shares_in_terminal(void **state)
{
	struct fixture x;
	char *out = NULL;
	const char *row;
	size_t size;
	FILE *to = open_memstream(&out, &size);

	(void)state;
	begin(&x, NULL);
	plot_terminal(seen.plot, x.sim, to);
	fclose(to);
	row = strstr(out, "from 0.3 s to 0.75 s");
	assert_non_null(row);
	for (uint32_t v = 0; v < VCPUS; v++) {
		row = strchr(row, '\n') + 1;
		assert_true(fabs(letters(row + 24, '#') - 60 * share(v, LEDGER_RUN)) <= 1);
		assert_true(fabs(letters(row + 24, 'r') - 60 * share(v, LEDGER_READY)) <= 1);
		assert_true(fabs(letters(row + 24, '.') - 60 * share(v, LEDGER_HALT)) <= 1);
	}
	assert_true(fabs(share(1, LEDGER_RUN) - 0.32) < 0.02); /* nobody's majority */
	assert_non_null(strstr(out, "\na-name-of-20-letters 0 "));
	free(out);
	end(&x);
}

/* Adds up the area of the boxes of each vCPU's row by colour, and finds rows by their distance. */
static void add_boxes(FILE *in, double top, double area[VCPUS][2])
{
	double x, y, w, h;
	char line[512], fill[16];

	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line,
			   "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\" fill=\"%15[^\"]",
			   &x, &y, &w, &h, fill) != 5 ||
		    y < top - 0.01 || y >= top + 18 * VCPUS)
			continue;
		assert_true(h <= 14.01);
		area[(int)((y - top + 0.01) / 18)][0] += strcmp(fill, "#009e73") ? 0 : w * h;
		area[(int)((y - top + 0.01) / 18)][1] += w * h;
	}
}

static void shares_in_svg(void **state)
{
	char path[] = "/tmp/desched-svg-XXXXXX", svg[65536];
	double area[VCPUS][2] = {{0}};
	struct failure f = {""};
	struct fixture x;
	FILE *in;

	(void)state;
	close(mkstemp(path));
	begin(&x, NULL);
	assert_int_equal(plot_svg(seen.plot, x.sim, "a <b> & \"c\"", path, &f), 0);
	in = fopen(path, "r");
	svg[fread(svg, 1, sizeof(svg) - 1, in)] = 0;
	assert_non_null(strstr(svg, ">a &#60;b&#62; &#38; &#34;c&#34;</text>"));
	assert_non_null(strstr(svg, ">a-name-of-20-letters 0.0</text>"));
	assert_non_null(strstr(svg, ">swapwait</text>")); /* legend */
	assert_non_null(strstr(svg, ">100 %</text>"));
	for (int ms = 300; ms <= 750; ms += 100) {
		char label[32];

		snprintf(label, sizeof(label), ">%d ms</text>", ms);
		assert_non_null(strstr(svg, label));
	}
	rewind(in);
	/* title and legend 54, VMs' heading and bars 18 + 3 * 18, axis 36, heading 18 */
	add_boxes(in, 54 + 18 + 3 * 18 + 36 + 18, area);
	fclose(in);
	unlink(path);
	for (uint32_t v = 0; v < VCPUS; v++) {
		assert_true(fabs(area[v][1] / (600 * 14) - 1) < 0.01);
		assert_true(fabs(area[v][0] / area[v][1] - share(v, LEDGER_RUN)) < 0.01);
	}
	end(&x);
}

/* The trace has the window and nothing else. */
static void traced_window(void **state)
{
	char path[] = "/tmp/desched-trace-XXXXXX";
	double us[VCPUS] = {0}, run[VCPUS] = {0};
	struct failure f = {""};
	struct fixture x;
	json_t *json, *e;
	size_t i;

	(void)state;
	close(mkstemp(path));
	begin(&x, path);
	assert_int_equal(trace_close(seen.trace, x.sim, &f), 0);
	json = json_load_file(path, 0, NULL);
	unlink(path);
	json_array_foreach(json_object_get(json, "traceEvents"), i, e)
	{
		double ts = json_number_value(json_object_get(e, "ts")),
		       dur = json_number_value(json_object_get(e, "dur"));
		json_int_t v = json_integer_value(json_object_get(e, "tid")) - 1;

		if (strcmp(json_string_value(json_object_get(e, "ph")), "X"))
			continue;
		assert_true(ts >= 300e3 - 1e-3 && ts + dur <= 750e3 + 1e-3);
		us[v] += dur;
		run[v] += strcmp(json_string_value(json_object_get(e, "name")), "run") ? 0 : dur;
	}
	for (uint32_t v = 0; v < VCPUS; v++) {
		assert_true(fabs(us[v] - 450e3) < 1e-2);
		assert_true(fabs(run[v] / 450e3 - share(v, LEDGER_RUN)) < 1e-6);
	}
	json_decref(json);
	end(&x);
}

/* Names are whole, and the columns behind them are in line. */
static void table(void **state)
{
	struct run_options o = {.seed = 1, .jobs = 1};
	struct scenario *s = NULL;
	struct failure f = {""};
	const char *head, *a, *b;
	struct run *r = NULL;
	char *out = NULL;
	size_t size;
	FILE *to = open_memstream(&out, &size);

	(void)state;
	assert_int_equal(scenario_parse(text, strlen(text), "t.ini", &f, &s), 0);
	assert_int_equal(run_scenario(s, &o, &f, &r), 0);
	assert_int_equal(sim_report_table(r, to), 0);
	fclose(to);
	head = strstr(out, "variant ");
	a = strstr(out, "a-name-of-20-letters ");
	assert_non_null(a);
	b = strchr(a, '\n') + 1;
	assert_int_equal(strchr(head, '\n') - head, strchr(b, '\n') - b);
	assert_true(r->cpu_seconds > 0 && r->events > 0);
	free(out);
	run_free(r);
	scenario_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_in_terminal),
		cmocka_unit_test(shares_in_svg),
		cmocka_unit_test(traced_window),
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
