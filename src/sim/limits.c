/* SPDX-License-Identifier: MIT */
#include "sim/limits.h"

#include "base/quantity.h"
#include "base/rows.h"
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32

struct reader {
	const char *text, *at;
	limit_lookup lookup; /* NULL: syntax only */
	void *data;
	struct failure *f;
	int err;
	int depth;
};

static double fail(struct reader *r, int err, const char *expected)
{
	if (!r->err)
		r->err = failure_set(r->f, err, "'%s': expected %s at '%.20s'", r->text, expected,
				     r->at);
	return 0;
}

static void blanks(struct reader *r)
{
	r->at += strspn(r->at, " \t");
}

static bool accept(struct reader *r, const char *token)
{
	size_t len = strlen(token);

	blanks(r);
	if (r->err || strncmp(r->at, token, len))
		return false;
	r->at += len;
	return true;
}

static double expression(struct reader *r);

double limit_mmcn(unsigned servers, unsigned customers, double load)
{
	double a = load / (1 - load), p = 1, sum = 1, busy = 0;

	for (unsigned k = 1; k <= customers; k++) {
		unsigned serving = k < servers ? k : servers;

		p *= a * (customers - k + 1) / serving;
		sum += p;
		busy += p * serving;
	}
	return busy / sum / servers;
}

static double call_min(const double *a)
{
	return isnan(a[0] + a[1]) ? NAN : fmin(a[0], a[1]);
}

static double call_max(const double *a)
{
	return isnan(a[0] + a[1]) ? NAN : fmax(a[0], a[1]);
}

static double call_abs(const double *a)
{
	return fabs(a[0]);
}

static double call_sqrt(const double *a)
{
	return sqrt(a[0]);
}

static double call_mmcn(const double *a)
{
	if (!(a[0] >= 1 && a[0] <= 1e6 && a[1] >= 1 && a[1] <= 1e6 && a[2] > 0 && a[2] < 1))
		return NAN;
	return limit_mmcn((unsigned)a[0], (unsigned)a[1], a[2]);
}

static const struct {
	const char *name;
	int arguments;
	double (*call)(const double *a);
} functions[] = {
	{"min", 2, call_min},	{"max", 2, call_max},	{"abs", 1, call_abs},
	{"sqrt", 1, call_sqrt}, {"mmcn", 3, call_mmcn},
};

static const char *function_name(size_t i)
{
	return i < ARRAY_SIZE(functions) ? functions[i].name : NULL;
}

static double no_such_function(struct reader *r)
{
	char names[64], text[96];

	names_of(function_name, names, sizeof(names));
	snprintf(text, sizeof(text), "%s before '('", names);
	return fail(r, -EINVAL, text);
}

static double call(struct reader *r, const char *name)
{
	double a[3] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		if (strcmp(functions[i].name, name))
			continue;
		for (int k = 0; k < functions[i].arguments; k++) {
			if (k && !accept(r, ","))
				return fail(r, -EINVAL, "','");
			a[k] = expression(r);
		}
		if (!accept(r, ")"))
			return fail(r, -EINVAL, "')'");
		return r->lookup ? functions[i].call(a) : 1;
	}
	return no_such_function(r);
}

static double name_or_call(struct reader *r)
{
	const char *start = r->at;
	char name[96];
	double v = 1;
	size_t len;

	while (isalnum((unsigned char)*r->at) || (*r->at && strchr("_.:-", *r->at)))
		r->at++;
	len = (size_t)(r->at - start);
	if (len >= sizeof(name))
		return fail(r, -EINVAL, "a shorter name");
	memcpy(name, start, len);
	name[len] = 0;
	if (accept(r, "("))
		return call(r, name);
	if (r->lookup && r->lookup(r->data, name, &v)) {
		r->at = start;
		return fail(r, -ENOENT, "a metric that exists (`desched sim --metrics`)");
	}
	return v;
}

static double factor(struct reader *r)
{
	double v;

	blanks(r);
	if (++r->depth > DEPTH_MAX)
		return fail(r, -EINVAL, "less nesting");
	if (accept(r, "(")) {
		v = expression(r);
		if (!accept(r, ")"))
			fail(r, -EINVAL, "')'");
	} else if (accept(r, "-")) {
		v = -factor(r);
	} else if (isdigit((unsigned char)*r->at) || *r->at == '.') {
		if (quantity_number(r->at, &r->at, &v))
			v = fail(r, -EINVAL, "a number");
	} else if (isalpha((unsigned char)*r->at)) {
		v = name_or_call(r);
	} else {
		v = fail(r, -EINVAL, "a number, a name or '('");
	}
	r->depth--;
	return v;
}

static double term(struct reader *r)
{
	double v = factor(r), by;

	while (!r->err) {
		if (accept(r, "*"))
			v *= factor(r);
		else if (accept(r, "/"))
			v = (by = factor(r)) != 0 ? v / by : NAN;
		else
			break;
	}
	return v;
}

static double expression(struct reader *r)
{
	double v = term(r);

	while (!r->err) {
		if (accept(r, "+"))
			v += term(r);
		else if (accept(r, "-"))
			v -= term(r);
		else
			break;
	}
	return v;
}

enum { EQUAL, AT_MOST, AT_LEAST, BELOW, ABOVE, NONE };

static int comparison(struct reader *r)
{
	static const char *const tokens[] = {"==", "<=", ">=", "<", ">"};

	for (int i = 0; i < NONE; i++) {
		if (accept(r, tokens[i]))
			return i;
	}
	fail(r, -EINVAL, "one of == <= >= < >");
	return NONE;
}

/* What is no number, or infinite, keeps no condition: it was divided by zero, or there are no data.
 */
static bool holds(int how, double left, double right, double tolerance)
{
	if (!isfinite(left) || !isfinite(right) || !isfinite(tolerance))
		return false;
	switch (how) {
	case EQUAL:
		return fabs(left - right) <= tolerance;
	case AT_MOST:
		return left <= right + tolerance;
	case AT_LEAST:
		return left >= right - tolerance;
	case BELOW:
		return left < right;
	case ABOVE:
		return left > right;
	}
	return false;
}

int limit_evaluate(const char *condition, limit_lookup lookup, void *data, struct failure *f,
		   struct limit_outcome *ret)
{
	struct reader r = {
		.text = condition, .at = condition, .lookup = lookup, .data = data, .f = f};
	struct limit_outcome o = {0};
	int how;

	o.left = expression(&r);
	how = comparison(&r);
	o.right = expression(&r);
	if (accept(&r, "within")) {
		o.tolerance = expression(&r);
		if (accept(&r, "%"))
			o.tolerance *= fabs(o.right) / 100;
	}
	blanks(&r);
	if (*r.at)
		fail(&r, -EINVAL, "the end, or 'within NUMBER[%]'");
	if (r.err)
		return r.err;
	o.kept = holds(how, o.left, o.right, o.tolerance);
	*ret = o;
	return 0;
}

int limit_parse(const char *condition, struct failure *f)
{
	struct limit_outcome ignored;

	return limit_evaluate(condition, NULL, NULL, f, &ignored);
}
