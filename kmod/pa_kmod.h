/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the kernel half have from each other.
 */
#ifndef PA_KMOD_H
#define PA_KMOD_H

#include "pa_heap.h"
#include "pa_stats.h"

/* pa_pages.c: where arenas come from; parameters max_arenas and fail_nth. */
extern unsigned int pa_max_arenas;
unsigned int pa_arenas_in_use(void);

/* pa_cpu.c: nodes, the slots of CPUs, hotplug. */
int pa_cpus_init(void);
void pa_cpus_exit(void);
void pa_nodes_exit(void);

/* pa_rcu.c: deferred frees. */
int pa_rcu_init(void);
void pa_rcu_exit(void);

/* pa_proc.c: /proc/poolalloc. */
int pa_proc_init(umode_t mode);
void pa_proc_exit(void);

#endif
