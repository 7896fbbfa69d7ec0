/* SPDX-License-Identifier: MIT */
/*
 * One worker: `work KIND UNIT_NS FD`. Parks until init says go, repeats its kind's unit and counts
 * until init says stop, then stays alive in pause(), so that its figures in /proc can still be
 * read. FD is memory that holds its struct work_slot, shared with init.
 */
#include "base/quantity.h"
#include "kinds.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void park_until_go(struct work_slot *slot)
{
	atomic_store(&slot->parked, WORK_READY);
	while (atomic_load(&slot->order) == WORK_WAIT)
		syscall(SYS_futex, &slot->order, FUTEX_WAIT, WORK_WAIT, NULL, NULL, 0);
	atomic_store(&slot->parked, WORK_BUSY);
}

static void work(const struct work_kind *kind, uint64_t unit_ns, struct work_slot *slot)
{
	while (atomic_load_explicit(&slot->order, memory_order_relaxed) == WORK_GO) {
		if (kind->unit(unit_ns))
			atomic_fetch_add_explicit(&slot->units, 1, memory_order_relaxed);
	}
	atomic_store(&slot->parked, WORK_STOPPED);
}

static struct work_slot *map_slot(int fd)
{
	void *p = mmap(NULL, sizeof(struct work_slot), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

int main(int argc, char **argv)
{
	const struct work_kind *kind;
	struct work_slot *slot;
	struct sched_param param = {0};
	uint64_t unit_ns, fd;

	if (argc != 4 || quantity_count(argv[2], &unit_ns) || quantity_count(argv[3], &fd) ||
	    fd > INT_MAX) {
		fprintf(stderr, "usage: work KIND UNIT_NS FD\n");
		return 2;
	}
	kind = work_kind_find(argv[1]);
	slot = kind ? map_slot((int)fd) : NULL;
	if (!slot) {
		fprintf(stderr, "work: no kind '%s', or no memory at descriptor %s\n", argv[1],
			argv[3]);
		return 1;
	}
	prctl(PR_SET_NAME, kind->name);
	if (setpriority(PRIO_PROCESS, 0, kind->nice))
		perror("work: setpriority");
	param.sched_priority = kind->fifo;
	if (kind->fifo && sched_setscheduler(0, SCHED_FIFO, &param))
		perror("work: sched_setscheduler");
	park_until_go(slot);
	work(kind, unit_ns, slot);
	for (;;)
		pause();
}
