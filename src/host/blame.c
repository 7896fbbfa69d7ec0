/* SPDX-License-Identifier: MIT */
#include "host/blame.h"

#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VMS_MAX	   1024
#define PIECES_MAX 4096 /* of a vCPU's waits that are not booked yet */
#define NAMES	   256	/* of processes that ran lately */

/* A thread is on the CPU a little before its own wait is over: as long as it takes to record that.
 * That belongs to whoever was there before. */
#define ARRIVAL_NS (10 * NS_PER_US)

/* A process that is on a CPU for longer than that may have become another program since its name
 * was read. */
#define NAME_NS (10 * NS_PER_MS)

/* Of a row, what one vCPU waited for. */
struct share {
	uint64_t ns;	  /* since amounts began */
	uint64_t in_wait; /* of the present wait */
	uint64_t longest; /* in_wait of waits that are over, since the last report */
	uint64_t before;  /* and from the report before to that */
};

/* A piece of a wait. */
struct piece {
	uint64_t start, end; /* ns */
	uint32_t cpu;
	bool over; /* the wait ended with it */
};

/* Of these there are many, so what a wait touches is together, and there are shares of as many rows
 * as the VM has. */
struct waiter {
	uint64_t at, ready;   /* ns: the last reading, and what was in it */
	uint64_t done, first; /* ns: booked up to; ready time when amounts began */
	uint64_t booked;  /* ns: since amounts began, the sum of `ns` and of rows that gave way */
	uint64_t touched; /* rows that were booked in this wait, as bits */
	struct piece *pieces; /* that ended, in order of time; owned */
	uint32_t n, room;
	struct share *shares; /* by row, as many as vm->rows.room; owned */
	struct piece now;     /* at the last reading, if is_waiting */
	uint32_t last;	      /* row that was booked last in this wait, or ROW_NONE */
	bool is_waiting;
};

struct blame_vm {
	int id;
	pid_t pid;
	const char *name;
	struct blame_rows rows;
	uint32_t n_vcpus;
	struct waiter vcpus[];
};

struct blame {
	struct timeline *cpus; /* [n_cpus] */
	uint32_t n_cpus;
	struct blame_vm *vms[VMS_MAX];
	struct {
		pid_t pid;
		char name[HOST_RUN_NAME];
		uint64_t at; /* ns: when it had it */
	} names[NAMES];	     /* by process */
	struct blame_counters counters;
};

int blame_new(uint32_t n_cpus, struct blame **ret)
{
	struct blame *b = calloc(1, sizeof(*b));

	if (b)
		b->cpus = calloc(n_cpus, sizeof(*b->cpus));
	if (!b || !b->cpus) {
		free(b);
		return -ENOMEM;
	}
	b->n_cpus = n_cpus;
	*ret = b;
	return 0;
}

struct blame *blame_free(struct blame *b)
{
	if (!b)
		return NULL;
	for (uint32_t i = 0; i < b->n_cpus; i++)
		timeline_done(&b->cpus[i]);
	free(b->cpus);
	free(b);
	return NULL;
}

/* Shares of the rows from `from` on that have come. False without memory: those that have got theirs
 * keep them. */
static bool give_shares(struct blame_vm *vm, unsigned from)
{
	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		struct waiter *w = &vm->vcpus[v];
		struct share *shares = reallocarray(w->shares, vm->rows.room, sizeof(*shares));

		if (!shares)
			return false;
		memset(shares + from, 0, (vm->rows.room - from) * sizeof(*shares));
		w->shares = shares;
	}
	return true;
}

int blame_add(struct blame *b, int id, pid_t pid, const char *name, uint32_t n_vcpus,
	      struct blame_vm **ret)
{
	struct blame_vm *vm;

