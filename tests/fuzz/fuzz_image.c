/* SPDX-License-Identifier: MIT */
/*
 * Kernels are hostile: whatever a file holds, it is refused with a reason, or the vCPU begins
 * within what was loaded; nothing behind the guest's memory is touched. Input: a kernel; what is
 * behind its last byte 0xff is the initrd.
 */
#include "fuzz.h"

#include "vmm/image.h"

#include <string.h>

#define MEMORY (8u << 20)
#define GUARD  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(4096) uint8_t bytes[MEMORY + GUARD];
	const struct memory m = {.base = bytes, .size = MEMORY};
	const uint8_t *split = size ? memrchr(data, 0xff, size) : NULL;
	size_t kernel_size = split ? (size_t)(split - data) : size;
	const struct image_file kernel = {"kernel", -1, data, kernel_size, NULL};
	const struct image_file initrd = {"initrd", -1, split, split ? size - kernel_size : 0,
					  NULL};
	struct failure f = {""};
	struct image_entry e;

	memset(bytes + MEMORY, 0x5a, GUARD);
	if (image_load(&kernel, split ? &initrd : NULL, "fuzz", &m, &f, &e)) {
		CHECK(f.text[0]);
	} else {
		CHECK(e.end <= MEMORY);
		CHECK(!e.long_mode || (e.at >= IMAGE_KERNEL && e.at < MEMORY));
	}
	for (int i = 0; i < GUARD; i++)
		CHECK(bytes[MEMORY + i] == 0x5a);
	return 0;
}
