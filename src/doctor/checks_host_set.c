/* SPDX-License-Identifier: MIT */
/* A host of VMs: what is set there that VMs suffer from. */
#include "doctor/checks.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HALT_POLL_MAX 200000 /* ns: the kernel's own default */

static enum verdict look_rt_throttling(struct exam *e)
{
	char line[64], *end;
	long us;

	if (tree_line(e->tree, line, sizeof(line), "/proc/sys/kernel/sched_rt_runtime_us"))
		return exam_cannot_tell(e, "no /proc/sys/kernel/sched_rt_runtime_us");
	us = strtol(line, &end, 10);
	if (end == line || *end)
		return exam_cannot_tell(e, "kernel.sched_rt_runtime_us is not a number");
	return exam_judge(e, us >= 0, "kernel.sched_rt_runtime_us is %ld", us);
}

/* Whether the pages that it saves are worth its work, where the kernel says so. */
static enum verdict look_ksm(struct exam *e)
{
	uint64_t run, sharing;
	char profit[64];

	if (tree_uint(e->tree, &run, "/sys/kernel/mm/ksm/run"))
		return exam_cannot_tell(e, "no /sys/kernel/mm/ksm/run");
	if (run != 1)
		return exam_good(e, "off");
	if (!tree_line(e->tree, profit, sizeof(profit), "/sys/kernel/mm/ksm/general_profit"))
		return exam_judge(e, profit[0] != '-' && strcmp(profit, "0"),
				  "on, general_profit is %s bytes", profit);
	if (tree_uint(e->tree, &sharing, "/sys/kernel/mm/ksm/pages_sharing"))
		return exam_cannot_tell(e, "on, but it does not say what it saves");
	return exam_judge(e, sharing, "on, %" PRIu64 " pages saved", sharing);
}

static enum verdict look_thp(struct exam *e)
{
	char line[128];

	if (tree_line(e->tree, line, sizeof(line), "/sys/kernel/mm/transparent_hugepage/enabled"))
		return exam_cannot_tell(e, "no /sys/kernel/mm/transparent_hugepage/enabled");
	return exam_judge(e, !strstr(line, "[never]"), "%s", line);
}

/* Drivers whose hardware chooses: "powersave" is only its name for that. */
static bool chooses_itself(const struct exam *e, const char *policy)
{
	char driver[64];

	return !tree_line(e->tree, driver, sizeof(driver),
			  "/sys/devices/system/cpu/cpufreq/%s/scaling_driver", policy) &&
	       (!strcmp(driver, "intel_pstate") || !strncmp(driver, "amd-pstate-epp", 14) ||
		!strcmp(driver, "amd_pstate_epp"));
}

static bool is_slow(const struct exam *e, const char *policy, const char *governor)
{
	if (!strcmp(governor, "powersave"))
		return !chooses_itself(e, policy);
	return !strcmp(governor, "ondemand") || !strcmp(governor, "conservative");
}

static enum verdict look_governor(struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names policies = {.list = NULL};
	char governor[64] = "";
	int n = 0;

	if (!tree_has(e->tree, "/sys/devices/system/cpu"))
		return exam_cannot_tell(e, "no /sys/devices/system/cpu");
	if (tree_names(e->tree, "/sys/devices/system/cpu/cpufreq", &policies))
		return exam_not_here(e, "the kernel does not set frequencies here");
	for (int i = 0; i < policies.n; i++) {
		const char *policy = policies.list[i]->d_name;

		if (tree_line(e->tree, governor, sizeof(governor),
			      "/sys/devices/system/cpu/cpufreq/%s/scaling_governor", policy))
			continue;
		n++;
		if (is_slow(e, policy, governor))
			exam_add(e, "%s: %s", policy, governor);
	}
	if (!n)
		return exam_not_here(e, "the kernel does not set frequencies here");
	return e->found[0] ? VERDICT_BAD : exam_good(e, "%s", governor);
}

static enum verdict look_swap(struct exam *e)
{
	uint64_t bytes;

	if (fact_memory(e->tree, "SwapTotal", &bytes))
		return exam_cannot_tell(e, "no SwapTotal in /proc/meminfo");
	return exam_judge(e, bytes, "%" PRIu64 " MiB of swap", bytes / MIB);
}

