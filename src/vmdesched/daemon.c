/* SPDX-License-Identifier: MIT */
#include "vmdesched/daemon.h"

#include "base/clock.h"
#include "base/units.h"
#include "guest/agent.h"
#include "service/gaplog.h"
#include "service/service.h"
#include "vmdesched/allowed.h"
#include "vmdesched/cpu_history.h"
#include "vmdesched/metrics.h"
#include "vmdesched/names.h"
#include "vmdesched/silence.h"
#include "vmdesched/status.h"
#include "vmdesched/timekeeper.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct daemon {
	struct settings settings;
	struct service *service;
	struct agent *agent;
	struct loop_watch switches; /* the agent has much to do */
	struct history_clock *samples;
	struct history *history;
	struct names *names; /* NULL: none wanted */
	uint64_t places;     /* of them */
	struct gaplog gaps;
	const char *source; /* by the last sample */
	struct silence silence;
	struct timekeeper clock;
};

/* ---- requests ---- */

static json_t *answer_snapshot(const json_t *request, void *data)
{
	struct daemon *d = data;
	struct snapshot snapshot;
	json_t *o;

	(void)request;
	if (agent_snapshot(d->agent, &snapshot))
		return requests_error("the snapshot failed");
	o = snapshot_json(&snapshot);
	snapshot_done(&snapshot);
	json_object_set_new(o, "host_clock", timekeeper_json(&d->clock));
	return o;
}

static json_t *answer_history(const json_t *request, void *data)
{
	(void)request;
	return history_json(((struct daemon *)data)->history);
}

static json_t *answer_gaps(const json_t *request, void *data)
{
	(void)request;
	return gaplog_json(&((struct daemon *)data)->gaps);
}

static const struct request_row requests[] = {
	{"snapshot", answer_snapshot, false},
	{"history", answer_history, false},
	{"gaps", answer_gaps, false},
};

static int put_metrics(FILE *to, void *data)
{
	struct daemon *d = data;
	struct snapshot snapshot;
	struct metrics_input in = {.snapshot = &snapshot,
				   .gaps = &d->gaps,
				   .clock = &d->clock,
				   .names = d->names,
				   .cgroups = d->settings.cgroups};
	int err = agent_snapshot(d->agent, &snapshot);

	if (err)
		return err;
	err = metrics_put(to, &in);
	snapshot_done(&snapshot);
	return err;
}

/* ---- what happens ---- */

static void on_gap(const struct source_gap *gap, void *data)
{
	struct daemon *d = data;
	const struct gaplog_gap entry = {.vcpu = gap->cpu,
					 .state = gap->state,
					 .end = gap->end,
					 .ns = gap->ns,
					 .within = gap->within,
					 .who = gap->pid > 0 ? GAPLOG_PROCESS
						: gap->pid   ? GAPLOG_UNKNOWN
							     : GAPLOG_NOBODY,
					 .pid = gap->pid,
					 .name = gap->name};
	char line[GAPLOG_LINE_MAX];

	if (!gaplog_add(&d->gaps, &entry, clock_mono(), clock_real()))
		return;
	gaplog_line(&d->gaps, agent_source(d->agent), line);
	service_say(d->service, line);
}

static void keep_time(struct daemon *d)
{
	char line[128];

	timekeeper_tick(&d->clock, line);
	if (line[0])
		service_say_event(d->service, line);
}

static void on_poll(uint64_t now, void *data)
{
	struct daemon *d = data;

	(void)now;
	timekeeper_called(&d->clock, AGENT_POLL_NS);
	agent_poll(d->agent);
}

static void note_source(struct daemon *d)
{
	const char *source = agent_source(d->agent);
	char line[160];

	if (d->source && source != d->source) {
		snprintf(line, sizeof(line),
			 "source %s from now on, a new session: the host tells now; what "
			 "was before is as source %s had it",
			 source, d->source);
		service_say(d->service, line);
	}
	d->source = source;
}

static void on_sample(uint64_t now, void *data)
{
	struct daemon *d = data;
	const struct account *a = agent_account(d->agent);
	char line[SILENCE_LINE_MAX];
	uint64_t time, real;

	(void)now;
	agent_settle(d->agent);
	note_source(d);
	time = agent_time(d->agent);
	real = clock_real() - u64_sub_floor(clock_mono(), time);
	history_tick(d->samples, time, real);
	history_add(d->history, cpu_history_sums, a);
	if (silence_note(&d->silence, a, real, line))
		service_say_event(d->service, line);
	if (d->names)
		names_update(d->names, a);
	keep_time(d);
}

