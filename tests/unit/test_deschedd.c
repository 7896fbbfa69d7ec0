/* SPDX-License-Identifier: MIT */
/*
 * src/deschedd: the configuration that is packaged, what is remembered of VMs, and metrics, with
 * figures made up by hand. Its privileges, sockets and VMs are system/test_deschedd.c's.
 */
#include "deschedd/host_keys.h"
#include "deschedd/host_metrics.h"
#include "deschedd/known.h"

#include "base/proc.h"
#include "base/units.h"
#include "service/history.h"
#include "service/prometheus.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOON (1700049600ull * NS_PER_SEC)

/* ---- the configuration ---- */

static void the_packaged_configuration_is_the_default(void **state)
{
	const struct settings_source source = {HOST_SAMPLE, false, NULL, 0};
	struct host_settings packaged, usual;
	struct failure f = {""};

	(void)state;
	settings_default(&deschedd_settings, &usual);
	if (settings_read(&deschedd_settings, &source, &f, &packaged))
		fail_msg("%s", f.text);
	assert_string_equal(packaged.service.user, "deschedd");
	assert_string_equal(packaged.service.group, "deschedd");
	strcpy(usual.service.user, "deschedd");
	strcpy(usual.service.group, "deschedd");
	assert_memory_equal(&packaged, &usual, sizeof(usual));
	assert_string_equal(usual.service.socket, "/run/deschedd.sock");
	assert_true(usual.gap_ns == NS_PER_SEC / 10 && usual.pages && usual.vcpus);
}

/* ---- VMs ---- */

/* A measurement of VMs of two vCPUs, without anything that measures. */
static struct host_vcpu threads[2] = {{11, 0}, {12, 3}};
static struct measured_vcpu vcpus[4][2];
static struct measured machines[4];
static struct measured *list[4];
static struct measurement m;

static void begin(size_t n)
{
	memset(vcpus, 0, sizeof(vcpus));
	memset(machines, 0, sizeof(machines));
	m = (struct measurement){.vms = list, .n = n};
	m.at[MEASURE_FIRST] = 100 * NS_PER_SEC;
	for (size_t i = 0; i < n; i++) {
		list[i] = &machines[i];
		machines[i] = (struct measured){.id = (int)i, .since = 100 * NS_PER_SEC + i};
		machines[i].vcpus = vcpus[i];
		machines[i].vm = (struct host_vm){.pid = 10, .n_vcpus = 2, .vcpus = threads};
		snprintf(machines[i].vm.name, sizeof(machines[i].vm.name), "vm%zu", i);
	}
}

static void read_at(uint64_t seconds)
{
	m.at[MEASURE_NOW] = m.at[MEASURE_FIRST] + seconds * NS_PER_SEC;
	m.real = NOON + seconds * NS_PER_SEC;
}

static void wait_for(struct known *k, size_t vm, uint32_t vcpu, uint32_t st, uint64_t ns)
{
	const struct gap gap = {.start = 1000, .end = 1000 + ns, .vcpu = vcpu, .state = st};

	assert_int_equal(known_gap(k, &machines[vm], &gap), 0);
}

static double figure(const json_t *o, const char *key, size_t i)
{
	return json_number_value(json_array_get(json_object_get(o, key), i));
}

static void run_for(size_t vm, uint32_t vcpu, uint64_t run, uint64_t ready)
{
	vcpus[vm][vcpu].ledger[MEASURE_NOW].ns[LEDGER_RUN] += run;
	vcpus[vm][vcpu].ledger[MEASURE_NOW].ns[LEDGER_READY] += ready;
}

