/* SPDX-License-Identifier: MIT */
/*
 * src/enforce without anything that is enforced: what may be set, by whom it was, what follows from
 * it for VMs whose figures are made up, and what is refused. The expected entitlements are computed
 * by hand.
 */
#include "enforce/enforce.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "enforce/rules.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define VMS 4

/* ---- a configuration ---- */

struct conf {
	struct enforce_settings enforce;
};

static int check(const void *s, struct failure *f)
{
	return enforce_check(&((const struct conf *)s)->enforce, f);
}

static const struct row_section sections[] = {
	{"enforce", enforce_rows, ENFORCE_KEYS, offsetof(struct conf, enforce), true},
};
static const struct settings_many many[] = {ENFORCE_MANY(struct conf, enforce)};
static const struct settings_table table = {
	sections, ARRAY_SIZE(sections), sizeof(struct conf), "deschedd(8)", many, ARRAY_SIZE(many),
	check};

static struct conf conf;

static int parse(const char *text, struct failure *f)
{
	int err;

	settings_default(&table, &conf);
	err = settings_parse(&table, "conf", text, strlen(text), f, &conf);
	return err ? err : check(&conf, f);
}

static void configure(const char *text)
{
	struct failure f = {""};

	if (parse(text, &f))
		fail_msg("%s", f.text);
}

static void refused(const char *text, const char *why)
{
	struct failure f = {""};

	assert_true(parse(text, &f) < 0);
	if (!strstr(f.text, why))
		fail_msg("'%s' was expected, is: %s", why, f.text);
}

static void sections_of_vms_and_groups(void **state)
{
	_cleanup_(free_ptr) char *text = NULL;
	struct conf first;
	size_t size;
	FILE *to;

	(void)state;
	configure("[group pool]\nlimit = 1.5\n[group inner]\nparent = pool\nshares = 500\n"
		  "[vm web*]\nshares = high\ngroup = inner\n[vm db]\nreservation = 0.5\nlimit = 2\n"
		  "burst_credit = 5ms\n[enforce]\nlimit_period = 20ms\n");
	assert_int_equal(conf.enforce.n_groups, 2);
	assert_int_equal(conf.enforce.n_vms, 2);
	assert_true(conf.enforce.groups[0].limit == 1.5 && conf.enforce.groups[1].shares == 500);
	assert_true(conf.enforce.vms[0].shares == -2000); /* of each vCPU */
	assert_string_equal(conf.enforce.vms[0].group, "inner");
	assert_true(conf.enforce.vms[1].named.given ==
		    (1u << VM_KEY_RESERVATION | 1u << VM_KEY_LIMIT | 1u << VM_KEY_BURST_CREDIT));
	assert_true(conf.enforce.vms[1].burst_credit == 5 * NS_PER_MS);
	assert_true(conf.enforce.limit_period == 20 * NS_PER_MS);
	/* what it prints is what it reads */
	first = conf;
	to = open_memstream(&text, &size);
	settings_print(&table, &conf, to);
	fclose(to);
	configure(text);
	assert_memory_equal(&conf, &first, sizeof(conf));
}

static void bad_configurations(void **state)
{
	char text[8192] = "";

	(void)state;
	refused("[vm a]\nlimit = 0.5\nreservation = 0.6\n", "below the reservation");
	refused("[group a]\nlimit = 0.5\nreservation = 0.6\n", "below the reservation");
	refused("[vm a]\ngroup = b\n", "no [group b]");
	refused("[group a]\nparent = b\n[group b]\n", "no group 'b' stands before it");
	refused("[group a]\nparent = a\n", "no group 'a' stands before it");
	refused("[vm a]\nshares = 0\n", "conf:2: shares: '0' given, expected low, normal, high");
	refused("[vm a]\nlimit = -1\n", "expected CPUs from 0.001 to 1000000, or none");
	refused("[vm a]\nlimit = 1\nlimit = 2\n", "conf:3: limit is given twice");
	refused("[vm a]\n[vm a]\n", "conf:2: [vm a] is there twice");
	refused("[vm ]\n", "without a name");
	refused("[vms a]\n", "there is no section");
	refused("[vm a]\ncolour = red\n", "there is no 'colour'; expected shares");
	refused("[vm a]\ncosched = maybe\n", "expected none, strict, relaxed or balance");
	refused("[enforce]\nenforcer = magic\n", "expected none");
	for (int i = 0; i <= ENFORCE_GROUPS_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "[group g%d]\n", i);
	refused(text, "more than 32 sections");
}

