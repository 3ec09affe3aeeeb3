/*
 * Lookups in an LC-trie, eight keys at once with AVX-512's gathers, four such groups interleaved so
 * that their cache misses overlap. For workers, as lc_trie_lookup.c, where the rules of reading
 * stand; compiled without AVX-512 it is the same as there.
 */
#include "dataplane/lc_trie.h"

#include "crypto/cpu.h"
#include "dataplane/lc_trie_node.h"

/* ThreadSanitizer does not see gathers. */
#if defined(__AVX512F__) && !defined(__SANITIZE_THREAD__)

#include <immintrin.h>

#define LANES  8
#define GROUPS (DP_TRIE_BULK_MAX / LANES)
/* Packed nodes with at most so many bits have entries near their index. */
#define PREFETCH_BITS_MAX 9

struct lanes {
	__m512i hi, lo;
	__m512i slot, above; /* where the lane is, and where it came from */
	__m512i top;	     /* of the last top that it passed, where its reference is, in bytes */
	__mmask8 valid, skipped, passed_top;
};

/* Byte `byte` of each lane as a number. */
static inline __m512i lane_byte(__m512i words, unsigned int byte)
{
	const __m512i select = _mm512_set_epi64(
		(long long)UINT64_C(0x8080808080808008), (long long)UINT64_C(0x8080808080808000),
		(long long)UINT64_C(0x8080808080808008), (long long)UINT64_C(0x8080808080808000),
		(long long)UINT64_C(0x8080808080808008), (long long)UINT64_C(0x8080808080808000),
		(long long)UINT64_C(0x8080808080808008), (long long)UINT64_C(0x8080808080808000));

	return _mm512_shuffle_epi8(words, _mm512_add_epi64(select, _mm512_set1_epi64(byte)));
}

static inline void load(struct lanes *l, uint64_t root, const uint64_t *hi, const uint64_t *lo,
			unsigned int n)
{
	l->valid = n >= LANES ? 0xff : (__mmask8)((1u << n) - 1);
	l->skipped = l->passed_top = 0;
	l->slot = _mm512_maskz_set1_epi64(l->valid, (long long)root);
	l->above = l->top = _mm512_setzero_si512();
	l->hi = _mm512_maskz_loadu_epi64(l->valid, hi);
	l->lo = lo == NULL ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi64(l->valid, lo);
}

/* Where the lanes' nodes have their slots, as references, and which of them is the key's. */
struct entries {
	__m512i slots, entry;
};

static inline __m512i popcount_low(__m512i words)
{
	return _mm512_popcnt_epi64(_mm512_and_si512(words, _mm512_set1_epi64(UINT32_MAX)));
}

/* How many words the indices of the nodes have. */
static inline __m512i words_of(__m512i nodes)
{
	__m512i bits = _mm512_sub_epi64(_mm512_set1_epi64(HALF_BITS - PACKED_BITS_MIN),
					lane_byte(nodes, 2));

	return _mm512_sllv_epi64(_mm512_set1_epi64(1), bits);
}

/* Entries of nodes with short indices lie right behind them: on their way at the same time, they
 * are there when the index has told which one it is. */
static inline void prefetch_entries(struct entries e, __m512i nodes, const char *base)
{
	const __m512i bits_most = _mm512_set1_epi64(HALF_BITS - PREFETCH_BITS_MAX);
	__mmask8 small = _mm512_cmpge_epu64_mask(lane_byte(nodes, 2), bits_most);
	__m512i at = _mm512_maskz_slli_epi64(small, _mm512_add_epi64(e.slots, words_of(nodes)), 3);
	uint64_t offsets[LANES];

	if (small == 0)
		return;
	_mm512_storeu_si512(offsets, at);
	for (unsigned int k = 0; k < LANES; k++) {
		__builtin_prefetch(base + offsets[k]);
		__builtin_prefetch(base + offsets[k] + 64);
	}
}

