# SPDX-License-Identifier: GPL-2.0-only
# The example for authors of modules: kmod/examples/poolalloc_table.c.
# guest: smp=2 mem=1G
. ./common

TABLE=/proc/poolalloc_table

# command TEXT STATUS LINE
command_is() {
	if echo "$3" 2>/dev/null >$TABLE; then got=0; else got=1; fi 2>/dev/null
	is "$1" $got "$2"
}

load reserve=0
check "the example loads" insmod poolalloc_table.ko fill=5000
is "5000 records" "$(wc -l <$TABLE)" 5000
is "as many live blocks" "$(value live_blocks)" 5000
accounted 5000 "a table of variable sizes"
# Between 24 bytes and 1 KiB in 8-byte steps: more classes than kmalloc has.
[ "$(grep -c '^class ' $PROC)" -gt 40 ]
result $? "records of $(grep -c '^class ' $PROC) sizes"
rmmod poolalloc 2>/dev/null
is "poolalloc stays while it is used" $? 1

command_is "a new key" 0 "set colour blue and green"
is "its value" "$(sed -n 's/^colour //p' $TABLE)" "blue and green"
command_is "a longer value" 0 "set colour $(printf '%0500d' 7)"
is "is there instead" "$(sed -n 's/^colour //p' $TABLE)" "$(printf '%0500d' 7)"
is "once" "$(grep -c '^colour ' $TABLE)" 1
command_is "an old key" 0 "set key17 x"
is "has a new value" "$(sed -n 's/^key17 //p' $TABLE)" "x"
command_is "a key goes" 0 "del colour"
is "it is gone" "$(grep -c '^colour ' $TABLE)" 0
command_is "it cannot go twice" 1 "del colour"
for line in "" set "set k" "set  v" get "put k v"; do
	command_is "'$line' is refused" 1 "$line"
done

# Readers beside writers.
writes=$(scaled 300) reads=$(scaled 20)
(
	i=0
	while [ $i -lt "$writes" ]; do
		echo "set beside $(printf '%0*d' $((i % 400 + 1)) 0)" >$TABLE
		i=$((i + 1))
	done
) &
bad=0
i=0
while [ $i -lt "$reads" ]; do
	[ "$(grep -c '^key[0-9]* ' $TABLE)" = 5000 ] || bad=$((bad + 1))
	i=$((i + 1))
done
wait
is "readers beside a writer always see every key" $bad 0

log_start
check "the example unloads" rmmod poolalloc_table
check "and poolalloc right behind it" rmmod poolalloc
log_has "leak:"
is "nothing leaked" $? 1
finish
