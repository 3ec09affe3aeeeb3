/*
 * Packed nodes of an LC-trie: neighbouring slots that hold the same share an entry. What that is
 * for and how it looks is told in lc_trie_node.h. Runs on control.
 */
#include <string.h>

#include "dataplane/lc_trie_node.h"

/* A node is packed if that leaves at most so many percent of it, and unpacked again above. */
#define PACK_PERCENT   50
#define UNPACK_PERCENT 75

/* ---- sizes ---- */

uint32_t dp_trie_packed_class_bytes(unsigned int class)
{
	unsigned int k = class - PACKED_CLASS;

	return (PACKED_STEPS + k % PACKED_STEPS) * (PACKED_MIN_BYTES / PACKED_STEPS)
	       << k / PACKED_STEPS;
}

unsigned int dp_trie_packed_class(uint32_t bytes)
{
	unsigned int power = 0, step;

	if (bytes <= PACKED_MIN_BYTES)
		return PACKED_CLASS;
	while ((PACKED_MIN_BYTES << (power + 1)) < bytes)
		power++;
	step = (bytes - (PACKED_MIN_BYTES << power) + (PACKED_MIN_BYTES / PACKED_STEPS << power) -
		1) /
	       (PACKED_MIN_BYTES / PACKED_STEPS << power);
	return PACKED_CLASS + power * PACKED_STEPS + step;
}

static uint32_t packed_bytes(const struct dp_trie *t, unsigned int bits, uint32_t entries)
{
	return t->header_bytes + index_words(bits) * 8 + entries * 12;
}

static uint32_t plain_bytes(const struct dp_trie *t, unsigned int bits)
{
	return t->header_bytes + (UINT32_C(12) << bits);
}

static bool pays(const struct dp_trie *t, unsigned int bits, uint32_t entries, uint32_t percent)
{
	uint32_t bytes = packed_bytes(t, bits, entries);

	return bytes <= PACKED_MAX_BYTES && bytes * 100 <= plain_bytes(t, bits) * percent;
}

/* ---- copies ---- */

/* A block with the header of another node; its index is empty. */
static struct node *packed_new(struct dp_trie *t, const struct node *like, uint32_t entries)
{
	uint32_t bytes = packed_bytes(t, like->bits, entries);
	uint32_t ref = dp_arena_alloc(t->arena, dp_trie_packed_class(bytes));
	struct node *n = ref_at(t->base, ref);

	if (ref == 0)
		return NULL;
	memcpy(n, like, t->header_bytes);
	n->packed = n->has_tops = true;
	memset(node_slots(t, n), 0, index_words(n->bits) * sizeof(uint64_t));
	t->nodes++;
	return n;
}

/* Entries begin here, for a slot that is marked in the order of slots. */
static void mark(struct dp_trie *t, struct node *n, uint32_t i)
{
	_Atomic uint64_t *at = node_slots(t, n) + i / 32;

	slot_store(at, slot_load(at) | UINT64_C(1) << i % 32);
}

/* When all entries are marked. */
static void count_marks(struct dp_trie *t, struct node *n)
{
	uint64_t before = 0;

	for (uint32_t k = 0; k < index_words(n->bits); k++) {
		_Atomic uint64_t *at = node_slots(t, n) + k;
		uint64_t marks = (uint32_t)slot_load(at);

		slot_store(at, before << 32 | marks);
		before += (uint64_t)__builtin_popcountll(marks);
	}
}

/* Does a slot hold what the one before it holds, and no target? */
static bool is_same(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	return i != 0 && node_get(t, n, i) == node_get(t, n, i - 1) &&
	       !slot_is_target(node_get(t, n, i)) && node_top(t, n, i) == node_top(t, n, i - 1);
}

/* The entries' contents, when they are marked and counted. */
static void copy_entries(struct dp_trie *t, const struct node *from, struct node *to)
{
	_Atomic uint64_t *slots = node_entry_slots(t, to);
	_Atomic uint32_t *tops = node_tops(t, to);
	uint32_t k = 0;

	for (uint32_t i = 0; i < node_size(to); i = node_next(t, to, i)) {
		slot_store(slots + k, node_get(t, from, i));
		top_store(tops + k, node_top(t, from, i));
		k++;
	}
}

struct node *dp_trie_pack(struct dp_trie *t, struct node *n)
{
	uint32_t entries = 0;
	struct node *to;

	if (n->bits < PACKED_BITS_MIN)
		return n;
	for (uint32_t i = 0; i < node_size(n); i++)
		entries += !is_same(t, n, i);
	if (!pays(t, n->bits, entries, PACK_PERCENT))
		return n;
	to = packed_new(t, n, entries);
	if (to == NULL)
		return n;
	for (uint32_t i = 0; i < node_size(n); i++) {
		if (!is_same(t, n, i))
			mark(t, to, i);
	}
	count_marks(t, to);
	copy_entries(t, n, to);
	dp_trie_node_free(t, n);
	return to;
}

static bool begins(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	return i >= node_size(n) || (slot_load(node_slots(t, n) + i / 32) >> i % 32 & 1) != 0;
}

/* With entries that begin at one or two more slots. */
static struct node *with_marks(struct dp_trie *t, const struct node *n, uint32_t from, uint32_t to)
{
	struct node *more = packed_new(t, n, node_entries(t, n) + 2);

	if (more == NULL)
		return NULL;
	for (uint32_t k = 0; k < index_words(n->bits); k++)
		slot_store(node_slots(t, more) + k, slot_load(node_slots(t, n) + k));
	mark(t, more, from);
	if (to < node_size(n))
		mark(t, more, to);
	count_marks(t, more);
	copy_entries(t, n, more);
	return more;
}

struct node *dp_trie_split_entries(struct dp_trie *t, _Atomic uint64_t *at, uint32_t from,
				   uint32_t to)
{
	struct node *n = node_at(t, slot_load(at)), *more;

	if (!n->packed || (begins(t, n, from) && begins(t, n, to)))
		return n;
	more = pays(t, n->bits, node_entries(t, n) + 2, UNPACK_PERCENT) ? with_marks(t, n, from, to)
									: dp_trie_node_plain(t, n);
	if (more != NULL)
		dp_trie_replace_node(t, at, more);
	return more;
}
