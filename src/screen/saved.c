/* SPDX-License-Identifier: MIT */
#include "screen/saved.h"

#include "base/cleanup.h"
#include "base/quantity.h"
#include "base/units.h"
#include "screen/ui.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUBJECTS_MAX 4
#define DELAY_MIN    (NS_PER_SEC / 20)
#define DELAY_MAX    (86400 * NS_PER_SEC)

/* What can be yes or no: the order's direction, and what the keys switch. */
static const struct ui_switch reverse = {"reverse", offsetof(struct model_view, reverse)};

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
	struct failure why;
};

static size_t place_of(const struct subject *subject)
{
	size_t i = 0;

	while (subjects[i] != subject)
		i++;
	return i;
}

static int take_switch(struct saved *s, const struct subject *subject, const char *key,
		       const char *value, struct failure *f)
{
	bool yes = !strcmp(value, "yes");
	const struct ui_switch *w;

	for (size_t i = 0; (w = switch_at(subject, i)); i++) {
		if (strcmp(key, w->setting) != 0)
			continue;
		if (!yes && strcmp(value, "no") != 0)
			return failure_set(f, -EINVAL, "%s is yes or no, not '%.40s'", key, value);
		*(bool *)((char *)&s->view + w->at) = yes;
		return 0;
	}
	return failure_set(f, -EINVAL, "no such key: %.40s", key);
}

static int take(struct saved *s, const struct subject *subject, const char *key, const char *value,
		struct failure *f)
{
	uint64_t delay;

	if (!strcmp(key, "sort"))
		return subject_find_order(subject, value, f, &s->view.sort);
	if (strcmp(key, "delay") != 0)
		return take_switch(s, subject, key, value, f);
	if (quantity_time(value, NS_PER_SEC, NULL, &delay) || delay < DELAY_MIN ||
	    delay > DELAY_MAX)
		return failure_set(f, -EINVAL, "delay is 0.05 to 86400 seconds, not '%.40s'",
				   value);
	s->delay = delay;
	return 0;
}

static int on_key(void *data, const char *section, const char *key, const char *value)
{
	struct reading *r = data;

	for (size_t i = 0; i < n_subjects; i++) {
		if (strcmp(section, subjects[i]->name) != 0)
			continue;
		r->has[i] = true;
		return !take(&r->of[i], subjects[i], key, value, &r->why);
	}
	failure_set(&r->why, -EINVAL, "no such section: [%.40s]", section);
	return 0;
}

static int read_settings(const char *path, struct failure *f, struct reading *r)
{
	FILE *file = path[0] ? fopen(path, "re") : NULL;
	int line;

	if (!file)
		return !path[0] || errno == ENOENT ? 0 : failure_errno(f, -errno, "%s", path);
	line = ini_parse_file(file, on_key, r);
	fclose(file);
	if (line)
		return failure_set(f, -EINVAL, "%.300s, line %d: %.150s", path, line,
				   r->why.text[0] ? r->why.text : "no key = value");
	return 0;
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

static int write_settings(FILE *file, const struct reading *r)
{
	fprintf(file, "# written by desched top, key W\n");
	for (size_t i = 0; i < n_subjects; i++)
		if (r->has[i])
			write_section(file, subjects[i], &r->of[i]);
	return ferror(file) || fflush(file) || fsync(fileno(file)) ? -EIO : 0;
}

static int replace(const char *path, const struct reading *r, struct failure *f)
{
	_cleanup_(free_ptr) char *new = NULL;
	int err = path[0] ? make_directories(path) : -ENOENT, fd = -1;
	FILE *file = NULL;

	if (!err && asprintf(&new, "%s.XXXXXX", path) < 0)
		err = -ENOMEM;
	if (!err && (fd = mkstemp(new)) < 0)
		err = -errno;
	if (!err && !(file = fdopen(fd, "w")))
		err = -errno;
	if (file)
		err = write_settings(file, r);
	if (file ? fclose(file) : fd >= 0 && close(fd))
		err = err ? err : -errno;
	if (!err && rename(new, path))
		err = -errno;
	if (err && fd >= 0)
		unlink(new);
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
