/* Random prefixes of many shapes, and keys near them. */
#ifndef TESTS_UNIT_DATAPLANE_LC_TRIE_SHAPES_H
#define TESTS_UNIT_DATAPLANE_LC_TRIE_SHAPES_H

#include "dataplane/lc_trie.h"

enum shape_kind {
	SHAPE_SHARED,  /* a few addresses, left at any bit */
	SHAPE_DENSE,   /* all of one length or near it, side by side */
	SHAPE_NESTED,  /* all lengths of one address */
	SHAPE_UNIFORM, /* any */
	SHAPE_KINDS
};

struct shape {
	enum shape_kind kind;
	uint8_t bits;	    /* of keys: 32 or 128 */
	uint8_t pos, width; /* dense: bits from pos on are any */
	struct dp_trie_key base;
};

struct dp_trie_key shape_key(uint64_t *seed, uint8_t bits);
struct shape shape_random(uint64_t *seed, uint8_t bits, enum shape_kind kind);
/* Host bits may be set. The value stays. Never /0, but for SHAPE_NESTED. */
void shape_prefix(const struct shape *s, uint64_t *seed, struct dp_trie_prefix *prefix);
/* Inside of the prefix, at one of its ends, or just beside it. */
struct dp_trie_key shape_near(uint64_t *seed, const struct dp_trie_prefix *prefix, uint8_t bits);

#endif
