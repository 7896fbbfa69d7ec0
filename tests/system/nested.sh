#!/bin/sh
# SPDX-License-Identifier: MIT
# nested.sh [-i] [-k] [-g PACKAGE] COMMAND...: runs a command as root in a machine that has hardware virtualization, where
# there is none: QEMU emulates an AMD processor with SVM, a stock Debian kernel in it loads kvm-amd, and
# that /dev/kvm runs stock kernels. Slow, but real KVM. The project is in /root/desched there, with the build
# of $BUILD in build/; a guest kernel is /boot/guest, its modules in /lib/modules: the one of PACKAGE, or the
# machine's own. Needs root (mmdebstrap) and QEMU. Not part of 'make test'.
#
# With -i the machine has one processor, and its time is the instructions that it has executed: slower,
# but exact however busy this machine is. The machine's Debian is made once and kept in cache/nested;
# -k keeps what a run has written to its disk.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
cache=${DESCHED_CACHE:-cache}/nested
packages=linux-image-cloud-amd64,qemu-system-x86,kmod,procps,libjansson4,libbpf1,libelf1,libinih1
packages=$packages,libncursesw6,busybox-static,cpio,binutils,ncurses-base,strace,socat
packages=$packages,libcsv3,libfuse3-3,libseccomp2,libcap-ng0,libmicrohttpd12,libcmocka0
keep='' guest=''
cpus='-accel tcg,thread=multi -smp 2'
while getopts ikg: option; do
	case $option in
	i) cpus='-accel tcg,thread=single -icount shift=1,sleep=on -smp 1' ;;
	k) keep=1 ;;
	g) guest=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- build/desched --version

fail() {
	echo "nested: $*" >&2
	exit 77
}

for program in mmdebstrap mke2fs qemu-system-x86_64; do
	command -v $program >/dev/null || fail "$program is missing; install mmdebstrap, e2fsprogs and qemu-system-x86"
done
mirror=$(scripts/mirror) || fail "no Debian mirror"

work=$(mktemp -d /var/tmp/desched-nested.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM

tar=$cache/root-$(echo "$packages" | cksum | cut -d' ' -f1).tar
if ! [ -f "$tar" ]; then
	mkdir -p "$cache"
	echo "nested: making a Debian root" >&2
	mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$tar.$$" --format=tar "$mirror"
	mv "$tar.$$" "$tar"
fi

root=$work/root
mkdir "$root"
tar -xf "$tar" -C "$root"
kernel=$(ls "$root"/boot/vmlinuz-*)
cp "$kernel" "$work/vmlinuz"
cp "$(ls "$root"/boot/initrd.img-* 2>/dev/null || echo /dev/null)" "$work/initrd"
cp "$kernel" "$root/boot/guest"
[ -z "$guest" ] || {
	# What a name without a version stands for.
	meant=$(apt-cache depends "$guest" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
	guest=${meant:-$guest}
	(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$guest" && dpkg-deb -x "$guest"_*.deb guest)
	cp "$work"/guest/boot/vmlinuz-* "$root/boot/guest"
	cp -r "$work"/guest/*lib/modules/* "$work"/guest/usr/lib/modules/* "$root/lib/modules/" 2>/dev/null || true
	rm -rf "$work"/guest*
}
mkdir -p "$root/root/desched/build"
git ls-files -z lab scripts tests | xargs -0 tar -c | tar -x -C "$root/root/desched"
(cd "$build" && find . -type f \( -perm -100 -o -name '*.cpio.gz' \) ! -path './meson-*' \
	\( ! -path './tests/*' -o -name bursty -o -name view_top -o -name tee_agent -o -name test_host_kvm \) -print0 | xargs -0 tar -c) | tar -x -C "$root/root/desched/build"
printf '%s\n' "$@" >"$root/root/command"
cat >"$root/sbin/nested-init" <<'INIT'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys 2>/dev/null
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracing /sys/kernel/tracing
echo 1 >/proc/sys/kernel/sched_schedstats 2>/dev/null
ip link set lo up 2>/dev/null
modprobe kvm-amd
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
cd /root/desched
set --
while IFS= read -r word; do set -- "$@" "$word"; done </root/command
echo "nested: $(uname -r), /dev/kvm $(test -c /dev/kvm && echo there || echo missing)"
"$@"
echo "nested: exit $?"
sync
echo o >/proc/sysrq-trigger
sleep 60
INIT
chmod +x "$root/sbin/nested-init"
mke2fs -q -t ext4 -d "$root" "$work/disk" 3G >/dev/null
rm -rf --one-file-system "$root"

# shellcheck disable=SC2086 # several words
qemu-system-x86_64 $cpus -cpu EPYC,+svm,+npt,+nrip-save -m "${NESTED_MEMORY:-4096}" -nodefaults -no-user-config \
	-display none -serial file:"$work/console" -no-reboot -kernel "$work/vmlinuz" -initrd "$work/initrd" \
	-drive file="$work/disk",format=raw,if=virtio,cache=unsafe \
	-append "console=ttyS0 root=/dev/vda rw init=/sbin/nested-init quiet panic=-1 mitigations=off ${NESTED_APPEND:-}" </dev/null 2>"$work/qemu" &
qemu=$!
trap 'kill $qemu 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
tail --pid=$qemu -n +1 -F "$work/console" 2>/dev/null || true
wait $qemu || true
[ -z "$keep" ] || mv "$work/disk" "$cache/disk"
grep -v "TCG doesn't support" "$work/qemu" >&2 || true
status=$(tr -d '\r' <"$work/console" | sed -n 's/^nested: exit //p')
exit "${status:-1}"
