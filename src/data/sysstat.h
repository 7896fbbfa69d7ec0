/* SPDX-License-Identifier: MIT */
/* What the texts of sysstat have in common, whichever of its programs printed them. */
#ifndef DATA_SYSSTAT_H
#define DATA_SYSSTAT_H

#include "data/reading.h"

struct sysstat_banner {
	char host[256];
	char date[64]; /* "" where it has none */
	unsigned cpus; /* 0: it doesn't say */
};

/* "Linux 6.1.0 (host) 11/22/26 _x86_64_ (2 CPU)", split at blanks. False: it is another line. */
bool sysstat_banner(char **fields, size_t n, struct sysstat_banner *ret);

/* The clock at the front of a row, which may take several fields ("08:00:05 AM"), put together in
 * `ret`. Returns how many fields it took, 0: it is none. */
size_t sysstat_clock(char **fields, size_t n, char *ret, size_t size);

/* The machine whose figures follow: which entity it is, and what its banner says. */
struct sysstat_machine {
	uint32_t entity;
	bool known, wanted;
	double day; /* of its banner; NaN */
};

/* Before any banner: a machine without a name, of which nothing is known until it is needed. */
void sysstat_no_machine(struct sysstat_machine *m);

/* The one that the fields name: 1 for a banner, 0 for another line, or -errno. */
int sysstat_take_banner(char **fields, size_t n, struct reading *g, struct sysstat_machine *m);

/* The one of this name, or the one without a name. 1: it is wanted, 0, -errno. */
int sysstat_machine(struct reading *g, const char *host, struct sysstat_machine *m);

#endif
