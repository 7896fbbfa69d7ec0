/* SPDX-License-Identifier: MIT */
#include "deschedd/known.h"

#include "base/hash.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_NS	 (600 * NS_PER_SEC) /* after a VM's end */
#define KEPT_MAX 1024		    /* of those that have ended */

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
	struct waits waits;
	bool ended;
	uint64_t end;		   /* ns of `elapsed` */
	struct host_frame_vm last; /* of one that has ended */
	UT_hash_handle hh;
};

struct known {
	struct known_vm *vms; /* in the order in which they came */
	size_t n_ended;
};

int known_new(struct known **ret)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	*ret = k;
	return 0;
}

static void drop(struct known *k, struct known_vm *v)
{
	HASH_DEL(k->vms, v);
	k->n_ended -= v->ended;
	host_frame_vm_done(&v->last);
	free(v);
}

void known_free(struct known *k)
{
	struct known_vm *v, *next;

	if (!k)
		return;
	HASH_ITER (hh, k->vms, v, next)
		drop(k, v);
	free(k);
}

static struct known_vm *find(const struct known *k, pid_t pid, uint64_t since)
{
	const struct key key = {(uint64_t)pid, since};
	struct known_vm *v;

	HASH_FIND(hh, k->vms, &key, sizeof(key), v);
	return v;
}

/* NULL: no memory. */
static struct known_vm *get(struct known *k, pid_t pid, uint64_t since)
{
	struct known_vm *v = find(k, pid, since);

	if (v)
		return v;
	v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->key = (struct key){(uint64_t)pid, since};
	HASH_ADD(hh, k->vms, key, sizeof(v->key), v);
	if (v->hh.tbl)
		return v;
	free(v);
	return NULL;
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
	v = get(k, vm->vm.pid, vm->since);
	if (!v)
		return -ENOMEM;
	count_wait(&v->waits, gap->end - gap->start);
	return 0;
}

const struct waits *known_waits(const struct known *k, pid_t pid, uint64_t since)
{
	const struct known_vm *v = find(k, pid, since);

	return v ? &v->waits : NULL;
}

/* ---- what has ended ---- */

static void forget(struct known *k, uint64_t until, size_t most)
{
	struct known_vm *v, *next;

	HASH_ITER (hh, k->vms, v, next)
		if (v->ended && (v->end < until || k->n_ended > most))
			drop(k, v);
}

void known_forget(struct known *k, uint64_t elapsed)
{
	forget(k, u64_sub_floor(elapsed, KEPT_NS), KEPT_MAX);
}

/* Takes over what the VM holds. */
static void keep(struct known *k, struct host_frame_vm *vm, uint64_t elapsed)
{
	struct known_vm *v = get(k, vm->pid, vm->since);

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

static void *copy_of(const void *from, size_t n, size_t size)
{
	void *copy = n ? malloc(n * size) : NULL;

	return copy ? memcpy(copy, from, n * size) : NULL;
}

static int add_copy(const struct host_frame_vm *from, struct host_frame *to)
{
	struct host_frame_vm *vm = &to->vms[to->n_vms++];

	*vm = *from;
	vm->vcpus = copy_of(from->vcpus, from->n_vcpus, sizeof(*vm->vcpus));
	vm->blames = copy_of(from->blames, from->n_blames, sizeof(*vm->blames));
	vm->pages = copy_of(from->pages, from->n_pages, sizeof(*vm->pages));
	if ((from->n_vcpus && !vm->vcpus) || (from->n_blames && !vm->blames) ||
	    (from->n_pages && !vm->pages))
		return -ENOMEM;
	return 0;
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
