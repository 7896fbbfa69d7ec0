/* SPDX-License-Identifier: MIT */
#include "vmm/work.h"

#include "vmm/vcpu_interrupts.h"

/* The lock is not held. What virtio_step() returned last. */
static int run_job(const struct machine *m, struct virtio *d, struct virtio_job *j)
{
	int outcome;

	do {
		outcome = virtio_step(d, j);
	} while (outcome > 0 && !machine_has_ended(m) &&
		 !__atomic_load_n(&d->hurry, __ATOMIC_RELAXED));
	return outcome;
}

void work_run(const struct vcpu *v)
{
	struct machine *m = v->machine;
	struct virtio_job j;

	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		struct virtio *d = board_virtio(&m->board, i);

		while (d && !m->end && virtio_take(d, &j)) {
			int outcome;

			machine_unlock(m);
			outcome = run_job(m, d, &j);
			machine_lock(m);
			virtio_put(d, &j, outcome);
			vcpu_tell(v);
		}
	}
}
