#!/bin/sh
# SPDX-License-Identifier: MIT
# embed.sh EXAMPLE: docs/examples/embed.c gives two VMs a minute of one CPU by their shares, 3 to 1.
set -eu
out=$("$1")
expected='vCPU 0: 45.0 s
vCPU 1: 15.0 s'
[ "$out" = "$expected" ] && exit 0
echo "embed: got '$out', expected '$expected'" >&2
exit 1
