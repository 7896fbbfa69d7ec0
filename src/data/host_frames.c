/* SPDX-License-Identifier: MIT */
#include "data/host_frames.h"

#include "base/units.h"
#include "wire/host_frame.h"

#include <errno.h>

struct frames {
	struct out *out;
	double at; /* seconds: where the frame stands: its date, moved by the clock of who measured */
	uint64_t elapsed, session, time;
	uint32_t run;
	bool begun;
};

/* What a VM or a vCPU had by the last frame that it was in. */
struct had {
	uint64_t since; /* ns: of the VM; with another one it has begun again */
	double at;
	uint32_t run;
	uint64_t ns[OUT_STATES];
	bool begun;
};

/* An interval is as long as the clock of who measured says; between two sessions, as the dates do. */
static void move_on(struct frames *s, const struct host_frame *f)
{
	bool same = f->session == s->session && f->elapsed >= s->elapsed;

	if (!s->begun) {
		s->at = ns_to_s(f->time);
	} else if (same) {
		s->at += ns_to_s(f->elapsed - s->elapsed);
	} else if (f->time > s->time) {
		s->at += ns_to_s(f->time - s->time);
	} else {
		s->at = ns_to_s(f->time);
		s->run++;
	}
	s->begun = true;
	s->elapsed = f->elapsed;
	s->session = f->session;
	s->time = f->time;
}

/* What was added since the last frame. */
static int put(struct frames *s, uint32_t entity, uint64_t since, const uint64_t *ns)
{
	struct had *had = out_state(s->out, entity, sizeof(*had));
	struct out_span span;
	int err = 0;

	if (!had)
		return -ENOMEM;
	span = (struct out_span){had->at, s->at, s->run};
	for (size_t k = 0; k < OUT_STATES; k++) {
		if (had->begun && had->since == since && had->run == s->run && s->at > had->at &&
		    !err)
			err = out_sample(s->out, entity, out_ledger_states[k].quantity, &span,
					 ns_to_s(u64_sub_floor(ns[k], had->ns[k])));
		had->ns[k] = ns[k];
	}
	had->since = since;
	had->at = s->at;
	had->run = s->run;
	had->begun = true;
	return err;
}

static int take_vm(struct frames *s, const struct host_frame_vm *vm)
{
	const struct data_entity e = {DATA_KIND_VM, DATA_NONE, vm->name, vm->uuid};
	uint64_t sum[OUT_STATES] = {0};
	uint32_t entity, part;
	int err = out_entity(s->out, &e, &entity);

	if (err <= 0)
		return err;
	err = 0;
	for (size_t i = 0; i < vm->n_vcpus && err >= 0; i++) {
		uint64_t ns[OUT_STATES];

		for (size_t k = 0; k < OUT_STATES; k++) {
			ns[k] = vm->vcpus[i].ns[out_ledger_states[k].state];
			sum[k] += ns[k];
		}
		err = out_vcpu(s->out, entity, vm->vcpus[i].index, &part);
		if (err > 0)
			err = put(s, part, vm->since, ns);
	}
	if (vm->n_vcpus > out_own_cpus(s->out, entity))
		out_set_cpus(s->out, entity, (unsigned)vm->n_vcpus);
	return err < 0 ? err : put(s, entity, vm->since, sum);
}

int host_frames_read(struct recording *r, struct out *out, struct failure *f)
{
	struct frames s = {.out = out};

	for (size_t i = 0; i < recording_frames(r); i++) {
		struct host_frame frame;
		int err = recording_host(r, i, f, &frame);

		if (err)
			return err;
		move_on(&s, &frame);
		for (size_t k = 0; k < frame.n_vms && !err; k++)
			err = take_vm(&s, &frame.vms[k]);
		host_frame_done(&frame);
		if (err)
			return err;
	}
	if (!out->file.samples)
		return failure_set(f, -ENODATA, "one frame is no interval");
	return 0;
}
