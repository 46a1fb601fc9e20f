# SPDX-License-Identifier: GPL-2.0-only
# What both worlds promise: the source that the userspace test conformance.c is made of, too.
# guest: smp=2 mem=1G
. ./common

load
log_start
insmod test_conformance.ko seed="${TEST_SEED:-1}" scale="$SCALE"
dmesg | sed -n 's/.*test_conformance: //p' >/tmp/conformance
while read -r line; do
	case "$line" in
	ok*) result 0 "${line#ok }" ;;
	"not ok"*) result 1 "${line#not ok }" ;;
	*) echo "$line" ;;
	esac
done </tmp/conformance
is "all tests ran" "$(grep -c 'ok ' /tmp/conformance)" 5
accounted 0 "after conformance"
check "unloads" rmmod test_conformance
unload
finish
