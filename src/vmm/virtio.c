/* SPDX-License-Identifier: MIT */
#include "vmm/virtio.h"

#include "base/units.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#define MAGIC	    0x74726976u /* "virt" */
#define VERSION	    2
#define VENDOR	    0x44534544u /* "DESD" */
#define NEEDS_RESET 0x40u

void virtio_init(struct virtio *v, const struct virtio_ops *ops, const struct memory *m,
		 unsigned line)
{
	*v = (struct virtio){.ops = ops, .memory = m, .line = line};
}

static void reset(struct virtio *v)
{
	struct virtio fresh = {.ops = v->ops,
			       .memory = v->memory,
			       .line = v->line,
			       .generation = v->generation,
			       .served = v->served,
			       .refused = v->refused,
			       .tally = v->tally};

	*v = fresh;
}

void virtio_power_up(struct virtio *v)
{
	reset(v);
	if (v->ops->power_up)
		v->ops->power_up(v);
}

static void interrupt(struct virtio *v, uint32_t why)
{
	v->interrupt |= why;
	v->edge = true;
}

void virtio_changed(struct virtio *v)
{
	v->generation++;
	if (v->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(v, VIRTIO_INT_CONFIG);
}

static void give_up(struct virtio *v)
{
	v->refused++;
	v->status |= NEEDS_RESET;
	interrupt(v, VIRTIO_INT_CONFIG);
}

/* The parts of a queue, NULL where they are not in the guest's memory. */
static struct vring_desc *descriptors(const struct virtio *v, const struct virtio_queue *q)
{
	return q->descriptors % 16 ? NULL : memory_at(v->memory, q->descriptors, 16ull * q->size);
}

static struct vring_avail *available(const struct virtio *v, const struct virtio_queue *q)
{
	return q->available % 2 ? NULL : memory_at(v->memory, q->available, 6 + 2ull * q->size);
}

static struct vring_used *used(const struct virtio *v, const struct virtio_queue *q)
{
	return q->used % 4 ? NULL : memory_at(v->memory, q->used, 6 + 8ull * q->size);
}

/* The chain that begins with descriptor `head`. Each descriptor is copied, then looked at. */
static int walk(const struct virtio *v, const struct virtio_queue *q, uint16_t head,
		struct virtio_chain *c)
{
	const struct vring_desc *table = descriptors(v, q);
	uint16_t index = head;

	c->n = 0;
	c->head = head;
	for (;;) {
		struct vring_desc d;
		uint8_t *at;

		if (index >= q->size || c->n == q->size)
			return -EBADMSG;
		memcpy(&d, &table[index], sizeof(d));
		at = memory_at(v->memory, d.addr, d.len);
		if (!at || d.flags & VRING_DESC_F_INDIRECT)
			return -EBADMSG;
		c->buffers[c->n++] = (struct virtio_buffer){at, d.len,
							    d.flags & VRING_DESC_F_WRITE};
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		index = d.next;
	}
}

static void give_back(struct virtio *v, struct virtio_queue *q, uint16_t head, uint32_t written)
{
	struct vring_used *u = used(v, q);
	struct vring_used_elem e = {head, written};

	memcpy(&u->ring[u->idx % q->size], &e, sizeof(e));
	u->idx++;
	v->served++;
	if (!(available(v, q)->flags & VRING_AVAIL_F_NO_INTERRUPT))
		interrupt(v, VIRTIO_INT_QUEUE);
}

static bool works(const struct virtio *v)
{
	return v->status & VIRTIO_CONFIG_S_DRIVER_OK && !(v->status & NEEDS_RESET);
}

/* No more than the queue holds: the driver notifies again for what it adds. */
static void notify(struct virtio *v, uint32_t number)
{
	if (number < v->ops->queues && works(v) && v->queues[number].ready)
		v->queues[number].owed = v->queues[number].size;
}

/* ---- jobs ---- */

static bool take_from(struct virtio *v, uint32_t number, struct virtio_job *ret)
{
	struct virtio_queue *q = &v->queues[number];
	const struct vring_avail *a;

	if (!q->ready || !q->owed)
		return false;
	a = available(v, q);
	if (q->next == a->idx) {
		q->owed = 0;
		return false;
	}
	*ret = (struct virtio_job){.queue = number};
	if (walk(v, q, a->ring[q->next % q->size], &ret->chain)) {
		give_up(v);
		return false;
	}
	return true;
}

bool virtio_take(struct virtio *v, struct virtio_job *ret)
{
	if (v->busy || v->hurry)
		return false;
	for (uint32_t i = 0; i < v->ops->queues && works(v) && !v->busy; i++)
		v->busy = take_from(v, i, ret);
	return v->busy;
}

int virtio_step(struct virtio *v, struct virtio_job *j)
{
	return v->ops->serve(v, j);
}

void virtio_put(struct virtio *v, const struct virtio_job *j, int outcome)
{
	struct virtio_queue *q = &v->queues[j->queue];

	v->busy = false;
	v->tally += j->tally;
	if (outcome < 0)
		give_up(v);
	if (outcome)
		return;
	q->next++;
	q->owed--;
	give_back(v, q, j->chain.head, (uint32_t)u64_min(j->written, UINT32_MAX));
}

uint8_t *virtio_next(const struct virtio_job *j, uint32_t *ret_left)
{
	const struct virtio_buffer *b = &j->chain.buffers[j->buffer];

	*ret_left = b->size - j->offset;
	return b->at + j->offset;
}

void virtio_advance(struct virtio_job *j, uint32_t size)
{
	j->offset += size;
	if (j->offset < j->chain.buffers[j->buffer].size)
		return;
	j->buffer++;
	j->offset = 0;
}

/* ---- registers ---- */

static void set_ready(struct virtio *v, struct virtio_queue *q, bool ready)
{
	q->ready = ready && q->size && descriptors(v, q) && available(v, q) && used(v, q);
	q->owed = 0;
	if (q->ready)
		q->next = 0;
	else if (ready)
		give_up(v);
}

static void set_low(uint64_t *to, uint32_t value)
{
	*to = (*to & ~UINT64_C(0xffffffff)) | value;
}

static void set_high(uint64_t *to, uint32_t value)
{
	*to = (*to & 0xffffffff) | (uint64_t)value << 32;
}

/* What the driver says of the selected queue, while that is not ready. */
static void write_queue(struct virtio *v, uint32_t offset, uint32_t value)
{
	struct virtio_queue *q = &v->queues[v->queue];
	bool power = value && !(value & (value - 1));

	if (offset == VIRTIO_MMIO_QUEUE_READY)
		set_ready(v, q, value & 1);
	else if (q->ready)
		return;
	else if (offset == VIRTIO_MMIO_QUEUE_NUM)
		q->size = power && value <= VIRTIO_QUEUE_MAX ? value : 0;
	else if (offset == VIRTIO_MMIO_QUEUE_DESC_LOW)
		set_low(&q->descriptors, value);
	else if (offset == VIRTIO_MMIO_QUEUE_DESC_HIGH)
		set_high(&q->descriptors, value);
	else if (offset == VIRTIO_MMIO_QUEUE_AVAIL_LOW)
		set_low(&q->available, value);
	else if (offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH)
		set_high(&q->available, value);
	else if (offset == VIRTIO_MMIO_QUEUE_USED_LOW)
		set_low(&q->used, value);
	else if (offset == VIRTIO_MMIO_QUEUE_USED_HIGH)
		set_high(&q->used, value);
}

static void write_status(struct virtio *v, uint32_t value)
{
	if (!value) {
		reset(v);
		return;
	}
	if (value & VIRTIO_CONFIG_S_FEATURES_OK && v->accepted & ~v->ops->features)
		value &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	v->status = (value & 0xff) | (v->status & NEEDS_RESET);
}

/* Once a device or queue has stopped, its driver uses the memory for other things. */
static bool stops(const struct virtio *v, uint32_t offset, uint32_t value)
{
	return (offset == VIRTIO_MMIO_STATUS && !value) ||
	       (offset == VIRTIO_MMIO_QUEUE_READY && v->queue < v->ops->queues &&
		v->queues[v->queue].ready);
}

static void write_register(struct virtio *v, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		v->feature_page = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		v->driver_page = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (v->driver_page == 0)
			set_low(&v->accepted, value);
		else if (v->driver_page == 1)
			set_high(&v->accepted, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		v->queue = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		notify(v, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		v->interrupt &= ~value;
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(v, value);
		break;
	default:
		if (v->queue < v->ops->queues)
			write_queue(v, offset, value);
	}
}

bool virtio_write(struct virtio *v, uint32_t offset, unsigned size, uint32_t value)
{
	if (offset >= VIRTIO_MMIO_CONFIG) {
		if (v->ops->set_config && size == 4)
			v->ops->set_config(v, offset - VIRTIO_MMIO_CONFIG, value);
		return true;
	}
	if (size != 4)
		return true;
	if (v->busy && stops(v, offset, value)) {
		__atomic_store_n(&v->hurry, true, __ATOMIC_RELAXED);
		return false;
	}
	v->hurry &= v->busy; /* nothing is at work any more: the write that waited can be done */
	write_register(v, offset, value);
	return true;
}

static uint32_t read_config(struct virtio *v, uint32_t offset, unsigned size)
{
	uint32_t all, value = 0;
	const uint8_t *config = v->ops->config(v, &all);

	if (offset > all || size > all - offset || size > sizeof(value))
		return 0;
	memcpy(&value, config + offset, size);
	return value;
}

uint32_t virtio_read(struct virtio *v, uint32_t offset, unsigned size)
{
	bool queue = v->queue < v->ops->queues;

	if (offset >= VIRTIO_MMIO_CONFIG)
		return read_config(v, offset - VIRTIO_MMIO_CONFIG, size);
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return v->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return v->feature_page > 1 ? 0
					   : (uint32_t)(v->ops->features >> 32 * v->feature_page);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? VIRTIO_QUEUE_MAX : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && v->queues[v->queue].ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return v->interrupt;
	case VIRTIO_MMIO_STATUS:
		return v->status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return v->generation;
	default:
		return 0;
	}
}
