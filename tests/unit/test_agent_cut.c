/* SPDX-License-Identifier: MIT */
/*
 * The agent with switches and a source of the test's own: what it books by when. With those of a
 * kernel: tests/system/test_agent.c.
 */
#include "base/clock.h"
#include "base/units.h"
#include "guest/agent.h"
#include "ledger/page_writer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- a kernel: CPU 0 changes between two processes all the time ---- */

#define TURN_NS (5 * NS_PER_US) /* more than HELD_MAX in a slow round */

static uint64_t slow_ns;   /* of draining, as where the agent loses its CPU */
static uint64_t last_turn; /* CPU 0 has told of switches up to here */
static uint32_t turn;

int switches_open(struct failure *f, struct switches **ret)
{
	(void)f;
	*ret = (struct switches *)&turn;
	return 0;
}

struct switches *switches_close(struct switches *s)
{
	(void)s;
	return NULL;
}

int switches_attach(struct switches *s, enum switches_steal steal, struct failure *f)
{
	(void)s;
	(void)steal;
	(void)f;
	last_turn = clock_mono();
	return 0;
}

int switches_drain(struct switches *s, switches_fn fn, void *data)
{
	const struct timespec pause = {.tv_nsec = (long)slow_ns};
	int err = 0;

	(void)s;
	nanosleep(&pause, NULL);
	while (!err && last_turn + TURN_NS <= clock_mono()) {
		uint32_t prev = turn % 2, next = ++turn % 2;
		struct switches_switch r = {.head = {SWITCHES_SWITCH, 0, last_turn += TURN_NS},
					    .prev_tid = 1000000 + prev,
					    .next_tid = 1000000 + next,
					    .next_tgid = 1000000 + next};

		err = fn(&r.head, sizeof(r), data);
	}
	return err;
}

int switches_fd(const struct switches *s)
{
	(void)s;
	return -1;
}

uint64_t switches_lost(const struct switches *s)
{
	(void)s;
	return 0;
}

void switches_counters(const struct switches *s, struct switches_counters *ret)
{
	(void)s;
	*ret = (struct switches_counters){0};
}

bool switches_kernel_subtracts(const struct switches *s)
{
	(void)s;
	return false;
}

const char *switches_steal_name(enum switches_steal row)
{
	(void)row;
	return "none";
}

/* ---- a source that sees everything run ---- */

static int open_truth(const struct source_context *context, struct failure *f, void **ret)
{
	(void)f;
	*ret = context->account;
	return 0;
}

static void close_truth(void *source)
{
	(void)source;
}

static void run_truth(void *source, const struct account_run *run)
{
	account_book(source, run->task, run->cpu, run->end - run->start);
	account_release(source, run->task);
}

static void report_truth(void *source, struct source_report *ret)
{
	(void)source;
	*ret = (struct source_report){0};
}

static const struct source_ops truth = {.name = "truth",
					.stands_in = true,
					.open = open_truth,
					.close = close_truth,
					.run = run_truth,
					.report = report_truth};
/* ---- a page, whose host isn't there when the agent begins ---- */

static uint8_t page[1 << 16] __attribute__((aligned(4096)));

int guest_page_map(const char *path, struct failure *f, struct guest_page *ret)
{
	(void)path;
	(void)f;
	*ret = (struct guest_page){.base = page, .size = sizeof(page)};
	return 0;
}

void guest_page_unmap(struct guest_page *m)
{
	m->base = NULL;
}

/* As an agent does that may not map anything any more. */
static int open_page(const struct source_context *context, struct failure *f, void **ret)
{
	if (!context->page || context->page->base != page)
		return failure_set(f, -ENODATA, "no page");
	*ret = context->account;
	return 0;
}

static void report_page(void *source, struct source_report *ret)
{
	(void)source;
	*ret = (struct source_report){.session = 77};
}

const struct source_ops source_stream = {.name = "stream"}; /* no port is here */
const struct source_ops source_page = {.name = "page",
				       .open = open_page,
				       .close = close_truth,
				       .run = run_truth,
				       .report = report_page};
