/* SPDX-License-Identifier: MIT */
/*
 * The lab's judgement, its reports, and what it refuses before it starts anything. Its arithmetic
 * is in test_lab_truth.c, what guests say in test_lab_control.c, real machines in
 * system/lab-faults.sh.
 *
 * Expected figures are worked out by hand in the comments beside them.
 */
#include "base/units.h"
#include "lab/cpus.h"
#include "lab/kvm_probe.h"
#include "lab/lab.h"
#include "lab/lab_report.h"
#include "lab/parts.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_near(double value, double expected, double within)
{
	if (!(fabs(value - expected) <= within))
		fail_msg("%.12g is not within %g of %.12g", value, within, expected);
}

static void cpu_lists_are_parsed_or_refused(void **state)
{
	static const char *const bad[] = {"",	",",   "0,", "1-0", "a",    "0x1",
					  "-1", "0 1", "0-", "99",  "0-99", "99999999999999999999",
					  "0;1"};
	cpu_set_t have, set;
	struct failure f;
	char text[64];

	(void)state;
	CPU_ZERO(&have);
	for (int i = 0; i < 6; i++)
		CPU_SET(i, &have);
	assert_int_equal(cpus_parse("0-1,3,4-5", &have, &f, &set), 0);
	assert_int_equal(CPU_COUNT(&set), 5);
	assert_false(CPU_ISSET(2, &set));
	cpus_text(&set, text, sizeof(text));
	assert_string_equal(text, "0-1,3-5");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(cpus_parse(bad[i], &have, &f, &set), -EINVAL);
		assert_non_null(strstr(f.text, "0-5"));
	}
	cpus_last(&have, &set);
	cpus_text(&set, text, sizeof(text));
	assert_string_equal(text, "5");
}

static void a_kernel_is_known_by_its_header(void **state)
{
	char head[1024] = {0};

	(void)state;
	assert_int_equal(parts_check_kernel_head(head, sizeof(head)), -ENOEXEC);
	memcpy(head + 0x202, "HdrS", 4);
	assert_int_equal(parts_check_kernel_head(head, sizeof(head)), 0);
	assert_int_equal(parts_check_kernel_head(head, 0x206), 0);
	assert_int_equal(parts_check_kernel_head(head, 0x205), -ENOEXEC);
	assert_int_equal(parts_check_kernel_head(head, 0), -ENOEXEC);
}

static void available_memory_is_read(void **state)
{
	uint64_t bytes = 1;

	(void)state;
	assert_int_equal(
		parts_parse_available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n", &bytes), 0);
	assert_int_equal(bytes, 2 * MIB);
	assert_int_equal(parts_parse_available("MemTotal: 9 kB\n", &bytes), -EBADMSG);
	assert_int_equal(parts_parse_available("MemAvailable: lots\n", &bytes), -EBADMSG);
	assert_int_equal(parts_parse_available("MemAvailable: 18446744073709551615 kB", &bytes),
			 -EBADMSG);
	assert_int_equal(bytes, 2 * MIB);
}

static void only_a_new_or_empty_directory_is_claimed(void **state)
{
	char dir[] = "/tmp/test_lab.XXXXXX", inner[64], file[80];
	struct failure f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(inner, sizeof(inner), "%s/new", dir);
	snprintf(file, sizeof(file), "%s/a", inner);
	assert_int_equal(parts_claim_directory(inner, &f), 0);
	assert_int_equal(parts_claim_directory(inner, &f), 0);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(parts_claim_directory(inner, &f), -ENOTEMPTY);
	assert_non_null(strstr(f.text, inner));
	assert_int_equal(parts_claim_directory("/proc/self/none/x", &f), -ENOENT);
	rmdir(file);
	rmdir(inner);
	rmdir(dir);
}

static int run_with(const struct lab_options *o, struct failure *f)
{
	struct lab_result r;
	int signal, err = lab_run(o, NULL, f, &r, &signal);

	assert_null(r.vms);
	lab_result_done(&r);
	return err;
}

static void what_cannot_work_is_refused_before_anything_starts(void **state)
{
	const struct lab_options good = {.vms = 1,
					 .seconds = NS_PER_SEC,
					 .source = "auto",
					 .accel = "tcg",
					 .truth = "auto",
					 .vcpus = "1",
					 .kernel = "/proc/self/exe"};
	static const char *const bad_vcpus[] = {"",	"0",   "17", "1,", ",1",
						"1,,2", "1-2", "2x", "-1"};
	struct lab_options o;
	struct failure f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_vcpus); i++) {
		o = good, o.vcpus = bad_vcpus[i];
		assert_int_equal(run_with(&o, &f), -EINVAL);
		assert_non_null(strstr(f.text, "1 to 16"));
	}
	o = good, o.cpus = "1023";
	assert_int_equal(run_with(&o, &f), -EINVAL);
	assert_non_null(strstr(f.text, "1023"));
	o = good, o.vms = UINT64_C(1) << 32; /* of 256 MiB */
	assert_int_equal(run_with(&o, &f), -ENOMEM);
	assert_non_null(strstr(f.text, "enough for --vms"));
	assert_int_equal(run_with(&good, &f), -ENOEXEC); /* this test is no kernel */
	o = good, o.kernel = "/no/such/kernel";
	assert_int_equal(run_with(&o, &f), -ENOENT);
}

