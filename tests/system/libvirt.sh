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
ledger=''

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
	libvirt_end
	rm -rf "$dir" /dev/shm/"$mine"*
}

. "$(dirname "$0")/private-libvirt.sh"
# shellcheck source=tests/system/wait-for.sh
. "$(dirname "$0")/wait-for.sh"
libvirt_needs
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
libvirt_start a b

# The guide's XML, with our names.
guide_xml() { # guide_xml ELEMENT FILE-IN-DEV-SHM
	sed -n "/^<$1 /,/^<\/$1>/p" "$guide" | sed "s|desched-web1|$2|; s|/run/desched/stream|$dir/stream|"
}

start() { # start SIDE NAME
	virsh_of "$1" start "$2" --paused >/dev/null
}

guide_xml shmem "$mine" | grep -q "$mine" || fail "the guide has no <shmem>"
guide_xml channel x | grep -q "$dir/stream" || fail "the guide has no <channel>"
libvirt_define a "$mine" "$(guide_xml shmem "$mine") $(guide_xml channel x)"
start a "$mine"
sleep 0.1 # /proc has the start of a process to 10 ms
libvirt_define b "$mine" ''
start b "$mine"
libvirt_define a "$mine, &quot;&#xe9;&quot; &lt;b&gt;" ''
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
