#!/bin/sh
# SPDX-License-Identifier: MIT
# fresh.sh [SUITE] [COMMAND...]: the two README commands on a fresh Debian with nothing but git and make,
# in a directory made by mmdebstrap (needs root and mmdebstrap). SUITE: bookworm (default), trixie.
# The mirror is this machine's own. Not part of 'make test': it installs some hundred packages.
set -eu
cd "$(dirname "$0")/../.."
suite=${1:-bookworm}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- sh -ec 'make lab && make test'

command -v mmdebstrap >/dev/null || {
	echo "fresh: mmdebstrap is not installed: apt-get install mmdebstrap" >&2
	exit 77
}
mirror=$(scripts/mirror)

root=$(mktemp -d /var/tmp/desched-fresh.XXXXXX)
clean() {
	for at in dev sys proc; do
		mountpoint -q "$root/$at" && umount -R -l "$root/$at"
	done
	mountpoint -q "$root" && umount -l "$root"
	rm -rf --one-file-system "$root"
}
trap clean EXIT
trap 'exit 130' INT TERM

mmdebstrap --quiet --variant=apt --include=git,make,ca-certificates "$suite" "$root" "$mirror"
cp /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
mount --bind "$root" "$root" # / is a mount there, as in a container
mkdir -p "$root/root/desched"
git archive HEAD | tar -x -C "$root/root/desched"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --make-rslave "$root/sys"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"

chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 CI="${CI:-}" \
	sh -ec 'cd /root/desched && git init -q . && git add -A && exec "$@"' fresh "$@"
