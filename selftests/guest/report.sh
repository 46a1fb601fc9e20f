# SPDX-License-Identifier: GPL-2.0-only
# The form of /proc/poolalloc.
# guest: backend=pool smp=2 mem=1G
. ./common

# What a report of the other backend says is in backend.sh.
POOLALLOC_BACKEND=pool
load && load_test
scenario hold 30

is "first line" "$(head -n 1 $PROC)" "poolalloc - version: 1"
is "geometry" "$(sed -n 's/^geometry //p' $PROC)" "${POOLALLOC_GEOMETRY:-seed}"
cp $PROC /tmp/report
cp $PROC /tmp/again
is "two reports of an idle heap are the same" "$(cat /tmp/report)" "$(cat /tmp/again)"
for name in arena_bytes pool_bytes empty_arenas arenas_mapped arenas_unmapped live_blocks live_bytes \
	fragmentation; do
	is "one line $name N" "$(grep -cE "^$name [0-9]+\$" /tmp/report)" 1
done
for name in arenas mapped_bytes pools; do
	is "one line $name N peak N" "$(grep -cE "^$name [0-9]+ peak [0-9]+\$" /tmp/report)" 1
	at_most "$name is not above its peak" "$(value $name)" "$(peak $name)"
done
is "backend" "$(sed -n 's/^backend //p' $PROC)" pool
is "a row per CPU" "$(grep -cE '^slot +[0-9].* cpu[0-9]+$' /tmp/report)" "$(nproc)"
is "a row per node" "$(grep -cE '^node +[0-9]' /tmp/report)" 1
is "one identity" "$(grep -cE '^identity [0-9]+ = live [0-9]+ \+ free [0-9]+ \+ descriptors [0-9]+ \+ uncarved [0-9]+ ok$' /tmp/report)" 1
is "no other kind of line" "$(grep -cvE '^(#|poolalloc - |geometry |backend |[a-z_]+ [0-9]+( peak [0-9]+)?$|class |slot |node |identity )' /tmp/report)" 0
is "no addresses" "$(grep -cE '0x|ffff' /tmp/report)" 0

# Each row has as many columns as its heading.
for kind in class slot node; do
	heading=$(sed -n "s/^# \($kind .*\)/\1/p" /tmp/report | wc -w)
	is "columns of $kind" "$(awk -v kind=$kind '$1 == kind { print NF }' /tmp/report | sort -u)" "$heading"
done

# Sums: the classes' rows make the totals.
sums=$(awk '$1 == "class" { blocks += $4; bytes += $7; if ($7 != $2 * $4) bad++ }
	END { print blocks, bytes, bad + 0 }' /tmp/report)
is "the classes add up" "$sums" "$(value live_blocks) $(value live_bytes) 0"
is "each class's fragmentation" "$(awk '$1 == "class" && $10 != int($8 * 100 / ($7 + $8))' /tmp/report)" ""
is "the nodes' peak of pools" "$(awk '$1 == "node" { n += $8 } END { print n }' /tmp/report)" "$(peak pools)"
is "the identity adds up" "$(awk '$1 == "identity" { print $2 - $5 - $8 - $11 - $14 }' /tmp/report)" 0
is "arenas times their size" "$(awk '$1 == "identity" { print $2 }' /tmp/report)" \
	"$(($(value arenas) * $(value arena_bytes)))"

scenario release
accounted 0 "at the end"
is "no class with live blocks" "$(awk '$1 == "class" && $4' $PROC | wc -l)" 0
dd if=$PROC of=/tmp/pieces bs=7 2>/dev/null
is "read in pieces" "$(tail -n 1 /tmp/pieces)" "$(tail -n 1 $PROC)"
check "unloads with the file open" sh -c "exec 5<$PROC; rmmod test_poolalloc && rmmod poolalloc; cat <&5 >/dev/null 2>&1; true"
check "and loads again" load
check "and unloads" rmmod poolalloc
finish
