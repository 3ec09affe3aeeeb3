/*
 * Records of an LC-trie, one for each prefix, and the lists that they are in. Runs on control. How
 * a trie is built is told in lc_trie_node.h.
 */
#include "dataplane/lc_trie_node.h"

uint32_t *dp_trie_list_of(const struct dp_trie *t, const void *value)
{
	return (uint32_t *)((char *)(uintptr_t)value + t->list_off);
}

static void enlist(struct dp_trie *t, uint32_t ref, const void *value)
{
	struct links *l = record_links(t, ref);
	uint32_t *head;

	if (t->list_off == DP_TRIE_UNLISTED)
		return;
	head = dp_trie_list_of(t, value);
	if (*head == 0) {
		*head = l->next = l->prev = ref;
		return;
	}
	l->next = *head;
	l->prev = record_links(t, *head)->prev;
	record_links(t, l->prev)->next = ref;
	record_links(t, l->next)->prev = ref;
}

static void unlist(struct dp_trie *t, uint32_t ref, const void *value)
{
	const struct links *l = record_links(t, ref);
	uint32_t *head;

	if (t->list_off == DP_TRIE_UNLISTED)
		return;
	head = dp_trie_list_of(t, value);
	if (*head == ref)
		*head = l->next == ref ? 0 : l->next;
	record_links(t, l->prev)->next = l->next;
	record_links(t, l->next)->prev = l->prev;
}

/* A prefix is about to come or go. Who sees any of it sees this, too, and looks again if need be.
 */
void dp_trie_begin_change(struct dp_trie *t)
{
	atomic_store_explicit(&t->changes,
			      atomic_load_explicit(&t->changes, memory_order_relaxed) + 1,
			      memory_order_release);
}

uint32_t dp_trie_record_new(struct dp_trie *t, struct dp_trie_key key, uint8_t len,
			    const void *value)
{
	uint32_t ref = dp_arena_alloc(t->arena, RECORD_CLASS);
	struct record *r = record_at(t, ref);

	if (ref == 0)
		return 0;
	atomic_store_explicit(&r->word, word_of(value, len), memory_order_relaxed);
	if (t->bits == 32) {
		r->is.v4.key = (uint32_t)(key.hi >> 32);
	} else {
		r->is.v6.hi = key.hi;
		r->is.v6.lo = key.lo;
	}
	*record_links(t, ref) = (struct links){0};
	return ref;
}

/* A new prefix is in its place: the rest of what makes it one. */
void dp_trie_record_is_set(struct dp_trie *t, uint32_t ref, const void *value)
{
	enlist(t, ref, value);
	t->count++;
}

/* A prefix has gone from its place. */
void dp_trie_record_is_cleared(struct dp_trie *t, uint32_t ref)
{
	unlist(t, ref, word_value(record_word(record_at(t, ref))));
	dp_arena_retire(t->arena, ref);
	t->count--;
}

/* Another record is in its place: readers must not find a new value under an old slot, as a longer
 * prefix may have come meanwhile. The value that it had. */
void *dp_trie_record_is_replaced(struct dp_trie *t, uint32_t ref)
{
	void *had = word_value(record_word(record_at(t, ref)));

	dp_trie_record_is_cleared(t, ref);
	return had;
}
