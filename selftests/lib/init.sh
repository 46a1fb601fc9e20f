#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# /init of a guest. The kernel's log is on ttyS0, what the guest's scripts print is on ttyS1, so
# neither tears the other's lines. /test/run lists the scripts, one command a line; begin and end
# of each is written to both, and qemu.sh reads the result from there.
export PATH=/sbin:/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
[ -c /dev/null ] || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr

exec </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw 115200
cd /test || exit 1
[ -f /test/env ] && . /test/env

mark() {
	echo "<5>guest: $*" >/dev/kmsg
	echo "guest: $*"
}

# A script that leaves modules behind would spoil the next one's start. Newest first, as lsmod lists.
unload_leftovers() {
	for module in $(lsmod | sed -n 's/^\(poolalloc[^ ]*\|test_[^ ]*\) .*/\1/p'); do
		rmmod "$module" 2>/dev/null && echo "# guest: $module was left loaded"
	done
}

# With DEBUG_KMEMLEAK: what nothing points to is told in the kernel's log, but for what the kernel has
# lost while it booted. kmemleak looks at nothing younger than five seconds; what has changed since the
# last look waits for the next one. That takes long, so it is done once, in the last script's name.
KMEMLEAK=/sys/kernel/debug/kmemleak
leaks() {
	[ -e $KMEMLEAK ] || return
	{
		sleep 6
		echo scan >$KMEMLEAK
		echo scan >$KMEMLEAK
	} 2>/dev/null
	awk 'function flush() { if (text !~ /comm "swapper/) printf "%s", text; text = "" }
		/^unreferenced object/ { flush() } { text = text $0 "\n" } END { flush() }' $KMEMLEAK |
	head -n 70 | while read -r leak; do
		echo "<4>kmemleak: $leak" >/dev/kmsg
	done
}

left=$(wc -l </test/run)
mark "up $(uname -r)"
while read -r name command; do
	[ -n "$name" ] || continue
	mark "begin $name"
	timeout -s KILL "${GUEST_TIMEOUT:-600}" sh -c "$command"
	status=$?
	unload_leftovers
	left=$((left - 1))
	[ $left = 0 ] && leaks
	mark "end $name $status"
done </test/run
mark "done"
sync
# The last characters must have left the port before the machine stops.
sleep 0.2
reboot -f
