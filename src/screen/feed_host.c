/* SPDX-License-Identifier: MIT */
/* The VMs of this host, measured in this program. Whoever only looks leaves their pages alone. */
#include "host/frame.h"
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

/* A frame is a report: one that has ended is in it once. */
static int take(void *feed, struct failure *f, struct frame *ret)
{
	struct measurement *m = ((struct host_feed *)feed)->measurement;
	int err;

	measure_read(m);
	err = host_frame_take(m, &ret->host);
	if (err)
		return failure_errno(f, err, "VMs");
	measure_reported(m);
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
