/* SPDX-License-Identifier: MIT */
/*
 * A recording of `desched record` (data/recording.h), from either side. A guest's figures are
 * what its kernel billed to each process between two frames. A host's are the ledger page, a copy
 * of which is in every frame that was made with it: how long the vCPUs ran and were ready.
 *
 * An interval is as long as clocks say that nobody sets: the agent's, the page's. Dates only tell
 * where the first one begins.
 */
#include "correct/formats.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/units.h"
#include "data/recording.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Running out of memory is a result, not the end of the program. */

static const char magic[] = {'D', 'E', 'S', 'C', 'H', 'R', 'E', 'C'};

bool usage_is_recording(const char *path)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char begin[sizeof(magic)];
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       pread(fd, begin, sizeof(begin), 0) == sizeof(begin) &&
	       !memcmp(begin, magic, sizeof(begin));
}

/* ---- a guest's ---- */

/* What a process had by the last frame that it was in. */
struct known {
	struct {
		int64_t pid;
		uint64_t id;
	} key;
	uint64_t reported; /* ns */
	UT_hash_handle hh;
};

struct guest {
	struct usage *usage;
	struct known *known;
	bool begun;
	double at;	  /* seconds: where the last frame stands */
	uint64_t time;	  /* ns, its date */
	uint64_t elapsed; /* ns, of its agent */
	uint64_t session;
	uint64_t busy, of_all; /* ns, by all and by those that still live */
};

static void forget(struct guest *g)
{
	struct known *k, *next;

	HASH_ITER (hh, g->known, k, next) {
		HASH_DEL(g->known, k);
		free(k);
	}
	g->busy = 0;
}

/* What it had more than by the frame before. -ENOMEM. */
static int advance(struct guest *g, const struct snapshot_process *p, uint64_t now, uint64_t *ret)
{
	struct known *k, wanted = {.key = {p->pid, p->id}};

	HASH_FIND(hh, g->known, &wanted.key, sizeof(wanted.key), k);
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
		k->key = wanted.key;
		HASH_ADD(hh, g->known, key, sizeof(k->key), k);
		if (!k->hh.tbl) {
			free(k);
			return -ENOMEM;
		}
	}
	*ret = u64_sub_floor(now, k->reported);
	k->reported = now;
	return 0;
}

static int take_process(struct guest *g, const struct snapshot *frame,
			const struct snapshot_process *p, double from)
{
	uint64_t delta;
	char name[96];
	uint32_t who;
	int err = advance(g, p, snapshot_reported(frame, &p->own), &delta);

	if (err || !delta || !g->begun)
		return err;
	g->of_all += delta;
	snprintf(name, sizeof(name), "%.40s (%d)", p->name, p->pid);
	err = usage_who(g->usage, p->pid > 0 ? name : p->name, &who);
	return err ? err : usage_add(g->usage, who, from, g->at, ns_to_s(delta));
}

/* Of all of them, and of those that were gone by the frame. */
static int take_sum(struct guest *g, uint64_t busy, double from)
{
	uint64_t delta = u64_sub_floor(busy, g->busy);
	uint32_t who;
	int err = usage_add(g->usage, WHO_TOTAL, from, g->at, ns_to_s(delta));

	if (err || delta <= g->of_all + NS_PER_US)
		return err;
	err = usage_who(g->usage, "(exited)", &who);
	return err ? err : usage_add(g->usage, who, from, g->at, ns_to_s(delta - g->of_all));
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
		g->usage->run++;
	}
	return g->at - length;
}

static int take_guest(void *of, const struct snapshot *frame)
{
	struct guest *g = of;
	double from = step(g, frame);
	uint64_t busy = snapshot_reported(frame, &frame->busy);
	int err = 0;

	g->of_all = 0;
	if (frame->n_cpus > g->usage->cpus)
		g->usage->cpus = (unsigned)frame->n_cpus;
	for (size_t i = 0; !err && i < frame->n_processes; i++)
		err = take_process(g, frame, &frame->processes[i], from);
	if (!err && g->begun)
		err = take_sum(g, busy, from);
	g->begun = true;
	g->time = frame->time;
	g->elapsed = frame->elapsed;
	g->session = frame->session;
	g->busy = busy;
	return err;
}

