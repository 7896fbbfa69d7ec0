/* SPDX-License-Identifier: MIT */
#include "doctor/vms.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE (64 * KIB) /* of a command line: QEMU's are a few */

/* By the name of the process, which the kernel cuts at 15 bytes; a '-' at the end: by its start. */
static const struct {
	const char *name;
	bool qemu;
} monitors[] = {
	{"qemu-system-", true},	    {"qemu-kvm", true}, {"kvm", true},	 {"firecracker", false},
	{"cloud-hyperviso", false}, {"crosvm", false},	{"lkvm", false}, {"desched-vm", false},
};

static bool is_monitor(const char *comm, bool *ret_qemu)
{
	for (size_t i = 0; i < ARRAY_SIZE(monitors); i++) {
		const char *name = monitors[i].name;
		size_t len = strlen(name);

		if (name[len - 1] == '-' ? strncmp(comm, name, len) : strcmp(comm, name))
			continue;
		*ret_qemu = monitors[i].qemu;
		return true;
	}
	return false;
}

/* The words of a command line, each behind a newline. -ENODATA for a kernel thread, which has
 * none. */
static int read_line(const struct tree *t, const char *pid, char *ret)
{
	char path[64];
	_cleanup_(close_fd) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = tree_file(t, path);
	if (fd < 0)
		return fd;
	ret[0] = '\n';
	n = file_read_fd(fd, ret + 1, LINE_SIZE - 1);
	if (n <= 0)
		return n < 0 ? (int)n : -ENODATA;
	for (ssize_t i = 1; i <= n; i++)
		ret[i] = ret[i] ? ret[i] : '\n';
	ret[n + 1] = '\0';
	return 0;
}

/* What follows the option in the next word, or behind '='; NULL without it. */
static const char *value_of(const char *line, const char *option)
{
	size_t len = strlen(option);

	for (const char *p = line; (p = strstr(p, option)); p += len) {
		if ((p[-1] == '\n' || (p[-1] == '-' && p[-2] == '\n')) &&
		    (p[len] == '\n' || p[len] == '='))
			return p + len + 1;
	}
	return NULL;
}

static void set_name(struct vm_seen *vm, const char *line)
{
	const char *name = value_of(line, "-name"), *guest;

	if (!name)
		name = value_of(line, "--id");
	guest = name ? strstr(name, "guest=") : NULL;
	if (guest && (size_t)(guest - name) < strcspn(name, "\n"))
		name = guest + strlen("guest=");
	if (name)
		snprintf(vm->name, sizeof(vm->name), "%.*s", (int)strcspn(name, ",\n"), name);
	if (!vm->name[0])
		snprintf(vm->name, sizeof(vm->name), "pid %s", vm->pid);
}

static bool says(const char *line, const char *const *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strstr(line, parts[i]))
			return true;
	}
	return false;
}

static void read_qemu(struct vm_seen *vm, const char *line)
{
	static const char *const with_kvm[] = {"\n-enable-kvm\n", "\n--enable-kvm\n", "accel=kvm",
					       "-accel\nkvm", "-accel\naccel=kvm"};
	static const char *const no_steal[] = {"kvm-steal-time=off", ",-kvm-steal-time",
					       "kvm_steal_time=off", ",kvm=off"};

	vm->kvm = vm->kvm || says(line, with_kvm, ARRAY_SIZE(with_kvm));
	vm->page = strstr(line, "ivshmem-plain");
	vm->steal = vm->kvm && !says(line, no_steal, ARRAY_SIZE(no_steal));
	vm->threads = vm->kvm || strstr(line, "debug-threads=on");
}

/* The unified hierarchy's, or the one of systemd. */
static void set_cgroup(const struct tree *t, struct vm_seen *vm)
{
	char text[4096];

	if (tree_read(t, text, sizeof(text), "/proc/%s/cgroup", vm->pid) < 0 ||
	    proc_parse_cgroup(text, vm->cgroup, sizeof(vm->cgroup)))
		vm->cgroup[0] = '\0';
}

static int add(struct vms_seen *v, const struct tree *t, const char *pid, char *line)
{
	struct vm_seen vm = {.steal = true, .threads = true};
	struct vm_seen *list;
	char comm[64];

	if (tree_line(t, comm, sizeof(comm), "/proc/%s/comm", pid) || !is_monitor(comm, &vm.qemu) ||
	    read_line(t, pid, line))
		return 0;
	list = realloc(v->list, (v->n + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	v->list = list;
	snprintf(vm.pid, sizeof(vm.pid), "%s", pid);
	set_name(&vm, line);
	vm.kvm = !vm.qemu || !strcmp(comm, "kvm");
	if (vm.qemu)
		read_qemu(&vm, line);
	set_cgroup(t, &vm);
	v->list[v->n++] = vm;
	return 0;
}

int vms_find(const struct tree *t, struct vms_seen *ret)
{
	_cleanup_(tree_names_free) struct tree_names dirs = {.list = NULL};
	_cleanup_(free_ptr) char *line = malloc(LINE_SIZE + 1);
	struct vms_seen v = {.list = NULL};
	int err = line ? tree_names(t, "/proc", &dirs) : -ENOMEM;
	bool seen = false;

	for (int i = 0; i < dirs.n && !err && v.n < VMS_MAX; i++) {
		const char *name = dirs.list[i]->d_name;

		if (!isdigit((unsigned char)name[0]))
			continue;
		seen = true;
		err = add(&v, t, name, line);
	}
	if (!err && !seen)
		err = -ENOENT;
	if (err)
		vms_done(&v);
	else
		*ret = v;
	return err;
}

void vms_done(struct vms_seen *v)
{
	free(v->list);
	*v = (struct vms_seen){.list = NULL};
}
