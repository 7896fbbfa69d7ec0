/* SPDX-License-Identifier: MIT */
#include "policy/core_entitle.h"

#include "policy/core_cpu.h"
#include "policy/core_gang.h"
#include "policy/core_topology.h"

#include <math.h>

#define TAKEN_MOST	     0.9	       /* by others, of what is there */
#define DIVIDE_AT_MOST_EVERY UINT64_C(1000000) /* ns */
#define DEMAND_PERIODS	     25	  /* entitle_periods after which what was seen counts a third */
#define ALWAYS		     0.98 /* of the time */
#define RATE_MOST	     64.0 /* CPUs a vCPU */
#define RATE_ONE	     4294967296.0

/* Virtual time measures what is owed by the rate: with a higher rate, what was little is much. A
 * debt is no more than config.lag_bound by the new rate; nor, if that is far higher, a credit. */
static uint64_t fit(const struct core *c, const struct core_vm *vm, uint64_t vtime,
		    uint64_t stretch, uint64_t now)
{
	uint64_t clock, most;

	if (stretch >= vm->stretch)
		return vtime;
	clock = core_clock(&c->domains[vm->domain], now);
	most = clock + dispatch_stretch(c->config.debt_bound, stretch);
	if (vtime > most)
		return most;
	if (stretch >= vm->stretch / 2)
		return vtime;
	return dispatch_enter(vtime, clock - dispatch_stretch(c->config.lag_bound, stretch));
}

static void restretch_vcpu(struct core *c, const struct core_vm *vm, struct core_vcpu *v,
			   uint64_t stretch, uint64_t now)
{
	struct dispatch_clock *k = &c->domains[vm->domain].clock;
	uint64_t fair = fit(c, vm, v->vtime, stretch, now);

	k->sum += (int64_t)vm->weight * (int64_t)(fair - v->vtime);
	v->vtime = fair;
	dispatch_reweigh(k, fair, vm->weight, dispatch_weight(stretch));
}

static void restretch_gang(struct core *c, const struct core_vm *vm, uint64_t stretch, uint64_t now)
{
	struct dispatch_clock *k = &c->domains[vm->domain].clock;
	struct core_gang *g = gang_of(c, vm);
	uint64_t fair = fit(c, vm, g->vtime, stretch, now), weight = (uint64_t)vm->weight * vm->n;

	k->sum += (int64_t)weight * (int64_t)(fair - g->vtime);
	g->vtime = fair;
	dispatch_reweigh(k, fair, weight, (uint64_t)dispatch_weight(stretch) * vm->n);
}

/* Their places in queues are by virtual time and stretch. */
static void requeue(struct core *c, const struct core_vm *vm)
{
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		if (c->vcpus[i].where == CORE_QUEUED)
			core_requeue(c, i);
	}
	if (vm->gang_ordered && !vm->gang_on)
		core_gang_requeue(c, (uint32_t)(vm - c->vms));
}

static void restretch(struct core *c, struct core_vm *vm, uint64_t now)
{
	uint64_t stretch = dispatch_stretch_of(vm->rate, vm_gang(vm) ? vm->n : vm->active);

	if (stretch == vm->stretch)
		return;
	if (vm->gang_on)
		core_gang_charge(c, (uint32_t)(vm - c->vms), now);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++) {
		struct core_vcpu *v = &c->vcpus[i];

		if (v->where == CORE_RUNNING)
			core_charge(c, v->cpu, now);
		if (v->ordered)
			restretch_vcpu(c, vm, v, stretch, now);
	}
	if (vm->gang_ordered)
		restretch_gang(c, vm, stretch, now);
	vm->stretch = stretch;
	vm->weight = dispatch_weight(stretch);
	requeue(c, vm);
}

/* A VM that has been active for longer than a slice may draw on its reservation, whatever it
 * demanded lately. */
static double drawn(const struct core *c, const struct core_vm *vm, uint64_t now)
{
	if (!vm->active || now - vm->busy_since < c->config.slice)
		return 0;
	return fmin(c->tree[vm->node].reservation, vm->active);
}

void core_draw(struct core *c, uint32_t id, uint64_t now)
{
	const struct core_vm *vm = &c->vms[id];

	if (!c->uniform && c->tree[vm->node].demand < drawn(c, vm, now) &&
	    now - c->divided >= DIVIDE_AT_MOST_EVERY)
		core_divide(c, now);
}

