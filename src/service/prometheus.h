/* SPDX-License-Identifier: MIT */
/*
 * Prometheus' text format, for what a daemon counts: each metric has HELP and TYPE before its
 * samples, labels are escaped, and the file that a collector reads is whole or not there. Which
 * metrics there are is the daemon's: rows, and functions where there are series by label.
 */
#ifndef SERVICE_PROMETHEUS_H
#define SERVICE_PROMETHEUS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A figure of which there is one. */
struct prometheus_row {
	const char *name, *type, *help; /* type: "counter", "gauge" */
	double (*value)(const void *of);
};

struct prometheus_label {
	const char *name, *value; /* any bytes in the value */
};

void prometheus_head(FILE *to, const char *name, const char *type, const char *help);

/* One sample, `digits` of its value. Control bytes in a label, and all beyond ASCII where it isn't
 * UTF-8, become \\xNN, as does the backslash itself: two values never become the same label, for
 * which a collector would refuse all. */
void prometheus_sample(FILE *to, const char *name, const struct prometheus_label *labels, size_t n,
		       int digits, double value);

void prometheus_rows(FILE *to, const struct prometheus_row *rows, size_t n, const void *of);

/* What `put` writes, malloc'ed. -ENOMEM, and what `put` returns. */
int prometheus_text(int (*put)(FILE *to, void *data), void *data, char **ret);

/* Replaces `path` at once: a reader sees the old text or the new one. -errno of the first call that
 * failed; the old file is there still. */
int prometheus_write_file(const char *path, const char *text);

#endif
