/* SPDX-License-Identifier: MIT */
#include <desched/ledger.h>

#include <errno.h>
#include <stddef.h>

static const struct {
	const char *name;
	bool descheduled;
} states[LEDGER_STATES] = {
	[LEDGER_RUN] = {"run", false},		[LEDGER_READY] = {"ready", true},
	[LEDGER_COSTOP] = {"costop", true},	[LEDGER_LIMITED] = {"limited", true},
	[LEDGER_SWAPWAIT] = {"swapwait", true}, [LEDGER_HALT] = {"halt", false},
	[LEDGER_WAIT] = {"wait", false},
};

void ledger_start(struct ledger *l, uint64_t now, enum ledger_state state)
{
	*l = (struct ledger){.start = now, .at = now, .state = state};
}

/* For those who call and do not inline them. */
extern inline void ledger_advance(struct ledger *l, uint64_t now);
extern inline void ledger_enter(struct ledger *l, uint64_t now, enum ledger_state state);

uint64_t ledger_wall(const struct ledger *l)
{
	return l->at - l->start;
}

uint64_t ledger_descheduled(const struct ledger *l)
{
	uint64_t sum = 0;

	for (int s = 0; s < LEDGER_STATES; s++)
		sum += states[s].descheduled ? l->ns[s] : 0;
	return sum;
}

bool ledger_valid(const struct ledger *l)
{
	uint64_t left = l->at - l->start;

	if (l->start > l->at || l->state >= LEDGER_STATES)
		return false;
	for (int s = 0; s < LEDGER_STATES; s++) {
		if (l->ns[s] > left)
			return false;
		left -= l->ns[s];
	}
	return left == 0;
}

int ledger_delta(const struct ledger *before, const struct ledger *now, struct ledger *ret_delta)
{
	struct ledger d = {.start = before->at, .at = now->at, .state = now->state};

	if (now->start != before->start || now->at < before->at ||
	    now->backwards < before->backwards)
		return -ERANGE;
	for (int s = 0; s < LEDGER_STATES; s++) {
		if (now->ns[s] < before->ns[s])
			return -ERANGE;
		d.ns[s] = now->ns[s] - before->ns[s];
	}
	d.backwards = now->backwards - before->backwards;
	*ret_delta = d;
	return 0;
}

void ledger_merge(struct ledger *into, const struct ledger *from)
{
	into->at += ledger_wall(from);
	for (int s = 0; s < LEDGER_STATES; s++)
		into->ns[s] += from->ns[s];
	into->backwards += from->backwards;
}

const char *ledger_state_name(uint32_t state)
{
	return state < LEDGER_STATES ? states[state].name : NULL;
}

bool ledger_state_descheduled(uint32_t state)
{
	return state < LEDGER_STATES && states[state].descheduled;
}
