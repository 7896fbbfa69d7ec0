/* SPDX-License-Identifier: MIT */
/* Set-up of a host: memory, groups and VMs, admission and initial placement. */
#include "policy/core_internal.h"
#include "policy/place.h"

#include <errno.h>
#include <stdlib.h>

#define BUDGET_KEPT 8 /* of a limit what is left over of a period, up to an eighth */

const struct core_config core_defaults = {
	.slice = 5000000,
	.wake_credit = 5000000,
	.granularity = 500000,
	.pull = 1000000,
	.lag_bound = 100000000,
	.skew_stop = 3000000,
	.skew_start = 2000000,
	.skew_poll = 1000000,
	.limit_period = 100000000,
	.entitle_period = 20000000,
	.balance_period = 2000000000,
	.memory_move = 1000000000,
	.balance_threshold = 0.10,
	.smt_speed = 0.5,
};

/* Calls `part(pointer, count, size)` for each array of the core. */
#define CORE_ARRAYS(c, s, part)                                                                    \
	part((c)->vcpus, (s)->vcpus);                                                              \
	part((c)->uses, (s)->vcpus);                                                               \
	part((c)->vms, (s)->vms);                                                                  \
	part((c)->cpus, (s)->cpus);                                                                \
	part((c)->domains, (s)->domains);                                                          \
	part((c)->tree, core_nodes(s));                                                            \
	part((c)->parts, (s)->domains > 1 ? (s)->vms + 1 : 0);                                     \
	part((c)->pool_parts, (s)->groups ? (s)->vms : 0);                                         \
	part((c)->gangs, (s)->vcpus > (s)->vms ? (s)->vms : 0);                                    \
	part((c)->held, (s)->vcpus > (s)->vms ? (s)->cpus : 0);                                    \
	part((c)->vcpu_links, (s)->vcpus);                                                         \
	part((c)->queue_nodes, 2 * (s)->cpus);                                                     \
	part((c)->gang_links, (s)->vms);                                                           \
	part((c)->near, (s)->cpus);                                                                \
	part((c)->whole, (s)->cpus / 64 + 1);                                                      \
	part((c)->idle, (s)->cpus / 64 + 1);                                                       \
	part((c)->scratch, (s)->cpus);                                                             \
	part((c)->freed, (s)->cpus);                                                               \
	part((c)->dirty, (s)->cpus);                                                               \
	part((c)->dirty_vms, (s)->vms + (s)->groups);                                              \
	part((c)->dirty_bits, ((s)->vms + (s)->groups) / 64 + 1);                                  \
	part((c)->pools, (s)->groups);                                                             \
	part((c)->place_domains, (s)->domains);                                                    \
	part((c)->place_vms, (s)->vms)

size_t core_bytes(const struct core_shape *shape)
{
	const struct core *c = NULL;
	size_t sum = sizeof(*c);

#define SUM(pointer, count) sum += (size_t)(count) * sizeof(*(pointer))
	CORE_ARRAYS(c, shape, SUM);
#undef SUM
	return sum;
}

void core_sites_regular(struct core_site *sites, uint32_t cpus, uint32_t domain, uint32_t cache,
			bool threads)
{
	for (uint32_t i = 0; i < cpus; i++)
		sites[i] = (struct core_site){.domain = i / domain,
					      .cache = i / cache,
					      .sibling = threads && (i ^ 1) < cpus ? i ^ 1
										   : CORE_NONE};
}

static bool in_order(const struct core_shape *s)
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
static uint32_t end_of_cache(const struct core_shape *s, uint32_t i)
{
	uint32_t end = i + 1;

	while (end < s->cpus && s->sites[end].cache == s->sites[i].cache &&
	       s->sites[end].domain == s->sites[i].domain)
		end++;
	return end;
}

static void set_up_cpus(struct core *c, const struct core_site *sites)
{
	struct core_shape *s = &c->shape;
	uint32_t first = 0, end = 0;

	for (uint32_t i = 0; i < s->cpus; i++) {
		if (i == end) {
			first = i;
			end = end_of_cache(s, i);
		}
		c->near[i] = (struct core_near){sites[i].sibling, first, end};
		c->threads |= sites[i].sibling != CORE_NONE;
		c->cpus[i] = (struct core_cpu){.current = CORE_NONE,
					       .gang = CORE_NONE,
					       .queue = CORE_NONE,
					       .last = CORE_NONE,
					       .speed = (uint32_t)DISPATCH_STRETCH_ONE,
					       .domain = sites[i].domain};
		c->idle[i >> 6] |= UINT64_C(1) << (i & 63);
		c->whole[i >> 6] |= UINT64_C(1) << (i & 63);
	}
	s->sites = NULL;
}

