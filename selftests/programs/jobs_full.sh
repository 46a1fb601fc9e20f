# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Sourced by programs.sh: what only make check-programs runs, and programs.sh --python.
# shellcheck shell=bash

python_full="test_dict test_list test_tuple test_bytes test_gc test_json test_pickle test_struct test_sys
	test_tracemalloc test_itertools test_collections test_re test_decimal test_xml_etree_c test_fork1
	test_threading test_multiprocessing_fork test_subprocess test_set test_unicode test_ctypes test_asyncio
	test_zlib test_io
	test_concurrent_futures test_signal test_faulthandler"

clang_job() {
	compile clang
}

clangxx_job() {
	templates clang++
}

# What gcc links and what runs: the library and its tools, made by compilers on poolalloc.
build_job() {
	make --no-print-directory -j2 -C "$POOLALLOC_ROOT/userspace" O="$PWD/out" CC="$1" \
		"$PWD/out/libpoolalloc-malloc.so" "$PWD/out/poolalloc" >&2 && [ -s out/poolalloc ] && echo built
}

perl_job() {
	perl -e '
		use strict; my (%h, @a); my $x = 7;
		for my $i (1 .. 300000) {
			$x = ($x * 1103515245 + 12345) & 0x7fffffff;
			$h{"key" . $x % 20011} .= chr(97 + $i % 26);
			push @a, [$i, "v$x"] if $i % 3 == 0;
			shift @a if @a > 5000;
		}
		my $t = join ",", map { "$_=$h{$_}" } sort keys %h;
		$t =~ s/([aeiou])([^aeiou,]+)/<$1>$2/g;
		my @s = sort { $a->[1] cmp $b->[1] } @a;
		print length($t), " ", substr($t, 0, 300), " $s[0][1] $s[-1][1]\n";
		my $pid = fork; if (!$pid) { my @b = map { "x" x $_ } 1 .. 2000; exit @b == 2000 ? 3 : 4 }
		waitpid $pid, 0; print $? >> 8, "\n";'
}

# As somebody else: postgres refuses root.
as_nobody() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

postgres_job() {
	local bin=$root/usr/lib/postgresql/15/bin status

	use_root
	chmod 777 .
	as_nobody "$bin/initdb" -D data -U postgres --no-sync -E UTF8 --locale C >&2 || return 1
	as_nobody "$bin/pg_ctl" -D data -w -t 120 -l data/log \
		-o "-k $PWD -h '' -c fsync=off -c shared_buffers=32MB" start >&2 || { cat data/log >&2; return 1; }
	as_nobody "$bin/pgbench" -h "$PWD" -U postgres -i -s 2 -q postgres >&2 &&
		as_nobody "$bin/pgbench" -h "$PWD" -U postgres -c 8 -j 2 -t 300 postgres |
			grep -E '^number of (transactions actually|failed)' &&
		as_nobody "$bin/psql" -h "$PWD" -U postgres -At postgres <<-'END'
	SELECT count(*), sum(length(md5(i::text))) FROM generate_series(1, 200000) i;
	CREATE TABLE t AS SELECT i, repeat(md5(i::text), i % 20) AS x FROM generate_series(1, 50000) i;
	CREATE INDEX ON t (x);
	SELECT count(*), max(x) FROM t WHERE x > 'c';
	SELECT count(*) FROM pgbench_accounts;
	SELECT string_agg(i::text, ',' ORDER BY x) FROM t WHERE i < 50;
	SELECT count(DISTINCT substr(x, 1, 3)) FROM t;
	END
	status=$?
	as_nobody "$bin/pg_ctl" -D data -w -m fast stop >&2 || status=1
	return "$status"
}

# A port that nobody listens on now.
free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

