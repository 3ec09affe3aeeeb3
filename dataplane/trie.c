/*
 * The path-compressed trie under allowed-ips and routes.
 *
 * A node holds a prefix and, below it, at most one node per value of the next bit, with a prefix
 * that may be many bits longer. A node without a value has two children, always: other such nodes
 * are taken out, so that n prefixes need less than 2n nodes.
 *
 * Readers walk down from the root and keep the last value that they passed. The writer completes a
 * node before it links it, and takes it out by turning the pointer above around it: a reader that
 * stands on it still finds its way on.
 *
 * A reader may have passed a place where a short prefix is put in, and then not find a longer one
 * that is removed after that: an answer that was never true. This needs a removal during the
 * lookup, so a lookup that saw one starts anew (LOOKUP_TRIES times: nothing waits for the writer).
 */
#include "dataplane/trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_prefetch.h>

#include "dataplane/batch.h"
#include "dataplane/publish.h"

#define LOOKUP_TRIES 4

static_assert(sizeof(struct dp_trie_node) == 64, "one cache line");

static inline uint64_t from_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return rte_be_to_cpu_64(v);
}

struct dp_trie_key dp_trie_key(int family, const uint8_t *addr)
{
	struct dp_trie_key key = {0};
	uint32_t v4;

	if (family == AF_INET) {
		memcpy(&v4, addr, sizeof(v4));
		key.hi = (uint64_t)rte_be_to_cpu_32(v4) << 32;
	} else {
		key.hi = from_be64(addr);
		key.lo = from_be64(addr + 8);
	}
	return key;
}

void dp_trie_addr(const struct dp_trie_node *node, uint8_t addr[16])
{
	uint64_t hi = rte_cpu_to_be_64(node->key.hi);
	uint64_t lo = rte_cpu_to_be_64(node->key.lo);

	memcpy(addr, &hi, sizeof(hi));
	memcpy(addr + 8, &lo, sizeof(lo));
}

int dp_trie_family(const struct dp_trie_node *node)
{
	return node->bits == 32 ? AF_INET : AF_INET6;
}

static struct dp_trie_key mask(struct dp_trie_key key, uint8_t len)
{
	if (len <= 64) {
		key.hi = len == 0 ? 0 : key.hi & (UINT64_MAX << (64 - len));
		key.lo = 0;
	} else {
		key.lo &= UINT64_MAX << (128 - len);
	}
	return key;
}

/* How many leading bits are the same. */
static inline unsigned int common(struct dp_trie_key a, struct dp_trie_key b)
{
	uint64_t hi = a.hi ^ b.hi;
	uint64_t lo = a.lo ^ b.lo;

	if (hi != 0)
		return (unsigned int)__builtin_clzll(hi);
	return lo != 0 ? 64 + (unsigned int)__builtin_clzll(lo) : 128;
}

/* The bit after a prefix of len bits, len < 128. */
static inline unsigned int bit_after(struct dp_trie_key key, uint8_t len)
{
	uint64_t half = len < 64 ? key.hi : key.lo;

	return (half >> (63 - len % 64)) & 1;
}

static struct dp_trie_node *child(const struct dp_trie_node *node, unsigned int bit)
{
	return atomic_load_explicit((_Atomic(struct dp_trie_node *) *)&node->child[bit],
				    memory_order_acquire);
}

static struct dp_trie_node *root(const struct dp_trie *t)
{
	return atomic_load_explicit((_Atomic(struct dp_trie_node *) *)&t->root,
				    memory_order_acquire);
}

static void *value_of(const struct dp_trie_node *node)
{
	return atomic_load_explicit((_Atomic(void *) *)&node->value, memory_order_acquire);
}

static void point(_Atomic(struct dp_trie_node *) *slot, struct dp_trie_node *node)
{
	atomic_store_explicit(slot, node, memory_order_release);
}

/* ---- readers ---- */

static uint64_t removals(const struct dp_trie *t)
{
	return atomic_load_explicit((_Atomic uint64_t *)&t->removals, memory_order_acquire);
}

/* One step: takes the node's value if the key is in it. Returns where to go on, NULL: nowhere. */
static inline struct dp_trie_node *step(const struct dp_trie *t, const struct dp_trie_node *node,
					struct dp_trie_key key, void **best)
{
	void *value;

