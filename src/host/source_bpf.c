/* SPDX-License-Identifier: MIT */
/*
 * Ledgers from src/bpf/vcpu.bpf.c. User space enters threads into the hashes and reads the mapped
 * arrays; the kernel writes them. A reading takes the time first and the slot afterwards: as long
 * as the slot's `seq` is even and stays the same, its state held at least up to that time (vcpu.h).
 *
 * What a VM leaves behind is used again only after a grace period (membarrier), when no program
 * that looked it up before is still running. That may take a while: it is waited for when nothing
 * else is free, for all that was left by then.
 */
#include "host/source_bpf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "host/source.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* The BPF programs' clock and that of clock_gettime() may differ for an instant while the kernel
 * adjusts them. A reading stays that much behind, so that no transition can fall before it. */
#define CLOCK_SKEW_NS NS_PER_US

#define SLEEPS	 1000 /* naps between tries, after that many without */
#define SLEEP_NS NS_PER_MS

void source_bpf_nap(void)
{
	const struct timespec ts = {.tv_nsec = SLEEP_NS};

	nanosleep(&ts, NULL);
}

/* Waits until no BPF program is running that was running at the call. */
static void grace_period(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		source_bpf_nap(); /* refused with nohz_full; a program runs for microseconds */
}

/* ---- opening ---- */

static void source_close(void *state)
{
	struct bpf_source *s = state;

	run_log_close(&s->log);
	exits_close(s->counting);
	interrupts_close(s->recording);
	ring_buffer__free(s->ring);
	vcpu_programs_close(&s->p);
	free(s->taken);
	free(s);
}

static int source_start(struct bpf_source *s, struct failure *f)
{
	int err = vcpu_programs_open(&s->p, f);

	if (err)
		return err;
	s->ring = ring_buffer__new(s->p.gaps, source_bpf_ring_gap, s, NULL);
	return s->ring ? 0 : failure_errno(f, -errno, "BPF program vcpu: its ring buffer");
}

static int source_open(struct failure *f, void **ret_state)
{
	struct bpf_source *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "BPF program vcpu");
	err = source_start(s, f);
	if (err) {
		source_close(s);
		return err;
	}
	*ret_state = s;
	return 0;
}

/* ---- adding and removing ---- */

/* Into a hash, and behind the id's low bits: there, several are where the hash has them from then on. */
static int enter(int map, uint32_t *number, uint32_t key, uint32_t index)
{
	if (bpf_map_update_elem(map, &key, &index, BPF_NOEXIST))
		return -errno;
	__atomic_store_n(number, *number ? VCPU_SHARED : index + 1, __ATOMIC_RELEASE);
	return 0;
}

static void leave(int map, uint32_t *number, uint32_t key, uint32_t index)
{
	if (*number == index + 1)
		__atomic_store_n(number, 0, __ATOMIC_RELEASE);
	bpf_map_delete_elem(map, &key);
}

static struct vcpu_number *number_of(const struct bpf_source *s, uint32_t id)
{
	return &s->p.numbers[id & (VCPU_NUMBERS - 1)];
}

/* The slot whose thread this is; VCPU_SLOTS for none. */
static uint32_t slot_of(const struct bpf_source *s, uint32_t tid)
{
	uint32_t index;

	return bpf_map_lookup_elem(s->p.slots_of, &tid, &index) ? VCPU_SLOTS : index;
}

/* The id of a vCPU thread that has ended may be another one's before its VM is removed. */
static int enter_tid(const struct bpf_source *s, uint32_t tid, uint32_t index)
{
	uint32_t *number = &number_of(s, tid)->slot;
	int err = enter(s->p.slots_of, number, tid, index);
	uint32_t last = err == -EEXIST ? slot_of(s, tid) : VCPU_SLOTS;

	if (last == VCPU_SLOTS || !s->p.slots[last].ended)
		return err;
	if (bpf_map_update_elem(s->p.slots_of, &tid, &index, BPF_ANY))
		return -errno;
	if (*number == last + 1)
		__atomic_store_n(number, index + 1, __ATOMIC_RELEASE);
	return 0;
}

