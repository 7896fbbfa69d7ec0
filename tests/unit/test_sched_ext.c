/* SPDX-License-Identifier: MIT */
/*
 * What the enforcer sched_ext says of a host on which it doesn't work, by directories that look
 * like such hosts. What it does where it works is in system/test_sched_ext.c.
 */
#include "enforce/enforcer.h"

#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void put(const char *root, const char *path, const char *text)
{
	char file[512];
	FILE *f;

	snprintf(file, sizeof(file), "%s%s", root, path);
	for (char *slash = file + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(file, 0755);
		*slash = '/';
	}
	f = fopen(file, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void says(const char *root, int code, const char *word)
{
	struct failure f = {""};

	assert_int_equal(enforcer_sched_ext.probe(root, &f), code);
	if (!strstr(f.text, word))
		fail_msg("'%s' has no '%s'", f.text, word);
}

static void why_not(void **state)
{
	char root[128];

	(void)state;
	snprintf(root, sizeof(root), "%s/host", scratch_dir("desched-sched-ext"));
	mkdir(root, 0755);
	put(root, "/proc/sys/kernel/osrelease", "6.1.0-57-cloud-amd64\n");
	says(root, -EOPNOTSUPP, "6.1.0-57-cloud-amd64 is older than 6.13");
	put(root, "/proc/sys/kernel/osrelease", "6.18.5\n");
	says(root, -EOPNOTSUPP, "kernel 6.18.5 is built without CONFIG_SCHED_CLASS_EXT");
	put(root, "/sys/kernel/sched_ext/state", "disabled\n");
	says(root, -EOPNOTSUPP, "/sys/kernel/btf/vmlinux");
	put(root, "/sys/kernel/btf/vmlinux", "x");
	says(root, geteuid() ? -EPERM : 0, geteuid() ? "root" : "");
	put(root, "/sys/kernel/sched_ext/state", "enabled\n");
	put(root, "/sys/kernel/sched_ext/root/ops", "lavd\n");
	says(root, -EBUSY, "'lavd'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(why_not)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
