/* SPDX-License-Identifier: MIT */
/*
 * Reading recordings: what each format comes to, against numbers computed by hand, and what is
 * refused. test_correct.c covers what is made of them.
 */
#include "near.h"

#include "base/units.h"
#include "correct/usage.h"
#include "data/table.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct failure f;

static int parse(const char *text, bool host, const char *vm, struct usage *ret)
{
	const struct source source = {.host = host, .chosen = vm};

	memset(&f, 0, sizeof(f));
	return usage_parse(text, strlen(text), &source, "file", &f, ret);
}

static void guest(const char *text, struct usage *ret)
{
	if (parse(text, false, NULL, ret))
		fail_msg("%s", f.text);
}

static void host(const char *text, const char *vm, struct usage *ret)
{
	if (parse(text, true, vm, ret))
		fail_msg("%s", f.text);
}

static void refused(const char *text, bool is_host, const char *vm, const char *why)
{
	struct usage r;

	assert_true(parse(text, is_host, vm, &r) < 0);
	if (!strstr(f.text, why))
		fail_msg("'%s' does not say '%s'", f.text, why);
}

static void is_piece(const struct usage *r, size_t i, uint32_t who, double from, double to,
		     double cpu)
{
	assert_true(i < r->n);
	assert_int_equal(r->pieces[i].who, who);
	assert_near(r->pieces[i].from, from, 1e-6);
	assert_near(r->pieces[i].to, to, 1e-6);
	assert_near(r->pieces[i].cpu, cpu, 1e-9);
}

/* ---- a guest's ---- */

static void test_sadf(void **state)
{
	struct usage r;

	(void)state;
	guest("vm;-1;2019-04-18 13:20:00 UTC;LINUX-RESTART\t(2 CPU)\n"
	      "# hostname;interval;timestamp;CPU;%user;%nice;%system;%iowait;%steal;%idle\n"
	      "vm;10;2019-04-18 13:20:10 UTC;-1;20.00;0.00;10.00;5.00;15.00;50.00\n"
	      "vm;10;2019-04-18 13:20:10 UTC;1;20.00;0.00;10.00;5.00;15.00;50.00\n"
	      "vm;10;2019-04-18 13:20:20 UTC;-1;20.00;0.00;10.00;5.00;15.00;x\n"
	      "# hostname;interval;timestamp;proc/s;cswch/s\n"
	      "vm;10;2019-04-18 13:20:10 UTC;3.56;68409.30\n",
	      &r);
	assert_string_equal(r.file.format, "sadf -d");
	assert_int_equal(r.n, 1);
	assert_int_equal(r.cpus, 2);
	assert_true(r.file.dated && !r.per_cpu_share);
	/* 1555593610 by date(1); busy are 30 % of two CPUs, neither idle nor waiting nor stolen. */
	is_piece(&r, 0, WHO_TOTAL, 1555593600, 1555593610, 6.0);
	assert_int_equal(skips_lost(&r.file.skips), 1);
	usage_done(&r);
}