nginx_job() {
	local port server status

	use_root
	port=$(LD_PRELOAD= free_port)
	mkdir -p logs html
	seq 20000 >html/index.html
	cat >nginx.conf <<-END
	daemon off; master_process on; worker_processes 2; error_log logs/error.log; pid logs/pid;
	$([ "$(id -u)" = 0 ] && echo 'user root;')
	events { worker_connections 512; }
	http { access_log logs/access.log; client_body_temp_path t1; proxy_temp_path t2;
		fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5; gzip on; gzip_min_length 10;
		server { listen 127.0.0.1:$port; root html; } }
	END
	nginx -p "$PWD" -c "$PWD/nginx.conf" -e logs/error.log >&2 &
	server=$!
	for _ in $(seq 300); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
		sleep 0.1
	done
	wrk -t 2 -c 32 -d 5 "http://127.0.0.1:$port/" >wrk.out
	status=$?
	cat wrk.out >&2
	grep -cE 'requests in' wrk.out
	grep -E 'Non-2xx|Socket errors' wrk.out
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new("127.0.0.1:" . shift) or die; print $s "GET / HTTP/1.0\r\n\r\n";
		local $/; my $t = <$s>; $t =~ s/^.*?\r\n\r\n//s; print length($t), "\n"' "$port"
	kill -QUIT "$server"
	wait "$server"
	echo "server: $?"
	return "$status"
}

java_job() {
	use_root
	"$root/usr/lib/jvm/java-17-openjdk-amd64/bin/java" -Xmx256m -version 2>&1 &&
		"$root/usr/lib/jvm/java-17-openjdk-amd64/bin/java" -Xmx256m -Xshare:auto -XX:+PrintFlagsFinal \
			-version 2>/dev/null | grep -cE 'bool|intx|uint64_t|double'
}

node_job() {
	node -e '
		const zlib = require("zlib"), crypto = require("crypto"), { Worker } = require("worker_threads");
		let x = 7; const next = () => x = (x * 1103515245 + 12345) % 2147483648;
		const m = new Map(); for (let i = 0; i < 200000; i++) m.set("k" + next() % 9973, "v".repeat(i % 300));
		const text = JSON.stringify([...m].sort());
		const packed = zlib.gzipSync(text); const back = zlib.gunzipSync(packed).toString();
		console.log(text.length, back === text, crypto.createHash("sha256").update(text).digest("hex"));
		const bufs = []; for (let i = 0; i < 3000; i++) bufs.push(Buffer.alloc(i * 10, i & 255));
		console.log(Buffer.concat(bufs).length);
		const w = new Worker("require(\"worker_threads\").parentPort.postMessage([...Array(1e5).keys()].reduce((a, b) => a + b))", { eval: true });
		w.on("message", v => console.log(v)); w.on("exit", c => console.log("exit", c));'
}

ffmpeg_job() {
	use_root
	ffmpeg -nostdin -v error -f lavfi -i testsrc=size=320x240:rate=25:duration=2 -threads 2 \
		-c:v mpeg4 -bitexact -fflags +bitexact -y out.avi && ffmpeg -nostdin -v error -i out.avi -f framemd5 -
}

magick_job() {
	use_root
	convert -size 400x300 plasma:fractal -seed 7 -blur 0x3 out.png >&2 || return 1
	convert -size 300x200 gradient:red-blue -rotate 30 -resize 150% -depth 8 -strip rgb:- | sha256sum
}

stress_job() {
	use_root
	stress-ng --malloc 2 --malloc-bytes 256M --malloc-ops 20000 --verify -q >&2 &&
		stress-ng --malloc 2 --malloc-pthreads 4 --malloc-bytes 64M --malloc-ops 10000 --verify -q >&2 &&
		stress-ng --bsearch 1 --bsearch-ops 30 --qsort 1 --qsort-ops 3 --verify -q >&2 && echo ended
}

