/* SPDX-License-Identifier: MIT */
/* What a peer on the control socket may ask for. */
#include "vmm/console.h"
#include "vmm/figures.h"

#include "base/options.h"
#include "base/units.h"

#include <errno.h>

static int set_policy(struct board *m, const char *name)
{
	int policy = tick_find(name);

	if (policy >= 0)
		board_set_policy(m, (enum tick_policy)policy);
	return policy < 0 ? policy : 0;
}

static int forget(struct board *m, const char *rest)
{
	ticker_forget(&m->ticker);
	ticker_forget(&m->clock_ticker);
	for (unsigned i = 0; i < m->cpus; i++)
		ticker_forget(&m->cpu[i].ticker);
	return *rest ? -EINVAL : 0;
}

static int set_balloon(struct board *m, const char *text)
{
	uint64_t mib;
	int err = parse_uint(text, &mib);

	if (!err)
		balloon_ask(&m->balloon, mib < m->memory.size / MIB ? mib * MIB : m->memory.size);
	return err;
}

static int nothing(struct board *m, const char *rest)
{
	(void)m;
	return *rest ? -EINVAL : 0;
}

static const struct {
	const char *word;
	int (*run)(struct board *m, const char *rest); /* the lock is held */
} requests[] = {
	{"balloon", set_balloon},
	{"figures", nothing},
	{"forget", forget},
	{"policy", set_policy},
};

json_t *control_answer(struct board *m, const char *line)
{
	size_t word = strcspn(line, " ");
	const char *rest = line + word + (line[word] == ' ');
	int err = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (strlen(requests[i].word) != word || strncmp(requests[i].word, line, word) != 0)
			continue;
		board_lock_first(m);
		err = requests[i].run(m, rest);
		board_unlock(m);
		board_kick(m);
	}
	return err ? json_pack("{ss}", "error",
			       "figures, forget, policy NAME or balloon MIB was expected")
		   : figures(m);
}
