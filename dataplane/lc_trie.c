/*
 * The writer of an LC-trie: prefixes are set and cleared here. How a trie is built, and which of
 * the files lc_trie_*.c does what, is told in lc_trie_node.h.
 */
#include "dataplane/lc_trie.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/lc_trie_node.h"

/* ---- the whole ---- */

static void node_classes(struct dp_arena_class classes[], uint32_t header_bytes)
{
	for (unsigned int i = PACKED_CLASS; i < PACKED_CLASS + PACKED_CLASSES; i++)
		classes[i].bytes = dp_trie_packed_class_bytes(i);
	for (uint32_t bits = 1; bits <= NODE_BITS_MAX; bits++) {
		uint32_t slots_bytes = (uint32_t)sizeof(uint64_t) << bits;

		classes[bits - 1].bytes = header_bytes + slots_bytes;
		classes[NODE_BITS_MAX + bits - 1].bytes = header_bytes + slots_bytes +
							  ((uint32_t)sizeof(uint32_t) << bits);
	}
}

struct dp_trie *dp_trie_new(uint8_t bits, size_t list_off, const struct dp_later *later)
{
	struct dp_arena_class classes[PACKED_CLASS + PACKED_CLASSES] = {{0}};
	struct dp_trie *t = aligned_alloc(_Alignof(struct dp_trie), sizeof(*t));

	assert(bits == 32 || bits == 128);
	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->bits = bits;
	t->list_off = list_off;
	t->header_bytes = bits == 32 ? HEADER4_BYTES : HEADER6_BYTES;
	node_classes(classes, t->header_bytes);
	classes[RECORD_CLASS].bytes = bits == 32 ? RECORD4_BYTES : RECORD6_BYTES;
	classes[RECORD_CLASS].link_off_bytes =
		(uint32_t)(bits == 32 ? offsetof(struct record, is.v4.links)
				      : offsetof(struct record, is.v6.links));
	t->arena = dp_arena_new(classes, PACKED_CLASS + PACKED_CLASSES, later);
	if (t->arena == NULL) {
		free(t);
		return NULL;
	}
	t->base = dp_arena_base(t->arena);
	t->avx512 = dp_trie_avx512_usable();
	return t;
}

void dp_trie_free(struct dp_trie *t)
{
	if (t == NULL)
		return;
	dp_arena_delete(t->arena);
	free(t);
}

size_t dp_trie_count(const struct dp_trie *t)
{
	return t->count;
}

size_t dp_trie_nodes(const struct dp_trie *t)
{
	return t->nodes;
}

size_t dp_trie_used_bytes(const struct dp_trie *t)
{
	return sizeof(*t) + dp_arena_used_bytes(t->arena);
}

size_t dp_trie_bytes(const struct dp_trie *t)
{
	return sizeof(*t) + dp_arena_bytes(t->arena);
}

/* ---- where a prefix belongs ---- */

static bool node_holds(const struct dp_trie *t, const struct node *n, struct dp_trie_key key)
{
	return key_common(node_key(t, n), key) >= n->pos;
}

static void find(struct dp_trie *t, struct dp_trie_key key, unsigned int len, struct place *p)
{
	*p = (struct place){.at = &t->root};
	for (;;) {
		uint64_t slot = slot_load(p->at);
		struct node *n;

		if ((slot & SLOT_NODE) == 0)
			return;
		n = node_at(t, slot);
		if (len <= n->pos || !node_holds(t, n, key))
			return;
		p->above_at = p->at;
		p->above = p->node;
		p->node = n;
		p->i = key_bits(key, n->pos, n->bits);
		p->at = node_slot(t, n, p->i);
		p->end = node_end(n);
		p->local = len <= p->end;
		if (p->local)
			return;
	}
}

/* The record of exactly this prefix at its place; 0: there is none. */
static uint32_t find_exact(const struct dp_trie *t, const struct place *p, struct dp_trie_key key,
			   unsigned int len)
{
	uint64_t slot = slot_load(p->at);
	uint32_t shorter;

	if (p->local)
		return dp_trie_local_find(t, p->node, p->i, len, &shorter);
	if ((slot & SLOT_NODE) != 0 || !slot_is_target(slot))
		return 0;
	if (record_len(t, slot_ref(slot)) != len ||
	    key_common(record_key(t, record_at(t, slot_ref(slot))), key) < len)
		return 0;
	return slot_ref(slot);
}

/* ---- /0 ---- */

static int set_any(struct dp_trie *t, void *value, void **old)
{
	uint32_t had = (uint32_t)atomic_load_explicit(&t->any, memory_order_relaxed);
	uint32_t ref = dp_trie_record_new(t, (struct dp_trie_key){0}, 0, value);

	if (ref == 0)
		return -ENOMEM;
	dp_trie_begin_change(t);
	atomic_store_explicit(&t->any, ref, memory_order_release);
	if (had != 0)
		*old = dp_trie_record_is_replaced(t, had);
	dp_trie_record_is_set(t, ref, value);
	return 0;
}

