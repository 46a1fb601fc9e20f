#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# make demo: the allocations of real programs, recorded, and performed again by poolalloc in a
# Linux kernel (Debian's, in QEMU) and by libpoolalloc in userspace. Where most objects are live,
# the live blocks of every size class must be the same in both, by the replay's own count and by
# poolalloc's statistics.
#
#   DEMO_KERNEL=6.12 make demo     another of Debian's kernels (default 6.1)
#
# Everything made is in build/demo: the traces, what the guest printed, the kernel's log.
set -u
. "$(dirname "$0")/lib/common.sh"

kernel=${DEMO_KERNEL:-6.1}
geometry=${GEOMETRY:-seed}
limit=32768
work=$POOLALLOC_BUILD/demo
tool=$POOLALLOC_ROOT/userspace/poolalloc-trace
traces="python3 sqlite3"
step=0

say() {
	step=$((step + 1))
	printf '\n== demo %d: %s\n' "$step" "$*"
}

fail() {
	echo "demo: FAILED: $*" >&2
	exit 1
}

build() {
	say "build the library, the tools and the modules for Linux $kernel"
	make --no-print-directory -C "$POOLALLOC_ROOT" userspace ${GEOMETRY:+GEOMETRY="$GEOMETRY"} ||
		fail "the library does not build"
	[ -x "$tool" ] || make --no-print-directory -C "$POOLALLOC_ROOT/userspace" \
		-f tools/tools.mk tools || fail "poolalloc-trace does not build"
	modules=$("$LIB_DIR/kmod.sh" --tests --kernel "$kernel" --geometry "$geometry" \
		--out "$work/kmod-$kernel-$geometry") || fail "the modules do not build"
	ls -l "$modules/poolalloc.ko" "$modules/selftests/modules/poolalloc_replay.ko"
}

python_program() {
	cat <<-'END'
	import ast, collections, json
	trees = [ast.parse(open(m.__file__).read()) for m in (json, json.decoder, ast)]
	names = collections.Counter(type(n).__name__ for t in trees for n in ast.walk(t))
	records = [{"id": i, "name": "row %d" % i, "tags": ["a%d" % (i % 7), str(i * i)]}
	           for i in range(4000)]
	back = json.loads(json.dumps(records))
	assert back == records
	by_tag = {}
	for r in back:
	    by_tag.setdefault(r["tags"][0], []).append(r["name"].upper())
	print("python3: %d kinds of node, %d records, %d tags" % (len(names), len(back), len(by_tag)))
	END
}

sqlite_program() {
	cat <<-'END'
	CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, price REAL, stock INT);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
	INSERT INTO item SELECT i, 'item ' || (i * 7919 % 6007), i * 0.25, i % 17 FROM n;
	CREATE INDEX by_name ON item(name);
	CREATE VIEW poor AS SELECT * FROM item WHERE stock < 3;
	SELECT 'sqlite3: ' || count(*) || ' rows, ' || count(DISTINCT stock) || ' stocks' FROM item;
	SELECT length(group_concat(name)) FROM (SELECT name FROM poor ORDER BY price DESC);
	SELECT sum(length(json_group)) FROM
	  (SELECT json_group_array(json_object('n', name, 'p', price)) AS json_group
	   FROM item GROUP BY stock);
	UPDATE item SET name = upper(name) WHERE id % 3 = 0;
	DELETE FROM item WHERE id % 5 = 0;
	SELECT count(*) FROM item a JOIN item b ON a.name = upper(b.name);
	END
}

record() {
	local t

	say "record the programs"
	python_program >"$work/program.py"
	sqlite_program >"$work/program.sql"
	PYTHONMALLOC=malloc PYTHONHASHSEED=0 "$tool" record -o "$work/python3.trace" -- \
		python3 "$work/program.py" || fail "recording python3"
	"$tool" record -o "$work/sqlite3.trace" -- \
		sqlite3 -batch -init /dev/null :memory: <"$work/program.sql" || fail "recording sqlite3"
	for t in $traces; do
		printf '\n-- info %s.trace\n' "$t"
		"$tool" info "$work/$t.trace" || fail "$t.trace cannot be read"
	done
}

