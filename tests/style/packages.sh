#!/bin/sh
# SPDX-License-Identifier: MIT
# packages.sh BUILD: whatever is installed is in one Debian package, by the lists in packaging/debian; each unit is in one,
# with the program that it runs and the group that it needs: in the same package or in one that it depends on, unless the
# unit asks whether the program is there.
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
set +f

has() { # has PACKAGE PATTERN: a line of what it is made of
	grep -q "$2" "$1.install"
}
depends_on() { # depends_on PACKAGE OTHER
	awk -v name="$1" '$1 == "Package:" {on = $2 == name} on && $1 == "Depends:"' control | grep -qw "$2 (="
}
for unit in ../*.service ../view/*.service; do
	name=$(basename "$unit" .service)
	package=$(sed -n "s/.*dh_installsystemd -p\([a-z-]*\) --name=$name\( .*\)\{0,1\}$/\1/p" rules)
	[ -n "$package" ] || {
		echo "packages: $unit is in no package: dh_installsystemd in packaging/debian/rules" >&2
		status=1
		continue
	}
	program=$(sed -n 's/^ExecStart=\/\([^ ]*\).*/\1/p' "$unit")
	grep -q "^ConditionFileIsExecutable=/$program$" "$unit" || has "$package" "^$program$" || {
		other=$(grep -lx "$program" ./*.install | sed 's/.*\/\(.*\)\.install/\1/')
		[ -n "$other" ] && depends_on "$package" "$other" || {
			echo "packages: $name is in $package, which doesn't depend on ${other:-what} has /$program" >&2
			status=1
		}
	}
	for group in $(sed -n 's/^SupplementaryGroups=//p' "$unit"); do
		grep -q "packaging/$group.sysusers debian/$package.sysusers" rules || {
			echo "packages: $name is in $package, another one makes its group $group" >&2
			status=1
		}
	done
done
exit $status
