# SPDX-License-Identifier: GPL-2.0-only
# /proc/poolalloc: what may be written to it, by whom; many reads beside allocation.
# guest: backend=pool smp=2 mem=1G
. ./common

POOLALLOC_BACKEND=pool

# writes TEXT STATUS COMMAND...: the command's output is written; does the write succeed?
writes() {
	writes_text=$1 writes_status=$2
	shift 2
	if "$@" 2>/dev/null >/tmp/word && dd if=/tmp/word of=$PROC bs=64 2>/dev/null; then got=0; else got=1; fi
	is "$writes_text" $got "$writes_status"
}

load reserve=0 && load_test
scenario hold 300
scenario release
high=$(peak arenas)
writes "trim" 0 echo trim
at_most "nothing is left" "$(value arenas)" 0
for name in arenas mapped_bytes pools; do
	[ "$(peak $name)" -gt "$(value $name)" ]
	result $? "the peak of $name is kept"
done
is "the node's too" "$(awk '$1 == "node" { print $4 }' $PROC)" "$high"
writes "reset_peaks" 0 echo reset_peaks
for name in arenas mapped_bytes pools; do
	is "the peak of $name starts again" "$(peak $name)" "$(value $name)"
done
writes "without a newline" 0 printf trim
writes "without a newline" 0 printf reset_peaks

# Anything else is EINVAL: dd tells which error it was.
for word in '' ' ' x tri trimm 'trim ' ' trim' 'trim 1' TRIM reset_peak reset-peaks 'trim\n\n' '\n' 'trim\0x' \
	'trim\nreset_peaks' 01234567890123456789012345678901234567890123456789; do
	printf "$word" >/tmp/word
	[ -s /tmp/word ] || printf '\0' >/tmp/word
	dd if=/tmp/word of=$PROC bs=64 2>&1 >/dev/null | grep -q 'Invalid argument'
	result $? "'$(tr '\n\0' '_@' </tmp/word)' is EINVAL"
done

# Root of a user namespace, and others.
chmod 755 / /bin
echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
if unshare -U -r true 2>/dev/null; then
	unshare -U -r sh -c "echo trim >$PROC" 2>/dev/null
	is "root of a user namespace may not write" $? 1
else
	tap_skip "root of a user namespace may not write" "no user namespaces"
fi
su nobody -c "cat $PROC" >/dev/null 2>&1
is "others may not read" $? 1
su nobody -c "echo trim | dd of=$PROC" 2>/dev/null
is "nor write" $? 1
unload
load world_readable=1 && load_test
su nobody -c "grep -q '^identity ' $PROC"
is "world_readable=1: others may read" $? 0
su nobody -c "echo trim | dd of=$PROC" 2>/dev/null
is "but not write" $? 1

# Beside threads that allocate and free all the time.
scenario hold 50
scenario start 2
scenario reads "$(scaled 10000)"
is "a reader in pieces" "$(dd if=$PROC bs=100 2>/dev/null | grep -c '^identity ')" 1
scenario stop
scenario release
accounted 0 "after all"
unload
finish
