/* SPDX-License-Identifier: MIT */
/* How the kernel counts time: accounting, ticks, clocks, and what its command line changes. */
#include "doctor/checks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The option `what` should be set. */
static enum verdict look_config(struct exam *e)
{
	char value[FACT_CONFIG_SIZE];

	if (fact_config(e->tree, e->check->what, value))
		return exam_cannot_tell(e,
					"no kernel configuration in /proc, /boot or /lib/modules");
	return exam_judge(e, value[0] == 'y', "%s=%s", e->check->what, value);
}

/* The generic way works on CPUs in nohz_full= only; everywhere else it samples, too. */
static enum verdict look_split(struct exam *e)
{
	char native[FACT_CONFIG_SIZE], generic[FACT_CONFIG_SIZE], cmdline[4096];
	bool on;

	if (fact_config(e->tree, "CONFIG_VIRT_CPU_ACCOUNTING_NATIVE", native) ||
	    fact_config(e->tree, "CONFIG_VIRT_CPU_ACCOUNTING_GEN", generic))
		return exam_cannot_tell(e,
					"no kernel configuration in /proc, /boot or /lib/modules");
	if (native[0] == 'y')
		return exam_good(e, "CONFIG_VIRT_CPU_ACCOUNTING_NATIVE=y");
	if (generic[0] != 'y')
		return exam_bad(e, "CONFIG_TICK_CPU_ACCOUNTING");
	if (tree_read(e->tree, cmdline, sizeof(cmdline), "/proc/cmdline") < 0)
		return exam_cannot_tell(e, "no /proc/cmdline");
	on = fact_parameter(cmdline, "nohz_full=", strlen("nohz_full="));
	return exam_judge(
		e, on, "CONFIG_VIRT_CPU_ACCOUNTING_GEN=y %s nohz_full=", on ? "with" : "without");
}

static enum verdict look_tick_rate(struct exam *e)
{
	char value[FACT_CONFIG_SIZE];
	unsigned long hz;

	if (fact_config(e->tree, "CONFIG_HZ", value))
		return exam_cannot_tell(e,
					"no kernel configuration in /proc, /boot or /lib/modules");
	hz = strtoul(value, NULL, 10);
	if (!hz || hz > 100000)
		return exam_cannot_tell(e, "CONFIG_HZ is not a rate");
	return exam_judge(e, hz <= 250, "%lu ticks a second and CPU", hz);
}

static enum verdict look_clocksource(struct exam *e)
{
	static const char *const slow[] = {"acpi_pm", "hpet", "jiffies", "refined-jiffies", "pit"};
	char name[64];

	if (tree_line(e->tree, name, sizeof(name),
		      "/sys/devices/system/clocksource/clocksource0/current_clocksource"))
		return exam_cannot_tell(e, "no current_clocksource in /sys");
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
		if (!strcmp(name, slow[i]))
			return exam_bad(e, "the clock is %s", name);
	return exam_good(e, "the clock is %s", name);
}

