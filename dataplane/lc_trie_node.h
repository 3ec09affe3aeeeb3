/*
 * How an LC-trie is built; for the files lc_trie*.c only:
 *
 *   lc_trie.c           the whole; a prefix is set or cleared
 *   lc_trie_build.c     the whole, from all prefixes at once
 *   lc_trie_records.c   records of prefixes, and the lists that they are in
 *   lc_trie_local.c     prefixes that cover slots of a node
 *   lc_trie_leaf.c      prefixes that are alone in a slot
 *   lc_trie_nodes.c     nodes: memory, and how one takes another's place
 *   lc_trie_packed.c    nodes whose slots share entries
 *   lc_trie_inflate.c   nodes that double
 *   lc_trie_shrink.c    nodes that are halved or taken out
 *   lc_trie_walk.c      lists and walks
 *   lc_trie_lookup.c    readers
 *   lc_trie_avx512.c    readers, eight keys at once
 *
 * A node looks at `bits` bits of the key, from bit `pos` on, and has 2^bits slots. Its reach ends
 * at bit pos + bits. A slot is one 64-bit word, which says what is below and, if that is a node,
 * all that a reader needs to go on: no header is read on the way down. Bits between the end of a
 * node's reach and the pos of a node below are not looked at on the way (path compression).
 *
 * A prefix is one record. Where it hangs:
 *  - local: its length lies within the reach of a node, above pos, up to the end. It covers one or
 *    more whole slots. The longest local prefix of each slot, its top, is entered in the node's
 *    second array, `tops`; records know the next shorter one, `parent`, which only the writer
 *    reads. Where nothing is below, the slot itself has the value: no record is read then.
 *  - a leaf: longer than the reach of the node, and alone in its slot, which leads to the record.
 * A prefix between the end of a node and a node below would be neither: it gets a node of one bit
 * of its own, in which it is local. /0 has a place of its own in the trie.
 *
 * At the end a reader compares its key with the record's, or with what all keys below the last node
 * begin with. If they differ, or nothing is there, it takes the last top that it passed on its way
 * and that holds its key.
 *
 * A slot's targets are nodes and leaves. A node has at least two targets and local prefixes in all;
 * with fewer it is taken out. How many slots it may have depends on the prefixes in it and below,
 * its weight. Up to that it doubles, and takes in a bit of the nodes that begin at its end, if that
 * goes on until some of them are gone; far above it is halved.
 *
 * A node with many more slots than things in them is packed: slots next to each other that hold the
 * same local prefix, or nothing, share one entry. An index of one word for 32 slots says where
 * entries begin: bits for slots that do in its lower half, how many entries are before it in its
 * upper half. Slots with targets have an entry each, so that what is below can change in place;
 * a new beginning of an entry takes a copy of the node (lc_trie_packed.c).
 *
 * The writer completes what it builds before one store of a slot publishes it.
 */
#ifndef DATAPLANE_LC_TRIE_NODE_H
#define DATAPLANE_LC_TRIE_NODE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/arena.h"
#include "dataplane/lc_trie.h"

/*
 * A slot: flags in byte 0. Of a node, how far to shift the key's half to the left and then to the
 * right in bytes 1 and 2, and in bytes 4 to 7 the reference of its first slot. Of a leaf, the
 * reference of its record there (0: nothing; that is a record of zeros). Else the value of the
 * local prefix from byte 2 on.
 */
#define SLOT_NODE   UINT64_C(1)
#define SLOT_TOP    UINT64_C(2)	 /* node, leaf: there is a top, too */
#define SLOT_LOW    UINT64_C(4)	 /* node: it looks at bits of key.lo */
#define SLOT_LOCAL  UINT64_C(8)	 /* the value of the top itself */
#define SLOT_SKIP   UINT64_C(16) /* node: bits before its pos have not been looked at */
#define SLOT_PACKED UINT64_C(32) /* node: packed */

#define NODE_BITS_MAX 13
/* Classes of blocks: plain nodes without tops, with tops, records, packed nodes in 8 sizes for each
 * power of two. */
#define NODE_CLASSES	 (2 * NODE_BITS_MAX)
#define RECORD_CLASS	 NODE_CLASSES
#define PACKED_CLASS	 (RECORD_CLASS + 1)
#define PACKED_STEPS	 8
#define PACKED_MIN_BYTES 64u
#define PACKED_MAX_BYTES 65536u
#define PACKED_CLASSES	 (10 * PACKED_STEPS + 1)
#define PACKED_BITS_MIN	 5  /* one word of the index */
#define HALF_BITS	 64 /* a node looks at one half of the key only */
#define VALUE_SHIFT	 16
#define VALUE_BITS	 48

