/* SPDX-License-Identifier: MIT */
/*
 * Scenario files are read with inih, line by line, so that a complaint can name its line. Sections:
 * [host], [run], [group NAME], [vm NAME], [variant NAME] with keys "SECTION.KEY", and [limits] with
 * conditions. Files are hostile: sizes, names and counts are bounded here, values in
 * scenario_keys.c.
 */
#include "sim/scenario.h"

#include "base/units.h"
#include "sim/engine.h"
#include "sim/limits.h"
#include "sim/scenario_changes.h"
#include "sim/scenario_keys.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LENGTH 190 /* what inih takes, less what it needs itself */
#define NAME_MAX_LENGTH 48
#define MANY		4096 /* sections of a kind */

struct parser {
	struct scenario *s;
	struct failure *f;
	const char *text, *end;
	int line;
	int err;
	int host_line, run_line, limits_line; /* 0: no such section yet */
	int key_lines[SCENARIO_KEYS];	      /* of this section's keys, by row; 0: not yet */
};

static void open_section(struct parser *p, const char *line);

/* Records the first complaint. Returns 0, with which inih's handlers report an error. */
static int complain(struct parser *p, int err, const char *what)
{
	if (!p->err)
		p->err = failure_set(p->f, err, "%s:%d: %s", p->s->path, p->line, what);
	return 0;
}

static int twice(struct parser *p, const char *what, const char *name, int first)
{
	char text[160];

	snprintf(text, sizeof(text),
		 "%s%.60s is given twice, the first time in line %d; take one out", what, name,
		 first);
	return complain(p, -EEXIST, text);
}

/* inih's reader: one line at a time, without its indentation, which inih would take for a sign that
 * the line before goes on; nothing more after a complaint. */
static char *next_line(char *buf, int size, void *data)
{
	struct parser *p = data;
	size_t len, blanks;
	const char *stop;

	if (p->err || p->text == p->end)
		return NULL;
	p->line++;
	stop = memchr(p->text, '\n', (size_t)(p->end - p->text));
	len = (size_t)((stop ? stop : p->end) - p->text);
	if (len > LINE_MAX_LENGTH || len + 2 > (size_t)size || memchr(p->text, 0, len)) {
		complain(p, -EINVAL, "a line of more than 190 characters, or with a zero byte");
		return NULL;
	}
	memcpy(buf, p->text, len);
	buf[len] = '\n';
	buf[len + 1] = 0;
	blanks = strspn(buf, " \t\r\v\f");
	memmove(buf, buf + blanks, len + 2 - blanks);
	p->text += len + (stop ? 1 : 0);
	if (buf[0] == '[')
		open_section(p, buf);
	return p->err ? NULL : buf;
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
	return complain(p, -EINVAL,
			"this name is taken by a section of another kind, or there are too many "
			"sections");
}

static bool is_taken(struct parser *p, const char *name)
{
	return scenario_find_vm(p->s, name) || scenario_find_group(p->s, name) ||
	       scenario_find_host(p->s, name);
}

/* Each makes the section of this name: 0 after a complaint. */
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
	return 1;
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
	key_defaults(SECTION_VM, vm);
	strcpy(vm->name, name);
	vm->line = p->line;
	return 1;
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
	key_defaults(SECTION_GROUP, g);
	strcpy(g->name, name);
	g->line = p->line;
	return 1;
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
	return 1;
}

static int new_change(struct parser *p, const char *time)
{
	struct failure why;
	int err = scenario_add_change(p->s, time, p->line, &why);

	return err ? complain(p, err, why.text) : 1;
}

/* The section of which there is one. */
static int only_section(struct parser *p, const char *name, int *line)
{
	if (*line)
		return twice(p, "section ", name, *line);
	*line = p->line;
	return 1;
}