/* For lanes at packed nodes: from the slot's number to its entry. */
static inline struct entries unpack(struct entries e, __mmask8 packed, __m512i nodes,
				    const char *base)
{
	__m512i at = _mm512_add_epi64(e.slots, _mm512_srli_epi64(e.entry, 5));
	__m512i word = _mm512_mask_i64gather_epi64(at, packed, at, base, DP_ARENA_UNIT_BYTES);
	__m512i bit = _mm512_and_si512(e.entry, _mm512_set1_epi64(31));
	__m512i upto = _mm512_sub_epi64(_mm512_sllv_epi64(_mm512_set1_epi64(2), bit),
					_mm512_set1_epi64(1));
	__m512i entry = _mm512_add_epi64(_mm512_srli_epi64(word, 32),
					 popcount_low(_mm512_and_si512(word, upto)));

	e.entry = _mm512_mask_sub_epi64(e.entry, packed, entry, _mm512_set1_epi64(1));
	e.slots = _mm512_mask_add_epi64(e.slots, packed, e.slots, words_of(nodes));
	return e;
}

/* Lanes that passed a top: where it is, behind the slots of the nodes that they came from. */
static inline void note_tops(struct lanes *l, __mmask8 tops, const struct entries *e,
			     const char *base)
{
	__mmask8 packed = _mm512_mask_test_epi64_mask(tops, l->above,
						      _mm512_set1_epi64(SLOT_PACKED));
	__m512i bits = _mm512_sub_epi64(_mm512_set1_epi64(HALF_BITS), lane_byte(l->above, 2));
	__m512i n = _mm512_sllv_epi64(_mm512_set1_epi64(1), bits), at;

	if (packed != 0) {
		__m512i last = _mm512_sub_epi64(e->slots, _mm512_set1_epi64(1));
		__m512i word = _mm512_mask_i64gather_epi64(last, packed, last, base,
							   DP_ARENA_UNIT_BYTES);

		n = _mm512_mask_add_epi64(n, packed, _mm512_srli_epi64(word, 32),
					  popcount_low(word));
	}
	at = _mm512_slli_epi64(_mm512_add_epi64(e->slots, n), 3);
	at = _mm512_add_epi64(at, _mm512_slli_epi64(e->entry, 2));
	l->top = _mm512_mask_mov_epi64(l->top, tops, at);
	l->passed_top |= tops;
}

/* One level down for the lanes that are at nodes; false: none is. */
static inline bool step(struct lanes *l, const char *base, bool wide)
{
	__mmask8 going = _mm512_test_epi64_mask(l->slot, _mm512_set1_epi64(SLOT_NODE)), mask;
	__m512i half = l->hi;
	struct entries e;

	if (going == 0)
		return false;
	if (wide) {
		mask = _mm512_test_epi64_mask(l->slot, _mm512_set1_epi64(SLOT_LOW));
		half = _mm512_mask_mov_epi64(half, mask, l->lo);
	}
	e.entry = _mm512_srlv_epi64(_mm512_sllv_epi64(half, lane_byte(l->slot, 1)),
				    lane_byte(l->slot, 2));
	e.slots = _mm512_srli_epi64(l->slot, 32);
	mask = _mm512_mask_test_epi64_mask(going, l->slot, _mm512_set1_epi64(SLOT_PACKED));
	if (mask != 0) {
		prefetch_entries(e, l->slot, base);
		e = unpack(e, mask, l->slot, base);
	}
	l->skipped |= _mm512_mask_test_epi64_mask(going, l->slot, _mm512_set1_epi64(SLOT_SKIP));
	l->above = _mm512_mask_mov_epi64(l->above, going, l->slot);
	l->slot = _mm512_mask_i64gather_epi64(l->slot, going, _mm512_add_epi64(e.slots, e.entry),
					      base, DP_ARENA_UNIT_BYTES);
	mask = _mm512_mask_test_epi64_mask(going, l->slot, _mm512_set1_epi64(SLOT_TOP));
	if (mask != 0)
		note_tops(l, mask, &e, base);
	return true;
}