/* ---- a host's ---- */

struct host {
	struct usage *usage;
	bool begun;
	double time;	  /* seconds: where the first page stands */
	double first, at; /* seconds of the host's clock: the first page's, the last one's */
	double start;	  /* of its ledger */
	double run, ready;
};

/* False where the page could not be read in full. */
static bool sum_page(const struct snapshot_page *page, struct host *now)
{
	for (size_t i = 0; i < page->n_vcpus; i++) {
		const struct ledger *l = &page->vcpus[i];

		if (!l->at)
			return false;
		now->run += ns_to_s(l->ns[LEDGER_RUN]);
		now->ready += ns_to_s(l->ns[LEDGER_READY]);
		now->start += ns_to_s(l->start);
	}
	now->at = page->n_vcpus ? ns_to_s(page->vcpus[0].at) : 0;
	return page->n_vcpus > 0;
}

/* Another host, or its daemon started anew: from here on. */
static void begin(struct host *h, const struct host *now, const struct snapshot *frame)
{
	h->usage->run++;
	*h = (struct host){.usage = h->usage,
			   .begun = true,
			   .time = ns_to_s(frame->time),
			   .first = now->at,
			   .at = now->at,
			   .start = now->start,
			   .run = now->run,
			   .ready = now->ready};
}

static int take_host(void *of, const struct snapshot *frame)
{
	struct host *h = of, now = {.run = 0}, last = *h;
	double from, to;
	int err;

	if (!frame->page || !sum_page(frame->page, &now)) {
		skips_count(&h->usage->skips, SKIP_CUT, NULL);
		return 0;
	}
	if (frame->page->n_vcpus > h->usage->cpus)
		h->usage->cpus = (unsigned)frame->page->n_vcpus;
	if (!h->begun || now.start != h->start || now.at < h->at) {
		begin(h, &now, frame);
		return 0;
	}
	if (now.at <= h->at)
		return 0; /* nobody has written it since */
	h->at = now.at;
	h->run = now.run;
	h->ready = now.ready;
	from = h->time + last.at - h->first;
	to = h->time + now.at - h->first;
	err = usage_add(h->usage, WHO_TOTAL, from, to, now.run - last.run);
	return err ? err : usage_add(h->usage, WHO_READY, from, to, now.ready - last.ready);
}

/* ---- all frames ---- */

typedef int (*take_fn)(void *of, const struct snapshot *frame);

static int take_all(struct recording *r, take_fn take, void *of, struct failure *f)
{
	for (size_t i = 0; i < recording_frames(r); i++) {
		struct snapshot frame;
		int err = recording_snapshot(r, i, f, &frame);

		if (err)
			return err;
		err = take(of, &frame);
		snapshot_done(&frame);
		if (err)
			return err;
	}
	return 0;
}

static int read_frames(struct recording *r, bool host, struct usage *u, struct failure *f)
{
	struct guest g = {.usage = u};
	struct host h = {.usage = u};
	int err = host ? take_all(r, take_host, &h, f) : take_all(r, take_guest, &g, f);

	forget(&g);
	if (!err)
		err = usage_settle(u);
	if (!err && host && !h.begun)
		return failure_set(f, -ENODATA,
				   "no frame has a ledger page in it; made with source page it has "
				   "one, else the host's figures must come from elsewhere");
	if (!err && !u->n)
		return failure_set(f, -ENODATA, "one frame is no interval");
	return err;
}

int usage_read_recording(const char *path, bool host, struct failure *f, struct usage *ret)
{
	struct failure why = {""};
	struct recording *r;
	struct usage u;
	int err = recording_open(path, f, &r);

	if (err)
		return err;
	usage_init(&u);
	u.format = "desched record";
	u.dated = u.measured = true;
	u.zone = ZONE_STATED;
	err = read_frames(r, host, &u, &why);
	if (recording_damage(r))
		snprintf(u.damage, sizeof(u.damage), "%s", recording_damage(r));
	recording_close(r);
	if (!err) {
		*ret = u;
		return 0;
	}
	usage_done(&u);
	return why.text[0] ? failure_set(f, err, "%s: %s", path, why.text)
			   : failure_errno(f, err, "%s", path);
}
