/* SPDX-License-Identifier: MIT */
/* What src/bpf/blame.bpf.h records, handed out with the VMs and vCPUs that its slots belong to. */
#include "host/source_bpf.h"

#include "base/units.h"

#include <stdio.h>
#include <string.h>

uint32_t source_bpf_cpus(const void *state)
{
	return ((const struct bpf_source *)state)->p.n_cpus;
}

int source_bpf_record(void *state, enum host_record what, struct failure *f)
{
	struct bpf_source *s = state;
	const enum blame_record_what whats[] = {BLAME_NOTHING, BLAME_WAITS, BLAME_ALL};
	int err = 0;

	s->log.cpus = s->p.blame_cpus;
	s->log.records = s->p.blame_log;
	s->log.n_cpus = s->p.n_cpus;
	s->log.size = s->p.log_size;
	if (!s->log.taken)
		err = run_log_open(&s->log);
	if (err)
		return failure_errno(f, err, "recording who runs");
	run_log_skip(&s->log);
	return vcpu_programs_record(&s->p, whats[what], f);
}

static const struct bpf_vm *vm_of(const struct bpf_source *s, uint32_t process1)
{
	return process1 && process1 <= VCPU_PROCESSES ? s->vms[process1 - 1] : NULL;
}

/* The vCPU that a slot is, of the VM. */
static int vcpu_of(const struct bpf_source *s, const struct bpf_vm *vm, uint32_t slot1)
{
	const struct owner *o = slot1 && slot1 <= VCPU_SLOTS ? &s->owners[slot1 - 1] : NULL;

	return vm && o && o->vm == vm ? (int)o->vcpu : -1;
}

/* A process in a PID namespace that isn't seen from here has no number. */
static pid_t pid_of(uint32_t tgid)
{
	return tgid == GAP_BY_HIDDEN ? 0 : (pid_t)tgid;
}

/* The idle task's run that a waiting vCPU ended. */
static void hand_idle(const struct bpf_source *s, const struct blame_record *r)
{
	s->fns->run(&(struct host_run){.start = r->wait.idle,
				       .end = r->end,
				       .irq = u64_min(r->irq_ns, r->end - r->wait.idle),
				       .cpu = s->cpu,
				       .vm = -1,
				       .vcpu = -1},
		    s->fns->data);
}

static void hand_run(const struct bpf_source *s, const struct blame_record *r)
{
	const struct bpf_vm *vm = vm_of(s, r->place);
	struct host_run run = {.start = r->start,
			       .end = r->end,
			       .irq = u64_min(r->irq_ns, r->end - r->start),
			       .cpu = s->cpu,
			       .vm = vm ? vm->id : -1,
			       .vcpu = vcpu_of(s, vm, r->slot),
			       .kernel = r->detail,
			       .tid = (pid_t)r->tid,
			       .pid = pid_of(r->tgid)};

	memcpy(run.name, r->comm, sizeof(run.name));
	run.name[sizeof(run.name) - 1] = '\0';
	s->fns->run(&run, s->fns->data);
}

/* The gap that a wait was. */
static void hand_gap(struct bpf_source *s, struct owner *o, const struct blame_record *r)
{
	if (!r->wait.gap || r->wait.gap < s->p.slots[r->slot - 1].start)
		return;
	o->lost_here += source_bpf_take_gap(s, r->slot - 1,
					    &(struct gap){.start = r->wait.gap,
							  .end = r->end,
							  .vcpu = o->vcpu,
							  .state = LEDGER_READY,
							  .by = r->tgid}) != 0;
}

static void hand_wait(struct bpf_source *s, struct owner *o, const struct blame_record *r)
{
	hand_gap(s, o, r);
	if (r->start < r->end)
		s->fns->wait(&(struct host_wait){.start = r->start,
						 .end = r->end,
						 .cpu = r->place,
						 .vm = o->vm->id,
						 .vcpu = o->vcpu,
						 .over = r->detail},
			     s->fns->data);
}

static void hand_stay(const struct bpf_source *s, const struct owner *o,
		      const struct blame_record *r)
{
	if (s->fns->stay)
		s->fns->stay(&(struct host_stay){.start = r->start,
						 .end = r->end,
						 .vm = o->vm->id,
						 .vcpu = o->vcpu,
						 .state = r->detail,
						 .cpu = r->place},
			     s->fns->data);
}

static void take_record(const struct blame_record *r, void *data)
{
	struct bpf_source *s = data;
	struct owner *o = r->slot && r->slot <= VCPU_SLOTS ? &s->owners[r->slot - 1] : NULL;

	if (r->kind == BLAME_RUN)
		hand_run(s, r);
	if (r->kind == BLAME_WAIT && r->wait.idle)
		hand_idle(s, r);
	if (r->kind == BLAME_RUN || !o || !o->vm || s->p.slots[r->slot - 1].tid != r->tid ||
	    r->end <= s->p.slots[r->slot - 1].start)
		return; /* the slot was another's when this was written */
	if (r->kind == BLAME_WAIT)
		hand_wait(s, o, r);
	else
		hand_stay(s, o, r);
}

static void hand_now(const struct bpf_source *s, const struct blame_cpu *c, uint64_t until)
{
	const struct bpf_vm *vm = vm_of(s, c->process);
	struct host_run run = {.start = c->since,
			       .end = until,
			       .irq = u64_min(c->irq_ns, u64_sub_floor(until, c->since)),
			       .cpu = s->cpu,
			       .vm = vm ? vm->id : -1,
			       .vcpu = vcpu_of(s, vm, c->slot),
			       .kernel = c->kthread,
			       .tid = (pid_t)c->tid,
			       .pid = pid_of(c->tgid)};

	if (!run.pid)
		snprintf(run.name, sizeof(run.name), "%.15s", c->comm);
	s->fns->now(&run, s->fns->data);
}

static int take_all(struct bpf_source *s, bool now_too)
{
	int result = 0;

	for (s->cpu = 0; s->cpu < s->log.n_cpus; s->cpu++) {
		struct blame_cpu now;
		uint64_t until;
		int err = run_log_take(&s->log, s->cpu, take_record, s, &now, &until);

		if (!err && now_too)
			hand_now(s, &now, until);
		result = err ? err : result;
	}
	return result;
}

int source_bpf_take(struct bpf_source *s)
{
	return take_all(s, false);
}

int source_bpf_runs(void *state, const struct host_runs_fns *fns)
{
	struct bpf_source *s = state;

	if (!s->log.taken)
		return 0;
	s->fns = fns;
	return take_all(s, true);
}

bool source_bpf_waiting(void *state, const void *vm, uint32_t vcpu, struct host_wait *ret)
{
	const struct bpf_source *s = state;
	const struct bpf_vm *v = vm;
	const struct owner *o = &s->owners[v->slots[vcpu]];

	if (!o->wait_cpu)
		return false;
	*ret = (struct host_wait){.start = o->wait_since,
				  .end = o->at,
				  .cpu = o->wait_cpu - 1,
				  .vm = v->id,
				  .vcpu = vcpu};
	return true;
}
