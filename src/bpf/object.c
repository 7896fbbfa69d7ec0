/* SPDX-License-Identifier: MIT */
#include "bpf/object.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define MESSAGE_SIZE 256

/* libbpf has one print function for the whole process and gives it no data of the caller's. */
static _Thread_local char *message; /* [MESSAGE_SIZE], NULL: nobody wants it */

/* The verifier says why in the last line before its statistics. */
static const char *verifier_reason(char *log)
{
	const char *reason = NULL;
	char *save;

	for (char *line = strtok_r(log, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "processed ", 10) || strstr(line, "-- END PROG LOAD LOG"))
			break;
		reason = line;
	}
	return reason;
}

/* Keeps the first warning; a verifier's log, which comes later, says more and replaces it. */
static void keep_message(char *text)
{
	const char *reason;

	if (strstr(text, "-- BEGIN PROG LOAD LOG")) {
		reason = verifier_reason(text);
	} else {
		if (message[0])
			return;
		text[strcspn(text, "\n")] = '\0';
		reason = text;
	}
	if (reason && !strncmp(reason, "libbpf: ", 8))
		reason += 8;
	if (reason)
		snprintf(message, MESSAGE_SIZE, "%s", reason);
}

static int __attribute__((format(printf, 2, 0)))
print_message(enum libbpf_print_level level, const char *format, va_list ap)
{
	char *text;

	if (!message || level != LIBBPF_WARN)
		return 0;
	if (vasprintf(&text, format, ap) < 0)
		return 0;
	keep_message(text);
	free(text);
	return 0;
}

static int load_failure(struct failure *f, const char *name, int err)
{
	if (err == -EPERM && geteuid() != 0)
		return failure_set(f, err,
				   "BPF program %s: no permission; run as root or with CAP_BPF and "
				   "CAP_PERFMON",
				   name);
	if (access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		return failure_set(f, -EOPNOTSUPP,
				   "BPF program %s: this kernel has no /sys/kernel/btf/vmlinux "
				   "(CONFIG_DEBUG_INFO_BTF)",
				   name);
	return failure_errno(f, err, "BPF program %s: the kernel refused it (%s)", name,
			     message[0] ? message : "no reason given");
}

static int load(const struct bpf_image *image, bpf_prepare_fn prepare, void *data,
		struct failure *f, struct bpf_object **ret)
{
	const struct bpf_object_open_opts options = {.sz = sizeof(options),
						     .object_name = image->name};
	struct bpf_object *object = bpf_object__open_mem(image->bytes, image->size, &options);
	int err = libbpf_get_error(object) ? -errno : 0;

	if (err)
		return load_failure(f, image->name, err);
	err = prepare ? prepare(object, data, f) : 0;
	if (!err) {
		err = bpf_object__load(object);
		if (err)
			err = load_failure(f, image->name, err);
	}
	if (err) {
		bpf_object__close(object);
		return err;
	}
	*ret = object;
	return 0;
}

int bpf_image_load(const struct bpf_image *image, bpf_prepare_fn prepare, void *data,
		   struct failure *f, struct bpf_object **ret)
{
	char text[MESSAGE_SIZE] = "";
	int err;

	libbpf_set_print(print_message);
	message = text;
	err = load(image, prepare, data, f, ret);
	message = NULL;
	return err;
}

static int attach(struct bpf_object *object, struct failure *f, struct bpf_links *links)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		struct bpf_link *link;

		if (!bpf_program__autoload(program) || !bpf_program__autoattach(program) ||
		    bpf_program__type(program) == BPF_PROG_TYPE_SYSCALL)
			continue;
		link = links->n < BPF_LINKS_MAX ? bpf_program__attach(program) : NULL;
		if (!link) {
			int err = links->n < BPF_LINKS_MAX ? -errno : -E2BIG;

			return failure_errno(f, err, "BPF program %s: cannot be attached (%s)",
					     bpf_program__name(program), message);
		}
		links->link[links->n++] = link;
	}
	return 0;
}

int bpf_links_attach(struct bpf_object *object, struct failure *f, struct bpf_links *ret)
{
	struct bpf_links links = {.n = 0};
	char text[MESSAGE_SIZE] = "";
	int err;

	message = text;
	err = attach(object, f, &links);
	message = NULL;
	if (err) {
		bpf_links_destroy(&links);
		return err;
	}
	*ret = links;
	return 0;
}

void bpf_links_destroy(struct bpf_links *links)
{
	while (links->n > 0)
		bpf_link__destroy(links->link[--links->n]);
}

int bpf_image_map(const struct bpf_object *object, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	return fd < 0 ? -ENOENT : fd;
}

int bpf_image_globals(const struct bpf_object *object, size_t size, struct failure *f, void **ret,
		      size_t *ret_size)
{
	const char *name = bpf_object__name(object);
	const struct bpf_map *map;
	void *at;

	bpf_object__for_each_map(map, object)
	{
		if (strstr(bpf_map__name(map), ".bss"))
			break;
	}
	if (!map || bpf_map__value_size(map) < size)
		return failure_set(f, -EPROTO, "BPF object %s: its globals are not there", name);
	at = mmap(NULL, bpf_map__value_size(map), PROT_READ | PROT_WRITE, MAP_SHARED,
		  bpf_map__fd(map), 0);
	if (at == MAP_FAILED)
		return failure_errno(f, -errno, "BPF object %s: mapping its globals", name);
	*ret = at;
	*ret_size = bpf_map__value_size(map);
	return 0;
}

int bpf_image_call(const struct bpf_object *object, const char *program, void *argument,
		   size_t size)
{
	struct bpf_program *p = bpf_object__find_program_by_name(object, program);
	/* The kernel copies what the program changed back to where it came from. */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = argument, .ctx_size_in = (__u32)size);

	if (!p)
		return -ENOENT;
	return bpf_prog_test_run_opts(bpf_program__fd(p), &opts) ? -errno : 0;
}

int bpf_image_call_on(const struct bpf_object *object, const char *program, uint32_t cpu)
{
	struct bpf_program *p = bpf_object__find_program_by_name(object, program);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = BPF_F_TEST_RUN_ON_CPU, .cpu = cpu);

	if (!p)
		return -ENOENT;
	return bpf_prog_test_run_opts(bpf_program__fd(p), &opts) ? -errno : 0;
}

/* Adds up what the kernel counted for every program that was loaded. */
static int sum_info(const struct bpf_object *object, struct bpf_prog_info *ret)
{
	struct bpf_prog_info sum = {0};
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (!bpf_program__autoload(program))
			continue;
		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			return -errno;
		sum.run_cnt += info.run_cnt;
		sum.run_time_ns += info.run_time_ns;
		sum.recursion_misses += info.recursion_misses;
	}
	*ret = sum;
	return 0;
}

int bpf_object_cost(const struct bpf_object *object, uint64_t *ret_runs, uint64_t *ret_ns)
{
	struct bpf_prog_info sum = {0};
	int err = sum_info(object, &sum);

	if (err)
		return err;
	*ret_runs = sum.run_cnt;
	*ret_ns = sum.run_time_ns;
	return 0;
}

int bpf_object_missed(const struct bpf_object *object, uint64_t *ret)
{
	struct bpf_prog_info sum = {0};
	int err = sum_info(object, &sum);

	if (err)
		return err;
	*ret = sum.recursion_misses;
	return 0;
}
