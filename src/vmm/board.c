/* SPDX-License-Identifier: MIT */
/* The devices, and what an access finds. */
#include "vmm/board.h"

#include "base/units.h"

#include <assert.h>
#include <stddef.h>

/* Behind ports. */
static const struct {
	const struct device_ops *ops;
	size_t state;
} devices[] = {
	{&pic_device, offsetof(struct board, pic)},
	{&serial_device, offsetof(struct board, serial)},
	{&pit_device, offsetof(struct board, pit)},
	{&rtc_device, offsetof(struct board, rtc)},
	{&power_device, offsetof(struct board, power)},
	{&reset_control_device, offsetof(struct board, power)},
};

/* In memory: virtio devices, in the order of their places. */
static const struct {
	void (*init)(struct virtio *v, const struct memory *m, unsigned line);
	size_t state;
	unsigned line;
} places[BOARD_PLACES] = {
	{block_init, offsetof(struct board, block), 5},
	{balloon_init, offsetof(struct board, balloon), 10},
	{entropy_init, offsetof(struct board, entropy), 11},
};

static void *state(struct board *b, size_t offset)
{
	return (uint8_t *)b + offset;
}

void board_add_devices(struct board *b)
{
	for (unsigned i = 0; i < BOARD_PLACES; i++)
		places[i].init(state(b, places[i].state), &b->memory, places[i].line);
}

struct virtio *board_virtio(struct board *b, unsigned place)
{
	struct virtio *v = state(b, places[place].state);

	return v->ops ? v : NULL;
}

uint64_t board_place(unsigned place)
{
	return VIRTIO_BASE + (uint64_t)place * VIRTIO_SIZE;
}

static void own(struct board *b, unsigned port, size_t row)
{
	assert(port < BOARD_PORTS);
	assert(!b->owners[port] || b->owners[port] == row + 1); /* one device at a port */
	b->owners[port] = (uint8_t)(row + 1);
}

/* Every access is an exit, so finding its device must not take longer the more devices there are. */
static void plug_in(struct board *b, size_t row)
{
	const struct device_ops *ops = devices[row].ops;

	for (unsigned i = 0; i < DEVICE_RANGES; i++)
		for (unsigned p = 0; p < ops->ports[i].n; p++)
			own(b, ops->ports[i].first + p, row);
}

void board_reset(struct board *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		plug_in(b, i);
		devices[i].ops->reset(state(b, devices[i].state));
	}
	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		if (board_virtio(b, i))
			virtio_power_up(board_virtio(b, i));
	}
	ticker_stop(&b->ticker);
	ticker_stop(&b->clock_ticker);
	b->second_at = 0;
	b->bus.off = b->bus.reset = false;
}

/* ---- ports ---- */

/* Whose the port is, NULL if none's. */
static const struct device_ops *device_at(struct board *b, uint16_t port, unsigned size,
					  void **ret_state)
{
	size_t row = port < BOARD_PORTS ? b->owners[port] : 0;

	if (!row || devices[row - 1].ops->size != size)
		return NULL;
	*ret_state = state(b, devices[row - 1].state);
	return devices[row - 1].ops;
}

void board_port_write(struct board *b, uint16_t port, unsigned size, uint32_t value)
{
	void *device;
	const struct device_ops *ops = device_at(b, port, size, &device);

	if (ops)
		ops->write(device, &b->bus, port, value & UINT32_MAX >> (32 - 8 * size));
}

uint32_t board_port_read(struct board *b, uint16_t port, unsigned size)
{
	void *device;
	const struct device_ops *ops = device_at(b, port, size, &device);

	return ops ? ops->read(device, &b->bus, port) : UINT32_MAX;
}

/* ---- memory ---- */

/* The device whose registers an address is among, NULL if none's. */
static struct virtio *virtio_at(struct board *b, uint64_t at)
{
	uint64_t place = (at - VIRTIO_BASE) / VIRTIO_SIZE;

	return at < VIRTIO_BASE || place >= BOARD_PLACES ? NULL : board_virtio(b, (unsigned)place);
}

bool board_memory_write(struct board *b, uint64_t at, unsigned size, uint64_t value)
{
	struct virtio *v = virtio_at(b, at);

	return !v || virtio_write(v, at % VIRTIO_SIZE, size, (uint32_t)value);
}

uint64_t board_memory_read(struct board *b, uint64_t at, unsigned size)
{
	struct virtio *v = virtio_at(b, at);

	return v ? virtio_read(v, at % VIRTIO_SIZE, size) : UINT64_MAX;
}

/* ---- interrupts ---- */

void board_raise(struct board *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		const struct device_ops *ops = devices[i].ops;

		if (ops->pending && ops->pending(state(b, devices[i].state)) &&
		    !pic_busy(&b->pic, ops->line))
			pic_raise(&b->pic, ops->line);
	}
	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		struct virtio *v = board_virtio(b, i);

		if (v && virtio_take_edge(v))
			pic_raise(&b->pic, v->line);
	}
}
