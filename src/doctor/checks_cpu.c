/* SPDX-License-Identifier: MIT */
/* How many vCPUs, of which kind, and how much they get. */
#include "doctor/checks.h"

#include "base/cleanup.h"
#include "base/proc.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define STEAL_MAX 0.05 /* of all CPU time since boot */

static int read_load(const struct exam *e, double *ret)
{
	char line[128];
	double load;

	if (tree_line(e->tree, line, sizeof(line), "/proc/loadavg") ||
	    sscanf(line, "%*f %*f %lf", &load) != 1 || !isfinite(load) || load < 0)
		return -ENOENT;
	*ret = load;
	return 0;
}

static bool long_enough(const struct exam *e)
{
	char line[128];
	double up;

	return !tree_line(e->tree, line, sizeof(line), "/proc/uptime") &&
	       sscanf(line, "%lf", &up) == 1 && up >= 3600;
}

static enum verdict look_too_many(struct exam *e)
{
	unsigned cpus;
	double load;

	if (fact_cpus(e->tree, &cpus) || read_load(e, &load))
		return exam_cannot_tell(e, "no CPUs in /proc/stat, or no /proc/loadavg");
	if (!long_enough(e))
		return exam_cannot_tell(e, "no hour since boot: the load says nothing yet");
	return exam_judge(e, cpus <= 2 || load >= cpus / 4.0, "%u vCPUs for a load of %.2f", cpus,
			  load);
}

static enum verdict look_too_few(struct exam *e)
{
	unsigned cpus;
	double load;

	if (fact_cpus(e->tree, &cpus) || read_load(e, &load))
		return exam_cannot_tell(e, "no CPUs in /proc/stat, or no /proc/loadavg");
	return exam_judge(e, load <= 2.0 * cpus, "%u vCPU%s for a load of %.2f", cpus,
			  cpus == 1 ? "" : "s", load);
}

static enum verdict look_steal_share(struct exam *e)
{
	double busy, steal, all;
	char text[8192];
	struct proc_cpu c;

	if (tree_read(e->tree, text, sizeof(text), "/proc/stat") < 0 ||
	    proc_parse_cpu(text, -1, &c))
		return exam_cannot_tell(e, "no steal column in /proc/stat");
	busy = ns_to_s(c.busy_ns);
	steal = ns_to_s(c.steal_ns);
	all = busy + steal + ns_to_s(c.idle_ns);
	if (all < 60)
		return exam_cannot_tell(e, "no minute of CPU time so far");
	return exam_judge(e, steal / all <= STEAL_MAX, "%.1f %% stolen since boot, %.1f %% busy",
			  100 * steal / all, 100 * busy / all);
}

static enum verdict look_offline(struct exam *e)
{
	char list[128];
	int err = tree_line(e->tree, list, sizeof(list), "/sys/devices/system/cpu/offline");

	if (err == -ENODATA)
		return exam_good(e, "all vCPUs are online");
	if (err)
		return exam_cannot_tell(e, "no /sys/devices/system/cpu/offline");
	return exam_bad(e, "offline: %s", list);
}

static enum verdict look_model(struct exam *e)
{
	static const char *const plain[] = {"QEMU Virtual CPU", "Common KVM processor",
					    "Common 32-bit KVM processor"};
	char text[8192], model[128];

	if (tree_read(e->tree, text, sizeof(text), "/proc/cpuinfo") < 0)
		return exam_cannot_tell(e, "no /proc/cpuinfo");
	if (fact_field(text, "model name", model, sizeof(model)))
		return exam_not_here(e, "no x86 CPU in /proc/cpuinfo");
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (!strncmp(model, plain[i], strlen(plain[i])))
			return exam_bad(e, "%s", model);
	return exam_good(e, "%s", model);
}

static enum verdict look_mitigations(struct exam *e)
{
	static const char dir[] = "/sys/devices/system/cpu/vulnerabilities";
	_cleanup_(tree_names_free) struct tree_names files = {.list = NULL};
	char line[256];
	int seen = 0;

	if (tree_names(e->tree, dir, &files))
		return exam_cannot_tell(e, "no %s", dir);
	for (int i = 0; i < files.n; i++) {
		const char *name = files.list[i]->d_name;

		if (tree_line(e->tree, line, sizeof(line), "%s/%s", dir, name))
			continue;
		seen++;
		if (!strncmp(line, "Vulnerable", strlen("Vulnerable")))
			exam_add(e, "%s", name);
	}
	if (!seen)
		return exam_cannot_tell(e, "%s is empty", dir);
	return e->found[0] ? VERDICT_BAD : exam_good(e, "%d known, none open", seen);
}

