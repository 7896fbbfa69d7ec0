/* SPDX-License-Identifier: MIT */
/* The VMs of this host, measured in this program. Whoever only looks leaves their pages alone. */
#include "base/proc.h"
#include "base/units.h"
#include "host/measure.h"
#include "screen/feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host_feed {
	struct measurement *measurement;
	char limits[256]; /* the first thing that measuring had to say: why it has no BPF */
	bool open;
};

static void note(const char *text, void *data)
{
	struct host_feed *h = data;

	if (!h->open && !h->limits[0])
		snprintf(h->limits, sizeof(h->limits), "%s", text);
}

static void close_host(void *feed)
{
	struct host_feed *h = feed;

	measure_close(h->measurement);
	free(h);
}

static int open_host(const struct asked *config, struct failure *f, void **ret)
{
	const char *source = config->source && strcmp(config->source, "auto") != 0 ? config->source
										   : NULL;
	struct host_feed *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return failure_errno(f, -ENOMEM, "measuring");
	err = measure_open(
		&(struct measure_setup){
			.source = source, .no_pages = true, .note = note, .data = h},
		f, &h->measurement);
	if (err) {
		free(h);
		return err;
	}
	h->open = true;
	*ret = h;
	return 0;
}

static void copy_vcpu(const struct measured *x, uint32_t v, struct host_frame_vcpu *to)
{
	struct ledger since = measured_span(&x->vcpus[v], MEASURE_FIRST);

	to->index = x->vm.vcpus[v].index;
	to->tid = x->vm.vcpus[v].tid;
	to->ended = x->vcpus[v].ended;
	memcpy(to->ns, since.ns, sizeof(to->ns));
	snprintf(to->name, sizeof(to->name), "vCPU %u", to->index);
}

static int copy_vm(const struct measured *x, struct host_frame *f)
{
	struct host_frame_vm *to = host_frame_add(f, x->vm.n_vcpus);
	struct proc_stat stat;

	if (!to)
		return -ENOMEM;
	to->pid = x->vm.pid;
	to->since = x->since;
	to->ended = x->id < 0;
	to->overhead = x->overhead[MEASURE_NOW] - x->overhead[MEASURE_FIRST];
	if (!to->ended && !proc_read_stat(to->pid, 0, &stat))
		to->rss = stat.rss;
	memcpy(to->name, x->vm.name, sizeof(to->name));
	memcpy(to->uuid, x->vm.uuid, sizeof(to->uuid));
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++)
		copy_vcpu(x, v, &to->vcpus[v]);
	return 0;
}

static void copy_unseen(const struct measurement *m, struct host_frame *f)
{
	f->n_unseen = m->n_unseen + m->more_unseen;
	if (!m->n_unseen)
		return;
	snprintf(f->unseen, sizeof(f->unseen), "%s", m->unseen[0].name);
	snprintf(f->why, sizeof(f->why), "%s", m->unseen[0].why);
}

static int copy(const struct measurement *m, struct host_frame *f)
{
	struct host_ledger_counters c;
	int err = 0;

	host_ledger_counters(m->ledger, &c);
	*f = (struct host_frame){.time = m->real,
				 .elapsed = m->at[MEASURE_NOW] - m->at[MEASURE_FIRST],
				 .source = host_ledger_source(m->ledger),
				 .gaps_lost = c.gaps_lost,
				 .vms = calloc(m->n + 1, sizeof(*f->vms))};
	if (!f->vms)
		return -ENOMEM;
	copy_unseen(m, f);
	for (size_t i = 0; i < m->n && !err; i++)
		if (!m->vms[i]->over)
			err = copy_vm(m->vms[i], f);
	return err;
}

/* A frame is a report: one that has ended is in it once. */
static int take(void *feed, struct failure *f, struct frame *ret)
{
	struct measurement *m = ((struct host_feed *)feed)->measurement;
	struct host_frame frame;
	int err;

	measure_read(m);
	err = copy(m, &frame);
	if (err) {
		host_frame_done(&frame);
		return failure_errno(f, err, "VMs");
	}
	measure_reported(m);
	ret->host = frame;
	return 0;
}

static void limits(void *feed, char *ret, size_t size)
{
	snprintf(ret, size, "%s", ((struct host_feed *)feed)->limits);
}

static void poll_host(void *feed)
{
	measure_step(((struct host_feed *)feed)->measurement);
}

static uint64_t interval(void *feed)
{
	return measure_interval(((struct host_feed *)feed)->measurement);
}

const struct feed_ops feed_host = {
	.name = "this host",
	.subject = &subject_host,
	.open = open_host,
	.close = close_host,
	.take = take,
	.limits = limits,
	.poll = poll_host,
	.interval = interval,
};
