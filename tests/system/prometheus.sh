#!/bin/sh
# SPDX-License-Identifier: MIT
# prometheus.sh DESCHED DESCHEDD EXPORTER LIKE_VM [qemu]: deschedd, its exporter and a real Prometheus on loopback,
# with two VMs that share a CPU: processes that look like VMs, or QEMU's. Every query of the dashboard and
# of the rules is asked and has an answer; what it says is held to what the kernel says of the vCPUs' threads
# (/proc/PID/schedstat) and to `desched ledger` of the same time. What rules say of other hosts is style/prometheus.sh.
#
# The VMs are stopped but for some seconds in the middle of the window that is looked at: so it doesn't matter when
# Prometheus scraped. All that runs is in namespaces of its own, ends with them, and sees no VMs but these; so the
# commands of docs/guide-host.md can be run as they are, too.
set -eu
for program in jq curl unshare busybox ${5:+qemu-system-x86_64 cpio}; do
	command -v "$program" >/dev/null && continue
	echo "skipped: no $program (DESCHED_PURPOSES=test scripts/setup installs it)"
	exit 77
done
[ "$(id -u)" = 0 ] || {
	echo "skipped: not root"
	exit 77
}
source=$(cd "$(dirname "$0")/../.." && pwd)
programs=$("$source/scripts/fetch-prometheus") || exit 77
PATH=$programs:$PATH
if [ "${PROMETHEUS_INSIDE:-}" != yes ]; then
	export PROMETHEUS_INSIDE=yes
	exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private "$0" "$@"
fi
desched=$1 deschedd=$2 exporter=$3 like_vm=$4 kernel=
[ -z "${5:-}" ] || kernel=$("$source/scripts/fetch-kernel")
window=15 # seconds; rules look at minutes. What is asked afterwards looks at all from `begin` on.
ran=6     # of them
instance=127.0.0.1:9920
metrics=http://$instance/metrics
server=127.0.0.1:9090
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export LC_ALL=C
busybox ip link set lo up
mount -t tmpfs run /run
status=0
complain() {
	echo "prometheus: $*" >&2
	status=1
}
give_up() {
	complain "$*"
	tail -n 5 ./*.log >&2
	exit 1
}

wait_for() { # wait_for WHAT COMMAND...: a minute at most
	what=$1
	shift
	for _ in $(seq 600); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	give_up "waited a minute for $what"
}

# ---- two VMs ----

# Its init spins.
make_image() {
	mkdir -p image/bin image/proc
	cp "$(command -v busybox)" image/bin/busybox
	printf '#!/bin/busybox ash\necho spinning\nwhile :; do :; done\n' >image/init
	chmod +x image/init
	(cd image && find . | cpio --quiet -o -H newc) >image.cpio
}

start_vm() { # start_vm NAME
	if [ -n "$kernel" ]; then
		cpu=$(taskset -cp $$ | sed 's/.*[ ,-]//')
		taskset -c "$cpu" qemu-system-x86_64 -name "$1,debug-threads=on" -accel tcg -m 128 -nodefaults -no-user-config \
			-display none -nic none -no-reboot -serial "file:$1.console" -kernel "$kernel" -initrd image.cpio \
			-append 'console=ttyS0 quiet panic=-1 no_timer_check' >"$1.log" 2>&1 &
		echo $! >"$1.pid"
		wait_for "$1 to boot" grep -q spinning "$1.console"
	else
		ln -s "$like_vm" "qemu-$1"
		"./qemu-$1" -name "$1" &
		echo $! >"$1.pid"
		wait_for "the vCPUs of $1" sh -c "grep -q 'CPU 1/TCG' /proc/$!/task/*/comm"
	fi
}

vms() { # vms SIGNAL
	kill "-$1" "$(cat web1.pid)" "$(cat db1.pid)"
}

# `VCPU RUN READY` of each vCPU, seconds.
kernel_says() { # kernel_says NAME
	for task in "/proc/$(cat "$1.pid")/task/"*; do
		vcpu=$(sed -n 's/^CPU \([0-9]*\)\/TCG$/\1/p' "$task/comm")
		[ -z "$vcpu" ] || awk -v vcpu="$vcpu" '{ printf "%d %.9f %.9f\n", vcpu, $1 / 1e9, $2 / 1e9 }' "$task/schedstat"
	done
}

# ---- Prometheus ----

# The rules as they are, but for the time that they look at.
shortened() {
	sed "s/\[[0-9]*[mh]\]/[${window}s]/g; s/for: .*/for: 0s/" "$1"
}

