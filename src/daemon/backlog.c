/* SPDX-License-Identifier: MIT */
#include "daemon/backlog.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"

#include <desched/vmdesched.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef __x86_64__
#include <sys/io.h>
#else /* no ports, and no such monitor */
static int ioperm(unsigned long from, unsigned long n, int on)
{
	(void)from, (void)n, (void)on;
	return errno = ENODEV, -1;
}
static uint8_t inb(uint16_t port)
{
	return (uint8_t)(port | UINT8_MAX);
}
static uint32_t inl(uint16_t port)
{
	return port | UINT32_MAX;
}
#endif

#define IOPORTS "/proc/ioports"
#define LOOK	NS_PER_MS /* no tick is shorter: this sleeps up to the next one */

/* Windows of a PCI bus hold ports that nobody has to have. */
bool backlog_port_is_free(const char *ioports)
{
	for (const char *line = ioports; line && *line; line = strchr(line, '\n')) {
		unsigned first, last;
		char name[16] = "";

		line += *line == '\n';
		if (sscanf(line, " %x-%x : %15[^\n]", &first, &last, name) >= 2 &&
		    first < VMDESCHED_PORT + VMDESCHED_PORTS && last >= VMDESCHED_PORT &&
		    strncmp(name, "PCI Bus", 7) != 0)
			return false;
	}
	return true;
}

static int open_port(struct failure *f)
{
	char text[32768];

	if (file_read(IOPORTS, text, sizeof(text)) < 0)
		return failure_errno(f, -ENODEV, IOPORTS);
	if (!backlog_port_is_free(text))
		return failure_set(f, -ENODEV, "port 0x%x is a device's here (" IOPORTS ")",
				   VMDESCHED_PORT);
	if (ioperm(VMDESCHED_PORT, VMDESCHED_PORTS, 1))
		return failure_errno(f, -errno, "port 0x%x, which wants CAP_SYS_RAWIO",
				     VMDESCHED_PORT);
	if (inl(VMDESCHED_PORT) == VMDESCHED_MAGIC)
		return 0;
	ioperm(VMDESCHED_PORT, VMDESCHED_PORTS, 0);
	return failure_set(f, -ENODEV,
			   "this machine has no VMDesched port (0x%x); desched vm has, others need "
			   "vmdesched without --ticks",
			   VMDESCHED_PORT);
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
			bits = inb(VMDESCHED_ASK);
		while (bits == VMDESCHED_WANTED || bits == (VMDESCHED_WANTED | VMDESCHED_SET));
		if (bits & ~VMDESCHED_SET) /* all ones: the VM has moved to another monitor */
			return failure_set(f, -ENODEV, "port 0x%x is gone", VMDESCHED_ASK);
		if (set_clock && bits & VMDESCHED_SET)
			err = set_clock_by(inl(VMDESCHED_CLOCK), f);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &look, NULL);
	}
	return err;
}
