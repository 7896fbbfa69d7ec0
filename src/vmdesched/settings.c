/* SPDX-License-Identifier: MIT */
#include "vmdesched/settings.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/units.h"
#include "wire/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64 * KIB)

#define AT(field) offsetof(struct settings, field)

const struct settings_row settings_rows[] = {
	{"vmdesched", "user", OPTION_STRING, AT(user), 0, 0, false},
	{"vmdesched", "source", OPTION_STRING, AT(source), 0, 0, false},
	{"vmdesched", "page", OPTION_STRING, AT(page), 0, 0, false},
	{"vmdesched", "socket", OPTION_STRING, AT(socket), 0, 0, false},
	{"vmdesched", "group", OPTION_STRING, AT(group), 0, 0, false},
	{"vmdesched", "seccomp", OPTION_FLAG, AT(seccomp), 0, 0, false},
	{"gaps", "threshold", OPTION_SECONDS, AT(gap_ns), 0, 3600 * NS_PER_SEC, true},
	{"metrics", "textfile", OPTION_STRING, AT(textfile), 0, 0, true},
	{"metrics", "interval", OPTION_SECONDS, AT(interval), NS_PER_SEC, 3600 * NS_PER_SEC, true},
	{"metrics", "processes", OPTION_UINT, AT(processes), 0, 1000, true},
	{"metrics", "cgroups", OPTION_UINT, AT(cgroups), 0, 1000, true},
	{"clock", "mode", OPTION_STRING, AT(clock), 0, 0, false},
	{"clock", "chrony", OPTION_STRING, AT(chrony), 0, 0, false},
};
const int settings_n_rows = ARRAY_SIZE(settings_rows);

void settings_default(struct settings *s)
{
	static const struct settings defaults = {
		.source = "auto",
		.socket = PROTOCOL_SOCKET,
		.seccomp = true,
		.gap_ns = 100 * NS_PER_MS,
		.interval = 15 * NS_PER_SEC,
		.processes = 20,
		.cgroups = 20,
		.clock = "watch",
		.chrony = "/run/chrony.desched.sock",
	};

	memcpy(s, &defaults, sizeof(*s)); /* padding, too: it may be compared */
}

struct parse {
	const char *file, *text;
	size_t left;
	int line; /* of what inih has read last */
	struct settings settings;
	struct failure *f;
	int err;
};

static const struct settings_row *find_row(const char *section, const char *key)
{
	for (int i = 0; i < settings_n_rows; i++)
		if (!strcmp(settings_rows[i].section, section) &&
		    !strcmp(settings_rows[i].key, key))
			return &settings_rows[i];
	return NULL;
}

static int store_flag(bool *dest, const char *what, const char *value, struct failure *f)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return failure_set(f, -EINVAL, "%s: '%.64s' given, expected yes or no", what,
				   value);
	*dest = value[0] == 'y';
	return 0;
}

static int store(struct parse *p, const struct settings_row *row, const char *value)
{
	void *dest = (char *)&p->settings + row->offset;
	const struct option_row number = {
		.type = row->type, .dest = dest, .min = row->min, .max = row->max};
	char what[128];

	snprintf(what, sizeof(what), "%.60s:%d: %s", p->file, p->line, row->key);
	if (row->type == OPTION_FLAG)
		return store_flag(dest, what, value, p->f);
	if (row->type != OPTION_STRING)
		return options_store(&number, what, value, p->f);
	if (strlen(value) >= SETTINGS_STRING)
		return failure_set(p->f, -EINVAL, "%s: longer than %d bytes", what,
				   SETTINGS_STRING - 1);
	snprintf(dest, SETTINGS_STRING, "%s", value);
	return 0;
}

/* inih's convention: 0 is an error. */
static int on_key(void *data, const char *section, const char *key, const char *value)
{
	struct parse *p = data;
	const struct settings_row *row = find_row(section, key);

	if (p->err)
		return 0;
	if (row)
		p->err = store(p, row, value);
	else
		p->err = failure_set(p->f, -EINVAL,
				     "%s:%d: there is no '%.64s' in section [%.64s]; "
				     "vmdesched(8) has the list",
				     p->file, p->line, key, section);
	return !p->err;
}

/* fgets(3) for inih: it counts the lines, for those who want to name one, and takes the blanks away
 * that would make a line the continuation of the one before. */
static char *next_line(char *buf, int size, void *data)
{
	struct parse *p = data;
	const char *end = memchr(p->text, '\n', p->left);
	size_t n = end ? (size_t)(end - p->text) + 1 : p->left;
	size_t blanks = 0;

	while (blanks < n && strchr(" \t", p->text[blanks]))
		blanks++;
	if (!n || p->err)
		return NULL;
	p->line++;
	if (n >= (size_t)size || memchr(p->text, '\0', n)) {
		p->err = failure_set(p->f, -EINVAL, "%s:%d: %s", p->file, p->line,
				     n >= (size_t)size ? "this line is too long"
						       : "a text file is expected");
		return NULL;
	}
	snprintf(buf, (size_t)size, "%.*s", (int)(n - blanks), p->text + blanks);
	p->text += n;
	p->left -= n;
	return buf;
}

int settings_parse(const char *name, const char *text, size_t size, struct failure *f,
		   struct settings *s)
{
	struct parse p = {.file = name, .text = text, .left = size, .settings = *s, .f = f};
	int bad = ini_parse_stream(next_line, &p, on_key, &p);

	if (p.err)
		return p.err;
	if (bad)
		return failure_set(f, -EINVAL, "%s:%d: expected [section] or key = value", name,
				   bad);
	*s = p.settings;
	return 0;
}

/* It is read again while the daemon runs, which would wait for the writer of a FIFO. */
static int open_settings(const char *path, struct failure *f)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return failure_errno(f, -errno, "%s", path);
	if (!fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)))
		return fd;
	close(fd);
	return failure_set(f, -EINVAL, "%s: a file is expected", path);
}

int settings_load(const char *path, struct failure *f, struct settings *s)
{
	_cleanup_(free_ptr) char *text = malloc(FILE_MAX);
	_cleanup_(close_fd) int fd = open_settings(path, f);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = text ? file_read_fd(fd, text, FILE_MAX) : -ENOMEM;
	if (n < 0)
		return failure_errno(f, (int)n, "%s", path);
	if (n == (ssize_t)FILE_MAX - 1)
		return failure_set(f, -EINVAL, "%s: larger than 64 KiB", path);
	return settings_parse(path, text, (size_t)n, f, s);
}

static size_t value_size(enum option_type type)
{
	switch (type) {
	case OPTION_STRING:
		return SETTINGS_STRING;
	case OPTION_FLAG:
		return sizeof(bool);
	default:
		return sizeof(uint64_t);
	}
}

int settings_reload(struct settings *s, const struct settings *from)
{
	int differ = 0;

	for (int i = 0; i < settings_n_rows; i++) {
		const struct settings_row *row = &settings_rows[i];
		void *to = (char *)s + row->offset;
		const void *new = (const char *)from + row->offset;
		size_t size = value_size(row->type);

		if (row->reload)
			memcpy(to, new, size);
		else
			differ += row->type == OPTION_STRING ? strcmp(to, new) != 0
							     : memcmp(to, new, size) != 0;
	}
	return differ;
}
