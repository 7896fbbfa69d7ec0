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

# complain FILE EXPRESSION WHAT: if a line of code in FILE has it
complain() {
	if grep -nE "$2" "$1" | grep -vE '^[0-9]+:(/\*| \*|.*[[:space:]]/\*[^/]*'"$2"')'; then
		echo "layers: $1 $3, which stands above it"
		status=1
	fi
}

check_file() { # check_file FILE ABOVE...
	file=$1
	shift
	for other; do
		[ "$other" = core ] || complain "$file" "^#include \"policy/$other.h\"" "includes $other.h"
		names=$(offered "$other")
		[ -z "$names" ] || complain "$file" "\\<($names)\\(" "calls $other"
	done
}

above="$layers "
for layer in $layers; do
	above=${above#"$layer "}
	for file in "$folder/$layer".[ch]; do
		# shellcheck disable=SC2086 # words on purpose
		[ "$layer" = core ] || [ ! -f "$file" ] || check_file "$file" $above
	done
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
if grep -rn --include='*.[ch]' '#include "policy/core_' src tests bench docs | grep -v '^src/policy/'; then
	echo "layers: only src/policy may know more of the core than core.h"
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
fails core_dispatch.c '	core_block(c, 0, 0, 0);'
fails core_skew.h '#include "policy/core_limit.h"'
fails core_other.c ''
