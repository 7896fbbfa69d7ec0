/* SPDX-License-Identifier: MIT */
#include "host/blame_rows.h"

#include "base/text.h"
#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MANY	 (3 * BLAME_ROWS / 4) /* from here on, processes of one name are one */
#define QUIET_NS (60 * NS_PER_SEC)    /* then a row may give way */
#define SMALL_NS NS_PER_MS	      /* nobody has to give way for less */
#define SLOTS	 (4 * BLAME_ROWS)     /* of the index */

static const struct {
	enum host_culprit kind;
	const char *name;
} fixed[ROWS_FIXED] = {
	[ROW_IDLE] = {CULPRIT_IDLE, "idle"},
	[ROW_IRQ] = {CULPRIT_INTERRUPT, "interrupts"},
	[ROW_UNKNOWN] = {CULPRIT_UNKNOWN, "unknown"},
	[ROW_ITSELF_VCPUS] = {CULPRIT_VM, "itself (vCPUs)"},
	[ROW_ITSELF_OTHER] = {CULPRIT_VM, "itself (other threads)"},
	[ROW_REST_VMS] = {CULPRIT_VM, "other VMs"},
	[ROW_REST_PROCESSES] = {CULPRIT_PROCESS, "other processes"},
	[ROW_REST_KERNEL] = {CULPRIT_KERNEL, "other kernel threads"},
};

int blame_rows_init(struct blame_rows *r, pid_t pid)
{
	*r = (struct blame_rows){.n = ROWS_FIXED, .room = ROWS_FIXED};
	r->row = calloc(r->room, sizeof(*r->row));
	if (!r->row)
		return -ENOMEM;
	for (unsigned i = 0; i < ROWS_FIXED; i++)
		r->row[i] = (struct blame_culprit){.kind = fixed[i].kind, .name = fixed[i].name};
	r->row[ROW_ITSELF_VCPUS].pid = r->row[ROW_ITSELF_OTHER].pid = pid;
	return 0;
}

void blame_rows_done(struct blame_rows *r)
{
	for (unsigned i = ROWS_FIXED; i < r->n; i++)
		free((char *)(uintptr_t)r->row[i].name);
	free(r->row);
	*r = (struct blame_rows){.n = 0};
}

static enum host_culprit kind_of(const struct party *who)
{
	if (who->vm >= 0)
		return CULPRIT_VM;
	return who->kernel ? CULPRIT_KERNEL : CULPRIT_PROCESS;
}

/* The place in the index where the key is, or would be. */
static unsigned slot_of(const struct blame_rows *r, uint64_t key)
{
	unsigned i = (unsigned)((key ^ key >> 32) % SLOTS);

	while (r->index[i] && r->row[r->index[i] - 1].key != key)
		i = (i + 1) % SLOTS;
	return i;
}

static unsigned find_key(const struct blame_rows *r, uint64_t key)
{
	unsigned row1 = r->index[slot_of(r, key)];

	return row1 ? row1 - 1 : ROW_NONE;
}

/* All processes of that name. */
static struct party by_name(const struct party *who)
{
	struct party all = *who;

	all.pid = 0;
	all.key = all.name_key;
	return all;
}

unsigned blame_rows_find(const struct blame_rows *r, const struct party *who)
{
	unsigned row = find_key(r, who->key);

	if (row == ROW_NONE && r->n >= MANY && kind_of(who) == CULPRIT_PROCESS)
		row = find_key(r, who->name_key);
	return row;
}

static void index_again(struct blame_rows *r)
{
	memset(r->index, 0, sizeof(r->index));
	for (unsigned i = ROWS_FIXED; i < r->n; i++)
		r->index[slot_of(r, r->row[i].key)] = (uint8_t)(i + 1);
}

