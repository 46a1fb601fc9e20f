// SPDX-License-Identifier: GPL-2.0-only
/* The shared decoder, compiled where Kbuild can put an object of the kernel's. */
#include "trace_decode.c"
