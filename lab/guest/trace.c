/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "lab/trace_area.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACING	    "/sys/kernel/tracing"
#define PCI_DEVICES "/sys/bus/pci/devices"

static struct trace_area *area; /* NULL: not looked for yet */

static bool put(const char *file, const char *text)
{
	char path[128];
	int fd;
	bool done;

	snprintf(path, sizeof(path), TRACING "/%s", file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/* The device whose memory is as large as the area's. */
static void *find_area(void)
{
	DIR *d = opendir(PCI_DEVICES);
	void *base = MAP_FAILED;
	struct dirent *e;

	while (base == MAP_FAILED && d && (e = readdir(d))) {
		char path[320];
		struct stat st;
		int fd;

		snprintf(path, sizeof(path), PCI_DEVICES "/%s/resource2", e->d_name);
		if (stat(path, &st) || st.st_size != TRACE_AREA_BYTES)
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		base = mmap(NULL, TRACE_AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (d)
		closedir(d);
	return base == MAP_FAILED ? NULL : base;
}

/* "field:pid_t NAME;	offset:N;" */
static bool find_field(const char *format, const char *name, uint32_t *ret)
{
	char wanted[32];
	const char *at;

	snprintf(wanted, sizeof(wanted), "field:pid_t %s;", name);
	at = strstr(format, wanted);
	return at && sscanf(at + strlen(wanted), " offset:%u;", ret) == 1;
}

static bool find_layout(const char *event, const char *first, const char *second,
			struct trace_event_layout *ret)
{
	char path[128], format[4096];
	const char *id;

	snprintf(path, sizeof(path), TRACING "/events/sched/%s/format", event);
	if (file_read(path, format, sizeof(format)) < 0)
		return false;
	id = strstr(format, "ID: ");
	return id && sscanf(id, "ID: %u", &ret->id) == 1 &&
	       find_field(format, first, &ret->first) && find_field(format, second, &ret->second);
}

const char *trace_start(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	char size[24];

	if (!area)
		area = find_area();
	if (!area)
		return "no memory to leave a trace in";
	memset(area, 0, sizeof(*area));
	area->n_cpus = (uint32_t)cpus;
	if (cpus > (long)TRACE_CPUS_MAX ||
	    !find_layout("sched_switch", "prev_pid", "next_pid", &area->on_switch) ||
	    !find_layout("sched_process_fork", "parent_pid", "child_pid", &area->on_fork))
		return "no trace of this kernel can be read";
	snprintf(size, sizeof(size), "%u", TRACE_AREA_BYTES / 1024 / 2 / (unsigned)cpus);
	if (!put("tracing_on", "0") || !put("buffer_size_kb", size) ||
	    !put("trace_clock", "x86-tsc") || !put("trace", "") || !put("options/overwrite", "0") ||
	    !put("events/sched/sched_switch/enable", "1") ||
	    !put("events/sched/sched_process_fork/enable", "1") || !put("tracing_on", "1"))
		return "this kernel does not trace";
	return NULL;
}

/* What a CPU's statistics call lost. */
static uint64_t count_lost(long cpu)
{
	static const char *const names[] = {"\noverrun: ", "\ndropped events: "};
	char path[128], text[1024] = "";
	uint64_t sum = 0;

	snprintf(path, sizeof(path), TRACING "/per_cpu/cpu%ld/stats", cpu);
	file_read(path, text, sizeof(text));
	for (int i = 0; i < 2; i++) {
		const char *at = strstr(text, names[i]);

		sum += at ? strtoull(at + strlen(names[i]), NULL, 10) : 0;
	}
	return sum;
}

/* Returns how many sub-buffers the CPU had. */
static uint32_t copy_cpu(long cpu, uint8_t **at, const uint8_t *end)
{
	_cleanup_(close_fd) int fd = -1;
	char path[128];
	uint32_t n = 0;

	snprintf(path, sizeof(path), TRACING "/per_cpu/cpu%ld/trace_pipe_raw", cpu);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	for (; fd >= 0 && *at + TRACE_PAGE <= end; n++, *at += TRACE_PAGE)
		if (read(fd, *at, TRACE_PAGE) != (ssize_t)TRACE_PAGE)
			break;
	return n;
}

const char *trace_stop(void)
{
	uint8_t *at = (uint8_t *)area + TRACE_AREA_DATA;
	const uint8_t *end = (uint8_t *)area + TRACE_AREA_BYTES;

	put("tracing_on", "0");
	put("events/enable", "0");
	for (uint32_t cpu = 0; cpu < area->n_cpus; cpu++) {
		area->pages[cpu] = copy_cpu(cpu, &at, end);
		area->lost += count_lost(cpu);
	}
	area->magic = TRACE_AREA_MAGIC;
	return at == end ? "the trace did not fit" : NULL;
}
