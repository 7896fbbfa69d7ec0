/* SPDX-License-Identifier: MIT */
/*
 * Files of figures, read for all that is in them. Each format has a writer here that makes up a
 * world and writes it down as the program does, and that says what the file must come to: every
 * sample of every entity, once, and nothing else. Nothing is shared with the importers.
 * test_data_command.c has what is printed of it, test_correct_formats.c the odd cases.
 */
#include "data/data.h"

#include "base/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define START 1767648000 /* 2026-01-05 21:20:00 UTC: some worlds pass midnight */
#define MIB_D 1048576.0

/* ---- the file, and what it must come to ---- */

struct expected {
	enum data_kind kind;
	/* The owner by its id, or its name where it has none. */
	char owner[64], name[64], id[64];
	enum data_quantity quantity;
	double from, to, value;
	bool seen;
};

struct world {
	uint64_t dice;			 /* what a figure is depends on this and on its place */
	unsigned n, step, owners, parts; /* intervals, seconds, machines or VMs, of each */
	char text[1 << 20];
	size_t size;
	struct expected *expected;
	size_t n_expected;
};

static void put(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct world *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	w->size += (size_t)vsnprintf(w->text + w->size, sizeof(w->text) - w->size, format, ap);
	va_end(ap);
	assert_true(w->size < sizeof(w->text));
}

/* A figure of the world: 1 to `most`, always the same for the same place. */
static unsigned figure(const struct world *w, unsigned owner, unsigned part, unsigned what,
		       unsigned t, unsigned most)
{
	uint64_t x = w->dice + owner * 0x9e3779b97f4a7c15u + part * 0xbf58476d1ce4e5b9u +
		     what * 0x94d049bb133111ebu + t * 0xd6e8feb86659fd93u;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	return 1 + (unsigned)(x % most);
}

/* The sum over the intervals up to t, as counters have it. */
static uint64_t counter(const struct world *w, unsigned owner, unsigned part, unsigned what,
			unsigned t, unsigned most)
{
	uint64_t sum = 1000;

	for (unsigned i = 1; i <= t; i++)
		sum += figure(w, owner, part, what, i, most);
	return sum;
}

static double time_of(const struct world *w, unsigned t)
{
	return START + (double)t * w->step;
}

/* Interval `t` ends at time_of(t). */
static struct expected *expect(struct world *w, enum data_kind kind, enum data_quantity quantity,
			       unsigned t, double value)
{
	struct expected *x;

	w->expected = reallocarray(w->expected, w->n_expected + 1, sizeof(*x));
	assert_non_null(w->expected);
	x = &w->expected[w->n_expected++];
	*x = (struct expected){.kind = kind,
			       .quantity = quantity,
			       .from = time_of(w, t - 1),
			       .to = time_of(w, t),
			       .value = value};
	return x;
}

static void name_it(struct expected *x, const char *owner, const char *name, const char *id)
{
	snprintf(x->owner, sizeof(x->owner), "%s", owner);
	snprintf(x->name, sizeof(x->name), "%s", name);
	snprintf(x->id, sizeof(x->id), "%s", id);
}

/* ---- what was read ---- */

#define ENTITIES 512

struct reader {
	struct world *w;
	struct data_entity entities[ENTITIES];
	uint32_t n;
	size_t last; /* of those that are expected */
};

static int take_entity(void *of, uint32_t number, const struct data_entity *e)
{
	struct reader *r = of;

	assert_int_equal(number, r->n);
	assert_true(number < ENTITIES);
	assert_true(e->owner == DATA_NONE || e->owner < number);
	r->entities[r->n++] = *e;
	return 1;
}

static bool is_it(const struct reader *r, const struct data_sample *s, const struct expected *x)
{
	const struct data_entity *e = &r->entities[s->entity];
	const struct data_entity *o = e->owner == DATA_NONE ? NULL : &r->entities[e->owner];
	const char *owner = !o ? "" : o->id[0] ? o->id : o->name;

	return x->kind == e->kind && x->quantity == s->quantity && !strcmp(x->owner, owner) &&
	       !strcmp(x->name, e->name) && !strcmp(x->id, e->id) && fabs(x->to - s->to) < 1e-3 &&
	       fabs(x->from - s->from) < 1e-3;
}

