#!/bin/sh
# SPDX-License-Identifier: MIT
# screen.sh DESCHED VMDESCHED MAKE_RECORDING LIKE_VM: the screen in a real terminal (tmux's), driven by keys.
# A recording needs nothing; what is live needs root and BPF and is left out without. 77 without tmux.
# shellcheck disable=SC2317 # functions that are called by others and by the trap
set -eu
make_recording=$3
like_vm=$4
command -v tmux >/dev/null || {
	echo "skipped: no tmux"
	exit 77
}
dir=$(mktemp -d)
chmod 755 "$dir"
cp "$1" "$dir/desched" # for a user who may not look where it was built
cp "$2" "$dir/vmdesched"
desched=$dir/desched
socket=$dir/vmdesched.sock
daemon=
spinner=
recorder=
vms=
export TZ=UTC LC_ALL=C.UTF-8 TMUX_TMPDIR="$dir" TERM=screen-256color XDG_CONFIG_HOME="$dir/config"
unset TMUX NO_COLOR
status=0

# A server for each terminal: one that is about to end takes no new ones.
server=0
mux() {
	tmux -L "$server" -f /dev/null "$@"
}
# What runs in it ends first: AddressSanitizer looks for leaks when a program ends, and waits for ever where the
# terminal's end makes it go on at that moment.
end_terminal() {
	tty=$(mux list-panes -a -F '#{pane_tty}' 2>/dev/null) || return 0
	for pid in $(ps -o pid= -t "${tty#/dev/}"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	mux kill-server 2>/dev/null || true
}
cleanup() {
	end_terminal
	[ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
	[ -z "$recorder" ] || kill "$recorder" 2>/dev/null || true
	[ -z "$spinner" ] || kill "$spinner" 2>/dev/null || true
	for vm in $vms; do
		kill "$vm" 2>/dev/null || true
	done
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

complain() {
	echo "screen: $*" >&2
	show | sed 's/^/  | /' >&2
	status=1
}
show() {
	mux capture-pane -p -t screen 2>/dev/null || true
}
# start COMMAND...: it runs in a new terminal of 80 columns, which stays when it has ended.
rows=24
start() {
	end_terminal
	server=$((server + 1))
	mux new-session -d -s screen -x 80 -y $rows "$*; echo ENDED \$?; exec sleep 600"
}
keys() {
	mux send-keys -t screen "$@"
}
# within COMMAND...: it succeeds within two minutes.
within() {
	deadline=$(($(date +%s) + 120))
	until "$@" 2>/dev/null; do
		[ "$(date +%s)" -lt $deadline ] || return 1
		sleep 0.1
	done
}
shows() {
	show | grep -q -- "$1"
}
shows_not() {
	! shows "$1"
}
shows_first() {
	show | grep -A1 ' vmdesched *$' | tail -n 1 | grep -q -- "$1"
}
# see PATTERN: in time a line of the screen is like that. gone PATTERN: none is. first PATTERN: the
# first row below vmdesched is. until_true COMMAND...: it succeeds.
see() {
	within shows "$1" || complain "no '$1' on the screen:"
}
gone() {
	within shows_not "$1" || complain "still '$1' on the screen:"
}
first() {
	within shows_first "$1" || complain "'$1' is not the first row:"
}
until_true() {
	within "$@" || complain "not in time: $*"
}
expect() { # expect STATUS TEXT COMMAND...: it ends so, and says this in one line
	want=$1 text=$2
	shift 2
	got=0
	"$@" >"$dir/out" 2>"$dir/err" </dev/null || got=$?
	{ [ $got = "$want" ] && grep -q -- "$text" "$dir/err"; } || {
		echo "screen: '$*' ended with $got and said:" >&2
		cat "$dir/err" >&2
		status=1
	}
}

# Twenty frames, 3 s apart from 12:00:00 on: in each interval `alpha` has 1.2 s of true time and 0.6 s
# descheduled (40 % and 20 %), `beta` 0.3 s of true time (10 %).
frames() {
	k=1
	while [ $k -le 20 ]; do
		printf '{"schema":"desched-agent/1","source":"page","elapsed_s":%d,' $((3 * k))
		printf '"totals":{"true_s":%d.%d,"descheduled_s":%d.%d},' $((15 * k / 10)) \
			$((15 * k % 10)) $((6 * k / 10)) $((6 * k % 10))
		printf '"cpus":[{"cpu":0,"ledger_s":{"run":%d,"ready":1,"halt":1}}],' "$k"
		printf '"processes":[{"pid":7,"name":"beta","user":"root","cgroup":"/b","ppid":5,'
		printf '"true_s":%d.%d},' $((3 * k / 10)) $((3 * k % 10))
		printf '{"pid":6,"name":"\\u001b]0;evil\\u0007","user":"root","ppid":5},'
		printf '{"pid":5,"name":"alpha","user":"root","cgroup":"/a",'
		printf '"true_s":%d.%d,"descheduled_s":%d.%d}]}\n' $((12 * k / 10)) \
			$((12 * k % 10)) $((6 * k / 10)) $((6 * k % 10))
		k=$((k + 1))
	done
}
frames | "$make_recording" "$dir/a.rec"

# ---- a recording: step, seek, play ----
start "$desched" top --replay "$dir/a.rec"
see '#1 of 20  12:00:00'
keys Right
see '#2 of 20  12:00:03'
see '    5 root          60.0    40.0     20.0 |||||RR *alpha'
see ' busy 70.0 % = true 50.0 % + vmdesched 20.0 %'
keys ']'
see '#12 of 20'
keys g '#5' Enter
see '#5 of 20'
keys g '12:00:31' Enter
see '#11 of 20  12:00:30'
keys g '-12' Enter
see '#7 of 20'
keys g 'tomorrow' Enter
see "'tomorrow' is no place"
keys g '#18' Enter
see '#18 of 20'
gone 'is no place'
keys Space
see '#20 of 20'

# ---- order, filter, tree, groups, help ----
first alpha
keys n
first '?]0;evil?'
keys u
keys t
first alpha
keys t
first '?]0;evil?'
keys / b e t Enter
first beta
gone alpha
see "'bet': 1 of 3"
keys Escape
see alpha
keys T
see '└─beta'
keys G
see '    1  .* /b$'
see '└─alpha'
keys T G
keys '?'
see 'wanted to run and had no physical CPU'
keys x
gone 'wanted to run'

# ---- mouse: X10 reports for press and release at column 60, line 6 (COMMAND), and at column 13,
# line 3, where the history begins; each number is said as the character 32 further on ----
keys r
first alpha
mux send-keys -t screen -l "$(printf '\033[M \134&\033[M#\134&')"
first '?]0;evil?'
mux send-keys -t screen -l "$(printf '\033[M -#\033[M#-#')"
see '#1 of 20'

# ---- sizes ----
mux resize-window -t screen -x 132 -y 40
see 'COMMAND  *CGROUP'
see ' /b$'
mux resize-window -t screen -x 40 -y 8
see '^ desched'
mux resize-window -t screen -x 80 -y 24
see 'q Quit'
[ "$(mux display-message -p -t screen '#{pane_title}')" != evil ] ||
	complain "a name has changed the terminal's title"
keys q
see 'ENDED 0'
gone 'q Quit' # the terminal is as it was

# ---- colours, or none ----
start "$desched" top --replay "$dir/a.rec"
see '#1 of 20'
mux capture-pane -p -e -t screen | grep -q "$(printf '\033')\\[[0-9;]*3[1-7]" ||
	complain "no colours"
start env NO_COLOR=1 "$desched" top --replay "$dir/a.rec"
see '#1 of 20'
mux capture-pane -p -e -t screen | grep -q "$(printf '\033')\\[[0-9;]*[34][0-7]" &&
	complain "colours in spite of NO_COLOR"
start env LC_ALL=C "$desched" top --replay "$dir/a.rec"
see '#1 of 20'
keys T
see '|-beta'

# ---- signals, and what is no terminal, no recording ----
start "sh -c 'echo \$\$ >$dir/pid; exec $desched top --replay $dir/a.rec'"
see '#1 of 20'
kill "$(cat "$dir/pid")"
see 'ENDED 0'
# Whatever ends it, the terminal is as it was: with echo, lines and its own screen. 131: by SIGQUIT.
# AddressSanitizer would take SIGSEGV for a fault that it found, and print pages.
cat >"$dir/ends.sh" <<-END
	ulimit -c 0
	export ASAN_OPTIONS=handle_segv=0
	echo BEFORE
	stty -g >$dir/tty
	sh -c 'echo \$\$ >$dir/pid; exec $desched top --replay $dir/a.rec'
	echo "STATUS \$?"
	stty -g >$dir/tty.now
END
for end in HUP:0 QUIT:131 SEGV:139; do
	start sh "$dir/ends.sh"
	see '#1 of 20'
	kill "-${end%:*}" "$(cat "$dir/pid")"
	see "STATUS ${end#*:}"
	see 'BEFORE'
	see 'ENDED 0'
	cmp -s "$dir/tty" "$dir/tty.now" || complain "SIG${end%:*} left the terminal in another mode"
done
expect 1 'needs a terminal; -b prints' "$desched" top --replay "$dir/a.rec"
expect 1 'is no recording' "$desched" top --replay "$desched"
expect 1 'No such file' "$desched" top --replay "$dir/none.rec"

# ---- the tables of a recording, which holds 20 frames 3 s apart ----
tables() { # tables PATTERN N OPTION...: N lines of `desched top --replay` have it
	pattern=$1 n=$2
	shift 2
	found=$(TZ=UTC "$desched" top --replay "$dir/a.rec" "$@" | grep -c -- "$pattern" || true)
	[ "$found" = "$n" ] || {
		echo "screen: top --replay $*: $found lines with '$pattern', $n expected" >&2
		status=1
	}
}
tables '^ *5 *60.0 *40.0 *20.0   alpha$' 19 -b
tables '^ *7 *10.0 *10.0 *0.0   beta$' 19 -b
tables ' until 2026-11-20 12:00:06$' 1 -b
tables '"time_s":1795176006.0,"seconds":3.0,' 1 --json
tables '"pid":5,"name":"alpha","reported":0.6,"true":0.4,"descheduled":0.2,"unaccounted":0.0}' 19 --json
tables ', 12.0 s until ' 4 -b -d 10
tables ', 9.0 s until 2026-11-20 12:00:57$' 1 -b -d 10
tables '^desched top' 2 -b -n 2
expect 2 'expected FILE; --help' "$desched" record
start env TERM=nonesuch "$desched" top --replay "$dir/a.rec"
see "'nonesuch' is not known"
see 'ENDED 1'
head -c 500 "$dir/a.rec" >"$dir/cut.rec"
expect 1 'is cut off.*; 1 frame: a table is of what happened between two' "$desched" top --replay "$dir/cut.rec" -b
start "$desched" top --replay "$dir/cut.rec"
see 'is cut off: what follows is not shown'

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	as_nobody() {
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	}
else
	as_nobody() {
		"$@"
	}
fi
# ---- live, for everybody: what /proc tells; names of real processes reach no terminal as control
# characters, those of ISO 6429's upper half among them, and letters stay what they are ----
sh -c 'printf "e\303\251\302\2332J\033]" >/proc/$$/comm; while :; do :; done' &
evil=$!
shows_evil() { # on a busy machine it may have no CPU for a while
	as_nobody "$desched" top --guest -b -n 1 -d 0.5 >"$dir/out" 2>"$dir/err" || :
	grep -q "$(printf 'e\303\251?2J?]$')" "$dir/out"
}
within shows_evil ||
	complain "a hostile name: $(grep -a 2J "$dir/out" | od -c)"
kill $evil
if [ "$(id -u)" != 0 ] || command -v setpriv >/dev/null; then
	expect 0 'true time of processes cannot be shown: no vmdesched at' \
		as_nobody "$desched" top --guest -b -n 1 -d 0.3
	grep -q '%REPORTED' "$dir/out" || complain "no table without privilege"
	! grep -q hidepid "$dir/err" || complain "processes are said to be hidden: $(cat "$dir/err")"
fi
# Nobody's processes are shown but one's own, and it is said.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	cat >"$dir/hidden" <<-END
		mount -t proc -o hidepid=\$1 proc /proc && shift &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$desched" top "\$@"
	END
	for hide in 1 2; do
		expect 0 'desched top: /proc hides the processes of other users .*hidepid=0' \
			unshare --mount --propagation private sh "$dir/hidden" $hide --guest -b -n 1 -d 0.3
	done
	start unshare --mount --propagation private sh "$dir/hidden" 2 --guest -d 0.5
	see "hides the processes of other users"
	keys q
	gone 'q Quit'
fi

# ---- a host: VMs come and go under the screen, whose names are hostile or the same ----
rows=100
"$like_vm" -name "evil$$$(printf '\033]0;x\007\342\200\256')" &
evil=$!
vms="$vms $evil"
evil_row="^ *$evil .* evil$$?]0;x??*\$" # its name alone may also be said of another VM, which waited for it
# It is a host without being told so. There may be another VM's column of limited time on 80 columns.
start "$desched" top -d 0.5
see "$evil_row"
see '├─vCPU [01]$'
see '^ *PID  *%USED  *%RUN  *%RDY .*%OVHD ~%ENTL .*VM$'
# Both vCPUs share one CPU: an alarm, in white on red.
shows_alarm() {
	mux capture-pane -p -e -t screen | grep " evil$$" | grep -q "$(printf '\033')\\[[0-9;]*41m *[0-9.]*"
}
until_true shows_alarm
# Its own processes, and back.
keys V
see '^ *PID USER'
gone "$evil_row"
keys V
see "$evil_row"
"$like_vm" -name "web$$" &
web=$!
vms="$vms $web"
see "^ *$web .* web$$\$"
keys / w e b "$$" Enter # whatever else runs on this machine
see "'web$$': 1 of "
gone "$evil_row"
see '└─vCPU [01]$'
# The chosen row is still the one that is hidden now, so the first is.
keys Home Enter
see " web$$ +2\$"
gone 'vCPU [01]$'
keys Enter
see 'vCPU 1$'
keys H
gone 'vCPU [01]$'
see " web$$ +2\$"
keys Enter
see 'vCPU 1$'
keys H H
gone 'vCPU [01]$'
keys r W
see 'kept in '
keys '?'
see 'unfold all VMs into their vCPUs'
keys x + + # two seconds to see it in
kill "$web"
see " w[^ ]* (ended) +2\$" # the name may be cut
gone "(ended)"
keys q
see 'ENDED 0'
grep -A1 '^\[host\]$' "$dir/config/desched/top.ini" | grep -q '^sort = ready$' ||
	complain "the host's order was not kept"
rm -f "$dir/config/desched/top.ini"
start env NO_COLOR=1 "$desched" top -d 0.5
see " evil$$"
shows_reverse() {
	mux capture-pane -p -e -t screen | grep " evil$$" | grep -q "$(printf '\033')\\[[0-9;]*7m *[0-9.]*"
}
until_true shows_reverse
keys q
see 'ENDED 0'
# As a file of esxtop's: awk, which knows nothing of it, finds the columns by their names; the four states that
# esxtop's manual adds up are 100 %, but for the time from the first VM's reading to the last one's; and what
# `desched data` makes of the file is what awk does.
first=${vms# }
first=${first%% *}
"$desched" top --esxtop -n 3 -d 2 >"$dir/host.csv"
awk -F'","' -v vm="Vcpu($first:" '
	NR == 1 {
		for (i = 2; i <= NF; i++) {
			n = split($i, part, "\\\\")
			if (index($i, vm) && index($i, ":vmx-vcpu-0:")) {
				sub(/"$/, "", part[n])
				at[part[n]] = i
			}
		}
		next
	}
	{
		sum = $at["% Run"] + $at["% Ready"] + $at["% CoStop"] + $at["% Wait"]
		if (sum < 98 || sum > 102) {
			print "states of vCPU 0 sum up to " sum >"/dev/stderr"
			bad = 1
		}
		if (NR > 2)
			run += $at["% Run"] / 2 / 100
	}
	END { printf "%.3f\n", run; exit bad || NR != 4 }' "$dir/host.csv" >"$dir/run" || complain "a file of esxtop's"
"$desched" data --all "$dir/host.csv" | awk -v pid="$first" '$1 == "vcpu" && $2 == "cpu" && $0 ~ pid && / 0( |,|$)/ {print $6}' >"$dir/read"
grep -q . "$dir/read" || complain "desched data finds no vCPU: $("$desched" data --all "$dir/host.csv")"
awk 'NR == FNR {run = $1; next} {d = run - $1; if (d < 0) d = -d; if (d > 0.0011) exit 1}' "$dir/run" "$dir/read" ||
	complain "esxtop's file has $(cat "$dir/run") CPUs of vCPU 0, desched data $(cat "$dir/read")"
# Nobody needs privilege for it; what is less then is said.
expect 0 'only run and ready' as_nobody "$desched" top --host -b -n 1 -d 0.3
grep -q " evil$$?]0;x??$" "$dir/out" || complain "nobody is not shown the VM: $(cat "$dir/out")"

# ---- live, with BPF; there is room for all that is busy on this machine ----
rows=400
"$desched" top -b -n 1 -d 0.1 --source self >/dev/null 2>"$dir/err" || {
	echo "live part left out: $(cat "$dir/err")"
	exit $status
}
sh -c 'while :; do :; done' &
spinner=$!
start "$desched" top -d 0.5 --source self
see "own agent, source self"
see "^ *$spinner "
keys Space
see paused
keys q
see 'ENDED 0'

"$desched" record -q -n 4 -d 0.3 "$dir/live.rec"
start "$desched" top --replay "$dir/live.rec"
see '#1 of 4'
keys ']'
see '#4 of 4'
see "^ *$spinner "
expect 1 'is there already' "$desched" record -n 1 "$dir/live.rec"
# A file that may not grow: 200 blocks of 512 bytes.
expect 1 'File too large' sh -c "ulimit -f 200; exec '$desched' record -d 0.05 '$dir/full.rec'"
start "$desched" top --replay "$dir/full.rec"
see '#1 of '
gone 'is cut off'

# vmdesched answers, dies, and comes back under the screen.
"$dir/vmdesched" --source self --socket "$socket" &
daemon=$!
# shellcheck disable=SC2016 # the inner shell's
until_true sh -c '"$1" top -b -n 1 -d 0.1 --socket "$2" | grep -q "source self"' sh "$desched" "$socket"
start "$desched" top -d 0.5 --socket "$socket"
see ' desched top   vmdesched, source self'
see "^ *$spinner "
"$desched" record -d 0.2 --socket "$socket" "$dir/gap.rec" 2>"$dir/gap.err" &
recorder=$!
until_true test -s "$dir/gap.rec"
kill "$daemon"
wait "$daemon" || true
see 'no vmdesched at'
until_true grep -q 'a frame is missing: no vmdesched' "$dir/gap.err"
"$dir/vmdesched" --source self --socket "$socket" &
daemon=$!
gone 'no vmdesched at'
see "^ *$spinner "
size=$(wc -c <"$dir/gap.rec")
# shellcheck disable=SC2016 # the inner shell's
until_true sh -c '[ $(wc -c <"$1") -gt $2 ]' sh "$dir/gap.rec" "$size"
kill "$recorder"
wait "$recorder" || complain "desched record ended badly: $(cat "$dir/gap.err")"
recorder=
grep -Eq ' [0-9]+ frames, .*; [0-9]+ missing' "$dir/gap.err" ||
	complain "desched record does not say what is missing: $(cat "$dir/gap.err")"
# The daemon stands still for longer than one answer is waited for, as when the whole machine is away:
# everybody waits, says so, and goes on.
"$desched" top -b -n 2 -d 0.5 --socket "$socket" >"$dir/away.out" 2>"$dir/top.err" &
top=$!
until_true test -s "$dir/away.out"
kill -STOP "$daemon"
"$desched" history --socket "$socket" >"$dir/history.out" 2>"$dir/history.err" &
history=$!
"$desched" gaps --json --socket "$socket" >"$dir/gaps.out" 2>"$dir/gaps.err" &
gaps=$!
for who in top history gaps; do
	until_true grep -q "^desched $who: waiting: vmdesched at " "$dir/$who.err"
done
kill -CONT "$daemon"
for pid in $top $history $gaps; do
	wait "$pid" || complain "ended while vmdesched was away: $(cat "$dir/top.err" "$dir/history.err" "$dir/gaps.err")"
done
[ "$(grep -c '^desched top - source self' "$dir/away.out")" = 2 ] || complain "no table after vmdesched was away"
grep -q '^UNTIL .*%UNACCOUNTED' "$dir/history.out" || complain "no history: $(cat "$dir/history.out")"
grep -q '"schema":"desched-gaps/1"' "$dir/gaps.out" || complain "no gaps: $(cat "$dir/gaps.out")"

# What is kept is what the next one begins with.
start "$desched" top -d 0.5 --socket "$socket"
see "^ *$spinner "
keys d W
see 'kept in '
keys q
see 'ENDED 0'
grep -q '^sort = descheduled$' "$dir/config/desched/top.ini" || complain "the order was not kept"
printf '[top]\nsort = size\n' >"$dir/config/desched/top.ini"
expect 2 'top.ini:2: no order' "$desched" top --socket "$socket"
rm -f "$dir/config/desched/top.ini"

if command -v setpriv >/dev/null; then
	chmod 666 "$socket"
	as_nobody "$desched" top -b -n 1 -d 0.5 --socket "$socket" >"$dir/out" 2>&1 ||
		complain "nobody may not ask vmdesched"
	grep -Eq "^ *$spinner +[0-9.]+ +[0-9.]+ +[0-9.]+ " "$dir/out" ||
		complain "nobody is not told of $spinner: $(cat "$dir/out")"
fi
exit $status
