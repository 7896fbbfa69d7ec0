#!/bin/sh
# SPDX-License-Identifier: MIT
# nested-vm.sh: `desched vm`, as a user who may do nothing but open /dev/kvm, boots a stock Debian kernel to user
# space. That finds its devices: the disk has the right bytes and keeps what is written, random numbers
# come, the clock's alarm goes off, the balloon takes memory; it resets the machine, comes up again, and
# turns it off. Then the same with two vCPUs, as far as user space. Run by nested.sh, in its machine.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "nested-vm: $*" >&2
	cat "$work/log" >&2
	exit 1
}

# The guest's kernel by its own words, and the modules that it needs for the devices.
release=$(strings -n 20 /boot/guest | sed -n 's/^\([0-9][^ ]*\) (.*/\1/p' | head -n 1)
root=$work/root
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev"
for module in virtio virtio_ring virtio_mmio virtio_blk virtio_balloon virtio-rng; do
	file=$(find "/lib/modules/$release" -name "$module.ko*")
	case $file in
	*.xz) busybox unxz -c "$file" >"$root/$module.ko" ;;
	*.ko) cp "$file" "$root/" ;;
	*) : >"$root/$module.ko" ;; # in the kernel itself
	esac
done
cp /usr/sbin/rtcwake "$root/bin"
for library in $(ldd /usr/sbin/rtcwake | grep -o '/[^ ]*'); do
	mkdir -p "$root$(dirname "$library")"
	cp "$library" "$root$library"
done
cp /bin/busybox "$root/bin"
ln -s busybox "$root/bin/sh"
cat >"$root/init" <<'END'
#!/bin/sh
busybox mount -t proc p /proc
busybox mount -t sysfs s /sys
busybox mount -t devtmpfs d /dev
for module in virtio virtio_ring virtio_mmio virtio_blk virtio_balloon virtio-rng; do
	busybox insmod /$module.ko
done
echo "guest: up with $(busybox uname -r), CPUs $(busybox nproc)"
busybox grep -q ' short' /proc/cmdline && busybox poweroff -f
if [ "$(busybox head -c 6 /dev/vda)" = second ]; then
	echo "guest: second time"
	read -r line
	echo "guest: host says $line"
	busybox poweroff -f
fi
echo "guest: disk $(busybox sha256sum /dev/vda)"
echo "guest: rng $(busybox cat /sys/class/misc/hw_random/rng_current) $(busybox head -c 64 /dev/hwrng | busybox wc -c)"
/bin/rtcwake -m on -s 2 >/dev/null && echo "guest: alarm $(busybox grep -c rtc0 /proc/interrupts)"
busybox grep -E 'timer|rtc' /proc/interrupts
printf second | busybox dd of=/dev/vda conv=notrunc,fsync 2>/dev/null
busybox reboot -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"
head -c 8388608 /dev/urandom >"$work/disk"
sum=$(sha256sum <"$work/disk" | cut -d' ' -f1)

chgrp 4242 /dev/kvm
chmod 660 /dev/kvm
chown -R 65534 "$work"
chmod 755 "$work"
cp /boot/guest build/desched build/desched-vm "$work"
mkfifo "$work/in"
setpriv --reuid 65534 --regid 65534 --groups 4242 --bounding-set -all --inh-caps -all --no-new-privs \
	"$work/desched" vm --kernel "$work/guest" --initrd "$work/initrd" --memory 256 --disk "$work/disk" \
	--json="$work/json" --control "$work/control" \
	--append "console=ttyS0 noapic nolapic nohz=off highres=off clocksource=jiffies lpj=1000000 no_timer_check panic=-1 quiet" \
	<>"$work/in" >"$work/log" 2>&1 &
vm=$!

wait_for() { # wait_for COMMAND...: a minute and a half
	for _ in $(seq 900); do
		"$@" && return
		kill -0 $vm || fail "it ended before: $*"
		sleep 0.1
	done
	fail "in vain: $*"
}
says() { grep -aq "$1" "$work/log"; }
ask() { echo "$1" | socat -t 5 - "UNIX-CONNECT:$work/control"; }
ballooned() { [ "$(ask figures | sed 's/.*"ballooned_bytes":\([0-9]*\).*/\1/')" -ge 67108864 ]; }

wait_for says "guest: up with"
wait_for says "guest: second time"
before=$(awk '/VmRSS/ { print $2 }' /proc/$vm/status)
ask "balloon 64" >/dev/null
wait_for ballooned
after=$(awk '/VmRSS/ { print $2 }' /proc/$vm/status)
echo "balloon: resident $before -> $after KiB"
echo enough >"$work/in"
wait $vm || fail "exit status $?"

tr -d '\r' <"$work/log" | grep -a 'guest:'
grep -E 'state|resets|disk_|ballooned|started_s' "$work/json"
says "guest: disk $sum" || fail "the disk's bytes are not those of the file"
says "guest: rng virtio_rng.0 64" || fail "no random numbers"
says "guest: alarm 1" || fail "no alarm"
says "guest: host says enough" || fail "no serial input"
[ "$(head -c 6 "$work/disk")" = second ] || fail "the disk did not keep what was written"
grep -q '"state": "power-off"' "$work/json" || fail "it was not turned off"
grep -q '"resets": 1,' "$work/json" || fail "it was not reset once"
grep -q '"disk_errors": 0,' "$work/json" || fail "errors of the disk"

timeout 120 build/desched vm --kernel /boot/guest --initrd "$work/initrd" --memory 256 --cpus 2 --json="$work/json" --append \
	"console=ttyS0 nohz=off highres=off clocksource=jiffies lpj=1000000 no_timer_check panic=-1 quiet short" </dev/null >"$work/log" 2>&1 ||
	fail "with two vCPUs: exit status $?"
says "guest: up with .*, CPUs 2" || fail "it did not find both vCPUs"
tr -d '\r' <"$work/log" | grep -a 'guest:'
