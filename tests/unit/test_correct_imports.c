/* SPDX-License-Identifier: MIT */
/*
 * Recordings as programs, countries and faults make them. All are of one invented world: for ten
 * minutes `render` and `indexer` use shares that rise and fall, which the guest reports in full,
 * and of which the host ran half. So w is 0.5 and the vCPU waited for the other half, or the
 * recording is refused with its reason. test_correct_formats.c has each format's figures one by
 * one.
 */
#include "near.h"

#include "base/units.h"
#include "correct/correct.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Most files have neither odd rows nor a clock that was moved. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define SAMPLES	 120
#define STEP	 5
#define START	 1767600000 /* 2026-01-05 08:00:00 UTC */
#define FILE_MAX 131072
#define PDH	 "\"(PDH-CSV 4.0) (UTC)(0)\","
#define SADF	 "# hostname;interval;timestamp;CPU;%user;%nice;%system;%iowait;%steal;%idle\n"
#define BANNER	 "Linux 6.1.0 (web1) \t01/05/2026 \t_x86_64_\t(1 CPU)\n\n"

/*
 * In a row stand: @t the epoch, @T that of two minutes later; @H @M @S the clock, @h its hour on a
 * 12-hour clock, @p AM or PM; @a
 * @b @s percent of render, of indexer, of both, @c of both with a decimal comma, @i idle; @n ns
 * that the host ran, ever, @r percent that it ran, @R seconds.
 */
struct file {
	const char *head, *row;
	const char *odd;   /* in place of some rows; NULL: none */
	unsigned from, to; /* which */
	int hours;	   /* added to the clock */
	unsigned again;	   /* once more after the last: from this row on; 0: not */
	size_t cut;	   /* bytes that are missing at the end */
};

static double share(unsigned i)
{
	return 25 + 12 * sin(i * 0.7) + 8 * sin(i * 0.23); /* 5 to 45 */
}

static void put_value(char *to, size_t size, char what, unsigned i, int moved)
{
	int clock = 8 * 3600 + (int)i * STEP + moved, hour = (clock / 3600 + 24) % 24;
	double all = 1.5 * share(i), ran = 5; /* it had been up before */

	for (unsigned k = 1; k <= i; k++)
		ran += 1.5 * share(k) / 2 / 100 * STEP;
	if (what == 't' || what == 'T')
		snprintf(to, size, "%d", START + (int)i * STEP + (what == 'T' ? 120 : 0));
	else if (what == 'n')
		snprintf(to, size, "%.0f", ran * 1e9);
	else if (what == 'p')
		snprintf(to, size, "%s", hour < 12 ? "AM" : "PM");
	else if (strchr("HMSh", what))
		snprintf(to, size, "%02d",
			 what == 'H'   ? hour
			 : what == 'M' ? clock / 60 % 60
			 : what == 'S' ? clock % 60
				       : (hour + 11) % 12 + 1);
	else
		snprintf(to, size, "%.2f",
			 what == 'a'   ? share(i)
			 : what == 'b' ? all - share(i)
			 : what == 'i' ? 100 - all
			 : what == 'r' ? all / 2
			 : what == 'R' ? all / 2 / 100 * STEP
				       : all);
	if (what == 'c')
		*strchr(to, '.') = ',';
}

static size_t put_row(char *to, const char *format, unsigned i, int moved)
{
	size_t used = 0;

	for (; *format; format++) {
		if (*format == '@') {
			put_value(to + used, 32, *++format, i, moved);
			used += strlen(to + used);
		} else {
			to[used++] = *format;
		}
	}
	return used;
}

static size_t put_file(char *to, const struct file *f, bool host)
{
	size_t used = (size_t)snprintf(to, FILE_MAX, "%s", f->head);

	/* A host's counters have a row at the beginning of the first interval, too. */
	for (unsigned i = host ? 0 : 1; i <= SAMPLES; i++) {
		bool odd = f->odd && i >= f->from && i <= f->to;

		used += put_row(to + used, odd ? f->odd : f->row, i, f->hours * 3600);
		assert_true(used < FILE_MAX - 1024);
	}
	for (unsigned i = f->again; i && i <= SAMPLES; i++) {
		used += put_row(to + used, f->row, i, f->hours * 3600);
		assert_true(used < FILE_MAX - 1024);
	}
	return used - f->cut;
}

