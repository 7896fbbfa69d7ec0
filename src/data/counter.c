/* SPDX-License-Identifier: MIT */
#include "data/counter.h"

#include "base/units.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void copy(char ret[COUNTER_PART], const char *from, const char *end)
{
	size_t n = (size_t)(end - from);

	n = n < COUNTER_PART ? n : COUNTER_PART - 1;
	memcpy(ret, from, n);
	ret[n] = '\0';
}

/* Where the object begins: behind the machine, which "\\" begins, or "\" where a program has eaten
 * one; without a machine one "\" is in front of the object itself. */
static const char *find_object(const char *path, const char *name, struct counter *ret)
{
	const char *from = path + strspn(path, "\\"), *bracket = strchr(from, '('), *end;

	ret->machine[0] = '\0';
	if (from == path || from > name)
		return NULL;
	end = memchr(from, '\\', (size_t)(name - from));
	if (!end || (bracket && bracket < end && from - path < 2))
		return from;
	copy(ret->machine, from, end);
	return end + 1;
}

bool counter_parse(const char *path, struct counter *ret)
{
	const char *name = strrchr(path, '\\'), *object, *open, *close;

	if (!name || name == path || path[0] != '\\')
		return false;
	object = find_object(path, name, ret);
	if (!object || object >= name)
		return false;
	open = memchr(object, '(', (size_t)(name - object));
	close = open && name[-1] == ')' ? name - 1 : NULL;
	copy(ret->name, name + 1, name + strlen(name));
	copy(ret->object, object, close ? open : name);
	copy(ret->instance, close ? open + 1 : name, close ? close : name);
	return true;
}

/* ---- a guest's ---- */

struct spelling {
	enum { OBJECT_PROCESSOR, OBJECT_INFO, OBJECT_PROCESS, OBJECT_V2, COUNTER_TIME } what;
	const char *text;
};

static const struct spelling spellings[] = {
	{OBJECT_PROCESSOR, "Processor"},
	{OBJECT_PROCESSOR, "238"},
	{OBJECT_PROCESSOR, "Prozessor"},
	{OBJECT_PROCESSOR, "Processeur"},
	{OBJECT_PROCESSOR, "Procesador"},
	{OBJECT_PROCESSOR, "Processore"},
	{OBJECT_PROCESSOR, "Processador"},
	{OBJECT_PROCESSOR, "Procesor"},
	{OBJECT_PROCESSOR, "Процессор"},
	{OBJECT_PROCESSOR, "プロセッサ"},
	{OBJECT_INFO, "Processor Information"},
	{OBJECT_INFO, "Prozessorinformationen"},
	{OBJECT_INFO, "Informations sur le processeur"},
	{OBJECT_INFO, "Información del procesador"},
	{OBJECT_INFO, "プロセッサ情報"},
	{OBJECT_PROCESS, "Process"},
	{OBJECT_PROCESS, "230"},
	{OBJECT_PROCESS, "Prozess"},
	{OBJECT_PROCESS, "Processus"},
	{OBJECT_PROCESS, "Proceso"},
	{OBJECT_PROCESS, "Processo"},
	{OBJECT_PROCESS, "Proces"},
	{OBJECT_PROCESS, "Процесс"},
	{OBJECT_PROCESS, "プロセス"},
	{OBJECT_V2, "Process V2"},
	{OBJECT_V2, "Prozess V2"},
	{OBJECT_V2, "Processus V2"},
	{OBJECT_V2, "Proceso V2"},
	{COUNTER_TIME, "% Processor Time"},
	{COUNTER_TIME, "6"},
	{COUNTER_TIME, "Prozessorzeit (%)"},
	{COUNTER_TIME, "% Prozessorzeit"},
	{COUNTER_TIME, "% temps processeur"},
	{COUNTER_TIME, "% de temps processeur"},
	{COUNTER_TIME, "Pourcentage de temps processeur"},
	{COUNTER_TIME, "% de tiempo de procesador"},
	{COUNTER_TIME, "% tiempo de procesador"},
	{COUNTER_TIME, "% Tempo processore"},
	{COUNTER_TIME, "% tempo de processador"},
	{COUNTER_TIME, "% Tempo de Processador"},
	{COUNTER_TIME, "% загруженности процессора"},
	{COUNTER_TIME, "プロセッサ時間 (%)"},
	{COUNTER_TIME, "% プロセッサ時間"},
};

