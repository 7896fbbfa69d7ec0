/* SPDX-License-Identifier: MIT */
#include "view/caller.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct capabilities {
	struct __user_cap_data_struct word[_LINUX_CAPABILITY_U32S_3];
};

static struct capabilities own;
static struct stat own_namespace;

static int get(pid_t pid, struct capabilities *ret)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, pid};

	return syscall(SYS_capget, &head, ret->word) ? -errno : 0;
}

static void set(const struct capabilities *c)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};

	/* Going on with rights that were to be laid down is no choice. */
	if (syscall(SYS_capset, &head, c->word))
		_exit(1);
}

int caller_begin(void)
{
	if (get(0, &own) || stat("/proc/self/ns/user", &own_namespace))
		return -errno;
	return setgroups(0, NULL) ? -errno : 0;
}

/* A capability in another user namespace is none here. */
static bool in_our_namespace(pid_t pid)
{
	struct stat st;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return !stat(path, &st) && st.st_dev == own_namespace.st_dev &&
	       st.st_ino == own_namespace.st_ino;
}

static struct capabilities common(pid_t pid)
{
	struct capabilities theirs = {0}, c = own;

	if (pid <= 0 || get(pid, &theirs) || !in_our_namespace(pid))
		theirs = (struct capabilities){0};
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		c.word[i].effective &= theirs.word[i].effective;
	return c;
}

bool caller_assume(const struct caller *caller)
{
	struct capabilities c = common(caller->pid);
	bool same = caller->uid == 0 && caller->gid == 0;

	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		same = same && c.word[i].effective == own.word[i].effective;
	if (same)
		return false;
	setfsgid(caller->gid);
	setfsuid(caller->uid);
	set(&c);
	return true;
}

void caller_restore(bool assumed)
{
	if (!assumed)
		return;
	set(&own);
	setfsuid(0);
	setfsgid(0);
}
