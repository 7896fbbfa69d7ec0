/* SPDX-License-Identifier: MIT */
#include "host/measure_bound.h"

#include "base/units.h"
#include "bpf/vcpu.h"
#include "host/measure_parts.h"

#include <errno.h>
#include <inttypes.h>

#define FIRST_USER    1000
#define FIRST_SERVICE 60001
#define LAST_SERVICE  65533

struct room {
	uint64_t vms, vcpus;
};

bool measure_bound_has(uid_t uid)
{
	return uid >= FIRST_USER && (uid < FIRST_SERVICE || uid > LAST_SERVICE);
}

static void take(struct room *r, uint32_t n_vcpus)
{
	r->vms++;
	r->vcpus += n_vcpus;
}

static bool is_beyond(const struct room *taken, const struct room *bound)
{
	return taken->vms > bound->vms || taken->vcpus > bound->vcpus;
}

int measure_bound_check(const struct measurement *m, uid_t uid, uint32_t n_vcpus, struct failure *f)
{
	const uint64_t vms = m->parts->setup.user_vms ? m->parts->setup.user_vms : MEASURE_USER_VMS;
	const struct room one = {vms, MEASURE_USER_VCPUS * vms};
	const struct room all = {u64_max(VCPU_PROCESSES / 2, one.vms),
				 u64_max(VCPU_SLOTS / 2, one.vcpus)};
	struct room own = {0}, others = {0};

	if (!measure_bound_has(uid))
		return 0;
	take(&own, n_vcpus);
	take(&others, n_vcpus);
	for (size_t i = 0; i < m->n; i++) {
		const struct measured *x = m->vms[i];

		if (x->id < 0 || !measure_bound_has(x->uid))
			continue;
		take(&others, x->vm.n_vcpus);
		if (x->uid == uid)
			take(&own, x->vm.n_vcpus);
	}
	if (is_beyond(&own, &one))
		return failure_set(f, -EDQUOT,
				   "user %u has %" PRIu64 " VMs with %" PRIu64
				   " vCPUs, of which %" PRIu64 " and %" PRIu64
				   " are measured at most (usermax)",
				   uid, own.vms, own.vcpus, one.vms, one.vcpus);
	if (is_beyond(&others, &all))
		return failure_set(f, -EDQUOT,
				   "users without privilege have %" PRIu64 " VMs with %" PRIu64
				   " vCPUs, of which %" PRIu64 " and %" PRIu64
				   " are measured at most",
				   others.vms, others.vcpus, all.vms, all.vcpus);
	return 0;
}
