/* SPDX-License-Identifier: MIT */
/*
 * BPF objects that are embedded in this program: open, load, attach, and what they cost.
 *
 * meson.build makes `bpf_image_NAME` from NAME.bpf.c; who uses one declares it:
 *
 *     extern const struct bpf_image bpf_image_vcpu;
 *
 * libbpf's own messages are never printed: the one that says why goes into the failure.
 */
#ifndef BPF_OBJECT_H
#define BPF_OBJECT_H

#include "base/failure.h"

#include <stddef.h>
#include <stdint.h>

#include <bpf/libbpf.h>

/* The assembly file that src/bpf/embed writes has this layout. */
struct bpf_image {
	const char *name;
	const void *bytes;
	size_t size;
};

/* Called between opening and loading, to set rodata and map sizes and to switch programs off. A
 * non-zero result (-errno) ends the load; it may set the failure. */
typedef int (*bpf_prepare_fn)(struct bpf_object *object, void *data, struct failure *f);

/*
 * Opens, prepares (`prepare` may be NULL) and loads; nothing is attached yet. -EPERM without the
 * privilege, -EOPNOTSUPP for a kernel without BTF, otherwise what the kernel refused the load with.
 * The caller ends it with bpf_object__close().
 */
int bpf_image_load(const struct bpf_image *image, bpf_prepare_fn prepare, void *data,
		   struct failure *f, struct bpf_object **ret);

/* The links of one object's programs. */
#define BPF_LINKS_MAX 16
struct bpf_links {
	struct bpf_link *link[BPF_LINKS_MAX];
	int n;
};

/* Attaches every program that was loaded, but for those that user space calls (SEC("syscall")) and
 * those whose autoattach `prepare` switched off. On failure none stays attached. */
int bpf_links_attach(struct bpf_object *object, struct failure *f, struct bpf_links *ret);
void bpf_links_destroy(struct bpf_links *links);

/* The file descriptor of a map, -ENOENT. */
int bpf_image_map(const struct bpf_object *object, const char *name);

/*
 * Maps the object's globals, which must be one struct of `size` bytes at least; libbpf does that
 * for skeletons only. *ret_size is what munmap(2) wants. -EPROTO where there are none.
 */
int bpf_image_globals(const struct bpf_object *object, size_t size, struct failure *f, void **ret,
		      size_t *ret_size);

/* Runs a program that user space calls (SEC("syscall")) with `argument`, which it may change. */
int bpf_image_call(const struct bpf_object *object, const char *program, void *argument,
		   size_t size);

/* Runs a program (SEC("raw_tp")) that ignores its context on one CPU, in an interrupt there. -ENXIO
 * where the CPU is offline. */
int bpf_image_call_on(const struct bpf_object *object, const char *program, uint32_t cpu);

/*
 * Runs of all programs of the object and their time in ns, since statistics were switched on:
 * kernel.bpf_stats_enabled = 1, or while somebody holds the descriptor of bpf_enable_stats(2).
 * Both stay zero otherwise.
 */
int bpf_object_cost(const struct bpf_object *object, uint64_t *ret_runs, uint64_t *ret_ns);

/* Runs that the kernel skipped, since they would have interrupted a run of the same program. */
int bpf_object_missed(const struct bpf_object *object, uint64_t *ret);

#endif
