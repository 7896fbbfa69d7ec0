/* SPDX-License-Identifier: MIT */
/* What a cloned machine should not have in common with its original. */
#include "doctor/checks.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_SECONDS 86400
#define FILE_SIZE   16384

static bool is_machine_id(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32 && strspn(id, "0") < 32;
}

/* Whether the next boot makes the identity: the file is empty, or says so. */
static bool is_to_be_made(const struct exam *e)
{
	char id[64];
	int err = tree_line(e->tree, id, sizeof(id), "/etc/machine-id");

	return err == -ENODATA || (!err && !strcmp(id, "uninitialized"));
}

static bool is_host_key(const char *name)
{
	return !strncmp(name, "ssh_host_", strlen("ssh_host_")) && !strstr(name, ".pub");
}

static int count_host_keys(const struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names files = {.list = NULL};
	int n = 0;

	if (tree_names(e->tree, "/etc/ssh", &files))
		return 0;
	for (int i = 0; i < files.n; i++)
		n += is_host_key(files.list[i]->d_name);
	return n;
}

/* An image that has been reset has nothing of the machine that it was made of. */
static enum verdict look_reset(struct exam *e)
{
	char dbus[64];
	int keys = count_host_keys(e);

	if (keys)
		return exam_bad(
			e,
			"the next boot makes one, but %d SSH host key%s of the machine before "
			"%s there",
			keys, keys == 1 ? "" : "s", keys == 1 ? "is" : "are");
	if (!tree_line(e->tree, dbus, sizeof(dbus), "/var/lib/dbus/machine-id") &&
	    is_machine_id(dbus))
		return exam_bad(e, "the next boot makes one, but /var/lib/dbus/machine-id has one");
	return exam_good(e, "empty: the next boot makes one");
}

static enum verdict look_machine_id(struct exam *e)
{
	char id[64], dbus[64];

	if (is_to_be_made(e))
		return look_reset(e);
	if (tree_line(e->tree, id, sizeof(id), "/etc/machine-id"))
		return exam_cannot_tell(e, "no /etc/machine-id");
	if (!is_machine_id(id))
		return exam_bad(e, "/etc/machine-id is not 32 hex digits");
	if (!tree_line(e->tree, dbus, sizeof(dbus), "/var/lib/dbus/machine-id") &&
	    strcmp(id, dbus) != 0)
		return exam_bad(e, "/var/lib/dbus/machine-id is another one");
	return exam_good(e, "%.8s...", id);
}

static enum verdict look_host_keys(struct exam *e)
{
	_cleanup_(tree_names_free) struct tree_names files = {.list = NULL};
	int64_t id, key;
	int seen = 0;

	if (tree_changed(e->tree, &id, "/etc/machine-id"))
		return exam_cannot_tell(e, "no /etc/machine-id");
	if (tree_names(e->tree, "/etc/ssh", &files))
		return exam_not_here(e, "no /etc/ssh");
	for (int i = 0; i < files.n; i++) {
		const char *name = files.list[i]->d_name;

		if (!is_host_key(name) || tree_changed(e->tree, &key, "/etc/ssh/%s", name))
			continue;
		seen++;
		if (is_to_be_made(e))
			exam_add(e, "%s is there before the machine-id", name);
		else if (key / DAY_SECONDS < id / DAY_SECONDS - 1)
			exam_add(e, "%s is %" PRId64 " days older than the machine-id", name,
				 (id - key) / DAY_SECONDS);
	}
	if (!seen)
		return exam_not_here(e, "no SSH host key");
	return e->found[0] ? VERDICT_BAD
			   : exam_good(e, "%d, made with the machine-id or later", seen);
}

static bool in_address(char c)
{
	return isxdigit((unsigned char)c) || c == ':';
}

/* Six pairs of hex digits with colons, and nothing more around them: that would be IPv6. */
static bool holds_mac(const char *text)
{
	for (const char *p = text; *p; p++) {
		int i;

		if (p > text && in_address(p[-1]))
			continue;
		for (i = 0; i < 17 && p[i]; i++) {
			if (i % 3 == 2 ? p[i] != ':' : !isxdigit((unsigned char)p[i]))
				break;
		}
		if (i == 17 && !in_address(p[17]))
			return true;
	}
	return false;
}

/* The names of the files in `dir` that hold an address. */
static bool find_macs(struct exam *e, const char *dir)
{
	_cleanup_(tree_names_free) struct tree_names files = {.list = NULL};
	char text[FILE_SIZE];

	if (tree_names(e->tree, dir, &files))
		return false;
	for (int i = 0; i < files.n; i++) {
		const char *name = files.list[i]->d_name;

		if (tree_read(e->tree, text, sizeof(text), "%s/%s", dir, name) > 0 &&
		    holds_mac(text))
			exam_add(e, "%s/%s", dir, name);
	}
	return true;
}

static enum verdict look_macs(struct exam *e)
{
	static const char *const dirs[] = {
		"/etc/udev/rules.d",
		"/etc/systemd/network",
		"/etc/netplan",
		"/etc/network/interfaces.d",
		"/etc/sysconfig/network-scripts",
		"/etc/NetworkManager/system-connections",
	};
	int seen = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		seen += find_macs(e, dirs[i]);
	if (!seen)
		return exam_cannot_tell(e, "no network configuration in /etc that is known here");
	return e->found[0] ? VERDICT_BAD : exam_good(e, "no hardware address in files");
}

static enum verdict look_fstab(struct exam *e)
{
	char text[FILE_SIZE];

