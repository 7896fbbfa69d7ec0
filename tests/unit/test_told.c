/* SPDX-License-Identifier: MIT */
/*
 * guest/told.h against an oracle that writes down, for every CPU and nanosecond, who was there,
 * whether the vCPU was away, and whether anybody told of it: hosts that are late, silent, lossy or
 * others than before. The page's part is test_source_page.c.
 */
#include "guest/told.h"

#include "base/units.h"

#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SPAN  3000
#define CPUS  2
#define TASKS 4 /* on each CPU; 0 is idle */
#define GAPS  400

enum truth { RUNS, AWAY, UNKNOWN };

struct cpu {
	uint8_t owner[SPAN];
	enum truth truth[SPAN]; /* as it was; then as it can be known */
	struct gap gaps[GAPS];	/* in order; [told, n) have not been told */
	int n, told;
	uint64_t upto; /* everything before has been told or given up */
	bool hole;
	struct told of;
};

static struct random dice = {.state = 7};
static struct cpu cpus[CPUS];
static struct account *account;

static void on_run(const struct account_run *run, void *data)
{
	(void)data;
	told_run(&cpus[run->cpu].of, run);
}

/* Owners take turns, and each gap is within one turn. */
static void make_history(struct cpu *c)
{
	uint64_t at = 0;

	*c = (struct cpu){.n = 0};
	while (at < SPAN) {
		uint64_t end = u64_min(SPAN, at + 10 + random_below(&dice, 150));
		uint64_t t = at;
		uint8_t owner = (uint8_t)random_below(&dice, TASKS);

		memset(c->owner + at, owner, end - at);
		while (c->n < GAPS) {
			uint64_t start = t + random_below(&dice, 30);
			uint64_t stop = start + 1 + random_below(&dice, 50);

			if (stop > end)
				break;
			for (uint64_t i = start; i < stop; i++)
				c->truth[i] = AWAY;
			c->gaps[c->n++] = (struct gap){
				.start = start, .end = stop, .state = LEDGER_READY};
			t = stop + 1;
		}
		at = end;
	}
}

static pid_t tid_of(unsigned cpu, uint8_t owner)
{
	return owner ? (pid_t)(1 + cpu * TASKS + owner) : 0;
}

/* The records of the switches in [from, to), as the kernel has them. */
static void run_cpu(unsigned cpu, uint64_t from, uint64_t to)
{
	const struct cpu *c = &cpus[cpu];

	for (uint64_t t = u64_max(from, 1); t < to; t++)
		if (c->owner[t] != c->owner[t - 1])
			account_switch(account, cpu, t, tid_of(cpu, c->owner[t - 1]), false,
				       tid_of(cpu, c->owner[t]), tid_of(cpu, c->owner[t]));
}

static void mark_unknown(struct cpu *c, uint64_t until)
{
	for (uint64_t t = c->upto; t < until; t++)
		c->truth[t] = UNKNOWN;
	c->upto = u64_max(c->upto, until);
}

static void tell_gaps(struct cpu *c, uint64_t now)
{
	for (; c->told < c->n && c->gaps[c->told].end <= now; c->told++) {
		const struct gap *g = &c->gaps[c->told];

		told_gap(&c->of, g->start, g->end, g->state);
		if (c->hole)
			mark_unknown(c, g->start);
		c->upto = u64_max(c->upto, g->end);
		c->hole = false;
	}
}

/* Up to now, or up to where a gap goes on. */
static uint64_t sure_until(const struct cpu *c, uint64_t now)
{
	return c->told < c->n ? u64_min(now, c->gaps[c->told].start) : now;
}

static void promise(struct cpu *c, uint64_t now)
{
	uint64_t until;

	tell_gaps(c, now);
	until = sure_until(c, now);
	if (until <= c->of.until)
		return;
	told_until(&c->of, until);
	if (c->hole && until > c->upto)
		mark_unknown(c, until);
	c->hole = false;
	c->upto = u64_max(c->upto, until);
}

static void lose_some(struct cpu *c, uint64_t now)
{
	bool any = false;

	while (c->told < c->n && c->gaps[c->told].end <= now && random_below(&dice, 2)) {
		c->told++;
		any = true;
	}
	if (!any)
		return;
	told_hole(&c->of);
	c->hole = true;
}

static void give_up(struct cpu *c, uint64_t until)
{
	if (until <= c->of.until)
		return;
	told_nothing(&c->of, until);
	if (until > c->upto)
		mark_unknown(c, until);
}

/* Another host: it has not seen what ended by now, and tells of what goes on either all, or what it
 * has seen of it. */
static void another_host(struct cpu *c, uint64_t now)
{
	give_up(c, now);
	while (c->told < c->n && c->gaps[c->told].end <= now)
		c->told++;
	if (c->told < c->n && c->gaps[c->told].start < now && random_below(&dice, 2))
		c->gaps[c->told].start = now;
}

