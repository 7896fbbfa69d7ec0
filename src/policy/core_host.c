/* SPDX-License-Identifier: MIT */
/* Set-up of a host, and what happens some times a second: entitlements are divided, VMs are
 * balanced over the domains. */
#include "policy/core_internal.h"
#include "policy/place.h"

#include <errno.h>
#include <stdlib.h>

#define DIVIDE_AT_MOST_EVERY UINT64_C(1000000) /* ns */
#define RATE_ONE	     1048576.0

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

static uint32_t domains_of(const struct core_shape *s)
{
	return (s->cpus + s->domain_cpus - 1) / s->domain_cpus;
}

static uint32_t nodes_of(const struct core_shape *s)
{
	return 1 + s->groups + s->vms;
}

/* Calls `part(pointer, count, size)` for each array of the core. */
#define CORE_ARRAYS(c, s, part)                                                                    \
	part((c)->vcpus, (s)->vcpus);                                                              \
	part((c)->vms, (s)->vms);                                                                  \
	part((c)->cpus, (s)->cpus);                                                                \
	part((c)->domains, domains_of(s));                                                         \
	part((c)->tree, nodes_of(s));                                                              \
	part((c)->vcpu_links, (s)->vcpus);                                                         \
	part((c)->queue_nodes, 2 * (s)->cpus);                                                     \
	part((c)->gang_links, (s)->vms);                                                           \
	part((c)->idle, (s)->cpus / 64 + 1);                                                       \
	part((c)->scratch, (s)->cpus);                                                             \
	part((c)->freed, (s)->cpus);                                                               \
	part((c)->dirty, (s)->cpus);                                                               \
	part((c)->dirty_vms, (s)->vms);                                                            \
	part((c)->place_domains, domains_of(s));                                                   \
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

static void set_up_cpus(struct core *c)
{
	const struct core_shape *s = &c->shape;

	for (uint32_t i = 0; i < s->cpus; i++) {
		c->cpus[i] = (struct core_cpu){.current = CORE_NONE,
					       .gang = CORE_NONE,
					       .queue = CORE_NONE,
					       .last = CORE_NONE,
					       .speed = DISPATCH_STRETCH_ONE,
					       .domain = i / s->domain_cpus};
		c->idle[i >> 6] |= UINT64_C(1) << (i & 63);
	}
	for (uint32_t i = 0; i < c->n_domains; i++) {
		struct core_domain *d = &c->domains[i];

		*d = (struct core_domain){
			.first = i * s->domain_cpus, .gangs = CORE_NONE, .clock = DISPATCH_BASE};
		d->n = s->cpus - d->first < s->domain_cpus ? s->cpus - d->first : s->domain_cpus;
		d->idle = d->n;
		d->queues = (struct tournament){&c->queue_nodes[2 * d->first], d->n};
		tournament_init(&d->queues);
	}
}

static double capacity_of(const struct core *c, const struct core_domain *d)
{
	return c->shape.smt == 2 ? d->n * c->config.smt_speed : d->n;
}

