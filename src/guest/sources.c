/* SPDX-License-Identifier: MIT */
/* The table of sources, best first. */
#include "guest/source.h"

#include "base/units.h"

#include <stddef.h>

const struct source_ops *const sources[] = {&source_steal, &source_page, &source_stream,
					    &source_self, NULL};

void source_tell_gap(const struct source_config *config, struct source_gap gap,
		     const struct account_task *task)
{
	if (!config->gap || !config->gap_ns || gap.ns < config->gap_ns)
		return;
	gap.pid = task ? task->process->pid : -1;
	gap.name = task ? task->process->comm : "";
	config->gap(&gap, config->gap_data);
}

const char *source_name(size_t i)
{
	if (!i)
		return "auto";
	return i < ARRAY_SIZE(sources) && sources[i - 1] ? sources[i - 1]->name : NULL;
}