static void leave_tid(const struct bpf_source *s, uint32_t index)
{
	uint32_t tid = s->p.slots[index].tid;

	if (slot_of(s, tid) == index)
		leave(s->p.slots_of, &number_of(s, tid)->slot, tid, index);
}

/* As blame_unwait() in the programs: a wait that none of them will end. */
static void unwait(const struct bpf_source *s, uint32_t slot)
{
	uint32_t cpu = __atomic_exchange_n(&s->p.slots[slot].wait_cpu, 0, __ATOMIC_SEQ_CST);

	if (cpu)
		__atomic_sub_fetch(&s->p.blame_cpus[cpu - 1].waiters, 1, __ATOMIC_SEQ_CST);
}

/* All that was left is free. */
static void reclaim(struct bpf_source *s)
{
	grace_period();
	memset(s->process_left, 0, sizeof(s->process_left));
	for (uint32_t i = 0; i < s->n_owners; i++) {
		if (s->owners[i].left)
			unwait(s, i); /* a program may have been about to enter one */
		s->owners[i].left = false;
	}
}

static uint32_t free_process(const struct bpf_source *s)
{
	uint32_t i = 0;

	while (i < VCPU_PROCESSES && (s->p.processes[i].tgid || s->process_left[i]))
		i++;
	return i;
}

static uint32_t free_slot(const struct bpf_source *s)
{
	uint32_t i = 0;

	while (i < s->n_owners && (s->owners[i].vm || s->owners[i].left))
		i++;
	return i;
}

static int choose_process(struct bpf_source *s, struct bpf_vm *v)
{
	uint32_t i = free_process(s);

	if (i == VCPU_PROCESSES) {
		reclaim(s);
		i = free_process(s);
	}
	if (i == VCPU_PROCESSES)
		return -ENOSPC;
	s->vms[v->process = i] = v;
	return 0;
}

static int enter_process(const struct bpf_source *s, const struct bpf_vm *v)
{
	struct vcpu_process *p = &s->p.processes[v->process];
	int err;

	*p = (struct vcpu_process){.tgid = v->tgid, .added = clock_mono()};
	err = enter(s->p.processes_of, &number_of(s, v->tgid)->process, v->tgid, v->process);
	if (err)
		p->tgid = 0;
	return err;
}

static int enter_thread(struct bpf_source *s, struct bpf_vm *v, uint32_t tid, uint32_t index,
			uint64_t now)
{
	uint32_t i = free_slot(s);
	int err;

	if (i == VCPU_SLOTS) {
		reclaim(s);
		i = free_slot(s);
	}
	if (i == VCPU_SLOTS)
		return -ENOSPC;
	s->p.slots[i] = (struct vcpu_slot){.tid = tid,
					   .start = now,
					   .at = now,
					   .state = VCPU_UNKNOWN,
					   .process = v->process + 1};
	if (s->counting)
		exits_clear(s->counting, i);
	err = enter_tid(s, tid, i);
	if (err) {
		s->p.slots[i].tid = 0;
		return err;
	}
	s->owners[i] = (struct owner){.vm = v, .vcpu = v->n_slots, .index = index};
	s->n_owners = i == s->n_owners ? i + 1 : s->n_owners;
	v->slots[v->n_slots++] = i;
	return 0;
}

static int check_known(const struct bpf_source *s, const struct bpf_vm *v)
{
	for (uint32_t i = 0; i < v->n_slots; i++) {
		if (__atomic_load_n(&s->p.slots[v->slots[i]].state, __ATOMIC_ACQUIRE) ==
		    VCPU_UNKNOWN)
			return -ESRCH;
	}
	return 0;
}

/* What the kernel calls a thread that /proc calls `here`, and its process. */
static int translate(const struct vcpu_thread *threads, size_t n, pid_t here,
		     struct vcpu_thread *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (threads[i].here != (uint32_t)here)
			continue;
		*ret = threads[i];
		return 0;
	}
	*ret = (struct vcpu_thread){.tid = (uint32_t)here};
	return threads ? -ESRCH : 0; /* without a list it is the same */
}

