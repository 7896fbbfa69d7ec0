/* SPDX-License-Identifier: MIT */
/*
 * The ledger as a stream, from the page of a host (host/stream.h) to that of a guest
 * (guest/stream_page.h), over a socket: every gap arrives or is counted, whatever either side
 * sends; and what the guest believes of the host's clock is right by as much as it says, however
 * slow the line. Both run in this process, so that the clocks are the same: that is the oracle.
 * Arbitrary input is tests/fuzz/fuzz_stream.c, a guest tests/system/test_lab_run.c.
 */
#include "base/clock.h"
#include "base/units.h"
#include "guest/hostclock.h"
#include "guest/stream_page.h"
#include "host/anchor.h"
#include "host/stream.h"
#include "ledger/page_writer.h"
#include "ledger/stream_frame.h"
#include "page_records.h"
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define VCPUS 3u
#define TICK  (5 * NS_PER_MS)
#define SIZE  (256 * KIB)

static struct {
	uint64_t page[SIZE / 8];
	struct page_writer writer;
	struct stream *stream;
	struct guest_page guest;
	int guest_fd;		 /* the guest's end, also in `guest` */
	uint64_t written[VCPUS]; /* gaps */
	struct anchor anchor;
} t;

static void open_pair(int ret[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret),
			 0);
}

static void connect_them(void)
{
	int ends[2];

	open_pair(ends);
	t.stream = NULL;
	assert_int_equal(stream_new(ends[0], t.page, SIZE, TICK, &t.stream), 0);
	t.guest_fd = ends[1];
	assert_int_equal(stream_page_map_fd(ends[1], &t.guest), 0);
}

static void write_host(void)
{
	struct page_host host = {.valid = 0};

	anchor_update(&t.anchor);
	host.clock = t.anchor.clock;
	page_write_host(&t.writer, &host);
}

static void write_records(void)
{
	for (uint32_t v = 0; v < VCPUS; v++) {
		struct page_vcpu record = record_vcpu(t.written[v] + 1);

		page_write_vcpu(&t.writer, v, &record);
	}
	write_host();
}

static int set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	anchor_start(&t.anchor);
	assert_int_equal(page_writer_init(&t.writer, t.page, SIZE, VCPUS, STREAM_RING, 4711), 0);
	connect_them();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stream_free(t.stream);
	if (t.guest.line)
		stream_page_unmap(&t.guest);
	page_writer_done(&t.writer);
	return 0;
}

/* Sends a frame now, not when one is due. */
static void send_frame(void)
{
	t.guest.line->ask(t.guest.line->data);
	assert_int_equal(stream_tick(t.stream), 0);
}

/* What the guest has read so far. */
struct seen {
	struct page_reader reader;
	uint64_t cursor[VCPUS];
	uint64_t gaps[VCPUS], lost[VCPUS]; /* read; missing before those */
};

static void assert_is_gap(const struct gap *gap, uint64_t number, uint32_t vcpu)
{
	struct gap expected = record_gap(number, vcpu);

	assert_int_equal(gap->start, expected.start);
	assert_int_equal(gap->end, expected.end);
	assert_int_equal(gap->state, expected.state);
}

/* Every gap is the one that was written as that number, `before` the first one (NULL: not looked at); where some are missing
 * that is known no later than the gap behind them. */
static void read_guest(struct seen *s, const uint64_t before[VCPUS])
{
	struct gap gaps[64];
	uint64_t lost;
	int n;

	for (uint32_t v = 0; v < VCPUS; v++) {
		do {
			lost = s->lost[v];
			n = page_read_gaps(&s->reader, v, &s->cursor[v], gaps, 64, &s->lost[v]);
			assert_true(n >= 0);
			for (int i = lost == s->lost[v] ? 0 : n - 1; before && i >= 0 && i < n; i++)
				assert_is_gap(&gaps[i],
					      before[v] + s->lost[v] + s->gaps[v] + (uint64_t)i, v);
			s->gaps[v] += (uint64_t)n;
		} while (n == 64);
	}
}

static void attach(struct seen *s)
{
	memset(s, 0, sizeof(*s));
	assert_true(stream_page_has_come(&t.guest, NS_PER_SEC));
	assert_int_equal(page_attach(t.guest.base, t.guest.size, &s->reader), 0);
}

static void write_gaps(uint32_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct gap gap = record_gap(t.written[v]++, v);

		page_write_gap(&t.writer, v, &gap);
	}
}

/* ---- gaps ---- */