start_prometheus() {
	printf '[deschedd]\ninterrupts = all\n' >all.conf # else that panel has no data
	"$deschedd" -c all.conf >deschedd.log 2>&1 &
	daemon=$!
	wait_for "deschedd" test -S /run/deschedd.sock
	"$exporter" --socket /run/deschedd.sock --port 9920 >exporter.log 2>&1 &
	wait_for "the exporter" grep -q ^http exporter.log
	shortened "$source/packaging/prometheus/desched-host.rules.yml" >rules.yml
	cat >prometheus.yml <<-END
		global: { scrape_interval: 200ms, evaluation_interval: 1s }
		rule_files: [ rules.yml ]
		scrape_configs: [ { job_name: desched, static_configs: [ { targets: [ "$instance" ] } ] } ]
	END
	promtool check config prometheus.yml >check.log || give_up "the configuration"
	prometheus --config.file=prometheus.yml --storage.tsdb.path="$dir/data" --web.listen-address=$server >prometheus.log 2>&1 &
	wait_for "the first scrape" has_data 'desched_host_vms == 2'
}

ask() { # ask QUERY [TIME]
	curl -s --max-time 30 "http://$server/api/v1/query" --data-urlencode "query=$1" ${2:+-d "time=$2"}
}
has_data() {
	[ "$(ask "$1" | jq '.data.result | length')" -gt 0 ] 2>/dev/null
}
value_of() { # value_of QUERY [TIME]: the only one
	ask "$1" "${2:-}" | jq -r '.data.result | if length == 1 then .[0].value[1] else "\(length) values" end'
}

# ---- what is expected ----

near() { # near WHAT GOT WANTED [SHARE]: within 3 %, or as much as SHARE says, and 3 ms of a second
	awk -v got="$2" -v want="$3" -v share="${4:-0.03}" 'BEGIN {
		d = got - want; exit !(got == got + 0 && (d < 0 ? -d : d) <= share * want + 0.003) }' ||
		complain "$1 is $2, expected $3"
}

# The dashboard's query, by its panel's title, as of the window; several are told apart by SELECTOR.
panel() { # panel TITLE SELECTOR WANTED [SHARE]
	query=$(jq -r --arg title "$1" '.panels[] | select(.title == $title) | .targets[0].expr' queries.json)
	[ -n "$query" ] || give_up "the dashboard has no panel '$1'"
	got=$(ask "$query" "$now" | jq -r "[.data.result[] | select(.metric | $2) | .value[1] | tonumber] | add")
	near "panel '$1' of $2" "$got" "$3" "${4:-}"
}

run_a_while() {
	"$desched" ledger --json -n 1 -d $((ran + 3)) --no-pages >ledger.json 2>ledger.log &
	ledger=$!
	sleep 1 # the ledger is open
	for name in web1 db1; do
		kernel_says $name >$name.before
	done
	vms CONT
	sleep $ran
	vms STOP
	for name in web1 db1; do
		kernel_says $name >$name.after
		paste -d ' ' $name.before $name.after |
			awk -v name=$name '{ print name, $1, $5 - $2, $6 - $3 }' >>ran
	done
	wait $ledger
}

sum() { # sum FIELD NAME [VCPU]: of `ran`, 3 is run and 4 is ready
	awk -v field="$1" -v name="$2" -v vcpu="${3:-}" \
		'$1 == name && (vcpu == "" || $2 == vcpu) { s += $field } END { print s + 0 }' ran
}
part() { # part SECONDS [VCPUS]: of the time in that window
	awk -v a="$1" -v s="$scraped" -v n="${2:-1}" 'BEGIN { print a / s / n }'
}
rate() { # rate SECONDS: as Prometheus' rate()
	awk -v a="$1" -v s="$scraped" -v r="$rated" 'BEGIN { print a / s * r }'
}

# ---- checks ----

check_metrics() {
	curl -s "$metrics" >scraped
	promtool check metrics <scraped || complain "promtool check metrics (above)"
	# Each family that is scraped is one that the daemon says it has, or one that all daemons have.
	"$deschedd" --metrics | cut -f 1 | sort >table
	sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' scraped | sort >families
	for name in $(comm -13 families table) $(comm -23 families table | grep -v 'client_events\|log_lines\|textfile'); do
		complain "$name is either scraped or listed by --metrics, not both"
	done
}