const struct source_ops *const sources[] = {&source_page, &truth, NULL};

const char *source_name(size_t i)
{
	return i ? NULL : "auto";
}

/* ---- tests ---- */

/* A CPU that is never idle is busy for as long as has passed, by every snapshot and between any
 * two, however long the agent takes to read the records. */
static void busy_is_what_has_passed(void **state)
{
	const struct agent_config config = {.source = "truth"};
	uint64_t elapsed = 0, busy = 0;
	struct agent *agent;

	(void)state;
	slow_ns = 0;
	assert_int_equal(agent_open(&config, NULL, &agent), 0);
	for (int i = 0; i < 12; i++) {
		struct snapshot s;

		slow_ns = i % 3 == 1 ? 30 * NS_PER_MS : NS_PER_MS;
		assert_int_equal(agent_snapshot(agent, &s), 0);
		if (i)
			assert_int_equal(s.cpus[0].busy - busy, s.elapsed - elapsed);
		busy = s.cpus[0].busy;
		elapsed = s.elapsed;
		assert_int_equal(s.counters.backwards, 0);
		snapshot_done(&s);
	}
	agent_close(agent);
}

static void host_writes(struct page_writer *w, uint64_t updates)
{
	const struct page_host host = {.updates = updates};

	page_write_host(w, &host);
}

/* Polls for `ns`, the host writing meanwhile, or not. */
static void poll_for(struct agent *agent, struct page_writer *w, uint64_t ns)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

	for (uint64_t end = clock_mono() + ns; clock_mono() < end;) {
		if (w)
			host_writes(w, clock_mono());
		assert_int_equal(agent_poll(agent), 0);
		nanosleep(&pause, NULL);
	}
}

/* A dead host's page is none. When one is written the better source takes over: in another session,
 * which goes on the first, without a gap and without an ns twice. */
static void a_page_that_comes_later_is_taken(void **state)
{
	const struct agent_config config = {.source = "auto"};
	struct agent *agent;
	struct snapshot before, after;
	struct page_writer w;

	(void)state;
	slow_ns = NS_PER_MS;
	assert_int_equal(agent_open(&config, NULL, &agent), 0);
	assert_string_equal(agent_source(agent), "truth");
	assert_int_equal(page_writer_init(&w, page, sizeof(page), 1, 64, 5), 0);
	host_writes(&w, 1);
	poll_for(agent, NULL, 2500 * NS_PER_MS);
	assert_string_equal(agent_source(agent), "truth");
	assert_int_equal(agent_snapshot(agent, &before), 0);
	for (int i = 0; i < 60 && strcmp(agent_source(agent), "page") != 0; i++)
		poll_for(agent, &w, NS_PER_SEC);
	assert_string_equal(agent_source(agent), "page");
	assert_int_equal(agent_snapshot(agent, &after), 0);
	assert_string_equal(after.source, "page");
	assert_int_equal(after.cpus[0].busy - before.cpus[0].busy, after.elapsed - before.elapsed);
	assert_int_not_equal(after.session, before.session);
	assert_int_equal(after.n_sessions, 2);
	assert_int_equal(after.sessions[0].id, before.session);
	assert_int_equal(after.sessions[1].id, after.session);
	assert_true(after.sessions[1].since > before.elapsed);
	snapshot_done(&before);
	snapshot_done(&after);
	agent_close(agent);
	page_writer_done(&w);
}

/* Who names the estimate gets it, whatever comes. */
static void a_source_that_is_named_stays(void **state)
{
	const struct agent_config config = {.source = "truth"};
	struct agent *agent;
	struct page_writer w;

	(void)state;
	assert_int_equal(agent_open(&config, NULL, &agent), 0);
	assert_int_equal(page_writer_init(&w, page, sizeof(page), 1, 64, 6), 0);
	poll_for(agent, &w, 2500 * NS_PER_MS);
	assert_string_equal(agent_source(agent), "truth");
	agent_close(agent);
	page_writer_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy_is_what_has_passed),
		cmocka_unit_test(a_page_that_comes_later_is_taken),
		cmocka_unit_test(a_source_that_is_named_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