static int enter_threads(struct bpf_source *s, struct bpf_vm *v, const struct host_vm *vm)
{
	_cleanup_(free_ptr) struct vcpu_thread *threads = NULL;
	uint64_t now = clock_mono();
	struct vcpu_thread t = {0};
	size_t n = 0;
	int err = vcpu_programs_translate(&s->p, &threads, &n);

	for (uint32_t i = 0; i < vm->n_vcpus && !err; i++) {
		err = translate(threads, n, vm->vcpus[i].tid, &t);
		if (!err)
			err = enter_thread(s, v, t.tid, vm->vcpus[i].index, now);
	}
	if (!err)
		err = translate(threads, n, vm->pid, &t);
	v->tgid = t.tid;
	return err;
}

static void record_vm(struct bpf_source *s, const struct bpf_vm *v)
{
	for (uint32_t i = 0; s->recording && i < v->n_slots; i++)
		interrupts_enter(s->recording, v->process, s->owners[v->slots[i]].index, v->n_slots,
				 v->slots[i]);
}

/* What is known of those that are on a CPU already is what was known when they came. */
static void look_at_cpus(const struct bpf_source *s, const struct host_vm *vm)
{
	for (uint32_t i = 0; i < s->p.n_cpus && s->log.taken; i++) {
		const struct blame_cpu *c = &s->p.blame_cpus[i];

		if (!__atomic_load_n(&c->process, __ATOMIC_RELAXED) &&
		    __atomic_load_n(&c->tgid, __ATOMIC_RELAXED) == (uint32_t)vm->pid)
			vcpu_programs_look_at(&s->p, i);
	}
}

/* All its threads count from one instant, though the programs see one after the other: what it did
 * until they saw it, the first to see it says. */
static int enter_all(struct bpf_source *s, struct bpf_vm *v, const struct host_vm *vm)
{
	int err = choose_process(s, v);

	if (!err)
		err = enter_threads(s, v, vm);
	if (!err)
		err = enter_process(s, v);
	__atomic_add_fetch(&s->p.globals->epoch, 1, __ATOMIC_SEQ_CST);
	if (!err) {
		record_vm(s, v);
		look_at_cpus(s, vm);
	}
	if (!err)
		err = vcpu_programs_resolve(&s->p);
	return err ? err : check_known(s, v);
}

static void source_remove(void *state, void *vm)
{
	struct bpf_source *s = state;
	struct bpf_vm *v = vm;

	for (uint32_t i = 0; i < v->n_slots; i++)
		leave_tid(s, v->slots[i]);
	for (uint32_t i = 0; s->recording && v->process != NO_PROCESS && i < v->n_slots; i++)
		interrupts_leave(s->recording, v->process, s->owners[v->slots[i]].index);
	if (v->process != NO_PROCESS && s->p.processes[v->process].tgid)
		leave(s->p.processes_of, &number_of(s, v->tgid)->process, v->tgid, v->process);
	for (uint32_t i = 0; i < v->n_slots; i++)
		s->p.slots[v->slots[i]].tid = 0;
	for (uint32_t i = 0; i < v->n_slots; i++) {
		s->lost += s->p.slots[v->slots[i]].gaps_lost + s->owners[v->slots[i]].lost_here;
		s->exits += s->p.slots[v->slots[i]].exits;
		s->missed += s->p.slots[v->slots[i]].missed;
		unwait(s, v->slots[i]);
		s->owners[v->slots[i]] = (struct owner){.left = true};
	}
	if (v->process != NO_PROCESS) {
		s->vms[v->process] = NULL;
		s->p.processes[v->process].tgid = 0;
		s->process_left[v->process] = true;
	}
	free(v);
}

static int add_failure(const struct host_vm *vm, int err, struct failure *f)
{
	if (err == -EEXIST)
		return failure_set(f, err, "VM %s: its threads are in the ledger already",
				   vm->name);
	if (err == -ESRCH)
		return failure_set(f, err, "VM %s: a vCPU thread is gone", vm->name);
	return failure_errno(f, err, "VM %s: entering its threads", vm->name);
}

