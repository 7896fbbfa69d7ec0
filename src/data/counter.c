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
	const char *from = path + strspn(path, "\\"), *bracket = strchr(from, '(');
	const char *end = memchr(from, '\\', (size_t)(name - from));

	ret->machine[0] = '\0';
	if (from == path)
		return NULL;
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

enum counter_kind counter_guest_kind(const struct counter *c)
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
static bool parse_vcpu(const char *instance, char ret_group[COUNTER_PART],
		       char ret_vm[COUNTER_PART])
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
	copy(ret_group, instance, name - 1);
	copy(ret_vm, name, end);
	return true;
}

enum counter_kind counter_host_kind(const struct counter *c, char ret_group[COUNTER_PART],
				    char ret_vm[COUNTER_PART])
{
	bool ready = !strcmp(c->name, "% Ready");
	const char *name = strchr(c->instance, ':');

	if (!strcmp(c->object, "Vcpu") && (ready || !strcmp(c->name, "% Run")) &&
	    parse_vcpu(c->instance, ret_group, ret_vm))
		return ready ? COUNTER_READY : COUNTER_RUN;
	if (!strcmp(c->object, "Group Cpu") && (ready || !strcmp(c->name, "% Used")) && name) {
		copy(ret_group, c->instance, name);
		copy(ret_vm, name + 1, name + strlen(name));
		return ready ? COUNTER_GROUP_READY : COUNTER_GROUP_USED;
	}
	return COUNTER_OTHER;
}
