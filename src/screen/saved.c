/* SPDX-License-Identifier: MIT */
#include "screen/saved.h"

#include "base/cleanup.h"
#include "base/options.h"
#include "base/units.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTION	  "top"
#define DELAY_MIN (NS_PER_SEC / 20)
#define DELAY_MAX (86400 * NS_PER_SEC)

/* The keys that are yes or no. */
static const struct {
	const char *key;
	size_t at; /* of a bool in struct model_view */
} switches[] = {
	{"reverse", offsetof(struct model_view, reverse)},
	{"tree", offsetof(struct model_view, tree)},
	{"groups", offsetof(struct model_view, groups)},
	{"threads", offsetof(struct model_view, threads)},
	{"busy", offsetof(struct model_view, busy_only)},
	{"command", offsetof(struct model_view, command)},
};

void saved_path(char ret[SAVED_PATH_SIZE])
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	ret[0] = '\0';
	if (config && config[0] == '/')
		snprintf(ret, SAVED_PATH_SIZE, "%s/desched/top.ini", config);
	else if (home && home[0] == '/')
		snprintf(ret, SAVED_PATH_SIZE, "%s/.config/desched/top.ini", home);
}

int saved_sort(const char *name, struct failure *f, enum model_sort *ret)
{
	char names[128];

	for (size_t i = 0; model_sort_name(i); i++) {
		if (!strcmp(name, model_sort_name(i))) {
			*ret = (enum model_sort)i;
			return 0;
		}
	}
	options_names(model_sort_name, names, sizeof(names));
	return failure_set(f, -EINVAL, "no order '%.40s'; there are %s", name, names);
}

/* ---- reading ---- */

struct reading {
	struct saved *saved;
	struct failure why;
};

static int take_switch(struct reading *r, const char *key, const char *value)
{
	bool yes = !strcmp(value, "yes");

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		if (strcmp(key, switches[i].key) != 0)
			continue;
		if (!yes && strcmp(value, "no") != 0)
			return failure_set(&r->why, -EINVAL, "%s is yes or no, not '%.40s'", key,
					   value);
		*(bool *)((char *)&r->saved->view + switches[i].at) = yes;
		return 0;
	}
	return failure_set(&r->why, -EINVAL, "no such key: %.40s", key);
}

static int take(struct reading *r, const char *section, const char *key, const char *value)
{
	uint64_t delay;

	if (strcmp(section, SECTION) != 0)
		return failure_set(&r->why, -EINVAL, "no such section: [%.40s]", section);
	if (!strcmp(key, "sort"))
		return saved_sort(value, &r->why, &r->saved->view.sort);
	if (strcmp(key, "delay") != 0)
		return take_switch(r, key, value);
	if (parse_seconds(value, &delay) || delay < DELAY_MIN || delay > DELAY_MAX)
		return failure_set(&r->why, -EINVAL, "delay is 0.05 to 86400 seconds, not '%.40s'",
				   value);
	r->saved->delay = delay;
	return 0;
}

static int on_key(void *data, const char *section, const char *key, const char *value)
{
	return !take(data, section, key, value);
}

int saved_load(const char *path, struct failure *f, struct saved *s)
{
	struct saved saved = *s;
	struct reading r = {.saved = &saved};
	FILE *file = path[0] ? fopen(path, "re") : NULL;
	int line;

	if (!file)
		return !path[0] || errno == ENOENT ? 0 : failure_errno(f, -errno, "%s", path);
	line = ini_parse_file(file, on_key, &r);
	fclose(file);
	if (line)
		return failure_set(f, -EINVAL, "%.300s, line %d: %.150s", path, line,
				   r.why.text[0] ? r.why.text : "no key = value");
	*s = saved;
	return 0;
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

static int write_settings(FILE *file, const struct saved *s)
{
	fprintf(file, "# written by desched top, key W\n[" SECTION "]\nsort = %s\n",
		model_sort_name(s->view.sort));
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		bool yes = *(const bool *)((const char *)&s->view + switches[i].at);

		fprintf(file, "%s = %s\n", switches[i].key, yes ? "yes" : "no");
	}
	fprintf(file, "delay = %.9g\n", ns_to_s(s->delay));
	return ferror(file) || fflush(file) || fsync(fileno(file)) ? -EIO : 0;
}

int saved_store(const char *path, const struct saved *s, struct failure *f)
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
		err = write_settings(file, s);
	if (file ? fclose(file) : fd >= 0 && close(fd))
		err = err ? err : -errno;
	if (!err && rename(new, path))
		err = -errno;
	if (err && fd >= 0)
		unlink(new);
	return err ? failure_errno(f, err, "settings %s", path) : 0;
}
