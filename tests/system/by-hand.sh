#!/bin/sh
# SPDX-License-Identifier: MIT
# by-hand.sh DESCHED: QEMUs that somebody starts by hand, paused, so that they cost nothing: without names of
# threads, with a monitor that is free, taken, or not there; with another name of the process; two of one name; in a
# PID namespace, also without names. Exit status 77 without QEMU or root.
set -eu
desched=$1
dir=$(mktemp -d /tmp/desched-by-hand.XXXXXX)
mine=by-hand-${dir##*.} # names that no other run has
pids='' ledger=''

skip() {
	echo "skipped: $*"
	exit 77
}

clean_up() {
	set +e
	[ -z "$ledger" ] || kill "$ledger" 2>/dev/null
	for pid in $pids; do
		kill -9 "$pid" 2>/dev/null
	done
	wait
	rm -rf "$dir"
}

fail() {
	echo "FAILED: $*"
	cat "$dir/said" 2>/dev/null || :
	exit 1
}

[ "$(id -u)" = 0 ] || skip "needs root"
command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

start() { # start WORD...: leaves its process in $started
	"$@" -accel tcg -m 32 -display none -nodefaults -S >"$dir/qemu.log" 2>&1 &
	started=$!
	pids="$pids $started"
}

# shellcheck source=tests/system/wait-for.sh
. "$(dirname "$0")/wait-for.sh"

ledger() { # ledger NAME
	"$desched" ledger --json -d 0.2 --stream "$dir/stream" "$@" >"$dir/reports" 2>"$dir/said" &
	ledger=$!
}

end_ledger() {
	kill "$ledger"
	wait "$ledger" 2>/dev/null || :
	ledger=''
}

reported() { # reported TEXT...: all of them in one report
	cp "$dir/reports" "$dir/seen"
	for text; do
		grep -F -e "$text" "$dir/seen" >"$dir/left" || return 1
		mv "$dir/left" "$dir/seen"
	done
}

is_measured() { # is_measured NAME FOUND-BY
	grep -q "\"name\":\"$1\",[^{}\[]*\"found_by\":\"$2\"" "$dir/reports"
}

# Its owner, who is there before us and stays.
hold() { # hold SOCKET
	perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit 1; <$s>; sleep 1000' "$1" &
	holder=$!
	pids="$pids $holder"
}

start qemu-system-x86_64 -name "$mine-named,debug-threads=on"
start qemu-system-x86_64 -name "$mine-free,process=anything" -smp 2 -qmp "unix:$dir/free,server=on,wait=off"
start qemu-system-x86_64 -name "$mine-taken" -chardev "socket,id=m,path=$dir/taken,server=on,wait=off" -mon chardev=m,mode=control
start qemu-system-x86_64 -name "$mine-mute"
wait_for "monitor" test -S "$dir/taken"
hold "$dir/taken"
ledger "$mine-*"
wait_for "machine with names" is_measured "$mine-named" names
wait_for "machine with a free monitor" is_measured "$mine-free" qmp
wait_for "word of the machine without" reported "\"name\":\"$mine-mute\"" 'debug-threads=on'
wait_for "word of a monitor that is taken" grep -q "$mine-taken.*leave its monitor $dir/taken to us" "$dir/said"
kill -0 "$holder" || fail "the owner lost its monitor"
kill "$holder"
wait_for "machine whose monitor became free" is_measured "$mine-taken" qmp
grep '"unseen":\[[^]]*taken' "$dir/reports" >/dev/null || fail "it was not reported as unseen before"
tail -n 1 "$dir/reports" | grep '"unseen":\[[^]]*taken' && fail "it is still reported as unseen"
# Nobody stays connected: its owner comes in.
hold "$dir/free"
sleep 1
kill -0 "$holder" || fail "the monitor is not free any more"
end_ledger

# Two of one name, one of them in a PID namespace of its own, with its own /proc.
start qemu-system-x86_64 -name "$mine-twin,debug-threads=on"
sleep 0.1
older=$started
start unshare --pid --fork --mount --propagation private --mount-proc --kill-child \
	qemu-system-x86_64 -name "$mine-twin,debug-threads=on"
ledger "$mine-twin"
wait_for "twins" reported "\"name\":\"$mine-twin\",\"called\":\"$mine-twin\"" "\"name\":\"$mine-twin#"
reported "\"name\":\"$mine-twin\",\"called\":\"$mine-twin\",\"uuid\":\"\",\"id\":\"\",\"manager\":\"qemu\",\"pid\":$older," ||
	fail "the older one has another name"
end_ledger
echo OK
