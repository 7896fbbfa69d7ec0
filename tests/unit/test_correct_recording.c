/* SPDX-License-Identifier: MIT */
/*
 * Files of `desched record` as they are corrected, from both sides: the frames are those of
 * screen_frames.h, whose figures are worked out by hand there. test_recording.c covers the files
 * themselves, test_correct_formats.c the other formats.
 */
#include "near.h"
#include "screen_frames.h"

#include "base/units.h"
#include "correct/correct.h"
#include "data/recording.h"
#include "data/summary.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BEGIN 1795176011.0 /* FRAMES_TIME */

static const struct source guest_side = {.host = false}, host_side = {.host = true};
static char path[64];
static struct failure f;
static struct recording_writer *writer;

static void begin(void)
{
	snprintf(path, sizeof(path), "/tmp/test-correct-recording.%d", getpid());
	unlink(path);
	memset(&f, 0, sizeof(f));
	assert_int_equal(recording_create(path, FRAMES_TIME, &f, &writer), 0);
}

static void put(const char *text, double seconds)
{
	struct recording_mark mark = {.time = FRAMES_TIME + (uint64_t)(seconds * 1e9)};
	json_t *o = frames_json(text);

	assert_non_null(o);
	assert_int_equal(recording_write(writer, &mark, o, &f), 0);
	json_decref(o);
}

static void finish(void)
{
	assert_int_equal(recording_finish(writer, &f), 0);
}

static void refused(bool host, const char *why)
{
	struct usage u;

	finish();
	assert_true(usage_read(path, host ? &host_side : &guest_side, &f, &u) < 0);
	if (!strstr(f.text, why) || !strstr(f.text, path))
		fail_msg("'%s' does not say '%s' and the file", f.text, why);
	unlink(path);
}

/* Seconds of CPU time of one, over all intervals; *ret_pieces is how many there were. */
static double sum(const struct usage *u, const char *name, int *ret_pieces)
{
	double cpu = 0;

	*ret_pieces = 0;
	for (size_t i = 0; i < u->n; i++) {
		const char *is = u->names[u->pieces[i].who];

		if (name ? !is || strcmp(is, name) != 0 : u->pieces[i].who != WHO_TOTAL)
			continue;
		cpu += u->pieces[i].cpu;
		(*ret_pieces)++;
	}
	return cpu;
}

static void has(const struct usage *u, const char *name, double cpu, int pieces)
{
	int n;

	assert_near(sum(u, name, &n), cpu, 1e-6);
	assert_int_equal(n, pieces);
}

static void test_guest(void **state)
{
	struct usage u;

	(void)state;
	begin();
	put(FRAME_1, 0);
	put(FRAME_2, 1);
	finish();
	assert_int_equal(usage_read(path, &guest_side, &f, &u), 0);
	assert_string_equal(u.file.format, "desched record");
	assert_true(u.file.dated && u.file.measured && !u.per_cpu_share);
	assert_int_equal(u.cpus, 2);
	has(&u, NULL, 1.28, 1);
	has(&u, "postgres (100)", 0.75, 1);
	has(&u, "walwriter (101)", 0.15, 1);
	has(&u, "java (200)", 0.31, 1);
	has(&u, "\x1b[31mred\n (300)", 0.06, 1); /* not that which had the number before */
	has(&u, "systemd (1)", 0, 0);
	has(&u, "(exited)", 0.01, 1);
	for (size_t i = 0; i < u.n; i++) {
		assert_near(u.pieces[i].from, BEGIN, 1e-6);
		assert_near(u.pieces[i].to, BEGIN + 1, 1e-6);
	}
	usage_done(&u);
	unlink(path);
}

#define SMALL(elapsed, busy)                                                                       \
	"{'schema':'desched-agent/1','source':'steal','elapsed_s':" elapsed ","                    \
	"'totals':{'true_s':" busy "},'cpus':[{}],"                                                \
	"'processes':[{'pid':7,'id':1,'name':'a','true_s':" busy "}]}"

/* Somebody turns the clock back an hour: an interval is as long as the agent says. */
static void test_clock_is_set(void **state)
{
	struct usage u;

	(void)state;
	begin();
	put(SMALL("100", "5"), 7200);
	put(SMALL("110", "8"), 3610);
	put(SMALL("120", "9"), 3620);
	finish();
	assert_int_equal(usage_read(path, &guest_side, &f, &u), 0);
	has(&u, "a (7)", 4, 2);
	assert_near(u.pieces[0].from, BEGIN + 7200, 1e-6);
	assert_near(u.pieces[u.n - 1].to, BEGIN + 7220, 1e-6);
	usage_done(&u);
	unlink(path);
}

