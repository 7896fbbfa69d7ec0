/* SPDX-License-Identifier: MIT */
#include "data/sysstat.h"

#include "base/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_FIELDS 3 /* "08:00:05 PM IST" */

/* The date stands behind the host; its form is the locale's, "11/22/26" or "2026年11月22日". */
static void find_date(const char *field, char *ret, size_t size)
{
	char text[96];
	struct stamp s;

	snprintf(text, sizeof(text), "%.60s 00:00:00", field);
	ret[0] = '\0';
	if (!stamp_parse(text, &s) && s.dated)
		snprintf(ret, size, "%.60s", field);
}

bool sysstat_banner(char **fields, size_t n, struct sysstat_banner *ret)
{
	unsigned cpus;

	if (n < 3 || strcmp(fields[0], "Linux") != 0 || fields[2][0] != '(')
		return false;
	*ret = (struct sysstat_banner){.cpus = 0};
	snprintf(ret->host, sizeof(ret->host), "%.*s", (int)strcspn(fields[2] + 1, ")"),
		 fields[2] + 1);
	if (n > 3)
		find_date(fields[3], ret->date, sizeof(ret->date));
	for (size_t i = 3; i + 1 < n; i++)
		if (sscanf(fields[i], "(%5u", &cpus) == 1 && !strcmp(fields[i + 1], "CPU)"))
			ret->cpus = cpus;
	return true;
}

/* The longest run of fields that is a time, so that "PM" isn't taken for a column. */
size_t sysstat_clock(char **fields, size_t n, char *ret, size_t size)
{
	for (size_t used = n < CLOCK_FIELDS ? n : CLOCK_FIELDS; used; used--) {
		struct stamp s;
		size_t length = 0;

		for (size_t i = 0; i < used && length < size; i++)
			length += (size_t)snprintf(ret + length, size - length, "%s%s",
						   i ? " " : "", fields[i]);
		if (ispunct((unsigned char)fields[used - 1][0]) || length >= size)
			continue;
		if (!stamp_parse(ret, &s))
			return used;
	}
	return 0;
}

void sysstat_no_machine(struct sysstat_machine *m)
{
	*m = (struct sysstat_machine){.day = NAN};
}

int sysstat_machine(struct reading *g, const char *host, struct sysstat_machine *m)
{
	const struct data_entity e = {DATA_KIND_MACHINE, DATA_NONE, host, ""};
	int wanted = out_entity(g->out, &e, &m->entity);

	if (wanted < 0)
		return wanted;
	m->known = true;
	m->wanted = wanted;
	return wanted;
}

int sysstat_take_banner(char **fields, size_t n, struct reading *g, struct sysstat_machine *m)
{
	struct sysstat_banner banner;
	int err;

	if (!sysstat_banner(fields, n, &banner))
		return 0;
	err = sysstat_machine(g, banner.host, m);
	if (err < 0)
		return err;
	if (m->wanted && banner.cpus)
		out_set_cpus(g->out, m->entity, banner.cpus);
	m->day = m->wanted && banner.date[0] ? reading_day(g, banner.date) : NAN;
	return 1;
}
