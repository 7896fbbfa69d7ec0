/* SPDX-License-Identifier: MIT */
/* What runs under this machine, and what in it talks to that. */
#include "doctor/checks.h"

#include "base/cleanup.h"
#include "base/cpu.h"
#include "base/proc.h"

#include <desched/page.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum verdict look_hypervisor(struct exam *e)
{
	enum hypervisor h;

	if (fact_hypervisor(e->tree, &h))
		return exam_cannot_tell(e, "neither DMI nor clock sources in the tree");
	return exam_judge(e, h != HYPERVISOR_NONE, "%s",
			  h ? hypervisor_name(h)
			    : "no hypervisor seen: these checks are for guests");
}

static enum verdict look_agent(struct exam *e)
{
	static const char *const names[] = {"vmdesched", NULL};
	enum hypervisor h;
	unsigned n;

	if (fact_processes(e->tree, names, &n))
		return exam_cannot_tell(e, "no processes in /proc");
	if (!n && !fact_hypervisor(e->tree, &h) && h == HYPERVISOR_NONE)
		return exam_not_here(e, "no hypervisor");
	return exam_judge(e, n, n ? "vmdesched runs" : "vmdesched does not run");
}

/* The process of each hypervisor's own tools. */
static const char *const tools[HYPERVISORS][4] = {
	[HYPERVISOR_KVM] = {"qemu-ga", "google_guest_ag", "amazon-ssm-agen", NULL},
	[HYPERVISOR_QEMU] = {"qemu-ga", NULL},
	[HYPERVISOR_VMWARE] = {"vmtoolsd", NULL},
	[HYPERVISOR_XEN] = {"xe-daemon", "xe-guest-utilit", "xenstore", NULL},
	[HYPERVISOR_HYPERV] = {"hv_kvp_daemon", "hypervkvpd", NULL},
	[HYPERVISOR_VBOX] = {"VBoxService", NULL},
};

static enum verdict look_guest_tools(struct exam *e)
{
	enum hypervisor h;
	unsigned n;

	if (fact_hypervisor(e->tree, &h))
		return exam_cannot_tell(e, "the hypervisor is not known");
	if (!tools[h][0])
		return exam_not_here(e, "no hypervisor");
	if (fact_processes(e->tree, tools[h], &n))
		return exam_cannot_tell(e, "no processes in /proc");
	if (!n && fact_bare(e->tree))
		return exam_not_here(e,
				     "a monitor without SMBIOS and virtio-serial: it has no agent");
	return exam_judge(e, n, "%s: %s %s", hypervisor_name(h), tools[h][0],
			  n ? "or its like runs" : "does not run");
}

static enum verdict look_guest_channel(struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names ports = {.list = NULL};
	enum hypervisor h;
	char name[128];

	if (fact_hypervisor(e->tree, &h))
		return exam_cannot_tell(e, "the hypervisor is not known");
	if (h != HYPERVISOR_KVM && h != HYPERVISOR_QEMU)
		return exam_not_here(e, "%s has a channel of its own", hypervisor_name(h));
	if (fact_bare(e->tree))
		return exam_not_here(e,
				     "a monitor without SMBIOS and virtio-serial: it has no agent");
	if (tree_names(e->tree, "/sys/class/virtio-ports", &ports))
		return exam_bad(e, "no virtio-serial port");
	for (int i = 0; i < ports.n; i++) {
		const char *port = ports.list[i]->d_name;

		if (!tree_line(e->tree, name, sizeof(name), "/sys/class/virtio-ports/%s/name",
			       port) &&
		    !strcmp(name, "org.qemu.guest_agent.0"))
			return exam_good(e, "%s is %s", port, name);
	}
	return exam_bad(e, "no port is called org.qemu.guest_agent.0");
}

static bool steal_promised(const struct exam *e)
{
	return e->tree->own && cpu_kvm_features() & CPU_KVM_STEAL_TIME;
}

