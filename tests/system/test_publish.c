/* SPDX-License-Identifier: MIT */
/*
 * Publishing: what a reader finds in the page of a process that behaves like a VM (fake_vm.h), held
 * to what the page itself promises: every gap up to gaps_until is there, and the gaps sum up to the
 * ledger's states to the nanosecond. Whether the ledgers are right is test_host_ledger.c; the
 * page's layout and its readers are tests/unit/test_page*.c. Needs root and BPF.
 */
#include "before_others.h"
#include "fake_vm.h"
#include "host/find.h"
#include "host/publish.h"
#include "ledger/stream_frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#define TICKS	 300
#define GAPS_MAX 100000

/* A tick as a reader saw it. */
struct seen {
	struct page_vcpu record;
	int n_gaps; /* had come out of the ring by then */
};

static struct {
	struct seen seen[TICKS];
	struct gap gaps[GAPS_MAX];
	int n_gaps;
	uint64_t cursor, lost;
} reader;

struct published_vm {
	struct fake_vm vm;
	struct host_ledger *ledger;
	struct publisher *publisher;
	struct page_reader page;
	void *base;
	size_t size;
	int id;
};

static void start(struct published_vm *p, const char *source)
{
	struct failure f = {""};
	struct host_vm vm;

	assert_true(fake_vm_start(&p->vm, FAKE_MIXED, true));
	assert_int_equal(host_ledger_open(source, &f, &p->ledger), 0);
	assert_int_equal(publisher_new(p->ledger, &p->publisher), 0);
	assert_int_equal(host_find_pid(p->vm.pid, &f, &vm), 0);
	p->size = publisher_page_size(&vm);
	p->base = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(publisher_add(p->publisher, &vm, p->base, 64, &f, &p->id), -EINVAL);
	assert_int_equal(publisher_add(p->publisher, &vm, p->base, p->size, &f, &p->id), 0);
	assert_int_equal(page_attach(p->base, p->size, &p->page), 0);
	host_vm_done(&vm);
}

static void end(struct published_vm *p)
{
	publisher_free(p->publisher);
	host_ledger_close(p->ledger);
	munmap(p->base, p->size);
	fake_vm_end(&p->vm);
}

static void read_tick(const struct published_vm *p, struct seen *s)
{
	int n;

	assert_int_equal(page_read_vcpu(&p->page, 0, &s->record), 0);
	do {
		n = page_read_gaps(&p->page, 0, &reader.cursor, reader.gaps + reader.n_gaps,
				   GAPS_MAX - reader.n_gaps, &reader.lost);
		assert_true(n >= 0);
		reader.n_gaps += n;
	} while (n > 0);
	s->n_gaps = reader.n_gaps;
}

/* Gap time of one state before `until` in the first `n` gaps. */
static uint64_t sum_gaps(uint64_t until, uint32_t state, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < n && reader.gaps[i].start < until; i++) {
		if (reader.gaps[i].state == state)
			sum += u64_min(reader.gaps[i].end, until) - reader.gaps[i].start;
	}
	return sum;
}

static int count_ended(uint64_t until, int n)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += reader.gaps[i].end <= until;
	return count;
}

static void check_tick(const struct seen *s)
{
	static const uint32_t states[] = {LEDGER_READY, LEDGER_SWAPWAIT, LEDGER_WAIT};

	/* At once, also in the middle of a gap, and still when its end has come. */
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		assert_int_equal(sum_gaps(s->record.at, states[i], s->n_gaps),
				 s->record.ns[states[i]]);
		assert_int_equal(sum_gaps(s->record.at, states[i], reader.n_gaps),
				 s->record.ns[states[i]]);
	}
	assert_int_equal(count_ended(s->record.gaps_until, s->n_gaps),
			 count_ended(s->record.gaps_until, reader.n_gaps));
}

