/* SPDX-License-Identifier: MIT */
/*
 * wire/snapshot.h: what a snapshot's JSON says, and how it is said; what is refused, what is kept
 * that nobody here knows, and how much memory it takes. The figures are made up by hand.
 */
#include "wire/snapshot.h"

#include "base/units.h"
#include "ledger/page_writer.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S(x) ((uint64_t)((x)*1e9))

/* As vmdesched writes it, but for `new`, which is of a version to come. */
#define FIGURES(r, t, d, w, u)                                                                     \
	"'reported_s':" #r ",'true_s':" #t ",'descheduled_s':" #d ",'wait_s':" #w                  \
	",'unaccounted_s':" #u
/* clang-format off */
#define FULL \
	"{'schema':'desched-agent/2','source':'page'," \
	"'steal_clock':'','not_seen':'nothing'," \
	"'kernel_subtracts':false,'complete':true,'stale':false," \
	"'new':{'a':[1,2.5,null]},'session':'9223372036854775807'," \
	"'sessions':[{'id':'5','since_s':0.0}," \
	"{'id':'9223372036854775807','since_s':2.5}]," \
	"'elapsed_s':100.0,'lag_s':0.25,'totals':{" FIGURES(90.0, 73.25, 15.0, 1.25, 0.5) \
	",'vmdesched_s':16.25,'idle_descheduled_s':3.0," \
	"'idle_wait_s':0.5,'idle_unaccounted_s':0.125,'low_s':15.0," \
	"'high_s':17.5,'new_s':1.5},'cpus':[{'cpu':0,'busy_s':60.0," \
	"'idle_s':40.0,'descheduled_s':10.0,'wait_s':1.0," \
	"'unaccounted_s':0.5,'idle_descheduled_s':2.0," \
	"'idle_wait_s':0.5,'idle_unaccounted_s':0.0," \
	"'ledger_s':{'run':48.5,'ready':8.0,'costop':4.0," \
	"'limited':0.0,'swapwait':0.0,'halt':37.5,'wait':1.5}," \
	"'new_s':2.5}],'processes':[{'pid':12,'id':7," "'name':'spin\\u001b[2J'," \
	FIGURES(60.0, 49.0, 10.0, 1.0, 0.0) ",'children':{" \
	FIGURES(0.25, 0.25, 0.0, 0.0, 0.0) "},'threads':[{'tid':12,'name':'main'," \
	FIGURES(20.0, 19.0, 1.0, 0.0, 0.0) ",'new':7},{'tid':14,'name':'worker'," \
	FIGURES(40.0, 30.0, 9.0, 1.0, 0.0) \
	"}],'user':'root','cgroup':'/a','ppid':1,'command':'spin -f'," \
	"'state':'R','rss_bytes':4096,'new':'x'},{'pid':-1,'id':0," "'name':'(lost)'," \
	FIGURES(0.5, 0.5, 0.0, 0.0, 0.0) ",'children':{" FIGURES(0.0, 0.0, 0.0, 0.0, 0.0) \
	"}}],'exited':{" FIGURES(1.0, 1.0, 0.0, 0.0, 0.0) \
	"},'cgroups':[{'path':'/a','tasks':3," FIGURES(61.0, 50.0, 10.0, 1.0, 0.0) \
	",'new':1}],'counters':{'switches':1,'lost_switches':2," \
	"'lost_lives':3,'mismatches':4,'lost_run_s':5.0," \
	"'backwards':6,'no_room':7,'cgroups_folded':8," \
	"'overcharged_s':9.0,'unseen_s':10.0,'late_s':11.0," \
	"'coarse_s':12.0,'lost_gaps':13,'steal_epochs':14," \
	"'bpf_runs':15,'bpf_s':16.0,'new':17}," \
	"'clock':{'error_s':0.001,'stale':false,'contradicted':3," \
	"'monotonic_s':41.5,'new':18},'page':{'updates':5," \
	"'ticks_hz':2500000000,'shares':2000,'mem_used':3221225472," \
	"'new':19,'vcpus':[{'start':1000,'at':5000,'state':'ready'," \
	"'ns':{'run':2000,'ready':1500,'costop':0,'limited':0," \
	"'swapwait':0,'halt':400,'wait':100}},null]}}"
/* clang-format on */

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

static struct snapshot decoded(const char *text)
{
	struct failure f = {""};
	json_t *o = json_of(text);
	struct snapshot s;

