# SPDX-License-Identifier: GPL-2.0-only OR MIT
#
# make bench        every allocator side by side, about 15 minutes
# make bench-quick  the same with fewer rounds, about 2 minutes
# make bench-shapes workloads drawn from seeds, SEEDS=1-50; 4 minutes
# make bench-beside fast paths, all allocators in one process; 2 minutes
#
# PEERS=path,...    more allocators to compare with (shared objects)
# BENCH_FLAGS=...   passed to bench/run.py (see its --help)

BENCH_DIR := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
BENCH_OUT ?= $(abspath $(BENCH_DIR)/../../build/bench)
BENCH_CFLAGS = -O2 -g -Wall -Wextra -Werror -fno-builtin-malloc -fno-builtin-free \
	       -fno-builtin-calloc -fno-builtin-realloc -std=gnu11
BENCH_WORKLOADS := main pair batch random queue server remote churn bursty sharing fill large append replay shape constant
BENCH_TRACE := $(abspath $(BENCH_DIR)/../tools)
BENCH_SRC := $(BENCH_WORKLOADS:%=$(BENCH_DIR)/%.c) $(BENCH_TRACE)/trace_decode.c
BENCH_CFLAGS += -I$(BENCH_TRACE) -I$(BENCH_TRACE)/host
BENCH_TOOLS := $(BENCH_OUT)/pabench $(BENCH_OUT)/floor.so $(BENCH_OUT)/measure $(BENCH_OUT)/steps $(BENCH_OUT)/beside
PEERS ?=
SEEDS ?= 1-50
WORKLOADS ?=

BENCH_USERSPACE := $(abspath $(BENCH_DIR)/..)

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

$(BENCH_OUT)/beside: $(BENCH_DIR)/beside.c | $(BENCH_OUT)
	$(CC) $(BENCH_CFLAGS) -o $@ $<

.PHONY: bench bench-quick bench-tools
bench-tools: $(BENCH_TOOLS)

# The default geometry in place, the other one into a directory of its own.
BENCH_SEED := $(BENCH_OUT)/seed
BENCH_NATIVE = $(if $(wildcard $(BENCH_USERSPACE)/libpoolalloc.a),$(BENCH_OUT)/pabench-native)
BENCH_RUN = BENCH_OUT=$(BENCH_OUT) \
	    python3 -B $(BENCH_DIR)/run.py --peers '$(PEERS)' $(BENCH_FLAGS)
BENCH_SELF = $(MAKE) --no-print-directory -f $(BENCH_DIR)/bench.mk BENCH_OUT=$(BENCH_OUT)

.PHONY: bench-library bench-run
bench-library: | $(BENCH_OUT)
	@$(MAKE) --no-print-directory -C $(BENCH_USERSPACE) GEOMETRY=modern all
	@mkdir -p $(BENCH_SEED)
	@$(MAKE) --no-print-directory -C $(BENCH_USERSPACE) GEOMETRY=seed O=$(BENCH_SEED) all

bench-run: bench-tools $(BENCH_NATIVE)
	@$(BENCH_RUN)

bench: bench-library
	@$(BENCH_SELF) bench-run PEERS='$(PEERS)' BENCH_FLAGS='$(BENCH_FLAGS)'

bench-quick: bench-library
	@$(BENCH_SELF) bench-run PEERS='$(PEERS)' BENCH_FLAGS='--quick $(BENCH_FLAGS)'

.PHONY: bench-shapes
bench-shapes: bench-library
	@$(BENCH_SELF) bench-tools
	@BENCH_OUT=$(BENCH_OUT) python3 -B $(BENCH_DIR)/shapes.py --peers '$(PEERS)' --seeds '$(SEEDS)'

.PHONY: bench-beside
bench-beside: bench-library
	@$(BENCH_SELF) bench-tools
	@BENCH_OUT=$(BENCH_OUT) python3 -B $(BENCH_DIR)/beside.py --peers '$(PEERS)' --workloads '$(WORKLOADS)'
