// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A binary tree: many nodes of one small size, freed with their size known.
 * Prints what a node costs.
 */
#include <poolalloc.h>
#include <stdio.h>
#include <stdlib.h>

struct node {
	struct node *left;
	struct node *right;
	unsigned int key;
};

static int insert(struct node **at, unsigned int key)
{
	while (*at)
		at = key < (*at)->key ? &(*at)->left : &(*at)->right;
	*at = poolalloc_zalloc(sizeof(**at));
	if (!*at)
		return -1;
	(*at)->key = key;
	return 0;
}

static void destroy(struct node *node)
{
	if (!node)
		return;
	destroy(node->left);
	destroy(node->right);
	poolalloc_free_sized(node, sizeof(*node));
}

int main(void)
{
	static struct poolalloc_stats stats;
	struct node *root = NULL;
	int i;

	srand(1);
	for (i = 0; i < 100000; i++) {
		if (insert(&root, (unsigned int)rand())) {
			perror("tree");
			return 1;
		}
	}
	poolalloc_stats(&stats);
	printf("%llu nodes in %llu bytes: %.1f each\n",
	       (unsigned long long)stats.live_blocks,
	       (unsigned long long)(stats.arenas * stats.arena_bytes),
	       (double)(stats.arenas * stats.arena_bytes) / (double)stats.live_blocks);
	destroy(root);
	printf("%zu bytes given back\n", poolalloc_trim());
	return 0;
}
