/* SPDX-License-Identifier: MIT */
/*
 * The clock, the charge and round robin. With VMDesched's port there, one more process runs as soon
 * as the page says that there is a backlog, and until it says that there is none: the ticks of the
 * backlog find it running, and it is charged.
 */
#include "tickos.h"

#define FLAGS_INTERRUPTS 0x202
#define SERIAL_VECTOR	 (TIMER_VECTOR + SERIAL_IRQ)
#define SPURIOUS_VECTOR	 (TIMER_VECTOR + 7)
#define NOBODY		 CPUS_MAX

struct cpu cpus[CPUS_MAX];
uint32_t cpus_found = 1;

/* The command line. */
static uint32_t hz, quantum_a, quantum_b, apic, deaf, mute, flood, ports, use_port, scribble;
static volatile uint32_t reporter = NOBODY; /* whose turn to report it is */

/* Processes are interrupted on stacks of their own: the stack tells the CPU. */
static struct cpu *cpu_of(const struct frame *f)
{
	return &cpus[((uint64_t)f - (uint64_t)cpus) / sizeof(struct cpu)];
}

static struct frame *frame_of(struct cpu *c, uint32_t process)
{
	return (struct frame *)(void *)(c->stacks[process] + KERNEL_STACK) - 1;
}

static struct frame *switch_to(struct cpu *c, uint32_t process)
{
	c->current = process;
	cpu_set_stack(c, c->stacks[process] + KERNEL_STACK);
	return frame_of(c, process);
}

/* A report is whole where a round begins: what has run has been charged. */
static void next_process(struct cpu *c)
{
	const struct process *p = c->processes;

	do {
		c->current = c->current >= PROCESS_IDLE ? PROCESS_A : c->current + 1;
	} while (!p[c->current].quantum && c->current != PROCESS_IDLE);
	if (c->current == PROCESS_IDLE && (p[PROCESS_A].quantum || p[PROCESS_B].quantum))
		c->current = p[PROCESS_A].quantum ? PROCESS_A : PROCESS_B;
	c->left = p[c->current].quantum;
}

static int round_begins(const struct cpu *c)
{
	const struct process *p = c->processes;

	return c->current == PROCESS_IDLE || (c->left == p[c->current].quantum &&
					      (c->current == PROCESS_A || !p[PROCESS_A].quantum));
}

/* VMDesched gets the CPU, or leaves it. The monitor reads the page when the interrupt is
 * acknowledged, so that it costs no exit to say so. */
static void say_running(struct cpu *c, int runs)
{
	if (use_port)
		out8(VMDESCHED_STATE, (uint8_t)runs);
	else
		*(volatile uint32_t *)&c->page.running = (uint32_t)runs;
}

/* The host's word that there is a backlog, or none, changes who runs. */
static void serve_vmdesched(struct cpu *c, int wanted)
{
	if (wanted && c->current != PROCESS_VMDESCHED) {
		c->preempted = c->current;
		c->current = PROCESS_VMDESCHED;
		say_running(c, 1);
	} else if (!wanted && c->current == PROCESS_VMDESCHED) {
		c->current = c->preempted;
		say_running(c, 0);
	}
}

/* The timer has found `current` running. */
static struct frame *tick(struct cpu *c)
{
	int wanted = c->page.bits & VMDESCHED_WANTED;

	c->clock += 1 + c->page.set - c->clock_set;
	c->clock_set = c->page.set;
	c->processes[c->current].charged++;
	if (c->current != PROCESS_VMDESCHED && (!c->left || !--c->left))
		next_process(c);
	serve_vmdesched(c, wanted);
	if (reporter == c->id && round_begins(c)) {
		report(c);
		reporter = c->id + 1 < cpus_found ? c->id + 1 : NOBODY;
	}
	return switch_to(c, c->current);
}

/* The keyboard controller pulls the reset line. */
static void reset(void)
{
	out8(0x64, 0xfe);
}

static void power_off(void)
{
	out16(0x604, 0x2000);
}

static void serial_input(void)
{
	switch (in8(SERIAL)) {
	case 'r':
		reporter = 0;
		break;
	case 'i':		   /* as for a CPU that was taken out and comes back */
		reporter = NOBODY; /* it may be one of them */
		apic_start_others();
		break;
	case 'q':
		power_off();
		break;
	case 'b':
		reset();
		break;
	case 'f':
		cpu_triple_fault();
		break;
	}
}

static void panic(const struct frame *f)
{
	print("tickos: exception ");
	print_number(f->vector);
	print(" at ");
	print_number(f->rip);
	print("\n");
	power_off();
	for (;;)
		__asm__ volatile("cli; hlt");
}

