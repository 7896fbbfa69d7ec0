/* SPDX-License-Identifier: MIT */
/*
 * A scheduler in the kernel (bpf/sched_ext.bpf.c) that all threads of the host are in the charge
 * of. What it takes is in maps that the daemon holds, so there is nothing to undo: when the
 * daemon's descriptors are closed, however it ended, the kernel detaches the scheduler and takes
 * all threads back.
 */
#include "enforce/enforcer_sched_ext.h"

#include "base/clock.h"
#include "base/units.h"
#include "bpf/object.h"
#include "bpf/sched_ext.h"
#include "enforce/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <bpf/bpf.h>

extern const struct bpf_image bpf_image_sched_ext;

#define LINK_FLAG  (1u << 13) /* BPF_F_LINK: it ends with its link */
#define STRUCT_OPS 44	      /* BPF_STRUCT_OPS, of a link */
#define OLDEST	   6013	      /* kernel 6.13 */
#define KEPT	   2	      /* this part of a limit that was left over is kept */
#define UNIT	   16	      /* CPUs: rates are far from the largest that the rules know */
#define HOST_PART  0.05	      /* of all CPUs: the reservation of the host's own work */

/* A VM that has a number. */
struct placed {
	pid_t pid;
	uint64_t start_ns;
	bool ordered; /* in the last set */
	bool told;
	struct enforce_outcome outcome;
};

struct ext {
	struct bpf_object *object;
	int link; /* descriptor */
	struct sched_ext_globals *globals;
	size_t globals_size, orders_size;
	struct sched_ext_order *orders; /* [SCHED_EXT_VMS] */
	struct placed vms[SCHED_EXT_VMS];
	uint32_t last; /* number that was given last */
	struct host_vcpu *vcpus;
	size_t n_vcpus;
	int by_process, by_thread; /* maps */
	char why[192];		   /* it is over */
};

/* ---- whether it works here ---- */

static bool is_there(const char *root, const char *path)
{
	char file[4096];

	snprintf(file, sizeof(file), "%s%s", root, path);
	return !access(file, F_OK);
}

static bool read_word(const char *root, const char *path, char *ret, size_t size)
{
	char file[4096];
	FILE *f;
	bool ok;

	snprintf(file, sizeof(file), "%s%s", root, path);
	f = fopen(file, "re");
	ok = f && fgets(ret, (int)size, f);
	if (f)
		fclose(f);
	if (ok)
		ret[strcspn(ret, "\n")] = '\0';
	return ok;
}

static int why_not(const char *root, struct failure *why)
{
	char release[128] = "";
	unsigned major = 0, minor = 0;

	read_word(root, "/proc/sys/kernel/osrelease", release, sizeof(release));
	if (sscanf(release, "%u.%u", &major, &minor) == 2 && major * 1000 + minor < OLDEST)
		return failure_set(
			why, -EOPNOTSUPP,
			"kernel %.60s is older than 6.13, the first with what this "
			"scheduler needs of sched_ext; 6.16 is the oldest it is tested on",
			release);
	return failure_set(why, -EOPNOTSUPP,
			   "kernel %.60s is built without CONFIG_SCHED_CLASS_EXT: there is no "
			   "/sys/kernel/sched_ext",
			   release);
}

static int probe(const char *root, struct failure *why)
{
	char state[32] = "", name[64] = "";

	if (!read_word(root, "/sys/kernel/sched_ext/state", state, sizeof(state)))
		return why_not(root, why);
	if (!is_there(root, "/sys/kernel/btf/vmlinux"))
		return failure_set(why, -EOPNOTSUPP,
				   "this kernel has no /sys/kernel/btf/vmlinux "
				   "(CONFIG_DEBUG_INFO_BTF)");
	if (strcmp(state, "disabled")) {
		read_word(root, "/sys/kernel/sched_ext/root/ops", name, sizeof(name));
		return failure_set(why, -EBUSY,
				   "another sched_ext scheduler is in charge of this host: '%s'",
				   name);
	}
	if (geteuid())
		return failure_set(why, -EPERM, "it takes root to load a scheduler");
	return 0;
}

/* ---- loading ---- */

int sched_ext_virtual = -1;

/* A host that is a virtual machine itself, whose CPUs may be away for longer than a thread may
 * wait. */