static const struct file good_guest = {"time,process,pid,%cpu\n",
				       "@t,render,812,@a\n@t,indexer,955,@b\n"};
static const struct file good_host = {"time,domain,vcpu.0.time,vcpu.0.delay\n", "@t,web1,@n,@n\n"};

/* ---- both files, and what comes of them ---- */

struct outcome {
	int err;
	struct failure f;
	double w;
	size_t cells;
	struct skips guest, host;
	char names[3][64];
};

static void judge(const struct file *guest, const struct file *host, const struct source sides[2],
		  struct outcome *ret)
{
	static char texts[2][FILE_MAX];
	const struct correct_options o = {.align = {.max_lag = 60}, .sampled_hz = 64};
	size_t sizes[2] = {put_file(texts[0], guest, false), put_file(texts[1], host, true)};
	struct usage u[2];
	struct correction c;

	*ret = (struct outcome){.err = 0};
	usage_init(&u[0]);
	usage_init(&u[1]);
	for (int i = 0; i < 2 && !ret->err; i++)
		ret->err = usage_parse(texts[i], sizes[i], &sides[i], i ? "host" : "guest", &ret->f,
				       &u[i]);
	if (!ret->err)
		ret->err = correct(&u[0], &u[1], &o, &ret->f, &c);
	ret->guest = u[0].file.skips;
	ret->host = u[1].file.skips;
	if (!ret->err) {
		ret->w = c.w;
		ret->cells = c.cells;
		for (size_t i = 0; i < c.n && i < 3; i++)
			snprintf(ret->names[i], 64, "%s", c.processes[i].name);
		correction_done(&c);
	}
	usage_done(&u[0]);
	usage_done(&u[1]);
}

static const struct source plain[2] = {{.host = false}, {.host = true}};

static void right(const struct file *guest, const struct file *host, struct outcome *ret)
{
	judge(guest, host, plain, ret);
	if (ret->err)
		fail_msg("%s%s: %s", guest->head, host->head, ret->f.text);
	assert_near(ret->w, 0.5, 0.002);
}

static void refused(const struct file *guest, const struct file *host, const char *why)
{
	struct outcome o;

	judge(guest, host, plain, &o);
	assert_true(o.err);
	if (!strstr(o.f.text, why))
		fail_msg("'%s' does not say '%s'", o.f.text, why);
}

/* ---- a guest's files ---- */

