/* SPDX-License-Identifier: MIT */
/* bzImages, by Linux' 64-bit boot protocol (Documentation/arch/x86/boot.rst). */
#include "vmm/image.h"

#include "base/units.h"

#include <asm/bootparam.h>
#include <errno.h>

#define HEADER	     0x1f1u
#define HEADER_JUMP  0x201u	 /* how far the header reaches behind 0x202 */
#define MAGIC	     0x53726448u /* "HdrS" */
#define MAGIC_AT     0x202u
#define VERSION_MIN  0x20c /* the first that tells whether there is a 64-bit entry */
#define SECTOR	     512u
#define ENTRY_64     0x200u
#define SECTS_UNSAID 4

static bool bzimage_is(const uint8_t head[64], const struct image_file *i)
{
	uint32_t magic;

	(void)head;
	return !image_read(i, MAGIC_AT, &magic, sizeof(magic)) && magic == MAGIC;
}

/* The header is as long as it says, and no longer than ours. */
static int read_header(const struct image_file *i, struct setup_header *ret)
{
	uint8_t jump;
	uint64_t size;
	int err = image_read(i, HEADER_JUMP, &jump, 1);

	if (err)
		return err;
	size = u64_min(MAGIC_AT + jump - HEADER, sizeof(*ret));
	memset(ret, 0, sizeof(*ret));
	return image_read(i, HEADER, ret, size);
}

static int bzimage_load(const struct image_file *i, const struct memory *m, struct failure *f,
			struct image_entry *ret)
{
	struct setup_header h;
	struct boot_params *b = memory_at(m, IMAGE_ZERO, sizeof(*b));
	uint64_t from, size, need;
	int err;

	if (read_header(i, &h))
		return failure_set(f, -ENODATA, "%s is cut short", i->name);
	if (h.version < VERSION_MIN || !(h.xloadflags & XLF_KERNEL_64) || !h.relocatable_kernel)
		return failure_set(f, -ENOEXEC,
				   "%s is a kernel without a 64-bit entry; give one for x86-64",
				   i->name);
	from = ((h.setup_sects ? h.setup_sects : SECTS_UNSAID) + UINT64_C(1)) * SECTOR;
	if (from >= i->size)
		return failure_set(f, -ENODATA, "%s is cut short", i->name);
	size = i->size - from;
	/* It unpacks itself where it prefers to be, and needs room from there. */
	need = u64_max(h.pref_address, IMAGE_KERNEL) + h.init_size;
	if (need < h.init_size || need > m->size || !b)
		return failure_set(f, -ENOSPC,
				   "%s wants %llu MiB to unpack itself; give more with --memory",
				   i->name, (unsigned long long)need / MIB + 1);
	err = image_place(i, from, size, 0, IMAGE_KERNEL, m, f);
	if (err)
		return err;
	memset(b, 0, sizeof(*b));
	b->hdr = h;
	*ret = (struct image_entry){.at = IMAGE_KERNEL + ENTRY_64,
				    .end = u64_max(need, IMAGE_KERNEL + size),
				    .initrd_last = h.initrd_addr_max,
				    .command_max = h.cmdline_size,
				    .long_mode = true};
	return 0;
}

const struct image_format image_bzimage = {
	.name = "bzImage", .is = bzimage_is, .load = bzimage_load};
