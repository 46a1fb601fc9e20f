// SPDX-License-Identifier: GPL-2.0-only
/* The shared replayer, compiled where Kbuild can put an object of the kernel's. */
#include "trace_replay.c"
