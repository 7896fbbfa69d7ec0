#!/bin/sh
# SPDX-License-Identifier: MIT
# deb.sh [DIR [SUITE]]: the packages of `make deb` in DIR (build-deb), as a new user has them. SUITE:
# bookworm (default). Two parts: installed in a clean Debian made by mmdebstrap, commands, man pages,
# completion and libraries are tried; then that Debian is booted with its own kernel and systemd in a
# virtual machine, where vmdesched, the exporter and the view have to run as units, and the commands are
# tried as a new user would; deb-host.sh does the same for a host. What they print there is left in DIR/tried. In the end all is
# purged, and the Debian has to be what it was. Needs root and mmdebstrap, QEMU and busybox, and a build
# with its tests in BUILD (build); not part of 'make test', since it installs some hundred packages.
set -eu
cd "$(dirname "$0")/../.."
debs=${1:-build-deb}
like_vm=${BUILD:-build}/tests/like_vm
suite=${2:-bookworm}

for program in mmdebstrap qemu-system-x86_64 busybox cpio; do
	command -v $program >/dev/null || {
		echo "deb: $program is not installed; DESCHED_PURPOSES='deb lab' scripts/setup does it" >&2
		exit 77
	}
done
ls "$debs"/desched_*.deb "$like_vm" >/dev/null || exit 1
work=$(mktemp -d /var/tmp/desched-deb.XXXXXX)
root=$work/root
qemu=
clean() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :
	rm -rf --one-file-system "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
failed=0

