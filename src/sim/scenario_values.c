/* SPDX-License-Identifier: MIT */
/* What a key of each type accepts, and how it is stored. */
#include "base/rows.h"
#include "base/quantity.h"
#include "base/units.h"
#include "sim/scenario_keys.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int real(const char *text, char **end, double *ret)
{
	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -EINVAL;
	if (strpbrk(text, "xXpP") && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return -EINVAL;
	*ret = strtod(text, end);
	return isfinite(*ret) && *end != text ? 0 : -EINVAL;
}

static int set_real(const struct key_row *row, double *to, const char *value)
{
	char *end;
	double v;

	if (real(value, &end, &v) || *end || v < row->min || v > row->max)
		return -EINVAL;
	*to = v;
	return 0;
}

static int set_count(const struct key_row *row, uint32_t *to, const char *value)
{
	uint64_t v;

	if (quantity_count(value, &v) || (double)v < row->min || (double)v > row->max)
		return -EINVAL;
	*to = (uint32_t)v;
	return 0;
}

/* Seconds of a number with a unit; ends where the unit does. */
static int seconds(const char *value, const char **ret_end, double *ret)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};
	char *end;
	double v;

	if (real(value, &end, &v))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i].unit);

		if (strncmp(end, units[i].unit, len))
			continue;
		*ret = v * units[i].seconds;
		*ret_end = end + len;
		return 0;
	}
	return -EINVAL;
}

static int set_time(const struct key_row *row, uint64_t *to, const char *value)
{
	const char *end;
	double v;

	if (seconds(value, &end, &v) || *end || v < row->min * (1 - 1e-9) ||
	    v > row->max * (1 + 1e-9))
		return -EINVAL;
	*to = (uint64_t)llround(v * 1e9);
	return 0;
}

static int set_budget(const struct key_row *row, struct vm_spec *vm, const char *value)
{
	const char *end;
	double quota, period;

	if (seconds(value, &end, &quota) || *end != '/' || seconds(end + 1, &end, &period) || *end)
		return -EINVAL;
	if (quota < row->min || quota > period || period > row->max)
		return -EINVAL;
	vm->quota = (uint64_t)llround(quota * 1e9);
	vm->period = (uint64_t)llround(period * 1e9);
	return 0;
}

static int set_shares(const struct key_row *row, double *to, const char *value)
{
	static const char *const names[] = {"low", "normal", "high"};
	static const double per_vcpu[] = {ENTITLE_SHARES_LOW, ENTITLE_SHARES_NORMAL,
					  ENTITLE_SHARES_HIGH};
	int named = key_find_in(value, names, 3);

	if (named < 0)
		return set_real(row, to, value);
	*to = -per_vcpu[named];
	return 0;
}

static bool is_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= SCENARIO_NAME)
		return false;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-')
			return false;
	}
	return true;
}

/* One "A:0.4" at *at, which moves behind it and the blanks that follow. */
static int set_process(struct process_spec *p, const char **at)
{
	size_t len = strcspn(*at, ":");
	char *end;

	if (!(*at)[len] || len >= SCENARIO_NAME)
		return -EINVAL;
	memset(p, 0, sizeof(*p));
	memcpy(p->name, *at, len);
	if (!is_name(p->name) || real(*at + len + 1, &end, &p->load))
		return -EINVAL;
	*at = end + strspn(end, " ");
	return *at == end && *end ? -EINVAL : 0;
}

/* "A:0.4 B:0.2": at most SCENARIO_PROCESSES, loads up to 1 in sum. */
static int set_processes(struct vm_spec *vm, const char *value)
{
	struct process_spec list[SCENARIO_PROCESSES];
	double sum = 0;
	uint32_t n = 0;

	while (*value && n < SCENARIO_PROCESSES) {
		if (set_process(&list[n], &value))
			return -EINVAL;
		sum += list[n++].load;
	}
	if (*value || !n || sum > 1 + 1e-9)
		return -EINVAL;
	memcpy(vm->processes, list, sizeof(list[0]) * n);
	vm->n_processes = n;
	return 0;
}

/* "4GiB": a number and a unit. */
static int set_bytes(const struct key_row *row, uint64_t *to, const char *value)
{
	static const char *const units[] = {"B",   "kB",  "MB",	 "GB", "TB",
					    "KiB", "MiB", "GiB", "TiB"};
	static const double factors[] = {1, 1e3, 1e6, 1e9, 1e12, 1024, 0x1p20, 0x1p30, 0x1p40};
	char *end;
	double v;
	int unit;

	if (real(value, &end, &v))
		return -EINVAL;
	unit = key_find_in(end, units, ARRAY_SIZE(units));
	if (unit < 0)
		return -EINVAL;
	v *= factors[unit];
	if (v < row->min || v > row->max)
		return -EINVAL;
	*to = (uint64_t)llround(v);
	return 0;
}

static int set_text(char *to, const char *value)
{
	if (!value[0] || strlen(value) >= SCENARIO_TEXT)
		return -EINVAL;
	strcpy(to, value);
	return 0;
}