static void the_kvm_probe_answers(void **state)
{
	char why[200] = "";
	bool first = kvm_probe(why, sizeof(why));

	(void)state;
	assert_true(strlen(why) > 10);
	assert_int_equal(kvm_probe(why, sizeof(why)), first);
}

/* Two VMs: in one, spin is told three times its truth and found 2 % short; in the other nothing was
 * measured. duty has too little time to be judged, forker is not judged for its kind. */
static struct lab_process processes[3] = {
	{.kind = "spin",
	 .pid = 70,
	 .steady = true,
	 .alive = true,
	 .units = 1000,
	 .reported = 6 * NS_PER_SEC,
	 .truth = 2 * NS_PER_SEC,
	 .has_agent = true,
	 .true_ns = 1960 * (int64_t)NS_PER_MS},
	{.kind = "duty",
	 .pid = 71,
	 .steady = true,
	 .alive = true,
	 .units = 10,
	 .reported = NS_PER_SEC,
	 .truth = NS_PER_SEC / 2,
	 .has_agent = true,
	 .true_ns = 0},
	{.kind = "forker",
	 .pid = 72,
	 .steady = false,
	 .alive = false,
	 .units = 10,
	 .truth = 2 * NS_PER_SEC},
};

static void fill_result(struct lab_result *r, struct lab_vm vms[2])
{
	memset(r, 0, sizeof(*r));
	memset(vms, 0, 2 * sizeof(*vms));
	strcpy(r->source, "page");
	strcpy(r->accel, "tcg");
	strcpy(r->cpus, "1");
	r->seconds = 20 * NS_PER_SEC;
	r->vms = vms;
	r->n_vms = 2;
	r->summary.overcommit = 2;
	r->host_gaps = true;
	vms[0] = (struct lab_vm){.name = "vm1",
				 .measured = true,
				 .boots = 3,
				 .truth = 4500 * NS_PER_MS,
				 .scale = 1,
				 .host = {.window = 21 * NS_PER_SEC,
					  .run = 5 * NS_PER_SEC,
					  .ready = 10 * NS_PER_SEC,
					  .overhead = NS_PER_SEC},
				 .guest = {.has_agent = true,
					   .source = "page",
					   .busy = 12 * (int64_t)NS_PER_SEC,
					   .true_ns = 5050 * (int64_t)NS_PER_MS,
					   .descheduled = 9960 * (int64_t)NS_PER_MS},
				 .processes = processes,
				 .n_processes = 3};
	vms[1] = (struct lab_vm){.name = "vm2", .boots = 1};
	strcpy(vms[1].failure, "QEMU was killed");
}

static void only_what_can_be_judged_is(void **state)
{
	struct lab_result r;
	struct lab_vm vms[2];

	(void)state;
	fill_result(&r, vms);
	lab_summarize(&r);
	assert_int_equal(r.summary.judged, 1);
	assert_near(r.summary.max_error_reported, 2, 1e-9);	   /* 6 / 2 - 1 */
	assert_near(r.summary.max_error_true, 0.02, 1e-9);	   /* 1.96 / 2 - 1 */
	assert_near(r.summary.max_error_descheduled, 0.004, 1e-9); /* 9.96 / 10 - 1 */
	assert_near(r.summary.max_error_sum, 0.01, 1e-9);	   /* 5.05 / 5 - 1: too much */
	assert_false(r.summary.met);
	vms[0].guest.true_ns = 5020 * (int64_t)NS_PER_MS;
	lab_summarize(&r);
	assert_true(r.summary.met);
	assert_true(isnan(processes[2].error_reported));
}

/* The exact ledger, where there is one, is what the guest's sums are held to; not the truth. */
static void the_exact_ledger_comes_first(void **state)
{
	struct lab_result r;
	struct lab_vm vms[2];

	(void)state;
	fill_result(&r, vms);
	vms[0].host.has_ledger = true;
	vms[0].host.ledger.ns[LEDGER_RUN] = 5050 * NS_PER_MS;
	vms[0].host.ledger.ns[LEDGER_READY] = 9000 * NS_PER_MS;
	vms[0].host.ledger.ns[LEDGER_SWAPWAIT] = 960 * NS_PER_MS;
	vms[0].host.ledger.ns[LEDGER_HALT] = NS_PER_SEC;
	lab_summarize(&r);
	assert_near(r.summary.max_error_sum, 0, 1e-9);	       /* 5.05 / 5.05 - 1 */
	assert_near(r.summary.max_error_descheduled, 0, 1e-9); /* 9.96 / (9 + 0.96) - 1 */
	assert_near(r.summary.max_error_true, 0.02, 1e-9);
}

