/* SPDX-License-Identifier: MIT */
/* The agent in this program, as vmdesched has it. */
#include "screen/feed.h"

static int open_agent(const struct asked *config, struct failure *f, void **ret)
{
	struct agent_config agent = {config->source, {.page_path = config->page}};

	return agent_open(&agent, f, (struct agent **)ret);
}

static void close_agent(void *feed)
{
	agent_close(feed);
}

static int take(void *feed, struct failure *f, struct frame *ret)
{
	int err = agent_snapshot(feed, &ret->guest);

	return err ? failure_errno(f, err, "a snapshot") : 0;
}

static void poll_agent(void *feed)
{
	agent_poll(feed);
}

static int fd_of(void *feed)
{
	return agent_fd(feed);
}

const struct feed_ops feed_agent = {
	.name = "own agent",
	.subject = &subject_guest,
	.open = open_agent,
	.close = close_agent,
	.take = take,
	.poll = poll_agent,
	.fd = fd_of,
};