# The packages have to bring all that they need: beside them there is only what a minimal system lacks
# for the checks.
install_root() {
	packages=systemd-sysv,jq,man-db,bash-completion,kmod,procps,linux-image-cloud-amd64,sysstat
	packages=$packages,prometheus-node-exporter
	mkdir "$work/debs"
	cp "$debs"/*.deb "$work/debs"
	rm -f "$work"/debs/*-dbgsym_*.deb
	# shellcheck disable=SC2016 # expanded by mmdebstrap
	mmdebstrap --quiet --variant=apt --include="$packages" \
		--dpkgopt='path-include=/usr/share/man/*' \
		--customize-hook="mkdir '$work/before' && cd \"\$1\" && find . -xdev >'$work/before/files' &&
			cp etc/passwd etc/group '$work/before'" \
		--customize-hook="copy-in $work/debs /" \
		--customize-hook='chroot "$1" sh -c "apt-get install -y --no-install-recommends /debs/*.deb"' \
		"$suite" "$root" "$(scripts/mirror)" >"$work/install.log" 2>&1 || {
		tail -n 20 "$work/install.log" >&2
		echo "deb: the packages could not be installed (above)" >&2
		exit 1
	}
	find "$root/debs" -name '*.deb' ! -name 'desched-host_*' -delete
	[ -e "$root/dev/fd" ] || ln -s /proc/self/fd "$root/dev/fd"
}

check() { # check NAME COMMAND: run by bash in the root; what it prints is shown if it fails
	name=$1
	shift
	# shellcheck disable=SC2016 # expanded by sh
	unshare --mount sh -ec 'mount -t proc proc "$0/proc"
		exec chroot "$0" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 bash -ec "$1"' \
		"$root" "$*" >"$work/out" 2>&1 && echo "ok      $name" && return
	sed 's/^/    /' "$work/out"
	echo "FAILED  $name"
	failed=$((failed + 1))
}

version=$(sed -n "s/^ *version: '\([^']*\)',$/\1/p" meson.build | head -n 1)

# shellcheck disable=SC2016 # expanded in the root
check_root() {
	check "version" '[ "$(desched --version)" = "desched '"$version"'" ]'
	check "version of the daemon" '[ "$(vmdesched --version)" = "vmdesched '"$version"'" ]'
	check "man pages" 'for page in desched deschedd vmdesched libdesched desched-page desched-scenario \
		$(desched --list | sed s/^/desched-/); do man -w $page; done'
	check "whatis" 'mandb -q; whatis desched-stat libvmGuestLib'
	check "nothing is missing" 'for file in $(dpkg -L desched desched-lab desched-vm desched-guest desched-host libdesched0 libvmguestlib0 |
		grep -e "bin/" -e "libexec/desched/desched-" -e "\.so\."); do ldd $file; ! ldd $file | grep "not found"; done'
	check "completion of commands" '. /usr/share/bash-completion/bash_completion
		_completion_loader desched || :
		COMP_WORDS=(desched le) COMP_CWORD=1; _desched desched le desched; [ "${COMPREPLY[*]}" = ledger ]'
	check "completion of figures" '. /usr/share/bash-completion/completions/desched
		COMP_WORDS=(desched stat ste) COMP_CWORD=2; _desched desched ste stat; [ "${COMPREPLY[*]}" = steal ]'
	check "completion of deschedd" '. /usr/share/bash-completion/bash_completion
		_completion_loader deschedd || :
		COMP_WORDS=(deschedd --ch) COMP_CWORD=1; _desched deschedd --ch deschedd; [ "${COMPREPLY[*]}" = --check ]'
	check "the packaged configurations can be used" 'deschedd --check | grep "^user = deschedd"; vmdesched --check'
	check "units are in order" 'systemd-analyze verify --man=no /lib/systemd/system/*desched*.service 2>&1 | tee /tmp/said; [ ! -s /tmp/said ]'
	check "a scenario by its name" 'desched sim --test $(desched sim --list | head -n 1 | cut -d" " -f1)'
	check "without a daemon: one line that says so" 'if desched stat cpu 2>/tmp/said; then exit 1; fi
		grep "no vmdesched answers on /run/vmdesched.sock" /tmp/said; [ $(wc -l </tmp/said) = 1 ]'
}

# A program for VMware's API, linked on this machine with the libraries of that one.
check_development() {
	libs=$(echo "$root"/usr/lib/*-linux-gnu)
	cat >"$work/api.c" <<-'END'
		#include "vmGuestLib.h"
		#include <desched/desched.h>
		int main(void)
		{
			VMGuestLibHandle h;
			struct desched *d;
			return VMGuestLib_OpenHandle(&h) || VMGuestLib_UpdateInfo(h) ||
			       desched_connect(0, &d);
		}
	END
	flags=$(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$libs/pkgconfig pkg-config --cflags --libs desched)
	# shellcheck disable=SC2086 # several words
	cc -Itests/unit -o "$root/usr/bin/api-user" "$work/api.c" -L"$libs" -lvmGuestLib $flags \
		-Wl,-rpath-link,"$libs"
	check "a program for the guest API finds its library" \
		'ldd /usr/bin/api-user | grep "libvmGuestLib.so.0 => /"'
}

# What runs in the virtual machine, as a unit, and says it on the second serial port.
add_checks() {
	for name in node-exporter:prometheus-node-exporter sysstat:sysstat-collect; do
		mkdir -p "$root/etc/systemd/system/${name#*:}.service.d"
		cp "$root/usr/share/doc/desched/examples/${name%%:*}-view.conf" \
			"$root/etc/systemd/system/${name#*:}.service.d"
	done
	sed -i 's/^ENABLED=.*/ENABLED="true"/' "$root/etc/default/sysstat"
	cat >"$root/check" <<-'END'
		#!/bin/bash
		get() { # get PORT: a minute to answer
			for _ in $(seq 60); do
				(exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3) 2>/dev/null && return
				sleep 1
			done
		}
		has_view() { # has_view UNIT: whether its /proc is the view
			pid=$(systemctl show -p MainPID --value "$1")
			grep -q ' /proc [^-]*- fuse' "/proc/$pid/mountinfo" && echo yes || echo no
		}
		try() { # try COMMAND...: shown as somebody would see it who typed it
			{
				echo "\$ $*"
				timeout -k 5 60 "$@" </dev/null
				echo "[$?]"
			} 2>&1 | sed 's/^/tried: /'
		}
		as_nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
		for i in $(seq 120); do desched stat cpu >/dev/null 2>&1 && break; sleep 1; done
		echo "active: $(systemctl is-active vmdesched)"
		echo "enabled: $(systemctl is-enabled vmdesched vmdesched-exporter desched-view | tr '\n' ' ')"
		echo "user: $(ps -o user= -p "$(systemctl show -p MainPID --value vmdesched)")"
		echo "cpu: $(desched stat cpu)"
		api-user
		echo "guest API: $?"
		desched top --guest -b -n 1 -d 2 | grep vmdesched
		systemctl start vmdesched-exporter
		echo "exporter: $(get 9919 | grep -c '^desched_cpu_occupied_seconds_total')"
		systemctl restart prometheus-node-exporter
		get 9100 >/dev/null
		echo "view: $(systemctl is-active desched-view)"
		echo "node_exporter: $(systemctl is-active prometheus-node-exporter)"
		echo "node_exporter in the view: $(has_view prometheus-node-exporter)"
		echo "node_exporter tells: $(get 9100 | grep -c '^node_cpu_seconds_total')"
		for i in 1 2 3; do systemctl start sysstat-collect && sleep 2; done
		echo "sysstat: $(systemctl show -p Result --value sysstat-collect)"
		echo "sar: $(LC_ALL=C sar -u | grep -c '^[0-9].* all ')"
		kill -KILL "$(pgrep -o -f 'desched view --mount')"
		sleep 2
		echo "without its view: $(get 9100 | grep -c '^node_cpu_seconds_total')"
		try desched
		try desched top --guest -b -n 1 -d 2
		try desched view -- top -b -n 1
		try desched doctor
		try desched stat
		try desched stat steal elapsed
		try desched record -n 2 -d 1 /tmp/rec
		try desched top --replay /tmp/rec -b
		try desched correct /tmp/rec /tmp/rec
		try desched ledger -n 1
		try desched vm
		try $as_nobody desched top --guest -b -n 1 -d 1
		try $as_nobody desched view -- top -b -n 1
		try $as_nobody desched doctor
		try $as_nobody desched stat cpu
		try $as_nobody desched record -n 2 -d 1 /tmp/rec2
		try $as_nobody desched ledger -n 1
		try $as_nobody vmdesched
		try systemctl status --no-pager vmdesched
		systemctl reload vmdesched
		echo "reloaded: $?"
		echo "restarts: $(systemctl show -p NRestarts --value vmdesched)"
		systemctl stop vmdesched
		echo "stopped: $(systemctl show -p Result --value vmdesched)"
		/check-host
		for unit in vmdesched vmdesched-exporter desched-view sysstat-collect prometheus-node-exporter; do
			journalctl -u $unit --no-pager | tail -n 20 | sed 's/^/journal: /'
		done
		echo done
		poweroff -f
	END
	chmod +x "$root/check"
	cp tests/system/deb-host.sh "$root/check-host"
	cp "$like_vm" "$root/like_vm"
	cat >"$root/etc/systemd/system/check.service" <<-'END'
		[Unit]
		After=multi-user.target
		[Service]
		ExecStart=/check
		StandardOutput=file:/dev/ttyS1
		StandardError=file:/dev/ttyS1
		[Install]
		WantedBy=multi-user.target
	END
	systemctl --root="$root" enable check.service >/dev/null 2>&1 ||
		chroot "$root" systemctl enable check.service >/dev/null
}

