/* SPDX-License-Identifier: MIT */
#include "vmm/vmm.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "vmm/console.h"
#include "vmm/counters.h"
#include "vmm/ledger_page.h"
#include "vmm/reset.h"
#include "vmm/restart.h"
#include "vmm/threads.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

extern const uint8_t builtin_kernel[], builtin_kernel_end[];

static_assert(VMM_CPUS_MAX == MACHINE_CPUS_MAX, "as many as there is room for");

struct vmm {
	struct vmm_config config;
	struct machine machine;
	struct console console;
	int page;  /* the ledger page's file, -1: none */
	bool left; /* by us, with a thread that still uses it */
};

static int open_kernel(const char *path, struct failure *f, struct image_file *ret)
{
	if (path)
		return image_open(path, f, ret);
	*ret = (struct image_file){
		.name = "tickos",
		.fd = -1,
		.bytes = builtin_kernel,
		.size = (uint64_t)((uintptr_t)builtin_kernel_end - (uintptr_t)builtin_kernel)};
	return 0;
}

static int load(struct vmm *v, struct failure *f)
{
	const struct vmm_config *c = &v->config;
	struct machine *m = &v->machine;
	/* What Linux cannot find: that there is no I/O APIC. */
	bool noapic = c->kernel && m->cpus > 1;
	int err, used = snprintf(m->command, sizeof(m->command), "%s%s", c->append,
				 noapic ? " noapic" : "");

	if ((size_t)used >= sizeof(m->command))
		return failure_set(f, -E2BIG, "the kernel's command line is longer than %d bytes",
				   IMAGE_COMMAND_MAX - 1);
	err = open_kernel(c->kernel, f, &m->kernel);
	if (!err && c->initrd)
		err = image_open(c->initrd, f, &m->initrd);
	m->kernel.stop = m->initrd.stop = &m->stopping;
	return err ? err : machine_load(m, f);
}

static int make_memory(struct memory *m, uint64_t size, struct failure *f)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return failure_errno(f, -errno, "%llu MiB of guest memory",
				     (unsigned long long)(size / MIB));
	m->base = base;
	m->size = size;
	return 0;
}

static int add_devices(struct vmm *v, struct failure *f)
{
	struct machine *m = &v->machine;
	const char *disk = v->config.disk;
	int err = disk ? block_open(&m->board.block, disk, v->config.read_only, f) : 0;

	if (err)
		return err;
	board_add_devices(&m->board);
	return 0;
}

static int make_cpus(struct vmm *v, struct failure *f)
{
	struct machine *m = &v->machine;
	int err = kvm_open(&m->kvm, &m->board.memory, m->cpus, f);

	machine_reset(m);
	for (unsigned i = 0; i < m->cpus && !err; i++)
		err = kvm_open_cpu(&m->cpu[i].kvm, &m->kvm, (uint8_t)i, m->cpus > 1, f);
	return err ? err : kvm_enter(&m->cpu[0].kvm, &m->entry, f);
}

static int set_up(struct vmm *v, struct failure *f)
{
	struct machine *m = &v->machine;
	int err = make_memory(&m->board.memory, v->config.memory, f);

	m->cpus = v->config.cpus;
	if (!err && v->config.page)
		err = ledger_page_open(v->config.page, v->config.cpus, f, &m->board.memory,
				       &v->page);
	if (!err)
		err = add_devices(v, f);
	if (!err)
		err = load(v, f);
	if (!err)
		err = make_cpus(v, f);
	if (err)
		return err;
	m->reboots = !v->config.no_reboot;
	machine_set_policy(m, v->config.policy);
	m->output = STDOUT_FILENO;
	m->ended = eventfd(0, EFD_CLOEXEC);
	return m->ended < 0 ? failure_errno(f, -errno, "eventfd") : 0;
}

/* Only a kernel that the user gives may be too much for this KVM. */
static int open_console(struct vmm *v, struct failure *f)
{
	int err = console_open(&v->console, &v->machine, v->config.control, f);

	if (!err && v->config.kernel)
		v->console.notice = v->config.notice;
	return err;
}

int vmm_open(const struct vmm_config *c, struct failure *f, struct vmm **ret)
{
	struct vmm *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return failure_errno(f, -ENOMEM, "the VM");
	v->config = *c;
	v->machine.ended = -1;
	v->machine.board.block.fd = v->machine.kernel.fd = v->machine.initrd.fd = v->page = -1;
	v->machine.kvm = (struct kvm){.system = -1, .vm = -1};
	for (unsigned i = 0; i < MACHINE_CPUS_MAX; i++)
		v->machine.cpu[i].kvm.fd = -1;
	v->console = (struct console){.listener.fd = -1, .input.fd = -1};
	pthread_mutex_init(&v->machine.lock, NULL);
	pthread_mutex_init(&v->machine.gate, NULL);
	pthread_mutex_init(&v->machine.output_lock, NULL);
	err = set_up(v, f);
	if (!err)
		err = open_console(v, f);
	if (err) {
		vmm_close(v);
		return err;
	}
	*ret = v;
	return 0;
}

struct vmm *vmm_close(struct vmm *v)
{
	if (!v)
		return NULL;
	console_close(&v->console);
	if (v->left)
		return NULL;
	for (unsigned i = 0; i < MACHINE_CPUS_MAX; i++)
		kvm_close_cpu(&v->machine.cpu[i].kvm);
	kvm_close(&v->machine.kvm);
	if (v->machine.board.memory.base)
		munmap(v->machine.board.memory.base, v->machine.board.memory.size);
	ledger_page_close(&v->machine.board.memory, &v->page);
	close_fd(&v->machine.board.block.fd);
	close_fd(&v->machine.kernel.fd);
	close_fd(&v->machine.initrd.fd);
	close_fd(&v->machine.ended);
	pthread_mutex_destroy(&v->machine.output_lock);
	pthread_mutex_destroy(&v->machine.gate);
	pthread_mutex_destroy(&v->machine.lock);
	free(v);
	return NULL;
}

int vmm_run(struct vmm *v, struct failure *f)
{
	int err = threads_start(&v->machine, f);

	if (!err)
		err = console_serve(&v->console, f);
	v->left = err == -ETIMEDOUT;
	if (err)
		return err;
	if (v->machine.end == MACHINE_BROKEN)
		return failure_set(f, -EIO, "%s", v->machine.broken.text);
	if (v->machine.output_error)
		return failure_errno(f, v->machine.output_error,
				     "standard output: %llu bytes of the guest's are lost",
				     (unsigned long long)v->machine.output_lost);
	return 0;
}

json_t *vmm_figures(struct vmm *v)
{
	return counters_json(&v->machine);
}
