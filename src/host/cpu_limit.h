/* SPDX-License-Identifier: MIT */
/*
 * What a VM's cgroups let it use: the quotas of cpu.max, or of the `cpu` controller where cgroups
 * are of version 1.
 */
#ifndef HOST_CPU_LIMIT_H
#define HOST_CPU_LIMIT_H

#include <stddef.h>
#include <sys/types.h>

/*
 * CPUs that the `n` vCPUs of process `pid` may use at once; 0: no limit, or none that can be read.
 * A group that holds the process limits all of them together. One that holds thread `tid`, a vCPU,
 * but not the process limits that vCPU alone, and the others are taken to be limited alike, as
 * libvirt does it. A group of several VMs limits each of them by all that it has. `root` is "", or
 * a directory with a `proc` and a `sys` of its own.
 */
double cpu_limit_of(const char *root, pid_t pid, pid_t tid, size_t n);

#endif
