#!/bin/sh
# SPDX-License-Identifier: MIT
# rows.sh DESCHED VMDESCHED DESCHEDD: the tables of man pages have the rows that the programs have, and no others. What the
# programs have comes from themselves, or from their tables in src/.
set -eu
desched=$1 vmdesched=$2 deschedd=$3
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
status=0
complain() {
	echo "rows: $*" >&2
	status=1
}

# part PAGE TITLE: what stands under .Sh or .Ss TITLE, up to the next heading.
part() {
	awk -v title="$2" '/^\.S[hs] / {on = substr($0, 5) == title; next} on' "docs/$1"
}

# items MACRO: the names of `.It MACRO a , b` on standard input.
items() {
	sed -n "s/^\.It $1 //p" | sed "s/ , \($1 \)\{0,1\}/\n/g; s/\\\\&//g"
}

# table WHERE NAME...: rows of a table in src/ that begin as `{"NAME`, its name up to a blank.
table() {
	sed -n "/ $2\[\].* = {/,/^};/p" "src/$1" | grep -o '{"[a-z][^"]*"' | sed 's/{"//; s/[ "].*//'
}

# same WHAT: the lines of $dir/page (what the page says) are those of $dir/rows, in any order.
same() {
	[ -s "$dir/rows" ] || complain "$1: no rows were found: this test has to be mended"
	sort "$dir/page" >"$dir/a"
	sort "$dir/rows" >"$dir/b"
	for name in $(comm -23 "$dir/a" "$dir/b"); do
		complain "$1: the page has '$name', the program doesn't"
	done
	for name in $(comm -13 "$dir/a" "$dir/b"); do
		complain "$1: the program has '$name', the page doesn't"
	done
}

# Names that options take, where there are few enough to list them.
for command in $("$desched" --list); do
	page=docs/desched-$command.1
	for option in $("$desched" --list "$command"); do
		"$desched" --list "$command" "$option" | grep -v '^<' >"$dir/names" || continue
		[ "$(wc -l <"$dir/names")" -le 16 ] || continue
		while read -r name; do
			grep -q "^\.[IC][tm] .*\b$name\b" "$page" || complain "$page: $option takes '$name', too"
		done <"$dir/names"
	done
done

# Scenario keys: names, bounds and defaults. Each row becomes SECTION/NAME|bounds|default.
"$desched" sim --keys >"$dir/keys"
[ -s "$dir/keys" ] || complain "desched sim --keys prints nothing"
sed -n 's/^\[\(.*\)\]$/\1/p' "$dir/keys" >"$dir/sections"
while read -r section; do
	awk -v section="[$section]" '/^\[/ {on = $0 == section; next} !on {next}
		/^  [a-z]/ {name = $1; default = $0; sub(/.*\(default: /, "", default); sub(/\)$/, "", default); next}
		{sub(/^ */, ""); print name "|" $0 "|" default}' "$dir/keys" >"$dir/want"
	part desched-scenario.5 "Section $section" | awk '/^\.El/ {exit}
		/^\.It Cm/ {if (item) print item; item = $3 "|"; next} item {item = item " " $0}
		END {print item}' >"$dir/items"
	cut -d'|' -f1 "$dir/want" >"$dir/rows"
	cut -d'|' -f1 "$dir/items" >"$dir/page"
	same "desched-scenario.5, section $section"
	while IFS='|' read -r name bounds default; do
		text=$(grep "^$name|" "$dir/items" || true)
		case $text in
		*"$bounds"*) ;;
		*) complain "desched-scenario.5, $section: $name is $bounds" ;;
		esac
		case $default in
		- | '') continue ;;
		esac
		case $text in
		*" $default by default."*) ;;
		*) complain "desched-scenario.5, $section: $name is $default by default" ;;
		esac
	done <"$dir/want"
done <"$dir/sections"
sed -n '/^\[vm NAME\]/,$p' "$dir/keys" | grep -A1 '^  workload ' | sed '1d; s/^ *//; s/, /\n/g; s/ or /\n/' >"$dir/rows"
part desched-scenario.5 'Section vm NAME' | sed '1,/^\.El/d' | items Cm >"$dir/page"
same 'desched-scenario.5, workloads'

