/* SPDX-License-Identifier: MIT */
#include "base/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t command_stop;

static void on_signal(int signal)
{
	(void)signal;
	command_stop = 1;
}

void command_catch_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct sigaction hangup;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* nohup(1) has it ignored. */
	if (!sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

int command_usage(struct failure *f, const char *format, ...)
{
	char text[sizeof(f->text)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	failure_set(f, -EINVAL, "%s", text);
	return COMMAND_USAGE;
}

static bool loss_is_known;

int command_lost(struct failure *f, int err)
{
	loss_is_known = true;
	return failure_errno(f, err ? err : -EIO, "standard output");
}

int command_flush(struct failure *f)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	return command_lost(f, -errno); /* what failed earlier has left no errno */
}

static void complain(const struct command *c, const char *program, const char *text)
{
	fprintf(stderr, "%s%s%s: %s\n", program, c->name[0] ? " " : "", c->name, text);
}

/* A file that is opened later must not become standard output: what is printed would go there. */
static void hold_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

/* A loss may be known only when the file is closed (NFS, quotas). */
static bool loses_output(struct failure *f)
{
	bool known = loss_is_known;

	if (!command_flush(f) && fclose(stdout))
		return failure_errno(f, -errno, "standard output");
	if (known)
		f->text[0] = '\0';
	return loss_is_known;
}

static int run(const struct command *c, const char *program, int argc, char **argv,
	       struct failure *f)
{
	bool help;
	int first = options_parse(c, argc, argv, f, &help);

	if (first < 0)
		return COMMAND_USAGE;
	if (help) {
		options_help(c, program);
		return 0;
	}
	return c->run(argv + first, argc - first, f);
}

int command_main(const struct command *c, const char *program, int argc, char **argv)
{
	struct failure f = {""}, lost = {""};
	int status;

	hold_standard_fds();
	if (!c->name[0] && argc > 1 && argc <= 3 && !strcmp(argv[1], "--list")) {
		options_list(c, argv[2]);
		status = 0;
	} else {
		status = run(c, program, argc, argv, &f);
	}
	if (status < 0)
		status = COMMAND_FAILED;
	if (status && f.text[0])
		complain(c, program, f.text);
	if (!loses_output(&lost))
		return status;
	if (lost.text[0])
		complain(c, program, lost.text);
	return status ? status : COMMAND_FAILED;
}

int command_exit(const char *program, int status)
{
	struct failure lost;

	if (!loses_output(&lost))
		return status;
	if (program)
		fprintf(stderr, "%s: %s\n", program, lost.text);
	return status ? status : COMMAND_FAILED;
}
