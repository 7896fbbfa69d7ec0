/* SPDX-License-Identifier: MIT */
/* The formats of recordings: one file each, one row each in formats.c. */
#ifndef CORRECT_FORMATS_H
#define CORRECT_FORMATS_H

#include "correct/usage.h"

/* A file that is being read. */
struct input {
	const char *text; /* terminated, and without a NUL before */
	size_t size;
	const char *path; /* for failures */
	const char *vm;	  /* host files: whose figures; NULL: there is only one */
};

struct format {
	const char *name;
	bool host; /* whether it is a host's file or a guest's */
	bool (*is)(const struct input *in);
	int (*read)(const struct input *in, struct failure *f, struct usage *r);
};

extern const struct format format_sar, format_sar_text, format_pidstat, format_perfmon,
	format_processes;
extern const struct format format_esxtop, format_ledger, format_domstats;

/* What `desched record` writes is no text, and is read frame by frame, whatever its size. */
bool usage_is_recording(const char *path);
int usage_read_recording(const char *path, bool host, struct failure *f, struct usage *ret);

/* The first line, cut to fit. */
void input_line(const struct input *in, char *buf, size_t size);

/* "(2 CPU)" at the end of the first line of what sysstat prints; 0: it is not there. */
unsigned input_cpus(const struct input *in);

/* The first character of those in `delimiters` that the line holds; ',' when there is none. */
char input_delimiter(const char *line, const char *delimiters);

/* ---- choosing a VM ---- */

/* What is remembered of the VMs of a file, for the choice and for the message. */
struct choice {
	const char *wanted;
	char first[64];
	char all[256]; /* names, for people */
	bool several, found;
};

/* Whether the figures of a VM with this name are those to take. */
bool choice_take(struct choice *c, const char *name);

/* 0, or a failure that names the VMs there are. */
int choice_end(const struct choice *c, const char *path, struct failure *f);

#endif