static void test_guests(void **state)
{
	static const struct file files[] = {
		/* pidstat: with a 12-hour clock, plain, with threads, with more columns, by a
		 * Korean and a German. */
		{BANNER
		 "# Time        UID       PID    %usr %system  %guest   %wait    %CPU   CPU  "
		 "Command\n",
		 "@h:@M:@S @p 0 812 1 1 0 0 @a 0 render\n"
		 "@h:@M:@S @p 0 955 1 1 0 0 @b 0 indexer\n"},
		{BANNER
		 "08:00:00      UID       PID    %usr %system  %guest   %wait    %CPU   CPU  "
		 "Command\n",
		 "@H:@M:@S 0 812 1 1 0 0 @a 0 render\n"
		 "@H:@M:@S 0 955 1 1 0 0 @b 0 indexer\n\n"
		 "@H:@M:@S  UID PID %usr %system %guest %wait %CPU CPU Command\n"},
		{BANNER "# Time UID TGID TID %usr %system %guest %wait %CPU CPU Command\n",
		 "@t 0 812 - 1 1 0 0 @a 0 render\n@t 0 - 812 1 1 0 0 @a 0 |__render\n"
		 "@t 0 955 - 1 1 0 0 @b 0 indexer\n"
		 "@t 0 - 955 1 1 0 0 @b 0 |__indexer\n"},
		{BANNER "# Time USER PID %CPU CPU minflt/s VSZ Command\n",
		 "@t root 812 @a 0 99.9 5 render --x=1,2 (y) Command\n"
		 "@t root 955 @b 0 99.9 5 total\n"},
		{BANNER "# Time PID %CPU Command\n", "@H시 @M분 @S초 812 @s render\n"},
		{BANNER "# Time PID %CPU Command\n", "@t 812 @c render\n"},
		/* sar: 12 hours, commas, Finnish, Japanese, all columns. */
		{BANNER "08:00:00 AM CPU %user %nice %system %iowait %steal %idle\n",
		 "@h:@M:@S @p all @s 0.00 0.00 0.00 0.00 @i\n"},
		{BANNER "08.00.00 CPU %usr %iowait %steal %irq %soft %idle\n",
		 "@H.@M.@S all @c 0,00 0,00 0,00 0,00 @i\n"},
		{BANNER "08時00分00秒 CPU %user %idle\n", "@H時@M分@S秒 all @s @i\n"},
		{SADF, "web1;5;@t;-1;@c;0,00;0,00;0,00;0,00;@i\n"},
		/* perfmon: another language, numbers, tabs, no machine, V2, 12 hours. */
		{PDH "\"\\\\W\\Prozessor(_Total)\\Prozessorzeit (%)\"\n",
		 "\"01/05/2026 @H:@M:@S.000\",\"@c\"\n"},
		{PDH "\"\\\\W\\238(_Total)\\6\",\"\\\\W\\238(_Total)\\6\"\n",
		 "\"01/05/2026 @H:@M:@S\",\"@s\",\"@s\"\n"},
		{"\"(PDH-TSV 4.0) (UTC)(0)\"\t\"\\Processor(_Total)\\% Processor Time\"\n",
		 "\"01/05/2026 @H:@M:@S\"\t\"@s\"\n"},
		{PDH "\"\\\\W\\Process V2(Idle:812)\\% Processor Time\","
		     "\"\\\\W\\Process V2(a:b:955)\\% Processor Time\","
		     "\"\\\\W\\Process V2(Idle:0)\\% Processor Time\"\n",
		 "\"01/05/2026 @H:@M:@S\",\"@a\",\"@b\",\"@i\"\n"},
		{"\"(PDH-CSV 4.0) (CET)(-60)\",\"\\\\W\\Processor(_Total)\\% Processor Time\"\n",
		 "\"01/05/2026 @h:@M:@S @p\",\"@s\"\n", .hours = 1},
		/* CSV: any order and delimiter, dates apart, zones, quotes, a byte order mark. */
		{"%cpu,host,pid,extra,command,timestamp\n",
		 "@s,web1,812,99.9,render,2026-01-05T@H:@M:@S-05:00\n", .hours = -5},
		{"Datum;Uhrzeit;Prozess;CPU (%)\n", "05.01.2026;@H:@M:@S;render;@c\n"},
		{"\xef\xbb\xbftime,process,pid,%cpu\r\n",
		 "2026-01-05 @H:@M:@S CET,\"a, \"\"b\"\" (c)\",812,\"@c\"\r\n", .hours = 1},
		{"sep=;\ntime;name;pid;cpu_percent\n", "@t123;Idle;812;@s %\n"},
		{"time (UTC+02:00),process,%cpu\n", "2026-01-05 @H:@M:@S,render,@s\n", .hours = 2},
		{"timestamp_utc;process;%cpu\n", "2026-01-05 @H:@M:@S;render;@c\n"},
		{"\"(PDH-CSV 4.0) (UTC)\",\"\\\\W\\processor(_total)\\% processor time\","
		 "\"\\\\w\\process(idle)\\% processor time\"\n",
		 "\"01/05/2026 @H:@M:@S\",\"@s\",\"@i\"\n"},
		/* A local time: the load shows the zone. */
		{"time,process,%cpu\n", "2026-01-05 @H:@M:@S,render,@s\n", .hours = 3},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct outcome o;

		right(&files[i], &good_host, &o);
		assert_int_equal(skips_lost(&o.guest), 0);
	}
}

