/*
 * Whether a whole trie is as lc_trie_node.h says: what the writer keeps up from change to change is
 * worked out anew here. It only reads, and knows nothing of how nodes come to their sizes.
 */
#include "tests/unit/dataplane/lc_trie/check.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/lc_trie_node.h"
#include "tests/unit/dataplane/lc_trie/must.h"

/* A node or a record (value is not NULL). */
struct block {
	const void *value;
	uint32_t ref, bytes;
};

struct check {
	const struct dp_trie *t;
	struct block *blocks;
	size_t n, room, nodes, bytes;
};

static void add_block(struct check *c, uint32_t ref, uint32_t bytes, const void *value)
{
	if (c->n == c->room) {
		c->room = c->room == 0 ? 64 : 2 * c->room;
		c->blocks = realloc(c->blocks, c->room * sizeof(c->blocks[0]));
		MUST(c->blocks != NULL);
	}
	c->blocks[c->n++] = (struct block){value, ref, bytes};
	c->bytes += bytes;
	c->nodes += value == NULL;
}

/* ---- records ---- */

static bool is_masked(struct dp_trie_key key, unsigned int len)
{
	struct dp_trie_key masked = key_mask(key, len);

	return masked.hi == key.hi && masked.lo == key.lo;
}

static void check_record(struct check *c, uint32_t ref)
{
	const struct record *r = record_at(c->t, ref);
	uint64_t word = record_word(r);

	MUST(ref != 0);
	MUST((uint8_t)word == 0);
	MUST(word_value(word) != NULL);
	MUST(word_len(word) <= c->t->bits);
	MUST(is_masked(record_key(c->t, r), word_len(word)));
	add_block(c, ref, c->t->bits == 32 ? RECORD4_BYTES : RECORD6_BYTES, word_value(word));
}

/* ---- local prefixes ---- */

/* The first slot that a local prefix covers. */
static uint32_t first_slot(const struct check *c, const struct node *n, uint32_t ref)
{
	return key_bits(record_key(c->t, record_at(c->t, ref)), n->pos, n->bits);
}

static bool covers(const struct check *c, const struct node *n, uint32_t ref, uint32_t i)
{
	uint32_t first = first_slot(c, n, ref);

	return i >= first && i - first < 1u << (node_end(n) - record_len(c->t, ref));
}

static bool is_in_chain(const struct check *c, const struct node *n, uint32_t i, uint32_t ref)
{
	uint32_t at = node_top(c->t, n, i);

	while (at != 0 && at != ref)
		at = record_links(c->t, at)->parent;
	return at == ref;
}

/* The chain of a slot: from longer to shorter ones, which are all the node's and cover the slot. */
static void check_chain(const struct check *c, const struct node *n, uint32_t i)
{
	unsigned int above = node_end(n) + 1;

	for (uint32_t ref = node_top(c->t, n, i); ref != 0; ref = record_links(c->t, ref)->parent) {
		unsigned int len = record_len(c->t, ref);

		MUST(len < above && len > n->pos);
		MUST(key_common(record_key(c->t, record_at(c->t, ref)), node_key(c->t, n)) >=
		     n->pos);
		MUST(covers(c, n, ref, i));
		above = len;
	}
}

/* Those that begin at a slot: each is in the chains of all slots that it covers. How many. */
static unsigned int check_locals(struct check *c, const struct node *n, uint32_t i)
{
	unsigned int count = 0;

	for (uint32_t ref = node_top(c->t, n, i); ref != 0 && first_slot(c, n, ref) == i;
	     ref = record_links(c->t, ref)->parent) {
		uint32_t last = i + (1u << (node_end(n) - record_len(c->t, ref))) - 1;

		check_record(c, ref);
		MUST(last < node_size(n));
		for (uint32_t j = i; j <= last; j++)
			MUST(is_in_chain(c, n, j, ref));
		count++;
	}
	return count;
}

static void check_tops(struct check *c, const struct node *n)
{
	unsigned int locals = 0;

	for (uint32_t i = 0; i < node_size(n); i++) {
		check_chain(c, n, i);
		locals += check_locals(c, n, i);
	}
	MUST(locals == n->locals);
}

/* ---- nodes ---- */

/* Where a slot is: the node that it is in and its number there; NULL: the root's. */
struct spot {
	const struct node *n;
	uint32_t i;
};

/* What is below a slot has a key that leads there. */
static void check_way(const struct check *c, const struct spot *s, struct dp_trie_key key)
{
	if (s->n == NULL)
		return;
	MUST(key_common(node_key(c->t, s->n), key) >= s->n->pos);
	MUST(key_bits(key, s->n->pos, s->n->bits) == s->i);
}

