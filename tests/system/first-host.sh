#!/bin/sh
# SPDX-License-Identifier: MIT
# first-host.sh [DIR]: the packages of `make deb` in DIR (build-deb), as somebody has them who runs virtual machines: in a
# Debian made by mmdebstrap there are three QEMUs, started by hand, and a domain of libvirt; one of either has the page's
# device of docs/guide-page.md, as it is there. Then desched-host is installed by the guide's command, and is asked for
# all machines, who delayed whom, and a timeline that Perfetto takes; guests say that their source is the page; a
# Prometheus with the guide's configuration scrapes. In the end all is purged: machines run on, and files, users, groups,
# units, sockets and processes are what they were.
#
# That Debian is a chroot in namespaces of its own and has this host's kernel, so nothing starts services there: this script
# runs what the units say. With systemd, and like_vm in the place of machines, deb.sh does it. Needs root, BPF, mmdebstrap,
# QEMU, and a build with its tests in BUILD (build); not part of 'make test', since it downloads some hundred packages.
set -eu
cd "$(dirname "$0")/../.."
skip() {
	echo "first-host: $*" >&2
	exit 77
}
packages=qemu-system-x86,libvirt-daemon-system,libvirt-clients,jq,curl,procps,busybox-static,cpio,iproute2,dbus,man-db
cache=${DESCHED_CACHE:-cache}/first-host

# ---- outside: the Debian, and what its machines boot ----