/* Whoever calls itself what a sum or idle time is called is a process, if it has a number. */
static void test_names(void **state)
{
	static const struct file files[] = {
		{"time,process,pid,%cpu\n", "@t,total,812,@a\n@t,Idle,955,@b\n"},
		{"time,process,pid,%cpu\n", "@t,-,812,@a\n@t,日本,955,@b\n"},
		{PDH "\"\\\\W\\Process(total)\\% Processor Time\",\"\\\\W\\Process(b, (\"\"c\"\") "
		     "\\d)\\% Processor Time\"\n",
		 "\"01/05/2026 @H:@M:@S\",\"@a\",\"@b\"\n"},
	};
	static const char *const names[][2] = {{"total (812)", "Idle (955)"},
					       {"- (812)", "日本 (955)"},
					       {"total", "b, (\"c\") \\d"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct outcome o;

		right(&files[i], &good_host, &o);
		assert_string_equal(o.names[0], names[i][0]);
		assert_string_equal(o.names[1], names[i][1]);
	}
}

/* ---- a host's files ---- */

#define VCPU(gid, name) "\\\\esx\\Vcpu(" gid ":" name ":7:vmx-vcpu-0:" name ")\\% Run"

static void test_hosts(void **state)
{
	static const struct file files[] = {
		{"", "@t\nDomain: 'web1'\n  vcpu.0.time=@n\n  vcpu.0.wait=0\n"
		     "  vcpu.0.halted=no\n  vcpu.0.delay=@n\n\n"},
		{"", "Domain: 'a: b'\n  cpu.time=@n\n\n2026-01-05T@H:@M:@SZ\n"},
		{"", "Mon Jan  5 @H:@M:@S UTC 2026\nDomain: 'web1'\n"
		     "  vcpu.0.time=@n\n"},
		{PDH "\"" VCPU("10", "prod: web1") "\"\n", "\"01/05/2026 @H:@M:@S\",\"@r\"\n"},
		{"time;domain;vcpu.0.time;vcpu.1.time\n", "@t;web1;@n;7\n"},
		{"time,uuid,vcpu.0.time\n", "@t,aaaa-1,@n\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct outcome o;

		right(&good_guest, &files[i], &o);
		assert_int_equal(skips_lost(&o.host), 0);
	}
}

/* A busy VM's counter, read a second after the time that the line says, every other time: 6 and 4 s
 * of CPU time in 5 s. Nothing is left out of the sum. */
static void test_blur(void **state)
{
	char text[8192] = "time,vcpu.0.time\n";
	struct failure f = {""};
	struct usage u;
	double sum = 0;

	(void)state;
	for (int i = 0; i <= 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d,%d000000000\n",
			 START + i * STEP, 7 + i * STEP + i % 2);
	assert_int_equal(usage_parse(text, strlen(text), &plain[1], "host", &f, &u), 0);
	assert_int_equal(usage_check(&u, 1, "host", &f), 0);
	assert_int_equal(skips_lost(&u.file.skips), 0);
	for (size_t i = 0; i < u.n; i++)
		sum += u.pieces[i].cpu;
	assert_near(sum, 200, 1e-6);
	usage_done(&u);
}

/* ---- rows that cannot be ---- */

static const struct {
	bool host;
	struct file file;
	enum skip why;
	uint64_t n;
} odd_rows[] = {
	{false,
	 {SADF, "web1;5;@t;-1;@s;0;0;0;0;@i\n", "web1;5;@t;-1;0;0;0;0;0;0\n", 30, 33},
	 SKIP_ZEROS,
	 4},
	{false,
	 {SADF, "web1;5;@t;-1;@s;0;0;0;0;@i\n", "web1;5;@t;-1;0;0;0;0;100;0\n", 30, 60},
	 SKIP_STOLEN,
	 31},
	{false,
	 {SADF, "web1;5;@t;-1;@s;0;0;0;0;@i\n", "web1;5;@t;-1;@s;0;0;0;80;@i\n", 30, 31},
	 SKIP_SUM,
	 2},
	{false,
	 {"time,process,pid,%cpu\n", NULL, "@t,render,812,11330\n@t,indexer,955,@b\n", 30, 31},
	 SKIP_TOO_MUCH,
	 2},
	{false,
	 {"time,process,pid,%cpu\n", NULL, "@t,render,812,\n@t,indexer,955,@b\n", 30, 31},
	 SKIP_BLANK,
	 2},
	{false,
	 {"time,process,pid,%cpu\n", NULL, "@t,render,812,-3\n@t,indexer,955,@b\n", 30, 31},
	 SKIP_RANGE,
	 2},
	{false,
	 {"time,process,pid,%cpu\n", NULL, "@t,ren,der,812,9\n@t,indexer,955,@b\n", 30, 31},
	 SKIP_FIELDS,
	 2},
	{false,
	 {"time,process,pid,%cpu\n", NULL,
	  "@t,render,812,@a\n@t,render,812,@a\n@t,indexer,955,@b\n", 30, 31},
	 SKIP_DUPLICATE,
	 2},
	{false,
	 {"time,process,pid,%cpu\n", NULL, "tomorrow,x,1,5\n@t,render,812,@a\n@t,indexer,955,@b\n",
	  30, 31},
	 SKIP_TIME,
	 2},
	{true,
	 {"time,domain,vcpu.0.time,vcpu.1.time\n", "@t,web1,@n,7\n", "@t,web1,@n,\n", 30, 31},
	 SKIP_BLANK,
	 2},
	/* Figures that libvirt repeats, and a VM that has gone. */
	{true,
	 {"time,domain,vcpu.0.time\n", "@t,web1,@n\n", "@t,web1,90000000000\n", 90, 93},
	 SKIP_ZEROS,
	 3},
	{true,
	 {"",
	  "{\"kind\":\"interval\",\"seconds\":5,\"time_s\":@t,\"vms\":[{\"name\":\"a\","
	  "\"vcpus\":[{\"seconds\":{\"run\":@R,\"halt\":1}}]}]}\n",
	  "{\"kind\":\"interval\",\"seconds\":5,\"time_s\":@t,\"vms\":[{\"name\":\"a\","
	  "\"vcpus\":[{\"seconds\":{\"run\":0,\"halt\":0}}]}]}\n",
	  30, 60},
	 SKIP_ZEROS,
	 31},
	{true,
	 {"time,domain,vcpu.0.time\n", "@t,web1,@n\n", "@t,web1,18446744073709551611\n", 30, 30},
	 SKIP_TOO_MUCH,
	 1},
	{true,
	 {PDH "\"" VCPU("10", "web1") "\",\"" VCPU("10", "web1") "x\"\n", "\"@t\",\"@r\",\"0\"\n",
	  "\"@t\",\"0.00\",\"0.00\"\n", 30, 60},
	 SKIP_ZEROS,
	 31},
	{true,
	 {PDH "\"" VCPU("10", "web1") "\",\"\\\\esx\\Vcpu(10:web1:8:vmx-vcpu-1:web1)\\% "
				      "Run\"\n",
	  "\"@t\",\"@r\",\"0.00\"\n", "\"@t\",\"\",\"0.00\"\n", 30, 60},
	 SKIP_BLANK,
	 31},
};

static void test_odd_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd_rows); i++) {
		struct file f = odd_rows[i].file;
		struct outcome o;

		f.row = f.row ? f.row : good_guest.row;
		right(odd_rows[i].host ? &good_guest : &f, odd_rows[i].host ? &f : &good_host, &o);
		assert_int_equal((odd_rows[i].host ? &o.host : &o.guest)->n[odd_rows[i].why],
				 odd_rows[i].n);
	}
}