/* ---- VMs ---- */

static struct host_vcpu threads[2] = {{11, 0}, {12, 1}};
static struct measured_vcpu vcpus[VMS][2];
static struct measured machines[VMS];
static struct measured *list[VMS];
static struct measurement m;
static struct enforce *e;
static char said[256];

static void say(const char *line, void *data)
{
	(void)data;
	snprintf(said, sizeof(said), "%s", line);
}

/* VMs vm0, vm1, ... with so many vCPUs each, on two CPUs. */
static void begin(const char *text, size_t n, uint32_t n_vcpus)
{
	const struct enforce_setup setup = {&conf.enforce, 2, say, NULL};
	struct failure f = {""};

	configure(text);
	memset(vcpus, 0, sizeof(vcpus));
	memset(machines, 0, sizeof(machines));
	m = (struct measurement){.vms = list, .n = n};
	m.at[MEASURE_FIRST] = m.at[MEASURE_NOW] = 100 * NS_PER_SEC;
	for (size_t i = 0; i < n; i++) {
		list[i] = &machines[i];
		machines[i] = (struct measured){.id = (int)i, .since = 100 * NS_PER_SEC};
		machines[i].vcpus = vcpus[i];
		machines[i].vm = (struct host_vm){
			.pid = (pid_t)(40 + i), .n_vcpus = n_vcpus, .vcpus = threads};
		snprintf(machines[i].vm.name, sizeof(machines[i].vm.name), "vm%zu", i);
		snprintf(machines[i].vm.uuid, sizeof(machines[i].vm.uuid), "c0ffee-%zu", i);
	}
	assert_int_equal(enforce_open(&setup, &f, &e), 0);
}

/* A second in which each vCPU of VM i wanted wants[i] of a CPU, and had half of that. */
static void second(const double wants[])
{
	m.at[MEASURE_NOW] += NS_PER_SEC;
	for (size_t i = 0; i < m.n; i++)
		for (uint32_t v = 0; v < machines[i].vm.n_vcpus; v++) {
			uint64_t half = (uint64_t)(wants[i] * 0.5e9);

			vcpus[i][v].ledger[MEASURE_NOW].ns[LEDGER_RUN] += half;
			vcpus[i][v].ledger[MEASURE_NOW].ns[LEDGER_READY] += half;
		}
	assert_int_equal(enforce_step(e, &m), 0);
}

static void assert_entitled(size_t vm, double cpus)
{
	double is = enforce_entitled(e, machines[vm].vm.pid, machines[vm].since);

	if (fabs(is - cpus) > 1e-6)
		fail_msg("vm%zu is entitled to %f CPUs, expected %f", vm, is, cpus);
}

static json_t *ask(json_t *(*answer)(struct enforce *, const json_t *), const char *request)
{
	json_t *o = json_loads(request, 0, NULL), *a = answer(e, o);

	assert_non_null(o);
	assert_non_null(a);
	json_decref(o);
	return a;
}

/* "" where it is no error. */
static void expect(json_t *(*answer)(struct enforce *, const json_t *), const char *request,
		   const char *error)
{
	json_t *a = ask(answer, request);
	const char *is = json_string_value(json_object_get(a, "error"));

	if (error[0] ? !is || !strstr(is, error) : is != NULL)
		fail_msg("%s: expected '%s', is '%s'", request, error, is ? is : "(no error)");
	json_decref(a);
}

static const double busy[VMS] = {1, 1, 1, 1};

/* 4 parts of 7 of two CPUs would be more than a vCPU can use: it has one, and 1 : 2 of the rest. */
static void shares(void **state)
{
	(void)state;
	begin("[vm vm0]\nshares = 1000\n[vm vm1]\nshares = 2000\n[vm vm2]\nshares = 4000\n", 3, 1);
	second(busy);
	assert_entitled(0, 1 / 3.0);
	assert_entitled(1, 2 / 3.0);
	assert_entitled(2, 1);
	e = enforce_close(e);
}

/* Two of two vCPUs and nothing set: equal. Per vCPU a VM of high shares has two thirds of the host;
 * a limit leaves the rest to the other. */