static const struct check rows[] = {
	{.id = "time-accounting",
	 .title = "The kernel subtracts steal from processes",
	 .severity = SEVERITY_WARNING,
	 .look = look_config,
	 .what = "CONFIG_PARAVIRT_TIME_ACCOUNTING",
	 .why = "Without this option every process's CPU time contains the time when its vCPU was "
		"descheduled; Debian and Ubuntu build without it. vmdesched tells the two apart.",
	 .source = "vmdesched; kernel: arch/x86/Kconfig",
	 .remedy = "systemctl enable --now vmdesched   # or boot a kernel that has the option"},
	{.id = "user-system-split",
	 .title = "User and system time can be told apart exactly",
	 .severity = SEVERITY_NOTE,
	 .look = look_split,
	 .why = "Otherwise user and system time are samples at ticks, and ticks that come late or "
		"in bursts after a gap land on innocent processes.",
	 .source = "friedman-blog; kernel: Documentation/timers/no_hz.rst"},
	{.id = "sched-info",
	 .title = "The kernel counts run and wait time of every task",
	 .severity = SEVERITY_NOTE,
	 .look = exam_schedstat,
	 .why = "The one CPU time that is not sampled: what exact tools build on.",
	 .source = "kernel: Documentation/scheduler/sched-stats.rst"},
	{.id = "tick-rate",
	 .title = "At most 250 ticks a second",
	 .severity = SEVERITY_NOTE,
	 .look = look_tick_rate,
	 .why = "Every tick of every vCPU is an exit to the host, and ticks that pile up during a "
		"gap have to be made up for.",
	 .source = "linux-manual; vmdesched",
	 .remedy = "apt-get install linux-image-cloud-amd64   # 250 Hz"},
	{.id = "tickless",
	 .title = "Idle vCPUs have no ticks",
	 .severity = SEVERITY_WARNING,
	 .look = look_config,
	 .what = "CONFIG_NO_HZ_COMMON",
	 .why = "An idle vCPU that ticks costs the host 1 to 2 % of a core.",
	 .source = "vmkernel-sched; kernel: Documentation/timers/no_hz.rst"},
	{.id = "clocksource",
	 .title = "The clock can be read without an exit",
	 .severity = SEVERITY_WARNING,
	 .look = look_clocksource,
	 .why = "Reading an emulated timer costs a thousand times what the counter costs, and "
		"databases read the clock all the time.",
	 .source = "linux-manual; kernel: Documentation/virt/kvm/x86/timekeeping.rst",
	 .remedy = "echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource   # "
		   "or kvm-clock"},
	{.id = "cmdline-clock",
	 .title = "No clock is forced on the command line",
	 .severity = SEVERITY_WARNING,
	 .look = exam_parameters,
	 .what = "notsc clocksource= nohz=off highres=off divider= nolapic_timer lpj= noapic "
		 "nolapic acpi=off",
	 .why = "Left from the time of lost ticks, these words keep today's kernels from the clock "
		"and timers that work best.",
	 .source = "linux-manual; kernel: Documentation/admin-guide/kernel-parameters.txt",
	 .remedy =
		 "sed -i 's/clocksource=[^ \"]*//' /etc/default/grub && update-grub   # the words "
		 "that were found"},
	{.id = "cmdline-paravirt",
	 .title = "Help from the hypervisor is not switched off",
	 .severity = SEVERITY_WARNING,
	 .look = exam_parameters,
	 .what = "no-steal-acc no-kvmclock no-kvmclock-vsyscall nopv nopvspin no-kvmapf xen_nopv "
		 "xen_nopvspin hv_nopvspin no-vmw-sched-clock",
	 .why = "They hide the steal clock, or let a vCPU spin for a lock whose holder is "
		"descheduled.",
	 .source = "kernel: Documentation/admin-guide/kernel-parameters.txt",
	 .remedy = "sed -i 's/no-steal-acc//' /etc/default/grub && update-grub   # the words that "
		   "were found"},
	{.id = "cmdline-idle",
	 .title = "Idle vCPUs halt",
	 .severity = SEVERITY_SERIOUS,
	 .look = exam_parameters,
	 .what = "idle=poll nohlt no-hlt",
	 .why = "A guest that polls when idle takes its whole share of every CPU from its "
		"neighbours, like one stuck in a loop.",
	 .source = "vmkernel-sched; kernel: Documentation/admin-guide/kernel-parameters.txt",
	 .remedy = "sed -i 's/idle=poll//' /etc/default/grub && update-grub"},
	{.id = "softlockup-panic",
	 .title = "A long gap does not panic the kernel (soft lockup)",
	 .severity = SEVERITY_SERIOUS,
	 .look = exam_number,
	 .where = "/proc/sys/kernel/softlockup_panic",
	 .what = "kernel.softlockup_panic",
	 .why = "The watchdog cannot tell a loop from a vCPU that was descheduled, paused or "
		"migrated.",
	 .source = "kernel: Documentation/admin-guide/lockup-watchdogs.rst",
	 .remedy = "sysctl -w kernel.softlockup_panic=0"},
	{.id = "hung-task-panic",
	 .title = "Slow storage does not panic the kernel (hung task)",
	 .severity = SEVERITY_SERIOUS,
	 .look = exam_number,
	 .where = "/proc/sys/kernel/hung_task_panic",
	 .what = "kernel.hung_task_panic",
	 .why = "A storage failover that the disk timeout would survive kills the machine.",
	 .source = "linux-manual; kernel: Documentation/admin-guide/sysctl/kernel.rst",
	 .remedy = "sysctl -w kernel.hung_task_panic=0"},
	{.id = "nmi-watchdog",
	 .title = "No watchdog by performance counter",
	 .severity = SEVERITY_NOTE,
	 .look = exam_number,
	 .where = "/proc/sys/kernel/nmi_watchdog",
	 .what = "kernel.nmi_watchdog",
	 .why = "A guest's performance counters are emulated: each overflow is exits, and a gap "
		"looks like a lockup.",
	 .source = "kernel: Documentation/admin-guide/sysctl/kernel.rst",
	 .remedy = "sysctl -w kernel.nmi_watchdog=0"},
};

const struct check_group checks_kernel = {"kernel", rows, ARRAY_SIZE(rows), false};
