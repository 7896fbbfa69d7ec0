/* SPDX-License-Identifier: MIT */
/*
 * desched ledger: where the time of this host's vCPUs goes. Where a deschedd runs its frames are
 * taken; else the VMs are measured here, from outside, and the pages of those that have brought one
 * are written (host/measure.h). Either way a report is the difference of two frames, as a table or
 * as one line of JSON with schema "desched-ledger/1" (desched-ledger(1) has its fields).
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/ledger_report.h"
#include "deschedd/stream_socket.h"
#include "host/find.h"
#include "host/frame.h"
#include "host/measure.h"
#include "wire/client.h"
#include "wire/protocol.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	uint64_t interval, count;
	struct option_choice source;
	const char *socket, *stream;
	bool gaps, exits, json, no_pages;
} options = {.interval = NS_PER_SEC, .source = {NULL, host_source_name}};

static const struct option_row rows[] = {
	{'d', "delay", "S", OPTION_SECONDS, &options.interval, NS_PER_SEC / 20, 86400 * NS_PER_SEC,
	 "seconds between reports"},
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "reports, then end (until Ctrl-C)"},
	{0, "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "measure here, by this source (deschedd is asked, else the best that works)"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "ask the deschedd that answers here (" PROTOCOL_HOST_SOCKET ")"},
	{0, "gaps", NULL, OPTION_FLAG, &options.gaps, 0, 0,
	 "measure here, and show the longest gaps and who ran before their ends"},
	{0, "exits", NULL, OPTION_FLAG, &options.exits, 0, 0,
	 "show what KVM's vCPUs left their guests for; measure here unless deschedd counts it"},
	{0, "no-pages", NULL, OPTION_FLAG, &options.no_pages, 0, 0,
	 "measure here: no pages, no streams"},
	{0, "stream", "PATH", OPTION_STRING, &options.stream, 0, 0,
	 "measure here, and have the socket for VMs that want a stream there (" STREAM_SOCKET ")"},
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0, "one JSON object a report"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_ledger = {
	.name = "ledger",
	.operands = "[NAME|ID|PID...]",
	.summary = "Where the time of this host's vCPUs goes: run, ready, halt and the rest.",
	.examples = "  desched ledger\n"
		    "  desched ledger -d 5 -n 12 --gaps\n"
		    "  desched ledger web1 'db*'\n"
		    "  desched ledger --json 1234 | jq .vms[0].vcpus[0].seconds.ready\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.operand_name = host_find_name,
	.run = run,
};

static struct ledger_gaps longest; /* since the last report */

/* ---- gaps ---- */

/* Keeps the longest gaps, in order. */
static void take_gap(const struct measurement *m, const struct measured *x, const struct gap *gap,
		     void *data)
{
	struct ledger_gap *g = longest.gap;
	uint64_t ns = gap->end - gap->start;
	int at = longest.n;

	(void)data;
	while (at > 0 && g[at - 1].ns < ns)
		at--;
	if (at == LEDGER_GAPS_SHOWN)
		return;
	if (longest.n < LEDGER_GAPS_SHOWN)
		longest.n++;
	memmove(&g[at + 1], &g[at], (size_t)(longest.n - at - 1) * sizeof(*g));
	g[at] = (struct ledger_gap){.pid = x->vm.pid,
				    .vcpu = x->vm.vcpus[gap->vcpu].index,
				    .at = u64_sub_floor(gap->start, m->at[MEASURE_FIRST]
									    ? m->at[MEASURE_FIRST]
									    : gap->start),
				    .ns = ns,
				    .state = gap->state,
				    .by = gap_by_of(gap)};
	snprintf(g[at].vm, sizeof(g[at].vm), "%s", x->vm.name);
}

/* ---- where frames come from ---- */

/* One of the two. */
struct teller {
	struct measurement *m;	   /* here */
	const char *socket;	   /* of a deschedd */
	uint64_t session, elapsed; /* of its last frame */
	char **operands;
	int n;
	struct choice choice; /* of deschedd's VMs */
	bool waiting;	      /* it was said that it doesn't answer */
};

static void drop_unwanted(struct teller *t, struct host_frame *f)
{
	size_t left = 0;

	for (size_t i = 0; i < f->n_vms; i++) {
		if (host_frame_wanted(&f->vms[i], &t->choice))
			f->vms[left++] = f->vms[i];
		else
			host_frame_vm_done(&f->vms[i]);
	}
	f->n_vms = left;
}

/* Each operand must fit one of the VMs that there are at the start. */
static int check_operands(struct teller *t, const struct host_frame *now, struct failure *f)
{
	const char *missing;

	for (size_t i = 0; i < now->n_vms; i++)
		host_frame_wanted(&now->vms[i], &t->choice);
	missing = choice_unmet(&t->choice);
	if (!missing)
		return 0;
	failure_set(f, -ENOENT, "deschedd measures no VM '%s'", missing);
	host_frame_list(now, f);
	return -ENOENT;
}

