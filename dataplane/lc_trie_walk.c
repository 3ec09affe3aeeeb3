/*
 * Lists of an LC-trie's prefixes: all of them in order, or those of one value. Runs on control. How
 * a trie is built is told in lc_trie_node.h.
 */
#include "dataplane/lc_trie.h"

#include "dataplane/lc_trie_node.h"

struct walk {
	const struct dp_trie *t;
	dp_trie_visit *visit;
	void *ctx;
};

static bool show(const struct walk *w, uint32_t ref)
{
	const struct record *r = record_at(w->t, ref);
	uint64_t word = record_word(r);
	struct dp_trie_prefix prefix = {record_key(w->t, r), (uint8_t)word_len(word),
					word_value(word)};

	return w->visit(w->ctx, &prefix);
}

/* The local prefixes whose first slot is this one; in a chain these come first, longer ones before
 * shorter ones. */
static bool show_locals(const struct walk *w, const struct node *n, uint32_t i)
{
	uint32_t refs[NODE_BITS_MAX];
	unsigned int depth = 0;

	for (uint32_t ref = node_top(w->t, n, i); ref != 0; ref = record_parent(w->t, ref)) {
		struct dp_trie_key key = record_key(w->t, record_at(w->t, ref));

		if (key_bits(key, n->pos, n->bits) != i)
			break;
		refs[depth++] = ref;
	}
	while (depth > 0) {
		if (!show(w, refs[--depth]))
			return false;
	}
	return true;
}

/* As deep as the trie: each level takes at least one bit. */
static bool walk_slot(const struct walk *w, uint64_t slot)
{
	const struct node *n;

	if ((slot & SLOT_NODE) == 0)
		return !slot_is_target(slot) || show(w, slot_ref(slot));
	n = node_at(w->t, slot);
	for (uint32_t i = 0; i < node_size(n); i++) {
		if (n->locals != 0 && !show_locals(w, n, i))
			return false;
		if (!walk_slot(w, node_get(w->t, n, i)))
			return false;
	}
	return true;
}

void dp_trie_walk(const struct dp_trie *t, dp_trie_visit *visit, void *ctx)
{
	const struct walk w = {t, visit, ctx};
	uint64_t any = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&t->any,
					    memory_order_relaxed);

	if (any == 0 || show(&w, (uint32_t)any))
		walk_slot(&w, slot_load(&t->root));
}

bool dp_trie_walk_listed(const struct dp_trie *t, const void *value, dp_trie_visit *visit,
			 void *ctx)
{
	const uint32_t *head = (const uint32_t *)((const char *)value + t->list_off);
	const struct walk w = {t, visit, ctx};
	uint32_t ref = *head;

	while (ref != 0) {
		if (!show(&w, ref))
			return false;
		ref = record_links(t, ref)->next;
		if (ref == *head)
			break;
	}
	return true;
}
