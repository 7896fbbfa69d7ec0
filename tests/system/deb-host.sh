#!/bin/bash
# SPDX-License-Identifier: MIT
# What deb.sh runs in its virtual machine, with that as a host: the package desched-host as a new user has it, with a
# process that looks like a VM; its upgrade, its removal, and what is left of it. In /debs are the packages.
bad=0
check() { # check NAME COMMAND: a minute to become true
	local name=$1 said
	for _ in $(seq 60); do
		said=$(bash -c "$2" 2>&1) && echo "ok      host: $name" && return
		sleep 1
	done
	echo "FAILED  host: $name: $(echo "$said" | tail -n 5 | tr '\n' '|')"
	bad=1
}
main_pid() {
	systemctl show -p MainPID --value "$1"
}
get() {
	exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3
}
export -f main_pid get

/like_vm -name web1 &
vm=$!
check "deschedd runs once it is installed" '[ "$(systemctl is-active deschedd)" = active ]'
check "it is enabled, its exporter and its recorder are for who wants them" \
	'[ "$(systemctl is-enabled deschedd deschedd-exporter desched-record-host | xargs)" = "enabled disabled disabled" ]'
check "it has become its user" '[ "$(ps -o user= -p "$(main_pid deschedd)")" = deschedd ]'
check "it measures by BPF" 'journalctl -u deschedd | grep "source bpf"'
check "desched top shows the VM" 'desched top --host -b -n 1 -d 1 | grep -w web1'
check "desched history has it" 'desched history web1 | grep -E "[0-9]+:[0-9]+:[0-9]+"'
useradd alice
usermod -aG deschedd alice
check "one of its group may ask" 'desched history web1 >/dev/null && runuser -u alice -- desched history web1'
check "nobody else may" '! setpriv --reuid=65534 --regid=65534 --clear-groups desched history web1'
systemctl enable --now deschedd-exporter desched-record-host
check "the exporter answers" 'get 9920 | grep "desched_vm_info{vm=\"web1\""'
check "recordings are made" 'ls /var/log/desched-host/*'
printf '[vm web1]\nshares = 700\n' >>/etc/desched/deschedd.conf
check "it can be told to read its configuration again" 'systemctl reload deschedd'
check "follows what is new there" 'desched policy | grep -w web1 | grep -w 700'
check "and goes on" 'desched top --host -b -n 1 -d 1 | grep -w web1'

# The same version again is an upgrade to all but dpkg's message.
before="$(main_pid deschedd) $(main_pid deschedd-exporter) $(main_pid desched-record-host)"
dpkg -i /debs/desched-host_*.deb
after="$(main_pid deschedd) $(main_pid deschedd-exporter) $(main_pid desched-record-host)"
check "an upgrade restarts it, and what asks it ($before, $after)" \
	"! comm -12 <(tr ' ' '\n' <<<'$before' | sort) <(tr ' ' '\n' <<<'$after' | sort) | grep ."
check "and it goes on measuring" 'desched top --host -b -n 1 -d 1 | grep -w web1'
kill -KILL "$(main_pid deschedd)"
check "killed, it comes back" '[ "$(systemctl is-active deschedd)" = active ] && desched top --host -b -n 1 -d 1 | grep -w web1'
check "the VM has noticed nothing" "kill -0 $vm && [ \"\$(cut -d ' ' -f 3 /proc/$vm/stat)\" != Z ]"

# VMs in units of their own, as managers start them, and one among other processes.
systemd-run --quiet --unit web2 /like_vm -name web2
systemd-run --quiet --unit db2 --property CPUWeight=300 /like_vm -name db2
group() { # group UNIT FILE: what its cgroup has there
	cat "/sys/fs/cgroup$(systemctl show -p ControlGroup --value "$1")/$2"
}
groups() { # all that an enforcer may change
	for unit in web2 db2 check; do
		for file in cpu.weight cpu.max cpu.max.burst cgroup.procs cgroup.subtree_control; do
			[ "$unit $file" = 'check cgroup.procs' ] || # who looks is in there
				echo "$unit $file $(group $unit $file 2>&1 | xargs)"
		done
	done
	find /sys/fs/cgroup -type d | grep -e web2 -e db2 -e check.service -e desched- | sort
}
export -f group groups
sleep 2
groups >/run/groups-before
sed -i 's/^#enforcer = none/enforcer = cgroup/' /etc/desched/deschedd.conf
systemctl restart deschedd
check "enforcing is shown" '[ "$(desched policy --json | jq -r ".vms[] | select(.enforced) | .name" | sort | xargs)" = "db2 web2" ]'
check "what another one has given is the setting" 'desched policy | grep -E " 3000 .* db2$"'
check "one among other processes is left alone, and it is said why" 'desched policy | grep -A 4 -w web1 | grep "scope of its own"'
desched set web2 limit=0.5 shares=2000
check "a limit arrives: 5 ms in each 10" '[ "$(group web2 cpu.max)" = "5000 10000" ]'
systemctl daemon-reload
systemctl set-property --runtime db2 IOWeight=50 2>/dev/null
check "what systemd has put back is written again" '[ "$(group web2 cpu.max)" = "5000 10000" ]'
desched unset web2 limit
check "and goes" '[ "$(group web2 cpu.max)" = "max 100000" ]'
desched set web2 limit=0.5
check "it arrives again" '[ "$(group web2 cpu.max)" = "5000 10000" ]'
check "it has run all the time" '[ "$(systemctl show -p NRestarts --value deschedd)" = 0 ]'
systemctl stop deschedd
check "stopped, all is as it was" 'groups | diff /run/groups-before -'
systemctl start deschedd
desched set web2 limit=0.5
check "started again, it enforces again" '[ "$(group web2 cpu.max)" = "5000 10000" ]'
kill -KILL "$(main_pid deschedd)" && systemctl stop deschedd
check "killed, all is as it was" 'groups | diff /run/groups-before -'
systemctl start deschedd
desched set web2 limit=0.5
check "a third time" '[ "$(group web2 cpu.max)" = "5000 10000" ]'
systemctl kill --signal KILL deschedd && systemctl stop deschedd
check "killed together with its guardian, all is as it was" 'groups | diff /run/groups-before -'
systemctl start deschedd
desched set web2 limit=0.5
check "a fourth time" '[ "$(group web2 cpu.max)" = "5000 10000" ]'

dpkg --remove desched-host
check "removed, all is as it was" 'groups | diff /run/groups-before -'
systemctl stop web2 db2
check "removed, nothing of it runs" \
	'[ "$(systemctl is-active deschedd deschedd-exporter desched-record-host | sort -u | grep -c "^active")" = 0 ] &&
	! pgrep -a "deschedd|vmdesched-exporte" && [ ! -e /run/deschedd.sock ] && [ ! -e /run/desched/stream ]'
check "its configuration is still there" 'test -f /etc/desched/deschedd.conf'
dpkg --purge desched-host
check "purged, nothing of it is left" 'found=$(find / -xdev \( -name "*deschedd*" -o -name "desched-host*" -o \
	-name "desched-record-host*" \) ! -path "/debs/*" ! -path "/proc/*" ! -path "/sys/*"); echo "$found"; [ -z "$found" ]'
check "no user and no group, either" '! getent passwd deschedd && ! getent group deschedd'
check "the VM is as it was" "kill -0 $vm"
kill $vm
[ $bad = 0 ] || journalctl -u deschedd -u deschedd-exporter -u desched-record-host --no-pager | tail -n 40
echo "host: done"