/* vmdesched is started anew 6 s after the first frame: what it says then counts from there, and the
 * 6 s are nobody's. */
static void test_agent_anew(void **state)
{
	struct usage u;

	(void)state;
	begin();
	put(SMALL("100", "5"), 0);
	put(SMALL("4", "3"), 10);
	finish();
	assert_int_equal(usage_read(path, &guest_side, &f, &u), 0);
	has(&u, "a (7)", 3, 1);
	assert_near(u.pieces[0].from, BEGIN + 6, 1e-6);
	assert_near(u.pieces[0].to, BEGIN + 10, 1e-6);
	usage_done(&u);
	unlink(path);
}

static void test_cut_off(void **state)
{
	struct usage u;

	(void)state;
	begin();
	put(SMALL("100", "5"), 0);
	put(SMALL("110", "8"), 10);
	put(SMALL("120", "9"), 20);
	assert_int_equal(truncate(path, (off_t)recording_written(writer) - 1), 0);
	finish();
	assert_int_equal(usage_read(path, &guest_side, &f, &u), 0);
	has(&u, "a (7)", 3, 1);
	assert_non_null(strstr(u.file.damage, "frame 3"));
	usage_done(&u);
	unlink(path);
}

/* Two vCPUs since `start`, the second of which ran for a second; what is left of their time they
 * were idle. */
static void put_page(double start, double at, double run, double ready, double seconds)
{
	char text[1024];

	snprintf(
		text, sizeof(text),
		"{'schema':'desched-agent/"
		"1','totals':{},'cpus':[{}],'processes':[],'page':{'vcpus':["
		"{'start':%.0f,'at':%.0f,'state':'run','ns':{'run':%.0f,'ready':%.0f,'halt':%.0f}},"
		"{'start':%.0f,'at':%.0f,'state':'run','ns':{'run':1000000000,'halt':%.0f}}]}}",
		start, at, run, ready, at - start - run - ready, start, at, at - start - 1e9);
	put(text, seconds);
}

static void test_host(void **state)
{
	struct usage u;

	(void)state;
	begin();
	put_page(5, 10e9, 2e9, 1e9, 0);
	put_page(5, 20e9, 7e9, 4e9, 10.004);
	put_page(5, 20e9, 7e9, 4e9, 11); /* the host was silent */
	put("{'schema':'desched-agent/1','totals':{},'cpus':[{}],'processes':[],"
	    "'page':{'vcpus':[null,null]}}",
	    12);
	/* Another host: its ledger began elsewhere. */
	put_page(9, 500e9, 100e9, 1e9, 20);
	put_page(9, 502e9, 100.5e9, 1e9, 22);
	finish();
	assert_int_equal(usage_read(path, &host_side, &f, &u), 0);
	assert_int_equal(u.cpus, 2);
	assert_int_equal(skips_lost(&u.file.skips), 1);
	assert_int_equal(u.n, 4);
	assert_int_equal(u.pieces[0].who, WHO_TOTAL);
	assert_near(u.pieces[0].from, BEGIN, 1e-6);
	assert_near(u.pieces[0].to, BEGIN + 10, 1e-6);
	assert_near(u.pieces[0].cpu, 5, 1e-6);
	assert_int_equal(u.pieces[1].who, WHO_READY);
	assert_near(u.pieces[1].cpu, 3, 1e-6);
	assert_near(u.pieces[2].from, BEGIN + 20, 1e-6);
	assert_near(u.pieces[2].to, BEGIN + 22, 1e-6);
	assert_near(u.pieces[2].cpu, 0.5, 1e-6);
	usage_done(&u);
	unlink(path);
}

/* What the only series of this kind and name comes to. */
static double total(const struct summary *s, enum data_kind kind, const char *name,
		    enum data_quantity quantity)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->entities[i].e.kind == kind && !strcmp(s->entities[i].e.name, name) &&
		    s->entities[i].series[quantity])
			return s->entities[i].series[quantity]->sum;
	return -1;
}

#define BOTH(elapsed, busy, run, ready)                                                            \
	"{'schema':'desched-agent/1','source':'page','elapsed_s':" elapsed ","                     \
	"'totals':{'true_s':" busy ",'descheduled_s':" busy "},'cpus':[{}],"                       \
	"'processes':[{'pid':7,'id':1,'name':'a','true_s':" busy ",'descheduled_s':" busy "}],"    \
	"'page':{'vcpus':[{'start':0,'at':" elapsed "000000000,'state':'run','ns':{'run':" run     \
	"000000000,'ready':" ready "000000000}}]}}"

