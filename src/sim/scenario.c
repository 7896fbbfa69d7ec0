/* SPDX-License-Identifier: MIT */
/*
 * Scenario files are read with inih, line by line, so that a complaint can name its line. Sections:
 * [host], [run], [group NAME], [vm NAME], [variant NAME] with keys "SECTION.KEY", and [limits] with
 * conditions. Files are hostile: sizes, names and counts are bounded here, values in
 * scenario_keys.c.
 */
#include "sim/scenario.h"

#include "base/cleanup.h"
#include "sim/engine.h"
#include "sim/limits.h"
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
};

static void open_section(struct parser *p, const char *line);

/* Records the first complaint. Returns 0, with which inih's handlers report an error. */
static int complain(struct parser *p, int err, const char *what)
{
	if (!p->err)
		p->err = failure_set(p->f, err, "%s:%d: %s", p->s->path, p->line, what);
	return 0;
}

/* inih's reader: one line at a time; nothing more after a complaint. */
static char *next_line(char *buf, int size, void *data)
{
	struct parser *p = data;
	const char *stop;
	size_t len;

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
	p->text += len + (stop ? 1 : 0);
	if (buf[strspn(buf, " \t\r\v\f")] == '[')
		open_section(p, buf + strspn(buf, " \t\r\v\f"));
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

static struct vm_spec *find_vm(struct scenario *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_vms; i++) {
		if (!strcmp(s->vms[i].name, name))
			return &s->vms[i];
	}
	return NULL;
}

static struct group_spec *find_group(struct scenario *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_groups; i++) {
		if (!strcmp(s->groups[i].name, name))
			return &s->groups[i];
	}
	return NULL;
}

static bool good_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= SCENARIO_NAME || !strcmp(name, "host") || !strcmp(name, "run"))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
	       len;
}

/* The VM, group or variant of this name, made if it is new. */
static struct vm_spec *vm_section(struct parser *p, const char *name)
{
	struct vm_spec *vm = find_vm(p->s, name);

	if (vm || find_group(p->s, name))
		return vm;
	vm = grow((void **)&p->s->vms, &p->s->n_vms, sizeof(*vm));
	if (!vm)
		return NULL;
	key_defaults(SECTION_VM, vm);
	strcpy(vm->name, name);
	vm->line = p->line;
	return vm;
}

static struct group_spec *group_section(struct parser *p, const char *name)
{
	struct group_spec *g = find_group(p->s, name);

	if (g || find_vm(p->s, name))
		return g;
	g = grow((void **)&p->s->groups, &p->s->n_groups, sizeof(*g));
	if (!g)
		return NULL;
	key_defaults(SECTION_GROUP, g);
	strcpy(g->name, name);
	g->line = p->line;
	return g;
}

static struct variant *variant_section(struct parser *p, const char *name)
{
	struct variant *v = p->s->variants;

	for (uint32_t i = 0; i < p->s->n_variants; i++) {
		if (!strcmp(v[i].name, name))
			return &v[i];
	}
	v = grow((void **)&p->s->variants, &p->s->n_variants, sizeof(*v));
	if (v)
		strcpy(v->name, name);
	return v;
}

static int add_setting(struct parser *p, struct variant *v, const char *key, const char *value)
{
	const char *dot = strchr(key, '.');
	struct setting *set;

	if (!v || !dot || dot == key || (size_t)(dot - key) >= SCENARIO_NAME ||
	    strlen(dot + 1) >= SCENARIO_NAME || strlen(value) >= sizeof(set->value))
		return complain(p, -EINVAL,
				"in [variant]: expected SECTION.KEY = VALUE, such as "
				"host.cpus = 4");
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
	l = grow((void **)&p->s->limits, &p->s->n_limits, sizeof(*l));
	if (!l)
		return complain(p, -E2BIG, "too many limits");
	strcpy(l->label, label);
	strcpy(l->condition, condition);
	l->line = p->line;
	return 1;
}

static int set_key(struct parser *p, enum key_section section, void *base, const char *key,
		   const char *value)
{
	struct failure why;
	int err;

	if (!base)
		return complain(p, -EINVAL,
				"this name is taken by a section of another kind, or "
				"there are too many sections");
	err = key_set(section, base, key, value, &why);
	return err ? complain(p, err, why.text) : 1;
}

/* Makes the section of a line "[vm NAME]": one without keys is a VM, group or variant as well. inih
 * itself says nothing of sections. */