static const struct check rows[] = {
	{.id = "vcpus-many",
	 .title = "No more vCPUs than the load needs",
	 .severity = SEVERITY_NOTE,
	 .look = look_too_many,
	 .why = "SMP only when needed: an idle vCPU costs the host 1 to 2 % of a core, has to be "
		"scheduled with its siblings, and adds timer interrupts.",
	 .source = "vmkernel-sched",
	 .remedy = "host: virsh setvcpus DOMAIN N --config"},
	{.id = "vcpus-few",
	 .title = "Enough vCPUs for the load",
	 .severity = SEVERITY_WARNING,
	 .look = look_too_few,
	 .why = "The load of the last 15 minutes is more than two runnable tasks a vCPU.",
	 .source = "friedman-cmg06",
	 .remedy = "host: virsh setvcpus DOMAIN N --config"},
	{.id = "steal-share",
	 .title = "The host has the CPU time that we want",
	 .severity = SEVERITY_WARNING,
	 .look = look_steal_share,
	 .why = "More than 5 % of the time the VM waited for a physical CPU: the host is "
		"overcommitted, or the VM has a limit. What tools show here is wrong by that much.",
	 .source = "friedman-blog",
	 .remedy = "host: desched ledger --gaps   # who runs instead"},
	{.id = "cpu-offline",
	 .title = "Every vCPU is used",
	 .severity = SEVERITY_NOTE,
	 .look = look_offline,
	 .why = "A vCPU that is offline in the guest is still one that the host schedules and "
		"accounts for.",
	 .source = "vmkernel-sched; kernel: Documentation/core-api/cpu_hotplug.rst",
	 .remedy = "chcpu -e LIST"},
	{.id = "cpu-hidden",
	 .title = "The CPU says that it is virtual",
	 .severity = SEVERITY_WARNING,
	 .look = exam_flags,
	 .what = "hypervisor",
	 .why = "Without the flag the kernel looks for no steal clock, no paravirtual clock and no "
		"paravirtual locks.",
	 .source = "linux-manual; kernel: arch/x86/kernel/cpu/hypervisor.c",
	 .remedy = "host: -cpu host   # without kvm=off and -hypervisor"},
	{.id = "cpu-model",
	 .title = "The CPU model is that of a real one",
	 .severity = SEVERITY_WARNING,
	 .look = look_model,
	 .why = "The generic models leave out most instructions of the last twenty years, "
		"encryption and vectors among them.",
	 .source = "linux-manual; qemu: Documentation on CPU models",
	 .remedy = "host: -cpu host   # or the oldest model of the migration pool"},
	{.id = "cpu-instructions",
	 .title = "The usual instructions are there",
	 .severity = SEVERITY_WARNING,
	 .look = exam_flags,
	 .what = "sse4_2 popcnt aes cx16",
	 .why = "Without aes every TLS or disk-encryption byte costs ten times as much; today's "
		"distributions begin to need the others.",
	 .source = "linux-manual; x86-64 psABI, level v2",
	 .remedy = "host: -cpu host"},
	{.id = "cpu-tsc",
	 .title = "The counter is constant and never stops",
	 .severity = SEVERITY_WARNING,
	 .look = exam_flags,
	 .what = "constant_tsc nonstop_tsc rdtscp",
	 .why = "Otherwise reading the clock goes through the kernel, on old kernels through "
		"CPUID, and each CPUID is an exit.",
	 .source = "linux-manual; kernel: Documentation/virt/kvm/x86/timekeeping.rst",
	 .remedy = "host: -cpu host,+invtsc"},
	{.id = "cpu-timer",
	 .title = "Timers and interrupts need few exits",
	 .severity = SEVERITY_NOTE,
	 .look = exam_flags,
	 .what = "x2apic tsc_deadline_timer",
	 .why = "Without them each timer and each interrupt between vCPUs goes through an emulated "
		"page of registers.",
	 .source = "friedman-cmg06; kernel: Documentation/arch/x86/x2apic.rst",
	 .remedy = "host: -cpu host   # or +x2apic,+tsc-deadline"},
	{.id = "cpu-pcid",
	 .title = "Address spaces can be switched without losing the TLB",
	 .severity = SEVERITY_NOTE,
	 .look = exam_flags,
	 .what = "pcid",
	 .why = "With page-table isolation every system call flushes the TLB without it, and under "
		"nested paging a miss costs up to 24 memory reads.",
	 .source = "kernel: Documentation/arch/x86/pti.rst",
	 .remedy = "host: -cpu host   # or +pcid"},
	{.id = "cpu-mitigations",
	 .title = "No known hole of the CPU is open",
	 .severity = SEVERITY_WARNING,
	 .look = look_mitigations,
	 .why = "A guest can close these only with the flags that the host passes on (spec_ctrl, "
		"md_clear, ...).",
	 .source = "kernel: Documentation/admin-guide/hw-vuln/index.rst",
	 .remedy = "host: -cpu host   # and current microcode"},
};

const struct check_group checks_cpu = {"cpu", rows, ARRAY_SIZE(rows), false};
