/* SPDX-License-Identifier: MIT */
/*
 * libdesched: what it makes of an answer, and what it does when the other side is no honest daemon.
 * The figures are those of fake_vmdesched.h, added up by hand. client.c is included, with a shorter
 * patience; tests/unit/test_vmguestlib.c runs the shared libraries.
 */
#include <desched/desched.h>
#undef DESCHED_TIMEOUT_MS
#define DESCHED_TIMEOUT_MS 300
#include "api/client.c"

#include "fake_vmdesched.h"
#include "ledger/page_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define S(x) ((uint64_t)((x)*1e9))

static struct desched_snapshot *parsed(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);
	struct desched_snapshot *s = NULL;
	struct snapshot from;

	assert_int_equal(snapshot_decode(o, NULL, &from), 0);
	json_decref(o);
	assert_int_equal(answer_make(&from, &s), 0);
	snapshot_done(&from);
	return s;
}

static void check_amounts(const struct desched_amounts *a, double reported, double true_time,
			  double descheduled, double wait)
{
	assert_int_equal(a->reported, S(reported));
	assert_int_equal(a->true_time, S(true_time));
	assert_int_equal(a->descheduled, S(descheduled));
	assert_int_equal(a->wait, S(wait));
}

static void the_summary_and_the_cpus(void **state)
{
	struct desched_snapshot *s = parsed(FAKE_ANSWER);
	const struct desched_summary *sum = desched_summary(s);

	(void)state;
	assert_int_equal(sum->session, 4711);
	assert_string_equal(sum->source, "page");
	assert_string_equal(sum->steal_clock, "");
	assert_true(sum->complete && !sum->stale && !sum->estimated && !sum->kernel_subtracts);
	assert_int_equal(sum->elapsed, S(100));
	check_amounts(&sum->busy, 90, 73.75, 15, 1.25);
	assert_int_equal(sum->idle_descheduled, S(3));
	assert_int_equal(sum->idle_wait, S(0.5));
	assert_int_equal(sum->lost_switches, 3);
	assert_int_equal(sum->lost_time, S(0.5));
	assert_int_equal(sum->unseen, S(0.125));
	assert_int_equal(desched_cpus(s), 2);
	assert_int_equal(desched_cpu(s, 1)->cpu, 1);
	assert_int_equal(desched_cpu(s, 1)->busy, S(30));
	assert_int_equal(desched_cpu(s, 0)->idle_wait, S(0.5));
	assert_null(desched_cpu(s, 2));
	desched_snapshot_free(s);
}

static void processes_and_threads(void **state)
{
	struct desched_snapshot *s = parsed(FAKE_ANSWER);
	const struct desched_process *p = desched_process_find(s, 12);

	(void)state;
	assert_int_equal(desched_processes(s), 3);
	assert_ptr_equal(p, desched_process(s, 0));
	assert_string_equal(p->name, "spin\033[2J");
	assert_int_equal(p->id, 7);
	check_amounts(&p->own, 60, 49, 10, 1);
	check_amounts(&p->children, 0.25, 0.25, 0, 0);
	assert_int_equal(p->n_threads, 2);
	assert_int_equal(desched_thread(s, p, 1)->tid, 14);
	assert_string_equal(desched_thread(s, p, 1)->name, "worker");
	check_amounts(&desched_thread(s, p, 1)->amounts, 40, 30, 9, 1);
	assert_null(desched_thread(s, p, 2));
	p = desched_process(s, 1);
	assert_int_equal(p->pid, 0); /* it says -1: nobody's time */
	assert_string_equal(p->name, "(lost)");
	p = desched_process(s, 2);
	assert_int_equal(p->pid, 13);
	assert_int_equal(p->id, 0);
	assert_null(desched_thread(s, p, 0));
	assert_null(desched_process(s, 3));
	assert_null(desched_process_find(s, 0));
	assert_null(desched_process_find(s, 99));
	desched_snapshot_free(s);
}

static void check_figure(const struct desched_snapshot *s, enum desched_figure which, uint64_t is)
{
	uint64_t v = 77;

	assert_int_equal(desched_figure(s, which, &v), 0);
	assert_int_equal(v, is);
}

static void check_unknown(const struct desched_snapshot *s, enum desched_figure which, int err)
{
	uint64_t v = 77;

	assert_int_equal(desched_figure(s, which, &v), err);
	assert_int_equal(v, 77);
}