/* ---- times of which a file tells twice ---- */

#define TABLE BANNER "# Time UID PID %CPU CPU Command\n"
#define CPU   "\"\\\\W\\Processor(_Total)\\% Processor Time\"\n"
#define SAR   BANNER "08:00:00 CPU %user %nice %system %iowait %steal %idle\n"

static const struct file guest_tables[] = {
	{SADF, "web1;5;@t;-1;@s;0;0;0;0;@i\n", "web1;5;@T;-1;@s;0;0;0;0;@i\n"},
	{TABLE, "@t 0 812 @a 0 render\n@t 0 955 @b 0 indexer\n",
	 "@T 0 812 @a 0 render\n@T 0 955 @b 0 indexer\n"},
	{"time,process,%cpu\n", "@t,render,@a\n@t,indexer,@b\n", "@T,render,@a\n@T,indexer,@b\n"},
	{"time,process,%cpu\n", "@t,a,@a\n@t,a,@b\n", "@T,a,@a\n@T,a,@b\n"},
	{PDH CPU, "\"@t\",\"@s\"\n", "\"@T\",\"@s\"\n"},
	{SAR, "@H:@M:@S all @s 0 0 0 0 @i\n"},
};

static const struct file host_tables[] = {
	{"time,domain,vcpu.0.time\n", "@t,web1,@n\n", "@T,web1,@n\n"},
	{"", "@t\nDomain: 'web1'\n  vcpu.0.time=@n\n", "@T\nDomain: 'web1'\n  vcpu.0.time=@n\n"},
	{PDH "\"" VCPU("10", "web1") "\"\n", "\"@t\",\"@r\"\n", "\"@T\",\"@r\"\n"},
};

