/* SPDX-License-Identifier: MIT */
#include "deschedd/known.h"

#include "base/hash.h"
#include "base/units.h"
#include "service/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_NS	 (600 * NS_PER_SEC) /* after a VM's end */
#define KEPT_MAX 256		    /* of those that have ended */

const uint64_t waits_bounds[WAITS_BOUNDS] = {
	100 * NS_PER_US, 300 * NS_PER_US, NS_PER_MS,	   3 * NS_PER_MS, 10 * NS_PER_MS,
	30 * NS_PER_MS,	 100 * NS_PER_MS, 300 * NS_PER_MS, NS_PER_SEC,	  3 * NS_PER_SEC,
};

/* Both members are as large, so that there are no bytes in between. */
struct key {
	uint64_t pid, since;
};

struct known_vm {
	struct key key;
	char name[64], uuid[40], called[64], id[32]; /* as in struct host_vm */
	struct waits waits;
	struct history *history; /* NULL: not yet */
	uint32_t n_vcpus;
	uint32_t *indices; /* [n_vcpus], the guest's numbers */
	uint64_t *longest; /* [n_vcpus], ns, since the last sample */
	uint64_t round;	   /* of the last sample that had it */
	bool ended;
	uint64_t end;		    /* ns of `elapsed` */
	struct host_frame_vm last;  /* of one that has ended */
	const struct measured *now; /* while a sample is taken */
	UT_hash_handle hh;
};

struct known {
	uint64_t began;	      /* ns, CLOCK_MONOTONIC: when `elapsed` was 0 */
	struct known_vm *vms; /* in the order in which they came */
	size_t n_ended;
	uint64_t round; /* samples so far */
	struct history_clock *clock;
};

int known_new(struct known **ret)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k || history_clock_new(&k->clock)) {
		free(k);
		return -ENOMEM;
	}
	*ret = k;
	return 0;
}

static void drop(struct known *k, struct known_vm *v)
{
	HASH_DEL(k->vms, v);
	k->n_ended -= v->ended;
	host_frame_vm_done(&v->last);
	history_free(v->history);
	free(v->indices);
	free(v->longest);
	free(v);
}

void known_free(struct known *k)
{
	struct known_vm *v, *next;

	if (!k)
		return;
	HASH_ITER (hh, k->vms, v, next)
		drop(k, v);
	history_clock_free(k->clock);
	free(k);
}

static struct known_vm *find(const struct known *k, pid_t pid, uint64_t since)
{
	const struct key key = {(uint64_t)pid, since};
	struct known_vm *v;

	HASH_FIND(hh, k->vms, &key, sizeof(key), v);
	return v;
}

static const char *const figures[] = {"run_s",	    "ready_s", "costop_s", "limited_s",
				      "swapwait_s", "halt_s",  "wait_s",   "longest_s"};
#define LONGEST LEDGER_STATES /* behind those of the states */

static const struct history_shape shape = {
	"desched-host-history/1", figures, ARRAY_SIZE(figures), 1, "vcpus", "vcpu"};

static int fill(const struct known *k, struct known_vm *v, size_t n_vcpus)
{
	v->n_vcpus = (uint32_t)n_vcpus;
	v->indices = calloc(n_vcpus + 1, sizeof(*v->indices));
	v->longest = calloc(n_vcpus + 1, sizeof(*v->longest));
	if (!v->indices || !v->longest)
		return -ENOMEM;
	return history_new(&shape, v->n_vcpus, k->clock, &v->history);
}

/* NULL: no memory. */
static struct known_vm *add(struct known *k, const struct key *key, size_t n_vcpus)
{
	struct known_vm *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->key = *key;
	HASH_ADD(hh, k->vms, key, sizeof(v->key), v);
	if (!v->hh.tbl) {
		free(v);
		return NULL;
	}
	if (fill(k, v, n_vcpus)) {
		drop(k, v);
		return NULL;
	}
	return v;
}

/* What is known of a VM that has ended is forgotten, and not asked for any more: until then the VM
 * itself says where it is. */
