/* SPDX-License-Identifier: MIT */
/* A core's memory. */
#include "policy/core_topology.h"

#include <errno.h>
#include <stdlib.h>

const struct core_config core_defaults = {
	.slice = 5000000,
	.wake_credit = 5000000,
	.granularity = 500000,
	.pull = 1000000,
	.lag_bound = 100000000,
	.debt_bound = 40000000,
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
	part((c)->gangs, core_shape_smp(s) ? (s)->vms : 0);                                        \
	part((c)->held, core_shape_smp(s) ? (s)->cpus : 0);                                        \
	part((c)->vcpu_links, (s)->vcpus);                                                         \
	part((c)->queue_keys, 2 * (s)->cpus);                                                      \
	part((c)->queue_ids, 2 * (s)->cpus);                                                       \
	part((c)->gang_links, (s)->vms);                                                           \
	part((c)->near, (s)->cpus);                                                                \
	part((c)->whole, (s)->cpus / 64 + 1);                                                      \
	part((c)->idle, (s)->cpus / 64 + 1);                                                       \
	part((c)->scratch, (s)->cpus);                                                             \
	part((c)->freed, (s)->cpus);                                                               \
	part((c)->dirty, (s)->cpus);                                                               \
	part((c)->decisions, (s)->cpus);                                                           \
	part((c)->dirty_timers, core_nodes(s));                                                    \
	part((c)->dirty_bits, core_nodes(s) / 64 + 1);                                             \
	part((c)->alarms, core_nodes(s));                                                          \
	part((c)->marked, (s)->vms);                                                               \
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

/* Nothing but the host is there. */
static void init(struct core *c, const struct core_config *config, const struct core_shape *shape)
{
	c->config = *config;
	c->shape = *shape;
	c->shape.sites = NULL;
	c->n_domains = shape->domains;
	c->next_period = CORE_NEVER;
	c->changes = (struct core_changes){.cpus = c->decisions, .alarms = c->alarms};
	for (uint32_t i = 0; i < core_nodes(shape); i++)
		c->tree[i] = (struct entitle_node){
			.parent = ENTITLE_NONE, .child = ENTITLE_NONE, .next = ENTITLE_NONE};
	c->tree[0].shares = 1;
	c->tree[0].limit = ENTITLE_UNLIMITED;
	for (uint32_t i = 0; i < shape->vcpus; i++)
		c->vcpus[i].vm = CORE_NONE;
	for (uint32_t i = 0; i < shape->groups; i++)
		c->pools[i] = (struct core_pool){.up = CORE_NONE, .limit_at = CORE_NEVER};
	for (uint32_t i = 0; i < shape->vms; i++)
		c->vms[i] = (struct core_vm){.pool = CORE_NONE,
					     .skew_at = CORE_NEVER,
					     .limit_at = CORE_NEVER,
					     .node = core_vm_node(c, i)};
}

int core_new(const struct core_config *config, const struct core_shape *shape, struct core **ret)
{
	struct core *c = calloc(1, sizeof(*c));
	bool failed = !c;

	if (failed)
		return -ENOMEM;
	if (!core_topology_valid(shape)) {
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
	init(c, config, shape);
	core_topology_init(c, shape->sites);
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
