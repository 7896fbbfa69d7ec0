/* SPDX-License-Identifier: MIT */
/*
 * Readers beside a writer that works, is stopped, or dies. A writer in a child process is stepped
 * through its work one machine instruction at a time, and after each one this process, which sees
 * what a guest would see if the writer were killed right there, reads the whole page. Then writers
 * are killed at random instants, and at last readers and a writer run at the same time.
 */
#include "ledger/page_writer.h"

#include "base/units.h"
#include "page_records.h"
#include "random.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE	8192u
#define RING	16u
#define SESSION 99u

static uint8_t *page;
static struct page_writer writer;

static int setup(void **state)
{
	(void)state;
	page = mmap(NULL, SIZE + 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	return page_writer_init(&writer, page, SIZE, 1, RING, SESSION);
}

static int teardown(void **state)
{
	(void)state;
	page_writer_done(&writer);
	return munmap(page, SIZE + 4096);
}

static void write_round(uint64_t i)
{
	struct page_host host = record_host(i);
	struct page_vcpu vcpu = record_vcpu(i);
	struct gap gap = record_gap(i - 1, 0);

	page_write_host(&writer, &host);
	page_write_gap(&writer, 0, &gap);
	page_write_vcpu(&writer, 0, &vcpu);
}

/* What a reader has seen: figures only ever grow, and no gap goes uncounted. */
struct view {
	struct page_reader reader;
	uint64_t host, vcpu, cursor, lost, gaps;
	uint64_t torn, retries; /* retries: -EAGAIN */
};

static void look_at_host(struct view *v)
{
	struct page_host host;
	int err = page_read_host(&v->reader, &host);

	if (err == 0) {
		v->torn += !record_host_whole(&host) || host.updates < v->host;
		v->host = host.updates;
	} else {
		v->retries += err == -EAGAIN;
		v->torn += err != -EAGAIN && (err != -ENODATA || v->host > 0);
	}
}

static void look_at_vcpu(struct view *v)
{
	struct page_vcpu vcpu;
	int err = page_read_vcpu(&v->reader, 0, &vcpu);

	if (err == 0) {
		v->torn += !record_vcpu_whole(&vcpu) || vcpu.gaps_lost < v->vcpu;
		v->vcpu = vcpu.gaps_lost;
	} else {
		v->retries += err == -EAGAIN;
		v->torn += err != -EAGAIN && (err != -ENODATA || v->vcpu > 0);
	}
}

static void look_at_gaps(struct view *v)
{
	uint64_t before = v->cursor, lost = 0;
	struct gap gaps[RING];
	int n = page_read_gaps(&v->reader, 0, &v->cursor, gaps, RING, &lost);

	v->torn += n < 0 || v->cursor - before != (uint64_t)n + lost;
	for (int i = 0; i < n; i++) {
		uint64_t number = record_gap_number(&gaps[i]);

		v->torn += !record_gap_whole(&gaps[i]) || number < before || number >= v->cursor;
		before = number + 1;
	}
	v->gaps += (uint64_t)n;
	v->lost += lost;
}

static void look(struct view *v)
{
	look_at_host(v);
	look_at_vcpu(v);
	look_at_gaps(v);
}

/* ---- one instruction at a time ---- */

/* Starts a child that waits to be stepped through fn(argument). -1 where tracing is forbidden. */
static pid_t start_stepped(void (*fn)(uint64_t), uint64_t argument)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(1);
		raise(SIGSTOP);
		fn(argument);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSTOPPED(status)) {
		assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL),
				 0);
		return pid;
	}
	fprintf(stderr, "test_page_crash: tracing is forbidden here, no single steps\n");
	return -1;
}

/* False when the child has ended. */
static bool step(pid_t pid)
{
	int status = 0;

	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSTOPPED(status)) {
		assert_int_equal(WSTOPSIG(status), SIGTRAP);
		return true;
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}

static void write_two_rounds(uint64_t i)
{
	write_round(i);
	write_round(i + 1);
}

static void test_stopped_at_any_instruction(void **state)
{
	struct view v = {0};
	uint64_t steps = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(page_attach(page, SIZE, &v.reader), 0);
	pid = start_stepped(write_two_rounds, 1);
	if (pid < 0)
		skip();
	while (step(pid)) {
		look(&v);
		steps++;
	}
	assert_int_equal(v.torn, 0);
	assert_int_equal(v.retries, 0); /* a stopped writer makes nobody wait */
	assert_true(steps > 200);	/* 150 stores and more */
	assert_int_equal(v.host, 2);
	assert_int_equal(v.vcpu, 2);
	assert_int_equal(v.gaps, 2);
	assert_int_equal(v.lost, 0);
}

