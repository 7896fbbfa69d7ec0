/* SPDX-License-Identifier: MIT */
/* A command of desched in a folder of its own, and what it prints. */
#ifndef COMMAND_FOLDER_H
#define COMMAND_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *desched;
static char dir[] = "/tmp/test-command-XXXXXX";
static char output[1 << 16];

static void put(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int run_command(const char *command, const char *arguments)
{
	char line[512];
	size_t n;
	FILE *p;
	int status;

	snprintf(line, sizeof(line), "cd %s && %s %s %s 2>&1", dir, desched, command, arguments);
	p = popen(line, "r");
	assert_non_null(p);
	n = fread(output, 1, sizeof(output) - 1, p);
	output[n] = '\0';
	status = pclose(p);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void says(const char *text)
{
	if (!strstr(output, text))
		fail_msg("'%s' is not in: %s", text, output);
}

static int teardown(void **state)
{
	char line[64];

	(void)state;
	snprintf(line, sizeof(line), "rm -r %s", dir);
	return system(line);
}

#endif
