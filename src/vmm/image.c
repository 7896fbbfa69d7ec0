/* SPDX-License-Identifier: MIT */
#include "vmm/image.h"

#include "base/units.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRESENT	      3ull    /* and writable */
#define LARGE	      0x83ull /* a page of 2 MiB */
#define E820_RAM      1
#define E820_RESERVED 2
#define LOADER	      0xff /* one without a number of its own */
#define START_MAGIC   0x336ec578u
#define INITRD_ALIGN  4096u
#define AT_ONCE	      (UINT64_C(16) << 20) /* bytes read between two looks at `stop` */

/* PVH's start_info and its parts: xen/include/public/arch-x86/hvm/start_info.h. */
struct start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, command, rsdp, memory_map;
	uint32_t n_memory_map, reserved;
};

struct start_module {
	uint64_t at, size, command, reserved;
};

struct start_memory {
	uint64_t at, size;
	uint32_t type, reserved;
};

/* All that PVH's entry finds at IMAGE_START. */
struct start {
	struct start_info info;
	struct start_module module;
	struct start_memory map[3];
};

int image_open(const char *path, struct failure *f, struct image_file *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;
	struct stat st;

	if (fd < 0)
		return failure_errno(f, -errno, "%s", path);
	err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (err) {
		close(fd);
		return failure_set(f, err, "%s is no regular file", path);
	}
	*ret = (struct image_file){.name = path, .fd = fd, .size = (uint64_t)st.st_size};
	return 0;
}

int image_read(const struct image_file *i, uint64_t offset, void *to, uint64_t size)
{
	if (offset > i->size || size > i->size - offset)
		return -ENODATA;
	if (i->fd < 0) {
		memcpy(to, i->bytes + offset, size);
		return 0;
	}
	for (uint64_t done = 0; done < size;) {
		ssize_t n = pread(i->fd, (uint8_t *)to + done, u64_min(size - done, AT_ONCE),
				  (off_t)(offset + done));

		if (i->stop && __atomic_load_n(i->stop, __ATOMIC_RELAXED))
			return -ECANCELED;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		done += (uint64_t)n;
	}
	return 0;
}

int image_place(const struct image_file *i, uint64_t offset, uint64_t size, uint64_t zero,
		uint64_t at, const struct memory *m, struct failure *f)
{
	uint8_t *to = NULL;

	if (at >= IMAGE_KERNEL && zero <= UINT64_MAX - size)
		to = memory_at(m, at, size + zero);
	if (!to)
		return failure_set(
			f, -ENOSPC,
			"%s does not fit between 1 and %llu MiB of guest memory; give more with "
			"--memory",
			i->name, (unsigned long long)(m->size / MIB));
	if (image_read(i, offset, to, size))
		return failure_set(f, -ENODATA, "%s is cut short, or cannot be read", i->name);
	memset(to + size, 0, zero);
	return 0;
}

static const struct image_format *const formats[] = {&image_elf, &image_bzimage};

static int load_kernel(const struct image_file *i, const struct memory *m, struct failure *f,
		       struct image_entry *ret)
{
	uint8_t head[64];

	if (image_read(i, 0, head, sizeof(head)))
		return failure_set(f, -ENOEXEC, "%s is too short for a kernel", i->name);
	for (size_t k = 0; k < ARRAY_SIZE(formats); k++) {
		if (formats[k]->is(head, i))
			return formats[k]->load(i, m, f, ret);
	}
	return failure_set(f, -ENOEXEC, "%s is no kernel; give an ELF file for x86-64 or a bzImage",
			   i->name);
}

/* As high as the kernel may find it. */
static int load_initrd(const struct image_file *i, const struct memory *m,
		       const struct image_entry *kernel, struct failure *f, uint64_t *ret_at)
{
	uint64_t end = u64_min(m->size, kernel->initrd_last + 1), at = 0;

	if (i->size <= end)
		at = (end - i->size) / INITRD_ALIGN * INITRD_ALIGN;
	if (at < kernel->end && end < m->size)
		return failure_set(f, -ENOSPC,
				   "%s does not fit between the kernel and %llu MiB, where this "
				   "kernel wants its initrd to end; give a smaller one",
				   i->name, (unsigned long long)(end / MIB));
	if (at < kernel->end)
		return failure_set(
			f, -ENOSPC,
			"%s does not fit behind the kernel into %llu MiB of guest memory; "
			"give more with --memory",
			i->name, (unsigned long long)(m->size / MIB));
	*ret_at = at;
	return image_place(i, 0, i->size, 0, at, m, f);
}

