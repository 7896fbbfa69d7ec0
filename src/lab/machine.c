/* SPDX-License-Identifier: MIT */
#include "lab/machine.h"
#include "host/find.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "host/qmp.h"
#include "lab/cpus.h"
#include "lab/pages.h"
#include "lab/parts.h"
#include "lab/trace_area.h"
#include "ledger/stream_frame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MONITOR_NS  (20 * NS_PER_SEC)
#define ARGS_MAX    64
#define REAP_ROUNDS 200 /* of 10 ms */

void machine_init(struct machine *m, int number)
{
	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "vm%d", number + 1);
	m->kind = &machine_own;
	m->console = m->control = m->monitor = m->stream = m->page_fd = m->trace_fd = -1;
	m->virsh_end = m->pidfd = -1;
	m->page_id = -1;
	m->vcpus = 1;
}

void machine_shared_path(const struct machine *m, const char *dir, const char *what,
			 char ret[MACHINE_SHARED_PATH])
{
	const char *unique = strrchr(dir, '.');

	snprintf(ret, MACHINE_SHARED_PATH, "/dev/shm/%s%.16s-%s", what, unique ? unique : "",
		 m->name);
}

void machine_fail(struct machine *m, const char *format, ...)
{
	va_list ap;

	if (m->failure[0])
		return;
	va_start(ap, format);
	vsnprintf(m->failure, sizeof(m->failure), format, ap);
	va_end(ap);
}

/* QEMU's ends of what connects it with the lab. */
struct far_ends {
	int console, control, monitor, stream;
};

static void close_far_ends(const struct far_ends *e)
{
	close_fd(&e->console);
	close_fd(&e->control);
	close_fd(&e->monitor);
	close_fd(&e->stream);
}

static int make_pair(int *ret_near, int *ret_far)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	*ret_near = ends[0];
	*ret_far = ends[1];
	return 0;
}

static int make_page(struct machine *m, size_t size)
{
	m->page_fd = memfd_create("desched-page", MFD_CLOEXEC);
	if (m->page_fd < 0 || ftruncate(m->page_fd, (off_t)size))
		return -errno;
	m->page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m->page_fd, 0);
	if (m->page == MAP_FAILED) {
		m->page = NULL;
		return -errno;
	}
	m->page_size = size;
	return 0;
}

/* The host takes only what the guest touches of it. */
static int make_trace(struct machine *m)
{
	void *area;

	m->trace_fd = memfd_create(MACHINE_TRACE, MFD_CLOEXEC);
	if (m->trace_fd < 0 || ftruncate(m->trace_fd, TRACE_AREA_BYTES))
		return -errno;
	area = mmap(NULL, TRACE_AREA_BYTES, PROT_READ, MAP_SHARED, m->trace_fd, 0);
	if (area == MAP_FAILED)
		return -errno;
	m->trace = area;
	return 0;
}

bool machine_streams(const char *source)
{
	return !strcmp(source, "stream");
}

static int connect_ends(struct machine *m, const char *source, struct far_ends *ends)
{
	int err = make_trace(m);

	if (!err)
		err = make_pair(&m->console, &ends->console);
	if (!err)
		err = make_pair(&m->control, &ends->control);
	if (!err)
		err = make_pair(&m->monitor, &ends->monitor);
	if (!err && machine_streams(source))
		err = make_pair(&m->stream, &ends->stream);
	return err;
}

/* A command line that grows; the words are owned. */
struct words {
	char *word[ARGS_MAX + 1];
	int n;
	bool failed;
};

static void add(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct words *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (w->n == ARGS_MAX || vasprintf(&w->word[w->n], format, ap) < 0)
		w->failed = true;
	else
		w->word[++w->n] = NULL;
	va_end(ap);
}

static void free_words(struct words *w)
{
	for (int i = 0; i < w->n; i++)
		free(w->word[i]);
}

static void add_chardev(struct words *w, const char *id, int fd)
{
	add(w, "-chardev");
	add(w, "socket,id=%s,fd=%d", id, fd);
}

/* As in docs/guide-page.md, where a daemon of this host is to find it. */
static void add_page(struct words *w, const struct machine *m, const struct machine_setup *s)
{
	char path[MACHINE_SHARED_PATH];

	add(w, "-object");
	if (m->kind->host_page) {
		machine_shared_path(m, s->dir, MACHINE_PAGE, path);
		add(w, "memory-backend-file,id=page,share=on,mem-path=%s,size=%zu", path,
		    m->page_size);
	} else {
		add(w,
		    "memory-backend-file,id=page,mem-path=/proc/self/fd/%d,size=%zu,share=on,"
		    "readonly=on",
		    m->page_fd, m->page_size);
	}
	add(w, "-device"), add(w, "ivshmem-plain,memdev=page");
}