static int what_is(const char *text, bool counter)
{
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++)
		if ((spellings[i].what == COUNTER_TIME) == counter &&
		    !strcasecmp(text, spellings[i].text))
			return (int)spellings[i].what;
	return -1;
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789,")];
}

/* "name:0" is idle time; a process that somebody called Idle has another number. */
static enum counter_kind process_kind(const struct counter *c, bool v2)
{
	const char *idle = v2 ? "Idle:0" : "Idle";
	/* typeperf writes counters as they were asked for. */
	bool lower = islower((unsigned char)c->object[0]);

	if (!strcasecmp(c->instance, "_Total") || !strcmp(c->instance, idle) ||
	    (lower && !strcasecmp(c->instance, idle)))
		return COUNTER_IDLE;
	return v2 ? COUNTER_PROCESS_V2 : COUNTER_PROCESS;
}

static enum counter_kind cpu_kind(const struct counter *c)
{
	bool total = !strcasecmp(c->instance, "_Total");

	if (what_is(c->name, true) < 0)
		return COUNTER_OTHER;
	switch (what_is(c->object, false)) {
	case OBJECT_PROCESSOR:
		return total ? COUNTER_TOTAL : is_number(c->instance) ? COUNTER_CPU : COUNTER_OTHER;
	case OBJECT_INFO:
		return total			? COUNTER_TOTAL_INFO
		       : is_number(c->instance) ? COUNTER_CPU_INFO
						: COUNTER_OTHER;
	case OBJECT_PROCESS:
		return process_kind(c, false);
	case OBJECT_V2:
		return process_kind(c, true);
	default:
		return COUNTER_OTHER;
	}
}

/* A counter that isn't CPU time, or one of a host. */
struct figure {
	const char *object, *name;
	enum counter_kind kind;
	enum data_kind part;
	enum data_quantity quantity;
	double scale;
};

static const struct figure guest_figures[] = {
	{"Memory", "Available Bytes", COUNTER_FIGURE, DATA_KIND_MACHINE, DATA_MEMORY_AVAILABLE, 1},
	{"Memory", "Available KBytes", COUNTER_FIGURE, DATA_KIND_MACHINE, DATA_MEMORY_AVAILABLE,
	 KIB},
	{"Memory", "Available MBytes", COUNTER_FIGURE, DATA_KIND_MACHINE, DATA_MEMORY_AVAILABLE,
	 MIB},
	{"Process", "Working Set", COUNTER_FIGURE, DATA_KIND_PROCESS, DATA_MEMORY_USED, 1},
	{"Process V2", "Working Set", COUNTER_FIGURE, DATA_KIND_PROCESS, DATA_MEMORY_USED, 1},
	{"PhysicalDisk", "Disk Read Bytes/sec", COUNTER_FIGURE, DATA_KIND_DISK, DATA_DISK_READ, 1},
	{"PhysicalDisk", "Disk Write Bytes/sec", COUNTER_FIGURE, DATA_KIND_DISK, DATA_DISK_WRITTEN,
	 1},
	{"PhysicalDisk", "Disk Reads/sec", COUNTER_FIGURE, DATA_KIND_DISK, DATA_DISK_READS, 1},
	{"PhysicalDisk", "Disk Writes/sec", COUNTER_FIGURE, DATA_KIND_DISK, DATA_DISK_WRITES, 1},
	{"Network Interface", "Bytes Received/sec", COUNTER_FIGURE, DATA_KIND_INTERFACE,
	 DATA_NET_RECEIVED, 1},
	{"Network Interface", "Bytes Sent/sec", COUNTER_FIGURE, DATA_KIND_INTERFACE, DATA_NET_SENT,
	 1},
};

static const struct figure *find_figure(const struct figure *rows, size_t n,
					const struct counter *c)
{
	for (size_t i = 0; i < n; i++)
		if (!strcasecmp(c->object, rows[i].object) && !strcasecmp(c->name, rows[i].name))
			return &rows[i];
	return NULL;
}

static enum data_kind part_of(enum counter_kind kind)
{
	switch (kind) {
	case COUNTER_CPU:
	case COUNTER_CPU_INFO:
		return DATA_KIND_CPU;
	case COUNTER_PROCESS:
	case COUNTER_PROCESS_V2:
		return DATA_KIND_PROCESS;
	default:
		return DATA_KIND_MACHINE;
	}
}