/* Full rings: an entry that is being overwritten is lost, not wrong. */
static void test_stopped_while_overwriting(void **state)
{
	struct view v = {0};
	pid_t pid;

	(void)state;
	for (uint64_t i = 1; i <= RING; i++)
		write_round(i);
	assert_int_equal(page_attach(page, SIZE, &v.reader), 0);
	pid = start_stepped(write_round, RING + 1);
	if (pid < 0)
		skip();
	while (step(pid)) {
		v.cursor = v.gaps = v.lost = 0;
		look(&v);
		assert_true(v.gaps >= RING - 1 && v.gaps <= RING);
	}
	assert_int_equal(v.torn, 0);
	assert_int_equal(v.cursor, RING + 1);
	assert_int_equal(v.gaps, RING);
	assert_int_equal(v.lost, 1);
}

static void begin_again(uint64_t session)
{
	page_writer_done(&writer);
	if (page_writer_init(&writer, page, SIZE, 1, RING / 2, session) < 0)
		_exit(1);
	write_round(1);
}

/* A new writer takes the page over: the old reader reads its own session or hears that it is over,
 * a new one sees the old page, none, or the new one. */
static void test_stopped_at_any_instruction_of_a_restart(void **state)
{
	struct page_reader old, new;
	uint64_t none = 0;
	pid_t pid;

	(void)state;
	write_round(1);
	write_round(2);
	assert_int_equal(page_attach(page, SIZE, &old), 0);
	pid = start_stepped(begin_again, SESSION + 1);
	if (pid < 0)
		skip();
	while (step(pid)) {
		struct page_host host = {0};
		struct page_vcpu vcpu;
		int err = page_read_host(&old, &host);

		assert_true(err == -ESTALE || (err == 0 && host.updates == 2));
		assert_true(err == -ESTALE || record_host_whole(&host));
		assert_int_equal(page_session_changed(&old), err == -ESTALE);
		if (page_attach(page, SIZE, &new) == -ENODATA) {
			none++;
			continue;
		}
		assert_int_equal(page_attach(page, SIZE, &new), 0);
		assert_int_equal(new.header.session, SESSION + (err == -ESTALE));
		assert_int_equal(new.header.ring_entries, err == -ESTALE ? RING / 2 : RING);
		err = page_read_vcpu(&new, 0, &vcpu);
		assert_true(err == -ENODATA || (err == 0 && record_vcpu_whole(&vcpu)));
	}
	assert_true(none > 0);
	assert_true(page_session_changed(&old));
}

/* ---- a hostile writer, between any two instructions of the reader ---- */

static void read_host_once(uint64_t expected)
{
	struct page_host host;

	_exit(page_read_host(&(struct page_reader){.base = page, .header = writer.header}, &host) !=
	      -(int)expected);
}

static void test_latch_that_never_rests_ends_the_reading(void **state)
{
	volatile uint64_t *seq = (volatile uint64_t *)(page + writer.header.host_offset);
	uint64_t steps = 0;
	pid_t pid;

	(void)state;
	write_round(1);
	pid = start_stepped(read_host_once, EAGAIN);
	if (pid < 0)
		skip();
	while (step(pid)) {
		++*seq;
		assert_true(++steps < 500000);
	}
}

/* What a child that attaches was left with. */
enum outcome { NONE, OLD, NEW, MIXED, REFUSED, OUTCOMES };

static volatile uint64_t *attaching; /* shared with the child: 1 while it is in page_attach() */
static struct page_header old_header, new_header;

static enum outcome attach(void)
{
	struct page_reader r;
	int err;

	*attaching = 1;
	err = page_attach(page, SIZE, &r);
	*attaching = 0;
	if (err < 0)
		return err == -ENODATA ? NONE : REFUSED;
	if (!memcmp(&r.header, &old_header, sizeof(old_header)))
		return OLD;
	return memcmp(&r.header, &new_header, sizeof(new_header)) ? MIXED : NEW;
}

static void attach_once(uint64_t unused)
{
	(void)unused;
	_exit(attach());
}

static void begin_session(uint32_t ring, uint64_t session, struct page_header *ret)
{
	struct page_writer w;

	assert_int_equal(page_writer_init(&w, page, SIZE, 1, ring, session), 0);
	*ret = w.header;
	page_writer_done(&w);
}

/* Steps a child into page_attach() and on, `most` instructions at most. Returns how many were left
 * when page_attach() returned. */
static uint64_t step_into_attach(pid_t pid, uint64_t most)
{
	while (!*attaching)
		assert_true(step(pid));
	while (*attaching && most > 0) {
		assert_true(step(pid));
		most--;
	}
	return most;
}

