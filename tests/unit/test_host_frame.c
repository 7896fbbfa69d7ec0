/* SPDX-License-Identifier: MIT */
/*
 * wire/host_frame.h: what a host's frame says in JSON, and how it is said; what is refused. The
 * figures are made up by hand.
 */
#include "wire/host_frame.h"

#include "base/units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STATES(a, b, c, d, e, f, g)                                                                \
	"{'run':" #a ",'ready':" #b ",'costop':" #c ",'limited':" #d ",'swapwait':" #e             \
	",'halt':" #f ",'wait':" #g "}"

/* As deschedd writes it. */
#define FULL                                                                                       \
	"{'schema':'desched-host/1','time_s':1764500000.5,'elapsed_ns':9007199254740993,"          \
	"'session':'6149189698750793159','source':'bpf','cpus':8,'has_gaps':true,"                 \
	"'has_exits':true,"                                                                        \
	"'gaps_lost':3,'not_measured':2,"                                                          \
	"'unmeasured':[{'pid':9,'name':'odd','why':'no threads'}],"                                \
	"'counters':{'vms_came':5,'gaps':100,'kvm_exits':7,'missed':1,'bpf_runs':8,'bpf_ns':9,"    \
	"'no_memory':10,'not_entered':11,'beyond_bound':13,'runs_lost':12},"                       \
	"'vms':[{'pid':4711,'since_ns':12345678901234567,'name':'web','called':'web','id':'101','" \
	"manager':'proxmox','uuid':'a-b',"                                                         \
	"'found_by':'kvm-fd','ended':false,'overhead_ns':17,'rss_bytes':4096,'cpu_limit':1.5,"     \
	"'has_entitled':true,'entitled':0.25,'"                                                    \
	"streamed':true,'stream':{'frames':1,'pings':2,'lost_gaps':3,'blocked':4,'garbage':5},"    \
	"'vcpus':[{'index':1,'tid':4712,'name':'vCPU 1','ended':false,'state':'ready',"            \
	"'ns':" STATES(                                                                            \
		9007199254740993, 2, 3, 4, 5, 6,                                                   \
		7) ",'longest_ns':2,'gaps_lost':3,'busy_ns':9,'quiet_ns':8,'runaway':true}],"      \
		   "'blames':[{'kind':'vm','pid':5,'name':'db','ns':1000,'longest_ns':600},"       \
		   "{'kind':'unknown','pid':0,'ns':1,'longest_ns':1}],"                            \
		   "'pages':[{'device':'shmem0','file':'/dev/shm/web'},"                           \
		   "{'device':'shmem1','why':'it holds something else'}],"                         \
		   "'interrupts':{'recorded':true,'taken':5,'ns':70,'at_once':2,'merged':1,"       \
		   "'longest_ns':40,'delays':[{'below_ns':1000,'n':4},"                            \
		   "{'below_ns':9223372036854775807,'n':1}]},"                                     \
		   "'exits':[{'vcpu':1,'class':'port','n':9,'ns':800,'trips':7,'trips_ns':60}]},"  \
		   "{'pid':4800,'since_ns':5,'name':'gone','ended':true,'overhead_ns':0,'"         \
		   "streamed':false,'stream':{'frames':0,'pings':0,'lost_gaps':0,'blocked':0,'"    \
		   "garbage':0},'vcpus':["                                                         \
		   "],"                                                                            \
		   "'blames':[],'pages':[]}]}"

/* Texts are written with ' for ". */
static json_t *json_of(const char *text)
{
	char *copy = strdup(text);
	json_t *o;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	o = json_loads(copy, 0, NULL);
	if (!o)
		fail_msg("the test's own JSON is none: %s", text);
	free(copy);
	return o;
}

static struct host_frame decoded(const char *text)
{
	struct failure f = {""};
	json_t *o = json_of(text);
	struct host_frame frame;

	if (host_frame_decode(o, &f, &frame))
		fail_msg("%s: %s", f.text, text);
	json_decref(o);
	return frame;
}