/* "name:pid" of Process V2. */
static void name_part(const struct counter *c, struct counter_use *u)
{
	const char *end = c->instance + strlen(c->instance);
	const char *colon = strcasecmp(c->object, "Process") ? strrchr(c->instance, ':') : NULL;

	if (u->part == DATA_KIND_MACHINE || !strcasecmp(c->instance, "_Total"))
		return;
	if (u->part != DATA_KIND_PROCESS || !colon || !colon[1])
		colon = end;
	copy(u->name, c->instance, colon);
	copy(u->id, colon < end ? colon + 1 : end, end);
}

bool counter_guest(const struct counter *c, struct counter_use *ret)
{
	enum counter_kind kind = cpu_kind(c);
	const struct figure *f;

	*ret = (struct counter_use){.kind = kind, .quantity = DATA_CPU, .scale = 0.01};
	ret->part = part_of(kind);
	if (kind == COUNTER_OTHER) {
		f = find_figure(guest_figures, ARRAY_SIZE(guest_figures), c);
		if (!f)
			return false;
		ret->kind = f->kind;
		ret->part = f->part;
		ret->quantity = f->quantity;
		ret->scale = f->scale;
	}
	name_part(c, ret);
	/* What processes have in sum isn't the machine's. */
	return ret->kind != COUNTER_FIGURE || ret->part != DATA_KIND_PROCESS ||
	       (ret->name[0] && strcasecmp(ret->name, "Idle") != 0);
}

/* ---- a host's ---- */

/* ":5678:vmx-vcpu-0:NAME" or ":5678:vcpu-0:NAME" at `p`; *ret_rest is behind the second part. */
static bool is_vcpu(const char *p, const char **ret_rest)
{
	size_t digits = strspn(p + 1, "0123456789");
	const char *world = p + 1 + digits;

	if (p[0] != ':' || !digits || world[0] != ':')
		return false;
	world++;
	world += strncmp(world, "vmx-", 4) ? 0 : 4;
	if (strncmp(world, "vcpu-", 5) != 0)
		return false;
	*ret_rest = world + 5 + strspn(world + 5, "0123456789");
	return true;
}

/* "1234:NAME:5678:vmx-vcpu-0:NAME": both names are the same, which tells a ':' in one from those
 * between the parts. */
static bool parse_vcpu(const char *instance, struct counter_use *u)
{
	const char *name = strchr(instance, ':'), *rest, *end = NULL;

	if (!name)
		return false;
	name++;
	for (const char *p = name; *p; p++) {
		size_t n = (size_t)(p - name);

		if (!is_vcpu(p, &rest))
			continue;
		if (!end || (rest[0] == ':' && !strncmp(rest + 1, name, n) && !rest[1 + n]))
			end = p;
	}
	if (!end)
		return false;
	copy(u->group, instance, name - 1);
	copy(u->vm, name, end);
	end = strstr(end, "vcpu-") + 5;
	copy(u->name, end, end + strspn(end, "0123456789"));
	return true;
}

#define MBIT (1e6 / 8)