static void open_section(struct parser *p, const char *line)
{
	const char *kinds[] = {"vm ", "group ", "variant "};
	size_t len = strcspn(line + 1, "]\n");
	char name[NAME_MAX_LENGTH];
	void *made = NULL;

	if (len >= sizeof(name) || line[1 + len] != ']') {
		complain(p, -EINVAL, "expected ']' after a name of at most 47 characters");
		return;
	}
	memcpy(name, line + 1, len);
	name[len] = 0;
	if (!strcmp(name, "host") || !strcmp(name, "run") || !strcmp(name, "limits"))
		return;
	for (int i = 0; i < 3; i++) {
		const char *own = name + strlen(kinds[i]);

		if (strncmp(name, kinds[i], strlen(kinds[i])) || !good_name(own))
			continue;
		made = i == 0	? (void *)vm_section(p, own)
		       : i == 1 ? (void *)group_section(p, own)
				: (void *)variant_section(p, own);
		if (!made)
			complain(p, -EINVAL,
				 "this name is taken by a section of another kind, or there "
				 "are too many sections");
		return;
	}
	complain(p, -EINVAL,
		 "expected [host], [run], [limits], [group NAME], [vm NAME] or "
		 "[variant NAME], a name of letters, digits, - and _");
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
		return set_key(p, SECTION_HOST, &p->s->host, key, value);
	if (!strcmp(section, "run"))
		return set_key(p, SECTION_RUN, &p->s->run, key, value);
	if (!strcmp(section, "limits"))
		return add_limit(p, key, value);
	if (!name)
		return complain(p, -EINVAL, "a key before the first section");
	if (!good_name(name + 1))
		return complain(p, -EINVAL, "a section's name is of letters, digits, - and _");
	if (!strncmp(section, "vm ", 3))
		return set_key(p, SECTION_VM, vm_section(p, name + 1), key, value);
	if (!strncmp(section, "group ", 6))
		return set_key(p, SECTION_GROUP, group_section(p, name + 1), key, value);
	if (!strncmp(section, "variant ", 8))
		return add_setting(p, variant_section(p, name + 1), key, value);
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

int scenario_load(const char *path, struct failure *f, struct scenario **ret)
{
	_cleanup_(close_file) FILE *file = fopen(path, "re");
	_cleanup_(free_ptr) char *text = malloc(SCENARIO_FILE_MAX + 1);
	size_t size;

	if (!file)
		return failure_errno(f, -errno, "%s: cannot open", path);
	if (!text)
		return -ENOMEM;
	size = fread(text, 1, SCENARIO_FILE_MAX + 1, file);
	if (ferror(file))
		return failure_set(f, -EIO, "%s: cannot be read; expected a scenario file", path);
	return scenario_parse(text, size, path, f, ret);
}

struct scenario *scenario_free(struct scenario *s)
{
	if (!s)
		return NULL;
	for (uint32_t i = 0; i < s->n_variants; i++)
		free(s->variants[i].settings);
	free(s->variants);
	free(s->groups);
	free(s->vms);
	free(s->limits);
	free(s->head);
	free(s);
	return NULL;
}

/* Sets one key by the name of its section: host, run, a VM or a group. */
static int apply(struct scenario *s, const char *section, const char *key, const char *value,
		 struct failure *f)
{
	if (!strcmp(section, "host"))
		return key_set(SECTION_HOST, &s->host, key, value, f);
	if (!strcmp(section, "run"))
		return key_set(SECTION_RUN, &s->run, key, value, f);
	if (find_vm(s, section))
		return key_set(SECTION_VM, find_vm(s, section), key, value, f);
	if (find_group(s, section))
		return key_set(SECTION_GROUP, find_group(s, section), key, value, f);
	return failure_set(f, -ENOENT, "no VM or group is called '%s'", section);
}

static void *copy(const void *from, size_t n, size_t size)
{
	void *to = malloc(n * size + 1);

	return to && n ? memcpy(to, from, n * size) : to;
}

int scenario_vary(const struct scenario *s, uint32_t variant, struct failure *f,
		  struct scenario **ret)
{
	const struct variant *v = &s->variants[variant];
	struct scenario *n = copy(s, 1, sizeof(*s));
	int err = 0;

	if (!n)
		return -ENOMEM;
	n->variants = NULL;
	n->limits = NULL;
	n->n_variants = n->n_limits = 0;
	n->head = NULL;
	n->vms = copy(s->vms, s->n_vms, sizeof(*s->vms));
	n->groups = copy(s->groups, s->n_groups, sizeof(*s->groups));
	if (!n->vms || !n->groups)
		err = -ENOMEM;
	for (uint32_t i = 0; !err && i < v->n_settings; i++) {
		const struct setting *set = &v->settings[i];
		struct failure why;

		err = apply(n, set->section, set->key, set->value, &why);
		if (err)
			failure_set(f, err, "%s:%d: %s", s->path, set->line, why.text);
	}
	if (!err)
		err = scenario_check(n, f);
	if (err) {
		scenario_free(n);
		return err;
	}
	*ret = n;
	return 0;
}

int scenario_set(struct scenario *s, const char *text, struct failure *f)
{
	char section[SCENARIO_NAME], key[SCENARIO_NAME];
	struct failure why;
	int used = 0, err;

	if (sscanf(text, "%31[^.=].%31[^=]=%n", section, key, &used) != 2 || !used)
		return failure_set(f, -EINVAL,
				   "--set %s: expected SECTION.KEY=VALUE, such as host.cpus=4",
				   text);
	err = apply(s, section, key, text + used, &why);
	return err ? failure_set(f, err, "--set %s: %s", text, why.text) : 0;
}

uint32_t scenario_vms_per_host(const struct scenario *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_vms; i++)
		n += s->vms[i].count;
	return n;
}

uint64_t scenario_vcpus_per_host(const struct scenario *s)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < s->n_vms; i++)
		n += (uint64_t)s->vms[i].count * s->vms[i].vcpus;
	return n;
}