/* Goes on until the gap in which a tick fell, if any, has ended too. */
static void finish_last_gap(const struct published_vm *p, const struct seen *tick)
{
	struct seen now;

	for (int i = 0; i < 2000; i++) {
		usleep(10000);
		assert_int_equal(publisher_tick(p->publisher), 0);
		read_tick(p, &now);
		if (reader.n_gaps && reader.gaps[reader.n_gaps - 1].end > tick->record.at)
			return;
	}
	fail_msg("no gap ended in 20 s");
}

static void every_promised_gap_is_there(void **state)
{
	struct published_vm p;

	(void)state;
	memset(&reader, 0, sizeof(reader));
	start(&p, "bpf");
	for (int i = 0; i < TICKS; i++) {
		assert_int_equal(publisher_tick(p.publisher), 0);
		read_tick(&p, &reader.seen[i]);
		assert_int_equal(reader.seen[i].record.gaps_until, reader.seen[i].record.at);
		usleep(PUBLISH_INTERVAL_NS / NS_PER_US);
	}
	finish_last_gap(&p, &reader.seen[TICKS - 1]);
	assert_int_equal(reader.lost, 0);
	assert_true(reader.n_gaps > 0);
	for (int i = 0; i < TICKS; i++)
		check_tick(&reader.seen[i]);
	end(&p);
}

static void host_record_tells_clock_and_overhead(void **state)
{
	struct page_host figures = {.valid = PAGE_VALID_MEMORY | PAGE_VALID_OVERHEAD,
				    .mem_size = 256 * MIB,
				    .overhead_ns = 5};
	struct page_host a, b;
	struct published_vm p;
	uint64_t before;
	double hz;

	(void)state;
	start(&p, "bpf");
	before = clock_mono();
	publisher_tick(p.publisher);
	assert_int_equal(page_read_host(&p.page, &a), 0);
	assert_int_equal(a.valid, PAGE_VALID_OVERHEAD);
	assert_int_equal(publisher_describe(p.publisher, p.id, &figures), 0);
	for (int i = 0; i < 100; i++) {
		usleep(5000);
		publisher_tick(p.publisher);
	}
	assert_int_equal(page_read_host(&p.page, &b), 0);
	assert_int_equal(b.valid, PAGE_VALID_MEMORY | PAGE_VALID_OVERHEAD);
	assert_int_equal(b.mem_size, 256 * MIB);
	/* A stamp that came late is written again, twice at most. */
	assert_in_range(b.updates - a.updates, 100, 300);
	assert_true(b.clock.mono > a.clock.mono && b.clock.mono <= clock_mono());
	assert_true(b.overhead_ns > a.overhead_ns);
	assert_true(b.overhead_ns - a.overhead_ns < clock_mono() - before); /* it has one CPU */
	hz = (double)(b.clock.ticks - a.clock.ticks) * 1e9 / (double)(b.clock.mono - a.clock.mono);
	assert_true((double)b.clock.ticks_hz > hz * 0.999 && (double)b.clock.ticks_hz < hz * 1.001);
	end(&p);
}

static void source_without_gaps_promises_none(void **state)
{
	struct page_vcpu v;
	struct published_vm p;

	(void)state;
	start(&p, "schedstat");
	usleep(50000);
	assert_int_equal(publisher_tick(p.publisher), 0);
	assert_int_equal(p.page.header.ring_entries, 0);
	assert_int_equal(page_read_vcpu(&p.page, 0, &v), 0);
	assert_true(v.at > v.start);
	assert_int_equal(v.gaps_until, 0);
	end(&p);
}

