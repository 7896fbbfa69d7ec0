/* SPDX-License-Identifier: MIT */
#include "tcg_guest.h"

#include "before_others.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MONITOR_NS (60 * NS_PER_SEC)
#define WORDS_MAX  64
#define MEMORY_MIB "384"

static const char preamble[] = "#!/bin/sh\n"
			       "export PATH=/bin\n"
			       "/bin/busybox --install -s /bin\n"
			       "mount -t proc proc /proc; mount -t sysfs sys /sys\n"
			       "mount -t devtmpfs dev /dev; mount -t tmpfs run /run\n"
			       "exec </dev/null >/dev/ttyS0 2>&1\n"
			       "stty -onlcr </dev/ttyS0\n";

/* ---- the page ---- */

static void *publish(void *data)
{
	struct tcg_guest *g = data;
	struct page_host host = {.valid = 0};
	uint64_t start = clock_mono();
	struct anchor anchor;
	uint64_t first;

	anchor_start(&anchor);
	first = anchor.clock.ticks;
	while (!g->stop) {
		struct page_vcpu vcpu = {.start = start};

		anchor_update(&anchor);
		host.clock = anchor.clock;
		host.clock.ticks -= (host.clock.ticks - first) / 1000000 * g->gain_ppm;
		vcpu.at = vcpu.gaps_until = host.clock.mono;
		vcpu.ns[LEDGER_RUN] = vcpu.at - start;
		for (unsigned i = 0; i < g->cpus; i++)
			page_write_vcpu(&g->writer, i, &vcpu);
		page_write_host(&g->writer, &host);
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return NULL;
}

void tcg_publish(struct tcg_guest *g)
{
	g->stop = false;
	assert_int_equal(pthread_create(&g->publisher, NULL, publish, g), 0);
	g->publishing = true;
}

void tcg_publish_stop(struct tcg_guest *g)
{
	if (!g->publishing)
		return;
	g->stop = true;
	pthread_join(g->publisher, NULL);
	g->publishing = false;
}

void tcg_new_session(struct tcg_guest *g, uint64_t session)
{
	page_writer_done(&g->writer);
	g->session = session;
	assert_int_equal(page_writer_init(&g->writer, g->page, g->page_size, g->cpus, 0, session),
			 0);
}

/* A file for QEMU to have as memory, and that memory. */
static void *map_file(const struct tcg_guest *g, const char *name, size_t size)
{
	char path[80];
	void *memory;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", g->dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED);
	close(fd);
	return memory;
}

static void make_page(struct tcg_guest *g)
{
	g->page_size = MIB;
	g->page = map_file(g, "page", g->page_size);
	g->session = 1;
	assert_int_equal(
		page_writer_init(&g->writer, g->page, g->page_size, g->cpus, 0, g->session), 0);
}

/* ---- the image ---- */

static void write_file(const char *dir, const char *name, const char *text, const char *more)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s%s", text, more);
	assert_int_equal(fclose(f), 0);
	chmod(path, 0755);
}

static void make_image(struct tcg_guest *g, const struct tcg_options *o)
{
	char command[4096];
	int n;

	write_file(g->dir, "init", preamble, o->init);
	write_file(g->dir, "conf", o->conf, "");
	n = snprintf(command, sizeof(command), "%s/lab/mkinitramfs %s/image %s/init %s/conf %s",
		     o->source_dir, g->dir, g->dir, g->dir, o->vmdesched);
	for (const char *const *p = o->programs; p && *p; p++)
		n += snprintf(command + n, sizeof(command) - (size_t)n, " %s", *p);
	assert_int_equal(system(command), 0);
}

static void add_modules(const struct tcg_guest *g, const struct tcg_options *o)
{
	char command[512];

	snprintf(command, sizeof(command), "cat $(%s/scripts/fetch-kernel --modules) >>%s/image",
		 o->source_dir, g->dir);
	assert_int_equal(system(command), 0);
}

static void find_kernel(const struct tcg_options *o, char *path, size_t size)
{
	char command[512];
	FILE *f;

	snprintf(command, sizeof(command), "%s/scripts/fetch-kernel", o->source_dir);
	f = popen(command, "r");
	assert_non_null(f);
	assert_non_null(fgets(path, (int)size, f));
	path[strcspn(path, "\n")] = '\0';
	assert_int_equal(pclose(f), 0);
}

/* ---- the machine ---- */