static void test_sar_text(void **state)
{
	struct usage r;

	(void)state;
	guest("Linux 2.6.18 (vm)        03/24/11\n"
	      "11:59:50 PM       proc/s\n"
	      "12:00:00 AM        11.89\n"
	      "\n"
	      "11:59:50 PM          CPU     %user     %nice   %system   %iowait    %steal     "
	      "%idle\n"
	      "12:00:00 AM          all     20.00      0.00     10.00      5.00     15.00     "
	      "50.00\n"
	      "12:00:00 AM            0     20.00      0.00     10.00      5.00     15.00     "
	      "50.00\n"
	      "12:00:00 AM            1     20.00      0.00     10.00      5.00     15.00     "
	      "50.00\n"
	      "12:00:20 AM          all     60.00      0.00     20.00      0.00      0.00     "
	      "20.00\n"
	      "Average:             all     20.00      0.00     10.00      5.00     15.00     "
	      "50.00\n"
	      "\n"
	      "11:59:50 PM          CPU    i000/s\n"
	      "12:00:00 AM          all   999.20\n",
	      &r);
	assert_string_equal(r.file.format, "sar -u");
	assert_int_equal(r.cpus, 2);
	assert_false(r.per_cpu_share);
	assert_true(r.file.dated); /* by the banner: there is no 24th month */
	assert_int_equal(r.file.zone, ZONE_UNKNOWN);
	assert_int_equal(r.n, 2);
	/* 1301011190 by date(1) is 23:59:50 of that day. */
	is_piece(&r, 0, WHO_TOTAL, 1301011190, 1301011200, 6);
	is_piece(&r, 1, WHO_TOTAL, 1301011200, 1301011220, 32);
	usage_done(&r);
	guest("Linux 6.1.0 (vm) \t03/24/11 \t_x86_64_\t(8 CPU)\n\n"
	      "17:00:59        CPU     %user     %nice   %system   %iowait    %steal     %idle\n"
	      "17:01:09        all      5.00      0.00     20.00      0.00      0.00     75.00\n",
	      &r);
	assert_int_equal(r.cpus, 8);
	is_piece(&r, 0, WHO_TOTAL, 1300986059, 1300986069, 20);
	usage_done(&r);
	/* Without the number of CPUs the mean is all that is known. */
	guest("17:00:59        CPU     %user     %nice   %system   %iowait    %steal     %idle\n"
	      "17:01:09        all      5.00      0.00     20.00      0.00      0.00     75.00\n",
	      &r);
	assert_true(r.per_cpu_share && !r.file.dated && !r.cpus);
	is_piece(&r, 0, WHO_TOTAL, 61259, 61269, 2.5);
	usage_done(&r);
}

static void test_pidstat(void **state)
{
	struct usage r;

	(void)state;
	guest("Linux 6.1.0 (vm) \t11/22/26 \t_x86_64_\t(4 CPU)\n\n"
	      "# Time        UID       PID    %usr %system  %guest   %wait    %CPU   CPU  Command\n"
	      "1795319775      0         1    0.98    0.98    0.00    0.00    50.0     0  init\n"
	      "1795319775      0     11113    0.00    0.98    0.00    1.96    20.0     0  web srv\n"
	      "\n"
	      "# Time        UID       PID    %usr %system  %guest   %wait    %CPU   CPU  Command\n"
	      "1795319780      0         1    0.98    0.98    0.00    0.00    100     0  init\n",
	      &r);
	assert_string_equal(r.file.format, "pidstat");
	assert_int_equal(r.cpus, 4);
	assert_true(r.file.dated);
	assert_int_equal(r.n, 3);
	is_piece(&r, 0, WHO_FIRST, 1795319770, 1795319775, 2.5);
	is_piece(&r, 1, WHO_FIRST + 1, 1795319770, 1795319775, 1.0);
	is_piece(&r, 2, WHO_FIRST, 1795319775, 1795319780, 5.0);
	assert_string_equal(r.names[WHO_FIRST], "init (1)");
	assert_string_equal(r.names[WHO_FIRST + 1], "web srv (11113)");
	usage_done(&r);
}

/* Times of day without a date pass midnight. */
static void test_processes(void **state)
{
	struct usage r;

	(void)state;
	guest("timestamp;process;%CPU\n23:59:50;total;80\n23:59:50;\"a;b\";30\n"
	      "00:00:00;total;60\n00:00:00;\"a;b\";nan\n",
	      &r);
	assert_string_equal(r.file.format, "time,process,%cpu");
	assert_false(r.file.dated);
	/* One value is missing at midnight: nobody's is taken. */
	assert_int_equal(r.n, 2);
	is_piece(&r, 0, WHO_TOTAL, 86380, 86390, 8);
	is_piece(&r, 1, WHO_FIRST, 86380, 86390, 3);
	assert_string_equal(r.names[WHO_FIRST], "a;b");
	assert_int_equal(skips_lost(&r.file.skips), 1);
	usage_done(&r);
	/* With one time only nothing tells how long the interval was. */
	refused("time,process,%cpu\n100,a,50\n", false, NULL, "no two times");
}