	if (id < 0 || id >= VMS_MAX || b->vms[id])
		return -EINVAL;
	vm = calloc(1, sizeof(*vm) + n_vcpus * sizeof(vm->vcpus[0]));
	if (!vm)
		return -ENOMEM;
	vm->id = -1;
	vm->pid = pid;
	vm->name = name;
	vm->n_vcpus = n_vcpus;
	if (blame_rows_init(&vm->rows, pid) || !give_shares(vm, 0)) {
		blame_remove(b, vm);
		return -ENOMEM;
	}
	for (uint32_t v = 0; v < n_vcpus; v++)
		vm->vcpus[v].last = ROW_NONE;
	vm->id = id;
	b->vms[id] = *ret = vm;
	return 0;
}

void blame_end(struct blame *b, struct blame_vm *vm)
{
	if (!vm || vm->id < 0)
		return;
	b->counters.merged += vm->rows.merged;
	b->vms[vm->id] = NULL;
	vm->id = -1;
}

struct blame_vm *blame_remove(struct blame *b, struct blame_vm *vm)
{
	if (!vm)
		return NULL;
	blame_end(b, vm);
	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		free(vm->vcpus[v].pieces);
		free(vm->vcpus[v].shares);
	}
	blame_rows_done(&vm->rows);
	free(vm);
	return NULL;
}

/* ---- booking ---- */

static void book_row(struct blame_vm *vm, struct waiter *w, unsigned row, uint64_t ns)
{
	w->shares[row].ns += ns;
	w->shares[row].in_wait += ns;
	w->booked += ns;
	w->touched |= ns ? 1ull << row : 0;
	vm->rows.row[row].grew = w->at;
	vm->rows.row[row].ns += ns;
}

static void give_up(struct blame_vm *vm, unsigned row)
{
	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		struct waiter *w = &vm->vcpus[v];

		w->shares[row] = (struct share){0};
		w->touched &= ~(1ull << row);
		w->last = w->last == row ? ROW_NONE : w->last;
	}
}

static const char *name_of(const struct blame *b, const struct party *who)
{
	const struct blame_vm *vm = who->vm >= 0 ? b->vms[who->vm] : NULL;

	return vm && vm->pid == who->pid ? vm->name : who->name;
}

/* Room for one more row, if there may be more and there is memory. */
static void make_row(struct blame_vm *vm)
{
	unsigned room = vm->rows.room;

	if (vm->rows.n < room || room == BLAME_ROWS || blame_rows_grow(&vm->rows))
		return;
	if (!give_shares(vm, room))
		vm->rows.room = room;
}

/* Where `ns` of a party go. */
static unsigned row_of(const struct blame *b, struct blame_vm *vm, const struct waiter *w,
		       const struct party *who, uint64_t ns)
{
	unsigned row, gone;

	if (!who->key)
		return ROW_IDLE;
	if (who->vm == vm->id)
		return who->vcpu < 0 ? ROW_ITSELF_OTHER : ROW_ITSELF_VCPUS;
	row = blame_rows_find(&vm->rows, who);
	if (row != ROW_NONE)
		return row;
	make_row(vm);
	row = blame_rows_add(&vm->rows, who, name_of(b, who), ns, w->at, &gone);
	if (gone != ROW_NONE)
		give_up(vm, gone);
	return row;
}

/* Of a run, `ns` are in the wait. */
static void book_segment(const struct blame *b, struct blame_vm *vm, struct waiter *w,
			 const struct segment *s, uint64_t ns)
{
	uint64_t all = s->end - s->start;
	uint64_t irq = ns == all ? s->irq : (uint64_t)((double)s->irq / (double)all * (double)ns);
	unsigned row;

	irq = u64_min(irq, ns);
	if (s->who.vm == vm->id && s->who.vcpu == (int)(w - vm->vcpus))
		row = ns <= ARRIVAL_NS && w->last != ROW_NONE ? w->last : ROW_UNKNOWN;
	else
		row = row_of(b, vm, w, &s->who, ns);
	if (irq)
		book_row(vm, w, ROW_IRQ, irq);
	book_row(vm, w, row, ns - irq);
	w->last = row;
}

