/* SPDX-License-Identifier: MIT */
/*
 * Scenario files are read by base/inifile.h, so that a complaint names its line. Sections:
 * [host], [run], [group NAME], [vm NAME], [variant NAME] with keys "SECTION.KEY", and [limits] with
 * conditions. Files are hostile: sizes, names and counts are bounded here, values in
 * scenario_keys.c.
 */
#include "sim/scenario.h"

#include "base/inifile.h"
#include "base/units.h"
#include "sim/engine.h"
#include "sim/limits.h"
#include "sim/scenario_changes.h"
#include "sim/scenario_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 4096 /* sections of a kind */

struct parser {
	struct scenario *s;
	struct failure *f;
	int line;
	int host_line, run_line, limits_line; /* 0: no such section yet */
	int key_lines[SCENARIO_KEYS];	      /* of this section's keys, by row; 0: not yet */
};

static int twice(struct parser *p, const char *what, const char *name, int first)
{
	return failure_set(p->f, -EEXIST,
			   "%s%.60s is given twice, the first time in line %d; take one out", what,
			   name, first);
}

/* Appends one zeroed element to an array. */
static void *grow(void **array, uint32_t *n, size_t size)
{
	void *bigger = *n < MANY ? realloc(*array, (*n + 1) * size) : NULL;

	if (!bigger)
		return NULL;
	*array = bigger;
	return memset((char *)bigger + (*n)++ * size, 0, size);
}

static bool good_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= SCENARIO_NAME || !strcmp(name, "host") || !strcmp(name, "run") ||
	    !strcmp(name, "cluster"))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
	       len;
}

static struct variant *find_variant(struct scenario *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_variants; i++) {
		if (!strcmp(s->variants[i].name, name))
			return &s->variants[i];
	}
	return NULL;
}

static int name_is_taken(struct parser *p)
{
	return failure_set(p->f, -EINVAL,
			   "this name is taken by a section of another kind, or there are too many "
			   "sections");
}

static bool is_taken(struct parser *p, const char *name)
{
	return scenario_find_vm(p->s, name) || scenario_find_group(p->s, name) ||
	       scenario_find_host(p->s, name);
}

/* Each makes the section of this name. */
static int new_host(struct parser *p, const char *name)
{
	const struct named_host *first = scenario_find_host(p->s, name);
	struct named_host *h;

	if (first)
		return twice(p, "section host ", name, first->line);
	h = is_taken(p, name) ? NULL : grow((void **)&p->s->hosts, &p->s->n_hosts, sizeof(*h));
	if (!h)
		return name_is_taken(p);
	strcpy(h->name, name);
	h->line = p->line;
	return 0;
}

static int new_vm(struct parser *p, const char *name)
{
	const struct vm_spec *first = scenario_find_vm(p->s, name);
	struct vm_spec *vm;

	if (first)
		return twice(p, "section vm ", name, first->line);
	vm = is_taken(p, name) ? NULL : grow((void **)&p->s->vms, &p->s->n_vms, sizeof(*vm));
	if (!vm)
		return name_is_taken(p);
	scenario_key_defaults(SECTION_VM, vm);
	strcpy(vm->name, name);
	vm->line = p->line;
	return 0;
}

static int new_group(struct parser *p, const char *name)
{
	const struct group_spec *first = scenario_find_group(p->s, name);
	struct group_spec *g;

	if (first)
		return twice(p, "section group ", name, first->line);
	g = is_taken(p, name) ? NULL : grow((void **)&p->s->groups, &p->s->n_groups, sizeof(*g));
	if (!g)
		return name_is_taken(p);
	scenario_key_defaults(SECTION_GROUP, g);
	strcpy(g->name, name);
	g->line = p->line;
	return 0;
}

static int new_variant(struct parser *p, const char *name)
{
	const struct variant *first = find_variant(p->s, name);
	struct variant *v;

	if (first)
		return twice(p, "section variant ", name, first->line);
	v = grow((void **)&p->s->variants, &p->s->n_variants, sizeof(*v));
	if (!v)
		return name_is_taken(p);
	strcpy(v->name, name);
	v->line = p->line;
	return 0;
}

static int new_change(struct parser *p, const char *time)
{
	return scenario_add_change(p->s, time, p->line, p->f);
}

