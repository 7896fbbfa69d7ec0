#!/bin/sh
# SPDX-License-Identifier: MIT
# nested-page.sh: a stock Debian guest under `desched vm --page` finds the ledger page by VMDesched's port, and
# `desched top` in it has its descheduled time from there. To be run in a machine whose /dev/kvm boots stock
# kernels, as root:
#
#	tests/system/nested.sh sh tests/system/nested-page.sh
set -eu
cd "$(dirname "$0")/../.."
desched=$PWD/${BUILD:-build}/desched
work=$(mktemp -d)

mkdir -p "$work/in/bin" "$work/in/proc" "$work/in/sys" "$work/in/dev" "$work/in/run" "$work/in/tmp"
cp "$(command -v busybox)" "$work/in/bin/busybox"
cp "$desched" "$work/in/bin"
ldd "$desched" | grep -o '/[^ ]*' | while read -r library; do
	mkdir -p "$work/in$(dirname "$library")"
	cp "$library" "$work/in$library"
done
cat >"$work/in/init" <<'END'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc p /proc
$b mount -t sysfs s /sys
$b mount -t devtmpfs d /dev
$b mount -t tracefs t /sys/kernel/tracing
$b mount -t bpf b /sys/fs/bpf
echo "inner: up"
$b grep -h -A0 . /sys/firmware/memmap/2/start /sys/firmware/memmap/2/type
$b sh -c 'while :; do :; done' &
/bin/desched top -b -n 2 -d 4 --source page
echo "inner: top $?"
$b poweroff -f
END
chmod +x "$work/in/init"
(cd "$work/in" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$work/inner.gz"

# A guest that measures its counter while others take its CPU measures it wrong; so it is told.
khz=$(dmesg | sed -n 's/.*tsc: [A-Z].* \([0-9]*\)\.\([0-9]*\) MHz.*/\1\2/p' | tail -n 1)

# The machine, a busy loop on the same CPU, the ledger.
taskset -c 0 sh -c 'while :; do :; done' &
loop=$!
taskset -c 0 "$desched" vm --kernel /boot/guest --initrd "$work/inner.gz" --memory 512 --page "$work/page" \
	--append "console=ttyS0 noapic nolapic clocksource=tsc tsc=reliable tsc_early_khz=$khz lpj=1000000 no_timer_check panic=-1 quiet" \
	</dev/null >"$work/log" 2>&1 &
vm=$!
until grep -q "inner: up" "$work/log"; do kill -0 $vm 2>/dev/null || break; sleep 1; done
"$desched" ledger -d 5 >"$work/ledger" 2>&1 &
ledger=$!
wait $vm || true
kill $ledger $loop
cat "$work/log"
tail -n 12 "$work/ledger"
grep -q "source page" "$work/log" && grep -q "inner: top 0" "$work/log"
