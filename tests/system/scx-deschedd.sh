#!/bin/sh
# SPDX-License-Identifier: MIT
# scx-deschedd.sh TIMES: deschedd with enforcer = sched_ext, as the user of a host meets it: three processes that look like VMs,
# a configuration, `desched policy` and `desched set`; then deschedd is killed TIMES times, and each time
# the kernel schedules again. Run in the machine of scx.sh, with busybox.
set -u
times=$1
state() { busybox cat /sys/kernel/sched_ext/state; }
fail() {
	echo "FAILED: $*"
	busybox tail -n 20 /run/log
	exit 1
}
wait_for() { # wait_for SECONDS COMMAND...
	tries=$(($1 * 20))
	shift
	while [ "$tries" -gt 0 ]; do
		"$@" && return
		busybox usleep 50000
		tries=$((tries - 1))
	done
	return 1
}
is_on() { [ "$(state)" = enabled ]; }
is_off() { [ "$(state)" = disabled ]; }
shows() { # shows TEXT: somewhere in what `desched policy` says
	desched policy --socket /run/s 2>/dev/null | busybox grep -q "$1"
}

for vm in one two three; do
	like_vm -name "$vm" &
done
cat >/run/conf <<'END'
[deschedd]
source = auto
pages = no
user = root
socket = /run/s
[enforce]
enforcer = sched_ext
[vm two]
shares = 2000
limit = 0.3
END
start() {
	deschedd --config /run/conf >>/run/log 2>&1 &
	daemon=$!
	wait_for 60 is_on || fail "deschedd doesn't take over"
}
start
wait_for 20 shows 'in sched_ext: rate' || fail "no VM is enforced: $(desched policy --socket /run/s 2>&1)"
shows 'limit 0.3 CPUs' || fail "the limit isn't there"
desched set two limit=0.5 --socket /run/s >/dev/null || fail "set"
wait_for 10 shows 'limit 0.5 CPUs' || fail "the limit isn't changed"
echo "ok: deschedd holds VMs to their settings: $(desched policy --socket /run/s | busybox grep -c 'in sched_ext') VMs"

kill -TERM $daemon
wait_for 10 is_off || fail "the end of deschedd isn't the scheduler's"
wait $daemon || fail "exit status $?"
echo "ok: at the end the kernel schedules again"

killed=0
while [ $killed -lt "$times" ]; do
	start
	kill -KILL $daemon
	wait_for 10 is_off || fail "killed: $(state)"
	wait $daemon 2>/dev/null
	killed=$((killed + 1))
done
echo "ok: killed $killed times: the kernel schedules again"

start
busybox echo S >/proc/sysrq-trigger # whoever is at the keyboard takes it away: SysRq-S
wait_for 20 is_off || fail "SysRq-S"
wait $daemon && fail "deschedd ends without a failure"
busybox grep -q 'the enforcer has ended: the kernel has ended it' /run/log || fail "it says nothing of its end"
echo "ok: $(busybox grep 'has ended it' /run/log | busybox tail -n 1)"
