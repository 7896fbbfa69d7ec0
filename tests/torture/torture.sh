#!/bin/sh
# SPDX-License-Identifier: MIT
# torture.sh DIR MOST: each command of the list, with its n-th allocation failing, for at most MOST n of
# all that it makes, spread evenly. However it fails, it says so: it exits with a status of its own, in one
# line, or its output is what it is without a failure. A sanitizer's report is a failure of this test.
set -eu
programs=$1 most=$2
tests=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:exitcode=99 UBSAN_OPTIONS=halt_on_error=1:exitcode=99
export DESCHED_SCENARIOS=$tests/sim NO_COLOR=1
bad=0 tried=0
complain() {
	bad=$((bad + 1))
	[ $bad -gt 20 ] || echo "torture: $*" >&2
}

# Alike but for what took how long.
same() {
	for file; do
		sed -e 's/, [^ ]* a CPU second$//' -e '/"seconds": 0\.0\|"cpu_seconds"\|"events_per_second"/d' "$file"
		echo end
	done | awk '/^end$/ { n++; next } n == 0 { a = a $0 "\n" } n == 1 { b = b $0 "\n" } END { exit a != b }'
}

# Whether the output is the whole one, or the failure is told.
judge() { # judge N WHAT STATUS
	lines=$(grep -c . said || true)
	# The sanitizer's own allocations for a new thread fail, too, and it does not bear that.
	! grep -q GetThreadStackTopAndBottom said || return 0
	if [ "$3" -ge 99 ] || grep -q 'Sanitizer\|runtime error' said; then
		complain "allocation $1 of '$2': status $3: $(grep -m 1 'ERROR\|runtime error\|#[1-9]' said || head -n 1 said)"
	elif [ "$3" = 0 ] && ! same out whole; then
		complain "allocation $1 of '$2': output is lost, and the status is 0"
	elif [ "$3" != 0 ] && [ "$3" != "$status_whole" ] && [ "$lines" = 0 ]; then
		complain "allocation $1 of '$2': status $3 without a word"
	elif [ "$3" != 0 ] && [ "$lines" -gt $((1 + lines_whole)) ]; then
		complain "allocation $1 of '$2': $lines lines: $(tail -n 1 said)"
	fi
}

fail_each() { # fail_each PROGRAM WORD...: standard input is empty
	program=$programs/torture-$1
	shift
	what="$(basename "$program") $*"
	status_whole=0
	FAIL_COUNT=$work/count timeout 120 "$program" "$@" </dev/null >whole 2>said || status_whole=$?
	lines_whole=$(grep -c . said || true)
	total=$(cat count)
	step=$(((total + most - 1) / most))
	n=1
	while [ $n -le "$total" ]; do
		status=0
		FAIL_AT=$n timeout 120 "$program" "$@" </dev/null >out 2>said || status=$?
		judge $n "$what" $status
		tried=$((tried + 1))
		n=$((n + step))
	done
}

cd "$work"
cat >guest.csv <<'END'
# hostname;interval;timestamp;CPU;%user;%nice;%system;%iowait;%steal;%idle
END
for i in 1 2 3 4 5 6; do
	echo "web;60;2026-11-20 12:0$i:00 UTC;-1;60.00;0.00;2.00;0.00;0.00;38.00" >>guest.csv
done
for file in esxtop.csv virsh.txt pidstat.txt perfmon.csv; do
	cp "$tests/fuzz/seeds/data/$file" .
done
cp "$tests/fuzz/seeds/correct/"* . 2>/dev/null || :

for command in $("$programs/torture-desched" --list); do
	fail_each desched help "$command"
done
fail_each desched --help
fail_each desched doctor --list
fail_each desched doctor --root / --json
fail_each desched doctor --root /
fail_each desched stat --socket "$work/none"
fail_each desched correct guest.csv guest.csv
fail_each desched correct --json guest.csv guest.csv
for file in guest.csv esxtop.csv virsh.txt pidstat.txt perfmon.csv; do
	fail_each desched data "$file"
	fail_each desched data --csv "$file"
	fail_each desched data --json "$file"
done
fail_each desched-lab sim 16
fail_each desched-lab sim --json 16
fail_each desched-lab sim --keys
fail_each desched-lab sim --list
fail_each desched-lab sim --svg svg --plot 16
fail_each vmdesched --help
fail_each vmdesched --config "$work/none"

[ $bad -le 20 ] || echo "torture: and $((bad - 20)) more" >&2
echo "torture: $tried failures tried, $bad not well answered"
[ $bad = 0 ]
