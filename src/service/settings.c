/* SPDX-License-Identifier: MIT */
#include "service/settings.h"

#include "base/cleanup.h"
#include "base/inifile.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64 * KIB)

#define AT(field) offsetof(struct service_settings, field)

const struct row settings_common[SETTINGS_COMMON_N] = {
	SETTINGS_PATH("user", struct service_settings, user, "",
		      "become this user when all is open; empty: stay who we are"),
	SETTINGS_PATH("group", struct service_settings, group, "",
		      "who may ask on the socket beside its owner"),
	{"seccomp", &row_flag, AT(seccomp), 0, 0, "yes", "refuse system calls that it doesn't use",
	 NULL, 0},
};

const struct row settings_metrics[SETTINGS_METRICS_N] = {
	SETTINGS_PATH("textfile", struct service_settings, textfile, "",
		      "write the metrics to this file; empty: don't"),
	{"interval", &row_seconds, AT(interval), NS_PER_SEC, 3600 * NS_PER_SEC, "15",
	 "time between two writings", NULL, 0},
};

struct parse {
	const struct settings_table *table;
	void *settings;
	int *lines; /* of each key, all sections' in a row; 0: not yet */
};

/* ---- sections of which there are many ---- */

static size_t *count_of(const struct settings_many *many, const void *settings)
{
	return (size_t *)((char *)(uintptr_t)settings + many->count);
}

static struct settings_named *element(const struct settings_many *many, const void *settings,
				      size_t i)
{
	return (void *)((char *)(uintptr_t)settings + many->offset + i * many->size);
}

/* "vm web*" is of the kind "vm"; *ret_name is behind the kind. NULL: of none. */
static const struct settings_many *kind_of(const struct settings_table *t, const char *section,
					   const char **ret_name)
{
	for (size_t i = 0; i < t->n_many; i++) {
		size_t len = strlen(t->many[i].kind);

		if (strncmp(section, t->many[i].kind, len) || section[len] != ' ')
			continue;
		*ret_name = section + len + 1;
		return &t->many[i];
	}
	return NULL;
}

static struct settings_named *find_named(const struct settings_many *many, const void *settings,
					 const char *name)
{
	for (size_t i = 0; i < *count_of(many, settings); i++)
		if (!strcmp(element(many, settings, i)->name, name))
			return element(many, settings, i);
	return NULL;
}

static int add_named(const struct parse *p, const struct settings_many *many, const char *name,
		     struct failure *f)
{
	size_t *n = count_of(many, p->settings);
	struct settings_named *new;

	if (!name[0])
		return failure_set(f, -EINVAL, "[%s] without a name; give [%s NAME]", many->kind,
				   many->kind);
	if (find_named(many, p->settings, name))
		return failure_set(f, -EINVAL, "[%s %s] is there twice; put both into one",
				   many->kind, name);
	if (*n == many->most)
		return failure_set(f, -EINVAL, "more than %zu sections [%s NAME]", many->most,
				   many->kind);
	new = element(many, p->settings, (*n)++);
	memset(new, 0, many->size);
	rows_default(many->rows, many->n, new);
	strcpy(new->name, name); /* from inifile.c, which bounds it */
	return 0;
}

int settings_give(const struct row *rows, size_t n, struct settings_named *to, const char *key,
		  const char *value, struct failure *f)
{
	const struct row *row = rows_find(rows, n, key);
	const char *names[64];
	char all[256];
	int err;

	if (row) {
		err = row_read(row, key, value, (char *)to + row->offset, f);
		to->given |= err ? 0 : UINT64_C(1) << (row - rows);
		return err;
	}
	for (size_t i = 0; i < n; i++)
		names[i] = rows[i].name;
	names_join(names, n, all, sizeof(all));
	return failure_set(f, -ENOENT, "there is no '%.64s'; expected %s", key, all);
}

static int give_named(const struct settings_many *many, struct settings_named *to, const char *key,
		      const char *value, struct failure *f)
{
	const struct row *row = rows_find(many->rows, many->n, key);

	if (row && to->given >> (row - many->rows) & 1)
		return failure_set(f, -EINVAL, "%s is given twice; take one out", key);
	return settings_give(many->rows, many->n, to, key, value, f) ? -EINVAL : 0;
}

static void print_many(const struct settings_many *many, const void *settings, FILE *to)
{
	for (size_t i = 0; i < *count_of(many, settings); i++) {
		const struct settings_named *e = element(many, settings, i);
		char value[SETTINGS_STRING];

		fprintf(to, "\n[%s %s]\n", many->kind, e->name);
		for (size_t k = 0; k < many->n; k++) {
			const struct row *row = &many->rows[k];

			if (!(e->given >> k & 1))
				continue;
			row->type->show(row, (const char *)e + row->offset, value, sizeof(value));
			fprintf(to, "%s =%s%s\n", row->name, value[0] ? " " : "", value);
		}
	}
}

/* ---- sections of which there is one ---- */

/* The row of a key, where its value is and which of all it is; NULL: there is none. */
static const struct row *find(const struct settings_table *t, const char *section, const char *key,
			      size_t *ret_at, size_t *ret_which)
{
	size_t before = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct row_section *s = &t->sections[i];
		const struct row *row = strcmp(s->name, section) ? NULL
								 : rows_find(s->rows, s->n, key);

		if (row) {
			*ret_at = s->offset + row->offset;
			*ret_which = before + (size_t)(row - s->rows);
			return row;
		}
		before += s->n;
	}
	return NULL;
}