static void what_is_sent_arrives(void **state)
{
	uint64_t before[VCPUS];
	struct random random = {1};
	struct page_vcpu record, expected;
	struct seen s;

	(void)state;
	write_records();
	send_frame();
	attach(&s);
	memcpy(before, t.written, sizeof(before));
	for (int round = 0; round < 300; round++) {
		for (uint32_t v = 0; v < VCPUS; v++)
			write_gaps(v, (unsigned)(random_below(&random, 400)));
		write_records();
		for (int i = 0; i < 12; i++) { /* a frame has room for a part of them */
			send_frame();
			t.guest.line->take(t.guest.line->data);
		}
		read_guest(&s, before);
	}
	for (uint32_t v = 0; v < VCPUS; v++) {
		assert_int_equal(s.gaps[v], t.written[v]);
		assert_int_equal(s.lost[v], 0);
		assert_int_equal(page_read_vcpu(&s.reader, v, &record), 0);
		expected = record_vcpu(t.written[v] + 1);
		assert_memory_equal(&record, &expected, sizeof(record));
	}
	assert_int_equal(stream_page_garbage(&t.guest), 0);
}

/* Nobody reads: nothing grows, nothing waits, and what was lost is known by its number. */
static void a_peer_that_does_not_read(void **state)
{
	const uint64_t before[VCPUS] = {0};
	uint64_t lost = 0, gaps = 0, written = 0;
	struct stream_counters c;
	struct seen s;

	(void)state;
	write_records();
	send_frame();
	attach(&s);
	for (int round = 0; round < 20000; round++) {
		for (uint32_t v = 0; v < VCPUS; v++)
			write_gaps(v, 7);
		write_records();
		if (round % 100 == 0)
			t.guest.line->ask(t.guest.line->data);
		assert_int_equal(stream_tick(t.stream), 0);
	}
	stream_read_counters(t.stream, &c);
	assert_true(c.blocked > 0);
	assert_true(c.frames < 1000);
	for (int i = 0; i < 400; i++) {
		usleep(1000);
		send_frame();
		t.guest.line->take(t.guest.line->data);
		read_guest(&s, before);
	}
	for (uint32_t v = 0; v < VCPUS; v++) {
		lost += s.lost[v];
		gaps += s.gaps[v];
		written += t.written[v];
	}
	assert_true(lost > 0);
	assert_int_equal(gaps + lost, written);
	stream_read_counters(t.stream, &c);
	assert_int_equal(c.lost_gaps, lost);
}

/* ---- garbage ---- */

static void put_bytes(int fd, struct random *random, size_t n)
{
	uint8_t bytes[4096];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)random_next(random);
	if (random_below(random, 2) && n >= 16) /* as a frame begins */
		memcpy(bytes,
		       &(struct stream_header){.magic = STREAM_MAGIC,
					       .abi_major = STREAM_ABI_MAJOR,
					       .size = (uint32_t)(n & ~7ul)},
		       16);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
}

/* On the way to the guest, as when it opens the port in the middle of a frame; and from it. */
static void garbage_is_skipped_and_counted(void **state)
{
	struct random random = {2};
	uint64_t sent = 0;
	struct stream_counters c;
	int ends[2];
	struct seen s;

	(void)state;
	open_pair(ends);
	stream_page_unmap(&t.guest);
	assert_int_equal(stream_page_map_fd(ends[1], &t.guest), 0);
	for (int round = 0; round < 200; round++) {
		uint8_t frame[8192];
		struct stream_out out = {.bytes = frame, .size = sizeof(frame)};
		const struct gap gap = record_gap((uint64_t)round, 0);
		const struct page_host host = {.clock.mono = 1};
		const struct page_vcpu record = record_vcpu(1);
		size_t n = 16 + random_below(&random, 500);

		put_bytes(ends[0], &random, n);
		sent += n;
		stream_begin(&out, 99, 0, &t.writer.header, TICK, &host);
		stream_put(&out, 0, (uint64_t)round, &gap, 1, &record);
		stream_end(&out);
		/* What looks like a frame's head may swallow as much as it claims. */
		for (int i = 0; i < 2; i++)
			assert_int_equal(write(ends[0], frame, out.used), (ssize_t)out.used);
		stream_page_has_come(&t.guest, 0);
	}
	attach(&s);
	read_guest(&s, NULL);
	assert_true(s.gaps[0] > 150);
	assert_true(stream_page_garbage(&t.guest) >= sent);
	close(ends[0]);

	open_pair(ends);
	stream_free(t.stream);
	write_records();
	assert_int_equal(stream_new(ends[0], t.page, SIZE, TICK, &t.stream), 0);
	for (uint64_t round = 1; round <= 200; round++) {
		struct stream_header ping;

		put_bytes(ends[1], &random, 16 + random_below(&random, 100));
		stream_ping(round, &ping);
		for (int i = 0; i < 8; i++)
			assert_int_equal(write(ends[1], &ping, sizeof(ping)), sizeof(ping));
		for (int i = 0; i < 4; i++)
			assert_int_equal(stream_tick(t.stream), 0);
	}
	stream_read_counters(t.stream, &c);
	assert_true(c.pings >= 200);
	assert_true(c.garbage > 0);
	close(ends[1]);
	assert_int_equal(stream_tick(t.stream), -EPIPE);
}

