#!/bin/sh
# SPDX-License-Identifier: MIT
# lab-machines.sh DESCHED DESCHEDD KIND [PROGRAM...]: `desched lab --machines KIND`, qemu or libvirt: guests whose page
# deschedd writes, held to the lab's own truth and limits, on two VMs for 30 s. With a PROGRAM that runs instead, where
# all is set up. deschedd, libvirt and the pages are in a mount namespace of their own and end with this script; libvirt is
# a session of the user nobody. Exit status 77 without root, libvirt or its client.
set -eu
skip() {
	echo "skipped: $*"
	exit 77
}
[ "$(id -u)" = 0 ] || skip "needs root"
if [ "${LAB_MACHINES_INSIDE:-}" != yes ]; then
	export LAB_MACHINES_INSIDE=yes
	exec unshare --mount --propagation private "$0" "$@"
fi
desched=$1 deschedd=$2 kind=$3
shift 3
dir=$(mktemp -d /tmp/desched-machines.XXXXXX)
daemon='' libvirtd=''
end() { # end PID: and wait for it
	[ -n "$1" ] || return 0
	kill "$1" 2>/dev/null || :
	for _ in $(seq 300); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	kill -KILL "$1"
}
clean_up() {
	set +e
	end "$daemon"
	end "$libvirtd"
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
fail() {
	echo "FAILED: $*"
	for log in "$dir"/*.log "$dir"/libvirt/*.log; do
		[ ! -s "$log" ] || tail -n 20 "$log"
	done
	exit 1
}
# shellcheck source=tests/system/wait-for.sh
. "$(dirname "$0")/wait-for.sh"

start_libvirt() {
	for program in libvirtd virsh setpriv; do
		command -v $program >/dev/null || skip "no $program (Debian: libvirt-daemon, libvirt-clients)"
	done
	chmod 755 "$dir"
	mkdir -p "$dir/libvirt/run" "$dir/libvirt/config/libvirt"
	echo 'stdio_handler = "file"' >"$dir/libvirt/config/libvirt/qemu.conf" # no daemon for logs
	chown -R nobody:nogroup "$dir/libvirt"
	env HOME="$dir/libvirt" XDG_RUNTIME_DIR="$dir/libvirt/run" XDG_CONFIG_HOME="$dir/libvirt/config" \
		XDG_CACHE_HOME="$dir/libvirt/cache" setpriv --reuid nobody --regid nogroup --clear-groups \
		libvirtd --daemon --pid-file "$dir/libvirt/pid" >"$dir/libvirt.log" 2>&1
	libvirtd=$(cat "$dir/libvirt/pid")
	export LIBVIRT_DEFAULT_URI="qemu+unix:///session?socket=$dir/libvirt/run/libvirt/libvirt-sock"
	wait_for "libvirt" virsh list
}

mount -t tmpfs run /run
mount -t tmpfs shm /dev/shm
[ "$kind" != libvirt ] || start_libvirt

# Without deschedd nobody writes the pages, and that is said; and nothing is left of the machines.
if [ $# = 0 ]; then
	"$desched" lab --machines "$kind" --vms 1 --vcpus 1 >"$dir/out.log" 2>&1 && fail "a lab without a publisher succeeds"
	grep -q 'vm1: no daemon wrote its page, /dev/shm/.*; is deschedd running here' "$dir/out.log" || fail "it doesn't say why"
fi

"$deschedd" >"$dir/deschedd.log" 2>&1 &
daemon=$!
wait_for "deschedd" test -S /run/deschedd.sock
grep -q 'source bpf' "$dir/deschedd.log" || skip "no BPF here: $(head -n 1 "$dir/deschedd.log")"
if [ $# -gt 0 ]; then
	"$@" || exit
else
	"$desched" lab --machines "$kind" --source page --vms 2 --vcpus 1,2 --json="$dir/json" || fail "the lab"
	jq -c '{machines, source, summary, boot_retries}' "$dir/json"
	jq -e --arg kind "$kind" '.machines == $kind and .source == "page" and .summary.within_limits and
		.summary.judged >= 4' "$dir/json" >/dev/null || fail "limits are missed, or nothing was judged"
fi
[ -z "$(ls -A /dev/shm)" ] || fail "files are left: $(ls -A /dev/shm)"
[ "$kind" != libvirt ] || [ -z "$(virsh -q list --all)" ] || fail "domains are left: $(virsh -q list --all)"
