# SPDX-License-Identifier: GPL-2.0-only OR MIT
# poolalloc-trace and its preload object, to be included by userspace/Makefile:
#
#   include tools/tools.mk     after O (where products go), CC, EXTRA_CFLAGS, EXTRA_LDFLAGS and the
#                              rule for $(O)/libpoolalloc.a; all of them have defaults
#   all: $(TOOLS)              what there is to build
#   clean: tools-clean
#
# Alone, `make -f tools/tools.mk tools` in userspace/ works too, once the library is there.

O ?= .
CC ?= gcc
TOOLS_DIR := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
TOOLS_BUILD ?= $(if $(filter-out . $(CURDIR),$(O)),$(O)/tools,$(TOOLS_DIR)/../../build/tools)
TOOLS_LIB ?= $(O)/libpoolalloc.a
TOOLS := $(O)/poolalloc-trace $(O)/libpoolalloc-trace.so

TOOLS_CFLAGS = -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror \
	-I$(TOOLS_DIR)/host -I$(TOOLS_DIR) -I$(TOOLS_DIR)/../include -MMD -MP $(EXTRA_CFLAGS)
TOOLS_LDLIBS = $(TOOLS_LIB) -lurcu-bp -lurcu-common -pthread

TOOLS_OBJS := $(addprefix $(TOOLS_BUILD)/,poolalloc-trace.o cmd_record.o cmd_info.o cmd_replay.o \
	merge.o trace_encode.o trace_decode.o trace_replay.o replay_threads.o)

.PHONY: tools tools-clean
tools: $(TOOLS)

$(O)/poolalloc-trace: $(TOOLS_OBJS) $(TOOLS_LIB)
	$(Q)$(CC) $(EXTRA_CFLAGS) $(LDFLAGS) $(EXTRA_LDFLAGS) -o $@ $(TOOLS_OBJS) $(TOOLS_LDLIBS)

# Never with the sanitizers of EXTRA_CFLAGS: their runtime would have to be preloaded as well.
$(O)/libpoolalloc-trace.so: $(TOOLS_BUILD)/preload.o
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libpoolalloc-trace.so -Wl,-z,now -o $@ $<

$(TOOLS_BUILD)/preload.o: TOOLS_CFLAGS += -fPIC -fvisibility=hidden -fno-builtin -fno-sanitize=all

$(TOOLS_BUILD)/%.o: $(TOOLS_DIR)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TOOLS_CFLAGS) -c -o $@ $<

tools-clean:
	$(Q)rm -rf $(TOOLS) $(TOOLS_BUILD)

-include $(wildcard $(TOOLS_BUILD)/*.d)
