/* SPDX-License-Identifier: MIT */
/* Network devices and how TCP takes scheduling delay. */
#include "doctor/checks.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char class_net[] = "/sys/class/net";

static enum verdict look_driver(struct exam *e)
{
	static const char *const emulated[] = {"e1000",	   "e1000e",  "8139cp", "8139too",
					       "ne2k-pci", "pcnet32", "tulip"};
	_cleanup_(tree_names_free) struct tree_names nics = {.list = NULL};
	int seen = 0;

	if (tree_names(e->tree, class_net, &nics))
		return exam_cannot_tell(e, "no %s", class_net);
	for (int i = 0; i < nics.n; i++) {
		const char *nic = nics.list[i]->d_name;
		char driver[FACT_DRIVER_SIZE];

		if (fact_driver(e->tree, class_net, nic, "/device", driver))
			continue;
		seen++;
		for (size_t d = 0; d < ARRAY_SIZE(emulated); d++)
			if (!strcmp(driver, emulated[d]))
				exam_add(e, "%s: %s", nic, driver);
	}
	if (!seen)
		return exam_not_here(e, "no network device that has a driver");
	return e->found[0] ? VERDICT_BAD : exam_good(e, "%d, none emulated", seen);
}

/* How many receive queues a device has; 0: not known. */
static unsigned receive_queues(const struct exam *e, const char *nic)
{
	_cleanup_(tree_names_free) struct tree_names queues = {.list = NULL};
	char path[300];
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/%s/queues", class_net, nic);
	if (tree_names(e->tree, path, &queues))
		return 0;
	for (int i = 0; i < queues.n; i++)
		n += !strncmp(queues.list[i]->d_name, "rx-", 3);
	return n;
}

static enum verdict look_queues(struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names nics = {.list = NULL};
	unsigned cpus;
	int seen = 0;

	if (tree_names(e->tree, class_net, &nics) || fact_cpus(e->tree, &cpus))
		return exam_cannot_tell(e, "no %s, or no CPUs in /proc/stat", class_net);
	for (int i = 0; i < nics.n; i++) {
		const char *nic = nics.list[i]->d_name;
		unsigned n = receive_queues(e, nic);
		char driver[FACT_DRIVER_SIZE];

		if (!n || fact_driver(e->tree, class_net, nic, "/device", driver))
			continue;
		seen++;
		if (n == 1 && cpus > 2)
			exam_add(e, "%s: 1 queue for %u vCPUs", nic, cpus);
	}
	if (!seen)
		return exam_not_here(e, "no network device that has queues");
	return e->found[0] ? VERDICT_BAD : exam_good(e, "enough for %u vCPUs", cpus);
}

static enum verdict look_congestion(struct exam *e)
{
	static const char *const by_loss[] = {"cubic", "reno", "bic", "htcp"};
	char name[64];

	if (tree_line(e->tree, name, sizeof(name), "/proc/sys/net/ipv4/tcp_congestion_control"))
		return exam_cannot_tell(e, "no /proc/sys/net/ipv4/tcp_congestion_control");
	for (size_t i = 0; i < ARRAY_SIZE(by_loss); i++)
		if (!strcmp(name, by_loss[i]))
			return exam_bad(e, "%s goes by losses only", name);
	return exam_good(e, "%s", name);
}

static const struct check rows[] = {
	{.id = "nic-driver",
	 .title = "Network devices are paravirtual",
	 .severity = SEVERITY_WARNING,
	 .look = look_driver,
	 .why = "Every packet of an emulated device is exits and copies, paid from the guest's own "
		"CPU time.",
	 .source = "friedman-cmg06; linux-manual",
	 .remedy = "host: model virtio (VMware: vmxnet3) in place of e1000 or rtl8139"},
	{.id = "nic-queues",
	 .title = "Several vCPUs share the network's interrupts",
	 .severity = SEVERITY_NOTE,
	 .look = look_queues,
	 .why = "With one queue all packets wait for one vCPU, however long that is descheduled.",
	 .source = "friedman-cmg06; kernel: Documentation/networking/scaling.rst",
	 .remedy = "host: -netdev tap,...,vhost=on,queues=N -device virtio-net-pci,mq=on"},
	{.id = "congestion-control",
	 .title = "TCP goes by delay, not by losses only",
	 .severity = SEVERITY_NOTE,
	 .look = look_congestion,
	 .why = "Scheduling delay fills the queues of virtual switches; control that sees latency "
		"backs off before packets are dropped.",
	 .source = "linux-manual; kernel: net/ipv4/Kconfig",
	 .remedy = "sysctl -w net.core.default_qdisc=fq net.ipv4.tcp_congestion_control=bbr"},
};

const struct check_group checks_net = {"net", rows, ARRAY_SIZE(rows), false};
