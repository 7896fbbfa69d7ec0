/* SPDX-License-Identifier: MIT */
/*
 * Kernels as they are loaded: what is in guest memory afterwards, and what is refused. Images are
 * made here, by the formats' own structures. Random ones: tests/fuzz/fuzz_image.c.
 */
#include "vmm/image.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MEMORY (32u << 20)

static struct memory memory;

/* An ELF file with one segment of 8 bytes, and a note. */
struct elf {
	Elf64_Ehdr head;
	Elf64_Phdr load, note;
	Elf64_Nhdr note_head;
	char name[4];
	uint32_t entry;
	uint8_t bytes[8];
};

static void make_elf(struct elf *e)
{
	*e = (struct elf){
		.head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_entry = 0x200004,
			 .e_phoff = offsetof(struct elf, load),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1},
		.load = {.p_type = PT_LOAD,
			 .p_offset = offsetof(struct elf, bytes),
			 .p_paddr = 0x200000,
			 .p_filesz = 8,
			 .p_memsz = 16},
		.note = {.p_type = PT_NOTE,
			 .p_offset = offsetof(struct elf, note_head),
			 .p_filesz = sizeof(Elf64_Nhdr) + 8},
		.note_head = {4, 4, 18},
		.name = "Xen",
		.entry = 0x200002,
		.bytes = "kernel!",
	};
}

static int load(const void *bytes, size_t size, struct image_entry *ret)
{
	const struct image_file i = {.name = "test", .fd = -1, .bytes = bytes, .size = size};
	struct failure f = {""};
	int err;

	memset(memory.base, 0xee, memory.size);
	err = image_load(&i, NULL, "a=1", &memory, &f, ret);
	assert_int_equal(err != 0, f.text[0] != 0);
	return err;
}

static void elf_long_mode(void **state)
{
	struct image_entry entry;
	struct boot_params *b;
	struct elf e;

	(void)state;
	make_elf(&e);
	assert_int_equal(load(&e, sizeof(e), &entry), 0);
	assert_true(entry.long_mode);
	assert_int_equal(entry.at, 0x200004);
	assert_memory_equal(memory.base + 0x200000, "kernel!\0\0\0\0\0\0\0\0\0\xee", 17);
	b = (struct boot_params *)(void *)(memory.base + IMAGE_ZERO);
	assert_string_equal((char *)memory.base + b->hdr.cmd_line_ptr, "a=1");
	assert_int_equal(b->e820_entries, 2);
	assert_int_equal(b->e820_table[1].addr + b->e820_table[1].size, MEMORY);
}

static void elf_pvh(void **state)
{
	struct image_entry entry;
	uint32_t start[2];
	struct elf e;

	(void)state;
	make_elf(&e);
	e.head.e_phnum = 2;
	assert_int_equal(load(&e, sizeof(e), &entry), 0);
	assert_false(entry.long_mode);
	assert_int_equal(entry.at, 0x200002);
	memcpy(start, memory.base + IMAGE_START, sizeof(start));
	assert_int_equal(start[0], 0x336ec578);
	e.note_head.n_namesz = 0xfffffffc; /* a note that is larger than all */
	assert_int_equal(load(&e, sizeof(e), &entry), 0);
	assert_true(entry.long_mode);
}

static void elf_refused(void **state)
{
	struct image_entry entry = {.at = 77};
	struct elf e;

	(void)state;
	make_elf(&e);
	for (size_t size = 0; size < offsetof(struct elf, bytes) + 8; size++)
		assert_int_not_equal(load(&e, size, &entry), 0);
	e.head.e_machine = EM_AARCH64;
	assert_int_equal(load(&e, sizeof(e), &entry), -ENOEXEC);
	make_elf(&e);
	e.load.p_paddr = 0x1000; /* over our tables */
	assert_int_equal(load(&e, sizeof(e), &entry), -ENOSPC);
	e.load.p_paddr = MEMORY - 8;
	assert_int_equal(load(&e, sizeof(e), &entry), -ENOSPC);
	e.load.p_paddr = UINT64_MAX - 4;
	assert_int_equal(load(&e, sizeof(e), &entry), -ENOSPC);
	make_elf(&e);
	e.load.p_memsz = UINT64_MAX;
	assert_int_equal(load(&e, sizeof(e), &entry), -ENOSPC);
	make_elf(&e);
	e.head.e_entry = 0x300000;
	assert_int_equal(load(&e, sizeof(e), &entry), -ENOEXEC);
	make_elf(&e);
	e.head.e_phoff = UINT64_MAX - 8;
	assert_int_not_equal(load(&e, sizeof(e), &entry), 0);
	assert_int_equal(entry.at, 77);
}

