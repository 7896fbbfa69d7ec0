/* SPDX-License-Identifier: MIT */
/*
 * What is taken of a file: of a guest's the machine that is chosen, and its processes; of a host's
 * the VM, and of that how long it ran and was ready. Nothing else is parsed or kept.
 */
#include "correct/choice.h"
#include "correct/usage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define QUANTITIES (DATA_BIT(DATA_CPU) | DATA_BIT(DATA_CPU_SHARE) | DATA_BIT(DATA_READY))

struct import {
	struct usage *usage;
	struct choice choice;
	bool host, any; /* any: the chosen one has been seen */
	uint32_t *who;	/* [room] of each entity */
	size_t room;
};

static int set_who(struct import *m, uint32_t entity, uint32_t who)
{
	if (entity >= m->room) {
		size_t room = 2 * (size_t)entity + 64;
		uint32_t *list = reallocarray(m->who, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		m->who = list;
		m->room = room;
	}
	m->who[entity] = who;
	return 1;
}

static int take_process(struct import *m, uint32_t number, const struct data_entity *e)
{
	char text[512];
	uint32_t who;
	int err;

	if (e->id[0])
		snprintf(text, sizeof(text), "%.440s (%.24s)", e->name, e->id);
	err = usage_who(m->usage, e->id[0] ? text : e->name, &who);
	return err ? err : set_who(m, number, who);
}

/* One without a name is the only one. */
static int take_chosen(struct import *m, uint32_t number, const struct data_entity *e)
{
	int mine = e->name[0] ? choice_take(&m->choice, e->id, e->name) : 1;

	m->any |= mine > 0;
	return mine > 0 ? set_who(m, number, WHO_TOTAL) : mine;
}

static int take_entity(void *of, uint32_t number, const struct data_entity *e)
{
	struct import *m = of;

	switch (e->kind) {
	case DATA_KIND_MACHINE:
		return m->host ? 0 : take_chosen(m, number, e);
	case DATA_KIND_PROCESS:
		return take_process(m, number, e);
	case DATA_KIND_VM:
		return m->host ? take_chosen(m, number, e) : 0;
	case DATA_KIND_GROUP: /* which may be a VM's, where none is shown vCPU by vCPU */
		return m->host && !m->any ? take_chosen(m, number, e) : 0;
	default:
		return 0;
	}
}

static int take_sample(void *of, const struct data_sample *s)
{
	struct import *m = of;
	bool ready = s->quantity == DATA_READY;

	m->usage->run = s->run;
	m->usage->per_cpu_share |= s->quantity == DATA_CPU_SHARE;
	return usage_add(m->usage, ready ? WHO_READY : m->who[s->entity], s->from, s->to, s->value);
}

static void take_cpus(void *of, uint32_t entity, unsigned n)
{
	const struct import *m = of;

	(void)entity;
	m->usage->cpus = n;
}

/* What became of reading: a choice that isn't clear is the first thing to say. */
static int finish(const struct import *m, int err, const char *path, struct failure *f)
{
	bool none = m->host && !m->choice.n && !err && !m->usage->file.samples;
	struct failure unclear = {""};
	int choice = m->choice.n || none ? choice_end(&m->choice, path, &unclear) : 0;

	if (choice && err != -ENOMEM)
		return failure_set(f, choice, "%s", unclear.text);
	if (!err)
		err = usage_settle(m->usage);
	if (err && !f->text[0])
		return failure_errno(f, err, "%s", path);
	return err || m->usage->n ? err : data_nothing(&m->usage->file, path, f);
}

/* From memory where there is text, else from the file. */
static int import(const char *text, size_t size, const struct source *source, const char *path,
		  struct failure *f, struct usage *ret)
{
	struct usage u;
	struct import m = {
		.usage = &u,
		.host = source->host,
		.choice = {.wanted = source->chosen,
			   .what = source->host ? "VM" : "machine",
			   .option = source->host ? "--vm" : "--machine"},
	};
	const struct data_options o = {.side = source->host ? DATA_HOST : DATA_GUEST,
				       .cpus = source->cpus,
				       .times = source->times};
	const struct data_sink sink = {&m, QUANTITIES, take_entity, take_sample, take_cpus};
	struct failure local = {""};
	int err;

	usage_init(&u);
	err = text ? data_parse(text, size, &o, &sink, path, &local, &u.file)
		   : data_read(path, &o, &sink, &local, &u.file);
	err = finish(&m, err, path, &local);
	choice_done(&m.choice);
	free(m.who);
	if (err) {
		usage_done(&u);
		return failure_set(f, err, "%s", local.text);
	}
	*ret = u;
	return 0;
}

int usage_parse(const char *text, size_t size, const struct source *source, const char *path,
		struct failure *f, struct usage *ret)
{
	return import(text, size, source, path, f, ret);
}

int usage_read(const char *path, const struct source *source, struct failure *f, struct usage *ret)
{
	return import(NULL, 0, source, path, f, ret);
}
