#!/bin/sh
# SPDX-License-Identifier: MIT
# commands.sh DESCHED VMDESCHED EXPORTER DESCHEDD: what all commands do alike: help, exit status, output that is
# lost, completion. Siblings: test_options.c (parsing), style/docs.sh (man pages).
set -eu
desched=$1 vmdesched=$2 exporter=$3 deschedd=$4
completion=$(cd "$(dirname "$0")/../../packaging/completion" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
bad=0
complain() {
	echo "commands: $*" >&2
	bad=1
}

# expect STATUS LINES COMMAND...: the exit status, and how many lines of complaint.
expect() {
	want="$1 $2"
	shift 2
	status=0
	"$@" 2>said || status=$?
	[ "$status $(wc -l <said)" = "$want" ] ||
		complain "'$*': status and lines '$status $(wc -l <said)', expected '$want': $(cat said)"
}

full() { # full COMMAND...: output that is lost is a failure, whatever the command
	expect 1 1 sh -c '"$@" >/dev/full' sh "$@"
	grep -q "standard output: No space left on device" said || complain "'$*' says: $(cat said)"
	expect 1 1 sh -c '"$@" >&-' sh "$@"
}

commands=$("$desched" --list)
[ "$(echo "$commands" | wc -l)" -ge 11 ] || complain "commands: $commands"
for command in $commands; do
	full "$desched" "$command" --help
	full "$desched" help "$command"
	expect 2 1 "$desched" "$command" --nonsense
	expect 2 1 "$desched" "$command" --nonsense="$(printf 'a\033[31mb\342\200\256c')"
	! grep -q "$(printf '\033\|\342\200\256')" said || complain "$command: control characters of a word"
	[ "$("$desched" help "$command")" = "$("$desched" "$command" --help)" ] ||
		complain "help $command is not $command --help"
	[ -n "$("$desched" --list "$command")" ] || complain "no completion for $command"
done
for program in "$vmdesched" "$exporter" "$deschedd"; do
	full "$program" --help
	full "$program" --version
	full "$program" --list
	expect 2 1 "$program" --nonsense
done
# Settings that can't be used, since nobody has that name.
for program in "$vmdesched" "$deschedd"; do
	for key in user group; do
		printf '[%s]\n%s = no-such-one\n' "$(basename "$program")" $key >names.conf
		expect 1 1 "$program" --check -c names.conf
		grep -q "no $key 'no-such-one'" said || complain "--check says: $(cat said)"
	done
done
expect 2 1 "$desched"
expect 2 1 "$desched" nonsense
expect 2 1 "$desched" help nonsense
expect 2 1 "$desched" vm --tick-policy nonsense
expect 2 1 "$desched" lab --source nonsense
expect 2 1 "$desched" vm --json
expect 2 1 "$desched" top -b -u "no such user"
# What is of the other screen is refused, before anything is opened.
expect 2 1 "$desched" top --host --user root
expect 2 1 "$desched" top --host --source steal
expect 2 1 "$desched" top --source bpf
expect 2 1 "$desched" top --host --sort reported
expect 2 1 "$desched" top --guest -b --sort used
expect 2 1 "$desched" top --guest --host
expect 2 1 "$desched" top --esxtop --guest
expect 2 1 "$desched" top --esxtop --json
expect 2 1 "$desched" top --esxtop -d 1
expect 2 1 "$desched" top --esxtop --page /none
expect 1 1 "$desched" top --esxtop --socket /none
# A socket that is named is asked, and nothing else.
for word in ledger blame 'top --host -b' 'record --host none.rec' 'history web' 'gaps --host'; do
	# shellcheck disable=SC2086 # words
	expect 1 1 timeout 20 "$desched" $word --socket /none
	grep -q 'no deschedd at /none' said || complain "'$word' says: $(cat said)"
done
expect 2 1 "$desched" blame --vcpus --socket /none
expect 2 1 "$desched" record
expect 2 1 "$desched" record --host --page /dev/null none.rec
expect 2 1 "$desched" record --host --commands none.rec
expect 2 1 "$desched" record --host --source steal none.rec
expect 2 1 "$desched" record --source bpf none.rec
expect 2 1 "$desched" record --most 100 none.rec
[ ! -e none.rec ] || complain "there is a file called none.rec"
expect 2 1 "$desched" correct one
expect 2 1 "$desched" correct one two three
# A name without letters is none, - is no file's, wherever one is expected.
for word in 'vm --json=' 'vm --kernel=' 'top --replay=' 'stat --socket=' 'view --mount=' 'sim --svg='; do
	# shellcheck disable=SC2086 # words
	expect 2 1 "$desched" $word
	grep -q 'nothing given, expected [A-Z]' said || complain "'$word' says: $(cat said)"
done
expect 2 1 "$desched" record ''
expect 2 1 "$desched" record -
[ ! -e - ] || complain "there is a file called -"
expect 1 1 sh -c '"$1" doctor >/dev/full' sh "$desched" # whatever it found
full "$desched" --help
full "$desched" --version
full "$desched" --list
full "$desched" stat --list
full "$desched" doctor --list
full "$desched" doctor --explain swap-balloon
full "$desched" sim --keys
printf '[host]\ncpus = 1\n[vm a]\nload = 0.5\n[run]\nduration = 1s\n' >01-small.ini
export DESCHED_SCENARIOS=.
full "$desched" sim --list
full "$desched" sim 01-small
full "$desched" sim 01-small --json
full "$desched" sim 01-small 01-small --json
expect 2 1 "$desched" sim 01-small --json --plot
expect 2 1 "$desched" sim 01-small 01-small --trace two
expect 2 1 "$desched" sim 01-small 01-small --svg two
expect 1 1 "$desched" sim 01-small --trace late --from 1
expect 1 1 sh -c '"$@" >list.json' sh "$desched" sim 01-small none 01-small --json
# One document: it begins and ends once, and has all three, the failed one too.
[ "$(grep -c '^\[' list.json) $(grep -c '^\]' list.json) $(grep -c '"scenario":' list.json)" = "1 1 3" ] ||
	complain "--json of three scenarios is not one document: $(cat list.json)"
grep -q '"error": "no scenario' list.json || complain "--json does not have what failed"
full "$desched" top --guest -b -n 2 -d 0.05

# ---- completion ----

complete_bash() { # complete_bash WORD...: what bash offers for the last of the words
	PATH=$(dirname "$desched"):$PATH bash -c '
		. "$0/desched.bash"
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_desched "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
		printf "%s\\n" "${COMPREPLY[@]}"' "$completion" "$@" | sort | xargs
}

complete_fish() {
	PATH=$(dirname "$desched"):$PATH HOME=$work fish --no-config -c 'source $argv[1]/desched.fish
		complete -C "$argv[2]"' "$completion" "$*" | cut -f1 | sort | xargs
}

offers() { # offers EXPECTED WORD...
	expected=$1
	shift
	got=$(complete_bash "$@")
	[ "$got" = "$expected" ] || complain "bash offers '$got' for '$*', expected '$expected'"
	command -v fish >/dev/null || return 0
	got=$(complete_fish "$@")
	[ "$got" = "$expected" ] || complain "fish offers '$got' for '$*', expected '$expected'"
}

: >a-file
offers ledger desched le
offers ticks desched help ti
offers --tick-policy desched vm --tick
offers "delay desched discard" desched vm --tick-policy d
offers "auto bpf page schedstat self steal stream" desched top -s ""
offers "ready reported" desched top -o re
offers "catchup delay desched discard merge" desched vm --tick-policy ""
offers a-file desched vm --kernel a-
offers a-file desched correct a-
offers steal desched stat ste
offers "page" vmdesched --source p
offers --port vmdesched-exporter --po
! command -v zsh >/dev/null || zsh -n "$completion/_desched" || complain "_desched is not zsh"
exit $bad