	if (tree_read(e->tree, text, sizeof(text), "/etc/fstab") < 0)
		return exam_cannot_tell(e, "no /etc/fstab");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		line += strspn(line, " \t");
		line[strcspn(line, " \t")] = '\0';
		if (!strncmp(line, "/dev/sd", 7) || !strncmp(line, "/dev/hd", 7) ||
		    !strncmp(line, "/dev/vd", 7) || !strncmp(line, "/dev/xvd", 8) ||
		    strstr(line, "/by-path/") || strstr(line, "/by-id/"))
			exam_add(e, "%s", line);
	}
	return e->found[0] ? VERDICT_BAD : exam_good(e, "no name that depends on the hardware");
}

static enum verdict look_initramfs(struct exam *e)
{
	char text[FILE_SIZE];
	const char *p;

	if (tree_read(e->tree, text, sizeof(text), "/etc/initramfs-tools/initramfs.conf") < 0)
		return exam_cannot_tell(e, "no /etc/initramfs-tools/initramfs.conf");
	p = strstr(text, "\nMODULES=");
	if (!p)
		return exam_good(e, "MODULES is not set: most");
	p += strlen("\nMODULES=");
	return exam_judge(e, strncmp(p, "dep", 3) != 0, "MODULES=%.*s", (int)strcspn(p, "\n"), p);
}

static enum verdict look_hostname(struct exam *e)
{
	static const char *const generic[] = {"localhost", "template", "clone", "golden"};
	char name[128];

	if (tree_line(e->tree, name, sizeof(name), "/etc/hostname"))
		return exam_cannot_tell(e, "no name in /etc/hostname");
	for (size_t i = 0; i < ARRAY_SIZE(generic); i++)
		if (!strncasecmp(name, generic[i], strlen(generic[i])))
			return exam_bad(e, "the machine is called %s", name);
	return exam_good(e, "%s", name);
}

static enum verdict look_random(struct exam *e)
{
	char flags[FACT_FLAGS_SIZE], name[64];
	int err = tree_line(e->tree, name, sizeof(name), "/sys/class/misc/hw_random/rng_current");

	if (!err && strcmp(name, "none") != 0)
		return exam_good(e, "%s", name);
	if (!fact_flags(e->tree, flags) && fact_flag(flags, "rdrand", strlen("rdrand")))
		return exam_good(e, "rdrand");
	if (!tree_has(e->tree, "/sys/class") || fact_flags(e->tree, flags))
		return exam_cannot_tell(e, "no /sys/class, or no x86 CPU in /proc/cpuinfo");
	return exam_bad(e, "neither virtio-rng nor rdrand");
}

static const struct check rows[] = {
	{.id = "machine-id",
	 .title = "The machine has one valid identity",
	 .severity = SEVERITY_SERIOUS,
	 .look = look_machine_id,
	 .why = "DHCP leases, journals and management know a machine by it; a clone that was reset "
		"by halves is two machines at once.",
	 .source = "linux-manual; machine-id(5)",
	 .remedy = "rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup && "
		   "ln -s /etc/machine-id /var/lib/dbus/machine-id"},
	{.id = "ssh-host-keys",
	 .title = "SSH host keys are the machine's own",
	 .severity = SEVERITY_SERIOUS,
	 .look = look_host_keys,
	 .why = "Keys that are older than the machine's identity came with the image: whoever has "
		"another clone can pose as this machine.",
	 .source = "linux-manual",
	 .remedy = "rm /etc/ssh/ssh_host_* && dpkg-reconfigure openssh-server"},
	{.id = "mac-bound-names",
	 .title = "No network device is bound to a hardware address",
	 .severity = SEVERITY_WARNING,
	 .look = look_macs,
	 .why = "A clone has other addresses: its device gets another name, or no configuration.",
	 .source = "linux-manual",
	 .remedy = "rm /etc/udev/rules.d/70-persistent-net.rules   # the files that were found"},
	{.id = "fstab-names",
	 .title = "File systems are mounted by UUID or label",
	 .severity = SEVERITY_WARNING,
	 .look = look_fstab,
	 .why = "sda becomes vda when the controller changes, and the machine does not boot.",
	 .source = "linux-manual; fstab(5)",
	 .remedy = "blkid   # then write UUID=... into /etc/fstab"},
	{.id = "initramfs-modules",
	 .title = "The initial file system boots on other virtual hardware, too",
	 .severity = SEVERITY_NOTE,
	 .look = look_initramfs,
	 .why = "MODULES=dep leaves out the drivers of every controller but today's.",
	 .source = "linux-manual; initramfs.conf(5)",
	 .remedy = "sed -i s/^MODULES=.*/MODULES=most/ /etc/initramfs-tools/initramfs.conf && "
		   "update-initramfs -u"},
	{.id = "hostname",
	 .title = "The machine has a name of its own",
	 .severity = SEVERITY_NOTE,
	 .look = look_hostname,
	 .why = "Logs and metrics of machines with one name cannot be told apart.",
	 .source = "linux-manual",
	 .remedy = "hostnamectl hostname NAME"},
	{.id = "random-source",
	 .title = "There is a source of randomness",
	 .severity = SEVERITY_WARNING,
	 .look = look_random,
	 .why = "Clones start from the same saved seed; without a source of their own they may "
		"make the same keys.",
	 .source = "linux-manual; kernel: Documentation/admin-guide/hw_random.rst",
	 .remedy = "host: -device virtio-rng-pci"},
};

const struct check_group checks_clone = {"clone", rows, ARRAY_SIZE(rows), false};
