/* SPDX-License-Identifier: MIT */
/* The kernel's taskstats interface, as far as it tells of CPU time. */
#ifndef LAB_GUEST_TASKSTATS_H
#define LAB_GUEST_TASKSTATS_H

#include <stdint.h>
#include <sys/types.h>

/* What the task had by the kernel's timer ticks, ns: cpu_run_real_total. 0 where it is not
 * known. */
uint64_t taskstats_ticks_ns(pid_t tid);

#endif
