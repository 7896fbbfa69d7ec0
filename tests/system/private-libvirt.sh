# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced: libvirts of our own, each a session of the user nobody in $dir/SIDE, that nothing else on the machine
# sees. The caller sets $dir, defines skip and fail, and calls libvirt_end at its end.
libvirt_pids='' libvirt_sides=''

# libvirt_needs PROGRAM...: or the caller is skipped
libvirt_needs() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	for program in libvirtd virsh qemu-system-x86_64 setpriv "$@"; do
		command -v "$program" >/dev/null ||
			skip "no $program (Debian: libvirt-daemon, libvirt-clients, qemu-system-x86, prometheus-libvirt-exporter)"
	done
}

as_nobody() { # as_nobody SIDE COMMAND...
	side=$1
	shift
	env HOME="$dir/$side" XDG_RUNTIME_DIR="$dir/$side/run" XDG_CONFIG_HOME="$dir/$side/config" \
		XDG_CACHE_HOME="$dir/$side/cache" setpriv --reuid nobody --regid nogroup --clear-groups "$@"
}

uri_of() { # uri_of SIDE
	echo "qemu+unix:///session?socket=$dir/$1/run/libvirt/libvirt-sock"
}

virsh_of() { # virsh_of SIDE COMMAND...
	of=$1
	shift
	as_nobody "$of" virsh -c "$(uri_of "$of")" -q "$@"
}

libvirt_start() { # libvirt_start SIDE...
	chmod 755 "$dir"
	for side; do
		mkdir -p "$dir/$side/run" "$dir/$side/config/libvirt"
		echo 'stdio_handler = "file"' >"$dir/$side/config/libvirt/qemu.conf" # no daemon for logs
		chown -R nobody:nogroup "$dir/$side"
		as_nobody "$side" libvirtd --daemon --pid-file "$dir/$side/pid" >"$dir/$side/log" 2>&1
		libvirt_pids="$libvirt_pids $(cat "$dir/$side/pid")"
		libvirt_sides="$libvirt_sides $side"
	done
	for side; do
		wait_for "libvirt $side" virsh_of "$side" list
	done
}

libvirt_end() {
	for side in $libvirt_sides; do
		for domain in $(virsh_of "$side" list --name 2>/dev/null | tr ' ' '?'); do
			virsh_of "$side" destroy "$(echo "$domain" | tr '?' ' ')" >/dev/null 2>&1 || :
		done
	done
	for pid in $libvirt_pids; do
		kill "$pid" 2>/dev/null || :
		while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
	done
}

libvirt_define() { # libvirt_define SIDE NAME-IN-XML DEVICES
	cat >"$dir/domain.xml" <<-END
		<domain type='qemu'><name>$2</name><memory unit='MiB'>32</memory><vcpu>2</vcpu>
		<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
		<devices><emulator>$(command -v qemu-system-x86_64)</emulator>$3</devices></domain>
	END
	chmod 644 "$dir/domain.xml"
	virsh_of "$1" define "$dir/domain.xml" >/dev/null
}
