/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Geometry: how arenas, pools and blocks are cut.
 *
 * Bottom of the core. Everything here is a constant that both worlds share.
 */
#ifndef PA_CONFIG_H
#define PA_CONFIG_H

#include "pa_platform.h"

/*
 * Two presets, chosen by `make GEOMETRY=seed|modern`. An arena always has 64
 * pools, so that one 64-bit word describes a set of pools.
 *
 *   seed    256 KiB arenas of  4 KiB pools (pymalloc until CPython 3.9)
 *   modern    1 MiB arenas of 16 KiB pools (CPython since 3.10)
 *
 * PA_BIN_BYTES: what a bin may hold of blocks that were freed, see
 * pa_bin_keep(). Where it is full or empty a branch goes the other way than
 * the last time; with few blocks that is often, and costs more than the blocks
 * being at hand saves. PA_BIN_SPAN_BYTES: the same of spans.
 */
#ifdef PA_GEOMETRY_MODERN
#define PA_POOL_SHIFT	14
#define PA_BIN_BYTES	16384
#define PA_GEOMETRY	"modern"
#else
#define PA_POOL_SHIFT	12
#define PA_BIN_BYTES	8192
#define PA_GEOMETRY	"seed"
#endif

#define PA_BIN_SPAN_BYTES	65536

#define PA_POOLS_PER_ARENA	64
#define PA_ARENA_SHIFT		(PA_POOL_SHIFT + 6)
#define PA_POOL_SIZE		(1UL << PA_POOL_SHIFT)
#define PA_ARENA_SIZE		(1UL << PA_ARENA_SHIFT)
#define PA_ARENA_MASK		(PA_ARENA_SIZE - 1)

/* Pool 0 starts with one descriptor per pool, a cache line each. */
#define PA_DESC_SHIFT		6
#define PA_DESC_SIZE		(1UL << PA_DESC_SHIFT)
#define PA_DESC_BYTES		(PA_POOLS_PER_ARENA * PA_DESC_SIZE)

/*
 * Where in pool 0 depends on the arena's address, as far as there is room
 * (colouring): descriptors are what is used most, and those of all arenas would
 * share a few sets of the caches. PA_DESC_MASK has the bits of the distance.
 */
#ifndef PA_COLOURS
#define PA_COLOURS		(PA_POOL_SIZE / PA_DESC_BYTES)
#endif
#define PA_DESC_MASK		(PA_COLOURS * PA_DESC_BYTES - PA_DESC_SIZE)

/* Pools of an arena that can hold blocks: all but pool 0. */
#define PA_ARENA_POOLS		(PA_POOLS_PER_ARENA - 1)
#define PA_ALL_POOLS		(~1ULL)

/* Small classes: 8..512 bytes in steps of 8, numbered 1..64; 0 is unused. */
#define PA_SMALL_STEP		8
#define PA_SMALL_MAX		512
#define PA_SMALL_CLASSES	64

/*
 * Medium classes: eight per doubling, 513 bytes to the platform's PA_MEDIUM_MAX,
 * mostly in spans of several pools. Internal waste is at most 1/8 (63 of 576
 * bytes at worst).
 */
#define PA_MEDIUM_CLASSES	(8 * (31 - __builtin_clz(PA_MEDIUM_MAX) - 9))
#define PA_FIRST_MEDIUM		(PA_SMALL_CLASSES + 1)
#define PA_CLASSES		(PA_FIRST_MEDIUM + PA_MEDIUM_CLASSES)

/* Classes up to PA_FAST_MAX, a power of two, have bins in struct pa_bins. */
#define PA_BINS		(PA_FIRST_MEDIUM + 8 * (31 - __builtin_clz(PA_FAST_MAX) - 9))

/* The first class whose pools are spans of several: one pool would hold less than 16 blocks. */
#define PA_FIRST_SPAN		(PA_POOL_SHIFT == 12 ? PA_FIRST_MEDIUM : PA_FIRST_MEDIUM + 8)

/* The first class whose freed blocks are counted, see pa_span_keep(): the larger of the two. */
#define PA_FIRST_KEPT		(PA_FIRST_SPAN / PA_BINS ? PA_FIRST_SPAN : PA_BINS)

/* Classes below this have a count of room. */
#define PA_ROOMS		(PA_HOT_SPANS ? PA_FIRST_KEPT : PA_CLASSES)

/* The longest run of pools that one span may take. */
#define PA_SPAN_MAX		32

#endif
