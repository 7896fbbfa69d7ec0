/* SPDX-License-Identifier: MIT */
/*
 * A vmdesched that says what it was told to: a socket, and a thread that answers each line with the
 * text in `answer`. FAKE_ANSWER is a machine with two CPUs after 100 s, made up by hand:
 *
 *     CPU   busy = true + descheduled + wait   idle = true + descheduled + wait
 *      0      60 = 49 + 10 + 1                   40 = 37.5 + 2 + 0.5
 *      1      30 = 24.75 + 5 + 0.25              70 = 69 + 1 + 0
 */
#ifndef TESTS_FAKE_VMDESCHED_H
#define TESTS_FAKE_VMDESCHED_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FAKE_TOTALS                                                                                \
	"\"totals\":{\"reported_s\":90,\"true_s\":73.75,\"descheduled_s\":15,\"wait_s\":1.25,"     \
	"\"vmdesched_s\":16.25,\"idle_descheduled_s\":3,\"idle_wait_s\":0.5}"
#define FAKE_CPUS                                                                                  \
	"\"cpus\":[{\"cpu\":0,\"busy_s\":60,\"idle_s\":40,\"descheduled_s\":10,\"wait_s\":1,"      \
	"\"idle_descheduled_s\":2,\"idle_wait_s\":0.5},"                                           \
	"{\"cpu\":1,\"busy_s\":30,\"idle_s\":70,\"descheduled_s\":5,\"wait_s\":0.25,"              \
	"\"idle_descheduled_s\":1,\"idle_wait_s\":0}]"
#define FAKE_PROCESSES                                                                             \
	"\"processes\":["                                                                          \
	"{\"pid\":12,\"id\":7,\"name\":\"spin\\u001b[2J\",\"reported_s\":60,\"true_s\":49,"        \
	"\"descheduled_s\":10,\"wait_s\":1,\"children\":{\"reported_s\":0.25,\"true_s\":0.25,"     \
	"\"descheduled_s\":0,\"wait_s\":0},\"threads\":["                                          \
	"{\"tid\":12,\"name\":\"main\",\"reported_s\":20,\"true_s\":19,\"descheduled_s\":1,"       \
	"\"wait_s\":0},"                                                                           \
	"{\"tid\":14,\"name\":\"worker\",\"reported_s\":40,\"true_s\":30,\"descheduled_s\":9,"     \
	"\"wait_s\":1}]},"                                                                         \
	"{\"pid\":-1,\"name\":\"(lost)\",\"reported_s\":0.5},"                                     \
	"{\"pid\":13,\"name\":\"db\",\"reported_s\":29.75,\"true_s\":24.5,\"descheduled_s\":5,"    \
	"\"wait_s\":0.25,\"children\":{}}],"                                                       \
	"\"exited\":{\"reported_s\":0,\"true_s\":0,\"descheduled_s\":0,\"wait_s\":0}"
#define FAKE_PAGE                                                                                  \
	"\"page\":{\"updates\":5,\"ticks_hz\":2500000000,\"shares\":2000,"                         \
	"\"reservation_ppm\":500000,\"limit_ppm\":2000000,\"overhead_ns\":1500000000,"             \
	"\"mem_size\":4294967296,\"mem_ballooned\":537919487,\"mem_shared\":104857600,"            \
	"\"mem_used\":3221225472,\"vcpus\":["                                                      \
	"{\"start\":1000,\"at\":5000,\"state\":\"ready\",\"ns\":{\"run\":2000,\"ready\":1500,"     \
	"\"halt\":400,\"wait\":100}},null]}"
#define FAKE_SNAPSHOT(session, more)                                                               \
	"{\"schema\":\"desched-agent/1\",\"source\":\"page\",\"steal_clock\":\"\","                \
	"\"kernel_subtracts\":false,\"complete\":true,\"stale\":false,\"session\":" session        \
	",\"elapsed_s\":100," FAKE_TOTALS "," FAKE_CPUS "," FAKE_PROCESSES                         \
	",\"counters\":{\"lost_switches\":3,\"lost_run_s\":0.5,\"unseen_s\":0.125}" more "}\n"
#define FAKE_ANSWER FAKE_SNAPSHOT("4711", "," FAKE_PAGE)

struct fake {
	char path[64];
	int fd;
	pthread_t thread;
	const char *answer; /* NULL: none, as if it hung */
	bool hang_up;	    /* after each answer */
	int pieces;	    /* bytes sent at once; 0: all */
};

static void fake_send(const struct fake *f, int fd)
{
	size_t size = strlen(f->answer);

	for (size_t at = 0; at < size;) {
		size_t n = f->pieces ? (size_t)f->pieces : size;
		ssize_t sent = send(fd, f->answer + at, n < size - at ? n : size - at,
				    MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		at += (size_t)sent;
	}
}

static void fake_serve(const struct fake *f, int fd)
{
	char line[256];

	while (recv(fd, line, sizeof(line), 0) > 0) {
		if (!f->answer)
			continue;
		fake_send(f, fd);
		if (f->hang_up)
			break;
	}
	close(fd);
}

/* One client after the other, until the socket is shut down. */
static void *fake_run(void *data)
{
	const struct fake *f = data;
	int fd;

	while ((fd = accept(f->fd, NULL, NULL)) >= 0)
		fake_serve(f, fd);
	return NULL;
}

static inline int fake_start(struct fake *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(f->path, sizeof(f->path), "/tmp/fake-vmdesched.%d", getpid());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	unlink(f->path);
	f->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (f->fd < 0 || bind(f->fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(f->fd, 8) || setenv("DESCHED_SOCKET", f->path, 1))
		return -1;
	return pthread_create(&f->thread, NULL, fake_run, f);
}

/* After the last client has gone. */
static inline void fake_stop(struct fake *f)
{
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->thread, NULL);
	close(f->fd);
	unlink(f->path);
}

#endif
