/* SPDX-License-Identifier: MIT */
/*
 * Between vmdesched and two who ask it: what the first is told the second is told, too, so that
 * both speak of the same instants.
 *
 *     tee_agent VMDESCHED FIRST SECOND (sockets)
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char *last, *marked;
static size_t last_size;

static int open_socket(const char *path, int (*use)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || use(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int listen_at(const char *path)
{
	int fd = open_socket(path, bind);

	listen(fd, 8);
	return fd;
}

static void on_signal(int signal_number)
{
	(void)signal_number;
	marked = last ? strdup(last) : NULL; /* in poll(), see main() */
}

static const char *for_first(const char *vmdesched, const char *request)
{
	FILE *agent = fdopen(open_socket(vmdesched, connect), "r+");

	fputs(request, agent);
	fflush(agent);
	if (getline(&last, &last_size, agent) < 0)
		exit(1);
	fclose(agent);
	return last;
}

static const char *for_second(void)
{
	static int n;
	const char *text = n++ < 2 ? marked : last;

	return text ? text : "\n";
}

/* One line in, one line out, until the other closes. */
static void serve(int listener, const char *vmdesched)
{
	int fd = accept(listener, NULL, NULL);
	FILE *client = fdopen(fd, "r+");
	char *request = NULL;
	size_t size = 0;

	while (client && getline(&request, &size, client) > 0) {
		fputs(vmdesched ? for_first(vmdesched, request) : for_second(), client);
		fflush(client);
	}
	free(request);
	if (client)
		fclose(client);
}

int main(int argc, char **argv)
{
	struct pollfd fds[2];
	sigset_t mark, none;

	if (argc != 4)
		return 2;
	sigemptyset(&none);
	sigemptyset(&mark);
	sigaddset(&mark, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mark, NULL);
	sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL);
	for (int i = 0; i < 2; i++)
		fds[i] = (struct pollfd){.fd = listen_at(argv[2 + i]), .events = POLLIN};
	for (;;) {
		int n = ppoll(fds, 2, NULL, &none);

		for (int i = 0; n > 0 && i < 2; i++)
			if (fds[i].revents)
				serve(fds[i].fd, i ? NULL : argv[1]);
	}
}