static int take_sample(void *of, const struct data_sample *s)
{
	struct reader *r = of;
	const struct data_entity *e = &r->entities[s->entity];

	/* They come in some order: the next one is mostly near the last. */
	for (size_t i = 0; i < r->w->n_expected; i++) {
		size_t at = (r->last + i) % r->w->n_expected;
		struct expected *x = &r->w->expected[at];

		if (!is_it(r, s, x))
			continue;
		if (x->seen || !(fabs(s->value - x->value) <= 1e-6 * (1 + x->value)))
			fail_msg("%s '%s' (%s) %s at %.0f: %.9g, not %.9g%s",
				 data_kind_name(e->kind), e->name, e->id,
				 data_quantities[s->quantity].name, s->to, s->value, x->value,
				 x->seen ? ", a second time" : "");
		x->seen = true;
		r->last = at;
		return 0;
	}
	fail_msg("%s '%s' (%s) %s from %.3f to %.3f: not in the world", data_kind_name(e->kind),
		 e->name, e->id, data_quantities[s->quantity].name, s->from, s->to);
	return 0;
}

static void judge(struct world *w, uint64_t quantities, const char *format)
{
	struct reader r = {.w = w};
	const struct data_sink sink = {&r, quantities, take_entity, take_sample, NULL};
	const struct data_options o = {.side = DATA_ANY};
	struct data_file file;
	struct failure f = {""};

	for (size_t i = 0; i < w->n_expected; i++)
		w->expected[i].seen = false;
	if (data_parse(w->text, w->size, &o, &sink, "file", &f, &file))
		fail_msg("%s: %s\n%.400s", format, f.text, w->text);
	assert_string_equal(file.format, format);
	if (skips_lost(&file.skips)) {
		char text[300];

		skips_describe(&file.skips, text, sizeof(text));
		fail_msg("%s: left out: %s", format, text);
	}
	for (size_t i = 0; i < w->n_expected; i++) {
		const struct expected *x = &w->expected[i];

		if (!x->seen && (quantities & DATA_BIT(x->quantity)))
			fail_msg("%s: %s '%s' (%s) %s at %.0f is missing", format,
				 data_kind_name(x->kind), x->name, x->id,
				 data_quantities[x->quantity].name, x->to);
	}
}

/* For all quantities, and for each alone: nothing depends on what else is wanted. */
static void judge_all(struct world *w, const char *format)
{
	uint64_t there = 0;

	judge(w, DATA_ALL, format);
	for (size_t i = 0; i < w->n_expected; i++)
		there |= DATA_BIT(w->expected[i].quantity);
	for (int q = 0; q < DATA_QUANTITIES; q++)
		if (there & DATA_BIT(q))
			judge(w, DATA_BIT(q), format);
}

typedef void (*write_fn)(struct world *w);

static void try_worlds(write_fn write, const char *format)
{
	static struct world w;

	for (unsigned seed = 1; seed <= 6; seed++) {
		w = (struct world){.dice = seed * 0x2545f4914f6cdd1du,
				   .n = 2 + seed * 2,
				   .step = seed % 2 ? 5 : 300,
				   .owners = 1 + seed % 3,
				   .parts = 1 + seed % 4};
		/* Across midnight. */
		if (seed == 6)
			w.n = 40;
		write(&w);
		judge_all(&w, format);
		free(w.expected);
	}
}

static void clock_text(double at, const char *format, char *ret, size_t size)
{
	time_t time = (time_t)at;
	struct tm tm;

	assert_non_null(gmtime_r(&time, &tm));
	assert_true(strftime(ret, size, format, &tm) > 0);
}

/* ---- hosts ---- */

static const char *const vm_names[] = {"web1", "db: a, \"b\"", "web1"};
static const char *const vm_quoted[] = {"web1", "db: a, \"\"b\"\"", "web1"};

/* Percent of one CPU, in hundredths, of a vCPU; ms of the interval. */
enum { W_RUN, W_READY, W_COSTOP, W_MEMORY, W_READ, W_SENT, W_OTHER };

static double percent_seconds(const struct world *w, unsigned hundredths)
{
	return hundredths / 1e4 * w->step;
}