/* "wave LOW HIGH HOUR" behind the word. */
static int set_wave(const struct key_row *row, struct day_spec *day, const char *value)
{
	struct day_spec d = {.n = 1, .wave = true};
	double *const parts[] = {&d.low, &d.high, &d.hours[0]};
	char *end;

	for (int i = 0; i < 3; i++) {
		value += strspn(value, " ");
		if (real(value, &end, parts[i]))
			return -EINVAL;
		value = end;
	}
	if (*value || d.low > d.high || d.high > row->max || d.hours[0] > 24)
		return -EINVAL;
	*day = d;
	return 0;
}

/* "0:0.2 7.5:1": hours that rise, each with a factor that holds from then on. */
static int set_day(const struct key_row *row, struct day_spec *day, const char *value)
{
	struct day_spec d = {0};
	char *end;

	if (!strncmp(value, "wave ", 5))
		return set_wave(row, day, value + 5);
	while (*value && d.n < DAY_PARTS) {
		if (real(value, &end, &d.hours[d.n]) || *end != ':' ||
		    real(end + 1, &end, &d.factors[d.n]) || (*end && *end != ' '))
			return -EINVAL;
		if (d.hours[d.n] >= 24 || d.factors[d.n] > row->max ||
		    (d.n && d.hours[d.n] <= d.hours[d.n - 1]))
			return -EINVAL;
		value = end + strspn(end, " ");
		d.n++;
	}
	if (*value || !d.n)
		return -EINVAL;
	*day = d;
	return 0;
}

static int set_one_of(const struct key_row *row, uint32_t *to, const char *value)
{
	int found = names_find(row->names, row->key, value, NULL);

	if (found < 0)
		return -EINVAL;
	*to = (uint32_t)row->min + (uint32_t)found;
	return 0;
}

static int set_word(char *to, const char *value)
{
	if (!is_name(value))
		return -EINVAL;
	snprintf(to, SCENARIO_NAME, "%s", value);
	return 0;
}

int key_store(const struct key_row *row, void *base, const char *value)
{
	void *to = (char *)base + row->offset;

	switch (row->type) {
	case KEY_TIME:
		return set_time(row, to, value);
	case KEY_COUNT:
		return set_count(row, to, value);
	case KEY_REAL:
		return set_real(row, to, value);
	case KEY_CPUS:
		if (strcmp(value, "none"))
			return set_real(row, to, value);
		*(double *)to = ENTITLE_UNLIMITED;
		return 0;
	case KEY_SHARES:
		return set_shares(row, to, value);
	case KEY_WORD:
		return set_word(to, value);
	case KEY_ONE_OF:
		return set_one_of(row, to, value);
	case KEY_BUDGET:
		return set_budget(row, base, value);
	case KEY_PROCESSES:
		return set_processes(base, value);
	case KEY_BYTES:
		return set_bytes(row, to, value);
	case KEY_TEXT:
		return set_text(to, value);
	case KEY_DAY:
		return set_day(row, to, value);
	}
	return -EINVAL;
}

void key_expected(const struct key_row *row, char *buf, size_t size)
{
	switch (row->type) {
	case KEY_TIME:
		snprintf(buf, size, "a time such as 5ms, from %gs to %gs", row->min, row->max);
		break;
	case KEY_COUNT:
		snprintf(buf, size, "a whole number from %g to %g", row->min, row->max);
		break;
	case KEY_REAL:
		snprintf(buf, size, "a number from %g to %g", row->min, row->max);
		break;
	case KEY_CPUS:
		snprintf(buf, size, "CPUs from %g to %g, or none", row->min, row->max);
		break;
	case KEY_SHARES:
		snprintf(buf, size, "low, normal, high or a number from %g to %g", row->min,
			 row->max);
		break;
	case KEY_WORD:
		snprintf(buf, size, "a name of letters, digits, - and _ (at most %d)",
			 SCENARIO_NAME - 1);
		break;
	case KEY_ONE_OF:
		for (size_t i = 0, n = 0; row->names(i) && n < size; i++)
			n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "one of ",
					      row->names(i));
		break;
	case KEY_BUDGET:
		snprintf(buf, size, "CPU time / period, such as 4ms/10ms, the first no longer");
		break;
	case KEY_PROCESSES:
		snprintf(buf, size, "NAME:LOAD ..., at most %d, loads up to 1 in sum",
			 SCENARIO_PROCESSES);
		break;
	case KEY_BYTES:
		snprintf(buf, size, "bytes such as 4GiB or 500MB, from %gB to %gB", row->min,
			 row->max);
		break;
	case KEY_TEXT:
		snprintf(buf, size, "a text of at most %d characters", SCENARIO_TEXT - 1);
		break;
	case KEY_DAY:
		snprintf(buf, size,
			 "HOUR:FACTOR ... with rising hours below 24, at most %d, or wave LOW HIGH "
			 "HOUR-OF-HIGH; factors up to %g",
			 DAY_PARTS, row->max);
		break;
	}
}
