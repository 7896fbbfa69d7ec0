/* SPDX-License-Identifier: MIT */
#include "data/data.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "data/encoding.h"
#include "data/format.h"
#include "data/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (256 * MIB)

/* In the order in which they are asked. */
static const struct format *const formats[] = {
	&format_recording, &format_sadf,	  &format_sar,	     &format_esxtop,
	&format_perfmon,   &format_pidstat,	  &format_processes, &format_ledger,
	&format_domstats,  &format_domstats_text,
};

void input_line(const struct input *in, char *buf, size_t size)
{
	const char *p = in->text + strspn(in->text, "\r\n\t ");

	snprintf(buf, size, "%.*s", (int)u64_min(strcspn(p, "\r\n"), size), p);
}

int data_nothing(const struct data_file *file, const char *path, struct failure *f)
{
	char skipped[300];

	skips_describe(&file->skips, skipped, sizeof(skipped));
	return failure_set(f, -ENODATA,
			   "%s: read as %s, it has no two times with figures between them; %s%s",
			   path, file->format,
			   skipped[0] ? "rows that were left out: "
				      : "no row was left out: is it cut off, or another table?",
			   skipped);
}

static int read_as(const struct format *format, const struct input *in,
		   const struct data_sink *sink, struct failure *f, struct data_file *ret)
{
	struct failure local = {""};
	struct out out;
	int err;

	out_init(&out, sink, in->options, in->path, &local);
	out.file.format = format->name;
	err = format->read(in, &out);
	if (!err) {
		out_end(&out);
		*ret = out.file;
	}
	out_done(&out);
	if (err == -E2BIG && !local.text[0])
		return failure_set(f, err,
				   "%s: reading it as %s: it has more columns or entities than the "
				   "%u that are read; leave some out",
				   in->path, format->name, TABLE_FIELDS_MAX);
	if (err && !local.text[0])
		return failure_errno(f, err, "%s: reading it as %s", in->path, format->name);
	return err ? failure_set(f, err, "%s", local.text) : 0;
}

/* "sep=;" in front, which spreadsheets write. */
static void skip_separator(struct input *in)
{
	if (strncasecmp(in->text, "sep=", 4) != 0)
		return;
	in->text += strcspn(in->text, "\n");
	in->size = strlen(in->text);
}

/* ---- which format it is ---- */

static bool fits(const struct format *format, enum data_side side)
{
	return side == DATA_ANY || (side == DATA_GUEST ? format->guest : format->host);
}

/* "esxtop -b, a file of 'desched record', ...": those that the side has. */
static void list_formats(enum data_side side, char *ret, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(formats) && used < size; i++)
		if (fits(formats[i], side))
			used += (size_t)snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
						 formats[i]->what);
}

static int unknown(const struct input *in, const char *bytes, size_t size, struct failure *f)
{
	enum data_side side = in->options->side;
	const char *remedy = unread_remedy(bytes, size);
	char expected[320];

	if (!in->text[strspn(in->text, " \t\r\n")] && !remedy)
		return failure_set(f, -ENODATA, "%s: there is nothing in it", in->path);
	if (remedy)
		return failure_set(f, -EBADMSG, "%s: it is %s", in->path, remedy);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!fits(formats[i], side) && formats[i]->is && formats[i]->is(in) > 0)
			return failure_set(f, -EBADMSG,
					   "%s: it is %s, which is of a %s, where a %s's file was "
					   "expected: GUEST comes first, HOST second",
					   in->path, formats[i]->name,
					   side == DATA_GUEST ? "host" : "guest",
					   side == DATA_GUEST ? "guest" : "host");
	list_formats(side, expected, sizeof(expected));
	return failure_set(f, -EBADMSG, "%s: no format that is known here; expected one of: %s",
			   in->path, expected);
}

int data_parse(const char *text, size_t size, const struct data_options *o,
	       const struct data_sink *sink, const char *path, struct failure *f,
	       struct data_file *ret)
{
	_cleanup_(free_ptr) char *copy = NULL;
	struct input in = {.path = path, .options = o};
	int err = encoding_decode(text, size, &copy, &in.size);

	if (err)
		return failure_errno(f, err, "%s", path);
	in.text = copy;
	skip_separator(&in);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (!formats[i]->is || !fits(formats[i], o->side))
			continue;
		err = formats[i]->is(&in);
		if (!err)
			continue;
		if (err < 0)
			return failure_errno(f, err, "%s", path);
		return read_as(formats[i], &in, sink, f, ret);
	}
	return unknown(&in, text, size, f);
}

/* ---- files ---- */

/* The format of a file that isn't text, by its first bytes; NULL. */
static const struct format *by_magic(const char *bytes, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		size_t n = formats[i]->magic ? strlen(formats[i]->magic) : 0;

		if (n && size >= n && !memcmp(bytes, formats[i]->magic, n))
			return formats[i];
	}
	return NULL;
}

/* The whole file, or as much as shows that it isn't text. */
static int load(int fd, const char *path, struct failure *f, char **ret, size_t *ret_size)
{
	_cleanup_(free_ptr) char *text = NULL;
	size_t used = 0, size = 0;
	ssize_t n = 1;

	while (n > 0) {
		if (used == size) {
			char *more = size < FILE_MAX ? realloc(text, 2 * size + MIB) : NULL;

			if (!more && size < FILE_MAX)
				return failure_errno(f, -ENOMEM, "%s", path);
			if (!more)
				return failure_set(f, -EFBIG, "%s: more than %d MiB", path,
						   (int)(size / MIB));
			text = more;
			size = 2 * size + MIB;
		}
		n = read(fd, text + used, size - used);
		if (n < 0)
			return failure_errno(f, -errno, "%s", path);
		used += (size_t)n;
		if (by_magic(text, used))
			break;
	}
	*ret = text;
	text = NULL;
	*ret_size = used;
	return 0;
}

int data_read(const char *path, const struct data_options *o, const struct data_sink *sink,
	      struct failure *f, struct data_file *ret)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct input in = {.path = path, .options = o};
	_cleanup_(free_ptr) char *text = NULL;
	const struct format *format;
	size_t size = 0;
	int err;

	if (fd < 0)
		return failure_errno(f, -errno, "%s", path);
	err = load(fd, path, f, &text, &size);
	if (err)
		return err;
	format = by_magic(text, size);
	return format ? read_as(format, &in, sink, f, ret)
		      : data_parse(text, size, o, sink, path, f, ret);
}
