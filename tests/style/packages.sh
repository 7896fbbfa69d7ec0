#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh BUILD: whatever is installed is in one Debian package, by the lists in packaging/debian.
set -eu
build=$1
cd "$(dirname "$0")/../../packaging/debian"

installed=$(meson introspect --installed "$build" | tr ',' '\n' | sed -n 's|.*: "\(/[^"]*\)".*|\1|p' |
	sed -e 's|^/usr/local/etc|etc|' -e 's|^/usr/local|usr|' -e 's|^/||')
[ -n "$installed" ] || {
	echo "packages: nothing is installed from $build: meson introspect --installed $build" >&2
	exit 1
}
patterns=$(cat ./*.install not-installed | grep -v '^#')
set -f
status=0
for file in $installed; do
	found=
	for pattern in $patterns; do
		# shellcheck disable=SC2254 # a pattern it is
		case $file in
		$pattern | $pattern/*) found=yes ;;
		esac
	done
	[ -n "$found" ] || {
		echo "packages: $file is in no packaging/debian/*.install" >&2
		status=1
	}
done
exit $status
