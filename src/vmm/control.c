/* SPDX-License-Identifier: MIT */
#include "vmm/control.h"

#include "base/quantity.h"
#include "base/rows.h"
#include "base/units.h"
#include "vmm/counters.h"
#include "vmm/threads.h"

#include <errno.h>

static int set_policy(struct machine *m, const char *name)
{
	int policy = tick_find(name);

	if (policy >= 0)
		machine_set_policy(m, (enum tick_policy)policy);
	return policy < 0 ? policy : 0;
}

static int forget(struct machine *m, const char *rest)
{
	machine_forget(m);
	return *rest ? -EINVAL : 0;
}

static int set_balloon(struct machine *m, const char *text)
{
	uint64_t size;
	int err = quantity_bytes(text, MIB, NULL, &size);

	if (!err)
		balloon_ask(&m->board.balloon, u64_min(size, m->board.memory.size));
	return err;
}

static int nothing(struct machine *m, const char *rest)
{
	(void)m;
	return *rest ? -EINVAL : 0;
}

static const struct {
	const char *usage;				 /* a word, and what follows it */
	int (*run)(struct machine *m, const char *rest); /* the lock is held */
} requests[] = {
	{"figures", nothing},
	{"forget", forget},
	{"policy NAME", set_policy},
	{"balloon SIZE", set_balloon},
};

static const char *request_usage(size_t i)
{
	return i < ARRAY_SIZE(requests) ? requests[i].usage : NULL;
}

static json_t *refusal(void)
{
	char usages[128];

	names_of(request_usage, usages, sizeof(usages));
	return json_pack("{ss+}", "error", usages, " was expected");
}

json_t *control_answer(struct machine *m, const char *line)
{
	size_t word = strcspn(line, " ");
	const char *rest = line + word + (line[word] == ' ');
	int err = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		const char *usage = requests[i].usage;

		if (strcspn(usage, " ") != word || strncmp(usage, line, word) != 0)
			continue;
		machine_lock_first(m);
		err = requests[i].run(m, rest);
		machine_unlock(m);
		threads_kick(m);
	}
	return err ? refusal() : counters_json(m);
}