/* What workers read, on one line; then the rest. */
struct dp_trie {
	_Alignas(64) char *base;  /* of the arena */
	_Atomic uint64_t root;	  /* a slot */
	_Atomic uint64_t any;	  /* reference of the record of /0; 0: none */
	_Atomic uint64_t changes; /* that were begun: see lc_trie_lookup.c */
	uint8_t bits;
	bool avx512; /* the CPU has what lc_trie_avx512.c needs */

	/* control */
	_Alignas(64) struct dp_arena *arena;
	size_t list_off;
	size_t count, nodes;
	uint32_t updates;   /* a clock for what is not done each time */
	uint32_t work_left; /* of an update: see lc_trie_inflate.c */
	uint8_t header_bytes;
};

/* A record: IPv4 and IPv6 differ in the key, and so in where the links are. */
struct record {
	_Atomic uint64_t word; /* value << 16 | len << 8; workers */
	union {
		struct {
			uint32_t key; /* workers */
			uint32_t links[3];
		} v4;
		struct {
			uint64_t hi, lo; /* workers */
			uint32_t links[3];
		} v6;
	} is;
};

/* The writer's links of a record; parent serves as the arena's link of a retired one. */
struct links {
	uint32_t parent;     /* next shorter local prefix of the same node; 0: none */
	uint32_t next, prev; /* a ring: the prefixes of one value, in order */
};

#define RECORD4_BYTES 24
#define RECORD6_BYTES 40
_Static_assert(offsetof(struct record, is.v4.links) + sizeof(struct links) == RECORD4_BYTES, "");
_Static_assert(offsetof(struct record, is.v6.links) + sizeof(struct links) <= RECORD6_BYTES, "");

/* Before a node's first slot. Workers read the key only. */
struct node {
	uint16_t targets; /* with full: the arena's link of a retired node */
	uint16_t full;	  /* nodes below whose pos is this node's end */
	uint16_t locals;
	uint8_t pos;
	uint8_t bits : 4;
	uint8_t has_tops : 1; /* there are local prefixes, or have been */
	uint8_t packed : 1;
	uint8_t futile : 1; /* at the last look, doubling it was not possible or took too long */
	uint32_t key4;	    /* IPv4: the first pos bits, the rest zero */
	uint32_t weight;    /* prefixes in it and below */
	uint64_t key6[2];   /* IPv6, where IPv4 has its slots: the same */
};

#define HEADER4_BYTES 16
#define HEADER6_BYTES 32
_Static_assert(offsetof(struct node, key6) == HEADER4_BYTES && sizeof(struct node) == HEADER6_BYTES,
	       "slots follow the key");

/* ---- keys ---- */

static inline struct dp_trie_key key_mask(struct dp_trie_key key, unsigned int len)
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
static inline unsigned int key_common(struct dp_trie_key a, struct dp_trie_key b)
{
	uint64_t hi = a.hi ^ b.hi;
	uint64_t lo = a.lo ^ b.lo;

	if (hi != 0)
		return (unsigned int)__builtin_clzll(hi);
	return lo != 0 ? 64 + (unsigned int)__builtin_clzll(lo) : 128;
}

/* Some bits as a number; they do not cross the halves. bits is at least 1. */
static inline uint32_t key_bits(struct dp_trie_key key, unsigned int pos, unsigned int bits)
{
	uint64_t half = pos < HALF_BITS ? key.hi : key.lo;

	return (uint32_t)(half << (pos % HALF_BITS) >> (HALF_BITS - bits));
}

/* ---- slots ---- */

static inline uint32_t slot_ref(uint64_t slot)
{
	return (uint32_t)(slot >> 32);
}

static inline bool slot_is_target(uint64_t slot)
{
	return slot != 0 && (slot & SLOT_LOCAL) == 0;
}

static inline uint64_t slot_of_leaf(uint32_t ref)
{
	return (uint64_t)ref << 32;
}

static inline uint64_t slot_of_value(const void *value)
{
	return (uint64_t)(uintptr_t)value << VALUE_SHIFT | SLOT_LOCAL;
}

static inline uint64_t slot_of_node(uint32_t ref, unsigned int pos, unsigned int bits, bool packed)
{
	return (packed ? SLOT_PACKED : 0) | (uint64_t)ref << 32 |
	       (uint64_t)(HALF_BITS - bits) << 16 | (uint64_t)(pos % HALF_BITS) << 8 |
	       (pos < HALF_BITS ? 0 : SLOT_LOW) | SLOT_NODE;
}

