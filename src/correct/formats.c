/* SPDX-License-Identifier: MIT */
#include "correct/formats.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (256 * MIB)

/* In the order in which they are asked. */
static const struct format *const formats[] = {
	&format_sar,	   &format_sar_text, &format_perfmon, &format_pidstat,
	&format_processes, &format_esxtop,   &format_ledger,  &format_domstats,
};

void input_line(const struct input *in, char *buf, size_t size)
{
	const char *p = in->text + strspn(in->text, "\r\n\t ");

	snprintf(buf, size, "%.*s", (int)u64_min(strcspn(p, "\r\n"), size), p);
}

/* "Linux 6.1.0 (host) 11/22/26 _x86_64_ (2 CPU)" */
unsigned input_cpus(const struct input *in)
{
	const char *open;
	unsigned cpus;
	char line[256];

	input_line(in, line, sizeof(line));
	open = strrchr(line, '(');
	return open && sscanf(open, "(%5u CPU)", &cpus) == 1 ? cpus : 0;
}

char input_delimiter(const char *line, const char *delimiters)
{
	const char *found = strpbrk(line, delimiters);

	return found ? *found : ',';
}

/* ---- choosing a VM ---- */

bool choice_take(struct choice *c, const char *name)
{
	size_t used = strlen(c->all);
	bool take;

	if (!strstr(c->all, name))
		snprintf(c->all + used, sizeof(c->all) - used, "%s%s", used ? ", " : "", name);
	if (!c->first[0])
		snprintf(c->first, sizeof(c->first), "%s", name);
	take = !strncmp(name, c->wanted ? c->wanted : c->first, sizeof(c->first) - 1);
	c->several |= !take;
	c->found |= take;
	return take;
}

int choice_end(const struct choice *c, const char *path, struct failure *f)
{
	if (!c->found && c->wanted)
		return failure_set(f, -ENOENT, "%s: no VM '%s'; it has: %s", path, c->wanted,
				   c->all[0] ? c->all : "none");
	if (!c->found)
		return failure_set(f, -ENODATA, "%s: it has no VM's figures", path);
	if (c->several && !c->wanted)
		return failure_set(f, -EINVAL, "%s: it has several VMs; choose one with --vm: %s",
				   path, c->all);
	return 0;
}

/* ---- reading ---- */

/* Text must not stop at a NUL that somebody put there. */
static void drop_nuls(char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!text[i])
			text[i] = '?';
}

static int parse_as(const struct format *format, const struct input *in, struct failure *f,
		    struct usage *ret)
{
	struct usage r;
	int err;

	usage_init(&r);
	r.format = format->name;
	err = format->read(in, f, &r);
	if (err && !f->text[0])
		failure_errno(f, err, "%s: reading it as %s", in->path, format->name);
	if (!err && !r.n)
		err = failure_set(f, -ENODATA,
				  "%s: no interval with CPU figures in it (read as %s)", in->path,
				  format->name);
	if (err) {
		usage_done(&r);
		return err;
	}
	*ret = r;
	return 0;
}

int usage_parse(const char *text, size_t size, bool host, const char *vm, const char *path,
		struct failure *f, struct usage *ret)
{
	_cleanup_(free_ptr) char *copy = malloc(size + 1);
	struct input in = {.text = copy, .size = size, .path = path, .vm = vm};
	struct failure local = {""};
	int err;

	if (!copy)
		return failure_errno(f, -ENOMEM, "%s", path);
	memcpy(copy, text, size);
	drop_nuls(copy, size);
	copy[size] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i]->host != host || !formats[i]->is(&in))
			continue;
		err = parse_as(formats[i], &in, &local, ret);
		return err ? failure_set(f, err, "%s", local.text) : 0;
	}
	return failure_set(
		f, -EBADMSG, "%s: no format that is known here; expected %s", path,
		host ? "JSON of 'desched ledger --json', esxtop -b, domstats as CSV, or a file of "
		       "'desched record' with the page"
		     : "a file of 'desched record', sadf -d, sar -u, pidstat -h, perfmon CSV, or "
		       "columns time,process,%cpu");
}

static int read_file(const char *path, bool host, const char *vm, struct failure *f,
		     struct usage *ret)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(free_ptr) char *text = NULL;
	size_t used = 0, size = 0;

	if (usage_is_recording(path))
		return usage_read_recording(path, host, f, ret);
	if (fd < 0)
		return failure_errno(f, -errno, "%s", path);
	for (;;) {
		ssize_t n;

		if (used == size) {
			char *more = size < FILE_MAX ? realloc(text, 2 * size + MIB) : NULL;

			if (!more)
				return failure_set(f, -EFBIG, "%s: more than %d MiB", path,
						   (int)(size / MIB));
			text = more;
			size = 2 * size + MIB;
		}
		n = read(fd, text + used, size - used);
		if (n < 0)
			return failure_errno(f, -errno, "%s", path);
		if (!n)
			return usage_parse(text, used, host, vm, path, f, ret);
		used += (size_t)n;
	}
}

int usage_read_guest(const char *path, struct failure *f, struct usage *ret)
{
	return read_file(path, false, NULL, f, ret);
}

int usage_read_host(const char *path, const char *vm, struct failure *f, struct usage *ret)
{
	return read_file(path, true, vm, f, ret);
}
