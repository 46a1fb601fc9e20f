# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# make bench        every allocator side by side, about 15 minutes
# make bench-quick  the same with fewer rounds, about 2 minutes
#
# PEERS=path,...    more allocators to compare with (shared objects)
# BENCH_FLAGS=...   passed to bench/run.py (see its --help)

BENCH_DIR := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BENCH_OUT ?= $(abspath $(BENCH_DIR)/../../build/bench)
BENCH_CFLAGS = -O2 -g -Wall -Wextra -Werror -fno-builtin-malloc -fno-builtin-free \
	       -fno-builtin-calloc -fno-builtin-realloc -std=gnu11
BENCH_WORKLOADS := main pair batch random server remote churn bursty sharing fill replay constant
BENCH_SRC := $(BENCH_WORKLOADS:%=$(BENCH_DIR)/%.c)
BENCH_TOOLS := $(BENCH_OUT)/pabench $(BENCH_OUT)/floor.so $(BENCH_OUT)/measure $(BENCH_OUT)/steps
PEERS ?=

# The library's own targets and products; the modern geometry is built apart.
BENCH_USERSPACE := $(abspath $(BENCH_DIR)/..)
BENCH_OURS = $(wildcard $(BENCH_USERSPACE)/libpoolalloc-malloc.so)

$(BENCH_OUT):
	@mkdir -p $@

$(BENCH_OUT)/pabench: $(BENCH_SRC) $(BENCH_DIR)/bench.h | $(BENCH_OUT)
	$(CC) $(BENCH_CFLAGS) -o $@ $(BENCH_SRC) -lpthread -lm

$(BENCH_OUT)/pabench-native: $(BENCH_SRC) $(BENCH_DIR)/bench.h $(BENCH_USERSPACE)/libpoolalloc.a | $(BENCH_OUT)
	$(CC) $(BENCH_CFLAGS) -DBENCH_NATIVE -I$(BENCH_USERSPACE)/include -o $@ \
		$(BENCH_SRC) $(BENCH_USERSPACE)/libpoolalloc.a -lurcu-bp -lpthread -lm

$(BENCH_OUT)/floor.so: $(BENCH_DIR)/floor.c | $(BENCH_OUT)
	$(CC) $(BENCH_CFLAGS) -fPIC -shared -o $@ $<

$(BENCH_OUT)/measure $(BENCH_OUT)/steps: $(BENCH_OUT)/%: $(BENCH_DIR)/%.c | $(BENCH_OUT)
	$(CC) $(BENCH_CFLAGS) -static -o $@ $<

.PHONY: bench bench-quick bench-tools
bench-tools: $(BENCH_TOOLS)

# The library in both geometries, and the workloads linked with it, when it can be built.
BENCH_MODERN_SO ?= $(wildcard $(BENCH_OUT)/../modern/libpoolalloc-malloc.so)
BENCH_NATIVE = $(if $(wildcard $(BENCH_USERSPACE)/libpoolalloc.a),$(BENCH_OUT)/pabench-native)
BENCH_RUN = BENCH_OUT=$(BENCH_OUT) BENCH_MODERN_SO=$(BENCH_MODERN_SO) \
	    python3 -B $(BENCH_DIR)/run.py --peers '$(PEERS)' $(BENCH_FLAGS)

bench: bench-tools $(BENCH_NATIVE)
	$(BENCH_RUN)

bench-quick: bench-tools $(BENCH_NATIVE)
	$(BENCH_RUN) --quick
