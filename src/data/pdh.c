/* SPDX-License-Identifier: MIT */
#include "data/pdh.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pdh_forget(struct pdh *p)
{
	free(p->columns);
	free(p->used);
	free(p->owners);
	p->columns = NULL;
	p->used = NULL;
	p->owners = NULL;
	p->n = p->n_used = p->n_owners = 0;
}

/* ---- owners ---- */

/* 1 and the owner, 0: it isn't wanted, -errno. */
static int take_owner(struct pdh *p, const struct data_entity *e, struct pdh_owner **ret)
{
	uint32_t entity;
	int wanted = out_entity(p->g.out, e, &entity);
	bool old = wanted > 0 && out_state_of(p->g.out, entity);
	struct pdh_owner *owner = wanted > 0 ? out_state(p->g.out, entity, sizeof(*owner)) : NULL;
	struct pdh_owner **list;

	if (wanted <= 0)
		return wanted;
	*ret = owner;
	if (old || !owner)
		return owner ? 1 : -ENOMEM;
	owner->entity = entity;
	snprintf(owner->name, sizeof(owner->name), "%s", e->name);
	list = reallocarray(p->owners, p->n_owners + 1, sizeof(struct pdh_owner *));
	if (!list)
		return -ENOMEM;
	p->owners = list;
	list[p->n_owners++] = owner;
	return 1;
}

/* The only VM of this name, or NULL. */
static struct pdh_owner *by_name(const struct pdh *p, const char *name)
{
	struct pdh_owner *found = NULL;

	for (size_t i = 0; i < p->n_owners; i++) {
		if (strcmp(p->owners[i]->name, name) != 0 || p->owners[i]->any[COUNTER_HOST_CPU])
			continue;
		if (found)
			return NULL;
		found = p->owners[i];
	}
	return found;
}

/* ---- columns ---- */

/* Which of the two that mean the same is taken: the finer one, where it is there. */
static bool is_used(const struct pdh_column *c)
{
	const bool *any = c->owner ? c->owner->any : NULL;

	if (!any)
		return false;
	switch (c->kind) {
	case COUNTER_TOTAL_INFO:
	case COUNTER_CPU_INFO:
		return !any[COUNTER_TOTAL];
	case COUNTER_CPU:
		return any[COUNTER_TOTAL] || !any[COUNTER_TOTAL_INFO];
	case COUNTER_PROCESS:
		return !any[COUNTER_PROCESS_V2];
	case COUNTER_GROUP:
		return !any[COUNTER_VCPU];
	default:
		return c->kind != COUNTER_OTHER;
	}
}

/* Gives the column to its owner, or to the part of it that it is of. */
static int take_part(struct pdh *p, struct pdh_owner *owner, const struct counter_use *u,
		     struct pdh_column *c)
{
	const struct data_entity part = {u->part, owner->entity, u->name, u->id};
	int wanted = 1;

	c->entity = owner->entity;
	c->part = u->name[0] && u->part != DATA_KIND_MACHINE;
	if (c->part)
		wanted = out_entity(p->g.out, &part, &c->entity);
	if (wanted < 0)
		return wanted;
	c->wanted = wanted;
	c->kind = u->kind;
	c->quantity = u->quantity;
	c->scale = u->scale;
	/* What is judged is needed, wanted or not. */
	if (wanted || u->kind != COUNTER_FIGURE)
		c->owner = owner;
	owner->any[u->kind] = true;
	return 0;
}

static int take_guest_column(struct pdh *p, const struct counter *counter, struct pdh_column *c)
{
	const char *machine = counter->machine[0] ? counter->machine : "(without a name)";
	struct data_entity e = {DATA_KIND_MACHINE, DATA_NONE, machine, ""};
	struct counter_use u;
	struct pdh_owner *owner;
	int wanted;

	if (!counter_guest(counter, &u) || !out_takes(p->g.out, u.quantity))
		return 0;
	p->seen = true;
	if (!p->machine[0])
		snprintf(p->machine, sizeof(p->machine), "%s", machine);
	if (!strcasecmp(p->machine, machine))
		e.name = p->machine;
	wanted = take_owner(p, &e, &owner);
	return wanted > 0 ? take_part(p, owner, &u, c) : wanted;
}