int core_new(const struct core_config *config, const struct core_shape *shape, struct core **ret)
{
	struct core *c = calloc(1, sizeof(*c));
	bool failed = !c;

	if (failed)
		return -ENOMEM;
#define GET(pointer, count) failed |= !((pointer) = lines_alloc((count) + 1, sizeof(*(pointer))))
	CORE_ARRAYS(c, shape, GET);
#undef GET
	if (failed) {
		core_free(c);
		return -ENOMEM;
	}
	c->config = *config;
	c->shape = *shape;
	c->n_domains = domains_of(shape);
	c->next_period = CORE_NEVER;
	c->tree[0] = (struct entitle_node){
		.parent = ENTITLE_NONE, .shares = 1, .limit = ENTITLE_UNLIMITED};
	set_up_cpus(c);
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

uint32_t core_add_group(struct core *c, uint32_t parent, double shares, double reservation,
			double limit)
{
	uint32_t node = 1 + c->n_groups++;

	c->tree[node] = (struct entitle_node){
		.parent = parent, .shares = shares, .reservation = reservation, .limit = limit};
	return node;
}

static bool below_a_limit(const struct core *c, uint32_t node)
{
	while (node != ENTITLE_NONE) {
		if (c->tree[node].limit < ENTITLE_UNLIMITED)
			return true;
		node = c->tree[node].parent;
	}
	return false;
}

/* A VM's budget: its own limit, its real-time quota, or what a limited group leaves to it. */
static void set_budget(struct core *c, struct core_vm *vm, const struct core_vm_spec *spec)
{
	struct budget *b = &vm->budget;

	vm->realtime = spec->period != 0;
	vm->capped = !vm->realtime && below_a_limit(c, spec->group);
	if (vm->realtime)
		*b = (struct budget){.quota = spec->quota, .period = spec->period};
	else if (spec->limit < spec->vcpus || vm->capped)
		b->period = c->config.limit_period;
	if (!vm->realtime && spec->limit < spec->vcpus)
		b->quota = (uint64_t)(spec->limit * (double)b->period);
	b->left = (int64_t)b->quota;
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
			       .rate = (uint32_t)RATE_ONE,
			       .stretch = DISPATCH_STRETCH_ONE,
			       .skew_at = CORE_NEVER,
			       .limit_at = CORE_NEVER,
			       .gang_vtime = DISPATCH_BASE};
	c->tree[node] = (struct entitle_node){.parent = spec->group,
					      .shares = spec->shares,
					      .reservation = fixed > 0 ? fixed : spec->reservation,
					      .limit = fixed > 0 ? fixed : spec->limit};
	set_budget(c, vm, spec);
	vm->metered = vm->budget.period;
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

static void settle_into(struct core *c, struct core_vm *vm, uint32_t domain)
{
	const struct core_domain *d = &c->domains[domain];

	vm->domain = domain;
	for (uint32_t i = 0; i < vm->n; i++)
		c->vcpus[vm->first + i].cpu = d->first + (vm->first + i) % d->n;
}

static int place_all(struct core *c, uint32_t *ret_node)
{
	for (uint32_t i = 0; i < c->n_domains; i++)
		c->place_domains[i] = (struct place_domain){
			.cpus = c->domains[i].n, .capacity = capacity_of(c, &c->domains[i])};
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
		settle_into(c, vm, pv->domain);
	}
	return 0;
}

static double capacity(const struct core *c)
{
	double sum = 0;

	for (uint32_t i = 0; i < c->n_domains; i++)
		sum += capacity_of(c, &c->domains[i]);
	return sum;
}

int core_start(struct core *c, uint64_t now, struct entitle_refusal *ret_refusal)
{
	uint32_t node = 0;
	int err;

	entitle_link(c->tree, nodes_of(&c->shape));
	err = entitle_admit(c->tree, nodes_of(&c->shape), capacity(c), ret_refusal);
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
	c->divided = c->demand_from = now;
	core_divide(c, now);
	c->next_balance = c->shape.rebalance && c->n_domains > 1 ? now + c->config.balance_period
								 : CORE_NEVER;
	c->next_period = c->uniform ? c->next_balance : now + c->config.entitle_period;
	return 0;
}

static void restretch(struct core *c, struct core_vm *vm, uint64_t now)
{
	uint32_t stretch = dispatch_stretch_of(vm->rate, vm_gang(vm) ? vm->n : vm->active);

	if (stretch == vm->stretch)
		return;
	if (vm->gang_on)
		core_gang_charge(c, (uint32_t)(vm - c->vms), now);
	for (uint32_t i = vm->first; vm->running && i < vm->first + vm->n; i++) {
		if (c->vcpus[i].where == CORE_RUNNING)
			core_charge(c, c->vcpus[i].cpu, now);
	}
	vm->stretch = stretch;
}

/* `change` vCPUs more (or fewer) of the VM want to run. */
void core_active(struct core *c, uint32_t id, uint64_t now, int change)
{
	struct core_vm *vm = &c->vms[id];

	vm->active_ns += vm->active * (now - vm->active_at);
	vm->active_at = now;
	if (!change)
		return;
	vm->active += (uint32_t)change;
	if (c->uniform)
		return;
	restretch(c, vm, now);
	if (change > 0 && c->tree[vm->node].demand <= 0 && now - c->divided >= DIVIDE_AT_MOST_EVERY)
		core_divide(c, now);
}

/* What the VM could use: as many CPUs as it had vCPUs that wanted to run, lately or now. */
static double demand_of(struct core *c, struct core_vm *vm, uint64_t now)
{
	double average = 0, span = (double)(now - c->demand_from);

	core_active(c, (uint32_t)(vm - c->vms), now, 0);
	if (span > 0)
		average = (double)(vm->active_ns - vm->active_seen) / span;
	return average > vm->active ? average : vm->active;
}

