/* SPDX-License-Identifier: MIT */
#include "sim/waits.h"

#include <errno.h>
#include <stdlib.h>

struct waiting {
	uint64_t since; /* ns: when it came into its state */
	uint64_t ready; /* ns of READY since it wanted to run */
	enum ledger_state state;
};

struct waits {
	const struct core *core;
	struct quantiles *vms;
	struct waiting *vcpus;
	void (*next)(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state);
	void *next_data;
};

static bool wants_to_run(enum ledger_state state)
{
	return state == LEDGER_RUN || state == LEDGER_READY || state == LEDGER_COSTOP ||
	       state == LEDGER_LIMITED;
}

static void count(struct waits *w, uint32_t vcpu)
{
	quantiles_add(&w->vms[w->core->vcpus[vcpu].vm], w->vcpus[vcpu].ready);
	w->vcpus[vcpu].ready = 0;
}

/* A wait counts when the run that ends it does: one without length doesn't end it. */
static void note(struct waits *w, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct waiting *v = &w->vcpus[vcpu];

	if (v->state == LEDGER_READY)
		v->ready += now - v->since;
	if (v->state == LEDGER_RUN ? now > v->since : v->ready && !wants_to_run(state))
		count(w, vcpu);
	v->since = now;
	v->state = state;
}

static void watch(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct waits *w = data;

	note(w, vcpu, now, state);
	if (w->next)
		w->next(w->next_data, vcpu, now, state);
}

int waits_start(struct sim *s)
{
	struct waits *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->core = s->core;
	w->vms = calloc(s->core->n_vms, sizeof(*w->vms));
	w->vcpus = calloc(s->core->n_vcpus, sizeof(*w->vcpus));
	if (!w->vms || !w->vcpus) {
		waits_free(w);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < s->core->n_vcpus; i++) {
		w->vcpus[i].since = s->now;
		w->vcpus[i].state = (enum ledger_state)s->core->vcpus[i].ledger.state;
	}
	w->next = s->core->watch;
	w->next_data = s->core->watch_data;
	s->core->watch = watch;
	s->core->watch_data = w;
	s->waits = w;
	return 0;
}

void waits_end(struct waits *w, uint64_t now)
{
	for (uint32_t i = 0; i < w->core->n_vcpus; i++)
		note(w, i, now, LEDGER_HALT);
}

const struct quantiles *waits_of(const struct waits *w, uint32_t vm)
{
	return &w->vms[vm];
}

void waits_merge(struct waits *to, uint32_t vm, const struct waits *from, uint32_t other)
{
	quantiles_merge(&to->vms[vm], &from->vms[other]);
}

struct waits *waits_free(struct waits *w)
{
	if (!w)
		return NULL;
	free(w->vms);
	free(w->vcpus);
	free(w);
	return NULL;
}

uint64_t waits_bytes(const struct scenario *scenario)
{
	return scenario_vms_per_host(scenario) * (uint64_t)sizeof(struct quantiles) +
	       scenario_vcpus_per_host(scenario) * sizeof(struct waiting);
}
