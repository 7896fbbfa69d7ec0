/* SPDX-License-Identifier: MIT */
#include "data/sysstat.h"

#include "base/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_FIELDS 3 /* "08:00:05 PM IST" */
#define DATE_FIELDS  3

/* Fields with a blank between each. False: they have no room. */
static bool join(char **fields, size_t n, char *ret, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < n && length < size; i++)
		length += (size_t)snprintf(ret + length, size - length, "%s%s", i ? " " : "",
					   fields[i]);
	return length < size;
}

/* The date stands between the host and the machine's type; its form is the locale's: "11/22/26",
 * "2026년 11월 22일", "22. 11. 2026". */
static void find_date(char **fields, size_t n, char *ret, size_t size)
{
	char date[64], text[96];
	struct stamp s;
	size_t used = 1;

	while (used < n && used < DATE_FIELDS && !strchr("_(", fields[used][0]))
		used++;
	ret[0] = '\0';
	if (!join(fields, used, date, sizeof(date)))
		return;
	snprintf(text, sizeof(text), "%s 00:00:00", date);
	if (!stamp_parse(text, &s) && s.dated)
		snprintf(ret, size, "%s", date);
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
		find_date(fields + 3, n - 3, ret->date, sizeof(ret->date));
	for (size_t i = 3; i + 1 < n; i++)
		if (sscanf(fields[i], "(%5u", &cpus) == 1 && !strcmp(fields[i + 1], "CPU)"))
			ret->cpus = cpus;
	return true;
}

static bool is_figure(const char *field)
{
	return isdigit((unsigned char)field[0]) && !field[strspn(field, "0123456789.,")];
}

/* The longest run of fields that is a time, so that "PM" isn't taken for a column, and a row's first
 * figures ("08:00:05 6 1.00") not for a date. */
size_t sysstat_clock(char **fields, size_t n, char *ret, size_t size)
{
	size_t used = n > 0;

	while (used < n && used < CLOCK_FIELDS && !is_figure(fields[used]))
		used++;
	for (; used; used--) {
		struct stamp s;

		if (ispunct((unsigned char)fields[used - 1][0]) || !join(fields, used, ret, size))
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
