/* SPDX-License-Identifier: MIT */
/*
 * desched correct without memory: the n-th allocation fails, for every n that there is. The result
 * is -ENOMEM or, where the memory wasn't needed, what it is otherwise; never another failure, and
 * never another figure.
 *
 * malloc() and its kin are wrapped by the linker (--wrap), jansson's with them by base/json_out.h,
 * libcsv's can fail no more than its rows do.
 */
#include "correct/correct.h"

#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static long until_failure; /* 0: none fails */

static bool fails(void)
{
	return until_failure > 0 && --until_failure == 0 && (errno = ENOMEM);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

/* ---- files ---- */

#define ROWS 30

/* Rows of a load that rises and falls; `format` takes the number of the row, a figure of at most
 * 50, and the sum of these. */
static size_t put_rows(char *text, size_t size, const char *head, const char *format)
{
	size_t used = (size_t)snprintf(text, size, "%s", head);
	int sum = 0;

	for (int i = 0; i < ROWS; i++) {
		int figure = 10 + i * 7 % 40;

		sum += figure;
		used += (size_t)snprintf(text + used, size - used, format, i, figure, sum);
	}
	return used;
}

static const struct {
	const char *head, *row;
} guests[] =
	{
		{"Linux 6.1 (web1) \t01/05/26 \t_x86_64_\t(2 CPU)\n\n"
		 "# Time UID PID %usr %system %guest %wait %CPU CPU Command\n",
		 "1767600%1$03d 0 1 1 1 0 0 %2$d 0 in it\n"},
		{"web1;-1;2026-01-05 08:00:00 UTC;LINUX-RESTART\t(2 CPU)\n"
		 "# hostname;interval;timestamp;CPU;%user;%idle\n",
		 "web1;1;1767600%1$03d;-1;%2$d;50\n"},
		{"\"(PDH-CSV 4.0) (UTC)(0)\",\"\\\\W\\Processor(_Total)\\% Processor Time\","
		 "\"\\\\W\\Process(x)\\% Processor Time\"\n",
		 "\"1767600%1$03d\",\"%2$d\",\"%2$d\"\n"},
		/* The clock goes back behind the first row. */
		{"time,process,%cpu\n1767600005,a,1\n", "1767600%1$03d,a,%2$d\n"},
},
  hosts[] = {
	  {"",
	   "{\"kind\":\"interval\",\"time_s\":1767600%1$03d,\"seconds\":1,\"vms\":[{\"name\":\"a\","
	   "\"vcpus\":[{\"seconds\":{\"run\":0.%2$d0000000000000001,\"ready\":0.%2$d}}]}]}\n"},
	  {"(PDH-CSV 4.0) (UTC)(0),\\\\h\\Vcpu(1:a:2:vmx-vcpu-0:a)\\% Run,"
	   "\\\\h\\Vcpu(1:a:2:vmx-vcpu-0:a)\\% Ready\n",
	   "1767600%1$03d,%2$d,%2$d\n"},
	  {"time,domain,vcpu.0.time\n", "1767600%1$03d,a,%3$d0000000\n"},
	  {"", "1767600%1$03d\nDomain: 'a'\n  vcpu.0.time=%3$d0000000\n"},
};

struct pair {
	char guest[4096], host[8192];
	size_t guest_size, host_size;
};

/* What the whole of it comes to: w, or NaN with the error. */
static double run(const struct pair *p, int *ret_err)
{
	static const struct source sides[2] = {{.host = false}, {.host = true}};
	const struct correct_options o = {.align = {.max_lag = 5}};
	struct usage guest, host;
	struct correction c;
	struct failure f = {""};
	double w = NAN;
	int err = usage_parse(p->guest, p->guest_size, &sides[0], "guest", &f, &guest);

	if (!err) {
		err = usage_parse(p->host, p->host_size, &sides[1], "host", &f, &host);
		if (!err) {
			err = correct(&guest, &host, &o, &f, &c);
			if (!err) {
				w = c.w;
				correction_done(&c);
			}
			usage_done(&host);
		}
		usage_done(&guest);
	}
	if (err)
		assert_true(f.text[0]);
	*ret_err = err;
	return w;
}

/* Returns how many allocations there were. */
static long torture(const struct pair *p)
{
	int err, expected_err;
	double expected = run(p, &expected_err);

	for (long n = 1;; n++) {
		double w;

		until_failure = n;
		w = run(p, &err);
		if (until_failure) {
			until_failure = 0;
			return n; /* it was done before */
		}
		if (err != -ENOMEM && (err != expected_err || (!err && w != expected)))
			fail_msg("allocation %ld: %d and %f, expected %d and %f", n, err, w,
				 expected_err, expected);
	}
}

static void test_every_allocation(void **state)
{
	static struct pair p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
		p.guest_size = put_rows(p.guest, sizeof(p.guest), guests[i].head, guests[i].row);
		p.host_size = put_rows(p.host, sizeof(p.host), hosts[i].head, hosts[i].row);
		assert_true(p.guest_size < sizeof(p.guest));
		assert_true(p.host_size < sizeof(p.host));
		assert_true(torture(&p) > 15);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