/* All that a recording has: the guest, and its VM as the host saw it. */
static void test_both_sides(void **state)
{
	struct summary s = {.n = 0};
	const struct data_sink sink = summary_sink(&s);
	const struct data_options o = {.side = DATA_ANY};
	struct data_file file;

	(void)state;
	begin();
	put(BOTH("10", "2", "6", "4"), 0);
	put(BOTH("20", "5", "9", "11"), 10);
	finish();
	assert_int_equal(data_read(path, &o, &sink, &f, &file), 0);
	assert_string_equal(file.format, "desched record");
	/* Twice 3 s, half of which it was away. */
	assert_near(total(&s, DATA_KIND_MACHINE, "", DATA_CPU), 6, 1e-9);
	assert_near(total(&s, DATA_KIND_MACHINE, "", DATA_DESCHEDULED), 3, 1e-9);
	assert_near(total(&s, DATA_KIND_PROCESS, "a", DATA_CPU), 6, 1e-9);
	assert_near(total(&s, DATA_KIND_PROCESS, "a", DATA_DESCHEDULED), 3, 1e-9);
	assert_near(total(&s, DATA_KIND_VM, "", DATA_CPU), 3, 1e-9);
	assert_near(total(&s, DATA_KIND_VM, "", DATA_READY), 7, 1e-9);
	assert_near(total(&s, DATA_KIND_VCPU, "0", DATA_CPU), 3, 1e-9);
	assert_near(total(&s, DATA_KIND_VCPU, "0", DATA_READY), 7, 1e-9);
	summary_done(&s);
	unlink(path);
}

static void test_refusals(void **state)
{
	(void)state;
	begin();
	put(FRAME_1, 0);
	refused(false, "one frame is no interval");
	begin();
	put(FRAME_1, 0);
	put(FRAME_2, 1);
	refused(true, "no frame has a ledger page");
	begin();
	put("{'schema':'something else'}", 0);
	refused(false, "'schema'");
	begin();
	refused(false, "one frame is no interval");
}

/*
 * A minute in one file, guest and host: at 40 % of what it wanted, in which two processes had 3 to
 * 1. Figures that are measured have no interval of sampling.
 */
static void test_corrected(void **state)
{
	const struct correct_options o = {.align = {.max_lag = 10}, .sampled_hz = 64};
	struct usage guest, host;
	struct correction c;
	char text[1024];

	(void)state;
	begin();
	for (int i = 0; i <= 60; i++) {
		snprintf(text, sizeof(text),
			 "{'schema':'desched-agent/1','elapsed_s':%d,'totals':{'true_s':%.2f,"
			 "'descheduled_s':%.2f},'cpus':[{'cpu':0}],'processes':["
			 "{'pid':1,'id':1,'name':'a','true_s':%.2f,'descheduled_s':%.2f},"
			 "{'pid':2,'id':2,'name':'b','true_s':%.2f,'descheduled_s':%.2f}],"
			 "'page':{'vcpus':[{'start':1,'at':%.0f,'state':'run','ns':{'run':%.0f,"
			 "'ready':%.0f,'halt':%.0f}}]}}",
			 100 + i, 0.4 * i, 0.6 * i, 0.3 * i, 0.45 * i, 0.1 * i, 0.15 * i,
			 1e9 * (5000 + i), 4e8 * i, 6e8 * i, 5000e9 - 1);
		put(text, i);
	}
	finish();
	assert_int_equal(usage_read(path, &guest_side, &f, &guest), 0);
	assert_int_equal(usage_read(path, &host_side, &f, &host), 0);
	assert_int_equal(correct(&guest, &host, &o, &f, &c), 0);
	assert_near(c.seconds, 60, 1e-6);
	assert_near(c.w, 0.4, 1e-6);
	assert_near(c.ready, 36, 1e-3);
	assert_string_equal(c.processes[0].name, "a (1)");
	assert_near(c.processes[0].corrected, 18, 1e-3);
	assert_near(c.processes[0].low, 18, 1e-3);
	assert_near(c.processes[0].high, 18, 1e-3);
	assert_near(c.processes[1].corrected, 6, 1e-3);
	correction_done(&c);
	usage_done(&guest);
	usage_done(&host);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guest),	   cmocka_unit_test(test_clock_is_set),
		cmocka_unit_test(test_agent_anew), cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_host),	   cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_both_sides), cmocka_unit_test(test_corrected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
