/* SPDX-License-Identifier: MIT */
/* Whether the guest survives that the host takes memory back, and gives back what it can. */
#include "doctor/checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BALLOON_DEVICE 5
#define BALLOON_MAX    0.65 /* of memory: what a balloon takes at most by default (ESXi) */

/* Where the balloon is: a virtio device, or the driver of another hypervisor. */
static int find_balloon(const struct exam *e, char *ret, size_t size)
{
	static const char *const others[] = {"/sys/module/vmw_balloon", "/sys/module/hv_balloon",
					     "/sys/devices/system/xen_memory"};
	int err = fact_virtio(e->tree, BALLOON_DEVICE, ret, size);

	for (size_t i = 0; err && i < ARRAY_SIZE(others); i++) {
		if (!tree_has(e->tree, "%s", others[i]))
			continue;
		snprintf(ret, size, "%s", strrchr(others[i], '/') + 1);
		return 0;
	}
	return err;
}

static enum verdict look_balloon(struct exam *e)
{
	char name[64], driver[FACT_DRIVER_SIZE];
	int err = find_balloon(e, name, sizeof(name));
	enum hypervisor h;

	if (err && !fact_hypervisor(e->tree, &h) && h == HYPERVISOR_NONE)
		return exam_not_here(e, "no hypervisor");
	if (err && !tree_has(e->tree, "/sys/bus"))
		return exam_cannot_tell(e, "no /sys/bus");
	if (err)
		return exam_bad(e, "no balloon device");
	if (!strncmp(name, "virtio", strlen("virtio")) &&
	    (fact_driver(e->tree, "/sys/bus/virtio/devices", name, "", driver) ||
	     strcmp(driver, "virtio_balloon") != 0))
		return exam_bad(e, "%s has no driver", name);
	return exam_good(e, "%s", name);
}

/* The feature that stands at place `min` of the virtio balloon's features. */
static enum verdict look_balloon_feature(struct exam *e)
{
	char name[64], bits[128];

	if (!tree_has(e->tree, "/sys/bus"))
		return exam_cannot_tell(e, "no /sys/bus");
	if (fact_virtio(e->tree, BALLOON_DEVICE, name, sizeof(name)))
		return exam_not_here(e, "no virtio balloon");
	if (tree_line(e->tree, bits, sizeof(bits), "/sys/bus/virtio/devices/%s/features", name) ||
	    strlen(bits) <= e->check->min)
		return exam_cannot_tell(e, "%s has no list of features", name);
	return exam_judge(e, bits[e->check->min] == '1', "%s: %s is %s", name, e->check->what,
			  bits[e->check->min] == '1' ? "on" : "off");
}

static enum verdict look_swap_balloon(struct exam *e)
{
	uint64_t total, available, swap;
	char name[64];

	if (!tree_has(e->tree, "/sys/bus") || fact_memory(e->tree, "MemTotal", &total) ||
	    fact_memory(e->tree, "MemAvailable", &available) ||
	    fact_memory(e->tree, "SwapFree", &swap) || !total)
		return exam_cannot_tell(e, "no /sys/bus, or figures are missing in /proc/meminfo");
	if (find_balloon(e, name, sizeof(name)))
		return exam_not_here(e, "no balloon");
	return exam_judge(e, (double)available + (double)swap >= BALLOON_MAX * (double)total,
			  "%" PRIu64 " MiB of memory, %" PRIu64 " available, %" PRIu64
			  " of swap free",
			  total / MIB, available / MIB, swap / MIB);
}

static enum verdict look_swap(struct exam *e)
{
	uint64_t swap;

	if (fact_memory(e->tree, "SwapTotal", &swap))
		return exam_cannot_tell(e, "no SwapTotal in /proc/meminfo");
	return exam_judge(e, swap, "%" PRIu64 " MiB of swap", swap / MIB);
}

static enum verdict look_overcommit(struct exam *e)
{
	uint64_t v;

	if (tree_uint(e->tree, &v, "/proc/sys/vm/overcommit_memory") || v > 2)
		return exam_cannot_tell(e, "no mode from 0 to 2 in /proc/sys/vm/overcommit_memory");
	return exam_judge(e, v != 1, "vm.overcommit_memory is %" PRIu64, v);
}

static enum verdict look_huge_pages(struct exam *e)
{
	uint64_t huge, total, used, unused;

	if (fact_memory(e->tree, "MemTotal", &total) || fact_memory(e->tree, "Hugetlb", &huge) ||
	    !total)
		return exam_cannot_tell(e, "no MemTotal or Hugetlb in /proc/meminfo");
	/* These two count pages, not kB; only whether they are equal matters. */
	if (fact_memory(e->tree, "HugePages_Total", &used) ||
	    fact_memory(e->tree, "HugePages_Free", &unused))
		return exam_cannot_tell(e, "no HugePages_Total or HugePages_Free in /proc/meminfo");
	if (!huge)
		return exam_good(e, "none reserved");
	return exam_judge(e, huge <= total / 2 && unused < used,
			  "%" PRIu64 " of %" PRIu64 " MiB reserved%s", huge / MIB, total / MIB,
			  unused < used ? "" : ", none in use");
}

