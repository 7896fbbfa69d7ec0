/* SPDX-License-Identifier: MIT */
/* Types of values that only scenarios have. */
#include "base/quantity.h"
#include "base/units.h"
#include "sim/scenario_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- texts ---- */

static int store_text(const struct row *row, const char *text, void *to)
{
	return text[0] ? row_text.store(row, text, to) : -EINVAL;
}

static void expect_text(const struct row *row, char *ret, size_t size)
{
	row_text.expected(row, ret, size);
}

const struct row_type key_text = {store_text, expect_text, NULL, SCENARIO_TEXT};

/* ---- budgets ---- */

static int store_budget(const struct row *row, const char *text, void *to)
{
	struct vm_spec *vm = (void *)((char *)to - row->offset);
	const char *end;
	uint64_t quota, period;

	if (!strcmp(text, "none")) {
		vm->quota = vm->period = 0;
		return 0;
	}
	if (quantity_time(text, 0, &end, &quota) || *end != '/' ||
	    quantity_time(end + 1, 0, NULL, &period))
		return -EINVAL;
	if ((double)quota < row->min || quota > period || (double)period > row->max)
		return -EINVAL;
	vm->quota = quota;
	vm->period = period;
	return 0;
}

static void expect_budget(const struct row *row, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "CPU time / period, such as 4ms/10ms, the first no longer; or none");
}

const struct row_type key_budget = {store_budget, expect_budget, NULL, sizeof(uint64_t)};

/* ---- processes ---- */

/* One "A:0.4" at *at, which moves behind it and the blanks that follow. */
static int set_process(struct process_spec *p, const char **at)
{
	static const struct row name = {.size = sizeof(p->name)};
	size_t len = strcspn(*at, ":");
	char word[SCENARIO_NAME];
	const char *end;

	if (!(*at)[len] || len >= SCENARIO_NAME)
		return -EINVAL;
	snprintf(word, sizeof(word), "%.*s", (int)len, *at);
	if (row_word.store(&name, word, p->name) ||
	    quantity_fraction(*at + len + 1, &end, &p->load))
		return -EINVAL;
	*at = end + strspn(end, " ");
	return *at == end && *end ? -EINVAL : 0;
}

/* "A:0.4 B:0.2": at most SCENARIO_PROCESSES, loads up to 1 in sum. */
static int store_processes(const struct row *row, const char *value, void *to)
{
	struct vm_spec *vm = (void *)((char *)to - row->offset);
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

static void expect_processes(const struct row *row, char *ret, size_t size)
{
	(void)row;
	snprintf(ret, size, "NAME:LOAD ..., at most %d, loads up to 1 in sum", SCENARIO_PROCESSES);
}

const struct row_type key_processes = {store_processes, expect_processes, NULL,
				       sizeof(struct process_spec)};

/* ---- days ---- */

/* "wave LOW HIGH HOUR" behind the word. */
static int set_wave(const struct row *row, struct day_spec *day, const char *value)
{
	struct day_spec d = {.n = 1, .wave = true};
	double *const parts[] = {&d.low, &d.high, &d.hours[0]};
	const char *end;

	for (int i = 0; i < 3; i++) {
		value += strspn(value, " ");
		if (quantity_number(value, &end, parts[i]))
			return -EINVAL;
		value = end;
	}
	if (*value || d.low > d.high || d.high > row->max || d.hours[0] > 24)
		return -EINVAL;
	*day = d;
	return 0;
}

/* "0:0.2 7.5:1": hours that rise, each with a factor that holds from then on. */
static int store_day(const struct row *row, const char *value, void *to)
{
	struct day_spec d = {0};
	const char *end;

	if (!strncmp(value, "wave ", 5))
		return set_wave(row, to, value + 5);
	while (*value && d.n < DAY_PARTS) {
		if (quantity_number(value, &end, &d.hours[d.n]) || *end != ':' ||
		    quantity_number(end + 1, &end, &d.factors[d.n]) || (*end && *end != ' '))
			return -EINVAL;
		if (d.hours[d.n] >= 24 || d.factors[d.n] > row->max ||
		    (d.n && d.hours[d.n] <= d.hours[d.n - 1]))
			return -EINVAL;
		value = end + strspn(end, " ");
		d.n++;
	}
	if (*value || !d.n)
		return -EINVAL;
	*(struct day_spec *)to = d;
	return 0;
}

static void expect_day(const struct row *row, char *ret, size_t size)
{
	snprintf(ret, size,
		 "HOUR:FACTOR ... with rising hours below 24, at most %d, or wave LOW HIGH "
		 "HOUR-OF-HIGH; factors up to %g",
		 DAY_PARTS, row->max);
}

const struct row_type key_day = {store_day, expect_day, NULL, sizeof(struct day_spec)};