static void set_up_domains(struct core *c)
{
	for (uint32_t i = 0, cpu = 0; i < c->n_domains; i++) {
		struct core_domain *d = &c->domains[i];

		*d = (struct core_domain){
			.first = cpu, .gangs = CORE_NONE, .clock.base = DISPATCH_START};
		for (; cpu < c->shape.cpus && c->cpus[cpu].domain == i; cpu++) {
			d->n++;
			d->capacity += c->near[cpu].sibling == CORE_NONE ? 1 : c->config.smt_speed;
		}
		d->idle = d->n;
		d->queues = (struct tournament){&c->queue_nodes[2 * d->first], d->n};
		tournament_init(&d->queues);
	}
}

int core_new(const struct core_config *config, const struct core_shape *shape, struct core **ret)
{
	struct core *c = calloc(1, sizeof(*c));
	bool failed = !c;

	if (failed)
		return -ENOMEM;
	if (!in_order(shape)) {
		free(c);
		return -EINVAL;
	}
#define GET(pointer, count) failed |= !((pointer) = lines_alloc((count) + 1, sizeof(*(pointer))))
	CORE_ARRAYS(c, shape, GET);
#undef GET
	if (failed) {
		core_free(c);
		return -ENOMEM;
	}
	c->config = *config;
	c->shape = *shape;
	c->n_domains = shape->domains;
	c->next_period = CORE_NEVER;
	c->tree[0] = (struct entitle_node){
		.parent = ENTITLE_NONE, .shares = 1, .limit = ENTITLE_UNLIMITED};
	set_up_cpus(c, shape->sites);
	set_up_domains(c);
	*ret = c;
	return 0;
}

struct core *core_free(struct core *c)
{
	if (!c)
		return NULL;
#define FREE(pointer, count) free(pointer)
	CORE_ARRAYS(c, &c->shape, FREE);
#undef FREE
	free(c);
	return NULL;
}

/* The nearest limited group, this or above. */
static uint32_t pool_above(const struct core *c, uint32_t group)
{
	if (!group)
		return CORE_NONE;
	return c->pools[group - 1].budget.period ? group - 1 : c->pools[group - 1].up;
}

uint32_t core_add_group(struct core *c, uint32_t parent, double shares, double reservation,
			double limit)
{
	uint32_t node = 1 + c->n_groups++;

	c->tree[node] = (struct entitle_node){
		.parent = parent, .shares = shares, .reservation = reservation, .limit = limit};
	c->pools[node - 1] = (struct core_pool){.up = pool_above(c, parent),
						.limit_at = CORE_NEVER};
	if (limit < c->shape.cpus) {
		struct budget *b = &c->pools[node - 1].budget;

		b->period = c->config.limit_period;
		b->quota = (uint64_t)(limit * (double)b->period);
		b->left = (int64_t)b->quota;
	}
	return node;
}

/* A VM's budgets: its own limit or real-time quota, and its part of a limited group. */
static void set_budget(struct core *c, struct core_vm *vm, const struct core_vm_spec *spec)
{
	struct budget *b = &vm->budget;

	vm->realtime = spec->period != 0;
	vm->pool = pool_above(c, spec->group);
	if (vm->realtime)
		*b = (struct budget){.quota = spec->quota, .period = spec->period};
	else if (spec->limit < spec->vcpus)
		*b = (struct budget){
			.quota = (uint64_t)(spec->limit * (double)c->config.limit_period),
			.period = c->config.limit_period};
	b->keep = vm->realtime ? 0 : b->quota / BUDGET_KEPT;
	b->left = (int64_t)b->quota;
	if (vm->pool != CORE_NONE)
		part_of(c, vm)->period = c->config.limit_period;
}