static int ask(struct teller *t, struct failure *f, struct host_frame *ret)
{
	int err = client_frame(t->socket, t->session, t->elapsed, f, ret);

	if (err)
		return err;
	t->session = ret->session;
	t->elapsed = ret->elapsed;
	return 0;
}

static int take(struct teller *t, struct failure *f, struct host_frame *ret)
{
	int err;

	if (!t->m) {
		err = ask(t, f, ret);
		if (!err)
			drop_unwanted(t, ret);
		return err;
	}
	measure_read(t->m);
	err = host_frame_take(t->m, ret);
	if (err)
		return failure_errno(f, err, "a report");
	measure_reported(t->m);
	return 0;
}

static void note(const char *text, void *data)
{
	(void)data;
	fprintf(stderr, "desched ledger: %s\n", text);
}

/* -ENOENT where there is none that may be asked: then the VMs are measured here. */
static int open_daemon(struct teller *t, struct failure *f, struct host_frame *ret)
{
	bool own = options.source.value || options.gaps || options.no_pages || options.stream;
	int err;

	if (own && options.socket)
		return failure_set(f, -EINVAL,
				   "--socket asks a deschedd; --source, --gaps, --no-pages and "
				   "--stream measure without one: give one of the two");
	if (own)
		return -ENOENT;
	t->socket = options.socket ? options.socket : PROTOCOL_HOST_SOCKET;
	err = ask(t, f, ret);
	if (err && options.socket)
		return err == -ENOENT ? -ENOTCONN : err; /* that one, and nothing else */
	if (err && err != -ENOENT && err != -ECONNREFUSED)
		fprintf(stderr, "desched ledger: measuring without deschedd: %s\n", f->text);
	if (!err && options.exits && !ret->has_exits) {
		host_frame_done(ret);
		if (options.socket)
			return failure_set(
				f, -EINVAL,
				"%s: this deschedd doesn't count exits: set 'exits = yes' "
				"in deschedd.conf, or leave out --socket",
				options.socket);
		err = -ENOENT; /* it doesn't count them */
	}
	if (err)
		return -ENOENT;
	err = choice_open(t->operands, t->n, f, &t->choice);
	if (!err)
		err = check_operands(t, ret, f);
	if (err)
		host_frame_done(ret);
	else
		drop_unwanted(t, ret);
	return err ? -EINVAL : 0;
}

static int open_own(struct teller *t, struct failure *f, struct host_frame *ret)
{
	const struct measure_setup setup = {.source = options.source.value,
					    .operands = t->operands,
					    .n_operands = t->n,
					    .no_pages = options.no_pages,
					    .no_blame = true,
					    .exits = options.exits,
					    .note = note,
					    .gap = options.gaps ? take_gap : NULL};
	int err;

	f->text[0] = '\0';
	err = measure_open(&setup, f, &t->m);
	return err ? err : take(t, f, ret);
}

/* Nothing is left to report of, and nothing can come. */
static bool is_over(const struct teller *t, const struct host_frame *now)
{
	if (t->m)
		return measure_is_over(t->m);
	if (choice_is_open(&t->choice))
		return false;
	for (size_t i = 0; i < now->n_vms; i++)
		if (!now->vms[i].ended)
			return false;
	return true;
}

/* ---- the reports ---- */

static struct stream_socket streams;

static void serve_streams(struct measurement *m)
{
	struct failure f = {""};

	if (!options.no_pages && stream_socket_step(&streams, m, &f))
		fprintf(stderr, "desched ledger: no streams: %s\n", f.text);
}

/* One step of measuring, after `ns` or when standard output takes something: whether it does. */
static bool step(const struct teller *t, uint64_t ns, bool printing)
{
	struct pollfd p = {.fd = printing ? STDOUT_FILENO : -1, .events = POLLOUT};
	uint64_t most = t->m ? measure_interval(t->m) : NS_PER_SEC / 10;
	const struct timespec ts = {.tv_nsec = (long)u64_min(ns, most)};
	bool ready = ppoll(&p, 1, &ts, NULL) > 0;

	if (!ready && t->m) {
		serve_streams(t->m);
		measure_step(t->m);
	}
	return ready;
}

/*
 * Pages are written on while whoever reads the reports takes its time. Where a pipe has room for
 * anything, it has room for PIPE_BUF bytes. After a signal it has another second.
 */
