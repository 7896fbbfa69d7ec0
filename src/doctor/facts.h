/* SPDX-License-Identifier: MIT */
/* What several checks want to know about a tree. Functions return 0 or -errno; -ENOENT where the
 * tree does not have the file. */
#ifndef DOCTOR_FACTS_H
#define DOCTOR_FACTS_H

#include "doctor/tree.h"

enum hypervisor {
	HYPERVISOR_NONE, /* none seen */
	HYPERVISOR_KVM,
	HYPERVISOR_QEMU, /* without KVM's clock: TCG, or KVM that hides itself */
	HYPERVISOR_VMWARE,
	HYPERVISOR_XEN,
	HYPERVISOR_HYPERV,
	HYPERVISOR_VBOX,
	HYPERVISORS,
};

/* From DMI, /sys/hypervisor and the clocks. -ENOENT: the tree has none of them. */
int fact_hypervisor(const struct tree *t, enum hypervisor *ret);
const char *hypervisor_name(enum hypervisor h);

/* Whether the machine has neither SMBIOS nor a virtio-serial port: a monitor such as Firecracker,
 * which none of QEMU's devices and agents are for. False where the tree doesn't show devices. */
bool fact_bare(const struct tree *t);

/* The value of CONFIG_name in the running kernel's configuration ("y", "m", "250"), "n" where it is
 * not set. Looked for in /proc/config.gz, /boot and /lib/modules. */
#define FACT_CONFIG_SIZE 64
int fact_config(const struct tree *t, const char *name, char ret[FACT_CONFIG_SIZE]);

/* Whether the words of the kernel's command line hold this one; "name=" matches any value. */
bool fact_parameter(const char *cmdline, const char *word, size_t len);

/* The flags of the first CPU in /proc/cpuinfo, with a blank in front and behind. */
#define FACT_FLAGS_SIZE 4096
int fact_flags(const struct tree *t, char ret[FACT_FLAGS_SIZE]);
bool fact_flag(const char *flags, const char *flag, size_t len);

/* The first line "key : value" or "key: value" of a text; -ENOENT when there is none. */
int fact_field(const char *text, const char *key, char *ret, size_t size);

/* A number of kB in /proc/meminfo, as bytes. */
int fact_memory(const struct tree *t, const char *key, uint64_t *ret_bytes);

/* How many CPUs are online, by /proc/stat. */
int fact_cpus(const struct tree *t, unsigned *ret);

/* How many processes have one of these names (a NULL ends the list). -ENOENT without /proc. */
int fact_processes(const struct tree *t, const char *const *names, unsigned *ret);

/* The driver of a device, from its uevent file. */
#define FACT_DRIVER_SIZE 64
int fact_driver(const struct tree *t, const char *dir, const char *name, const char *below,
		char ret[FACT_DRIVER_SIZE]);

/* The directory's name of the virtio device with this number (5: balloon) in
 * /sys/bus/virtio/devices; -ENODEV: there is none. */
int fact_virtio(const struct tree *t, unsigned type, char *ret, size_t size);

#endif
