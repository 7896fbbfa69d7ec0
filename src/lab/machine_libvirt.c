/* SPDX-License-Identifier: MIT */
#include "lab/machine_libvirt.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/newfile.h"
#include "base/units.h"
#include "host/find.h"
#include "lab/parts.h"
#include "lab/trace_area.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_NS     (30 * NS_PER_SEC)
#define END_MS	     10000
#define COMPLAINT_MS 300
#define POLL_MS	     50
#define XML_MAX	     4096

static const char domain[] =
	"<domain type='%s'><name>%s</name><memory unit='MiB'>%d</memory><vcpu>%u</vcpu>\n"
	"<os><type arch='x86_64' machine='pc'>hvm</type><kernel>%s/kernel</kernel>\n"
	"<initrd>%s/image</initrd><cmdline>%s</cmdline></os>\n"
	"<features><acpi/><apic/></features><cpu mode='%s'/>\n"
	"<on_reboot>destroy</on_reboot><on_crash>destroy</on_crash><devices>\n"
	"<serial type='unix'><source mode='connect' path='%s/%s.console'/></serial>\n"
	"<serial type='unix'><source mode='connect' path='%s/%s.control'/></serial>\n"
	"<shmem name='%s'><model type='ivshmem-plain'/><size unit='B'>%zu</size></shmem>\n"
	"<shmem name='%s'><model type='ivshmem-plain'/><size unit='B'>%u</size></shmem>\n"
	"<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>\n";

/* -E2BIG. Nothing in it is anybody's text but ours. */
static int describe(const struct machine *m, const struct machine_setup *s, char *ret, size_t size)
{
	bool kvm = !strcmp(s->accel, "kvm");
	char page[MACHINE_SHARED_PATH], trace[MACHINE_SHARED_PATH], words[256];
	int n;

	machine_shared_path(m, s->dir, MACHINE_PAGE, page);
	machine_shared_path(m, s->dir, MACHINE_TRACE, trace);
	machine_kernel_words(m, s, words, sizeof(words));
	n = snprintf(ret, size, domain, kvm ? "kvm" : "qemu", m->domain, MACHINE_MEMORY_MIB,
		     m->vcpus, s->dir, s->dir, words, kvm ? "host-passthrough" : "maximum", s->dir,
		     m->name, s->dir, m->name, MACHINE_SHARED_NAME(page), m->page_size,
		     MACHINE_SHARED_NAME(trace), TRACE_AREA_BYTES);
	return n < 0 || (size_t)n >= size ? -E2BIG : 0;
}

/* ---- what QEMU connects to ---- */

static int listen_at(const struct machine *m, const struct machine_setup *s, const char *what,
		     int *ret)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s.%s", s->dir, m->name, what);
	unlink(at.sun_path); /* that of a start before */
	/* QEMU's user isn't known; the directory's name is only QEMU's to know. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || chmod(at.sun_path, 0666) ||
	    listen(fd, 1))
		return -errno;
	*ret = fd;
	fd = -1;
	return 0;
}

/* -EAGAIN while none is there. */
static int take_connection(int listener, int *connection)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	if (*connection >= 0)
		return 0;
	if (poll(&p, 1, 0) <= 0)
		return -EAGAIN;
	*connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return *connection < 0 ? -errno : 0;
}

/* ---- virsh ---- */

static void become_virsh(int end, pid_t parent)
{
	char *words[] = {LAB_VIRSH, NULL};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(end, STDIN_FILENO);
	dup2(end, STDOUT_FILENO);
	dup2(end, STDERR_FILENO);
	execvp(words[0], words);
	dprintf(STDERR_FILENO, "error: %s: %s\n", words[0], strerror(errno));
	_exit(127);
}

static int start_virsh(struct machine *m)
{
	pid_t parent = getpid();
	int ends[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	m->virsh = fork();
	if (m->virsh == 0)
		become_virsh(ends[1], parent);
	if (m->virsh < 0) {
		err = -errno;
		m->virsh = 0;
	}
	close(ends[1]);
	m->virsh_end = ends[0];
	return err;
}

/* One that has ended doesn't end us. */
static int tell_virsh(const struct machine *m, const char *command, const char *operand)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "%s %s\n", command, operand);

	return send(m->virsh_end, line, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -EPIPE;
}

/* Adds what virsh says within so many milliseconds to `text`; false when it has ended, or nothing
 * more is said. */
static bool hear_virsh(const struct machine *m, int timeout, char *text, size_t size)
{
	struct pollfd p = {.fd = m->virsh_end, .events = POLLIN};
	size_t used = strlen(text);
	ssize_t n;

	if (poll(&p, 1, timeout) <= 0)
		return false;
	n = recv(m->virsh_end, text + used, size - 1 - used, MSG_DONTWAIT);
	if (n <= 0)
		return false;
	text[used + (size_t)n] = '\0';
	return true;
}

static bool virsh_ended(struct machine *m)
{
	if (waitpid(m->virsh, NULL, WNOHANG) != m->virsh)
		return false;
	m->virsh = 0;
	return true;
}