/* Of a slot with a node. */
static inline unsigned int slot_bits(uint64_t slot)
{
	return HALF_BITS - (uint8_t)(slot >> 16);
}

static inline unsigned int slot_pos(uint64_t slot)
{
	return (uint8_t)(slot >> 8) + ((slot & SLOT_LOW) != 0 ? HALF_BITS : 0u);
}

/* A target for a slot of a node that ends there, 0 for the root's, with or without a top. */
static inline uint64_t slot_below(uint64_t target, unsigned int end, bool has_top)
{
	target &= ~(SLOT_TOP | SLOT_SKIP);
	if (has_top)
		target |= SLOT_TOP;
	if ((target & SLOT_NODE) != 0 && slot_pos(target) != end)
		target |= SLOT_SKIP;
	return target;
}

static inline uint64_t slot_load(const _Atomic uint64_t *at)
{
	return atomic_load_explicit((_Atomic uint64_t *)at, memory_order_acquire);
}

static inline void slot_store(_Atomic uint64_t *at, uint64_t slot)
{
	atomic_store_explicit(at, slot, memory_order_release);
}

/* ---- records ---- */

static inline void *ref_at(const char *base, uint32_t ref)
{
	return (void *)(uintptr_t)(base + (size_t)ref * DP_ARENA_UNIT_BYTES);
}

static inline struct record *record_at(const struct dp_trie *t, uint32_t ref)
{
	return ref_at(t->base, ref);
}

static inline uint64_t record_word(const struct record *r)
{
	return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)&r->word, memory_order_acquire);
}

static inline void *word_value(uint64_t word)
{
	return (void *)(uintptr_t)(word >> VALUE_SHIFT);
}

static inline unsigned int word_len(uint64_t word)
{
	return (uint8_t)(word >> 8);
}

static inline uint64_t word_of(const void *value, unsigned int len)
{
	return (uint64_t)(uintptr_t)value << VALUE_SHIFT | (uint64_t)len << 8;
}

static inline unsigned int record_len(const struct dp_trie *t, uint32_t ref)
{
	return word_len(record_word(record_at(t, ref)));
}

static inline struct dp_trie_key record_key(const struct dp_trie *t, const struct record *r)
{
	if (t->bits == 32)
		return (struct dp_trie_key){.hi = (uint64_t)r->is.v4.key << 32};
	return (struct dp_trie_key){r->is.v6.hi, r->is.v6.lo};
}

static inline struct links *record_links(const struct dp_trie *t, uint32_t ref)
{
	struct record *r = record_at(t, ref);

	return (struct links *)(t->bits == 32 ? r->is.v4.links : r->is.v6.links);
}

static inline uint32_t record_parent(const struct dp_trie *t, uint32_t ref)
{
	return record_links(t, ref)->parent;
}

static inline void record_set_parent(const struct dp_trie *t, uint32_t ref, uint32_t parent)
{
	record_links(t, ref)->parent = parent;
}

/* ---- nodes ---- */

static inline struct node *node_at(const struct dp_trie *t, uint64_t slot)
{
	return (struct node *)((char *)ref_at(t->base, slot_ref(slot)) - t->header_bytes);
}

/* Its slots; of a packed one, its index. */
static inline _Atomic uint64_t *node_slots(const struct dp_trie *t, const struct node *n)
{
	return (_Atomic uint64_t *)((char *)(uintptr_t)n + t->header_bytes);
}

static inline unsigned int node_end(const struct node *n)
{
	return (unsigned int)n->pos + n->bits;
}

static inline uint32_t node_size(const struct node *n)
{
	return UINT32_C(1) << n->bits;
}

static inline struct dp_trie_key node_key(const struct dp_trie *t, const struct node *n)
{
	if (t->bits == 32)
		return (struct dp_trie_key){.hi = (uint64_t)n->key4 << 32};
	return (struct dp_trie_key){n->key6[0], n->key6[1]};
}

/* Words of a packed node's index. */
static inline uint32_t index_words(unsigned int bits)
{
	return UINT32_C(1) << (bits - PACKED_BITS_MIN);
}

/* Entries that begin in a word of an index and before it. */
static inline uint32_t index_entries(uint64_t word)
{
	return (uint32_t)(word >> 32) + (uint32_t)__builtin_popcount((uint32_t)word);
}

/* The entry that a slot shares, from the slot's word. */
static inline uint32_t index_entry(uint64_t word, uint64_t i)
{
	uint32_t upto = UINT32_MAX >> (31 - i % 32);

	return (uint32_t)(word >> 32) + (uint32_t)__builtin_popcount((uint32_t)word & upto) - 1;
}