check_all_panels() {
	jq --arg instance "$instance" --arg window "${window}s" '.panels |= map(select(.targets)) | .panels[].targets[].expr |=
		(gsub("\\$instance"; $instance) | gsub("\\$vm"; ".*") | gsub("\\$__rate_interval"; $window))' \
		"$source/packaging/grafana/desched-host.json" >queries.json
	jq -r '.panels[] | .title as $title | .targets[] | [$title, .legendFormat, .expr] | @tsv' queries.json >queries
	[ "$(wc -l <queries)" -ge 20 ] || complain "the dashboard has too few queries"
	while IFS="$(printf '\t')" read -r title legend query; do
		case $query in
		*desched_vcpu_exit* | *desched_vcpu_trip*) continue ;; # only KVM's VMs have any
		esac
		ask "$query" "$now" >answer
		[ "$(jq '.status == "success" and (.data.result | length > 0)' answer)" = true ] || {
			complain "panel '$title' ($legend) has no data: $(head -c 300 answer)"
			continue
		}
		# A legend that uses a label which isn't there shows nothing.
		for label in $(echo "$legend" | grep -o '{{[a-z_]*}}' | tr -d '{}'); do
			[ "$(jq --arg name "$label" 'all(.data.result[].metric; has($name))' answer)" = true ] ||
				complain "panel '$title' has no label $label"
		done
	done <queries
}

