#!/bin/bash
# boot.sh FOLDER INSTALLED: the first process of new namespaces becomes a systemd whose root is a
# throw-away overlay: this machine's root, what is INSTALLED over it, and what is written, in memory.
# Only what is below /var/lib/musterd and /var/lib/valkey outlives it, in FOLDER/state.
set -eu
folder=$1 installed=$2
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$folder/rw"
mkdir "$folder/rw/upper" "$folder/rw/work"
# Not as a layer: one that lies within another is refused.
cp -a "$installed"/* "$folder/rw/upper"
mount -t overlay -o "lowerdir=/,upperdir=$folder/rw/upper,workdir=$folder/rw/work" overlay "$folder/root"
cd "$folder/root"
for name in musterd valkey; do
  mkdir -p "var/lib/$name"
  mount --bind "$folder/state/$name" "var/lib/$name"
done
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=0755 tmpfs sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs run
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
# What would reach for the machine's devices, kernel or terminals.
for unit in systemd-tmpfiles-setup systemd-tmpfiles-clean systemd-sysctl systemd-udevd systemd-resolved; do
  ln -sf /dev/null "etc/systemd/system/$unit.service"
done
# A true change of root: below a chroot no process may make a user namespace.
mkdir -p oldroot
pivot_root . oldroot
cd /
umount -l oldroot
rmdir oldroot
mount --make-rshared /  # as systemd does where it knows of no container: credentials are mounted so
export container=tests
exec /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=0