	if (snapshot_decode(o, &f, &s))
		fail_msg("%s: %s", f.text, text);
	json_decref(o);
	return s;
}

static void what_was_read_is_written(void **state)
{
	struct snapshot s = decoded(FULL);
	json_t *expected = json_of(FULL), *o = snapshot_json(&s);

	(void)state;
	if (!json_equal(o, expected))
		fail_msg("%s\nnot\n%s", json_dumps(o, JSON_SORT_KEYS),
			 json_dumps(expected, JSON_SORT_KEYS));
	json_decref(expected);
	json_decref(o);
	snapshot_done(&s);
}

static void members_are_where_they_belong(void **state)
{
	struct snapshot s = decoded(FULL);
	const struct snapshot_process *p = &s.processes[0];

	(void)state;
	assert_true(s.session == INT64_MAX && s.n_sessions == 2 && s.sessions[1].since == S(2.5));
	assert_true(s.estimated && s.low == S(15) && s.high == S(17.5));
	assert_int_equal(s.busy.truth, S(73.25));
	assert_int_equal(s.idle.wait, S(0.5));
	assert_int_equal(s.vmdesched, S(16.25));
	assert_int_equal(s.cpus[0].ledger[LEDGER_COSTOP], S(4));
	assert_int_equal(s.cpus[0].idle_descheduled, S(2));
	assert_string_equal(p->name, "spin\033[2J");
	assert_true(p->parent == 1 && p->state == 'R' && p->rss == 4096 && p->n_threads == 2);
	assert_int_equal(s.threads[p->first_thread + 1].own.descheduled, S(9));
	assert_int_equal(s.processes[1].pid, -1);
	assert_int_equal(s.cgroups[0].n_tasks, 3);
	assert_int_equal(s.counters.lost_run, S(5));
	assert_int_equal(s.counters.bpf_runs, 15);
	assert_true(s.page->host.valid == (PAGE_VALID_SHARES | PAGE_VALID_MEM_USED));
	assert_int_equal(ledger_wall(&s.page->vcpus[0]), 4000);
	assert_int_equal(s.page->vcpus[1].at, 0);
	snapshot_done(&s);
}

#define LEAST "'totals':{},'cpus':[{}],'processes':[]}"

/* What an older agent may leave out. */
static void what_is_missing_is_nothing(void **state)
{
	struct snapshot s = decoded("{'schema':'desched-agent/1','session':7," LEAST);

	(void)state;
	assert_int_equal(s.session, 7);
	assert_true(s.complete && s.split && !s.stale && !s.estimated && !s.page);
	assert_string_equal(s.source, "?");
	assert_string_equal(s.steal_clock, "");
	assert_true(s.n_cpus == 1 && !s.n_processes && !s.n_cgroups && !s.n_sessions);
	snapshot_done(&s);
	s = decoded("{'schema':'desched-agent/1','cpus':[{'busy_s':6,'idle_s':4,'descheduled_s':2,"
		    "'wait_s':1,'idle_descheduled_s':0.5}],'totals':{'low_s':1},"
		    "'processes':[{},{'threads':[]}]}");
	assert_false(s.estimated); /* it takes both ends */
	assert_int_equal(s.cpus[0].ledger[LEDGER_RUN], S(3));
	assert_int_equal(s.cpus[0].ledger[LEDGER_READY], S(2.5));
	assert_int_equal(s.cpus[0].ledger[LEDGER_HALT], S(3.5));
	assert_true(s.n_processes == 2 && s.processes[0].pid == 0 && !s.processes[0].user);
	assert_string_equal(s.processes[0].name, "?");
	snapshot_done(&s);
}

#define CPUS	       "'cpus':[{}],"
#define HEAD	       "{'schema':'desched-agent/2','totals':{},"
#define PROCESS(text)  HEAD CPUS "'processes':[" text "]}"
#define CPU(text)      HEAD "'processes':[],'cpus':[" text "]}"
#define PAGE(text)     HEAD CPUS "'processes':[],'page':" text "}"
#define TOTALS(text)   "{'schema':'desched-agent/2'," CPUS "'processes':[],'totals':" text "}"
#define MEMBER(text)   HEAD CPUS "'processes':[]," text "}"
#define VCPU(text)     PAGE("{'vcpus':[" text "]}")
#define WHOLE_NS(more) "'start':0,'at':5," more