static void figures_of_the_machine(void **state)
{
	struct desched_snapshot *s = parsed(FAKE_ANSWER);

	(void)state;
	check_figure(s, DESCHED_ELAPSED_NS, S(100));
	check_figure(s, DESCHED_CPUS, 2);
	check_figure(s, DESCHED_CPU_USED_NS, S(73.75));
	check_figure(s, DESCHED_CPU_STOLEN_NS, S(10 + 5 + 2 + 1));
	check_figure(s, DESCHED_CPU_WAIT_NS, S(1 + 0.25 + 0.5));
	check_figure(s, DESCHED_CPU_IDLE_NS, S(37.5 + 69));
	check_figure(s, DESCHED_CPU_SPEED_HZ, 2500000000);
	check_figure(s, DESCHED_CPU_SHARES, 2000);
	check_figure(s, DESCHED_CPU_RESERVATION_PPM, 500000);
	check_figure(s, DESCHED_CPU_RESERVATION_HZ, 1250000000);
	check_figure(s, DESCHED_CPU_LIMIT_PPM, 2000000);
	check_figure(s, DESCHED_CPU_LIMIT_HZ, 5000000000);
	check_figure(s, DESCHED_CPU_OVERHEAD_NS, 1500000000);
	check_figure(s, DESCHED_MEM_SIZE, 4294967296);
	check_figure(s, DESCHED_MEM_BALLOONED, 537919487);
	check_figure(s, DESCHED_MEM_SHARED, 104857600);
	check_figure(s, DESCHED_MEM_USED, 3221225472);
	check_figure(s, DESCHED_SESSION, 4711);
	check_unknown(s, DESCHED_MEM_SWAPPED, -ENODATA);
	check_unknown(s, DESCHED_MEM_RESERVATION, -ENODATA);
	check_unknown(s, (enum desched_figure)1000, -EINVAL);
	desched_snapshot_free(s);
}

static void without_a_page_the_host_is_unknown(void **state)
{
	struct desched_snapshot *s = parsed(FAKE_SNAPSHOT("1", ""));

	(void)state;
	assert_null(desched_page(s));
	assert_int_equal(desched_page_ledger(s, 0, &(struct ledger){0}), -ENODATA);
	check_figure(s, DESCHED_CPU_USED_NS, S(73.75));
	for (int which = DESCHED_CPU_SPEED_HZ; which < DESCHED_SESSION; which++)
		check_unknown(s, (enum desched_figure)which, -ENODATA);
	desched_snapshot_free(s);
}

static void the_page_and_its_ledgers(void **state)
{
	struct desched_snapshot *s = parsed(FAKE_ANSWER);
	struct ledger l;

	(void)state;
	assert_int_equal(desched_page(s)->updates, 5);
	assert_int_equal(desched_page(s)->shares, 2000);
	assert_int_equal(desched_page(s)->valid & PAGE_VALID_SWAPPED, 0);
	assert_int_equal(desched_page_vcpus(s), 2);
	assert_int_equal(desched_page_ledger(s, 0, &l), 0);
	assert_int_equal(l.state, LEDGER_READY);
	assert_int_equal(ledger_wall(&l), 4000);
	assert_int_equal(ledger_descheduled(&l), 1500);
	assert_int_equal(desched_page_ledger(s, 1, &l), -ENODATA); /* null: not to be read then */
	assert_int_equal(desched_page_ledger(s, 2, &l), -EINVAL);
	desched_snapshot_free(s);
}

/* What the agent writes of a real page comes back as it was. */
static void a_page_goes_there_and_back(void **state)
{
	static _Alignas(8) char memory[8192];
	struct page_host host = {.clock = {.ticks_hz = 3000000001},
				 .valid = PAGE_VALID_SHARES | PAGE_VALID_SWAPPED,
				 .shares = 1500,
				 .mem_swapped = 12345678901,
				 .mem_used = 99};
	struct page_vcpu vcpu = {.start = 10, .at = 60, .ns = {20, 30}, .gaps_until = 60};
	struct page_writer w;
	struct page_reader r;
	struct desched_snapshot *s;
	struct ledger l;
	struct snapshot from;
	json_t *o;
	char *text;

	(void)state;
	assert_true(page_writer_init(&w, memory, sizeof(memory), 2, 8, 77) >= 0);
	page_write_host(&w, &host);
	page_write_vcpu(&w, 0, &vcpu);
	page_writer_done(&w);
	assert_int_equal(page_attach(memory, sizeof(memory), &r), 0);
	snapshot_init(&from);
	from.cpus = calloc(1, sizeof(*from.cpus));
	from.n_cpus = 1;
	assert_int_equal(snapshot_page_read(&r, &from.page), 0);
	o = snapshot_json(&from);
	snapshot_done(&from);
	text = json_dumps(o, JSON_COMPACT);
	s = parsed(text);
	check_figure(s, DESCHED_CPU_SPEED_HZ, 3000000001);
	check_figure(s, DESCHED_CPU_SHARES, 1500);
	check_figure(s, DESCHED_MEM_SWAPPED, 12345678901);
	check_unknown(s, DESCHED_MEM_USED, -ENODATA); /* its bit is clear */
	assert_int_equal(desched_page_ledger(s, 0, &l), 0);
	assert_int_equal(l.ns[LEDGER_READY], 30);
	assert_int_equal(desched_page_ledger(s, 1, &l), -ENODATA); /* never written */
	desched_snapshot_free(s);
	free(text);
	json_decref(o);
}