/*
 * The lanes whose first len bits are those of a key at an address: a record's, or a node's. A shift
 * by 64 and more leaves nothing. Lanes that are not asked for are not read.
 */
static inline __mmask8 equals(const struct lanes *l, __mmask8 asked, __m512i at, __m512i len,
			      const char *base, bool wide)
{
	const __m512i zero = _mm512_setzero_si512();
	__m512i key = _mm512_mask_i64gather_epi64(zero, asked, at, base, 1), differ;

	if (wide) {
		__m512i low = _mm512_mask_i64gather_epi64(zero, asked, at, base + 8, 1);
		__m512i up = _mm512_sub_epi64(_mm512_set1_epi64(64), len);

		differ = _mm512_srlv_epi64(_mm512_xor_si512(l->hi, key),
					   _mm512_max_epi64(up, zero));
		low = _mm512_srlv_epi64(_mm512_xor_si512(l->lo, low),
					_mm512_sub_epi64(_mm512_set1_epi64(128), len));
		differ = _mm512_or_si512(differ, low);
	} else {
		key = _mm512_slli_epi64(key, 32);
		differ = _mm512_srlv_epi64(_mm512_xor_si512(l->hi, key),
					   _mm512_sub_epi64(_mm512_set1_epi64(64), len));
	}
	return _mm512_mask_testn_epi64_mask(asked, differ, differ);
}

/* Bytes from the base of what the reference in the upper half of a slot names. */
static inline __m512i offset_of(__m512i slot)
{
	return _mm512_slli_epi64(_mm512_srli_epi64(slot, 32), 3);
}

/* Values that the lanes came to, 0 where it is not their key's. */
static inline __m512i values_of(const struct lanes *l, const char *base, bool wide)
{
	__mmask8 leaf = _mm512_testn_epi64_mask(l->slot, _mm512_set1_epi64(SLOT_LOCAL)), right;
	__mmask8 asked = leaf | l->skipped;
	__m512i at = offset_of(l->above), word = l->slot, len = lane_byte(l->above, 1);

	if (asked == 0)
		return _mm512_srli_epi64(word, VALUE_SHIFT);
	if (wide) {
		__mmask8 low = _mm512_test_epi64_mask(l->above, _mm512_set1_epi64(SLOT_LOW));

		len = _mm512_mask_add_epi64(len, low, len, _mm512_set1_epi64(HALF_BITS));
	}
	/* The key of a node ends where its slots begin. */
	at = _mm512_sub_epi64(at, _mm512_set1_epi64(wide ? 16 : 8));
	if (leaf != 0) {
		__m512i record = offset_of(l->slot);

		word = _mm512_mask_i64gather_epi64(word, leaf, record, base, 1);
		len = _mm512_mask_mov_epi64(len, leaf, lane_byte(word, 1));
		at = _mm512_mask_add_epi64(at, leaf, record, _mm512_set1_epi64(8));
	}
	right = equals(l, asked, at, len, base, wide) | (__mmask8)~asked;
	return _mm512_maskz_srli_epi64(right, word, VALUE_SHIFT);
}

/* Of some lanes, the values of the last tops that they passed; 0 where it is not their key's. */
static inline __m512i top_values_of(const struct lanes *l, __mmask8 lanes, const char *base,
				    bool wide)
{
	__m256i refs = _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), lanes, l->top, base, 1);
	__m512i record = _mm512_slli_epi64(_mm512_cvtepu32_epi64(refs), 3);
	__m512i word = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), lanes, record, base, 1);
	__m512i at = _mm512_add_epi64(record, _mm512_set1_epi64(8));
	__mmask8 right = equals(l, lanes, at, lane_byte(word, 1), base, wide);

	return _mm512_maskz_srli_epi64(right, word, VALUE_SHIFT);
}

/* Keys that came to nothing of theirs; and of them, those that passed a top, but not of theirs. */
struct outcome {
	uint32_t missing, unclear;
};

