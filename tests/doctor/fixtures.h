/* SPDX-License-Identifier: MIT */
/*
 * Small trees of files, and what each check should say about them. Every check has at least one
 * that is well and one that is not (test_doctor.c counts); the fuzz target starts from the same.
 */
#ifndef TESTS_DOCTOR_FIXTURES_H
#define TESTS_DOCTOR_FIXTURES_H

#include "doctor/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE_FILES 8

struct fixture_file {
	const char *path; /* "/proc/stat" */
	/* NULL: a directory. "9 days old": a file that was changed so long before all others. */
	const char *content;
};

struct fixture {
	const char *id;
	enum verdict verdict;
	struct fixture_file files[FIXTURE_FILES];
};

#define ZEROS	"eight of them" /* bytes that text can't hold */
#define CLOCKS	"/sys/devices/system/clocksource/clocksource0/available_clocksource"
#define CLOCK	"/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define VENDOR	"/sys/class/dmi/id/sys_vendor"
#define RELEASE "/proc/sys/kernel/osrelease"
#define VIRTIO	"/sys/bus/virtio/devices/virtio3/"
#define WANTS	"/etc/systemd/system/timers.target.wants/"
#define ID	"0123456789abcdef0123456789abcdef\n"
#define IS_KVM                                                                                     \
	{                                                                                          \
		CLOCKS, "kvm-clock tsc acpi_pm \n"                                                 \
	}
#define CONFIG(x)                                                                                  \
	{RELEASE, "6.1.0-18-amd64\n"},                                                             \
	{                                                                                          \
		"/boot/config-6.1.0-18-amd64", x                                                   \
	}
#define CPU(flags)                                                                                 \
	{                                                                                          \
		"/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: " flags "\n"  \
	}
#define BALLOON(x)                                                                                 \
	{VIRTIO "device", "0x0005\n"},                                                             \
	{                                                                                          \
		VIRTIO "features", x                                                               \
	}
/* user, nice, system, idle, iowait, irq, softirq, steal: hundredths of a second */
#define STAT(cpu)                                                                                  \
	{                                                                                          \
		"/proc/stat", "cpu  " cpu " 0 0\n" CPUS                                            \
	}
#define CPUS "cpu0 1\ncpu1 1\ncpu2 1\ncpu3 1\nintr 5\ncpufreq 7\n"

/* A VM: the name of its process, and its words. */
#define PROCESS(comm, words)                                                                       \
	{"/proc/77/comm", comm "\n"},                                                              \
	{                                                                                          \
		"/proc/77/cmdline", "qemu|" words                                                  \
	}
#define QEMU(words) PROCESS("qemu-system-x86", words)
#define POLICY	    "/sys/devices/system/cpu/cpufreq/policy0/scaling_"
#define KSM	    "/sys/kernel/mm/ksm/"
#define IN_GROUP(group)                                                                            \
	{                                                                                          \
		"/proc/77/cgroup", "0::" group "\n"                                                \
	}

