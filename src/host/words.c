/* SPDX-License-Identifier: MIT */
#include "host/words.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_FIRST (16 * KIB)
#define WORDS_MAX   MIB

/* One reading may end at any page, so it goes on until there is no more. */
static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, text + used, size - used);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			break;
		used += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)used;
}

int words_read(pid_t pid, struct words *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	for (size_t size = WORDS_FIRST; size <= WORDS_MAX; size *= 8) {
		_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
		char *text = fd < 0 ? NULL : malloc(size);
		ssize_t n;

		if (!text)
			return fd < 0 ? (errno == ENOENT ? -ESRCH : -errno) : -ENOMEM;
		n = read_all(fd, text, size);
		if (n >= 0 && (size_t)n < size) {
			text[n] = '\0';
			*ret = (struct words){.text = text, .size = (size_t)n};
			return 0;
		}
		free(text);
		if (n < 0)
			return (int)n;
	}
	return -E2BIG;
}

void words_done(struct words *w)
{
	free(w->text);
	*w = (struct words){.text = NULL};
}

const char *words_option(const struct words *w, const char *name, size_t *at)
{
	size_t n = strlen(name);

	while (*at < w->size) {
		const char *word = w->text + *at;
		const char *rest = word + (word[0] == '-') + (word[0] == '-' && word[1] == '-');

		*at += strlen(word) + 1;
		if (rest == word || strncmp(rest, name, n) != 0)
			continue;
		if (rest[n] == '=' && rest - word == 2)
			return rest + n + 1;
		if (!rest[n] && *at < w->size) {
			word = w->text + *at;
			*at += strlen(word) + 1;
			return word;
		}
	}
	return NULL;
}

/* A part of the option: up to a comma that is not doubled. Returns where the next one begins. */
static const char *take_part(const char *from, char *ret, size_t size, bool *ret_fits)
{
	size_t used = 0;

	*ret_fits = true;
	for (; *from; from++) {
		if (*from == ',' && *++from != ',')
			break;
		if (used + 1 < size)
			ret[used++] = *from;
		else
			*ret_fits = false;
	}
	ret[used] = '\0';
	return from;
}

int words_part(const char *option, const char *implied, const char *key, char *ret, size_t size)
{
	size_t room = strlen(key) + 1 + size, n = strlen(key);
	_cleanup_(free_ptr) char *part = malloc(room);
	int err = -ENOENT;
	bool first = true, fits;

	if (!part)
		return -ENOMEM;
	while (*option) {
		const char *value = NULL;

		option = take_part(option, part, room, &fits);
		if (!strncmp(part, key, n) && part[n] == '=')
			value = part + n + 1;
		else if (first && !strcmp(implied, key) && !strchr(part, '='))
			value = part;
		first = false;
		if (!value)
			continue;
		err = fits && strlen(value) < size ? 0 : -ENAMETOOLONG;
		if (!err)
			strcpy(ret, value);
	}
	return err;
}

static int value_of_json(const char *option, const char *key, char *ret, size_t size)
{
	json_t *o = json_loads(option, 0, NULL);
	const json_t *value = json_object_get(o, key);
	int n = -1;

	if (json_is_string(value))
		n = snprintf(ret, size, "%s", json_string_value(value));
	else if (json_is_integer(value))
		n = snprintf(ret, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		n = snprintf(ret, size, "%s", json_is_true(value) ? "on" : "off");
	json_decref(o);
	return n < 0 ? -ENOENT : (size_t)n < size ? 0 : -ENAMETOOLONG;
}

int words_value(const char *option, const char *implied, const char *key, char *ret, size_t size)
{
	if (option[0] == '{')
		return value_of_json(option, key, ret, size);
	return words_part(option, implied, key, ret, size);
}
