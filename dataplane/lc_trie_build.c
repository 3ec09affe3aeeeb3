/*
 * An LC-trie built at once from all of its prefixes: from the root down, each node with as many
 * slots as it would come to have. Runs on control. How a trie is built is told in lc_trie_node.h.
 */
#include "dataplane/lc_trie.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/lc_trie_node.h"

/* A prefix, to be sorted by key and length, and its record. 32 bytes: larger ones qsort() sorts by
 * pointers, which takes twice as long. */
struct item {
	struct dp_trie_key key;
	void *value;
	uint32_t ref; /* at first its place in the order given, which equal ones keep */
	uint8_t len;
};

static int compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->key.hi != y->key.hi)
		return x->key.hi < y->key.hi ? -1 : 1;
	if (x->key.lo != y->key.lo)
		return x->key.lo < y->key.lo ? -1 : 1;
	if (x->len != y->len)
		return (int)x->len - (int)y->len;
	return x->ref < y->ref ? -1 : 1;
}

/* ---- how large a node is ---- */

/* What a node over some items would hold with so many bits. */
struct content {
	uint32_t targets, locals;
	bool divides; /* no target is more than one item */
};

static struct content content_of(const struct item *items, size_t n, unsigned int pos,
				 unsigned int bits)
{
	struct content c = {0, 0, true};
	uint32_t last = UINT32_MAX;

	for (size_t k = 0; k < n; k++) {
		uint32_t i = key_bits(items[k].key, pos, bits);

		if (items[k].len <= pos + bits) {
			c.locals++;
			continue;
		}
		c.targets += i != last;
		c.divides &= i != last;
		last = i;
	}
	return c;
}

/* As many as it is granted, or as it takes to divide all. */
static unsigned int bits_for(const struct dp_trie *t, const struct item *items, size_t n,
			     unsigned int pos, bool is_root)
{
	struct node like = {.weight = (uint32_t)n};
	unsigned int room = (pos < HALF_BITS && t->bits > HALF_BITS ? HALF_BITS : t->bits) - pos;
	unsigned int bits = 1, granted;

	for (;; bits++) {
		struct content c = content_of(items, n, pos, bits);

		like.targets = (uint16_t)c.targets;
		like.locals = (uint16_t)c.locals;
		granted = dp_trie_bits_granted(&like, is_root);
		if (c.divides || bits >= room || bits >= granted)
			return bits;
	}
}

/* ---- nodes ---- */

static uint64_t build(struct dp_trie *t, const struct item *items, size_t n, bool is_root);

/* A target and what is below it; records are not freed. */
static void unbuild(struct dp_trie *t, uint64_t target)
{
	struct node *node;

	if ((target & SLOT_NODE) == 0)
		return;
	node = node_at(t, target);
	for (uint32_t i = 0; i < node_size(node); i = node_next(t, node, i))
		unbuild(t, node_target(t, node, i));
	dp_trie_node_free(t, node);
}

/* Longer ones come later, and go over shorter ones. */
static void put_local(struct dp_trie *t, struct node *node, const struct item *item)
{
	uint32_t first = key_bits(item->key, node->pos, node->bits);
	uint32_t slots = UINT32_C(1) << (node_end(node) - item->len);

	record_set_parent(t, item->ref, node_top(t, node, first));
	for (uint32_t i = first; i < first + slots; i++)
		node_put(t, node, i, 0, item->ref);
	node->locals++;
}

/* Items of one slot from the first one on. */
static size_t in_slot(const struct item *items, size_t n, const struct node *node, uint32_t i)
{
	size_t k = 1;

	while (k < n && key_bits(items[k].key, node->pos, node->bits) == i)
		k++;
	return k;
}

static bool fill(struct dp_trie *t, struct node *node, const struct item *items, size_t n)
{
	for (size_t k = 0, all; k < n; k += all) {
		uint32_t i = key_bits(items[k].key, node->pos, node->bits);
		uint64_t target;

		all = 1;
		if (items[k].len <= node_end(node)) {
			put_local(t, node, &items[k]);
			continue;
		}
		all = in_slot(items + k, n - k, node, i);
		target = build(t, items + k, all, false);
		if (target == 0)
			return false;
		node_put(t, node, i, target, node_top(t, node, i));
		node->targets++;
		node->full += node_is_full(node, target);
	}
	return true;
}

