/* SPDX-License-Identifier: MIT */
#include "base/cleanup.h"
#include "base/units.h"
#include "vmm/virtio_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <sys/file.h>
#include <sys/stat.h>

#define VERSION_1 (1ull << VIRTIO_F_VERSION_1)
#define FLUSH	  (1ull << VIRTIO_BLK_F_FLUSH)
#define READ_ONLY (1ull << VIRTIO_BLK_F_RO)
#define ID	  "desched"

/* virtio_blk_outhdr: struct virtio_blk_outhdr of linux/virtio_blk.h. */
#define HEADER sizeof(struct virtio_blk_outhdr)

/* Moves a buffer's worth of the file. */
static int transfer(struct block *b, const struct virtio_buffer *buffer, uint64_t offset, bool in)
{
	uint32_t done = 0;

	while (done < buffer->size) {
		size_t left = buffer->size - done;
		off_t at = (off_t)(offset + done);
		ssize_t n = in ? pread(b->fd, buffer->at + done, left, at)
			       : pwrite(b->fd, buffer->at + done, left, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += (uint32_t)n;
	}
	return 0;
}

/* The data of a request: buffers 1 to n - 2, whole sectors that the disk has, in the right
 * direction. */
static int move(struct block *b, const struct virtio_chain *c, uint64_t sector, bool in,
		uint32_t *ret)
{
	uint64_t offset, size = b->sectors * BLOCK_SECTOR;
	uint32_t written = 0;

	if (sector > b->sectors || (!in && b->read_only))
		return -EIO;
	offset = sector * BLOCK_SECTOR;
	for (uint32_t i = 1; i + 1 < c->n; i++) {
		const struct virtio_buffer *d = &c->buffers[i];

		if (d->write != in || d->size % BLOCK_SECTOR || d->size > size - offset ||
		    transfer(b, d, offset, in))
			return -EIO;
		offset += d->size;
		written += in ? d->size : 0;
	}
	*ret = written;
	return 0;
}

static int name(const struct virtio_chain *c, uint32_t *ret)
{
	const struct virtio_buffer *d = &c->buffers[1];
	uint32_t size = (uint32_t)u64_min(d->size, VIRTIO_BLK_ID_BYTES);

	if (c->n != 3 || !d->write)
		return -EIO;
	memset(d->at, 0, size);
	memcpy(d->at, ID, u64_min(size, sizeof(ID)));
	*ret = size;
	return 0;
}

static uint8_t handle(struct block *b, const struct virtio_chain *c,
		      const struct virtio_blk_outhdr *h, uint32_t *ret)
{
	switch (h->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		return move(b, c, h->sector, h->type == VIRTIO_BLK_T_IN, ret) ? VIRTIO_BLK_S_IOERR
									      : VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_FLUSH:
		return fdatasync(b->fd) ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		return name(c, ret) ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* A header, data, a byte for the outcome. */
static int64_t serve(struct virtio *v, uint32_t queue, const struct virtio_chain *c)
{
	struct block *b = (struct block *)v;
	const struct virtio_buffer *last = &c->buffers[c->n - 1];
	struct virtio_blk_outhdr h;
	uint32_t written = 0;
	uint8_t outcome;

	(void)queue;
	if (c->n < 2 || c->buffers[0].write || c->buffers[0].size != HEADER || !last->write ||
	    last->size != 1)
		return -EBADMSG;
	memcpy(&h, c->buffers[0].at, HEADER);
	outcome = handle(b, c, &h, &written);
	last->at[0] = outcome;
	b->errors += outcome == VIRTIO_BLK_S_IOERR;
	return (int64_t)written + 1;
}

static const void *config(struct virtio *v, uint32_t *ret_size)
{
	*ret_size = sizeof(((struct block *)v)->sectors);
	return &((struct block *)v)->sectors;
}

static const struct virtio_ops ops = {
	.id = 2, .features = VERSION_1 | FLUSH, .queues = 1, .serve = serve, .config = config};
static const struct virtio_ops ops_read_only = {.id = 2,
						.features = VERSION_1 | FLUSH | READ_ONLY,
						.queues = 1,
						.serve = serve,
						.config = config};

void block_init(struct block *b, const struct memory *m, unsigned line)
{
	virtio_init(&b->virtio, b->read_only ? &ops_read_only : &ops, m, line);
}

int block_open(struct block *b, const char *path, bool read_only, struct failure *f)
{
	int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return failure_errno(f, -errno, "disk %s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < BLOCK_SECTOR)
		err = failure_set(f, -EINVAL,
				  "disk %s: a raw image of at least %u bytes was expected", path,
				  BLOCK_SECTOR);
	else if (flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		err = failure_set(
			f, -EBUSY,
			"disk %s is in use by another virtual machine; end that, or give both "
			"--read-only",
			path);
	if (err) {
		close(fd);
		return err;
	}
	*b = (struct block){
		.fd = fd, .read_only = read_only, .sectors = (uint64_t)st.st_size / BLOCK_SECTOR};
	return 0;
}