static int source_add(void *state, int id, const struct host_vm *vm, struct failure *f,
		      void **ret_vm)
{
	struct bpf_source *s = state;
	struct bpf_vm *v = calloc(1, sizeof(*v) + vm->n_vcpus * sizeof(v->slots[0]));
	int err;

	if (!v)
		return failure_errno(f, -ENOMEM, "VM %s", vm->name);
	v->id = id;
	v->process = NO_PROCESS;
	err = enter_all(s, v, vm);
	if (err) {
		source_remove(s, v);
		return add_failure(vm, err, f);
	}
	*ret_vm = v;
	return 0;
}

/* ---- reading ---- */

/* A copy of a slot between two transitions. */
static int read_slot(const struct vcpu_programs *p, uint32_t index, struct vcpu_slot *ret)
{
	const struct vcpu_slot *slot = &p->slots[index];

	for (int i = 0; i < SOURCE_BPF_SPINS + SLEEPS; i++) {
		uint32_t seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);

		*ret = *(const volatile struct vcpu_slot *)slot;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(seq & 1) && __atomic_load_n(&slot->seq, __ATOMIC_RELAXED) == seq)
			return 0;
		if (i >= SOURCE_BPF_SPINS)
			source_bpf_nap();
	}
	return -EAGAIN;
}

static int source_read(void *state, void *vm, uint32_t vcpu, struct ledger *ret)
{
	struct bpf_source *s = state;
	uint32_t index = ((struct bpf_vm *)vm)->slots[vcpu];
	uint64_t now = clock_mono() - CLOCK_SKEW_NS;
	struct owner *o = &s->owners[index];
	struct vcpu_slot slot;
	int err = read_slot(&s->p, index, &slot);

	if (err)
		return err;
	*ret = (struct ledger){.start = slot.start, .at = slot.at, .state = slot.state};
	memcpy(ret->ns, slot.ns, sizeof(slot.ns));
	s->read = true;
	s->latest = u64_max(s->latest, slot.at);
	o->wanted = slot.gaps;
	o->lost = slot.gaps_lost + o->lost_here;
	o->since = slot.at;
	o->wait_cpu = slot.ended || slot.state != LEDGER_READY ? 0 : slot.wait_cpu;
	o->wait_since = slot.wait_since;
	if (now > ret->at && !slot.ended)
		ledger_advance(ret, now);
	o->at = ret->at;
	return slot.ended ? -ESRCH : 0;
}

/* No program writes the slot any more, since there is no thread that could be switched. */
static void source_end(void *state, const void *vm, uint32_t vcpu)
{
	struct bpf_source *s = state;
	uint32_t index = ((const struct bpf_vm *)vm)->slots[vcpu];
	struct vcpu_slot *slot = &s->p.slots[index];

	if (slot->ended)
		return;
	__atomic_add_fetch(&slot->seq, 1, __ATOMIC_SEQ_CST);
	if (slot->state < LEDGER_STATES)
		slot->ns[slot->state] += u64_sub_floor(s->owners[index].at, slot->at);
	slot->at = u64_max(slot->at, s->owners[index].at);
	slot->ended = 1;
	__atomic_add_fetch(&slot->seq, 1, __ATOMIC_SEQ_CST);
	unwait(s, index);
}

static uint64_t source_since(void *state, const void *vm, uint32_t vcpu)
{
	const struct bpf_source *s = state;

	return s->owners[((const struct bpf_vm *)vm)->slots[vcpu]].since;
}

static uint64_t source_gaps_lost(void *state, const void *vm, uint32_t vcpu)
{
	const struct bpf_source *s = state;

	return s->owners[((const struct bpf_vm *)vm)->slots[vcpu]].lost;
}

/* CPU time of threads that are on a CPU now, which no switch has charged yet. */
static uint64_t running_overhead(const struct bpf_source *s, uint32_t process)
{
	uint64_t now = clock_mono(), sum = 0;

	for (uint32_t i = 0; i < s->p.n_cpus; i++) {
		const struct vcpu_cpu *c = &s->p.cpus[i];
		uint64_t since = __atomic_load_n(&c->since, __ATOMIC_ACQUIRE);
		uint32_t p = __atomic_load_n(&c->process, __ATOMIC_RELAXED);
		uint32_t slot = __atomic_load_n(&c->slot, __ATOMIC_ACQUIRE);

		if (p == process + 1 && !slot && since &&
		    __atomic_load_n(&c->since, __ATOMIC_ACQUIRE) == since)
			sum += u64_sub_floor(now, since);
	}
	return sum;
}

