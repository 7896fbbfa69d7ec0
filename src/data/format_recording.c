/* SPDX-License-Identifier: MIT */
/*
 * A recording of `desched record` (recording.h), which has both sides. A guest's figures are what
 * its kernel billed to each process between two frames, and how much of that it was away. A host's
 * are the ledger page, a copy of which is in every frame that was made with it: how long the vCPUs
 * ran and were ready. What `desched record --host` wrote is of a host alone: host_frames.c.
 *
 * An interval is as long as clocks say that nobody sets: the agent's, the page's. Dates only tell
 * where the first one begins.
 */
#include "data/format.h"

#include "base/hash.h"
#include "base/units.h"
#include "data/host_frames.h"
#include "data/recording.h"
#include "data/recording_layout.h"
#include "wire/snapshot.h"

#include <desched/ledger.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Running out of memory is a result, not the end of the program. */

/* ---- a guest's ---- */

/* What a process had by the last frame that it was in. */
struct known {
	struct {
		int64_t pid;
		uint64_t id;
	} key;
	uint64_t reported, away; /* ns */
	UT_hash_handle hh;
};

struct guest {
	struct out *out;
	struct known *known;
	uint32_t machine; /* the entity */
	uint32_t run;
	bool begun;
	double at;	  /* seconds: where the last frame stands */
	uint64_t time;	  /* ns, its date */
	uint64_t elapsed; /* ns, of its agent */
	uint64_t session;
	uint64_t busy, of_all; /* ns, by all and by those that still live */
	uint64_t away;	       /* ns, of all */
};

static void forget(struct guest *g)
{
	struct known *k, *next;

	HASH_ITER (hh, g->known, k, next) {
		HASH_DEL(g->known, k);
		free(k);
	}
	g->busy = g->away = 0;
}

/* What it had by the frame before: zeros where it is new. NULL: no memory. */
static struct known *known_of(struct guest *g, const struct snapshot_process *p)
{
	struct known *k, wanted = {.key = {p->pid, p->id}};

	HASH_FIND(hh, g->known, &wanted.key, sizeof(wanted.key), k);
	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->key = wanted.key;
	HASH_ADD(hh, g->known, key, sizeof(k->key), k);
	if (k->hh.tbl)
		return k;
	free(k);
	return NULL;
}

static int put_process(struct guest *g, const struct snapshot_process *p, uint64_t reported,
		       uint64_t away, const struct out_span *span)
{
	struct data_entity e = {DATA_KIND_PROCESS, g->machine, "", ""};
	char name[64], pid[16];
	uint32_t entity;
	int err;

	snprintf(name, sizeof(name), p->pid > 0 ? "%.40s" : "%s", p->name);
	snprintf(pid, sizeof(pid), "%d", p->pid);
	e.name = name;
	e.id = p->pid > 0 ? pid : "";
	err = out_entity(g->out, &e, &entity);
	if (err <= 0)
		return err;
	err = out_sample(g->out, entity, DATA_CPU, span, ns_to_s(reported));
	return err ? err : out_sample(g->out, entity, DATA_DESCHEDULED, span, ns_to_s(away));
}

static int take_process(struct guest *g, const struct snapshot *frame,
			const struct snapshot_process *p, const struct out_span *span)
{
	uint64_t reported = snapshot_reported(frame, &p->own), away = figures_away(&p->own);
	struct known *k = known_of(g, p);
	uint64_t delta, delta_away;

	if (!k)
		return -ENOMEM;
	delta = u64_sub_floor(reported, k->reported);
	delta_away = u64_sub_floor(away, k->away);
	k->reported = reported;
	k->away = away;
	if (!delta || !g->begun)
		return 0;
	g->of_all += delta;
	return put_process(g, p, delta, delta_away, span);
}

/* Of all of them, and of those that were gone by the frame. */
static int take_sum(struct guest *g, uint64_t busy, uint64_t away, const struct out_span *span)
{
	const struct data_entity exited = {DATA_KIND_PROCESS, g->machine, "(exited)", ""};
	uint64_t delta = u64_sub_floor(busy, g->busy), delta_away = u64_sub_floor(away, g->away);
	uint32_t entity;
	int err = out_sample(g->out, g->machine, DATA_CPU, span, ns_to_s(delta));

	if (!err)
		err = out_sample(g->out, g->machine, DATA_DESCHEDULED, span, ns_to_s(delta_away));
	if (err || delta <= g->of_all + NS_PER_US)
		return err;
	err = out_entity(g->out, &exited, &entity);
	if (err <= 0)
		return err;
	return out_sample(g->out, entity, DATA_CPU, span, ns_to_s(delta - g->of_all));
}

