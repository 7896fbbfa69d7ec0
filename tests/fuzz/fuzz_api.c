/* SPDX-License-Identifier: MIT */
/* What may answer on vmdesched's socket: any process that got hold of the path, any bytes. */
#include "fuzz.h"

#include "api/answer.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <string.h>

static void check_process(const struct desched_snapshot *s, const struct desched_process *p)
{
	CHECK(p->pid >= 0);
	CHECK(memchr(p->name, '\0', sizeof(p->name)));
	for (size_t i = 0; i < p->n_threads; i++) {
		const struct desched_thread *t = desched_thread(s, p, i);

		CHECK(t && t->tid >= 0 && memchr(t->name, '\0', sizeof(t->name)));
	}
	CHECK(!desched_thread(s, p, p->n_threads));
}

static void check_snapshot(const struct desched_snapshot *s)
{
	const struct desched_summary *sum = desched_summary(s);
	struct ledger l;
	uint64_t v;

	CHECK(strlen(sum->source) < 16 && strlen(sum->steal_clock) < 32);
	for (int which = 0; which <= DESCHED_SESSION; which++) {
		int err = desched_figure(s, (enum desched_figure)which, &v);

		CHECK(err == 0 || err == -ENODATA);
	}
	for (size_t i = 0; i < desched_cpus(s); i++)
		CHECK(desched_cpu(s, i));
	for (size_t i = 0; i < desched_processes(s); i++)
		check_process(s, desched_process(s, i));
	for (size_t i = 0; i < desched_page_vcpus(s); i++)
		CHECK(desched_page_ledger(s, i, &l) || ledger_valid(&l));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *o = json_loadb((const char *)data, size, 0, NULL);
	struct desched_snapshot *s = NULL;
	struct snapshot from;

	if (!snapshot_decode(o, NULL, &from)) {
		CHECK(answer_make(&from, &s) == 0);
		snapshot_done(&from);
		check_snapshot(s);
	}
	desched_snapshot_free(s);
	json_decref(o);
	return 0;
}
