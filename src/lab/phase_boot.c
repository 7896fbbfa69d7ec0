/* SPDX-License-Identifier: MIT */
/*
 * Booting, and being done with it. QEMU starts halted: only when its vCPU is in the host ledger and
 * the guest's page is laid out, by whom it may be, may the guest begin, so that its agent finds the page from the
 * start. A guest that dies while it boots is started again, a bounded number of times, and counted.
 */
#include "base/clock.h"
#include "base/units.h"
#include "lab/cpus.h"
#include "lab/host_page.h"
#include "lab/phases.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BOOTS_MAX      3
#define BOOT_NS	       (60 * NS_PER_SEC)
#define BOOT_NS_PER_VM (10 * NS_PER_SEC)
#define OFF_NS	       (5 * NS_PER_SEC)

int phase_failure(const struct session *s, struct failure *f)
{
	for (int i = 0; i < s->n; i++) {
		const struct machine *m = &s->machines[i];

		if (m->failure[0])
			return failure_set(f, -EREMOTEIO, "%s: %s", m->name, m->failure);
	}
	return 0;
}

static void forget_page(struct session *s, struct machine *m)
{
	if (m->page_id >= 0)
		pages_remove(s->pages, m->page_id);
	m->page_id = -1;
}

static int add_page(struct session *s, struct machine *m, struct failure *f)
{
	int err = pages_add(s->pages, &m->vm, m->page, m->page_size, f, &m->page_id),
	    fd = m->stream;

	if (err || fd < 0)
		return err;
	m->stream = -1;
	err = pages_stream(s->pages, m->page_id, &m->vm, fd);
	return err ? failure_errno(f, err, "%s: its stream", m->name) : 0;
}

/* From a halted QEMU to a guest that boots. */
static int introduce(struct session *s, struct machine *m, struct failure *f)
{
	int err = machine_find(m, f);

	if (err)
		return err;
	if (s->pages) {
		err = add_page(s, m, f);
		if (err)
			return err;
	}
	if (m->kind->host_page) {
		err = host_page_await(s, m, f);
		if (err)
			return err;
	}
	return machine_continue(m, f);
}

/* A QEMU that fails says why on its console, and ends: that is the better story. */
static int start_failure(struct session *s, struct machine *m, int err, struct failure *f)
{
	for (int i = 0; i < 10 && !m->failure[0]; i++) {
		if (session_pump(s, 100 * NS_PER_MS))
			return -EINTR;
	}
	if (m->failure[0])
		return failure_set(f, -EREMOTEIO, "%s: %s", m->name, m->failure);
	return err;
}

static int start_all(struct session *s, struct failure *f)
{
	for (int i = 0; i < s->n; i++) {
		int err = machine_start(&s->machines[i], &s->setup, f);

		if (err)
			return err;
	}
	for (int i = 0; i < s->n; i++) {
		int err = introduce(s, &s->machines[i], f);

		if (err)
			return start_failure(s, &s->machines[i], err, f);
	}
	return 0;
}

static int start_again(struct session *s, struct machine *m, struct failure *f)
{
	int err;

	if (m->boots >= BOOTS_MAX)
		return failure_set(f, -EREMOTEIO, "%s: did not boot in %d attempts: %s", m->name,
				   BOOTS_MAX, m->failure);
	session_say(s, "%s is started again: %s", m->name, m->failure);
	forget_page(s, m);
	machine_stop(m);
	if (m->kind->host_page)
		host_page_remove(s, m);
	m->failure[0] = '\0';
	err = machine_start(m, &s->setup, f);
	if (!err)
		err = introduce(s, m, f);
	return err ? start_failure(s, m, err, f) : 0;
}

static int n_ready(const struct session *s)
{
	int n = 0;

	for (int i = 0; i < s->n; i++)
		n += s->machines[i].answered && !s->machines[i].failure[0];
	return n;
}

/* Takes one look at every machine that is not up. */
static int look_after(struct session *s, uint64_t limit, uint64_t deadline[], struct failure *f)
{
	for (int i = 0; i < s->n; i++) {
		struct machine *m = &s->machines[i];
		int err;

		if (!m->answered && clock_mono() > deadline[i])
			machine_fail(m, "the guest was not up after %" PRIu64 " s",
				     limit / NS_PER_SEC);
		if (!m->failure[0])
			continue;
		err = start_again(s, m, f);
		if (err)
			return err;
		deadline[i] = clock_mono() + limit;
	}
	return 0;
}

/* Every guest has said that it is ready: does its agent live, and what can it do? */
static int check_ready(struct session *s, struct failure *f)
{
	for (int i = 0; i < s->n; i++) {
		const struct machine *m = &s->machines[i];
		const struct control_agent *a = &m->answer.agent;
		int err = control_parse_kinds(m->line, f, &s->kinds);

		if (err)
			return err;
		if (!a->alive)
			return failure_set(f, -EREMOTEIO, "%s: its agent (vmdesched) ended, %s: %s",
					   m->name, a->ended, a->said);
	}
	return 0;
}

int phase_boot(struct session *s, struct failure *f)
{
	uint64_t limit = BOOT_NS + (uint64_t)s->n * BOOT_NS_PER_VM;
	uint64_t deadline[LAB_VMS_MAX];
	int err;

	session_say(s, "starting %d VMs", s->n);
	err = start_all(s, f);
	for (int i = 0; i < s->n; i++)
		deadline[i] = clock_mono() + limit;
	while (!err && n_ready(s) < s->n) {
		session_say(s, "%d of %d VMs are up", n_ready(s), s->n);
		err = session_pump(s, NS_PER_SEC);
		if (!err)
			err = look_after(s, limit, deadline, f);
	}
	for (int i = 0; i < s->n; i++)
		s->result->vms[i].boots = s->machines[i].boots;
	return err ? err : check_ready(s, f);
}

int phase_pin(struct session *s, struct failure *f)
{
	session_say(s, "all threads onto CPU %s", s->result->cpus);
	for (int i = 0; i < s->n; i++) {
		int err = machine_pin(&s->machines[i], &s->shared, f);

		if (err)
			return err;
	}
	return 0;
}

int phase_off(struct session *s, struct failure *f)
{
	uint64_t end = clock_mono() + OFF_NS;
	int running;

	(void)f;
	session_say(s, "switching off");
	session_ask(s, NULL, "poweroff");
	do {
		running = 0;
		if (session_pump(s, 100 * NS_PER_MS))
			return -EINTR;
		for (int i = 0; i < s->n; i++)
			running += s->machines[i].pid && !s->machines[i].failure[0];
	} while (running && clock_mono() < end);
	return 0;
}
