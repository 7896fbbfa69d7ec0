/* SPDX-License-Identifier: MIT */
/*
 * desched data as a program (its path is the first argument; the second is its man page): the table,
 * CSV and JSON of a small file, dates that stand above the rows, what it refuses.
 * test_data_guests.c and test_data_hosts.c have what is read.
 */
#include "data/data.h"

#include "command_folder.h"

#include <jansson.h>
#include <string.h>

static const char *page;

static int data(const char *arguments)
{
	return run_command("data", arguments);
}

#define SAR(date)                                                                                  \
	"Linux 6.1.0 (web1) \t" date " \t_x86_64_\t(2 CPU)\n\n"                                    \
	"23:59:50        CPU     %user     %nice   %system   %iowait    %steal     %idle\n"        \
	"23:59:55        all     20.00      0.00      5.00      0.00     25.00     50.00\n"        \
	"00:00:00        all     40.00      0.00      5.00      0.00      5.00     50.00\n"

/* A table whose rows begin with small numbers, and one with the usual names. */
#define COUNTS(date, first, second)                                                                \
	"Linux 6.1.0 (web1) \t" date " \t_x86_64_\t(2 CPU)\n\n" first                              \
	"       INTR    intr/s\n" second "          6      1.40\n" second                          \
	"         16      2.00\n\n" first                                                          \
	"        CPU     %user     %nice   %system   %iowait    %steal     %idle\n" second         \
	"        all     20.00      0.00      5.00      0.00     25.00     50.00\n"

static void put_long(void)
{
	static char text[20000];
	size_t used = (size_t)snprintf(text, sizeof(text), "time,process,%%cpu\n");

	for (int i = 0; i < 1000; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%d,a,1\n", i);
	put("long", text);
}

static void put_wide(const char *name, size_t columns)
{
	static const char *const rows[] = {"time,process,%cpu", "1,a,1", "2,a,1"};
	char *text = malloc(3 * (2 * columns + 32)), *at = text;

	assert_non_null(text);
	for (size_t r = 0; r < 3; r++) {
		at += sprintf(at, "%s", rows[r]);
		for (size_t i = 0; i < columns; i++, at += 2)
			memcpy(at, r ? ",1" : ",x", 2);
		*at++ = '\n';
	}
	*at = '\0';
	put(name, text);
	free(text);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	put("host", "time,domain,uuid,vcpu.0.time,vcpu.0.delay\n"
		    "1700000000,\"a\"\"b\033[2J\",u1,0,0\n1700000000,db,u2,0,0\n"
		    "1700000010,\"a\"\"b\033[2J\",u1,4000000000,1000000000\n"
		    "1700000010,db,u2,2000000000,x\n");
	put("twins", "time,domain,uuid,vcpu.0.time\n1700000000,web,u1,0\n1700000000,web,u2,0\n"
		     "1700000010,web,u1,4000000000\n1700000010,web,u2,2000000000\n");
	put_long();
	put_wide("wide", 70000);
	put("wild", "time,domain,uuid,vcpu.0.time\n1700000000,web,u1,0\n"
		    "1700000010,web,u1,12000000000\n1700000020,web,u1,62000000000\n");
	put("nothing", " \n\n");
	put("clear", SAR("2026-01-05"));
	put("month", SAR("01/25/26"));
	put("day", SAR("25/01/2026"));
	put("unclear", SAR("05/01/2026"));
	put("short", SAR("05/01/26"));
	put("two", SAR("05/01/2026") "\n" SAR("05/02/2026"));
	put("days", SAR("30/01/2026") "\n" SAR("05/02/2026"));
	put("counts", COUNTS("2026-01-05", "17:00:59", "17:01:09"));
	put("korean", COUNTS("2026년 01월 05일", "17시 00분 59초", "17시 01분 09초"));
	put("slovene", COUNTS("05. 01. 2026", "17:00:59", "17:01:09"));
	put("sadf.json", "{\"sysstat\": {\n\t\"hosts\": []\n}}\n");
	put("other", "hello\n");
	put("empty", "time,process,%cpu\n");
	return 0;
}

static void test_table(void **state)
{
	(void)state;
	assert_int_equal(data("host"), 0);
	says("host: domstats, 4 samples, from 2023-11-14 22:13:20 to 2023-11-14 22:13:30 UTC");
	says("vm: 2, vcpu: 1");
	says("1 where a number was expected (the first: 'x')");
	/* 4 s in 10 s. */
	says("vm        cpu                     1    10.0 s      0.400 CPUs       a\"b?[2J (u1), 1 "
	     "CPU\n");
	assert_null(strstr(output, "a\"b?[2J (u1) / 0"));
	assert_int_equal(data("-a host"), 0);
	says("vcpu      ready                   1    10.0 s      0.100 CPUs       a\"b?[2J (u1) / "
	     "0\n");
}

static void test_csv(void **state)
{
	(void)state;
	assert_int_equal(data("--csv host"), 0);
	assert_string_equal(
		output, "kind,owner,owner_id,name,id,quantity,unit,run,from,to,value\n"
			"vm,\"\",\"\",\"a\"\"b?[2J\",\"u1\",cpu,s,0,1700000000,1700000010,4\n"
			"vm,\"\",\"\",\"a\"\"b?[2J\",\"u1\",ready,s,0,1700000000,1700000010,1\n"
			"vcpu,\"a\"\"b?[2J\",\"u1\",\"0\",\"\",cpu,s,0,1700000000,1700000010,4\n"
			"vcpu,\"a\"\"b?[2J\",\"u1\",\"0\",\"\",ready,s,0,1700000000,"
			"1700000010,1\n");
}

/* The vCPUs of two VMs of one name. */
static void test_same_name(void **state)
{
	(void)state;
	assert_int_equal(data("--csv twins"), 0);
	says("\nvcpu,\"web\",\"u1\",\"0\",\"\",cpu,s,0,1700000000,1700000010,4\n");
	says("\nvcpu,\"web\",\"u2\",\"0\",\"\",cpu,s,0,1700000000,1700000010,2\n");
	assert_int_equal(data("-a twins"), 0);
	says("0.400 CPUs       web (u1) / 0\n");
	says("0.200 CPUs       web (u2) / 0\n");
}

/* The objects of the output by their kind: how many, and the last one. */
static json_t *objects(const char *kind, size_t *ret_n)
{
	json_t *last = NULL;

	*ret_n = 0;
	for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *o = json_loads(line, 0, NULL);

		assert_non_null(o);
		if (strcmp(json_string_value(json_object_get(o, "kind")), kind) != 0) {
			json_decref(o);
			continue;
		}
		json_decref(last);
		last = o;
		(*ret_n)++;
	}
	assert_non_null(last);
	return last;
}

