/* SPDX-License-Identifier: MIT */
#include "host/vcpu_programs.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

extern const struct bpf_image bpf_image_vcpu;

/* Attached one by one: by an iterator's link, where the kernel has KVM, when runs are recorded; or
 * called. */
static const char *const not_at_once[] = {"on_kvm_exit",  "resolve",	 "translate",  "on_migrate",
					  "on_irq_entry", "on_irq_exit", "who_is_here"};

/* Where an interrupt begins and ends, as far as the kernel has it. Interrupts between processors
 * are short, and so many that they are left out. */
static const char *const irq_points[][2] = {
	{"irq_handler_entry", "irq_handler_exit"},
	{"softirq_entry", "softirq_exit"},
	{"local_timer_entry", "local_timer_exit"}, /* x86 */
};

/* Records of a CPU's log. */
static uint32_t log_size(uint32_t n_cpus)
{
	uint32_t size = BLAME_LOG_MAX;

	while (size > BLAME_LOG_MIN && size * n_cpus > BLAME_LOG_TOTAL)
		size /= 2;
	return size;
}

static int prepare(struct bpf_object *object, void *data, struct failure *f)
{
	static const char *const per_cpu[] = {"cpus", "blame_cpus", "blame_log"};
	struct vcpu_programs *p = data;
	int n = libbpf_num_possible_cpus(), err = 0;

	if (n <= 0)
		return failure_set(f, -ENOENT, "BPF program vcpu: the number of CPUs is not known");
	p->n_cpus = (uint32_t)n;
	p->log_size = log_size(p->n_cpus);
	for (size_t i = 0; i < ARRAY_SIZE(not_at_once); i++)
		bpf_program__set_autoattach(
			bpf_object__find_program_by_name(object, not_at_once[i]), false);
	for (size_t i = 0; i < ARRAY_SIZE(per_cpu) && !err; i++)
		err = bpf_map__set_max_entries(bpf_object__find_map_by_name(object, per_cpu[i]),
					       i < 2 ? p->n_cpus : p->n_cpus * p->log_size);
	return err;
}

static size_t map_bytes(size_t entries, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (entries * size + page - 1) / page * page;
}

/* NULL when the array is not there or cannot be mapped, or when its entries aren't apart as ours would be: the
 * kernel rounds their size up to 8 bytes. */
