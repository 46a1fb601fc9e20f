#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The shared library as others see it: exported names, thread-local storage, header in C and C++,
# dlopen() and dlclose() while threads use it.
set -u
. "$(dirname "$0")/lib/common.sh"
. "$LIB_DIR/tap.sh"

lib=$POOLALLOC_ROOT/userspace
[ -f "$lib/libpoolalloc.so.0" ] || tap_skip_all "the library is not built: make userspace"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# The header's functions, and those that stand in front of liburcu's, are the library's dynamic symbols.
exported() {
	{
		grep -o '\bpoolalloc_[a-z_]*(' "$lib/include/poolalloc.h" | tr -d '('
		printf 'urcu_bp_%s\n' before_fork after_fork_parent after_fork_child
	} | sort -u >"$work/declared"
	nm -D --defined-only "$lib/libpoolalloc.so.0" | awk '{ print $3 }' | sed 's/@.*//' |
		sort -u >"$work/defined"
	sed -i '/^$/d' "$work/defined"
	[ "$(wc -l <"$work/declared")" -gt 10 ] && diff "$work/declared" "$work/defined"
}

soname() {
	readelf -d "$lib/libpoolalloc.so.0" | grep -q 'SONAME.*\[libpoolalloc.so.0\]' &&
		[ "$(readlink "$lib/libpoolalloc.so")" = libpoolalloc.so.0 ]
}

# Static TLS has room for little more than this in a program that is running already.
tls() {
	local size

	size=$(($(readelf -lW "$1" | awk '$1 == "TLS" { print $6 }')))
	echo "TLS block of $size bytes"
	[ -n "$size" ] && [ "$size" -lt "$2" ]
}

header() {
	local compiler=$1

	shift
	printf '#include "poolalloc.h"\n#include "poolalloc.h"\nint main(void)\n{\n\t%s\n\t%s\n}\n' \
		'void *p = poolalloc_alloc(8);' 'poolalloc_free(p); return POOLALLOC_CLASSES != 128;' >"$work/h.$1"
	shift
	"$compiler" "$@" -Wall -Wextra -Wpedantic -Werror -I"$lib/include" -o "$work/h" "$work"/h.* \
		"$lib/libpoolalloc.so.0" && LD_LIBRARY_PATH=$work "$work/h"
	local status=$?

	rm -f "$work"/h.*
	return $status
}

dlopened() {
	cat >"$work/dl.c" <<-'END'
		#include <dlfcn.h>
		#include <pthread.h>
		#include <stdio.h>
		#include <string.h>

		static const char *file;
		static int failed;

		static void *use(void *arg)
		{
			long i, round;

			for (round = 0; round < 50; round++) {
				void *lib = dlopen(file, RTLD_NOW | RTLD_LOCAL), *p[100];
				void *(*alloc)(size_t);
				void (*release)(void *);

				if (!lib) {
					fprintf(stderr, "%s\n", dlerror());
					__atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
					return NULL;
				}
				*(void **)&alloc = dlsym(lib, "poolalloc_alloc");
				*(void **)&release = dlsym(lib, "poolalloc_free");
				for (i = 0; i < 100; i++)
					memset(p[i] = alloc(8 + i * 9), (int)i, 8 + i * 9);
				for (i = 0; i < 100; i++) {
					if (*(unsigned char *)p[i] != i)
						__atomic_store_n(&failed, 1, __ATOMIC_RELAXED);
					release(p[i]);
				}
				dlclose(lib);
			}
			return arg;
		}

		int main(int argc, char **argv)
		{
			pthread_t thread[16];
			int i, generation;

			file = argv[argc - 1];
			for (generation = 0; generation < 20; generation++) {
				for (i = 0; i < 16; i++)
					pthread_create(&thread[i], NULL, use, NULL);
				for (i = 0; i < 16; i++)
					pthread_join(thread[i], NULL);
			}
			return failed;
		}
	END
	gcc -O2 -pthread -o "$work/dl" "$work/dl.c" && "$work/dl" "$lib/libpoolalloc.so.0"
}

# A program that the library is linked into has no other's malloc.
no_malloc() {
	! nm -D --defined-only "$lib/libpoolalloc.so.0" | grep -wE 'malloc|free|calloc|realloc'
}

ln -s "$lib/libpoolalloc.so.0" "$work/libpoolalloc.so.0"
tap_start
tap_run "exported are the functions of the header, liburcu's fork hooks, and nothing else" exported
tap_run "soname" soname
tap_run "malloc is not interposed" no_malloc
# Of 1664 bytes that glibc has for all libraries that are opened late, a quarter and more is left to others.
tap_run "TLS block under 1216 bytes" tls "$lib/libpoolalloc.so.0" 1216
[ -f "$lib/libpoolalloc-malloc.so" ] &&
	tap_run "TLS block of the malloc library" tls "$lib/libpoolalloc-malloc.so" 1536
tap_run "header in C99" header gcc c -std=c99
tap_run "header in C23" header gcc c -std=c2x
tap_run "header in C++11" header g++ cc -std=c++11
tap_run "header in C++20, clang" header clang++ cc -std=c++20
tap_run "dlopen and dlclose from many threads" dlopened
tap_finish