static bool is_virtual(void)
{
	char line[4096];
	bool found = false;
	FILE *f;

	if (sched_ext_virtual >= 0)
		return sched_ext_virtual;
	f = fopen("/proc/cpuinfo", "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "flags", 5) && strstr(line, " hypervisor");
	if (f)
		fclose(f);
	return found;
}

static const char *const kinds[] = {"sched_ext", "sched_ext_virtual"};

static int prepare(struct bpf_object *object, void *data, struct failure *f)
{
	struct bpf_program *init = bpf_object__find_program_by_name(object, "on_init");
	int err = init ? 0 : -ENOENT;

	(void)data;
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, kinds[i]);

		err = map ? bpf_map__set_map_flags(map, LINK_FLAG) : -ENOENT;
	}
	if (!err)
		err = bpf_program__set_flags(init, BPF_F_SLEEPABLE);
	return err ? failure_errno(f, err, "BPF program sched_ext isn't whole") : 0;
}

static int create_link(int map)
{
	union bpf_attr attr = {
		.link_create = {.prog_fd = (uint32_t)map, .attach_type = STRUCT_OPS}};

	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
}

/* libbpf before 1.2 knows no links of struct_ops: it fills the map, and the kernel makes the
 * link. */
static int attach(struct ext *x, struct failure *f)
{
	struct bpf_map *map = bpf_object__find_map_by_name(x->object, kinds[is_virtual()]);
	struct bpf_link *link = bpf_map__attach_struct_ops(map);
	int err = libbpf_get_error(link) ? -errno : 0;
	bool has_link;

	if (err)
		return failure_errno(f, err, "sched_ext: the scheduler can't be attached");
	has_link = bpf_link__fd(link) != bpf_map__fd(map);
	x->link = has_link ? fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 3)
			   : create_link(bpf_map__fd(map));
	err = x->link < 0 ? -errno : 0;
	if (!has_link)
		bpf_link__disconnect(link);
	bpf_link__destroy(link);
	return err ? failure_errno(f, err, "sched_ext: the kernel doesn't take the scheduler") : 0;
}

