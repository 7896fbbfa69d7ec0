#!/bin/sh
# SPDX-License-Identifier: MIT
# A module includes what stands to its left (docs/architecture.md), never the other way round.
set -eu
cd "$(dirname "$0")/../.."

allowed() { # allowed MODULE: what it may include, itself among it
	case $1 in
	base) echo base ;;
	service) echo base ledger service ;;
	ledger) echo base ledger ;;
	wire) echo base ledger wire ;;
	api) echo base ledger wire api ;;
	bpf) echo base ledger policy bpf ;;
	policy) echo base ledger policy ;;
	sim) echo base ledger policy data sim ;;
	host) echo base ledger wire bpf policy host ;;
	guest) echo base ledger wire bpf policy guest ;;
	vmdesched) echo base service ledger wire bpf policy guest vmdesched ;;
	enforce) echo base service ledger wire bpf policy host enforce ;;
	deschedd) echo base service ledger wire bpf policy host enforce deschedd ;;
	lab) echo base ledger wire bpf policy host lab ;;
	data) echo base ledger wire data ;;
	screen) echo base ledger wire guest host data screen ;;
	doctor) echo base doctor ;;
	correct) echo base ledger wire data correct ;;
	exporter) echo base service ledger wire exporter ;;
	view) echo base ledger wire bpf guest view ;;
	vmm) echo base service ledger policy vmm ;;
	ticks) echo base ledger wire bpf policy sim host ticks ;;
	cmd) (cd src && echo *) ;;
	*) echo "layers: module $1 has no row here" >&2 ;;
	esac
}

status=0
for module in src/*/; do
	module=$(basename "$module")
	may=" $(allowed "$module") "
	[ "$may" != "  " ] || status=1
	for file in src/"$module"/*.[ch]; do
		for other in $(sed -n 's|^#include "\([a-z]*\)/.*|\1|p' "$file"); do
			case $may in
			*" $other "*) ;;
			*)
				echo "layers: $file includes $other/, which stands to its right" >&2
				status=1
				;;
			esac
		done
	done
done
# Nor do the files of a module stand in a circle, where FILE is its .c, its .h and what only its own parts
# share (FILE_internal.h); tsort finds one where there is one. An edge that is left out, and why:
left_out() { # left_out MODULE: lines "FILE INCLUDED"; a regular expression that no line matches where there are none
	case $1 in
	# Its interface and types stand below its layers, its events above them: policy_layers.sh has the order.
	policy) echo '[a-z_]* core' ;;
	# An importer is handed what it asks for (out.h), and asks by the names that all consumers use (data.h).
	data) echo 'out data' ;;
	*) echo none ;;
	esac
}
circle() { # circle MODULE FOLDER: prints the files of a circle
	for file in "$2"/*.[ch]; do
		unit=$(basename "${file%.[ch]}")
		sed -n "s|^#include \"$1/\([a-z_]*\)\.h\"|${unit%_internal} \1|p" "$file" | sed 's/_internal$//'
	done | awk '$1 != $2' | grep -vx "$(left_out "$1")" | tsort 2>&1 >/dev/null | sed 's/^tsort: //' || true
}
for module in src/*/; do
	module=$(basename "$module")
	found=$(circle "$module" "src/$module" | tr '\n' ' ')
	[ -z "$found" ] || {
		echo "layers: files of src/$module include each other in a circle: $found" >&2
		status=1
	}
done
# It can fail.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp src/base/text.[ch] src/base/proc.[ch] "$copy"
echo '#include "base/text.h"' >>"$copy/proc.h"
[ -z "$(circle base "$copy")" ] || status=1
echo '#include "base/proc.h"' >>"$copy/text.c"
[ -n "$(circle base "$copy")" ] || {
	echo "layers: a circle isn't noticed" >&2
	status=1
}
# A function's name says where it is: no two headers have the same one.
twice=$(sed -n '/^static/!s/^[a-z].*[ *]\([a-z][a-z0-9_]*\)(.*/\1/p' src/*/*.h | sort | uniq -d)
[ -z "$twice" ] || {
	echo "layers: functions of one name in several headers: $twice" >&2
	status=1
}
# uthash ends the process where there is no memory, unless it is included by base/hash.h.
! grep -ln '#include <uthash.h>' src/*/*.[ch] | grep -v '^src/base/hash.h$' >&2 || status=1
exit $status