static void add_stream(struct words *w, int fd)
{
	add_chardev(w, "stream", fd);
	add(w, "-device"), add(w, "virtio-serial-pci");
	add(w, "-device"), add(w, "virtserialport,chardev=stream,name=" STREAM_PORT);
}

/* A fault named first-... strikes only once. */
static const char *fault_of_this_boot(const struct machine *m)
{
	return m->fault && m->boots && !strncmp(m->fault, "first-", 6) ? NULL : m->fault;
}

void machine_kernel_words(const struct machine *m, const struct machine_setup *s, char *ret,
			  size_t size)
{
	const char *fault = fault_of_this_boot(m);

	snprintf(ret, size, "console=ttyS0 quiet panic=-1 lab.source=%s%s%s", s->source,
		 fault ? " lab.fault=" : "", fault ? fault : "");
}

static void command_line(const struct machine *m, const struct machine_setup *s,
			 const struct far_ends *ends, struct words *w)
{
	bool kvm = !strcmp(s->accel, "kvm");
	char words[256];

	add(w, LAB_QEMU);
	add(w, "-name"), add(w, "%s,debug-threads=on", m->name);
	add(w, "-nodefaults"), add(w, "-no-user-config"), add(w, "-no-reboot"), add(w, "-S");
	add(w, "-display"), add(w, "none");
	add(w, "-accel"), add(w, "%s", s->accel);
	add(w, "-cpu"), add(w, "%s", kvm ? "host" : "max");
	add(w, "-smp"), add(w, "%u", m->vcpus);
	add(w, "-m"), add(w, "%d", MACHINE_MEMORY_MIB);
	add(w, "-kernel"), add(w, "%s", s->kernel);
	add(w, "-initrd"), add(w, "%s", s->image);
	machine_kernel_words(m, s, words, sizeof(words));
	add(w, "-append"), add(w, "%s", words);
	add_chardev(w, "console", ends->console);
	add(w, "-serial"), add(w, "chardev:console");
	add_chardev(w, "control", ends->control);
	add(w, "-serial"), add(w, "chardev:control");
	add_chardev(w, "monitor", ends->monitor);
	add(w, "-mon"), add(w, "chardev=monitor,mode=control");
	if (machine_streams(s->source))
		add_stream(w, ends->stream);
	else
		add_page(w, m, s);
	add(w, "-object");
	add(w, "memory-backend-file,id=trace,mem-path=/proc/self/fd/%d,size=%u,share=on",
	    m->trace_fd, TRACE_AREA_BYTES);
	add(w, "-device"), add(w, "ivshmem-plain,memdev=trace");
	for (char *const *word = s->more; word && *word; word++)
		add(w, "%s", *word);
}

