#!/bin/sh
# SPDX-License-Identifier: MIT
# units.sh BUILD: what systemd itself says of our units: nothing that it doesn't know, and of the daemons' exposure at
# most 2.5 of 10; and that they can be reloaded. The unit of a view is left out of that: it mounts for everybody, as root.
set -eu
build=$1
cd "$(dirname "$0")/../.."
command -v systemd-analyze >/dev/null || exit 77
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0

# It wants to see the programs, which are not installed.
for unit in packaging/*.service packaging/view/*.service; do
	sed "s|\(=[-]\{0,1\}\)/usr/s\{0,1\}bin/\([a-z-]*desched\)|\1$build/\2|" "$unit" >"$dir/${unit##*/}"
done
for unit in "$dir"/*.service; do
	systemd-analyze verify --man=no "$unit" >"$dir/said" 2>&1 && [ ! -s "$dir/said" ] && continue
	cat "$dir/said" >&2
	echo "units: systemd-analyze verify ${unit##*/} (above)" >&2
	status=1
done
for unit in packaging/*.service; do
	systemd-analyze security --offline=true --threshold=25 --no-pager "$unit" >"$dir/said" && continue
	grep -v '✓' "$dir/said" >&2
	echo "units: $unit is too exposed (above)" >&2
	status=1
done
# A daemon that has become another user gets no signal of a root that lacks CAP_KILL.
# shellcheck disable=SC2046 # one word per file
if grep -n '^ExecReload=[^+]' $(grep -L 'CapabilityBoundingSet=.*CAP_KILL' packaging/*.service) >&2; then
	echo "units: its capabilities don't suffice for that reload (above); begin it with +" >&2
	status=1
fi
exit $status