void core_active(struct core *c, uint32_t id, uint64_t now, int change)
{
	struct core_vm *vm = &c->vms[id];

	vm->active_ns += vm->active * (now - vm->active_at);
	vm->idle_ns += vm->active ? 0 : now - vm->active_at;
	vm->active_at = now;
	if (!change)
		return;
	vm->active += (uint32_t)change;
	if (c->uniform)
		return;
	if (vm->active == 1 && change > 0)
		vm->busy_since = now;
	restretch(c, vm, now);
}

/* What somebody would use who need not wait: of the time in which it ran or had nothing to do, the
 * part in which it ran. Waiting says nothing about it. */
static double demand_lately(const struct core *c, struct core_use *u, uint64_t run, uint64_t idle,
			    bool active)
{
	u->ran = u->ran * c->kept + (float)(run - u->run);
	u->idled = u->idled * c->kept + (float)(idle - u->idle);
	u->run = run;
	u->idle = idle;
	return u->ran + u->idled > 0 ? u->ran / (u->ran + u->idled) : active;
}

static uint64_t idle_of(const uint64_t *ns)
{
	return ns[LEDGER_HALT] + ns[LEDGER_SWAPWAIT] + ns[LEDGER_WAIT];
}

/* For how long the gang has held CPUs. */
static uint64_t gang_ns(const struct core *c, const struct core_vm *vm, uint64_t now)
{
	const struct core_gang *g = gang_of(c, vm);

	return g->ns + (vm->gang_on ? now - g->began : 0);
}

static double demand_of_vcpu(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	const uint64_t *ns = v->ledger.ns;

	ledger_advance(&v->ledger, now);
	return demand_lately(c, &c->uses[vcpu], ns[LEDGER_RUN], idle_of(ns), v->wants);
}

/* What the VM could use, in CPUs. */
static double demand_of(struct core *c, struct core_vm *vm, uint64_t now)
{
	double sum = 0;

	core_active(c, (uint32_t)(vm - c->vms), now, 0);
	if (vm_gang(vm))
		sum = vm->n * demand_lately(c, &c->uses[vm->first], gang_ns(c, vm, now),
					    vm->idle_ns, vm->active);
	for (uint32_t i = vm->first; !vm_gang(vm) && i < vm->first + vm->n; i++)
		sum += demand_of_vcpu(c, i, now);
	return fmax(sum, drawn(c, vm, now));
}

/* What the host's division promises may be more than a domain has: there its VMs are served by what
 * they were promised, but reservations are kept. */
/* What is there for VMs of so many CPUs. */
static double offered(const struct core *c, double capacity)
{
	double all = core_capacity(c);

	return capacity * (1 - fmin(c->taken / all, TAKEN_MOST));
}

static void divide_domain(struct core *c, uint32_t domain)
{
	struct entitle_node *part = c->parts;
	uint32_t n = 1;

	part[0] = (struct entitle_node){.parent = ENTITLE_NONE, .limit = ENTITLE_UNLIMITED};
	for (uint32_t i = 0; i < c->n_vms; i++) {
		const struct entitle_node *node = &c->tree[c->vms[i].node];

		if (c->vms[i].domain != domain || !c->vms[i].n)
			continue;
		part[n] = *node;
		part[n].parent = 0;
		part[n++].shares = fmax(node->rate, 1e-9);
	}
	entitle_link(part, n);
	entitle_divide(part, n, offered(c, c->domains[domain].capacity));
	n = 1;
	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (c->vms[i].domain == domain && c->vms[i].n)
			c->vms[i].promised = part[n++].rate;
	}
}

/* What the VM is served by: who always wants to run has no use for more than its vCPUs, and would
 * only ever fall behind; who pauses makes up for it while it runs. */
static double usable(const struct core *c, const struct core_vm *vm)
{
	double most = c->tree[vm->node].demand > ALWAYS * vm->n ? 1 : RATE_MOST;

	return fmin(vm->promised, most * vm->n);
}

/* What the VM would use if each of its vCPUs that want to run was served at the rate that they all
 * have together. */
static double used_at_rate(const struct core *c, const struct core_vm *vm)
{
	double demand = c->tree[vm->node].demand, speed = fmin(1, c->tree[vm->node].rate / vm->n);

	return speed > 0 && demand > 0 ? vm->n / (1 / speed + vm->n / demand - 1) : 0;
}

/* What it uses. What it does not use because it waits for longer than by its rate is not left to
 * others: they would keep it waiting by that. */