static void keep_open(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

/* In the child. What QEMU itself has to say goes where its guest's console goes. */
static void become_qemu(const struct machine *m, const struct machine_setup *s,
			const struct far_ends *ends, char **words, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setsid(); /* a Ctrl-C is the lab's to handle */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sched_setaffinity(0, sizeof(s->boot_cpus), &s->boot_cpus);
	dup2(null, STDIN_FILENO);
	dup2(ends->console, STDOUT_FILENO);
	dup2(ends->console, STDERR_FILENO);
	if (!m->kind->host_page)
		keep_open(m->page_fd);
	keep_open(m->trace_fd);
	keep_open(ends->console);
	keep_open(ends->control);
	keep_open(ends->monitor);
	if (ends->stream >= 0)
		keep_open(ends->stream);
	execvp(words[0], words);
	dprintf(STDERR_FILENO, "%s: %s\n", words[0], strerror(errno));
	_exit(127);
}

static int start_qemu(struct machine *m, const struct machine_setup *s, struct failure *f)
{
	_cleanup_(close_far_ends) struct far_ends ends = {-1, -1, -1, -1};
	_cleanup_(free_words) struct words words = {.n = 0};
	pid_t parent = getpid();
	int err = connect_ends(m, s->source, &ends);

	if (err)
		return failure_errno(f, err, "%s: descriptors for QEMU", m->name);
	command_line(m, s, &ends, &words);
	if (words.failed)
		return failure_set(f, -ENOMEM, "%s: no memory for a command line", m->name);
	m->boots++;
	m->pid = fork();
	if (m->pid == 0)
		become_qemu(m, s, &ends, words.word, parent);
	if (m->pid < 0) {
		m->pid = 0;
		return failure_errno(f, -errno, "%s: starting QEMU", m->name);
	}
	fcntl(m->console, F_SETFL, O_NONBLOCK);
	fcntl(m->control, F_SETFL, O_NONBLOCK);
	return 0;
}

static int find_by_monitor(struct machine *m, struct failure *f)
{
	return host_find_qmp(m->monitor, m->pid, MONITOR_NS, f, &m->vm);
}

static int resume_by_monitor(struct machine *m, struct failure *f)
{
	struct qmp *q;
	int err = qmp_resume(m->monitor, &q);

	if (err)
		return failure_errno(f, err, "%s: QEMU's monitor", m->name);
	err = qmp_command(q, "cont", NULL, MONITOR_NS, f, NULL);
	qmp_close(q);
	return err;
}

/* One that has closed its ends and goes on living is killed. */
static int reap_child(struct machine *m)
{
	struct timespec pause = {.tv_nsec = 10 * NS_PER_MS};
	int status = 0;

	for (int i = 0; i < REAP_ROUNDS; i++) {
		if (waitpid(m->pid, &status, WNOHANG) == m->pid)
			return status;
		nanosleep(&pause, NULL);
	}
	kill(m->pid, SIGKILL);
	waitpid(m->pid, &status, 0);
	return status;
}

static void kill_child(struct machine *m)
{
	if (!m->pid)
		return;
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
}

const struct machine_kind machine_own = {
	.name = "own",
	.start = start_qemu,
	.find = find_by_monitor,
	.resume = resume_by_monitor,
	.reap = reap_child,
	.kill = kill_child,
};

const struct machine_kind machine_qemu = {
	.name = "qemu",
	.host_page = true,
	.start = start_qemu,
	.find = find_by_monitor,
	.resume = resume_by_monitor,
	.reap = reap_child,
	.kill = kill_child,
};

int machine_start(struct machine *m, const struct machine_setup *s, struct failure *f)
{
	size_t size = pages_size(m->vcpus);
	/* libvirt's least, and that of the guide */
	int err = make_page(m, m->kind->host_page ? u64_max(size, MIB) : size);

	if (err)
		return failure_errno(f, err, "%s: memory for a page", m->name);
	return m->kind->start(m, s, f);
}

int machine_find(struct machine *m, struct failure *f)
{
	return m->kind->find(m, f);
}

int machine_continue(struct machine *m, struct failure *f)
{
	return m->kind->resume(m, f);
}

int machine_pin(const struct machine *m, const cpu_set_t *cpus, struct failure *f)
{
	int err = cpus_pin_process(m->pid, cpus);

	return err ? failure_errno(f, err, "%s: putting QEMU's threads on the CPUs", m->name) : 0;
}

static int set_nice(pid_t tid, void *data)
{
	setpriority(PRIO_PROCESS, (id_t)tid, *(int *)data);
	return 0;
}

/* A nice value counts within the session only where the kernel groups tasks by it (autogroup). */
void machine_favour(const struct machine *m, bool yes)
{
	int nice = yes ? -20 : 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", m->pid);
	proc_each_id(path, set_nice, &nice);
	snprintf(path, sizeof(path), "/proc/%d/autogroup", m->pid);
	f = fopen(path, "we");
	if (!f)
		return;
	fprintf(f, "%d\n", nice);
	fclose(f);
}

int machine_schedstat(const struct machine *m, uint64_t *ret_run, uint64_t *ret_delay)
{
	uint64_t run = 0, delay = 0;

	for (uint32_t i = 0; i < m->vm.n_vcpus; i++) {
		uint64_t r, d;
		int err = proc_read_schedstat(m->pid, m->vm.vcpus[i].tid, &r, &d);

		if (err)
			return err;
		run += r;
		delay += d;
	}
	*ret_run = run;
	*ret_delay = delay;
	return 0;
}

int machine_cpu_time(const struct machine *m, uint64_t *ret_ns)
{
	struct timespec t;
	clockid_t clock;
	int err = clock_getcpuclockid(m->pid, &clock);

	if (err)
		return -err;
	if (clock_gettime(clock, &t))
		return -errno;
	*ret_ns = (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
	return 0;
}

static void close_end(int *fd)
{
	close_fd(fd);
	*fd = -1;
}

void machine_stop(struct machine *m)
{
	m->kind->kill(m);
	m->pid = 0;
	close_end(&m->virsh_end);
	close_end(&m->pidfd);
	close_end(&m->console);
	close_end(&m->control);
	close_end(&m->monitor);
	close_end(&m->stream);
	close_end(&m->page_fd);
	close_end(&m->trace_fd);
	if (m->page)
		munmap(m->page, m->page_size);
	m->page = NULL;
	if (m->trace)
		munmap((void *)m->trace, TRACE_AREA_BYTES);
	m->trace = NULL;
	m->clock = (struct machine_clock){.after = 0};
	if (m->vm.n_vcpus)
		host_vm_done(&m->vm);
	memset(&m->vm, 0, sizeof(m->vm));
	control_done(&m->in);
	json_decref(m->line);
	m->line = NULL;
	m->answered = false;
	m->asked = 0;
}

void machine_done(struct machine *m)
{
	machine_stop(m);
	close_file(&m->log);
	m->log = NULL;
}