/* Where an agent was started anew its frame counts from then on, and what was before is a hole. */
static double step(struct guest *g, const struct snapshot *frame)
{
	bool anew = !snapshot_goes_on(g->session, g->elapsed, frame);
	double length = ns_to_s(frame->elapsed - (anew ? 0 : g->elapsed));
	double passed = anew ? ns_to_s(u64_sub_floor(frame->time, g->time)) : length;

	g->at = g->begun ? g->at + (passed > length ? passed : length) : ns_to_s(frame->time);
	if (anew)
		forget(g);
	/* It has been there for longer: what of that is new, nobody knows. */
	if (anew && length > passed + 1) {
		g->begun = false;
		g->run++;
	}
	return g->at - length;
}

static int take_guest(struct guest *g, const struct snapshot *frame)
{
	struct out_span span = {.from = step(g, frame)};
	uint64_t busy = snapshot_reported(frame, &frame->busy), away = figures_away(&frame->busy);
	int err = 0;

	span.to = g->at;
	span.run = g->run;
	g->of_all = 0;
	if (frame->n_cpus > out_own_cpus(g->out, g->machine))
		out_set_cpus(g->out, g->machine, (unsigned)frame->n_cpus);
	for (size_t i = 0; !err && i < frame->n_processes; i++)
		err = take_process(g, frame, &frame->processes[i], &span);
	if (!err && g->begun)
		err = take_sum(g, busy, away, &span);
	g->begun = true;
	g->time = frame->time;
	g->elapsed = frame->elapsed;
	g->session = frame->session;
	g->busy = busy;
	g->away = away;
	return err;
}

/* ---- a host's ---- */

struct sums {
	double at;    /* seconds of the host's clock */
	double start; /* of its ledger */
	double seconds[OUT_STATES];
};

struct host {
	struct out *out;
	uint32_t vm;	    /* the entity */
	bool known, wanted; /* the sink has heard of it */
	uint32_t run;
	bool begun;
	double time;  /* seconds: where the first page stands */
	double first; /* seconds of the host's clock */
	struct sums last;
	uint64_t (*vcpus)[OUT_STATES]; /* [n_vcpus] ns by the last page */
	size_t n_vcpus;
};

/* False where the page could not be read in full. */
static bool sum_page(const struct snapshot_page *page, struct sums *now)
{
	*now = (struct sums){.at = 0};
	for (size_t i = 0; i < page->n_vcpus; i++) {
		const struct ledger *l = &page->vcpus[i];

		if (!l->at)
			return false;
		for (size_t k = 0; k < OUT_STATES; k++)
			now->seconds[k] += ns_to_s(l->ns[out_ledger_states[k].state]);
		now->start += ns_to_s(l->start);
	}
	now->at = page->n_vcpus ? ns_to_s(page->vcpus[0].at) : 0;
	return page->n_vcpus > 0;
}

/* Another host, or its daemon started anew: from here on. */
static void begin(struct host *h, const struct sums *now, const struct snapshot *frame)
{
	h->run++;
	h->begun = true;
	h->time = ns_to_s(frame->time);
	h->first = now->at;
}

static int put_vcpu(struct host *h, const struct ledger *l, size_t i, const struct out_span *span)
{
	uint32_t entity;
	int err = out_vcpu(h->out, h->vm, i, &entity);

	if (err <= 0)
		return err;
	err = 0;
	for (size_t k = 0; k < OUT_STATES && !err; k++)
		err = out_sample(
			h->out, entity, out_ledger_states[k].quantity, span,
			ns_to_s(u64_sub_floor(l->ns[out_ledger_states[k].state], h->vcpus[i][k])));
	return err;
}

/* What vCPUs have by this page. -ENOMEM. */
static int keep_vcpus(struct host *h, const struct snapshot_page *page)
{
	if (page->n_vcpus > h->n_vcpus) {
		void *grown = reallocarray(h->vcpus, page->n_vcpus, sizeof(*h->vcpus));

		if (!grown)
			return -ENOMEM;
		h->vcpus = grown;
	}
	h->n_vcpus = page->n_vcpus;
	for (size_t i = 0; i < h->n_vcpus; i++)
		for (size_t k = 0; k < OUT_STATES; k++)
			h->vcpus[i][k] = page->vcpus[i].ns[out_ledger_states[k].state];
	return 0;
}

static int put_page(struct host *h, const struct snapshot_page *page, const struct sums *now)
{
	const struct out_span span = {h->time + h->last.at - h->first, h->time + now->at - h->first,
				      h->run};
	int err = 0;

	for (size_t k = 0; k < OUT_STATES && !err; k++)
		err = out_sample(h->out, h->vm, out_ledger_states[k].quantity, &span,
				 now->seconds[k] - h->last.seconds[k]);
	for (size_t i = 0; i < page->n_vcpus && i < h->n_vcpus && !err; i++)
		err = put_vcpu(h, &page->vcpus[i], i, &span);
	return err;
}

