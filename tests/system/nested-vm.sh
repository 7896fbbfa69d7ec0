#!/bin/sh
# SPDX-License-Identifier: MIT
# nested-vm.sh DESCHED [PACKAGE]: `desched vm` boots a stock Debian kernel to user space, with one CPU and with two, on a KVM that
# QEMU's TCG emulates (AMD's virtualization, kvm-amd of a stock kernel): for machines whose own
# /dev/kvm cannot run one. Takes half a minute, and a download of two kernels at the first time. The kernel to boot
# is the one of PACKAGE, by default that of the machine around it. It needs apt and QEMU.
set -eu
desched=$(realpath "$1")
cd "$(dirname "$0")/../.."
cache=${DESCHED_CACHE:-$PWD/cache}/nested-vm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

unpack() { # unpack PACKAGE: prints where it is
	[ -d "$cache/$1" ] || {
		mkdir -p "$cache/.new"
		(cd "$cache/.new" && apt-get download -qq -o APT::Sandbox::User=root "$1" >&2 && dpkg-deb -x "$1"_*.deb root)
		mv "$cache/.new/root" "$cache/$1"
		rm -rf "$cache/.new"
	}
	echo "$cache/$1"
}

pack() { # pack DIRECTORY FILE
	(cd "$1" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$2"
}

outer=$(unpack "$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p')")
inner=$(unpack "${2:-$(basename "$outer")}")

# The innermost: one program, which says that it is there.
mkdir -p "$work/in/bin" "$work/in/proc"
cp /bin/busybox "$work/in/bin"
cat >"$work/in/init" <<'END'
#!/bin/busybox sh
/bin/busybox mount -t proc p /proc
echo "inner: up with $(/bin/busybox uname -r), CPUs $(/bin/busybox nproc)"
/bin/busybox grep timer /proc/interrupts
/bin/busybox reboot -f
END
chmod +x "$work/in/init"
pack "$work/in" "$work/inner.gz"

# The machine around it, with KVM, the monitor and its libraries.
mkdir -p "$work/out/bin" "$work/out/proc" "$work/out/dev" "$work/out/tmp"
cp /bin/busybox "$desched" "$work/out/bin"
cp "$inner"/boot/vmlinuz-* "$work/out/vmlinuz"
cp "$work/inner.gz" "$work/out/"
find "$outer" \( -name irqbypass.ko -o -name kvm.ko -o -name kvm-amd.ko \) -exec cp {} "$work/out/" \;
ldd "$desched" | grep -o '/[^ ]*' | while read -r library; do
	mkdir -p "$work/out$(dirname "$library")"
	cp "$library" "$work/out$library"
done
cat >"$work/out/init" <<'END'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc p /proc
$b mount -t devtmpfs d /dev
for m in irqbypass kvm kvm-amd; do $b insmod /$m.ko; done
echo "outer: up"
for n in 1 2; do
	/bin/desched vm --kernel /vmlinuz --initrd /inner.gz --memory 256 --cpus $n --json /tmp/figures \
		--append "console=ttyS0 nohz=off highres=off clocksource=jiffies lpj=1000000 no_timer_check panic=-1 quiet"
	echo "outer: CPUs $n, status $?"
	$b cat /tmp/figures
done
$b poweroff -f
END
chmod +x "$work/out/init"
pack "$work/out" "$work/outer.gz"

timeout 300 qemu-system-x86_64 -accel tcg -cpu EPYC,+svm,+npt -m 1024 -nographic -no-reboot -nic none \
	-kernel "$outer"/boot/vmlinuz-* -initrd "$work/outer.gz" -append "console=ttyS0 quiet panic=-1" \
	</dev/null >"$work/log" 2>&1 || true
if grep -aq "inner: up with.*CPUs 1" "$work/log" && grep -aq "outer: CPUs 1, status 0" "$work/log" &&
	grep -aq "inner: up with.*CPUs 2" "$work/log" && grep -aq "outer: CPUs 2, status 0" "$work/log"; then
	grep -aE "inner:|timer|run_s|delivered" "$work/log"
	exit 0
fi
cat "$work/log" >&2
echo "nested-vm: the kernel did not come up (above)" >&2
exit 1
