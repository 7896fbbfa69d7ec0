/* SPDX-License-Identifier: MIT */
/* The formats of recordings: one file each, one row each in formats.c. */
#ifndef CORRECT_FORMATS_H
#define CORRECT_FORMATS_H

#include "correct/choice.h"
#include "correct/usage.h"

/* A file that is being read. */
struct input {
	const char *text; /* UTF-8, terminated, and without a NUL before */
	size_t size;
	const char *path; /* for failures */
	const struct source *source;
};

struct format {
	const char *name;
	bool host;			   /* whether it is a host's file or a guest's */
	int (*is)(const struct input *in); /* 1, 0, or -ENOMEM */
	int (*read)(const struct input *in, struct failure *f, struct usage *r);
};

extern const struct format format_sar, format_sar_text, format_pidstat, format_perfmon,
	format_processes;
extern const struct format format_esxtop, format_ledger, format_domstats, format_domstats_text;

/* What `desched record` writes is no text, and is read frame by frame, whatever its size. */
bool usage_is_recording(const char *path);
int usage_read_recording(const char *path, bool host, struct failure *f, struct usage *ret);

/* What many people have and nothing here reads: what it is and what to do, or NULL. */
const char *unread_remedy(const char *bytes, size_t size);

/* The first line, cut to fit. */
void input_line(const struct input *in, char *buf, size_t size);

/* ---- what sysstat prints ---- */

/* "Linux 6.1.0 (host) 11/22/26 _x86_64_ (2 CPU)", split at blanks. False: it is another line. */
bool sysstat_banner(char **fields, size_t n, char *ret_host, size_t size, unsigned *ret_cpus);

/* The clock at the front of a row, which may take several fields ("08:00:05 AM"), put together in
 * `ret`. Returns how many fields it took, 0: it is none. */
size_t sysstat_clock(char **fields, size_t n, char *ret, size_t size);

/* Single CPUs don't say what all of them did: one may have been away. -ENODATA. */
int sysstat_single_cpus(const char *path, struct failure *f);

/* The parts of one CPU's time in a row of sar, by the names of their columns. */
enum { SAR_PARTS = 10 };
struct sar_columns {
	int parts[SAR_PARTS]; /* -1: there is no such column */
	size_t n;	      /* columns */
	bool whole;	      /* all parts are there that make up 100 % */
};
/* False: the table has no idle time. */
bool sar_columns(char **fields, size_t n, struct sar_columns *ret);

/* The share that was busy, 0 to 1: neither idle nor waiting nor stolen. False: the row cannot be
 * used, and has been counted. */
bool sar_busy(char **fields, size_t n, const struct sar_columns *c, struct skips *skips,
	      double *ret);

#endif