/* The first line of its complaint only says what it was told to do; the last one says why not. */
static int libvirt_failure(const struct machine *m, char *said, size_t size, struct failure *f)
{
	char line[300] = "", last[300];

	while (hear_virsh(m, COMPLAINT_MS, said, size))
		;
	for (const char *at = said; (at = strstr(at, "error: "));) {
		at += strlen("error: ");
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	}
	control_text(line, last, sizeof(last));
	return failure_set(f, -EREMOTEIO, "%s: libvirt: %s", m->name, last);
}

/* Until QEMU has connected and libvirt says that the domain is there. */
static int await_domain(struct machine *m, int console, int control, struct failure *f)
{
	uint64_t end = clock_mono() + START_NS;
	char said[2048] = "";

	for (;;) {
		bool connected = !take_connection(console, &m->console);

		connected &= !take_connection(control, &m->control);
		if (connected && strstr(said, "created from"))
			return 0;
		if (strstr(said, "error: "))
			return libvirt_failure(m, said, sizeof(said), f);
		if (clock_mono() > end)
			return failure_set(f, -ETIMEDOUT,
					   "%s: libvirt did not start it within %" PRIu64 " s",
					   m->name, START_NS / NS_PER_SEC);
		if (!hear_virsh(m, POLL_MS, said, sizeof(said)) && virsh_ended(m))
			return failure_set(f, -EREMOTEIO, "%s: virsh has ended", m->name);
	}
}

static int map_trace(struct machine *m, const struct machine_setup *s)
{
	char path[MACHINE_SHARED_PATH];
	struct stat st;
	void *area;

	machine_shared_path(m, s->dir, MACHINE_TRACE, path);
	m->trace_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (m->trace_fd < 0)
		return -errno;
	unlink(path);
	if (fstat(m->trace_fd, &st) || st.st_size < TRACE_AREA_BYTES)
		return -EINVAL;
	area = mmap(NULL, TRACE_AREA_BYTES, PROT_READ, MAP_SHARED, m->trace_fd, 0);
	if (area == MAP_FAILED)
		return -errno;
	m->trace = area;
	return 0;
}

/* QEMU is the process at the other end of the console. */
static int take_process(struct machine *m)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(m->console, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -errno;
	m->pidfd = pidfd_open(peer.pid, 0);
	if (m->pidfd < 0)
		return -errno;
	m->pid = peer.pid;
	return 0;
}

static int create(struct machine *m, const struct machine_setup *s, struct failure *f)
{
	_cleanup_(close_fd) int console = -1, control = -1;
	char xml[XML_MAX], path[96];
	int err = describe(m, s, xml, sizeof(xml));

	snprintf(path, sizeof(path), "%s/%s.xml", s->dir, m->name);
	if (!err)
		err = newfile_write(path, xml, strlen(xml), 0644, 0);
	if (!err)
		err = listen_at(m, s, "console", &console);
	if (!err)
		err = listen_at(m, s, "control", &control);
	if (!err)
		err = start_virsh(m);
	if (err)
		return failure_errno(f, err, "%s: what libvirt needs in %s", m->name, s->dir);
	err = tell_virsh(m, "create --paused --autodestroy", path);
	return err ? failure_errno(f, err, "%s: virsh", m->name)
		   : await_domain(m, console, control, f);
}

static int start(struct machine *m, const struct machine_setup *s, struct failure *f)
{
	char name[MACHINE_SHARED_PATH];
	int err;

	machine_shared_path(m, s->dir, "desched-lab", name);
	snprintf(m->domain, sizeof(m->domain), "%s", MACHINE_SHARED_NAME(name));
	m->boots++;
	err = create(m, s, f);
	if (err)
		return err;
	err = take_process(m);
	if (!err)
		err = map_trace(m, s);
	return err ? failure_errno(f, err, "%s: QEMU of its domain", m->name) : 0;
}

static int find(struct machine *m, struct failure *f)
{
	return host_find_pid(m->pid, f, &m->vm);
}

static int resume(struct machine *m, struct failure *f)
{
	int err = tell_virsh(m, "resume", m->domain);

	return err ? failure_errno(f, err, "%s: virsh", m->name) : 0;
}

static bool has_ended(const struct machine *m)
{
	struct pollfd p = {.fd = m->pidfd, .events = POLLIN};

	return poll(&p, 1, END_MS) > 0;
}

/* The process isn't ours: how it ended isn't known. */
static int reap(struct machine *m)
{
	has_ended(m);
	return 0;
}

/* libvirt ends the domain of a virsh that has gone. */
static void kill_domain(struct machine *m)
{
	if (m->virsh) {
		kill(m->virsh, SIGKILL);
		waitpid(m->virsh, NULL, 0);
		m->virsh = 0;
	}
	if (m->pidfd >= 0 && !has_ended(m))
		pidfd_send_signal(m->pidfd, SIGKILL, NULL, 0);
}

const struct machine_kind machine_libvirt = {
	.name = "libvirt",
	.host_page = true,
	.libvirt = true,
	.start = start,
	.find = find,
	.resume = resume,
	.reap = reap,
	.kill = kill_domain,
};
