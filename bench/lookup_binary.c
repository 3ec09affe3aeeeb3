/*
 * wgdp-bench lookup: the baseline, a plain path-compressed binary trie, which is what Linux and
 * wireguard-go keep allowed-ips in: a node of one cache line per prefix and per branch, one lookup
 * at a time, which follows pointers. Nodes come from blocks in huge pages, since the kernel's
 * memory is mapped like that too. wgdp's own structure is behind lookup_ours.c.
 */
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench/lookup.h"

#define PAGE_BYTES  (UINT64_C(1) << 21)
#define BLOCK_BYTES (UINT64_C(32) << 20) /* taken page by page as it is used */
#define BLOCK_NODES (BLOCK_BYTES / sizeof(struct node))

struct node {
	alignas(64) struct node *child[2]; /* by the bit after the prefix */
	struct lookup_prefix prefix;
	uint32_t value; /* 0: only joins its two children */
};

struct binary_trie {
	struct node *root;
	void **mapped; /* blocks, each with a page more to align it */
	size_t n_mapped;
	struct node *block; /* the last one */
	size_t used;	    /* of it */
};

struct binary_trie *binary_new(void)
{
	return calloc(1, sizeof(struct binary_trie));
}

void binary_free(struct binary_trie *t)
{
	for (size_t i = 0; t && i < t->n_mapped; i++)
		munmap(t->mapped[i], BLOCK_BYTES + PAGE_BYTES);
	if (t)
		free(t->mapped);
	free(t);
}

static bool block_new(struct binary_trie *t)
{
	void **mapped = realloc(t->mapped, (t->n_mapped + 1) * sizeof(mapped[0])), *block;

	if (!mapped)
		return false;
	t->mapped = mapped;
	block = mmap(NULL, BLOCK_BYTES + PAGE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (block == MAP_FAILED)
		return false;
	mapped[t->n_mapped++] = block;
	t->block = (struct node *)(((uintptr_t)block + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1));
	t->used = 0;
	madvise(t->block, BLOCK_BYTES, MADV_HUGEPAGE);
	return true;
}

static struct node *node_new(struct binary_trie *t, const struct lookup_prefix *p, uint32_t value)
{
	struct node *node;

	if ((!t->block || t->used == BLOCK_NODES) && !block_new(t))
		return NULL;
	node = &t->block[t->used++];
	*node = (struct node){.prefix = *p, .value = value};
	return node;
}

static inline unsigned int bit(struct lookup_address a, unsigned int i)
{
	return (i < 64 ? a.hi >> (63 - i) : a.lo >> (127 - i)) & 1;
}

/* How many bits from the first on both prefixes share. */
static unsigned int shared_bits(const struct lookup_prefix *a, const struct lookup_prefix *b)
{
	uint64_t hi = a->addr.hi ^ b->addr.hi, lo = a->addr.lo ^ b->addr.lo;
	unsigned int shared = hi   ? (unsigned int)__builtin_clzll(hi)
			      : lo ? 64 + (unsigned int)__builtin_clzll(lo)
				   : 128;

	shared = shared < a->len ? shared : a->len;
	return shared < b->len ? shared : b->len;
}

/* Puts a node above `below`, at `at`: the prefix itself, or what joins it with `below`. */
static bool split(struct binary_trie *t, struct node **at, struct node *below,
		  const struct lookup_prefix *p, uint32_t value, unsigned int shared)
{
	struct lookup_prefix join = {lookup_masked(p->addr, shared), (uint8_t)shared};
	struct node *node = node_new(t, p, value), *above = node;

	if (node && shared < p->len) {
		above = node_new(t, &join, 0);
		if (above)
			above->child[bit(p->addr, shared)] = node;
	}
	if (!node || !above)
		return false;
	above->child[bit(below->prefix.addr, shared)] = below;
	*at = above;
	return true;
}

bool binary_insert(struct binary_trie *t, const struct lookup_prefix *p, uint32_t value)
{
	struct node **at = &t->root;

	while (*at) {
		struct node *node = *at;
		unsigned int shared = shared_bits(&node->prefix, p);

		if (shared < node->prefix.len)
			return split(t, at, node, p, value, shared);
		if (shared == p->len) {
			node->value = value;
			return true;
		}
		at = &node->child[bit(p->addr, shared)];
	}
	*at = node_new(t, p, value);
	return *at;
}

uint32_t binary_find(const struct binary_trie *t, struct lookup_address a)
{
	const struct node *node = t->root;
	uint32_t value = 0;

	while (node && lookup_covers(&node->prefix, a)) {
		value = node->value ? node->value : value;
		if (node->prefix.len == 128)
			break;
		node = node->child[bit(a, node->prefix.len)];
	}
	return value;
}

/* ---- as one of those that are compared ---- */

static void build(struct lookup_built *b, const struct lookup_set *set)
{
	struct binary_trie *t = lookup_need(binary_new());
	double begin = bench_seconds();

	for (unsigned int i = 0; i < set->n; i++) {
		if (!binary_insert(t, &set->prefixes[i], lookup_value(i))) {
			snprintf(b->why, sizeof(b->why), "out of memory");
			binary_free(t);
			return;
		}
	}
	b->insert_seconds = bench_seconds() - begin;
	b->state = t;
}

static void lookup(void *state, const struct lookup_keys *keys, unsigned int first,
		   uint32_t *values)
{
	uint32_t found[LOOKUP_BULK];

	values = values ? values : found;
	for (unsigned int i = 0; i < LOOKUP_BULK; i++)
		values[i] = binary_find(state, keys->wide[first + i]);
	__asm__ volatile("" : : "r"(values) : "memory");
}

static size_t bytes(const void *state)
{
	const struct binary_trie *t = state;

	return t->block ? ((t->n_mapped - 1) * BLOCK_NODES + t->used) * sizeof(struct node) : 0;
}

static void free_trie(void *state)
{
	binary_free(state);
}

const struct lookup_structure lookup_binary = {
	.name = {"binary-trie", "binary-trie"},
	.build = build,
	.lookup = lookup,
	.bytes = bytes,
	.free = free_trie,
};