static void test_perfmon(void **state)
{
	struct usage r;

	(void)state;
	guest("\"(PDH-CSV 4.0) (UTC)(0)\",\"\\\\WIN\\Processor(0)\\% Processor Time\","
	      "\"\\\\WIN\\Processor(1)\\% Processor Time\","
	      "\"\\\\WIN\\Processor(_Total)\\% Processor Time\","
	      "\"\\\\WIN\\Processor Information(_Total)\\% Processor Time\","
	      "\"\\\\WIN\\Process(Idle)\\% Processor Time\","
	      "\"\\\\WIN\\Process(_Total)\\% Processor Time\","
	      "\"\\\\WIN\\Process(sql(1)\\x)\\% Processor Time\","
	      "\"\\\\WIN\\Process(sql(1)\\x)\\% User Time\"\n"
	      "\"03/26/2015 22:42:00.000\",\" \",\" \",\" \",\" \",\" \",\" \",\" \"\n"
	      "\"03/26/2015 "
	      "22:42:15.000\",\"90\",\"30\",\"60\",\"61\",\"80\",\"200\",\"120\",\"7\"\n",
	      &r);
	assert_string_equal(r.file.format, "perfmon CSV");
	assert_int_equal(r.cpus, 2);
	assert_false(r.per_cpu_share);
	assert_int_equal(r.n, 2); /* the better of the two totals */
	/* 1427409720 by date(1). */
	is_piece(&r, 0, WHO_TOTAL, 1427409720, 1427409735, 18);
	is_piece(&r, 1, WHO_FIRST, 1427409720, 1427409735, 18);
	assert_string_equal(r.names[WHO_FIRST], "sql(1)\\x");
	usage_done(&r);
}

/* ---- a host's ---- */

#define ESXTOP_HEAD                                                                                \
	"(PDH-CSV 4.0) (UTC)(0),\\\\h\\Group Cpu(10:web1)\\% Used,"                                \
	"\\\\h\\Vcpu(10:web1:11:vmx)\\% Run,\\\\h\\Vcpu(10:web1:12:vmx-vcpu-0:web1)\\% Run,"       \
	"\\\\h\\Vcpu(10:web1:12:vmx-vcpu-0:web1)\\% Ready,"                                        \
	"\\\\h\\Vcpu(10:web1:13:vmx-vcpu-1:web1)\\% Run,"                                          \
	"\\\\h\\Vcpu(20:db:21:vmx-vcpu-0:db)\\% Run\n"

static void test_esxtop(void **state)
{
	static const char text[] = ESXTOP_HEAD "03/26/2015 22:42:00,1,1,1,1,1,1\n"
					       "03/26/2015 22:42:20,99,5,40,15,60,77\n"
					       "03/26/2015 22:42:20,99,5,90,15,60,77\n";
	struct usage r;

	(void)state;
	host(text, "web1", &r);
	assert_int_equal(r.cpus, 2);
	assert_int_equal(r.n, 2);
	is_piece(&r, 0, WHO_TOTAL, 1427409720, 1427409740, 20);
	is_piece(&r, 1, WHO_READY, 1427409720, 1427409740, 3);
	assert_int_equal(skips_lost(&r.file.skips), 1); /* the second row of the same time */
	usage_done(&r);
	refused(text, true, NULL, "choose one with --vm: web1, db");
	refused(text, true, "web", "no VM 'web'; it has: web1, db");
	refused("(PDH-CSV 4.0) (UTC)(0),\\\\h\\Physical Cpu(0)\\% Processor Time\n", true, NULL,
		"no VM's figures");
}

/* A VM that esxtop does not show vCPU by vCPU. */
static void test_esxtop_groups(void **state)
{
	struct usage r;

	(void)state;
	host("(PDH-CSV 4.0) (UTC)(0),\\\\h\\Group Cpu(1:idle)\\% Used,"
	     "\\\\h\\Group Cpu(10:web1)\\% Used,\\\\h\\Group Cpu(10:web1)\\% Run,"
	     "\\\\h\\Group Cpu(10:web1)\\% Ready,\\\\h\\Vcpu(20:db:21:vmx-vcpu-0:db)\\% Run\n"
	     "03/26/2015 22:42:00,1,1,1,1,1\n03/26/2015 22:42:10,9,120,130,30,50\n",
	     "web1", &r);
	assert_int_equal(r.cpus, 0);
	assert_int_equal(r.n, 2);
	is_piece(&r, 0, WHO_TOTAL, 1427409720, 1427409730, 12);
	is_piece(&r, 1, WHO_READY, 1427409720, 1427409730, 3);
	usage_done(&r);
}

