/* SPDX-License-Identifier: MIT */
#include "base/units.h"
#include "vmm/virtio_devices.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <unistd.h>

#define VERSION_1 (1ull << VIRTIO_F_VERSION_1)
#define FLUSH	  (1ull << VIRTIO_BLK_F_FLUSH)
#define READ_ONLY (1ull << VIRTIO_BLK_F_RO)
#define ID	  "desched"

/* virtio_blk_outhdr: struct virtio_blk_outhdr of linux/virtio_blk.h. */
#define HEADER sizeof(struct virtio_blk_outhdr)

/* Moves a piece of the file. */
static int transfer(const struct block *b, uint8_t *at, uint32_t size, uint64_t offset, bool in)
{
	uint32_t done = 0;

	while (done < size) {
		size_t left = size - done;
		off_t from = (off_t)(offset + done);
		ssize_t n = in ? pread(b->fd, at + done, left, from)
			       : pwrite(b->fd, at + done, left, from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += (uint32_t)n;
	}
	return 0;
}

/* A buffer is whole sectors that the disk has, in the right direction. */
static bool is_good(const struct block *b, const struct virtio_job *j, bool in)
{
	const struct virtio_buffer *d = &j->chain.buffers[j->buffer];

	return d->write == in && d->size % BLOCK_SECTOR == 0 &&
	       d->size - j->offset <= b->sectors * BLOCK_SECTOR - j->place;
}

static bool has_data(const struct virtio_job *j)
{
	return j->buffer + 1 < j->chain.n;
}

/* The data of a request, as much as a step may move: buffers 1 to n - 2. 1: there is more. */
static int move(const struct block *b, struct virtio_job *j, bool in)
{
	uint32_t left = VIRTIO_STEP;

	if (j->place > b->sectors * BLOCK_SECTOR || (!in && b->read_only))
		return -EIO;
	while (has_data(j) && left) {
		uint32_t size;
		uint8_t *at = virtio_next(j, &size);

		size = (uint32_t)u64_min(size, left);
		if (!is_good(b, j, in) || transfer(b, at, size, j->place, in))
			return -EIO;
		virtio_advance(j, size);
		j->place += size;
		j->written += in ? size : 0;
		left -= size;
	}
	return has_data(j);
}

static int name(struct virtio_job *j)
{
	const struct virtio_buffer *d = &j->chain.buffers[1];
	uint32_t size = (uint32_t)u64_min(d->size, VIRTIO_BLK_ID_BYTES);

	if (j->chain.n != 3 || !d->write)
		return -EIO;
	memset(d->at, 0, size);
	memcpy(d->at, ID, u64_min(size, sizeof(ID)));
	j->written = size;
	return 0;
}

/* A step of a request: 0 done, 1 not yet, -errno. */
static int handle(const struct block *b, struct virtio_job *j)
{
	switch (j->kind) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		return move(b, j, j->kind == VIRTIO_BLK_T_IN);
	case VIRTIO_BLK_T_FLUSH:
		return fdatasync(b->fd) ? -EIO : 0;
	case VIRTIO_BLK_T_GET_ID:
		return name(j);
	default:
		return -ENOTSUP;
	}
}

/* A header, data, a byte for the outcome. The header is copied: the guest may change it. */
static int begin(struct virtio_job *j)
{
	const struct virtio_chain *c = &j->chain;
	const struct virtio_buffer *last = &c->buffers[c->n - 1];
	struct virtio_blk_outhdr h;

	if (c->n < 2 || c->buffers[0].write || c->buffers[0].size != HEADER || !last->write ||
	    last->size != 1)
		return -EBADMSG;
	memcpy(&h, c->buffers[0].at, HEADER);
	j->kind = h.type;
	/* A sector that no disk has stays one. */
	j->place = h.sector > UINT64_MAX / BLOCK_SECTOR ? UINT64_MAX : h.sector * BLOCK_SECTOR;
	j->buffer = 1;
	return 0;
}

static int serve(struct virtio *v, struct virtio_job *j)
{
	int outcome = j->buffer ? 0 : begin(j);

	if (outcome)
		return outcome;
	outcome = handle((const struct block *)v, j);
	if (outcome > 0)
		return 1;
	j->chain.buffers[j->chain.n - 1].at[0] = outcome == -ENOTSUP ? VIRTIO_BLK_S_UNSUPP
						 : outcome	     ? VIRTIO_BLK_S_IOERR
								     : VIRTIO_BLK_S_OK;
	j->written = outcome ? 1 : j->written + 1;
	j->tally = outcome == -EIO;
	return 0;
}

static const void *config(struct virtio *v, uint32_t *ret_size)
{
	*ret_size = sizeof(((struct block *)v)->sectors);
	return &((struct block *)v)->sectors;
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_BLOCK,
	.features = VERSION_1 | FLUSH,
	.queues = 1,
	.serve = serve,
	.config = config,
};
static const struct virtio_ops ops_read_only = {
	.id = VIRTIO_ID_BLOCK,
	.features = VERSION_1 | FLUSH | READ_ONLY,
	.queues = 1,
	.serve = serve,
	.config = config,
};

void block_init(struct virtio *v, const struct memory *m, unsigned line)
{
	const struct block *b = (const struct block *)v;

	if (b->fd >= 0)
		virtio_init(v, b->read_only ? &ops_read_only : &ops, m, line);
}
