/* SPDX-License-Identifier: MIT */
/*
 * How long interrupts of devices wait for their vCPU, against who knows it: the test's monitor notes
 * when it raises one, and its guest's handler reports back by a port. The vCPU shares its CPU with
 * hogs. And a process like TCG's, whose vCPU notes when it comes back. Needs root and BPF, and
 * /dev/kvm for the first part, else exits with 77.
 */
#include "base/clock.h"
#include "base/units.h"
#include "before_others.h"
#include "host/host_ledger.h"
#include "kvm_guest.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ATTEMPTS   5
#define ROUNDS	   150
#define VECTOR	   0x20
#define HANDLER_AT 0x1100
#define PERIOD_US  9000

/* Sets the 8259 up for its line 0 alone, and halts for ever; the handler ends the interrupt and writes
 * to port 0x10. */
static const uint8_t guest_code[] = {
	0xfa,			  /* cli */
	0xb0, 0x11,   0xe6, 0x20, /* ICW1 */
	0xb0, VECTOR, 0xe6, 0x21, /* ICW2: vectors from there on */
	0xb0, 0x04,   0xe6, 0x21, /* ICW3 */
	0xb0, 0x01,   0xe6, 0x21, /* ICW4 */
	0xb0, 0xfe,   0xe6, 0x21, /* mask */
	0xe6, 0x11,		  /* out %al, $0x11: it is ready */
	0xfb,			  /* sti */
	0xf4, 0xeb,   0xfd,	  /* hlt; jmp back */
};
static const uint8_t handler_code[] = {0xb0, 0x20, 0xe6, 0x20, 0xe6, 0x10, 0xcf};

struct shared {
	_Atomic pid_t tid;
	_Atomic int ready, failed, go;
	_Atomic uint64_t raised; /* so many; each when: */
	_Atomic uint64_t taken;
	uint64_t raised_at[ROUNDS], taken_at[ROUNDS]; /* ns */
};

struct machine {
	pid_t pid;
	struct shared *shared;
};

static pid_t hogs[2];
static int cpu;

static void pin_to(int where)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(where, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void pin(void)
{
	pin_to(cpu);
}

/* ---- a machine of KVM's ---- */

static struct kvm_guest guest;

static void *run_vcpu(void *data)
{
	struct shared *s = data;
	const struct kvm_run *run = mmap(NULL, 0x1000, PROT_READ, MAP_SHARED, guest.vcpus[0], 0);

	pin();
	atomic_store(&s->tid, gettid());
	while (!ioctl(guest.vcpus[0], KVM_RUN, 0)) {
		uint64_t n = s->taken;

		if (run->exit_reason != KVM_EXIT_IO)
			continue;
		if (run->io.port == 0x11)
			s->ready = 1;
		if (run->io.port != 0x10 || n == ROUNDS)
			continue;
		s->taken_at[n] = clock_mono();
		s->taken = n + 1;
	}
	s->failed = errno;
	return NULL;
}

static void raise_line(int level)
{
	struct kvm_irq_level line = {.irq = 0, .level = (uint32_t)level};

	ioctl(guest.vm, KVM_IRQ_LINE, &line);
}

static void raise_kvm(struct shared *s)
{
	s->raised_at[s->raised] = clock_mono();
	raise_line(1);
	raise_line(0);
}

static int start_kvm(struct shared *s)
{
	uint16_t *vector;
	pthread_t t;
	int err = kvm_guest_open(&guest, guest_code, sizeof(guest_code), 1);

	if (err)
		return -err;
	memcpy(guest.memory + HANDLER_AT, handler_code, sizeof(handler_code));
	vector = (uint16_t *)(guest.memory + 4 * VECTOR);
	vector[0] = HANDLER_AT;
	return pthread_create(&t, NULL, run_vcpu, s);
}

/* ---- one like TCG's ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t halted = PTHREAD_COND_INITIALIZER;
static uint64_t interrupts;
static int event;

static void *run_thread(void *data)
{
	struct shared *s = data;

	prctl(PR_SET_NAME, "CPU 0/TCG");
	pin();
	s->tid = gettid();
	s->ready = 1;
	for (uint64_t seen = 0;; seen++) {
		pthread_mutex_lock(&lock);
		while (interrupts == seen)
			pthread_cond_wait(&halted, &lock);
		pthread_mutex_unlock(&lock);
		s->taken_at[seen] = clock_mono();
		s->taken = seen + 1;
	}
	return NULL;
}

/* What an I/O thread does, and then the main loop. */
static void raise_thread(struct shared *s)
{
	uint64_t one = 1;

	s->raised_at[s->raised] = clock_mono();
	if (write(event, &one, sizeof(one)) != sizeof(one))
		s->failed = errno;
	pthread_mutex_lock(&lock);
	interrupts++;
	pthread_cond_signal(&halted);
	pthread_mutex_unlock(&lock);
}

static int start_thread(struct shared *s)
{
	pthread_t t;

	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return pthread_create(&t, NULL, run_thread, s);
}

/* ---- both ---- */

/* Each interrupt is raised once the one before was taken. */
static void be_monitor(struct shared *s, int (*start)(struct shared *s),
		       void (*raise)(struct shared *s))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	s->failed = start(s);
	pin_to((cpu + 1) % (int)sysconf(_SC_NPROCESSORS_ONLN)); /* or it preempts the handler */
	while (!s->go)
		usleep(1000);
	while (!s->failed && s->raised < ROUNDS) {
		usleep(PERIOD_US);
		raise(s);
		for (s->raised++; s->taken < s->raised;)
			usleep(200);
	}
	for (;;)
		pause();
}

