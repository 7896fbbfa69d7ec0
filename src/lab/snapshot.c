/* SPDX-License-Identifier: MIT */
#include "lab/snapshot.h"

#include "lab/control.h"
#include "wire/wire.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One that is missing is 0. */
static int figure(const json_t *object, const char *key, int64_t *ret)
{
	uint64_t ns;

	if (!wire_ns(object, key, &ns))
		return -EBADMSG;
	*ret = (int64_t)ns;
	return 0;
}

static int add_figures(const json_t *o, struct lab_snapshot_process *p)
{
	int64_t true_ns, descheduled, wait;

	if (figure(o, "true_s", &true_ns) || figure(o, "descheduled_s", &descheduled) ||
	    figure(o, "wait_s", &wait))
		return -EBADMSG;
	p->true_ns += true_ns;
	p->descheduled += descheduled;
	p->wait += wait;
	return 0;
}

static int parse_process(const json_t *o, struct lab_snapshot_process *ret)
{
	json_int_t pid = json_integer_value(json_object_get(o, "pid"));
	struct lab_snapshot_process p = {0};

	/* Time whose owner is not known has a number below 0. */
	if (!json_is_object(o) || pid < INT_MIN || pid > INT_MAX)
		return -EBADMSG;
	p.pid = (int)pid;
	if (add_figures(o, &p) || add_figures(json_object_get(o, "children"), &p))
		return -EBADMSG;
	*ret = p;
	return 0;
}

static int parse_totals(const json_t *o, struct lab_snapshot *s)
{
	int64_t idle;

	if (!json_is_object(o))
		return -EBADMSG;
	if (figure(o, "true_s", &s->true_ns) || figure(o, "vmdesched_s", &s->vmdesched) ||
	    figure(o, "descheduled_s", &s->descheduled) ||
	    figure(o, "idle_descheduled_s", &s->idle_descheduled) || figure(o, "low_s", &s->low) ||
	    figure(o, "high_s", &s->high) || figure(o, "unaccounted_s", &s->unaccounted) ||
	    figure(o, "idle_unaccounted_s", &idle))
		return -EBADMSG;
	s->unaccounted += idle;
	s->has_interval = json_object_get(o, "low_s") && json_object_get(o, "high_s");
	return 0;
}

static int parse_processes(const json_t *list, struct lab_snapshot *s)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > LAB_SNAPSHOT_PROCESSES_MAX)
		return -EBADMSG;
	s->processes = calloc(n + 1, sizeof(*s->processes));
	if (!s->processes)
		return -ENOMEM;
	for (; (size_t)s->n_processes < n; s->n_processes++) {
		if (parse_process(json_array_get(list, (size_t)s->n_processes),
				  &s->processes[s->n_processes]))
			return -EBADMSG;
	}
	return 0;
}

int lab_snapshot_parse(const json_t *answer, struct failure *f, struct lab_snapshot *ret)
{
	const json_t *clock = json_object_get(answer, "clock");
	struct lab_snapshot s = {0};
	int err;

	if (!wire_is_snapshot(answer))
		return failure_set(f, -EBADMSG,
				   "the agent's answer is not of schema desched-agent/2");
	if (parse_totals(json_object_get(answer, "totals"), &s))
		return failure_set(f, -EBADMSG, "the agent's totals are not numbers of seconds");
	err = parse_processes(json_object_get(answer, "processes"), &s);
	if (err) {
		lab_snapshot_done(&s);
		return failure_set(f, err, "the agent's processes are not as in desched-agent/2");
	}
	control_text(json_string_value(json_object_get(answer, "source")), s.source,
		     sizeof(s.source));
	s.kernel_subtracts = json_is_true(json_object_get(answer, "kernel_subtracts"));
	s.clock_error_s = json_is_true(json_object_get(clock, "stale"))
				  ? NAN
				  : json_number_value(json_object_get(clock, "error_s"));
	if (!wire_ns(clock, "monotonic_s", &s.mono))
		s.mono = 0;
	*ret = s;
	return 0;
}

void lab_snapshot_done(struct lab_snapshot *s)
{
	free(s->processes);
	memset(s, 0, sizeof(*s));
}

const struct lab_snapshot_process *lab_snapshot_find(const struct lab_snapshot *s, int pid)
{
	for (int i = 0; i < s->n_processes; i++) {
		if (s->processes[i].pid == pid)
			return &s->processes[i];
	}
	return NULL;
}