/* The target that leads to some items, which are longer than the node above reaches; 0: out of
 * memory. */
static uint64_t build(struct dp_trie *t, const struct item *items, size_t n, bool is_root)
{
	const struct item *first = &items[0], *last = &items[n - 1];
	unsigned int pos = key_common(first->key, last->key), bits;
	struct node *node;

	if (n == 1)
		return slot_of_leaf(items[0].ref);
	/* The first one may hold all others. */
	if (first->len <= pos)
		pos = first->len - 1u;
	bits = bits_for(t, items, n, pos, is_root);
	node = dp_trie_node_new(t, first->key, pos, bits,
				content_of(items, n, pos, bits).locals != 0);
	if (node == NULL)
		return 0;
	node->weight = (uint32_t)n;
	if (!fill(t, node, items, n)) {
		unbuild(t, dp_trie_node_slot(t, node));
		return 0;
	}
	return dp_trie_node_slot(t, is_root ? node : dp_trie_pack(t, node));
}

/* ---- the whole ---- */

/* The last ones of equal prefixes, in order. */
static size_t sort(struct item *items, const struct dp_trie_prefix *prefixes, size_t n)
{
	size_t kept = 0;

	for (size_t k = 0; k < n; k++) {
		const struct dp_trie_prefix *p = &prefixes[k];

		items[k] = (struct item){key_mask(p->key, p->len), p->value, (uint32_t)k, p->len};
	}
	qsort(items, n, sizeof(items[0]), compare);
	for (size_t k = 0; k < n; k++) {
		const struct item *next = k + 1 < n ? &items[k + 1] : NULL;

		if (next == NULL || items[k].len != next->len || items[k].key.hi != next->key.hi ||
		    items[k].key.lo != next->key.lo)
			items[kept++] = items[k];
	}
	for (size_t k = 0; k < kept; k++)
		items[k].ref = 0;
	return kept;
}

static void free_records(struct dp_trie *t, const struct item *items, size_t n)
{
	for (size_t k = 0; k < n && items[k].ref != 0; k++)
		dp_arena_free(t->arena, items[k].ref);
}

static bool make_records(struct dp_trie *t, struct item *items, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		items[k].ref = dp_trie_record_new(t, items[k].key, items[k].len, items[k].value);
		if (items[k].ref == 0)
			return false;
	}
	return true;
}

static int build_all(struct dp_trie *t, struct item *items, size_t n)
{
	bool has_any = n > 0 && items[0].len == 0;
	uint64_t root = 0;

	if (!make_records(t, items, n))
		goto fail;
	if (n > has_any) {
		root = build(t, items + has_any, n - has_any, true);
		if (root == 0)
			goto fail;
	}
	dp_trie_begin_change(t);
	if (has_any)
		atomic_store_explicit(&t->any, items[0].ref, memory_order_release);
	slot_store(&t->root, slot_below(root, 0, false));
	for (size_t k = 0; k < n; k++)
		dp_trie_record_is_set(t, items[k].ref, items[k].value);
	return 0;
fail:
	free_records(t, items, n);
	return -ENOMEM;
}

static int set_each(struct dp_trie *t, const struct dp_trie_prefix *prefixes, size_t n)
{
	void *old;
	int rc = 0;

	for (size_t k = 0; k < n && rc == 0; k++)
		rc = dp_trie_set(t, prefixes[k].key, prefixes[k].len, prefixes[k].value, &old);
	return rc;
}

int dp_trie_build(struct dp_trie *t, const struct dp_trie_prefix *prefixes, size_t n)
{
	struct item *items;
	int rc;

	if (n > UINT32_MAX)
		return -EINVAL;
	for (size_t k = 0; k < n; k++) {
		if (prefixes[k].len > t->bits)
			return -EINVAL;
	}
	if (t->count != 0)
		return set_each(t, prefixes, n);
	items = calloc(n + 1, sizeof(items[0]));
	if (items == NULL)
		return -ENOMEM;
	rc = build_all(t, items, sort(items, prefixes, n));
	free(items);
	return rc;
}