/* The row that has not grown for the longest time, if that is long enough to give way. */
static unsigned find_quiet(struct blame_rows *r, uint64_t now)
{
	unsigned quiet = ROWS_FIXED;

	if (now < r->full_until)
		return ROW_NONE;
	for (unsigned i = ROWS_FIXED; i < r->n; i++)
		quiet = r->row[i].grew < r->row[quiet].grew ? i : quiet;
	r->full_until = r->row[quiet].grew + QUIET_NS;
	return now < r->full_until ? ROW_NONE : quiet;
}

static unsigned rest_of(enum host_culprit kind)
{
	if (kind == CULPRIT_VM)
		return ROW_REST_VMS;
	return kind == CULPRIT_KERNEL ? ROW_REST_KERNEL : ROW_REST_PROCESSES;
}

/* What was booked of it with the rest. Of more than there is room for, the smallest is forgotten. */
static uint64_t count_candidate(struct blame_rows *r, uint64_t key, uint64_t ns)
{
	unsigned at = 0;

	for (unsigned i = 0; i < BLAME_CANDIDATES; i++)
		if (r->candidates[i] == key)
			return r->candidates_ns[i] += ns;
	for (unsigned i = 0; i < BLAME_CANDIDATES; i++)
		at = r->candidates_ns[i] < r->candidates_ns[at] ? i : at;
	r->candidates[at] = key;
	return r->candidates_ns[at] = ns;
}

/* The smallest row, if it is less than half of `ns`: even while it grows, the other one says more. */
static unsigned find_small(struct blame_rows *r, uint64_t ns)
{
	unsigned small = ROWS_FIXED;

	if (ns < SMALL_NS || ns / 2 <= r->least)
		return ROW_NONE;
	for (unsigned i = ROWS_FIXED; i < r->n; i++)
		small = r->row[i].ns < r->row[small].ns ? i : small;
	r->least = r->row[small].ns;
	return ns / 2 <= r->least ? ROW_NONE : small;
}

static unsigned find_way(struct blame_rows *r, const struct party *one, uint64_t ns, uint64_t now)
{
	unsigned way = find_quiet(r, now);

	return way == ROW_NONE ? find_small(r, count_candidate(r, one->key, ns)) : way;
}

static void forget_candidate(struct blame_rows *r, uint64_t key)
{
	for (unsigned i = 0; i < BLAME_CANDIDATES; i++)
		if (r->candidates[i] == key)
			r->candidates[i] = r->candidates_ns[i] = 0;
}

static const char *clean_copy(const char *name)
{
	char *copy = strndup(name, sizeof(((struct host_frame_blame *)NULL)->name) - 1);

	if (copy)
		text_clean(copy);
	return copy;
}

int blame_rows_grow(struct blame_rows *r)
{
	struct blame_culprit *row = reallocarray(r->row, 2 * (size_t)r->room, sizeof(*row));

	if (!row)
		return -ENOMEM;
	r->row = row;
	r->room *= 2;
	return 0;
}

unsigned blame_rows_add(struct blame_rows *r, const struct party *who, const char *name,
			uint64_t ns, uint64_t now, unsigned *ret_gone)
{
	bool many = r->n >= MANY && kind_of(who) == CULPRIT_PROCESS;
	struct party one = many ? by_name(who) : *who;
	unsigned gone = r->n < BLAME_ROWS ? ROW_NONE : find_way(r, &one, ns, now);
	unsigned at = r->n < r->room ? r->n : gone;
	const char *called = at == ROW_NONE ? NULL : clean_copy(one.vm >= 0 ? name : one.name);

	*ret_gone = called ? gone : ROW_NONE;
	if (!called) {
		r->merged++;
		return rest_of(kind_of(who));
	}
	forget_candidate(r, one.key);
	if (gone != ROW_NONE)
		free((char *)(uintptr_t)r->row[at].name);
	r->row[at] = (struct blame_culprit){
		.kind = kind_of(who), .pid = one.pid, .name = called, .key = one.key, .grew = now};
	r->least = 0;
	r->n += gone == ROW_NONE;
	index_again(r);
	return at;
}
