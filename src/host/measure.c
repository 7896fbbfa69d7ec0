/* SPDX-License-Identifier: MIT */
#include "host/measure.h"

#include "base/clock.h"
#include "base/units.h"
#include "host/measure_pages.h"
#include "host/measure_parts.h"
#include "host/measure_vms.h"
#include "host/measure_watch.h"
#include "host/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#define ENDED_KEPT    64		/* of the VMs that have ended, one by one */
#define ENDED_WAITING 1024		/* and of those whose end was not reported yet */
#define RETRY_NS      NS_PER_SEC	/* for pages that somebody else writes */
#define LOOK_NS	      NS_PER_MS		/* of a step, for looking at processes */
#define CHECK_NS      (250 * NS_PER_MS) /* from one look whether VMs have ended to the next */
#define SELDOM_CHECKS 20		/* in so many of these every VM's limit is read again */

/* ---- opening ---- */

static void on_gap(int id, const struct gap *gap, void *data)
{
	const struct measurement *m = data;
	const struct measure_setup *s = &m->parts->setup;
	struct measured *x = (size_t)id < m->parts->n_ids ? m->parts->by_id[id] : NULL;
	struct measured_vcpu *c = x ? &x->vcpus[gap->vcpu] : NULL;

	if (!x)
		return;
	if (ledger_state_descheduled(gap->state))
		c->longest = u64_max(c->longest, gap->end - gap->start);
	if (s->gap)
		s->gap(m, x, gap, s->data);
}

/* Where there is no BPF, that was said already. */
static int open_blame(struct measurement *m, struct failure *f)
{
	struct measure_parts *p = m->parts;
	int err;

	if (p->setup.no_blame || !host_ledger_has_gaps(m->ledger))
		return 0;
	err = host_ledger_record(m->ledger, HOST_RECORD_WAITS, f);
	if (err)
		return err;
	err = blame_new(host_ledger_cpus(m->ledger), &p->blame);
	if (err)
		return failure_errno(f, err, "recording who runs");
	p->runs = blame_fns;
	p->runs.data = p->blame;
	return 0;
}

/* Where this source or kernel can't, the rest is measured all the same. */
static int unless_unsupported(struct measurement *m, int err, const char *what, struct failure *f)
{
	if (err != -EOPNOTSUPP)
		return err;
	measure_note(m, "%s: %s", what, f->text);
	f->text[0] = '\0';
	return 0;
}

static int open_extras(struct measurement *m, struct failure *f)
{
	const struct measure_setup *s = &m->parts->setup;
	int err = host_ledger_record_interrupts(m->ledger, s->interrupts, f);

	m->interrupts = !err && s->interrupts != INTERRUPTS_OF_NONE;
	err = unless_unsupported(m, err, "interrupts are not recorded", f);
	if (err || !s->exits)
		return err;
	err = host_ledger_count_exits(m->ledger, f);
	m->exits = !err;
	return unless_unsupported(m, err, "exits are not counted", f);
}

static int open_parts(struct measurement *m, const struct measure_setup *setup, struct failure *f)
{
	int err;

	m->parts = calloc(1, sizeof(*m->parts));
	if (!m->parts)
		return failure_errno(f, -ENOMEM, "measuring");
	m->parts->setup = *setup;
	m->overlap = setup->overlap;
	err = choice_open(setup->operands, setup->n_operands, f, &m->parts->choice);
	if (err)
		return err;
	err = host_ledger_open(setup->source, f, &m->ledger);
	if (err)
		return err;
	if (f->text[0])
		measure_note(m, "no gaps, only run and ready: %s", f->text);
	f->text[0] = '\0';
	err = open_extras(m, f);
	if (err)
		return err;
	err = publisher_new(m->ledger, &m->parts->publisher);
	if (err)
		return failure_errno(f, err, "publishing pages");
	publisher_on_gap(m->parts->publisher, on_gap, m);
	err = open_blame(m, f);
	return err ? err : measure_watch_find(m, f);
}

/* A page takes a descriptor, and with schedstat each vCPU: more than a process has unless it
 * asks. */
static void allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int measure_open(const struct measure_setup *setup, struct failure *f, struct measurement **ret)
{
	struct measurement *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return failure_errno(f, -ENOMEM, "measuring");
	allow_files();
	err = open_parts(m, setup, f);
	if (err) {
		measure_close(m);
		return err;
	}
	measure_read(m);
	m->at[MEASURE_FIRST] = m->at[MEASURE_LAST] = m->at[MEASURE_NOW];
	for (size_t i = 0; i < m->n; i++) {
		measure_vms_keep(m->vms[i], MEASURE_FIRST);
		measure_vms_keep(m->vms[i], MEASURE_LAST);
	}
	*ret = m;
	return 0;
}