static size_t count_keys(const struct settings_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->sections[i].n;
	return n;
}

static int take_section(const char *name, int line, void *data, struct failure *f)
{
	const struct parse *p = data;
	const struct settings_table *t = p->table;
	const struct settings_many *many = kind_of(t, name, &name);

	(void)line;
	if (many)
		return add_named(p, many, name, f);
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->sections[i].name, name))
			return 0;
	return failure_set(f, -EINVAL, "there is no section [%s]; %s has the list", name,
			   t->manual);
}

static int take_key(const char *section, const char *key, const char *value, int line, void *data,
		    struct failure *f)
{
	const struct parse *p = data;
	const char *name = NULL;
	const struct settings_many *many = kind_of(p->table, section, &name);
	size_t at, which;
	const struct row *row;

	if (many)
		return give_named(many, find_named(many, p->settings, name), key, value, f);
	row = find(p->table, section, key, &at, &which);
	if (!row)
		return failure_set(f, -EINVAL,
				   "there is no '%.64s' in section [%.64s]; %s has the list", key,
				   section, p->table->manual);
	if (p->lines[which])
		return failure_set(f, -EINVAL,
				   "%s is given twice, the first time in line %d; take one out",
				   key, p->lines[which]);
	p->lines[which] = line;
	return row_read(row, key, value, (char *)p->settings + at, f);
}

void settings_default(const struct settings_table *t, void *s)
{
	memset(s, 0, t->size); /* padding, too: it may be compared */
	for (size_t i = 0; i < t->n; i++)
		rows_default(t->sections[i].rows, t->sections[i].n,
			     (char *)s + t->sections[i].offset);
}

int settings_parse(const struct settings_table *t, const char *name, const char *text, size_t size,
		   struct failure *f, void *s)
{
	static const struct inifile_taker taker = {take_section, take_key};
	_cleanup_(free_ptr) void *new = malloc(t->size);
	_cleanup_(free_ptr) int *lines = calloc(count_keys(t) + 1, sizeof(*lines));
	struct parse p = {t, new, lines};
	int err;

	if (!new || !lines)
		return failure_errno(f, -ENOMEM, "%s", name);
	memcpy(new, s, t->size);
	err = inifile_parse(name, text, size, &taker, &p, f);
	if (!err)
		memcpy(s, new, t->size);
	return err;
}

int settings_load(const struct settings_table *t, const char *path, struct failure *f, void *s)
{
	_cleanup_(free_ptr) char *text = NULL;
	size_t size;
	int err = inifile_load(path, FILE_MAX, f, &text, &size);

	return err ? err : settings_parse(t, path, text, size, f, s);
}

int settings_read(const struct settings_table *t, const struct settings_source *source,
		  struct failure *f, void *s)
{
	_cleanup_(free_ptr) void *new = malloc(t->size);
	int err;

	if (!new)
		return failure_errno(f, -ENOMEM, "%s", source->path);
	settings_default(t, new);
	err = settings_load(t, source->path, f, new);
	if (err == -ENOENT && source->optional)
		err = 0;
	for (size_t i = 0; i < source->n_overrides && !err; i++) {
		const struct settings_override *o = &source->overrides[i];
		size_t at, which;
		const struct row *row = find(t, o->section, o->key, &at, &which);

		if (o->value)
			err = row_read(row, o->what, o->value, (char *)new + at, f);
	}
	if (!err && t->check)
		err = t->check(new, f);
	if (!err)
		memcpy(s, new, t->size);
	return err;
}

int settings_reload(const struct settings_table *t, void *s, const void *from)
{
	int differ = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct row_section *section = &t->sections[i];

		for (size_t k = 0; k < section->n; k++) {
			size_t at = section->offset + section->rows[k].offset;
			size_t size = row_size(&section->rows[k]);

			/* What lies behind a text's end is zero: settings_default(), row_read(). */
			if (section->reload)
				memcpy((char *)s + at, (const char *)from + at, size);
			else
				differ += memcmp((const char *)s + at, (const char *)from + at,
						 size) != 0;
		}
	}
	for (size_t i = 0; i < t->n_many; i++) {
		const struct settings_many *many = &t->many[i];

		memcpy((char *)s + many->offset, (const char *)from + many->offset,
		       many->size * many->most);
		*count_of(many, s) = *count_of(many, from);
	}
	return differ;
}

void settings_print(const struct settings_table *t, const void *s, FILE *to)
{
	const char *last = "";

	for (size_t i = 0; i < t->n; i++) {
		const struct row_section *section = &t->sections[i];

		if (strcmp(last, section->name))
			fprintf(to, "%s[%s]\n", last[0] ? "\n" : "", section->name);
		last = section->name;
		for (size_t k = 0; k < section->n; k++) {
			const struct row *row = &section->rows[k];
			char value[SETTINGS_STRING];

			row->type->show(row, (const char *)s + section->offset + row->offset, value,
					sizeof(value));
			fprintf(to, "%s =%s%s\n", row->name, value[0] ? " " : "", value);
		}
	}
	for (size_t i = 0; i < t->n_many; i++)
		print_many(&t->many[i], s, to);
}
