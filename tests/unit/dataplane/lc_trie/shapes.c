/* Random prefixes of many shapes, and keys near them. */
#include "tests/unit/dataplane/lc_trie/shapes.h"

#include "tests/unit/unit.h"

#define SHARED_BASES 4

static unsigned int below(uint64_t *seed, unsigned int n)
{
	return (unsigned int)((unit_random(seed) >> 16) % n);
}

/* The first len bits of one key, the rest of another one. */
static struct dp_trie_key join(struct dp_trie_key first, unsigned int len, struct dp_trie_key rest)
{
	uint64_t hi = len >= 64 ? UINT64_MAX : ~(UINT64_MAX >> len);
	uint64_t lo = len <= 64 ? 0 : len == 128 ? UINT64_MAX : ~(UINT64_MAX >> (len - 64));

	return (struct dp_trie_key){(first.hi & hi) | (rest.hi & ~hi),
				    (first.lo & lo) | (rest.lo & ~lo)};
}

struct dp_trie_key shape_key(uint64_t *seed, uint8_t bits)
{
	struct dp_trie_key key = {unit_random(seed), 0};

	if (bits == 32)
		key.hi &= UINT64_MAX << 32;
	else
		key.lo = unit_random(seed);
	return key;
}

struct shape shape_random(uint64_t *seed, uint8_t bits, enum shape_kind kind)
{
	struct shape s = {.kind = kind, .bits = bits, .base = shape_key(seed, bits)};

	s.width = (uint8_t)(4 + below(seed, 12));
	s.pos = (uint8_t)below(seed, bits - s.width + 1u);
	/* Where nodes meet the halves of the key, or its end. */
	if (bits == 128 && below(seed, 3) == 0)
		s.pos = (uint8_t)(64 - below(seed, s.width + 1u));
	else if (below(seed, 3) == 0)
		s.pos = (uint8_t)(bits - s.width);
	return s;
}

static void dense(const struct shape *s, uint64_t *seed, struct dp_trie_prefix *prefix)
{
	unsigned int end = s->pos + s->width;
	struct dp_trie_key any = shape_key(seed, s->bits);

	prefix->key = join(s->base, s->pos, join(any, end, s->base));
	prefix->len = (uint8_t)end;
	if (below(seed, 8) == 0)
		prefix->len = (uint8_t)(s->pos + 1 + below(seed, s->width));
	else if (below(seed, 8) == 0)
		prefix->len = (uint8_t)(end + below(seed, s->bits - end + 1u));
	prefix->key = join(prefix->key, prefix->len, any);
}

void shape_prefix(const struct shape *s, uint64_t *seed, struct dp_trie_prefix *prefix)
{
	struct dp_trie_key any = shape_key(seed, s->bits), base = s->base;

	prefix->len = (uint8_t)(1 + below(seed, s->bits));
	prefix->key = any;
	switch (s->kind) {
	case SHAPE_SHARED:
		base.hi ^= (uint64_t)below(seed, SHARED_BASES) << (63 - s->pos % 32);
		prefix->key = join(base, below(seed, s->bits + 1u), any);
		break;
	case SHAPE_DENSE:
		dense(s, seed, prefix);
		break;
	case SHAPE_NESTED:
		prefix->len = (uint8_t)below(seed, s->bits + 1u);
		prefix->key = join(base, prefix->len, any);
		break;
	case SHAPE_UNIFORM:
	case SHAPE_KINDS:
		break;
	}
	if (s->bits == 32)
		prefix->key.hi &= UINT64_MAX << 32;
}

struct dp_trie_key shape_near(uint64_t *seed, const struct dp_trie_prefix *prefix, uint8_t bits)
{
	struct dp_trie_key any = shape_key(seed, bits), key = prefix->key;
	unsigned int bit;

	switch (below(seed, 4)) {
	case 0:
		any = (struct dp_trie_key){0, 0};
		break;
	case 1:
		any = (struct dp_trie_key){bits == 32 ? UINT64_MAX << 32 : UINT64_MAX,
					   bits == 32 ? 0 : UINT64_MAX};
		break;
	case 2:
		/* One of its last bits is another one. */
		bit = prefix->len > 0 ? prefix->len - 1u - below(seed, prefix->len > 4 ? 4 : 1) : 0;
		if (bit < 64)
			key.hi ^= UINT64_C(1) << (63 - bit);
		else
			key.lo ^= UINT64_C(1) << (127 - bit);
		break;
	default:
		break;
	}
	return join(key, prefix->len, any);
}