static enum verdict look_steal_clock(struct exam *e)
{
	char text[8192];
	enum hypervisor h;
	struct proc_cpu c;

	if (tree_read(e->tree, text, sizeof(text), "/proc/stat") < 0)
		return exam_cannot_tell(e, "no /proc/stat");
	if (proc_parse_cpu(text, -1, &c))
		return exam_cannot_tell(e, "no steal column in /proc/stat");
	if (c.steal_ns)
		return exam_good(e, "steal of %.1f s was counted", ns_to_s(c.steal_ns));
	if (steal_promised(e))
		return exam_good(e, "offered by KVM, nothing stolen so far");
	if (fact_hypervisor(e->tree, &h) || h == HYPERVISOR_KVM || h == HYPERVISOR_XEN)
		return exam_cannot_tell(e, "nothing stolen so far");
	if (h == HYPERVISOR_NONE)
		return exam_not_here(e, "no hypervisor");
	return exam_bad(e, "%s shows none", hypervisor_name(h));
}

/* How the device's memory begins, which can be mapped but not read. */
static int first_word(const struct tree *t, const char *device, uint64_t *ret)
{
	char path[320];
	_cleanup_(close_fd) int fd = -1;
	struct stat st;
	void *base;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", device);
	fd = tree_file(t, path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(*ret))
		return -EINVAL;
	base = mmap(NULL, sizeof(*ret), PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	*ret = *(const volatile uint64_t *)base;
	munmap(base, sizeof(*ret));
	return 0;
}

/* A device is not yet a page: there are others of its kind, and a host that writes nothing. */
static enum verdict look_at_page(struct exam *e, const char *device)
{
	uint64_t word = 0;
	int err = first_word(e->tree, device, &word);

	if (err == -EACCES || err == -EPERM)
		return exam_cannot_tell(e, "ivshmem device %s; only root sees what is in it",
					device);
	if (err)
		return exam_cannot_tell(e, "ivshmem device %s, whose memory can't be read", device);
	if (word == PAGE_MAGIC)
		return exam_good(e, "ivshmem device %s", device);
	return exam_bad(e, "ivshmem device %s has %s", device,
			word ? "something else in it" : "no page in it: its host writes none");
}

static enum verdict look_ledger_page(struct exam *e)
{
	enum verdict found = VERDICT_NOT_HERE;
	_cleanup_(tree_names_free) struct tree_names devices = {.list = NULL};
	char vendor[16], device[16];
	enum hypervisor h;
	bool known = !fact_hypervisor(e->tree, &h);

	if (known && h != HYPERVISOR_KVM && h != HYPERVISOR_QEMU)
		return exam_not_here(e, "%s has no such device", hypervisor_name(h));
	if (tree_names(e->tree, "/sys/bus/pci/devices", &devices))
		return exam_cannot_tell(e, "no /sys/bus/pci/devices");
	for (int i = 0; i < devices.n; i++) {
		const char *name = devices.list[i]->d_name;

		if (!tree_line(e->tree, vendor, sizeof(vendor), "/sys/bus/pci/devices/%s/vendor",
			       name) &&
		    !tree_line(e->tree, device, sizeof(device), "/sys/bus/pci/devices/%s/device",
			       name) &&
		    !strcmp(vendor, "0x1af4") && !strcmp(device, "0x1110"))
			found = look_at_page(e, name);
		if (found == VERDICT_OK)
			return found;
	}
	if (found != VERDICT_NOT_HERE)
		return found;
	if (!devices.n)
		return exam_not_here(e, "no PCI device");
	if (known && fact_bare(e->tree))
		return exam_not_here(e, "a monitor without SMBIOS: it has no such device");
	return exam_bad(e, "no ivshmem device");
}

static enum verdict look_virtio(struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names devices = {.list = NULL};
	char driver[FACT_DRIVER_SIZE];

	if (!tree_has(e->tree, "/sys/bus"))
		return exam_cannot_tell(e, "no /sys/bus");
	if (tree_names(e->tree, "/sys/bus/virtio/devices", &devices) || !devices.n)
		return exam_not_here(e, "no virtio device");
	for (int i = 0; i < devices.n; i++) {
		const char *name = devices.list[i]->d_name;

		if (fact_driver(e->tree, "/sys/bus/virtio/devices", name, "", driver))
			exam_add(e, "%s has no driver", name);
	}
	return e->found[0] ? VERDICT_BAD : exam_good(e, "%d devices, all with a driver", devices.n);
}

static const struct check rows[] = {
	{.id = "hypervisor",
	 .title = "A hypervisor is recognized",
	 .severity = SEVERITY_NOTE,
	 .look = look_hypervisor,
	 .why = "The right guest type decides which clocks, drivers and tools there can be.",
	 .source = "linux-manual"},
	{.id = "agent",
	 .title = "vmdesched runs",
	 .severity = SEVERITY_WARNING,
	 .look = look_agent,
	 .why = "Without it, time when the VM was descheduled is billed to whichever process was "
		"on the CPU.",
	 .source = "vmdesched",
	 .remedy = "systemctl enable --now vmdesched"},
	{.id = "guest-tools",
	 .title = "The hypervisor's own guest tools run",
	 .severity = SEVERITY_WARNING,
	 .look = look_guest_tools,
	 .why = "Clean shutdown, quiesced snapshots, time after resume and balloon figures need "
		"them.",
	 .source = "linux-manual",
	 .remedy = "apt-get install qemu-guest-agent   # or open-vm-tools, hyperv-daemons, "
		   "virtualbox-guest-utils"},
	{.id = "guest-channel",
	 .title = "The guest agent has a port to the host",
	 .severity = SEVERITY_NOTE,
	 .look = look_guest_channel,
	 .why = "Without its virtio-serial port the guest agent runs and nobody can talk to it.",
	 .source = "qemu: qemu-ga(8)",
	 .remedy = "host: -device virtio-serial -device "
		   "virtserialport,chardev=...,name=org.qemu.guest_agent.0"},
	{.id = "virtio-drivers",
	 .title = "Every virtio device has its driver",
	 .severity = SEVERITY_WARNING,
	 .look = look_virtio,
	 .why = "A device that nobody drives is one that the host offers in vain: a balloon that "
		"does not move, a port that nobody reads.",
	 .source = "linux-manual; virtio 1.2",
	 .remedy = "apt-get install linux-image-amd64   # a kernel with all drivers"},
	{.id = "bpf",
	 .title = "The kernel can run the exact sources",
	 .severity = SEVERITY_WARNING,
	 .look = exam_bpf,
	 .why = "vmdesched reads the steal clock at every context switch by BPF: Linux 5.18 with "
		"BTF. Without it there is no figure per process.",
	 .source = "desched: vmdesched(8)"},
	{.id = "steal-clock",
	 .title = "The hypervisor shows a steal clock",
	 .severity = SEVERITY_WARNING,
	 .look = look_steal_clock,
	 .why = "The time that the vCPU waited for a physical CPU is the one figure that a guest "
		"cannot find out by itself.",
	 .source = "friedman-blog; kernel: Documentation/virt/kvm/x86/msr.rst",
	 .remedy = "host: KVM: -cpu host,+kvm-steal-time; VMware: stealclock.enable = \"TRUE\"; "
		   "elsewhere the ledger page"},
	{.id = "ledger-page",
	 .title = "The host publishes a ledger page",
	 .severity = SEVERITY_NOTE,
	 .look = look_ledger_page,
	 .why = "The page tells every gap to the microsecond, and what steal clocks leave out.",
	 .source = "desched: desched-page(5)",
	 .remedy = "host: -object memory-backend-file,id=page,share=on,... -device "
		   "ivshmem-plain,memdev=page, and 'desched ledger' running there"},
};

const struct check_group checks_tools = {"tools", rows, ARRAY_SIZE(rows), false};
