#!/bin/sh
# Become a command within another root: enter.sh ROOT SCRATCH FOLDER... -- COMMAND
#
# To be run in a mount namespace and a process namespace of its own, which take everything with them when they end. ROOT
# is only read, and what is written goes to memory; SCRATCH is an empty folder to mount it on. Each FOLDER is found at
# the same place inside. A network namespace that is still without anything gets its loopback.
set -eu
root=$1 scratch=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=0755 engine "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" engine "$scratch/root"
cd "$scratch/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
cp -L /etc/resolv.conf /etc/hosts etc/
while [ "$1" != -- ]; do
    mkdir -p ".$1"
    mount --bind "$1" ".$1"
    shift
done
shift
mkdir before
pivot_root . before
cd /
umount -l before
rmdir before
ip link set lo up
exec "$@"