static void esxtop_head(struct world *w)
{
	put(w, "\"(PDH-CSV 4.0) (UTC)(0)\"");
	for (unsigned v = 0; v < w->owners; v++) {
		for (unsigned c = 0; c < w->parts; c++) {
			static const char *const names[] = {"Run", "Ready", "CoStop"};

			for (unsigned q = 0; q < 3; q++)
				put(w, ",\"\\\\esx\\Vcpu(%u:%s:%u:vmx-vcpu-%u:%s)\\%% %s\"",
				    100 + v, vm_quoted[v], 1000 + c, c, vm_quoted[v], names[q]);
			put(w, ",\"\\\\esx\\Vcpu(%u:%s:%u:vmx)\\%% Run\"", 100 + v, vm_quoted[v],
			    2000 + c);
		}
		put(w, ",\"\\\\esx\\Group Cpu(%u:%s)\\%% Used\"", 100 + v, vm_quoted[v]);
		put(w, ",\"\\\\esx\\Group Memory(%u:%s)\\Memory Size MBytes\"", 100 + v,
		    vm_quoted[v]);
	}
	/* By its name alone: only one that is the only one of its name. */
	put(w, ",\"\\\\esx\\Virtual Disk(%s:scsi0:1)\\MBytes Read/sec\"",
	    vm_quoted[w->owners == 2]);
	put(w, ",\"\\\\esx\\Network Port(vSwitch0:7:8:%s.eth0)\\MBits Transmitted/sec\"",
	    vm_quoted[w->owners == 2]);
	put(w, ",\"\\\\esx\\Group Cpu(1:idle)\\%% Used\",\"\\\\esx\\Physical Cpu(0)\\%% Util "
	       "Time\"\n");
}

static void esxtop_vm(struct world *w, unsigned v, unsigned t)
{
	static const enum data_quantity quantities[] = {DATA_CPU, DATA_READY, DATA_COSTOP};
	unsigned sums[3] = {0}, memory = figure(w, v, 0, W_MEMORY, t, 9000);
	char id[16], name[16];

	snprintf(id, sizeof(id), "%u", 100 + v);
	for (unsigned c = 0; c < w->parts; c++) {
		snprintf(name, sizeof(name), "%u", c);
		for (unsigned q = 0; q < 3; q++) {
			unsigned p = figure(w, v, c, q, t, 3000);

			sums[q] += p;
			put(w, ",\"%u.%02u\"", p / 100, p % 100);
			if (t)
				name_it(expect(w, DATA_KIND_VCPU, quantities[q], t,
					       percent_seconds(w, p)),
					id, name, "");
		}
		put(w, ",\"77.00\"");
	}
	put(w, ",\"88.00\",\"%u\"", memory);
	for (unsigned q = 0; q < 3 && t; q++)
		name_it(expect(w, DATA_KIND_VM, quantities[q], t, percent_seconds(w, sums[q])), "",
			vm_names[v], id);
	if (t)
		name_it(expect(w, DATA_KIND_VM, DATA_MEMORY_SIZE, t, memory * MIB_D), "",
			vm_names[v], id);
}

static void esxtop_rest(struct world *w, unsigned t)
{
	unsigned read = figure(w, 9, 0, W_READ, t, 900), sent = figure(w, 9, 0, W_SENT, t, 900);
	unsigned used = figure(w, 9, 1, W_OTHER, t, 9000);
	const char *vm = vm_names[w->owners == 2], *port = "vSwitch0:7:8:%s.eth0";
	const char *id = w->owners == 2 ? "101" : "100";
	char name[64];

	put(w, ",\"%u\",\"%u\",\"%u.%02u\",\"%u.%02u\"\n", read, sent, used / 100, used % 100,
	    used / 100, used % 100);
	if (!t)
		return;
	snprintf(name, sizeof(name), port, vm);
	name_it(expect(w, DATA_KIND_GROUP, DATA_CPU, t, percent_seconds(w, used)), "", "idle", "1");
	name_it(expect(w, DATA_KIND_MACHINE, DATA_CPU, t, percent_seconds(w, used)), "", "esx", "");
	name_it(expect(w, DATA_KIND_CPU, DATA_CPU, t, percent_seconds(w, used)), "esx", "0", "");
	if (w->owners == 3)
		return; /* two are called so */
	name_it(expect(w, DATA_KIND_DISK, DATA_DISK_READ, t, read * MIB_D * w->step), id, "scsi0:1",
		"");
	name_it(expect(w, DATA_KIND_INTERFACE, DATA_NET_SENT, t, sent * 125000.0 * w->step), id,
		name, "");
}

static void write_esxtop(struct world *w)
{
	char time[64];

	esxtop_head(w);
	for (unsigned t = 0; t <= w->n; t++) {
		clock_text(time_of(w, t), "%m/%d/%Y %H:%M:%S", time, sizeof(time));
		put(w, "\"%s\"", time);
		for (unsigned v = 0; v < w->owners; v++)
			esxtop_vm(w, v, t);
		esxtop_rest(w, t);
	}
}

static void test_esxtop(void **state)
{
	(void)state;
	try_worlds(write_esxtop, "esxtop -b");
}