/* Each was taken by one reader or another once. */
static const char *const bad[] = {
	"{}",
	"[]",
	"{'schema':'desched-agent/3'," LEAST,
	"{'schema':2," LEAST,
	"{'schema':'desched-agent/2'," CPUS "'processes':[]}",
	"{'schema':'desched-agent/2'," CPUS "'totals':{}}",
	TOTALS("5"),
	TOTALS("[]"),
	TOTALS("{'true_s':'6'}"),
	TOTALS("{'true_s':1e99}"),
	TOTALS("{'true_s':-1e-9}"),
	TOTALS("{'low_s':[]}"),
	MEMBER("'elapsed_s':'long'"),
	MEMBER("'elapsed_s':1e300"),
	MEMBER("'lag_s':-1"),
	MEMBER("'session':-1"),
	MEMBER("'session':1.5"),
	MEMBER("'session':'x'"),
	MEMBER("'session':null"),
	MEMBER("'session':'18446744073709551616'"),
	MEMBER("'sessions':{}"),
	MEMBER("'sessions':[5]"),
	MEMBER("'sessions':[{'id':-1}]"),
	MEMBER("'source':5"),
	MEMBER("'stale':1"),
	MEMBER("'complete':'yes'"),
	MEMBER("'kernel_subtracts':0"),
	MEMBER("'split':null"),
	MEMBER("'exited':5"),
	MEMBER("'counters':[]"),
	MEMBER("'counters':{'lost_gaps':-1}"),
	MEMBER("'counters':{'no_room':1.5}"),
	MEMBER("'clock':7"),
	MEMBER("'clock':{'error_s':-1}"),
	MEMBER("'cgroups':5"),
	MEMBER("'cgroups':[5]"),
	MEMBER("'cgroups':[{'path':5}]"),
	HEAD "'processes':[],'cpus':{}}",
	CPU("5"),
	CPU("null"),
	CPU("{'cpu':4096}"),
	CPU("{'cpu':-1}"),
	CPU("{'busy_s':-1}"),
	CPU("{'ledger_s':5}"),
	CPU("{'ledger_s':{'run':-1}}"),
	HEAD CPUS "'processes':5}",
	PROCESS("3"),
	PROCESS("null"),
	PROCESS("{'pid':-3000000000}"),
	PROCESS("{'pid':3000000000}"),
	PROCESS("{'pid':-1.5}"),
	PROCESS("{'pid':'1'}"),
	PROCESS("{'pid':1,'id':-1}"),
	PROCESS("{'pid':1,'name':5}"),
	PROCESS("{'pid':1,'ppid':-4}"),
	PROCESS("{'pid':1,'state':5}"),
	PROCESS("{'pid':1,'children':5}"),
	PROCESS("{'pid':3,'children':{'true_s':[]}}"),
	PROCESS("{'pid':1,'threads':7}"),
	PROCESS("{'pid':1,'threads':[null]}"),
	PROCESS("{'pid':1,'threads':[{'tid':'x'}]}"),
	PROCESS("{'pid':1,'threads':[{'tid':-2}]}"),
	PAGE("5"),
	PAGE("null"),
	PAGE("{'shares':-5}"),
	PAGE("{'updates':0.5}"),
	PAGE("{'vcpus':{}}"),
	VCPU("5"),
	VCPU("{}"),
	VCPU("{" WHOLE_NS("'state':'run','ns':{'run':4}}")),
	VCPU("{" WHOLE_NS("'state':'?','ns':{'run':5}}")),
	VCPU("{" WHOLE_NS("'ns':{'run':5}}")),
	VCPU("{" WHOLE_NS("'state':'run','ns':5}")),
	VCPU("{" WHOLE_NS("'state':'run','ns':{'run':5.0}}")),
};

static void what_makes_no_sense_is_refused(void **state)
{
	struct snapshot s;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct failure f = {""};
		json_t *o = json_of(bad[i]);

		if (snapshot_decode(o, &f, &s) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
		assert_non_null(strstr(f.text, "desched-agent/2"));
		json_decref(o);
	}
	assert_int_equal(snapshot_decode(NULL, NULL, &s), -EBADMSG);
}