/* A part of a wait. */
static void book(const struct blame *b, struct blame_vm *vm, struct waiter *w, uint32_t cpu,
		 uint64_t from, uint64_t to)
{
	const struct segment *s = NULL;
	size_t n = 0;

	if (cpu < b->n_cpus)
		s = timeline_from(&b->cpus[cpu], from, &n);
	for (; n && from < to && s->start < to; n--, s++) {
		uint64_t end = u64_min(s->end, to);

		if (s->start > from) {
			book_row(vm, w, ROW_UNKNOWN, s->start - from);
			from = s->start;
		}
		book_segment(b, vm, w, s, end - from);
		from = end;
	}
	if (from < to)
		book_row(vm, w, ROW_UNKNOWN, to - from);
}

static void end_wait(struct waiter *w)
{
	for (; w->touched; w->touched &= w->touched - 1) {
		unsigned row = (unsigned)__builtin_ctzll(w->touched);

		w->shares[row].longest = u64_max(w->shares[row].longest, w->shares[row].in_wait);
		w->shares[row].in_wait = 0;
	}
	w->last = ROW_NONE;
}

static void settle(const struct blame *b, struct blame_vm *vm, struct waiter *w)
{
	uint32_t kept = 0;
	uint64_t ready;

	for (uint32_t i = 0; i < w->n; i++) {
		struct piece p = w->pieces[i];
		uint64_t end = u64_min(p.end, w->at);

		book(b, vm, w, p.cpu, u64_max(p.start, w->done), end);
		w->done = u64_max(w->done, end);
		if (p.end > w->at)
			w->pieces[kept++] = p;
		else if (p.over)
			end_wait(w);
	}
	w->n = kept;
	if (w->is_waiting) /* a wait that is over meanwhile is booked already */
		book(b, vm, w, w->now.cpu, u64_max(w->now.start, w->done), w->at);
	w->is_waiting = false;
	w->done = w->at;
	ready = w->ready - w->first;
	if (ready > w->booked)
		book_row(vm, w, ROW_UNKNOWN, ready - w->booked);
}

void blame_settle(struct blame *b)
{
	uint64_t oldest = UINT64_MAX;

	for (int i = 0; i < VMS_MAX; i++) {
		struct blame_vm *vm = b->vms[i];

		for (uint32_t v = 0; vm && v < vm->n_vcpus; v++) {
			settle(b, vm, &vm->vcpus[v]);
			oldest = u64_min(oldest, vm->vcpus[v].done);
		}
	}
	for (uint32_t i = 0; i < b->n_cpus; i++)
		timeline_forget(&b->cpus[i], oldest);
}

/* ---- what happens ---- */

static void take_run(const struct host_run *run, void *data)
{
	struct blame *b = data;
	struct party who = party_of(run);
	size_t at = (size_t)run->pid % NAMES;

	if (run->vm < 0 && run->pid) {
		b->names[at].pid = run->pid;
		b->names[at].at = run->end;
		memcpy(b->names[at].name, run->name, sizeof(run->name));
	}
	if (run->cpu < b->n_cpus)
		timeline_put(&b->cpus[run->cpu], run, &who);
}

/* The record that will have the name is written when the run ends. */
static void find_name(struct blame *b, struct host_run *run)
{
	size_t at = (size_t)run->pid % NAMES;
	bool known = b->names[at].pid == run->pid && run->end < b->names[at].at + NAME_NS;
	struct proc_stat stat;

	if (!known && !proc_read_stat(run->pid, 0, &stat)) {
		b->names[at].pid = run->pid;
		b->names[at].at = run->end;
		snprintf(b->names[at].name, sizeof(b->names[at].name), "%.15s", stat.comm);
	}
	if (b->names[at].pid == run->pid)
		memcpy(run->name, b->names[at].name, sizeof(run->name));
}

static void take_now(const struct host_run *now, void *data)
{
	struct blame *b = data;
	struct host_run run = *now;
	struct party who;

	if (!run.start || run.cpu >= b->n_cpus)
		return;
	if (run.vm < 0 && run.pid)
		find_name(b, &run);
	who = party_of(&run);
	timeline_put(&b->cpus[run.cpu], &run, &who);
}

/* Room for one more; without memory, or where there are too many, what is there is booked at
 * once. */
