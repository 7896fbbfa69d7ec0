/* SPDX-License-Identifier: MIT */
/*
 * What a lab is made of besides this program: a kernel, the guest image, QEMU, memory. Each is
 * found and checked before anything is started.
 */
#ifndef LAB_PARTS_H
#define LAB_PARTS_H

#include "base/failure.h"

#include <stddef.h>
#include <stdint.h>

#define LAB_QEMU  "qemu-system-x86_64"
#define LAB_VIRSH "virsh"

/* Checks that a file is a Linux kernel that QEMU can boot. 0, or -errno with one line in `f`. */
int parts_check_kernel(const char *path, struct failure *f);

/* The checker alone, on a file's first bytes: 0 or -ENOEXEC. */
int parts_check_kernel_head(const void *head, size_t n);

/* The kernel to use: `given`, or what fetch-kernel finds or downloads. */
int parts_kernel(const char *given, struct failure *f, char *ret, size_t size);

/* The guest image of this build or installation. */
int parts_image(struct failure *f, char *ret, size_t size);

/* Makes `image` the path of another one, with the modules that fetch-kernel finds for its kernel.
 * Returns a descriptor: that one is there until it is closed. */
int parts_add_modules(struct failure *f, char *image, size_t size);

/* That a program is in PATH; which package has it. */
int parts_check_program(const char *name, const char *package, struct failure *f);

/* Copies a file to a new one that everybody may read. */
int parts_copy(const char *from, const char *to, struct failure *f);

/* That `vms` guests of `bytes` each fit into the memory that is available now. */
int parts_check_memory(uint64_t vms, uint64_t bytes, struct failure *f);

/* "MemAvailable" of a /proc/meminfo in bytes; -EBADMSG when it is not there. */
int parts_parse_available(const char *meminfo, uint64_t *ret);

/* Makes the directory, or accepts an empty one. */
int parts_claim_directory(const char *path, struct failure *f);

#endif