/* A guest that floods is heard a little each tick. */
static void a_flood_costs_a_tick_little(void **state)
{
	struct stream_header pings[64];
	struct stream_counters c;

	(void)state;
	write_records();
	for (unsigned i = 0; i < ARRAY_SIZE(pings); i++)
		stream_ping(i + 1, &pings[i]);
	while (write(t.guest_fd, pings, sizeof(pings)) > 0)
		;
	for (int i = 0; i < 10; i++)
		stream_tick(t.stream);
	stream_read_counters(t.stream, &c);
	assert_true(c.pings <= 10 * 256 / sizeof(pings[0]));
	assert_true(c.frames <= 10);
}

/* A line that never runs dry, of which no byte is a frame's. */
static void a_host_that_floods_is_left_in_time(void **state)
{
	struct guest_page page;

	(void)state;
	assert_int_equal(stream_page_map_fd(open("/dev/zero", O_RDWR | O_CLOEXEC), &page), 0);
	page.line->take(page.line->data);
	assert_true(stream_page_garbage(&page) > STREAM_FRAME_MAX);
	stream_page_unmap(&page);
}

/* ---- sessions ---- */

static void another_connection_is_another_session(void **state)
{
	struct page_vcpu record;
	struct seen s;
	int ends[2];

	(void)state;
	write_records();
	send_frame();
	attach(&s);
	open_pair(ends);
	stream_free(t.stream);
	assert_int_equal(stream_new(ends[0], t.page, SIZE, TICK, &t.stream), 0);
	assert_int_equal(dup2(ends[1], t.guest_fd), t.guest_fd);
	close(ends[1]);
	write_gaps(0, 3);
	write_records();
	send_frame();
	t.guest.line->take(t.guest.line->data);
	assert_true(page_session_changed(&s.reader));
	assert_int_equal(page_read_vcpu(&s.reader, 0, &record), -ESTALE);
	attach(&s);
	assert_int_equal(page_read_vcpu(&s.reader, 0, &record), 0);
}

/* ---- clocks ---- */

/* The host ticks; what it sends, and what it is sent, is on its way for up to `delay`. */
struct line {
	pthread_t host, relay;
	atomic_bool stop;
	int to_host, to_guest;
	uint64_t delay;
};

static void *tick(void *data)
{
	struct line *l = data;

	while (!atomic_load(&l->stop)) {
		write_records();
		stream_tick(t.stream);
		usleep(TICK / 1000);
	}
	return NULL;
}

static void pass(int from, int to)
{
	char bytes[65536];
	ssize_t n = read(from, bytes, sizeof(bytes));

	if (n > 0)
		(void)!write(to, bytes, (size_t)n);
}

static void *relay(void *data)
{
	struct line *l = data;
	struct pollfd p[2] = {{.fd = l->to_host, .events = POLLIN},
			      {.fd = l->to_guest, .events = POLLIN}};
	struct random random = {3};

	while (!atomic_load(&l->stop)) {
		if (poll(p, 2, 20) <= 0)
			continue;
		usleep((useconds_t)(random_below(&random, l->delay / 1000 + 1)));
		pass(l->to_host, l->to_guest);
		usleep((useconds_t)(random_below(&random, l->delay / 1000 + 1)));
		pass(l->to_guest, l->to_host);
	}
	return NULL;
}

/* The guest's clock is the host's, so that a time is mapped to itself. */
static void check_clock(const struct hostclock *c, uint64_t most)
{
	uint64_t now = clock_mono(), mapped = clockmap_to_guest(&c->map, now);
	uint64_t off = mapped > now ? mapped - now : now - mapped, error = hostclock_error(c, 0);

	assert_int_not_equal(error, CLOCKMAP_UNKNOWN);
	if (off > error || error > most)
		fail_msg("off by %.3f ms, it says %.3f ms", ns_to_s(off) * 1e3,
			 ns_to_s(error) * 1e3);
}

