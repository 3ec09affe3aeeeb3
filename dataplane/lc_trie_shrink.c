/*
 * Nodes of an LC-trie that have become too large: they are halved, or taken out. Runs on control.
 * How a trie is built is told in lc_trie_node.h.
 */
#include <assert.h>

#include "dataplane/lc_trie_node.h"

/* A node may be halved if the things in it would fit into one such part of its slots. */
#define HALVE_PARTS 4

/* A node with more bits than this is halved only once in an update, which takes long enough. */
#define HALVE_ONCE_BITS 9

/* ---- halving ---- */

/* What two neighbouring slots hold that one slot of the halved node has to. */
struct pair {
	uint64_t targets[2];
	uint32_t locals[2]; /* that cover one slot only; 0: none */
	uint32_t top;	    /* the longest local prefix over both */
	unsigned int parts;
};

static struct pair pair_of(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	struct pair p = {{0}, {0}, 0, 0};

	for (unsigned int side = 0; side < 2; side++) {
		uint32_t top = node_top(t, n, 2 * i + side);

		p.targets[side] = node_target(t, n, 2 * i + side);
		if (top != 0 && record_len(t, top) == node_end(n)) {
			p.locals[side] = top;
			top = record_parent(t, top);
		}
		p.top = top;
		p.parts += (p.targets[side] != 0) + (p.locals[side] != 0);
	}
	return p;
}

static struct dp_trie_key pair_key(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	struct dp_trie_key key = node_key(t, n);
	unsigned int shift = HALF_BITS - node_end(n) % HALF_BITS;

	/* The end is that of the key's half if nothing is left of the division. */
	if (shift == HALF_BITS)
		shift = 0;
	if (n->pos < HALF_BITS)
		key.hi |= (uint64_t)(2 * i) << shift;
	else
		key.lo |= (uint64_t)(2 * i) << shift;
	return key;
}

/* A node of one bit, for a pair of more than one part. */
static struct node *pair_node(struct dp_trie *t, const struct node *n, uint32_t i,
			      const struct pair *p)
{
	bool tops = false;
	struct node *to;

	for (unsigned int side = 0; side < 2; side++)
		tops |= p->locals[side] != 0;
	to = dp_trie_node_new(t, pair_key(t, n, i), node_end(n) - 1, 1, tops);
	for (unsigned int side = 0; to != NULL && side < 2; side++) {
		node_put(t, to, side, p->targets[side], p->locals[side]);
		to->targets += p->targets[side] != 0;
		to->full += p->targets[side] != 0 && node_is_full(to, p->targets[side]);
		to->locals += p->locals[side] != 0;
		to->weight += dp_trie_weight(t, p->targets[side]) + (p->locals[side] != 0);
	}
	return to;
}

static bool halve_one(struct dp_trie *t, const struct node *n, uint32_t i, struct node *to)
{
	struct pair p = pair_of(t, n, i);
	uint64_t target = 0;

	if (p.parts > 1) {
		const struct node *below = pair_node(t, n, i, &p);

		if (below == NULL)
			return false;
		target = dp_trie_node_slot(t, below);
	}
	for (unsigned int side = 0; p.parts == 1 && side < 2; side++) {
		if (p.targets[side] != 0)
			target = p.targets[side];
		else if (p.locals[side] != 0)
			target = slot_of_leaf(p.locals[side]);
	}
	node_put(t, to, i, target, p.top);
	to->locals -= (p.locals[0] != 0) + (p.locals[1] != 0);
	to->targets += target != 0;
	to->full += node_is_full(to, target);
	return true;
}

/* The nodes that halving has made below the new node are the full ones of one bit that the old one
 * does not know. */
static void halve_undo(struct dp_trie *t, const struct node *n, struct node *to)
{
	for (uint32_t i = 0; i < node_size(to); i++) {
		uint64_t target = node_target(t, to, i);

		if (node_is_full(to, target) && target != node_target(t, n, 2 * i) &&
		    target != node_target(t, n, 2 * i + 1))
			dp_trie_node_free(t, node_at(t, target));
	}
	dp_trie_node_free(t, to);
}

/* Prefixes that were local and now are leaves, or local in a node of their own. */
static void halve_links(struct dp_trie *t, const struct node *n)
{
	for (uint32_t i = 0; n->locals != 0 && i < node_size(n); i++) {
		uint32_t top = node_top(t, n, i);

		if (top != 0 && record_len(t, top) == node_end(n))
			record_set_parent(t, top, 0);
	}
}

static bool halve(struct dp_trie *t, _Atomic uint64_t *at)
{
	struct node *n = node_at(t, slot_load(at));
	struct node *to = dp_trie_node_new(t, node_key(t, n), n->pos, n->bits - 1u, n->locals != 0);

	if (to == NULL)
		return false;
	to->locals = n->locals;
	to->weight = n->weight;
	for (uint32_t i = 0; i < node_size(to); i++) {
		if (!halve_one(t, n, i, to)) {
			halve_undo(t, n, to);
			return false;
		}
	}
	halve_links(t, n);
	dp_trie_replace_node(t, at, at == &t->root ? to : dp_trie_pack(t, to));
	return true;
}

/* ---- taking out ---- */

/* The one target or local prefix that a node has left, as a target of the slot above. */
static uint64_t last_part(const struct dp_trie *t, const struct node *n)
{
	for (uint32_t i = 0;; i++) {
		uint64_t slot = node_get(t, n, i);

		assert(i < node_size(n));
		if (slot_is_target(slot))
			return slot;
		if (slot != 0)
			return slot_of_leaf(node_top(t, n, i));
	}
}

static void take_out(struct dp_trie *t, _Atomic uint64_t *at, struct node *above)
{
	uint64_t slot = slot_load(at);
	struct node *n = node_at(t, slot);
	unsigned int end = above == NULL ? 0 : node_end(above);

	if (above != NULL)
		above->full -= n->pos == end;
	slot_store(at, slot_below(last_part(t, n), end, (slot & SLOT_TOP) != 0));
	dp_trie_node_retire(t, n);
}

static bool is_sparse(const struct node *n, uint32_t parts, bool is_root)
{
	return n->bits > 1 && parts * HALVE_PARTS < node_size(n) &&
	       n->bits > dp_trie_bits_granted(n, is_root) + 1;
}

void dp_trie_shrink(struct dp_trie *t, _Atomic uint64_t *at, struct node *above)
{
	bool enough = false;

	for (;;) {
		const struct node *n = node_at(t, slot_load(at));
		uint32_t parts = (uint32_t)n->targets + n->locals;

		if (parts <= 1) {
			take_out(t, at, above);
			return;
		}
		if (enough || !is_sparse(n, parts, above == NULL))
			return;
		enough = n->bits > HALVE_ONCE_BITS;
		if (!halve(t, at))
			return;
	}
}