static int count_nodes(const struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names files = {.list = NULL};
	int n = 0;

	if (tree_names(e->tree, "/sys/devices/system/node", &files))
		return -ENOENT;
	for (int i = 0; i < files.n; i++) {
		const char *name = files.list[i]->d_name;

		n += !strncmp(name, "node", 4) && isdigit((unsigned char)name[4]);
	}
	return n;
}

static enum verdict look_numa(struct exam *e)
{
	int nodes = count_nodes(e);
	uint64_t on;

	if (nodes < 0)
		return exam_cannot_tell(e, "no /sys/devices/system/node");
	if (nodes < 2)
		return exam_not_here(e, "one node");
	if (tree_uint(e->tree, &on, "/proc/sys/kernel/numa_balancing"))
		return exam_cannot_tell(e, "no /proc/sys/kernel/numa_balancing");
	return exam_judge(e, on, "%d nodes, kernel.numa_balancing is %" PRIu64, nodes, on);
}

static const char *const vendors[] = {"kvm_intel", "kvm_amd"};

/* A parameter of the vendor's module. -ENOENT where neither is loaded. */
static int vendor_parameter(const struct exam *e, const char *intel, const char *amd, char ret[64],
			    const char **ret_module)
{
	const char *const names[] = {intel, amd};

	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
		if (tree_line(e->tree, ret, 64, "/sys/module/%s/parameters/%s", vendors[i],
			      names[i]))
			continue;
		*ret_module = vendors[i];
		return 0;
	}
	return -ENOENT;
}

static enum verdict no_vendor(struct exam *e)
{
	if (!tree_has(e->tree, "/sys/module"))
		return exam_cannot_tell(e, "no /sys/module");
	return exam_not_here(e, "neither kvm_intel nor kvm_amd is loaded");
}

static enum verdict look_nested(struct exam *e)
{
	const char *module;
	char line[64];

	if (vendor_parameter(e, "nested", "nested", line, &module))
		return no_vendor(e);
	return exam_judge(e, line[0] == 'N' || line[0] == '0', "%s: nested is %s", module, line);
}

static enum verdict look_pause(struct exam *e)
{
	const char *module;
	char line[64];

	if (vendor_parameter(e, "ple_gap", "pause_filter_count", line, &module))
		return no_vendor(e);
	return exam_judge(e, strcmp(line, "0"), "%s: exits after %s PAUSEs", module,
			  strcmp(line, "0") ? "some" : "no");
}

static enum verdict look_halt_poll(struct exam *e)
{
	uint64_t ns;

	if (!tree_has(e->tree, "/sys/module"))
		return exam_cannot_tell(e, "no /sys/module");
	if (tree_uint(e->tree, &ns, "/sys/module/kvm/parameters/halt_poll_ns"))
		return exam_not_here(e, "kvm is not loaded");
	return exam_judge(e, ns <= HALT_POLL_MAX, "kvm: halt_poll_ns is %" PRIu64, ns);
}

static enum verdict look_host_clock(struct exam *e)
{
	char name[64];

	if (tree_line(e->tree, name, sizeof(name),
		      "/sys/devices/system/clocksource/clocksource0/current_clocksource"))
		return exam_cannot_tell(e, "no current_clocksource in /sys");
	return exam_judge(e,
			  !strcmp(name, "tsc") || !strcmp(name, "kvm-clock") ||
				  !strcmp(name, "arch_sys_counter"),
			  "the clock is %s", name);
}

