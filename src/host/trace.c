/* SPDX-License-Identifier: MIT */
#include "host/trace.h"

#include "base/proc.h"
#include "base/text.h"
#include "base/units.h"
#include "host/host_vm.h"
#include "host/timeline.h"

#include <desched/ledger.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_NS	 (5 * NS_PER_SEC) /* of runs: longer waits aren't told who ran at their start */
#define CULPRITS 3		  /* named for a wait */
#define VMS_MAX	 1024

struct culprit {
	uint64_t key, ns;
	char name[32];
};

struct trace {
	struct trace_setup setup;
	struct timeline *cpus;	 /* [n_cpus] */
	struct host_run *now;	 /* [n_cpus]: who is on it, as of the last look */
	pid_t named[VMS_MAX];	 /* the VM whose tracks have names, by id */
	struct host_wait *waits; /* of this round; owned */
	size_t n_waits, room_waits;
	struct host_stay *stays; /* ready, of this round; owned */
	size_t n_stays, room_stays;
	uint64_t last; /* ns: the end of the last slice */
	uint64_t lost; /* records, that a marker tells of */
	uint64_t slices;
	bool no_memory;
	bool first; /* nothing is in the file's list */
};

/* ---- writing ---- */

static double us(const struct trace *t, uint64_t ns)
{
	return (double)u64_sub_floor(ns, t->setup.start) / NS_PER_US;
}

/*
 * Each version of Perfetto's importer gives up at some escape that JSON has: at \u, at the halves of
 * a character above U+FFFF, at a backslash before the last quote. So there are none: what would
 * need one is another character. Nor does it take an empty name.
 */
static void put_text(const struct trace *t, const char *text)
{
	char name[128];

	snprintf(name, sizeof(name), "%s", *text ? text : "?");
	text_utf8(name); /* also what was cut in the middle */
	text_clean(name);
	for (char *c = name; *c; c++)
		*c = *c == '"' ? '\'' : *c == '\\' ? '/' : *c;
	fprintf(t->setup.to, "\"%s\"", name);
}

static void begin_event(struct trace *t)
{
	fputs(t->first ? "\n" : ",\n", t->setup.to);
	t->first = false;
}

static void put_name(struct trace *t, const char *what, pid_t pid, pid_t tid, const char *name)
{
	begin_event(t);
	fprintf(t->setup.to,
		"{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":", what,
		pid, tid);
	put_text(t, name);
	fputs("}}", t->setup.to);
}

/* Tracks are in the order of a number that the format has for it. */
static void put_order(struct trace *t, pid_t pid, pid_t tid, uint32_t order)
{
	begin_event(t);
	fprintf(t->setup.to,
		"{\"ph\":\"M\",\"name\":\"thread_sort_index\",\"pid\":%d,\"tid\":%d,"
		"\"args\":{\"sort_index\":%" PRIu32 "}}",
		pid, tid, order);
}

/* Up to its arguments. */
static void begin_slice(struct trace *t, const char *name, pid_t pid, pid_t tid, uint64_t start,
			uint64_t end)
{
	begin_event(t);
	fputs("{\"ph\":\"X\",\"name\":", t->setup.to);
	put_text(t, name);
	fprintf(t->setup.to, ",\"pid\":%d,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"args\":{", pid, tid,
		us(t, start), us(t, end) - us(t, u64_max(start, t->setup.start)));
	t->slices++;
	t->last = u64_max(t->last, end);
}

static void put_cpus(struct trace *t)
{
	char name[32];

	put_name(t, "process_name", TRACE_HOST_PID, TRACE_HOST_PID, "host CPUs");
	for (uint32_t c = 0; c < t->setup.n_cpus; c++) {
		pid_t tid = TRACE_HOST_PID + 1 + (pid_t)c;

		snprintf(name, sizeof(name), "CPU %" PRIu32, c);
		put_name(t, "thread_name", TRACE_HOST_PID, tid, name);
		put_order(t, TRACE_HOST_PID, tid, c);
	}
}

/* The VM's tracks get their names before the first slice. */
static bool find_vm(struct trace *t, int id, struct trace_vm *ret)
{
	char name[32];

	if (id < 0 || id >= VMS_MAX || !t->setup.vm(id, ret, t->setup.data))
		return false;
	if (t->named[id] == ret->pid)
		return true;
	t->named[id] = ret->pid;
	put_name(t, "process_name", ret->pid, ret->pid, ret->name);
	for (uint32_t v = 0; v < ret->n_vcpus; v++) {
		snprintf(name, sizeof(name), "vCPU %" PRIu32, ret->vcpus[v].index);
		put_name(t, "thread_name", ret->pid, ret->vcpus[v].tid, name);
		put_order(t, ret->pid, ret->vcpus[v].tid, ret->vcpus[v].index);
	}
	return true;
}

