/* SPDX-License-Identifier: MIT */
/* The three virtio devices. Each begins with its struct virtio, which its functions get. X_init()
 * makes the device; board.c has the rows. */
#ifndef VMM_VIRTIO_DEVICES_H
#define VMM_VIRTIO_DEVICES_H

#include "base/failure.h"
#include "vmm/virtio.h"

#define BLOCK_SECTOR 512u

/* A disk: a raw file. There is none unless block_open() has opened one. */
struct block {
	struct virtio virtio;
	int fd;
	bool read_only;
	uint64_t sectors; /* also the configuration that the driver reads */
};

/* Opens the file and locks it, against other VMs too. */
int block_open(struct block *b, const char *path, bool read_only, struct failure *f);
void block_init(struct virtio *v, const struct memory *m, unsigned line);

/* The balloon: pages that the guest's driver gives back. */
struct balloon {
	struct virtio virtio;
	struct {
		uint32_t target, actual; /* pages of 4 KiB: what we ask for, what the driver says */
	} config;
};

void balloon_init(struct virtio *v, const struct memory *m, unsigned line);
void balloon_ask(struct balloon *b, uint64_t bytes);

/* Random numbers from the host's kernel. */
struct entropy {
	struct virtio virtio;
};

void entropy_init(struct virtio *v, const struct memory *m, unsigned line);

#endif