/* Not an idle machine, but one of which nobody knows anything. */
static void a_snapshot_has_cpus(void **state)
{
	static const char *const texts[] = {HEAD "'processes':[]}",
					    HEAD "'processes':[],'cpus':[]}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct failure f = {""};
		json_t *o = json_of(texts[i]);
		struct snapshot s;

		assert_int_equal(snapshot_decode(o, &f, &s), -EBADMSG);
		assert_non_null(strstr(f.text, "'cpus'"));
		json_decref(o);
	}
}

static void lists_have_an_end(void **state)
{
	static const struct {
		const char *list, *item;
		size_t max;
	} lists[] = {
		{"sessions", "{'id':1}", SNAPSHOT_SESSIONS_MAX},
		{"cpus", "{}", SNAPSHOT_CPUS_MAX},
		{"processes", "{}", SNAPSHOT_TASKS_MAX},
		{"cgroups", "{}", SNAPSHOT_TASKS_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		json_t *o = json_of("{'schema':'desched-agent/2'," LEAST), *list = json_array();
		json_t *item = json_of(lists[i].item);
		struct snapshot s;

		for (size_t k = 0; k < lists[i].max; k++)
			json_array_append(list, item);
		json_object_set_new(o, lists[i].list, list);
		assert_int_equal(snapshot_decode(o, NULL, &s), 0);
		snapshot_done(&s);
		json_array_append_new(list, item);
		assert_int_equal(snapshot_decode(o, NULL, &s), -EBADMSG);
		json_decref(o);
	}
}

/* Of processes and threads nothing but the kernel's figure: the others are not known, and not 0. */
static void what_is_not_split_says_less(void **state)
{
	static const char text[] =
		"{'schema':'desched-agent/2','source':'proc','split':false,'complete':false,"
		"'elapsed_s':2.0,'totals':{'true_s':3.5,'descheduled_s':0.5},"
		"'counters':{'implausible':2},'cpus':[{'cpu':0,'ledger_s':{'run':3.5,'ready':0.5,"
		"'halt':1.0}}],'processes':[{'pid':4,'id':9,'name':'x','reported_s':1.25},"
		"{'pid':5,'id':0,'name':'y'}]}";
	struct snapshot s = decoded(text);
	json_t *expected = json_of(text), *o = snapshot_json(&s);

	(void)state;
	assert_int_equal(s.processes[0].own.truth, S(1.25));
	assert_int_equal(s.processes[0].own.reported, S(1.25));
	if (!json_equal(o, expected))
		fail_msg("%s", json_dumps(o, 0));
	json_decref(expected);
	json_decref(o);
	snapshot_done(&s);
}

/* Not even that anything has run yet. */
static void what_says_nothing_is_read_again(void **state)
{
	struct snapshot s, again;
	json_t *o;

	(void)state;
	snapshot_init(&s);
	s.split = false;
	s.cpus = calloc(1, sizeof(*s.cpus));
	s.n_cpus = 1;
	o = snapshot_json(&s);
	assert_int_equal(snapshot_decode(o, NULL, &again), 0);
	json_decref(o);
	snapshot_done(&again);
	snapshot_done(&s);
}

static void texts_are_cut_and_written_as_utf8(void **state)
{
	char text[SNAPSHOT_TEXT_MAX + 10];
	struct snapshot_process *p;
	struct snapshot s;
	json_t *o;

	(void)state;
	snapshot_init(&s);
	memset(text, 'x', sizeof(text));
	memcpy(text + SNAPSHOT_TEXT_MAX - 2, "\xe6\x97\xa5", 4);
	assert_int_equal(strlen(snapshot_text(&s, text)), SNAPSHOT_TEXT_MAX - 2);
	memcpy(text + SNAPSHOT_TEXT_MAX - 3, "\xe6\x97\xa5", 4);
	assert_int_equal(strlen(snapshot_text(&s, text)), SNAPSHOT_TEXT_MAX);
	for (int i = 0; i < 100000; i++)
		assert_string_equal(snapshot_text(&s, "name"), "name");
	s.processes = p = calloc(1, sizeof(*p));
	s.n_processes = 1;
	s.cpus = calloc(1, sizeof(*s.cpus));
	s.n_cpus = 1;
	p->name = snapshot_text(&s, "a\xff\n\xe6\x97\xa5");
	o = snapshot_json(&s);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(json_object_get(o, "processes"), 0), "name")),
			    "a?\n\xe6\x97\xa5");
	json_decref(o);
	snapshot_done(&s);
}

