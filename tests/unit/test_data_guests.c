/* SPDX-License-Identifier: MIT */
/*
 * Files of guests, read for all that is in them: each format has a writer here that writes a made-up
 * world down as the program does. test_data_hosts.c has those of hosts, test_correct_formats.c odd
 * cases.
 */
#include "data_world.h"

static void perfmon_head(struct world *w)
{
	put(w, "\"(PDH-CSV 4.0) (UTC)(0)\",\"\\\\WIN\\Processor(_Total)\\%% Processor "
	       "Time\",\"\\\\WIN\\Memory\\Available MBytes\","
	       "\"\\\\WIN\\PhysicalDisk(0 C:)\\Disk Read Bytes/sec\","
	       "\"\\\\WIN\\Network Interface(nic, 1)\\Bytes Sent/sec\"");
	for (unsigned c = 0; c < w->owners; c++)
		put(w, ",\"\\\\WIN\\Processor(%u)\\%% Processor Time\"", c);
	for (unsigned p = 0; p < w->parts; p++)
		put(w,
		    ",\"\\\\WIN\\Process V2(app:%u)\\%% Processor Time\",\"\\\\WIN\\Process "
		    "V2(app:%u)\\Working Set\"",
		    40 + p, 40 + p);
	put(w, "\n");
}

static void perfmon_machine(struct world *w, unsigned t)
{
	unsigned total = figure(w, 0, 0, W_RUN, t, 9999),
		 memory = figure(w, 0, 0, W_MEMORY, t, 9999);
	unsigned read = figure(w, 0, 0, W_READ, t, 9999), sent = figure(w, 0, 0, W_SENT, t, 99);

	put(w, ",\"%u.%02u\",\"%u\",\"%u\",\"%u\"", total / 100, total % 100, memory, read, sent);
	if (!t)
		return;
	/* All CPUs of which there are columns. */
	name_it(expect(w, DATA_KIND_MACHINE, DATA_CPU, t, percent_seconds(w, total) * w->owners),
		"", "WIN", "");
	name_it(expect(w, DATA_KIND_MACHINE, DATA_MEMORY_AVAILABLE, t, memory * MIB_D), "", "WIN",
		"");
	name_it(expect(w, DATA_KIND_DISK, DATA_DISK_READ, t, (double)read * w->step), "WIN",
		"0 C:", "");
	name_it(expect(w, DATA_KIND_INTERFACE, DATA_NET_SENT, t, (double)sent * w->step), "WIN",
		"nic, 1", "");
}

static void perfmon_cpu(struct world *w, unsigned cpu, unsigned t)
{
	unsigned p = figure(w, 1, cpu, W_RUN, t, 9999);
	char name[16];

	put(w, ",\"%u.%02u\"", p / 100, p % 100);
	snprintf(name, sizeof(name), "%u", cpu);
	if (t)
		name_it(expect(w, DATA_KIND_CPU, DATA_CPU, t, percent_seconds(w, p)), "WIN", name,
			"");
}

static void perfmon_process(struct world *w, unsigned process, unsigned t)
{
	unsigned p = figure(w, 2, process, W_RUN, t, 9999);
	unsigned set = figure(w, 2, process, W_MEMORY, t, 99999);
	char pid[16];

	put(w, ",\"%u.%02u\",\"%u\"", p / 100, p % 100, set);
	snprintf(pid, sizeof(pid), "%u", 40 + process);
	if (!t)
		return;
	name_it(expect(w, DATA_KIND_PROCESS, DATA_CPU, t, percent_seconds(w, p)), "WIN", "app",
		pid);
	name_it(expect(w, DATA_KIND_PROCESS, DATA_MEMORY_USED, t, set), "WIN", "app", pid);
}

static void write_perfmon(struct world *w)
{
	char time[64];

	perfmon_head(w);
	for (unsigned t = 0; t <= w->n; t++) {
		clock_text(time_of(w, t), "%m/%d/%Y %H:%M:%S.000", time, sizeof(time));
		put(w, "\"%s\"", time);
		perfmon_machine(w, t);
		for (unsigned c = 0; c < w->owners; c++)
			perfmon_cpu(w, c, t);
		for (unsigned p = 0; p < w->parts; p++)
			perfmon_process(w, p, t);
		put(w, "\n");
	}
}

static void test_perfmon(void **state)
{
	(void)state;
	try_worlds(write_perfmon, "perfmon CSV");
}

