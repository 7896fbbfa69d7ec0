/* SPDX-License-Identifier: MIT */
#include "deschedd/deschedd.h"

#include "base/clock.h"
#include "base/units.h"
#include "deschedd/host_allowed.h"
#include "deschedd/host_metrics.h"
#include "deschedd/known.h"
#include "deschedd/stream_socket.h"
#include "enforce/enforce.h"
#include "enforce/enforcer.h"
#include "host/frame.h"
#include "host/gap_by.h"
#include "service/gaplog.h"
#include "service/service.h"
#include "wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct deschedd {
	struct host_settings settings;
	struct service *service;
	struct measurement *measurement;
	struct stream_socket streams;
	struct loop_timer step;
	uint64_t due; /* ns: when it was to come; 0: at no certain time */
	struct known *known;
	struct enforce *enforce;
	struct gaplog gaps;
	uint64_t session;
	bool failed;		/* the enforcer has broken down */
	uint64_t late, late_ns; /* steps that came too late, by how much */
	uint64_t no_samples;	/* seconds in which there was no memory for the history */
	uint64_t not_counted;	/* gaps that found no memory for the histogram */
};

/* ---- frames ---- */

/* As it was in the last second. */
static void tell_entitled(const struct deschedd *d, struct host_frame_vm *vm)
{
	double cpus = enforce_entitled(d->enforce, vm->pid, vm->since);

	vm->has_entitled = cpus >= 0;
	vm->entitled = vm->has_entitled ? cpus : 0;
}

/* What is there now, and who ended after `since` (ns of `elapsed`). */
static int take_frame(struct deschedd *d, uint64_t since, struct host_frame *ret)
{
	struct host_frame frame;
	int err;

	measure_read(d->measurement);
	err = host_frame_take(d->measurement, &frame);
	if (err)
		return err;
	known_ended(d->known, &frame);
	err = known_add_ended(d->known, since, &frame);
	if (err) {
		host_frame_done(&frame);
		return err;
	}
	for (size_t i = 0; i < frame.n_vms; i++) {
		known_longest(d->known, u64_min(since, u64_sub_floor(frame.elapsed, NS_PER_SEC)),
			      &frame.vms[i]);
		tell_entitled(d, &frame.vms[i]);
	}
	frame.session = d->session;
	*ret = frame;
	return 0;
}

/* The time of an earlier frame of ours; that of anybody else's says nothing here. */
static uint64_t asked_since(const struct deschedd *d, const json_t *request)
{
	uint64_t session = 0, since = 0;

	if (!wire_id(json_object_get(request, "session"), &session) || session != d->session ||
	    !wire_count(json_object_get(request, "since_ns"), &since))
		return UINT64_MAX;
	return since;
}

static json_t *answer_frame(const json_t *request, void *data)
{
	struct deschedd *d = data;
	struct host_frame frame;
	json_t *o;

	if (take_frame(d, asked_since(d, request), &frame))
		return requests_error("no memory for a frame");
	o = host_frame_json(&frame);
	host_frame_done(&frame);
	return o;
}

static json_t *answer_history(const json_t *request, void *data)
{
	const struct deschedd *d = data;
	const char *vm = json_string_value(json_object_get(request, "vm"));
	json_t *o = vm ? known_history(d->known, vm) : NULL;
	struct failure f = {""};

	if (o)
		return o;
	if (vm)
		failure_set(&f, 0, "no VM '%s' was there in the last ten minutes", vm);
	else
		failure_set(&f, 0, "of which VM? 'desched history NAME', or here \"vm\":\"NAME\"");
	known_list(d->known, &f);
	return requests_error(f.text);
}

static json_t *answer_gaps(const json_t *request, void *data)
{
	(void)request;
	return gaplog_json(&((struct deschedd *)data)->gaps);
}

static json_t *answer_policy(const json_t *request, void *data)
{
	(void)request;
	return enforce_policy(((struct deschedd *)data)->enforce);
}

static json_t *answer_set(const json_t *request, void *data)
{
	return enforce_set(((struct deschedd *)data)->enforce, request);
}

static json_t *answer_unset(const json_t *request, void *data)
{
	return enforce_unset(((struct deschedd *)data)->enforce, request);
}