struct frame *interrupt(struct frame *f);
struct frame *interrupt(struct frame *f)
{
	struct frame *next = f;

	if (f->vector < TIMER_VECTOR)
		panic(f);
	if (f->vector == SPURIOUS_VECTOR || f->vector == APIC_SPURIOUS_VECTOR)
		return f;
	if (f->vector == TIMER_VECTOR || f->vector == APIC_TIMER_VECTOR)
		next = tick(cpu_of(f));
	else if (f->vector == SERIAL_VECTOR)
		serial_input();
	if (!mute && f->vector >= APIC_TIMER_VECTOR)
		apic_done();
	else if (!mute)
		irq_done((uint32_t)f->vector - TIMER_VECTOR);
	return next;
}

/* The number behind "NAME=" on the command line. */
static uint32_t parameter(const char *line, const char *name, uint32_t otherwise)
{
	for (; *line; line++) {
		const char *p = line, *n = name;
		uint32_t v = 0;

		while (*n && *p == *n)
			p++, n++;
		if (*n || *p++ != '=')
			continue;
		for (; *p >= '0' && *p <= '9'; p++)
			v = v * 10 + (uint32_t)(*p - '0');
		return v;
	}
	return otherwise;
}

static void make_process(struct cpu *c, uint32_t i)
{
	static const char *const names[] = {"A", "B", "idle", "vmdesched"};
	struct user *u = &users[c->id];

	c->processes[i].name = names[i];
	c->processes[i].units = &u->units[i];
	*frame_of(c, i) = (struct frame){.rdi = (uint64_t)&u->units[i],
					 .rip = (uint64_t)user_work,
					 .cs = USER_CODE,
					 .rflags = FLAGS_INTERRUPTS,
					 .rsp = (uint64_t)u->stacks[i] + USER_STACK,
					 .ss = USER_DATA};
}

/* The idle loop halts, which is the kernel's to do; its interrupts come on the stack it runs on. */
static void make_idle(struct cpu *c, void (*loop)(void))
{
	*frame_of(c, PROCESS_IDLE) = (struct frame){.rip = (uint64_t)loop,
						    .cs = KERNEL_CODE,
						    .rflags = FLAGS_INTERRUPTS,
						    .rsp = (uint64_t)c->stacks[PROCESS_IDLE] +
							   KERNEL_STACK,
						    .ss = KERNEL_DATA};
}

static void meet_host(struct cpu *c)
{
	if (deaf || in32(VMDESCHED_PORT) != VMDESCHED_MAGIC)
		return;
	c->page.running = 0;
	out32(VMDESCHED_PORT, (uint32_t)(uint64_t)&c->page);
	if (!c->id)
		ledger_find((int)scribble);
}

/* On each CPU, on the stack of its idle process: what it is to run first. */
struct frame *cpu_main(struct cpu *c);
struct frame *cpu_main(struct cpu *c)
{
	int floods = flood && c->id == flood;

	meet_host(c);
	cpu_start(c);
	for (uint32_t i = 0; i < PROCESSES; i++)
		make_process(c, i);
	make_idle(c, floods ? apic_flood : ports ? port_flood : idle_loop);
	c->processes[PROCESS_A].quantum = floods ? 0 : quantum_a;
	c->processes[PROCESS_B].quantum = floods ? 0 : quantum_b;
	c->clock_set = 0;
	c->current = PROCESS_IDLE;
	next_process(c);
	if (c->id || apic)
		apic_start_timer(hz);
	else
		pit_start(hz);
	starting = 0;
	return switch_to(c, c->current);
}

static void read_command(const char *line)
{
	hz = parameter(line, "hz", 100);
	quantum_a = parameter(line, "a", 3);
	quantum_b = parameter(line, "b", 2);
	apic = parameter(line, "apic", 0);
	deaf = parameter(line, "deaf", 0);
	mute = parameter(line, "mute", 0);
	flood = parameter(line, "flood", 0);
	ports = parameter(line, "ports", 0);
	use_port = parameter(line, "port", 0);
	scribble = parameter(line, "scribble", 0);
}

struct frame *kernel_main(const char *line);
struct frame *kernel_main(const char *line)
{
	read_command(line);
	print("tickos: ");
	print_number(hz);
	print(" Hz\n");
	for (uint32_t i = 0; i < CPUS_MAX; i++)
		cpus[i].id = i;
	cpu_make_tables();
	irq_start();
	cpu_start(&cpus[0]); /* with the pages in which the local APIC is */
	apic_start_others();
	if (cpus_found == 1)
		cpu_bypass_apic();
	return cpu_main(&cpus[0]);
}
