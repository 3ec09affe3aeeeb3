/*
 * Local prefixes of an LC-trie: those that cover whole slots of a node. Runs on control. How a trie
 * is built is told in lc_trie_node.h.
 */
#include <errno.h>

#include "dataplane/lc_trie_node.h"

/* The local prefix of that length over a slot, or else 0; *shorter is the next shorter one. */
uint32_t dp_trie_local_find(const struct dp_trie *t, const struct node *n, uint32_t i,
			    unsigned int len, uint32_t *shorter)
{
	uint32_t ref = node_top(t, n, i);

	while (ref != 0 && record_len(t, ref) > len)
		ref = record_parent(t, ref);
	if (ref != 0 && record_len(t, ref) == len) {
		*shorter = record_parent(t, ref);
		return ref;
	}
	*shorter = ref;
	return 0;
}

/* The slots that a local prefix covers, from the first one on. */
static uint32_t covered(const struct node *n, unsigned int len)
{
	return UINT32_C(1) << (node_end(n) - len);
}

/* The longest local prefix of a slot becomes another one. */
static void set_top(struct dp_trie *t, struct node *n, uint32_t i, uint32_t ref)
{
	uint64_t slot = node_get(t, n, i);

	node_put(t, n, i, slot_is_target(slot) ? slot : 0, ref);
}

/* In the chain of local prefixes from ref on, the one above which another one is put or taken. */
static uint32_t lowest_over(const struct dp_trie *t, uint32_t ref, unsigned int len)
{
	for (;;) {
		uint32_t parent = record_parent(t, ref);

		if (parent == 0 || record_len(t, parent) <= len)
			return ref;
		ref = parent;
	}
}

static void local_enter(struct dp_trie *t, struct node *n, uint32_t first, uint32_t ref)
{
	unsigned int len = record_len(t, ref);

	for (uint32_t i = first; i < first + covered(n, len); i = node_next(t, n, i)) {
		uint32_t top = node_top(t, n, i);

		if (top == 0 || record_len(t, top) < len)
			set_top(t, n, i, ref);
		else
			record_set_parent(t, lowest_over(t, top, len), ref);
	}
	n->locals++;
}

/* Where a local prefix is, another one takes its place: the next shorter one, or another record. */
static void hand_over(struct dp_trie *t, struct node *n, uint32_t first, uint32_t old, uint32_t ref)
{
	unsigned int len = record_len(t, old);

	for (uint32_t i = first; i < first + covered(n, len); i = node_next(t, n, i)) {
		uint32_t top = node_top(t, n, i);

		if (top == old)
			set_top(t, n, i, ref);
		else
			record_set_parent(t, lowest_over(t, top, len), ref);
	}
}

void dp_trie_local_remove(struct dp_trie *t, struct node *n, uint32_t first, uint32_t ref)
{
	hand_over(t, n, first, ref, record_parent(t, ref));
	n->locals--;
}

void dp_trie_local_replace(struct dp_trie *t, struct node *n, uint32_t first, uint32_t old,
			   uint32_t ref)
{
	record_set_parent(t, ref, record_parent(t, old));
	hand_over(t, n, first, old, ref);
}

int dp_trie_local_add(struct dp_trie *t, struct place *p, uint32_t ref)
{
	struct node *n;

	if (!p->node->has_tops) {
		n = dp_trie_node_add_tops(t, p->above_at);
		if (n == NULL)
			return -ENOMEM;
		p->node = n;
	}
	n = dp_trie_split_entries(t, p->above_at, p->i,
				  p->i + covered(p->node, record_len(t, ref)));
	if (n == NULL)
		return -ENOMEM;
	p->node = n;
	dp_trie_local_find(t, p->node, p->i, record_len(t, ref), &record_links(t, ref)->parent);
	local_enter(t, p->node, p->i, ref);
	return 0;
}