static const struct request_row requests[] = {
	{"frame", answer_frame, false}, {"history", answer_history, false},
	{"gaps", answer_gaps, false},	{"policy", answer_policy, false},
	{"set", answer_set, true},	{"unset", answer_unset, true},
};

static int put_metrics(FILE *to, void *data)
{
	struct deschedd *d = data;
	struct host_frame frame;
	struct host_metrics_input in = {.frame = &frame,
					.known = d->known,
					.gaps = &d->gaps,
					.late = d->late,
					.late_ns = d->late_ns,
					.not_counted = d->not_counted,
					.vcpus = d->settings.vcpus};
	int err = take_frame(d, UINT64_MAX, &frame);

	if (err)
		return err;
	err = host_metrics_put(to, &in);
	host_frame_done(&frame);
	return err;
}

/* ---- what happens ---- */

static void on_note(const char *text, void *data)
{
	service_say_event(((struct deschedd *)data)->service, text);
}

static void log_gap(struct deschedd *d, const struct measurement *m, const struct measured *vm,
		    const struct gap *gap)
{
	static const enum gaplog_who whose[] = {[GAP_RAN_THREAD] = GAPLOG_PROCESS,
						[GAP_RAN_HIDDEN] = GAPLOG_HIDDEN,
						[GAP_RAN_NOBODY] = GAPLOG_NOBODY,
						[GAP_RAN_BLOCKED] = GAPLOG_NOT_ASKED,
						[GAP_RAN_UNKNOWN] = GAPLOG_UNKNOWN};
	struct gap_by by = gap_by_of(gap);
	char line[GAPLOG_LINE_MAX];
	const struct gaplog_gap entry = {.vm = vm->vm.name,
					 .vcpu = vm->vm.vcpus[gap->vcpu].index,
					 .state = gap->state,
					 .end = gap->end,
					 .ns = gap->end - gap->start,
					 .within = gap->end - gap->start,
					 .who = whose[by.kind],
					 .pid = by.tid,
					 .name = by.name};

	if (!gaplog_add(&d->gaps, &entry, clock_mono(), clock_real()))
		return;
	gaplog_line(&d->gaps, host_ledger_source(m->ledger), line);
	service_say(d->service, line);
}

static void on_gap(const struct measurement *m, const struct measured *vm, const struct gap *gap,
		   void *data)
{
	struct deschedd *d = data;

	d->not_counted += known_gap(d->known, vm, gap) != 0;
	if (d->settings.gap_ns && gap->end - gap->start >= d->settings.gap_ns)
		log_gap(d, m, vm, gap);
}

/* One that is in somebody's way is said once. */
static void serve_streams(struct deschedd *d)
{
	char line[SERVICE_LINE];
	struct failure f = {""};

	if (!stream_socket_step(&d->streams, d->measurement, &f))
		return;
	snprintf(line, sizeof(line), "no streams: %.200s", f.text);
	service_say(d->service, line);
}

/* Pages are to be written so often; what came in between was a long answer, or others had the CPU. */
static void on_step(uint64_t now, void *data)
{
	struct deschedd *d = data;
	uint64_t interval = measure_interval(d->measurement);

	if (d->due && now > d->due + interval) {
		d->late++;
		d->late_ns += now - d->due;
	}
	serve_streams(d);
	measure_step(d->measurement);
	d->due = d->step.due = clock_mono() + measure_interval(d->measurement);
}

static void on_second(uint64_t now, void *data)
{
	struct deschedd *d = data;
	struct host_frame frame;

	(void)now;
	measure_read(d->measurement);
	d->failed = enforce_step(d->enforce, d->measurement) == -EPIPE;
	if (d->failed) /* the next start puts things in order */
		loop_stop(service_loop(d->service));
	if (host_frame_take_ended(d->measurement, &frame))
		return; /* the next second has it */
	d->no_samples += known_sample(d->known, d->measurement) != 0;
	known_ended(d->known, &frame);
	known_forget(d->known, frame.elapsed);
	host_frame_done(&frame);
	measure_reported(d->measurement);
}

static void apply(void *data)
{
	enforce_changed(((struct deschedd *)data)->enforce);
}

/* ---- beginning and end ---- */

