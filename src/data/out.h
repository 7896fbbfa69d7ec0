/* SPDX-License-Identifier: MIT */
/*
 * The way from an importer into a sink. It numbers entities, knows which are wanted, keeps a state
 * for the importer beside each that has one, and judges samples before they go out.
 */
#ifndef DATA_OUT_H
#define DATA_OUT_H

#include "data/data.h"

struct out {
	const struct data_sink *sink;
	const struct data_options *options;
	const char *path;
	struct failure *f;
	struct data_file file;
	struct out_entity **entities; /* [n], by number */
	size_t n;
	struct out_entity *by_key;
	char *key; /* of the one that is looked for */
	size_t key_size;
};

/* What the states of a vCPU's ledger come to. */
struct out_ledger_state {
	uint32_t state; /* LEDGER_RUN, ... */
	enum data_quantity quantity;
};

#define OUT_STATES 5
extern const struct out_ledger_state out_ledger_states[OUT_STATES];

/* An interval of an owner. */
struct out_span {
	double from, to;
	uint32_t run;
};

void out_init(struct out *o, const struct data_sink *sink, const struct data_options *options,
	      const char *path, struct failure *f);
void out_done(struct out *o);

/* The number of an entity, which is announced when it is new. 1: it is wanted; 0: it isn't, nor
 * are its parts; -ENOMEM, -E2BIG, or what the sink said. */
int out_entity(struct out *o, const struct data_entity *e, uint32_t *ret);

/* As that, for vCPU number `index` of a VM. */
int out_vcpu(struct out *o, uint32_t vm, size_t index, uint32_t *ret);

/* The same of one that may be there already: 1 and its number, 0: it isn't, -ENOMEM. */
int out_find(struct out *o, const struct data_entity *e, uint32_t *ret);

bool out_takes(const struct out *o, enum data_quantity quantity);

/* 0 or what ends the reading. One that makes no sense is counted. */
int out_sample(struct out *o, uint32_t entity, enum data_quantity quantity,
	       const struct out_span *span, double value);

/* How many CPUs the entity has. */
void out_set_cpus(struct out *o, uint32_t entity, unsigned n);
/* The same, as out_set_cpus() said, or as options say that override it; 0: not known. */
unsigned out_own_cpus(const struct out *o, uint32_t entity);
unsigned out_cpus(const struct out *o, uint32_t entity);

/* CPU time of a machine of which the mean over its CPUs is known: its sum, where the number of CPUs
 * is known, too. */
int out_mean_cpu(struct out *o, uint32_t entity, const struct out_span *span, double mean);

/* What the importer keeps beside an entity: zeros at first. NULL: no memory. */
void *out_state(struct out *o, uint32_t entity, size_t size);
/* The same, or NULL where there is none. */
void *out_state_of(const struct out *o, uint32_t entity);
/* Takes all states away; `done` (or NULL) gives back what is in them. */
void out_forget(struct out *o, void (*done)(void *state));

/* Says the numbers of CPUs. */
void out_end(struct out *o);

#endif
