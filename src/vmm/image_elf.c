/* SPDX-License-Identifier: MIT */
/* ELF kernels. One with Xen's note "PHYS32_ENTRY" is entered there, by PVH; any other at its 64-bit
 * entry. */
#include "vmm/image.h"

#include "base/units.h"

#include <elf.h>
#include <errno.h>

#define NOTE_PHYS32_ENTRY 18
#define SEGMENTS_MAX	  64
#define NOTES_MAX	  4096 /* bytes of notes looked at */

static bool elf_is(const uint8_t head[64], const struct image_file *i)
{
	(void)i;
	return !memcmp(head, ELFMAG, SELFMAG);
}

/* Room that a name or a descriptor takes, which are in whole words. */
static uint64_t words(uint32_t size)
{
	return ((uint64_t)size + 3) & ~UINT64_C(3);
}

/* The entry that a block of notes names, 0 if it names none. */
static uint32_t find_entry(const uint8_t *notes, uint64_t size)
{
	uint64_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		uint64_t name = at + sizeof(n), data, next;
		uint32_t entry;

		memcpy(&n, notes + at, sizeof(n));
		data = name + words(n.n_namesz);
		next = data + words(n.n_descsz);
		if (next > size)
			return 0;
		if (n.n_type == NOTE_PHYS32_ENTRY && n.n_namesz == 4 && n.n_descsz >= 4 &&
		    !memcmp(notes + name, "Xen", 4)) {
			memcpy(&entry, notes + data, sizeof(entry));
			return entry;
		}
		at = next;
	}
	return 0;
}

static uint32_t read_notes(const struct image_file *i, const Elf64_Phdr *p)
{
	uint8_t notes[NOTES_MAX];
	uint64_t size = u64_min(p->p_filesz, sizeof(notes));

	return image_read(i, p->p_offset, notes, size) ? 0 : find_entry(notes, size);
}

static int load_segment(const struct image_file *i, const Elf64_Phdr *p, const struct memory *m,
			struct failure *f, struct image_entry *entry)
{
	uint32_t note;
	int err;

	if (p->p_type == PT_NOTE) {
		note = read_notes(i, p);
		if (note) {
			entry->at = note;
			entry->long_mode = false;
		}
		return 0;
	}
	if (p->p_type != PT_LOAD || !p->p_memsz)
		return 0;
	if (p->p_filesz > p->p_memsz)
		return failure_set(f, -ENOEXEC, "%s has a segment larger than its memory", i->name);
	err = image_place(i, p->p_offset, p->p_filesz, p->p_memsz - p->p_filesz, p->p_paddr, m, f);
	if (!err)
		entry->end = u64_max(entry->end, p->p_paddr + p->p_memsz);
	return err;
}

static int elf_load(const struct image_file *i, const struct memory *m, struct failure *f,
		    struct image_entry *ret)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;
	struct image_entry entry = {.long_mode = true,
				    .initrd_last = IMAGE_INITRD_LAST,
				    .command_max = IMAGE_COMMAND_MAX - 1};
	int err = image_read(i, 0, &e, sizeof(e));

	if (err || e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
	    e.e_machine != EM_X86_64 || e.e_type != ET_EXEC || e.e_phentsize != sizeof(p) ||
	    e.e_phnum > SEGMENTS_MAX)
		return failure_set(f, -ENOEXEC, "%s is an ELF file, but no kernel for x86-64",
				   i->name);
	entry.at = e.e_entry;
	for (uint32_t k = 0; k < e.e_phnum; k++) {
		if (e.e_phoff > i->size || image_read(i, e.e_phoff + k * sizeof(p), &p, sizeof(p)))
			return failure_set(f, -ENODATA, "%s is cut short", i->name);
		err = load_segment(i, &p, m, f, &entry);
		if (err)
			return err;
	}
	if (entry.at < IMAGE_KERNEL || entry.at >= entry.end)
		return failure_set(f, -ENOEXEC, "%s has no entry in what it loads", i->name);
	*ret = entry;
	return 0;
}

const struct image_format image_elf = {.name = "ELF", .is = elf_is, .load = elf_load};
