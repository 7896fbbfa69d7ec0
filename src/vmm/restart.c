/* SPDX-License-Identifier: MIT */
/* A reset: the same machine and the same kernel, begun anew. */
#include "vmm/board.h"

#include <errno.h>
#include <sys/mman.h>

int board_load(struct board *m, struct failure *f)
{
	struct acpi_device devices[BOARD_PLACES];
	unsigned n = 0;

	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		const struct virtio *d = board_virtio(m, i);

		if (d)
			devices[n++] = (struct acpi_device){
				(uint32_t)(VIRTIO_BASE + i * VIRTIO_SIZE), VIRTIO_SIZE, d->line};
	}
	acpi_put(&m->memory, devices, n, m->cpus > 1 ? m->cpus : 0);
	return image_load(&m->kernel, m->initrd.name ? &m->initrd : NULL, m->command, &m->memory, f,
			  &m->entry);
}

static int begin_anew(struct board *m, struct failure *f)
{
	int err;

	/* The next kernel finds zeros, as the first one did. */
	if (madvise(m->memory.base, m->memory.size, MADV_DONTNEED))
		return failure_errno(f, -errno, "guest memory at a reset");
	err = board_load(m, f);
	return err ? err : kvm_enter(&m->cpu[0].kvm, &m->entry, f);
}

void board_restart(struct board *m)
{
	struct failure f = {""};
	int err;

	board_reset(m);
	board_unlock(m); /* the kernel and its initrd may be large, and on a slow disk */
	err = begin_anew(m, &f);
	board_lock(m);
	m->resets++;
	if (!board_restarts(m))
		return; /* it has been stopped meanwhile */
	m->end = err ? BOARD_BROKEN : BOARD_RUNS;
	if (err)
		m->broken = f;
}
