/*
 * Readers of an LC-trie: workers, without locks. How a trie is built is told in lc_trie_node.h; the
 * same for eight keys at once is in lc_trie_avx512.c.
 *
 * A leaf or a local prefix that a key comes to is the answer, and was so when its slot was read.
 * Any other answer is put together from several places, and only holds if no prefix came or went
 * meanwhile: else a shorter one may have been seen that was not the answer at any moment, or none
 * while one was handed over to another. Then the lookup begins anew, LOOKUP_TRIES times: nothing
 * waits for the writer.
 */
#include "dataplane/lc_trie.h"

#include <string.h>
#include <sys/socket.h>

#include "dataplane/lc_trie_node.h"

#define LOOKUP_TRIES 16

uint64_t dp_trie_changes(const struct dp_trie *t)
{
	return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&t->changes,
				    memory_order_acquire);
}

/* The value of a record, if it holds the key; NULL also for reference 0. */
static inline void *value_for(const struct dp_trie *t, uint32_t ref, struct dp_trie_key key)
{
	const struct record *r = record_at(t, ref);
	uint64_t word = record_word(r);

	return key_common(record_key(t, r), key) >= word_len(word) ? word_value(word) : NULL;
}

static void *any_value(const struct dp_trie *t)
{
	uint64_t ref = atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&t->any,
					    memory_order_acquire);

	return word_value(record_word(record_at(t, (uint32_t)ref)));
}

struct start dp_trie_start(const struct dp_trie *t)
{
	return (struct start){.changes = dp_trie_changes(t), .any = any_value(t)};
}

/* A node as a reader comes to it. */
struct entries {
	_Atomic uint64_t *slots; /* by entry */
	uint32_t entry;		 /* the key's */
};

static inline struct entries entries_of(const struct dp_trie *t, uint64_t slot,
					struct dp_trie_key key)
{
	uint64_t half = (slot & SLOT_LOW) != 0 ? key.lo : key.hi;
	uint64_t i = half << (uint8_t)(slot >> 8) >> (uint8_t)(slot >> 16);
	struct entries e = {ref_at(t->base, slot_ref(slot)), (uint32_t)i};

	if ((slot & SLOT_PACKED) != 0) {
		e.entry = index_entry(slot_load(e.slots + i / 32), i);
		e.slots += index_words(slot_bits(slot));
	}
	return e;
}

/* The value of an entry's top. */
static inline void *top_value(const struct dp_trie *t, uint64_t node_slot, const struct entries *e,
			      struct dp_trie_key key)
{
	uint32_t entries = UINT32_C(1) << slot_bits(node_slot);
	_Atomic uint32_t *tops;

	if ((node_slot & SLOT_PACKED) != 0)
		entries = index_entries(slot_load(e->slots - 1));
	tops = (_Atomic uint32_t *)(e->slots + entries);
	return value_for(t, top_load(tops + e->entry), key);
}

/* The value that a reader came to, from a node (or the root: 0), if it is its key's. */
static inline void *end_value(const struct dp_trie *t, uint64_t node_slot, uint64_t slot,
			      struct dp_trie_key key)
{
	const struct node *n;

	if ((slot & SLOT_LOCAL) == 0)
		return value_for(t, slot_ref(slot), key);
	n = node_at(t, node_slot);
	return key_common(node_key(t, n), key) >= slot_pos(node_slot) ? word_value(slot) : NULL;
}

/* All places from the top down. */
static void *walk(const struct dp_trie *t, struct dp_trie_key key)
{
	void *best = any_value(t), *value;
	uint64_t slot = slot_load(&t->root), above = 0;

	while ((slot & SLOT_NODE) != 0) {
		struct entries e = entries_of(t, slot, key);

		above = slot;
		slot = slot_load(e.slots + e.entry);
		if ((slot & SLOT_TOP) != 0) {
			value = top_value(t, above, &e, key);
			if (value != NULL)
				best = value;
		}
	}
	value = end_value(t, above, slot, key);
	return value != NULL ? value : best;
}