static void make_status(const void *data, char ret[STATUS_MAX])
{
	const struct daemon *d = data;
	const struct account *a = agent_account(d->agent);
	struct amounts busy = {0};
	struct source_report report;

	agent_report(d->agent, &report);
	for (unsigned i = 0; i < a->n_cpus; i++)
		amounts_add(&busy, &a->cpus[i].busy);
	status_line(&(struct status){.source = agent_source(d->agent),
				     .estimated = report.estimated,
				     .stale = report.stale,
				     .busy = busy.occupied,
				     .away = amounts_away(&busy),
				     .low = report.low_ns,
				     .high = report.high_ns},
		    ret);
}

static void on_switches(short events, void *data)
{
	struct daemon *d = data;

	(void)events;
	agent_poll(d->agent);
}

/* Another number of places is another set of counters. */
static int make_names(struct daemon *d)
{
	struct names *new = NULL;
	int err = d->settings.processes ? names_new(d->settings.processes, &new) : 0;

	if (err)
		return err;
	names_free(d->names);
	d->names = new;
	d->places = d->settings.processes;
	return 0;
}

static void apply_settings(void *data)
{
	struct daemon *d = data;

	if (d->settings.processes != d->places && make_names(d))
		d->settings.processes = d->places;
	agent_set_gap(d->agent, d->settings.gap_ns);
}

/* ---- beginning and end ---- */

static int open_parts(struct service *service, void *data, struct failure *f)
{
	struct daemon *d = data;
	const struct settings *s = &d->settings;
	const struct agent_config config = {
		.source = s->source,
		.source_config = {.page_path = s->page[0] ? s->page : NULL,
				  .gap_ns = s->gap_ns,
				  .gap = on_gap,
				  .gap_data = d},
	};
	int err;

	d->service = service;
	err = agent_open(&config, f, &d->agent);
	if (!err && (history_clock_new(&d->samples) ||
		     history_new(&cpu_history_shape, agent_account(d->agent)->n_cpus, d->samples,
				 &d->history)))
		err = failure_errno(f, -ENOMEM, "history");
	if (!err && make_names(d))
		err = failure_errno(f, -ENOMEM, "names of processes");
	if (!err)
		err = timekeeper_open(&d->clock, s->clock, s->chrony,
				      config.source_config.page_path, f);
	if (err)
		return err;
	d->switches = (struct loop_watch){
		.fd = agent_fd(d->agent), .events = POLLIN, .ready = on_switches, .data = d};
	err = loop_watch(service_loop(service), &d->switches);
	return err ? failure_errno(f, err, "vmdesched") : 0;
}

static void keep(const void *data, struct confine *ret)
{
	const struct daemon *d = data;

	allowed_daemon(timekeeper_sets_clock(d->settings.clock), ret);
}

static void hello(const void *data, char ret[SERVICE_LINE])
{
	const struct daemon *d = data;
	struct source_report report;

	agent_report(d->agent, &report);
	snprintf(ret, SERVICE_LINE, "source %s%s", agent_source(d->agent),
		 report.estimated ? ", whose figures are estimates" : "");
}

_Static_assert(STATUS_MAX <= SERVICE_LINE, "status");

static const struct service_timer timers[] = {
	{AGENT_POLL_NS, on_poll},
	{HISTORY_INTERVAL, on_sample},
};

static const struct service_ops ops = {
	.name = "vmdesched",
	.settings = &vmdesched_settings,
	.requests = requests,
	.n_requests = ARRAY_SIZE(requests),
	.timers = timers,
	.n_timers = ARRAY_SIZE(timers),
	.open = open_parts,
	.keep = keep,
	.apply = apply_settings,
	.hello = hello,
	.status = make_status,
	.metrics = put_metrics,
};

int daemon_open(const struct settings *settings, const struct settings_source *source,
		struct failure *f, struct daemon **ret)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return failure_errno(f, -ENOMEM, "vmdesched");
	d->settings = *settings;
	d->clock.chrony = -1;
	err = service_open(&ops, d, &d->settings, source, f, &d->service);
	if (err) {
		d->service = NULL; /* closed already */
		daemon_close(d);
		return err;
	}
	*ret = d;
	return 0;
}

int daemon_run(struct daemon *d, struct failure *f)
{
	return service_run(d->service, f);
}

void daemon_close(struct daemon *d)
{
	if (!d)
		return;
	service_close(d->service);
	agent_close(d->agent);
	history_free(d->history);
	history_clock_free(d->samples);
	names_free(d->names);
	timekeeper_close(&d->clock);
	free(d);
}
