/* SPDX-License-Identifier: MIT */
/*
 * Files as esxtop -b writes them, of the frames of host_frames.h: worked out by hand, read by twenty
 * lines here that know nothing of the writer, and by `desched data`'s importer.
 */
#include "data/data.h"
#include "screen/esxtop.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "host_frames.h"

/* ---- a reader of its own ---- */

#define FIELDS_MAX 256

struct table {
	char *text;
	char *fields[8][FIELDS_MAX];
	size_t n[8], lines;
};

/* All fields are in quotes; two quotes in one are one. */
static void read_table(char *text, struct table *t)
{
	char *from = text, *to = text;

	*t = (struct table){.text = text};
	while (*from) {
		assert_int_equal(*from++, '"');
		assert_true(t->lines < 8 && t->n[t->lines] < FIELDS_MAX);
		t->fields[t->lines][t->n[t->lines]++] = to;
		while (*from != '"' || *++from == '"')
			*to++ = *from++;
		*to++ = '\0';
		assert_true(*from == ',' || *from == '\n');
		t->lines += *from++ == '\n';
	}
}

static size_t place_of(const struct table *t, const char *column)
{
	size_t found = 0;

	for (size_t i = 1; i < t->n[0]; i++) {
		if (strcmp(t->fields[0][i], column) != 0)
			continue;
		assert_int_equal(found, 0);
		found = i;
	}
	if (!found)
		fail_msg("no column %s", column);
	return found;
}

static void assert_field(const struct table *t, size_t line, const char *column, const char *value)
{
	const char *got = t->fields[line][place_of(t, column)];

	if (strcmp(got, value) != 0)
		fail_msg("line %zu: %s is %s, not %s", line, column, got, value);
}

/* ---- writing ---- */

/* Of one second: CPU 0 was busy for 0.75 of it; CPU 1 for 0.4, and the hypervisor took 0.1. */
static const struct proc_cpu cpus_before[] = {{.busy_ns = 7}, {.idle_ns = 9}};
static const struct proc_cpu cpus_after[] = {
	{.busy_ns = 750000007, .idle_ns = 250000000},
	{.busy_ns = 400000000, .idle_ns = 500000009, .steal_ns = 100000000},
};
static const struct esxtop_cpus cpus = {cpus_before, cpus_after, 2};

static int begin(void **state)
{
	(void)state;
	begin_frames();
	return 0;
}

static int end(void **state)
{
	(void)state;
	end_frames();
	return 0;
}

/* Two rows: the frames' interval, and one more of two seconds without any VM but a new one. */
static char *write_two(struct esxtop *e)
{
	struct host_frame third = {.time = second.time + 2500 * NS_PER_MS,
				   .elapsed = second.elapsed + 2 * NS_PER_SEC,
				   .vms = calloc(1, sizeof(*third.vms))};
	struct host_frame_vm *late = host_frame_add(&third, 1);
	char *text = NULL;
	size_t size = 0, n;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(late);
	late->pid = 900;
	snprintf(late->name, sizeof(late->name), "late");
	assert_int_equal(esxtop_write(e, &first, &second, &cpus, to), 0);
	assert_null(esxtop_left_out(e, &n));
	assert_int_equal(esxtop_write(e, &second, &third, &cpus, to), 0);
	assert_string_equal(esxtop_left_out(e, &n), "late");
	assert_int_equal(n, 1);
	fclose(to);
	host_frame_done(&third);
	return text;
}

#define GROUP "\\\\esx\\Group Cpu(100:web1)\\"
#define VCPU1 "\\\\esx\\Vcpu(100:web1:102:vmx-vcpu-1:web1)\\"

/* web1 as a whole, in percent of a second: run 85, overhead 4, ready 35, co-stop 5, idle 70, wait 5.
 * Its vCPU 1: run 25, ready, co-stop and wait 5, idle 60. old was limited for 5 of its 25. */
