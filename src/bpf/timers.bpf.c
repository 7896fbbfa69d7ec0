// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Inside a guest: when the timer of a sampling thread really fired, in the timer interrupt itself.
 * What the thread sees later contains the guest's own scheduling, which is not the host's doing.
 */
#include "kernel.h"

#include "timers.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct hrtimer {
	__u64 unused;
};

/* What clock_nanosleep(2) waits on. */
struct hrtimer_sleeper {
	struct hrtimer timer;
	struct task_struct *task;
} __attribute__((preserve_access_index));

struct timers_shared shared;

SEC("syscall")
int enlist(struct timers_enlist *who)
{
	shared.sampler[who->cpu & (TIMERS_CPUS_MAX - 1)] = bpf_get_current_task();
	return 0;
}

/* Most timers are no sleepers; whatever stands there instead of a task is then only compared. */
SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(on_expire, struct hrtimer *timer)
{
	__u32 cpu = bpf_get_smp_processor_id() & (TIMERS_CPUS_MAX - 1);
	struct hrtimer_sleeper *sleeper = (struct hrtimer_sleeper *)timer;
	struct timers_fire *fire = &shared.fire[cpu];

	if ((__u64)BPF_CORE_READ(sleeper, task) != shared.sampler[cpu] || !shared.sampler[cpu])
		return 0;
	fire->time = bpf_ktime_get_ns();
	fire->tid = (__u32)bpf_get_current_pid_tgid();
	fire->count++;
	return 0;
}
