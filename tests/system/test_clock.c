/* SPDX-License-Identifier: MIT */
/*
 * A guest under QEMU TCG that is stopped for a while, and its clock. The guest's clocksource is
 * acpi_pm, which wraps every 4.7 s: a longer pause is lost but for its remainder, as on a
 * hypervisor that does not catch up. The truth is what the guest prints as its time of day, held to
 * the host's clock when the line arrives; vmdesched is the only one in there that could set it.
 *
 *     test_clock VMDESCHED SOURCE-DIR PAUSE-MS...
 */
#include "base/clock.h"
#include "base/units.h"
#include "host/anchor.h"
#include "ledger/page_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE_BYTES  (1 * MIB)
#define WRAP_S	    4.688 /* 2^24 / 3.579545 MHz */
#define CLOCK_LINES 5	  /* one a second: more than the policy waits for quiet */
#define NEAR_S	    3.5	  /* whole seconds, a slow guest, a busy host */

static const char *vmdesched, *source_dir;
static int pauses_ms[8], n_pauses;

struct vm {
	char dir[64], page[80], image[80];
	pid_t pid;
	FILE *console;
	void *base;
	struct page_writer writer;
	pthread_t publisher;
	atomic_bool stop;
	int lines;     /* of ours, so far */
	double behind; /* s: the host's clock less what the guest said */
	double lag;    /* s, as vmdesched has it; NAN until then */
	int steps, jumps, pauses;
};

/* What a host's daemon does, but for the ledgers: a page whose clock goes on. */
static void *publish(void *data)
{
	struct vm *vm = data;
	struct page_host host = {.valid = 0};
	struct page_vcpu vcpu = {.start = clock_mono()};
	struct anchor anchor;

	anchor_start(&anchor);
	while (!vm->stop) {
		anchor_update(&anchor);
		host.clock = anchor.clock;
		vcpu.at = vcpu.gaps_until = host.clock.mono;
		vcpu.ns[LEDGER_RUN] = vcpu.at - vcpu.start;
		page_write_vcpu(&vm->writer, 0, &vcpu);
		page_write_host(&vm->writer, &host);
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	return NULL;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	chmod(path, 0755);
}

/* The lab's image maker with an init of our own, and a configuration in the place of its workload.
 */
static void make_image(struct vm *vm)
{
	char init[80], conf[80], command[1024];

	snprintf(init, sizeof(init), "%s/init", vm->dir);
	snprintf(conf, sizeof(conf), "%s/conf", vm->dir);
	snprintf(vm->image, sizeof(vm->image), "%s/image", vm->dir);
	write_file(init, "#!/bin/sh\n"
			 "export PATH=/bin\n"
			 "/bin/busybox --install -s /bin\n"
			 "mount -t proc proc /proc; mount -t sysfs sys /sys\n"
			 "mount -t devtmpfs dev /dev\n"
			 "exec >/dev/ttyS0 2>&1\n"
			 /* QEMU's RTC is up to a second behind: rather be ahead, which is no reason
			  * to step. */
			 "read now </sys/class/rtc/rtc0/since_epoch && date -s @$((now + 1))\n"
			 "vmdesched --config /bin/work &\n"
			 "while sleep 1; do\n"
			 "	grep -h '^desched_\\(clock\\|pauses\\)' /run/d.prom 2>/dev/null\n"
			 "	echo \"NOW $(date +%s)\"\n"
			 "done\n");
	write_file(conf, "[vmdesched]\nsource = page\n[gaps]\nthreshold = 0\n"
			 "[metrics]\ntextfile = /run/d.prom\ninterval = 1\nprocesses = 0\n"
			 "[clock]\nmode = set\n");
	snprintf(command, sizeof(command), "%s/lab/mkinitramfs %s %s %s %s", source_dir, vm->image,
		 init, conf, vmdesched);
	assert_int_equal(system(command), 0);
}

static void find_kernel(char *path, size_t size)
{
	char command[512];
	FILE *f;

	snprintf(command, sizeof(command), "%s/scripts/fetch-kernel", source_dir);
	f = popen(command, "r");
	assert_non_null(fgets(path, (int)size, f));
	path[strcspn(path, "\n")] = '\0';
	assert_int_equal(pclose(f), 0);
}

static void become_qemu(const struct vm *vm, const char *kernel, int out)
{
	char object[160];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	snprintf(object, sizeof(object),
		 "memory-backend-file,id=page,mem-path=%s,size=%llu,share=on,readonly=on", vm->page,
		 (unsigned long long)PAGE_BYTES);
	execlp("qemu-system-x86_64", "qemu-system-x86_64", "-nodefaults", "-no-user-config",
	       "-no-reboot", "-display", "none", "-accel", "tcg", "-cpu", "max", "-m", "384",
	       "-kernel", kernel, "-initrd", vm->image, "-append",
	       "console=ttyS0 quiet panic=-1 clocksource=acpi_pm", "-serial", "stdio", "-object",
	       object, "-device", "ivshmem-plain,memdev=page", NULL);
	_exit(127);
}

static void start(struct vm *vm)
{
	char kernel[512];
	int out[2], fd;

	strcpy(vm->dir, "/tmp/test-clock.XXXXXX");
	assert_non_null(mkdtemp(vm->dir));
	snprintf(vm->page, sizeof(vm->page), "%s/page", vm->dir);
	fd = open(vm->page, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, PAGE_BYTES), 0);
	vm->base = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_int_equal(page_writer_init(&vm->writer, vm->base, PAGE_BYTES, 1, 0, 1), 0);
	assert_int_equal(pthread_create(&vm->publisher, NULL, publish, vm), 0);
	make_image(vm);
	find_kernel(kernel, sizeof(kernel));
	assert_int_equal(pipe(out), 0);
	vm->pid = fork();
	if (vm->pid == 0)
		become_qemu(vm, kernel, out[1]);
	close(out[1]);
	vm->console = fdopen(out[0], "r");
	setvbuf(vm->console, NULL, _IONBF, 0);
	vm->lag = 0.0 / 0.0;
}