/* The VM as its host sees it, which has no name, is there when a page is. */
static int find_vm(struct host *h)
{
	const struct data_entity vm = {DATA_KIND_VM, DATA_NONE, "", ""};
	int err = h->known ? h->wanted : out_entity(h->out, &vm, &h->vm);

	h->known = true;
	h->wanted = err > 0;
	return err < 0 ? err : 0;
}

static int take_host(struct host *h, const struct snapshot *frame)
{
	bool expected = h->out->options->side == DATA_HOST;
	struct sums now;
	int err = frame->page || expected ? find_vm(h) : 0;

	if (err || !h->wanted)
		return err;
	if (!frame->page || !sum_page(frame->page, &now)) {
		skips_count(&h->out->file.skips, SKIP_CUT, NULL);
		return 0;
	}
	if (frame->page->n_vcpus > out_own_cpus(h->out, h->vm))
		out_set_cpus(h->out, h->vm, (unsigned)frame->page->n_vcpus);
	if (!h->begun || now.start != h->last.start || now.at < h->last.at)
		begin(h, &now, frame);
	else if (now.at <= h->last.at)
		return 0; /* nobody has written it since */
	else
		err = put_page(h, frame->page, &now);
	h->last = now;
	return err ? err : keep_vcpus(h, frame->page);
}

/* ---- all frames ---- */

/* Both sides, those that are wanted. */
struct sides {
	struct guest guest;
	struct host host;
	bool is_guest, is_host;
};

static int find_sides(struct sides *s, struct out *out)
{
	const struct data_entity machine = {DATA_KIND_MACHINE, DATA_NONE, "", ""};
	enum data_side side = out->options->side;
	int err = side == DATA_HOST ? 0 : out_entity(out, &machine, &s->guest.machine);

	s->is_guest = err > 0;
	s->is_host = side != DATA_GUEST;
	return err < 0 ? err : 0;
}

static int take_frame(struct sides *s, const struct snapshot *frame)
{
	int err = s->is_guest ? take_guest(&s->guest, frame) : 0;

	return err || !s->is_host ? err : take_host(&s->host, frame);
}

static int take_frames(struct recording *r, struct sides *s, struct failure *f)
{
	for (size_t i = 0; i < recording_frames(r); i++) {
		struct snapshot frame;
		int err = recording_snapshot(r, i, f, &frame);

		if (err)
			return err;
		err = take_frame(s, &frame);
		snapshot_done(&frame);
		if (err)
			return err;
	}
	return 0;
}

static int read_frames(struct recording *r, struct out *out, struct failure *f)
{
	struct sides s = {.guest = {.out = out}, .host = {.out = out}};
	int err = find_sides(&s, out);

	if (!err)
		err = take_frames(r, &s, f);
	forget(&s.guest);
	free(s.host.vcpus);
	if (!err && out->options->side == DATA_HOST && !s.host.begun)
		return failure_set(f, -ENODATA,
				   "no frame has a ledger page in it; made with source page it has "
				   "one, else the host's figures must come from elsewhere");
	if (!err && !out->file.samples)
		return failure_set(f, -ENODATA, "one frame is no interval");
	return err;
}

static int read_recording(const struct input *in, struct out *out)
{
	bool of_host = false;
	struct failure why = {""};
	struct recording *r;
	int err = recording_open(in->path, out->f, &r);

	if (err)
		return err;
	out->file.dated = out->file.measured = true;
	out->file.zone = ZONE_STATED;
	if (recording_frames(r))
		err = recording_is_host(r, &why, &of_host);
	if (!err && of_host && in->options->side == DATA_GUEST)
		err = failure_set(&why, -EBADMSG,
				  "it is of a host's VMs ('desched record --host')");
	else if (!err)
		err = of_host ? host_frames_read(r, out, &why) : read_frames(r, out, &why);
	if (recording_damage(r))
		snprintf(out->file.damage, sizeof(out->file.damage), "%s", recording_damage(r));
	recording_close(r);
	if (err && why.text[0])
		return failure_set(out->f, err, "%s: %s", in->path, why.text);
	return err ? failure_errno(out->f, err, "%s", in->path) : 0;
}

const struct format format_recording = {
	.name = "desched record",
	.what = "a file of 'desched record'",
	.guest = true,
	.host = true,
	.magic = RECORDING_MAGIC,
	.read = read_recording,
};
