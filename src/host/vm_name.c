/* SPDX-License-Identifier: MIT */
#include "host/vm_name.h"

#include "base/proc.h"
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UUID_SHOWN 8

typedef int (*name_fn)(const struct words *w, char *ret, size_t size);

/* ---- by option ---- */

/* The last one counts, as it does for QEMU. */
static int last_of(const struct words *w, const char *option, const char *key, char *ret,
		   size_t size)
{
	const char *value;
	int err = -ENOENT;

	for (size_t at = 0; (value = words_option(w, option, &at));) {
		int e = words_part(value, key, key, ret, size);

		err = e == -ENOENT ? err : e;
	}
	return err;
}

static int of_qemu(const struct words *w, char *ret, size_t size)
{
	return last_of(w, "name", "guest", ret, size);
}

static int of_option(const struct words *w, const char *const *options, char *ret, size_t size)
{
	for (; *options; options++) {
		size_t at = 0;
		const char *value = words_option(w, *options, &at);

		if (!value || !*value)
			continue;
		if (strlen(value) >= size)
			return -ENAMETOOLONG;
		strcpy(ret, value);
		return 0;
	}
	return -ENOENT;
}

/* ---- by the path of a control socket ---- */

/* Says what serves it, not which VM it is. */
static bool is_generic(const char *name)
{
	static const char *const words[] = {
		"api",	   "ch",     "clh",    "clh-api",     "cloud-hypervisor",
		"control", "crosvm", "fc",     "firecracker", "root",
		"run",	   "sock",   "socket", "tmp",	      "vm",
		"vmm"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(name, words[i]))
			return true;
	}
	return !*name || !strcmp(name, ".") || !strcmp(name, "..");
}

static void cut_ending(char *name)
{
	static const char *const endings[] = {".sock", ".socket", "-socket", "-sock"};

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t n = strlen(name), m = strlen(endings[i]);

		if (n > m && !strcmp(name + n - m, endings[i]))
			name[n - m] = '\0';
	}
}

/* "/run/vms/web.sock" and "/run/vms/web/api.sock" are both of web. */
static int of_socket(char *path, char *ret, size_t size)
{
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');
		char *name = slash ? slash + 1 : path;

		cut_ending(name);
		if (!is_generic(name)) {
			snprintf(ret, size, "%.*s", (int)size - 1, name);
			return 0;
		}
		if (!slash)
			break;
		*slash = '\0';
	}
	return -ENOENT;
}

static int of_socket_option(const struct words *w, const char *option, char *ret, size_t size)
{
	size_t at = 0;
	const char *value = words_option(w, option, &at);
	char path[PATH_MAX];

	if (!value || words_part(value, "path", "path", path, sizeof(path)))
		return -ENOENT;
	return of_socket(path, ret, size);
}

/* ---- by program ---- */

static int of_firecracker(const struct words *w, char *ret, size_t size)
{
	static const char *const id[] = {"id", NULL};

	return of_option(w, id, ret, size) ? of_socket_option(w, "api-sock", ret, size) : 0;
}

static int of_cloud_hypervisor(const struct words *w, char *ret, size_t size)
{
	return of_socket_option(w, "api-socket", ret, size);
}

static int of_crosvm(const struct words *w, char *ret, size_t size)
{
	static const char *const name[] = {"name", NULL};

	if (!of_option(w, name, ret, size) || !of_socket_option(w, "socket", ret, size))
		return 0;
	return of_socket_option(w, "s", ret, size);
}

static int of_kvmtool(const struct words *w, char *ret, size_t size)
{
	static const char *const name[] = {"name", NULL};

	return of_option(w, name, ret, size);
}

static int of_desched(const struct words *w, char *ret, size_t size)
{
	static const char *const name[] = {"name", NULL};

	return of_option(w, name, ret, size);
}