/* vCPU 0 runs i ms in second i and is ready 0.3 us; the second one waits 5 ms in second 650. */
static void the_history_of_a_vm(void **state)
{
	struct failure f;
	struct known *k;
	double ready = 0;
	json_t *o, *v;

	(void)state;
	begin(1);
	assert_int_equal(known_new(&k), 0);
	for (uint64_t i = 0; i <= 700; i++) {
		read_at(i);
		run_for(0, 0, i * NS_PER_MS, 300);
		if (i == 650)
			wait_for(k, 0, 1, LEDGER_READY, 5 * NS_PER_MS);
		if (i == 650)
			wait_for(k, 0, 1, LEDGER_WAIT, NS_PER_SEC); /* it did not want to run */
		assert_int_equal(known_sample(k, &m), 0);
	}
	o = known_history(k, "vm0");
	assert_non_null(o);
	assert_int_equal(json_array_size(json_object_get(o, "time_s")), 600);
	assert_true(fabs(figure(o, "time_s", 599) - (1700049600.0 + 700)) < 1e-6);
	assert_true(fabs(figure(o, "run_s", 0) - 0.101) < 1e-9);
	assert_true(fabs(figure(o, "run_s", 599) - 0.7) < 1e-9);
	/* a sum of parts of microseconds: 600 times 0.3 us are 180 us, to the last one */
	for (size_t i = 0; i < 600; i++)
		ready += figure(o, "ready_s", i);
	assert_true(fabs(ready - 180e-6) < 1.01e-6);
	assert_true(fabs(figure(o, "longest_s", 549) - 0.005) < 1e-9); /* second 650 */
	assert_true(figure(o, "longest_s", 548) == 0 && figure(o, "longest_s", 550) == 0);
	v = json_array_get(json_object_get(o, "vcpus"), 1);
	assert_int_equal(json_integer_value(json_object_get(v, "vcpu")), 3);
	assert_true(fabs(figure(v, "longest_s", 549) - 0.005) < 1e-9);
	assert_true(figure(v, "run_s", 599) == 0);
	json_decref(o);
	o = known_history(k, "10"); /* by its process */
	assert_non_null(o);
	json_decref(o);
	assert_null(known_history(k, "vm"));
	failure_set(&f, 0, "which?");
	known_list(k, &f);
	assert_string_equal(f.text, "which?; there are: vm0");
	known_free(k);
}

/* What a client hears that looks every 20 seconds, or every 2. */
static void the_longest_wait_since(void **state)
{
	struct host_frame_vcpu to[2] = {{0}, {0}};
	struct host_frame_vm vm = {.pid = 10, .since = 100 * NS_PER_SEC, .vcpus = to, .n_vcpus = 2};
	struct known *k;

	(void)state;
	begin(1);
	assert_int_equal(known_new(&k), 0);
	for (uint64_t i = 0; i <= 30; i++) {
		read_at(i);
		if (i == 15)
			wait_for(k, 0, 1, LEDGER_LIMITED, 7 * NS_PER_MS);
		if (i == 25)
			wait_for(k, 0, 1, LEDGER_COSTOP, 3 * NS_PER_MS);
		assert_int_equal(known_sample(k, &m), 0);
	}
	known_longest(k, 10 * NS_PER_SEC, &vm);
	assert_int_equal(to[1].longest, 7 * NS_PER_MS);
	assert_int_equal(to[0].longest, 0);
	to[1].longest = 0;
	known_longest(k, 20 * NS_PER_SEC, &vm);
	assert_int_equal(to[1].longest, 3 * NS_PER_MS);
	to[1].longest = NS_PER_MS; /* which goes on */
	known_longest(k, 28 * NS_PER_SEC, &vm);
	assert_int_equal(to[1].longest, NS_PER_MS);
	wait_for(k, 0, 0, LEDGER_READY, NS_PER_MS); /* since the last sample */
	known_longest(k, 28 * NS_PER_SEC, &vm);
	assert_int_equal(to[0].longest, NS_PER_MS);
	known_free(k);
}

static struct host_frame frame_of(size_t n, size_t ended, uint64_t seconds)
{
	struct host_frame f = {.elapsed = seconds * NS_PER_SEC,
			       .source = "bpf",
			       .vms = calloc(n + 1, sizeof(*f.vms))};

	for (size_t i = 0; i < n; i++) {
		struct host_frame_vm *vm = host_frame_add(&f, 2);

		vm->pid = 10;
		vm->since = 100 * NS_PER_SEC + i;
		vm->ended = i == ended;
		snprintf(vm->name, sizeof(vm->name), "vm%zu", i);
	}
	return f;
}