#define SECTORS 2
static uint8_t *make_bzimage(size_t size, struct setup_header **ret)
{
	uint8_t *bytes = calloc(1, size);
	struct setup_header *h = (struct setup_header *)(void *)(bytes + 0x1f1);

	*h = (struct setup_header){.setup_sects = SECTORS,
				   .jump = 0x66eb, /* jmp 0x268 */
				   .header = 0x53726448,
				   .version = 0x20f,
				   .relocatable_kernel = 1,
				   .xloadflags = XLF_KERNEL_64,
				   .initrd_addr_max = 0x7fffffff,
				   .cmdline_size = 2047,
				   .pref_address = 16u << 20,
				   .init_size = 4u << 20};
	memset(bytes + (SECTORS + 1) * 512, 0x5a, size - (SECTORS + 1) * 512);
	*ret = h;
	return bytes;
}

static void bzimage(void **state)
{
	struct image_entry entry;
	struct setup_header *h;
	uint8_t *bytes = make_bzimage(8192, &h);
	const struct boot_params *b;

	(void)state;
	assert_int_equal(load(bytes, 8192, &entry), 0);
	assert_true(entry.long_mode);
	assert_int_equal(entry.at, 0x100200);
	assert_int_equal(entry.end, 20u << 20);
	assert_int_equal(memory.base[0x100000], 0x5a);
	b = (const struct boot_params *)(const void *)(memory.base + IMAGE_ZERO);
	assert_int_equal(b->hdr.version, 0x20f);
	assert_int_equal(b->hdr.type_of_loader, 0xff);
	h->init_size = 0xffffffff;
	assert_int_equal(load(bytes, 8192, &entry), -ENOSPC);
	h->init_size = 0;
	h->pref_address = UINT64_MAX;
	assert_int_equal(load(bytes, 8192, &entry), -ENOSPC);
	h->pref_address = 0;
	h->xloadflags = 0;
	assert_int_equal(load(bytes, 8192, &entry), -ENOEXEC);
	h->xloadflags = XLF_KERNEL_64;
	h->setup_sects = 255;
	assert_int_equal(load(bytes, 8192, &entry), -ENODATA);
	free(bytes);
}

static void with_initrd(void **state)
{
	struct image_file kernel = {.name = "k", .fd = -1, .size = sizeof(struct elf)};
	struct image_file initrd = {.name = "i", .fd = -1, .size = 5000};
	struct image_entry entry;
	struct boot_params *b = (struct boot_params *)(void *)(memory.base + IMAGE_ZERO);
	struct failure f;
	uint8_t bytes[5000];
	struct elf e;

	(void)state;
	make_elf(&e);
	memset(bytes, 0x77, sizeof(bytes));
	kernel.bytes = (const uint8_t *)&e;
	initrd.bytes = bytes;
	assert_int_equal(image_load(&kernel, &initrd, "", &memory, &f, &entry), 0);
	assert_int_equal(b->hdr.ramdisk_size, 5000);
	assert_int_equal(b->hdr.ramdisk_image % 4096, 0);
	assert_memory_equal(memory.base + b->hdr.ramdisk_image, bytes, 5000);
	initrd.size = MEMORY;
	assert_int_equal(image_load(&kernel, &initrd, "", &memory, &f, &entry), -ENOSPC);
}

/* What a bzImage's header says of its initrd, whose last byte is at initrd_addr_max at most, and of
 * its command line is kept, or the kernel refused. */
