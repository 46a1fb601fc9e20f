# SPDX-License-Identifier: GPL-2.0-only
# Every function: sizes, contexts, flags; memory that fails to come.
# guest: smp=2 mem=1G
. ./common

load spare=8 && load_test
scenario api
accounted 0 "after api"
scenario contexts
accounted 0 "after contexts"
scenario object "$(sed -n 's/^pool_bytes //p' $PROC | grep . || echo 0)"
accounted 0 "after checks of objects"
scenario hold 20
accounted "$((20 * 26 * $(nproc)))" "holding blocks"
scenario release
accounted 0 "after release"

# An error path at every arena that the scenario asks for; with backend=slab at the blocks, which are many
# and have all the same one.
n=0
failed=1
has_pools && step=1 || step=$SCALE
while [ "$failed" != 0 ] && [ $n -lt 200 ]; do
	n=$((n + step))
	echo trim >$PROC
	echo $n >$PARAMS/fail_nth
	echo fail >$TEST
	failed=$(sed -n 's/^# failed //p' $TEST)
	if grep -q '^not ok' $TEST || [ "$(value live_blocks)" != 0 ] ||
	   { has_pools && ! grep -q '^identity .* ok$' $PROC; }; then
		echo "# when arena $n fails:"
		sed 's/^/#  /' $TEST $PROC
		n=0
		break
	fi
done
echo 0 >$PARAMS/fail_nth
[ $n -gt "$step" ] && [ "$failed" = 0 ]
result $? "each request for memory up to number $n (in steps of $step) failed once, nothing leaked"
unload

load max_arenas=4 && load_test
scenario exhaust 64
scenario exhaust 512
scenario exhaust 32768
has_pools && at_most "max_arenas=4 was a limit" "$(peak mapped_bytes)" $((4 * $(value arena_bytes)))
accounted 0 "after exhaustion"
check "unloads" unload
finish
