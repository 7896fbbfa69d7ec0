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
	const struct sim *sim;
	struct quantiles *vms;
	struct waiting *vcpus;
	struct core_watch next;
};

static bool wants_to_run(enum ledger_state state)
{
	return state == LEDGER_RUN || state == LEDGER_READY || state == LEDGER_COSTOP ||
	       state == LEDGER_LIMITED;
}

static void count(struct waits *w, uint32_t vcpu)
{
	quantiles_add(&w->vms[w->sim->guests[vcpu].vm], w->vcpus[vcpu].ready);
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
	if (w->next.told)
		w->next.told(w->next.data, vcpu, now, state);
}

int waits_start(struct sim *s)
{
	struct waits *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->sim = s;
	w->vms = calloc(s->n_vms, sizeof(*w->vms));
	w->vcpus = calloc(s->n_vcpus, sizeof(*w->vcpus));
	if (!w->vms || !w->vcpus) {
		waits_free(w);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < s->n_vcpus; i++) {
		w->vcpus[i].since = s->now;
		w->vcpus[i].state = core_state_of(s->core, i);
	}
	w->next = core_set_watch(s->core, (struct core_watch){watch, w});
	s->waits = w;
	return 0;
}

void waits_end(struct waits *w, uint64_t now)
{
	for (uint32_t i = 0; i < w->sim->n_vcpus; i++)
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