/* Entries of a node: as many as it has slots, or fewer if it is packed. */
static inline uint32_t node_entries(const struct dp_trie *t, const struct node *n)
{
	uint32_t words;

	if (!n->packed)
		return node_size(n);
	words = index_words(n->bits);
	return index_entries(slot_load(node_slots(t, n) + words - 1));
}

static inline uint32_t node_entry(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	return n->packed ? index_entry(slot_load(node_slots(t, n) + i / 32), i) : i;
}

static inline _Atomic uint64_t *node_entry_slots(const struct dp_trie *t, const struct node *n)
{
	return node_slots(t, n) + (n->packed ? index_words(n->bits) : 0);
}

/* Where a slot is. */
static inline _Atomic uint64_t *node_slot(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	return node_entry_slots(t, n) + node_entry(t, n, i);
}

/* What a slot holds. */
static inline uint64_t node_get(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	return slot_load(node_slot(t, n, i));
}

/* The first slot after i that has another entry. */
static inline uint32_t node_next(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	uint32_t bits;

	if (!n->packed)
		return i + 1;
	for (i++; i < node_size(n); i = (i / 32 + 1) * 32) {
		bits = (uint32_t)slot_load(node_slots(t, n) + i / 32) >> i % 32;
		if (bits != 0)
			return i + (uint32_t)__builtin_ctz(bits);
	}
	return node_size(n);
}

/* References of records, 0: none; by entry. Only if has_tops. */
static inline _Atomic uint32_t *node_tops(const struct dp_trie *t, const struct node *n)
{
	return (_Atomic uint32_t *)(node_entry_slots(t, n) + node_entries(t, n));
}

static inline uint32_t top_load(const _Atomic uint32_t *at)
{
	return atomic_load_explicit((_Atomic uint32_t *)at, memory_order_acquire);
}

static inline void top_store(_Atomic uint32_t *at, uint32_t ref)
{
	atomic_store_explicit(at, ref, memory_order_release);
}

/* The target of a slot; 0: none. */
static inline uint64_t node_target(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	uint64_t slot = node_get(t, n, i);

	return slot_is_target(slot) ? slot & ~(SLOT_TOP | SLOT_SKIP) : 0;
}

/* Is it a node that begins where this one ends, and so can be divided? */
static inline bool node_is_full(const struct node *n, uint64_t target)
{
	return (target & SLOT_NODE) != 0 && slot_pos(target) == node_end(n);
}

/* The longest local prefix that covers a slot; 0: none. */
static inline uint32_t node_top(const struct dp_trie *t, const struct node *n, uint32_t i)
{
	return n->has_tops ? top_load(node_tops(t, n) + node_entry(t, n, i)) : 0;
}

/* Enters a target, or 0, and the longest local prefix above it, or 0, for all slots that share the
 * entry. Readers may look on. */
static inline void node_put(struct dp_trie *t, struct node *n, uint32_t i, uint64_t target,
			    uint32_t top)
{
	if (top != 0 || n->has_tops)
		top_store(node_tops(t, n) + node_entry(t, n, i), top);
	if (target != 0)
		target = slot_below(target, node_end(n), top != 0);
	else if (top != 0)
		target = slot_of_value(word_value(record_word(record_at(t, top))));
	slot_store(node_slot(t, n, i), target);
}

/* ---- lc_trie_lookup.c ---- */

/* What a reader notes before it goes down. */
struct start {
	uint64_t changes;
	void *any; /* the value of /0, or NULL */
};

struct start dp_trie_start(const struct dp_trie *t);
/* Ordered after what the reader has read before, by loads that acquire. */
uint64_t dp_trie_changes(const struct dp_trie *t);

/* ---- lc_trie_records.c ---- */

/* The head of the list of a value's prefixes. */
uint32_t *dp_trie_list_of(const struct dp_trie *t, const void *value);
/* A record that is nowhere yet; 0: out of memory. */
uint32_t dp_trie_record_new(struct dp_trie *t, struct dp_trie_key key, uint8_t len,
			    const void *value);
/* A prefix is about to come or go. Who sees any of it sees this, too, and looks again if need be.
 */
void dp_trie_begin_change(struct dp_trie *t);
/* A new prefix is in its place: the rest of what makes it one. */
void dp_trie_record_is_set(struct dp_trie *t, uint32_t ref, const void *value);
/* A prefix has gone from its place: it is retired. */
void dp_trie_record_is_cleared(struct dp_trie *t, uint32_t ref);
/* Another record is in its place: readers must not find a new value under an old slot, as a longer
 * prefix may have come meanwhile. Retires it; returns its value. */
