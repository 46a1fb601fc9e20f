// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slots of the CPUs, the nodes with their fallback slots, CPU hotplug.
 */
#include <linux/cpuhotplug.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "pa_kmod.h"

#define PA_NAME_LEN	16

/**
 * struct pa_cpu_slot - the cold part of a CPU's slot
 * @slot: what the core knows of it
 * @name: for the report, constant
 */
struct pa_cpu_slot {
	struct pa_slot slot;
	char name[PA_NAME_LEN];
};

/**
 * struct pa_knode - a node and the name of its fallback slot
 * @node: what the core knows of it
 * @name: for the report, constant
 */
struct pa_knode {
	struct pa_node node;
	char name[PA_NAME_LEN];
};

DEFINE_PER_CPU_ALIGNED(struct pa_cpu, pa_cpu) = { .idle = 1 };

static_assert(ARRAY_SIZE(((struct pa_bins *)0)->bin) == PA_CPU_BINS);
static_assert(PA_CPU_CLASSES == PA_CLASSES);
static_assert(offsetof(struct pa_cpu, slot) == offsetof(struct pa_bins, slot));
static_assert(offsetof(struct pa_cpu, room) == offsetof(struct pa_bins, room));
static_assert(offsetof(struct pa_cpu, bin) == offsetof(struct pa_bins, bin));

static struct pa_cpu_slot __percpu *pa_cpu_slots;
static enum cpuhp_state pa_cpuhp_state;

bool pa_fallback_enter(struct pa_node *node)
	__acquires(&node->fallback_lock.lock)
{
	pa_lock(&node->fallback_lock);
	return true;
}

void pa_fallback_leave(struct pa_node *node)
	__releases(&node->fallback_lock.lock)
{
	pa_unlock(&node->fallback_lock);
}

/**
 * pa_slot_name() - what the report calls a slot
 * @slot: a registered slot
 *
 * Return: "cpuN", or "fallbackN" for that of node N.
 */
const char *pa_slot_name(const struct pa_slot *slot)
{
	const struct pa_node *node = READ_ONCE(slot->node);

	if (node && slot == &node->fallback)
		return container_of(node, struct pa_knode, node)->name;
	return container_of(slot, struct pa_cpu_slot, slot)->name;
}

/* Before a CPU comes up; on all online CPUs when the module is loaded. */
static int pa_cpu_prepare(unsigned int cpu)
{
	struct pa_bins *bins = (struct pa_bins *)per_cpu_ptr(&pa_cpu, cpu);
	unsigned int nid = pa_node_number(cpu_to_mem(cpu));

	pa_slot_start(&per_cpu_ptr(pa_cpu_slots, cpu)->slot, pa_nodes[nid], bins);
	return 0;
}

/*
 * After a CPU has died; on all online CPUs, when nobody uses the module any
 * more, while it is unloaded. So nobody but this function is in the slot,
 * although it runs on another CPU.
 */
static int pa_cpu_dead(unsigned int cpu)
{
	pa_slot_stop(&per_cpu_ptr(pa_cpu_slots, cpu)->slot);
	return 0;
}

static void pa_nodes_free(void)
{
	unsigned int nid;

	for (nid = 0; nid < PA_MAX_NODES; nid++) {
		if (!pa_nodes[nid])
			continue;
		kvfree(container_of(pa_nodes[nid], struct pa_knode, node));
		pa_nodes[nid] = NULL;
	}
}

static int pa_nodes_init(void)
{
	struct pa_knode *k;
	int nid;

	for_each_node(nid) {
		if (nid >= PA_MAX_NODES)
			break;
		k = kvzalloc_node(sizeof(*k), GFP_KERNEL,
				  node_state(nid, N_MEMORY) ? nid : NUMA_NO_NODE);
		if (!k) {
			pa_nodes_free();
			return -ENOMEM;
		}
		scnprintf(k->name, sizeof(k->name), "fallback%d", nid);
		pa_node_init(&k->node, nid);
	}
	return 0;
}

