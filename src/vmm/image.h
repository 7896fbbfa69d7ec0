/* SPDX-License-Identifier: MIT */
/*
 * What a VM boots: an ELF kernel with a PVH entry or a 64-bit one, or a bzImage, with a command
 * line and perhaps an initrd. image_load() puts all that and the boot tables into guest memory; how
 * the vCPU is to begin is the result. Files are hostile: whatever they hold, memory outside the
 * guest's is not touched.
 *
 * Guest memory below 1 MiB, by IMAGE_*: tables that the kernel finds there and is free to overwrite
 * once it has its own.
 */
#ifndef VMM_IMAGE_H
#define VMM_IMAGE_H

#include "base/failure.h"
#include "vmm/memory.h"

#include <stdbool.h>

#define IMAGE_GDT     0x0500u
#define IMAGE_START   0x6000u /* PVH's start_info */
#define IMAGE_ZERO    0x7000u /* Linux' boot parameters */
#define IMAGE_PML4    0x9000u
#define IMAGE_PDPT    0xa000u
#define IMAGE_PD      0xb000u /* four of them: 4 GiB mapped onto themselves */
#define IMAGE_COMMAND 0x20000u
#define IMAGE_LOW_END 0x9fc00u
#define IMAGE_KERNEL  0x100000u /* nothing is loaded below */

#define IMAGE_COMMAND_MAX 2048
/* For a kernel that says none: what Linux says for x86-64. */
#define IMAGE_INITRD_LAST 0x7fffffffu

#define IMAGE_MEMORY_MIN (UINT64_C(4) << 20)
#define IMAGE_MEMORY_MAX (UINT64_C(3) << 30) /* what devices have begins behind it */

/* A file or bytes in memory. */
struct image_file {
	const char *name; /* for messages */
	int fd;		  /* -1: in memory */
	const uint8_t *bytes;
	uint64_t size;
	const bool *stop; /* when it becomes true, reading fails soon; NULL: it never does */
};

struct image_entry {
	uint64_t at;
	uint64_t end;	      /* of what the kernel needs from the start */
	uint64_t initrd_last; /* the highest address that the kernel takes for its initrd's */
	uint32_t command_max; /* bytes of its command line that it reads, without the NUL */
	bool long_mode;	      /* with %rsi at the boot parameters; otherwise PVH: 32 bit, %ebx at
				 start_info */
};

/* Opens a regular file; the descriptor is the caller's to close. */
int image_open(const char *path, struct failure *f, struct image_file *ret);

/* `initrd` may be NULL. */
int image_load(const struct image_file *kernel, const struct image_file *initrd,
	       const char *command, const struct memory *m, struct failure *f,
	       struct image_entry *ret);

/* For image.c and its siblings. Reads exactly `size` bytes, -ENODATA if they are not all there,
 * -ECANCELED. */
int image_read(const struct image_file *i, uint64_t offset, void *to, uint64_t size);

/* Copies a piece of the file to guest address `at`, with `zero` zeros behind it. */
int image_place(const struct image_file *i, uint64_t offset, uint64_t size, uint64_t zero,
		uint64_t at, const struct memory *m, struct failure *f);

struct image_format {
	const char *name;
	bool (*is)(const uint8_t head[64], const struct image_file *i);
	int (*load)(const struct image_file *i, const struct memory *m, struct failure *f,
		    struct image_entry *ret);
};
extern const struct image_format image_elf, image_bzimage;

#endif