"$desched" sim --metrics | awk '/^[^ ]/ {next} {print $1}' >"$dir/rows"
part desched-scenario.5 'Section limits' | items Cm >"$dir/page"
same 'desched-scenario.5, metrics'

"$desched" doctor --root / --json | grep -o '"group": *"[a-z]*"' | sed 's/.*: *"//; s/"//' | sort -u >"$dir/rows"
part desched-doctor.1 Groups | sed -n 's/^\.It //p' >"$dir/page"
same 'desched-doctor.1, groups'

"$desched" --list stat - >"$dir/rows"
part desched-stat.1 Figures | sed -n 's/^\.It \([a-z]*\) Ta.*/\1/p' >"$dir/page"
same 'desched-stat.1, figures'

{
	table vmdesched/daemon.c requests
	table service/service.c common
} >"$dir/rows"
part vmdesched.8 PROTOCOL | sed -n 's/^\.It Li {"get":"\([a-z]*\)"}/\1/p' >"$dir/page"
same 'vmdesched.8, requests'
{
	table deschedd/deschedd.c requests
	table service/service.c common
} >"$dir/rows"
part deschedd.8 PROTOCOL | sed -n 's/^\.It Li {"\(get\|do\)":"\([a-z]*\)".*/\2/p' >"$dir/page"
same 'deschedd.8, requests'

"$deschedd" --metrics >"$dir/metrics"
{
	cut -f1 "$dir/metrics"
	grep -o '"desched_[a-z_]*"' src/service/service.c | tr -d '"'
} >"$dir/rows"
part deschedd.8 METRICS | items Li >"$dir/page"
same 'deschedd.8, metrics'
while IFS="$(printf '\t')" read -r name _ labels help; do
	part deschedd.8 METRICS | awk -v name="$name" '/^\.It/ {on = $3 == name; next} on' | tr '\n' ' ' >"$dir/text"
	grep -qF "$help" "$dir/text" || complain "deschedd.8, metrics: $name is '$help'"
	for label in $(echo "$labels" | tr ',' ' '); do
		grep -qw "$label" "$dir/text" || complain "deschedd.8, metrics: $name has the label $label"
	done
done <"$dir/metrics"

table vmm/control.c requests >"$dir/rows"
part desched-vm.1 Control | items Li | sed 's/ .*//' >"$dir/page"
same 'desched-vm.1, requests'

sed -n 's/.*put_[a-z]*(o, "\([a-z_]*\)".*/\1/p; s/.*json_object_set_new(o, "\([a-z_]*\)".*/\1/p' src/vmm/counters.c |
	sort -u >"$dir/rows"
part desched-vm.1 Figures | sed 's/^\.Li /.It Li /; s/ ,$//' | items Li | sort -u >"$dir/page"
same 'desched-vm.1, figures'

# Keys of the screen: each binding's constant, then as a person calls it; and those of columns, by which
# rows are sorted.
{
	sed -n '/ui_bindings\[\] = {/,/^};/p' src/screen/ui.c | sed -n "s/^\t{\('.'\|UI_KEY_[A-Z]*\),.*/\1/p" |
		sed "s/^' '/Space/; s/^'\(.\)'/\1/; s/UI_KEY_LEFT/Left/; s/UI_KEY_RIGHT/Right/; s/UI_KEY_ESCAPE/Esc/" |
		sed 's/UI_KEY_ENTER/Enter/'
	sed -n "s/.*\.key = '\(.\)'.*/\1/p" src/screen/guest.c src/screen/host.c
} | sort -u >"$dir/rows"
{
	part desched-top.1 SCREEN | sed '/^\.Ss/,$d' | sed 's/^\.Ic /.It Ic /' | items Ic
	part desched-top.1 Orders | sed -n 's/^\.It [a-z]* Ta \([a-z]\) Ta.*/\1/p'
} | sort -u >"$dir/page"
same 'desched-top.1, keys'