static int add_setting(struct parser *p, struct variant *v, const char *key, const char *value)
{
	const char *dot = strchr(key, '.');
	struct setting *set;

	if (!v || !dot || dot == key || (size_t)(dot - key) >= SCENARIO_NAME ||
	    strlen(dot + 1) >= SCENARIO_NAME || strlen(value) >= sizeof(set->value))
		return complain(p, -EINVAL,
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
		return complain(p, -E2BIG, "too many keys in a variant");
	memcpy(set->section, key, (size_t)(dot - key));
	strcpy(set->key, dot + 1);
	strcpy(set->value, value);
	set->line = p->line;
	return 1;
}

static int add_limit(struct parser *p, const char *label, const char *condition)
{
	struct failure why;
	struct limit *l;

	if (strlen(condition) >= sizeof(l->condition))
		return complain(p, -EINVAL, "a condition of more than 190 characters");
	if (limit_parse(condition, &why))
		return complain(p, -EINVAL, why.text);
	for (uint32_t i = 0; i < p->s->n_limits; i++) {
		if (!strcmp(p->s->limits[i].label, label))
			return twice(p, "limit ", label, p->s->limits[i].line);
	}
	l = grow((void **)&p->s->limits, &p->s->n_limits, sizeof(*l));
	if (!l)
		return complain(p, -E2BIG, "too many limits");
	strcpy(l->label, label);
	strcpy(l->condition, condition);
	l->line = p->line;
	return 1;
}

static int both_loads(struct parser *p, int other)
{
	char text[96];

	snprintf(text, sizeof(text),
		 "load and demand (the other in line %d) say the same; take one out", other);
	return complain(p, -EINVAL, text);
}

/* `host` is NULL where the section isn't a host with a name. */
static int set_key(struct parser *p, enum key_section section, void *base, struct named_host *host,
		   const char *key, const char *value)
{
	int row = key_find(section, key), err;
	struct failure why;

	if (row >= 0 && p->key_lines[row])
		return twice(p, "", key, p->key_lines[row]);
	if (section == SECTION_VM && (!strcmp(key, "load") || !strcmp(key, "demand"))) {
		int other = p->key_lines[key_find(section, key[0] == 'l' ? "demand" : "load")];

		if (other)
			return both_loads(p, other);
	}
	err = host ? scenario_set_host(p->s, host, key, value, p->line, &why)
		   : key_set(section, base, key, value, &why);
	if (err)
		return complain(p, err, why.text);
	p->key_lines[row] = p->line;
	if (section == SECTION_HOST && !host)
		p->s->host_lines[row] = p->line;
	return 1;
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
	return complain(
		p, -EINVAL,
		"expected [host], [host NAME], [cluster], [run], [limits], [group NAME], "
		"[vm NAME], [variant NAME] or [at TIME], a name of letters, digits, - and _");
}

/* A line "[vm NAME]": one without keys is a VM, group or variant as well. inih itself doesn't
 * report sections. */
static void open_section(struct parser *p, const char *line)
{
	size_t len = strcspn(line + 1, "]\n");
	char name[NAME_MAX_LENGTH];

	if (len >= sizeof(name) || line[1 + len] != ']') {
		complain(p, -EINVAL, "expected ']' after a name of at most 47 characters");
		return;
	}
	memcpy(name, line + 1, len);
	name[len] = 0;
	memset(p->key_lines, 0, sizeof(p->key_lines));
	make_section(p, name);
}

/* inih's handler: one key of a section that open_section() has seen. Returns 1 if it was good. */
static int on_key(void *data, const char *section, const char *key, const char *value)
{
	struct parser *p = data;
	const char *name = strchr(section, ' ');

	if (p->err)
		return 0;
	if (strlen(key) >= NAME_MAX_LENGTH)
		return complain(p, -EINVAL, "a name of more than 47 characters");
	if (!strcmp(section, "host"))
		return set_key(p, SECTION_HOST, &p->s->host, NULL, key, value);
	if (!strcmp(section, "run"))
		return set_key(p, SECTION_RUN, &p->s->run, NULL, key, value);
	if (!strcmp(section, "cluster"))
		return set_key(p, SECTION_CLUSTER, &p->s->cluster, NULL, key, value);
	if (!strcmp(section, "limits"))
		return add_limit(p, key, value);
	if (!name)
		return complain(p, -EINVAL, "a key before the first section");
	if (!strncmp(section, "at ", 3))
		return add_setting(p, &scenario_find_change(p->s, name + 1)->set, key, value);
	if (!good_name(name + 1))
		return complain(p, -EINVAL, "a section's name is of letters, digits, - and _");
	if (!strncmp(section, "host ", 5))
		return set_key(p, SECTION_HOST, NULL, scenario_find_host(p->s, name + 1), key,
			       value);
	if (!strncmp(section, "vm ", 3))
		return set_key(p, SECTION_VM, scenario_find_vm(p->s, name + 1), NULL, key, value);
	if (!strncmp(section, "group ", 6))
		return set_key(p, SECTION_GROUP, scenario_find_group(p->s, name + 1), NULL, key,
			       value);
	if (!strncmp(section, "variant ", 8))
		return add_setting(p, find_variant(p->s, name + 1), key, value);
	return complain(p, -EINVAL, "there is no such kind of section");
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
	struct parser p = {.f = f, .text = text, .end = text + size};
	int bad;

	if (size > SCENARIO_FILE_MAX)
		return failure_set(f, -EFBIG, "%s: %zu bytes; a scenario has at most 1 MiB", path,
				   size);
	p.s = calloc(1, sizeof(*p.s));
	if (!p.s)
		return -ENOMEM;
	set_name(p.s, path);
	key_defaults(SECTION_HOST, &p.s->host);
	key_defaults(SECTION_RUN, &p.s->run);
	key_defaults(SECTION_CLUSTER, &p.s->cluster);
	p.s->host.core.entitle_period = core_defaults.entitle_period;
	p.err = keep_head(p.s, text, size);
	bad = ini_parse_stream(next_line, &p, on_key, &p);
	if (!p.err && bad) {
		p.line = bad;
		complain(&p, -EINVAL, "expected [SECTION] or KEY = VALUE");
	}
	if (!p.err)
		p.err = scenario_check(p.s, f);
	if (p.err) {
		scenario_free(p.s);
		return p.err;
	}
	*ret = p.s;
	return 0;
}
