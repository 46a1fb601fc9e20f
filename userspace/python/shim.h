/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What the files of the shim have from each other, and from CPython: parts of
 * its public interface that have not changed since 3.5. They are declared here
 * so that one shim works with every version and needs no headers to build; a
 * test compares them with Python.h.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdbool.h>
#include <stddef.h>

/* As PyMemAllocatorEx, PyObjectArenaAllocator, PyMemAllocatorDomain. */
struct shim_allocator {
	void *ctx;
	void *(*malloc)(void *ctx, size_t size);
	void *(*calloc)(void *ctx, size_t n, size_t size);
	void *(*realloc)(void *ctx, void *p, size_t size);
	void (*free)(void *ctx, void *p);
};

struct shim_arena_allocator {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p, size_t size);
};

enum shim_domain {
	SHIM_RAW,
	SHIM_MEM,
	SHIM_OBJ,
	SHIM_DOMAINS,
};

/**
 * struct shim_options - what POOLALLOC_PYTHON says
 * @domain: those that go to poolalloc
 * @arenas: pymalloc stays, with arenas from here
 * @align8: blocks are aligned to 8 bytes where their size allows no more
 * @verbose: tell what was installed
 */
struct shim_options {
	bool domain[SHIM_DOMAINS];
	bool arenas;
	bool align8;
	bool verbose;
};

bool shim_options_read(struct shim_options *o, const char *text);
void shim_say(const char *first, const char *second, const char *third);
const char *shim_overridden(const struct shim_options *o, int argc, char **argv);

const struct shim_allocator *shim_other_allocator(bool align8);

extern const struct shim_allocator shim_allocator, shim_allocator_align8;
extern const struct shim_arena_allocator shim_arena_allocator;

#endif
