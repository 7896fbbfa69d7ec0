#!/bin/sh
# SPDX-License-Identifier: MIT
# docs.sh DESCHED VMDESCHED EXPORTER DESCHEDD: man pages are well-formed, and every subcommand, option, key of a
# configuration or a scenario, and metric of scenarios has its place in one.
set -eu
desched=$1
vmdesched=$2
exporter=$3
deschedd=$4
cd "$(dirname "$0")/../.."
status=0
complain() {
	echo "docs: $*" >&2
	status=1
}

for page in docs/*.[1-9]; do
	mandoc -T lint -W warning "$page" >&2 || complain "$page is not well-formed (above)"
done

# Every option of a command stands in its page as `Fl -name`.
check_options() { # check_options PAGE: option names on standard input
	while read -r option; do
		case $option in
		--help | -h) ;;
		--*) grep -q "Fl -${option#--}\b" "$1" || complain "$1 does not have $option" ;;
		esac
	done
}

for command in $("$desched" --list); do
	page=docs/desched-$command.1
	[ -f "$page" ] || {
		complain "no man page for 'desched $command'"
		continue
	}
	"$desched" --list "$command" >/tmp/docs.$$
	check_options "$page" </tmp/docs.$$
done
"$vmdesched" --list >/tmp/docs.$$
check_options docs/vmdesched.8 </tmp/docs.$$
"$deschedd" --list >/tmp/docs.$$
check_options docs/deschedd.8 </tmp/docs.$$
"$exporter" --list >/tmp/docs.$$
check_options docs/vmdesched-exporter.8 </tmp/docs.$$
# Every key of the sample, which a test holds to the daemon's own list.
sed -n 's/^#\{0,1\}\([a-z]*\) =.*/\1/p' packaging/vmdesched.conf >/tmp/docs.$$
while read -r key; do
	grep -q "Li $key\b" docs/vmdesched.8 || complain "docs/vmdesched.8 does not have the key $key"
done </tmp/docs.$$
# Every key and metric of scenarios.
{ "$desched" sim --keys && "$desched" sim --metrics; } | sed -n 's/^  \([a-z][a-z0-9_]*\) .*/\1/p' >/tmp/docs.$$
[ "$(wc -l </tmp/docs.$$)" -ge 100 ] || complain "'desched sim --keys' and '--metrics' list too little"
while read -r word; do
	grep -q "^\.It Cm $word$" docs/desched-scenario.5 || complain "docs/desched-scenario.5 does not have $word"
done </tmp/docs.$$
rm -f /tmp/docs.$$
exit $status