/* What a host's columns are taken for, one after the other: VMs that are shown vCPU by vCPU, groups
 * that aren't, and what has only a VM's name. */
enum stage { STAGE_VCPUS, STAGE_GROUPS, STAGE_REST, STAGES };

static enum stage stage_of(const struct counter_use *u)
{
	return u->kind == COUNTER_VCPU	    ? STAGE_VCPUS
	       : u->part == DATA_KIND_GROUP ? STAGE_GROUPS
					    : STAGE_REST;
}

/* A VM where its vCPUs have been seen. */
static int take_group(struct pdh *p, struct data_entity *e, bool vcpus, struct pdh_owner **ret)
{
	uint32_t entity;
	int there = 0;

	e->kind = DATA_KIND_VM;
	if (!vcpus) {
		there = out_find(p->g.out, e, &entity);
		if (there < 0)
			return there;
		e->kind = there ? DATA_KIND_VM : DATA_KIND_GROUP;
	}
	return take_owner(p, e, ret);
}

static int take_host_owner(struct pdh *p, const struct counter *counter,
			   const struct counter_use *u, struct pdh_owner **ret)
{
	char id[2 * COUNTER_PART];
	struct data_entity e = {DATA_KIND_MACHINE, DATA_NONE, u->vm, id};

	snprintf(id, sizeof(id), "%s", u->group);
	if (strcasecmp(p->machine, counter->machine) != 0)
		snprintf(id, sizeof(id), "%s/%s", counter->machine, u->group);
	if (u->kind == COUNTER_VCPU || u->part == DATA_KIND_GROUP)
		return take_group(p, &e, u->kind == COUNTER_VCPU, ret);
	*ret = u->vm[0] ? by_name(p, u->vm) : NULL;
	if (*ret)
		return 1;
	if (u->vm[0])
		return 0;
	e.name = counter->machine;
	e.id = "";
	return take_owner(p, &e, ret);
}

/* Whatever is wanted of vCPUs, they show that there is a VM. */
static int take_host_column(struct pdh *p, const struct counter *counter, enum stage stage,
			    struct pdh_column *c)
{
	struct counter_use u;
	struct pdh_owner *owner;
	bool takes;
	int wanted;

	if (!counter_host(counter, &u) || stage_of(&u) != stage)
		return 0;
	takes = out_takes(p->g.out, u.quantity);
	if (!takes && stage != STAGE_VCPUS)
		return 0;
	if (!p->machine[0])
		snprintf(p->machine, sizeof(p->machine), "%s", counter->machine);
	wanted = take_host_owner(p, counter, &u, &owner);
	return wanted > 0 && takes ? take_part(p, owner, &u, c) : wanted < 0 ? wanted : 0;
}

static int take_columns(char **fields, struct pdh *p, enum stage stage)
{
	for (size_t i = 1; i < p->n; i++) {
		struct pdh_column *c = &p->columns[i];
		struct counter counter;
		int err;

		if (c->repeated || c->owner || !counter_parse(fields[i], &counter))
			continue;
		err = p->host ? take_host_column(p, &counter, stage, c)
			      : take_guest_column(p, &counter, c);
		if (err)
			return err;
	}
	return 0;
}

struct place {
	const char *text;
	size_t at;
};

static int by_text(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = strcasecmp(x->text, y->text);

	return order ? order : (x->at > y->at) - (x->at < y->at);
}

/* The same counter twice counts once. */
static int mark_repeated(char **fields, struct pdh *p)
{
	struct place *places = calloc(p->n, sizeof(*places));

	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++)
		places[i] = (struct place){fields[i], i};
	qsort(places, p->n, sizeof(*places), by_text);
	for (size_t i = 1; i < p->n; i++)
		if (fields[places[i].at][0] == '\\' &&
		    !strcasecmp(places[i].text, places[i - 1].text)) {
			p->columns[places[i].at].repeated = true;
			skips_count(&p->g.out->file.skips, SKIP_DUPLICATE, NULL);
		}
	free(places);
	return 0;
}

