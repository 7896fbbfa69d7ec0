/* SPDX-License-Identifier: MIT */
#include "guest/told.h"

#include "base/units.h"

#include <errno.h>
#include <string.h>

#define QUEUE_CAPACITY 65536 /* runs, and gaps, that may wait */
#define CUT	       1     /* of an owner: nobody was switched out at the run's end */

static uint64_t owner_of(const struct account_run *run)
{
	return (uintptr_t)run->task | (run->cut ? CUT : 0);
}

/* NULL for JOIN_NOBODY. */
static struct account_task *task_of(uint64_t owner)
{
	return (struct account_task *)(uintptr_t)(owner & ~(uint64_t)CUT);
}

static void tell_piece(struct told *t)
{
	if (t->fn && t->piece.end > t->piece.start)
		t->fn(&t->piece, t->data);
	t->piece = (struct told_piece){.start = 0};
}

/* A switch is as deep inside a gap as it is far from both its ends, as far as these are known. */
static void end_inside(struct told *t, uint64_t end)
{
	const struct told_gap_now *gap = &t->gap;

	if (gap->inside)
		t->deepest = u64_max(t->deepest,
				     u64_min(gap->inside - gap->start, end - gap->inside));
	t->gap.inside = 0;
}

/* Where one task's piece is followed by another's one was switched out in a gap. */
static void look_inside(struct told *t, const struct told_piece *piece, bool cut)
{
	struct told_gap_now *gap = &t->gap;

	if (gap->end != piece->start) {
		end_inside(t, gap->end);
		gap->start = piece->start;
	} else if (!gap->cut && gap->task && piece->task && gap->task != piece->task) {
		end_inside(t, piece->start);
		gap->inside = piece->start;
	}
	gap->end = piece->end;
	gap->task = piece->task;
	gap->cut = cut;
}

/* A gap may come in pieces, one for each time up to which was settled. */
static void remember_piece(struct told *t, const struct told_piece *piece)
{
	struct told_piece *last = &t->piece;

	if (last->end == piece->start && last->state == piece->state && last->task == piece->task) {
		last->end = piece->end;
		return;
	}
	tell_piece(t);
	*last = *piece;
}

static void on_piece(uint64_t owner, uint64_t start, uint64_t end, uint32_t state, void *data)
{
	struct account_task *task = task_of(owner);
	struct told *t = data;

	if (task)
		t->charge[state] += end - start;
	else if (state != AMOUNTS_UNKNOWN)
		t->unseen_ns += end - start;
	if (state == AMOUNTS_UNKNOWN)
		return;
	look_inside(t, &(struct told_piece){start, end, state, task}, owner & CUT);
	remember_piece(t, &(struct told_piece){start, end, state, task});
}

static void book(struct told *t, struct account_task *task, uint64_t start, uint64_t end)
{
	uint64_t from = u64_max(start, t->booked);

	if (end > from)
		account_book(t->account, task, t->cpu, end - from);
	for (uint32_t state = 0; state <= AMOUNTS_UNKNOWN; state++)
		if (t->charge[state])
			t->unseen_ns += t->charge[state] - account_charge(t->account, task, t->cpu,
									  state, t->charge[state]);
	memset(t->charge, 0, sizeof(t->charge));
	t->booked = u64_max(t->booked, end);
}

/* A run for which the queue has no room: whatever will be told of it comes too late. */
static void leave_unaccounted(struct told *t, struct account_task *task, uint64_t ns)
{
	account_book(t->account, task, t->cpu, ns);
	account_charge(t->account, task, t->cpu, AMOUNTS_UNKNOWN, ns);
}

static void on_done(uint64_t owner, uint64_t start, uint64_t end, void *data)
{
	struct account_task *task = task_of(owner);
	struct told *t = data;

	if (t->adding)
		leave_unaccounted(t, task, end - start);
	else
		book(t, task, start, end);
	if (t->piece.task == task)
		tell_piece(t);
	account_release(t->account, task);
}

int told_open(struct told *t, struct account *a, unsigned cpu, uint64_t start, told_piece_fn fn,
	      void *data)
{
	*t = (struct told){
		.account = a, .cpu = cpu, .until = start, .end = start, .fn = fn, .data = data};
	return join_new(QUEUE_CAPACITY, on_piece, on_done, t, &t->join);
}

void told_close(struct told *t)
{
	if (t->join)
		join_until(t->join, UINT64_MAX);
	t->join = join_free(t->join);
}

void told_run(struct told *t, const struct account_run *run)
{
	t->adding = true;
	if (join_run(t->join, run->start, run->end, owner_of(run))) {
		leave_unaccounted(t, run->task, run->end - run->start);
		account_release(t->account, run->task);
	}
	t->adding = false;
}

/* False where there is no room: what was told ends with the gap before, for now. */
static bool put_in(struct told *t, uint64_t start, uint64_t end, uint32_t state)
{
	const struct gap gap = {.start = start, .end = end, .state = state};

	if (end <= start)
		return true;
	if (join_gaps_full(t->join) || join_gap(t->join, &gap))
		return false;
	t->end = u64_max(t->end, end);
	return true;
}

/* Gaps are told in order, none left out: what is before the last one's end is known, too. */
static uint64_t known_until(const struct told *t)
{
	return u64_max(t->until, t->end);
}

/* What lies behind that, up to `until`, is unknown. */
static bool give_up(struct told *t, uint64_t until)
{
	if (until <= known_until(t))
		return true;
	if (!put_in(t, known_until(t), until, AMOUNTS_UNKNOWN))
		return false;
	t->given = until;
	return true;
}

void told_gap(struct told *t, uint64_t start, uint64_t end, uint32_t state)
{
	uint64_t late;

	start = u64_max(start, u64_min(t->account->start, end));
	late = start < t->given ? u64_min(end, t->given) - start : 0;
	t->late_ns += late;
	if (!t->hole || give_up(t, start))
		t->hole = !put_in(t, start + late, end, state);
}

void told_hole(struct told *t)
{
	t->hole = true;
}

void told_until(struct told *t, uint64_t time)
{
	if (time <= t->until)
		return;
	if (t->hole)
		t->hole = !give_up(t, time);
	t->until = t->hole ? known_until(t) : time;
}

/* What was lost may have been behind that, too: a hole stays one. */
void told_nothing(struct told *t, uint64_t time)
{
	if (time > t->until)
		t->until = give_up(t, time) ? time : known_until(t);
}

uint64_t told_deepest(struct told *t)
{
	uint64_t deepest = t->deepest;

	t->deepest = 0;
	return deepest;
}

void told_settle(struct told *t, uint64_t time)
{
	uint64_t start, owner;

	join_until(t->join, time);
	if (join_first_run(t->join, &start, &owner) && start < time)
		book(t, task_of(owner), start, time);
}
