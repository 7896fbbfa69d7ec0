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
	bpf) echo base bpf ;;
	policy) echo base ledger policy ;;
	sim) echo base ledger policy sim ;;
	host) echo base ledger wire bpf policy host ;;
	guest) echo base ledger wire bpf policy guest ;;
	vmdesched) echo base service ledger wire bpf policy guest vmdesched ;;
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
# Files of the screen form no circle: tsort finds one where there is one.
for file in src/screen/*.[ch]; do
	unit=$(basename "${file%.[ch]}")
	sed -n 's|^#include "screen/\([a-z_]*\)\.h"|\1|p' "$file" | grep -vx "$unit" | sed "s/^/$unit /" || true
done | tsort >/dev/null || {
	echo "layers: files of src/screen include each other in a circle" >&2
	status=1
}
# uthash ends the process where there is no memory, unless it is included by base/hash.h.
! grep -ln '#include <uthash.h>' src/*/*.[ch] | grep -v '^src/base/hash.h$' >&2 || status=1
exit $status
