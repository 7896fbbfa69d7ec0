/* SPDX-License-Identifier: MIT */
/*
 * What a lab guest leaves in memory that it shares with the lab: its kernel's own record of context
 * switches and forks, the raw sub-buffers of ftrace, and where the fields are in them. Written by
 * lab/guest/trace.c, read by ftrace.c, which believes nothing of it.
 */
#ifndef LAB_TRACE_AREA_H
#define LAB_TRACE_AREA_H

#include <stdint.h>

#define TRACE_AREA_BYTES (64u << 20)
#define TRACE_AREA_MAGIC 0x4543415254424c44ull /* "DLBTRACE" read as little-endian bytes */
#define TRACE_AREA_DATA	 4096u		       /* where the first sub-buffer is */
#define TRACE_PAGE	 4096u		       /* bytes of a sub-buffer */
#define TRACE_CPUS_MAX	 16u

/* An event's number, and where two of its fields are: both are pids of 4 bytes. */
struct trace_event_layout {
	uint32_t id, first, second;
};

struct trace_area {
	uint64_t magic; /* written last */
	uint32_t n_cpus;
	uint32_t reserved;
	struct trace_event_layout on_switch; /* prev_pid, next_pid */
	struct trace_event_layout on_fork;   /* parent_pid, child_pid */
	uint64_t lost;			     /* events that found no room */
	uint32_t pages[TRACE_CPUS_MAX];	     /* sub-buffers of each CPU, one CPU after the other */
};

#endif