/* The second of three ends at 50 s: it is in the frames of those who looked last before that. */
static void one_that_has_ended(void **state)
{
	struct host_frame f;
	struct known *k;
	json_t *o;

	(void)state;
	begin(3);
	assert_int_equal(known_new(&k), 0);
	read_at(49);
	assert_int_equal(known_sample(k, &m), 0);
	f = frame_of(3, 1, 50);
	known_ended(k, &f);
	assert_int_equal(f.n_vms, 2);
	assert_string_equal(f.vms[1].name, "vm2");
	assert_int_equal(known_add_ended(k, 50 * NS_PER_SEC, &f), 0);
	assert_int_equal(f.n_vms, 2);
	assert_int_equal(known_add_ended(k, 50 * NS_PER_SEC - 1, &f), 0);
	assert_int_equal(f.n_vms, 3);
	assert_true(f.vms[2].ended && f.vms[2].n_vcpus == 2);
	assert_string_equal(f.vms[2].name, "vm1");
	host_frame_done(&f);
	o = known_history(k, "vm1");
	assert_true(json_is_true(json_object_get(o, "ended")));
	json_decref(o);
	known_forget(k, 650 * NS_PER_SEC);
	assert_non_null(o = known_history(k, "vm1"));
	json_decref(o);
	known_forget(k, 651 * NS_PER_SEC);
	assert_null(known_history(k, "vm1"));
	o = known_history(k, "vm0");
	assert_false(json_is_true(json_object_get(o, "ended")));
	json_decref(o);
	known_free(k);
}

/* It grew in its first second: another one of its process is measured from then on. */
static void one_that_has_vanished(void **state)
{
	struct known *k;
	json_t *o;

	(void)state;
	begin(2);
	assert_int_equal(known_new(&k), 0);
	read_at(1);
	assert_int_equal(known_sample(k, &m), 0);
	known_forget(k, NS_PER_SEC);
	assert_non_null(o = known_history(k, "vm1"));
	json_decref(o);
	m.n = 1;
	read_at(2);
	assert_int_equal(known_sample(k, &m), 0);
	known_forget(k, 2 * NS_PER_SEC);
	assert_null(known_history(k, "vm1"));
	assert_non_null(o = known_history(k, "vm0"));
	json_decref(o);
	known_free(k);
}

/* ---- metrics ---- */

static int put(FILE *to, void *data)
{
	return host_metrics_put(to, data);
}

static char *metrics(const struct host_metrics_input *in)
{
	char *text = NULL;

	assert_int_equal(prometheus_text(put, (void *)(uintptr_t)in, &text), 0);
	return text;
}

static void expect(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no '%s' in\n%s", line, text);
}

/* Bounds are at 0.1 ms, 0.3 ms and so on: of 0.1 ms, 0.2 ms, 2 s and 10 s, the first is below the
 * first one, since that is what `le` says. */
static void metrics_are_what_was_measured(void **state)
{
	struct host_frame f = frame_of(2, 9, 60);
	struct gaplog gaps = {.total = 4};
	struct host_metrics_input in = {.frame = &f, .gaps = &gaps, .vcpus = true};
	struct known *k;
	char *text;

	(void)state;
	begin(1);
	assert_int_equal(known_new(&k), 0);
	wait_for(k, 0, 0, LEDGER_READY, NS_PER_MS / 10);
	wait_for(k, 0, 0, LEDGER_READY, NS_PER_MS / 5);
	wait_for(k, 0, 1, LEDGER_LIMITED, 2 * NS_PER_SEC);
	wait_for(k, 0, 1, LEDGER_READY, 10 * NS_PER_SEC);
	in.known = k;
	snprintf(f.vms[0].name, sizeof(f.vms[0].name), "we\"b\\n");
	strcpy(f.vms[1].uuid, "f5e4");
	f.vms[0].vcpus[1].index = 1;
	f.vms[0].vcpus[1].ns[LEDGER_HALT] = 1500 * NS_PER_MS;
	f.vms[0].vcpus[0].ns[LEDGER_HALT] = NS_PER_SEC;
	f.vms[1].overhead = NS_PER_SEC / 4;
	f.counters.came = 12;
	text = metrics(&in);
	expect(text, "\ndesched_vcpu_seconds_total{vm=\"we\\\"b\\\\x5cn\",uuid=\"\",vcpu=\"1\","
		     "state=\"halt\"} 1.5\n");
	expect(text, "\ndesched_vm_overhead_seconds_total{vm=\"vm1\",uuid=\"f5e4\"} 0.25\n");
	expect(text, "_bucket{vm=\"we\\\"b\\\\x5cn\",uuid=\"\",le=\"0.0001\"} 1\n");
	expect(text, "le=\"0.0003\"} 2\n");
	expect(text, "le=\"1\"} 2\n");
	expect(text, "le=\"3\"} 3\n");
	expect(text, "le=\"+Inf\"} 4\n");
	expect(text, "desched_vcpu_wait_seconds_count{vm=\"we\\\"b\\\\x5cn\",uuid=\"\"} 4\n");
	expect(text, "desched_vcpu_wait_seconds_sum{vm=\"we\\\"b\\\\x5cn\",uuid=\"\"} 12.0003");
	expect(text, "\ndesched_host_vms 2\n");
	expect(text, "\ndesched_host_vms_seen_total 12\n");
	expect(text, "\ndesched_host_long_waits_total 4\n");
	free(text);
	in.vcpus = false;
	text = metrics(&in);
	expect(text, "uuid=\"\",vcpu=\"all\",state=\"halt\"} 2.5\n");
	assert_null(strstr(text, "vcpu=\"1\""));
	free(text);
	host_frame_done(&f);
	known_free(k);
}