check_values() {
	vcpus=$(awk '$1 == "web1"' ran | wc -l)
	rule=$(jq -r '.data.groups[].rules[] | select(.name == "vcpu:desched_ready:ratio_rate5m") | .query' rules.json |
		sed "s/\[[0-9]*s\]/[${window}s]/g")
	for vm in web1 db1; do
		ready=$(sum 4 $vm) run=$(sum 3 $vm)
		panel "Ready, mean of a VM's vCPUs" ".vm == \"$vm\"" "$(part "$ready" "$vcpus")"
		worst=$(awk -v vm=$vm '$1 == vm && $4 > w { w = $4 } END { print w }' ran)
		panel 'Ready, the vCPU that waits most' ".vm == \"$vm\"" "$(part "$worst")"
		overhead=$(jq --arg vm $vm '.vms[] | select(.name == $vm) | .overhead_seconds' ledger.json)
		panel Overhead ".vm == \"$vm\"" "$(rate "$overhead")" 0.1
		panel 'CPUs used' ".vm == \"$vm\"" "$(rate "$(awk -v a="$run" -v b="$overhead" 'BEGIN { print a + b }')")"
		panel 'VM vCPUs' ".vm == \"$vm\"" "$vcpus"
		panel 'VM page written' ".vm == \"$vm\"" 0
		panel 'VM resident bytes' ".vm == \"$vm\"" "$(awk -v page="$(getconf PAGE_SIZE)" '{ print $24 * page }' "/proc/$(cat $vm.pid)/stat")"
		for vcpu in $(awk -v vm=$vm '$1 == vm { print $2 }' ran); do
			near "the rule's ready ratio of $vm, vCPU $vcpu" \
				"$(ask "$rule" $now | jq -r '.data.result[] | select(.metric.vm == "'$vm'" and .metric.vcpu == "'"$vcpu"'") | .value[1]')" \
				"$(part "$(sum 4 $vm "$vcpu")")"
			for state in run ready; do
				near "$state of $vm, vCPU $vcpu, by desched ledger" \
					"$(value_of "rate(desched_vcpu_seconds_total{vm=\"$vm\",vcpu=\"$vcpu\",state=\"$state\"}[${window}s])" "$now")" \
					"$(rate "$(jq --arg vm $vm --arg state $state '.vms[] | select(.name == $vm) | .vcpus[] |
						select(.index == '"$vcpu"') | .seconds[$state]' ledger.json)")"
			done
		done
	done
	all=$(awk '{ run += $3; ready += $4 } END { print run, ready }' ran)
	panel "Where the vCPUs' time went" '.state == "run"' "$(rate "${all% *}")"
	panel "Where the vCPUs' time went" '.state == "ready"' "$(rate "${all#* }")"
	panel "Where the vCPUs' time went" '.' "$(awk -v n=$((vcpus * 2)) -v r="$rated" 'BEGIN { print n * r }')"
	panel 'Host VMs' . 2
	panel 'Host unmeasured VMs' . 0
	panel 'Host elapsed seconds' . 1 0.2
	# Every wait is in the histogram, with its length.
	near "the sum of all single waits" "$(value_of "sum(rate(desched_vcpu_wait_seconds_sum[${window}s]))" "$now")" "$(rate "${all#* }")"
	waits=$(value_of "sum(increase(desched_vcpu_wait_seconds_count[${window}s]))" "$now")
	panel 'Waits by length' '.le == "+Inf"' "$waits"
}

check_rules() {
	jq -r '.data.groups[].rules[] | select(.health != "ok") | "\(.name): \(.health) \(.lastError)"' rules.json >sick
	[ ! -s sick ] || complain "rules: $(cat sick)"
	[ "$(jq '[.data.groups[].rules[]] | length' rules.json)" -ge 10 ] || complain "too few rules"
	# Whatever rules ask for is there to be asked for.
	for metric in $(jq -r '.data.groups[].rules[].query' rules.json | grep -o 'desched_[a-z_]*[a-z]' | grep -v '^desched_ready$' | sort -u); do
		has_data "$metric" || complain "rules use $metric, which has no series"
	done
	# These VMs wait for each other, and that is all that is wrong; unless this machine is busy with other things.
	jq -r '.data.groups[].rules[].alerts[]? | select(.state == "firing") | "\(.labels.alertname) \(.labels.vm) \(.labels.vcpu)"' rules.json |
		sort -u >fires
	for vm in web1 db1; do
		grep -q "^DeschedVcpuReady $vm 0" fires || complain "DeschedVcpuReady doesn't fire for vCPU 0 of $vm"
	done
	! grep -v -e '^DeschedVcpuReady ' -e '^DescheddStarved ' -e '^DeschedVmStoodStill ' fires || complain "alerts fire that should not (above)"
}

# A command that goes on until it is ended, or wants a terminal, is given a bound.
bounded() {
	case $1 in
	'desched top'*-b*) echo "$1" ;;
	'desched top'*) echo "$1 -b -n 1 -d 1" ;;
	*) echo "$1" ;;
	esac
}

check_guide() {
	vms CONT
	mkdir -p bin
	ln -sf "$desched" bin/desched
	ln -sf "$deschedd" bin/deschedd
	sed -n 's/^    [#$] //p' "$source/docs/guide-host.md" |
		sed "s|/usr/share/desched-host/\([a-z-]*\.rules\)|$source/packaging/prometheus/\1|" >commands
	n=0
	while read -r line; do
		case $line in
		'desched '* | 'deschedd '* | 'curl '* | 'promtool '*) ;;
		'systemctl '* | 'journalctl '* | 'usermod '*) continue ;; # deb.sh has a systemd
		*)
			complain "the guide has a command that this test doesn't know: $line"
			continue
			;;
		esac
		n=$((n + 1))
		PATH=$dir/bin:$PATH timeout 60 sh -c "$(bounded "$line")" >said 2>&1 </dev/null || {
			rc=$?
			# 3: the doctor has findings
			[ "$rc" = 3 ] && [ "${line#desched doctor}" != "$line" ] && continue
			complain "the guide's '$line' ends with $rc: $(tail -n 3 said)"
		}
		case $line in
		*promtool* | *' -o '*.json*) continue ;; # quiet when all is well
		esac
		[ -s said ] || complain "the guide's '$line' says nothing"
	done <commands
	[ $n -ge 10 ] || complain "the guide has only $n commands"
}

[ -z "$kernel" ] || make_image
start_vm web1
start_vm db1
vms STOP
start_prometheus
[ "$(value_of 'count(desched_host_info{source="bpf"})')" = 1 ] || {
	echo "skipped: deschedd can't use BPF here: $(head -n 2 deschedd.log)"
	exit 77
}
check_metrics
begin=$(date +%s)
run_a_while
wait_for "a scrape after that" has_data "timestamp(desched_host_vms) > $(date +%s) + 1"
curl -s "http://$server/api/v1/rules" >rules.json # as they are now
wait_for "the window to be full" has_data "timestamp(desched_host_vms) > $begin + $window"
window=$(($(date +%s) - begin))
now=$((begin + window))
# What is between the first scrape in it and the last, and what Prometheus makes of it.
scraped=$(value_of "max_over_time(desched_host_elapsed_seconds_total[${window}s]) - min_over_time(desched_host_elapsed_seconds_total[${window}s])" $now)
rated=$(value_of "rate(desched_host_elapsed_seconds_total[${window}s])" $now)
check_all_panels
check_values
check_rules
check_guide
kill "$daemon"
[ $status = 0 ] || tail -n 5 ./*.log >&2
exit $status
