/* SPDX-License-Identifier: MIT */
/* The quantities: one row each. Names and units go into tables and JSON as they are. */
#include "data/data.h"

const struct data_quantity_row data_quantities[DATA_QUANTITIES] = {
	[DATA_CPU] = {"cpu", "s", false, "CPU time, over all CPUs"},
	[DATA_CPU_SHARE] = {"cpu_share", "s", false,
			    "CPU time, mean of the CPUs, where their number isn't known"},
	[DATA_READY] = {"ready", "s", false, "runnable, waiting for a physical CPU"},
	[DATA_COSTOP] = {"costop", "s", false, "held back for the VM's other vCPUs"},
	[DATA_LIMITED] = {"limited", "s", false, "held back by the VM's limit"},
	[DATA_SWAPWAIT] = {"swapwait", "s", false, "waiting for memory that the host brings back"},
	[DATA_STEAL] = {"steal", "s", false, "stolen from a machine's CPUs, as it says itself"},
	[DATA_IOWAIT] = {"iowait", "s", false, "CPUs idle while a disk was waited for"},
	[DATA_DESCHEDULED] = {"descheduled", "s", false,
			      "part of cpu in which the vCPU wasn't running"},
	[DATA_MEMORY_SIZE] = {"memory_size", "bytes", true, "memory that it is configured with"},
	[DATA_MEMORY_GRANTED] = {"memory_granted", "bytes", true, "memory that it has been given"},
	[DATA_MEMORY_USED] = {"memory_used", "bytes", true, "memory in use, or resident"},
	[DATA_MEMORY_ACTIVE] = {"memory_active", "bytes", true, "memory touched lately"},
	[DATA_MEMORY_AVAILABLE] = {"memory_available", "bytes", true,
				   "memory that can be had without swapping"},
	[DATA_MEMORY_BALLOONED] = {"memory_ballooned", "bytes", true, "memory in the balloon"},
	[DATA_MEMORY_SWAPPED] = {"memory_swapped", "bytes", true, "memory swapped out"},
	[DATA_DISK_READ] = {"disk_read", "bytes", false, "read from disks"},
	[DATA_DISK_WRITTEN] = {"disk_written", "bytes", false, "written to disks"},
	[DATA_DISK_READS] = {"disk_reads", "requests", false, "requests that read from disks"},
	[DATA_DISK_WRITES] = {"disk_writes", "requests", false, "requests that wrote to disks"},
	[DATA_NET_RECEIVED] = {"net_received", "bytes", false, "received by interfaces"},
	[DATA_NET_SENT] = {"net_sent", "bytes", false, "sent by interfaces"},
};

const char *data_kind_name(enum data_kind kind)
{
	static const char *const names[DATA_KINDS] = {
		[DATA_KIND_MACHINE] = "machine", [DATA_KIND_VM] = "vm",
		[DATA_KIND_GROUP] = "group",	 [DATA_KIND_CPU] = "cpu",
		[DATA_KIND_VCPU] = "vcpu",	 [DATA_KIND_PROCESS] = "process",
		[DATA_KIND_DISK] = "disk",	 [DATA_KIND_INTERFACE] = "interface",
	};

	return names[kind];
}