static const struct check rows[] = {
	{.id = "host-autogroup",
	 .title = "Fairness is by VM, not by session",
	 .severity = SEVERITY_WARNING,
	 .look = exam_number,
	 .where = "/proc/sys/kernel/sched_autogroup_enabled",
	 .what = "kernel.sched_autogroup_enabled",
	 .why = "Threads of different sessions then share by session, whatever their number and "
		"weight, and what desched does to threads has no effect across sessions.",
	 .source = "sched(7); desched",
	 .remedy = "sysctl -w kernel.sched_autogroup_enabled=0   # for VMs that start later"},
	{.id = "host-rt-throttling",
	 .title = "Real-time threads leave something over",
	 .severity = SEVERITY_WARNING,
	 .look = look_rt_throttling,
	 .why = "Without throttling one real-time thread in a loop stops every VM on its CPU, and "
		"whoever could end it.",
	 .source = "kernel: Documentation/scheduler/sched-rt-group.rst",
	 .remedy = "sysctl -w kernel.sched_rt_runtime_us=950000"},
	{.id = "host-ksm",
	 .title = "Page sharing pays, or is off",
	 .severity = SEVERITY_NOTE,
	 .look = look_ksm,
	 .why = "It takes CPU time all the time, splits huge pages, and lets guests learn by "
		"timing "
		"what others hold; active guests share almost nothing.",
	 .source = "friedman-blog; kernel: Documentation/admin-guide/mm/ksm.rst",
	 .remedy = "echo 2 >/sys/kernel/mm/ksm/run"},
	{.id = "host-huge-pages",
	 .title = "Guests' memory may be in huge pages",
	 .severity = SEVERITY_WARNING,
	 .look = look_thp,
	 .why = "A guest's memory access walks two page tables: small pages on the host make each "
		"walk longer, and there are five hundred times as many.",
	 .source = "kernel: Documentation/admin-guide/mm/transhuge.rst",
	 .remedy = "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled"},
	{.id = "host-governor",
	 .title = "CPUs do not wait for load before they run fast",
	 .severity = SEVERITY_WARNING,
	 .look = look_governor,
	 .why = "Short work of many guests looks like little load: every wake-up runs slowly, and "
		"a "
		"second of CPU time is not the same amount of work.",
	 .source = "kernel: Documentation/admin-guide/pm/cpufreq.rst",
	 .remedy = "cpupower frequency-set -g performance   # or schedutil"},
	{.id = "host-swap",
	 .title = "Overcommitted memory has somewhere to go",
	 .severity = SEVERITY_NOTE,
	 .look = look_swap,
	 .why = "When balloons and page sharing do not suffice, the alternative to swapping slowly "
		"is that a VM is killed.",
	 .source = "linux-manual; friedman-blog",
	 .remedy = "fallocate -l 8G /swap && chmod 600 /swap && mkswap /swap && swapon /swap"},
	{.id = "host-numa-balancing",
	 .title = "Memory follows VMs between nodes",
	 .severity = SEVERITY_NOTE,
	 .look = look_numa,
	 .why = "A VM that was moved reads the other node's memory for ever. It is right to have "
		"this off where all VMs are bound to nodes.",
	 .source = "vmkernel-sched; kernel: Documentation/admin-guide/sysctl/kernel.rst",
	 .remedy = "sysctl -w kernel.numa_balancing=1"},
	{.id = "host-nested",
	 .title = "Guests can't have guests that nobody asked for",
	 .severity = SEVERITY_NOTE,
	 .look = look_nested,
	 .why = "Nested virtualization is much more code that a guest can reach, its exits cost "
		"ten times as much, and such a guest often can't be migrated.",
	 .source = "kernel: Documentation/virt/kvm/x86/running-nested-guests.rst",
	 .remedy = "echo 'options kvm_intel nested=0' >/etc/modprobe.d/kvm.conf   # or kvm_amd"},
	{.id = "host-pause-exits",
	 .title = "A vCPU that spins for a lock gives way",
	 .severity = SEVERITY_WARNING,
	 .look = look_pause,
	 .why = "The lock's holder may be descheduled: without exits for PAUSE its sibling burns a "
		"whole slice waiting for it.",
	 .source = "vmkernel-sched; kernel: arch/x86/kvm",
	 .remedy = "modprobe -r kvm_intel && modprobe kvm_intel ple_gap=128   # kvm_amd: "
		   "pause_filter_count=3000"},
	{.id = "host-halt-polling",
	 .title = "Halted vCPUs do not poll for long",
	 .severity = SEVERITY_NOTE,
	 .look = look_halt_poll,
	 .why = "Before a halted vCPU gives its CPU up, KVM polls for so long: run time of an idle "
		"guest, which other VMs wait for.",
	 .source = "kernel: Documentation/virt/kvm/halt-polling.rst",
	 .remedy = "echo 200000 >/sys/module/kvm/parameters/halt_poll_ns"},
	{.id = "host-clocksource",
	 .title = "The host's clock is one that guests can share",
	 .severity = SEVERITY_WARNING,
	 .look = look_host_clock,
	 .why = "Only with the CPU's own counter as the host's clock can guests read theirs "
		"without "
		"an exit.",
	 .source = "kernel: Documentation/virt/kvm/x86/timekeeping.rst",
	 .remedy = "echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource"},
};

const struct check_group checks_host_set = {"settings", rows, ARRAY_SIZE(rows), true};
