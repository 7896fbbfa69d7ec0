/* SPDX-License-Identifier: MIT */
#include "vmdesched/backlog.h"

#include "base/clock.h"
#include "base/units.h"
#include "guest/ioport.h"

#include <desched/vmdesched.h>
#include <errno.h>
#include <sched.h>
#include <time.h>

#define LOOK NS_PER_MS /* no tick is shorter: this sleeps up to the next one */

static int open_port(struct failure *f)
{
	int err;

	if (!ioport_is_free_in(""))
		return failure_set(f, -ENODEV, "port 0x%x is a device's here (/proc/ioports)",
				   VMDESCHED_PORT);
	err = ioport_open();
	if (err == -ENODEV)
		return failure_set(f, err,
				   "this machine has no VMDesched port (0x%x); desched vm has, "
				   "others need vmdesched without --ticks",
				   VMDESCHED_PORT);
	return err ? failure_errno(f, err, "port 0x%x, which wants CAP_SYS_RAWIO", VMDESCHED_PORT)
		   : 0;
}

int backlog_open(struct failure *f)
{
	struct sched_param p = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
	int err = open_port(f);

	if (!err && sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p))
		err = failure_errno(f, -errno, "a realtime priority, which wants CAP_SYS_NICE");
	return err;
}

static int set_clock_by(uint32_t ms, struct failure *f)
{
	struct timespec t;
	uint64_t now = clock_real() + ms * NS_PER_MS;

	t.tv_sec = (time_t)(now / NS_PER_SEC);
	t.tv_nsec = (long)(now % NS_PER_SEC);
	return clock_settime(CLOCK_REALTIME, &t) ? failure_errno(f, -errno, "setting the clock")
						 : 0;
}

int backlog_run(bool set_clock, struct failure *f)
{
	struct timespec look = {.tv_nsec = LOOK};
	int err = 0;

	while (!err) {
		unsigned bits;

		do
			bits = ioport_read_byte(VMDESCHED_ASK);
		while (bits == VMDESCHED_WANTED || bits == (VMDESCHED_WANTED | VMDESCHED_SET));
		if (bits & ~VMDESCHED_SET) /* all ones: the VM has moved to another monitor */
			return failure_set(f, -ENODEV, "port 0x%x is gone", VMDESCHED_ASK);
		if (set_clock && bits & VMDESCHED_SET)
			err = set_clock_by(ioport_read(VMDESCHED_CLOCK), f);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &look, NULL);
	}
	return err;
}