static void *map_orders(int fd, size_t *ret_size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at;

	*ret_size = (SCHED_EXT_VMS * sizeof(struct sched_ext_order) + page - 1) / page * page;
	at = mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

/* Nothing is written where nothing changes, so that a reading is seldom torn; one that is has the
 * rest at the next order. */
static void put_order(struct sched_ext_order *at, const struct sched_ext_order *o)
{
	struct sched_ext_order to = *o;

	to.changed = at->changed;
	if (!memcmp(&to, at, sizeof(to)) && to.changed)
		return;
	*at = to;
	__atomic_store_n(&at->changed, to.changed + 1, __ATOMIC_RELEASE);
}

static uint64_t in_parts(double rate)
{
	return (uint64_t)(rate / UNIT * (double)SCHED_EXT_ONE);
}

static void close_ext(void *state)
{
	struct ext *x = state;

	if (!x)
		return;
	if (x->link >= 0)
		close(x->link);
	if (x->globals)
		munmap(x->globals, x->globals_size);
	if (x->orders)
		munmap(x->orders, x->orders_size);
	bpf_object__close(x->object);
	free(x->vcpus);
	free(x);
}

static int load(struct ext *x, struct failure *f)
{
	void *globals = NULL;
	int err = bpf_image_load(&bpf_image_sched_ext, prepare, NULL, f, &x->object);

	if (!err)
		err = bpf_image_globals(x->object, sizeof(*x->globals), f, &globals,
					&x->globals_size);
	if (err)
		return err;
	x->globals = globals;
	x->by_process = bpf_image_map(x->object, "processes");
	x->by_thread = bpf_image_map(x->object, "vcpus");
	x->orders = map_orders(bpf_image_map(x->object, "orders"), &x->orders_size);
	if (!x->orders)
		return failure_errno(f, -ENOMEM, "sched_ext: the map of orders");
	x->globals->cpus = (uint32_t)get_nprocs();
	x->globals->heard = clock_mono();
	x->globals->patience = (is_virtual() ? SCHED_EXT_VIRTUAL_MS : SCHED_EXT_TIMEOUT_MS) *
			       NS_PER_MS;
	put_order(&x->orders[0],
		  &(struct sched_ext_order){.rate = in_parts(1),
					    .reserved = (uint64_t)(HOST_PART * get_nprocs() *
								   (double)SCHED_EXT_ONE)});
	return attach(x, f);
}

static int open_ext(struct failure *f, void **ret)
{
	struct ext *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return failure_errno(f, -ENOMEM, "sched_ext");
	x->link = -1;
	err = load(x, f);
	if (err) {
		close_ext(x);
		return err;
	}
	*ret = x;
	return 0;
}

/* ---- orders ---- */

static struct sched_ext_order order_for(const struct enforce_order *o)
{
	struct sched_ext_order to = {
		.rate = u64_max(in_parts(o->rate), 1),
		.reserved = (uint64_t)(o->reservation * (double)SCHED_EXT_ONE)};

	if (o->limit > 0) {
		to.period = o->period;
		to.quota = (uint64_t)(o->limit * (double)o->period);
		to.keep = u64_max(o->credit, to.quota / KEPT);
		to.whole = (uint32_t)o->limit;
	}
	return to;
}

static uint32_t number_of(const struct ext *x, const struct enforce_order *o)
{
	for (uint32_t i = 1; i < SCHED_EXT_VMS; i++)
		if (x->vms[i].pid == o->pid && x->vms[i].start_ns == o->start_ns)
			return i;
	return 0;
}

/* The number that was free for longest: threads of whoever had it may still be in its account. */
static uint32_t new_number(struct ext *x)
{
	for (uint32_t i = 1; i < SCHED_EXT_VMS; i++) {
		uint32_t number = 1 + (x->last + i - 1) % (SCHED_EXT_VMS - 1);

		if (x->vms[number].pid)
			continue;
		x->last = number;
		return number;
	}
	return 0;
}

static void conclude(struct placed *vm, const struct enforce_order *o)
{
	struct enforce_outcome to = {.pid = o->pid, .enforced = true, .where = "sched_ext"};
	char limit[48] = "no limit", reserved[48] = "";

	if (o->limit > 0)
		snprintf(limit, sizeof(limit), "limit %.4g CPUs in %.3g ms", o->limit,
			 (double)o->period / NS_PER_MS);
	if (o->reservation > 0)
		snprintf(reserved, sizeof(reserved), ", %.4g CPUs first", o->reservation);
	snprintf(to.how, sizeof(to.how), "rate %.3f, %s%s", o->rate, limit, reserved);
	if (vm->outcome.enforced && !strcmp(to.how, vm->outcome.how))
		return;
	vm->outcome = to;
	vm->told = false;
}

static int place(struct ext *x, const struct enforce_order *o)
{
	struct sched_ext_order to = order_for(o);
	uint32_t number = number_of(x, o), key = (uint32_t)o->pid;

	if (!number) {
		number = new_number(x);
		if (!number)
			return -E2BIG;
		put_order(&x->orders[number], &to);
		if (bpf_map_update_elem(x->by_process, &key, &number, BPF_ANY))
			return -errno;
		x->vms[number] = (struct placed){.pid = o->pid, .start_ns = o->start_ns};
	} else {
		put_order(&x->orders[number], &to);
	}
	x->vms[number].ordered = true;
	conclude(&x->vms[number], o);
	return 0;
}

/* Those that nobody orders anything for any more are the host's own work. */
static void drop_others(struct ext *x)
{
	for (uint32_t i = 1; i < SCHED_EXT_VMS; i++) {
		uint32_t key = (uint32_t)x->vms[i].pid, number;

		if (!key || x->vms[i].ordered)
			continue;
		if (!bpf_map_lookup_elem(x->by_process, &key, &number) && number == i)
			bpf_map_delete_elem(x->by_process, &key);
		x->vms[i] = (struct placed){.pid = 0};
	}
}

static int by_tid(const void *a, const void *b)
{
	const struct host_vcpu *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

static bool has_vcpu(const struct host_vcpu *vcpus, size_t n, const struct host_vcpu *v)
{
	return n && bsearch(v, vcpus, n, sizeof(*vcpus), by_tid);
}

/* The map of vCPUs' threads becomes what the orders say. */
static int put_vcpus(struct ext *x, const struct enforce_orders *orders)
{
	struct host_vcpu *now = calloc(orders->n_vcpus + 1, sizeof(*now));
	int err = 0;

	if (!now)
		return -ENOMEM;
	if (orders->n_vcpus)
		memcpy(now, orders->vcpus, orders->n_vcpus * sizeof(*now));
	qsort(now, orders->n_vcpus, sizeof(*now), by_tid);
	for (size_t i = 0; i < x->n_vcpus; i++)
		if (!has_vcpu(now, orders->n_vcpus, &x->vcpus[i]))
			bpf_map_delete_elem(x->by_thread, &x->vcpus[i].tid);
	for (size_t i = 0; i < orders->n_vcpus && !err; i++)
		if (!has_vcpu(x->vcpus, x->n_vcpus, &now[i]) &&
		    bpf_map_update_elem(x->by_thread, &now[i].tid, &now[i].index, BPF_ANY))
			err = -errno;
	free(x->vcpus);
	x->vcpus = now;
	x->n_vcpus = orders->n_vcpus;
	return err;
}

/* It is over: the kernel schedules again, and says why. */
static int give_up(struct ext *x, const char *why)
{
	if (x->link >= 0)
		close(x->link);
	x->link = -1;
	snprintf(x->why, sizeof(x->why), "%.180s", why);
	return -EPIPE;
}

static int check(struct ext *x)
{
	char why[224];

	if (x->link < 0)
		return -EPIPE;
	if (!__atomic_load_n(&x->globals->ended, __ATOMIC_ACQUIRE))
		return 0;
	snprintf(why, sizeof(why), "the kernel has ended it: %.63s%s%.127s", x->globals->reason,
		 x->globals->message[0] ? ": " : "", x->globals->message);
	return give_up(x, why);
}

static int apply(void *state, const struct enforce_orders *orders)
{
	struct ext *x = state;
	char why[160];
	int err = check(x);

	if (err)
		return err;
	for (uint32_t i = 1; i < SCHED_EXT_VMS; i++)
		x->vms[i].ordered = false;
	for (size_t i = 0; i < orders->n; i++) {
		uint32_t number = number_of(x, &orders->vms[i]);

		x->vms[number].ordered = true;
	}
	drop_others(x);
	for (size_t i = 0; i < orders->n && !err; i++)
		err = place(x, &orders->vms[i]);
	if (!err)
		err = put_vcpus(x, orders);
	x->globals->heard = clock_mono();
	if (!err || err == -ENOMEM)
		return err;
	snprintf(why, sizeof(why), "a map is full (%s): %zu VMs with %zu vCPUs, of %d and %d",
		 strerror(-err), orders->n, orders->n_vcpus, SCHED_EXT_VMS - 1, SCHED_EXT_VCPUS);
	return give_up(x, why);
}

static int take(void *state, void (*got)(const struct enforce_outcome *o, void *data), void *data)
{
	struct ext *x = state;
	struct enforce_outcome over = {.pid = 0};
	int err = check(x);

	if (err) {
		snprintf(over.why, sizeof(over.why), "%.190s", x->why);
		got(&over, data);
		return err;
	}
	for (uint32_t i = 1; i < SCHED_EXT_VMS; i++) {
		if (!x->vms[i].pid || x->vms[i].told)
			continue;
		got(&x->vms[i].outcome, data);
		x->vms[i].told = true;
	}
	return 0;
}

struct sched_ext_globals sched_ext_figures(const void *state)
{
	return *((const struct ext *)state)->globals;
}

const struct enforcer enforcer_sched_ext = {
	.name = "sched_ext",
	.guarantees = "shares, reservations and limits at every wake-up and switch, against the "
		      "host's own work as well",
	.cannot = "co-schedule, hold real-time threads, or keep shares so small that a thread "
		  "would wait for longer than 0.2 s",
	.keys = 1u << VM_KEY_SHARES | 1u << VM_KEY_RESERVATION | 1u << VM_KEY_LIMIT |
		1u << VM_KEY_BURST_CREDIT | 1u << VM_KEY_GROUP,
	.probe = probe,
	.open = open_ext,
	.apply = apply,
	.take = take,
	.close = close_ext,
};