/* The section of which there is one. */
static int only_section(struct parser *p, const char *name, int *line)
{
	if (*line)
		return twice(p, "section ", name, *line);
	*line = p->line;
	return 0;
}

static int add_setting(struct parser *p, struct variant *v, const char *key, const char *value)
{
	const char *dot = strchr(key, '.');
	struct setting *set;

	if (!v || !dot || dot == key || (size_t)(dot - key) >= SCENARIO_NAME ||
	    strlen(dot + 1) >= SCENARIO_NAME || strlen(value) >= sizeof(set->value))
		return failure_set(p->f, -EINVAL,
				   "expected SECTION.KEY = VALUE, such as "
				   "host.cpus = 4");
	for (uint32_t i = 0; i < v->n_settings; i++) {
		set = &v->settings[i];
		if (!strcmp(set->key, dot + 1) &&
		    !strncmp(set->section, key, (size_t)(dot - key)) && !set->section[dot - key])
			return twice(p, "", key, set->line);
	}
	set = grow((void **)&v->settings, &v->n_settings, sizeof(*set));
	if (!set)
		return failure_set(p->f, -E2BIG, "too many keys in a variant");
	memcpy(set->section, key, (size_t)(dot - key));
	strcpy(set->key, dot + 1);
	strcpy(set->value, value);
	set->line = p->line;
	return 0;
}

static int add_limit(struct parser *p, const char *label, const char *condition)
{
	struct limit *l;

	if (strlen(condition) >= sizeof(l->condition))
		return failure_set(p->f, -EINVAL, "a condition of more than 190 characters");
	if (limit_parse(condition, p->f))
		return -EINVAL;
	for (uint32_t i = 0; i < p->s->n_limits; i++) {
		if (!strcmp(p->s->limits[i].label, label))
			return twice(p, "limit ", label, p->s->limits[i].line);
	}
	l = grow((void **)&p->s->limits, &p->s->n_limits, sizeof(*l));
	if (!l)
		return failure_set(p->f, -E2BIG, "too many limits");
	strcpy(l->label, label);
	strcpy(l->condition, condition);
	l->line = p->line;
	return 0;
}

static int both_loads(struct parser *p, int other)
{
	return failure_set(p->f, -EINVAL,
			   "load and demand (the other in line %d) say the same; take one out",
			   other);
}

/* `host` is NULL where the section isn't a host with a name. */
static int set_key(struct parser *p, enum key_section section, void *base, struct named_host *host,
		   const char *key, const char *value)
{
	int row = scenario_key_find(section, key), err;

	if (row >= 0 && p->key_lines[row])
		return twice(p, "", key, p->key_lines[row]);
	if (section == SECTION_VM && (!strcmp(key, "load") || !strcmp(key, "demand"))) {
		int other =
			p->key_lines[scenario_key_find(section, key[0] == 'l' ? "demand" : "load")];

		if (other)
			return both_loads(p, other);
	}
	err = host ? scenario_set_host(p->s, host, key, value, p->line, p->f)
		   : scenario_key_set(section, base, key, value, p->f);
	if (err)
		return err;
	p->key_lines[row] = p->line;
	if (section == SECTION_HOST && !host)
		p->s->host_lines[row] = p->line;
	return 0;
}

static const struct {
	const char *kind;
	int (*make)(struct parser *p, const char *name);
} named_sections[] = {
	{"host ", new_host}, {"vm ", new_vm}, {"group ", new_group}, {"variant ", new_variant}};

/* Makes the section of this name, if it may be called so. */
static int make_section(struct parser *p, const char *name)
{
	if (!strcmp(name, "host"))
		return only_section(p, name, &p->host_line);
	if (!strcmp(name, "run"))
		return only_section(p, name, &p->run_line);
	if (!strcmp(name, "cluster"))
		return only_section(p, name, &p->s->cluster_line);
	if (!strcmp(name, "limits"))
		return only_section(p, name, &p->limits_line);
	if (!strncmp(name, "at ", 3))
		return new_change(p, name + 3);
	for (size_t i = 0; i < ARRAY_SIZE(named_sections); i++) {
		size_t len = strlen(named_sections[i].kind);

		if (!strncmp(name, named_sections[i].kind, len) && good_name(name + len))
			return named_sections[i].make(p, name + len);
	}
	return failure_set(
		p->f, -EINVAL,
		"expected [host], [host NAME], [cluster], [run], [limits], [group NAME], "
		"[vm NAME], [variant NAME] or [at TIME], a name of letters, digits, - and _");
}