	if (common(node->key, key) < node->len)
		return NULL;
	value = value_of(node);
	if (value != NULL)
		*best = value;
	return node->len == t->bits ? NULL : child(node, bit_after(key, node->len));
}

void *dp_trie_lookup(const struct dp_trie *t, struct dp_trie_key key)
{
	void *best = NULL;

	for (unsigned int i = 0; i < LOOKUP_TRIES; i++) {
		uint64_t before = removals(t);

		best = NULL;
		for (const struct dp_trie_node *n = root(t); n != NULL; n = step(t, n, key, &best))
			;
		if (likely(removals(t) == before))
			break;
	}
	return best;
}

/* All keys go down a level in each round; a node is touched a round after its prefetch. */
static void walk_bulk(const struct dp_trie *t, const struct dp_trie_key *keys, void **values,
		      unsigned int n)
{
	struct dp_trie_node *top = root(t);
	struct dp_trie_node *at[DP_BATCH_MAX];
	uint8_t active[DP_BATCH_MAX];
	unsigned int n_active = top == NULL ? 0 : n;

	for (unsigned int i = 0; i < n; i++) {
		values[i] = NULL;
		at[i] = top;
		active[i] = (uint8_t)i;
	}
	while (n_active > 0) {
		unsigned int left = 0;

		for (unsigned int j = 0; j < n_active; j++) {
			unsigned int i = active[j];

			at[i] = step(t, at[i], keys[i], &values[i]);
			if (at[i] != NULL) {
				rte_prefetch0(at[i]);
				active[left++] = (uint8_t)i;
			}
		}
		n_active = left;
	}
}

void dp_trie_lookup_bulk(const struct dp_trie *t, const struct dp_trie_key *keys, void **values,
			 unsigned int n)
{
	for (unsigned int i = 0; i < LOOKUP_TRIES; i++) {
		uint64_t before = removals(t);

		walk_bulk(t, keys, values, n);
		if (likely(removals(t) == before))
			break;
	}
}

/* ---- the writer ---- */

static void unlist(struct dp_trie_node *node)
{
	if (node->link.next == NULL)
		return;
	node->link.prev->next = node->link.next;
	node->link.next->prev = node->link.prev;
	node->link.next = node->link.prev = NULL;
}

static void enlist(struct dp_trie_node *node, struct dp_prefix_link *list)
{
	unlist(node);
	if (list == NULL)
		return;
	if (list->next == NULL)
		list->next = list->prev = list;
	node->link.prev = list->prev;
	node->link.next = list;
	list->prev->next = &node->link;
	list->prev = &node->link;
}

static struct dp_trie_node *node_new(struct dp_trie *t, struct dp_trie_key key, uint8_t len)
{
	struct dp_trie_node *node = aligned_alloc(64, sizeof(*node));

	if (node == NULL)
		return NULL;
	*node = (struct dp_trie_node){.key = mask(key, len), .len = len, .bits = t->bits};
	t->nodes++;
	return node;
}

static void node_free(struct dp_trie *t, struct dp_trie_node *node)
{
	t->nodes--;
	free(node);
}

static void node_retire(struct dp_trie *t, struct dp_trie_node *node)
{
	t->nodes--;
	dp_reclaim_later(t->reclaim, free, node);
}

/* Links a new node where the walk ended, above the node that is there (if one is). */
static int put_above(struct dp_trie *t, _Atomic(struct dp_trie_node *) *slot,
		     struct dp_trie_node *node)
{
	struct dp_trie_node *below = atomic_load_explicit(slot, memory_order_relaxed);
	struct dp_trie_node *join;
	unsigned int same;

	if (below == NULL) {
		point(slot, node);
		return 0;
	}
	same = common(below->key, node->key);
	if (same >= node->len) {
		point(&node->child[bit_after(below->key, node->len)], below);
		point(slot, node);
		return 0;
	}
	/* They part before either ends: a node without value joins them. */
	join = node_new(t, node->key, (uint8_t)same);
	if (join == NULL)
		return -ENOMEM;
	point(&join->child[bit_after(node->key, join->len)], node);
	point(&join->child[bit_after(below->key, join->len)], below);
	point(slot, join);
	return 0;
}

int dp_trie_set(struct dp_trie *t, struct dp_trie_key key, uint8_t len, void *value,
		struct dp_prefix_link *list, void **old)
{
	_Atomic(struct dp_trie_node *) *slot = &t->root;
	struct dp_trie_node *node;
	int rc;

