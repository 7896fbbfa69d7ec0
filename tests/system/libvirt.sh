#!/bin/sh
# SPDX-License-Identifier: MIT
# libvirt.sh DESCHED GUIDE: domains of libvirt, as the guide has them: their names, also odd ones, two of one name
# in two libvirts, one that was renamed; their pages, also of a device that is plugged in later; a stream. Each libvirt
# is a session of its own, of the user nobody, in a directory that goes at the end; the domains are started paused.
# Exit status 77 without libvirt, its client or root.
set -eu
desched=$1 guide=$2
dir=$(mktemp -d /tmp/desched-libvirt.XXXXXX)
mine=desched-test-${dir##*.} # names that no other run has
pids='' ledger=''

skip() {
	echo "skipped: $*"
	exit 77
}

fail() {
	echo "FAILED: $*"
	cat "$dir/said" 2>/dev/null || :
	exit 1
}

clean_up() {
	set +e
	end_ledger
	for side in a b; do
		for domain in $(virsh_of $side list --name 2>/dev/null | tr ' ' '?'); do
			virsh_of $side destroy "$(echo "$domain" | tr '?' ' ')" >/dev/null 2>&1 || :
		done
	done
	for pid in $pids; do
		kill "$pid" 2>/dev/null || :
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	done
	rm -rf "$dir" /dev/shm/"$mine"*
}

[ "$(id -u)" = 0 ] || skip "needs root"
for program in libvirtd virsh qemu-system-x86_64 setpriv; do
	command -v $program >/dev/null || skip "no $program (Debian: libvirt-daemon, libvirt-clients, qemu-system-x86)"
done
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

as_nobody() { # as_nobody SIDE COMMAND...
	side=$1
	shift
	env HOME="$dir/$side" XDG_RUNTIME_DIR="$dir/$side/run" XDG_CONFIG_HOME="$dir/$side/config" \
		XDG_CACHE_HOME="$dir/$side/cache" setpriv --reuid nobody --regid nogroup --clear-groups "$@"
}

virsh_of() { # virsh_of SIDE COMMAND...
	of=$1
	shift
	as_nobody "$of" virsh -c "qemu+unix:///session?socket=$dir/$of/run/libvirt/libvirt-sock" -q "$@"
}

wait_for() { # wait_for WHAT COMMAND...: for a minute
	what=$1
	shift
	for _ in $(seq 300); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
	done
	fail "no $what after a minute"
}

chmod 755 "$dir"
for side in a b; do
	mkdir -p "$dir/$side/run" "$dir/$side/config/libvirt"
	echo 'stdio_handler = "file"' >"$dir/$side/config/libvirt/qemu.conf" # no daemon for logs
	chown -R nobody:nogroup "$dir/$side"
	as_nobody $side libvirtd --daemon --pid-file "$dir/$side/pid" >"$dir/$side/log" 2>&1
	pids="$pids $(cat "$dir/$side/pid")"
done
for side in a b; do
	wait_for "libvirt $side" virsh_of $side list
done

# The guide's XML, with our names.
guide_xml() { # guide_xml ELEMENT FILE-IN-DEV-SHM
	sed -n "/^<$1 /,/^<\/$1>/p" "$guide" | sed "s|desched-web1|$2|; s|/run/desched/stream|$dir/stream|"
}

define() { # define SIDE NAME-IN-XML DEVICES
	cat >"$dir/domain.xml" <<-END
		<domain type='qemu'><name>$2</name><memory unit='MiB'>32</memory><vcpu>2</vcpu>
		<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
		<devices><emulator>$(command -v qemu-system-x86_64)</emulator>$3</devices></domain>
	END
	chmod 644 "$dir/domain.xml"
	virsh_of "$1" define "$dir/domain.xml" >/dev/null
}

start() { # start SIDE NAME
	virsh_of "$1" start "$2" --paused >/dev/null
}

guide_xml shmem "$mine" | grep -q "$mine" || fail "the guide has no <shmem>"
guide_xml channel x | grep -q "$dir/stream" || fail "the guide has no <channel>"
define a "$mine" "$(guide_xml shmem "$mine") $(guide_xml channel x)"
start a "$mine"
sleep 0.1 # /proc has the start of a process to 10 ms
define b "$mine" ''
start b "$mine"
define a "$mine, &quot;&#xe9;&quot; &lt;b&gt;" ''
start a "$mine, \"é\" <b>"

ledger() { # ledger NAME: reports until COMMAND fits one, or a minute
	"$desched" ledger --json -d 0.2 -n 300 --stream "$dir/stream" "$1" >"$dir/reports" 2>"$dir/said" &
	ledger=$!
}

reported() { # reported TEXT...: all of them in one report
	cp "$dir/reports" "$dir/seen"
	for text; do
		grep -F -e "$text" "$dir/seen" >"$dir/left" || return 1
		mv "$dir/left" "$dir/seen"
	done
}

end_ledger() {
	[ -z "$ledger" ] || kill "$ledger" 2>/dev/null
	wait # for it
	ledger=
}

uuid_a=$(virsh_of a domuuid "$mine") uuid_b=$(virsh_of b domuuid "$mine")
ledger "$mine*"
wait_for "names, UUIDs and page" reported "\"name\":\"$mine\",\"called\":\"$mine\",\"uuid\":\"$uuid_a\"" \
	"\"name\":\"$mine#$(echo "$uuid_b" | cut -c 1-8)\",\"called\":\"$mine\",\"uuid\":\"$uuid_b\"" \
	"\"name\":\"$mine, \\\"\\u00E9\\\" <b>\"" "\"file\":\"/dev/shm/$mine\",\"written\":true" '"manager":"libvirt"'
wait_for "stream" reported '"stream":{"frames":'
[ "$(stat -c '%U %a' "/dev/shm/$mine")" = "nobody 644" ] || fail "the guide tells of another owner and mode"

# Plugged in while both run, on a domain that has no page.
guide_xml shmem "$mine-hot" >"$dir/page.xml"
chmod 644 "$dir/page.xml"
[ "$(sed -n 's/^    # virsh \(attach-device\) web1 page.xml \(--live --config\)$/\1 \2/p' "$guide")" = "attach-device --live --config" ] ||
	fail "the guide has no attach-device"
begin=$(date +%s)
virsh_of b attach-device "$mine" "$dir/page.xml" --live >/dev/null
page_is_there() {
	[ "$(head -c 8 "/dev/shm/$mine-hot")" = DESDPAGE ]
}
wait_for "page of a device that was plugged in" page_is_there
echo "plugged in: written after at most $(($(date +%s) - begin + 1)) s"
wait_for "report of that" reported "\"file\":\"/dev/shm/$mine-hot\",\"written\":true"
end_ledger

# A domain that runs can't be renamed; one that was has its new name.
! virsh_of a domrename "$mine" "$mine-new" >/dev/null 2>&1 || fail "libvirt renames a domain that runs"
virsh_of a destroy "$mine" >/dev/null
virsh_of a domrename "$mine" "$mine-new" >/dev/null
start a "$mine-new"
ledger "$mine-new"
wait_for "new name" reported "\"name\":\"$mine-new\"" "\"uuid\":\"$uuid_a\""
end_ledger
echo OK