/* What libvirt's counters of one VM must come to. */
static void expect_domstats(struct world *w, unsigned v, unsigned t, const char *name,
			    const char *id)
{
	const char *owner = id[0] ? id : name;
	double sums[2] = {0};
	char part[16];

	for (unsigned c = 0; c < w->parts; c++) {
		snprintf(part, sizeof(part), "%u", c);
		for (unsigned q = 0; q < 2; q++) {
			double s = figure(w, v, c, q, t, 900000000) / 1e9;

			sums[q] += s;
			name_it(expect(w, DATA_KIND_VCPU, q ? DATA_READY : DATA_CPU, t, s), owner,
				part, "");
		}
	}
	name_it(expect(w, DATA_KIND_VM, DATA_CPU, t, sums[0]), "", name, id);
	name_it(expect(w, DATA_KIND_VM, DATA_READY, t, sums[1]), "", name, id);
	name_it(expect(w, DATA_KIND_VM, DATA_MEMORY_GRANTED, t,
		       1024.0 * figure(w, v, 0, W_MEMORY, t, 4000000)),
		"", name, id);
	name_it(expect(w, DATA_KIND_DISK, DATA_DISK_READ, t, figure(w, v, 0, W_READ, t, 70000)),
		owner, "vda", "");
	name_it(expect(w, DATA_KIND_INTERFACE, DATA_NET_SENT, t, figure(w, v, 0, W_SENT, t, 70000)),
		owner, "0", "");
}

static void write_domstats(struct world *w)
{
	char id[16];

	put(w, "uuid;domain;time");
	for (unsigned c = 0; c < w->parts; c++)
		put(w, ";vcpu.%u.time;vcpu.%u.delay;vcpu.%u.state", c, c, c);
	put(w, ";cpu.time;balloon.current;block.0.name;block.0.rd.bytes;net.0.tx.bytes\n");
	for (unsigned t = 0; t <= w->n; t++)
		for (unsigned v = 0; v < w->owners; v++) {
			snprintf(id, sizeof(id), "u-%u", v);
			put(w, "%s;\"%s\";%.0f", id, vm_quoted[v], time_of(w, t));
			for (unsigned c = 0; c < w->parts; c++)
				put(w, ";%llu;%llu;1",
				    (unsigned long long)counter(w, v, c, W_RUN, t, 900000000),
				    (unsigned long long)counter(w, v, c, W_READY, t, 900000000));
			put(w, ";5;%u;vda;%llu;%llu\n", figure(w, v, 0, W_MEMORY, t, 4000000),
			    (unsigned long long)counter(w, v, 0, W_READ, t, 70000),
			    (unsigned long long)counter(w, v, 0, W_SENT, t, 70000));
			if (t)
				expect_domstats(w, v, t, vm_names[v], id);
		}
}

static void virsh_vm(struct world *w, unsigned v, unsigned t)
{
	static const char *const names[] = {"web1", "db", "a: b=c.d"};

	put(w, "Domain: '%s'\n", names[v]);
	for (unsigned c = 0; c < w->parts; c++)
		put(w, "  vcpu.%u.state=1\n  vcpu.%u.time=%llu\n  vcpu.%u.delay=%llu\n", c, c,
		    (unsigned long long)counter(w, v, c, W_RUN, t, 900000000), c,
		    (unsigned long long)counter(w, v, c, W_READY, t, 900000000));
	put(w,
	    "  balloon.current=%u\n  block.count=1\n  block.0.name=vda\n"
	    "  block.0.rd.bytes=%llu\n  net.0.tx.bytes=%llu\n\n",
	    figure(w, v, 0, W_MEMORY, t, 4000000),
	    (unsigned long long)counter(w, v, 0, W_READ, t, 70000),
	    (unsigned long long)counter(w, v, 0, W_SENT, t, 70000));
	if (t)
		expect_domstats(w, v, t, names[v], "");
}

static void write_virsh(struct world *w)
{
	bool behind = w->dice % 2;

	for (unsigned t = 0; t <= w->n; t++) {
		if (!behind)
			put(w, "%.0f\n", time_of(w, t));
		for (unsigned v = 0; v < w->owners; v++)
			virsh_vm(w, v, t);
		if (behind)
			put(w, "%.0f\n", time_of(w, t));
	}
}

static void test_domstats(void **state)
{
	(void)state;
	try_worlds(write_domstats, "domstats");
	try_worlds(write_virsh, "virsh domstats");
}