static void header_limits(void **state)
{
	struct image_file kernel = {.name = "k", .fd = -1, .size = 8192};
	struct image_file initrd = {.name = "i", .fd = -1, .size = 5000};
	const struct boot_params *b = (void *)(memory.base + IMAGE_ZERO);
	struct image_entry entry;
	struct setup_header *h;
	uint8_t text[5000] = {1};
	struct failure f;

	(void)state;
	kernel.bytes = make_bzimage(8192, &h);
	initrd.bytes = text;
	h->pref_address = 1u << 20;
	h->init_size = 1u << 20;
	h->initrd_addr_max = 0x2fffff; /* the end of the third MiB */
	assert_int_equal(image_load(&kernel, &initrd, "", &memory, &f, &entry), 0);
	assert_int_equal(b->hdr.ramdisk_image, 0x2fe000); /* 0x300000 - 5000, rounded down */
	h->initrd_addr_max = 0x201386;
	assert_int_equal(image_load(&kernel, &initrd, "", &memory, &f, &entry), -ENOSPC);
	assert_non_null(strstr(f.text, "give a smaller one"));
	h->initrd_addr_max = 0x201387; /* 2 MiB + 5000 - 1: right behind the kernel */
	assert_int_equal(image_load(&kernel, &initrd, "", &memory, &f, &entry), 0);
	assert_int_equal(b->hdr.ramdisk_image, 0x200000);
	h->cmdline_size = 8;
	assert_int_equal(image_load(&kernel, NULL, "12345678", &memory, &f, &entry), 0);
	assert_int_equal(image_load(&kernel, NULL, "123456789", &memory, &f, &entry), -E2BIG);
	free((void *)(uintptr_t)kernel.bytes);
}

/* A ledger page is reserved memory in both maps, and only where there is one. */
static void reserved_page(void **state)
{
	const struct boot_params *b = (void *)(memory.base + IMAGE_ZERO);
	const uint32_t *start = (const uint32_t *)(void *)(memory.base + IMAGE_START);
	struct image_entry entry;
	uint64_t map[6];
	struct elf e;

	(void)state;
	make_elf(&e);
	e.head.e_phnum = 2;
	assert_int_equal(load(&e, sizeof(e), &entry), 0);
	assert_int_equal(b->e820_entries, 2);
	assert_int_equal(start[12], 2);
	memory.page = (const uint8_t *)"";
	memory.page_size = 0x40000;
	assert_int_equal(load(&e, sizeof(e), &entry), 0);
	memory.page = NULL;
	assert_int_equal(b->e820_entries, 3);
	assert_int_equal(b->e820_table[2].addr, 0xd4000000);
	assert_int_equal(b->e820_table[2].size, 0x40000);
	assert_int_equal(b->e820_table[2].type, 2);
	assert_int_equal(start[12], 3);
	/* three words an entry; the type is the low half of the third */
	memcpy(map, memory.base + start[10] + 2 * 24, 24);
	assert_int_equal(map[0], 0xd4000000);
	assert_int_equal(map[1], 0x40000);
	assert_int_equal(map[2], 2);
}

static void other_refusals(void **state)
{
	const struct memory small = {.base = memory.base, .size = 1 << 20};
	struct image_file kernel = {.name = "k", .fd = -1, .size = sizeof(struct elf)};
	struct image_entry entry;
	struct failure f;
	char line[4096];
	struct elf e;

	(void)state;
	make_elf(&e);
	kernel.bytes = (const uint8_t *)&e;
	assert_int_equal(image_load(&kernel, NULL, "", &small, &f, &entry), -EINVAL);
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(image_load(&kernel, NULL, line, &memory, &f, &entry), -E2BIG);
	assert_int_equal(load("#!/bin/sh\n", 10, &entry), -ENOEXEC);
	assert_int_equal(load(line, sizeof(line), &entry), -ENOEXEC);
	assert_int_equal(image_open("/no/such/kernel", &f, &kernel), -ENOENT);
	assert_int_equal(image_open("/", &f, &kernel), -EINVAL);
}

static int set_up(void **state)
{
	(void)state;
	memory = (struct memory){.base = malloc(MEMORY), .size = MEMORY};
	return !memory.base;
}

static int tear_down(void **state)
{
	(void)state;
	free(memory.base);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elf_long_mode),  cmocka_unit_test(elf_pvh),
		cmocka_unit_test(elf_refused),	  cmocka_unit_test(bzimage),
		cmocka_unit_test(with_initrd),	  cmocka_unit_test(header_limits),
		cmocka_unit_test(other_refusals), cmocka_unit_test(reserved_page),
	};

	return cmocka_run_group_tests_name("image", tests, set_up, tear_down);
}
