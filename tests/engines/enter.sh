#!/bin/sh
# Become a command within another root: enter.sh ROOT SCRATCH FOLDER... -- COMMAND
#
# To be run in a mount namespace and a process namespace of its own, which take everything with them when they end. ROOT
# is only read, and what is written goes to memory; SCRATCH is an empty folder to mount it on. Each FOLDER is found at
# the same place inside. A network without a way out gets its loopback, and a resolver that refuses at once: what asks for
# a name that is gone would wait for one that can't be reached.
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
if [ -z "$(ip route show default)" ]; then
    ip address add 192.0.2.53/32 dev lo
    echo nameserver 192.0.2.53 >/etc/resolv.conf
fi
exec "$@"
