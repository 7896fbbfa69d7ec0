/* SPDX-License-Identifier: MIT */
/*
 * The clock, the charge and round robin. With VMDesched's port there, one more process runs as soon
 * as the page says that there is a backlog, and until it says that there is none: the ticks of the
 * backlog find it running, and it is charged.
 */
#include "tickos.h"

#define KERNEL_STACK	 4096
#define FLAGS_INTERRUPTS 0x202
#define SERIAL_VECTOR	 (TIMER_VECTOR + SERIAL_IRQ)
#define SPURIOUS_VECTOR	 (TIMER_VECTOR + 7)

static uint8_t stacks[PROCESSES][KERNEL_STACK] __attribute__((aligned(16)));

struct process processes[PROCESSES] = {
	[PROCESS_A] = {"A", 3, 0, &user_units[PROCESS_A], stacks[PROCESS_A] + KERNEL_STACK},
	[PROCESS_B] = {"B", 2, 0, &user_units[PROCESS_B], stacks[PROCESS_B] + KERNEL_STACK},
	[PROCESS_IDLE] = {"idle", 0, 0, &user_units[PROCESS_IDLE],
			  stacks[PROCESS_IDLE] + KERNEL_STACK},
	[PROCESS_VMDESCHED] = {"vmdesched", 0, 0, &user_units[PROCESS_VMDESCHED],
			       stacks[PROCESS_VMDESCHED] + KERNEL_STACK},
};

uint64_t clock_ticks;
struct vmdesched_page page __attribute__((aligned(4096)));

static uint64_t clock_set; /* how much of page.set is in the clock */
static uint32_t current, left, preempted;
static int report_wanted, mute, use_port;

static struct frame *frame_of(uint32_t process)
{
	return (struct frame *)(void *)processes[process].stack - 1;
}

static struct frame *switch_to(uint32_t process)
{
	current = process;
	cpu_set_stack(processes[process].stack);
	return frame_of(process);
}

/* A report is whole where a round begins: what has run has been charged. */
static void next_process(void)
{
	do {
		current = current >= PROCESS_IDLE ? PROCESS_A : current + 1;
	} while (!processes[current].quantum && current != PROCESS_IDLE);
	if (current == PROCESS_IDLE &&
	    (processes[PROCESS_A].quantum || processes[PROCESS_B].quantum))
		current = processes[PROCESS_A].quantum ? PROCESS_A : PROCESS_B;
	left = processes[current].quantum;
}

static int round_begins(void)
{
	return current == PROCESS_IDLE || (left == processes[current].quantum &&
					   (current == PROCESS_A || !processes[PROCESS_A].quantum));
}

/* VMDesched gets the CPU, or leaves it. The monitor reads the page when the interrupt is
 * acknowledged, so that it costs no exit to say so. */
static void say_running(int runs)
{
	if (use_port)
		out8(VMDESCHED_STATE, (uint8_t)runs);
	else
		*(volatile uint32_t *)&page.running = (uint32_t)runs;
}

/* The timer has found `current` running. */
static struct frame *tick(void)
{
	int wanted = page.bits & VMDESCHED_WANTED;

	clock_ticks += 1 + page.set - clock_set;
	clock_set = page.set;
	processes[current].charged++;
	if (current != PROCESS_VMDESCHED && (!left || !--left))
		next_process();
	if (wanted && current != PROCESS_VMDESCHED) {
		preempted = current;
		current = PROCESS_VMDESCHED;
		say_running(1);
	} else if (!wanted && current == PROCESS_VMDESCHED) {
		current = preempted;
		say_running(0);
	}
	if (report_wanted && round_begins()) {
		report_wanted = 0;
		report();
	}
	return switch_to(current);
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
		report_wanted = 1;
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
	if (f->vector == SPURIOUS_VECTOR)
		return f;
	if (f->vector == TIMER_VECTOR)
		next = tick();
	else if (f->vector == SERIAL_VECTOR)
		serial_input();
	if (!mute)
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

static void make_process(uint32_t i)
{
	*frame_of(i) = (struct frame){.rdi = (uint64_t)processes[i].units,
				      .rip = (uint64_t)user_work,
				      .cs = USER_CODE,
				      .rflags = FLAGS_INTERRUPTS,
				      .rsp = (uint64_t)user_stacks[i] + USER_STACK,
				      .ss = USER_DATA};
}

/* The idle loop halts, which is the kernel's to do; its interrupts come on the stack it runs on. */
static void make_idle(void (*loop)(void))
{
	*frame_of(PROCESS_IDLE) = (struct frame){.rip = (uint64_t)loop,
						 .cs = KERNEL_CODE,
						 .rflags = FLAGS_INTERRUPTS,
						 .rsp = (uint64_t)processes[PROCESS_IDLE].stack,
						 .ss = KERNEL_DATA};
}

struct frame *kernel_main(const char *line);
struct frame *kernel_main(const char *line)
{
	uint32_t hz = parameter(line, "hz", 100);

	processes[PROCESS_A].quantum = parameter(line, "a", 3);
	processes[PROCESS_B].quantum = parameter(line, "b", 2);
	mute = (int)parameter(line, "mute", 0);
	for (uint32_t i = 0; i < PROCESSES; i++)
		make_process(i);
	make_idle(parameter(line, "ports", 0) ? port_flood : idle_loop);
	use_port = (int)parameter(line, "port", 0);
	if (!parameter(line, "deaf", 0) && in32(VMDESCHED_PORT) == VMDESCHED_MAGIC) {
		out32(VMDESCHED_PORT, (uint32_t)(uint64_t)&page);
		ledger_find((int)parameter(line, "scribble", 0));
	}
	print("tickos: ");
	print_number(hz);
	print(" Hz\n");
	current = PROCESS_IDLE;
	next_process();
	cpu_start(hz);
	return switch_to(current);
}