static void run_line(uint64_t delay, uint64_t most)
{
	struct line l = {.delay = delay};
	struct page_reader reader;
	struct hostclock clock;
	struct page_host host;
	int near[2], far[2];

	open_pair(near);
	open_pair(far);
	stream_free(t.stream);
	stream_page_unmap(&t.guest);
	write_records();
	assert_int_equal(stream_new(near[0], t.page, SIZE, TICK, &t.stream), 0);
	assert_int_equal(stream_page_map_fd(far[1], &t.guest), 0);
	l.to_host = near[1];
	l.to_guest = far[0];
	pthread_create(&l.host, NULL, tick, &l);
	pthread_create(&l.relay, NULL, relay, &l);
	assert_true(stream_page_has_come(&t.guest, 10 * NS_PER_SEC));
	assert_int_equal(page_attach(t.guest.base, t.guest.size, &reader), 0);
	assert_int_equal(hostclock_open(&clock, &reader, 1), 0);
	clock.line = t.guest.line;
	for (int i = 0; i < 10 && !clockmap_ready(&clock.map); i++)
		hostclock_synchronize(&clock);
	for (int i = 0; i < 30; i++) {
		hostclock_look(&clock, &host);
		hostclock_follow(&clock);
		check_clock(&clock, most);
		usleep(20000);
	}
	atomic_store(&l.stop, true);
	pthread_join(l.host, NULL);
	pthread_join(l.relay, NULL);
	hostclock_close(&clock);
	close(l.to_host);
	close(l.to_guest);
}

/* As bad as the longest way there is, and never worse than it says. */
static void the_clock_is_as_good_as_the_line(void **state)
{
	(void)state;
	run_line(0, 5 * NS_PER_MS);
	run_line(2 * NS_PER_MS, 9 * NS_PER_MS);
}

/* ---- the man page ---- */

#define FIELD(type, field)                                                                         \
	{                                                                                          \
#type, #field, offsetof(struct type, field), sizeof(((struct type *)0)->field)     \
	}

static void check_row(FILE *man, const char *type, const char *field, size_t offset, size_t size)
{
	char line[512], title[64], row[128];
	bool inside = false;

	snprintf(title, sizeof(title), ": struct %s\n", type);
	snprintf(row, sizeof(row), ".It %zu Ta %zu Ta Va %s Ta ", offset, size, field);
	rewind(man);
	while (fgets(line, sizeof(line), man)) {
		if (!strncmp(line, ".Ss ", 4))
			inside = strstr(line, title);
		if (inside && !strncmp(line, row, strlen(row)))
			return;
	}
	fail_msg("struct %s: no row '%s'", type, row);
}

static void the_man_page_has_the_layout(void **state)
{
	static const struct {
		const char *type, *field;
		size_t offset, size;
	} rows[] = {
		FIELD(stream_header, magic),	 FIELD(stream_header, abi_major),
		FIELD(stream_header, kind),	 FIELD(stream_header, size),
		FIELD(stream_header, check),	 FIELD(stream_header, session),
		FIELD(stream_header, number),	 FIELD(stream_record, interval),
		FIELD(stream_record, vcpus),	 FIELD(stream_record, ring_entries),
		FIELD(stream_record, blocks),	 FIELD(stream_record, host_size),
		FIELD(stream_record, vcpu_size), FIELD(stream_record, gap_size),
		FIELD(stream_record, host),	 FIELD(stream_block, vcpu),
		FIELD(stream_block, gaps),	 FIELD(stream_block, first),
		FIELD(stream_block, whole),	 FIELD(stream_block, reserved),
	};
	FILE *man = fopen(STREAM_MAN, "r");
	char line[512];
	size_t n = 0;

	(void)state;
	assert_non_null(man);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(man, rows[i].type, rows[i].field, rows[i].offset, rows[i].size);
	rewind(man);
	while (fgets(line, sizeof(line), man))
		n += !strncmp(line, ".It ", 4) && strstr(line, " Ta Va ");
	assert_int_equal(n, ARRAY_SIZE(rows));
	fclose(man);
}

/* What a frame is in bytes, by hand: a ping of number 1. FNV-1a of its last 16 bytes by another
 * program. */
static void the_bytes_of_a_ping(void **state)
{
	static const uint8_t bytes[] = {'D', 'S', 'T', 'R', 1,	  0,	2,    0,
					32,  0,	  0,   0,   0xe4, 0xb9, 0x07, 0x0c};
	struct stream_header ping;

	(void)state;
	stream_ping(1, &ping);
	assert_memory_equal(&ping, bytes, sizeof(bytes));
	assert_int_equal(ping.session, 0);
	assert_int_equal(ping.number, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(what_is_sent_arrives),
		TEST(a_peer_that_does_not_read),
		TEST(garbage_is_skipped_and_counted),
		TEST(a_flood_costs_a_tick_little),
		TEST(a_host_that_floods_is_left_in_time),
		TEST(another_connection_is_another_session),
		TEST(the_clock_is_as_good_as_the_line),
		TEST(the_man_page_has_the_layout),
		TEST(the_bytes_of_a_ping),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
