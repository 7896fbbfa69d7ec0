/* SPDX-License-Identifier: MIT */
/*
 * clock_pong LOADS: in a guest, ten times a second, asks the host for its time, through memory that
 * both can write: of many questions the one that was answered soonest says between what the two
 * clocks differ. Prints that as "PONG ours host width", ns. Meanwhile LOADS processes, each on a
 * CPU of its own, do nothing but read the counter.
 */
#include "clock_pong.h"

#include "base/clock.h"
#include "base/units.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCI	  "/sys/bus/pci/devices"
#define QUESTIONS 40
#define WAIT_NS	  (2 * NS_PER_MS)

static struct pong *find_memory(void)
{
	DIR *d = opendir(PCI);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[320];
		struct stat st;
		void *p;
		int fd;

		snprintf(path, sizeof(path), PCI "/%s/enable", e->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		snprintf(path, sizeof(path), PCI "/%s/resource2", e->d_name);
		if (fd < 0 || stat(path, &st) || st.st_size != PONG_BYTES)
			continue;
		(void)!write(fd, "1", 1);
		close(fd);
		fd = open(path, O_RDWR | O_CLOEXEC);
		p = mmap(NULL, PONG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		return p == MAP_FAILED ? NULL : p;
	}
	return NULL;
}

/* False: it was not answered in time. */
static int ask_once(struct pong *p, uint64_t *ret_before, uint64_t *ret_after)
{
	uint64_t number = p->ask + 1, before = clock_mono();

	p->ask = number;
	do
		*ret_after = clock_mono();
	while (p->answer != number && *ret_after < before + WAIT_NS);
	if (p->answer != number)
		return 0;
	*ret_after = clock_mono();
	*ret_before = before;
	return 1;
}

static void ask(struct pong *p)
{
	uint64_t best = UINT64_MAX, ours = 0, host = 0;

	p->calling = 1;
	usleep(5000);
	for (int i = 0; i < QUESTIONS; i++) {
		uint64_t before, after;

		if (!ask_once(p, &before, &after) || after - before >= best)
			continue;
		best = after - before;
		ours = before + best / 2;
		host = p->mono;
	}
	p->calling = 0;
	if (best < UINT64_MAX)
		printf("PONG %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", ours, host, best);
	fflush(stdout);
}

static void read_the_counter(int cpu)
{
	cpu_set_t set;

	if (fork())
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (;;)
		clock_ticks();
}

int main(int argc, char **argv)
{
	struct pong *p = find_memory();
	int loads = argc > 1 ? atoi(argv[1]) : 0;

	if (!p) {
		printf("clock_pong: no memory of %u bytes\n", PONG_BYTES);
		return 1;
	}
	for (int i = 0; i < loads; i++)
		read_the_counter(i);
	for (;;) {
		ask(p);
		usleep(90000);
	}
}
