/* SPDX-License-Identifier: MIT */
#include "policy/core_topology.h"

void core_sites_regular(struct core_site *sites, uint32_t cpus, uint32_t domain, uint32_t cache,
			bool threads)
{
	for (uint32_t i = 0; i < cpus; i++)
		sites[i] = (struct core_site){.domain = i / domain,
					      .cache = i / cache,
					      .sibling = threads && (i ^ 1) < cpus ? i ^ 1
										   : CORE_NONE};
}

bool core_topology_valid(const struct core_shape *s)
{
	for (uint32_t i = 0; i < s->cpus; i++) {
		const struct core_site *at = &s->sites[i];
		uint32_t before = i ? s->sites[i - 1].domain : 0, other = at->sibling;

		if (at->domain < before || at->domain > before + (i != 0) ||
		    at->domain >= s->domains)
			return false;
		if (other != CORE_NONE &&
		    (other >= s->cpus || other == i || s->sites[other].sibling != i ||
		     s->sites[other].domain != at->domain))
			return false;
	}
	return s->cpus && s->sites[s->cpus - 1].domain == s->domains - 1;
}

/* CPUs from `i` on that share its domain and cache. */
static uint32_t end_of_cache(const struct core_site *sites, uint32_t cpus, uint32_t i)
{
	uint32_t end = i + 1;

	while (end < cpus && sites[end].cache == sites[i].cache &&
	       sites[end].domain == sites[i].domain)
		end++;
	return end;
}

static void init_cpus(struct core *c, const struct core_site *sites)
{
	uint32_t first = 0, end = 0;

	for (uint32_t i = 0; i < c->shape.cpus; i++) {
		if (i == end) {
			first = i;
			end = end_of_cache(sites, c->shape.cpus, i);
		}
		c->near[i] = (struct core_near){sites[i].sibling, first, end};
		c->threads |= sites[i].sibling != CORE_NONE;
		c->cpus[i] = (struct core_cpu){.current = CORE_NONE,
					       .gang = CORE_NONE,
					       .queue = CORE_NONE,
					       .last = CORE_NONE,
					       .speed = CORE_FULL,
					       .domain = sites[i].domain};
		c->idle[i >> 6] |= UINT64_C(1) << (i & 63);
		c->whole[i >> 6] |= UINT64_C(1) << (i & 63);
	}
}

/* What a CPU adds to its domain: all of it where nobody shares its core. */
static double worth(const struct core *c, uint32_t cpu)
{
	uint32_t sibling = c->near[cpu].sibling;

	if (c->cpus[cpu].off)
		return 0;
	return sibling == CORE_NONE || c->cpus[sibling].off ? 1 : c->config.smt_speed;
}

double core_capacity_of(const struct core *c, uint32_t cpu)
{
	uint32_t sibling = c->near[cpu].sibling;

	if (sibling == CORE_NONE || c->cpus[sibling].off)
		return worth(c, cpu);
	return worth(c, cpu) + worth(c, sibling) - 1;
}

static void sum_capacity(const struct core *c, struct core_domain *d)
{
	d->capacity = 0;
	for (uint32_t i = d->first; i < d->first + d->n; i++)
		d->capacity += worth(c, i);
}

void core_topology_init(struct core *c, const struct core_site *sites)
{
	init_cpus(c, sites);
	for (uint32_t i = 0, cpu = 0; i < c->n_domains; i++) {
		struct core_domain *d = &c->domains[i];

		*d = (struct core_domain){
			.first = cpu, .gangs = CORE_NONE, .clock.base = DISPATCH_START};
		while (cpu < c->shape.cpus && c->cpus[cpu].domain == i) {
			d->n++;
			cpu++;
		}
		d->idle = d->online = d->n;
		sum_capacity(c, d);
		d->queues = (struct tournament){&c->queue_keys[2 * d->first],
						&c->queue_ids[2 * d->first], d->n};
		tournament_init(&d->queues);
	}
}

static bool bit_of(const uint64_t *bits, uint32_t cpu)
{
	return bits[cpu >> 6] >> (cpu & 63) & 1;
}

static void set_bit(uint64_t *bits, uint32_t cpu, bool to)
{
	bits[cpu >> 6] &= ~(UINT64_C(1) << (cpu & 63));
	bits[cpu >> 6] |= (uint64_t)to << (cpu & 63);
}

/* A core is idle if both its threads are, or the only one that is there. */
static void set_whole(struct core *c, uint32_t cpu, bool idle)
{
	uint32_t sibling = c->near[cpu].sibling;
	bool alone = sibling == CORE_NONE || c->cpus[sibling].off;
	bool whole = idle && (alone || bit_of(c->idle, sibling));

	set_bit(c->whole, cpu, whole);
	if (!alone)
		set_bit(c->whole, sibling, whole || (c->cpus[cpu].off && bit_of(c->idle, sibling)));
}

void core_set_idle(struct core *c, uint32_t cpu, uint64_t now, bool idle)
{
	uint64_t bit = UINT64_C(1) << (cpu & 63), *word = &c->idle[cpu >> 6];
	struct core_domain *d = domain_of(c, cpu);

	if (!!(*word & bit) == idle)
		return;
	core_domain_settle(d, now);
	*word ^= bit;
	d->idle += idle ? 1 : UINT32_MAX;
	if (c->threads)
		set_whole(c, cpu, idle);
}

void core_set_online(struct core *c, uint32_t cpu, uint64_t now, bool online)
{
	struct core_domain *d = domain_of(c, cpu);

	if (c->cpus[cpu].off != online)
		return;
	c->cpus[cpu].off = !online;
	core_set_idle(c, cpu, now, online);
	d->online += online ? 1 : UINT32_MAX;
	sum_capacity(c, d);
}

double core_capacity(const struct core *c)
{
	double sum = 0;

	for (uint32_t i = 0; i < c->n_domains; i++)
		sum += c->domains[i].capacity;
	return sum;
}

/* The first set bit of `bits` in [from, end), or CORE_NONE. */
static uint32_t next_set(const uint64_t *bits, uint32_t from, uint32_t end)
{
	for (uint32_t w = from >> 6; from < end; w++, from = w << 6) {
		uint64_t word = bits[w] & (UINT64_MAX << (from & 63));
		uint32_t at;

		if (!word)
			continue;
		at = (w << 6) + (uint32_t)__builtin_ctzll(word);
		return at < end ? at : CORE_NONE;
	}
	return CORE_NONE;
}

/* One in [first, end), the nearest upwards from `near` first. */
static uint32_t find_set(const uint64_t *bits, uint32_t first, uint32_t end, uint32_t near)
{
	uint32_t at = next_set(bits, near, end);

	return at != CORE_NONE ? at : next_set(bits, first, near);
}

uint32_t core_idle_near(const struct core *c, uint32_t near)
{
	const struct core_domain *d = &c->domains[c->cpus[near].domain];
	const struct core_near *n = &c->near[near];
	uint32_t at;

	if (!d->idle)
		return CORE_NONE;
	for (int threads = !c->threads; threads <= 1; threads++) {
		const uint64_t *bits = threads ? c->idle : c->whole;

		at = find_set(bits, n->first, n->end, near);
		if (at == CORE_NONE)
			at = find_set(bits, d->first, d->first + d->n, near);
		if (at != CORE_NONE)
			return at;
	}
	return CORE_NONE;
}
