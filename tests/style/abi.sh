#!/bin/sh
# SPDX-License-Identifier: MIT
# abi.sh LIBDESCHED LIBVMGUESTLIB: the libraries show what the public headers and the guest API's
# prototypes declare, each with a version, and nothing else; the headers stand alone, in C and C++.
set -eu
libdesched=$1
libvmguestlib=$2
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

compare() { # compare LIBRARY VERSION HEADER...: the names of functions in both
	library=$1
	version=$2
	shift 2
	nm -D --defined-only "$library" | sed -n "s/.* T \(.*\)@@$version\$/\1/p" | sort >"$work/shown"
	cat "$@" | sed -n 's/^[a-zA-Z][^(]*[ *]\([A-Za-z]*_[A-Za-z0-9_]*\)(.*/\1/p' | sort >"$work/declared"
	diff "$work/declared" "$work/shown" || {
		echo "abi: $library does not show what $* declare (above: < declared, > shown)" >&2
		status=1
	}
	others=$(nm -D --defined-only "$library" | grep -v " A $version\$\|@@$version\$" || :)
	[ -z "$others" ] || {
		echo "abi: $library shows without a version: $others" >&2
		status=1
	}
}

compare "$libdesched" DESCHED_0.1 include/desched/desched.h include/desched/ledger.h \
	include/desched/page.h
compare "$libvmguestlib" VMGUESTLIB_0 tests/unit/vmGuestLib.h

for header in include/desched/*.h; do
	for language in c c++; do
		echo "#include <desched/${header##*/}>" |
			clang -x "$language" -fsyntax-only -Wall -Wextra -Werror -Iinclude - || {
			echo "abi: $header does not stand alone in $language" >&2
			status=1
		}
	done
done
exit $status
