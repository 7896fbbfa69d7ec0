/* SPDX-License-Identifier: MIT */
#include "recording/frame.h"

#include "base/units.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

uint64_t figures_away(const struct figures *f)
{
	return f->descheduled + f->wait;
}

uint64_t figures_occupied(const struct figures *f)
{
	return f->truth + figures_away(f) + f->unaccounted;
}

void figures_add(struct figures *into, const struct figures *from)
{
	into->truth += from->truth;
	into->descheduled += from->descheduled;
	into->wait += from->wait;
	into->unaccounted += from->unaccounted;
}

void figures_subtract(struct figures *from, const struct figures *what)
{
	from->truth = u64_sub_floor(from->truth, what->truth);
	from->descheduled = u64_sub_floor(from->descheduled, what->descheduled);
	from->wait = u64_sub_floor(from->wait, what->wait);
	from->unaccounted = u64_sub_floor(from->unaccounted, what->unaccounted);
}

uint64_t frame_reported(const struct frame *frame, const struct figures *f)
{
	return frame->kernel_subtracts ? f->truth + f->unaccounted : figures_occupied(f);
}

bool frame_goes_on(const struct frame *from, const struct frame *to)
{
	return wire_goes_on(&from->session, from->elapsed, &to->session, to->elapsed);
}

/* ---- members; what is missing is 0, what is wrong makes the whole frame bad ---- */

struct parser {
	struct frame *frame;
	const char *wrong; /* the first member that could not be read */
};

static void complain(struct parser *p, const char *what)
{
	p->wrong = p->wrong ? p->wrong : what;
}

static uint64_t get_ns(struct parser *p, const json_t *o, const char *key)
{
	uint64_t ns = 0;

	if (!wire_ns(o, key, &ns))
		complain(p, key);
	return ns;
}

static int64_t get_int(struct parser *p, const json_t *o, const char *key, int64_t min, int64_t max)
{
	const json_t *value = json_object_get(o, key);
	int64_t v = json_integer_value(value);

	if (value && (!json_is_integer(value) || v < min || v > max)) {
		complain(p, key);
		return 0;
	}
	return v;
}

static bool get_bool(struct parser *p, const json_t *o, const char *key, bool otherwise)
{
	const json_t *value = json_object_get(o, key);

	if (!value)
		return otherwise;
	if (!json_is_boolean(value))
		complain(p, key);
	return json_is_true(value);
}

static const char *get_text(struct parser *p, const json_t *o, const char *key)
{
	const json_t *value = json_object_get(o, key);

	if (value && !json_is_string(value))
		complain(p, key);
	return json_string_value(value);
}

static const char *get_name(struct parser *p, const json_t *o)
{
	const char *name = get_text(p, o, "name");

	return name ? name : "?";
}

static struct figures get_figures(struct parser *p, const json_t *o)
{
	const char *truth = p->frame->split ? "true_s" : "reported_s";

	return (struct figures){get_ns(p, o, truth), get_ns(p, o, "descheduled_s"),
				get_ns(p, o, "wait_s"), get_ns(p, o, "unaccounted_s")};
}

/* An array with at most `max` objects. */
static size_t get_array(struct parser *p, const json_t *o, const char *key, size_t max,
			json_t **ret)
{
	size_t n;

	*ret = json_object_get(o, key);
	n = json_array_size(*ret);
	if ((*ret && !json_is_array(*ret)) || n > max) {
		complain(p, key);
		return 0;
	}
	return n;
}

/* ---- parts ---- */

static void parse_head(struct parser *p, json_t *o)
{
	struct frame *f = p->frame;
	json_t *totals = json_object_get(o, "totals"), *counters = json_object_get(o, "counters");

	if (!wire_is_snapshot(o))
		complain(p, "schema");
	if (!wire_session(o, &f->session))
		complain(p, "session");
	f->source = get_text(p, o, "source");
	f->source = f->source ? f->source : "?";
	f->kernel_subtracts = get_bool(p, o, "kernel_subtracts", false);
	f->complete = get_bool(p, o, "complete", true);
	f->stale = get_bool(p, o, "stale", false);
	f->clock_stale = get_bool(p, json_object_get(o, "clock"), "stale", false);
	f->clock_error = f->clock_stale ? 0 : get_ns(p, json_object_get(o, "clock"), "error_s");
	f->elapsed = get_ns(p, o, "elapsed_s");
	f->lag = get_ns(p, o, "lag_s");
	f->split = true;
	f->busy = get_figures(p, totals);
	f->idle.descheduled = get_ns(p, totals, "idle_descheduled_s");
	f->idle.wait = get_ns(p, totals, "idle_wait_s");
	f->idle.unaccounted = get_ns(p, totals, "idle_unaccounted_s");
	f->estimated = json_object_get(totals, "high_s");
	f->low = get_ns(p, totals, "low_s");
	f->high = get_ns(p, totals, "high_s");
	f->split = get_bool(p, o, "split", true);
	f->lost_switches = (uint64_t)get_int(p, counters, "lost_switches", 0, INT64_MAX);
	f->lost_gaps = (uint64_t)get_int(p, counters, "lost_gaps", 0, INT64_MAX);
	f->no_room = (uint64_t)get_int(p, counters, "no_room", 0, INT64_MAX);
	f->lost_ns = get_ns(p, counters, "lost_run_s");
}

