#!/bin/sh
# SPDX-License-Identifier: MIT
# prometheus.sh DESCHEDD: every metric is in vmdesched-exporter(8) or deschedd(8); rules and guides use no other; the
# dashboard of a host is the one that is made of deschedd's table; and rules do what they should on machines made up by
# hand. system/prometheus.sh asks a real Prometheus.
set -eu
deschedd=$1
cd "$(dirname "$0")/../.."
rules=packaging/prometheus
status=0
complain() {
	echo "prometheus: $*" >&2
	status=1
}

known=$(grep -oh 'desched_[a-z_*]*' docs/vmdesched-exporter.8 docs/deschedd.8 | sort -u)
for metric in $(grep -ho '\bdesched_[a-z][a-z_]*' $rules/*.yml docs/guide-prometheus.md docs/guide-host.md | sort -u); do
	case $metric in
	desched_cpu_away | desched_ready) continue ;; # rules' names
	desched_process_ | desched_idle_cpu_ | desched_vcpu_ | desched_vm_ | desched_host_) continue ;; # families
	desched_vcpu_wait_seconds_count | desched_vcpu_wait_seconds_bucket) continue ;; # of a histogram
	esac
	echo "$known" | grep -qx "$metric" ||
		complain "$metric is not in docs/vmdesched-exporter.8, nor in docs/deschedd.8"
done
for metric in $(grep -ho '"desched_[a-z_]*[" ]' src/vmdesched/metrics.c src/service/service.c | grep -o 'desched_[a-z_]*[a-z]' | sort -u); do
	echo "$known" | grep -qx "$metric" || complain "$metric of the daemon is not in docs/vmdesched-exporter.8"
done

# Each alert has a row in a guide, and fires in a test.
for file in "$rules"/*.rules.yml; do
	name=$(basename "$file" .rules.yml)
	tests=tests/style/prometheus${name#desched}-rules.yml
	for alert in $(sed -n 's/.*- alert: //p' "$file" | sort -u); do
		grep -q "^| \`$alert\` |" docs/guide-prometheus.md docs/guide-host.md || complain "no guide has a row for $alert"
		grep -A 2 "alertname: $alert$" "$tests" | grep -q 'exp_alerts:$' || complain "$tests: $alert never fires"
	done
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if command -v jq >/dev/null; then
	scripts/dashboard --print "$deschedd" >"$dir/dashboard"
	cmp -s "$dir/dashboard" packaging/grafana/desched-host.json || {
		complain "packaging/grafana/desched-host.json isn't what deschedd's metrics make: run scripts/dashboard"
		diff packaging/grafana/desched-host.json "$dir/dashboard" | head -n 20 >&2
	}
fi
[ "$status" = 0 ] || exit 1

command -v jq >/dev/null || {
	echo "skipped: no jq (DESCHED_PURPOSES=test scripts/setup installs it)"
	exit 77
}
programs=$(scripts/fetch-prometheus) || exit 77
PATH=$programs:$PATH
for file in "$rules"/*.rules.yml; do
	name=$(basename "$file" .rules.yml)
	sed "s|RULES|$PWD/$file|" "tests/style/prometheus${name#desched}-rules.yml" >"$dir/rules.yml"
	promtool check rules "$file"
	promtool test rules "$dir/rules.yml"
done
