#!/bin/sh
# SPDX-License-Identifier: MIT
# nested-ticks.sh [VMS [SECONDS [POLICY [PARAMETERS]]]]: stock Debian kernels that count their ticks, several of them on one
# CPU, each with `vmdesched --ticks` and two processes that count their work. What an unmodified `top` says
# in them is held against READY and the CPU time of their vCPUs by the kernel around them, the latter less
# what VMDesched took by the monitor, split by the work done. Run by nested.sh, in its machine.
set -eu
cd "$(dirname "$0")/../.."
vms=${1:-2}
seconds=${2:-60}
policy=${3:-desched}
# The last one is what the machine around it has with -i, where a guest's own calibration fails; without it
# the scheduler would have no TSC, and tsc=unstable nothing to do.
parameters=${4:-nohz=off highres=off clocksource=jiffies tsc=unstable tsc_early_khz=1000000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The lab's guest image holds all that is needed but its init.
mkdir "$work/root"
(cd "$work/root" && zcat "$OLDPWD/build/lab/initramfs.cpio.gz" | cpio -i --quiet)
cat >"$work/root/init" <<END
#!/bin/sh
PATH=/bin:/sbin
export TERM=dumb
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
say() { # say MARK: uptime, the work done, what top says
	echo "ticks: \$1 \$(busybox cut -d' ' -f1 /proc/uptime) \$(busybox od -An -tu8 -N8 /tmp/spin) \$(busybox od -An -tu8 -N8 /tmp/duty)"
	/bin/top -b -n 1 -w 80 >/tmp/top
	busybox grep -E 'PID|spin|duty|vmdesched' /tmp/top
}
start() { # start KIND: its slot says go
	printf '\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0' >/tmp/\$1
	/bin/work \$1 0 3 3<>/tmp/\$1 &
}
/bin/vmdesched --ticks &
start spin
start duty
busybox sleep 15
say begin
busybox sleep $seconds
say end
busybox sleep 1
busybox poweroff -f
END
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"

schedstat() { # schedstat PID: run and READY of its vCPU's thread, ns
	for task in /proc/"$1"/task/*; do
		[ "$(cat "$task/comm")" != "CPU 0/KVM" ] || cut -d' ' -f1,2 "$task/schedstat"
	done
}

# The guest's lines, and behind its marks what the clock, the kernel and the monitor here say at that time.
follow() { # follow PID CONTROL
	while IFS= read -r line; do
		echo "$line"
		case $line in
		"ticks: "*)
			echo "host: $(cut -d' ' -f1 /proc/uptime) $(schedstat "$1") $(echo figures | socat -t 5 - "UNIX-CONNECT:$2" |
				sed 's/.*"vmdesched_s":\([0-9.]*\).*/\1/')"
			;;
		esac
	done | tr -d '\r'
}

append="console=ttyS0 quiet panic=-1 noapic nolapic lpj=1000000 no_timer_check $parameters"
for i in $(seq "$vms"); do
	mkfifo "$work/$i.out"
	taskset -c $(($(nproc) - 1)) build/desched vm --kernel /boot/guest --initrd "$work/initrd" --memory 256 \
		--tick-policy "$policy" --control "$work/$i.control" --json="$work/$i.json" --append "$append" \
		</dev/null >"$work/$i.out" &
	follow $! "$work/$i.control" <"$work/$i.out" >"$work/$i.log" &
done
wait

grep -hE 'PID|spin|duty|vmdesched' "$work/1.log" | tail -n 4
echo
echo "$vms stock kernels on one CPU, policy $policy: seconds between two readings"
echo "VM      real  guest's clock  READY  vmdesched by top      spin: truth  top         duty: truth  top"
status=0
for i in $(seq "$vms"); do
	awk -v vm="$i" -v limit="${3:+none}" '
	function seconds(text, part) { split(text, part, ":"); return part[1] * 60 + part[2] }
	function off(is, should) { return (is / should - 1) * 100 }
	/^ticks:/ { mark++; clock[mark] = $3; units["spin", mark] = $4; units["duty", mark] = $5 }
	/^host:/ { real[mark] = $2; run[mark] = $3 / 1e9; ready[mark] = $4 / 1e9; own[mark] = $5 }
	/ (spin|duty|vmdesched)$/ { top[$NF, mark] = seconds($(NF - 1)) }
	END {
		if (mark != 2 || !real[2]) { print "VM " vm " did not get to its end"; exit 1 }
		spin = units["spin", 2] - units["spin", 1]; duty = units["duty", 2] - units["duty", 1]
		ran = run[2] - run[1] - (own[2] - own[1])
		waited = ready[2] - ready[1]; elapsed = real[2] - real[1]
		told = top["vmdesched", 2] - top["vmdesched", 1]
		spin_true = ran * spin / (spin + duty); duty_true = ran - spin_true
		spin_top = top["spin", 2] - top["spin", 1]; duty_top = top["duty", 2] - top["duty", 1]
		printf "%-4s %7.2f %9.2f %+.2f %7.2f %8.2f (%+.1f %%) %10.2f %6.2f (%+.1f %%) %7.2f %6.2f (%+.1f %%)\n", vm,
			elapsed, clock[2] - clock[1], clock[2] - clock[1] - elapsed, waited, told, off(told, waited),
			spin_true, spin_top, off(spin_top, spin_true), duty_true, duty_top, off(duty_top, duty_true)
		bad = off(told, waited) ^ 2 > 25 || off(spin_top, spin_true) ^ 2 > 25 ||
			off(duty_top, duty_true) ^ 2 > 25 || (clock[2] - clock[1] - elapsed) ^ 2 > 0.0625
		exit bad && !limit
	}' "$work/$i.log" || status=1
done
[ $status = 0 ] || { cat "$work/1.log" "$work/1.json" && echo "nested-ticks: off by more than 5 %, or a clock by more than 0.25 s" >&2; }
exit $status
