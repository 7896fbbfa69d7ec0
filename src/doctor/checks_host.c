/* SPDX-License-Identifier: MIT */
/* A host of VMs: what can be measured and enforced on it. */
#include "doctor/checks.h"

#include "base/cleanup.h"
#include "doctor/vms.h"

#include <errno.h>
#include <string.h>

static enum verdict look_kvm(struct exam *e)
{
	if (!tree_has(e->tree, "/dev"))
		return exam_cannot_tell(e, "no /dev");
	if (tree_has(e->tree, "/dev/kvm"))
		return exam_good(e, "/dev/kvm is there");
	return exam_bad(e, "no /dev/kvm: guests are emulated");
}

/* The option `what`, which is an ability, is built in. */
static enum verdict look_ability(struct exam *e)
{
	char value[FACT_CONFIG_SIZE];

	if (fact_config(e->tree, e->check->what, value))
		return exam_cannot_tell(e,
					"no kernel configuration in /proc, /boot or /lib/modules");
	return exam_judge(e, value[0] == 'y', "%s=%s", e->check->what, value);
}

static enum verdict look_rt_groups(struct exam *e)
{
	char value[FACT_CONFIG_SIZE];

	if (fact_config(e->tree, "CONFIG_RT_GROUP_SCHED", value))
		return exam_cannot_tell(e,
					"no kernel configuration in /proc, /boot or /lib/modules");
	return exam_judge(e, value[0] != 'y', "CONFIG_RT_GROUP_SCHED=%s", value);
}

/* The file system type `what` is one that the kernel knows. */
static enum verdict look_tracepoints(struct exam *e)
{
	char text[8192];

	if (tree_read(e->tree, text, sizeof(text), "/proc/filesystems") < 0)
		return exam_cannot_tell(e, "no /proc/filesystems");
	return exam_judge(e, strstr(text, "\ttracefs\n"), "%s tracefs",
			  strstr(text, "\ttracefs\n") ? "the kernel has" : "the kernel has no");
}

static enum verdict look_cgroup(struct exam *e)
{
	char controllers[512];

	if (!tree_has(e->tree, "/sys/fs/cgroup"))
		return exam_cannot_tell(e, "no /sys/fs/cgroup");
	if (tree_line(e->tree, controllers, sizeof(controllers),
		      "/sys/fs/cgroup/cgroup.controllers"))
		return exam_bad(e, "cgroup version 1");
	if (!strstr(controllers, "cpu") || !strstr(controllers, "memory"))
		return exam_bad(e, "version 2, with no more than: %s", controllers);
	return exam_good(e, "version 2: %s", controllers);
}

static enum verdict look_enforce(struct exam *e)
{
	char controllers[512];