static void check_slot(struct check *c, const struct spot *s, uint64_t slot);

static void check_shape(struct check *c, const struct spot *s, uint64_t slot)
{
	const struct node *n = node_at(c->t, slot);
	uint32_t ref = slot_ref(slot) - c->t->header_bytes / DP_ARENA_UNIT_BYTES;
	unsigned int end = s->n == NULL ? 0 : node_end(s->n);

	MUST(n->bits >= 1 && n->bits <= NODE_BITS_MAX);
	MUST(slot == slot_below(dp_trie_node_slot(c->t, n), end, (slot & SLOT_TOP) != 0));
	MUST(((slot & SLOT_SKIP) != 0) == (n->pos != end));
	MUST(slot_pos(slot) == n->pos && slot_bits(slot) == n->bits);
	MUST(n->pos >= end);
	MUST(node_end(n) <= c->t->bits);
	MUST(n->pos / HALF_BITS == (node_end(n) - 1) / HALF_BITS);
	MUST(is_masked(node_key(c->t, n), n->pos));
	check_way(c, s, node_key(c->t, n));
	add_block(c, ref, (uint32_t)dp_trie_node_bytes(c->t, n), NULL);
}

static void check_node(struct check *c, const struct spot *s, uint64_t slot)
{
	const struct node *n = node_at(c->t, slot);
	size_t records = c->n - c->nodes;
	unsigned int targets = 0, full = 0;

	check_shape(c, s, slot);
	check_tops(c, n);
	for (uint32_t i = 0; i < node_size(n); i++) {
		uint64_t below = node_get(c->t, n, i);
		bool is_target = slot_is_target(below);

		check_slot(c, &(struct spot){n, i}, below);
		targets += is_target;
		full += is_target && (below & SLOT_NODE) != 0 && slot_pos(below) == node_end(n);
	}
	MUST(targets == n->targets);
	MUST(full == n->full);
	MUST(c->n - c->nodes - records == n->weight);
	MUST(n->targets + n->locals >= 2);
}

static void check_leaf(struct check *c, const struct spot *s, uint64_t slot)
{
	uint32_t ref = slot_ref(slot);

	MUST((slot & ~SLOT_TOP) == slot_of_leaf(ref));
	check_record(c, ref);
	MUST(record_len(c->t, ref) > (s->n == NULL ? 0 : node_end(s->n)));
	MUST(record_links(c->t, ref)->parent == 0);
	check_way(c, s, record_key(c->t, record_at(c->t, ref)));
}

static void check_slot(struct check *c, const struct spot *s, uint64_t slot)
{
	uint32_t top = s->n == NULL ? 0 : node_top(c->t, s->n, s->i);

	if (slot == 0 || (slot & SLOT_LOCAL) != 0) {
		void *value = top == 0 ? NULL : word_value(record_word(record_at(c->t, top)));

		MUST(slot == (top == 0 ? 0 : ((uint64_t)(uintptr_t)value << 16 | SLOT_LOCAL)));
		return;
	}
	MUST((top != 0) == ((slot & SLOT_TOP) != 0));
	if ((slot & SLOT_NODE) != 0)
		check_node(c, s, slot);
	else
		check_leaf(c, s, slot);
}

/* ---- blocks and lists ---- */

static int by_ref(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return (x->ref > y->ref) - (x->ref < y->ref);
}

static int by_value(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	if (x->value != y->value)
		return (uintptr_t)x->value < (uintptr_t)y->value ? -1 : 1;
	return by_ref(a, b);
}

static void check_blocks(struct check *c)
{
	if (c->n != 0)
		qsort(c->blocks, c->n, sizeof(c->blocks[0]), by_ref);
	for (size_t i = 0; i + 1 < c->n; i++)
		MUST(c->blocks[i].ref + c->blocks[i].bytes / DP_ARENA_UNIT_BYTES <=
		     c->blocks[i + 1].ref);
	MUST(c->n - c->nodes == dp_trie_count(c->t));
	MUST(c->nodes == dp_trie_nodes(c->t));
	MUST(sizeof(*c->t) + c->bytes == dp_trie_used_bytes(c->t));
}

