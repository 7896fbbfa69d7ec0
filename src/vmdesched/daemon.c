/* SPDX-License-Identifier: MIT */
#include "vmdesched/daemon.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/units.h"
#include "vmdesched/confine.h"
#include "vmdesched/gaplog.h"
#include "vmdesched/history.h"
#include "vmdesched/metrics.h"
#include "vmdesched/names.h"
#include "vmdesched/status.h"
#include "vmdesched/timekeeper.h"
#include "guest/agent.h"
#include "service/listener.h"
#include "service/loop.h"
#include "service/notify.h"
#include "service/server.h"
#include "wire/protocol.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LARGE_ANSWER	(256 * KIB)
#define STATUS_INTERVAL (10 * NS_PER_SEC)

/* What vmdesched(8) says of clients. */
static const struct server_limits limits = {
	.clients = 64,
	.per_uid = 32,
	.line = PROTOCOL_LINE_MAX,
	.unsent = 4 * MIB,
	.request_ns = 5 * NS_PER_SEC,
	.answer_ns = 10 * NS_PER_SEC,
};

struct daemon {
	struct settings settings;
	const char *config;
	struct notify notify;
	struct agent *agent;
	struct loop *loop;
	struct listener listener;
	struct server *server;
	struct loop_watch switches; /* the agent has much to do */
	struct loop_timer poll, sample, textfile, status;
	struct history *history;
	struct names *names; /* NULL: none wanted */
	struct gaplog gaps;
	const char *source;  /* by the last sample */
	struct quota events; /* lines of what recurs, but for gaps */
	struct silence silence;
	struct timekeeper clock;
	uint64_t textfile_failures;
	bool textfile_failing;
};

static void say(const char *text)
{
	fprintf(stderr, "vmdesched: %s\n", text);
}

/* Of what may happen again and again. */
static void say_event(struct daemon *d, const char *text)
{
	char left_out[QUOTA_TEXT_MAX];
	uint64_t before;

	if (quota_take(&d->events, clock_mono(), &before))
		fprintf(stderr, "vmdesched: %s%s\n", text, quota_text(before, left_out));
}

static void on_gap(const struct source_gap *gap, void *data)
{
	struct daemon *d = data;
	char line[GAPLOG_LINE_MAX];

	if (!gaplog_add(&d->gaps, gap, clock_mono(), clock_real()))
		return;
	gaplog_line(&d->gaps, agent_source(d->agent), line);
	say(line);
}

/* Takes over `o`, which is ten times as large as the text: of thousands of threads, too much to
 * keep. */
static int json_line(json_t *o, char **ret, size_t *ret_size)
{
	char *text = json_out_text(o, JSON_COMPACT | JSON_REAL_PRECISION(12));

	json_decref(o);
	if (!text)
		return -ENOMEM;
	*ret = text;
	*ret_size = strlen(text);
	if (*ret_size > LARGE_ANSWER)
		malloc_trim(0);
	return 0;
}

