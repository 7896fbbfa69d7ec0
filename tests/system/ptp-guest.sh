#!/bin/sh
# SPDX-License-Identifier: MIT
# ptp-guest.sh [BUILD]: vmdesched's host time by KVM's PTP clock, where there is real KVM: a stock guest
# with the module ptp_kvm finds its clock set back by 30 s, and steps it forward once. Here that is
#
#     NESTED_APPEND=tsc=reliable tests/system/nested.sh tests/system/ptp-guest.sh
#
# since the hypercall behind it wants a host whose own clock is the CPU's counter. Needs root and KVM.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
kernel=${KERNEL:-/boot/guest}
module=$(find /lib/modules -name ptp_kvm.ko | head -n 1)
[ -c /dev/kvm ] && [ -n "$module" ] || exit 77
echo "the host's clock: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"

work=$(mktemp -d)
qemu=
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :; rm -rf "$work"' EXIT
cat >"$work/init" <<'END'
#!/bin/sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run
exec </dev/null >/dev/ttyS0 2>&1
told() { sleep "$1"; grep '^desched_clock_\(lag\|error\|steps\|sets\)' /run/d.prom | sed "s/^/$2 /"; }
insmod /ptp_kvm.ko && echo "module loaded: $(cat /sys/class/ptp/ptp0/clock_name)"
vmdesched --config /bin/work &
told 6 before
date -s "@$(($(date +%s) - 30))" >/dev/null
told 12 after
echo "NOW $(date +%s)"
poweroff -f
END
cat >"$work/conf" <<'END'
[vmdesched]
source = self
[gaps]
threshold = 0
[metrics]
textfile = /run/d.prom
interval = 1
processes = 0
[clock]
mode = set
END
chmod +x "$work/init"
sh lab/mkinitramfs "$work/image" "$work/init" "$work/conf" "$build/vmdesched"
# Behind it, since mkinitramfs strips what it takes for programs.
cp "$module" "$work/ptp_kvm.ko"
(cd "$work" && echo ptp_kvm.ko | cpio --quiet -o -H newc | gzip) >>"$work/image"

qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none -accel kvm -cpu host -m 384 \
	-kernel "$kernel" -initrd "$work/image" -append "console=ttyS0 quiet panic=-1" \
	-serial "file:$work/console" </dev/null &
qemu=$!
for _ in $(seq 300); do
	grep -q '^NOW' "$work/console" 2>/dev/null && break
	kill -0 "$qemu" 2>/dev/null || break
	sleep 1
done
here=$(date +%s)
tr -d '\r' <"$work/console" >"$work/said"
cat "$work/said"
there=$(sed -n 's/^NOW //p' "$work/said")

value() { # value WHEN NAME
	sed -n "s/^$1 desched_clock_$2 //p" "$work/said"
}
check() { # check WHAT EXPRESSION
	awk "BEGIN { exit !($2) }" && echo "ok      $1" && return
	echo "FAILED  $1: $2"
	exit 1
}
grep -q 'module loaded: KVM virtual PTP' "$work/said" || { echo "FAILED  no PTP clock of KVM"; exit 1; }
lag=$(value before lag_seconds)
check "the guest's clock is the host's to begin with" "$lag < 1.5 && $lag > -1.5"
check "it knows it to within 0.1 s" "$(value before error_seconds) < 0.1"
check "somebody has set it" "$(value after sets_total) == 1"
check "it was stepped once" "$(value after steps_total) == 1"
lag=$(value after lag_seconds)
check "it is right again by vmdesched" "$lag < 0.1 && $lag > -0.1"
check "it is right again by the host" "$here - ${there:-0} < 4 && ${there:-0} - $here < 2"