	if (len > t->bits)
		return -EINVAL;
	key = mask(key, len);
	for (;;) {
		node = atomic_load_explicit(slot, memory_order_relaxed);
		if (node == NULL || node->len > len || common(node->key, key) < node->len)
			break;
		if (node->len == len) {
			*old = value_of(node);
			t->count += *old == NULL;
			enlist(node, list);
			atomic_store_explicit(&node->value, value, memory_order_release);
			return 0;
		}
		slot = &node->child[bit_after(key, node->len)];
	}
	node = node_new(t, key, len);
	if (node == NULL)
		return -ENOMEM;
	atomic_store_explicit(&node->value, value, memory_order_relaxed);
	rc = put_above(t, slot, node);
	if (rc != 0) {
		node_free(t, node);
		return rc;
	}
	enlist(node, list);
	t->count++;
	*old = NULL;
	return 0;
}

/* Takes out a node with at most one child; the node above it too, if it joined only this one. */
static void take_out(struct dp_trie *t, struct dp_trie_node *node,
		     _Atomic(struct dp_trie_node *) *slot, struct dp_trie_node *above,
		     _Atomic(struct dp_trie_node *) *slot_above)
{
	struct dp_trie_node *only = child(node, 0) != NULL ? child(node, 0) : child(node, 1);

	if (only == NULL && above != NULL && value_of(above) == NULL) {
		/* Straight to the sibling: one store for both nodes. */
		only = child(above, slot == &above->child[0]);
		point(slot_above, only);
		node_retire(t, above);
	} else {
		point(slot, only);
	}
	node_retire(t, node);
}

void *dp_trie_clear(struct dp_trie *t, struct dp_trie_key key, uint8_t len, const void *value)
{
	_Atomic(struct dp_trie_node *) *slot = &t->root, *slot_above = NULL;
	struct dp_trie_node *node, *above = NULL;
	void *had;

	if (len > t->bits)
		return NULL;
	key = mask(key, len);
	for (;;) {
		node = atomic_load_explicit(slot, memory_order_relaxed);
		if (node == NULL || node->len > len || common(node->key, key) < node->len)
			return NULL;
		if (node->len == len)
			break;
		above = node;
		slot_above = slot;
		slot = &node->child[bit_after(key, node->len)];
	}
	had = value_of(node);
	if (had == NULL || (value != NULL && had != value))
		return NULL;
	unlist(node);
	t->count--;
	/* Who sees the removal sees this, too: both are released by the store that removes. */
	atomic_store_explicit(&t->removals, removals(t) + 1, memory_order_release);
	if (child(node, 0) != NULL && child(node, 1) != NULL)
		atomic_store_explicit(&node->value, NULL, memory_order_release);
	else
		take_out(t, node, slot, above, slot_above);
	return had;
}

/* Each node before its children. A path has at most one node per length. */
static void each_node(const struct dp_trie *t, bool (*visit)(void *ctx, struct dp_trie_node *node),
		      void *ctx)
{
	struct dp_trie_node *stack[DP_TRIE_BITS_MAX + 2];
	unsigned int depth = 0;

	if (root(t) != NULL)
		stack[depth++] = root(t);
	while (depth > 0) {
		struct dp_trie_node *node = stack[--depth];
		struct dp_trie_node *left = child(node, 0), *right = child(node, 1);

		if (!visit(ctx, node))
			return;
		if (right != NULL)
			stack[depth++] = right;
		if (left != NULL)
			stack[depth++] = left;
	}
}

struct walk {
	bool (*visit)(void *ctx, const struct dp_trie_node *node, void *value);
	void *ctx;
};

static bool walk_node(void *ctx, struct dp_trie_node *node)
{
	const struct walk *w = ctx;
	void *value = value_of(node);

	return value == NULL || w->visit(w->ctx, node, value);
}

void dp_trie_walk(const struct dp_trie *t,
		  bool (*visit)(void *ctx, const struct dp_trie_node *node, void *value), void *ctx)
{
	struct walk w = {visit, ctx};

	each_node(t, walk_node, &w);
}

static bool free_node(void *ctx, struct dp_trie_node *node)
{
	(void)ctx;
	unlist(node);
	free(node);
	return true;
}

void dp_trie_free_nodes(struct dp_trie *t)
{
	each_node(t, free_node, NULL);
	point(&t->root, NULL);
	t->count = t->nodes = 0;
}
