#!/bin/sh
# SPDX-License-Identifier: MIT
# scx.sh [-1] [-c CPUS] [-f FILE]... SERIES PROGRAM [ARGUMENT...]: runs PROGRAM as root in a machine under TCG whose kernel has
# sched_ext (SERIES of fetch-kernel --sched-ext), as the only one there; its output and exit status are this
# script's. FILEs are programs that it wants as well: all are in /bin, with their libraries. The machine has nothing of
# this one's: no disk, no network. With -1 QEMU runs all of its CPUs in one thread: slower, but QEMU 7.2 loses no machine
# then, as it does now and then when one CPU changes code that another one runs (a static key, when a scheduler is
# attached): such a machine is started again. Exit status 77 without the kernel or QEMU.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
cpus=4 files='' thread=multi
while getopts 1c:f: option; do
	case $option in
	1) thread=single ;;
	c) cpus=$OPTARG ;;
	f) files="$files $OPTARG" ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
series=$1 program=$2
shift 2

skip() {
	echo "skipped: $*"
	exit 77
}
for needed in qemu-system-x86_64 busybox cpio ldd; do
	command -v $needed >/dev/null || skip "no $needed"
done
kernel=$("$here/scripts/fetch-kernel" --sched-ext "$series" 2>&1) || skip "$kernel"
kernel=$(echo "$kernel" | tail -n 1)

work=$(mktemp -d /tmp/desched-scx.XXXXXX)
qemu=''
clean_up() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

root=$work/root
mkdir -p "$root/bin" "$root/etc" "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp"
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
printf 'deschedd:x:990:990::/:/bin/sh\n' >>"$root/etc/passwd"
printf 'root:x:0:\ndeschedd:x:990:\n' >"$root/etc/group"
for file in "$program" $files "$(command -v busybox)"; do
	cp -L "$file" "$root/bin/"
	for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*'); do
		[ -e "$root$library" ] && continue
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done
done
ln -s busybox "$root/bin/sh"
printf '%s\n' "/bin/$(basename "$program")" "$@" >"$root/command"
cat >"$root/init" <<'INIT'
#!/bin/sh
export PATH=/bin HOME=/ TERM=dumb
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs run /run
busybox mount -t tmpfs tmp /tmp
busybox mount -t cgroup2 cgroup /sys/fs/cgroup
busybox mount -t bpf bpf /sys/fs/bpf
busybox mount -t tracefs tracing /sys/kernel/tracing
busybox ip link set lo up
echo "scx: up"
set --
while IFS= read -r word; do set -- "$@" "$word"; done </command
"$@"
status=$?
busybox dmesg | busybox grep -E 'sched_ext:|rcu.*stall|lockup|BUG:|WARNING:' || :
echo "scx: exit $status"
echo o >/proc/sysrq-trigger
busybox sleep 60
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/image"
rm -rf "$root"

boot() {
	qemu-system-x86_64 -accel tcg,thread=$thread -cpu max -smp "$cpus" -m "${SCX_MEMORY:-1024}" -nodefaults \
		-no-user-config -display none -serial file:"$work/console" -no-reboot -kernel "$kernel" \
		-initrd "$work/image" -append "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable ${SCX_APPEND:-}" \
		</dev/null 2>"$work/qemu" &
	qemu=$!
	wait $qemu || :
	qemu=''
	grep -q '^scx: exit' "$work/console" ||
		{ grep -q '^scx: up' "$work/console" && ! grep -q 'Oops: int3' "$work/console"; }
}

for try in 1 2 3 4; do
	boot && break
	echo "scx: QEMU has lost the machine, start $try" >&2
done
grep -v "TCG doesn't support" "$work/qemu" >&2 || :
tr -d '\r' <"$work/console" | sed '0,/^scx: up/d' | grep -v '^scx: exit '
status=$(tr -d '\r' <"$work/console" | sed -n 's/^scx: exit //p')
exit "${status:-1}"
