/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The few kernel types that our BPF programs touch, by hand and relocatable (CO-RE): the build
 * needs no running kernel's BTF, and a field that a kernel does not have is asked for with
 * bpf_core_field_exists() where it is used.
 */
#ifndef BPF_KERNEL_H
#define BPF_KERNEL_H

#include <linux/types.h>
#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define TASK_COMM_LEN 16

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct;

struct rq {
	struct task_struct *curr;
	__u64 prev_steal_time;	  /* CONFIG_PARAVIRT */
	__u64 prev_steal_time_rq; /* CONFIG_PARAVIRT_TIME_ACCOUNTING */
};

struct css_set;

struct cfs_rq {
	struct rq *rq;
};

struct sched_entity {
	__u64 sum_exec_runtime;
	__u64 prev_sum_exec_runtime; /* as of the last switch in; fair class only */
	struct cfs_rq *cfs_rq;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level; /* of the innermost PID namespace that it is in, 0 for the first */
	struct upid numbers[1];
};

struct thread_info {
	__u32 cpu; /* 5.16 on */
};

struct cpumask {
	unsigned long bits[1];
};

struct sched_ext_entity { /* CONFIG_SCHED_CLASS_EXT */
	__u32 weight;	  /* of its nice value, 100 for nice 0 */
	__u64 slice;	  /* ns that are left */
};

typedef struct {
	unsigned long sig[1];
} kernel_sigset;

struct sigpending {
	kernel_sigset signal;
};

struct signal_struct {
	struct sigpending shared_pending;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	int pid;
	int tgid;
	unsigned int __state; /* 5.14 on */
	int on_cpu;	      /* CONFIG_SMP */
	int exit_state;
	int prio;
	struct sched_entity se;
	struct sched_ext_entity scx;
	int nr_cpus_allowed;
	const struct cpumask *cpus_ptr;
	unsigned long jobctl;
	struct signal_struct *signal;
	struct sigpending pending;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct css_set *cgroups; /* its place in every hierarchy */
	char comm[TASK_COMM_LEN];
	__u64 start_boottime;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task; /* NULL at the end */
};

/* A task's registers at its entry into the kernel. */
#if defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	int syscallno;
};
#else
struct pt_regs {
	unsigned long dx;
	unsigned long si;
	unsigned long orig_ax;
};
#endif

#pragma clang attribute pop

/* What was written before is seen by whoever sees this. Stores are seen in order on x86, elsewhere it
 * takes an exchange: BPF has no store-release before 6.15. */
#if defined(__TARGET_ARCH_x86)
#define publish(to, value)                                                                         \
	({                                                                                         \
		barrier();                                                                         \
		*(volatile typeof(*(to)) *)(to) = (value);                                         \
	})
#else
#define publish(to, value) __sync_lock_test_and_set(to, value)
#endif

#endif
