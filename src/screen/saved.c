/* SPDX-License-Identifier: MIT */
#include "screen/saved.h"

#include "base/cleanup.h"
#include "base/inifile.h"
#include "base/newfile.h"
#include "base/rows.h"
#include "base/units.h"
#include "screen/ui.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUBJECTS_MAX 4
#define DELAY_MIN    (NS_PER_SEC / 20)
#define DELAY_MAX    (86400 * NS_PER_SEC)
#define FILE_MAX     ((size_t)64 * KIB)

/* What can be yes or no: the order's direction, and what the keys switch. */
static const struct ui_switch reverse = {.setting = "reverse",
					 .at = offsetof(struct model_view, reverse)};

/* The i-th switch of a subject; NULL behind the last. */
static const struct ui_switch *switch_at(const struct subject *subject, size_t i)
{
	if (!i--)
		return &reverse;
	for (size_t b = 0; b < n_ui_bindings; b++) {
		const struct ui_binding *binding = &ui_bindings[b];

		if (binding->turns.setting && (!binding->only || binding->only == subject) && !i--)
			return &binding->turns;
	}
	return NULL;
}

void saved_path(char ret[SAVED_PATH_SIZE])
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	ret[0] = '\0';
	if (config && config[0] == '/')
		snprintf(ret, SAVED_PATH_SIZE, "%s/desched/top.ini", config);
	else if (home && home[0] == '/')
		snprintf(ret, SAVED_PATH_SIZE, "%s/.config/desched/top.ini", home);
}

/* ---- reading ---- */

/* Everything that a file has: of each subject, in the order of `subjects[]`. */
struct reading {
	struct saved of[SUBJECTS_MAX];
	bool has[SUBJECTS_MAX]; /* a section */
};

static size_t place_of(const struct subject *subject)
{
	size_t i = 0;

	while (subjects[i] != subject)
		i++;
	return i;
}

static const struct row yes_or_no = {.type = &row_flag};
static const struct row delay_row = {.type = &row_seconds, .min = DELAY_MIN, .max = DELAY_MAX};

static int take_switch(struct saved *s, const struct subject *subject, const char *key,
		       const char *value, struct failure *f)
{
	const struct ui_switch *w;

	for (size_t i = 0; (w = switch_at(subject, i)); i++)
		if (!strcmp(key, w->setting))
			return row_read(&yes_or_no, key, value, (char *)&s->view + w->at, f);
	return failure_set(f, -EINVAL, "no such key: %.40s", key);
}

static int take(struct saved *s, const struct subject *subject, const char *key, const char *value,
		struct failure *f)
{
	if (!strcmp(key, "sort"))
		return subject_find_order(subject, value, f, &s->view.sort);
	if (!strcmp(key, "delay"))
		return row_read(&delay_row, key, value, &s->delay, f);
	return take_switch(s, subject, key, value, f);
}

static int on_key(const char *section, const char *key, const char *value, int line, void *data,
		  struct failure *f)
{
	struct reading *r = data;

	(void)line;
	for (size_t i = 0; i < n_subjects; i++) {
		if (strcmp(section, subjects[i]->name) != 0)
			continue;
		r->has[i] = true;
		return take(&r->of[i], subjects[i], key, value, f);
	}
	return failure_set(f, -EINVAL, "no such section: [%.40s]", section);
}

static int read_settings(const char *path, struct failure *f, struct reading *r)
{
	static const struct inifile_taker taker = {.key = on_key};
	_cleanup_(free_ptr) char *text = NULL;
	size_t size;
	int err;

	if (!path[0] || (access(path, F_OK) && errno == ENOENT))
		return 0;
	err = inifile_load(path, FILE_MAX, f, &text, &size);
	return err ? err : inifile_parse(path, text, size, &taker, r, f);
}

int saved_load(const char *path, const struct subject *subject, struct failure *f, struct saved *s)
{
	struct reading r = {.has = {false}};
	size_t own = place_of(subject);
	int err;

	r.of[own] = *s;
	err = read_settings(path, f, &r);
	if (!err)
		*s = r.of[own];
	return err;
}

/* ---- writing ---- */

static int make_directories(const char *path)
{
	_cleanup_(free_ptr) char *copy = strdup(path);

	for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0700) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return copy ? 0 : -ENOMEM;
}

static void write_section(FILE *file, const struct subject *subject, const struct saved *s)
{
	const struct ui_switch *w;

	fprintf(file, "[%s]\nsort = %s\n", subject->name, subject_sort(subject, &s->view)->name);
	for (size_t i = 0; (w = switch_at(subject, i)); i++)
		fprintf(file, "%s = %s\n", w->setting,
			*(const bool *)((const char *)&s->view + w->at) ? "yes" : "no");
	if (s->delay)
		fprintf(file, "delay = %.9g\n", ns_to_s(s->delay));
}

static int replace(const char *path, const struct reading *r, struct failure *f)
{
	int err = path[0] ? make_directories(path) : -ENOENT;
	struct newfile file;

	if (!err)
		err = newfile_open(path, 0600, NEWFILE_SYNC, &file);
	if (err)
		return failure_errno(f, err, "settings %s", path);
	fprintf(file.to, "# written by desched top, key W\n");
	for (size_t i = 0; i < n_subjects; i++)
		if (r->has[i])
			write_section(file.to, subjects[i], &r->of[i]);
	err = newfile_commit(&file);
	return err ? failure_errno(f, err, "settings %s", path) : 0;
}

int saved_store(const char *path, const struct subject *subject, const struct saved *s,
		struct failure *f)
{
	struct reading r = {.has = {false}};
	size_t own = place_of(subject);
	int err = read_settings(path, f, &r);

	if (err)
		return err;
	r.of[own] = *s;
	r.has[own] = true;
	return replace(path, &r, f);
}
