/* SPDX-License-Identifier: MIT */
#include "doctor/facts.h"

#include "base/cleanup.h"
#include "base/quantity.h"
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define CONFIG_MAX (4 * MIB) /* a distribution's has 0.3 */

/* ---- the hypervisor ---- */

static const struct {
	const char *file, *part;
	enum hypervisor is;
} signs[] = {
	{"/sys/devices/system/clocksource/clocksource0/available_clocksource", "kvm-clock",
	 HYPERVISOR_KVM},
	{"/sys/hypervisor/type", "xen", HYPERVISOR_XEN},
	{"/sys/class/dmi/id/sys_vendor", "VMware", HYPERVISOR_VMWARE},
	{"/sys/class/dmi/id/sys_vendor", "innotek", HYPERVISOR_VBOX},
	{"/sys/class/dmi/id/product_name", "VirtualBox", HYPERVISOR_VBOX},
	{"/sys/class/dmi/id/sys_vendor", "Xen", HYPERVISOR_XEN},
	{"/sys/devices/system/clocksource/clocksource0/available_clocksource", "hyperv",
	 HYPERVISOR_HYPERV},
	{"/sys/class/dmi/id/sys_vendor", "QEMU", HYPERVISOR_QEMU},
	{"/sys/class/dmi/id/product_name", "Standard PC", HYPERVISOR_QEMU},
};

int fact_hypervisor(const struct tree *t, enum hypervisor *ret)
{
	bool seen = false;
	char line[256];

	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		if (tree_line(t, line, sizeof(line), "%s", signs[i].file))
			continue;
		seen = true;
		if (!strstr(line, signs[i].part))
			continue;
		*ret = signs[i].is;
		return 0;
	}
	if (!seen)
		return -ENOENT;
	*ret = HYPERVISOR_NONE;
	return 0;
}

bool fact_bare(const struct tree *t)
{
	_cleanup_(tree_names_free) struct tree_names ports = {.list = NULL};

	return tree_has(t, "/sys/bus") && !tree_has(t, "/sys/class/dmi/id") &&
	       (tree_names(t, "/sys/class/virtio-ports", &ports) || !ports.n);
}

const char *hypervisor_name(enum hypervisor h)
{
	static const char *const names[HYPERVISORS] = {
		[HYPERVISOR_NONE] = "none",	  [HYPERVISOR_KVM] = "KVM",
		[HYPERVISOR_QEMU] = "QEMU",	  [HYPERVISOR_VMWARE] = "VMware",
		[HYPERVISOR_XEN] = "Xen",	  [HYPERVISOR_HYPERV] = "Hyper-V",
		[HYPERVISOR_VBOX] = "VirtualBox",
	};

	return h < HYPERVISORS ? names[h] : "?";
}

/* ---- the kernel ---- */

/* zlib reads what is not compressed as it is. */
static gzFile open_config(const struct tree *t)
{
	static const char *const places[] = {"/boot/config-%s", "/lib/modules/%s/config",
					     "/usr/lib/modules/%s/config"};
	char release[128], path[256];
	int fd = tree_file(t, "/proc/config.gz");

	if (!tree_line(t, release, sizeof(release), "/proc/sys/kernel/osrelease")) {
		for (size_t i = 0; fd < 0 && i < ARRAY_SIZE(places); i++) {
			snprintf(path, sizeof(path), places[i], release);
			fd = tree_file(t, path);
		}
	}
	return fd < 0 ? NULL : gzdopen(fd, "rb");
}

static void close_gz(gzFile *z)
{
	if (*z)
		gzclose(*z);
}

int fact_config(const struct tree *t, const char *name, char ret[FACT_CONFIG_SIZE])
{
	_cleanup_(close_gz) gzFile z = open_config(t);
	size_t len = strlen(name);
	bool any = false;
	char line[512];

	if (!z)
		return -ENOENT;
	for (size_t used = 0; used < CONFIG_MAX && gzgets(z, line, sizeof(line));
	     used += strlen(line) + 1) {
		any = any || strstr(line, "CONFIG_");
		if (strncmp(line, name, len) != 0 || line[len] != '=')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(ret, FACT_CONFIG_SIZE, "%.*s", FACT_CONFIG_SIZE - 1, line + len + 1);
		return 0;
	}
	if (!any)
		return -EBADMSG;
	snprintf(ret, FACT_CONFIG_SIZE, "n");
	return 0;
}

/* ---- words ---- */