static bool make_room(const struct blame *b, struct blame_vm *vm, struct waiter *w)
{
	uint32_t room = w->room ? w->room * 2 : 4;
	struct piece *pieces;

	if (w->n < w->room)
		return true;
	pieces = room > PIECES_MAX ? NULL : reallocarray(w->pieces, room, sizeof(*pieces));
	if (pieces) {
		w->pieces = pieces;
		w->room = room;
		return true;
	}
	if (!w->n)
		return false;
	w->at = u64_max(w->at, w->pieces[w->n - 1].end);
	w->is_waiting = false;
	settle(b, vm, w);
	return true;
}

static struct piece piece_of(const struct host_wait *wait)
{
	return (struct piece){
		.start = wait->start, .end = wait->end, .cpu = wait->cpu, .over = wait->over};
}

static void take_wait(const struct host_wait *wait, void *data)
{
	struct blame *b = data;
	struct blame_vm *vm = wait->vm >= 0 && wait->vm < VMS_MAX ? b->vms[wait->vm] : NULL;
	struct waiter *w = vm && wait->vcpu < vm->n_vcpus ? &vm->vcpus[wait->vcpu] : NULL;
	uint32_t at;

	if (!w)
		return;
	if (wait->end <= w->done || !make_room(b, vm, w)) {
		b->counters.late++;
		return;
	}
	/* Those of one vCPU come from the logs of several CPUs. */
	for (at = w->n++; at && w->pieces[at - 1].start > wait->start; at--)
		w->pieces[at] = w->pieces[at - 1];
	w->pieces[at] = piece_of(wait);
}

const struct host_runs_fns blame_fns = {.run = take_run, .now = take_now, .wait = take_wait};

void blame_reading(struct blame_vm *vm, uint32_t vcpu, uint64_t at, uint64_t ready,
		   const struct host_wait *wait)
{
	struct waiter *w = &vm->vcpus[vcpu];

	if (!w->at) {
		w->done = at;
		w->first = ready;
	}
	w->at = u64_max(w->at, at);
	w->ready = ready;
	w->is_waiting = wait != NULL;
	if (wait)
		w->now = piece_of(wait);
}

/* ---- results ---- */

void blame_start(struct blame_vm *vm)
{
	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		struct waiter *w = &vm->vcpus[v];

		memset(w->shares, 0, vm->rows.room * sizeof(*w->shares));
		w->booked = w->touched = 0;
		w->first = w->ready;
	}
}

void blame_reported(struct blame_vm *vm)
{
	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		struct share *s = vm->vcpus[v].shares;

		for (unsigned i = 0; i < vm->rows.n; i++) {
			s[i].before = s[i].longest;
			s[i].longest = 0;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct host_frame_blame *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

size_t blame_copy(const struct blame_vm *vm, int vcpu, bool before,
		  struct host_frame_blame ret[BLAME_ROWS])
{
	size_t n = 0;

	for (unsigned i = 0; i < vm->rows.n; i++) {
		const struct blame_culprit *who = &vm->rows.row[i];
		struct host_frame_blame row = {.kind = who->kind, .pid = who->pid};

		for (uint32_t v = 0; v < vm->n_vcpus; v++) {
			const struct share *of = &vm->vcpus[v].shares[i];

			if (vcpu >= 0 && v != (uint32_t)vcpu)
				continue;
			row.ns += of->ns;
			row.longest = u64_max(row.longest, of->longest);
			if (before)
				row.longest = u64_max(row.longest, of->before);
		}
		if (!row.ns)
			continue;
		snprintf(row.name, sizeof(row.name), "%s", who->name);
		ret[n++] = row;
	}
	qsort(ret, n, sizeof(*ret), compare);
	return n;
}

void blame_count(const struct blame *b, struct blame_counters *ret)
{
	*ret = b->counters;
	for (uint32_t i = 0; i < b->n_cpus; i++)
		ret->dropped += b->cpus[i].dropped;
	for (int i = 0; i < VMS_MAX; i++)
		ret->merged += b->vms[i] ? b->vms[i]->rows.merged : 0;
}