static struct known_vm *get(struct known *k, const struct measured *vm)
{
	const struct key key = {(uint64_t)vm->vm.pid, vm->since};
	struct known_vm *v = vm->own ? vm->own : find(k, vm->vm.pid, vm->since);

	if (v)
		return v;
	v = add(k, &key, vm->vm.n_vcpus);
	if (!v)
		return NULL;
	memcpy(v->name, vm->vm.name, sizeof(v->name));
	memcpy(v->uuid, vm->vm.uuid, sizeof(v->uuid));
	memcpy(v->called, vm->vm.called, sizeof(v->called));
	memcpy(v->id, vm->vm.id, sizeof(v->id));
	for (uint32_t i = 0; i < v->n_vcpus; i++)
		v->indices[i] = vm->vm.vcpus[i].index;
	return v;
}

/* One that came and went between two samples may not be known yet. */
static struct known_vm *get_ended(struct known *k, const struct host_frame_vm *vm)
{
	const struct key key = {(uint64_t)vm->pid, vm->since};
	struct known_vm *v = find(k, vm->pid, vm->since);

	if (v)
		return v;
	v = add(k, &key, vm->n_vcpus);
	if (!v)
		return NULL;
	memcpy(v->name, vm->name, sizeof(v->name));
	memcpy(v->uuid, vm->uuid, sizeof(v->uuid));
	memcpy(v->called, vm->called, sizeof(v->called));
	memcpy(v->id, vm->id, sizeof(v->id));
	for (uint32_t i = 0; i < v->n_vcpus; i++)
		v->indices[i] = vm->vcpus[i].index;
	return v;
}

/* ---- history ---- */

static void sums(const void *of, unsigned i, uint64_t *ret)
{
	const struct known_vm *const *v = of;
	const struct measured *vm = (*v)->now;
	struct ledger l = measured_span(&vm->vcpus[i], MEASURE_FIRST);

	memcpy(ret, l.ns, sizeof(l.ns));
	ret[LONGEST] = (*v)->longest[i];
}

static int sample(struct known *k, struct measured *vm)
{
	struct known_vm *v = get(k, vm);
	int err;

	if (!v)
		return -ENOMEM;
	vm->own = v;
	v->round = k->round;
	v->now = vm;
	err = history_add(v->history, sums, &v);
	if (!err)
		memset(v->longest, 0, v->n_vcpus * sizeof(*v->longest));
	return err;
}

int known_sample(struct known *k, const struct measurement *m)
{
	int err = 0;

	k->began = m->at[MEASURE_FIRST];
	k->round++;
	history_tick(k->clock, m->at[MEASURE_NOW], m->real);
	for (size_t i = 0; i < m->n; i++)
		if (!m->vms[i]->over && sample(k, m->vms[i]))
			err = -ENOMEM;
	return err;
}

/* How well: 0 not at all. A name that one VM alone has goes before what several may have. */
static int is_called(const struct known_vm *v, const char *text)
{
	char pid[16];

	if (!text[0])
		return 0;
	snprintf(pid, sizeof(pid), "%d", (int)v->key.pid);
	if (!strcmp(v->name, text) || !strcmp(v->uuid, text) || !strcmp(pid, text))
		return 2;
	return !strcmp(v->called, text) || !strcmp(v->id, text);
}

/* One that lives before those that have ended; of these the last. */
static const struct known_vm *find_called(const struct known *k, const char *text)
{
	const struct known_vm *v, *found = NULL;
	int best = 0;

	for (v = k->vms; v; v = v->hh.next) {
		int how = 2 * is_called(v, text);

		how += how && !v->ended;
		if (how && how >= best)
			found = v;
		best = how > best ? how : best;
	}
	return found;
}

