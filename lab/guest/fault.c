/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include "agent.h"
#include "base/units.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static void panic_guest(int fd)
{
	int trigger = open("/proc/sysrq-trigger", O_WRONLY);

	(void)fd;
	if (write(trigger, "c", 1) != 1)
		_exit(1); /* the end of init is a panic too */
}

static void kill_agent(int fd)
{
	(void)fd;
	agent_kill();
}

static void write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);

		if (done <= 0)
			return;
		data += done;
		n -= (size_t)done;
	}
}

/* Bytes that are no text, more than any line may hold. */
static void write_garbage(int fd)
{
	char noise[4096];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525u + 1013904223u;
		noise[i] = (char)(x >> 24);
	}
	for (int i = 0; i < 16; i++)
		write_all(fd, noise, sizeof(noise));
	write_all(fd, "\n", 1);
}

static void fall_silent(int fd)
{
	(void)fd;
	for (;;)
		pause();
}

static const struct fault_row {
	const char *name;
	enum fault_point point;
	int skip; /* times that the point is passed unharmed */
	void (*strike)(int fd);
} fault_rows[] = {
	{"boot-panic", FAULT_BOOT, 0, panic_guest},
	{"first-boot-panic", FAULT_BOOT, 0, panic_guest},
	{"boot-silent", FAULT_BOOT, 0, fall_silent},
	{"panic", FAULT_RUN, 0, panic_guest},
	{"agent", FAULT_RUN, 0, kill_agent},
	{"silent", FAULT_RUN, 0, fall_silent},
	{"garbage", FAULT_ANSWER, 2, write_garbage},
};

static const struct fault_row *chosen;
static int passed;

void fault_choose(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fault_rows); i++) {
		if (!strcmp(fault_rows[i].name, name))
			chosen = &fault_rows[i];
	}
}

void fault_point(enum fault_point point, int fd)
{
	if (chosen && chosen->point == point && passed++ >= chosen->skip)
		chosen->strike(fd);
}