/* A thread's last switch may come long after its process is seen to be dead. */
static void last_state_of_an_ended_vcpu_is_published(void **state)
{
	struct page_vcpu v, last = {.at = 0};
	struct published_vm p;
	bool still = false;

	(void)state;
	start(&p, "bpf");
	publisher_tick(p.publisher);
	kill(p.vm.pid, SIGKILL);
	for (int i = 0; i < 1000 && !still; i++) {
		usleep(20000);
		publisher_tick(p.publisher); /* -ESRCH or 0: the vCPU's end is no error */
		assert_int_equal(page_read_vcpu(&p.page, 0, &v), 0);
		still = v.at == last.at;
		last = v;
	}
	if (!still)
		fail_msg("state %u, %.3f s ago", v.state, ns_to_s(clock_mono() - v.at));
	assert_int_equal(publisher_tick(p.publisher), 0);
	assert_int_equal(page_read_vcpu(&p.page, 0, &v), 0);
	assert_int_equal(v.at, last.at);
	end(&p);
}

/* ---- a stream ---- */

static int connect_stream(const struct published_vm *p, const struct host_vm *vm, int *ret_peer)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	*ret_peer = ends[1];
	return publisher_stream(p->publisher, vm, p->id, ends[0]);
}

static void tick_until_it_is(const struct published_vm *p, bool there)
{
	struct stream_counters c;

	for (int i = 0; i < 2000 && publisher_stream_counters(p->publisher, p->id, &c) != there;
	     i++) {
		publisher_tick(p->publisher);
		usleep(1000);
	}
	assert_int_equal(publisher_stream_counters(p->publisher, p->id, &c), there);
}

/* Beside the page, and from the same ledger; one at a time; it ends with its peer and may come again. */
static void a_vm_with_a_page_has_a_stream_too(void **state)
{
	uint8_t bytes[8192] __attribute__((aligned(8)));
	const struct stream_record *record;
	struct stream_counters c = {0};
	struct stream_parts parts;
	struct failure f = {""};
	struct published_vm p;
	struct page_vcpu v;
	struct host_vm vm;
	size_t at = 0, size;
	uint64_t sum = 0;
	int peer, other;
	ssize_t n;

	(void)state;
	start(&p, NULL);
	assert_int_equal(host_find_pid(p.vm.pid, &f, &vm), 0);
	assert_int_equal(connect_stream(&p, &vm, &peer), 0);
	assert_int_equal(connect_stream(&p, &vm, &other), -EEXIST);
	assert_int_equal(read(other, bytes, 1), 0); /* it was let go */
	close(other);
	for (int i = 0; i < 2000 && !c.frames; i++) {
		publisher_tick(p.publisher);
		publisher_stream_counters(p.publisher, p.id, &c);
		usleep(1000);
	}
	n = read(peer, bytes, sizeof(bytes));
	assert_true(n > 0);
	assert_int_equal(stream_next(bytes, (size_t)n, &at, &size), 1);
	assert_int_equal(at, 0);
	record = stream_take(bytes, size);
	assert_non_null(record);
	assert_true(stream_next_block(bytes, size, &at, &parts));
	assert_non_null(parts.record);
	assert_int_equal(page_read_vcpu(&p.page, 0, &v), 0);
	assert_int_equal(parts.record->start, v.start);
	for (int i = 0; i < LEDGER_STATES; i++)
		sum += parts.record->ns[i];
	assert_int_equal(parts.record->at - parts.record->start, sum);
	assert_true(parts.record->at >= v.start && parts.record->at < clock_mono());
	close(peer);
	tick_until_it_is(&p, false);
	assert_int_equal(connect_stream(&p, &vm, &peer), 0);
	tick_until_it_is(&p, true);
	close(peer);
	host_vm_done(&vm);
	end(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_promised_gap_is_there),
		cmocka_unit_test(host_record_tells_clock_and_overhead),
		cmocka_unit_test(source_without_gaps_promises_none),
		cmocka_unit_test(last_state_of_an_ended_vcpu_is_published),
		cmocka_unit_test(a_vm_with_a_page_has_a_stream_too),
	};
	struct host_ledger *h;
	struct failure f;

	before_others();
	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return 77;
	}
	host_ledger_close(h);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