struct measurement *measure_close(struct measurement *m)
{
	if (!m)
		return NULL;
	while (m->n)
		measure_vms_remove(m, m->n - 1);
	if (m->parts) {
		watch_free(m->parts->watch);
		publisher_free(m->parts->publisher);
		blame_free(m->parts->blame);
		choice_close(&m->parts->choice);
		free(m->parts->refused);
		free(m->parts->by_id);
	}
	host_ledger_close(m->ledger);
	free(m->vms);
	free(m->parts);
	free(m);
	return NULL;
}

/* ---- going on ---- */

/* Whether it is time again; *last is moved. */
static bool is_due(uint64_t *last, uint64_t interval)
{
	uint64_t now = clock_mono();

	if (now - *last < interval)
		return false;
	*last = now;
	return true;
}

static bool has_ended(const struct measured *x)
{
	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		if (!x->vcpus[v].ended)
			return false;
	}
	return true;
}

static void check_vm(struct measurement *m, struct measured *x)
{
	const char *lost = publisher_page_lost(m->parts->publisher, x->id);

	if (lost && !x->page_lost && x->page_losses++ < MEASURE_LOSSES_SAID)
		measure_note(m, "VM %s (pid %d): its page is no more written: %s", x->vm.name,
			     x->vm.pid, lost);
	if (lost)
		x->page_lost = lost;
	if (publisher_page_give_up(m->parts->publisher, x->id) && x->page)
		*x->page = (struct page_choice){.again = true};
	measure_vms_read(m, x);
	if (!has_ended(x))
		return;
	measure_vms_end(m, x);
	if (m->parts->watch)
		watch_again(m->parts->watch, x->vm.pid);
}

/* A part of them each time: it is several files a VM. */
static void check_seldom(struct measurement *m)
{
	size_t n = (m->n + SELDOM_CHECKS - 1) / SELDOM_CHECKS;

	for (size_t at = m->parts->limit_at; n; n--, at++) {
		struct measured *x = m->vms[at % m->n];

		if (x->id >= 0) {
			measure_vms_limit(x);
			measure_vms_threads(m, x);
		}
		m->parts->limit_at = at % m->n + 1;
	}
}

static void check_vms(struct measurement *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->vms[i]->id >= 0)
			check_vm(m, m->vms[i]);
	}
	measure_vms_settle(m);
	check_seldom(m);
}

/* Whoever connects is asked for nothing: the kernel says which process it is. A VM that isn't known
 * yet will connect again. */
static bool take_stream(pid_t pid, int fd, void *data)
{
	const struct measurement *m = data;
	const struct measured *x = measure_vms_live(m, pid);

	if (!x)
		return false;
	publisher_stream(m->parts->publisher, &x->vm, x->id, fd);
	return true;
}

bool measured_stream(const struct measurement *m, const struct measured *x,
		     struct stream_counters *ret)
{
	return publisher_stream_counters(m->parts->publisher, x->id, ret);
}

void measure_listen(struct measurement *m, int listener)
{
	m->parts->listener = listener;
}

void measure_step(struct measurement *m)
{
	if (m->parts->listener > 0)
		peers_accept(m->parts->listener, take_stream, m);
	publisher_tick(m->parts->publisher);
	if (m->parts->watch)
		watch_look(m->parts->watch, LOOK_NS);
	if (is_due(&m->parts->checked, CHECK_NS)) {
		check_vms(m);
		measure_vms_fold(m, false, ENDED_WAITING);
	}
	if (is_due(&m->parts->retried, RETRY_NS)) {
		if (!m->parts->setup.no_pages)
			measure_pages_retry(m);
		measure_watch_try_refused(m);
		measure_watch_grown(m);
	}
}

size_t measure_refused(const struct measurement *m)
{
	return m->parts->n_refused;
}

const char *measure_refused_why(const struct measurement *m)
{
	return m->parts->refused_why;
}

uint64_t measure_failures(const struct measurement *m)
{
	return m->parts->watch ? watch_failures(m->parts->watch) : 0;
}

uint64_t measure_interval(const struct measurement *m)
{
	return publisher_interval(m->parts->publisher);
}

void measure_read(struct measurement *m)
{
	m->at[MEASURE_NOW] = clock_mono();
	m->real = clock_real();
	for (size_t i = 0; i < m->n; i++)
		measure_vms_read(m, m->vms[i]);
	publisher_tick(m->parts->publisher); /* gaps that ended by then */
	measure_vms_settle(m);
}

void measure_reported(struct measurement *m)
{
	m->at[MEASURE_LAST] = m->at[MEASURE_NOW];
	for (size_t i = 0; i < m->n; i++) {
		measure_vms_keep(m->vms[i], MEASURE_LAST);
		if (m->vms[i]->blame)
			blame_reported(m->vms[i]->blame);
		for (uint32_t v = 0; v < m->vms[i]->vm.n_vcpus; v++)
			m->vms[i]->vcpus[v].longest = 0;
		m->vms[i]->over = m->vms[i]->id < 0;
	}
	measure_vms_fold(m, true, ENDED_KEPT);
}

bool measure_is_over(const struct measurement *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->vms[i]->id >= 0)
			return false;
	}
	return !m->parts->watch;
}