static void end(struct vm *vm)
{
	char command[128];

	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	fclose(vm->console);
	vm->stop = true;
	pthread_join(vm->publisher, NULL);
	page_writer_done(&vm->writer);
	munmap(vm->base, PAGE_BYTES);
	snprintf(command, sizeof(command), "rm -rf %s", vm->dir);
	assert_int_equal(system(command), 0);
}

static void take_line(struct vm *vm, const char *line)
{
	long now;

	sscanf(line, "desched_clock_lag_seconds %lf", &vm->lag);
	sscanf(line, "desched_clock_steps_total %d", &vm->steps);
	sscanf(line, "desched_clock_jumps_total %d", &vm->jumps);
	sscanf(line, "desched_pauses_total %d", &vm->pauses);
	if (!strncmp(line, "vmdesched:", 10))
		print_message("guest: %s", line);
	if (sscanf(line, "NOW %ld", &now) != 1)
		return;
	vm->lines++;
	vm->behind = ns_to_s(clock_real()) - (double)now;
}

/* Reads what the guest prints until `n` more of its lines have come, at most 3 minutes. */
static void read_lines(struct vm *vm, int n)
{
	uint64_t until = clock_mono() + 180 * NS_PER_SEC;
	int target = vm->lines + n;
	char line[512];

	while (vm->lines < target) {
		struct pollfd p = {.fd = fileno(vm->console), .events = POLLIN};

		if (clock_mono() > until || poll(&p, 1, 60000) <= 0 ||
		    !fgets(line, sizeof(line), vm->console))
			fail_msg("the guest fell silent after %d lines", vm->lines);
		take_line(vm, line);
		/* Set past the host's clock: never. */
		if (vm->behind < -NEAR_S)
			fail_msg("the guest is %.1f s ahead of its host", -vm->behind);
	}
}

static void pause_vm(struct vm *vm, int ms)
{
	kill(vm->pid, SIGSTOP);
	nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
	kill(vm->pid, SIGCONT);
}

/* No clock is lost in it: whoever sets one is wrong. */
static void check_short(struct vm *vm, int ms)
{
	int steps = vm->steps, pauses = vm->pauses;

	pause_vm(vm, ms);
	read_lines(vm, CLOCK_LINES);
	assert_int_equal(vm->steps, steps);
	assert_in_range((int)(10 * (vm->behind + 10)), 100 - (int)(10 * NEAR_S),
			100 + (int)(10 * NEAR_S));
	assert_true(ms < 1000 || vm->pauses > pauses);
}

static void check_long(struct vm *vm, int ms)
{
	int steps = vm->steps, jumps = vm->jumps;
	double lost = 0;

	pause_vm(vm, ms);
	for (int i = 0; i < 60 && vm->steps == steps; i++) {
		read_lines(vm, 1);
		lost = vm->behind > lost ? vm->behind : lost;
	}
	print_message("%d ms of pause: %.1f s behind, then %.1f s after %d step\n", ms, lost,
		      vm->behind, vm->steps - steps);
	assert_true(lost > ms / 1000.0 - WRAP_S - NEAR_S); /* the world is as described */
	assert_int_equal(vm->steps, steps + 1);
	assert_true(vm->jumps > jumps);
	read_lines(vm, 2);
	assert_int_equal(vm->steps, steps + 1);
	if (vm->behind > NEAR_S || vm->lag > 1 || vm->lag < -1)
		fail_msg("%.1f s behind after the step, %.3f s by vmdesched", vm->behind, vm->lag);
}

static void pauses_are_survived(void **state)
{
	struct vm vm = {.steps = 0};

	(void)state;
	start(&vm);
	for (int i = 0; i < 180 && !(vm.lag > -1e9); i++)
		read_lines(&vm, 1);
	assert_true(vm.lag > -1e9);
	read_lines(&vm, 2);
	for (int i = 0; i < n_pauses; i++) {
		if (pauses_ms[i] / 1000.0 < WRAP_S)
			check_short(&vm, pauses_ms[i]);
		else
			check_long(&vm, pauses_ms[i]);
	}
	end(&vm);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(pauses_are_survived)};

	if (argc < 4)
		return 2;
	vmdesched = argv[1];
	source_dir = argv[2];
	for (int i = 3; i < argc && n_pauses < 8; i++)
		pauses_ms[n_pauses++] = atoi(argv[i]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