static void *map_array(const struct bpf_object *object, const char *name, size_t entries,
		       size_t size)
{
	int fd = bpf_image_map(object, name);
	void *base = fd < 0 || size % 8 ? MAP_FAILED
					: mmap(NULL, map_bytes(entries, size),
					       PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return base == MAP_FAILED ? NULL : base;
}

static void unmap(void *base, size_t entries, size_t size)
{
	if (base)
		munmap(base, map_bytes(entries, size));
}

static int map_all(struct vcpu_programs *p)
{
	p->slots = map_array(p->object, "slots", VCPU_SLOTS, sizeof(*p->slots));
	p->processes = map_array(p->object, "processes", VCPU_PROCESSES, sizeof(*p->processes));
	p->numbers = map_array(p->object, "numbers", VCPU_NUMBERS, sizeof(*p->numbers));
	p->cpus = map_array(p->object, "cpus", p->n_cpus, sizeof(*p->cpus));
	p->blame_cpus = map_array(p->object, "blame_cpus", p->n_cpus, sizeof(*p->blame_cpus));
	p->blame_log = map_array(p->object, "blame_log", (size_t)p->n_cpus * p->log_size,
				 sizeof(*p->blame_log));
	p->slots_of = bpf_image_map(p->object, "slots_of");
	p->processes_of = bpf_image_map(p->object, "processes_of");
	p->gaps = bpf_image_map(p->object, "gaps");
	if (!p->slots || !p->numbers || !p->processes || !p->cpus || !p->blame_cpus ||
	    !p->blame_log)
		return -ENOMEM;
	return p->slots_of < 0 || p->processes_of < 0 || p->gaps < 0 ? -ENOENT : 0;
}

static struct bpf_link *attach_one(const struct vcpu_programs *p, const char *name)
{
	return bpf_program__attach(bpf_object__find_program_by_name(p->object, name));
}

static int attach(struct vcpu_programs *p, struct failure *f)
{
	int err = bpf_links_attach(p->object, f, &p->links);

	if (err)
		return err;
	p->resolve = attach_one(p, "resolve");
	p->translate = attach_one(p, "translate");
	if (!p->resolve || !p->translate)
		return failure_errno(f, -errno, "BPF program vcpu: its iterators");
	/* Where the kernel has no KVM there is nothing to attach to, and that is fine. */
	p->exits = attach_one(p, "on_kvm_exit");
	return 0;
}

/* Whether /proc counts as this process does: it may have been mounted in another PID namespace. */
static bool is_our_proc(void)
{
	char text[32];
	ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return strtol(text, NULL, 10) == getpid();
}

/* A record that the iterator has written, or 0 at the end. */
static int read_thread(int fd, struct vcpu_thread *ret)
{
	ssize_t n;

	do
		n = read(fd, ret, sizeof(*ret));
	while (n < 0 && errno == EAGAIN);
	return n < 0 ? -errno : n == sizeof(*ret);
}

static int find_level(struct vcpu_programs *p, struct failure *f)
{
	_cleanup_(close_fd) int fd = bpf_iter_create(bpf_link__fd(p->translate));
	struct vcpu_thread t = {.level = 0};
	struct stat st;
	int n = fd < 0 ? -errno : read_thread(fd, &t);

	if (n <= 0 || stat("/proc/self/ns/pid", &st))
		return failure_errno(f, n < 0 ? n : -ENOENT,
				     "BPF program vcpu: the ids of threads here");
	if (!is_our_proc())
		return failure_set(f, -EXDEV,
				   "/proc shows another PID namespace than this process is in, "
				   "whose threads BPF cannot tell; mount one of its own there");
	p->globals->inode = (uint32_t)st.st_ino;
	p->globals->level = t.level;
	return 0;
}

int vcpu_programs_open(struct vcpu_programs *p, struct failure *f)
{
	int err = bpf_image_load(&bpf_image_vcpu, prepare, p, f, &p->object);
	void *globals;

	if (err)
		return err;
	err = map_all(p);
	if (err)
		return failure_errno(f, err, "BPF program vcpu: its maps");
	err = bpf_image_globals(p->object, sizeof(*p->globals), f, &globals, &p->globals_bytes);
	if (err)
		return err;
	p->globals = globals;
	p->globals->log_size = p->log_size;
	err = attach(p, f);
	if (!err)
		err = find_level(p, f);
	return err;
}

void vcpu_programs_close(struct vcpu_programs *p)
{
	bpf_link__destroy(p->exits);
	bpf_link__destroy(p->resolve);
	bpf_link__destroy(p->translate);
	bpf_links_destroy(&p->recorders);
	bpf_links_destroy(&p->links);
	unmap(p->slots, VCPU_SLOTS, sizeof(*p->slots));
	unmap(p->processes, VCPU_PROCESSES, sizeof(*p->processes));
	unmap(p->numbers, VCPU_NUMBERS, sizeof(*p->numbers));
	unmap(p->cpus, p->n_cpus, sizeof(*p->cpus));
	unmap(p->blame_cpus, p->n_cpus, sizeof(*p->blame_cpus));
	unmap(p->blame_log, (size_t)p->n_cpus * p->log_size, sizeof(*p->blame_log));
	if (p->globals)
		munmap(p->globals, p->globals_bytes);
	bpf_object__close(p->object);
}

/* A kind of interrupts that this kernel has no tracepoint for is left out. */
static void attach_irqs(struct vcpu_programs *p)
{
	static const char *const programs[] = {"on_irq_entry", "on_irq_exit"};

	for (size_t i = 0; i < ARRAY_SIZE(irq_points) * 2; i++) {
		struct bpf_program *program = bpf_object__find_program_by_name(p->object,
									       programs[i % 2]);
		struct bpf_link *link = bpf_program__attach_raw_tracepoint(
			program, irq_points[i / 2][i % 2]);

		if (link)
			p->recorders.link[p->recorders.n++] = link;
	}
}

void vcpu_programs_look_at(const struct vcpu_programs *p, uint32_t cpu)
{
	bpf_image_call_on(p->object, "who_is_here", cpu);
}

/* What the programs knew of CPUs when they recorded last, if ever, is over. */
static void begin_recording(struct vcpu_programs *p, enum blame_record_what what)
{
	for (uint32_t i = 0; i < p->n_cpus && !p->globals->record; i++)
		p->blame_cpus[i].since = 0;
	__atomic_store_n(&p->globals->record, what, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < p->n_cpus && what != BLAME_NOTHING; i++)
		vcpu_programs_look_at(p, i);
}

int vcpu_programs_record(struct vcpu_programs *p, enum blame_record_what what, struct failure *f)
{
	struct bpf_link *moves;

	if (!p->recorders.n) {
		moves = attach_one(p, "on_migrate");
		if (!moves)
			return failure_errno(f, -errno,
					     "BPF program on_migrate: cannot be attached");
		p->recorders.link[p->recorders.n++] = moves;
		attach_irqs(p);
	}
	begin_recording(p, what);
	return 0;
}

int vcpu_programs_share(const struct vcpu_programs *p, struct bpf_object *object)
{
	static const char *const names[] = {"slots", "cpus", "processes"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, names[i]);
		int err = map ? bpf_map__reuse_fd(map, bpf_image_map(p->object, names[i])) : 0;

		if (err)
			return err;
	}
	return 0;
}

int vcpu_programs_resolve(const struct vcpu_programs *p)
{
	_cleanup_(close_fd) int fd = bpf_iter_create(bpf_link__fd(p->resolve));
	ssize_t n;
	char none;

	if (fd < 0)
		return -errno;
	do
		n = read(fd, &none, sizeof(none)); /* the program writes nothing */
	while (n > 0 || (n < 0 && errno == EAGAIN));
	return n < 0 ? -errno : 0;
}

int vcpu_programs_translate(const struct vcpu_programs *p, struct vcpu_thread **ret, size_t *ret_n)
{
	_cleanup_(close_fd) int fd = -1;
	_cleanup_(free_ptr) struct vcpu_thread *threads = NULL;
	size_t n = 0, room = 0;
	int more = 1;

	if (p->globals->level)
		fd = bpf_iter_create(bpf_link__fd(p->translate));
	else
		more = 0;
	if (more && fd < 0)
		return -errno;
	while (more > 0) {
		if (n == room) {
			struct vcpu_thread *t;

			room = room ? room * 2 : 256;
			t = realloc(threads, room * sizeof(*threads));
			if (!t)
				return -ENOMEM;
			threads = t;
		}
		more = read_thread(fd, &threads[n]);
		n += more > 0;
	}
	if (more < 0)
		return more;
	*ret = threads;
	*ret_n = n;
	threads = NULL;
	return 0;
}
