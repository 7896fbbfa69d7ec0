/* SPDX-License-Identifier: MIT */
/*
 * A guest of `desched vm` that asks its devices for as much as it can: the first letter of its
 * command line says what. It begins at a 64-bit entry, with all memory mapped, says "at it" on the
 * serial line, and then
 *
 *  b  gives the balloon 128 chains of 127 lists of 15 million pages, with one notification
 *  d  has its disk read 128 times 126 times 47 MiB, with one
 *  f  has its disk flushed 128 times, again and again
 *  e  asks for 128 chains of 128 buffers of random numbers, again and again
 *  n  notifies all devices of nothing, and floods the serial line, again and again
 *  o  reads sector 2048 of its disk
 *  r  resets the machine
 *  q  says nothing, not even that
 */
#include <stdint.h>

#define BLOCK	0xd0000000u
#define BALLOON 0xd0001000u
#define ENTROPY 0xd0002000u
#define TABLE	0x200000u
#define AVAIL	0x210000u
#define USED	0x220000u
#define HEADER	0x300000u
#define OUTCOME 0x310000u
#define BUFFER	0x400000u
#define ENTRIES 128u
#define NEXT	1u
#define WRITE	2u

static void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static void put(uint64_t at, uint32_t v)
{
	*(volatile uint32_t *)at = v;
}

static void say(const char *text)
{
	while (*text)
		out8(0x3f8, (uint8_t)*text++);
}

static void describe(uint32_t i, uint32_t at, uint32_t size, uint32_t flags)
{
	put(TABLE + 16 * i, at);
	put(TABLE + 16 * i + 4, 0);
	put(TABLE + 16 * i + 8, size);
	put(TABLE + 16 * i + 12, flags | (i + 1) << 16);
}

/* A driver's first steps, with one queue. */
static void start(uint32_t device)
{
	static const uint32_t words[][2] = {
		{0x70, 0},    {0x70, 1},       {0x70, 3},     {0x24, 1},  {0x20, 1},	 {0x70, 11},
		{0x30, 0},    {0x38, ENTRIES}, {0x80, TABLE}, {0x84, 0},  {0x90, AVAIL}, {0x94, 0},
		{0xa0, USED}, {0xa4, 0},       {0x44, 1},     {0x70, 15},
	};

	for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		put(device + words[i][0], words[i][1]);
}

/* The chain that begins at descriptor 0, `n` times. */
static void offer(uint32_t device, uint16_t n)
{
	volatile uint16_t *index = (volatile uint16_t *)(uint64_t)(AVAIL + 2);

	for (uint32_t i = 0; i < ENTRIES; i++)
		((volatile uint16_t *)(uint64_t)(AVAIL + 4))[i] = 0;
	*index = (uint16_t)(*index + n);
	put(device + 0x50, 0);
}

static void ask_disk(uint32_t type, uint32_t sector)
{
	start(BLOCK);
	put(HEADER, type);
	put(HEADER + 4, 0);
	put(HEADER + 8, sector);
	put(HEADER + 12, 0);
	describe(0, HEADER, 16, NEXT);
}

static void inflate(void)
{
	start(BALLOON);
	for (uint32_t i = 0; i < ENTRIES; i++)
		describe(i, BUFFER, 60 << 20, i + 1 < ENTRIES ? NEXT : 0);
	offer(BALLOON, ENTRIES);
}

static void read_disk(uint32_t sector, uint32_t buffers, uint32_t size, uint16_t times)
{
	ask_disk(0, sector);
	for (uint32_t i = 1; i <= buffers; i++)
		describe(i, BUFFER, size, NEXT | WRITE);
	describe(buffers + 1, OUTCOME, 1, WRITE);
	offer(BLOCK, times);
}

static void flush_disk(void)
{
	ask_disk(4, 0);
	describe(1, OUTCOME, 1, WRITE);
	for (;;)
		offer(BLOCK, ENTRIES);
}

static void take_entropy(void)
{
	start(ENTROPY);
	for (uint32_t i = 0; i < ENTRIES; i++)
		describe(i, BUFFER, 256, WRITE | (i + 1 < ENTRIES ? NEXT : 0));
	for (;;)
		offer(ENTROPY, ENTRIES);
}

static void say_page(void)
{
	uint64_t from = BUFFER, size = 4096;

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(size) : "d"(0x3f8) : "memory");
}

static void notify_all(void)
{
	for (;;) {
		for (uint32_t d = BLOCK; d <= ENTROPY; d += 0x1000)
			put(d + 0x50, 0);
		say_page();
	}
}

__attribute__((used)) static void run(const uint8_t *parameters)
{
	uint32_t command = *(const uint32_t *)(const void *)(parameters + 0x228);
	char what = *(const char *)(uint64_t)command;

	if (what != 'q')
		say("at it\n");
	if (what == 'b')
		inflate();
	else if (what == 'd')
		read_disk(0, 126, 47 << 20, ENTRIES);
	else if (what == 'f')
		flush_disk();
	else if (what == 'e')
		take_entropy();
	else if (what == 'n')
		notify_all();
	else if (what == 'o')
		read_disk(2048, 1, 512, 1);
	else if (what == 'r')
		out8(0xcf9, 6);
	for (;;)
		__asm__ volatile("");
}

/* The boot parameters are at %rsi. */
__asm__(".globl _start\n_start:\n\tmovq $0x190000, %rsp\n\tmovq %rsi, %rdi\n\tcall run\n");