static void add_vcpus(struct core *c, const struct core_vm *vm, uint32_t id)
{
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		c->vcpus[i] = (struct core_vcpu){
			.vm = id, .where = CORE_BLOCKED, .ran = CORE_NONE, .vtime = DISPATCH_BASE};
	}
}

int core_add_vm(struct core *c, const struct core_vm_spec *spec)
{
	uint32_t id = c->n_vms, node = 1 + c->shape.groups + id;
	struct core_vm *vm = &c->vms[id];
	double fixed = spec->period ? (double)spec->quota / (double)spec->period : 0;

	if (!spec->vcpus || spec->vcpus > c->shape.vcpus - c->n_vcpus || id >= c->shape.vms)
		return -E2BIG;
	*vm = (struct core_vm){.first = c->n_vcpus,
			       .n = spec->vcpus,
			       .node = node,
			       .cosched = (uint8_t)spec->cosched,
			       .rate = DISPATCH_RATE_ONE,
			       .stretch = DISPATCH_STRETCH_ONE,
			       .weight = (uint32_t)DISPATCH_STRETCH_ONE,
			       .skew_at = CORE_NEVER,
			       .limit_at = CORE_NEVER,
			       .pool = CORE_NONE};
	if (core_smp(c))
		c->gangs[id] = (struct core_gang){.vtime = DISPATCH_BASE};
	c->tree[node] = (struct entitle_node){.parent = spec->group,
					      .shares = spec->shares,
					      .reservation = fixed > 0 ? fixed : spec->reservation,
					      .limit = fixed > 0 ? fixed : spec->limit};
	set_budget(c, vm, spec);
	vm->metered = vm->budget.period || vm->pool != CORE_NONE;
	add_vcpus(c, vm, id);
	c->n_vms++;
	c->n_vcpus += spec->vcpus;
	return 0;
}

/* VMs are alike if shares alone say who gets what, and are the same for each vCPU. */
static bool all_alike(const struct core *c)
{
	for (uint32_t i = 0; i < c->n_vms; i++) {
		const struct core_vm *vm = &c->vms[i];
		const struct entitle_node *node = &c->tree[vm->node];

		if (vm->n != 1 || vm->budget.period || node->reservation > 0 ||
		    node->shares != c->tree[c->vms[0].node].shares)
			return false;
	}
	return !c->n_groups;
}

static int place_all(struct core *c, uint32_t *ret_node)
{
	for (uint32_t i = 0; i < c->n_domains; i++)
		c->place_domains[i] = (struct place_domain){.cpus = c->domains[i].n,
							    .capacity = c->domains[i].capacity};
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *vm = &c->vms[i];
		struct place_vm *pv = &c->place_vms[i];

		*pv = (struct place_vm){.load = vm->n,
					.reservation = c->tree[vm->node].reservation,
					.min_cpus = vm_gang(vm) || c->n_domains > 1 ? vm->n : 1};
		pv->domain = place_initial(c->place_domains, c->n_domains, pv);
		if (pv->domain == PLACE_NONE) {
			*ret_node = vm->node;
			return -E2BIG;
		}
		c->place_domains[pv->domain].load += pv->load;
		c->place_domains[pv->domain].reserved += pv->reservation;
		core_settle_into(c, vm, pv->domain);
	}
	return 0;
}

int core_start(struct core *c, uint64_t now, struct entitle_refusal *ret_refusal)
{
	uint32_t node = 0;
	int err;

	entitle_link(c->tree, core_nodes(&c->shape));
	err = entitle_admit(c->tree, core_nodes(&c->shape), core_capacity(c), ret_refusal);
	if (err)
		return err;
	err = place_all(c, &node);
	if (err) {
		ret_refusal->node = node;
		return err;
	}
	for (uint32_t i = 0; i < c->n_vcpus; i++) {
		ledger_start(&c->vcpus[i].ledger, now, LEDGER_HALT);
		c->vcpus[i].wanted = now;
	}
	for (uint32_t i = 0; i < c->n_vms; i++)
		c->vms[i].active_at = c->vms[i].placed = now;
	c->uniform = all_alike(c);
	c->divided = now;
	core_divide(c, now);
	c->next_balance = c->shape.rebalance && c->n_domains > 1 ? now + c->config.balance_period
								 : CORE_NEVER;
	c->next_period = c->uniform ? c->next_balance : now + c->config.entitle_period;
	return 0;
}
