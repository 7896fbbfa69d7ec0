/* SPDX-License-Identifier: MIT */
/*
 * /proc alone, for who may ask nobody better: the kernel's own figures of processes, in its ticks,
 * and each CPU's busy, idle and stolen time. Which process the stolen time was taken from is not
 * known there, so the snapshot is not `split`.
 *
 * Figures of /proc may be wrong: they wrap, a hypervisor or a container's file system writes them,
 * a hot-plugged CPU begins again. What is shown only grows, and by no more than the CPUs can have
 * run since the last time; what would exceed that is left out, counted, and the snapshot marked.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/proc.h"
#include "base/units.h"
#include "screen/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* A counter as it was read, and as it is shown. */
struct counter {
	uint64_t raw, shown; /* ns */
	bool any;
};

struct known {
	struct {
		int64_t pid;
		uint64_t start;
	} key;
	struct counter reported;
	uint64_t round; /* in which it was seen last */
	UT_hash_handle hh;
};

struct cpu_counters {
	struct counter busy, idle, steal;
};

struct proc_feed {
	uint64_t start, last; /* ns, CLOCK_MONOTONIC */
	uint64_t most;	      /* ns that all CPUs can have run since the last time */
	uint64_t implausible; /* figures that were left out, ever */
	uint64_t round;
	struct cpu_counters all, *cpus;
	long n_cpus;
	struct known *known;
	struct snapshot *snapshot; /* that is being made */
	size_t room;		   /* for processes in it */
};

#define ROUNDING_NS (100 * NS_PER_MS) /* /proc counts in ticks, and is read one file at a time */
#define FIRST_NS    (3000000000 * NS_PER_SEC) /* of a figure that is read for the first time */

/* The figure to show for one that was read. The first one is believed up to `first_most`. */
static uint64_t advance(struct proc_feed *p, struct counter *c, uint64_t raw, uint64_t first_most,
			uint64_t most)
{
	uint64_t delta = raw - c->raw;

	if (!c->any) {
		c->any = true;
		p->implausible += raw > first_most;
		c->shown = raw > first_most ? 0 : raw;
	} else if (raw < c->raw || delta > most) {
		p->implausible++;
	} else {
		c->shown += delta;
	}
	c->raw = raw;
	return c->shown;
}

static void close_proc(void *feed)
{
	struct proc_feed *p = feed;
	struct known *k, *next;

	if (!p)
		return;
	HASH_ITER (hh, p->known, k, next) {
		HASH_DEL(p->known, k);
		free(k);
	}
	free(p->cpus);
	free(p);
}

static int open_proc(const struct asked *config, struct failure *f, void **ret)
{
	struct proc_feed *p = calloc(1, sizeof(*p));
	struct proc_cpu cpu;
	int err = p ? proc_read_cpu(-1, &cpu) : -ENOMEM;

	(void)config;
	if (!err) {
		p->n_cpus = sysconf(_SC_NPROCESSORS_CONF);
		p->cpus = calloc((size_t)p->n_cpus, sizeof(*p->cpus));
		err = p->cpus ? 0 : -ENOMEM;
	}
	if (err) {
		close_proc(p);
		return failure_errno(f, err, "/proc/stat");
	}
	p->start = p->last = clock_mono();
	*ret = p;
	return 0;
}

/* ---- processes ---- */

/* NULL: no memory. */
static struct known *find_known(struct proc_feed *p, pid_t pid, uint64_t start)
{
	struct known *k, wanted = {.key = {pid, start}};

	HASH_FIND(hh, p->known, &wanted.key, sizeof(wanted.key), k);
	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->key = wanted.key;
	HASH_ADD(hh, p->known, key, sizeof(k->key), k);
	if (k->hh.tbl)
		return k;
	free(k);
	return NULL;
}

static void forget_gone(struct proc_feed *p)
{
	struct known *next;

	for (struct known *k = p->known; k; k = next) {
		next = k->hh.next;
		if (k->round == p->round)
			continue;
		HASH_DEL(p->known, k);
		free(k);
	}
}

static struct snapshot_process *new_process(struct proc_feed *p)
{
	struct snapshot *s = p->snapshot;