#define LEDGER(kind, seconds, run, ready)                                                          \
	"{\"schema\":\"desched-ledger/1\",\"kind\":\"" kind "\",\"seconds\":" seconds              \
	",\"vms\":[{\"name\":\"vm1\",\"vcpus\":["                                                  \
	"{\"index\":0,\"seconds\":{\"run\":" run ",\"ready\":" ready ",\"halt\":0.1}},"            \
	"{\"index\":1,\"seconds\":{\"run\":0.25}}]}]}\n"

static void test_ledger(void **state)
{
	struct usage r;

	(void)state;
	host(LEDGER("interval", "1.5", "0.5", "0.75") LEDGER("interval", "2", "1", "0")
		     LEDGER("total", "3.5", "1.5", "0.75") "{\"cut\": ",
	     NULL, &r);
	assert_string_equal(r.file.format, "desched ledger");
	assert_int_equal(r.cpus, 2);
	assert_false(r.file.dated);
	assert_int_equal(r.n, 4);
	is_piece(&r, 0, WHO_TOTAL, 0, 1.5, 0.75);
	is_piece(&r, 1, WHO_READY, 0, 1.5, 0.75);
	is_piece(&r, 2, WHO_TOTAL, 1.5, 3.5, 1.25);
	is_piece(&r, 3, WHO_READY, 1.5, 3.5, 0);
	assert_int_equal(skips_lost(&r.file.skips), 1);
	usage_done(&r);
	refused(LEDGER("interval", "1", "1", "1"), true, "vm2", "no VM 'vm2'; it has: vm1");
}

/* The first date counts; the host's clock is turned back an hour in the second interval. */
static void test_ledger_dates(void **state)
{
	struct usage r;

	(void)state;
	host("{\"kind\":\"interval\",\"time_s\":1700000010,\"seconds\":4,\"vms\":[{\"name\":\"a\","
	     "\"vcpus\":[{\"seconds\":{\"run\":1}}]}]}\n"
	     "{\"kind\":\"interval\",\"time_s\":1699996414,\"seconds\":4,\"vms\":[{\"name\":\"a\","
	     "\"vcpus\":[{\"seconds\":{\"run\":2}}]}]}\n",
	     NULL, &r);
	assert_true(r.file.dated);
	is_piece(&r, 0, WHO_TOTAL, 1700000006, 1700000010, 1);
	is_piece(&r, 2, WHO_TOTAL, 1700000010, 1700000014, 2);
	usage_done(&r);
}

static void test_domstats(void **state)
{
	struct usage r;

	(void)state;
	host("time,domain,vcpu.0.time,vcpu.1.time,vcpu.0.wait,cpu.time\n"
	     "1700000000,web1,1000000000,500000000,0,9\n"
	     "1700000000,db,7000000000,500000000,0,9\n"
	     "1700000010,web1,4000000000,1500000000,2000000000,9\n"
	     "1700000010,db,17000000000,500000000,0,9\n"
	     "1700000020,web1,0,0,0,9\n" /* started again */
	     "1700000030,web1,1000000000,1000000000,500000000,9\n",
	     "web1", &r);
	assert_string_equal(r.file.format, "domstats");
	assert_int_equal(r.cpus, 2);
	assert_int_equal(r.n, 4);
	is_piece(&r, 0, WHO_TOTAL, 1700000000, 1700000010, 4);
	is_piece(&r, 1, WHO_READY, 1700000000, 1700000010, 2);
	is_piece(&r, 2, WHO_TOTAL, 1700000020, 1700000030, 2);
	is_piece(&r, 3, WHO_READY, 1700000020, 1700000030, 0.5);
	assert_int_equal(skips_lost(&r.file.skips), 1);
	usage_done(&r);
	/* Without vCPUs the process's time has to do. */
	host("timestamp;cpu.time\n0;0\n10;5000000000\n", NULL, &r);
	is_piece(&r, 0, WHO_TOTAL, 0, 10, 5);
	assert_int_equal(r.n, 1); /* and nothing is known of waiting */
	usage_done(&r);
	refused("domain,cpu.time\nweb1,5\n", true, NULL, "no column 'time'");
}