# The root file system travels as an archive in the initramfs and is laid out in memory: so that no
# disk is needed, and nothing has to be mounted here.
make_image() {
	mkdir -p "$work/image/bin" "$work/image/new" "$work/image/proc" "$work/image/dev"
	cp "$(command -v busybox)" "$work/image/bin/busybox"
	cat >"$work/image/init" <<-'END'
		#!/bin/busybox ash
		/bin/busybox mount -t devtmpfs dev /dev
		/bin/busybox mount -t tmpfs -o size=90% root /new
		/bin/busybox tar -x -f /root.tar -C /new
		/bin/busybox rm /root.tar
		exec /bin/busybox switch_root /new /lib/systemd/systemd
	END
	chmod +x "$work/image/init"
	tar -c -C "$root" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
		--exclude='./usr/share/locale/*' --exclude='./var/cache/*' --exclude='./var/lib/apt/lists/*' \
		--exclude='./usr/libexec/desched/*' --exclude='./boot/*' --exclude='./dev/*' . \
		>"$work/image/root.tar"
	(cd "$work/image" && find . | cpio --quiet -o -H newc) >"$work/image.cpio"
}

boot() {
	qemu-system-x86_64 -accel tcg -cpu max -m 3072 -smp 1 -nodefaults -no-user-config -no-reboot \
		-display none -nic none -kernel "$(ls "$root"/boot/vmlinuz-*)" -initrd "$work/image.cpio" \
		-append "console=ttyS0 panic=-1 no_timer_check systemd.show_status=no" \
		-serial "file:$work/console" -serial "file:$work/said" &
	qemu=$!
	for _ in $(seq 3000); do
		kill -0 "$qemu" 2>/dev/null || break
		sleep 1
	done
	kill "$qemu" 2>/dev/null || :
	qemu=
}