/* Two recordings that overlap, one behind the other; a clock that is two minutes ahead for some
 * rows, or for one, far from them. What is left of the file is right. */
static void retell(const struct file *table, bool host, struct outcome *ret)
{
	static const struct {
		unsigned from, to, again;
	} ways[] = {{0, 0, 48},	 {0, 0, 1},   {0, 0, SAMPLES - 3},
		    {40, 51, 0}, {50, 50, 0}, {SAMPLES - 10, SAMPLES - 10, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct file f = *table;

		f.again = ways[i].again;
		f.from = ways[i].from;
		f.to = ways[i].to;
		if (!f.again && !f.odd)
			continue;
		f.odd = f.again ? NULL : f.odd;
		right(host ? &good_guest : &f, host ? &f : &good_host, ret);
		assert_true(ret->cells >= SAMPLES - 36);
	}
}

static void test_told_twice(void **state)
{
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(guest_tables); i++)
		retell(&guest_tables[i], false, &o);
	for (size_t i = 0; i < ARRAY_SIZE(host_tables); i++)
		retell(&host_tables[i], true, &o);
}

/* ---- intervals of which a part is missing ---- */

/* A third of the sum can't be used in a tenth of all intervals. */
static void test_spoilt(void **state)
{
	static const struct file files[] = {
		{TABLE, "@t 0 812 @a 0 render\n@t 0 955 @b 0 indexer\n",
		 "@t 0 812 @a 0 render\n@t 0 955 1e308 0 indexer\n", 30, 41},
		{"time,process,%cpu\n", "@t,render,@a\n@t,indexer,@b\n",
		 "@t,render,1e300\n@t,indexer,@b\n", 30, 41},
		{PDH "\"\\\\W\\Process(a)\\% Processor Time\",\"\\\\W\\Process(b)\\% Processor "
		     "Time\"\n",
		 "\"@t\",\"@a\",\"@b\"\n", "\"@t\",\"@a\",\"1e300\"\n", 30, 41},
	};
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		right(&files[i], &good_host, &o);
		assert_int_equal(o.guest.n[SKIP_RANGE], 12);
		assert_true(o.cells >= SAMPLES - 13);
	}
}