static void test_json(void **state)
{
	json_t *o;
	size_t n;

	(void)state;
	assert_int_equal(data("--json host"), 0);
	o = objects("file", &n);
	assert_int_equal(n, 1);
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "desched-data/1");
	assert_int_equal(json_integer_value(json_object_get(o, "samples")), 4);
	assert_int_equal(json_integer_value(json_object_get(o, "skipped")), 1);
	json_decref(o);
	assert_int_equal(data("--json host"), 0);
	o = objects("sample", &n);
	assert_int_equal(n, 4);
	assert_string_equal(json_string_value(json_object_get(o, "quantity")), "ready");
	assert_true(json_number_value(json_object_get(o, "value")) == 1);
	json_decref(o);
	assert_int_equal(data("--json host"), 0);
	o = objects("entity", &n);
	assert_int_equal(n, 3);
	json_decref(o);
}

/* Dates of banners: 25 can't be a month, and from one banner to the next no month passes. */
static void test_banners(void **state)
{
	static const struct {
		const char *arguments, *says;
	} rows[] = {
		{"clear", "from 2026-01-05 23:59:50 to 2026-01-06 00:00:00, in a zone"},
		{"month", "from 2026-01-25 23:59:50 to 2026-01-26 00:00:00"},
		{"day", "from 2026-01-25 23:59:50 to 2026-01-26 00:00:00"},
		{"days", "from 2026-01-30 23:59:50 to 2026-02-06 00:00:00"},
		{"two", "from 2026-05-01 23:59:50 to 2026-05-03 00:00:00"},
		{"unclear", "from 86390 s to 86400 s, without dates\n"},
		{"unclear", "the date '05/01/2026' above its times may be of two days and isn't "
			    "used; --dates dmy or --dates mdy says which"},
		{"short", "the date '05/01/26' above"},
		{"--dates dmy unclear", "from 2026-01-05 23:59:50 to 2026-01-06 00:00:00"},
		{"--dates mdy unclear", "from 2026-05-01 23:59:50 to 2026-05-02 00:00:00"},
		{"counts", "from 2026-01-05 17:00:59 to 2026-01-05 17:01:09, in a zone"},
		{"korean", "from 2026-01-05 17:00:59 to 2026-01-05 17:01:09, in a zone"},
		{"slovene", "from 2026-01-05 17:00:59 to 2026-01-05 17:01:09, in a zone"},
		{"--zone +02:00 clear", "from 2026-01-05 21:59:50 to 2026-01-05 22:00:00 UTC"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(data(rows[i].arguments), 0);
		says(rows[i].says);
	}
	/* 25 % and 45 % of two CPUs; --cpus says otherwise. */
	assert_int_equal(data("clear"), 0);
	says("0.700 CPUs");
	assert_int_equal(data("--cpus 4 clear"), 0);
	says("1.400 CPUs");
}

/* No vCPU runs for 50 s in 10, nor a VM of one; what is near the truth stays. */
static void test_too_much(void **state)
{
	(void)state;
	assert_int_equal(data("--csv wild"), 0);
	says("\nvcpu,\"web\",\"u1\",\"0\",\"\",cpu,s,0,1700000000,1700000010,12\n");
	says("\nvcpu,\"web\",\"u1\",\"0\",\"\",cpu,s,0,1700000010,1700000020,\n");
	says("\nvm,\"\",\"\",\"web\",\"u1\",cpu,s,0,1700000010,1700000020,\n");
	assert_int_equal(data("wild"), 0);
	says("2 with more than all CPUs can give");
	says("1.200 CPUs");
}

/* As many columns as esxtop writes of a large host. */
static void test_columns(void **state)
{
	(void)state;
	assert_int_equal(data("wide"), 0);
	says("machine: 1, process: 1");
	says("--all lists 1 part, too\n");
}

static void test_refusals(void **state)
{
	(void)state;
	assert_int_equal(data("other"), 1);
	says("desched data: other: no format that is known here; expected one of: a file of "
	     "'desched record', sadf -d, sar -u, esxtop -b, perfmon CSV or TSV, pidstat, CSV with "
	     "columns time,process,%cpu, JSON of 'desched ledger --json', CSV with columns as in "
	     "virsh domstats, what virsh domstats prints\n");
	assert_int_equal(data("sadf.json"), 1);
	says("it is JSON of sadf; 'sadf -d FILE -- -u' is read");
	assert_int_equal(data("nothing"), 1);
	says("nothing: there is nothing in it\n");
	assert_int_equal(data("empty"), 1);
	says("no two times with figures");
	assert_int_equal(data("none"), 1);
	assert_int_equal(data("--csv --json host"), 2);
	assert_int_equal(data("--zone here host"), 2);
	assert_int_equal(data("host >/dev/full"), 1);
	assert_int_equal(data("--csv host >/dev/full"), 1);
	assert_int_equal(data("--json host >/dev/full"), 1);
	/* More than standard output holds back: once, and not as a fault of the file. */
	for (int i = 0; i < 2; i++) {
		data(i ? "--csv long 2>err >/dev/full; cat err"
		       : "--json long 2>err >/dev/full; cat err");
		assert_string_equal(output,
				    "desched data: standard output: No space left on device\n");
	}
}

/* The man page has the rows of the quantities. */
static void test_page(void **state)
{
	static char text[1 << 16];
	FILE *f = fopen(page, "r");
	size_t rows = 0;

	(void)state;
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (int i = 0; i < DATA_QUANTITIES; i++) {
		const struct data_quantity_row *q = &data_quantities[i];
		char line[200];

		snprintf(line, sizeof(line), ".It %s Ta %s Ta %s Ta %s\n", q->name, q->unit,
			 q->level ? "level" : "amount", q->what);
		if (!strstr(text, line))
			fail_msg("%s does not have: %s", page, line);
	}
	for (const char *p = text; (p = strstr(p, " Ta level Ta ")); p++)
		rows++;
	for (const char *p = text; (p = strstr(p, " Ta amount Ta ")); p++)
		rows++;
	assert_int_equal(rows, DATA_QUANTITIES);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	  cmocka_unit_test(test_csv),
		cmocka_unit_test(test_same_name), cmocka_unit_test(test_json),
		cmocka_unit_test(test_banners),	  cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_columns),	  cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_page),
	};

	if (argc < 3)
		return 2;
	desched = argv[1];
	page = argv[2];
	return cmocka_run_group_tests(tests, setup, teardown);
}