begin() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	for program in mmdebstrap qemu-system-x86_64 busybox cpio; do
		command -v $program >/dev/null || skip "$program is missing; DESCHED_PURPOSES='deb lab test' scripts/setup installs it"
	done
	debs=$(realpath "${1:-build-deb}") check=$(realpath "${BUILD:-build}/tests/perfetto_check")
	ls "$debs"/desched-host_*.deb >/dev/null 2>&1 || skip "no packages in $debs; make deb builds them"
	prometheus=$(scripts/fetch-prometheus) || skip "no Prometheus"
	kernel=$(scripts/fetch-kernel) || skip "no kernel"
	mirror=$(scripts/mirror) || skip "no Debian mirror"
	work=$(mktemp -d /var/tmp/desched-first.XXXXXX)
	root=$work/root
	trap 'rm -rf --one-file-system "$work"' EXIT
	trap 'exit 130' INT TERM HUP
	make_root
	make_vms
	mkdir "$root/build-deb" "$root/prometheus"
	cp "$debs"/*.deb "$root/build-deb"
	rm -f "$root"/build-deb/*-dbgsym_*
	cp -L "$prometheus/prometheus" "$prometheus/promtool" "$root/prometheus"
	cp docs/guide-host.md docs/guide-page.md "$check" "$0" "$root/vms"
	cp /etc/resolv.conf "$root/etc/" 2>/dev/null || :
	# What the packages need is downloaded before; the machine has a network of its own then.
	chroot "$root" sh -ec 'apt-get update -q && apt-get install -y --download-only --no-install-recommends ./build-deb/*.deb' >"$work/log" 2>&1 || {
		tail -n 5 "$work/log" >&2
		exit 1
	}
	# shellcheck disable=SC2016 # expanded by sh
	unshare --mount --net --pid --fork --kill-child --propagation private sh -ec '
		mount --bind "$0" "$0"
		mount -t proc proc "$0/proc"
		mount --rbind /sys "$0/sys" && mount -t tmpfs none "$0/sys/fs/cgroup"
		mount --rbind /dev "$0/dev" && mount -t tmpfs shm "$0/dev/shm"
		mount -t tmpfs run "$0/run"
		chroot "$0" ip link set lo up
		exec chroot "$0" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 sh -eu /vms/first-host.sh inside' "$root"
}

make_root() {
	tar=$cache/root-$(echo "$packages" | cksum | cut -d ' ' -f 1).tar
	if ! [ -f "$tar" ]; then
		mkdir -p "$cache"
		echo "first-host: making a Debian root" >&2
		mmdebstrap --quiet --variant=apt --include="$packages" bookworm "$tar.$$" --format=tar "$mirror"
		mv "$tar.$$" "$tar"
	fi
	mkdir "$root"
	tar -xf "$tar" -C "$root"
	mkdir "$root/vms"
	chmod 755 "$work"
}

# A guest with the daemon of the package, which starts before there is a page; that works half of the time and says what desched top says.
make_vms() {
	dpkg-deb -x "$debs"/desched-guest_*.deb "$work/guest"
	dpkg-deb -x "$debs"/desched_*.deb "$work/guest"
	cat >"$work/init" <<-'END'
		#!/bin/sh
		export PATH=/bin
		/bin/busybox --install -s /bin
		mount -t proc proc /proc; mount -t sysfs sys /sys
		mount -t devtmpfs dev /dev; mount -t tmpfs run /run
		exec </dev/null >/dev/ttyS0 2>&1
		vmdesched &
		while :; do
			timeout 1 sh -c 'while :; do :; done' 2>/dev/null
			desched top --guest -b -n 1 -d 1 | head -n 1
		done
	END
	chmod +x "$work/init"
	sh lab/mkinitramfs "$root/vms/image" "$work/init" /bin/true "$work"/guest/usr/sbin/vmdesched \
		"$work"/guest/usr/bin/desched
	cp "$kernel" "$root/vms/kernel"
	chmod 644 "$root/vms/kernel" "$root/vms/image"
}

# ---- inside ----

failed=0
complain() {
	echo "FAILED  $1"
	[ ! -s /vms/said ] || tail -n 15 /vms/said | sed 's/^/    /'
	failed=1
}
try() { # try NAME COMMAND: two minutes to become true
	for _ in $(seq 120); do
		if sh -c "$2" >/vms/said 2>&1; then
			echo "ok      $1"
			return
		fi
		sleep 1
	done
	complain "$1: $2"
}

by_hand() { # by_hand NAME [OPTION...]
	name=$1
	shift
	nice qemu-system-x86_64 -name "$name,debug-threads=on" -accel tcg -m 192 -nodefaults -display none -no-reboot \
		-kernel /vms/kernel -initrd /vms/image -append 'console=ttyS0 quiet panic=-1' -serial "file:/vms/$name.console" \
		"$@" >"/vms/$name.log" 2>&1 </dev/null &
	echo $! >"/vms/$name.pid"
}

# A guest that dies while it boots, as one does on a host that is very busy, is started again.
is_up() { # is_up NAME [OPTION...]
	grep -q '^desched top - source' "/vms/$1.console" && return
	kill -0 "$(cat "/vms/$1.pid")" 2>/dev/null || by_hand "$@"
	return 1
}
await_vm() { # await_vm NAME [OPTION...]
	for _ in $(seq 600); do
		is_up "$@" && return
		sleep 1
	done
	complain "$1 doesn't boot"
}

# The guide's words for QEMU, and its XML for libvirt.
page_words() {
	sed -n '/^### QEMU/,/^###* libvirt/p' /vms/guide-page.md | sed -n '/-object memory/,/-device ivshmem/p' | head -n 2 |
		tr -d '\\\n' | sed 's/,readonly=on//'
}
page_xml() {
	sed -n '/^<shmem /,/^<\/shmem>/p' /vms/guide-page.md | sed 's/desched-web1/desched-shop1/'
}

by_libvirt() {
	mkdir -p /run/libvirt
	# What isn't to be had in a chroot: AppArmor, namespaces of its own, cgroups.
	printf 'security_driver = "none"\nnamespaces = []\ncgroup_controllers = []\n' >>/etc/libvirt/qemu.conf
	virtlogd --daemon
	libvirtd --daemon
	cat >/vms/shop1.xml <<-END
		<domain type='qemu'><name>shop1</name><memory unit='MiB'>192</memory><vcpu>1</vcpu>
		<os><type arch='x86_64' machine='pc'>hvm</type><kernel>/vms/kernel</kernel><initrd>/vms/image</initrd>
		<cmdline>console=ttyS0 quiet panic=-1</cmdline></os><features><acpi/></features>
		<devices><serial type='file'><source path='/var/log/libvirt/qemu/shop1.console'/></serial>
		$(page_xml)</devices></domain>
	END
	try "libvirt starts a domain" 'virsh -q create /vms/shop1.xml || virsh -q domstate shop1'
}

snapshot() { # snapshot FILE: what a purge has to leave as it was
	{
		find / -xdev ! -path '/vms*' ! -path '/build-deb*' ! -path '/prometheus*' ! -path '/var/cache/*' ! -path '/var/log/*' \
			! -path '/var/lib/apt/*' ! -path '/var/lib/dpkg/*' ! -path '/tmp/*' ! -path '/root/.cache*' \
			! -path '/var/lib/libvirt/*' ! -path '/etc/ld.so.cache' -printf '%p %u:%g %m %l\n' | sort
		cat /etc/passwd /etc/group
		systemctl list-unit-files --no-legend --root=/ 2>/dev/null || find /etc/systemd /lib/systemd -name '*desched*'
		ss -Hlx | awk '{ print $5 }' | sort
		ss -Hltun | awk '{ print $1, $5 }' | sort
		find /run -mindepth 1 ! -path '/run/libvirt*' -printf '%p %u:%g %m\n' | sort
		ps -eo comm= | sort -u
	} | grep -v -e '^sh$' -e '^ps$' -e '^find$' -e '^sort$' -e '^awk$' -e '^ss$' -e '^sleep$' -e '^cat$' -e '^grep$' >"$1"
}

# What systemd runs for a unit.
unit() { # unit NAME
	words=$(sed -n 's/^ExecStart=//p' "/lib/systemd/system/$1.service")
	sed -n 's/^RuntimeDirectory=//p' "/lib/systemd/system/$1.service" | tr ' ' '\n' | while read -r directory; do
		mkdir -p "/run/$directory"
	done
	$words >"/vms/$1.log" 2>&1 </dev/null &
	echo $! >"/vms/$1.pid"
}

# shellcheck disable=SC2016 # expanded by sh
check_host() {
	try "deschedd measures by BPF" 'grep "source bpf" /vms/deschedd.log'
	try "it has become its user" '[ "$(ps -o user= -p "$(cat /vms/deschedd.pid)")" = deschedd ]'
	try "desched ledger has all machines" '[ "$(desched ledger -n 1 -d 1 --json | jq -r ".vms[].name" | sort | xargs)" = "db1 mail1 shop1 web1" ]'
	try "desched top has all machines" 'desched top --host -b -n 1 -d 1 >/vms/top && for vm in web1 db1 mail1 shop1; do grep " $vm$" /vms/top; done'
	try "pages are written: of QEMU's machine and of libvirt's" '[ "$(desched ledger -n 1 -d 1 | grep -c "page written")" = 2 ]'
	try "the guest of QEMU's machine says source page" 'grep "^desched top - source page" /vms/web1.console'
	try "and that of libvirt's" 'grep "^desched top - source page" /var/log/libvirt/qemu/shop1.console'
	try "those without a page have another source" 'grep "^desched top - source self" /vms/db1.console'
	try "desched blame has machines that delayed others" 'desched blame -n 1 -d 3 >/vms/blame && grep -w web1 /vms/blame'
	try "Perfetto takes what desched trace writes" 'desched trace -o /vms/host.json 2 && /vms/perfetto_check /vms/host.json'
	try "who ran is in it" 'jq -e "[.traceEvents[] | select(.name == \"ready\") | .args.who] | length > 0" /vms/host.json'
	try "desched history has one" 'desched history web1 | grep -E "[0-9]+:[0-9]+:[0-9]+"'
}

# Prometheus with the guide's configuration.
# shellcheck disable=SC2016 # expanded by sh
check_prometheus() {
	sed -n '/^    scrape_configs:/,/^$/s/^    //p' /vms/guide-host.md >/vms/prometheus.yml
	PATH=/prometheus:$PATH promtool check config /vms/prometheus.yml >/vms/said 2>&1 || complain "the guide's configuration of Prometheus"
	sed -i '1i global: { scrape_interval: 1s }' /vms/prometheus.yml
	/prometheus/prometheus --config.file=/vms/prometheus.yml --storage.tsdb.path=/vms/data \
		--web.listen-address=127.0.0.1:9090 >/vms/prometheus.log 2>&1 </dev/null &
	echo $! >/vms/prometheus.pid
	try "the exporter's metrics are well-formed" 'curl -s http://127.0.0.1:9920/metrics | /prometheus/promtool check metrics'
	try "Prometheus has scraped four machines" '[ "$(curl -s "http://127.0.0.1:9090/api/v1/query?query=desched_host_vms" | jq -r ".data.result[0].value[1]")" = 4 ]'
	try "and rules are loaded" '[ "$(curl -s http://127.0.0.1:9090/api/v1/rules | jq "[.data.groups[].rules[]] | length")" -ge 10 ]'
}

end() { # end NAME
	kill "$(cat "/vms/$1.pid")"
	for _ in $(seq 300); do
		kill -0 "$(cat "/vms/$1.pid")" 2>/dev/null || return 0
		sleep 0.1
	done
	complain "$1 does not end"
}

inside() {
	trap 'virsh -q destroy shop1 >/dev/null 2>&1 || :' EXIT
	# shellcheck disable=SC2046 # several words
	by_hand web1 $(page_words)
	by_hand db1
	by_hand mail1
	by_libvirt
	# shellcheck disable=SC2046 # several words
	await_vm web1 $(page_words)
	await_vm db1
	await_vm mail1
	snapshot /vms/before
	command=$(sed -n 's/^    make deb && \(apt install .*desched-host.*\)/\1/p' /vms/guide-host.md)
	[ -n "$command" ] || complain "the guide doesn't say how desched-host is installed"
	(cd / && DEBIAN_FRONTEND=noninteractive sh -c "$command -y" >/vms/said 2>&1) || complain "$command"
	unit deschedd
	unit deschedd-exporter
	check_host
	check_prometheus
	end prometheus
	end deschedd-exporter
	end deschedd
	DEBIAN_FRONTEND=noninteractive sh -c 'apt-get purge -y "desched*" "libdesched*" && apt-get autoremove --purge -y' >/vms/said 2>&1 ||
		complain "purge"
	for vm in web1 db1 mail1; do
		kill -0 "$(cat /vms/$vm.pid)" || complain "$vm has ended"
	done
	virsh -q domstate shop1 | grep -q running || complain "shop1 doesn't run any more"
	snapshot /vms/after
	if diff /vms/before /vms/after >/vms/said; then
		echo "ok      purged: as it was before"
	else
		complain "purged: as it was before"
	fi
	[ $failed = 0 ] && echo OK
	exit $failed
}

if [ "${1:-}" = inside ]; then
	inside
fi
begin "$@"