/* The ring of a value's prefixes holds exactly its n records, which are sorted. */
static void check_ring(const struct check *c, const struct block *records, size_t n)
{
	const char *value = records[0].value;
	uint32_t head, ref;
	size_t count = 0;

	memcpy(&head, value + c->t->list_off, sizeof(head));
	ref = head;
	do {
		struct block key = {.ref = ref};
		const struct links *l;

		MUST(bsearch(&key, records, n, sizeof(records[0]), by_ref) != NULL);
		l = record_links(c->t, ref);
		MUST(record_links(c->t, l->next)->prev == ref);
		ref = l->next;
		count++;
	} while (ref != head && count <= n);
	MUST(count == n);
}

static void check_lists(struct check *c)
{
	size_t first = 0;

	if (c->n == 0 || c->t->list_off == DP_TRIE_UNLISTED)
		return;
	qsort(c->blocks, c->n, sizeof(c->blocks[0]), by_value);
	for (size_t i = 0; i < c->n; i++) {
		if (i + 1 < c->n && c->blocks[i + 1].value == c->blocks[first].value)
			continue;
		if (c->blocks[first].value != NULL)
			check_ring(c, c->blocks + first, i + 1 - first);
		first = i + 1;
	}
}

/* ---- the whole ---- */

static void look_at_all(struct check *c)
{
	uint64_t any = atomic_load_explicit(&c->t->any, memory_order_relaxed);
	uint64_t root = atomic_load_explicit(&c->t->root, memory_order_relaxed);

	MUST(any <= UINT32_MAX);
	if (any != 0) {
		check_record(c, (uint32_t)any);
		MUST(record_len(c->t, (uint32_t)any) == 0);
		MUST(record_links(c->t, (uint32_t)any)->parent == 0);
	}
	MUST((root & (SLOT_TOP | SLOT_LOCAL)) == 0);
	check_slot(c, &(struct spot){NULL, 0}, root);
}

void check_trie(const struct dp_trie *t)
{
	struct check c = {.t = t};

	look_at_all(&c);
	check_blocks(&c);
	check_lists(&c);
	free(c.blocks);
}

void check_empty(const struct dp_trie *t, size_t empty_bytes)
{
	check_trie(t);
	MUST(dp_trie_count(t) == 0 && dp_trie_nodes(t) == 0);
	MUST(atomic_load_explicit(&t->root, memory_order_relaxed) == 0);
	MUST(atomic_load_explicit(&t->any, memory_order_relaxed) == 0);
	MUST(dp_trie_used_bytes(t) == empty_bytes);
}

/* Blocks of a class that fit before more memory is taken from the kernel. */
static size_t blocks_that_fit(const struct dp_trie *t, unsigned int class)
{
	size_t bytes = dp_trie_bytes(t), n = 0, room = 1024;
	uint32_t *refs = malloc(room * sizeof(*refs));

	for (;;) {
		MUST(refs != NULL);
		refs[n++] = dp_arena_alloc(t->arena, class);
		MUST(refs[n - 1] != 0);
		if (dp_trie_bytes(t) != bytes)
			break;
		if (n == room)
			refs = realloc(refs, (room *= 2) * sizeof(*refs));
	}
	for (size_t i = 0; i < n; i++)
		dp_arena_free(t->arena, refs[i]);
	free(refs);
	return n - 1;
}

/* The arena's pages: one is no block's, the others are one run. */
void check_all_free(const struct dp_trie *t)
{
	const size_t page_bytes = 16384, large_pages = 7;
	size_t pages = (dp_trie_bytes(t) - sizeof(*t)) / page_bytes - 1;
	size_t record_bytes = t->bits == 32 ? RECORD4_BYTES : RECORD6_BYTES;

	MUST(blocks_that_fit(t, RECORD_CLASS) == pages * (page_bytes / record_bytes));
	pages = (dp_trie_bytes(t) - sizeof(*t)) / page_bytes - 1;
	MUST(blocks_that_fit(t, NODE_CLASSES - 1) == pages / large_pages);
}

static bool is_below(const struct dp_trie *t, uint64_t slot, uint32_t ref)
{
	const struct node *n;

	if ((slot & SLOT_NODE) == 0)
		return (slot & SLOT_LOCAL) == 0 && slot_ref(slot) == ref;
	n = node_at(t, slot);
	if (slot_ref(slot) - t->header_bytes / DP_ARENA_UNIT_BYTES == ref)
		return true;
	for (uint32_t i = 0; i < node_size(n); i++) {
		if (node_top(t, n, i) == ref || is_below(t, node_get(t, n, i), ref))
			return true;
	}
	return false;
}

bool check_reachable(const struct dp_trie *t, uint32_t ref)
{
	return slot_load(&t->any) == ref || is_below(t, slot_load(&t->root), ref);
}
