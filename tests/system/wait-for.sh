# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Sourced by scripts that have fail().

wait_for() { # wait_for WHAT COMMAND...: for a minute
	what=$1
	shift
	for _ in $(seq 300); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
	done
	fail "no $what after a minute"
}
