/* SPDX-License-Identifier: MIT */
/*
 * The join over any sequence of operations, and what must hold whatever they are. The input is a
 * byte of capacity, then operations of five bytes:
 *
 *   kind      0 run, 1 gap, 2 until, 3 until the end of time; + 128: in units of 2^48 ns, 3 days
 *   distance  16 bits, signed: from the end of the stream, or the last join_until()
 *   length    16 bits, signed, of the interval
 */
#include "fuzz.h"

#include "ledger/join.h"

#include <stdbool.h>
#include <string.h>

#define OP_SIZE	 5
#define RUNS_MAX 1024
#define FAR_BITS 48

struct run {
	uint64_t start, end; /* what is left behind the runs before it */
	uint64_t done;	     /* number of the operation in which it was; 0: not yet */
};

struct state {
	struct run runs[RUNS_MAX]; /* the owner of a run is its index + 1 */
	uint64_t n_runs, n_done, last_done;
	uint64_t runs_end, gaps_end, until; /* where the streams are */
	uint64_t last_end;		    /* of all runs */
	uint64_t handed, nobody, order;
	uint64_t operation; /* from 1 */
	bool in_until;
};

/* Nobody gets what belongs to a run that waited when this operation began. */
static void check_nobody(const struct state *s, uint64_t start, uint64_t end)
{
	for (uint64_t i = 0; i < s->n_runs; i++) {
		const struct run *run = &s->runs[i];

		CHECK((run->done && run->done < s->operation) || run->end <= start ||
		      run->start >= end);
	}
}

static void on_piece(uint64_t owner, uint64_t start, uint64_t end, uint32_t state, void *data)
{
	struct state *s = data;

	CHECK(start < end && state == LEDGER_READY && owner <= s->n_runs);
	s->handed += end - start;
	if (owner == JOIN_NOBODY)
		s->nobody += end - start;
	if (!s->in_until) { /* the queue of gaps is full */
		CHECK(owner == JOIN_NOBODY);
		return;
	}
	CHECK(start >= s->order && end <= s->until);
	s->order = end;
	if (owner == JOIN_NOBODY) {
		check_nobody(s, start, end);
		return;
	}
	CHECK(!s->runs[owner - 1].done);
	CHECK(start >= s->runs[owner - 1].start && end <= s->runs[owner - 1].end);
}

static void on_done(uint64_t owner, uint64_t start, uint64_t end, void *data)
{
	struct state *s = data;
	struct run *run;

	CHECK(owner >= 1 && owner <= s->n_runs);
	run = &s->runs[owner - 1];
	CHECK(!run->done);
	CHECK(start == end ? run->start == run->end : start == run->start && end == run->end);
	if (s->in_until) {
		CHECK(start < end && end <= s->until && start >= s->last_done);
		s->last_done = end;
	}
	run->done = s->operation;
	s->n_done++;
}

/* `from` + `distance`, which may be negative; stops at both ends of time. */
static uint64_t move(uint64_t from, int16_t distance, unsigned shift)
{
	uint64_t by = (uint64_t)(distance < 0 ? -distance : distance) << shift;

	if (distance < 0)
		return from > by ? from - by : 0;
	return from + by < from ? UINT64_MAX : from + by;
}

static void until(struct join *j, struct state *s, uint64_t t)
{
	s->until = t > s->until ? t : s->until;
	s->order = 0;
	s->in_until = true;
	join_until(j, t);
	s->in_until = false;
}

static void run(struct join *j, struct state *s, uint64_t start, uint64_t end)
{
	uint64_t kept = start > s->last_end ? start : s->last_end;

	if (s->n_runs == RUNS_MAX)
		return;
	s->runs_end = end;
	if (end > start && end > s->last_end)
		s->last_end = end;
	s->runs[s->n_runs++] = (struct run){kept, end > start && end > kept ? end : kept, 0};
	CHECK(join_run(j, start, end, s->n_runs) == 0);
}

static void gap(struct join *j, struct state *s, uint64_t start, uint64_t end)
{
	s->gaps_end = end;
	CHECK(join_gap(j, &(struct gap){.start = start, .end = end, .state = LEDGER_READY}) == 0);
}

static void operate(struct join *j, struct state *s, const uint8_t *op)
{
	unsigned shift = op[0] & 128 ? FAR_BITS : 0;
	int16_t distance, length;
	uint64_t start;

	s->operation++;
	memcpy(&distance, op + 1, sizeof(distance));
	memcpy(&length, op + 3, sizeof(length));
	switch (op[0] & 3) {
	case 0:
		start = move(s->runs_end, distance, shift);
		run(j, s, start, move(start, length, shift));
		break;
	case 1:
		start = move(s->gaps_end, distance, shift);
		gap(j, s, start, move(start, length, shift));
		break;
	case 2:
		until(j, s, move(s->until, distance, shift));
		break;
	default:
		until(j, s, UINT64_MAX);
	}
}

static void check(const struct join *j, const struct state *s)
{
	const struct join_counters *c = join_counters(j);

	CHECK(c->handed_ns == s->handed && c->nobody_ns == s->nobody);
	CHECK(c->nobody_ns <= c->handed_ns && c->handed_ns <= c->gap_ns);
	CHECK(c->gap_ns == c->handed_ns + join_waiting_ns(j));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state s = {0};
	struct join *j;

	if (size < 1 || join_new(data[0], on_piece, on_done, &s, &j) < 0)
		return 0;
	for (size_t at = 1; at + OP_SIZE <= size; at += OP_SIZE) {
		operate(j, &s, data + at);
		check(j, &s);
	}
	s.operation++;
	until(j, &s, UINT64_MAX);
	check(j, &s);
	CHECK(join_waiting_ns(j) == 0);
	CHECK(s.n_done == s.n_runs);
	join_free(j);
	return 0;
}