static void what_was_read_is_written(void **state)
{
	struct host_frame frame = decoded(FULL);
	json_t *expected = json_of(FULL), *o = host_frame_json(&frame);

	(void)state;
	if (!json_equal(o, expected))
		fail_msg("%s\nnot\n%s", json_dumps(o, 0), json_dumps(expected, 0));
	json_decref(expected);
	json_decref(o);
	host_frame_done(&frame);
}

/* All that the copy has is its own (AddressSanitizer would see a list that both free). */
static void a_copy_is_whole(void **state)
{
	struct host_frame f = decoded(FULL), alone;
	json_t *expected = json_of(FULL), *o;

	(void)state;
	alone = f;
	alone.vms = calloc(2, sizeof(*alone.vms));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(host_frame_vm_copy(&f.vms[i], &alone.vms[i]), 0);
	f.unmeasured = NULL; /* the other one has it */
	host_frame_done(&f);
	o = host_frame_json(&alone);
	assert_true(json_equal(o, expected));
	json_decref(expected);
	json_decref(o);
	host_frame_done(&alone);
}

static void members_are_where_they_belong(void **state)
{
	struct host_frame f = decoded(FULL);
	const struct host_frame_vm *vm = &f.vms[0];
	const struct host_frame_vcpu *c = &vm->vcpus[0];

	(void)state;
	assert_true(f.time == 1764500000ull * NS_PER_SEC + NS_PER_SEC / 2);
	assert_true(f.elapsed == (1ull << 53) + 1); /* which no double is */
	assert_true(f.session == 6149189698750793159);
	assert_string_equal(f.source, "bpf");
	assert_true(f.gaps_lost == 3 && f.n_unseen == 2 && f.n_unmeasured == 1);
	assert_string_equal(f.unseen, "odd");
	assert_string_equal(f.why, "no threads");
	assert_true(f.counters.came == 5 && f.counters.not_entered == 11 &&
		    f.counters.beyond == 13 && f.counters.runs_lost == 12);
	assert_true(f.n_vms == 2 && vm->pid == 4711 && vm->since == 12345678901234567);
	assert_true(vm->overhead == 17 && vm->rss == 4096 && !vm->ended && f.vms[1].ended);
	assert_string_equal(vm->name, "web");
	assert_string_equal(vm->uuid, "a-b");
	assert_string_equal(vm->found_by, "kvm-fd");
	assert_true(c->index == 1 && c->tid == 4712 && c->state == LEDGER_READY);
	assert_true(c->ns[LEDGER_RUN] == (1ull << 53) + 1 && c->ns[LEDGER_WAIT] == 7);
	assert_true(c->longest == 2 && c->gaps_lost == 3);
	assert_true(vm->n_blames == 2 && vm->blames[0].kind == CULPRIT_VM &&
		    vm->blames[0].ns == 1000 && vm->blames[1].kind == CULPRIT_UNKNOWN);
	assert_true(f.has_exits && vm->n_exits == 1 && vm->exits[0].vcpu == 1 &&
		    !strcmp(vm->exits[0].class, "port") && vm->exits[0].n == 9 &&
		    vm->exits[0].ns == 800 && vm->exits[0].trips == 7 &&
		    vm->exits[0].trips_ns == 60);
	assert_true(vm->n_pages == 2 && !vm->pages[0].why[0] && vm->pages[1].why[0]);
	assert_true(vm->interrupts.recorded && vm->interrupts.taken == 5 &&
		    vm->interrupts.ns == 70);
	assert_true(vm->interrupts.at_once == 2 && vm->interrupts.merged == 1 &&
		    vm->interrupts.longest == 40 && vm->interrupts.n_delays == 2 &&
		    vm->interrupts.delays[1].below == INT64_MAX);
	host_frame_done(&f);
}

static void what_is_missing_is_nothing(void **state)
{
	struct host_frame f = decoded("{'schema':'desched-host/1','vms':[{}],'new':[{}]}");

	(void)state;
	assert_string_equal(f.source, "?");
	assert_true(f.n_vms == 1 && !f.vms[0].n_vcpus && !f.vms[0].pid && !f.n_unseen);
	host_frame_done(&f);
}

/* Anybody can start processes that look like VMs without vCPUs: more than a host has CPUs. */
static void so_many_are_not_measured(void **state)
{
	struct host_frame f = decoded(
		"{'schema':'desched-host/1','vms':[],'not_measured':5000000000}");

	(void)state;
	assert_true(f.n_unseen == 5000000000);
	host_frame_done(&f);
}

