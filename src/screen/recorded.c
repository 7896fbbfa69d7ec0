/* SPDX-License-Identifier: MIT */
#include "screen/recorded.h"

#include "base/units.h"
#include "screen/subject.h"

int recorded_subject(struct recording *r, struct failure *f, const struct subject **ret)
{
	bool host = false;
	int err = recording_frames(r) ? recording_is_host(r, f, &host) : 0;

	if (!err)
		*ret = host ? &subject_host : &subject_guest;
	return err;
}

int recorded_frame(struct recording *r, const struct subject *subject, size_t at, struct failure *f,
		   struct frame *ret)
{
	struct frame frame = {.subject = subject};
	int err = subject == &subject_host ? recording_host(r, at, f, &frame.host)
					   : recording_snapshot(r, at, f, &frame.guest);

	if (!err)
		*ret = frame;
	return err;
}

int recorded_skip(struct frame *skipped, struct frame *now)
{
	int err = 0;

	if (skipped->subject == &subject_host)
		err = host_frame_carry(&skipped->host, &now->host);
	frame_done(skipped);
	return err;
}

/* ---- marks ---- */

/* What the VMs had since the last frame: those that have ended leave the frames, but not the sums. */
static void add_vm(const struct host_frame_vm *before, const struct host_frame_vm *vm,
		   struct recording_mark *m)
{
	for (size_t v = 0; v < vm->n_vcpus; v++) {
		for (uint32_t s = 0; s < LEDGER_STATES; s++) {
			uint64_t was = before && v < before->n_vcpus ? before->vcpus[v].ns[s] : 0;
			uint64_t ns = u64_sub_floor(vm->vcpus[v].ns[s], was);

			m->busy += s == LEDGER_RUN ? ns : 0;
			m->away += ledger_state_descheduled(s) ? ns : 0;
		}
	}
}

static struct recording_mark host_mark(const struct host_frame *now, const struct host_frame *last,
				       const struct recording_mark *last_mark)
{
	bool goes_on = last && last->session == now->session;
	struct recording_mark m = {.time = now->time,
				   .elapsed = now->elapsed,
				   .busy = goes_on ? last_mark->busy : 0,
				   .away = goes_on ? last_mark->away : 0,
				   .session = recording_session(now->session)};
	size_t hint = 0;

	for (size_t i = 0; i < now->n_vms; i++)
		add_vm(host_frame_find(goes_on ? last : NULL, &now->vms[i], &hint), &now->vms[i],
		       &m);
	return m;
}

struct recording_mark recorded_mark(const struct frame *now, const struct frame *last,
				    const struct recording_mark *last_mark)
{
	if (now->subject == &subject_host)
		return host_mark(&now->host, last ? &last->host : NULL, last_mark);
	return recording_mark_of(&now->guest);
}