static struct machine start_machine(int (*start)(struct shared *s), void (*raise)(struct shared *s))
{
	struct machine m = {.shared = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0)};

	m.pid = fork();
	if (!m.pid)
		be_monitor(m.shared, start, raise);
	for (int i = 0; i < 60000 && !m.shared->ready && !m.shared->failed; i++)
		usleep(1000);
	return m;
}

static void end_machine(struct machine *m)
{
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	munmap(m->shared, sizeof(*m->shared));
}

static void start_hogs(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(hogs); i++) {
		hogs[i] = fork();
		if (hogs[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin();
		for (;;)
			;
	}
}

static void end_hogs(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(hogs); i++) {
		kill(hogs[i], SIGKILL);
		waitpid(hogs[i], NULL, 0);
	}
}

static int add(struct host_ledger *h, const struct machine *m)
{
	struct host_vm vm = {.n_vcpus = 1, .name = "m", .vcpus = &(struct host_vcpu){0, 0}};
	struct failure f = {""};
	int id = -1;

	vm.pid = m->pid;
	vm.vcpus[0].tid = m->shared->tid;
	if (host_ledger_add(h, &vm, &f, &id))
		fail_msg("%s", f.text);
	return id;
}

static struct interrupt_delays delays_of(const struct host_ledger *h, int id)
{
	struct interrupt_delays d;

	assert_int_equal(host_ledger_interrupts(h, id, 0, &d), 0);
	return d;
}

/* By the monitor's clock: from raising to the guest's answer. */
static double truth_of(const struct shared *s, uint64_t *ret_longest)
{
	double sum = 0;

	*ret_longest = 0;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t delay = s->taken_at[i] - s->raised_at[i];

		*ret_longest = u64_max(*ret_longest, delay);
		sum += (double)delay;
	}
	return sum;
}

static void measure(struct machine *m, struct interrupt_delays *ret, uint64_t *ret_lost)
{
	struct host_ledger_counters c;
	struct host_ledger *h = NULL;
	struct failure f = {""};
	int id;

	if (host_ledger_open("bpf", &f, &h) ||
	    host_ledger_record_interrupts(h, INTERRUPTS_OF_ALL, &f))
		fail_msg("%s", f.text);
	id = add(h, m);
	/* So that it does not simply go before the hogs. */
	setpriority(PRIO_PROCESS, (id_t)m->shared->tid, 0);
	start_hogs();
	m->shared->go = 1;
	for (int i = 0; i < 60000 && m->shared->taken < ROUNDS && !m->shared->failed; i++)
		usleep(1000);
	end_hogs();
	assert_int_equal(m->shared->failed, 0);
	assert_int_equal(m->shared->taken, ROUNDS);
	*ret = delays_of(h, id);
	host_ledger_counters(h, &c);
	*ret_lost = c.interrupts_lost;
	host_ledger_close(h);
}

/* The way into the guest and out of it again is in the truth alone; so is the time in which a vCPU
 * thread that ran was preempted again before it entered its guest. Then it is false: what is always
 * told too short is so each time. */
static bool check(struct machine *m, uint64_t way_ns)
{
	struct interrupt_delays d;
	uint64_t longest, lost, sum = 0;
	double truth;

	measure(m, &d, &lost);
	truth = truth_of(m->shared, &longest);
	print_message(
		"%lu interrupts, %.3f ms each, BPF %.3f; longest %.3f, BPF %.3f; %lu at once, "
		"%lu merged; median %.3f\n",
		d.n, truth / 1e6 / ROUNDS, (double)d.ns / 1e6 / (double)d.n, (double)longest / 1e6,
		(double)d.longest / 1e6, d.at_once, d.merged, interrupt_quantile(&d, 0.5) / 1e6);
	for (int i = 0; i < INTERRUPT_BUCKETS; i++)
		sum += d.buckets[i];
	assert_int_equal(sum, d.n);
	assert_int_equal(d.n + d.merged, ROUNDS);
	assert_int_equal(lost, 0);
	assert_true((double)d.ns <= 1.05 * truth); /* where the kernel left a switch out: more */
	assert_true(d.longest <= longest + 2 * PERIOD_US * NS_PER_US);
	assert_true(truth > ROUNDS * (double)(100 * NS_PER_US)); /* they did wait */
	return (double)d.ns >= 0.9 * truth - ROUNDS * (double)way_ns;
}

static void kvm_delays(void **state)
{
	bool right = false;

	(void)state;
	for (int i = 0; i < ATTEMPTS && !right; i++) {
		struct machine m = start_machine(start_kvm, raise_kvm);

		if (m.shared->failed) {
			print_message("skipped: /dev/kvm: %s\n", strerror(m.shared->failed));
			end_machine(&m);
			skip();
		}
		right = check(&m, 150 * NS_PER_US);
		end_machine(&m);
	}
	assert_true(right);
}

static void tcg_delays(void **state)
{
	bool right = false;

	(void)state;
	for (int i = 0; i < ATTEMPTS && !right; i++) {
		struct machine m = start_machine(start_thread, raise_thread);

		right = check(&m, 50 * NS_PER_US);
		end_machine(&m);
	}
	assert_true(right);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(kvm_delays),
		cmocka_unit_test(tcg_delays),
	};
	struct host_ledger *h;
	struct failure f;

	before_others();
	cpu = sched_getcpu();
	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return 77;
	}
	host_ledger_close(h);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
