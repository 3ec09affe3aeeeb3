/*
 * A hash table that grows and shrinks without a pause: linear hashing (Litwin, 1980) over chains of
 * links that are embedded in what is kept. One more chain is split, or merged, at a time, so no
 * call touches more than two chains, and the array of chains is never copied: it is in segments of
 * which each is as long as all before it, up to 1 MiB. Runs on the control thread. For files of
 * this directory.
 */
#ifndef HANDSHAKE_CHAINS_H
#define HANDSHAKE_CHAINS_H

#include <stddef.h>
#include <stdint.h>

struct hs_link {
	struct hs_link *next;
};

#define HS_CHAINS_MIN	   64
#define HS_CHAINS_SEGMENTS (12 + 511) /* 2^26 chains */

struct hs_chains {
	size_t n_chains;
	size_t n; /* links */
	/* Must not change while it is in the table. */
	uint32_t (*hash_of)(const struct hs_link *link);
	struct hs_link **segments[HS_CHAINS_SEGMENTS]; /* the first one is always there */
};

/* Returns 0 or -ENOMEM. */
int hs_chains_init(struct hs_chains *c, uint32_t (*hash_of)(const struct hs_link *link));
/* What is in it is the caller's. */
void hs_chains_fini(struct hs_chains *c);

/* The first link of the chain where a hash is; others follow by next. NULL: none. */
struct hs_link *hs_chains_first(const struct hs_chains *c, uint32_t hash);

/* Never fails: without memory to grow it becomes slower. Does not shrink. */
void hs_chains_insert(struct hs_chains *c, struct hs_link *link);
/* Must be in the table. The others stay where they are: it does not shrink until it is empty. */
void hs_chains_remove(struct hs_chains *c, struct hs_link *link);

/* One step towards the size that the number of links asks for, if it is too large. A table that
 * links are removed from keeps up if this is called twice for each. */
void hs_chains_shrink(struct hs_chains *c);

/* Walks all links: NULL gives the first one, NULL ends. Until something is inserted or it shrinks,
 * each comes once; the one given may be removed when its successor has been asked for. */
struct hs_link *hs_chains_next(const struct hs_chains *c, const struct hs_link *link);

#endif
