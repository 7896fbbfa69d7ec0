/* SPDX-License-Identifier: MIT */
/* What a snapshot holds, as <desched/desched.h> gives it out. */
#include "api/answer.h"

#include "base/clock.h"
#include "base/units.h"
#include "ledger/page_fields.h"

#include <errno.h>
#include <stdlib.h>

#define PPM 1000000

struct desched_snapshot *desched_snapshot_free(struct desched_snapshot *s)
{
	if (!s)
		return NULL;
	free(s->cpus);
	free(s->processes);
	free(s->threads);
	free(s->ledgers);
	free(s);
	return NULL;
}

const struct desched_summary *desched_summary(const struct desched_snapshot *s)
{
	return &s->summary;
}

size_t desched_cpus(const struct desched_snapshot *s)
{
	return s->n_cpus;
}

const struct desched_cpu *desched_cpu(const struct desched_snapshot *s, size_t i)
{
	return i < s->n_cpus ? &s->cpus[i] : NULL;
}

size_t desched_processes(const struct desched_snapshot *s)
{
	return s->n_processes;
}

const struct desched_process *desched_process(const struct desched_snapshot *s, size_t i)
{
	return i < s->n_processes ? &s->processes[i].public : NULL;
}

const struct desched_process *desched_process_find(const struct desched_snapshot *s, int pid)
{
	for (size_t i = 0; pid > 0 && i < s->n_processes; i++)
		if (s->processes[i].public.pid == pid)
			return &s->processes[i].public;
	return NULL;
}

const struct desched_thread *desched_thread(const struct desched_snapshot *s,
					    const struct desched_process *process, size_t i)
{
	const struct answer_process *p = (const struct answer_process *)process;

	return i < process->n_threads ? &s->threads[p->first_thread + i] : NULL;
}

const struct page_host *desched_page(const struct desched_snapshot *s)
{
	return s->has_page ? &s->page : NULL;
}

size_t desched_page_vcpus(const struct desched_snapshot *s)
{
	return s->n_ledgers;
}

int desched_page_ledger(const struct desched_snapshot *s, size_t vcpu, struct ledger *ret)
{
	if (!s->has_page)
		return -ENODATA;
	if (vcpu >= s->n_ledgers)
		return -EINVAL;
	if (!s->ledgers[vcpu].at)
		return -ENODATA;
	*ret = s->ledgers[vcpu];
	return 0;
}

/* ---- figures of the whole machine ---- */

static uint64_t elapsed(const struct desched_snapshot *s)
{
	return s->summary.elapsed;
}

static uint64_t cpus(const struct desched_snapshot *s)
{
	return s->n_cpus;
}

static uint64_t used(const struct desched_snapshot *s)
{
	return s->summary.busy.true_time;
}

static uint64_t stolen(const struct desched_snapshot *s)
{
	return s->summary.busy.descheduled + s->summary.idle_descheduled;
}

static uint64_t waited(const struct desched_snapshot *s)
{
	return s->summary.busy.wait + s->summary.idle_wait;
}

static uint64_t idle(const struct desched_snapshot *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n_cpus; i++)
		sum += u64_sub_floor(s->cpus[i].idle, s->cpus[i].idle_descheduled +
							      s->cpus[i].idle_wait +
							      s->cpus[i].idle_unaccounted);
	return sum;
}

static uint64_t unaccounted(const struct desched_snapshot *s)
{
	return s->summary.busy.unaccounted + s->summary.idle_unaccounted;
}

static uint64_t session(const struct desched_snapshot *s)
{
	return s->summary.session;
}

static uint64_t speed(const struct desched_snapshot *s)
{
	return s->page.clock.ticks_hz ? s->page.clock.ticks_hz : s->speed_hz;
}

/* How a figure comes about: what the guest knows, or what the host's page tells under a valid
 * bit. */
static const struct {
	uint64_t (*guest)(const struct desched_snapshot *s);
	uint64_t valid;	  /* of page_fields[] */
	bool times_speed; /* ppm to Hz */
} rows[] = {
	[DESCHED_ELAPSED_NS] = {.guest = elapsed},
	[DESCHED_CPUS] = {.guest = cpus},
	[DESCHED_CPU_USED_NS] = {.guest = used},
	[DESCHED_CPU_STOLEN_NS] = {.guest = stolen},
	[DESCHED_CPU_WAIT_NS] = {.guest = waited},
	[DESCHED_CPU_IDLE_NS] = {.guest = idle},
	[DESCHED_CPU_SPEED_HZ] = {.guest = speed},
	[DESCHED_CPU_SHARES] = {.valid = PAGE_VALID_SHARES},
	[DESCHED_CPU_RESERVATION_PPM] = {.valid = PAGE_VALID_RESERVATION},
	[DESCHED_CPU_LIMIT_PPM] = {.valid = PAGE_VALID_LIMIT},
	[DESCHED_CPU_RESERVATION_HZ] = {.valid = PAGE_VALID_RESERVATION, .times_speed = true},
	[DESCHED_CPU_LIMIT_HZ] = {.valid = PAGE_VALID_LIMIT, .times_speed = true},
	[DESCHED_CPU_OVERHEAD_NS] = {.valid = PAGE_VALID_OVERHEAD},
	[DESCHED_MEM_SIZE] = {.valid = PAGE_VALID_MEMORY},
	[DESCHED_MEM_BALLOONED] = {.valid = PAGE_VALID_BALLOONED},
	[DESCHED_MEM_SHARED] = {.valid = PAGE_VALID_SHARED},
	[DESCHED_MEM_SWAPPED] = {.valid = PAGE_VALID_SWAPPED},
	[DESCHED_MEM_RESERVATION] = {.valid = PAGE_VALID_MEM_RESERVATION},
	[DESCHED_MEM_USED] = {.valid = PAGE_VALID_MEM_USED},
	[DESCHED_SESSION] = {.guest = session},
	[DESCHED_CPU_UNACCOUNTED_NS] = {.guest = unaccounted},
};

static uint64_t page_figure(const struct page_host *page, uint64_t valid)
{
	for (int i = 0; i < PAGE_FIELDS; i++) {
		const void *at = (const char *)page + page_fields[i].offset;

		if (page_fields[i].valid == valid)
			return *(const uint64_t *)at;
	}
	return 0;
}

static int host_figure(const struct desched_snapshot *s, uint64_t valid, bool times_speed,
		       uint64_t *ret)
{
	uint64_t figure = page_figure(&s->page, valid);

	if (!(s->page.valid & valid) || (times_speed && !speed(s)))
		return -ENODATA;
	*ret = times_speed ? clock_muldiv(figure, speed(s), PPM) : figure;
	return 0;
}

int desched_figure(const struct desched_snapshot *s, enum desched_figure which, uint64_t *ret)
{
	uint64_t figure;

	if ((unsigned)which >= ARRAY_SIZE(rows))
		return -EINVAL;
	if (rows[which].valid)
		return host_figure(s, rows[which].valid, rows[which].times_speed, ret);
	figure = rows[which].guest(s);
	if (!figure && (which == DESCHED_CPU_SPEED_HZ || which == DESCHED_SESSION))
		return -ENODATA;
	*ret = figure;
	return 0;
}

const char *desched_version(void)
{
	return DESCHED_VERSION;
}