static void the_speed_is_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(answer_speed("processor\t: 0\ncpu MHz\t\t: 2599.998\n\nprocessor"),
			 2599998000);
	assert_int_equal(answer_speed("processor\t: 0\nBogoMIPS\t: 48.00\n"), 0);
	assert_int_equal(answer_speed("\ncpu MHz\t\t: -1\n"), 0);
	assert_int_equal(answer_speed("\ncpu MHz\t\t: nan\n"), 0);
	assert_int_equal(answer_speed("\ncpu MHz"), 0);
}

/* ---- the connection ---- */

static int start_fake(void **state)
{
	static struct fake f;

	f = (struct fake){.answer = FAKE_ANSWER};
	*state = &f;
	return fake_start(&f);
}

static int stop_fake(void **state)
{
	fake_stop(*state);
	return 0;
}

static struct desched *connected(void)
{
	struct desched *d = NULL;

	assert_int_equal(desched_connect(NULL, &d), 0);
	return d;
}

static void answers_in_pieces_and_again(void **state)
{
	struct fake *f = *state;
	struct desched *d = connected();
	struct desched_snapshot *s;

	f->pieces = 7;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(desched_read(d, &s), 0);
		check_figure(s, DESCHED_CPU_STOLEN_NS, S(18));
		desched_snapshot_free(s);
	}
	desched_close(d);
}

static void a_daemon_that_was_restarted_is_found(void **state)
{
	struct fake *f = *state;
	struct desched *d = connected();
	struct desched_snapshot *s;

	f->hang_up = true;
	assert_int_equal(desched_read(d, &s), 0);
	desched_snapshot_free(s);
	fake_stop(f);
	assert_int_equal(desched_read(d, &s), -ENOENT);
	f->answer = FAKE_SNAPSHOT("4712", "");
	assert_int_equal(fake_start(f), 0);
	for (int i = 0; i < 2; i++) { /* the second time over a connection that was hung up */
		assert_int_equal(desched_read(d, &s), 0);
		assert_int_equal(desched_summary(s)->session, 4712);
		desched_snapshot_free(s);
	}
	desched_close(d);
}

static void who_does_not_answer_is_left(void **state)
{
	struct fake *f = *state;
	struct desched *d = connected();
	struct desched_snapshot *s = NULL;

	f->answer = NULL;
	assert_int_equal(desched_read(d, &s), -ETIMEDOUT);
	desched_close(d);
	fake_stop(f); /* its queue is full of nobody: nothing accepts */
	f->answer = "{\"a line without end\":";
	assert_int_equal(fake_start(f), 0);
	d = connected();
	assert_int_equal(desched_read(d, &s), -ETIMEDOUT);
	assert_null(s);
	desched_close(d);
}

static void nonsense_is_no_answer(void **state)
{
	struct fake *f = *state;
	struct desched *d = connected();
	struct desched_snapshot *s = NULL;

	f->answer = "HTTP/1.0 400 what?\r\n\r\n";
	assert_int_equal(desched_read(d, &s), -EPROTO);
	f->answer = FAKE_ANSWER FAKE_ANSWER; /* one more than was asked for */
	assert_int_equal(desched_read(d, &s), -EPROTO);
	f->answer = "{\"schema\":\"desched-agent/3\",\"totals\":{},\"processes\":[]}\n";
	assert_int_equal(desched_read(d, &s), -EPROTO);
	f->answer = "{\"error\":\"no\"}\n";
	assert_int_equal(desched_read(d, &s), -EREMOTEIO);
	f->answer = FAKE_ANSWER;
	assert_int_equal(desched_read(d, &s), 0);
	desched_snapshot_free(s);
	desched_close(d);
}

static void paths_that_cannot_be(void **state)
{
	struct desched *d = NULL;
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(desched_connect(path, &d), -ENAMETOOLONG);
	assert_int_equal(desched_connect("/nonexistent/socket", &d), -ENOENT);
	assert_int_equal(desched_connect("/dev/null", &d), -ECONNREFUSED);
	assert_null(d);
	assert_null(desched_close(NULL));
	assert_null(desched_snapshot_free(NULL));
	assert_string_equal(desched_version(), DESCHED_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_summary_and_the_cpus),
		cmocka_unit_test(processes_and_threads),
		cmocka_unit_test(figures_of_the_machine),
		cmocka_unit_test(without_a_page_the_host_is_unknown),
		cmocka_unit_test(the_page_and_its_ledgers),
		cmocka_unit_test(a_page_goes_there_and_back),
		cmocka_unit_test(the_speed_is_the_kernels),
		cmocka_unit_test_setup_teardown(answers_in_pieces_and_again, start_fake, stop_fake),
		cmocka_unit_test_setup_teardown(a_daemon_that_was_restarted_is_found, start_fake,
						stop_fake),
		cmocka_unit_test_setup_teardown(who_does_not_answer_is_left, start_fake, stop_fake),
		cmocka_unit_test_setup_teardown(nonsense_is_no_answer, start_fake, stop_fake),
		cmocka_unit_test(paths_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
