/* SPDX-License-Identifier: MIT */
/* Importers: one file each, one row each in data.c. */
#ifndef DATA_FORMAT_H
#define DATA_FORMAT_H

#include "data/out.h"

/* A file that is being read. */
struct input {
	const char *text; /* UTF-8, terminated, and without a NUL before; NULL for `magic` ones */
	size_t size;
	const char *path;
	const struct data_options *options;
};

struct format {
	const char *name;
	const char *what;  /* for people: what is expected */
	bool guest, host;  /* whose figures it may hold */
	const char *magic; /* of a file that isn't text, and is read by its path; NULL */
	int (*is)(const struct input *in); /* 1, 0, or -ENOMEM; NULL with `magic` */
	int (*read)(const struct input *in, struct out *out);
};

extern const struct format format_recording, format_sadf, format_sar, format_pidstat,
	format_perfmon, format_processes;
extern const struct format format_esxtop, format_ledger, format_domstats, format_domstats_text;

/* What many people have and nothing here reads: what it is and what to do, or NULL. */
const char *unread_remedy(const char *bytes, size_t size);

/* The first line, cut to fit. */
void input_line(const struct input *in, char *buf, size_t size);

#endif