static void a_missing_figure_keeps_no_limit(void **state)
{
	struct lab_result r;
	struct lab_vm vms[2];

	(void)state;
	fill_result(&r, vms);
	vms[0].measured = false;
	lab_summarize(&r);
	assert_int_equal(r.summary.judged, 0);
	assert_true(isnan(r.summary.max_error_true));
	assert_int_equal(r.summary.limits, 3);
	assert_false(r.summary.met);
}

static void limits_apply_to_their_source(void **state)
{
	struct lab_result r;
	struct lab_vm vms[2];

	(void)state;
	fill_result(&r, vms);
	r.host_gaps = false;
	lab_summarize(&r);
	assert_int_equal(r.summary.limits, 0);
	r.host_gaps = true;
	vms[0].host.window = 9 * NS_PER_SEC;
	lab_summarize(&r);
	assert_int_equal(r.summary.limits, 0);
	vms[0].host.window = 10 * NS_PER_SEC;
	strcpy(r.source, "self");
	vms[0].guest.descheduled = 10900 * (int64_t)NS_PER_MS; /* 9 % too much, 10 % are granted */
	lab_summarize(&r);
	assert_int_equal(r.summary.limits, 1);
	assert_true(r.summary.met);
}

static double at(json_t *o, const char *path)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *k = strtok_r(copy, "/", &save); k; k = strtok_r(NULL, "/", &save))
		o = json_is_array(o) ? json_array_get(o, (size_t)atoi(k)) : json_object_get(o, k);
	if (!json_is_number(o))
		fail_msg("no number at %s", path);
	return json_number_value(o);
}

static void json_has_what_the_schema_promises(void **state)
{
	struct lab_result r;
	struct lab_vm vms[2];
	json_t *o, *p;

	(void)state;
	fill_result(&r, vms);
	lab_summarize(&r);
	o = lab_report_json(&r, "vm2: QEMU was killed");
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "desched-lab/1");
	assert_string_equal(json_string_value(json_object_get(o, "source")), "page");
	assert_string_equal(json_string_value(json_object_get(o, "accel")), "tcg");
	assert_string_equal(json_string_value(json_object_get(o, "failure")),
			    "vm2: QEMU was killed");
	assert_near(at(o, "vms/0/host/run_s"), 5, 1e-9);
	assert_near(at(o, "vms/0/host/ready_s"), 10, 1e-9);
	assert_near(at(o, "vms/0/host/overhead_s"), 1, 1e-9);
	assert_near(at(o, "vms/0/guest/descheduled_s"), 9.96, 1e-9);
	assert_near(at(o, "vms/0/guest/proc_stat_busy_s"), 12, 1e-9);
	assert_near(at(o, "vms/0/processes/0/reported_s"), 6, 1e-9);
	assert_near(at(o, "vms/0/processes/0/true_s"), 1.96, 1e-9);
	assert_near(at(o, "vms/0/processes/0/truth_s"), 2, 1e-9);
	assert_near(at(o, "vms/0/processes/0/error_reported"), 2, 1e-9);
	assert_near(at(o, "vms/0/processes/0/error_true"), -0.02, 1e-9);
	assert_near(at(o, "summary/overcommit"), 2, 1e-9);
	assert_near(at(o, "summary/max_error_reported"), 2, 1e-9);
	assert_near(at(o, "summary/max_error_true"), 0.02, 1e-9);
	assert_near(at(o, "summary/max_error_descheduled"), 0.004, 1e-9);
	assert_near(at(o, "boot_retries"), 2, 0);
	p = json_array_get(
		json_object_get(json_array_get(json_object_get(o, "vms"), 0), "processes"), 2);
	assert_string_equal(json_string_value(json_object_get(p, "kind")), "forker");
	assert_true(json_is_null(json_object_get(p, "true_s")));
	assert_true(json_is_null(json_object_get(p, "reported_s")));
	json_decref(o);
}

static void the_table_fits_a_terminal(void **state)
{
	struct lab_result r;
	struct lab_vm vms[2];
	char text[8192] = "", *save = NULL;
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	fill_result(&r, vms);
	lab_summarize(&r);
	lab_report_table(&r, false, out);
	fclose(out);
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "+200.0 %"));
	assert_non_null(strstr(text, "-2.0 %"));
	assert_non_null(strstr(text, "vm2    not measured: QEMU was killed"));
	assert_non_null(strstr(text, "top is off by up to 200 %, desched by up to 2.0 %"));
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		assert_true(strlen(line) <= 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_lists_are_parsed_or_refused),
		cmocka_unit_test(a_kernel_is_known_by_its_header),
		cmocka_unit_test(available_memory_is_read),
		cmocka_unit_test(only_a_new_or_empty_directory_is_claimed),
		cmocka_unit_test(what_cannot_work_is_refused_before_anything_starts),
		cmocka_unit_test(the_kvm_probe_answers),
		cmocka_unit_test(only_what_can_be_judged_is),
		cmocka_unit_test(the_exact_ledger_comes_first),
		cmocka_unit_test(a_missing_figure_keeps_no_limit),
		cmocka_unit_test(limits_apply_to_their_source),
		cmocka_unit_test(json_has_what_the_schema_promises),
		cmocka_unit_test(the_table_fits_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