/* The outcome of one group. Tops are fetched whether they are needed or not, so that they are on
 * their way together with the records. */
static inline void conclude(const struct lanes *l, unsigned int first, const char *base, bool wide,
			    void **values, struct outcome *outcome)
{
	__m512i top = _mm512_setzero_si512(), found;
	__mmask8 missing, none;

	if (l->passed_top != 0)
		top = top_values_of(l, l->passed_top, base, wide);
	found = values_of(l, base, wide);
	missing = _mm512_mask_testn_epi64_mask(l->valid, found, found);
	found = _mm512_mask_mov_epi64(found, missing, top);
	none = _mm512_mask_testn_epi64_mask(missing & l->passed_top, top, top);
	_mm512_mask_storeu_epi64(values + first, l->valid, found);
	outcome->missing |= (uint32_t)missing << first;
	outcome->unclear |= (uint32_t)none << first;
}

/* All keys. wide is constant where this is inlined. */
static inline __attribute__((always_inline)) void lookup(const struct dp_trie *t,
							 const uint64_t *hi, const uint64_t *lo,
							 void **values, unsigned int n, bool wide,
							 struct outcome *outcome)
{
	const char *base = t->base;
	uint64_t root = slot_load(&t->root);
	struct lanes l[GROUPS];
	bool going = true;

	for (unsigned int g = 0; g < GROUPS; g++) {
		unsigned int first = g * LANES, left = n > first ? n - first : 0;

		load(&l[g], root, hi + first, wide ? lo + first : NULL, left);
	}
	while (going) {
		going = false;
		for (unsigned int g = 0; g < GROUPS; g++)
			going |= step(&l[g], base, wide);
	}
	for (unsigned int g = 0; g < GROUPS; g++)
		conclude(&l[g], g * LANES, base, wide, values, outcome);
}

/* Keys that came to nothing of theirs have the value of a top, or else that of /0. If a top was not
 * theirs, or something has changed meanwhile, the way is gone once more. */
static void finish(const struct dp_trie *t, const struct start *start, const uint64_t *hi,
		   const uint64_t *lo, void **values, const struct outcome *outcome)
{
	uint32_t again = outcome->missing, left = again & ~outcome->unclear;

	/* The CPU keeps loads in order, gathers too; the compiler shall. */
	atomic_signal_fence(memory_order_acquire);
	if (dp_trie_changes(t) == start->changes)
		again = outcome->unclear;
	for (; start->any != NULL && left != 0; left &= left - 1) {
		if (values[__builtin_ctz(left)] == NULL)
			values[__builtin_ctz(left)] = start->any;
	}
	for (; again != 0; again &= again - 1) {
		unsigned int k = (unsigned int)__builtin_ctz(again);
		struct dp_trie_key key = {hi[k], t->bits == 32 ? 0 : lo[k]};

		values[k] = dp_trie_lookup(t, key);
	}
}

bool dp_trie_avx512_usable(void)
{
	return cr_cpu_avx512() && __builtin_cpu_supports("avx512vpopcntdq");
}

void dp_trie_lookup_bulk_avx512(const struct dp_trie *t, const uint64_t *hi, const uint64_t *lo,
				void **values, unsigned int n)
{
	struct start start = dp_trie_start(t);
	struct outcome outcome = {0, 0};

	if (t->bits == 32)
		lookup(t, hi, lo, values, n, false, &outcome);
	else
		lookup(t, hi, lo, values, n, true, &outcome);
	if (outcome.missing != 0)
		finish(t, &start, hi, lo, values, &outcome);
}

#else

bool dp_trie_avx512_usable(void)
{
	return false;
}

void dp_trie_lookup_bulk_avx512(const struct dp_trie *t, const uint64_t *hi, const uint64_t *lo,
				void **values, unsigned int n)
{
	dp_trie_lookup_bulk_scalar(t, hi, lo, values, n);
}

#endif
