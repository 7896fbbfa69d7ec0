#!/bin/sh
# SPDX-License-Identifier: MIT
# The scheduler's core is layers (src/policy/core_state.h): a file includes, and calls, what stands before it,
# never the other way round. All of it is compiled as one, so the compiler would not notice. And nobody outside
# knows more of it than core.h.
# policy_layers.sh [FOLDER]: of src/policy, or of a copy of it.
set -eu
cd "$(dirname "$0")/../.."
folder=${1:-src/policy}
status=0

layers="core_state core_topology core_cpu core_gang core_dispatch core_skew core_limit core_entitle core_move"
layers="$layers core_balance core_marks core core_admit core_change core_setup core_read"

# The functions that a layer offers to those above it, as an expression for grep.
offered() {
	if [ "$1" = core ]; then # core.h is everybody's; the events in it are above all layers
		echo 'core_wake|core_block|core_expire|core_timer|core_changes|core_(vm|group)_(add|change|remove)|core_cpu_set'
	elif [ -f "$folder/$1.h" ]; then
		sed -n 's/^[a-z].*[ *]\(core_[a-z_]*\)(.*/\1/p' "$folder/$1.h" | paste -sd '|'
	fi
}

# From the top down: what is above a layer grows.
above='' names=core_no_function
for layer in core_read core_setup core_change core_admit core $(echo "$layers" | tr ' ' '\n' | sed '/^core$/,$d' | tac); do
	# Comments may speak of what is above.
	if [ "$layer" != core ] &&
		cat "$folder/$layer".[ch] 2>/dev/null | sed -e 's|/\*.*\*/||' -e '/\/\*/,/\*\//d' |
		grep -E "^#include \"policy/($above)\.h\"|\<($names)\("; then
		echo "layers: $layer includes or calls the above, which stand above it"
		status=1
	fi
	above="$above${above:+|}$layer"
	[ "$layer" != core ] || above=${above%|core}
	offers=$(offered "$layer")
	names="$names${offers:+|}$offers"
done
for file in "$folder"/core*.[ch]; do
	name=$(basename "$file")
	case " $layers " in
	*" ${name%.*} "*) ;;
	*)
		echo "layers: $file is in no layer"
		status=1
		;;
	esac
done
# One test holds what the core keeps in two places against each other.
if grep -rn --include='*.[ch]' '#include "policy/core_' src tests bench docs |
	grep -v '^src/policy/\|^tests/unit/core_check\.c:'; then
	echo "layers: only src/policy and core_check.c may know more of the core than core.h"
	status=1
fi
if grep -rnE '#include "policy/(dispatch|budget|pheap)\.h"' src | grep -v '^src/policy/'; then
	echo "layers: what decides is src/policy's alone"
	status=1
fi
[ $# -eq 0 ] || exit $status
[ $status -eq 0 ]

# It can fail: by an include, by a call, by a file in no layer.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
fails() { # fails FILE LINE: with this line more at the end of the file
	cp src/policy/core* "$copy"
	echo "$2" >>"$copy/$1"
	if tests/style/policy_layers.sh "$copy" >/dev/null 2>&1; then
		echo "layers: '$2' at the end of $1 isn't noticed" >&2
		exit 1
	fi
}
fails core_cpu.c '#include "policy/core_dispatch.h"'
fails core_gang.c 'static void up(struct core *c) { core_refill_domain(c, 0, 0); }'
fails core_limit.c '	core_divide(c, 0);'
fails core_dispatch.c '	core_block(c, 0, 0, 0); /* after all */'
fails core_skew.h '#include "policy/core_limit.h"'
fails core_other.c ''
