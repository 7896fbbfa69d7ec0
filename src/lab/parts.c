/* SPDX-License-Identifier: MIT */
#include "lab/parts.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KERNEL_HEAD  1024
#define HDRS_AT	     0x202	/* Documentation/arch/x86/boot.rst: "HdrS" */
#define PER_VM_EXTRA (96 * MIB) /* QEMU itself, with its translated code */

int parts_check_kernel_head(const void *head, size_t n)
{
	if (n < HDRS_AT + 4 || memcmp((const char *)head + HDRS_AT, "HdrS", 4) != 0)
		return -ENOEXEC;
	return 0;
}

int parts_check_kernel(const char *path, struct failure *f)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[KERNEL_HEAD];
	ssize_t n;

	if (fd < 0)
		return failure_errno(f, -errno, "kernel %s", path);
	n = read(fd, head, sizeof(head));
	if (n < 0)
		return failure_errno(f, -errno, "kernel %s", path);
	if (parts_check_kernel_head(head, (size_t)n))
		return failure_set(f, -ENOEXEC,
				   "%s is no Linux kernel (bzImage); give one like /boot/vmlinuz-*",
				   path);
	return 0;
}

/* The directory that this program is in. */
static int own_directory(char *ret, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - 1);
	char *slash;

	if (n < 0)
		return -errno;
	ret[n] = '\0';
	slash = strrchr(ret, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	return 0;
}

/*
 * Where parts may lie, as paths from this program: in its build directory, in that of an ordinary
 * build beside a sanitized one, in the source tree of either, or installed.
 */
static const char *const places[] = {"lab", "../build/lab", "../scripts", "../libexec/desched",
				     DESCHED_LIBEXECDIR};

static int find_part(const char *name, char *ret, size_t size)
{
	char own[PATH_MAX];
	int err = own_directory(own, sizeof(own));

	if (err)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (places[i][0] == '/')
			snprintf(ret, size, "%s/%s", places[i], name);
		else
			snprintf(ret, size, "%s/%s/%s", own, places[i], name);
		if (!access(ret, R_OK))
			return 0;
	}
	return -ENOENT;
}

int parts_image(struct failure *f, char *ret, size_t size)
{
	int err = find_part("initramfs.cpio.gz", ret, size);

	if (err)
		return failure_set(
			f, err,
			"the guest image initramfs.cpio.gz is neither beside this program "
			"nor in %s; build it with 'make all'",
			DESCHED_LIBEXECDIR);
	return 0;
}

/* Runs fetch-kernel; what it has to say goes to standard error. */
static int fetch_kernel(const char *what, struct failure *f, char *ret, size_t size)
{
	char script[PATH_MAX], command[PATH_MAX + 32];
	FILE *out;
	int status;

	if (find_part("fetch-kernel", script, sizeof(script)) || strchr(script, '\''))
		return failure_set(f, -ENOENT, "fetch-kernel is not there; give --kernel FILE");
	snprintf(command, sizeof(command), "'%s' %s", script, what);
	out = popen(command, "re");
	if (!out)
		return failure_errno(f, -errno, "%s", script);
	if (!fgets(ret, (int)size, out))
		ret[0] = '\0';
	status = pclose(out);
	ret[strcspn(ret, "\n")] = '\0';
	if (status || !ret[0])
		return failure_set(f, -ENOENT, "%s found no kernel; give one with --kernel FILE",
				   script);
	return 0;
}

int parts_kernel(const char *given, struct failure *f, char *ret, size_t size)
{
	if (given)
		snprintf(ret, size, "%s", given);
	else if (fetch_kernel("", f, ret, size))
		return -ENOENT;
	return parts_check_kernel(ret, f);
}

static int append_file(int to, const char *path)
{
	_cleanup_(close_fd) int from = open(path, O_RDONLY | O_CLOEXEC);
	char bytes[64 * KIB];
	ssize_t n;

	if (from < 0)
		return -errno;
	while ((n = read(from, bytes, sizeof(bytes))) > 0) {
		if (write(to, bytes, (size_t)n) != n)
			return -EIO;
	}
	return n < 0 ? -errno : 0;
}

int parts_add_modules(struct failure *f, char *image, size_t size)
{
	char modules[PATH_MAX];
	int fd, err = fetch_kernel("--modules", f, modules, sizeof(modules));

	if (err)
		return err;
	fd = memfd_create("desched-image", MFD_CLOEXEC);
	err = fd < 0 ? -errno : append_file(fd, image);
	if (!err)
		err = append_file(fd, modules);
	if (err) {
		close_fd(&fd);
		return failure_errno(f, err, "an image of %s and %s", image, modules);
	}
	snprintf(image, size, "/proc/%d/fd/%d", getpid(), fd);
	return fd;
}

int parts_copy(const char *from, const char *to, struct failure *f)
{
	_cleanup_(close_fd) int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int err = fd < 0 || fchmod(fd, 0644) ? -errno : append_file(fd, from);

	return err ? failure_errno(f, err, "a copy of %s as %s", from, to) : 0;
}

int parts_check_program(const char *name, const char *package, struct failure *f)
{
	const char *path = getenv("PATH");
	_cleanup_(free_ptr) char *copy = strdup(path ? path : "/usr/bin:/bin");
	char *save = NULL;

	for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir;
	     dir = strtok_r(NULL, ":", &save)) {
		char file[PATH_MAX];

		snprintf(file, sizeof(file), "%s/%s", dir, name);
		if (!access(file, X_OK))
			return 0;
	}
	return failure_set(f, -ENOENT, "%s is not in PATH; install the package %s", name, package);
}

int parts_parse_available(const char *meminfo, uint64_t *ret)
{
	const char *line = strstr(meminfo, "MemAvailable:");
	uint64_t kib;

	if (!line || sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) != 1 ||
	    kib > UINT64_MAX / KIB)
		return -EBADMSG;
	*ret = kib * KIB;
	return 0;
}

int parts_check_memory(uint64_t vms, uint64_t bytes, struct failure *f)
{
	char text[8192];
	uint64_t available, need = vms * (bytes + PER_VM_EXTRA);

	if (file_read("/proc/meminfo", text, sizeof(text)) < 0 ||
	    parts_parse_available(text, &available))
		return 0; /* not known: let QEMU try */
	if (need <= available)
		return 0;
	return failure_set(f, -ENOMEM,
			   "%" PRIu64 " VMs want %" PRIu64 " MiB of memory, %" PRIu64
			   " MiB are available: enough for --vms %" PRIu64,
			   vms, need / MIB, available / MIB, available / (bytes + PER_VM_EXTRA));
}

static void close_directory(DIR **d)
{
	if (*d)
		closedir(*d);
}

int parts_claim_directory(const char *path, struct failure *f)
{
	_cleanup_(close_directory) DIR *d = NULL;
	struct dirent *e;

	if (!mkdir(path, 0777))
		return 0;
	if (errno != EEXIST)
		return failure_errno(f, -errno, "--keep %s", path);
	d = opendir(path);
	if (!d)
		return failure_errno(f, -errno, "--keep %s", path);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return failure_set(f, -ENOTEMPTY,
					   "--keep %s: the directory is in use; name a new or an "
					   "empty one",
					   path);
	}
	return 0;
}