static void tell_something(struct cpu *c, uint64_t now)
{
	switch (random_below(&dice, 16)) {
	case 0:
		lose_some(c, now);
		break;
	case 1:
		give_up(c, u64_sub_floor(now, random_below(&dice, 200)));
		break;
	case 2:
		another_host(c, now);
		break;
	case 3:
	case 4:
		tell_gaps(c, now);
		break;
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		promise(c, now);
		break;
	default:
		break;
	}
}

/* ---- what is booked ---- */

static void add_oracle(unsigned cpu, uint8_t owner, uint64_t until, struct amounts *into)
{
	for (uint64_t t = 0; t < until; t++) {
		if (cpus[cpu].owner[t] != owner)
			continue;
		into->occupied++;
		into->away[LEDGER_READY] += cpus[cpu].truth[t] == AWAY;
		into->unaccounted += cpus[cpu].truth[t] == UNKNOWN;
	}
}

static void check_amounts(const struct amounts *got, const struct amounts *want)
{
	assert_int_equal(got->occupied, want->occupied);
	assert_int_equal(got->away[LEDGER_READY], want->away[LEDGER_READY]);
	assert_int_equal(got->unaccounted, want->unaccounted);
	assert_int_equal(amounts_true(got) + amounts_away(got) + got->unaccounted, got->occupied);
}

static void check(uint64_t settled)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		struct amounts busy = {.occupied = 0}, idle = {.occupied = 0};

		add_oracle(cpu, 0, settled, &idle);
		for (uint8_t owner = 1; owner < TASKS; owner++) {
			const struct account_task *t = account_find_task(account,
									 tid_of(cpu, owner));
			struct amounts want = {.occupied = 0};

			add_oracle(cpu, owner, settled, &want);
			amounts_add(&busy, &want);
			if (t)
				check_amounts(&t->own, &want);
		}
		check_amounts(&account->cpus[cpu].busy, &busy);
		check_amounts(&account->cpus[cpu].idle, &idle);
	}
}

static uint64_t settle(void)
{
	uint64_t until = UINT64_MAX;

	for (unsigned i = 0; i < CPUS; i++)
		until = u64_min(until, u64_min(cpus[i].of.until, account->cpus[i].since));
	for (unsigned i = 0; i < CPUS; i++)
		told_settle(&cpus[i].of, until);
	return until;
}

static void begin(void)
{
	assert_int_equal(account_new(CPUS, 0, on_run, NULL, &account), 0);
	for (unsigned i = 0; i < CPUS; i++) {
		make_history(&cpus[i]);
		assert_int_equal(told_open(&cpus[i].of, account, i, 0, NULL, NULL), 0);
		account_switch(account, i, 0, 0, false, tid_of(i, cpus[i].owner[0]),
			       tid_of(i, cpus[i].owner[0]));
	}
}

static void end(void)
{
	for (unsigned i = 0; i < CPUS; i++)
		told_close(&cpus[i].of);
	account_free(account);
}

static void whatever_is_told_figures_are_right_and_never_fall(void **state)
{
	(void)state;
	for (int round = 0; round < 1000; round++) {
		uint64_t now = 0, settled = 0;

		begin();
		while (now < SPAN) {
			uint64_t before = now;

			now = u64_min(SPAN, now + 1 + random_below(&dice, 60));
			for (unsigned i = 0; i < CPUS; i++)
				run_cpu(i, before, now);
			account_cut(account, now);
			for (unsigned i = 0; i < CPUS; i++)
				tell_something(&cpus[i], now);
			/* What is decided once is checked again each time: it can't have fallen. */
			settled = u64_max(settled, settle());
			if (!random_below(&dice, 8))
				check(settled);
		}
		for (unsigned i = 0; i < CPUS; i++)
			promise(&cpus[i], SPAN);
		check(settle());
		assert_int_equal(settle(), SPAN);
		end();
	}
}

/* 100 of 1000 ns are told late: as late, and of nobody's figures. */
static void late_word_changes_nothing_and_is_counted(void **state)
{
	struct cpu *c = &cpus[0];
	const struct account_task *t;

	(void)state;
	assert_int_equal(account_new(1, 0, on_run, NULL, &account), 0);
	assert_int_equal(told_open(&c->of, account, 0, 0, NULL, NULL), 0);
	account_switch(account, 0, 0, 0, false, 5, 5);
	account_cut(account, 1000);
	told_gap(&c->of, 100, 200, LEDGER_READY);
	told_nothing(&c->of, 600);
	told_gap(&c->of, 300, 400, LEDGER_READY);
	told_gap(&c->of, 550, 650, LEDGER_READY); /* half of it late */
	told_until(&c->of, 1000);
	told_settle(&c->of, 1000);
	t = account_find_task(account, 5);
	assert_int_equal(t->own.occupied, 1000);
	assert_int_equal(t->own.away[LEDGER_READY], 100 + 50);
	assert_int_equal(t->own.unaccounted, 400);
	assert_int_equal(amounts_true(&t->own), 100 + 350);
	assert_int_equal(c->of.late_ns, 100 + 50);
	told_close(&c->of);
	account_free(account);
}