static int of_any(const struct words *w, char *ret, size_t size)
{
	return of_qemu(w, ret, size) ? of_firecracker(w, ret, size) : 0;
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static const char *program_of(const struct words *w)
{
	const char *slash = w->size ? strrchr(w->text, '/') : NULL;

	return slash ? slash + 1 : w->size ? w->text : "";
}

bool vm_name_is_qemu(const struct words *w)
{
	const char *program = program_of(w);

	return begins(program, "qemu-system-") || begins(program, "qemu-kvm") ||
	       !strcmp(program, "kvm");
}

static bool is_desched_vm(const struct words *w)
{
	size_t second = w->size ? strlen(w->text) + 1 : 0;

	return begins(program_of(w), "desched") && second < w->size &&
	       !strcmp(w->text + second, "vm");
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* Proxmox gives its QEMUs an option that QEMU has for it alone. */
static bool is_proxmox(const struct words *w, char *ret, size_t size)
{
	static const char *const id[] = {"id", NULL};

	return !of_option(w, id, ret, size) && is_number(ret);
}

static bool is_libvirt(const struct words *w)
{
	char monitor[32];

	return !last_of(w, "mon", "chardev", monitor, sizeof(monitor)) &&
	       !strcmp(monitor, "charmonitor");
}

static const char *manager_of_qemu(const struct words *w, struct host_vm *vm)
{
	if (is_libvirt(w))
		return "libvirt";
	if (is_proxmox(w, vm->id, sizeof(vm->id)))
		return "proxmox";
	vm->id[0] = '\0';
	return "qemu";
}

/* Where the program says nothing, its options may. */
static name_fn program_row(const struct words *w, struct host_vm *vm)
{
	static const struct {
		const char *program, *manager;
		name_fn name;
	} rows[] = {
		{"firecracker", "firecracker", of_firecracker},
		{"cloud-hypervisor", "cloud-hypervisor", of_cloud_hypervisor},
		{"crosvm", "crosvm", of_crosvm},
		{"lkvm", "kvmtool", of_kvmtool},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!begins(program_of(w), rows[i].program))
			continue;
		vm->manager = rows[i].manager;
		return rows[i].name;
	}
	if (is_desched_vm(w)) {
		vm->manager = "desched";
		return of_desched;
	}
	if (vm_name_is_qemu(w)) {
		vm->manager = manager_of_qemu(w, vm);
		return of_qemu;
	}
	vm->manager = "";
	return of_any;
}

static void read_uuid(const struct words *w, char *ret, size_t size)
{
	static const char *const uuid[] = {"uuid", NULL};
	char raw[64];

	if (of_option(w, uuid, raw, sizeof(raw)) &&
	    last_of(w, "smbios", "uuid", raw, sizeof(raw)) &&
	    last_of(w, "platform", "uuid", raw, sizeof(raw)))
		return;
	host_printable(raw, ret, size);
}

void vm_name_read(const struct words *w, struct host_vm *vm)
{
	char raw[PATH_MAX];
	name_fn name = program_row(w, vm);

	if (!name(w, raw, sizeof(raw)) && raw[0])
		host_printable(raw, vm->called, sizeof(vm->called));
	read_uuid(w, vm->uuid, sizeof(vm->uuid));
}

void vm_name_start(struct host_vm *vm, pid_t pid)
{
	struct words words = {.text = NULL};
	struct proc_stat stat;

	*vm = (struct host_vm){.pid = pid, .manager = ""};
	snprintf(vm->called, sizeof(vm->called), "pid %d", pid);
	if (!proc_read_stat(pid, 0, &stat))
		vm->start_ns = stat.start_ns;
	if (!words_read(pid, &words))
		vm_name_read(&words, vm);
	words_done(&words);
	memcpy(vm->name, vm->called, sizeof(vm->name));
}

/* ---- two of one name ---- */

/* `called` may have to make room. */
static void put(struct host_vm *vm, const char *behind)
{
	host_printable(vm->called, vm->name, sizeof(vm->name) - strlen(behind));
	strcat(vm->name, behind);
}

void vm_name_settle(struct host_vm *vm, bool (*taken)(const char *name, void *data), void *data)
{
	char behind[40] = "";

	put(vm, behind);
	if (taken(vm->name, data) && vm->uuid[0]) {
		host_printable(vm->uuid, behind + 1, UUID_SHOWN + 1);
		behind[0] = '#';
		put(vm, behind);
	}
	if (taken(vm->name, data)) {
		snprintf(behind, sizeof(behind), "#%d", vm->pid);
		put(vm, behind);
	}
	/* Others may be called so on purpose. */
	for (unsigned i = 2; taken(vm->name, data); i++) {
		snprintf(behind, sizeof(behind), "#%d.%u", vm->pid, i);
		put(vm, behind);
	}
}

static int by_age(const void *a, const void *b)
{
	uint64_t x = (*(struct host_vm *const *)a)->start_ns;
	uint64_t y = (*(struct host_vm *const *)b)->start_ns;

	return x < y ? -1 : x > y;
}

struct older {
	struct host_vm **vms;
	size_t n;
};

static bool is_taken(const char *name, void *data)
{
	const struct older *o = data;

	for (size_t i = 0; i < o->n; i++) {
		if (!strcmp(o->vms[i]->name, name))
			return true;
	}
	return false;
}

void vm_name_settle_all(struct host_vm **vms, size_t n)
{
	struct older older = {vms, 0};

	if (n)
		qsort(vms, n, sizeof(*vms), by_age);
	for (; older.n < n; older.n++)
		vm_name_settle(vms[older.n], is_taken, &older);
}

/* ---- what people ask for ---- */

bool vm_name_fits(const struct host_vm *vm, const char *pattern)
{
	char shown[sizeof(vm->called)];

	host_printable(pattern, shown, sizeof(shown));
	return !fnmatch(pattern, vm->name, 0) || !fnmatch(pattern, vm->called, 0) ||
	       (vm->uuid[0] && !fnmatch(pattern, vm->uuid, FNM_CASEFOLD)) ||
	       (vm->id[0] && !fnmatch(pattern, vm->id, 0)) || !strcmp(shown, vm->called) ||
	       !strcmp(shown, vm->name);
}