static void settings_at_run_time(void **state)
{
	(void)state;
	begin("", 2, 2);
	second(busy);
	assert_entitled(0, 1);
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{\"shares\":\"high\"}}", "");
	assert_entitled(0, 4 / 3.0);
	expect(enforce_set, "{\"vm\":\"c0ffee-0\",\"settings\":{\"limit\":\"0.5\"}}", "");
	assert_entitled(0, 0.5);
	assert_entitled(1, 1.5);
	/* other VMs' settings are not its own; a pattern given later goes before */
	expect(enforce_set, "{\"vm\":\"vm*\",\"settings\":{\"limit\":\"none\"}}", "");
	assert_entitled(0, 4 / 3.0);
	expect(enforce_unset, "{\"vm\":\"vm*\"}", "");
	assert_entitled(0, 0.5);
	expect(enforce_unset, "{\"vm\":\"c0ffee-0\",\"keys\":[\"limit\"]}", "");
	assert_entitled(0, 4 / 3.0);
	expect(enforce_unset, "{\"vm\":\"vm0\"}", "");
	assert_entitled(0, 1);
	e = enforce_close(e);
}

/* 0.9 CPUs are kept for a VM that would have 0.5, as long as it wants them. */
static void a_reservation_is_lent(void **state)
{
	static const double idle[VMS] = {0.2, 1, 1, 1};

	(void)state;
	begin("[vm vm0]\nreservation = 0.9\n", 4, 1);
	second(busy);
	assert_entitled(0, 0.9);
	assert_entitled(1, 1.1 / 3);
	second(idle);
	assert_entitled(0, 0.2);
	assert_entitled(1, 0.6);
	e = enforce_close(e);
}

/* A group of two VMs has as much as one VM of its shares, and no more than its limit. */
static void groups(void **state)
{
	(void)state;
	begin("[group pool]\nshares = 1000\n[vm vm0]\ngroup = pool\n[vm vm1]\ngroup = pool\n", 3,
	      1);
	second(busy);
	assert_entitled(2, 1);
	assert_entitled(0, 0.5);
	configure("[group pool]\nlimit = 0.6\n[vm vm0]\ngroup = pool\nshares = 2000\n"
		  "[vm vm1]\ngroup = pool\nshares = 1000\n");
	enforce_changed(e);
	assert_entitled(0, 0.4);
	assert_entitled(1, 0.2);
	assert_entitled(2, 1);
	e = enforce_close(e);
}

/* What can't be kept is refused, and changes nothing. */
static void refusals(void **state)
{
	(void)state;
	begin("[group small]\nlimit = 1\n[vm vm1]\nlimit = 0.5\n", 3, 1);
	second(busy);
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{\"reservation\":\"2.5\"}}",
	       "2.5 CPUs would be reserved in all, and the host has 2");
	expect(enforce_set, "{\"vm\":\"vm*\",\"settings\":{\"reservation\":\"0.7\"}}",
	       "vm1: the limit (0.5) is below the reservation (0.7)");
	expect(enforce_set,
	       "{\"vm\":\"vm0\",\"settings\":{\"reservation\":\"1\",\"limit\":\"0.5\"}}",
	       "the limit (0.5) is below the reservation (1)");
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{\"group\":\"none\"}}",
	       "there is no group 'none'");
	expect(enforce_set,
	       "{\"vm\":\"vm0\",\"settings\":{\"group\":\"small\",\"reservation\":\"1.5\"}}",
	       "group small has 1");
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{\"shares\":\"many\"}}",
	       "shares: 'many' given, expected low, normal, high");
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{\"share\":\"1\"}}",
	       "there is no 'share'");
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{\"shares\":1}}", "a value is a string");
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{}}", "\"settings\" is an object");
	expect(enforce_set, "{\"vm\":7,\"settings\":{\"shares\":\"1\"}}", "which VM?");
	expect(enforce_set,
	       "{\"vm\":\"123456789012345678901234567890123456789012345678\","
	       "\"settings\":{\"shares\":\"1\"}}",
	       "at most 47 bytes");
	expect(enforce_unset, "{\"vm\":\"vm0\"}", "nothing of that is set for 'vm0'");
	expect(enforce_unset, "{\"vm\":\"vm0\",\"keys\":[\"speed\"]}", "there is no 'speed'");
	expect(enforce_unset, "{\"vm\":\"vm0\",\"keys\":[]}", "\"keys\" is a list");
	assert_entitled(0, 0.75);
	assert_entitled(1, 0.5);
	e = enforce_close(e);
}