void core_divide(struct core *c, uint64_t now)
{
	if (c->uniform)
		return;
	for (uint32_t i = 0; i < c->n_vms; i++)
		c->tree[c->vms[i].node].demand = demand_of(c, &c->vms[i], now);
	entitle_divide(c->tree, nodes_of(&c->shape), capacity(c));
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *vm = &c->vms[i];
		double rate = c->tree[vm->node].rate;

		vm->rate = rate >= vm->n ? vm->n * (uint32_t)RATE_ONE : (uint32_t)(rate * RATE_ONE);
		if (vm->capped)
			vm->budget.quota = (uint64_t)(rate * (double)vm->budget.period);
		restretch(c, vm, now);
	}
	c->divided = now;
	c->divisions++;
}

/* Memory follows a VM to another node at a constant rate, within config.memory_move. */
void core_locality(struct core *c, struct core_vm *vm, uint64_t from, uint64_t to)
{
	double span = (double)c->config.memory_move, f;
	uint64_t moving, local;

	if (from >= vm->memory_at) {
		vm->local_ns += to - from;
		return;
	}
	moving = (to < vm->memory_at ? to : vm->memory_at) - from;
	f = ((double)(from - vm->placed) + (double)moving / 2) / span;
	local = (uint64_t)((double)moving * (f < 1 ? f : 1)) + (to - from - moving);
	vm->local_ns += local;
	vm->remote_ns += to - from - local;
}

/* Takes a vCPU off its CPU or queue for a move. Returns true if it has to be made ready again. */
static bool lift(struct core *c, uint32_t vcpu, uint64_t now, uint32_t *freed, uint32_t *n)
{
	struct core_vcpu *v = &c->vcpus[vcpu];

	if (v->where == CORE_RUNNING) {
		freed[(*n)++] = v->cpu;
		core_stop(c, v->cpu, now, LEDGER_READY);
		return true;
	}
	if (v->where != CORE_QUEUED)
		return false;
	core_dequeue(c, vcpu, now);
	return true;
}

static void move_vm(struct core *c, uint32_t id, uint32_t to, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];
	bool gang = vm_gang(vm), gang_on = vm->gang_on;
	uint64_t old = c->domains[vm->domain].clock, new = c->domains[to].clock;
	uint32_t n = 0, from = vm->domain;

	if (gang_on)
		core_gang_stop(c, id, now, false);
	else if (gang && vm->active && !vm->exhausted)
		core_gang_dequeue(c, id);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (lift(c, i, now, c->freed, &n))
			c->vcpus[i].where = CORE_QUEUED; /* for the loop below */
		if (!vm->realtime)
			c->vcpus[i].vtime = dispatch_rebase(c->vcpus[i].vtime, old, new);
	}
	vm->gang_vtime = dispatch_rebase(vm->gang_vtime, old, new);
	settle_into(c, vm, to);
	vm->placed = now;
	vm->memory_at = now + c->config.memory_move;
	vm->migrations++;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (c->vcpus[i].where == CORE_QUEUED)
			core_ready(c, i, now, false);
	}
	if (gang && vm->active && !vm->exhausted) {
		core_gang_enqueue(c, id);
		core_refill_domain(c, to, now);
	}
	core_refill_domain(c, from, now);
}

static void balance(struct core *c, uint64_t now)
{
	uint32_t vm, to = 0;
	double span = (double)c->config.balance_period;

	for (uint32_t i = 0; i < c->n_domains; i++)
		c->place_domains[i].load = 0;
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *v = &c->vms[i];

		core_active(c, i, now, 0);
		c->place_vms[i].domain = v->domain;
		c->place_vms[i].load = (double)(v->active_ns - v->balance_seen) / span;
		c->place_domains[v->domain].load += c->place_vms[i].load;
		v->balance_seen = v->active_ns;
	}
	for (uint32_t moves = 0; moves < c->n_vms; moves++) {
		struct place_vm *pv;

		vm = place_rebalance(c->place_domains, c->n_domains, c->place_vms, c->n_vms,
				     c->config.balance_threshold, &to);
		if (vm == PLACE_NONE)
			return;
		pv = &c->place_vms[vm];
		c->place_domains[pv->domain].load -= pv->load;
		c->place_domains[pv->domain].reserved -= pv->reservation;
		c->place_domains[to].load += pv->load;
		c->place_domains[to].reserved += pv->reservation;
		pv->domain = to;
		move_vm(c, vm, to, now);
	}
}

void core_period(struct core *c, uint64_t now)
{
	if (now >= c->next_balance) {
		c->next_balance += c->config.balance_period;
		balance(c, now);
	}
	core_divide(c, now);
	for (uint32_t i = 0; i < c->n_vms; i++)
		c->vms[i].active_seen = c->vms[i].active_ns;
	c->demand_from = now;
	c->next_period = c->uniform ? c->next_balance : now + c->config.entitle_period;
	if (c->next_balance < c->next_period)
		c->next_period = c->next_balance;
}
