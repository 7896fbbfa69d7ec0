/* SPDX-License-Identifier: MIT */
/* What the tables of sysstat have in common, whichever of its programs printed them. */
#include "correct/formats.h"
#include "data/table.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_FIELDS 3	  /* "08:00:05 PM IST" */
#define SUM_SLACK    5	  /* percent: ten columns without decimals */
#define ALL_STOLEN   99.9 /* percent */

bool sysstat_banner(char **fields, size_t n, char *ret_host, size_t size, unsigned *ret_cpus)
{
	unsigned cpus;

	if (n < 3 || strcmp(fields[0], "Linux") != 0 || fields[2][0] != '(')
		return false;
	snprintf(ret_host, size, "%.*s", (int)strcspn(fields[2] + 1, ")"), fields[2] + 1);
	for (size_t i = 3; i + 1 < n; i++)
		if (sscanf(fields[i], "(%5u", &cpus) == 1 && !strcmp(fields[i + 1], "CPU)"))
			*ret_cpus = cpus;
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

int sysstat_single_cpus(const char *path, struct failure *f)
{
	return failure_set(f, -ENODATA,
			   "%s has rows of single CPUs and none of all of them together: leave out "
			   "-P, or give it ALL",
			   path);
}

/* ---- sar ---- */

static const char *const names_idle[] = {"%idle", NULL};
static const char *const names_wait[] = {"%iowait", "%wio", NULL};
static const char *const names_steal[] = {"%steal", NULL};
static const char *const names_user[] = {"%user", "%usr", NULL};
static const char *const names_nice[] = {"%nice", NULL};
static const char *const names_system[] = {"%system", "%sys", NULL};
static const char *const names_irq[] = {"%irq", NULL};
static const char *const names_soft[] = {"%soft", NULL};
static const char *const names_guest[] = {"%guest", NULL};
static const char *const names_gnice[] = {"%gnice", NULL};

enum { PART_IDLE, PART_WAIT, PART_STEAL, PART_BUSY };

static const char *const *const part_names[SAR_PARTS] = {
	names_idle,   names_wait, names_steal, names_user,  names_nice,
	names_system, names_irq,  names_soft,  names_guest, names_gnice,
};

bool sar_columns(char **fields, size_t n, struct sar_columns *ret)
{
	size_t known = 0, percent = 0;

	*ret = (struct sar_columns){.n = n};
	/* With many columns `sadf` says "%idle[...]". */
	for (size_t i = 0; i < n; i++) {
		percent += fields[i][0] == '%';
		fields[i][strcspn(fields[i], "[")] = '\0';
	}
	for (size_t i = 0; i < SAR_PARTS; i++) {
		ret->parts[i] = table_column(fields, n, part_names[i]);
		known += ret->parts[i] >= 0;
	}
	ret->whole = known == percent && known > 2;
	return ret->parts[PART_IDLE] >= 0;
}

/* The parts that the row has, 0 for those that it has not. */
static bool take_parts(char **fields, size_t n, const struct sar_columns *c, struct skips *skips,
		       double parts[SAR_PARTS])
{
	for (size_t i = 0; i < SAR_PARTS; i++) {
		size_t at = (size_t)c->parts[i];

		parts[i] = 0;
		if (c->parts[i] < 0)
			continue;
		if (at >= n) {
			skips_count(skips, SKIP_FIELDS, fields[0]);
			return false;
		}
		if (table_figure(fields[at], true, &parts[i])) {
			skips_count(skips, table_blank(fields[at]) ? SKIP_BLANK : SKIP_NUMBER,
				    fields[at]);
			return false;
		}
	}
	return true;
}

static bool out_of_range(const double parts[SAR_PARTS])
{
	for (size_t i = 0; i < SAR_PARTS; i++)
		if (parts[i] < 0 || parts[i] > 100 + SUM_SLACK)
			return true;
	return false;
}

bool sar_busy(char **fields, size_t n, const struct sar_columns *c, struct skips *skips,
	      double *ret)
{
	double parts[SAR_PARTS], sum = 0, busy;
	enum skip why = SKIP_N;

	if (!take_parts(fields, n, c, skips, parts))
		return false;
	for (size_t i = 0; i < SAR_PARTS; i++)
		sum += parts[i];
	if (sum == 0)
		why = SKIP_ZEROS;
	else if (out_of_range(parts))
		why = SKIP_RANGE;
	else if (sum > 100 + SUM_SLACK || (c->whole && sum < 100 - SUM_SLACK))
		why = SKIP_SUM;
	else if (parts[PART_STEAL] >= ALL_STOLEN)
		why = SKIP_STOLEN;
	if (why != SKIP_N) {
		skips_count(skips, why, NULL);
		return false;
	}
	busy = 100 - parts[PART_IDLE] - parts[PART_WAIT] - parts[PART_STEAL];
	*ret = busy > 0 ? busy / 100 : 0;
	return true;
}