static const json_t *at(const json_t *o, const char *path)
{
	char word[64];

	for (size_t len; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		snprintf(word, sizeof(word), "%.*s", (int)len, path);
		o = json_is_array(o) ? json_array_get(o, (size_t)atoi(word))
				     : json_object_get(o, word);
	}
	return o;
}

static void assert_text(const json_t *o, const char *path, const char *text)
{
	const char *is = json_string_value(at(o, path));

	if (!is || strcmp(is, text))
		fail_msg("%s is %s, expected %s", path, is ? is : "missing", text);
}

/* Each setting says by whom it was given; what isn't enforced is said. */
static void policy_says_why(void **state)
{
	json_t *o;

	(void)state;
	begin("[vm vm*]\nshares = 3000\nreservation = 0.25\n", 2, 1);
	expect(enforce_set, "{\"vm\":\"pid=40\",\"settings\":{\"shares\":\"500\"}}", "");
	second(busy);
	o = enforce_policy(e);
	assert_non_null(o);
	assert_text(o, "schema", "desched-policy/1");
	assert_text(o, "enforcer", "none");
	assert_text(o, "vms/0/name", "vm0");
	assert_text(o, "vms/0/settings/shares/value", "500");
	assert_text(o, "vms/0/settings/shares/from", "set");
	assert_text(o, "vms/0/settings/shares/word", "pid=40");
	assert_text(o, "vms/0/settings/reservation/value", "0.25");
	assert_text(o, "vms/0/settings/reservation/from", "file");
	assert_text(o, "vms/0/settings/reservation/word", "vm*");
	assert_text(o, "vms/0/settings/limit/value", "none");
	assert_text(o, "vms/0/settings/limit/from", "default");
	assert_text(o, "vms/1/settings/shares/value", "3000");
	assert_true(fabs(json_number_value(at(o, "vms/0/wanted_cpus")) - 1) < 1e-9);
	assert_true(fabs(json_number_value(at(o, "vms/0/used_cpus")) - 0.5) < 1e-9);
	assert_true(json_is_false(at(o, "vms/0/enforced")));
	json_decref(o);
	o = ask(enforce_set, "{\"vm\":\"later\",\"settings\":{\"cosched\":\"strict\"}}");
	assert_int_equal(json_array_size(at(o, "fits")), 0);
	assert_text(o, "notes/0", "no VM that is there now is called 'later'");
	assert_text(o, "notes/1", "nothing is enforced: enforcer = none");
	json_decref(o);
	e = enforce_close(e);
}

/* Reservations that came with their VMs: nobody is refused, each has a part, and it is said; and
 * what makes it no worse may still be set. */
static void too_much_is_reserved(void **state)
{
	json_t *o;

	(void)state;
	begin("[vm vm*]\nreservation = 0.8\n", 4, 1);
	second(busy);
	assert_entitled(0, 0.5);
	o = enforce_policy(e);
	assert_text(o, "notes/0",
		    "3.2 CPUs would be reserved in all, and the host has 2: each gets its part");
	json_decref(o);
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{\"shares\":\"high\"}}", "");
	expect(enforce_set, "{\"vm\":\"vm0\",\"settings\":{\"reservation\":\"0.9\"}}", "3.3 CPUs");
	expect(enforce_set, "{\"vm\":\"vm*\",\"settings\":{\"reservation\":\"0.5\"}}", "");
	e = enforce_close(e);
}

/* VMs come and go; what was set for a name is there when the name comes back. */
static void vms_come_and_go(void **state)
{
	(void)state;
	begin("", 2, 1);
	expect(enforce_set, "{\"vm\":\"vm1\",\"settings\":{\"limit\":\"0.25\"}}", "");
	m.n = 1;
	second(busy);
	assert_true(enforce_entitled(e, machines[1].vm.pid, machines[1].since) < 0);
	m.n = 2;
	machines[1].vm.pid = 99;
	machines[1].since = m.at[MEASURE_NOW];
	memset(vcpus[1], 0, sizeof(vcpus[1]));
	second(busy);
	assert_entitled(1, 0.25);
	assert_entitled(0, 1);
	e = enforce_close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_of_vms_and_groups),
		cmocka_unit_test(bad_configurations),
		cmocka_unit_test(shares),
		cmocka_unit_test(settings_at_run_time),
		cmocka_unit_test(a_reservation_is_lent),
		cmocka_unit_test(groups),
		cmocka_unit_test(refusals),
		cmocka_unit_test(policy_says_why),
		cmocka_unit_test(too_much_is_reserved),
		cmocka_unit_test(vms_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