static void test_unknown(void **state)
{
	(void)state;
	refused("", false, NULL, "there is nothing in it");
	refused("hello\n", false, NULL, "no format that is known");
	refused("hello\n", true, NULL, "desched ledger --json");
	/* sadf -- -P 0, sar -P 1 */
	refused("# hostname;interval;timestamp;CPU;%user;%nice;%system;%iowait;%steal;%idle\n"
		"h;10;2026-11-20 12:00:10 UTC;0;10;0;0;0;0;90\n"
		"h;10;2026-11-20 12:00:20 UTC;0;10;0;0;0;0;90\n",
		false, NULL, "rows of single CPUs and none of all");
	refused("12:00:00        CPU     %user     %nice   %system   %iowait    %steal     %idle\n"
		"12:00:10          1     10.00      0.00      0.00      0.00      0.00     90.00\n"
		"12:00:20          1     10.00      0.00      0.00      0.00      0.00     90.00\n",
		false, NULL, "give it ALL");
	refused("time,process,%cpu\n", false, NULL, "no two times with figures");
}

/* ---- parts ---- */

static int count_fields(char **fields, size_t n, void *data)
{
	size_t *counts = data;

	counts[0]++;
	counts[1] += n;
	assert_non_null(fields[n - 1]);
	return 0;
}

static void test_rows(void **state)
{
	static const char csv[] = "a,b,\"c,\"\"d\"\n\n1,,\r\n\"open";
	size_t counts[2] = {0};
	size_t n = TABLE_FIELDS_MAX + 1;
	char *wide = malloc(n);

	(void)state;
	assert_int_equal(table_read(csv, strlen(csv), ',', 0, count_fields, counts), 0);
	assert_int_equal(counts[0], 3);
	assert_int_equal(counts[1], 3 + 3 + 1);
	memset(counts, 0, sizeof(counts));
	assert_int_equal(table_read(" x  y z w\n\n  v", 14, ' ', 3, count_fields, counts), 0);
	assert_int_equal(counts[0], 2);
	assert_int_equal(counts[1], 3 + 1);
	assert_non_null(wide);
	memset(wide, ',', n);
	assert_int_equal(table_read(wide, TABLE_FIELDS_MAX - 1, ',', 0, count_fields, counts), 0);
	assert_int_equal(counts[1], 3 + 1 + TABLE_FIELDS_MAX);
	assert_int_equal(table_read(wide, n, ',', 0, count_fields, counts), -E2BIG);
	free(wide);
}

static void test_names(void **state)
{
	struct usage r;
	uint32_t a, b;

	(void)state;
	usage_init(&r);
	assert_int_equal(usage_who(&r, "\033[2Jx", &a), 0);
	assert_string_equal(r.names[a], "\x1b[2Jx");
	for (int i = 0; i < 1000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		assert_int_equal(usage_who(&r, name, &b), 0);
		assert_int_equal(b, a + 1 + (uint32_t)i);
		assert_string_equal(r.names[b], name);
	}
	assert_int_equal(usage_who(&r, "p500", &b), 0);
	assert_int_equal(b, a + 501);
	usage_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sadf),	      cmocka_unit_test(test_sar_text),
		cmocka_unit_test(test_pidstat),	      cmocka_unit_test(test_processes),
		cmocka_unit_test(test_perfmon),	      cmocka_unit_test(test_esxtop),
		cmocka_unit_test(test_esxtop_groups), cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_domstats),      cmocka_unit_test(test_ledger_dates),
		cmocka_unit_test(test_unknown),	      cmocka_unit_test(test_rows),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
