/* SPDX-License-Identifier: MIT */
/*
 * A snapshot from JSON that may come from anybody. What is missing is 0, so that an older agent can
 * be asked; what is there and makes no sense makes the whole bad; what this version doesn't know is
 * kept.
 */
#include "wire/snapshot.h"

#include "base/units.h"
#include "ledger/page_fields.h"
#include "wire/schema.h"
#include "wire/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_snapshot(const json_t *o)
{
	const char *schema = json_string_value(json_object_get(o, "schema"));

	return schema && (!strcmp(schema, SNAPSHOT_SCHEMA) || !strcmp(schema, "desched-agent/1"));
}

/* How many objects are in the array; one that is missing has none. */
static size_t count(struct members_in *in, const json_t *o, const char *key, size_t max)
{
	const json_t *list = json_object_get(o, key), *item;
	size_t n = json_array_size(list), i;

	if ((list && !json_is_array(list)) || n > max) {
		members_complain(in, key);
		return 0;
	}
	json_array_foreach(list, i, item) if (!json_is_object(item)) members_complain(in, key);
	return n;
}

/* Room for a list, and one more, so that it is never NULL. */
static void *make_room(struct members_in *in, size_t n, size_t size)
{
	void *room = calloc(n + 1, size);

	if (!room)
		in->err = -ENOMEM;
	return room;
}

/* ---- CPUs ---- */

static void read_states(struct members_in *in, const json_t *o, uint64_t ret_ns[LEDGER_STATES],
			bool (*read)(const json_t *value, uint64_t *ret))
{
	if (!json_is_object(o))
		members_complain(in, "ledger");
	for (uint32_t s = 0; s < LEDGER_STATES; s++) {
		const json_t *value = json_object_get(o, ledger_state_name(s));

		if (value && !read(value, &ret_ns[s]))
			members_complain(in, ledger_state_name(s));
	}
}

/* Of an agent that tells a CPU's parts alone. */
static void make_ledger(struct snapshot_cpu *c)
{
	c->ledger[LEDGER_READY] = c->descheduled + c->idle_descheduled;
	c->ledger[LEDGER_WAIT] = c->wait + c->idle_wait;
	c->ledger[LEDGER_RUN] = u64_sub_floor(c->busy, c->descheduled + c->wait + c->unaccounted);
	c->ledger[LEDGER_HALT] = u64_sub_floor(c->idle, c->idle_descheduled + c->idle_wait +
								c->idle_unaccounted);
}

static void read_cpu(struct members_in *in, const json_t *o, struct snapshot_cpu *c)
{
	const json_t *ledger = json_object_get(o, "ledger_s");

	members_read(in, &schema_cpu, o, c);
	if (ledger)
		read_states(in, ledger, c->ledger, wire_ns);
	else
		make_ledger(c);
}

static void read_cpus(struct members_in *in, const json_t *o)
{
	struct snapshot *s = in->s;
	const json_t *list = json_object_get(o, "cpus");
	size_t n = count(in, o, "cpus", SNAPSHOT_CPUS_MAX);

	s->cpus = make_room(in, n, sizeof(*s->cpus));
	for (; s->cpus && s->n_cpus < n; s->n_cpus++)
		read_cpu(in, json_array_get(list, s->n_cpus), &s->cpus[s->n_cpus]);
}

/* ---- processes ---- */

static void only_reported(const struct snapshot *s, struct figures *f)
{
	if (!s->split)
		f->truth = f->reported;
}

static void read_thread(struct members_in *in, const json_t *o)
{
	struct snapshot_thread *t = &in->s->threads[in->s->n_threads++];

	t->name = "?";
	members_read(in, &schema_thread, o, t);
	only_reported(in->s, &t->own);
}

static void read_process(struct members_in *in, const json_t *o)
{
	struct snapshot_process *p = &in->s->processes[in->s->n_processes++];
	const json_t *threads = json_object_get(o, "threads");

	p->name = "?";
	members_read(in, &schema_process, o, p);
	only_reported(in->s, &p->own);
	p->first_thread = in->s->n_threads;
	p->n_threads = json_array_size(threads);
	for (size_t i = 0; i < p->n_threads; i++)
		read_thread(in, json_array_get(threads, i));
}

static void read_processes(struct members_in *in, const json_t *o)
{
	const json_t *list = json_object_get(o, "processes");
	size_t n = count(in, o, "processes", SNAPSHOT_TASKS_MAX), threads = 0;
	struct snapshot *s = in->s;

	if (!list)
		members_complain(in, "processes");
	for (size_t i = 0; i < n; i++)
		threads += count(in, json_array_get(list, i), "threads",
				 SNAPSHOT_TASKS_MAX - threads);
	if (in->wrong)
		return;
	s->processes = make_room(in, n, sizeof(*s->processes));
	s->threads = make_room(in, threads, sizeof(*s->threads));
	for (size_t i = 0; !in->err && i < n; i++)
		read_process(in, json_array_get(list, i));
}

