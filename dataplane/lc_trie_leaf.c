/*
 * Leaves of an LC-trie: prefixes that are alone in a slot, and the nodes that divide them when they
 * no longer are. Runs on control. How a trie is built is told in lc_trie_node.h.
 */
#include <errno.h>

#include "dataplane/lc_trie_node.h"

/* One of the two things that a new node of one bit divides. */
struct piece {
	uint64_t slot; /* as a target */
	struct dp_trie_key key;
	unsigned int len; /* of a node: its pos */
};

static struct piece piece_of(const struct dp_trie *t, uint64_t slot)
{
	struct piece piece = {.slot = slot & ~(SLOT_TOP | SLOT_SKIP)};

	if ((slot & SLOT_NODE) != 0) {
		const struct node *n = node_at(t, slot);

		piece.key = node_key(t, n);
		piece.len = n->pos;
	} else {
		const struct record *r = record_at(t, slot_ref(slot));

		piece.key = record_key(t, r);
		piece.len = word_len(record_word(r));
	}
	return piece;
}

/* Where they part; a prefix that holds the other one is local in the node. */
static unsigned int split_pos(const struct piece *a, const struct piece *b)
{
	unsigned int common = key_common(a->key, b->key);

	if ((a->slot & SLOT_NODE) == 0 && a->len <= common && a->len <= b->len)
		return a->len - 1;
	if ((b->slot & SLOT_NODE) == 0 && b->len <= common && b->len <= a->len)
		return b->len - 1;
	return common;
}

static void put_piece(struct dp_trie *t, struct node *n, const struct piece *piece)
{
	uint32_t i = key_bits(piece->key, n->pos, n->bits);
	uint64_t slot = node_get(t, n, i);

	if ((piece->slot & SLOT_NODE) == 0 && piece->len <= node_end(n)) {
		node_put(t, n, i, slot, slot_ref(piece->slot));
		n->locals++;
		n->weight++;
		return;
	}
	node_put(t, n, i, piece->slot, node_top(t, n, i));
	n->targets++;
	n->full += (piece->slot & SLOT_NODE) != 0 && piece->len == node_end(n);
	n->weight += dp_trie_weight(t, piece->slot);
}

/* A node that divides the new leaf and what is in its slot. */
static struct node *split(struct dp_trie *t, const struct place *p, uint32_t ref)
{
	struct piece old = piece_of(t, slot_load(p->at));
	struct piece new = piece_of(t, slot_of_leaf(ref));
	unsigned int pos = split_pos(&new, &old);
	bool locals = new.len == pos + 1 || (old.len == pos + 1 && (old.slot & SLOT_NODE) == 0);
	struct node *n = dp_trie_node_new(t, new.key, pos, 1, locals);

	if (n == NULL)
		return NULL;
	put_piece(t, n, &old);
	put_piece(t, n, &new);
	return n;
}

/* Into a slot, below the local prefixes that are there. */
void dp_trie_target_put(struct dp_trie *t, const struct place *p, uint64_t target)
{
	if (p->node == NULL)
		slot_store(p->at, slot_below(target, 0, false));
	else
		node_put(t, p->node, p->i, target, node_top(t, p->node, p->i));
}

/* Where nothing but local prefixes was. */
static int add_first_target(struct dp_trie *t, struct place *p, uint32_t ref)
{
	if (p->node != NULL) {
		p->node = dp_trie_split_entries(t, p->above_at, p->i, p->i + 1);
		if (p->node == NULL)
			return -ENOMEM;
		p->node->targets++;
	}
	dp_trie_target_put(t, p, slot_of_leaf(ref));
	return 0;
}

int dp_trie_leaf_add(struct dp_trie *t, struct place *p, uint32_t ref)
{
	uint64_t slot = slot_load(p->at);
	struct node *n;

	if (!slot_is_target(slot))
		return add_first_target(t, p, ref);
	n = split(t, p, ref);
	if (n == NULL)
		return -ENOMEM;
	dp_trie_target_put(t, p, dp_trie_node_slot(t, n));
	if (p->node != NULL && n->pos == p->end)
		p->node->full++;
	return 0;
}

void dp_trie_leaf_remove(struct dp_trie *t, struct place *p)
{
	dp_trie_target_put(t, p, 0);
	if (p->node != NULL)
		p->node->targets--;
}
