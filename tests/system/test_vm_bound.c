/* SPDX-License-Identifier: MIT */
/*
 * Whatever a guest asks of its devices, and however slow its disk is, the monitor answers on its
 * control socket within a second, and ends within a second of SIGTERM; whatever other peers do
 * there, a peer gets its answer; if a guest says nothing, the monitor says so within 5 s. The guest
 * is vm_attacker.c. Others may use the CPU too, so the best of some tries counts. What a guest may
 * cost others is in test_vm_hostile.c.
 *
 *     test_vm_bound DESCHED ATTACKER STUCK_DISK
 *
 * Exits with 77 where there is no /dev/kvm.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define BOUND	 1.0 /* s */
#define SILENCE	 5.0 /* s */
#define PEERS	 64
#define TRIES	 5
#define PATIENCE 20 /* s: for what is known to come */

static const char *desched, *attacker, *stuck_disk;
static char directory[] = "/tmp/test-vm-bound.XXXXXX";
static char control[64], disk[64], other_disk[64], mount_point[64];

struct machine {
	pid_t pid;
	int output, errors;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pass(double seconds)
{
	const struct timespec t = {(time_t)seconds,
				   (long)((seconds - (double)(time_t)seconds) * 1e9)};

	nanosleep(&t, NULL);
}

static struct machine start(const char *attack, const char *its_disk)
{
	int out[2], errors[2];
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC) | pipe2(errors, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(open("/dev/null", O_RDWR), STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(errors[1], STDERR_FILENO);
		execl(desched, "desched", "vm", "--kernel", attacker, "--append", attack,
		      "--control", control, "--disk", its_disk, NULL);
		_exit(127);
	}
	close(out[1]);
	close(errors[1]);
	return (struct machine){pid, out[0], errors[0]};
}

/* Reads on, so that the guest goes on, until `text` comes; NULL: for 0.3 s. */
static bool read_until(int fd, const char *text)
{
	struct pollfd p = {fd, POLLIN, 0};
	double end = now() + (text ? PATIENCE : 0.3);
	char got[8192] = "";
	size_t used = 0;

	while (now() < end) {
		ssize_t n;

		if (poll(&p, 1, 100) <= 0)
			continue;
		n = read(fd, got + used, sizeof(got) - 1 - used);
		if (n <= 0)
			return false;
		got[used + (size_t)n] = '\0';
		if (text && strstr(got, text))
			return true;
		used = text ? used + (size_t)n : 0;
	}
	return !text;
}

static int connect_to_it(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", control);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* How long an answer takes; PATIENCE if there is none. */
static double ask(void)
{
	double from = now();
	int fd = connect_to_it();
	char c = 0;

	assert_int_equal(write(fd, "figures\n", 8), 8);
	while (c != '\n' && read(fd, &c, 1) == 1)
		;
	close(fd);
	return c == '\n' ? now() - from : PATIENCE;
}

/* How long it takes until it is gone; PATIENCE and more if it does not go. */
static double end_by(struct machine *m, int number)
{
	double from = now();

	kill(m->pid, number);
	while (now() - from < PATIENCE && !waitpid(m->pid, NULL, WNOHANG))
		pass(0.01);
	return now() - from;
}

static double end(struct machine *m)
{
	return end_by(m, SIGTERM);
}

static void get_rid_of(struct machine *m)
{
	end_by(m, SIGKILL);
	close(m->output);
	close(m->errors);
}

static void within_bound(const char *attack, const char *its_disk, int number)
{
	double answered = PATIENCE, ended = PATIENCE;

	for (int i = 0; i < TRIES && (answered > BOUND || ended > BOUND); i++) {
		struct machine m = start(attack, its_disk);

		assert_true(read_until(m.output, "at it"));
		assert_true(read_until(m.output, NULL));
		answered = ask();
		ended = end_by(&m, number);
		get_rid_of(&m);
		if (answered >= PATIENCE || ended >= PATIENCE)
			break;
	}
	if (answered > BOUND || ended > BOUND)
		fail_msg("'%s': an answer after %.2f s, its end after %.2f s", attack, answered,
			 ended);
}

static void attacks(void **state)
{
	static const char *const names[] = {"balloon", "disk",	 "flush",
					    "entropy", "notify", "reset"};
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		within_bound(names[i], disk, numbers[i % 3]);
}

/* Peers that say nothing, that stop in the middle of a request, that do not read their answers, in
 * turns, and more of them than there is place for. */
static void crowd(int *peers)
{
	for (int i = 0; i < PEERS; i++) {
		peers[i] = connect_to_it();
		if (i % 3 == 1)
			assert_int_equal(write(peers[i], "figu", 4), 4);
		for (int k = 0; i % 3 == 2 && k < 200; k++)
			send(peers[i], "figures\n", 8, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

/* The next one is answered, and the machine ends. */
static void peers_delay_no_other(void **state)
{
	double answered = PATIENCE, ended = PATIENCE;
	int peers[PEERS];

	(void)state;
	for (int i = 0; i < TRIES && (answered > BOUND || ended > BOUND); i++) {
		struct machine m = start("notify", disk);

		assert_true(read_until(m.output, "at it"));
		crowd(peers);
		answered = ask();
		ended = end(&m);
		get_rid_of(&m);
		for (int k = 0; k < PEERS; k++)
			close(peers[k]);
		if (answered >= PATIENCE)
			break;
	}
	if (answered > BOUND || ended > BOUND)
		fail_msg("an answer after %.2f s, its end after %.2f s", answered, ended);
}

/* The socket that a killed machine leaves is taken over; one that is served, or a file, is not. */
static void socket_is_taken_over(void **state)
{
	struct machine m = start("notify", disk), other;
	char text[16] = "";
	int fd;

	(void)state;
	assert_true(read_until(m.output, "at it"));
	get_rid_of(&m);
	assert_int_equal(access(control, F_OK), 0);
	m = start("notify", disk);
	assert_true(read_until(m.output, "at it"));
	other = start("notify", other_disk);
	assert_true(read_until(other.errors, "another program serves it"));
	get_rid_of(&other);
	assert_true(ask() < PATIENCE);
	end(&m);
	get_rid_of(&m);
	assert_int_not_equal(access(control, F_OK), 0);
	fd = open(control, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	m = start("notify", disk);
	assert_true(read_until(m.errors, "not a socket"));
	get_rid_of(&m);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 8);
	close(fd);
	assert_int_equal(unlink(control), 0);
}

/* If a guest says nothing, the monitor says why that may be. */
static void silence_is_reported(void **state)
{
	double from = now(), reported = 0;

	(void)state;
	for (int i = 0; i < TRIES && (!i || reported > SILENCE); i++) {
		struct machine m = start("quiet", disk);

		from = now();
		assert_true(read_until(m.errors, "the guest has said nothing"));
		reported = now() - from;
		end(&m);
		get_rid_of(&m);
	}
	if (reported > SILENCE)
		fail_msg("reported after %.2f s", reported);
}

/* In a mount namespace of its own, where nothing that is mounted gets out. */
static int mount_stuck_disk(pid_t *ret)
{
	char path[80];
	struct stat st;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	*ret = fork();
	if (!*ret) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(open("/dev/null", O_RDWR), STDERR_FILENO);
		execl(stuck_disk, "stuck_disk", "-f", mount_point, NULL);
		_exit(127);
	}
	snprintf(path, sizeof(path), "%s/disk", mount_point);
	for (int i = 0; i < PATIENCE * 20; i++) {
		if (!stat(path, &st))
			return 0;
		if (waitpid(*ret, NULL, WNOHANG))
			return -1;
		pass(0.05);
	}
	return -1;
}

/* A disk that does not answer: the guest waits, the user does not. */
static void disk_is_stuck(void **state)
{
	char path[80];
	pid_t server = -1;

	(void)state;
	if (geteuid() || access("/dev/fuse", R_OK | W_OK) || mount_stuck_disk(&server))
		skip();
	snprintf(path, sizeof(path), "%s/disk", mount_point);
	within_bound("one", path, SIGTERM);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	umount2(mount_point, MNT_DETACH);
}

static int set_up(void **state)
{
	int fd;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(control, sizeof(control), "%s/control", directory);
	snprintf(disk, sizeof(disk), "%s/disk", directory);
	snprintf(mount_point, sizeof(mount_point), "%s/mnt", directory);
	snprintf(other_disk, sizeof(other_disk), "%s/other", directory);
	fd = open(other_disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, 512) || close(fd))
		return -1;
	fd = open(disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)64 << 30) || mkdir(mount_point, 0700))
		return -1;
	return close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	unlink(disk);
	unlink(other_disk);
	unlink(control);
	rmdir(mount_point);
	return rmdir(directory);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attacks),
		cmocka_unit_test(peers_delay_no_other),
		cmocka_unit_test(socket_is_taken_over),
		cmocka_unit_test(silence_is_reported),
		cmocka_unit_test(disk_is_stuck),
	};

	if (argc != 4)
		return 2;
	desched = argv[1];
	attacker = argv[2];
	stuck_disk = argv[3];
	if (access("/dev/kvm", R_OK | W_OK)) {
		fprintf(stderr, "no /dev/kvm that may be used\n");
		return 77;
	}
	return cmocka_run_group_tests_name("vm_bound", tests, set_up, tear_down);
}