/* ---- CPUs ---- */

static void put_run(struct trace *t, const struct host_run *run)
{
	pid_t track = TRACE_HOST_PID + 1 + (pid_t)run->cpu;
	uint64_t start = u64_max(run->start, t->setup.start);
	struct trace_vm vm;
	char name[96];

	if (!run->tid || run->end <= start)
		return; /* idle */
	if (find_vm(t, run->vm, &vm))
		snprintf(name, sizeof(name), "%s: %s", vm.name, run->name);
	else
		snprintf(name, sizeof(name), "%s", run->name);
	begin_slice(t, name, TRACE_HOST_PID, track, start, run->end);
	fprintf(t->setup.to, "\"tid\":%d,\"process\":%d", run->tid, run->pid);
	if (run->irq)
		fprintf(t->setup.to, ",\"interrupts_us\":%.3f", (double)run->irq / NS_PER_US);
	fputs("}}", t->setup.to);
}

/* One whose coming wasn't reported may seem to have come before the last one went. */
static void begin_behind(const struct trace *t, struct host_run *run)
{
	run->start = u64_max(run->start, t->cpus[run->cpu].end);
	run->irq = u64_min(run->irq, u64_sub_floor(run->end, run->start));
}

static void take_run(const struct host_run *run, void *data)
{
	struct trace *t = data;
	struct party who = party_of(run);
	struct host_run rest = *run;

	if (run->cpu >= t->setup.n_cpus)
		return;
	begin_behind(t, &rest);
	timeline_put(&t->cpus[run->cpu], run, &who);
	put_run(t, &rest);
}

static void take_now(const struct host_run *run, void *data)
{
	struct trace *t = data;

	if (run->cpu < t->setup.n_cpus)
		t->now[run->cpu] = *run;
}

/* ---- vCPUs ---- */

static void *make_room(void *list, size_t n, size_t *room, size_t size)
{
	void *more;

	if (n < *room)
		return list;
	more = realloc(list, (*room * 2 + 64) * size);
	if (more)
		*room = *room * 2 + 64;
	return more;
}

static void take_wait(const struct host_wait *wait, void *data)
{
	struct trace *t = data;
	void *more = make_room(t->waits, t->n_waits, &t->room_waits, sizeof(*wait));

	t->no_memory |= !more;
	if (!more)
		return;
	t->waits = more;
	t->waits[t->n_waits++] = *wait;
}

/* Up to what its arguments have besides. */
static bool begin_stay(struct trace *t, const struct host_stay *stay)
{
	uint64_t start = u64_max(stay->start, t->setup.start);
	struct trace_vm vm;

	if (stay->end <= start || !find_vm(t, stay->vm, &vm) || stay->vcpu >= vm.n_vcpus)
		return false;
	begin_slice(t, ledger_state_name(stay->state), vm.pid, vm.vcpus[stay->vcpu].tid, start,
		    stay->end);
	fprintf(t->setup.to, "\"cpu\":%" PRIu32, stay->cpu);
	return true;
}

static void take_stay(const struct host_stay *stay, void *data)
{
	struct trace *t = data;
	void *more;

	if (stay->state != LEDGER_READY) {
		if (begin_stay(t, stay))
			fputs("}}", t->setup.to);
		return;
	}
	more = make_room(t->stays, t->n_stays, &t->room_stays, sizeof(*stay));
	t->no_memory |= !more;
	if (!more)
		return;
	t->stays = more;
	t->stays[t->n_stays++] = *stay;
}

const struct host_runs_fns trace_fns = {
	.run = take_run, .now = take_now, .wait = take_wait, .stay = take_stay};

/* The biggest are kept, as far as that shows in order of time. */
static void add_culprit(const struct trace *t, struct culprit list[CULPRITS + 1],
			const struct party *who, uint64_t ns)
{
	struct trace_vm vm;
	struct culprit *least = &list[0];

	for (int i = 0; i <= CULPRITS; i++) {
		if (list[i].ns && list[i].key == who->key) {
			list[i].ns += ns;
			return;
		}
		least = list[i].ns < least->ns ? &list[i] : least;
	}
	*least = (struct culprit){.key = who->key, .ns = ns};
	if (who->vm >= 0 && t->setup.vm(who->vm, &vm, t->setup.data))
		snprintf(least->name, sizeof(least->name), "%.31s", vm.name);
	else
		snprintf(least->name, sizeof(least->name), "%s", who->key ? who->name : "idle");
}

static void add_wait(const struct trace *t, const struct host_wait *w,
		     struct culprit list[CULPRITS + 1])
{
	const struct segment *s = NULL;
	size_t n = 0;

