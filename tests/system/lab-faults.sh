#!/bin/sh
# SPDX-License-Identifier: MIT
# lab-faults.sh DESCHED: what `desched lab` does when it is asked for nonsense and when things break,
# with real virtual machines. Each case: one clear line, the right exit status, what was measured is
# kept, and nothing is left behind: no process, no file, no mount.
set -u
# In a mount namespace of its own nobody else's mounts come and go. In a chroot / is no mount: there
# the propagation cannot be changed.
if [ "$(id -u)" = 0 ] && [ -z "${DESCHED_LAB_TEST:-}" ]; then
	how=private
	unshare --mount --propagation $how true 2>/dev/null || how=unchanged
	DESCHED_LAB_TEST=0 exec unshare --mount --propagation $how "$0" "$@"
fi
desched=$(realpath "$1")
DESCHED_LAB_TEST=$$ # every process of a lab inherits it: so leftovers are found
export DESCHED_LAB_TEST
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/cwd"
cd "$dir/cwd" || exit 1
mounts=$(cat /proc/mounts)
failed=0

complain() {
	echo "FAILED: $*"
	sed 's/^/    /' "$dir/out" "$dir/err"
	failed=$((failed + 1))
}

# Processes with our mark, but not this script and its children of the moment.
left_over() {
	for environ in /proc/[0-9]*/environ; do
		pid=${environ#/proc/}
		pid=${pid%/environ}
		case $(cat "/proc/$pid/comm" 2>/dev/null) in
		desched | desched-lab | qemu-system*) ;;
		*) continue ;;
		esac
		grep -qz "^DESCHED_LAB_TEST=$$\$" "$environ" 2>/dev/null && echo "$pid"
	done
}

# within SECONDS COMMAND...: until it succeeds.
within() {
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || return 1
		sleep 0.1
	done
}
none_left() {
	[ -z "$(left_over)" ]
}

# What was killed takes a while to go on a busy machine.
check_clean() { # check_clean WHAT
	within 30 none_left
	[ -z "$(left_over)" ] || complain "$1: processes are left: $(left_over)"
	[ -z "$(ls -A "$dir/cwd")" ] || complain "$1: files are left: $(ls -A "$dir/cwd")"
	[ "$(cat /proc/mounts)" = "$mounts" ] || complain "$1: mounts have changed"
}

# expect WHAT STATUS TEXT: the last run's exit status, and TEXT (a basic regular expression) in the
# last line of its standard error.
expect() {
	[ "$status" = "$2" ] || complain "$1: exit status $status, expected $2"
	tail -n 1 "$dir/err" | grep -q "^desched lab: .*$3" || complain "$1: no line with '$3'"
	check_clean "$1"
	echo "done: $1"
}

path=$PATH # the lab's own
lab() {
	env PATH="$path" "$desched" lab "$@" >"$dir/out" 2>"$dir/err"
	status=$?
}

refused() { # refused WHAT STATUS TEXT OPTION...
	what=$1 wanted=$2 text=$3
	shift 3
	lab "$@"
	expect "$what" "$wanted" "$text"
	[ ! -s "$dir/out" ] || complain "$what: it printed a table"
}

: >"$dir/empty"
mkdir "$dir/used" && : >"$dir/used/file"
refused "a kernel file that is none" 1 "/etc/passwd is no Linux kernel" --kernel /etc/passwd
refused "an empty kernel file" 1 "is no Linux kernel" --kernel "$dir/empty"
refused "a kernel that is not there" 1 "/no/kernel: No such file" --kernel /no/kernel
refused "a CPU that does not exist" 1 "'1023' given.*CPUs that are here" --cpus 1023
refused "a CPU list that is none" 1 "'1-' given" --cpus 1-
refused "more VMs than the limit" 2 "expected a whole number from 1 to 64" --vms 65
refused "an unknown source" 2 "'oracle' given, expected auto, steal" --source oracle
refused "an unknown accelerator" 2 "'warp' given, expected auto, kvm" --accel warp
refused "a directory in use" 1 "used: the directory is in use" --keep "$dir/used"
refused "no time" 2 "expected seconds from 1" --seconds 0
refused "an unknown fault" 2 "'gremlin' given, expected boot-panic" --fault gremlin

refused "machines that are none" 2 "'xen' given, expected own, qemu" --machines xen
refused "a stream of this host's daemon" 1 "these have a page; --source stream is for" --machines qemu --source stream