/* An agent that does not tell the ledger tells its parts. */
static void parse_cpu(struct parser *p, const json_t *o, struct frame_cpu *ret)
{
	const json_t *ledger = json_object_get(o, "ledger_s");

	ret->cpu = (unsigned)get_int(p, o, "cpu", 0, FRAME_CPUS_MAX - 1);
	ret->ns[FRAME_UNKNOWN] = get_ns(p, o, "unaccounted_s") + get_ns(p, o, "idle_unaccounted_s");
	for (uint32_t s = 0; ledger && s < LEDGER_STATES; s++)
		ret->ns[s] = get_ns(p, ledger, ledger_state_name(s));
	if (ledger)
		return;
	ret->ns[LEDGER_READY] = get_ns(p, o, "descheduled_s") + get_ns(p, o, "idle_descheduled_s");
	ret->ns[LEDGER_WAIT] = get_ns(p, o, "wait_s") + get_ns(p, o, "idle_wait_s");
	ret->ns[LEDGER_RUN] = u64_sub_floor(get_ns(p, o, "busy_s"),
					    get_ns(p, o, "descheduled_s") + get_ns(p, o, "wait_s") +
						    get_ns(p, o, "unaccounted_s"));
	ret->ns[LEDGER_HALT] = u64_sub_floor(get_ns(p, o, "idle_s"),
					     get_ns(p, o, "idle_descheduled_s") +
						     get_ns(p, o, "idle_wait_s") +
						     get_ns(p, o, "idle_unaccounted_s"));
}

static int parse_cpus(struct parser *p, const json_t *o)
{
	struct frame *f = p->frame;
	json_t *list;
	size_t n = get_array(p, o, "cpus", FRAME_CPUS_MAX, &list);

	f->cpus = calloc(n + 1, sizeof(*f->cpus));
	if (!f->cpus)
		return -ENOMEM;
	for (; f->n_cpus < n; f->n_cpus++)
		parse_cpu(p, json_array_get(list, f->n_cpus), &f->cpus[f->n_cpus]);
	return 0;
}

static void parse_threads(struct parser *p, struct frame_process *of, const json_t *list)
{
	struct frame *f = p->frame;

	of->first_thread = f->n_threads;
	of->n_threads = json_array_size(list);
	for (size_t i = 0; i < of->n_threads; i++) {
		struct frame_thread *t = &f->threads[f->n_threads++];
		const json_t *o = json_array_get(list, i);

		t->tid = (pid_t)get_int(p, o, "tid", INT_MIN, INT_MAX);
		t->name = get_name(p, o);
		t->own = get_figures(p, o);
	}
}

static void parse_process(struct parser *p, const json_t *o)
{
	struct frame *f = p->frame;
	struct frame_process *to = &f->processes[f->n_processes++];
	const char *state;

	to->pid = (pid_t)get_int(p, o, "pid", INT_MIN, INT_MAX);
	to->parent = (pid_t)get_int(p, o, "ppid", 0, INT_MAX);
	to->id = (uint64_t)get_int(p, o, "id", 0, INT64_MAX);
	to->name = get_name(p, o);
	to->user = get_text(p, o, "user");
	to->cgroup = get_text(p, o, "cgroup");
	to->command = get_text(p, o, "command");
	to->rss = (uint64_t)get_int(p, o, "rss_bytes", 0, INT64_MAX);
	state = get_text(p, o, "state");
	to->state = state && state[0] > ' ' && state[0] <= '~' ? state[0] : 0;
	to->own = get_figures(p, o);
	parse_threads(p, to, json_object_get(o, "threads"));
}

static int parse_processes(struct parser *p, const json_t *o)
{
	struct frame *f = p->frame;
	json_t *list, *unused;
	size_t n = get_array(p, o, "processes", FRAME_PROCESSES_MAX, &list), threads = 0;

	for (size_t i = 0; i < n; i++)
		threads += get_array(p, json_array_get(list, i), "threads", FRAME_THREADS_MAX,
				     &unused);
	if (threads > FRAME_THREADS_MAX)
		complain(p, "threads");
	if (p->wrong)
		return 0;
	f->processes = calloc(n + 1, sizeof(*f->processes));
	f->threads = calloc(threads + 1, sizeof(*f->threads));
	if (!f->processes || !f->threads)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		parse_process(p, json_array_get(list, i));
	return 0;
}

int frame_parse(json_t *json, uint64_t time, struct failure *f, struct frame *ret)
{
	struct frame frame = {.time = time, .json = json_incref(json)};
	struct parser p = {.frame = &frame};
	int err;

	parse_head(&p, json);
	err = parse_cpus(&p, json);
	if (!err)
		err = parse_processes(&p, json);
	if (err)
		failure_errno(f, err, "a snapshot");
	else if (p.wrong)
		err = failure_set(f, -EBADMSG,
				  "'%s' of a snapshot is not what desched-agent/2 says: see "
				  "vmdesched(8)",
				  p.wrong);
	if (err) {
		frame_done(&frame);
		return err;
	}
	*ret = frame;
	return 0;
}

void frame_done(struct frame *frame)
{
	free(frame->cpus);
	free(frame->processes);
	free(frame->threads);
	json_decref(frame->json);
	*frame = (struct frame){0};
}
