/* SPDX-License-Identifier: MIT */
#include "policy/amounts.h"

#include "base/units.h"
#include "policy/entitle.h"

#include <stdio.h>
#include <string.h>

static int store_cpus(const struct row *row, const char *text, void *to)
{
	if (strcmp(text, "none"))
		return row_number.store(row, text, to);
	*(double *)to = ENTITLE_UNLIMITED;
	return 0;
}

static void expect_cpus(const struct row *row, char *ret, size_t size)
{
	snprintf(ret, size, "CPUs from %.12g to %.12g, or none", row->min, row->max);
}

static void show_cpus(const struct row *row, const void *from, char *ret, size_t size)
{
	if (*(const double *)from < ENTITLE_UNLIMITED)
		row_number.show(row, from, ret, size);
	else
		snprintf(ret, size, "none");
}

const struct row_type row_cpus = {store_cpus, expect_cpus, show_cpus, sizeof(double)};

static const struct {
	const char *name;
	double per_vcpu;
} named[] = {{"low", ENTITLE_SHARES_LOW},
	     {"normal", ENTITLE_SHARES_NORMAL},
	     {"high", ENTITLE_SHARES_HIGH}};

static int store_shares(const struct row *row, const char *text, void *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		if (!strcmp(text, named[i].name)) {
			*(double *)to = -named[i].per_vcpu;
			return 0;
		}
	}
	return row_number.store(row, text, to);
}

static void expect_shares(const struct row *row, char *ret, size_t size)
{
	snprintf(ret, size, "low, normal, high or a number from %.12g to %.12g", row->min,
		 row->max);
}

static void show_shares(const struct row *row, const void *from, char *ret, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		if (*(const double *)from == -named[i].per_vcpu) {
			snprintf(ret, size, "%s", named[i].name);
			return;
		}
	}
	row_number.show(row, from, ret, size);
}

const struct row_type row_shares = {store_shares, expect_shares, show_shares, sizeof(double)};

double amount_shares(double shares, double vcpus)
{
	return shares < 0 ? -shares * vcpus : shares;
}