static void become_qemu(const struct tcg_guest *g, const struct tcg_options *o, const char *kernel,
			int console, int monitor)
{
	char image[80], page[160], ram[160], append[256], smp[16], mon[64];
	const char *words[WORDS_MAX] = {"qemu-system-x86_64",
					"-name",
					"test,debug-threads=on",
					"-nodefaults",
					"-no-user-config",
					"-no-reboot",
					"-display",
					"none",
					"-accel",
					"tcg,thread=multi",
					"-cpu",
					"max",
					"-m",
					MEMORY_MIB,
					"-kernel",
					kernel,
					"-initrd",
					image,
					"-append",
					append,
					"-smp",
					smp,
					"-serial",
					"stdio",
					"-chardev",
					mon,
					"-mon",
					"chardev=monitor,mode=control"};
	int n = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(console, STDIN_FILENO);
	dup2(console, STDOUT_FILENO);
	fcntl(monitor, F_SETFD, 0);
	snprintf(image, sizeof(image), "%s/image", g->dir);
	snprintf(page, sizeof(page),
		 "memory-backend-file,id=page,mem-path=%s/page,size=%zu,share=on,readonly=%s",
		 g->dir, g->page_size, o->page_moves ? "off" : "on");
	/* On a busy host the emulated timer may seem dead, at which a kernel panics. */
	snprintf(append, sizeof(append), "console=ttyS0 quiet panic=-1 no_timer_check %s",
		 o->append ? o->append : "");
	snprintf(smp, sizeof(smp), "%u", g->cpus);
	snprintf(mon, sizeof(mon), "socket,id=monitor,fd=%d", monitor);
	while (words[n])
		n++;
	if (!o->no_page) {
		words[n++] = "-object", words[n++] = page;
		words[n++] = "-device";
		words[n++] = "ivshmem-plain,memdev=page,master=on,addr=0x10";
	}
	if (g->ram) {
		snprintf(ram, sizeof(ram),
			 "memory-backend-file,id=ram,mem-path=%s/ram,size=%zu,share=on", g->dir,
			 g->ram_size);
		words[n++] = "-object", words[n++] = ram;
		words[n++] = "-machine", words[n++] = "memory-backend=ram";
	}
	for (const char *const *q = o->qemu; q && *q && n < WORDS_MAX - 1; q++)
		words[n++] = *q;
	execvp(words[0], (char **)words);
	_exit(127);
}

void tcg_start(struct tcg_guest *g, const struct tcg_options *o)
{
	int console[2], monitor[2];
	struct failure f = {""};
	char kernel[512];

	before_others();
	memset(g, 0, sizeof(*g));
	g->cpus = o->cpus ? o->cpus : 1;
	g->gain_ppm = o->gain_ppm;
	strcpy(g->dir, "/tmp/tcg-guest.XXXXXX");
	assert_non_null(mkdtemp(g->dir));
	make_page(g);
	if (o->shares_ram) {
		g->ram_size = (size_t)atoi(MEMORY_MIB) * MIB;
		g->ram = map_file(g, "ram", g->ram_size);
	}
	make_image(g, o);
	if (o->modules)
		add_modules(g, o);
	find_kernel(o, kernel, sizeof(kernel));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, monitor), 0);
	g->pid = fork();
	if (g->pid == 0)
		become_qemu(g, o, kernel, console[1], monitor[1]);
	close(console[1]);
	close(monitor[1]);
	g->console = console[0];
	g->monitor = monitor[0];
	if (qmp_open(g->monitor, MONITOR_NS, &f, &g->qmp))
		fail_msg("QEMU: %s", f.text);
}

void tcg_end(struct tcg_guest *g)
{
	char command[128];

	tcg_publish_stop(g);
	qmp_close(g->qmp);
	kill(g->pid, SIGKILL);
	waitpid(g->pid, NULL, 0);
	close(g->console);
	close(g->monitor);
	page_writer_done(&g->writer);
	munmap(g->page, g->page_size);
	if (g->ram)
		munmap(g->ram, g->ram_size);
	snprintf(command, sizeof(command), "rm -rf %s", g->dir);
	assert_int_equal(system(command), 0);
}

json_t *tcg_command(struct tcg_guest *g, const char *name, json_t *arguments)
{
	struct failure f = {""};
	json_t *value = NULL;

	if (qmp_command(g->qmp, name, arguments, MONITOR_NS, &f, &value))
		fail_msg("%s: %s", name, f.text);
	json_decref(arguments);
	return value;
}

/* ---- its console ---- */

/* What has come: a whole line, or as much of one as there is room for. */
static bool take_line(struct tcg_guest *g, char line[TCG_LINE])
{
	char *end = memchr(g->buf, '\n', g->used);
	size_t n = end ? (size_t)(end - g->buf) : g->used, whole = end ? n + 1 : n;

	if (!end && g->used < TCG_LINE - 1)
		return false;
	memcpy(line, g->buf, n);
	while (n && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	g->used -= whole;
	memmove(g->buf, g->buf + whole, g->used);
	return true;
}

void tcg_line(struct tcg_guest *g, unsigned seconds, char line[TCG_LINE])
{
	uint64_t until = clock_mono() + seconds * NS_PER_SEC;

	while (!take_line(g, line)) {
		struct pollfd p = {.fd = g->console, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, 1000) <= 0 && clock_mono() < until)
			continue;
		n = clock_mono() < until
			    ? read(g->console, g->buf + g->used, TCG_LINE - 1 - g->used)
			    : 0;
		if (n <= 0)
			fail_msg("the guest fell silent; last: %.*s", (int)g->used, g->buf);
		g->used += (size_t)n;
	}
}

void tcg_wait(struct tcg_guest *g, const char *prefix, unsigned seconds, char line[TCG_LINE])
{
	uint64_t until = clock_mono() + seconds * NS_PER_SEC;

	do {
		uint64_t now = clock_mono();

		if (now >= until)
			fail_msg("no line '%s' within %u s", prefix, seconds);
		tcg_line(g, (unsigned)((until - now) / NS_PER_SEC) + 1, line);
		if (strstr(line, "vmdesched:") || strstr(line, "panic"))
			print_message("guest: %s\n", line);
	} while (strncmp(line, prefix, strlen(prefix)) != 0);
}