/* Only VMs whose interrupts are recorded have the histogram: 3 below 1 us, 1 of 2 to 4 us, 2 of 4 to
 * 8 us, one beyond all bounds. */
static void delays_are_a_histogram(void **state)
{
	struct host_frame f = frame_of(2, 2, 60);
	struct gaplog gaps = {.total = 0};
	struct host_metrics_input in = {.frame = &f, .gaps = &gaps, .vcpus = true};
	const struct host_frame_delay delays[] = {
		{NS_PER_US, 3}, {4 * NS_PER_US, 1}, {8 * NS_PER_US, 2}, {INT64_MAX, 1}};
	struct host_frame_interrupts *x = &f.vms[1].interrupts;
	char *text;

	(void)state;
	assert_int_equal(known_new((struct known **)(uintptr_t)&in.known), 0);
	*x = (struct host_frame_interrupts){.recorded = true,
					    .taken = 7,
					    .ns = 6500 * NS_PER_MS,
					    .delays = malloc(sizeof(delays)),
					    .n_delays = ARRAY_SIZE(delays)};
	memcpy(x->delays, delays, sizeof(delays));
	text = metrics(&in);
#define DELAY "desched_vm_interrupt_delay_seconds"
	expect(text, "# TYPE " DELAY " histogram\n" DELAY
		     "_bucket{vm=\"vm1\",uuid=\"\",le=\"1e-06\"} 3\n" DELAY
		     "_bucket{vm=\"vm1\",uuid=\"\",le=\"4e-06\"} 4\n" DELAY
		     "_bucket{vm=\"vm1\",uuid=\"\",le=\"1.6e-05\"} 6\n");
	expect(text,
	       "le=\"4.194304\"} 6\n" DELAY "_bucket{vm=\"vm1\",uuid=\"\",le=\"+Inf\"} 7\n" DELAY
	       "_sum{vm=\"vm1\",uuid=\"\"} 6.5\n" DELAY "_count{vm=\"vm1\",uuid=\"\"} 7\n");
	assert_null(strstr(text, DELAY "_count{vm=\"vm0\""));
	free(text);
	host_frame_done(&f);
	known_free((struct known *)(uintptr_t)in.known);
}

/* A vCPU that is busy, and of which no more is known, raises no alarm. */
static void a_loop_is_one_where_exits_are_known(void **state)
{
	struct host_frame f = frame_of(2, 2, 60);
	struct gaplog gaps = {.total = 0};
	struct host_metrics_input in = {.frame = &f, .gaps = &gaps, .vcpus = true};
	char *text;

	(void)state;
	assert_int_equal(known_new((struct known **)(uintptr_t)&in.known), 0);
	for (int i = 0; i < 2; i++) {
		f.vms[i].vcpus[0].runaway = true;
		f.vms[i].vcpus[0].busy = 400 * NS_PER_SEC;
	}
	f.vms[1].vcpus[0].quiet = 400 * NS_PER_SEC;
	text = metrics(&in);
	expect(text, "\ndesched_vcpu_runaway{vm=\"vm0\",uuid=\"\",vcpu=\"0\"} 0\n");
	expect(text, "\ndesched_vcpu_runaway{vm=\"vm1\",uuid=\"\",vcpu=\"0\"} 1\n");
	free(text);
	in.vcpus = false;
	text = metrics(&in);
	expect(text, "\ndesched_vcpu_runaway{vm=\"vm0\",uuid=\"\",vcpu=\"all\"} 0\n");
	expect(text, "\ndesched_vcpu_runaway{vm=\"vm1\",uuid=\"\",vcpu=\"all\"} 1\n");
	free(text);
	host_frame_done(&f);
	known_free((struct known *)(uintptr_t)in.known);
}

