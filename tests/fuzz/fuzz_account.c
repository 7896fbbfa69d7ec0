/* SPDX-License-Identifier: MIT */
/*
 * The account over any stream of records, such as a kernel that loses most of them would leave:
 * four bytes each. Whatever comes, every CPU's time is covered to the nanosecond, nobody is charged
 * more than it had, and nothing leaks (LeakSanitizer).
 */
#include "fuzz.h"

#include "guest/account.h"
#include "guest/window.h"

#define CPUS 2

static struct window windows[CPUS];
static struct account *account;

static void keep_run(const struct account_run *run, void *data)
{
	(void)data;
	CHECK(run->cpu < CPUS && run->start < run->end);
	window_add(&windows[run->cpu], account, run);
}

static void charge(unsigned cpu, uint64_t ns)
{
	window_book(&windows[cpu], account, cpu);
	CHECK(window_charge(&windows[cpu], account, cpu, LEDGER_READY, ns) <= ns);
	CHECK(window_charge(&windows[cpu], account, cpu, AMOUNTS_UNKNOWN, ns / 2) <= ns / 2);
	window_clear(&windows[cpu], account);
}

static bool is_even(pid_t tid)
{
	return tid % 2 == 0;
}

static void step(const uint8_t *r, uint64_t now)
{
	unsigned cpu = r[1] % 3; /* one that is not there, too */
	pid_t a = r[2] % 16, b = r[3] % 16;

	switch (r[0] % 8) {
	case 0:
	case 1:
	case 2:
		account_prev_ran(account, cpu, now - r[1] / 64, a, r[3] & 15);
		account_switch(account, cpu, now - r[1] / 64, a, r[0] & 64, b, b & 12);
		break;
	case 3:
		account_fork(account, a + 1, b + 1, r[1] % 16, "f");
		break;
	case 4:
		account_exec(account, cpu, now, a + 1, a + 1, "e");
		break;
	case 5:
		account_rename(account, a, "r");
		if (r[1] & 1)
			account_move(account, a, r[1] & 2, r[3] & 1 ? "/x" : "/y");
		break;
	case 6:
		account_cut(account, now);
		charge(cpu % CPUS, r[2]);
		break;
	case 7:
		if (r[1] == 7)
			account_sweep(account, is_even);
		else
			account_seed(account, a + 1, b + 1, 1, "s");
		break;
	}
}

/* Every task but the three of no process is in a group: the groups have what the CPUs had. */
static void check_groups(void)
{
	struct amounts sum = {.occupied = 0}, cpus = {.occupied = 0};

	for (struct account_cgroup *c = account->cgroups; c; c = c->hh.next)
		amounts_add(&sum, &c->amounts);
	amounts_add(&sum, &account->lost->own);
	amounts_add(&sum, &account->other->own);
	for (unsigned i = 0; i < CPUS; i++)
		amounts_add(&cpus, &account->cpus[i].busy);
	CHECK(sum.occupied == cpus.occupied);
	CHECK(amounts_away(&sum) == amounts_away(&cpus));
	CHECK(sum.unaccounted == cpus.unaccounted);
}

static void check_cover(uint64_t now)
{
	account_cut(account, now);
	for (unsigned i = 0; i < CPUS; i++)
		charge(i, 100);
	check_groups();
	for (unsigned i = 0; i < CPUS; i++) {
		const struct account_cpu *c = &account->cpus[i];

		CHECK(c->busy.occupied + c->idle.occupied == c->since - account->start);
		CHECK(!c->known || c->since == now);
		CHECK(amounts_away(&c->busy) + c->busy.unaccounted <= c->busy.occupied);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now = 1000;

	if (account_new(CPUS, now, keep_run, NULL, &account))
		return 0;
	for (size_t i = 0; i + 4 <= size; i += 4) {
		now += data[i + 3] + 1u;
		step(data + i, now);
	}
	check_cover(now + 10);
	for (unsigned i = 0; i < CPUS; i++)
		window_free(&windows[i], account);
	account_free(account);
	return 0;
}
