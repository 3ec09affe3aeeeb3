/*
 * The index table from the inside, for sessions.c and sessions_resize.c. Control writes, workers
 * read.
 *
 * The table is linear hashing (Litwin, 1980) over buckets of one cache line. Indices are drawn at
 * random, so their low bits are their hash. With n buckets, 2^k < n <= 2^(k+1), an index is at home
 * in the bucket of its low k + 1 bits, or without the uppermost of them where that is not below n.
 * Growing from n to n + 1 splits the one bucket of which n is a part: its entries that are at home
 * in n then are copied, n + 1 is published, and the copies that are left behind, for readers that
 * still know n, are cleared when all of those have passed. Shrinking is the same backwards. While
 * such copies are left the table does not turn round, so clean_n tells where all of them are:
 *
 *   clean_n < n_buckets   it has grown; the buckets split for clean_n .. n_buckets - 1 have copies
 *   clean_n > n_buckets   it has shrunk; buckets n_buckets .. clean_n - 1 have nothing but copies
 *
 * Inserting puts an entry into its home only. Removing looks for all of its copies.
 */
#ifndef DATAPLANE_SESSIONS_TABLE_H
#define DATAPLANE_SESSIONS_TABLE_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

#include "dataplane/range.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"

#define BUCKETS_MIN 64 /* a page */
#define BUCKETS_MAX (UINT32_C(1) << 25)

#define LINE_ENTRIES 7
/* An entry is a pointer with 16 bits of the index above it; 0: none. */
#define POINTER_BITS 48
#define POINTER_MASK ((UINT64_C(1) << POINTER_BITS) - 1)

struct line {
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint64_t entries[LINE_ENTRIES];
	_Atomic(struct line *) more; /* of the same bucket; rare */
};

static_assert(sizeof(struct line) == RTE_CACHE_LINE_SIZE, "one miss per bucket");

/* What waits for readers to pass; it may outlive the table. */
struct cleaner {
	struct dp_sessions *table; /* NULL: gone */
	bool queued;
	uint32_t n; /* n_buckets when it was queued */
};

struct dp_sessions {
	/* workers read */
	struct line *buckets; /* never moves */
	_Atomic uint32_t n_buckets;

	/* control only */
	uint32_t clean_n;
	struct dp_range range; /* where the buckets are */
	struct dp_reclaim *reclaim;
	struct cleaner *cleaner;
	struct line *spare; /* lines for overflow: kept while a bucket is merged */
	size_t count, n_lines;
};

/* ---- buckets and entries ---- */

static inline uint32_t n_buckets(const struct dp_sessions *t)
{
	return atomic_load_explicit((_Atomic uint32_t *)&t->n_buckets, memory_order_acquire);
}

static inline uint32_t home(uint32_t index, uint32_t n)
{
	uint32_t mask = UINT32_MAX >> __builtin_clz(n - 1);
	uint32_t bucket = index & mask;

	return bucket < n ? bucket : bucket & mask >> 1;
}

/* The bucket that a bucket was split from: without the uppermost bit. */
static inline uint32_t parent(uint32_t bucket)
{
	return bucket & ~(UINT32_C(1) << (31 - __builtin_clz(bucket)));
}

/* Both halves, since the low bits of what is in a bucket are the same. */
static inline uint64_t tag_of(uint32_t index)
{
	return (uint64_t)(uint16_t)(index ^ index >> 16) << POINTER_BITS;
}

static inline uint64_t entry_of(const struct dp_session *s)
{
	return tag_of(s->local_index) | (uintptr_t)s;
}

static inline struct dp_session *session_of(uint64_t entry)
{
	return (struct dp_session *)(uintptr_t)(entry & POINTER_MASK);
}

static inline uint64_t load(const _Atomic uint64_t *entry)
{
	return atomic_load_explicit((_Atomic uint64_t *)entry, memory_order_acquire);
}

static inline struct line *more(const struct line *line)
{
	return atomic_load_explicit((_Atomic(struct line *) *)&line->more, memory_order_acquire);
}

/* The numbers of buckets, past and present, between which entries have copies. */
static inline uint32_t least_n(const struct dp_sessions *t)
{
	return t->clean_n < n_buckets(t) ? t->clean_n : n_buckets(t);
}

static inline uint32_t greatest_n(const struct dp_sessions *t)
{
	return t->clean_n > n_buckets(t) ? t->clean_n : n_buckets(t);
}

/* Where 16 low bits are told by the bucket, the tag tells the rest: no miss for a session. */
static inline uint32_t index_of(const struct dp_sessions *t, uint64_t entry, uint32_t bucket)
{
	uint32_t low = bucket & UINT16_MAX;

	if (least_n(t) <= UINT16_MAX)
		return session_of(entry)->local_index;
	return low | ((uint32_t)(entry >> POINTER_BITS) ^ low) << 16;
}

/* ---- sessions_resize.c ---- */

/* Into a bucket. 0 or -ENOMEM. */
int dp_sessions_put(struct dp_sessions *t, struct line *bucket, uint64_t entry);
/* Out of a bucket. True: it was there. *emptied: a line was left that holds nothing now, */
bool dp_sessions_take_out(struct line *bucket, uint64_t entry, bool *emptied);
/* which this gives back. Whatever waits may be freed in here when memory is short, and come back to
 * this table. */
void dp_sessions_prune(struct dp_sessions *t, uint32_t bucket);
/* Of lines that nobody can see. */
void dp_sessions_free_lines(struct line *first);
/* A number of steps towards the right size. Last in each change: it may prune, too. */
void dp_sessions_settle(struct dp_sessions *t, unsigned int steps);

#endif