static enum outcome finish_attach(pid_t pid)
{
	int status = 0;

	assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < OUTCOMES);
	return (enum outcome)WEXITSTATUS(status);
}

/* Another session, of another size, begins after every instruction in turn of page_attach() (with
 * sanitizers after some 30 of them): what was copied is one header or the other, never both. */
static void test_session_that_begins_while_attaching(void **state)
{
	const uint64_t forever = 100000;
	uint64_t seen[OUTCOMES] = {0}, length, stride;
	pid_t pid;

	(void)state;
	attaching = (volatile uint64_t *)(page + SIZE);
	begin_session(8 * RING, SESSION + 1, &new_header);
	begin_session(RING, SESSION, &old_header);
	assert_int_not_equal(new_header.size, old_header.size);
	pid = start_stepped(attach_once, 0);
	if (pid < 0)
		skip();
	length = forever - step_into_attach(pid, forever);
	assert_int_equal(finish_attach(pid), OLD);
	stride = length < 300 ? 1 : length / 30;
	for (uint64_t i = 0; i < length; i += stride) {
		begin_session(RING, SESSION, &old_header);
		pid = start_stepped(attach_once, 0);
		step_into_attach(pid, i);
		begin_session(8 * RING, SESSION + 1, &new_header);
		seen[finish_attach(pid)]++;
	}
	assert_int_equal(seen[MIXED], 0);
	assert_int_equal(seen[REFUSED], 0);
	assert_true(seen[NONE] > 0 && seen[OLD] > 0 && seen[NEW] > 0);
}

/* ---- killed at random ---- */

static void write_for_ever(uint64_t from)
{
	for (uint64_t i = from;; i++)
		write_round(i);
}

static void test_killed_at_random(void **state)
{
	struct random r = {7};
	struct view v = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			write_for_ever(1);
		assert_true(pid > 0);
		usleep((useconds_t)random_below(&r, 3000));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		v = (struct view){0};
		assert_int_equal(page_attach(page, SIZE, &v.reader), 0);
		look(&v);
		assert_int_equal(v.torn, 0);
		assert_int_equal(v.retries, 0);
		assert_int_equal(page_ring_head(&v.reader, 0), v.gaps + v.lost);
		page_writer_done(&writer);
		assert_int_equal(
			page_writer_init(&writer, page, SIZE, 1, RING, SESSION + 1 + (uint64_t)i),
			0);
	}
}

/* ---- at the same time ---- */

#define RACE_NS (400 * NS_PER_MS)

static atomic_bool race_over;

static void *race_writer(void *data)
{
	uint64_t *rounds = data;

	while (!atomic_load(&race_over)) {
		write_round(++*rounds);
		/* An honest writer pauses; with none at all a reader would mostly hear -EAGAIN. */
		for (uint64_t i = *rounds % 64; i > 0; i--)
			atomic_signal_fence(memory_order_seq_cst);
	}
	return NULL;
}

static void *race_reader(void *data)
{
	struct view *v = data;

	while (!atomic_load(&race_over))
		look(v);
	look(v);
	return NULL;
}

static void test_readers_race_a_writer(void **state)
{
	struct view views[2] = {0};
	pthread_t threads[3];
	uint64_t rounds = 0;

	(void)state;
	atomic_store(&race_over, false);
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		assert_int_equal(page_attach(page, SIZE, &views[i].reader), 0);
		assert_int_equal(pthread_create(&threads[i], NULL, race_reader, &views[i]), 0);
	}
	assert_int_equal(pthread_create(&threads[2], NULL, race_writer, &rounds), 0);
	usleep(RACE_NS / NS_PER_US);
	atomic_store(&race_over, true);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_true(rounds > 100);
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		struct view *v = &views[i];

		look(v); /* the writer has stopped: the last record is there, and the last gap */
		assert_int_equal(v->torn, 0);
		assert_int_equal(v->host, rounds);
		assert_int_equal(v->vcpu, rounds);
		assert_int_equal(v->gaps + v->lost, rounds);
	}
}

int main(void)
{
#define WITH_PAGE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_PAGE(test_stopped_at_any_instruction),
		WITH_PAGE(test_stopped_while_overwriting),
		WITH_PAGE(test_stopped_at_any_instruction_of_a_restart),
		WITH_PAGE(test_latch_that_never_rests_ends_the_reading),
		WITH_PAGE(test_session_that_begins_while_attaching),
		WITH_PAGE(test_killed_at_random),
		WITH_PAGE(test_readers_race_a_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