/* Of two vCPUs, whose exits for ports are one series where vCPUs have none of their own. */
static void exits_by_class(void **state)
{
	struct host_frame f = frame_of(2, 2, 60);
	struct gaplog gaps = {.total = 0};
	struct host_metrics_input in = {.frame = &f, .gaps = &gaps, .vcpus = true};
	const struct host_frame_exit exits[] = {{0, "port", 3, NS_PER_SEC, 2, NS_PER_SEC / 2},
						{0, "halt", 9, 0, 0, 0},
						{1, "port", 4, NS_PER_SEC, 1, 0}};
	char *text;

	(void)state;
	assert_int_equal(known_new((struct known **)(uintptr_t)&in.known), 0);
	f.vms[1].exits = malloc(sizeof(exits));
	f.vms[1].n_exits = ARRAY_SIZE(exits);
	memcpy(f.vms[1].exits, exits, sizeof(exits));
	text = metrics(&in);
#define OF(vcpu, class) "{vm=\"vm1\",uuid=\"\",vcpu=\"" vcpu "\",class=\"" class "\"} "
	expect(text, "\ndesched_vcpu_exits_total" OF("0", "port") "3\n");
	expect(text, "\ndesched_vcpu_exits_total" OF("1", "port") "4\n");
	expect(text, "\ndesched_vcpu_trip_seconds_total" OF("0", "port") "0.5\n");
	free(text);
	in.vcpus = false;
	text = metrics(&in);
	expect(text, "\ndesched_vcpu_exits_total" OF("all", "port") "7\n");
	expect(text, "\ndesched_vcpu_exits_total" OF("all", "halt") "9\n");
	expect(text, "\ndesched_vcpu_exit_seconds_total" OF("all", "port") "2\n");
	expect(text, "\ndesched_vcpu_trips_total" OF("all", "port") "3\n");
	assert_null(strstr(text, "vcpu=\"1\",class"));
	free(text);
	host_frame_done(&f);
	known_free((struct known *)(uintptr_t)in.known);
}

/* No two samples have the same name and labels, whatever VMs call themselves. */
static void series_are_told_apart(void **state)
{
	struct host_frame f = frame_of(3, 2, 60);
	struct gaplog gaps = {.total = 0};
	struct host_metrics_input in = {.frame = &f, .gaps = &gaps, .vcpus = true};
	struct known *k;
	char *text;

	(void)state;
	assert_int_equal(known_new(&k), 0);
	in.known = k;
	for (size_t i = 0; i < 3; i++)
		strcpy(f.vms[i].name, "twin");
	f.vms[1].pid = 20;
	text = metrics(&in);
	expect(text, "desched_vm_vcpus{vm=\"twin (10)\",uuid=\"\"} 2\n");
	expect(text, "desched_vm_vcpus{vm=\"twin (20)\",uuid=\"\"} 2\n");
	assert_null(strstr(text, "vm=\"twin\""));
	free(text);
	strcpy(f.vms[1].uuid, "a");
	text = metrics(&in); /* the third has ended */
	expect(text, "desched_vm_vcpus{vm=\"twin\",uuid=\"\"} 2\n");
	expect(text, "desched_vm_vcpus{vm=\"twin\",uuid=\"a\"} 2\n");
	free(text);
	host_frame_done(&f);
	known_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_packaged_configuration_is_the_default),
		cmocka_unit_test(the_history_of_a_vm),
		cmocka_unit_test(the_longest_wait_since),
		cmocka_unit_test(one_that_has_ended),
		cmocka_unit_test(one_that_has_vanished),
		cmocka_unit_test(metrics_are_what_was_measured),
		cmocka_unit_test(delays_are_a_histogram),
		cmocka_unit_test(a_loop_is_one_where_exits_are_known),
		cmocka_unit_test(exits_by_class),
		cmocka_unit_test(series_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