/* What a VM or a page's file calls itself comes through as text that does no harm. */
static void names_are_cut_and_cleaned(void **state)
{
	struct host_frame f = decoded(
		"{'schema':'desched-host/1','vms':[{'name':'a\\u001b[2Jb'},{'name':"
		"'0123456789012345678901234567890123456789012345678901234567890\\u00e9\\u00e9'}]}");

	(void)state;
	assert_string_equal(f.vms[0].name, "a?[2Jb");
	/* 61 and two of two bytes: the second one has no room in 64 */
	assert_int_equal(strlen(f.vms[1].name), 63);
	assert_string_equal(f.vms[1].name + 61, "\xc3\xa9");
	host_frame_done(&f);
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		const char *text, *member;
	} cases[] = {
		{"[]", "schema"},
		{"{'vms':[]}", "schema"},
		{"{'schema':'desched-host/2','vms':[]}", "schema"},
		{"{'schema':'desched-host/1'}", "vms"},
		{"{'schema':'desched-host/1','vms':{}}", "vms"},
		{"{'schema':'desched-host/1','vms':[1]}", "vms"},
		{"{'schema':'desched-host/1','vms':[],'elapsed_ns':-1}", "elapsed_ns"},
		{"{'schema':'desched-host/1','vms':[],'elapsed_ns':1.5}", "elapsed_ns"},
		{"{'schema':'desched-host/1','vms':[],'session':'x'}", "session"},
		{"{'schema':'desched-host/1','vms':[],'source':1}", "source"},
		{"{'schema':'desched-host/1','vms':[],'counters':1}", "counters"},
		{"{'schema':'desched-host/1','vms':[{'pid':-1}]}", "pid"},
		{"{'schema':'desched-host/1','vms':[{'pid':2147483648}]}", "pid"},
		{"{'schema':'desched-host/1','vms':[{'vcpus':[{'state':'away'}]}]}", "state"},
		{"{'schema':'desched-host/1','vms':[{'vcpus':[{'index':4096}]}]}", "index"},
		{"{'schema':'desched-host/1','vms':[{'vcpus':[{'ns':{'run':-1}}]}]}", "ns"},
		/* their sum passes 63 bits */
		{"{'schema':'desched-host/1','vms':[{'vcpus':[{'ns':{'run':9223372036854775807,"
		 "'ready':1}}]}]}",
		 "ns"},
		{"{'schema':'desched-host/1','vms':[{'blames':[{'kind':'nobody'}]}]}", "kind"},
		{"{'schema':'desched-host/1','vms':[{'ended':0}]}", "ended"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *o = json_of(cases[i].text);
		struct failure f = {""};
		struct host_frame frame = {.elapsed = 7};
		char expected[32];

		snprintf(expected, sizeof(expected), "'%s'", cases[i].member);
		assert_int_equal(host_frame_decode(o, &f, &frame), -EBADMSG);
		if (!strstr(f.text, expected))
			fail_msg("%s: %s", cases[i].text, f.text);
		assert_int_equal(frame.elapsed, 7);
		json_decref(o);
	}
}

static void lists_are_bounded(void **state)
{
	const size_t n = HOST_FRAME_VMS_MAX + 1;
	json_t *o = json_of("{'schema':'desched-host/1'}"), *vms = json_array();
	struct failure f = {""};
	struct host_frame frame;

	(void)state;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(vms, json_object());
	json_object_set_new(o, "vms", vms);
	assert_int_equal(host_frame_decode(o, &f, &frame), -EBADMSG);
	json_array_remove(vms, 0);
	assert_int_equal(host_frame_decode(o, &f, &frame), 0);
	assert_int_equal(frame.n_vms, HOST_FRAME_VMS_MAX);
	host_frame_done(&frame);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_is_written),
		cmocka_unit_test(a_copy_is_whole),
		cmocka_unit_test(members_are_where_they_belong),
		cmocka_unit_test(what_is_missing_is_nothing),
		cmocka_unit_test(so_many_are_not_measured),
		cmocka_unit_test(names_are_cut_and_cleaned),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(lists_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