	if (w->cpu < t->setup.n_cpus)
		s = timeline_from(&t->cpus[w->cpu], w->start, &n);
	for (; n && s->start < w->end; n--, s++) {
		bool itself = s->who.vm == w->vm && s->who.vcpu == (int)w->vcpu;

		if (!itself)
			add_culprit(t, list, &s->who,
				    u64_min(s->end, w->end) - u64_max(s->start, w->start));
	}
}

static int compare(const void *a, const void *b)
{
	const struct culprit *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

/* "who": "hog 2500 us, kworker 12 us" */
static void put_who(const struct trace *t, const struct host_stay *stay)
{
	struct culprit list[CULPRITS + 1] = {{.ns = 0}};
	char text[128] = "";
	size_t used = 0;

	for (size_t i = 0; i < t->n_waits; i++) {
		const struct host_wait *w = &t->waits[i];

		if (w->vm == stay->vm && w->vcpu == stay->vcpu && w->start >= stay->start &&
		    w->end <= stay->end)
			add_wait(t, w, list);
	}
	qsort(list, CULPRITS + 1, sizeof(list[0]), compare);
	for (int i = 0; i < CULPRITS && list[i].ns; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %.1f us",
					 i ? ", " : "", list[i].name,
					 (double)list[i].ns / NS_PER_US);
	fputs(",\"who\":", t->setup.to);
	put_text(t, text);
}

/* Waits that go on elsewhere are kept until they are over. */
static void drop_waits(struct trace *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n_waits; i++) {
		const struct host_wait *w = &t->waits[i];
		bool over = w->over || w->end + KEPT_NS < t->last;

		for (size_t j = 0; j < t->n_stays && !over; j++)
			over = t->stays[j].vm == w->vm && t->stays[j].vcpu == w->vcpu &&
			       t->stays[j].end >= w->end;
		if (!over)
			t->waits[kept++] = *w;
	}
	t->n_waits = kept;
}

void trace_round(struct trace *t, uint64_t lost)
{
	for (size_t i = 0; i < t->n_stays; i++) {
		if (!begin_stay(t, &t->stays[i]))
			continue;
		put_who(t, &t->stays[i]);
		fputs("}}", t->setup.to);
	}
	drop_waits(t);
	t->n_stays = 0;
	for (uint32_t c = 0; c < t->setup.n_cpus; c++)
		timeline_forget(&t->cpus[c], u64_sub_floor(t->last, KEPT_NS));
	if (lost == t->lost)
		return;
	begin_event(t);
	fprintf(t->setup.to,
		"{\"ph\":\"i\",\"s\":\"g\",\"name\":\"%" PRIu64
		" records lost\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f}",
		lost - t->lost, TRACE_HOST_PID, TRACE_HOST_PID, us(t, t->last));
	t->lost = lost;
}

void trace_last(struct trace *t, const struct host_stay *stay)
{
	if (begin_stay(t, stay))
		fputs("}}", t->setup.to);
}

/* ---- beginning and end ---- */

int trace_new(const struct trace_setup *setup, struct trace **ret)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->setup = *setup;
	t->first = true;
	t->cpus = calloc(setup->n_cpus, sizeof(*t->cpus));
	t->now = calloc(setup->n_cpus, sizeof(*t->now));
	if (!t->cpus || !t->now) {
		trace_free(t);
		return -ENOMEM;
	}
	fprintf(setup->to,
		"{\"displayTimeUnit\":\"ns\",\"otherData\":{\"format\":\"desched-trace/1\","
		"\"start_s\":%.6f,\"monotonic_start_ns\":\"%" PRIu64 "\"},\n\"traceEvents\":[",
		ns_to_s(setup->real), setup->start);
	put_cpus(t);
	*ret = t;
	return 0;
}

uint64_t trace_finish(struct trace *t, uint64_t end)
{
	struct proc_stat stat;

	for (uint32_t c = 0; c < t->setup.n_cpus; c++) {
		struct host_run *run = &t->now[c];

		if (!run->start || run->end <= run->start)
			continue;
		run->end = u64_min(run->end, end);
		begin_behind(t, run);
		if (!proc_read_stat(run->pid, run->tid, &stat))
			snprintf(run->name, sizeof(run->name), "%.15s", stat.comm);
		else
			snprintf(run->name, sizeof(run->name), "tid %d", run->tid);
		put_run(t, run);
	}
	fputs("\n]}\n", t->setup.to);
	return t->slices;
}

struct trace *trace_free(struct trace *t)
{
	if (!t)
		return NULL;
	for (uint32_t c = 0; t->cpus && c < t->setup.n_cpus; c++)
		timeline_done(&t->cpus[c]);
	free(t->cpus);
	free(t->now);
	free(t->waits);
	free(t->stays);
	free(t);
	return NULL;
}