# Runs in the guest. Marks cut its output into the files that are compared.
guest_script() {
	cat <<-'END'
	dir=/proc/poolalloc_replay
	wait_for() {
		while :; do
			state=$(sed -n 's/^state //p' $dir/status)
			[ "$state" = "$1" ] && return 0
			case "$state" in running|idle|peak) sleep 0.2 ;; *) break ;; esac
		done
		cat $dir/status
		return 1
	}
	replay() {
		echo pause >$dir/control || return 1
		cat "/test/$1.trace" >$dir/trace &
		wait_for peak || return 1
		echo "@ $1.kernel-replay"
		cat $dir/status
		echo "@ $1.kernel-proc"
		cat /proc/poolalloc
		echo "@ log"
		echo resume >$dir/control && wait $! && wait_for done || return 1
		echo reset >$dir/control && echo "$1: replayed to its end, every block checked"
	}
	insmod /test/poolalloc.ko && insmod /test/poolalloc_replay.ko || exit 1
	uname -sr
	echo "spread 64" >$dir/control
	for t; do
		replay "$t" || exit 1
	done
	rmmod poolalloc_replay && rmmod poolalloc && echo "both modules unloaded"
	END
}

replay_in_kernel() {
	local t files=()

	say "replay in Linux $kernel, in QEMU (it boots for some 10 seconds)"
	guest_script >"$work/guest.sh"
	for t in $traces; do files+=(--file "$work/$t.trace"); done
	"$LIB_DIR/qemu.sh" --kernel "$kernel" --timeout 600 --console "$work/console" \
		--file "$modules/poolalloc.ko" --file "$work/guest.sh" "${files[@]}" \
		--file "$modules/selftests/modules/poolalloc_replay.ko" \
		-- sh /test/guest.sh "$traces" >"$work/guest.out"
	status=$?
	rm -f "$work"/*.kernel-*
	awk -v dir="$work" '/^@ log$/ { out = ""; next } /^@ / { out = dir "/" $2; next }
		out { print >out; next } { print }' "$work/guest.out"
	[ "$status" = 0 ] || fail "in the guest (status $status); its output is $work/guest.out"
	for t in $traces; do
		printf '\n-- /proc/poolalloc in the kernel, at the peak of %s\n' "$t"
		cat "$work/$t.kernel-proc" || fail "the guest did not show /proc/poolalloc"
	done
}

replay_in_userspace() {
	local t out

	say "replay in userspace"
	for t in $traces; do
		out=$work/$t.user
		"$tool" replay --stop-at-peak --limit $limit --copy --stats "$work/$t.trace" >"$out" ||
			fail "replaying $t in userspace"
		sed '/^poolalloc - version/,$d' "$out" >"$out-replay"
		sed -n '/^poolalloc - version/,$p' "$out" >"$out-proc"
		printf '\n-- statistics of libpoolalloc, at the peak of %s\n' "$t"
		cat "$out-proc"
		"$tool" replay --limit $limit "$work/$t.trace" | sed -n "1s/^/to the end: /p"
		[ "${PIPESTATUS[0]}" = 0 ] || fail "replaying all of $t in userspace"
	done
}

# Both kinds of file become lines "SIZE BLOCKS", by size, of the classes with live blocks.
live_of() {
	case "$1" in
	*-replay) awk '$1 == "live" { print $2, $3 }' "$1" ;;
	*-proc) awk '$1 == "class" && $4 > 0 { print $2, $4 }' "$1" ;;
	esac | sort -n
}

compare() {
	local t side

	say "compare"
	for t in $traces; do
		live_of "$work/$t.kernel-replay" >"$work/$t.live"
		[ -s "$work/$t.live" ] || fail "$t: nothing is live at its peak"
		for side in kernel-proc user-replay user-proc; do
			live_of "$work/$t.$side" | diff -u "$work/$t.live" - >"$work/$t.diff" && continue
			cat "$work/$t.diff"
			fail "$t: live blocks of $side differ from those of kernel-replay (SIZE BLOCKS)"
		done
		for side in kernel user; do
			grep -q '^failed 0$' "$work/$t.$side-replay" || fail "$t: requests failed in $side"
			grep -q '^identity .* ok$' "$work/$t.$side-proc" || fail "$t: identity in $side"
		done
		awk -v t="$t" '{ n += $2 } END { print t ": " n " live blocks in " NR " classes" }' \
			"$work/$t.live"
	done
	for t in $traces; do cat "$work/$t.live"; done |
		awk '{ n += $2; cls[$1] } END { for (c in cls) m++
			print "demo: kernel and userspace agree: " n " live blocks in " m " classes" }'
}

mkdir -p "$work" || fail "cannot create $work"
start=$SECONDS
build
record
replay_in_kernel
replay_in_userspace
(compare) >"$work/verdict" || { cat "$work/verdict"; exit 1; }
sed '$d' "$work/verdict"
echo "($((SECONDS - start)) seconds)"
tail -n 1 "$work/verdict"
