/* SPDX-License-Identifier: MIT */
#include "vmm/console.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "vmm/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define ESCAPE 0x1d /* Ctrl-] ends a machine on a terminal, where Ctrl-C goes to the guest */

#define PATIENCE (500 * NS_PER_MS) /* with threads that are to end */

static volatile sig_atomic_t stopped;

static void on_stop(int number)
{
	stopped = number;
}

static int listen_at(const char *path, struct failure *f)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(a.sun_path))
		return failure_set(f, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes",
				   path, sizeof(a.sun_path) - 1);
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return failure_errno(f, -errno, "%s", path);
	if (!bind(fd, (struct sockaddr *)&a, sizeof(a)) && !chmod(path, 0600) && !listen(fd, 4))
		return fd;
	err = -errno;
	close(fd);
	return failure_errno(f, err, "%s: no control socket there", path);
}

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

static void take_signals(struct console *c)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction a = {.sa_handler = on_stop};
	sigset_t stops;

	stopped = 0;
	sigemptyset(&stops);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		sigaddset(&stops, numbers[i]);
		sigaction(numbers[i], &a, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &stops, &c->open);
}

int console_open(struct console *c, struct board *m, const char *path, struct failure *f)
{
	int fd = -1;

	*c = (struct console){.board = m, .control = -1, .peer = -1, .input = true};
	if (path) {
		fd = listen_at(path, f);
		if (fd < 0)
			return fd;
		c->path = path;
		c->control = fd;
	}
	json_object_seed(0); /* reads /dev/urandom, which it may not later */
	take_signals(c);
	take_terminal(c);
	return 0;
}

void console_close(struct console *c)
{
	if (c->terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &c->before);
	if (c->control >= 0) {
		close_fd(&c->peer);
		close_fd(&c->control);
		unlink(c->path);
	}
	*c = (struct console){.control = -1, .peer = -1};
}

static size_t input_room(struct board *m)
{
	size_t room;

	board_lock_first(m);
	room = serial_room(&m->serial);
	board_unlock(m);
	return room;
}

static void read_input(struct console *c)
{
	struct board *m = c->board;
	uint8_t bytes[64];
	ssize_t n = read(STDIN_FILENO, bytes, u64_min(sizeof(bytes), input_room(m)));

	if (n <= 0) {
		c->input = n < 0 && (errno == EINTR || errno == EAGAIN);
		return;
	}
	if (c->terminal && memchr(bytes, ESCAPE, (size_t)n))
		stopped = SIGTERM;
	board_lock_first(m);
	for (ssize_t i = 0; i < n; i++)
		serial_put(&m->serial, bytes[i]);
	board_unlock(m);
	board_kick(m);
}

static void drop_peer(struct console *c)
{
	close_fd(&c->peer);
	c->peer = -1;
	c->used = 0;
}

static int answer(struct console *c, const char *line)
{
	json_t *json = control_answer(c->board, line);
	_cleanup_(free_ptr) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	size_t size;

	json_decref(json);
	if (!text)
		return -ENOMEM;
	size = strlen(text);
	text[size] = '\n'; /* where the terminator was */
	return write(c->peer, text, size + 1) == (ssize_t)size + 1 ? 0 : -EPIPE;
}

/* Bytes from the peer; each whole line is a request. A line that is too long ends it. */
static void read_peer(struct console *c)
{
	ssize_t n = read(c->peer, c->line + c->used, sizeof(c->line) - c->used);
	char *end;

	if (n <= 0) {
		drop_peer(c);
		return;
	}
	c->used += (size_t)n;
	while ((end = memchr(c->line, '\n', c->used))) {
		size_t length = (size_t)(end - c->line) + 1;

		*end = '\0';
		if (answer(c, c->line)) {
			drop_peer(c);
			return;
		}
		c->used -= length;
		memmove(c->line, c->line + length, c->used);
	}
	if (c->used == sizeof(c->line))
		drop_peer(c);
}

static void accept_peer(struct console *c)
{
	if (c->peer < 0)
		c->peer = accept4(c->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* A machine that is about to begin anew ends, too. */
static void stop(struct console *c)
{
	struct board *m = c->board;

	if (!c->deadline)
		c->deadline = clock_mono() + PATIENCE;
	board_lock_first(m);
	if (!m->end || board_restarts(m))
		m->end = BOARD_STOPPED;
	board_unlock(m);
}

/* One wait. Threads that are to end are woken again each time: a signal may come before the wait
 * that it is to end. */
static void serve_once(struct console *c, const sigset_t *open)
{
	enum { END, INPUT, CONTROL, PEER };
	struct pollfd fds[] = {
		[END] = {c->ended ? -1 : c->board->ended, POLLIN, 0},
		[INPUT] = {c->input && input_room(c->board) ? STDIN_FILENO : -1, POLLIN, 0},
		[CONTROL] = {c->peer < 0 ? c->control : -1, POLLIN, 0},
		[PEER] = {c->peer, POLLIN, 0},
	};
	struct timespec soon = {.tv_nsec = (long)(10 * NS_PER_MS)};
	bool full = c->input && fds[INPUT].fd < 0;

	if (ppoll(fds, ARRAY_SIZE(fds), full || stopped || c->ended ? &soon : NULL, open) < 0)
		fds[END].revents = fds[INPUT].revents = fds[CONTROL].revents = fds[PEER].revents =
			0;
	c->ended |= fds[END].revents != 0;
	if (stopped)
		stop(c);
	if (stopped || c->ended)
		board_kick(c->board);
	if (fds[INPUT].revents)
		read_input(c);
	if (fds[CONTROL].revents)
		accept_peer(c);
	if (fds[PEER].revents)
		read_peer(c);
}

int console_serve(struct console *c, struct failure *f)
{
	int err = sandbox_enter(SANDBOX_MAIN);

	if (err)
		stop(c);
	while (board_threads(c->board)) {
		if (c->deadline && clock_mono() > c->deadline)
			return failure_set(f, -ETIMEDOUT,
					   "the guest was waiting for its disk, which does not "
					   "answer: what it wrote last may be lost");
		serve_once(c, &c->open);
	}
	board_join(c->board);
	return err ? failure_errno(f, err, "seccomp") : 0;
}