/* ---- what is missing ---- */

static void list_objects(char **fields, size_t n, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 1; i < n; i++) {
		struct counter c;

		if (!counter_parse(fields[i], &c) || strstr(ret, c.object))
			continue;
		if (used + strlen(c.object) + strlen(c.name) + 8 > size)
			return;
		used += (size_t)snprintf(ret + used, size - used, "%s'%s\\%s'", used ? ", " : "",
					 c.object, c.name);
	}
}

static bool any_of(const struct pdh *p, enum counter_kind a, enum counter_kind b)
{
	for (size_t i = 0; i < p->n_owners; i++)
		if (p->owners[i]->any[a] || p->owners[i]->any[b])
			return true;
	return false;
}

static int check_guest(char **fields, struct pdh *p)
{
	struct data_file *file = &p->g.out->file;
	bool total = any_of(p, COUNTER_TOTAL, COUNTER_TOTAL_INFO);
	bool processes = any_of(p, COUNTER_PROCESS, COUNTER_PROCESS_V2);
	char objects[200];

	if (!p->seen) {
		list_objects(fields, p->n, objects, sizeof(objects));
		return failure_set(p->g.out->f, -ENODATA,
				   "%s: no counter 'Processor(_Total)\\%% Processor Time' or "
				   "'Process(*)\\%% Processor Time', in no language known here; "
				   "there is: %s. By number they are the same in all: record "
				   "\"\\238(*)\\6\" and \"\\230(*)\\6\"",
				   p->g.in->path, objects[0] ? objects : "none");
	}
	if (!total && processes)
		snprintf(file->note, sizeof(file->note),
			 "no 'Processor(_Total)\\%% Processor Time': the total is the sum of the "
			 "processes");
	else if (total && !processes)
		snprintf(file->note, sizeof(file->note),
			 "no 'Process(*)\\%% Processor Time': only the total is known");
	return 0;
}

/* ---- the head ---- */

/* "(PDH-CSV 4.0) (Romance Standard Time)(-60)": minutes that UTC is ahead of local time. */
static void take_zone(const char *text, struct pdh *p)
{
	const char *open = strrchr(text, '(');
	int minutes;

	if (!open || open < strchr(text, ')'))
		return;
	if (!strncasecmp(open, "(UTC)", 5))
		times_head_zone(&p->g.times, 0);
	else if (sscanf(open, "(%5d)", &minutes) == 1 && abs(minutes) <= 14 * 60)
		times_head_zone(&p->g.times, -60.0 * minutes);
}

static bool is_cpu(const struct pdh_column *c)
{
	return c->kind == COUNTER_CPU || c->kind == COUNTER_CPU_INFO ||
	       c->kind == COUNTER_HOST_CPU || (c->kind == COUNTER_VCPU && c->quantity == DATA_CPU);
}

/* Those that are used, and how many CPUs their owners have. */
static void list_used(struct pdh *p)
{
	for (size_t i = 1; i < p->n; i++) {
		struct pdh_column *c = &p->columns[i];

		if (!is_used(c))
			continue;
		p->used[p->n_used++] = i;
		c->owner->judged |= c->kind != COUNTER_FIGURE;
		if (is_cpu(c))
			out_set_cpus(p->g.out, c->owner->entity,
				     out_own_cpus(p->g.out, c->owner->entity) + 1);
	}
}

int pdh_take_head(char **fields, size_t n, struct pdh *p)
{
	int err;

	p->columns = calloc(n, sizeof(*p->columns));
	p->used = calloc(n, sizeof(*p->used));
	if (!p->columns || !p->used)
		return -ENOMEM;
	p->n = n;
	take_zone(fields[0], p);
	err = mark_repeated(fields, p);
	for (int stage = 0; !err && stage < (p->host ? STAGES : 1); stage++)
		err = take_columns(fields, p, (enum stage)stage);
	if (err)
		return err;
	for (size_t i = 0; i < p->n_owners; i++)
		out_set_cpus(p->g.out, p->owners[i]->entity, 0);
	list_used(p);
	return p->host ? 0 : check_guest(fields, p);
}
