/* SPDX-License-Identifier: MIT */
/*
 * A text from a socket, a guest or a file: whatever it is, it is loaded within bounds and read as a
 * snapshot, or refused. What was read keeps its promises, and is the same when it is written and
 * read again.
 */
#include "fuzz.h"

#include "wire/snapshot.h"
#include "wire/wire.h"

#include <errno.h>
#include <string.h>

static void check_text(const char *text)
{
	CHECK(text && strlen(text) <= SNAPSHOT_TEXT_MAX);
}

static void check_figures(const struct figures *f)
{
	CHECK(f->truth <= (uint64_t)(WIRE_SECONDS_MAX * 1e9));
	CHECK(f->reported <= (uint64_t)(WIRE_SECONDS_MAX * 1e9));
}

static void check_processes(const struct snapshot *s)
{
	size_t threads = 0;

	CHECK(s->n_processes <= SNAPSHOT_TASKS_MAX && s->n_threads <= SNAPSHOT_TASKS_MAX);
	for (size_t i = 0; i < s->n_processes; i++) {
		const struct snapshot_process *p = &s->processes[i];

		check_text(p->name);
		check_figures(&p->own);
		CHECK(p->parent >= 0 && p->id <= INT64_MAX && p->rss <= INT64_MAX);
		CHECK(p->first_thread == threads);
		threads += p->n_threads;
	}
	CHECK(threads == s->n_threads);
	for (size_t i = 0; i < s->n_threads; i++) {
		check_text(s->threads[i].name);
		CHECK(s->threads[i].tid >= 0);
	}
}

static void check_page(const struct snapshot_page *p)
{
	for (size_t i = 0; p && i < p->n_vcpus; i++)
		CHECK(!p->vcpus[i].at || ledger_valid(&p->vcpus[i]));
}

static void check(const struct snapshot *s)
{
	check_text(s->source);
	check_text(s->steal_clock);
	check_figures(&s->busy);
	CHECK(s->n_cpus <= SNAPSHOT_CPUS_MAX && s->n_sessions <= SNAPSHOT_SESSIONS_MAX);
	for (size_t i = 0; i < s->n_cpus; i++)
		CHECK(s->cpus[i].cpu < SNAPSHOT_CPUS_MAX);
	check_processes(s);
	check_page(s->page);
	CHECK(snapshot_goes_on(s->session, s->elapsed, s));
}

/* Seconds as doubles are the same again, integers too: so is the text. */
static void there_and_back(const struct snapshot *s)
{
	json_t *o = snapshot_json(s), *again;
	struct snapshot back;

	CHECK(o && snapshot_decode(o, NULL, &back) == 0);
	check(&back);
	again = snapshot_json(&back);
	CHECK(json_equal(o, again));
	json_decref(o);
	json_decref(again);
	snapshot_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure f = {""};
	struct snapshot s;
	json_t *o = NULL;
	int err = wire_load((const char *)data, size, &o);

	CHECK(err == 0 || err == -EBADMSG || err == -E2BIG || err == -ENOMEM);
	CHECK(!err == (o != NULL));
	if (err)
		return 0;
	err = snapshot_decode(o, &f, &s);
	CHECK(err == 0 || (err == -EBADMSG && f.text[0] && !strchr(f.text, '\n')));
	json_decref(o);
	if (err)
		return 0;
	check(&s);
	there_and_back(&s);
	snapshot_done(&s);
	return 0;
}
