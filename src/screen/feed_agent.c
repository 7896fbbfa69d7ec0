/* SPDX-License-Identifier: MIT */
/* The agent in this program, as vmdesched has it. */
#include "screen/feed.h"

#include <errno.h>

static int open_agent(const struct asked *config, struct failure *f, void **ret)
{
	struct agent_config agent = {config->source, {.page_path = config->page}};

	return agent_open(&agent, f, (struct agent **)ret);
}

static void close_agent(void *feed)
{
	agent_close(feed);
}

static int take(void *feed, struct failure *f, json_t **ret)
{
	struct snapshot snapshot;
	int err = agent_snapshot(feed, &snapshot);
	json_t *o;

	if (err)
		return failure_errno(f, err, "a snapshot");
	o = snapshot_json(&snapshot);
	snapshot_done(&snapshot);
	if (!o)
		return failure_errno(f, -ENOMEM, "a snapshot");
	*ret = o;
	return 0;
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
	.open = open_agent,
	.close = close_agent,
	.take = take,
	.poll = poll_agent,
	.fd = fd_of,
};