/* The tables of sar. A row begins with `front`, fields are separated by `by`. */
struct sar_style {
	const char *by;
	bool sadf;
};

static void sar_front(struct world *w, const struct sar_style *s, unsigned host, unsigned t)
{
	char time[64];

	clock_text(time_of(w, t), s->sadf ? "%Y-%m-%d %H:%M:%S UTC" : "%I:%M:%S %p", time,
		   sizeof(time));
	if (s->sadf)
		put(w, "host%u;%u;%s", host, w->step, time);
	else
		put(w, "%s", time);
}

static void sar_table_head(struct world *w, const struct sar_style *s, const char *names)
{
	if (s->sadf) {
		put(w, "# hostname;interval;timestamp");
	} else {
		put(w, "\n");
		sar_front(w, s, 0, 0);
	}
	for (; *names; names++)
		if (*names == ' ')
			put(w, "%s", s->by);
		else
			put(w, "%c", *names);
	put(w, "\n");
}

static void sar_cpu(struct world *w, const struct sar_style *s, unsigned host, int cpu, unsigned t)
{
	unsigned user = figure(w, host, (unsigned)(cpu + 1), W_RUN, t, 4000);
	unsigned steal = figure(w, host, (unsigned)(cpu + 1), W_READY, t, 2000);
	unsigned wait = figure(w, host, (unsigned)(cpu + 1), W_OTHER, t, 1000);
	unsigned idle = 10000 - user - steal - wait;
	char name[16], owner[16];
	double cpus = cpu < 0 ? w->parts : 1;
	enum data_kind kind = cpu < 0 ? DATA_KIND_MACHINE : DATA_KIND_CPU;

	snprintf(name, sizeof(name), cpu < 0 ? s->sadf ? "-1" : "all" : "%d", cpu);
	sar_front(w, s, host, t);
	put(w, "%s%s%s%u.%02u%s0.00%s0.00%s%u.%02u%s%u.%02u%s%u.%02u\n", s->by, name, s->by,
	    user / 100, user % 100, s->by, s->by, s->by, wait / 100, wait % 100, s->by, steal / 100,
	    steal % 100, s->by, idle / 100, idle % 100);
	snprintf(owner, sizeof(owner), "host%u", host);
	name_it(expect(w, kind, DATA_CPU, t, percent_seconds(w, user) * cpus), cpu < 0 ? "" : owner,
		cpu < 0 ? owner : name, "");
	name_it(expect(w, kind, DATA_STEAL, t, percent_seconds(w, steal) * cpus),
		cpu < 0 ? "" : owner, cpu < 0 ? owner : name, "");
	name_it(expect(w, kind, DATA_IOWAIT, t, percent_seconds(w, wait) * cpus),
		cpu < 0 ? "" : owner, cpu < 0 ? owner : name, "");
}

static void sar_others(struct world *w, const struct sar_style *s, unsigned host)
{
	char owner[16];

	snprintf(owner, sizeof(owner), "host%u", host);
	sar_table_head(w, s, " kbmemfree kbavail kbmemused %memused");
	for (unsigned t = 1; t <= w->n; t++) {
		unsigned used = figure(w, host, 0, W_MEMORY, t, 900000);

		sar_front(w, s, host, t);
		put(w, "%s77%s88%s%u%s5.00\n", s->by, s->by, s->by, used, s->by);
		name_it(expect(w, DATA_KIND_MACHINE, DATA_MEMORY_AVAILABLE, t, 88 * 1024), "",
			owner, "");
		name_it(expect(w, DATA_KIND_MACHINE, DATA_MEMORY_USED, t, used * 1024.0), "", owner,
			"");
	}
	sar_table_head(w, s, " IFACE rxpck/s txpck/s rxkB/s txkB/s");
	for (unsigned t = 1; t <= w->n; t++)
		for (unsigned i = 0; i < w->parts; i++) {
			unsigned sent = figure(w, host, i, W_SENT, t, 90000);
			char name[16];

			snprintf(name, sizeof(name), "eth%u", i);
			sar_front(w, s, host, t);
			put(w, "%s%s%s1.00%s2.00%s3.00%s%u.%02u\n", s->by, name, s->by, s->by,
			    s->by, s->by, sent / 100, sent % 100);
			name_it(expect(w, DATA_KIND_INTERFACE, DATA_NET_RECEIVED, t,
				       3 * 1024.0 * w->step),
				owner, name, "");
			name_it(expect(w, DATA_KIND_INTERFACE, DATA_NET_SENT, t,
				       sent / 100.0 * 1024 * w->step),
				owner, name, "");
		}
}