static double used_by(const struct core *c, const struct core_vm *vm)
{
	const struct entitle_node *node = &c->tree[vm->node];
	double ran = 0;

	if (c->span <= 0 || node->demand >= node->limit || node->demand <= node->reservation ||
	    node->demand > ALWAYS * vm->n)
		return node->demand;
	if (vm_gang(vm))
		return vm->n * (double)c->uses[vm->first].ran / c->span;
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		ran += (double)c->uses[i].ran;
	return fmax(ran / c->span, used_at_rate(c, vm));
}

/* A VM's part of its pool; one that has just come has all of it. */
static void set_part(struct budget *part, uint64_t quota)
{
	if (!part->quota && !part->left)
		part->left = (int64_t)quota;
	part->quota = quota;
}

static bool all_alike(const struct core *c)
{
	double shares = 0;

	for (uint32_t i = 0; i < c->shape.groups; i++) {
		if (c->pools[i].there)
			return false;
	}
	for (uint32_t i = 0; i < c->n_vms; i++) {
		const struct core_vm *vm = &c->vms[i];
		const struct entitle_node *node = &c->tree[vm->node];

		if (!vm->n)
			continue;
		if (vm->n != 1 || vm->budget.period || node->reservation > 0 ||
		    (shares > 0 && node->shares != shares))
			return false;
		shares = node->shares;
	}
	return true;
}

void core_unseen_vcpu(struct core *c, uint32_t vcpu, uint64_t now)
{
	struct core_vcpu *v = &c->vcpus[vcpu];
	const uint64_t *ns = v->ledger.ns;

	ledger_advance(&v->ledger, now);
	c->uses[vcpu] = (struct core_use){.run = ns[LEDGER_RUN], .idle = idle_of(ns)};
}

void core_unseen(struct core *c, uint32_t id, uint64_t now)
{
	struct core_vm *vm = &c->vms[id];

	core_active(c, id, now, 0);
	for (uint32_t i = vm->first; i < vm->first + vm->n; i++)
		core_unseen_vcpu(c, i, now);
	if (vm_gang(vm))
		c->uses[vm->first] = (struct core_use){.run = gang_ns(c, vm, now),
						       .idle = vm->idle_ns};
}

static void begin_to_look(struct core *c, uint64_t now)
{
	for (uint32_t i = 0; i < c->n_vms; i++) {
		c->vms[i].busy_since = c->vms[i].active_at;
		core_unseen(c, i, now);
	}
	c->span = 0;
	c->divided = now;
}

void core_entitle_changed(struct core *c, uint64_t now)
{
	if (!c->uniform)
		return;
	c->uniform = all_alike(c);
	if (c->uniform)
		return;
	begin_to_look(c, now);
	c->next_period = now + c->config.entitle_period;
	if (c->next_balance < c->next_period)
		c->next_period = c->next_balance;
	core_mark_timer(c, core_timers_host(&c->shape));
}

void core_divide(struct core *c, uint64_t now)
{
	if (c->uniform)
		return;
	c->kept = (float)(1 - fmin(1, (double)(now - c->divided) / DEMAND_PERIODS /
					      (double)c->config.entitle_period));
	c->span = c->span * c->kept + (double)(now - c->divided);
	for (uint32_t i = 0; i < c->n_vms; i++) {
		c->tree[c->vms[i].node].demand = demand_of(c, &c->vms[i], now);
		c->tree[c->vms[i].node].used = used_by(c, &c->vms[i]);
	}
	for (uint32_t i = 1; i <= c->shape.groups; i++) /* sums, unless nobody is there */
		c->tree[i].demand = c->tree[i].used = 0;
	entitle_divide(c->tree, core_nodes(&c->shape), offered(c, core_capacity(c)));
	for (uint32_t i = 0; i < c->n_vms; i++)
		c->vms[i].promised = c->tree[c->vms[i].node].rate;
	for (uint32_t i = 0; c->n_domains > 1 && i < c->n_domains; i++)
		divide_domain(c, i);
	for (uint32_t i = 0; i < c->n_vms; i++) {
		struct core_vm *vm = &c->vms[i];
		double rate = c->tree[vm->node].rate;

		vm->rate = (uint64_t)(usable(c, vm) * RATE_ONE);
		if (vm->pool != CORE_NONE)
			set_part(part_of(c, vm), (uint64_t)(rate * (double)c->config.limit_period));
		restretch(c, vm, now);
	}
	for (uint32_t i = 0; i < c->n_domains; i++)
		core_gang_forgive_all(c, i, now);
	c->divided = now;
	c->divisions++;
}
