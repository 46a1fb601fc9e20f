# SPDX-License-Identifier: GPL-2.0-only
# Included by Kbuild: poolalloc_replay.ko. The decoder and the replayer are userspace/tools/'s own sources.
obj-m += poolalloc_replay.o
poolalloc_replay-y := poolalloc_replay_main.o poolalloc_replay_decode.o poolalloc_replay_core.o

replay_flags := -I$(src)/poolalloc_replay -I$(src)/../../kmod/include \
	-I$(or $(POOLALLOC_ROOT),$(src)/../..)/userspace/tools
CFLAGS_poolalloc_replay_main.o := $(replay_flags)
CFLAGS_poolalloc_replay_decode.o := $(replay_flags)
CFLAGS_poolalloc_replay_core.o := $(replay_flags)