json_t *known_history(const struct known *k, const char *vm)
{
	const struct known_vm *v = find_called(k, vm);
	json_t *o = v ? history_json(v->history) : NULL;
	json_t *of;
	size_t i;

	if (!o)
		return NULL;
	json_object_set_new(o, "vm", json_string(v->name));
	json_object_set_new(o, "uuid", json_string(v->uuid));
	json_object_set_new(o, "pid", json_integer((json_int_t)v->key.pid));
	json_object_set_new(o, "ended", json_boolean(v->ended));
	json_array_foreach(json_object_get(o, "vcpus"), i, of)
		json_object_set_new(of, "vcpu", json_integer(v->indices[i]));
	return o;
}

void known_list(const struct known *k, struct failure *ret)
{
	for (const struct known_vm *v = k->vms; v; v = v->hh.next)
		failure_list(ret, v->name);
	if (!k->vms)
		failure_list(ret, "none");
}

void known_longest(const struct known *k, uint64_t since, struct host_frame_vm *vm)
{
	const struct known_vm *v = find(k, vm->pid, vm->since);

	for (uint32_t i = 0; v && i < v->n_vcpus && i < vm->n_vcpus; i++) {
		uint64_t past = history_peak(v->history, i, LONGEST, k->began + since);

		vm->vcpus[i].longest = u64_max(vm->vcpus[i].longest, u64_max(past, v->longest[i]));
	}
}

/* ---- waits ---- */

static void count_wait(struct waits *w, uint64_t ns)
{
	size_t i = 0;

	while (i < WAITS_BOUNDS && ns > waits_bounds[i])
		i++;
	w->count[i]++;
	w->ns += ns;
}

int known_gap(struct known *k, const struct measured *vm, const struct gap *gap)
{
	struct known_vm *v;

	if (!ledger_state_descheduled(gap->state))
		return 0;
	v = get(k, vm);
	if (!v)
		return -ENOMEM;
	count_wait(&v->waits, gap->end - gap->start);
	v->longest[gap->vcpu] = u64_max(v->longest[gap->vcpu], gap->end - gap->start);
	return 0;
}

const struct waits *known_waits(const struct known *k, pid_t pid, uint64_t since)
{
	const struct known_vm *v = find(k, pid, since);

	return v ? &v->waits : NULL;
}

/* ---- what has ended ---- */

/* One that has vanished without an end grew when it was young, and is another one now. */
static bool is_gone(const struct known *k, const struct known_vm *v, uint64_t until)
{
	if (!v->ended)
		return v->round != k->round;
	return v->end < until || k->n_ended > KEPT_MAX;
}

void known_forget(struct known *k, uint64_t elapsed)
{
	uint64_t until = u64_sub_floor(elapsed, KEPT_NS);
	struct known_vm *v, *next;

	HASH_ITER (hh, k->vms, v, next)
		if (is_gone(k, v, until))
			drop(k, v);
}

/* Takes over what the VM holds. */
static void keep(struct known *k, struct host_frame_vm *vm, uint64_t elapsed)
{
	struct known_vm *v = get_ended(k, vm);

	if (!v || v->ended) {
		host_frame_vm_done(vm);
		return;
	}
	v->ended = true;
	v->end = elapsed;
	v->last = *vm;
	k->n_ended++;
}

void known_ended(struct known *k, struct host_frame *now)
{
	size_t left = 0;

	for (size_t i = 0; i < now->n_vms; i++) {
		if (now->vms[i].ended)
			keep(k, &now->vms[i], now->elapsed);
		else
			now->vms[left++] = now->vms[i];
	}
	now->n_vms = left;
}

static int add_copy(const struct host_frame_vm *from, struct host_frame *to)
{
	int err = host_frame_vm_copy(from, &to->vms[to->n_vms]);

	to->n_vms += !err;
	return err;
}

int known_add_ended(const struct known *k, uint64_t since, struct host_frame *to)
{
	struct host_frame_vm *vms = reallocarray(to->vms, to->n_vms + k->n_ended + 1, sizeof(*vms));
	struct known_vm *v, *next;

	if (!vms)
		return -ENOMEM;
	to->vms = vms;
	HASH_ITER (hh, k->vms, v, next)
		if (v->ended && v->end > since && add_copy(&v->last, to))
			return -ENOMEM;
	return 0;
}