said() { # said NAME PATTERN
	grep -q "$2" "$work/said" && echo "ok      booted: $1" && return
	echo "FAILED  booted: $1"
	failed=$((failed + 1))
}

check_booted() {
	sed -n 's/^tried: //p' "$work/said" | tr -d '\r' >"$debs/tried"
	[ -s "$debs/tried" ] || echo "deb: nothing was tried" >&2
	said "vmdesched is active" '^active: active'
	said "vmdesched is enabled, the exporter and the view are for who wants them" \
		'^enabled: enabled disabled disabled'
	said "vmdesched has become its user" '^user: vmdesched'
	said "the exporter answers" '^exporter: 1'
	said "the view is there" '^view: active'
	said "node_exporter runs in it" '^node_exporter in the view: yes'
	said "node_exporter has figures" '^node_exporter tells: [1-9]'
	said "node_exporter goes on when the view is killed" '^without its view: [1-9]'
	said "sar collects in it" '^sysstat: success'
	said "sar has figures" '^sar: [1-9]'
	said "desched stat has figures" '^cpu: [0-9]*\.[0-9]*[1-9]'
	said "the guest API answers" '^guest API: 0'
	said "desched top has vmdesched" ' vmdesched'
	said "it can be told to read its configuration again" '^reloaded: 0'
	said "it was never restarted" '^restarts: 0'
	said "it ends when it is told to" '^stopped: success'
	tr -d '\r' <"$work/said" | grep -e '^ok  ' -e '^FAILED' || :
	failed=$((failed + $(grep -c '^FAILED' "$work/said")))
	said "a host was tried" '^host: done'
	[ "$failed" = 0 ] && return
	echo "--- console" && tail -n 30 "$work/console"
	echo "--- said" && cat "$work/said"
}

# Left out: what changes in any Debian, and what mmdebstrap has there while it works.
check_purged() {
	# shellcheck disable=SC2016 # expanded in the root
	check "everything can be purged" 'rm -r /debs /check /check-host /like_vm /usr/bin/api-user /tmp/said \
			/etc/systemd/system/{check.service,multi-user.target.wants/check.service,*.service.d}
		apt-get purge -y "desched*" "libdesched*" libvmguestlib0 && apt-get autoremove --purge -y'
	(cd "$root" && find . -xdev) >"$work/files"
	for list in before/files files; do
		grep -v -e '^./var/\(cache\|log\|lib/dpkg\|lib/apt\)/' -e '^./\(run\|tmp\)/' -e '/ld.so.cache' -e '/00mmdebstrap$' \
			-e '/policy-rc.d$' -e '/start-stop-daemon.REAL$' "$work/$list" |
			sort >"$work/$list.kept"
	done
	diff "$work/before/files.kept" "$work/files.kept" >"$work/diff" && cmp "$work/before/passwd" "$root/etc/passwd" &&
		cmp "$work/before/group" "$root/etc/group" && echo "ok      purged: as it was before" && return
	cat "$work/diff"
	echo "FAILED  purged: as it was before"
	failed=$((failed + 1))
}

install_root
check_root
check_development
add_checks
make_image
boot
check_booted
check_purged
[ "$failed" = 0 ]
