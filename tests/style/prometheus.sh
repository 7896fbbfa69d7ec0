#!/bin/sh
# SPDX-License-Identifier: MIT
# prometheus.sh: every metric is in vmdesched-exporter(8) or deschedd(8); rules and guide use no other; and the rules do what
# they should on machines made up by hand, where promtool is installed (Debian package prometheus).
set -eu
cd "$(dirname "$0")/../.."
rules=packaging/prometheus/desched.rules.yml
status=0

known=$(grep -oh 'desched_[a-z_*]*' docs/vmdesched-exporter.8 docs/deschedd.8 | sort -u)
for metric in $(grep -ho '\bdesched_[a-z_]*' $rules docs/guide-prometheus.md | sort -u); do
	case $metric in
	desched_cpu_away | desched_process_ | desched_idle_cpu_) continue ;; # a rule's name; families
	esac
	if ! echo "$known" | grep -qx "$metric"; then
		echo "prometheus: $metric is not in docs/vmdesched-exporter.8, nor in docs/deschedd.8" >&2
		status=1
	fi
done
for metric in $(grep -ho '"desched_[a-z_]*[" ]' src/vmdesched/metrics.c src/service/service.c | grep -o 'desched_[a-z_]*[a-z]' | sort -u); do
	if ! echo "$known" | grep -qx "$metric"; then
		echo "prometheus: $metric of the daemon is not in docs/vmdesched-exporter.8" >&2
		status=1
	fi
done
[ "$status" = 0 ] || exit 1

command -v promtool >/dev/null || {
	echo "prometheus: no promtool (apt-get install prometheus): the rules were not run" >&2
	exit 0
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
sed "s|RULES|$PWD/$rules|" tests/style/prometheus-rules.yml >"$dir/rules.yml"
promtool check rules $rules
promtool test rules "$dir/rules.yml"