void *dp_trie_lookup(const struct dp_trie *t, struct dp_trie_key key)
{
	void *value = NULL;

	for (unsigned int i = 0; i < LOOKUP_TRIES; i++) {
		uint64_t before = dp_trie_changes(t);

		value = walk(t, key);
		if (dp_trie_changes(t) == before)
			break;
	}
	return value;
}

/* All keys go down a level in each round; a slot is looked at a round after its prefetch. */
static void descend(const struct dp_trie *t, const struct dp_trie_key *keys, uint64_t *slots,
		    uint64_t *above, uint8_t *seen, unsigned int n)
{
	_Atomic uint64_t *at[DP_TRIE_BULK_MAX];
	uint8_t going[DP_TRIE_BULK_MAX];
	uint64_t root = slot_load(&t->root);
	unsigned int n_going = 0;

	for (unsigned int k = 0; k < n; k++) {
		slots[k] = root;
		above[k] = 0;
		seen[k] = 0;
		going[k] = (uint8_t)k;
	}
	if ((root & SLOT_NODE) != 0)
		n_going = n;
	while (n_going > 0) {
		unsigned int left = 0;

		for (unsigned int j = 0; j < n_going; j++) {
			unsigned int k = going[j];
			struct entries e = entries_of(t, slots[k], keys[k]);

			at[k] = e.slots + e.entry;
			__builtin_prefetch(at[k]);
		}
		for (unsigned int j = 0; j < n_going; j++) {
			unsigned int k = going[j];

			above[k] = slots[k];
			slots[k] = slot_load(at[k]);
			seen[k] |= (uint8_t)(slots[k] & SLOT_TOP);
			going[left] = (uint8_t)k;
			left += (slots[k] & SLOT_NODE) != 0;
		}
		n_going = left;
	}
}

void dp_trie_lookup_bulk_scalar(const struct dp_trie *t, const uint64_t *hi, const uint64_t *lo,
				void **values, unsigned int n)
{
	struct dp_trie_key keys[DP_TRIE_BULK_MAX];
	uint64_t slots[DP_TRIE_BULK_MAX], above[DP_TRIE_BULK_MAX];
	uint8_t seen[DP_TRIE_BULK_MAX];
	struct start start = dp_trie_start(t);

	for (unsigned int k = 0; k < n; k++)
		keys[k] = (struct dp_trie_key){hi[k], t->bits == 32 ? 0 : lo[k]};
	descend(t, keys, slots, above, seen, n);
	for (unsigned int k = 0; k < n; k++) {
		if ((slots[k] & SLOT_LOCAL) == 0)
			__builtin_prefetch(record_at(t, slot_ref(slots[k])));
	}
	for (unsigned int k = 0; k < n; k++) {
		values[k] = end_value(t, above[k], slots[k], keys[k]);
		if (values[k] != NULL)
			continue;
		if (seen[k] == 0 && dp_trie_changes(t) == start.changes)
			values[k] = start.any;
		else
			values[k] = dp_trie_lookup(t, keys[k]);
	}
}

void dp_trie_lookup_bulk(const struct dp_trie *t, const uint64_t *hi, const uint64_t *lo,
			 void **values, unsigned int n)
{
	if (t->avx512)
		dp_trie_lookup_bulk_avx512(t, hi, lo, values, n);
	else
		dp_trie_lookup_bulk_scalar(t, hi, lo, values, n);
}

/* ---- addresses ---- */

void dp_trie_addr(struct dp_trie_key key, int family, uint8_t addr[16])
{
	uint64_t hi = __builtin_bswap64(key.hi), lo = __builtin_bswap64(key.lo);

	memcpy(addr, &hi, sizeof(hi));
	memcpy(addr + sizeof(hi), &lo, sizeof(lo));
	if (family == AF_INET)
		memset(addr + 4, 0, 12);
}