static void figures_are_those_of_the_frames(void **state)
{
	static const struct {
		const char *column, *value;
	} expected[] = {
		{"\\\\esx\\Physical Cpu(0)\\% Processor Time", "75.00"},
		{"\\\\esx\\Physical Cpu(0)\\% Util Time", "75.00"},
		{"\\\\esx\\Physical Cpu(1)\\% Util Time", "40.00"},
		{"\\\\esx\\Physical Cpu(_Total)\\% Processor Time", "57.50"},
		{"\\\\esx\\Physical Cpu(_Total)\\% Util Time", "57.50"},
		{GROUP "Members", "2"},
		{GROUP "% Used", "89.00"},
		{GROUP "% Run", "85.00"},
		{GROUP "% System", "4.00"},
		{GROUP "% Wait", "75.00"},
		{GROUP "% VmWait", "5.00"},
		{GROUP "% Ready", "35.00"},
		{GROUP "% Idle", "70.00"},
		{GROUP "% Overlap", "0.00"},
		{GROUP "% CoStop", "5.00"},
		{GROUP "% Max Limited", "0.00"},
		{GROUP "% Swap Wait", "0.00"},
		{VCPU1 "% Used", "25.00"},
		{VCPU1 "% Run", "25.00"},
		{VCPU1 "% Ready", "5.00"},
		{VCPU1 "% Wait", "65.00"},
		{VCPU1 "% VmWait", "5.00"},
		{"\\\\esx\\Group Cpu(400:old)\\% Ready", "5.00"},
		{"\\\\esx\\Group Cpu(400:old)\\% Max Limited", "5.00"},
		{"\\\\esx\\Group Memory(100:web1)\\Memory Consumed Size MBytes", "300.00"},
	};
	struct esxtop *e = esxtop_new("esx");
	struct table t;

	(void)state;
	read_table(write_two(e), &t);
	assert_int_equal(t.lines, 3);
	assert_string_equal(t.fields[0][0], "(PDH-CSV 4.0) (UTC)(0)");
	assert_string_equal(t.fields[1][0], "11/20/2026 12:00:11");
	assert_string_equal(t.fields[2][0], "11/20/2026 12:00:13");
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_field(&t, 1, expected[i].column, expected[i].value);
	free(t.text);
	esxtop_free(e);
}

/* 6 columns of CPUs, 13 of each of 5 VMs, 11 of each of 6 vCPUs, in every line. Those that have gone
 * have zeros; who came isn't there. */
static void columns_stay_what_they_were(void **state)
{
	struct esxtop *e = esxtop_new("esx");
	struct table t;

	(void)state;
	read_table(write_two(e), &t);
	for (size_t line = 0; line < 3; line++)
		assert_int_equal(t.n[line], 1 + 6 + 5 * 13 + 6 * 11);
	assert_field(&t, 2, GROUP "% Used", "0.00");
	assert_field(&t, 2, GROUP "Members", "0");
	assert_field(&t, 2, VCPU1 "% Idle", "0.00");
	assert_field(&t, 2, "\\\\esx\\Physical Cpu(0)\\% Util Time", "75.00");
	for (size_t i = 0; i < t.n[0]; i++)
		assert_null(strstr(t.fields[0][i], "late"));
	free(t.text);
	esxtop_free(e);
}

/* Frames of another deschedd, which begins to measure the machines that are there: web1, db, HOSTILE. */
static struct host_frame measured_anew(uint64_t s, uint64_t run_ms)
{
	struct host_frame f;

	make_frame(second_vms, 3, s * NS_PER_SEC, &f);
	f.session = 2;
	f.time = second.time + (5 + s) * NS_PER_SEC;
	for (size_t i = 0; i < f.n_vms; i++)
		f.vms[i].since += 1000;
	f.vms[0].vcpus[0].ns[LEDGER_RUN] = run_ms * NS_PER_MS;
	return f;
}

/* The machines keep their columns when deschedd is started again, and what passed in between is not
 * known: no figure, rather than zero. web1 had its CPU 0.3 of the second after that, and 0 of overhead. */
static void another_session_has_the_same_machines(void **state)
{
	struct host_frame third = measured_anew(1, 0), fourth = measured_anew(2, 300);
	struct host_frame fifth = measured_anew(3, 300), sixth = measured_anew(1, 0);
	struct esxtop *e = esxtop_new("esx");
	char *text = NULL;
	size_t size = 0, n;
	FILE *to = open_memstream(&text, &size);
	struct table t;

	(void)state;
	assert_non_null(to);
	assert_int_equal(esxtop_write(e, &first, &second, &cpus, to), 0);
	assert_int_equal(esxtop_write(e, &second, &third, &cpus, to), 0);
	assert_null(esxtop_left_out(e, &n));
	assert_int_equal(esxtop_write(e, &third, &fourth, &cpus, to), 0);
	assert_null(esxtop_left_out(e, &n));
	assert_int_equal(n, 0);
	/* One that came late is late once. */
	fifth.vms[0].pid = 900;
	assert_int_equal(esxtop_write(e, &fourth, &fifth, &cpus, to), 0);
	assert_string_equal(esxtop_left_out(e, &n), "web1");
	sixth.vms[0].pid = 900;
	sixth.session = 3;
	for (size_t i = 0; i < sixth.n_vms; i++)
		sixth.vms[i].since += 1000;
	assert_int_equal(esxtop_write(e, &fifth, &sixth, &cpus, to), 0);
	assert_null(esxtop_left_out(e, &n));
	assert_int_equal(n, 1);
	fclose(to);
	read_table(text, &t);
	for (size_t line = 0; line < 4; line++)
		assert_int_equal(t.n[line], t.n[0]);
	assert_field(&t, 2, "\\\\esx\\Physical Cpu(0)\\% Util Time", "75.00");
	assert_field(&t, 2, GROUP "% Used", "");
	assert_field(&t, 2, GROUP "Members", "");
	assert_field(&t, 3, GROUP "Members", "2");
	assert_field(&t, 3, GROUP "% Used", "30.00");
	assert_field(&t, 3, "\\\\esx\\Group Cpu(400:old)\\Members", "0");
	free(t.text);
	esxtop_free(e);
	host_frame_done(&third);
	host_frame_done(&fourth);
	host_frame_done(&fifth);
	host_frame_done(&sixth);
}

