/* SPDX-License-Identifier: MIT */
#include "guest/whole_gap.h"

#include <stdio.h>

void whole_gap_end(struct whole_gap *l, const struct source_config *config, unsigned cpu)
{
	uint64_t ns = l->end - l->start;

	if (l->end && config->gap && config->gap_ns && ns >= config->gap_ns)
		config->gap(&(struct source_gap){.cpu = cpu,
						 .state = l->state,
						 .end = l->end,
						 .ns = ns,
						 .within = ns,
						 .pid = l->pid,
						 .name = l->name},
			    config->gap_data);
	l->end = 0;
}

void whole_gap_add(struct whole_gap *l, const struct source_config *config, unsigned cpu,
		   const struct told_piece *piece)
{
	pid_t pid = piece->task ? piece->task->process->pid : -1;
	uint64_t ns = piece->end - piece->start;

	if (l->end != piece->start || l->state != piece->state) {
		whole_gap_end(l, config, cpu);
		*l = (struct whole_gap){.start = piece->start, .state = piece->state};
	}
	l->end = piece->end;
	if (l->most && l->pid == pid) {
		l->most += ns;
	} else if (ns > l->most) {
		l->most = ns;
		l->pid = pid;
		snprintf(l->name, sizeof(l->name), "%s",
			 piece->task ? piece->task->process->comm : "");
	}
}