static int open_parts(struct service *service, void *data, struct failure *f)
{
	struct deschedd *d = data;
	const struct enforce_setup enforce = {
		.settings = &d->settings.enforce, .say = on_note, .data = d};
	const char *source = strcmp(d->settings.source, "auto") ? d->settings.source : NULL;
	const struct measure_setup setup = {.source = source,
					    .no_pages = !d->settings.pages,
					    .overlap = true,
					    .interrupts = d->settings.interrupts,
					    .exits = d->settings.exits,
					    .user_vms = d->settings.user_vms,
					    .runaway = d->settings.runaway_ns,
					    .note = on_note,
					    .gap = on_gap,
					    .data = d};
	int err = known_new(&d->known);

	d->service = service;
	while (!err && !d->session)
		if (getrandom(&d->session, sizeof(d->session), 0) < 0)
			err = -errno;
	d->session &= INT64_MAX; /* JSON's integers have a sign */
	if (err)
		return failure_errno(f, err, "deschedd");
	enforcers_recover(on_note, d);
	err = enforce_open(&enforce, f, &d->enforce);
	if (!err)
		err = measure_open(&setup, f, &d->measurement);
	if (err)
		return err;
	stream_socket_open(&d->streams, d->settings.stream[0] ? d->settings.stream : NULL, false);
	serve_streams(d);
	d->step = (struct loop_timer){.fire = on_step, .data = d};
	loop_timer_add(service_loop(service), &d->step);
	return 0;
}

static void keep(const void *data, struct confine *ret)
{
	(void)data;
	host_allowed(ret);
}

static void hello(const void *data, char ret[SERVICE_LINE])
{
	const struct measurement *m = ((const struct deschedd *)data)->measurement;

	snprintf(ret, SERVICE_LINE, "source %s, %zu VM%s", host_ledger_source(m->ledger), m->n,
		 m->n == 1 ? "" : "s");
}

static void status(const void *data, char ret[SERVICE_LINE])
{
	const struct measurement *m = ((const struct deschedd *)data)->measurement;
	struct ledger sum = m->ended.ledger;
	uint64_t away = 0;
	size_t live = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct ledger of = measured_sum(m->vms[i], MEASURE_FIRST);

		ledger_merge(&sum, &of);
		live += m->vms[i]->id >= 0;
	}
	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		away += ledger_state_descheduled(s) ? sum.ns[s] : 0;
	snprintf(ret, SERVICE_LINE,
		 "source %s, %zu VMs, %" PRIu64 " seen; vCPUs ran %.1f s, were descheduled %.1f s",
		 host_ledger_source(m->ledger), live, m->came, ns_to_s(sum.ns[LEDGER_RUN]),
		 ns_to_s(away));
}

static const struct service_timer timers[] = {
	{NS_PER_SEC, on_second},
};

static const struct service_ops ops = {
	.name = "deschedd",
	.settings = &deschedd_settings,
	.requests = requests,
	.n_requests = ARRAY_SIZE(requests),
	.timers = timers,
	.n_timers = ARRAY_SIZE(timers),
	.open = open_parts,
	.keep = keep,
	.apply = apply,
	.hello = hello,
	.status = status,
	.metrics = put_metrics,
};

int deschedd_open(const struct host_settings *settings, const struct settings_source *source,
		  struct failure *f, struct deschedd **ret)
{
	struct deschedd *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return failure_errno(f, -ENOMEM, "deschedd");
	d->settings = *settings;
	err = service_open(&ops, d, &d->settings, source, f, &d->service);
	if (err) {
		d->service = NULL; /* closed already */
		deschedd_close(d);
		return err;
	}
	*ret = d;
	return 0;
}

int deschedd_run(struct deschedd *d, struct failure *f)
{
	int err = service_run(d->service, f);

	if (!err && d->failed)
		return failure_set(f, -EPIPE,
				   "the enforcer has ended; the next start undoes what it did");
	return err;
}

void deschedd_close(struct deschedd *d)
{
	if (!d)
		return;
	service_close(d->service);
	stream_socket_close(&d->streams);
	enforce_close(d->enforce);
	measure_close(d->measurement);
	known_free(d->known);
	free(d);
}