static void names_are_quoted_and_harmless(void **state)
{
	struct esxtop *e = esxtop_new("a\"b");
	struct table t;

	(void)state;
	snprintf(second.vms[0].name, sizeof(second.vms[0].name), "we\"b, (\\a): \xc3\xa9\n\x1b");
	read_table(write_two(e), &t);
	assert_field(&t, 1,
		     "\\\\a\"b\\Vcpu(100:we\"b, (\\a): \xc3\xa9??:102:vmx-vcpu-1:we\"b, (\\a): "
		     "\xc3\xa9?\?)\\% Run",
		     "25.00");
	free(t.text);
	esxtop_free(e);
}

/* ---- what our importer makes of it ---- */

struct imported {
	struct data_entity entities[64];
	char names[64][2][64];
	double values[64][DATA_QUANTITIES];
	uint32_t n;
};

static int take_entity(void *of, uint32_t number, const struct data_entity *e)
{
	struct imported *i = of;

	assert_int_equal(number, i->n);
	assert_true(i->n < 64);
	snprintf(i->names[number][0], sizeof(i->names[0][0]), "%s", e->name);
	snprintf(i->names[number][1], sizeof(i->names[0][1]), "%s", e->id);
	i->entities[i->n++] = *e;
	return 1;
}

static int take_sample(void *of, const struct data_sample *s)
{
	struct imported *i = of;

	i->values[s->entity][s->quantity] = s->value;
	return 0;
}

static uint32_t entity_of(const struct imported *i, enum data_kind kind, const char *name,
			  const char *id)
{
	for (uint32_t n = 0; n < i->n; n++)
		if (i->entities[n].kind == kind && !strcmp(i->names[n][0], name) &&
		    !strcmp(i->names[n][1], id))
			return n;
	fail_msg("no entity %s %s", name, id);
	return 0;
}

static void assert_value(const struct imported *i, uint32_t entity, enum data_quantity q,
			 double expected)
{
	if (fabs(i->values[entity][q] - expected) > 1e-9)
		fail_msg("%s is %g, not %g", data_quantities[q].name, i->values[entity][q],
			 expected);
}

/* An interval is known by the row before: the first one is written three seconds earlier, so that of
 * each percent of the second one there are 30 ms. */
static void the_importer_reads_the_same(void **state)
{
	char path[] = "/tmp/test-esxtop.XXXXXX";
	struct imported in = {.n = 0};
	const struct data_sink sink = {&in, DATA_ALL, take_entity, take_sample, NULL};
	const struct data_options options = {.side = DATA_HOST};
	struct esxtop *e = esxtop_new("esx");
	FILE *to = fdopen(mkstemp(path), "w");
	struct failure f = {""};
	struct data_file file;
	uint64_t time = second.time;
	uint32_t web1;

	(void)state;
	assert_non_null(to);
	second.time -= 3 * NS_PER_SEC;
	assert_int_equal(esxtop_write(e, &first, &second, &cpus, to), 0);
	second.time = time;
	assert_int_equal(esxtop_write(e, &first, &second, &cpus, to), 0);
	fclose(to);
	if (data_read(path, &options, &sink, &f, &file))
		fail_msg("%s", f.text);
	unlink(path);
	assert_string_equal(file.format, "esxtop -b");
	assert_int_equal(file.zone, ZONE_HEAD);
	web1 = entity_of(&in, DATA_KIND_VM, "web1", "100");
	assert_value(&in, web1, DATA_CPU, 0.85 * 3);
	assert_value(&in, web1, DATA_READY, 0.35 * 3);
	assert_value(&in, web1, DATA_COSTOP, 0.05 * 3);
	assert_value(&in, web1, DATA_MEMORY_USED, 300.0 * MIB);
	assert_value(&in, entity_of(&in, DATA_KIND_VCPU, "1", ""), DATA_CPU, 0.25 * 3);
	assert_value(&in, entity_of(&in, DATA_KIND_MACHINE, "esx", ""), DATA_CPU, 1.15 * 3);
	esxtop_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(figures_are_those_of_the_frames, begin, end),
		cmocka_unit_test_setup_teardown(columns_stay_what_they_were, begin, end),
		cmocka_unit_test_setup_teardown(another_session_has_the_same_machines, begin, end),
		cmocka_unit_test_setup_teardown(names_are_quoted_and_harmless, begin, end),
		cmocka_unit_test_setup_teardown(the_importer_reads_the_same, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