static void sessions_that_go_on(void **state)
{
	struct snapshot to = decoded(
		"{'schema':'desched-agent/2','session':'6','sessions':[{'id':'5'},{'id':'6'}],"
		"'elapsed_s':1e-8," LEAST);

	(void)state;
	assert_true(snapshot_goes_on(6, 10, &to));
	assert_true(snapshot_goes_on(5, 10, &to)); /* its agent has seen that, too */
	assert_true(snapshot_goes_on(0, 10, &to));
	assert_false(snapshot_goes_on(6, 11, &to));
	assert_false(snapshot_goes_on(7, 10, &to)); /* another agent, though it is older */
	to.session = 0;
	assert_true(snapshot_goes_on(7, 10, &to));
	snapshot_done(&to);
}

/* A host that writes what JSON has no numbers for, or what is no ledger. */
static void a_page_is_read_as_far_as_it_makes_sense(void **state)
{
	static _Alignas(8) char memory[8192];
	const struct page_vcpu vcpus[] = {
		{.start = 10, .at = 60, .ns = {20, 30}},
		{.start = UINT64_MAX - 10, .at = UINT64_MAX, .ns = {4, 6}},
		{.start = 10, .at = 60, .ns = {20, 31}},
	};
	struct page_host host = {.valid = PAGE_VALID_SHARES, .shares = UINT64_MAX};
	struct page_writer w;
	struct page_reader r;
	struct snapshot s;
	json_t *o;

	(void)state;
	assert_true(page_writer_init(&w, memory, sizeof(memory), 3, 8, 77) >= 0);
	page_write_host(&w, &host);
	for (uint32_t i = 0; i < 3; i++)
		page_write_vcpu(&w, i, &vcpus[i]);
	page_writer_done(&w);
	assert_int_equal(page_attach(memory, sizeof(memory), &r), 0);
	snapshot_init(&s);
	s.cpus = calloc(1, sizeof(*s.cpus));
	s.n_cpus = 1;
	assert_int_equal(snapshot_page_read(&r, &s.page), 0);
	o = snapshot_json(&s);
	snapshot_done(&s);
	assert_int_equal(snapshot_decode(o, NULL, &s), 0);
	assert_int_equal(s.page->n_vcpus, 3);
	assert_int_equal(s.page->vcpus[0].ns[LEDGER_READY], 30);
	assert_int_equal(s.page->vcpus[1].at, 0);
	assert_int_equal(s.page->vcpus[2].at, 0);
	assert_int_equal(s.page->host.shares, INT64_MAX);
	snapshot_done(&s);
	json_decref(o);
}

#ifdef DESCHED_ASAN /* whose allocator doesn't say how much it has given */
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static size_t allocated(void)
{
	return mallinfo2().uordblks;
}

/* A screen keeps two, with a thousand processes each: a small part of what their JSON takes. */
static void a_snapshot_is_small(void **state)
{
	json_t *full = SANITIZED ? NULL : json_of(FULL), *o, *list;
	size_t begin = allocated(), tree, whole;
	struct snapshot s;

	(void)state;
	if (SANITIZED)
		skip();
	o = json_deep_copy(full);
	list = json_object_get(o, "processes");
	json_array_remove(list, 1);
	json_object_del(json_array_get(list, 0), "threads");
	json_object_del(json_array_get(list, 0), "new");
	for (int i = 0; i < 999; i++)
		json_array_append_new(list, json_deep_copy(json_array_get(list, 0)));
	tree = allocated() - begin;
	assert_int_equal(snapshot_decode(o, NULL, &s), 0);
	whole = allocated() - begin - tree;
	print_message("1,000 processes: %zu KiB, as JSON %zu KiB\n", whole / 1024, tree / 1024);
	assert_true(whole * 5 < tree);
	snapshot_done(&s);
	json_decref(o);
	json_decref(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_is_written),
		cmocka_unit_test(members_are_where_they_belong),
		cmocka_unit_test(what_is_missing_is_nothing),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(a_snapshot_has_cpus),
		cmocka_unit_test(lists_have_an_end),
		cmocka_unit_test(what_is_not_split_says_less),
		cmocka_unit_test(what_says_nothing_is_read_again),
		cmocka_unit_test(texts_are_cut_and_written_as_utf8),
		cmocka_unit_test(sessions_that_go_on),
		cmocka_unit_test(a_page_is_read_as_far_as_it_makes_sense),
		cmocka_unit_test(a_snapshot_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
