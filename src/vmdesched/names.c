/* SPDX-License-Identifier: MIT */
#include "vmdesched/names.h"

#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORTH_A_PLACE NS_PER_SEC

/* A process whose name has a place. */
struct seen {
	uint64_t id;
	size_t place;
	uint64_t occupied, away, unaccounted; /* counted, or from before the place */
	uint64_t round;
	UT_hash_handle hh;
};

struct names {
	size_t max, n; /* places; those that have a name */
	struct names_entry *places, other;
	uint64_t *alive; /* the last round in which a place had a process */
	struct seen *seen;
	uint64_t round, last_id;
	uint64_t occupied, away, unaccounted; /* counted for any place, ever */
};

int names_new(size_t places, struct names **ret)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->max = places;
	n->places = calloc(places + 1, sizeof(*n->places));
	n->alive = calloc(places + 1, sizeof(*n->alive));
	if (!n->places || !n->alive) {
		names_free(n);
		return -ENOMEM;
	}
	strcpy(n->other.name, "(other)");
	*ret = n;
	return 0;
}

static void forget(struct names *n, struct seen *s)
{
	HASH_DEL(n->seen, s);
	free(s);
}

struct names *names_free(struct names *n)
{
	struct seen *s, *next;

	if (!n)
		return NULL;
	HASH_ITER (hh, n->seen, s, next)
		forget(n, s);
	free(n->places);
	free(n->alive);
	free(n);
	return NULL;
}

static size_t find(const struct names *n, const char *name)
{
	size_t i = 0;

	while (i < n->n && strcmp(n->places[i].name, name) != 0)
		i++;
	return i;
}

/* NULL without memory: it stays with "(other)" for this round. */
static struct seen *make_seen(struct names *n, const struct account_process *p)
{
	struct seen *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = p->id;
	if (p->id <= n->last_id) { /* it was there before, under another name or without a place */
		s->occupied = p->own.occupied;
		s->away = amounts_away(&p->own);
		s->unaccounted = p->own.unaccounted;
	}
	HASH_ADD(hh, n->seen, id, sizeof(s->id), s);
	if (s->hh.tbl)
		return s;
	free(s);
	return NULL;
}

/* A process's counter has come to `now`. */
static void advance(uint64_t now, uint64_t *seen, uint64_t *place, uint64_t *all)
{
	uint64_t more = u64_sub_floor(now, *seen);

	*seen += more;
	*place += more;
	*all += more;
}

static void count(struct names *n, struct seen *s, const struct account_process *p)
{
	struct names_entry *e = &n->places[s->place];

	advance(p->own.occupied, &s->occupied, &e->occupied, &n->occupied);
	advance(amounts_away(&p->own), &s->away, &e->away, &n->away);
	advance(p->own.unaccounted, &s->unaccounted, &e->unaccounted, &n->unaccounted);
}

static void look_at(struct names *n, const struct account_process *p)
{
	size_t place = find(n, p->comm);
	struct seen *s;

	HASH_FIND(hh, n->seen, &p->id, sizeof(p->id), s);
	if (place == n->n)
		return;
	if (!s)
		s = make_seen(n, p);
	if (!s)
		return;
	s->place = place;
	s->round = n->alive[place] = n->round;
	count(n, s, p);
}

/* Those that have exited, or have another name now. */
static void sweep(struct names *n)
{
	struct seen *s, *next;

	HASH_ITER (hh, n->seen, s, next)
		if (s->round != n->round)
			forget(n, s);
}

/* A place that had a process in the last round isn't given away in this one. */
static void give_place(struct names *n, const char *name)
{
	size_t i = 0;

	if (n->n < n->max)
		i = n->n++;
	else
		while (i < n->n && n->alive[i] + 1 >= n->round)
			i++;
	if (i == n->max)
		return;
	n->places[i] = (struct names_entry){0};
	strcpy(n->places[i].name, name);
	n->alive[i] = n->round;
}

static bool deserves_place(const struct names *n, const struct account_process *p)
{
	return p->n_live && p->own.occupied >= WORTH_A_PLACE && find(n, p->comm) == n->n &&
	       strcmp(p->comm, n->other.name) != 0;
}

/* What no place has, which never falls. */
static void keep_rest(uint64_t all, uint64_t places, uint64_t *rest)
{
	*rest = u64_max(*rest, u64_sub_floor(all, places));
}

void names_update(struct names *n, const struct account *a)
{
	struct amounts busy = {0};

	n->round++;
	for (const struct account_process *p = a->processes; p; p = p->hh.next)
		if (deserves_place(n, p))
			give_place(n, p->comm);
	for (const struct account_process *p = a->processes; p; p = p->hh.next)
		if (p->n_live)
			look_at(n, p);
	sweep(n);
	for (unsigned i = 0; i < a->n_cpus; i++)
		amounts_add(&busy, &a->cpus[i].busy);
	n->last_id = a->next_id;
	keep_rest(busy.occupied, n->occupied, &n->other.occupied);
	keep_rest(amounts_away(&busy), n->away, &n->other.away);
	keep_rest(busy.unaccounted, n->unaccounted, &n->other.unaccounted);
}

const struct names_entry *names_get(const struct names *n, size_t i)
{
	if (!i)
		return &n->other;
	return i <= n->n ? &n->places[i - 1] : NULL;
}
