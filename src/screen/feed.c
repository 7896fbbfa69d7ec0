/* SPDX-License-Identifier: MIT */
#include "screen/feed.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "guest/source.h"
#include "host/host_ledger.h"
#include "screen/annotate.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct feed_ops *const feeds[] = {&feed_vmdesched, &feed_agent, &feed_proc,
					       &feed_deschedd, &feed_host};

/* Of each subject, the feed of a daemon and the one that measures itself. */
static bool wanted(const struct subject *subject, enum asked_whose whose,
		   const struct feed_ops *ops)
{
	bool host = subject == &subject_host;
	const struct feed_ops *own = host ? &feed_host : &feed_agent;

	if (ops->subject != subject)
		return false;
	return whose == ASKED_ANY || ops == (whose == ASKED_OWN ? own
					     : host		? &feed_deschedd
								: &feed_vmdesched);
}

const char *feed_source_name(size_t i)
{
	size_t n = 0;

	while (source_name(n))
		n++;
	return i < n ? source_name(i) : host_source_name(i - n);
}

bool feed_is_host_source(const char *name)
{
	for (size_t i = 0; host_source_name(i); i++)
		if (!strcmp(name, host_source_name(i)))
			return true;
	return false;
}

/* Mounted with hidepid=: the first process is there, but not for everybody. */
static const char *missing(void)
{
	struct proc_stat first;

	return proc_read_stat(1, 0, &first)
		       ? "/proc hides the processes of other users (hidepid=), which are busy all "
			 "the "
			 "same: run as root, start vmdesched, or 'mount -o remount,hidepid=0 /proc'"
		       : NULL;
}

int feed_open(const struct subject *subject, const struct asked *config, struct failure *f,
	      struct feed *ret)
{
	struct feed feed = {.ops = NULL};
	enum asked_whose whose = ASKED_ANY;
	int err = asked_whose(config, f, &whose);

	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(feeds) && !feed.ops; i++) {
		size_t used = strlen(feed.why);
		struct failure why = {.text = ""};

		if (!wanted(subject, whose, feeds[i]))
			continue;
		err = feeds[i]->open(config, &why, &feed.feed);
		if (!err)
			feed.ops = feeds[i];
		else
			snprintf(feed.why + used, sizeof(feed.why) - used, "%s%s", used ? "; " : "",
				 why.text);
	}
	if (!feed.ops)
		return failure_set(f, err, "%s", feed.why);
	feed.annotator = annotator_new();
	if (!feed.annotator) {
		feed.ops->close(feed.feed);
		return failure_errno(f, -ENOMEM, "processes");
	}
	feed.missing = feed.ops == &feed_proc ? missing() : NULL;
	if (feed.ops->limits)
		feed.ops->limits(feed.feed, feed.why, sizeof(feed.why));
	*ret = feed;
	return 0;
}

void feed_close(struct feed *feed)
{
	if (feed->ops)
		feed->ops->close(feed->feed);
	annotator_free(feed->annotator);
	*feed = (struct feed){.ops = NULL};
}

int feed_take(struct feed *feed, struct failure *f, struct frame *ret)
{
	uint64_t now = clock_real();
	struct frame frame;
	int err = feed->ops->take(feed->feed, f, &frame);

	if (err)
		return err;
	frame.subject = feed->ops->subject;
	if (frame.subject == &subject_guest) {
		annotate(feed->annotator, &frame.guest);
		frame.guest.time = now;
	}
	*ret = frame;
	return 0;
}

void feed_wait(struct feed *feed, uint64_t until, int fd, const volatile sig_atomic_t *stop)
{
	const struct feed_ops *ops = feed ? feed->ops : NULL;
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};

	if (ops && ops->fd)
		fds[1].fd = ops->fd(feed->feed);
	for (uint64_t now = clock_mono(); !*stop && !fds[0].revents && now < until;
	     now = clock_mono()) {
		uint64_t step = ops && ops->interval ? ops->interval(feed->feed) : AGENT_POLL_NS;
		uint64_t left = u64_min(until - now, step);

		int n = poll(fds, 2, (int)(left / NS_PER_MS) + 1);

		if (ops && ops->poll)
			ops->poll(feed->feed);
		if (n < 0)
			return;
	}
}