static void *clear_any(struct dp_trie *t, const void *value)
{
	uint32_t ref = (uint32_t)atomic_load_explicit(&t->any, memory_order_relaxed);
	void *had = ref == 0 ? NULL : word_value(record_word(record_at(t, ref)));

	if (had == NULL || (value != NULL && had != value))
		return NULL;
	dp_trie_begin_change(t);
	atomic_store_explicit(&t->any, 0, memory_order_release);
	dp_trie_record_is_cleared(t, ref);
	return had;
}

/* Nodes from the root down to this one have one prefix more or less. */
static void weigh(struct dp_trie *t, struct dp_trie_key key, const struct node *last, int more)
{
	uint64_t slot = slot_load(&t->root);

	while (last != NULL) {
		struct node *n = node_at(t, slot);

		n->weight += (uint32_t)more;
		/* It is granted more slots then. */
		if ((n->weight & (n->weight - 1)) == 0)
			n->futile = false;
		if (n == last)
			break;
		slot = node_get(t, n, key_bits(key, n->pos, n->bits));
	}
}

/* All nodes on the way to a new prefix. */
static void inflate_way(struct dp_trie *t, struct dp_trie_key key, unsigned int len)
{
	_Atomic uint64_t *at = &t->root;
	const struct node *above = NULL;

	while ((slot_load(at) & SLOT_NODE) != 0) {
		dp_trie_inflate(t, at, above);
		above = node_at(t, slot_load(at));
		if (len <= node_end(above))
			return;
		at = node_slot(t, above, key_bits(key, above->pos, above->bits));
	}
}

/* ---- what control calls ---- */

static void *replace(struct dp_trie *t, struct place *p, uint32_t old, uint32_t ref)
{
	if (p->local)
		dp_trie_local_replace(t, p->node, p->i, old, ref);
	else
		dp_trie_target_put(t, p, slot_of_leaf(ref));
	return dp_trie_record_is_replaced(t, old);
}

static int add(struct dp_trie *t, struct place *p, struct dp_trie_key key, uint32_t ref)
{
	int rc = p->local ? dp_trie_local_add(t, p, ref) : dp_trie_leaf_add(t, p, ref);

	if (rc != 0)
		return rc;
	weigh(t, key, p->node, 1);
	inflate_way(t, key, record_len(t, ref));
	return 0;
}

int dp_trie_set(struct dp_trie *t, struct dp_trie_key key, uint8_t len, void *value, void **old)
{
	struct place p;
	uint32_t ref, had;
	int rc = 0;

	if (len > t->bits)
		return -EINVAL;
	assert(value != NULL && (uint64_t)(uintptr_t)value >> VALUE_BITS == 0);
	*old = NULL;
	t->updates++;
	dp_trie_begin_work(t);
	if (len == 0)
		return set_any(t, value, old);
	key = key_mask(key, len);
	ref = dp_trie_record_new(t, key, len, value);
	if (ref == 0)
		return -ENOMEM;
	find(t, key, len, &p);
	had = find_exact(t, &p, key, len);
	dp_trie_begin_change(t);
	if (had != 0)
		*old = replace(t, &p, had, ref);
	else
		rc = add(t, &p, key, ref);
	if (rc != 0)
		dp_arena_free(t->arena, ref);
	else
		dp_trie_record_is_set(t, ref, value);
	return rc;
}

void *dp_trie_clear(struct dp_trie *t, struct dp_trie_key key, uint8_t len, const void *value)
{
	struct place p;
	uint32_t ref;
	void *had;

	if (len > t->bits)
		return NULL;
	if (len == 0)
		return clear_any(t, value);
	key = key_mask(key, len);
	find(t, key, len, &p);
	ref = find_exact(t, &p, key, len);
	had = ref == 0 ? NULL : word_value(record_word(record_at(t, ref)));
	if (had == NULL || (value != NULL && had != value))
		return NULL;
	t->updates++;
	dp_trie_begin_change(t);
	weigh(t, key, p.node, -1);
	if (p.local)
		dp_trie_local_remove(t, p.node, p.i, ref);
	else
		dp_trie_leaf_remove(t, &p);
	dp_trie_record_is_cleared(t, ref);
	if (p.node != NULL)
		dp_trie_shrink(t, p.above_at, p.above);
	return had;
}

size_t dp_trie_clear_listed(struct dp_trie *t, const void *value, size_t max)
{
	const uint32_t *head = dp_trie_list_of(t, value);
	size_t n = 0;

	for (; n < max && *head != 0; n++) {
		const struct record *r = record_at(t, *head);

		dp_trie_clear(t, record_key(t, r), (uint8_t)word_len(record_word(r)), value);
	}
	return n;
}
