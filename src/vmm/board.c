/* SPDX-License-Identifier: MIT */
/* The ports, and what is behind each. */
#include "vmm/board.h"

#include "base/clock.h"

#define KEYBOARD      0x64
#define RESET_LINE    0xfe
#define RESET_CONTROL 0xcf9
#define RESET_CPU     0x04

const char *const board_end_names[BOARD_ENDS] = {
	[BOARD_RUNS] = "runs",	      [BOARD_POWEROFF] = "power-off",
	[BOARD_RESET] = "reset",      [BOARD_STOPPED] = "stopped",
	[BOARD_HALTED] = "halted",    [BOARD_FAULT] = "triple fault",
	[BOARD_BROKEN] = "KVM error",
};

void board_reset(struct board *m)
{
	uint64_t dropped = m->serial.dropped;

	pic_reset(&m->pic);
	pit_reset(&m->pit);
	rtc_reset(&m->rtc);
	serial_reset(&m->serial);
	m->serial.dropped = dropped;
	m->acpi = (struct acpi){0};
	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		if (board_virtio(m, i))
			virtio_reset(board_virtio(m, i));
	}
	m->balloon.config.actual = 0;
	ticker_stop(&m->ticker);
	ticker_stop(&m->clock_ticker);
	m->second_at = 0;
	m->told = false;
	for (unsigned i = 0; i < m->cpus; i++)
		vcpu_reset(&m->cpu[i], m, (uint8_t)i);
}

static void byte_write(struct board *m, uint16_t port, uint8_t value)
{
	if (pic_write(&m->pic, port, value) || serial_write(&m->serial, port, value) ||
	    pit_write(&m->pit, port, value, m->now) || rtc_write(&m->rtc, port, value))
		return;
	if ((port == KEYBOARD && value == RESET_LINE) ||
	    (port == RESET_CONTROL && value & RESET_CPU))
		m->end = BOARD_RESET;
}

void board_port_write(struct board *m, uint16_t port, unsigned size, uint32_t value)
{
	bool off;

	if (size == 1)
		byte_write(m, port, (uint8_t)value);
	else if (size == 2 && acpi_write(&m->acpi, port, (uint16_t)value, &off) && off)
		m->end = BOARD_POWEROFF;
}

uint32_t board_port_read(struct board *m, uint16_t port, unsigned size)
{
	uint16_t word;
	uint8_t v;

	if (size == 2 && acpi_read(&m->acpi, port, &word))
		return word;
	if (size != 1)
		return UINT32_MAX;
	if (port == KEYBOARD)
		return 0;
	if (pic_read(&m->pic, port, &v) || serial_read(&m->serial, port, &v) ||
	    pit_read(&m->pit, port, m->now, &v) || rtc_read(&m->rtc, port, clock_real(), &v))
		return v;
	return UINT32_MAX;
}

struct virtio *board_virtio(struct board *m, unsigned place)
{
	struct virtio *places[BOARD_PLACES] = {m->block.fd < 0 ? NULL : &m->block.virtio,
					       &m->balloon.virtio, &m->entropy.virtio};

	return place < BOARD_PLACES ? places[place] : NULL;
}

/* The device whose registers an address is among, NULL if none's. */
static struct virtio *device_at(struct board *m, uint64_t at)
{
	uint64_t place = (at - VIRTIO_BASE) / VIRTIO_SIZE;

	return at < VIRTIO_BASE || place >= BOARD_PLACES ? NULL : board_virtio(m, (unsigned)place);
}

bool board_memory_write(struct board *m, uint64_t at, unsigned size, uint64_t value)
{
	struct virtio *v = device_at(m, at);

	return !v || virtio_write(v, at % VIRTIO_SIZE, size, (uint32_t)value);
}

uint64_t board_memory_read(struct board *m, uint64_t at, unsigned size)
{
	struct virtio *v = device_at(m, at);

	return v ? virtio_read(v, at % VIRTIO_SIZE, size) : UINT64_MAX;
}

void board_raise(struct board *m)
{
	if (serial_pending(&m->serial) && !pic_busy(&m->pic, SERIAL_LINE))
		pic_raise(&m->pic, SERIAL_LINE);
	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		struct virtio *v = board_virtio(m, i);

		if (!v || !v->edge)
			continue;
		v->edge = false;
		pic_raise(&m->pic, v->line);
	}
}