static json_t *error_json(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

static json_t *daemon_snapshot_json(struct daemon *d)
{
	struct snapshot snapshot;
	json_t *o;

	if (agent_snapshot(d->agent, &snapshot))
		return error_json("the snapshot failed");
	o = snapshot_json(&snapshot);
	snapshot_done(&snapshot);
	json_object_set_new(o, "host_clock", timekeeper_json(&d->clock));
	return o;
}

static int metrics(struct daemon *d, char **ret)
{
	struct snapshot snapshot;
	struct metrics_input in = {.snapshot = &snapshot,
				   .gaps = &d->gaps,
				   .clock = &d->clock,
				   .clients = server_counters(d->server),
				   .names = d->names,
				   .cgroups = d->settings.cgroups,
				   .textfile_failures = d->textfile_failures};
	int err = agent_snapshot(d->agent, &snapshot);

	if (err)
		return err;
	err = metrics_text(&in, ret);
	snapshot_done(&snapshot);
	return err;
}

static json_t *metrics_json(struct daemon *d)
{
	char *text;
	json_t *o;

	if (metrics(d, &text))
		return error_json("the snapshot failed");
	o = json_pack("{s:s}", "metrics", text);
	free(text);
	return o;
}

static json_t *answer_json(struct daemon *d, enum protocol_request request)
{
	switch (request) {
	case PROTOCOL_SNAPSHOT:
		return daemon_snapshot_json(d);
	case PROTOCOL_HISTORY:
		return history_json(d->history);
	case PROTOCOL_GAPS:
		return gaplog_json(&d->gaps);
	case PROTOCOL_METRICS:
		return metrics_json(d);
	case PROTOCOL_VERSION:
		break;
	}
	return json_pack("{s:s}", "version", DESCHED_VERSION);
}

static int answer(const char *line, size_t size, void *data, char **ret, size_t *ret_size)
{
	enum protocol_request request;
	struct failure f;
	int err = protocol_parse(line, size, &f, &request);

	return json_line(err ? error_json(f.text) : answer_json(data, request), ret, ret_size);
}

static void write_textfile(struct daemon *d)
{
	char *text = NULL, line[SETTINGS_STRING + 100];
	int err = metrics(d, &text);

	if (!err)
		err = metrics_write_file(d->settings.textfile, text);
	free(text);
	d->textfile_failures += err != 0;
	if (err && !d->textfile_failing) {
		snprintf(line, sizeof(line),
			 "%s: %s; is the directory there, and ours to write to?",
			 d->settings.textfile, strerror(-err));
		say(line);
	}
	d->textfile_failing = err != 0;
}

static void keep_time(struct daemon *d)
{
	char line[128];

	timekeeper_tick(&d->clock, line);
	if (line[0])
		say_event(d, line);
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
			 "source %s from now on, a new session: the host publishes its page; what "
			 "was before is as source %s had it",
			 source, d->source);
		say(line);
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
	history_add(d->history, a, time, real);
	if (silence_note(&d->silence, a, real, line))
		say_event(d, line);
	if (d->names)
		names_update(d->names, a);
	keep_time(d);
}

static void on_textfile(uint64_t now, void *data)
{
	struct daemon *d = data;

	(void)now;
	if (d->settings.textfile[0])
		write_textfile(d);
}

static void make_status(const struct daemon *d, char ret[STATUS_MAX])
{
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

static void on_status(uint64_t now, void *data)
{
	struct daemon *d = data;
	char text[STATUS_MAX];

	(void)now;
	make_status(d, text);
	notify_send(&d->notify, "STATUS=%s", text);
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
	return 0;
}

/* A file that cannot be used leaves everything as it is. */
static void read_again(struct daemon *d)
{
	struct failure f = {.text = "configuration read again"};
	struct settings new;
	int differ;

	settings_default(&new);
	notify_send(&d->notify, "RELOADING=1\nMONOTONIC_USEC=%llu",
		    (unsigned long long)(clock_mono() / NS_PER_US));
	if (!d->config) {
		failure_set(&f, 0, "there is no configuration to read again");
	} else if (!settings_load(d->config, &f, &new)) {
		uint64_t processes = d->settings.processes;

		differ = settings_reload(&d->settings, &new);
		if (d->settings.processes != processes && make_names(d))
			d->settings.processes = processes;
		agent_set_gap(d->agent, d->settings.gap_ns);
		d->textfile.due = 0;
		d->textfile.interval = d->settings.interval;
		if (differ)
			failure_set(&f, 0,
				    "configuration read again; %d keys that differ from what "
				    "runs want a restart",
				    differ);
	}
	say(f.text);
	notify_send(&d->notify, "READY=1");
}

static void on_signal(int number, void *data)
{
	struct daemon *d = data;

	if (number == SIGHUP)
		read_again(d);
	else
		loop_stop(d->loop);
}

static int open_loop(struct daemon *d, struct failure *f)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	int err = loop_new(&d->loop);

	if (!err)
		err = loop_signals(d->loop, numbers, ARRAY_SIZE(numbers), on_signal, d);
	return err ? failure_errno(f, err, "vmdesched") : 0;
}

/* Each is due at once, and then in its own rounds. */
static int watch_agent(struct daemon *d, struct failure *f)
{
	const struct {
		struct loop_timer *timer;
		uint64_t interval;
		void (*fire)(uint64_t now, void *data);
	} timers[] = {{&d->poll, AGENT_POLL_NS, on_poll},
		      {&d->sample, HISTORY_INTERVAL, on_sample},
		      {&d->textfile, d->settings.interval, on_textfile},
		      {&d->status, STATUS_INTERVAL, on_status}};
	int err;

	d->switches = (struct loop_watch){
		.fd = agent_fd(d->agent), .events = POLLIN, .ready = on_switches, .data = d};
	err = loop_watch(d->loop, &d->switches);
	if (err)
		return failure_errno(f, err, "vmdesched");
	for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
		*timers[i].timer = (struct loop_timer){
			.interval = timers[i].interval, .fire = timers[i].fire, .data = d};
		loop_timer_add(d->loop, timers[i].timer);
	}
	return 0;
}

