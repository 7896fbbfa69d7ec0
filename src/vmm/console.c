/* SPDX-License-Identifier: MIT */
#include "vmm/console.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/units.h"
#include "vmm/control.h"
#include "vmm/sandbox.h"
#include "vmm/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define ESCAPE	   0x1d /* Ctrl-] ends a machine on a terminal, where Ctrl-C goes to the guest */
#define PATIENCE   (500 * NS_PER_MS) /* with threads that are to end */
#define SOON	   (10 * NS_PER_MS)
#define SILENCE	   (4 * NS_PER_SEC) /* of a guest that says nothing from the start */
#define FAST_GUEST 100000000u	    /* instructions a second: far less than any processor does */

static const struct server_limits limits = {
	.clients = 16,
	.per_uid = 16,
	.line = 256,
	.unsent = 1 << 20,
	.request_ns = 10 * NS_PER_SEC,
	.answer_ns = 10 * NS_PER_SEC,
};

/* ---- the terminal ---- */

/* The guest's terminal does its own editing. */
static void take_terminal(struct console *c)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &c->before))
		return;
	t = c->before;
	cfmakeraw(&t);
	t.c_oflag |= OPOST;
	c->terminal = !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

/* Standard input, opened again: O_NONBLOCK must not affect other processes that share it. */
static int open_input(void)
{
	struct stat st;
	int fd = -1;

	if (!fstat(STDIN_FILENO, &st) && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		fd = open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : fd;
}

/* ---- ends ---- */

/* Wakes threads that are to end, and does so again: a signal may arrive before the wait that it
 * should end. */
static void look_after_end(struct console *c)
{
	if (!threads_left(c->machine) || (c->deadline && clock_mono() > c->deadline)) {
		loop_stop(c->loop);
		return;
	}
	threads_kick(c->machine);
	c->soon.due = clock_mono() + SOON;
}

/* Also ends a machine that is about to restart after a reset. */
static void stop(struct console *c)
{
	struct machine *m = c->machine;

	if (!c->deadline)
		c->deadline = clock_mono() + PATIENCE;
	machine_lock_first(m);
	__atomic_store_n(&m->stopping, true, __ATOMIC_RELAXED);
	if (!m->end || machine_restarts(m))
		m->end = MACHINE_STOPPED;
	machine_unlock(m);
	c->ending = true;
	look_after_end(c);
}

static void on_signal(int number, void *data)
{
	(void)number;
	stop(data);
}

static void on_ended(short events, void *data)
{
	struct console *c = data;

	(void)events;
	loop_unwatch(c->loop, &c->ended);
	c->ending = true;
	look_after_end(c);
}

/* ---- input ---- */

static size_t input_room(struct machine *m)
{
	size_t room;

	machine_lock_first(m);
	room = serial_room(&m->board.serial);
	machine_unlock(m);
	return room;
}

/* While there is no room, the loop doesn't watch the input: if the other end has gone, poll(2)
 * would return at once, again and again. */
static void rest_input(struct console *c)
{
	loop_unwatch(c->loop, &c->input);
	c->full = true;
	c->soon.due = u64_min(c->soon.due, clock_mono() + SOON);
}

static void close_input(struct console *c)
{
	loop_unwatch(c->loop, &c->input);
	close_fd(&c->input.fd);
	c->input.fd = -1;
}

static void give(struct console *c, const uint8_t *bytes, size_t n)
{
	struct machine *m = c->machine;

	if (c->terminal && memchr(bytes, ESCAPE, n)) {
		stop(c);
		return;
	}
	machine_lock_first(m);
	for (size_t i = 0; i < n; i++)
		serial_put(&m->board.serial, bytes[i]);
	machine_unlock(m);
	threads_kick(m);
}

static void on_input(short events, void *data)
{
	struct console *c = data;
	uint8_t bytes[64];
	size_t room = u64_min(sizeof(bytes), input_room(c->machine));
	ssize_t n;

	(void)events;
	if (!room) {
		rest_input(c);
		return;
	}
	n = read(c->input.fd, bytes, room);
	if (n > 0)
		give(c, bytes, (size_t)n);
	else if (!n || (errno != EINTR && errno != EAGAIN))
		close_input(c);
}

/* ---- times ---- */

static void on_soon(uint64_t now, void *data)
{
	struct console *c = data;

	(void)now;
	if (c->ending)
		look_after_end(c);
	if (!c->full)
		return;
	c->full = !input_room(c->machine) || loop_watch(c->loop, &c->input);
	if (c->full)
		c->soon.due = u64_min(c->soon.due, clock_mono() + SOON);
}

/* Tells the user why nothing may be coming, rather than leave a blank screen. */
static void on_silence(uint64_t now, void *data)
{
	struct console *c = data;
	char text[320];
	uint64_t said;

	(void)now;
	machine_lock_first(c->machine);
	said = c->machine->board.serial.written;
	machine_unlock(c->machine);
	if (said || c->ending || !c->notice)
		return;
	if (c->speed && c->speed < FAST_GUEST)
		snprintf(text, sizeof(text),
			 "the guest has said nothing for 4 s; this "
			 "/dev/kvm interprets kernel code, "
			 "at %.1f million instructions a second, which is too slow for a stock "
			 "kernel: use a machine with hardware virtualization",
			 (double)c->speed / 1e6);
	else
		snprintf(text, sizeof(text),
			 "the guest has said nothing for 4 s; does its command line name the "
			 "serial port (--append console=ttyS0)?");
	c->notice(text);
}

/* ---- control ---- */

static int answer(uid_t peer, const char *line, size_t size, void *data, char **ret,
		  size_t *ret_size)
{
	(void)peer;
	const struct console *c = data;
	_cleanup_(free_ptr) char *request = strndup(line, size);
	json_t *json = request ? control_answer(c->machine, strlen(request) == size ? request : "")
			       : NULL;
	char *text = json_out_text(json, JSON_COMPACT);

	json_decref(json);
	if (!text)
		return -ENOMEM;
	*ret = text;
	*ret_size = strlen(text);
	return 0;
}

static int serve_control(struct console *c, const char *path, struct failure *f)
{
	int err = listener_open(path, 0600, f, &c->listener);

	if (err)
		return err;
	err = server_new(c->loop, c->listener.fd, &limits, answer, c, &c->server);
	return err ? failure_errno(f, err, "%s", path) : 0;
}

/* ---- the whole ---- */

static int watch_all(struct console *c)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	int err = loop_signals(c->loop, numbers, ARRAY_SIZE(numbers), on_signal, c);

	c->ended = (struct loop_watch){c->machine->ended, POLLIN, on_ended, c, 0};
	if (!err)
		err = loop_watch(c->loop, &c->ended);
	c->input = (struct loop_watch){open_input(), POLLIN, on_input, c, 0};
	if (!err && c->input.fd >= 0)
		err = loop_watch(c->loop, &c->input);
	c->soon = (struct loop_timer){.due = LOOP_NEVER, .fire = on_soon, .data = c};
	loop_timer_add(c->loop, &c->soon);
	c->silence = (struct loop_timer){.due = LOOP_NEVER, .fire = on_silence, .data = c};
	loop_timer_add(c->loop, &c->silence);
	return err;
}