/* ---- what is left ---- */

static void read_cgroups(struct members_in *in, const json_t *o)
{
	const json_t *list = json_object_get(o, "cgroups");
	size_t n = count(in, o, "cgroups", SNAPSHOT_TASKS_MAX);
	struct snapshot *s = in->s;

	s->cgroups = make_room(in, n, sizeof(*s->cgroups));
	for (; s->cgroups && s->n_cgroups < n; s->n_cgroups++) {
		s->cgroups[s->n_cgroups].path = "?";
		members_read(in, &schema_cgroup, json_array_get(list, s->n_cgroups),
			     &s->cgroups[s->n_cgroups]);
	}
}

static void read_sessions(struct members_in *in, const json_t *o)
{
	const json_t *list = json_object_get(o, "sessions");
	size_t n = count(in, o, "sessions", SNAPSHOT_SESSIONS_MAX);

	for (; in->s->n_sessions < n; in->s->n_sessions++)
		members_read(in, &schema_session, json_array_get(list, in->s->n_sessions),
			     &in->s->sessions[in->s->n_sessions]);
}

static void read_state(struct members_in *in, const json_t *o, uint32_t *ret)
{
	const char *name = json_string_value(json_object_get(o, "state"));

	for (uint32_t state = 0; name && state < LEDGER_STATES; state++)
		if (!strcmp(name, ledger_state_name(state))) {
			*ret = state;
			return;
		}
	members_complain(in, "state");
}

/* null: the agent could not read it. */
static void read_vcpu(struct members_in *in, const json_t *o, struct ledger *l)
{
	if (json_is_null(o))
		return;
	members_read(in, &schema_vcpu, o, l);
	read_state(in, o, &l->state);
	read_states(in, json_object_get(o, "ns"), l->ns, wire_count);
	if (!json_is_object(o) || !ledger_valid(l))
		members_complain(in, "vcpus");
}

static void read_host(struct members_in *in, const json_t *o, struct snapshot_page *p)
{
	for (int i = 0; i < PAGE_FIELDS; i++) {
		const struct page_field *field = &page_fields[i];
		const json_t *value = json_object_get(o, field->name);

		if (!value)
			continue;
		if (!wire_count(value, (uint64_t *)((char *)&p->host + field->offset)))
			members_complain(in, field->name);
		p->host.valid |= field->valid;
		json_object_del(p->more, field->name);
	}
	if (!json_object_size(p->more)) {
		json_decref(p->more);
		p->more = NULL;
	}
}

static void read_page(struct members_in *in, const json_t *o)
{
	const json_t *page = json_object_get(o, "page"), *list = json_object_get(page, "vcpus");
	size_t n = json_array_size(list);
	struct snapshot_page *p;

	if (!page)
		return;
	if (!json_is_object(page) || (list && !json_is_array(list)) || n > SNAPSHOT_CPUS_MAX) {
		members_complain(in, "page");
		return;
	}
	p = in->s->page = make_room(in, 0, sizeof(*p));
	if (!p)
		return;
	p->vcpus = make_room(in, n, sizeof(*p->vcpus));
	members_read(in, &schema_page, page, p);
	read_host(in, page, p);
	for (; p->vcpus && p->n_vcpus < n; p->n_vcpus++)
		read_vcpu(in, json_array_get(list, p->n_vcpus), &p->vcpus[p->n_vcpus]);
}

/* ---- the whole ---- */

static void read_all(struct members_in *in, const json_t *o)
{
	const json_t *totals = json_object_get(o, "totals");

	if (!is_snapshot(o))
		members_complain(in, "schema");
	if (!totals)
		members_complain(in, "totals");
	members_read(in, &schema_snapshot, o, in->s);
	in->s->estimated = json_object_get(totals, "low_s") && json_object_get(totals, "high_s");
	read_sessions(in, o);
	read_cpus(in, o);
	read_processes(in, o);
	read_cgroups(in, o);
	read_page(in, o);
}

int snapshot_decode(const json_t *o, struct failure *f, struct snapshot *ret)
{
	struct snapshot s;
	struct members_in in = {.s = &s};
	int err;

	snapshot_init(&s);
	read_all(&in, o);
	err = in.err ? in.err : in.wrong || !s.n_cpus ? -EBADMSG : 0;
	if (err == -ENOMEM)
		failure_errno(f, err, "a snapshot");
	else if (in.wrong)
		failure_set(f, err,
			    "'%s' of a snapshot is not what " SNAPSHOT_SCHEMA
			    " says: see vmdesched(8)",
			    in.wrong);
	else if (err) /* an empty table would look like an idle machine */
		failure_set(f, err,
			    "a snapshot has no 'cpus', and so no time that could be shared out; "
			    "was it cut down after it was taken?");
	if (err) {
		snapshot_done(&s);
		return err;
	}
	*ret = s;
	return 0;
}