bool fact_parameter(const char *cmdline, const char *word, size_t len)
{
	const char *p = cmdline;

	while (*(p += strspn(p, " \t\n"))) {
		size_t n = strcspn(p, " \t\n");

		if (n >= len && !strncmp(p, word, len) && (n == len || word[len - 1] == '='))
			return true;
		p += n;
	}
	return false;
}

int fact_field(const char *text, const char *key, char *ret, size_t size)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *p;

		line += *line == '\n';
		if (strncmp(line, key, len) != 0)
			continue;
		p = line + len + strspn(line + len, " \t");
		if (*p != ':')
			continue;
		p += 1 + strspn(p + 1, " \t");
		snprintf(ret, size, "%.*s", (int)strcspn(p, "\n"), p);
		return 0;
	}
	return -ENOENT;
}

int fact_flags(const struct tree *t, char ret[FACT_FLAGS_SIZE])
{
	char text[2 * FACT_FLAGS_SIZE], flags[FACT_FLAGS_SIZE - 2];
	ssize_t n = tree_read(t, text, sizeof(text), "/proc/cpuinfo");

	if (n < 0)
		return (int)n;
	if (fact_field(text, "flags", flags, sizeof(flags)))
		return -ENODATA;
	snprintf(ret, FACT_FLAGS_SIZE, " %s ", flags);
	return 0;
}

bool fact_flag(const char *flags, const char *flag, size_t len)
{
	return fact_parameter(flags, flag, len);
}

/* ---- numbers ---- */

int fact_memory(const struct tree *t, const char *key, uint64_t *ret_bytes)
{
	char text[8192], value[64];
	ssize_t n = tree_read(t, text, sizeof(text), "/proc/meminfo");
	uint64_t kb;

	if (n < 0)
		return (int)n;
	if (fact_field(text, key, value, sizeof(value)))
		return -ENOENT;
	value[strcspn(value, " ")] = '\0';
	if (quantity_count(value, &kb) || kb > UINT64_MAX / KIB)
		return -EBADMSG;
	*ret_bytes = kb * KIB;
	return 0;
}

int fact_cpus(const struct tree *t, unsigned *ret)
{
	_cleanup_(free_ptr) char *text = malloc(MIB);
	unsigned n = 0;

	if (!text)
		return -ENOMEM;
	if (tree_read(t, text, MIB, "/proc/stat") < 0)
		return -ENOENT;
	for (const char *p = text; (p = strstr(p, "cpu")); p += 3)
		n += (p == text || p[-1] == '\n') && isdigit((unsigned char)p[3]);
	if (!n)
		return -EBADMSG;
	*ret = n;
	return 0;
}

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(name, *names) != 0)
		names++;
	return *names;
}

int fact_processes(const struct tree *t, const char *const *names, unsigned *ret)
{
	_cleanup_(tree_names_free) struct tree_names dirs = {.list = NULL};
	int err = tree_names(t, "/proc", &dirs);
	unsigned n = 0, seen = 0;

	if (err)
		return err;
	for (int i = 0; i < dirs.n; i++) {
		char comm[64];

		if (!isdigit((unsigned char)dirs.list[i]->d_name[0]) ||
		    tree_line(t, comm, sizeof(comm), "/proc/%s/comm", dirs.list[i]->d_name))
			continue;
		seen++;
		n += is_one_of(comm, names);
	}
	if (!seen)
		return -ENOENT;
	*ret = n;
	return 0;
}

/* ---- devices ---- */

int fact_driver(const struct tree *t, const char *dir, const char *name, const char *below,
		char ret[FACT_DRIVER_SIZE])
{
	char text[1024];
	const char *p;
	ssize_t n = tree_read(t, text, sizeof(text), "%s/%s%s/uevent", dir, name, below);

	if (n < 0)
		return (int)n;
	p = strstr(text, "DRIVER=");
	if (!p)
		return -ENODATA;
	snprintf(ret, FACT_DRIVER_SIZE, "%.*s", (int)strcspn(p + 7, "\n"), p + 7);
	return 0;
}

int fact_virtio(const struct tree *t, unsigned type, char *ret, size_t size)
{
	_cleanup_(tree_names_free) struct tree_names devices = {.list = NULL};
	int err = tree_names(t, "/sys/bus/virtio/devices", &devices);

	if (err)
		return err;
	for (int i = 0; i < devices.n; i++) {
		const char *name = devices.list[i]->d_name;
		char id[32];

		if (tree_line(t, id, sizeof(id), "/sys/bus/virtio/devices/%s/device", name) ||
		    strtoul(id, NULL, 16) != type)
			continue;
		snprintf(ret, size, "%s", name);
		return 0;
	}
	return -ENODEV;
}