/* Wherever in the last row the file ends: the interval is left out. */
static void test_cut(void **state)
{
	struct outcome o;

	(void)state;
	for (size_t i = 1; i < 4; i++) {
		struct file f = guest_tables[i];

		for (f.cut = 1; f.cut < 19; f.cut++) {
			right(&f, &good_host, &o);
			assert_int_equal(o.cells, SAMPLES - 1);
			assert_int_equal(o.guest.n[SKIP_CUT], 1);
		}
	}
}

/* ---- what is refused, and what to do ---- */

static void test_refusals(void **state)
{
	static const struct {
		struct file guest;
		const char *why;
	} rows[] = {
		{{"time,process,%cpu\n", "05/01/2026 @H:@M:@S,a,@s\n"},
		 "--guest-dates dmy or --guest-dates mdy"},
		{{"time,process,%cpu\n", "2026-01-05 @H:@M:@S IST,a,@s\n"}, "--guest-zone"},
		{{"time,process,%cpu\n", "@t,a,@c\n"}, "120 with more or fewer fields"},
		{{"time,process,load\n", "@t,a,5\n"}, "no column for the share"},
		{{"when,process,%cpu\n", "@t,a,5\n"}, "no column for the time"},
		{{PDH "\"\\\\W\\Foo(_Total)\\Bar\"\n", "\"@t\",\"1\"\n"}, "'Foo\\Bar'"},
		{{PDH
		  "\"\\\\A\\Processor(_Total)\\% Processor Time\",\"\\\\B\\Processor(_Total)\\% "
		  "Processor Time\"\n",
		  "\"@t\",\"1\",\"1\"\n"},
		 "choose one with --machine: A, B"},
		{{BANNER "# Time UID TGID TID %CPU Command\n", "@t 0 - 812 @s |__a\n"},
		 "120 of threads"},
		{{"\x1f\x8b", "x"}, "gunzip"},
		{{"{\"sysstat\": {", "x"}, "sadf -d"},
		{{"time,domain,vcpu.0.time\n", "@t,web1,@n\n"}, "GUEST comes first"},
	};
	static const struct file twins = {
		PDH "\"" VCPU("1001", "web1") "\",\"" VCPU("2001", "web1") "\"\n",
		"\"@t\",\"@r\",\"1.00\"\n"};
	static const struct file untimed = {"", "Domain: 'web1'\n  vcpu.0.time=@n\n\n"};
	const struct source by_name[2] = {{.host = false}, {.host = true, .chosen = "web1"}};
	const struct source by_group[2] = {{.host = false}, {.host = true, .chosen = "1001"}};
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refused(&rows[i].guest, &good_host, rows[i].why);
	refused(&good_guest, &untimed, "no times between");
	judge(&good_guest, &twins, by_name, &o);
	assert_non_null(strstr(o.f.text, "web1 (1001), web1 (2001)"));
	judge(&good_guest, &twins, by_group, &o);
	assert_near(o.w, 0.5, 0.002);
}

/* UTF-16, either way round, with a mark or without. */
static void test_utf16(void **state)
{
	static char text[FILE_MAX], wide[2 * FILE_MAX];
	size_t size = put_file(text, &good_guest, false);

	(void)state;
	for (int way = 0; way < 4; way++) {
		bool big = way & 1, mark = way & 2;
		struct failure f = {""};
		struct usage u;
		size_t n = 0;

		if (mark) {
			wide[n++] = big ? '\xfe' : '\xff';
			wide[n++] = big ? '\xff' : '\xfe';
		}
		for (size_t i = 0; i < size; i++) {
			wide[n++] = big ? '\0' : text[i];
			wide[n++] = big ? text[i] : '\0';
		}
		assert_int_equal(usage_parse(wide, n, &plain[0], "guest", &f, &u), 0);
		assert_int_equal(u.n, 2 * SAMPLES);
		usage_done(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guests),	 cmocka_unit_test(test_names),
		cmocka_unit_test(test_hosts),	 cmocka_unit_test(test_blur),
		cmocka_unit_test(test_odd_rows), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_utf16),	 cmocka_unit_test(test_told_twice),
		cmocka_unit_test(test_spoilt),	 cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