/* Who may ask: the socket's owner and group. To be born in a group takes less privilege than to be
 * given to it. */
static int open_socket(struct daemon *d, struct failure *f)
{
	const struct settings *s = &d->settings;
	gid_t before = getegid(), group = before;
	int err = s->group[0] ? confine_find_group(s->group, f, &group) : 0;

	if (!err && setegid(group))
		err = failure_errno(f, -errno, "socket %s: group %s", s->socket, s->group);
	if (err)
		return err;
	err = listener_open(s->socket, 0660, f, &d->listener);
	if (setegid(before) && !err)
		err = failure_errno(f, -errno, "socket %s: group", s->socket);
	if (err)
		return err;
	err = server_new(d->loop, d->listener.fd, &limits, answer, d, &d->server);
	return err ? failure_errno(f, err, "socket %s", s->socket) : 0;
}

static int open_parts(struct daemon *d, struct failure *f)
{
	const struct settings *s = &d->settings;
	const struct agent_config config = {
		.source = s->source,
		.source_config = {.page_path = s->page[0] ? s->page : NULL,
				  .gap_ns = s->gap_ns,
				  .gap = on_gap,
				  .gap_data = d},
	};
	int err = agent_open(&config, f, &d->agent);

	if (!err && history_new(agent_account(d->agent)->n_cpus, &d->history))
		err = failure_errno(f, -ENOMEM, "history");
	if (!err && make_names(d))
		err = failure_errno(f, -ENOMEM, "names of processes");
	if (!err)
		err = timekeeper_open(&d->clock, s->clock, s->chrony,
				      config.source_config.page_path, f);
	if (!err)
		err = watch_agent(d, f);
	return err ? err : open_socket(d, f);
}

int daemon_open(const struct settings *settings, const char *config, struct failure *f,
		struct daemon **ret)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return failure_errno(f, -ENOMEM, "vmdesched");
	d->settings = *settings;
	d->config = config;
	d->clock.chrony = d->listener.fd = -1;
	tzset(); /* while its file can be read */
	notify_open(&d->notify);
	err = open_loop(d, f);
	if (!err)
		err = open_parts(d, f);
	if (err) {
		daemon_close(d);
		return err;
	}
	*ret = d;
	return 0;
}

/* What the journal begins with. */
static void say_hello(const struct daemon *d)
{
	struct source_report report;
	char line[STATUS_MAX], status[STATUS_MAX];

	agent_report(d->agent, &report);
	snprintf(line, sizeof(line), "answering on %.107s; source %s%s", d->settings.socket,
		 agent_source(d->agent), report.estimated ? ", whose figures are estimates" : "");
	say(line);
	make_status(d, status);
	notify_send(&d->notify, "READY=1\nSTATUS=%s", status);
}

int daemon_run(struct daemon *d, struct failure *f)
{
	bool set_clock = timekeeper_sets_clock(d->settings.clock);
	int err = confine_privileges(d->settings.user, set_clock, f);
	char status[STATUS_MAX];

	if (!err && d->settings.seccomp)
		err = confine_system_calls(set_clock, f);
	if (err)
		return err;
	malloc_trim(0); /* libbpf has read the kernel's BTF */
	d->poll.due = d->sample.due = clock_mono();
	d->status.due = d->poll.due + STATUS_INTERVAL;
	say_hello(d);
	err = loop_run(d->loop);
	notify_send(&d->notify, "STOPPING=1");
	make_status(d, status);
	say(status);
	return err ? failure_errno(f, err, "vmdesched") : 0;
}

void daemon_close(struct daemon *d)
{
	if (!d)
		return;
	server_free(d->server);
	listener_close(&d->listener);
	loop_free(d->loop);
	agent_close(d->agent);
	history_free(d->history);
	names_free(d->names);
	timekeeper_close(&d->clock);
	notify_close(&d->notify);
	free(d);
}
