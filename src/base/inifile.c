/* SPDX-License-Identifier: MIT */
#include "base/inifile.h"

#include "base/cleanup.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_LENGTH 190 /* what inih takes, less what it needs itself */

#define BLANKS " \t\r\v\f"

struct parse {
	const char *name, *text, *end;
	const struct inifile_taker *taker;
	void *data;
	struct failure *f;
	int line, err;
};

/* Records the first complaint. Returns its code. */
static int complain(struct parse *p, int err, const char *what)
{
	if (!p->err)
		p->err = failure_set(p->f, err, "%.200s:%d: %s", p->name, p->line, what);
	return p->err;
}

/* What stands behind a section's name, where inih takes no notice of it; NULL: nothing. */
static const char *leftover(const char *behind)
{
	behind += strspn(behind, BLANKS);
	return strchr("\n#;", *behind) ? NULL : behind;
}

/* A line "[vm NAME]". inih reports no sections, and one without keys counts as well. */
static void take_section(struct parse *p, const char *line)
{
	size_t len = strcspn(line + 1, "]\n");
	struct failure why = {""};
	const char *more;
	char name[INIFILE_NAME];
	int err;

	if (len >= sizeof(name) || line[1 + len] != ']') {
		complain(p, -EINVAL,
			 "expected ']' after a section's name of at most 47 characters");
		return;
	}
	more = leftover(line + len + 2);
	if (more) {
		failure_set(&why, -EINVAL,
			    "'%.*s' stands behind the section's name, expected a "
			    "line of its own",
			    (int)strcspn(more, "\r\n"), more);
		complain(p, -EINVAL, why.text);
		return;
	}
	memcpy(name, line + 1, len);
	name[len] = '\0';
	err = p->taker->section ? p->taker->section(name, p->line, p->data, &why) : 0;
	if (err)
		complain(p, err, why.text);
}

/* fgets(3) for inih: nothing more after a complaint, and no indentation, which inih would take for
 * a sign that the line before goes on. */
static char *next_line(char *buf, int size, void *data)
{
	struct parse *p = data;
	const char *stop;
	size_t len, blanks;

	if (p->err || p->text == p->end)
		return NULL;
	p->line++;
	stop = memchr(p->text, '\n', (size_t)(p->end - p->text));
	len = (size_t)((stop ? stop : p->end) - p->text);
	if (len > LINE_LENGTH || len + 2 > (size_t)size || memchr(p->text, 0, len)) {
		complain(p, -EINVAL, "a line of more than 190 characters, or with a zero byte");
		return NULL;
	}
	memcpy(buf, p->text, len);
	memcpy(buf + len, "\n", 2);
	blanks = strspn(buf, BLANKS);
	memmove(buf, buf + blanks, len + 2 - blanks);
	p->text += len + (stop ? 1 : 0);
	if (buf[0] == '[')
		take_section(p, buf);
	return p->err ? NULL : buf;
}

/* inih's convention: 0 is an error. */
static int on_key(void *data, const char *section, const char *key, const char *value)
{
	struct parse *p = data;
	struct failure why = {""};
	int err;

	if (p->err)
		return 0;
	if (strlen(key) >= INIFILE_NAME)
		return !complain(p, -EINVAL, "a key of more than 47 characters");
	err = p->taker->key(section, key, value, p->line, p->data, &why);
	return err ? !complain(p, err, why.text) : 1;
}

int inifile_parse(const char *name, const char *text, size_t size,
		  const struct inifile_taker *taker, void *data, struct failure *f)
{
	struct parse p = {.name = name,
			  .text = text,
			  .end = text + size,
			  .taker = taker,
			  .data = data,
			  .f = f};
	int bad;

	if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* a byte order mark */
		p.text += 3;
	bad = ini_parse_stream(next_line, &p, on_key, &p);

	if (p.err)
		return p.err;
	if (!bad)
		return 0;
	p.line = bad;
	return complain(&p, bad < 0 ? -ENOMEM : -EINVAL, "expected [SECTION] or KEY = VALUE");
}

static int open_file(const char *path, struct failure *f)
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

int inifile_load(const char *path, size_t max, struct failure *f, char **ret, size_t *ret_size)
{
	_cleanup_(free_ptr) char *text = malloc(max + 2);
	_cleanup_(close_fd) int fd = open_file(path, f);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = text ? file_read_fd(fd, text, max + 2) : -ENOMEM;
	if (n < 0)
		return failure_errno(f, (int)n, "%s", path);
	if ((size_t)n > max)
		return failure_set(f, -EFBIG, "%s: larger than %zu KiB", path, max / 1024);
	*ret = text;
	*ret_size = (size_t)n;
	text = NULL;
	return 0;
}
