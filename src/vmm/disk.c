/* SPDX-License-Identifier: MIT */
/*
 * Which files are disks: raw images of whole sectors. A guest would see an image in another format
 * as an empty or broken disk, and ruin it with its first write; so such images are refused by what
 * they begin or end with.
 */
#include "vmm/virtio_devices.h"

#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_MAX 24

static const struct image_kind {
	const char *name; /* qemu-img's */
	int64_t at;	  /* negative: from the end */
	uint8_t size;
	const char *magic;
} kinds[] = {
	{"qcow", 0, 8, "QFI\xfb\0\0\0\1"},
	{"qcow2", 0, 4, "QFI\xfb"},
	{"qed", 0, 4, "QED\0"},
	{"vmdk", 0, 4, "KDMV"},
	{"vmdk", 0, 4, "COWD"},
	{"vmdk", 0, 21, "# Disk DescriptorFile"},
	{"vhdx", 0, 8, "vhdxfile"},
	{"vpc", 0, 8, "conectix"},
	{"vpc", -512, 8, "conectix"}, /* of a fixed size: a raw image and a footer */
	{"vpc", -511, 8, "conectix"}, /* as an old Virtual PC wrote it */
	{"vdi", 64, 4, "\x7f\x10\xda\xbe"},
	{"parallels", 0, 16, "WithoutFreeSpace"},
	{"parallels", 0, 16, "WithouFreSpacExt"},
	{"dmg", -512, 4, "koly"},
	{"bochs", 0, 22, "Bochs Virtual HD Image"},
};

static bool is_kind(const struct image_kind *k, int fd, int64_t size)
{
	int64_t at = k->at < 0 ? size + k->at : k->at;
	char found[MAGIC_MAX];

	return at >= 0 && pread(fd, found, k->size, at) == k->size &&
	       !memcmp(found, k->magic, k->size);
}

static int check(int fd, const char *path, int64_t size, struct failure *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (is_kind(&kinds[i], fd, size))
			return failure_set(f, -EINVAL,
					   "disk %s is a %s image, not a raw one; convert it: "
					   "qemu-img convert -f %s -O raw %s %s.raw",
					   path, kinds[i].name, kinds[i].name, path, path);
	}
	if (size < BLOCK_SECTOR)
		return failure_set(f, -EINVAL,
				   "disk %s: a raw image of at least %u bytes was expected", path,
				   BLOCK_SECTOR);
	if (size % BLOCK_SECTOR)
		return failure_set(f, -EINVAL,
				   "disk %s has %lld bytes, %lld of them behind its last whole "
				   "sector of %u; fill it up with zeros: truncate -s %%%u %s",
				   path, (long long)size, (long long)(size % BLOCK_SECTOR),
				   BLOCK_SECTOR, BLOCK_SECTOR, path);
	return 0;
}

int block_open(struct block *b, const char *path, bool read_only, struct failure *f)
{
	int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return failure_errno(f, -errno, "disk %s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		err = failure_set(f, -EINVAL, "disk %s: a file with a raw image was expected",
				  path);
	else
		err = check(fd, path, st.st_size, f);
	if (!err && flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB))
		err = failure_set(
			f, -EBUSY,
			"disk %s is in use by another virtual machine; end that, or give both "
			"--read-only",
			path);
	if (err) {
		close(fd);
		return err;
	}
	*b = (struct block){
		.fd = fd, .read_only = read_only, .sectors = (uint64_t)st.st_size / BLOCK_SECTOR};
	return 0;
}
