/*
 * Nodes of an LC-trie: their memory, what their slots hold, and how one takes another's place. Runs
 * on control. How a trie is built is told in lc_trie_node.h.
 */
#include <string.h>

#include "dataplane/lc_trie_node.h"

/*
 * How many slots a node may have for each prefix in it and below. Twice as many take away a quarter
 * of the levels and cost 8 bytes a prefix; the root is passed by every lookup, and its size matters
 * in small tries only. Packed, slots cost little: that is for nodes of which at least a fifth of
 * the things in them are local prefixes.
 */
#define SLOTS_PER_PREFIX	2
#define SLOTS_PER_PREFIX_ROOT	8
#define SLOTS_PER_PREFIX_PACKED 128
#define LOCALS_PACK		4u

static unsigned int class_of(unsigned int bits, bool has_tops)
{
	return bits - 1 + (has_tops ? NODE_BITS_MAX : 0);
}

static uint32_t node_ref(const struct dp_trie *t, const struct node *n)
{
	return (uint32_t)(((const char *)n - t->base) / DP_ARENA_UNIT_BYTES);
}

struct node *dp_trie_node_new(struct dp_trie *t, struct dp_trie_key key, unsigned int pos,
			      unsigned int bits, bool has_tops)
{
	uint32_t ref = dp_arena_alloc(t->arena, class_of(bits, has_tops));
	struct node *n = ref_at(t->base, ref);

	if (ref == 0)
		return NULL;
	key = key_mask(key, pos);
	n->targets = n->full = n->locals = 0;
	n->pos = (uint8_t)pos;
	n->bits = bits & 0xf;
	n->has_tops = has_tops;
	n->packed = false;
	n->futile = false;
	n->weight = 0;
	if (t->bits == 32) {
		n->key4 = (uint32_t)(key.hi >> 32);
	} else {
		n->key6[0] = key.hi;
		n->key6[1] = key.lo;
	}
	memset(node_slots(t, n), 0, sizeof(uint64_t) << bits);
	if (has_tops)
		memset(node_tops(t, n), 0, sizeof(uint32_t) << bits);
	t->nodes++;
	return n;
}

void dp_trie_node_free(struct dp_trie *t, struct node *n)
{
	dp_arena_free(t->arena, node_ref(t, n));
	t->nodes--;
}

void dp_trie_node_retire(struct dp_trie *t, struct node *n)
{
	dp_arena_retire(t->arena, node_ref(t, n));
	t->nodes--;
}

size_t dp_trie_node_bytes(const struct dp_trie *t, const struct node *n)
{
	return dp_arena_block_bytes(t->arena, node_ref(t, n));
}

uint64_t dp_trie_node_slot(const struct dp_trie *t, const struct node *n)
{
	uint32_t ref = node_ref(t, n) + t->header_bytes / DP_ARENA_UNIT_BYTES;

	return slot_of_node(ref, n->pos, n->bits, n->packed);
}

void dp_trie_replace_node(struct dp_trie *t, _Atomic uint64_t *at, struct node *n)
{
	uint64_t slot = slot_load(at);
	struct node *old = node_at(t, slot);

	slot_store(at, dp_trie_node_slot(t, n) | (slot & (SLOT_TOP | SLOT_SKIP)));
	dp_trie_node_retire(t, old);
}

struct node *dp_trie_node_plain(struct dp_trie *t, const struct node *n)
{
	struct node *to = dp_trie_node_new(t, node_key(t, n), n->pos, n->bits, true);

	if (to == NULL)
		return NULL;
	to->targets = n->targets;
	to->full = n->full;
	to->locals = n->locals;
	to->weight = n->weight;
	for (uint32_t i = 0; i < node_size(n); i++) {
		slot_store(node_slots(t, to) + i, node_get(t, n, i));
		top_store(node_tops(t, to) + i, node_top(t, n, i));
	}
	return to;
}

struct node *dp_trie_node_add_tops(struct dp_trie *t, _Atomic uint64_t *at)
{
	struct node *n = dp_trie_node_plain(t, node_at(t, slot_load(at)));

	if (n != NULL)
		dp_trie_replace_node(t, at, n);
	return n;
}

uint32_t dp_trie_weight(const struct dp_trie *t, uint64_t target)
{
	return (target & SLOT_NODE) != 0 ? node_at(t, target)->weight : target != 0;
}

unsigned int dp_trie_bits_granted(const struct node *n, bool is_root)
{
	uint64_t slots = (uint64_t)n->weight * SLOTS_PER_PREFIX;
	unsigned int bits;

	if (is_root)
		slots = (uint64_t)n->weight * SLOTS_PER_PREFIX_ROOT;
	else if (n->packed || n->locals * LOCALS_PACK >= n->targets)
		slots = (uint64_t)n->weight * SLOTS_PER_PREFIX_PACKED;
	bits = slots < 2 ? 1 : 63 - (unsigned int)__builtin_clzll(slots);
	return bits < NODE_BITS_MAX ? bits : NODE_BITS_MAX;
}