/* A section without keys is a VM, group or variant as well. */
static int on_section(const char *name, int line, void *data, struct failure *f)
{
	struct parser *p = data;

	p->line = line;
	p->f = f;
	memset(p->key_lines, 0, sizeof(p->key_lines));
	return make_section(p, name);
}

/* A key of a section that on_section() has seen. */
static int take_key(struct parser *p, const char *section, const char *key, const char *value)
{
	const char *name = strchr(section, ' ');

	if (!strcmp(section, "host"))
		return set_key(p, SECTION_HOST, &p->s->host, NULL, key, value);
	if (!strcmp(section, "run"))
		return set_key(p, SECTION_RUN, &p->s->run, NULL, key, value);
	if (!strcmp(section, "cluster"))
		return set_key(p, SECTION_CLUSTER, &p->s->cluster, NULL, key, value);
	if (!strcmp(section, "limits"))
		return add_limit(p, key, value);
	if (!name)
		return failure_set(p->f, -EINVAL, "a key before the first section");
	if (!strncmp(section, "at ", 3))
		return add_setting(p, &scenario_find_change(p->s, name + 1)->set, key, value);
	if (!strncmp(section, "host ", 5))
		return set_key(p, SECTION_HOST, NULL, scenario_find_host(p->s, name + 1), key,
			       value);
	if (!strncmp(section, "vm ", 3))
		return set_key(p, SECTION_VM, scenario_find_vm(p->s, name + 1), NULL, key, value);
	if (!strncmp(section, "group ", 6))
		return set_key(p, SECTION_GROUP, scenario_find_group(p->s, name + 1), NULL, key,
			       value);
	return add_setting(p, find_variant(p->s, name + 1), key, value);
}

static int on_key(const char *section, const char *key, const char *value, int line, void *data,
		  struct failure *f)
{
	struct parser *p = data;

	p->line = line;
	p->f = f;
	return take_key(p, section, key, value);
}

/* Keeps the comment at the top, without its marks. */
static int keep_head(struct scenario *s, const char *text, size_t size)
{
	const char *at = text, *end = text + size;
	char *to = malloc(size + 2);

	if (!to)
		return -ENOMEM;
	s->head = to;
	while (at < end && *at == '#') {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop ? stop : end;
		at += 1 + (at + 1 < stop && at[1] == ' ');
		memcpy(to, at, (size_t)(stop - at));
		to += stop - at;
		*to++ = '\n';
		at = stop < end ? stop + 1 : end;
	}
	*to = 0;
	return 0;
}

/* "tests/sim/07-shares.ini" is called "07-shares". */
static void set_name(struct scenario *s, const char *path)
{
	const char *base = strrchr(path, '/');
	char *dot;

	snprintf(s->path, sizeof(s->path), "%s", path);
	snprintf(s->name, sizeof(s->name), "%s", base ? base + 1 : path);
	dot = strrchr(s->name, '.');
	if (dot)
		*dot = 0;
}

int scenario_parse(const char *text, size_t size, const char *path, struct failure *f,
		   struct scenario **ret)
{
	static const struct inifile_taker taker = {on_section, on_key};
	struct parser p = {.f = f};
	int err;

	if (size > SCENARIO_FILE_MAX)
		return failure_set(f, -EFBIG, "%s: %zu bytes; a scenario has at most 1 MiB", path,
				   size);
	p.s = calloc(1, sizeof(*p.s));
	if (!p.s)
		return -ENOMEM;
	set_name(p.s, path);
	scenario_key_defaults(SECTION_HOST, &p.s->host);
	scenario_key_defaults(SECTION_RUN, &p.s->run);
	scenario_key_defaults(SECTION_CLUSTER, &p.s->cluster);
	p.s->host.core.entitle_period = core_defaults.entitle_period;
	err = keep_head(p.s, text, size);
	if (!err)
		err = inifile_parse(p.s->path, text, size, &taker, &p, f);
	if (!err)
		err = scenario_check(p.s, f);
	if (err) {
		scenario_free(p.s);
		return err;
	}
	*ret = p.s;
	return 0;
}