# Without privilege there are no gaps: refused where they were asked for by name. In a tree that nobody
# else may enter, as below /root, this cannot be tried.
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}
if [ "$(id -u)" = 0 ] && as_nobody test -r "$desched"; then
	as_nobody "$desched" lab --source page >"$dir/out" 2>"$dir/err"
	status=$?
	expect "no permission for BPF" 1 "--source page wants gaps from this host"
fi

path=/nowhere
refused "QEMU missing" 1 "qemu-system-x86_64 is not in PATH; install the package"

mkdir "$dir/only"
ln -s "$(command -v env)" "$dir/only/qemu-system-x86_64"
path=$dir/only
refused "virsh missing" 1 "virsh is not in PATH; install the package libvirt-clients" --machines libvirt
path=/nowhere

# A QEMU that cannot do what it is asked for says so, and that is what people see.
mkdir "$dir/bin"
printf '#!/bin/sh\necho "qemu: a word about what is wrong"\nexit 1\n' >"$dir/bin/qemu-system-x86_64"
chmod +x "$dir/bin/qemu-system-x86_64"
path=$dir/bin:$PATH
refused "QEMU that fails at once" 1 "QEMU ended with status 1: qemu: a word about" --vms 1
path=$PATH

broken() { # broken WHAT TEXT OPTION...: fails in the run, with the first VM measured and shown
	what=$1 text=$2
	shift 2
	lab --vms 2 --seconds 5 --json="$dir/json" "$@"
	expect "$what" 1 "$text"
	grep -q '^vm1 *spin  *[0-9]' "$dir/out" || complain "$what: the other VM's figures are not shown"
	grep -q '"failure": "vm2: ' "$dir/json" || complain "$what: the JSON does not tell"
}

broken "a guest that panics" "vm2: the guest's kernel panicked: Kernel panic" --fault panic
grep -q "vm2: its console ended with" "$dir/err" || complain "the console of the panic is not shown"
broken "an agent that is killed" "vm2: its agent (vmdesched) ended in the middle, killed by signal 9" --fault agent
broken "a guest that sends garbage" "vm2: the guest sent" --fault garbage
broken "a guest that falls silent" "vm2: the guest did not answer 'st.*' within" --fault silent
refused "a guest that never boots" 1 "vm1: did not boot in 3 attempts: the guest's kernel panicked" --vms 1 --fault boot-panic

lab --vms 1 --seconds 2 --json="$dir/json" --fault first-boot-panic --keep "$dir/kept"
[ "$status" = 0 ] || complain "a guest that dies in its first boot: exit status $status"
grep -q "vm1 died while booting and was started 2 times" "$dir/out" || complain "a retry is not told"
grep -q '"boot_retries": 1' "$dir/json" || complain "the JSON does not count the retry"
for file in vm1.console vm1.agent.json lab.json; do
	[ -s "$dir/kept/$file" ] || complain "--keep did not keep $file"
done
check_clean "a guest that dies in its first boot"
echo "done: a guest that dies in its first boot"

# Starts a lab in the background and waits until it runs; $lab is its process.
start_lab() { # start_lab SECONDS
	: >"$dir/err" # that of the lab before may say that it runs
	"$desched" lab --vms 2 --seconds "$1" >"$dir/out" 2>"$dir/err" &
	lab=$!
	within 300 runs_or_ended
	grep -q "^run: " "$dir/err" || complain "the lab did not come to its run"
}
runs_or_ended() {
	grep -q "^run: " "$dir/err" || ! kill -0 "$lab" 2>/dev/null
}

end_lab() { # end_lab WHAT SIGNAL STATUS
	start_lab 60
	[ "$(left_over | wc -l)" = 3 ] || complain "$1: not one lab and two QEMUs: $(left_over)"
	kill "-$2" "$lab"
	wait "$lab"
	status=$?
	[ "$status" = "$3" ] || complain "$1: exit status $status, expected $3"
	check_clean "$1"
	echo "done: $1"
}

end_lab "a lab that is interrupted" INT 130
end_lab "a lab that is terminated" TERM 143
end_lab "a lab that is killed" KILL 137

start_lab 12
sleep 3
for pid in $(left_over); do # one QEMU dies half-way
	grep -qz '^vm2,' "/proc/$pid/cmdline" && kill -KILL "$pid"
done
wait "$lab"
status=$?
expect "a QEMU that is killed" 1 "vm2: QEMU was killed"
grep -q '^vm1 *spin  *[0-9]' "$dir/out" || complain "the other VM's figures are not shown"

[ "$failed" = 0 ] || echo "$failed complaints"
[ "$failed" = 0 ]