static const struct figure host_figures[] = {
	{"Vcpu", "% Run", COUNTER_VCPU, DATA_KIND_VCPU, DATA_CPU, 0.01},
	{"Vcpu", "% Ready", COUNTER_VCPU, DATA_KIND_VCPU, DATA_READY, 0.01},
	{"Vcpu", "% CoStop", COUNTER_VCPU, DATA_KIND_VCPU, DATA_COSTOP, 0.01},
	{"Vcpu", "% Max Limited", COUNTER_VCPU, DATA_KIND_VCPU, DATA_LIMITED, 0.01},
	{"Vcpu", "% Swap Wait", COUNTER_VCPU, DATA_KIND_VCPU, DATA_SWAPWAIT, 0.01},
	{"Group Cpu", "% Used", COUNTER_GROUP, DATA_KIND_GROUP, DATA_CPU, 0.01},
	{"Group Cpu", "% Ready", COUNTER_GROUP, DATA_KIND_GROUP, DATA_READY, 0.01},
	{"Group Cpu", "% CoStop", COUNTER_GROUP, DATA_KIND_GROUP, DATA_COSTOP, 0.01},
	{"Group Cpu", "% Max Limited", COUNTER_GROUP, DATA_KIND_GROUP, DATA_LIMITED, 0.01},
	{"Group Cpu", "% Swap Wait", COUNTER_GROUP, DATA_KIND_GROUP, DATA_SWAPWAIT, 0.01},
	{"Physical Cpu", "% Util Time", COUNTER_HOST_CPU, DATA_KIND_CPU, DATA_CPU, 0.01},
	{"Group Memory", "Memory Size MBytes", COUNTER_FIGURE, DATA_KIND_GROUP, DATA_MEMORY_SIZE,
	 MIB},
	{"Group Memory", "Memory Granted Size MBytes", COUNTER_FIGURE, DATA_KIND_GROUP,
	 DATA_MEMORY_GRANTED, MIB},
	{"Group Memory", "Memory Consumed Size MBytes", COUNTER_FIGURE, DATA_KIND_GROUP,
	 DATA_MEMORY_USED, MIB},
	{"Group Memory", "Touched MBytes", COUNTER_FIGURE, DATA_KIND_GROUP, DATA_MEMORY_ACTIVE,
	 MIB},
	{"Group Memory", "Memctl MBytes", COUNTER_FIGURE, DATA_KIND_GROUP, DATA_MEMORY_BALLOONED,
	 MIB},
	{"Group Memory", "Swapped MBytes", COUNTER_FIGURE, DATA_KIND_GROUP, DATA_MEMORY_SWAPPED,
	 MIB},
	{"Virtual Disk", "MBytes Read/sec", COUNTER_FIGURE, DATA_KIND_DISK, DATA_DISK_READ, MIB},
	{"Virtual Disk", "MBytes Written/sec", COUNTER_FIGURE, DATA_KIND_DISK, DATA_DISK_WRITTEN,
	 MIB},
	{"Virtual Disk", "Reads/sec", COUNTER_FIGURE, DATA_KIND_DISK, DATA_DISK_READS, 1},
	{"Virtual Disk", "Writes/sec", COUNTER_FIGURE, DATA_KIND_DISK, DATA_DISK_WRITES, 1},
	{"Network Port", "MBits Received/sec", COUNTER_FIGURE, DATA_KIND_INTERFACE,
	 DATA_NET_RECEIVED, MBIT},
	{"Network Port", "MBits Transmitted/sec", COUNTER_FIGURE, DATA_KIND_INTERFACE,
	 DATA_NET_SENT, MBIT},
};

/* "vSwitch0:67108876:2110:web1.eth0", whose VM is web1. */
static void port_names(const char *instance, struct counter_use *u)
{
	const char *vm = strchr(instance, ':'), *end;

	for (int i = 1; vm && i < 3; i++)
		vm = strchr(vm + 1, ':');
	copy(u->name, instance, instance + strlen(instance));
	if (!vm)
		return;
	vm++;
	end = strrchr(vm, '.');
	if (!end || strncmp(end, ".eth", 4) != 0)
		end = vm + strlen(vm);
	copy(u->vm, vm, end);
}

/* "web1:scsi0:0" is a disk of the VM, "web1" all that it has. */
static void disk_names(const char *instance, struct counter_use *u)
{
	const char *end = instance + strlen(instance), *last = strrchr(instance, ':');
	const char *disk = last ? memrchr(instance, ':', (size_t)(last - instance)) : NULL;

	if (!disk)
		disk = end;
	copy(u->vm, instance, disk);
	copy(u->name, disk < end ? disk + 1 : end, end);
}

static bool group_names(const char *instance, struct counter_use *u)
{
	const char *name = strchr(instance, ':');

	if (!name)
		return false;
	copy(u->group, instance, name);
	copy(u->vm, name + 1, name + strlen(name));
	return true;
}

bool counter_host(const struct counter *c, struct counter_use *ret)
{
	const struct figure *f = find_figure(host_figures, ARRAY_SIZE(host_figures), c);

	if (!f)
		return false;
	*ret = (struct counter_use){
		.kind = f->kind, .part = f->part, .quantity = f->quantity, .scale = f->scale};
	switch (f->part) {
	case DATA_KIND_VCPU:
		return parse_vcpu(c->instance, ret);
	case DATA_KIND_GROUP:
		return group_names(c->instance, ret);
	case DATA_KIND_INTERFACE:
		port_names(c->instance, ret);
		return true;
	case DATA_KIND_DISK:
		disk_names(c->instance, ret);
		return true;
	default:
		copy(ret->name, c->instance, c->instance + strlen(c->instance));
		return is_number(c->instance);
	}
}