# Orders, as -o takes and settings keep them; columns of a host with their headings.
"$desched" --list top --sort >"$dir/rows"
part desched-top.1 Orders | sed -n 's/^\.It \([a-z]*\) Ta.*/\1/p' | sort -u >"$dir/page"
same 'desched-top.1, orders'
sed -n '/ columns\[\] = {/,/^};/p' src/screen/host.c | sed -n 's/^\t{"\([a-z]*\)", "\(~*%[A-Z]*\)".*/\2|\1/p' >"$dir/rows"
part desched-top.1 HOSTS | sed -n 's/^\.It \(~*%[A-Z]*\) Ta \([a-z]*\) Ta.*/\1|\2/p' >"$dir/page"
same 'desched-top.1, columns of a host'
# desched ledger has those of the states.
grep -v '^%USED\|^%OVHD\|^~' "$dir/rows" >"$dir/states"
part desched-ledger.1 Table | sed -n 's/^\.It \(%[A-Z]*\) Ta \([a-z]*\) Ta.*/\1|\2/p' >"$dir/page"
mv "$dir/states" "$dir/rows"
same 'desched-ledger.1, columns'

# What the settings of each subject may say: its section, and the switches of its keys.
for section in top host; do
	case $section in
	top) other=host ;;
	host) other=guest ;;
	esac
	{
		printf 'sort\ndelay\nreverse\n'
		sed -n '/ui_bindings\[\] = {/,/^};/p' src/screen/ui.c | tr -d '\n\t' | sed 's/},{/}\n{/g' |
			grep -v "only = &subject_$other" | sed -n 's/.*turns = {"\([a-z]*\)".*/\1/p'
	} | sort -u >"$dir/rows"
	part desched-top.1 FILES | sed -n "/^\.It Li \[$section\]/,/^\.It Li \[/p" | sed 's/^\.Li /.It Li /; s/ ,$//' |
		items Li | grep -v '^\[' >"$dir/page"
	same "desched-top.1, settings of [$section]"
done

# Keys of a daemon's configuration by section, and their defaults: the program's, the page's, the sample's. The
# sample names a user and a group, which are nobody by default.
names() {
	awk '/^\[/ {print $1} /^#?[a-z_]+ =/ {sub(/^#/, ""); print $1}' "$1"
}
configuration() { # configuration PROGRAM
	name=$(basename "$1")
	"$1" --check -c /dev/null >"$dir/keys"
	names "$dir/keys" | sort -u >"$dir/rows"
	part "$name.8" CONFIGURATION | items Li | sort -u >"$dir/page"
	same "$name.8, configuration"
	names "packaging/$name.conf" >"$dir/page"
	same "$name.conf, keys"
	grep -v '^\(user\|group\) =\|^\[\|^$' "$dir/keys" | sed 's/ *= */=/' >"$dir/rows"
	sed -n 's/^#\([a-z_]* =.*\)/\1/p' "packaging/$name.conf" | sed 's/ *= */=/' >"$dir/page"
	same "$name.conf, defaults"
	while IFS='=' read -r key default; do
		case $key=$default in
		*= | source=* | page=* | socket=*) continue ;; # empty; described with the options
		esac
		part "$name.8" CONFIGURATION | awk -v key="$key" '$1 == ".It" {on = $3 == key} on' | tr '\n' ' ' |
			grep -q -e "by default,\{0,1\} \(\.Pa \)\{0,1\}$default\>" -e "\.Cm $default (the default)" ||
			complain "$name.8, configuration: $key is $default by default"
	done <"$dir/rows"
}
configuration "$vmdesched"
configuration "$deschedd"

# What exit statuses mean in general is in desched(1) alone.
for page in docs/desched-*.1 docs/*desched*.8; do
	part "${page#docs/}" 'EXIT STATUS' | grep -q 'Xr desched 1\>' || complain "$page: EXIT STATUS doesn't refer to desched(1)"
	if part "${page#docs/}" 'EXIT STATUS' | grep -q '\<[02] \(when\|if\|for\|after\)\>'; then
		complain "$page: EXIT STATUS says again what desched(1) says"
	fi
done
exit $status
