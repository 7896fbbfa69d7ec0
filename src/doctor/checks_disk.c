/* SPDX-License-Identifier: MIT */
/* Disks: each check walks over /sys/block and names those that are not as they should be. */
#include "doctor/checks.h"

#include "base/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECTOR	  512
#define ALIGNMENT 4096

/* One disk of one check: 1 when the check is about it, 0 when not. What is wrong is added to
 * what was found. */
typedef int (*look_at_disk)(struct exam *e, const char *disk);

static bool is_disk(const char *name)
{
	static const char *const prefixes[] = {"sd", "vd", "xvd", "nvme", "hd"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static enum verdict each_disk(struct exam *e, look_at_disk look, const char *fine)
{
	_cleanup_(tree_names_free) struct tree_names disks = {.list = NULL};
	int seen = 0;

	if (tree_names(e->tree, "/sys/block", &disks))
		return exam_cannot_tell(e, "no /sys/block");
	for (int i = 0; i < disks.n; i++) {
		if (is_disk(disks.list[i]->d_name))
			seen += look(e, disks.list[i]->d_name);
	}
	if (e->found[0])
		return VERDICT_BAD;
	return seen ? exam_good(e, "%d disk%s: %s", seen, seen == 1 ? "" : "s", fine)
		    : exam_not_here(e, "no disk that has this");
}

static int disk_number(struct exam *e, const char *disk)
{
	uint64_t v;

	if (tree_uint(e->tree, &v, "/sys/block/%s/%s", disk, e->check->where))
		return 0;
	if (v < e->check->min)
		exam_add(e, "%s: %" PRIu64, disk, v);
	return 1;
}

/* The file `where` of each disk holds a number that should be at least `min`. */
static enum verdict look_disk_number(struct exam *e)
{
	return each_disk(e, disk_number, e->check->what);
}

static int disk_driver(struct exam *e, const char *disk)
{
	static const char *const emulated[] = {"QEMU HARDDISK", "VBOX HARDDISK", "VMware Virtual",
					       "Virtual HD"};
	char vendor[64], model[64];

	if (!strncmp(disk, "hd", 2))
		exam_add(e, "%s: IDE", disk);
	if (tree_line(e->tree, vendor, sizeof(vendor), "/sys/block/%s/device/vendor", disk) ||
	    strcmp(vendor, "ATA") != 0 ||
	    tree_line(e->tree, model, sizeof(model), "/sys/block/%s/device/model", disk))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(emulated); i++)
		if (!strncmp(model, emulated[i], strlen(emulated[i])))
			exam_add(e, "%s: emulated %s", disk, model);
	return 1;
}

static enum verdict look_driver(struct exam *e)
{
	return each_disk(e, disk_driver, "no emulated controller");
}

/* "mq-deadline [none]": the brackets are around the one in use; a lone "none" has no brackets. */
static int disk_scheduler(struct exam *e, const char *disk)
{
	char line[256];
	const char *name;
	int len;

	if (tree_line(e->tree, line, sizeof(line), "/sys/block/%s/queue/scheduler", disk))
		return 0;
	name = strchr(line, '[');
	name = name ? name + 1 : line;
	len = (int)strcspn(name, "] ");
	if (strncmp(name, "none", 4) != 0 && strncmp(name, "noop", 4) != 0)
		exam_add(e, "%s: %.*s", disk, len, name);
	return 1;
}

static enum verdict look_scheduler(struct exam *e)
{
	return each_disk(e, disk_scheduler, "none");
}

static int disk_partitions(struct exam *e, const char *disk)
{
	_cleanup_(tree_names_free) struct tree_names parts = {.list = NULL};
	char path[300];
	int seen = 0;

	snprintf(path, sizeof(path), "/sys/block/%s", disk);
	if (tree_names(e->tree, path, &parts))
		return 0;
	for (int i = 0; i < parts.n; i++) {
		const char *part = parts.list[i]->d_name;
		uint64_t start;

		if (strncmp(part, disk, strlen(disk)) != 0 ||
		    tree_uint(e->tree, &start, "%s/%s/start", path, part))
			continue;
		seen = 1;
		if (start % (ALIGNMENT / SECTOR))
			exam_add(e, "%s starts at sector %" PRIu64, part, start);
	}
	return seen;
}

static enum verdict look_alignment(struct exam *e)
{
	return each_disk(e, disk_partitions, "partitions at multiples of 4 KiB");
}

static int nvme_disk(struct exam *e, const char *disk)
{
	uint64_t v;

	if (strncmp(disk, "nvme", 4) != 0 ||
	    tree_uint(e->tree, &v, "/sys/module/nvme_core/parameters/io_timeout"))
		return 0;
	if (v < e->check->min && !e->found[0])
		exam_add(e, "nvme_core.io_timeout is %" PRIu64 " s", v);
	return 1;
}

/* The driver's parameter is there without a disk, too: built-in drivers always are. */
static enum verdict look_nvme_timeout(struct exam *e)
{
	if (!tree_has(e->tree, "/sys/module"))
		return exam_cannot_tell(e, "no /sys/module");
	return each_disk(e, nvme_disk, "180 s or more");
}

static const struct check rows[] = {
	{.id = "disk-driver",
	 .title = "Disks are paravirtual",
	 .severity = SEVERITY_WARNING,
	 .look = look_driver,
	 .why = "Every command to an emulated IDE or SATA controller is several exits, and only "
		"one is served at a time: the doubled I/O path at its worst.",
	 .source = "friedman-cmg06; linux-manual",
	 .remedy = "host: bus virtio or virtio-scsi (VMware: PVSCSI) in place of ide or sata"},
	{.id = "io-scheduler",
	 .title = "The host orders I/O, not the guest",
	 .severity = SEVERITY_NOTE,
	 .look = look_scheduler,
	 .why = "A virtual disk has no head to move; sorting here only delays what the host sorts "
		"again.",
	 .source = "linux-manual; kernel: Documentation/block/switching-sched.rst",
	 .remedy = "echo none >/sys/block/DISK/queue/scheduler"},
	{.id = "queue-depth",
	 .title = "SCSI disks take at least 32 commands at once",
	 .severity = SEVERITY_NOTE,
	 .look = look_disk_number,
	 .where = "device/queue_depth",
	 .what = "32 commands or more",
	 .min = 32,
	 .why = "While the VM waits for a CPU no new I/O is sent: what is queued by then keeps the "
		"device busy.",
	 .source = "linux-manual; friedman-cmg06",
	 .remedy = "echo 64 >/sys/block/DISK/device/queue_depth"},
	{.id = "queue-requests",
	 .title = "Block queues hold at least 64 requests",
	 .severity = SEVERITY_NOTE,
	 .look = look_disk_number,
	 .where = "queue/nr_requests",
	 .what = "64 requests or more",
	 .min = 64,
	 .why = "A shorter queue puts writers to sleep, and each wake-up may wait for a physical "
		"CPU.",
	 .source = "linux-manual; kernel: Documentation/ABI/stable/sysfs-block",
	 .remedy = "echo 128 >/sys/block/DISK/queue/nr_requests"},
	{.id = "partition-alignment",
	 .title = "Partitions start at multiples of 4 KiB",
	 .severity = SEVERITY_WARNING,
	 .look = look_alignment,
	 .why = "Every misaligned block touches two below it: up to 30 % slower.",
	 .source = "linux-manual"},
	{.id = "disk-timeout",
	 .title = "SCSI disks wait 180 s before they give up",
	 .severity = SEVERITY_WARNING,
	 .look = look_disk_number,
	 .where = "device/timeout",
	 .what = "180 s or more",
	 .min = 180,
	 .why = "A path failover of the host's storage takes longer than 30 s; then the guest's "
		"file system turns read-only.",
	 .source = "linux-manual",
	 .remedy =
		 "echo 'SUBSYSTEM==\"scsi\", ENV{DEVTYPE}==\"scsi_device\", ATTR{timeout}=\"180\"' "
		 ">/etc/udev/rules.d/99-scsi-timeout.rules && udevadm trigger -c add"},
	{.id = "nvme-timeout",
	 .title = "NVMe disks wait 180 s before they give up",
	 .severity = SEVERITY_WARNING,
	 .look = look_nvme_timeout,
	 .min = 180,
	 .why = "As for SCSI disks: behind a virtual NVMe disk there is shared storage.",
	 .source = "linux-manual; kernel: drivers/nvme/host/core.c",
	 .remedy = "echo 'options nvme_core io_timeout=255' >/etc/modprobe.d/nvme-timeout.conf && "
		   "update-initramfs -u"},
};

const struct check_group checks_disk = {"disk", rows, ARRAY_SIZE(rows), false};