static void write_ledger(struct world *w)
{
	static const struct {
		const char *key;
		enum data_quantity quantity;
	} states[] = {{"run", DATA_CPU},
		      {"ready", DATA_READY},
		      {"costop", DATA_COSTOP},
		      {"limited", DATA_LIMITED},
		      {"swapwait", DATA_SWAPWAIT}};

	for (unsigned t = 1; t <= w->n; t++) {
		put(w, "{\"kind\":\"interval\",\"time_s\":%.0f,\"seconds\":%u,\"vms\":[",
		    time_of(w, t), w->step);
		for (unsigned v = 0; v < w->owners; v++) {
			double sums[ARRAY_SIZE(states)] = {0};
			char pid[16], part[16];

			snprintf(pid, sizeof(pid), "%u", 500 + v);
			put(w, "%s{\"name\":\"web1\",\"pid\":%s,\"vcpus\":[", v ? "," : "", pid);
			for (unsigned c = 0; c < w->parts; c++) {
				snprintf(part, sizeof(part), "%u", c);
				put(w, "%s{\"index\":%u,\"seconds\":{\"halt\":1", c ? "," : "", c);
				for (unsigned q = 0; q < ARRAY_SIZE(states); q++) {
					double s = figure(w, v, c, q, t, 1000) / 1e3;

					sums[q] += s;
					put(w, ",\"%s\":%.3f", states[q].key, s);
					name_it(expect(w, DATA_KIND_VCPU, states[q].quantity, t, s),
						pid, part, "");
				}
				put(w, "}}");
			}
			put(w, "]}");
			for (unsigned q = 0; q < ARRAY_SIZE(states); q++)
				name_it(expect(w, DATA_KIND_VM, states[q].quantity, t, sums[q]), "",
					"web1", pid);
		}
		put(w, "]}\n");
	}
}

static void test_ledger(void **state)
{
	(void)state;
	try_worlds(write_ledger, "desched ledger");
}

/* ---- guests ---- */

static void write_perfmon(struct world *w)
{
	char time[64], name[16], pid[16];

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
	for (unsigned t = 0; t <= w->n; t++) {
		unsigned total = figure(w, 0, 0, W_RUN, t, 9999);
		unsigned memory = figure(w, 0, 0, W_MEMORY, t, 9999);
		unsigned read = figure(w, 0, 0, W_READ, t, 9999),
			 sent = figure(w, 0, 0, W_SENT, t, 99);

		clock_text(time_of(w, t), "%m/%d/%Y %H:%M:%S.000", time, sizeof(time));
		put(w, "\"%s\",\"%u.%02u\",\"%u\",\"%u\",\"%u\"", time, total / 100, total % 100,
		    memory, read, sent);
		if (t) {
			/* All CPUs of which there are columns. */
			name_it(expect(w, DATA_KIND_MACHINE, DATA_CPU, t,
				       percent_seconds(w, total) * w->owners),
				"", "WIN", "");
			name_it(expect(w, DATA_KIND_MACHINE, DATA_MEMORY_AVAILABLE, t,
				       memory * MIB_D),
				"", "WIN", "");
			name_it(expect(w, DATA_KIND_DISK, DATA_DISK_READ, t,
				       (double)read * w->step),
				"WIN", "0 C:", "");
			name_it(expect(w, DATA_KIND_INTERFACE, DATA_NET_SENT, t,
				       (double)sent * w->step),
				"WIN", "nic, 1", "");
		}
		for (unsigned c = 0; c < w->owners; c++) {
			unsigned p = figure(w, 1, c, W_RUN, t, 9999);

			put(w, ",\"%u.%02u\"", p / 100, p % 100);
			snprintf(name, sizeof(name), "%u", c);
			if (t)
				name_it(expect(w, DATA_KIND_CPU, DATA_CPU, t,
					       percent_seconds(w, p)),
					"WIN", name, "");
		}
		for (unsigned i = 0; i < w->parts; i++) {
			unsigned p = figure(w, 2, i, W_RUN, t, 9999);
			unsigned set = figure(w, 2, i, W_MEMORY, t, 99999);

			put(w, ",\"%u.%02u\",\"%u\"", p / 100, p % 100, set);
			snprintf(pid, sizeof(pid), "%u", 40 + i);
			if (!t)
				continue;
			name_it(expect(w, DATA_KIND_PROCESS, DATA_CPU, t, percent_seconds(w, p)),
				"WIN", "app", pid);
			name_it(expect(w, DATA_KIND_PROCESS, DATA_MEMORY_USED, t, set), "WIN",
				"app", pid);
		}
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
		cmocka_unit_test(test_esxtop), cmocka_unit_test(test_domstats),
		cmocka_unit_test(test_ledger), cmocka_unit_test(test_perfmon),
		cmocka_unit_test(test_sar),    cmocka_unit_test(test_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