static int source_overhead(void *state, void *vm, uint64_t *ret_ns)
{
	const struct bpf_source *s = state;
	uint32_t index = ((struct bpf_vm *)vm)->process;
	const __u64 *charged = &s->p.processes[index].overhead_ns;

	for (int i = 0; i < SOURCE_BPF_SPINS; i++) {
		uint64_t before = __atomic_load_n(charged, __ATOMIC_ACQUIRE);
		uint64_t running = running_overhead(s, index);

		if (__atomic_load_n(charged, __ATOMIC_ACQUIRE) == before) {
			*ret_ns = before + running;
			return 0;
		}
	}
	return -EAGAIN;
}

static void source_counters(void *state, struct host_ledger_counters *ret)
{
	const struct bpf_source *s = state;

	*ret = (struct host_ledger_counters){.gaps = s->gaps,
					     .gaps_lost = s->lost,
					     .runs_lost = run_log_lost(&s->log),
					     .kvm_exits = s->exits};
	bpf_object_cost(s->p.object, &ret->bpf_runs, &ret->bpf_ns);
	bpf_object_missed(s->p.object, &ret->bpf_missed);
	ret->interrupts_lost = s->recording ? interrupts_lost(s->recording) : 0;
	ret->bpf_missed += s->missed;
	for (uint32_t i = 0; i < s->n_owners; i++) {
		const struct vcpu_slot *slot = &s->p.slots[i];

		if (!s->owners[i].vm)
			continue;
		ret->gaps_lost += s->owners[i].lost_here;
		ret->gaps_lost += __atomic_load_n(&slot->gaps_lost, __ATOMIC_RELAXED);
		ret->kvm_exits += __atomic_load_n(&slot->exits, __ATOMIC_RELAXED);
		ret->bpf_missed += __atomic_load_n(&slot->missed, __ATOMIC_RELAXED);
	}
}

static int source_record_interrupts(void *state, enum interrupts_of whose, struct failure *f)
{
	struct bpf_source *s = state;
	int err = interrupts_open(&s->p, whose, f, &s->recording);

	for (uint32_t i = 0; i < s->n_owners && !err; i++) {
		if (s->owners[i].vm && !s->owners[i].vcpu)
			record_vm(s, s->owners[i].vm);
	}
	return err;
}

static void source_interrupts(const void *state, const void *vm, uint32_t vcpu,
			      struct interrupt_delays *ret)
{
	const struct bpf_source *s = state;

	interrupts_read(s->recording, ((const struct bpf_vm *)vm)->slots[vcpu], ret);
}

static int source_count_exits(void *state, struct failure *f)
{
	struct bpf_source *s = state;

	return exits_open(&s->p, f, &s->counting);
}

static void source_exits(const void *state, const void *vm, uint32_t vcpu, struct vcpu_exits *ret)
{
	const struct bpf_source *s = state;

	exits_read(s->counting, ((const struct bpf_vm *)vm)->slots[vcpu], ret);
}

const struct host_source source_bpf = {
	.name = "bpf",
	.has_gaps = true,
	.open = source_open,
	.close = source_close,
	.add = source_add,
	.remove = source_remove,
	.poll = source_bpf_poll,
	.read = source_read,
	.end = source_end,
	.since = source_since,
	.gaps_lost = source_gaps_lost,
	.overhead = source_overhead,
	.cpus = source_bpf_cpus,
	.record = source_bpf_record,
	.runs = source_bpf_runs,
	.waiting = source_bpf_waiting,
	.counters = source_counters,
	.count_exits = source_count_exits,
	.exits = source_exits,
	.record_interrupts = source_record_interrupts,
	.interrupts = source_interrupts,
};