/* More runs than may wait while the host is silent: those beyond are booked as unaccounted. */
static void a_full_queue_guesses_nothing(void **state)
{
	struct cpu *c = &cpus[0];
	uint64_t now = 0;

	(void)state;
	assert_int_equal(account_new(1, 0, on_run, NULL, &account), 0);
	assert_int_equal(told_open(&c->of, account, 0, 0, NULL, NULL), 0);
	account_switch(account, 0, 0, 0, false, 5, 5);
	for (int i = 0; i < 100000; i++)
		account_switch(account, 0, now += 10, i % 2 ? 6 : 5, false, i % 2 ? 5 : 6,
			       i % 2 ? 5 : 6);
	for (uint64_t at = 0; at < now; at += 10)
		told_gap(&c->of, at + 1, at + 3, LEDGER_READY);
	told_until(&c->of, now);
	told_settle(&c->of, c->of.until);
	told_until(&c->of, now);
	told_settle(&c->of, now);
	assert_int_equal(account->cpus[0].busy.occupied, now);
	assert_true(account->cpus[0].busy.unaccounted >= 10 * (100000 - 65536));
	/* Of each 10 ns that were told in time, 8 were true. */
	assert_true(amounts_true(&account->cpus[0].busy) <= now / 10 * 8);
	assert_true(amounts_true(&account->cpus[0].busy) >= 65000 * 8);
	told_close(&c->of);
	account_free(account);
}

static struct told_piece pieces[8];
static int n_pieces;

static void keep_piece(const struct told_piece *piece, void *data)
{
	(void)data;
	assert_true(n_pieces < 8);
	pieces[n_pieces++] = *piece;
}

/* However often it is settled in between. */
static void a_gap_is_told_of_in_one_piece(void **state)
{
	struct cpu *c = &cpus[0];

	(void)state;
	n_pieces = 0;
	assert_int_equal(account_new(1, 0, on_run, NULL, &account), 0);
	assert_int_equal(told_open(&c->of, account, 0, 0, keep_piece, NULL), 0);
	account_switch(account, 0, 0, 0, false, 5, 5);
	account_switch(account, 0, 1000, 5, false, 6, 6);
	account_cut(account, 1100);
	told_gap(&c->of, 200, 700, LEDGER_READY);
	told_gap(&c->of, 700, 800, LEDGER_WAIT);
	told_until(&c->of, 1100);
	for (uint64_t t = 100; t <= 1100; t += 100)
		told_settle(&c->of, t);
	assert_int_equal(n_pieces, 2);
	assert_int_equal(pieces[0].start, 200);
	assert_int_equal(pieces[0].end, 700);
	assert_int_equal(pieces[0].task->tid, 5);
	assert_int_equal(pieces[1].state, LEDGER_WAIT);
	assert_int_equal(pieces[1].end, 800);
	told_close(&c->of);
	account_free(account);
}

/* Task 6 comes 100 ns into a gap of 400 that is told in two pieces and settled wherever; a cut of
 * our own in the gap before, and one at its end, are no switches. */
static void a_switch_inside_a_gap_is_found(void **state)
{
	struct cpu *c = &cpus[0];

	(void)state;
	assert_int_equal(account_new(1, 0, on_run, NULL, &account), 0);
	assert_int_equal(told_open(&c->of, account, 0, 0, NULL, NULL), 0);
	account_switch(account, 0, 0, 0, false, 5, 5);
	account_cut(account, 250);
	account_switch(account, 0, 240, 5, false, 7, 7); /* told late: it counts from 250 on */
	account_switch(account, 0, 500, 7, false, 5, 5);
	account_switch(account, 0, 1000, 5, false, 6, 6);
	account_switch(account, 0, 1300, 6, false, 5, 5);
	account_cut(account, 2000);
	told_gap(&c->of, 200, 300, LEDGER_READY);
	told_gap(&c->of, 900, 1050, LEDGER_READY);
	told_gap(&c->of, 1050, 1300, LEDGER_WAIT);
	told_gap(&c->of, 1400, 1500, LEDGER_READY);
	told_until(&c->of, 2000);
	told_settle(&c->of, 899);
	assert_int_equal(told_deepest(&c->of), 0);
	for (uint64_t t = 900; t <= 2000; t += 25)
		told_settle(&c->of, t);
	assert_int_equal(told_deepest(&c->of), 100);
	assert_int_equal(told_deepest(&c->of), 0);
	told_close(&c->of);
	account_free(account);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_is_told_figures_are_right_and_never_fall),
		cmocka_unit_test(late_word_changes_nothing_and_is_counted),
		cmocka_unit_test(a_full_queue_guesses_nothing),
		cmocka_unit_test(a_gap_is_told_of_in_one_piece),
		cmocka_unit_test(a_switch_inside_a_gap_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
