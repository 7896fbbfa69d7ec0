/* SPDX-License-Identifier: MIT */
#include "correct/formats.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "data/encoding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (256 * MIB)

/* In the order in which they are asked. */
static const struct format *const formats[] = {
	&format_sar,	 &format_sar_text,  &format_perfmon,
	&format_pidstat, &format_processes, &format_esxtop,
	&format_ledger,	 &format_domstats,  &format_domstats_text,
};

void input_line(const struct input *in, char *buf, size_t size)
{
	const char *p = in->text + strspn(in->text, "\r\n\t ");

	snprintf(buf, size, "%.*s", (int)u64_min(strcspn(p, "\r\n"), size), p);
}

/* What of a file is there when nothing of it can be used. */
static int nothing_left(const struct format *format, const struct input *in, const struct usage *r,
			struct failure *f)
{
	char skipped[300];

	skips_describe(&r->skips, skipped, sizeof(skipped));
	return failure_set(f, -ENODATA,
			   "%s: read as %s, it has no two times with figures between them; %s%s",
			   in->path, format->name,
			   skipped[0] ? "rows that were left out: "
				      : "no row was left out: is it cut off, or another table?",
			   skipped);
}

static int parse_as(const struct format *format, const struct input *in, struct failure *f,
		    struct usage *ret)
{
	struct usage r;
	int err;

	usage_init(&r);
	r.format = format->name;
	err = format->read(in, f, &r);
	if (!err)
		err = usage_settle(&r);
	if (err && !f->text[0])
		failure_errno(f, err, "%s: reading it as %s", in->path, format->name);
	if (!err && !r.n)
		err = nothing_left(format, in, &r, f);
	if (err) {
		usage_done(&r);
		return err;
	}
	*ret = r;
	return 0;
}

/* "sep=;" in front, which spreadsheets write. */
static void skip_separator(struct input *in)
{
	if (strncasecmp(in->text, "sep=", 4) != 0)
		return;
	in->text += strcspn(in->text, "\n");
	in->size = strlen(in->text);
}

static int unknown(const struct input *in, const char *bytes, size_t size, struct failure *f)
{
	const char *remedy = unread_remedy(bytes, size);

	if (remedy)
		return failure_set(f, -EBADMSG, "%s: it is %s", in->path, remedy);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (formats[i]->host != in->source->host && formats[i]->is(in) > 0)
			return failure_set(f, -EBADMSG,
					   "%s: it is %s, which is of a %s, where a %s's file was "
					   "expected: GUEST comes first, HOST second",
					   in->path, formats[i]->name,
					   formats[i]->host ? "host" : "guest",
					   formats[i]->host ? "guest" : "host");
	return failure_set(
		f, -EBADMSG, "%s: no format that is known here; expected %s", in->path,
		in->source->host ? "JSON of 'desched ledger --json', esxtop -b, virsh domstats as "
				   "text or CSV, or a file of 'desched record' with the page"
				 : "a file of 'desched record', sadf -d, sar -u, pidstat, perfmon "
				   "CSV or TSV, or columns time,process,%cpu");
}

int usage_parse(const char *text, size_t size, const struct source *source, const char *path,
		struct failure *f, struct usage *ret)
{
	_cleanup_(free_ptr) char *copy = NULL;
	struct input in = {.path = path, .source = source};
	struct failure local = {""};
	int err = encoding_decode(text, size, &copy, &in.size);

	if (err)
		return failure_errno(f, err, "%s", path);
	in.text = copy;
	skip_separator(&in);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i]->host != source->host)
			continue;
		err = formats[i]->is(&in);
		if (!err)
			continue;
		if (err < 0)
			return failure_errno(f, err, "%s", path);
		err = parse_as(formats[i], &in, &local, ret);
		return err ? failure_set(f, err, "%s", local.text) : 0;
	}
	return unknown(&in, text, size, f);
}

int usage_read(const char *path, const struct source *source, struct failure *f, struct usage *ret)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(free_ptr) char *text = NULL;
	size_t used = 0, size = 0;

	if (usage_is_recording(path))
		return usage_read_recording(path, source->host, f, ret);
	if (fd < 0)
		return failure_errno(f, -errno, "%s", path);
	for (;;) {
		ssize_t n;

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
		if (!n)
			return usage_parse(text, used, source, path, f, ret);
		used += (size_t)n;
	}
}