static void put(const struct memory *m, uint32_t at, const void *from, size_t size)
{
	memcpy(m->base + at, from, size);
}

static void put_tables(const struct memory *m)
{
	static const uint64_t gdt[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff};
	uint64_t *pml4 = (uint64_t *)(void *)(m->base + IMAGE_PML4);
	uint64_t *pdpt = (uint64_t *)(void *)(m->base + IMAGE_PDPT);
	uint64_t *pd = (uint64_t *)(void *)(m->base + IMAGE_PD);

	put(m, IMAGE_GDT, gdt, sizeof(gdt));
	pml4[0] = IMAGE_PDPT | PRESENT;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (IMAGE_PD + i * 4096) | PRESENT;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = i * 2 * MIB | LARGE;
}

/* Linux' boot parameters: the kernel's own header, if it had one, is there already. */
static void put_zero_page(const struct memory *m, uint64_t initrd, uint64_t initrd_size)
{
	struct boot_params *b = (struct boot_params *)(void *)(m->base + IMAGE_ZERO);

	b->hdr.boot_flag = 0xaa55;
	b->hdr.header = 0x53726448;
	b->hdr.type_of_loader = LOADER;
	b->hdr.cmd_line_ptr = IMAGE_COMMAND;
	b->hdr.ramdisk_image = (uint32_t)initrd;
	b->hdr.ramdisk_size = (uint32_t)initrd_size;
	b->e820_table[0] = (struct boot_e820_entry){0, IMAGE_LOW_END, E820_RAM};
	b->e820_table[1] = (struct boot_e820_entry){IMAGE_KERNEL, m->size - IMAGE_KERNEL, E820_RAM};
	b->e820_table[2] = (struct boot_e820_entry){MEMORY_PAGE, m->page_size, E820_RESERVED};
	b->e820_entries = m->page ? 3 : 2;
}

static void put_start_info(const struct memory *m, uint64_t initrd, uint64_t initrd_size)
{
	struct start s = {
		.info = {.magic = START_MAGIC,
			 .version = 1,
			 .n_modules = initrd_size > 0,
			 .modules = IMAGE_START + offsetof(struct start, module),
			 .command = IMAGE_COMMAND,
			 .memory_map = IMAGE_START + offsetof(struct start, map),
			 .n_memory_map = m->page ? 3 : 2},
		.module = {.at = initrd, .size = initrd_size},
		.map = {{0, IMAGE_LOW_END, E820_RAM, 0},
			{IMAGE_KERNEL, m->size - IMAGE_KERNEL, E820_RAM, 0},
			{MEMORY_PAGE, m->page_size, E820_RESERVED, 0}},
	};

	put(m, IMAGE_START, &s, sizeof(s));
}

int image_load(const struct image_file *kernel, const struct image_file *initrd,
	       const char *command, const struct memory *m, struct failure *f,
	       struct image_entry *ret)
{
	size_t length = strlen(command) + 1;
	struct image_entry entry = {0};
	uint64_t at = 0;
	int err;

	if (m->size < IMAGE_MEMORY_MIN || m->size > IMAGE_MEMORY_MAX)
		return failure_set(f, -EINVAL, "%llu MiB of guest memory; from 4 to 3072 will do",
				   (unsigned long long)(m->size / MIB));
	if (length > IMAGE_COMMAND_MAX)
		return failure_set(f, -E2BIG, "the kernel's command line is longer than %d bytes",
				   IMAGE_COMMAND_MAX - 1);
	err = load_kernel(kernel, m, f, &entry);
	if (!err && length - 1 > entry.command_max)
		err = failure_set(f, -E2BIG,
				  "%s reads %u bytes of its command line, which has %zu; shorten "
				  "--append",
				  kernel->name, entry.command_max, length - 1);
	if (!err && initrd)
		err = load_initrd(initrd, m, &entry, f, &at);
	if (err)
		return err;
	put(m, IMAGE_COMMAND, command, length);
	put_tables(m);
	put_zero_page(m, at, initrd ? initrd->size : 0);
	if (!entry.long_mode)
		put_start_info(m, at, initrd ? initrd->size : 0);
	*ret = entry;
	return 0;
}