static int put(const struct teller *t, const char *text, size_t size, struct failure *f)
{
	uint64_t last = UINT64_MAX;

	while (size) {
		ssize_t n;

		if (command_stop && last == UINT64_MAX)
			last = clock_mono() + NS_PER_SEC;
		if (clock_mono() > last)
			return failure_set(f, -EAGAIN,
					   "nobody reads standard output; a report is lost");
		if (!step(t, NS_PER_SEC, true))
			continue;
		n = write(STDOUT_FILENO, text, size < PIPE_BUF ? size : PIPE_BUF);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return failure_errno(f, -errno, "standard output");
		text += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int report(const struct teller *t, const struct ledger_report *r, struct failure *f)
{
	_cleanup_(free_ptr) char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	int err = to ? ledger_report_put(r, options.json, to, f) : -errno;

	if (to && fclose(to) && !err)
		err = -ENOMEM;
	return err ? failure_errno(f, err, "a report") : put(t, text, size, f);
}

/* Until the deadline or a signal. */
static void wait_measuring(const struct teller *t, uint64_t deadline)
{
	for (uint64_t now = clock_mono(); !command_stop && now < deadline; now = clock_mono())
		step(t, deadline - now, false);
}

struct reports {
	struct host_frame base, last;
	struct ledger_ended ended;
	uint64_t n, next; /* how many; ns: when the next one is due */
	bool any;	  /* VM was there */
};

/* A deschedd that is away may come back: a report is of a longer interval then. */
static int take_next(struct teller *t, struct reports *r, struct failure *f, struct host_frame *ret)
{
	for (;;) {
		int err;

		r->next += options.interval;
		if (r->next <= clock_mono()) /* what is late is not made up */
			r->next = clock_mono() + options.interval;
		wait_measuring(t, r->next);
		err = take(t, f, ret);
		if (!err || t->m || err == -ENOMEM)
			return err;
		if (command_stop)
			return -EINTR;
		if (!t->waiting)
			fprintf(stderr, "desched ledger: waiting: %s\n", f->text);
		t->waiting = true;
	}
}

/* Another deschedd, whose ledgers began again: what it says is no continuation. */
static bool begins_again(const struct teller *t, struct reports *r, struct host_frame *now)
{
	if (t->m || now->session == r->base.session)
		return false;
	fprintf(stderr,
		"desched ledger: deschedd was started again; reports and total begin again\n");
	ledger_ended_done(&r->ended);
	host_frame_done(&r->last);
	host_frame_done(&r->base);
	r->base = (struct host_frame){.session = now->session};
	host_frame_done(now);
	r->n = 0;
	return true;
}

static int next_report(struct teller *t, struct reports *r, struct failure *f)
{
	const struct host_frame *from = r->n ? &r->last : &r->base;
	struct ledger_report report_of = {
		&r->base, from, NULL, NULL, options.gaps ? &longest : NULL, false};
	struct host_frame now;
	int err = take_next(t, r, f, &now);

	if (err)
		return err;
	t->waiting = false;
	r->any |= now.n_vms > 0;
	if (begins_again(t, r, &now))
		return 0;
	report_of.to = &now;
	report_of.exits = options.exits && now.has_exits;
	err = ledger_ended_take(&r->ended, &r->base, &now);
	err = err ? failure_errno(f, err, "a report") : report(t, &report_of, f);
	longest.n = 0;
	if (r->n++)
		host_frame_done(&r->last);
	r->last = now;
	return err;
}

static int watch(struct teller *t, struct reports *r, struct failure *f)
{
	struct ledger_report total = {&r->base, &r->base, &r->last, &r->ended, NULL, options.exits};
	int err = 0;

	r->next = clock_mono();
	while (!err && !command_stop && !(is_over(t, r->n ? &r->last : &r->base)) &&
	       (!options.count || r->n < options.count))
		err = next_report(t, r, f);
	total.exits = options.exits && r->last.has_exits;
	if (err == -EINTR && command_stop)
		err = 0;
	return !err && r->n > 1 ? report(t, &total, f) : err;
}

static const char no_vm[] = "no VM found: no process has KVM vCPUs or threads called like vCPUs "
			    "(QEMU TCG: start it with -name NAME,debug-threads=on)";

static int run_reports(struct teller *t, struct reports *r, struct failure *f)
{
	int err;

	r->any = r->base.n_vms > 0;
	if (!r->any)
		fprintf(stderr, "desched ledger: %s; waiting for one\n", no_vm);
	err = watch(t, r, f);
	if (!err && !r->any)
		err = failure_set(f, -ENOENT, "%s", no_vm);
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	struct teller t = {.operands = operands, .n = n};
	struct reports r = {.n = 0};
	int err;

	command_catch_signals();
	err = open_daemon(&t, f, &r.base);
	if (err == -ENOENT)
		err = open_own(&t, f, &r.base);
	stream_socket_open(&streams, options.stream || geteuid() ? options.stream : STREAM_SOCKET,
			   options.stream != NULL);
	if (!err)
		err = run_reports(&t, &r, f);
	stream_socket_close(&streams);
	measure_close(t.m);
	choice_close(&t.choice);
	host_frame_done(&r.base);
	host_frame_done(&r.last);
	ledger_ended_done(&r.ended);
	return err;
}