static const struct fixture fixtures[] = {
	/* tools */
	{"hypervisor", VERDICT_OK, {{VENDOR, "VMware, Inc.\n"}}},
	{"hypervisor", VERDICT_OK, {IS_KVM}},
	{"hypervisor", VERDICT_BAD, {{VENDOR, "Dell Inc.\n"}}},
	{"agent", VERDICT_OK, {{"/proc/77/comm", "vmdesched\n"}}},
	{"agent", VERDICT_BAD, {{"/proc/1/comm", "systemd\n"}, {"/proc/x/comm", "vmdesched\n"}}},
	{"guest-tools", VERDICT_OK, {IS_KVM, {"/proc/9/comm", "qemu-ga\n"}}},
	{"guest-tools", VERDICT_BAD, {IS_KVM, {"/proc/9/comm", "vmtoolsd\n"}}},
	{"guest-tools", VERDICT_OK, {{VENDOR, "VMware, Inc.\n"}, {"/proc/9/comm", "vmtoolsd\n"}}},
	{"guest-tools", VERDICT_NOT_HERE, {{VENDOR, "Dell Inc.\n"}, {"/proc/9/comm", "init\n"}}},
	/* Firecracker: virtio, but no SMBIOS and no port. */
	{"guest-tools",
	 VERDICT_NOT_HERE,
	 {IS_KVM,
	  {"/proc/9/comm", "init\n"},
	  {"/sys/bus/virtio/devices/virtio0/device", "0x0002\n"}}},
	{"guest-tools",
	 VERDICT_BAD,
	 {IS_KVM,
	  {"/proc/9/comm", "init\n"},
	  {"/sys/bus/virtio/devices/virtio0/device", "0x0002\n"},
	  {VENDOR, "QEMU\n"}}},
	{"agent", VERDICT_NOT_HERE, {{VENDOR, "Dell Inc.\n"}, {"/proc/9/comm", "init\n"}}},
	{"guest-channel",
	 VERDICT_NOT_HERE,
	 {IS_KVM,
	  {"/sys/class/virtio-ports", NULL},
	  {"/sys/bus/virtio/devices/virtio0/device", "2\n"}}},
	{"guest-channel",
	 VERDICT_OK,
	 {IS_KVM, {"/sys/class/virtio-ports/vport1p1/name", "org.qemu.guest_agent.0\n"}}},
	{"guest-channel",
	 VERDICT_BAD,
	 {IS_KVM, {"/sys/class/virtio-ports/vport1p1/name", "com.redhat.spice.0\n"}}},
	{"guest-channel", VERDICT_NOT_HERE, {{VENDOR, "VMware, Inc.\n"}}},
	{"virtio-drivers",
	 VERDICT_OK,
	 {{VIRTIO "uevent", "DRIVER=virtio_balloon\n"},
	  {"/sys/bus/virtio/devices/virtio0/uevent", "DRIVER=virtio_net\n"}}},
	{"virtio-drivers",
	 VERDICT_BAD,
	 {{VIRTIO "uevent", "DRIVER=virtio_balloon\n"},
	  {"/sys/bus/virtio/devices/virtio0/uevent", "MODALIAS=virtio:d1\n"}}},
	{"virtio-drivers", VERDICT_NOT_HERE, {{"/sys/bus/pci/x", ""}}},
	{"bpf", VERDICT_OK, {{RELEASE, "5.18.3\n"}, {"/sys/kernel/btf/vmlinux", "x"}}},
	{"bpf", VERDICT_BAD, {{RELEASE, "5.10.0-28\n"}, {"/sys/kernel/btf/vmlinux", "x"}}},
	{"bpf", VERDICT_BAD, {{RELEASE, "6.1.0\n"}, {"/sys/kernel/mm/ksm/run", "0\n"}}},
	{"steal-clock", VERDICT_OK, {IS_KVM, STAT("900 0 100 5000 0 0 0 300")}},
	{"steal-clock", VERDICT_BAD, {{VENDOR, "innotek GmbH\n"}, STAT("900 0 100 5000 0 0 0 0")}},
	{"steal-clock", VERDICT_CANNOT_TELL, {IS_KVM, STAT("900 0 100 5000 0 0 0 0")}},
	{"steal-clock",
	 VERDICT_NOT_HERE,
	 {{VENDOR, "Dell Inc.\n"}, STAT("900 0 100 5000 0 0 0 0")}},
	{"ledger-page",
	 VERDICT_OK,
	 {{"/sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n"},
	  {"/sys/bus/pci/devices/0000:00:04.0/device", "0x1110\n"},
	  {"/sys/bus/pci/devices/0000:00:04.0/resource2", "DESDPAGE"}}},
	{"ledger-page", /* another device's memory, and one in which nobody has written */
	 VERDICT_BAD,
	 {{"/sys/bus/pci/devices/0000:00:03.0/vendor", "0x1af4\n"},
	  {"/sys/bus/pci/devices/0000:00:03.0/device", "0x1110\n"},
	  {"/sys/bus/pci/devices/0000:00:03.0/resource2", "looking glass"},
	  {"/sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n"},
	  {"/sys/bus/pci/devices/0000:00:04.0/device", "0x1110\n"},
	  {"/sys/bus/pci/devices/0000:00:04.0/resource2", ZEROS}}},
	{"ledger-page", /* the first one is another's */
	 VERDICT_OK,
	 {{"/sys/bus/pci/devices/0000:00:03.0/vendor", "0x1af4\n"},
	  {"/sys/bus/pci/devices/0000:00:03.0/device", "0x1110\n"},
	  {"/sys/bus/pci/devices/0000:00:03.0/resource2", "looking glass"},
	  {"/sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n"},
	  {"/sys/bus/pci/devices/0000:00:04.0/device", "0x1110\n"},
	  {"/sys/bus/pci/devices/0000:00:04.0/resource2", "DESDPAGE"}}},
	{"ledger-page",
	 VERDICT_CANNOT_TELL,
	 {{"/sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n"},
	  {"/sys/bus/pci/devices/0000:00:04.0/device", "0x1110\n"}}},
	{"ledger-page",
	 VERDICT_BAD,
	 {{"/sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n"},
	  {"/sys/bus/pci/devices/0000:00:04.0/device", "0x1000\n"}}},
	{"ledger-page",
	 VERDICT_NOT_HERE,
	 {IS_KVM, {"/sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n"}}},
	{"ledger-page",
	 VERDICT_NOT_HERE,
	 {{VENDOR, "VMware, Inc.\n"}, {"/sys/bus/pci/devices", NULL}}},
	{"ledger-page",
	 VERDICT_BAD,
	 {IS_KVM, {VENDOR, "QEMU\n"}, {"/sys/bus/pci/devices/0000:00:04.0/vendor", "0x1af4\n"}}},

	/* kernel */
	{"time-accounting", VERDICT_OK, {CONFIG("CONFIG_PARAVIRT_TIME_ACCOUNTING=y\n")}},
	{"time-accounting",
	 VERDICT_BAD,
	 {CONFIG("# CONFIG_PARAVIRT_TIME_ACCOUNTING is not set\nCONFIG_X86=y\n")}},
	{"time-accounting", VERDICT_CANNOT_TELL, {CONFIG("not a configuration\n")}},
	{"user-system-split", VERDICT_OK, {CONFIG("CONFIG_VIRT_CPU_ACCOUNTING_NATIVE=y\n")}},
	{"user-system-split", VERDICT_BAD, {CONFIG("CONFIG_TICK_CPU_ACCOUNTING=y\n")}},
	{"user-system-split",
	 VERDICT_OK,
	 {CONFIG("CONFIG_VIRT_CPU_ACCOUNTING_GEN=y\n"), {"/proc/cmdline", "nohz_full=1-3\n"}}},
	{"user-system-split",
	 VERDICT_BAD,
	 {CONFIG("CONFIG_VIRT_CPU_ACCOUNTING_GEN=y\n"), {"/proc/cmdline", "quiet\n"}}},
	{"sched-info", VERDICT_OK, {{"/proc/1/schedstat", "1 2 3\n"}}},
	{"sched-info", VERDICT_BAD, {{"/proc/1/comm", "init\n"}}},
	{"tick-rate", VERDICT_OK, {CONFIG("CONFIG_HZ_250=y\nCONFIG_HZ=250\n")}},
	{"tick-rate", VERDICT_BAD, {CONFIG("CONFIG_HZ=1000\n")}},
	{"tick-rate", VERDICT_CANNOT_TELL, {CONFIG("CONFIG_HZ=often\n")}},
	{"tickless", VERDICT_OK, {CONFIG("CONFIG_NO_HZ_COMMON=y\n")}},
	{"tickless", VERDICT_BAD, {CONFIG("CONFIG_HZ_PERIODIC=y\n")}},
	{"clocksource", VERDICT_OK, {{CLOCK, "kvm-clock\n"}}},
	{"clocksource", VERDICT_BAD, {{CLOCK, "acpi_pm\n"}}},
	{"cmdline-clock", VERDICT_OK, {{"/proc/cmdline", "root=/dev/vda1 quiet divider\n"}}},
	{"cmdline-clock", VERDICT_BAD, {{"/proc/cmdline", "root=/dev/vda1 divider=10\n"}}},
	{"cmdline-clock", VERDICT_BAD, {{"/proc/cmdline", "notsc"}}},
	{"cmdline-paravirt", VERDICT_OK, {{"/proc/cmdline", "quiet nopvx xno-steal-acc\n"}}},
	{"cmdline-paravirt", VERDICT_BAD, {{"/proc/cmdline", "quiet no-steal-acc\n"}}},
	{"cmdline-idle", VERDICT_OK, {{"/proc/cmdline", "idle=halt\n"}}},
	{"cmdline-idle", VERDICT_BAD, {{"/proc/cmdline", "ro idle=poll\n"}}},
	{"softlockup-panic", VERDICT_OK, {{"/proc/sys/kernel/softlockup_panic", "0\n"}}},
	{"softlockup-panic", VERDICT_BAD, {{"/proc/sys/kernel/softlockup_panic", "1\n"}}},
	{"hung-task-panic", VERDICT_OK, {{"/proc/sys/kernel/hung_task_panic", "0\n"}}},
	{"hung-task-panic", VERDICT_BAD, {{"/proc/sys/kernel/hung_task_panic", "1\n"}}},
	{"nmi-watchdog", VERDICT_OK, {{"/proc/sys/kernel/nmi_watchdog", "0\n"}}},
	{"nmi-watchdog", VERDICT_BAD, {{"/proc/sys/kernel/nmi_watchdog", "1\n"}}},
	{"nmi-watchdog", VERDICT_CANNOT_TELL, {{"/proc/sys/kernel/nmi_watchdog", "-1\n"}}},

	/* cpu */
	{"vcpus-many",
	 VERDICT_OK,
	 {STAT("1 0 0 1 0 0 0 0"),
	  {"/proc/loadavg", "0.1 0.2 1.50 1/99 1234\n"},
	  {"/proc/uptime", "86400.12 1.0\n"}}},
	{"vcpus-many",
	 VERDICT_BAD,
	 {STAT("1 0 0 1 0 0 0 0"),
	  {"/proc/loadavg", "9.1 9.2 0.50 1/99 1234\n"},
	  {"/proc/uptime", "86400.12 1.0\n"}}},
	{"vcpus-many",
	 VERDICT_CANNOT_TELL,
	 {STAT("1 0 0 1 0 0 0 0"),
	  {"/proc/loadavg", "9.1 9.2 0.50 1/99 1234\n"},
	  {"/proc/uptime", "60.12 1.0\n"}}},
	{"vcpus-few",
	 VERDICT_OK,
	 {STAT("1 0 0 1 0 0 0 0"), {"/proc/loadavg", "20 20 7.90 1/99 1234\n"}}},
	{"vcpus-few",
	 VERDICT_BAD,
	 {STAT("1 0 0 1 0 0 0 0"), {"/proc/loadavg", "1 2 8.10 1/99 1234\n"}}},
	{"vcpus-few",
	 VERDICT_CANNOT_TELL,
	 {STAT("1 0 0 1 0 0 0 0"), {"/proc/loadavg", "1 2 nan 1/99 1234\n"}}},
	{"steal-share", VERDICT_OK, {STAT("5000 0 0 14900 0 0 0 100")}},
	{"steal-share", VERDICT_BAD, {STAT("5000 0 0 13000 0 0 0 2000")}},
	{"steal-share", VERDICT_CANNOT_TELL, {STAT("5 0 0 13 0 0 0 20")}},
	{"cpu-offline", VERDICT_OK, {{"/sys/devices/system/cpu/offline", "\n"}}},
	{"cpu-offline", VERDICT_BAD, {{"/sys/devices/system/cpu/offline", "4-7\n"}}},
	{"cpu-hidden", VERDICT_OK, {CPU("fpu hypervisor lm")}},
	{"cpu-hidden", VERDICT_BAD, {CPU("fpu lm hypervisor_not")}},
	{"cpu-hidden", VERDICT_NOT_HERE, {{"/proc/cpuinfo", "Features\t: fp asimd\n"}}},
	{"cpu-model", VERDICT_OK, {CPU("fpu")}},
	{"cpu-model",
	 VERDICT_BAD,
	 {{"/proc/cpuinfo", "processor\t: 0\nmodel name\t: QEMU Virtual CPU version 2.5+\n"}}},
	{"cpu-instructions", VERDICT_OK, {CPU("cx16 sse4_1 sse4_2 popcnt aes avx")}},
	{"cpu-instructions", VERDICT_BAD, {CPU("cx16 sse4_1 sse4_2 popcnt avx")}},
	{"cpu-tsc", VERDICT_OK, {CPU("rdtscp constant_tsc nonstop_tsc")}},
	{"cpu-tsc", VERDICT_BAD, {CPU("tsc rdtscp constant_tsc")}},
	{"cpu-timer", VERDICT_OK, {CPU("tsc_deadline_timer x2apic")}},
	{"cpu-timer", VERDICT_BAD, {CPU("apic x2apic")}},
	{"cpu-pcid", VERDICT_OK, {CPU("pcid invpcid")}},
	{"cpu-pcid", VERDICT_BAD, {CPU("invpcid")}},
	{"cpu-mitigations",
	 VERDICT_OK,
	 {{"/sys/devices/system/cpu/vulnerabilities/mds", "Mitigation: Clear CPU buffers\n"},
	  {"/sys/devices/system/cpu/vulnerabilities/l1tf", "Not affected\n"}}},
	{"cpu-mitigations",
	 VERDICT_BAD,
	 {{"/sys/devices/system/cpu/vulnerabilities/mds", "Vulnerable: no microcode\n"},
	  {"/sys/devices/system/cpu/vulnerabilities/l1tf", "Not affected\n"}}},

	/* memory */
	{"swap", VERDICT_OK, {{"/proc/meminfo", "MemTotal: 100 kB\nSwapTotal:  2097148 kB\n"}}},
	{"swap", VERDICT_BAD, {{"/proc/meminfo", "MemTotal: 100 kB\nSwapTotal:  0 kB\n"}}},
	{"swap-balloon",
	 VERDICT_OK,
	 {BALLOON("0"),
	  {"/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapFree: 250 kB\n"}}},
	{"swap-balloon",
	 VERDICT_BAD,
	 {BALLOON("0"),
	  {"/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapFree: 249 kB\n"}}},
	{"swap-balloon",
	 VERDICT_NOT_HERE,
	 {{"/sys/bus/virtio/devices/virtio0/device", "0x0001\n"},
	  {"/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapFree: 0 kB\n"}}},
	{"overcommit", VERDICT_OK, {{"/proc/sys/vm/overcommit_memory", "2\n"}}},
	{"overcommit", VERDICT_OK, {{"/proc/sys/vm/overcommit_memory", "0\n"}}},
	{"overcommit", VERDICT_BAD, {{"/proc/sys/vm/overcommit_memory", "1\n"}}},
	{"overcommit", VERDICT_CANNOT_TELL, {{"/proc/sys/vm/overcommit_memory", "3\n"}}},
	{"swappiness", VERDICT_OK, {{"/proc/sys/vm/swappiness", "60\n"}}},
	{"swappiness", VERDICT_BAD, {{"/proc/sys/vm/swappiness", "61\n"}}},
	{"huge-pages",
	 VERDICT_OK,
	 {{"/proc/meminfo", "MemTotal: 8192 kB\nHugePages_Total: 2\nHugePages_Free: 1\n"
			    "Hugetlb: 4096 kB\n"}}},
	{"huge-pages",
	 VERDICT_BAD,
	 {{"/proc/meminfo", "MemTotal: 8192 kB\nHugePages_Total: 2\nHugePages_Free: 2\n"
			    "Hugetlb: 4096 kB\n"}}},
	{"huge-pages",
	 VERDICT_BAD,
	 {{"/proc/meminfo", "MemTotal: 8192 kB\nHugePages_Total: 3\nHugePages_Free: 0\n"
			    "Hugetlb: 6144 kB\n"}}},
	{"transparent-huge-pages",
	 VERDICT_OK,
	 {{"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"}}},
	{"transparent-huge-pages",
	 VERDICT_BAD,
	 {{"/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"}}},
	{"balloon", VERDICT_OK, {BALLOON("0"), {VIRTIO "uevent", "DRIVER=virtio_balloon\n"}}},
	{"balloon", VERDICT_OK, {{"/sys/bus", NULL}, {"/sys/module/vmw_balloon/refcnt", "0\n"}}},
	{"balloon", VERDICT_BAD, {BALLOON("0"), {VIRTIO "uevent", "MODALIAS=virtio:d5\n"}}},
	{"balloon", VERDICT_BAD, {{VIRTIO "device", "0x0002\n"}}},
	{"balloon", VERDICT_NOT_HERE, {{VENDOR, "Dell Inc.\n"}, {VIRTIO "device", "0x0002\n"}}},
	{"balloon-oom", VERDICT_OK, {BALLOON("00100000\n")}},
	{"balloon-oom", VERDICT_BAD, {BALLOON("11011111\n")}},
	{"balloon-oom", VERDICT_CANNOT_TELL, {BALLOON("11\n")}},
	{"free-page-reporting", VERDICT_OK, {BALLOON("00000100\n")}},
	{"free-page-reporting", VERDICT_BAD, {BALLOON("11111011\n")}},
	{"free-page-reporting", VERDICT_NOT_HERE, {{VIRTIO "device", "0x0002\n"}}},
	{"guest-ksm", VERDICT_OK, {{"/sys/kernel/mm/ksm/run", "0\n"}}},
	{"guest-ksm", VERDICT_BAD, {{"/sys/kernel/mm/ksm/run", "1\n"}}},

	/* disk */
	{"disk-driver", VERDICT_OK, {{"/sys/block/vda/size", "1\n"}}},
	{"disk-driver",
	 VERDICT_OK,
	 {{"/sys/block/sda/device/vendor", "QEMU    \n"},
	  {"/sys/block/sda/device/model", "QEMU HARDDISK   \n"}}},
	{"disk-driver",
	 VERDICT_BAD,
	 {{"/sys/block/sda/device/vendor", "ATA     \n"},
	  {"/sys/block/sda/device/model", "QEMU HARDDISK   \n"}}},
	{"disk-driver", VERDICT_NOT_HERE, {{"/sys/block/loop0/size", "0\n"}}},
	{"io-scheduler", VERDICT_OK, {{"/sys/block/vda/queue/scheduler", "[none] mq-deadline\n"}}},
	{"io-scheduler", VERDICT_OK, {{"/sys/block/nvme0n1/queue/scheduler", "none\n"}}},
	{"io-scheduler",
	 VERDICT_BAD,
	 {{"/sys/block/vda/queue/scheduler", "[none]\n"},
	  {"/sys/block/vdb/queue/scheduler", "none [bfq]\n"}}},
	{"queue-depth", VERDICT_OK, {{"/sys/block/sda/device/queue_depth", "32\n"}}},
	{"queue-depth", VERDICT_BAD, {{"/sys/block/sda/device/queue_depth", "31\n"}}},
	{"queue-requests", VERDICT_OK, {{"/sys/block/vda/queue/nr_requests", "64\n"}}},
	{"queue-requests", VERDICT_BAD, {{"/sys/block/vda/queue/nr_requests", "63\n"}}},
	{"partition-alignment", VERDICT_OK, {{"/sys/block/vda/vda1/start", "2048\n"}}},
	{"partition-alignment",
	 VERDICT_BAD,
	 {{"/sys/block/vda/vda1/start", "2048\n"}, {"/sys/block/vda/vda2/start", "63\n"}}},
	{"partition-alignment", VERDICT_NOT_HERE, {{"/sys/block/vda/size", "1\n"}}},
	{"disk-timeout", VERDICT_OK, {{"/sys/block/sda/device/timeout", "180\n"}}},
	{"disk-timeout", VERDICT_BAD, {{"/sys/block/sda/device/timeout", "30\n"}}},
	{"disk-timeout", VERDICT_NOT_HERE, {{"/sys/block/vda/size", "1\n"}}},
	{"nvme-timeout",
	 VERDICT_OK,
	 {{"/sys/block/nvme0n1/size", "8\n"},
	  {"/sys/module/nvme_core/parameters/io_timeout", "255\n"}}},
	{"nvme-timeout",
	 VERDICT_BAD,
	 {{"/sys/block/nvme0n1/size", "8\n"},
	  {"/sys/module/nvme_core/parameters/io_timeout", "30\n"}}},
	{"nvme-timeout",
	 VERDICT_NOT_HERE,
	 {{"/sys/block/vda/size", "8\n"}, {"/sys/module/nvme_core/parameters/io_timeout", "30\n"}}},
	{"nvme-timeout", VERDICT_NOT_HERE, {{"/sys/block", NULL}, {"/sys/module/kvm/x", "1\n"}}},

	/* net */
	{"nic-driver",
	 VERDICT_OK,
	 {{"/sys/class/net/lo/mtu", "1\n"},
	  {"/sys/class/net/eth0/device/uevent", "DRIVER=virtio_net\n"}}},
	{"nic-driver", VERDICT_BAD, {{"/sys/class/net/eth0/device/uevent", "X=1\nDRIVER=e1000\n"}}},
	{"nic-driver", VERDICT_NOT_HERE, {{"/sys/class/net/lo/mtu", "1\n"}}},
	{"nic-queues",
	 VERDICT_OK,
	 {STAT("1 0 0 1 0 0 0 0"),
	  {"/sys/class/net/eth0/device/uevent", "DRIVER=virtio_net\n"},
	  {"/sys/class/net/eth0/queues/rx-0/x", ""},
	  {"/sys/class/net/eth0/queues/rx-1/x", ""}}},
	{"nic-queues",
	 VERDICT_BAD,
	 {STAT("1 0 0 1 0 0 0 0"),
	  {"/sys/class/net/eth0/device/uevent", "DRIVER=virtio_net\n"},
	  {"/sys/class/net/eth0/queues/rx-0/x", ""},
	  {"/sys/class/net/eth0/queues/tx-0/x", ""}}},
	{"congestion-control",
	 VERDICT_OK,
	 {{"/proc/sys/net/ipv4/tcp_congestion_control", "bbr\n"}}},
	{"congestion-control",
	 VERDICT_BAD,
	 {{"/proc/sys/net/ipv4/tcp_congestion_control", "cubic\n"}}},

	/* clone */
	{"machine-id", VERDICT_OK, {{"/etc/machine-id", ID}, {"/var/lib/dbus/machine-id", ID}}},
	{"machine-id", VERDICT_OK, {{"/etc/machine-id", ""}}},
	{"machine-id", VERDICT_OK, {{"/etc/machine-id", "uninitialized\n"}}},
	/* Reset by halves. */
	{"machine-id",
	 VERDICT_BAD,
	 {{"/etc/machine-id", "uninitialized\n"}, {"/etc/ssh/ssh_host_rsa_key", "key"}}},
	{"machine-id",
	 VERDICT_BAD,
	 {{"/etc/machine-id", ""}, {"/etc/ssh/ssh_host_ed25519_key", "1 days old"}}},
	{"machine-id",
	 VERDICT_BAD,
	 {{"/etc/machine-id", "uninitialized\n"}, {"/var/lib/dbus/machine-id", ID}}},
	{"ssh-host-keys",
	 VERDICT_BAD,
	 {{"/etc/machine-id", "uninitialized\n"}, {"/etc/ssh/ssh_host_rsa_key", "key"}}},
	{"machine-id",
	 VERDICT_BAD,
	 {{"/etc/machine-id", ID},
	  {"/var/lib/dbus/machine-id", "fedcba9876543210fedcba9876543210\n"}}},
	{"machine-id", VERDICT_BAD, {{"/etc/machine-id", "00000000000000000000000000000000\n"}}},
	{"ssh-host-keys",
	 VERDICT_OK,
	 {{"/etc/machine-id", ID}, {"/etc/ssh/ssh_host_rsa_key", "1 days old"}}},
	{"ssh-host-keys",
	 VERDICT_BAD,
	 {{"/etc/machine-id", ID}, {"/etc/ssh/ssh_host_rsa_key", "300 days old"}}},
	{"ssh-host-keys",
	 VERDICT_NOT_HERE,
	 {{"/etc/machine-id", ID}, {"/etc/ssh/ssh_host_rsa_key.pub", "300 days old"}}},
	{"mac-bound-names",
	 VERDICT_OK,
	 {{"/etc/udev/rules.d/60-x.rules", "SUBSYSTEM==\"net\", 12:34:56:78:9a\n"}}},
	{"mac-bound-names",
	 VERDICT_BAD,
	 {{"/etc/udev/rules.d/70-persistent-net.rules",
	   "ATTR{address}==\"52:54:00:12:34:56\", NAME=\"eth0\"\n"}}},
	{"mac-bound-names",
	 VERDICT_OK,
	 {{"/etc/netplan/1.yaml", "addresses: [2001:db8:12:34:56:78:9a:bc/64]\n"}}},
	{"fstab-names",
	 VERDICT_OK,
	 {{"/etc/fstab", "# /dev/sda1 was /\nUUID=1234 / ext4 defaults 0 1\n"}}},
	{"fstab-names", VERDICT_BAD, {{"/etc/fstab", "UUID=12 / ext4 x 0 1\n /dev/sdb1 /x xfs\n"}}},
	{"initramfs-modules",
	 VERDICT_OK,
	 {{"/etc/initramfs-tools/initramfs.conf", "#\nMODULES=most\n"}}},
	{"initramfs-modules",
	 VERDICT_BAD,
	 {{"/etc/initramfs-tools/initramfs.conf", "#\nMODULES=dep\n"}}},
	{"hostname", VERDICT_OK, {{"/etc/hostname", "db7\n"}}},
	{"hostname", VERDICT_BAD, {{"/etc/hostname", "localhost.localdomain\n"}}},
	{"random-source",
	 VERDICT_OK,
	 {CPU("fpu"), {"/sys/class/misc/hw_random/rng_current", "virtio_rng.0\n"}}},
	{"random-source", VERDICT_OK, {CPU("rdrand")}},
	{"random-source",
	 VERDICT_CANNOT_TELL,
	 {{"/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp rng\n"}, {"/sys/class", NULL}}},
	{"random-source",
	 VERDICT_BAD,
	 {CPU("fpu"), {"/sys/class/misc/hw_random/rng_current", "none\n"}}},

	/* time */
	{"cron-coincide",
	 VERDICT_OK,
	 {{"/etc/crontab", "SHELL=/bin/sh\n17 * * * * root a\n25 6 * * * root b\n"},
	  {"/etc/cron.d/c", "*/5 * * * * root often\n@reboot root once\n"}}},
	{"cron-coincide",
	 VERDICT_BAD,
	 {{"/etc/crontab", "17 * * * * root a\n"},
	  {"/var/spool/cron/crontabs/joe", "# m h\n7,17 3-5 * * 1 b\n"}}},
	{"cron-coincide",
	 VERDICT_BAD,
	 {{"/etc/crontab", "@daily root a\n"}, {"/etc/cron.d/b", "0 */12 * * * root b\n"}}},
	{"timers-coincide",
	 VERDICT_OK,
	 {{WANTS "a.timer", "[Timer]\nOnCalendar=daily\nRandomizedDelaySec=12h\n"},
	  {WANTS "b.timer", "[Timer]\nOnCalendar=weekly\nAccuracySec=1h\n"},
	  {WANTS "c.timer", "[Timer]\nOnBootSec=5min\n"},
	  {WANTS "d.timer", "[Timer]\nOnCalendar=daily\n"},
	  {"/etc/systemd/system/d.timer.d/x.conf", "[Timer]\nRandomizedDelaySec=600\n"}}},
	{"timers-coincide",
	 VERDICT_BAD,
	 {{WANTS "a.timer", "[Timer]\nOnCalendar=daily\nAccuracySec=1min\n"}}},
	{"time-sync", VERDICT_OK, {{"/proc/5/comm", "chronyd\n"}}},
	{"time-sync", VERDICT_BAD, {{"/proc/5/comm", "init\n"}}},
	{"time-sync-twice",
	 VERDICT_OK,
	 {{"/proc/5/comm", "chronyd\n"}, {"/proc/6/comm", "chronyd\n"}}},
	{"time-sync-twice",
	 VERDICT_BAD,
	 {{"/proc/5/comm", "chronyd\n"}, {"/proc/6/comm", "systemd-timesyn\n"}}},
	{"time-sync-twice", VERDICT_NOT_HERE, {{"/proc/5/comm", "init\n"}}},
	{"chrony-step", VERDICT_OK, {{"/etc/chrony.conf", "pool x\nmakestep 1 3\n"}}},
	{"chrony-step",
	 VERDICT_OK,
	 {{"/etc/chrony/chrony.conf", "pool x"}, {"/etc/chrony/conf.d/a", "makestep 1 -1\n"}}},
	{"chrony-step", VERDICT_BAD, {{"/etc/chrony/chrony.conf", "pool x\n#makestep 1 3\n"}}},
	{"chrony-step", VERDICT_NOT_HERE, {{"/etc/hostname", "x\n"}}},
	{"chrony-ptp",
	 VERDICT_OK,
	 {{"/sys/class/ptp/ptp0/clock_name", "KVM virtual PTP\n"},
	  {"/etc/chrony/chrony.conf", "refclock PHC /dev/ptp0 poll 2\n"}}},
	{"chrony-ptp",
	 VERDICT_BAD,
	 {{"/sys/class/ptp/ptp0/clock_name", "KVM virtual PTP\n"},
	  {"/etc/chrony/chrony.conf", "pool x\n"}}},
	{"chrony-ptp",
	 VERDICT_NOT_HERE,
	 {{"/sys/class/ptp/ptp0/clock_name", "igb\n"}, {"/etc/chrony/chrony.conf", "pool x\n"}}},
	{"ntpd-panic", VERDICT_OK, {{"/etc/ntp.conf", "tinker panic 0\n"}}},
	{"ntpd-panic", VERDICT_BAD, {{"/etc/ntpsec/ntp.conf", "pool x\n"}}},
	{"ntpd-panic", VERDICT_NOT_HERE, {{"/etc/hostname", "x\n"}}},

	/* a host */
	{"host-kvm", VERDICT_OK, {{"/dev/kvm", ""}}},
	{"host-kvm", VERDICT_BAD, {{"/dev/null", ""}}},
	{"host-bpf", VERDICT_OK, {{RELEASE, "6.1.0-18\n"}, {"/sys/kernel/btf/vmlinux", "x"}}},
	{"host-bpf", VERDICT_BAD, {{RELEASE, "5.17.9\n"}, {"/sys/kernel/btf/vmlinux", "x"}}},
	{"host-tracepoints", VERDICT_OK, {{"/proc/filesystems", "nodev\tproc\nnodev\ttracefs\n"}}},
	{"host-tracepoints",
	 VERDICT_BAD,
	 {{"/proc/filesystems", "nodev\tproc\nnodev\ttracefs2\n"}}},
	{"host-schedstat", VERDICT_OK, {{"/proc/1/schedstat", "1 2 3\n"}}},
	{"host-schedstat", VERDICT_BAD, {{"/proc/1/comm", "init\n"}}},
	{"host-sched-ext", VERDICT_OK, {CONFIG("CONFIG_SCHED_CLASS_EXT=y\n")}},
	{"host-sched-ext", VERDICT_BAD, {CONFIG("# CONFIG_SCHED_CLASS_EXT is not set\n")}},
	{"host-cgroup",
	 VERDICT_OK,
	 {{"/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory\n"}}},
	{"host-cgroup", VERDICT_BAD, {{"/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io\n"}}},
	{"host-cgroup", VERDICT_BAD, {{"/sys/fs/cgroup/cpu/cpu.shares", "1024\n"}}},
	{"host-enforce", VERDICT_OK, {{"/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io\n"}}},
	{"host-enforce", VERDICT_BAD, {{"/sys/fs/cgroup/cgroup.controllers", "cpuset io\n"}}},
	{"host-enforce",
	 VERDICT_OK,
	 {{"/sys/fs/cgroup/cpu/cpu.shares", "1024\n"},
	  {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"}}},
	{"host-enforce", VERDICT_BAD, {{"/sys/fs/cgroup/cpu/cpu.shares", "1024\n"}}},
	{"host-freezer", VERDICT_OK, {{"/sys/fs/cgroup/cgroup.controllers", "cpu\n"}}},
	{"host-freezer", VERDICT_OK, {{"/sys/fs/cgroup/freezer", NULL}}},
	{"host-dispatch",
	 VERDICT_OK,
	 {{"/sys/fs/cgroup/unified/cgroup.controllers", "\n"}, {"/sys/kernel/btf/vmlinux", "x"}}},
	{"host-dispatch", VERDICT_BAD, {{"/sys/fs/cgroup/cgroup.controllers", "cpu\n"}}},
	{"host-dispatch", VERDICT_BAD, {{"/sys/fs/cgroup/freezer", NULL}}},
	{"host-freezer", VERDICT_BAD, {{"/sys/fs/cgroup/cpu/cpu.shares", "1024\n"}}},
	{"host-rt-groups", VERDICT_OK, {CONFIG("# CONFIG_RT_GROUP_SCHED is not set\n")}},
	{"host-rt-groups", VERDICT_BAD, {CONFIG("CONFIG_RT_GROUP_SCHED=y\n")}},
	{"host-vm-threads", VERDICT_OK, {QEMU("-name|a,debug-threads=on|")}},
	{"host-vm-threads", VERDICT_OK, {QEMU("-machine|q35,accel=kvm|")}},
	{"host-vm-threads", VERDICT_OK, {PROCESS("firecracker", "--id|f|")}},
	{"host-vm-threads", VERDICT_BAD, {QEMU("-name|a|-accel|tcg|")}},
	{"host-vm-threads", VERDICT_NOT_HERE, {{"/proc/77/comm", "bash\n"}}},
	{"host-vm-threads", /* a thread of the kernel has no words */
	 VERDICT_NOT_HERE,
	 {{"/proc/77/comm", "kvm\n"}, {"/proc/77/cmdline", ""}}},
	{"host-vm-page", VERDICT_OK, {QEMU("-device|ivshmem-plain,memdev=m|")}},
	{"host-vm-page", VERDICT_BAD, {QEMU("-name|a|-device|ivshmem-doorbell|")}},
	{"host-vm-page", VERDICT_NOT_HERE, {PROCESS("firecracker", "--id|f|")}},
	{"host-vm-steal", VERDICT_OK, {QEMU("-accel|kvm|-cpu|host,+kvm-steal-time|")}},
	{"host-vm-steal", VERDICT_OK, {PROCESS("kvm", "-id|100|-name|web,debug-threads=on|")}},
	{"host-vm-steal", VERDICT_BAD, {QEMU("-accel|kvm|-cpu|host,kvm-steal-time=off|")}},
	{"host-vm-steal", VERDICT_BAD, {QEMU("-enable-kvm|-cpu|host,-kvm-steal-time|")}},
	{"host-vm-steal", VERDICT_BAD, {QEMU("-accel|tcg|")}},
	{"host-vm-groups",
	 VERDICT_OK,
	 {QEMU("-name|a|"), IN_GROUP("/machine.slice/machine-qemu\\x2d1\\x2da.scope")}},
	{"host-vm-groups",
	 VERDICT_BAD,
	 {QEMU("-name|a|"), IN_GROUP("/user.slice/user-0.slice/session-3.scope")}},
	{"host-vm-groups", VERDICT_BAD, {QEMU("-name|a|"), IN_GROUP("/")}},
	{"host-vm-groups", VERDICT_NOT_HERE, {QEMU("-name|a|")}},

	/* and its settings */
	{"host-autogroup", VERDICT_OK, {{"/proc/sys/kernel/sched_autogroup_enabled", "0\n"}}},
	{"host-autogroup", VERDICT_BAD, {{"/proc/sys/kernel/sched_autogroup_enabled", "1\n"}}},
	{"host-rt-throttling", VERDICT_OK, {{"/proc/sys/kernel/sched_rt_runtime_us", "950000\n"}}},
	{"host-rt-throttling", VERDICT_BAD, {{"/proc/sys/kernel/sched_rt_runtime_us", "-1\n"}}},
	{"host-rt-throttling",
	 VERDICT_CANNOT_TELL,
	 {{"/proc/sys/kernel/sched_rt_runtime_us", "x\n"}}},
	{"host-ksm", VERDICT_OK, {{KSM "run", "0\n"}}},
	{"host-ksm", VERDICT_OK, {{KSM "run", "1\n"}, {KSM "general_profit", "4096\n"}}},
	{"host-ksm", VERDICT_BAD, {{KSM "run", "1\n"}, {KSM "general_profit", "-4096\n"}}},
	{"host-ksm", VERDICT_BAD, {{KSM "run", "1\n"}, {KSM "pages_sharing", "0\n"}}},
	{"host-ksm", VERDICT_CANNOT_TELL, {{KSM "run", "1\n"}}},
	{"host-huge-pages",
	 VERDICT_OK,
	 {{"/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"}}},
	{"host-huge-pages",
	 VERDICT_BAD,
	 {{"/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"}}},
	{"host-governor", VERDICT_OK, {{POLICY "governor", "schedutil\n"}}},
	{"host-governor",
	 VERDICT_OK,
	 {{POLICY "governor", "powersave\n"}, {POLICY "driver", "intel_pstate\n"}}},
	{"host-governor",
	 VERDICT_BAD,
	 {{POLICY "governor", "powersave\n"}, {POLICY "driver", "acpi-cpufreq\n"}}},
	{"host-governor", VERDICT_BAD, {{POLICY "governor", "ondemand\n"}}},
	{"host-governor", VERDICT_NOT_HERE, {{"/sys/devices/system/cpu/online", "0-3\n"}}},
	{"host-swap", VERDICT_OK, {{"/proc/meminfo", "MemTotal: 9 kB\nSwapTotal:  4096 kB\n"}}},
	{"host-swap", VERDICT_BAD, {{"/proc/meminfo", "MemTotal: 9 kB\nSwapTotal:  0 kB\n"}}},
	{"host-numa-balancing",
	 VERDICT_OK,
	 {{"/sys/devices/system/node/node0", NULL},
	  {"/sys/devices/system/node/node1", NULL},
	  {"/proc/sys/kernel/numa_balancing", "1\n"}}},
	{"host-numa-balancing",
	 VERDICT_BAD,
	 {{"/sys/devices/system/node/node0", NULL},
	  {"/sys/devices/system/node/node1", NULL},
	  {"/proc/sys/kernel/numa_balancing", "0\n"}}},
	{"host-numa-balancing",
	 VERDICT_NOT_HERE,
	 {{"/sys/devices/system/node/node0", NULL}, {"/sys/devices/system/node/possible", "0\n"}}},
	{"host-nested", VERDICT_OK, {{"/sys/module/kvm_intel/parameters/nested", "N\n"}}},
	{"host-nested", VERDICT_BAD, {{"/sys/module/kvm_intel/parameters/nested", "Y\n"}}},
	{"host-nested", VERDICT_BAD, {{"/sys/module/kvm_amd/parameters/nested", "1\n"}}},
	{"host-nested", VERDICT_NOT_HERE, {{"/sys/module/kvm/parameters/halt_poll_ns", "0\n"}}},
	{"host-pause-exits", VERDICT_OK, {{"/sys/module/kvm_intel/parameters/ple_gap", "128\n"}}},
	{"host-pause-exits", VERDICT_BAD, {{"/sys/module/kvm_intel/parameters/ple_gap", "0\n"}}},
	{"host-pause-exits",
	 VERDICT_BAD,
	 {{"/sys/module/kvm_amd/parameters/pause_filter_count", "0\n"}}},
	{"host-halt-polling",
	 VERDICT_OK,
	 {{"/sys/module/kvm/parameters/halt_poll_ns", "200000\n"}}},
	{"host-halt-polling",
	 VERDICT_BAD,
	 {{"/sys/module/kvm/parameters/halt_poll_ns", "200001\n"}}},
	{"host-halt-polling", VERDICT_NOT_HERE, {{"/sys/module/virtio/x", "1\n"}}},
	{"host-clocksource", VERDICT_OK, {{CLOCK, "tsc\n"}}},
	{"host-clocksource", VERDICT_BAD, {{CLOCK, "hpet\n"}}},
};

#define N_FIXTURES (sizeof(fixtures) / sizeof(fixtures[0]))

/* Makes the directories above a file, too. */
static inline void fixture_write(const char *root, const struct fixture_file *f,
				 const char *content, size_t size)
{
	struct timespec changed[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1767225600}};
	char path[1024];
	int fd, days;
	char d;

	if (content && sscanf(content, "%d days ol%c", &days, &d) == 2)
		changed[1].tv_sec -= 86400L * (days % 1000);
	snprintf(path, sizeof(path), "%s%s/", root, f->path);
	path[strlen(path) - (f->content ? 1 : 0)] = '\0';
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0777);
		*p = '/';
	}
	if (!f->content)
		return;
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0666);
	if (fd < 0 || write(fd, content, size) != (ssize_t)size || futimens(fd, changed) < 0) {
		perror(path);
		abort();
	}
	close(fd);
}

/* A command line, whose words end with '|' here. */
static inline void fixture_write_words(const char *root, const struct fixture_file *f)
{
	char text[512];
	size_t n = strlen(f->content);

	memcpy(text, f->content, n + 1);
	for (char *c = text; (c = strchr(c, '|')); c++)
		*c = '\0';
	fixture_write(root, f, text, n);
}

static inline void fixture_make(const char *root, const struct fixture *x)
{
	static const char zeros[8];

	for (int i = 0; i < FIXTURE_FILES && x->files[i].path; i++) {
		const char *content = x->files[i].content;

		if (content && !strcmp(content, ZEROS))
			fixture_write(root, &x->files[i], zeros, sizeof(zeros));
		else if (content && !strncmp(content, "qemu|", 5))
			fixture_write_words(root, &x->files[i]);
		else
			fixture_write(root, &x->files[i], content, content ? strlen(content) : 0);
	}
}

#endif
