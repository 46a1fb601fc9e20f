# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Sourced by programs.sh: the programs that make check runs too.
# shellcheck shell=bash

# regrtest's summaries without its clocks; a test that is missing here fails the comparison.
python_tests() {
	local out status

	use_root
	export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
	out=$("$root/usr/bin/python3.11" -m test -v --timeout 900 "$@" 2>&1)
	status=$?
	printf '%s\n' "$out" >&2
	printf '%s\n' "$out" |
		grep -E '^Ran [0-9]+ tests?|^(OK|FAILED)|^[0-9]+ tests? |^test_[a-z_0-9]+ (failed|skipped|crashed)|^Tests? result' |
		sed 's/ in [0-9.]*s$//'
	return "$status"
}

python_script() {
	PYTHONMALLOC=malloc PYTHONHASHSEED=0 python3 - <<-'END'
	import collections, json, random, re, threading
	random.seed(7)
	words = [''.join(random.choices('abcdef', k=random.randrange(1, 40))) for _ in range(60000)]
	count = collections.Counter(w[:3] for w in words)
	print(sorted(count.items())[:20])
	text = json.dumps([{'w': w, 'n': len(w), 'l': list(w)} for w in words[:8000]])
	back = json.loads(text)
	print(len(text), sum(x['n'] for x in back))
	print(len(re.findall(r'(a+b)+c', ' '.join(words))))
	out = [None] * 8
	def work(i):
	    out[i] = sum(len(str(k) * (k % 50)) for k in range(20000 + i))
	threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
	[t.start() for t in threads]
	[t.join() for t in threads]
	print(out)
	END
}

git_job() {
	local i

	export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
	export GIT_CONFIG_NOSYSTEM=1
	git init -q -b main one && cd one || return 1
	for i in $(seq 60); do
		seq "$i" $((i * 40)) >"numbers-$((i % 9))"
		seq -s "$i " 500 >"line-$i"
		GIT_AUTHOR_DATE="$((1600000000 + i)) +0000" GIT_COMMITTER_DATE="$((1600000000 + i)) +0000" \
			sh -c 'git add . && git commit -q -m "commit '"$i"'"' || return 1
	done
	cd .. || return 1
	git clone -q "file://$PWD/one" two && cd two || return 1
	git gc -q --aggressive --prune=now && git fsck --full --strict &&
		git log --stat -p --no-color | sha256sum &&
		git log --format='%H %s' && git blame -s numbers-3 | tail -n 5 &&
		git diff --stat HEAD~30 && git grep -c 77
}

sqlite_job() {
	sqlite3 test.db <"$SELFTESTS_DIR/programs/script.sql"
}

# compile CC FLAG...: the library, unlinked; the objects must be the same to the byte.
compile() {
	local file

	for file in "$POOLALLOC_ROOT"/common/*.c "$POOLALLOC_ROOT"/userspace/pa_*.c; do
		"$@" -std=gnu11 -O2 -Wall -I"$POOLALLOC_ROOT/common" -I"$POOLALLOC_ROOT/userspace" \
			-I"$POOLALLOC_ROOT/userspace/include" -frandom-seed=1 -c "$file" \
			-o "$(basename "$file" .c).o" || return 1
	done
	sha256sum -- *.o
}

gcc_job() {
	compile gcc
}

templates() {
	"$1" -std=c++17 -O2 -frandom-seed=1 -x c++ - -o templates <<-'END' && ./templates && sha256sum templates
	#include <algorithm>
	#include <iostream>
	#include <map>
	#include <memory>
	#include <regex>
	#include <string>
	#include <vector>
	int main()
	{
		std::map<std::string, std::vector<std::shared_ptr<int>>> m;
		for (int i = 0; i < 30000; i++)
			m[std::to_string(i * 7919 % 4001)].push_back(std::make_shared<int>(i));
		long sum = 0;
		for (auto &e : m)
			for (auto &p : e.second)
				sum += *p * (long)e.first.size();
		std::regex r("([0-9]+)x([a-z]*)");
		std::cout << sum << std::regex_replace("12xab 99x", r, "$2-$1") << std::endl;
		try { std::vector<int> v(1); v.at(5); } catch (std::exception &e) { std::cout << e.what() << "\n"; }
	}
	END
}

gxx_job() {
	templates g++
}

redis_commands() {
	awk 'BEGIN {
		for (i = 0; i < 30000; i++) {
			printf "SET key:%d %0*d\r\n", i * 7919 % 20011, i % 700 + 1, i
			printf "HSET hash:%d field:%d value-%d\r\n", i % 97, i, i * 3
			printf "ZADD rank %d member:%d\r\n", i * 31 % 9973, i % 5000
			printf "LPUSH list:%d %d\r\n", i % 11, i
			if (i % 3 == 0) printf "DEL key:%d\r\n", i * 31 % 20011
		}
	}'
}

redis_job() {
	local server cli="redis-cli -s $PWD/s" i status

	use_root
	redis-server --port 0 --unixsocket s --dir "$PWD" --save '' --enable-debug-command yes \
		--daemonize no >&2 &
	server=$!
	for i in $(seq 300); do
		$cli ping >/dev/null 2>&1 && break
		sleep 0.1
	done
	redis_commands | $cli --pipe | tail -n 1
	$cli dbsize && $cli debug digest && $cli bgrewriteaof
	redis-benchmark -s s -n 20000 -r 5000 -d 300 -q --csv \
		-t set,get,incr,lpush,lpop,sadd,hset,spop,zadd,mset 2>&2 | cut -d, -f1
	$cli save && $cli flushall && $cli memory purge && $cli dbsize
	$cli shutdown nosave
	wait "$server"
	status=$?
	echo "server: $status"
	return "$status"
}