	if (s->n_processes == p->room) {
		size_t room = p->room ? 2 * p->room : 256;
		struct snapshot_process *larger = reallocarray(s->processes, room, sizeof(*larger));

		if (!larger)
			return NULL;
		s->processes = larger;
		p->room = room;
	}
	return &s->processes[s->n_processes++];
}

static int add_process(pid_t pid, void *data)
{
	struct proc_feed *p = data;
	struct snapshot_process *to;
	uint64_t reported;
	struct proc_stat stat;
	struct known *k;

	if (proc_read_stat(pid, 0, &stat))
		return 0;
	k = find_known(p, pid, stat.start_ns);
	to = k ? new_process(p) : NULL;
	if (!to)
		return -ENOMEM;
	k->round = p->round;
	reported = stat.utime_ns > UINT64_MAX - stat.stime_ns ? UINT64_MAX
							      : stat.utime_ns + stat.stime_ns;
	/* Whoever comes later cannot have run longer than since the last time. */
	reported = advance(p, &k->reported, reported, p->round == 1 ? FIRST_NS : p->most, p->most);
	*to = (struct snapshot_process){
		.pid = pid,
		.id = stat.start_ns / NS_PER_MS, /* a pid that is used again has another start */
		.name = snapshot_text(p->snapshot, stat.comm),
		.own = {.truth = reported, .reported = reported},
	};
	return to->name ? 0 : -ENOMEM;
}

/* ---- CPUs ---- */

/* Each of the three by no more than `cpus` can have had since the last time. */
static struct proc_cpu show(struct proc_feed *p, struct cpu_counters *c, const struct proc_cpu *raw,
			    long cpus)
{
	uint64_t most = p->most / (uint64_t)p->n_cpus * (uint64_t)cpus;

	return (struct proc_cpu){
		.busy_ns = advance(p, &c->busy, raw->busy_ns, FIRST_NS, most),
		.idle_ns = advance(p, &c->idle, raw->idle_ns, FIRST_NS, most),
		.steal_ns = advance(p, &c->steal, raw->steal_ns, FIRST_NS, most),
	};
}

static int add_cpus(struct proc_feed *p, struct snapshot *s)
{
	struct proc_cpu cpu;

	s->cpus = calloc((size_t)p->n_cpus, sizeof(*s->cpus));
	if (!s->cpus)
		return -ENOMEM;
	for (int i = 0; i < p->n_cpus; i++) {
		struct snapshot_cpu *to = &s->cpus[s->n_cpus];

		if (proc_read_cpu(i, &cpu))
			continue;
		cpu = show(p, &p->cpus[i], &cpu, 1);
		to->cpu = (unsigned)i;
		to->ledger[LEDGER_RUN] = cpu.busy_ns;
		to->ledger[LEDGER_READY] = cpu.steal_ns;
		to->ledger[LEDGER_HALT] = cpu.idle_ns;
		s->n_cpus++;
	}
	return 0;
}

/* ---- snapshots ---- */

static int add_all(struct proc_feed *p, struct snapshot *s)
{
	struct proc_cpu all;
	int err = proc_read_cpu(-1, &all);

	if (!err)
		err = proc_each_id("/proc", add_process, p);
	if (err)
		return err;
	all = show(p, &p->all, &all, p->n_cpus);
	s->busy = (struct figures){.truth = all.busy_ns, .descheduled = all.steal_ns};
	return add_cpus(p, s);
}

static int take(void *feed, struct failure *f, struct frame *ret)
{
	struct proc_feed *p = feed;
	uint64_t before = p->last, implausible = p->implausible;
	struct snapshot s;
	int err;

	snapshot_init(&s);
	s.source = "proc";
	s.split = false;
	p->last = clock_mono();
	p->most = (p->last - before + ROUNDING_NS) * (uint64_t)p->n_cpus;
	p->round++;
	p->snapshot = &s;
	p->room = 0;
	err = add_all(p, &s);
	forget_gone(p);
	if (err) {
		snapshot_done(&s);
		return failure_errno(f, err, "/proc");
	}
	s.complete = p->implausible == implausible;
	s.counters.implausible = p->implausible;
	s.elapsed = p->last - p->start;
	ret->guest = s;
	return 0;
}

const struct feed_ops feed_proc = {
	.name = "/proc only",
	.subject = &subject_guest,
	.open = open_proc,
	.close = close_proc,
	.take = take,
};