static enum verdict look_thp(struct exam *e)
{
	char line[128];

	if (tree_line(e->tree, line, sizeof(line), "/sys/kernel/mm/transparent_hugepage/enabled"))
		return exam_cannot_tell(e, "no /sys/kernel/mm/transparent_hugepage/enabled");
	return exam_judge(e, !strstr(line, "[never]"), "%s", line);
}

static const struct check rows[] = {
	{.id = "swap",
	 .title = "There is swap",
	 .severity = SEVERITY_NOTE,
	 .look = look_swap,
	 .why = "Without it the guest cannot choose what to evict when memory gets short: the "
		"host then swaps blindly, or the OOM killer strikes.",
	 .source = "linux-manual; friedman-blog",
	 .remedy = "fallocate -l 2G /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon "
		   "/swapfile"},
	{.id = "swap-balloon",
	 .title = "A full balloon does not wake the OOM killer",
	 .severity = SEVERITY_WARNING,
	 .look = look_swap_balloon,
	 .why = "A balloon may take 65 % of memory; available memory and free swap together should "
		"be at least that.",
	 .source = "linux-manual",
	 .remedy = "fallocate -l 4G /swapfile && chmod 600 /swapfile && mkswap /swapfile && swapon "
		   "/swapfile"},
	{.id = "overcommit",
	 .title = "The kernel does not promise memory without bound",
	 .severity = SEVERITY_WARNING,
	 .look = look_overcommit,
	 .why = "With 1 every allocation succeeds, and a balloon that inflates later kills "
		"processes.",
	 .source = "linux-manual; kernel: Documentation/mm/overcommit-accounting.rst",
	 .remedy = "sysctl -w vm.overcommit_memory=2   # or 0"},
	{.id = "swappiness",
	 .title = "Programs are not swapped out for file caches",
	 .severity = SEVERITY_NOTE,
	 .look = exam_number,
	 .where = "/proc/sys/vm/swappiness",
	 .what = "vm.swappiness",
	 .max = 60,
	 .why = "The host caches the same disk again; swapping in a guest is paid twice.",
	 .source = "linux-manual",
	 .remedy = "sysctl -w vm.swappiness=30"},
	{.id = "huge-pages",
	 .title = "Reserved huge pages are used, and not most of memory",
	 .severity = SEVERITY_WARNING,
	 .look = look_huge_pages,
	 .why = "They are locked: no balloon gets them and nothing swaps them, used or not.",
	 .source = "linux-manual; kernel: Documentation/admin-guide/mm/hugetlbpage.rst",
	 .remedy = "sysctl -w vm.nr_hugepages=0   # or what is used"},
	{.id = "transparent-huge-pages",
	 .title = "Transparent huge pages are not forbidden",
	 .severity = SEVERITY_NOTE,
	 .look = look_thp,
	 .why = "Under nested paging a TLB miss costs up to 24 memory reads; huge pages save most "
		"misses, and programs can ask for them with madvise.",
	 .source = "linux-manual; kernel: Documentation/admin-guide/mm/transhuge.rst",
	 .remedy = "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled"},
	{.id = "balloon",
	 .title = "The host can ask for memory back",
	 .severity = SEVERITY_NOTE,
	 .look = look_balloon,
	 .why = "With a balloon the guest's own policy decides what is evicted; without one the "
		"host swaps pages that it knows nothing about.",
	 .source = "friedman-blog",
	 .remedy = "host: -device virtio-balloon-pci,deflate-on-oom=on,free-page-reporting=on"},
	{.id = "balloon-oom",
	 .title = "The balloon gives way before the OOM killer strikes",
	 .severity = SEVERITY_WARNING,
	 .look = look_balloon_feature,
	 .what = "deflate-on-oom",
	 .min = 2,
	 .why = "Without this feature a process is killed while the balloon holds memory.",
	 .source = "linux-manual; virtio 1.2, 5.5.3",
	 .remedy = "host: -device virtio-balloon-pci,deflate-on-oom=on"},
	{.id = "free-page-reporting",
	 .title = "Freed memory goes back to the host",
	 .severity = SEVERITY_NOTE,
	 .look = look_balloon_feature,
	 .what = "free-page-reporting",
	 .min = 5,
	 .why = "Otherwise memory that the guest has used once stays with it for ever.",
	 .source = "friedman-blog; virtio 1.2, 5.5.3; kernel: "
		   "Documentation/mm/free_page_reporting.rst",
	 .remedy = "host: -device virtio-balloon-pci,free-page-reporting=on"},
	{.id = "guest-ksm",
	 .title = "Page sharing is left to the host",
	 .severity = SEVERITY_NOTE,
	 .look = exam_number,
	 .where = "/sys/kernel/mm/ksm/run",
	 .what = "ksm/run",
	 .why = "Scanning in every guest costs CPU, and finds nothing that the host would not find "
		"across guests.",
	 .source = "friedman-cmg06; kernel: Documentation/admin-guide/mm/ksm.rst",
	 .remedy = "echo 2 >/sys/kernel/mm/ksm/run"},
};

const struct check_group checks_memory = {"memory", rows, ARRAY_SIZE(rows), false};