void *dp_trie_record_is_replaced(struct dp_trie *t, uint32_t ref);
/* ---- lc_trie_local.c, lc_trie_leaf.c ---- */

/* Where a prefix hangs, or would. */
struct place {
	_Atomic uint64_t *at; /* the slot; of a local prefix, its first one */
	struct node *node;    /* that the slot is in; NULL: the root's slot */
	uint32_t i;	      /* the slot's number in it */
	unsigned int end;     /* of the node; 0 at the root */
	bool local;	      /* the prefix is local there; else a leaf, or above a node */
	/* The same for the slot that leads to node. */
	_Atomic uint64_t *above_at;
	struct node *above;
};

/* The local prefix of that length over a slot, or else 0; *shorter is the next shorter one. */
uint32_t dp_trie_local_find(const struct dp_trie *t, const struct node *n, uint32_t i,
			    unsigned int len, uint32_t *shorter);
/* A new local prefix. The node may be another one then. 0 or -ENOMEM. */
int dp_trie_local_add(struct dp_trie *t, struct place *p, uint32_t ref);
/* From the slot on that is its first one. */
void dp_trie_local_remove(struct dp_trie *t, struct node *n, uint32_t first, uint32_t ref);
void dp_trie_local_replace(struct dp_trie *t, struct node *n, uint32_t first, uint32_t old,
			   uint32_t ref);
/* Into a slot, below the local prefixes that are there; 0: what was there goes. */
void dp_trie_target_put(struct dp_trie *t, const struct place *p, uint64_t target);
/* A new leaf. The node may be another one then. 0 or -ENOMEM. */
int dp_trie_leaf_add(struct dp_trie *t, struct place *p, uint32_t ref);
void dp_trie_leaf_remove(struct dp_trie *t, struct place *p);

/* ---- lc_trie_nodes.c ---- */

/* A node with empty slots and no tops yet; NULL: out of memory. */
struct node *dp_trie_node_new(struct dp_trie *t, struct dp_trie_key key, unsigned int pos,
			      unsigned int bits, bool has_tops);
/* One that no reader has seen. */
void dp_trie_node_free(struct dp_trie *t, struct node *n);
/* One that is not linked any more. */
void dp_trie_node_retire(struct dp_trie *t, struct node *n);
/* Of its block. */
size_t dp_trie_node_bytes(const struct dp_trie *t, const struct node *n);
/* The slot that leads to a node, as a target. */
uint64_t dp_trie_node_slot(const struct dp_trie *t, const struct node *n);
/* Prefixes at a target and below it; 0: no target. */
uint32_t dp_trie_weight(const struct dp_trie *t, uint64_t target);
/* A copy, plain and with tops; NULL: out of memory. */
struct node *dp_trie_node_plain(struct dp_trie *t, const struct node *n);
/* That in the place of the node at a slot; NULL: out of memory. */
struct node *dp_trie_node_add_tops(struct dp_trie *t, _Atomic uint64_t *at);
/* Another node takes the place of the one at a slot, which is retired. */
void dp_trie_replace_node(struct dp_trie *t, _Atomic uint64_t *at, struct node *n);
/* How many bits a node may have for the prefixes in it and below. */
unsigned int dp_trie_bits_granted(const struct node *n, bool is_root);

/* ---- lc_trie_inflate.c, lc_trie_shrink.c ---- */

/* Before an update: grants the work that all doubling in it may take. */
void dp_trie_begin_work(struct dp_trie *t);
/* Doubles the node at a slot as often as that pays. above: the node that the slot is in (NULL: the
 * root). */
void dp_trie_inflate(struct dp_trie *t, _Atomic uint64_t *at, const struct node *above);
/* After a removal: takes a node out that has too little left, or halves it. */
void dp_trie_shrink(struct dp_trie *t, _Atomic uint64_t *at, struct node *above);

/* ---- lc_trie_packed.c ---- */

/* A node that no reader has seen, packed if that saves much (it is freed then), or as it is. */
struct node *dp_trie_pack(struct dp_trie *t, struct node *n);
/* Entries of the node at a slot begin at slots `from` and `to` then; the node, or the one that has
 * taken its place. NULL: out of memory. */
struct node *dp_trie_split_entries(struct dp_trie *t, _Atomic uint64_t *at, uint32_t from,
				   uint32_t to);
/* The class for a packed node of so many bytes. */
unsigned int dp_trie_packed_class(uint32_t bytes);
uint32_t dp_trie_packed_class_bytes(unsigned int class);

#endif