# Its modules are loaded with RTLD_DEEPBIND. The second time its own allocator is off.
php_job() {
	local own

	use_root
	for own in 1 0; do
		USE_ZEND_ALLOC=$own php8.2 -n -d extension_dir="$(echo "$root"/usr/lib/php/2*)" -d extension=pdo \
			-d extension=ctype -d extension=tokenizer -d memory_limit=-1 -r '
			$h = [];
			for ($i = 0; $i < 300000; $i++)
				$h["key" . $i % 20011] = [str_repeat((string)$i, 3), $i, new stdClass];
			ksort($h);
			for ($s = "", $j = 0; $j < 3; $j++)
				foreach (json_decode(json_encode($h), true) as $k => $v)
					$s .= ctype_alnum($v[0]) ? $k . $v[0] : "?";
			echo strlen($s), " ", md5($s), " ", count(token_get_all("<?php $a = [1, 2];")), "\n";
			try { new PDO("none:"); } catch (PDOException $e) { echo $e->getMessage(), "\n"; }' || return
	done
}

chromium_job() {
	use_root
	echo '<h1 id=h>x</h1><script>let s=""; for (let i=0;i<50000;i++) s+=i%7;
		h.textContent=s.length + " " + s.slice(0,40); </script>' >page.html
	"$root/usr/lib/chromium/chromium" \
		--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$PWD/profile" \
		--virtual-time-budget=2000 --dump-dom "file://$PWD/page.html" | grep -o '<h1.*</h1>'
}

# unpacked TITLE JOB PACKAGE...: runs the job on a tree of these packages, or says why not.
unpacked() {
	local title=$1 job=$2

	shift 2
	[ -z "$only" ] || [[ "$title" =~ $only ]] || return 0
	if unpack "${job%_job}" "$@"; then
		program "$title" "$job"
	else
		skip_program "$title" "$why"
	fi
}

# installed TITLE COMMAND JOB PACKAGE...: the command if it is there, else the packages.
installed() {
	local title=$1 command=$2 job=$3

	shift 3
	if command -v "$command" >/dev/null; then
		root=/nonexistent
		program "$title" "$job"
	else
		unpacked "$title" "$job" "$@"
	fi
}

full_programs() {
	# shellcheck disable=SC2086 # lists of words
	if unpack python $python_packages; then
		program "python3.11, its own tests, all that are named" python_tests $python_full
	fi
	program "clang: this library" clang_job
	program "clang++: templates, and the program it makes" clangxx_job
	program "make and gcc: the library, linked" build_job gcc
	program "perl: a script that forks" perl_job
	unpacked "postgresql: initdb, pgbench, queries" postgres_job postgresql-15 postgresql-client-15
	unpacked "nginx under wrk" nginx_job nginx nginx-common wrk
	unpacked "java: start of a JVM" java_job openjdk-17-jre-headless
	installed "node: a script with a worker" node node_job nodejs
	unpacked "ffmpeg: encode and decode" ffmpeg_job ffmpeg
	unpacked "imagemagick: convert" magick_job imagemagick-6.q16
	unpacked "stress-ng: malloc, with --verify" stress_job stress-ng
	unpacked "php: json, with its own allocator and without" php_job php8.2-cli php8.2-common
	unpacked "chromium, headless: a local page" chromium_job chromium chromium-common
}

# All of regrtest. Some of it fails on every machine; what fails must be the same. Tests of vsock wait
# for ever where nobody answers. SIGINT is ignored in what a script starts in the background.
python_all() {
	local out status

	use_root
	export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
	out=$(env --default-signal=INT,QUIT "$root/usr/bin/python3.11" -m test -W -j2 --timeout 1200 \
		-i '*VSOCK*' -i '*Vsock*' 2>&1)
	status=$?
	printf '%s\n' "$out" >&2
	printf '%s\n' "$out" | grep -E '^(FAIL|ERROR): ' | sed 's/ \[.*//' | sort
	printf '%s\n' "$out" | sed -n '/^== Tests result/,/^Total duration/p' | grep -v '^Total duration'
	echo "regrtest ended with $status"
}

whole_python() {
	# shellcheck disable=SC2086 # a list of words
	if unpack python $python_packages; then
		program "python3.11, its whole test suite: what fails" python_all
	else
		skip_program "python3.11, its whole test suite" "$why"
	fi
}
