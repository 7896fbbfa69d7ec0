#!/bin/sh
# SPDX-License-Identifier: MIT
# with-guest.sh BUILD KIND PROGRAM [ARGUMENT...]: runs PROGRAM with what it takes to boot guests that have
# the tools of BUILD and FUSE in them, in $GUEST_KERNEL, $GUEST_IMAGE and $GUEST_MORE (words for QEMU, one
# a line). KIND: `tcg` is the lab's kernel; `kvm` the same under KVM, where that runs one (nested.sh);
# `xen` is Xen under TCG, and in it, as dom0 with two CPUs on one, Debian's kernel; its time is the
# instructions that it has executed, 2^$XEN_SHIFT ns each: exact, however busy this machine is. With
# XEN_SCHED=credit2 it boots from XEN_SHIFT=1 on. Without what is needed exit status 77.
set -eu
build=$(realpath "$1") kind=$2
shift 2
here=$(cd "$(dirname "$0")/../.." && pwd)
cache=${DESCHED_CACHE:-$here/cache}/guests
work=$(mktemp -d /tmp/desched-guest.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

skip() {
	echo "skipped: $*"
	exit 77
}

# Sanitized programs do not belong into a guest: those of the ordinary build beside them do.
[ -f "$build/lab/initramfs.cpio.gz" ] || build=$(realpath "$build/../build")
[ -f "$build/lab/initramfs.cpio.gz" ] || skip "no guest image in $build"
command -v qemu-system-x86_64 >/dev/null || skip "needs qemu-system-x86"

unpack() { # unpack PACKAGE PATTERN...: prints where these files of it are; downloaded once
	package=$1
	shift
	if ! [ -d "$cache/$package" ]; then
		mkdir -p "$cache"
		new=$(mktemp -d "$cache/.new.XXXXXX")
		(cd "$new" && apt-get download -qq -o APT::Sandbox::User=root "$package" >&2 &&
			dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards "$@" && rm ./*.deb) ||
			{ rm -rf "$new" && return 1; }
		mv -T "$new" "$cache/$package" 2>/dev/null || rm -rf "$new" # another was faster
	fi
	echo "$cache/$package"
}

if [ -f /boot/guest ]; then # in nested.sh's machine
	kernel=/boot/guest modules=/
else
	[ "$kind" = xen ] && meta=linux-image-amd64 || meta=linux-image-cloud-amd64
	package=$(apt-cache depends "$meta" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$package" ] || skip "apt knows no $meta"
	modules=$(unpack "$package" './boot/vmlinuz-*' './lib/modules/*/kernel/fs/fuse/fuse.ko*') ||
		skip "$package cannot be downloaded"
	kernel=$(ls "$modules"/boot/vmlinuz-*)
fi
fuse=$(find "$modules"/lib/modules/*/kernel/fs/fuse -name 'fuse.ko*' | head -n 1)
case $fuse in
*.xz) xz -dc "$fuse" ;;
*) cat "$fuse" ;;
esac >"$work/fuse.ko"

export GUEST_KERNEL="$kernel" GUEST_IMAGE="$work/image" GUEST_MORE='' GUEST_KIND="$kind"
sh "$here/lab/mkinitramfs" "$GUEST_IMAGE" "$build/lab/lab-init" "$build/lab/lab-work" "$build/vmdesched" \
	"$build/desched" "$build/tests/tee_agent" "$work/fuse.ko"

if [ "$kind" = xen ]; then
	package=$(apt-cache search --names-only '^xen-hypervisor-[0-9.]*-amd64$' | sort -V | tail -n 1 | cut -d ' ' -f 1)
	[ -n "$package" ] || skip "apt knows no xen-hypervisor"
	xen=$(unpack "$package" './boot/xen-*') || skip "$package cannot be downloaded"
	gzip -dc "$xen"/boot/xen-*-amd64.gz >"$work/xen"
	GUEST_KERNEL=$work/xen
	GUEST_IMAGE="$kernel console=hvc0 quiet panic=-1 lab.source=steal,$work/image"
	GUEST_MORE="-cpu
qemu64
-icount
shift=${XEN_SHIFT:-0},sleep=on
-rtc
clock=vm
-m
1024
-append
console=com1 dom0_max_vcpus=2 dom0_mem=640M sched=${XEN_SCHED:-credit} sched_credit_tslice_ms=5 noreboot=1 no-real-mode"
fi
"$@"