/* The report lists slots newest first. */
static void pa_cpus_register(void)
{
	unsigned int cpu = nr_cpu_ids;

	while (cpu--) {
		struct pa_cpu_slot *c;

		if (!cpu_possible(cpu))
			continue;
		c = per_cpu_ptr(pa_cpu_slots, cpu);
		scnprintf(c->name, sizeof(c->name), "cpu%u", cpu);
		pa_slot_init(&c->slot, NULL, NULL);
		pa_slot_register(&c->slot);
	}
}

/**
 * pa_cpus_init() - make the nodes and the slots of all CPUs
 *
 * Return: 0 or an error.
 */
int pa_cpus_init(void)
{
	int ret = pa_nodes_init();

	if (ret)
		return ret;
	ret = -ENOMEM;
	pa_cpu_slots = alloc_percpu(struct pa_cpu_slot);
	if (!pa_cpu_slots)
		goto no_slots;
	pa_cpus_register();
	ret = cpuhp_setup_state(CPUHP_BP_PREPARE_DYN, "mm/poolalloc:prepare",
				pa_cpu_prepare, pa_cpu_dead);
	if (ret < 0)
		goto no_state;
	pa_cpuhp_state = ret;
	return 0;

no_state:
	free_percpu(pa_cpu_slots);
no_slots:
	pa_nodes_free();
	return ret;
}

/**
 * pa_cpus_exit() - stop the slots of all CPUs
 *
 * Their pools are loose afterwards; see pa_nodes_exit().
 */
void pa_cpus_exit(void)
{
	cpuhp_remove_state(pa_cpuhp_state);
}

/* Loose pools are swept, so that those without a live block are given back. */
static void pa_node_stop(struct pa_node *node)
{
	pa_fallback_enter(node);
	pa_shared_sweep(&node->fallback, node);
	pa_slot_stop(&node->fallback);
	pa_fallback_leave(node);
}

/* Arenas that are left hold leaked blocks: nobody can use them any more. */
static void pa_node_unmap_all(struct pa_node *node)
{
	struct pa_arena *arena = rcu_dereference_protected(node->all, true);

	RCU_INIT_POINTER(node->all, NULL);
	while (arena) {
		struct pa_arena *next = rcu_dereference_protected(arena->all_next, true);

		pa_arena_unmap(arena);
		arena = next;
	}
}

/**
 * pa_report_leak() - tell of blocks that are live when the module is unloaded
 * @cls: their class
 * @live: how many
 */
void pa_report_leak(unsigned int cls, u64 live)
{
	if (live)
		pr_warn("leak: %llu blocks of %zu bytes were never freed\n",
			live, pa_class_size(cls));
}

static void pa_report_leaks(struct pa_stats *stats)
{
	unsigned int cls;

	for (cls = 1; cls < PA_CLASSES; cls++)
		pa_report_leak(cls, stats->cls[cls].live);
}

/**
 * pa_nodes_exit() - report leaks and give every page back
 *
 * The slots of the CPUs are stopped and nothing is deferred any more.
 */
void pa_nodes_exit(void)
{
	struct pa_stats *stats = kvzalloc(sizeof(*stats), GFP_KERNEL);
	unsigned int nid;

	for (nid = 0; nid < PA_MAX_NODES; nid++)
		if (pa_nodes[nid])
			pa_node_stop(pa_nodes[nid]);
	if (stats) {
		pa_stats_collect(stats);
		pa_report_leaks(stats);
		kvfree(stats);
	}
	pa_leak_exit();
	for (nid = 0; nid < PA_MAX_NODES; nid++)
		if (pa_nodes[nid])
			pa_node_unmap_all(pa_nodes[nid]);
	rcu_barrier();
	pa_nodes_free();
	free_percpu(pa_cpu_slots);
}