static void sar_host(struct world *w, const struct sar_style *s, unsigned host)
{
	if (!s->sadf)
		put(w, "Linux 6.1.0 (host%u) \t2026-01-05 \t_x86_64_\t(%u CPU)\n", host, w->parts);
	sar_table_head(w, s, " CPU %user %nice %system %iowait %steal %idle");
	for (unsigned t = 1; t <= w->n; t++)
		for (int c = -1; c < (int)w->parts; c++)
			sar_cpu(w, s, host, c, t);
	sar_others(w, s, host);
}

static void write_sadf(struct world *w)
{
	static const struct sar_style style = {";", true};

	for (unsigned host = 0; host < w->owners; host++)
		sar_host(w, &style, host);
}

static void write_sar(struct world *w)
{
	static const struct sar_style style = {"   ", false};

	for (unsigned host = 0; host < w->owners; host++)
		sar_host(w, &style, host);
}

static void test_sar(void **state)
{
	(void)state;
	try_worlds(write_sadf, "sadf -d");
	try_worlds(write_sar, "sar -u");
}

static void pidstat_row(struct world *w, const char *owner, unsigned host, unsigned p, unsigned t)
{
	unsigned cpu = figure(w, host, p, W_RUN, t, 9999),
		 rss = figure(w, host, p, W_MEMORY, t, 99999);
	unsigned read = figure(w, host, p, W_READ, t, 99999);
	char time[64], pid[16];

	clock_text(time_of(w, t), "%H:%M:%S", time, sizeof(time));
	snprintf(pid, sizeof(pid), "%u", 300 + p);
	put(w, "%s 0 %s 0.5 %u.%02u 99 %u 0.1 %u.%02u 0 my app (x)\n", time, pid, cpu / 100,
	    cpu % 100, rss, read / 100, read % 100);
	name_it(expect(w, DATA_KIND_PROCESS, DATA_CPU, t, percent_seconds(w, cpu)), owner,
		"my app (x)", pid);
	name_it(expect(w, DATA_KIND_PROCESS, DATA_MEMORY_USED, t, rss * 1024.0), owner,
		"my app (x)", pid);
	name_it(expect(w, DATA_KIND_PROCESS, DATA_DISK_READ, t, read / 100.0 * 1024 * w->step),
		owner, "my app (x)", pid);
}

static void write_pidstat(struct world *w)
{
	for (unsigned host = 0; host < w->owners; host++) {
		char owner[16], time[64];

		snprintf(owner, sizeof(owner), "host%u", host);
		put(w, "Linux 6.1.0 (%s) \t05.01.2026 \t_x86_64_\t(4 CPU)\n\n", owner);
		for (unsigned t = 1; t <= w->n; t++) {
			clock_text(time_of(w, t - 1), "%H:%M:%S", time, sizeof(time));
			put(w, "%s UID PID %%usr %%CPU VSZ RSS %%MEM kB_rd/s CPU Command\n", time);
			for (unsigned p = 0; p < w->parts; p++)
				pidstat_row(w, owner, host, p, t);
			put(w, "\n");
		}
	}
}

static void write_processes(struct world *w)
{
	put(w, "pid,command,timestamp,%%CPU\n");
	for (unsigned t = 1; t <= w->n; t++) {
		unsigned total = figure(w, 0, 99, W_RUN, t, 9999);

		put(w, ",total,%.0f,%u.%02u\n", time_of(w, t), total / 100, total % 100);
		expect(w, DATA_KIND_MACHINE, DATA_CPU, t, percent_seconds(w, total));
		for (unsigned p = 0; p < w->parts; p++) {
			unsigned cpu = figure(w, 0, p, W_RUN, t, 9999);
			char pid[16];

			snprintf(pid, sizeof(pid), "%u", 300 + p);
			put(w, "%s,\"a, b\",%.0f,%u.%02u\n", pid, time_of(w, t), cpu / 100,
			    cpu % 100);
			name_it(expect(w, DATA_KIND_PROCESS, DATA_CPU, t, percent_seconds(w, cpu)),
				"", "a, b", pid);
		}
	}
}

static void test_processes(void **state)
{
	(void)state;
	try_worlds(write_pidstat, "pidstat");
	try_worlds(write_processes, "time,process,%cpu");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perfmon),
		cmocka_unit_test(test_sar),
		cmocka_unit_test(test_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