int console_open(struct console *c, struct machine *m, const char *path, struct failure *f)
{
	int err;

	*c = (struct console){.machine = m, .listener.fd = -1, .input.fd = -1};
	err = loop_new(&c->loop);
	if (!err)
		err = watch_all(c);
	if (err)
		return failure_errno(f, err, "the console");
	if (path)
		err = serve_control(c, path, f);
	if (err)
		return err;
	json_object_seed(0); /* reads /dev/urandom, which it may not later */
	signal(SIGPIPE, SIG_IGN);
	take_terminal(c);
	return 0;
}

void console_close(struct console *c)
{
	if (c->terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &c->before);
	server_free(c->server);
	listener_close(&c->listener);
	close_fd(&c->input.fd);
	loop_free(c->loop);
	*c = (struct console){.listener.fd = -1, .input.fd = -1};
}

int console_serve(struct console *c, struct failure *f)
{
	int err, lost;

	if (c->notice) {
		c->silence.due = clock_mono() + SILENCE;
		c->speed = kvm_speed(); /* while the guest boots */
	}
	err = sandbox_enter(SANDBOX_MAIN);
	if (err)
		stop(c);
	lost = loop_run(c->loop);
	if (threads_left(c->machine))
		return failure_set(f, -ETIMEDOUT,
				   "a vCPU did not stop, since a disk or file that it uses does "
				   "not answer: what the guest wrote last may be lost");
	threads_join(c->machine);
	if (err)
		return failure_errno(f, err, "seccomp");
	return lost ? failure_errno(f, lost, "poll") : 0;
}