	if (!tree_has(e->tree, "/sys/fs/cgroup"))
		return exam_cannot_tell(e, "no /sys/fs/cgroup");
	if (tree_has(e->tree, "/sys/fs/cgroup/cpu/cpu.shares"))
		return exam_judge(e, tree_has(e->tree, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
				  "version 1: weights, and %s",
				  tree_has(e->tree, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
					  ? "quotas"
					  : "no quotas (CONFIG_CFS_BANDWIDTH)");
	if (tree_line(e->tree, controllers, sizeof(controllers),
		      "/sys/fs/cgroup/cgroup.controllers"))
		return exam_bad(e, "no cpu controller");
	for (char *word, *rest = controllers; (word = strsep(&rest, " "));)
		if (!strcmp(word, "cpu"))
			return exam_good(e, "version 2: weights and quotas");
	return exam_bad(e, "version 2, without the cpu controller");
}

/* Version 2 has one in every group but the first. */
static enum verdict look_freezer(struct exam *e)
{
	if (!tree_has(e->tree, "/sys/fs/cgroup"))
		return exam_cannot_tell(e, "no /sys/fs/cgroup");
	if (tree_has(e->tree, "/sys/fs/cgroup/cgroup.controllers"))
		return exam_good(e, "version 2's");
	if (tree_has(e->tree, "/sys/fs/cgroup/unified/cgroup.controllers"))
		return exam_good(e, "version 2's, beside version 1");
	if (tree_has(e->tree, "/sys/fs/cgroup/freezer"))
		return exam_good(e, "version 1's, which takes four times as long");
	return exam_bad(e, "cgroup version 1 without a freezer");
}

static enum verdict look_dispatch(struct exam *e)
{
	bool hybrid = tree_has(e->tree, "/sys/fs/cgroup/unified/cgroup.controllers");

	if (!tree_has(e->tree, "/sys/fs/cgroup"))
		return exam_cannot_tell(e, "no /sys/fs/cgroup");
	if (!hybrid && !tree_has(e->tree, "/sys/fs/cgroup/cgroup.controllers"))
		return exam_bad(e, "no cgroups of version 2, whose freezer it takes");
	if (!tree_has(e->tree, "/sys/kernel/btf/vmlinux"))
		return exam_bad(e, "no BTF, by which it reads run times");
	return exam_good(e, hybrid ? "version 2's freezer beside version 1" : "version 2");
}

/* What a monitor's process shows; `bad` is what is missing. Only QEMU's command lines are
 * understood. */
static enum verdict judge_vms(struct exam *e, bool (*concerns)(const struct vm_seen *vm),
			      bool (*good)(const struct vm_seen *vm), const char *well)
{
	_cleanup_(vms_done) struct vms_seen v = {.list = NULL};
	size_t n = 0;

	if (vms_find(e->tree, &v))
		return exam_cannot_tell(e, "no processes in /proc");
	for (size_t i = 0; i < v.n; i++) {
		if (!concerns(&v.list[i]))
			continue;
		n++;
		if (!good(&v.list[i]))
			exam_add(e, "%s", v.list[i].name);
	}
	if (!n)
		return exam_not_here(e, "no such VM is running");
	return e->found[0] ? VERDICT_BAD : exam_good(e, "%zu VM%s %s", n, n == 1 ? "" : "s", well);
}

static bool is_any(const struct vm_seen *vm)
{
	(void)vm;
	return true;
}

static bool is_qemu(const struct vm_seen *vm)
{
	return vm->qemu;
}

static bool has_threads(const struct vm_seen *vm)
{
	return vm->threads;
}

static bool has_page(const struct vm_seen *vm)
{
	return vm->page;
}

static bool has_steal(const struct vm_seen *vm)
{
	return vm->steal;
}

/* A scope or slice of its own, as libvirt, Proxmox and systemd-run make: not a session's. */
static bool has_group(const struct vm_seen *vm)
{
	return strcmp(vm->cgroup, "/") && !strstr(vm->cgroup, "session-") &&
	       !strstr(vm->cgroup, "user@");
}

static bool tells_group(const struct vm_seen *vm)
{
	return vm->cgroup[0];
}

static enum verdict look_threads(struct exam *e)
{
	return judge_vms(e, is_any, has_threads, "whose vCPU threads can be found");
}

static enum verdict look_page(struct exam *e)
{
	return judge_vms(e, is_qemu, has_page, "with ivshmem-plain");
}

static enum verdict look_steal(struct exam *e)
{
	return judge_vms(e, is_qemu, has_steal, "on KVM, with its steal clock");
}

static enum verdict look_groups(struct exam *e)
{
	return judge_vms(e, tells_group, has_group, "in a group of its own");
}

static const struct check rows[] = {
	{.id = "host-kvm",
	 .title = "The host has KVM",
	 .severity = SEVERITY_WARNING,
	 .look = look_kvm,
	 .why = "Without it guests are emulated, many times slower, and have no steal clock.",
	 .source = "kernel: Documentation/virt/kvm/api.rst",
	 .remedy = "modprobe kvm_intel   # or kvm_amd; virtualization may be off in the firmware"},
	{.id = "host-bpf",
	 .title = "Ledgers of vCPUs can be exact",
	 .severity = SEVERITY_WARNING,
	 .look = exam_bpf,
	 .why = "desched keeps them by BPF at every context switch: Linux 5.18 with BTF. Without "
		"it run and ready are polled, and nobody knows who ran instead.",
	 .source = "desched: desched-ledger(1)"},
	{.id = "host-tracepoints",
	 .title = "The kernel describes its tracepoints",
	 .severity = SEVERITY_NOTE,
	 .look = look_tracepoints,
	 .why = "The reasons of exits are in KVM's tracepoints, and where in them tracefs says.",
	 .source = "desched: desched-calibrate(1); kernel: Documentation/trace/ftrace.rst"},
	{.id = "host-schedstat",
	 .title = "The kernel counts run and wait time of every thread",
	 .severity = SEVERITY_WARNING,
	 .look = exam_schedstat,
	 .why = "It is what ledgers fall back to without BPF, and what KVM's steal clock is made "
		"of.",
	 .source = "kernel: Documentation/scheduler/sched-stats.rst"},
	{.id = "host-sched-ext",
	 .title = "The kernel takes a scheduler of ours",
	 .severity = SEVERITY_NOTE,
	 .look = look_ability,
	 .what = "CONFIG_SCHED_CLASS_EXT",
	 .why = "deschedd with 'enforcer = sched_ext' decides at every wake-up and switch; it is "
		"tested on Linux 6.16, 6.18 and 7.3. Elsewhere settings can only be enforced by "
		"cgroups and by moving threads between classes.",
	 .source = "kernel: Documentation/scheduler/sched-ext.rst",
	 .remedy = "apt-get install -t trixie-backports linux-image-amd64   # has it on"},
	{.id = "host-cgroup",
	 .title = "Groups are of cgroup version 2, with cpu and memory",
	 .severity = SEVERITY_NOTE,
	 .look = look_cgroup,
	 .why = "Weights mean the same everywhere, memory can be reclaimed from one VM, and the "
		"freezer stops its threads within microseconds.",
	 .source = "kernel: Documentation/admin-guide/cgroup-v2.rst",
	 .remedy = "sed -i 's/systemd.unified_cgroup_hierarchy=0//' /etc/default/grub && "
		   "update-grub"},
	{.id = "host-enforce",
	 .title = "VMs can be held to shares and limits by their groups",
	 .severity = SEVERITY_NOTE,
	 .look = look_enforce,
	 .why = "deschedd with 'enforcer = cgroup' gives each VM's group a weight and a quota; it "
		"takes the cpu controller.",
	 .source = "desched: deschedd(8)"},
	{.id = "host-dispatch",
	 .title = "VMs' threads can be dispatched",
	 .severity = SEVERITY_NOTE,
	 .look = look_dispatch,
	 .why = "deschedd with 'enforcer = dispatch' decides every millisecond which vCPU runs, on "
		"any "
		"kernel with BTF and cgroups of version 2, alone or beside version 1.",
	 .source = "desched: deschedd(8)"},
	{.id = "host-freezer",
	 .title = "Threads can be held back",
	 .severity = SEVERITY_NOTE,
	 .look = look_freezer,
	 .why = "A limit that leaves nothing over, and co-scheduling, need the freezer where there "
		"is no sched_ext.",
	 .source = "kernel: Documentation/admin-guide/cgroup-v2.rst"},
	{.id = "host-rt-groups",
	 .title = "Threads in any group may be real-time",
	 .severity = SEVERITY_NOTE,
	 .look = look_rt_groups,
	 .why = "With this option a new group has no real-time budget, and what should run before "
		"all VMs cannot become SCHED_FIFO in it.",
	 .source = "kernel: Documentation/scheduler/sched-rt-group.rst"},
	{.id = "host-vm-threads",
	 .title = "The vCPU threads of every VM can be found",
	 .severity = SEVERITY_WARNING,
	 .look = look_threads,
	 .why = "QEMU without KVM doesn't say which thread is a vCPU unless it names them, and is "
		"then not measured.",
	 .source = "desched: desched-ledger(1)",
	 .remedy = "qemu-system-x86_64 ... -name NAME,debug-threads=on"},
	{.id = "host-vm-page",
	 .title = "Every VM has memory for a ledger page",
	 .severity = SEVERITY_NOTE,
	 .look = look_page,
	 .why = "With it the guest's own tools are exact: it sees every gap to the microsecond.",
	 .source = "desched: desched-page(5)",
	 .remedy = "-object memory-backend-file,id=page,share=on,size=1M,mem-path=/dev/shm/NAME "
		   "-device ivshmem-plain,memdev=page"},
	{.id = "host-vm-steal",
	 .title = "Every guest has a steal clock",
	 .severity = SEVERITY_WARNING,
	 .look = look_steal,
	 .why = "A guest under TCG, with KVM hidden or with kvm-steal-time off can't see that it "
		"waited: its figures are wrong, and nothing in it shows that.",
	 .source = "friedman-blog; kernel: Documentation/virt/kvm/x86/msr.rst",
	 .remedy = "-accel kvm -cpu host,+kvm-steal-time"},
	{.id = "host-vm-groups",
	 .title = "Every VM has a control group of its own",
	 .severity = SEVERITY_WARNING,
	 .look = look_groups,
	 .why = "A VM that was started in a session shares its group with the shell and everything "
		"else there: neither a weight nor a limit can be given to it alone.",
	 .source = "kernel: Documentation/admin-guide/cgroup-v2.rst; libvirt: cgroups",
	 .remedy = "systemd-run --scope --slice=machine.slice qemu-system-x86_64 ..."},
};

const struct check_group checks_host = {"host", rows, ARRAY_SIZE(rows), true};
