/*
 * Poly1305 of short messages. Any thread; the ciphertext is public, keys and sums are not. The
 * others are in poly1305_avx512.c.
 *
 * Messages of up to two chunks are not worth powers of r: a = (a + m) r, block by block, for two
 * groups in turn, as every multiplication is waited for. Each message ends with the window of eight
 * blocks; what it does not fill is zero.
 */
#include "crypto/poly1305_mod_avx512.h"

#define SHORT_BLOCKS 8

/* And the block with the lengths. */
_Static_assert(CR_POLY1305_SHORT_MAX_BYTES == 16 * (SHORT_BLOCKS - 1), "fills the window");

/* Bits from to 63, none if from is 64 or more. */
static inline __mmask64 from_byte(uint64_t from)
{
	return from < 64 ? UINT64_MAX << from : 0;
}

static inline unsigned int blocks_of(uint32_t len_bytes)
{
	return (len_bytes + 15) / 16 + 1;
}

/* Chunk c, 0 or 1, of a message's window. */
static inline __m512i short_chunk(const uint8_t *text, uint32_t len, unsigned int c)
{
	int64_t at = 64 * (int64_t)c - 16 * (int64_t)(SHORT_BLOCKS - blocks_of(len));
	__mmask64 there = _bzhi_u64(UINT64_MAX, (unsigned int)(len - at));
	__m512i x;

	if (at < 0)
		there &= from_byte((uint64_t)-at);
	x = _mm512_maskz_loadu_epi8(there, (const void *)((uintptr_t)text + (uint64_t)at));
	return c == 1 ? _mm512_mask_set1_epi64(x, 0x80, len) : x;
}

/* Eight chunks to their words: lo and hi of each block, lane by lane. */
static inline void short_words(__m512i w[8], const uint8_t *const *text, const uint32_t *len,
			       unsigned int n, unsigned int c)
{
	__m512i x[8], t[8];

	for (unsigned int i = 0; i < 8; i++)
		x[i] = i < n ? short_chunk(text[i], len[i], c) : _mm512_setzero_si512();
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm512_unpacklo_epi64(x[i], x[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi64(x[i], x[i + 1]);
	}
	for (int i = 0; i < 2; i++) {
		__m512i ab0 = _mm512_shuffle_i64x2(t[i], t[i + 2], 0x44);
		__m512i ab1 = _mm512_shuffle_i64x2(t[i], t[i + 2], 0xee);
		__m512i cd0 = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0x44);
		__m512i cd1 = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0xee);

		w[i] = _mm512_shuffle_i64x2(ab0, cd0, 0x88);
		w[2 + i] = _mm512_shuffle_i64x2(ab0, cd0, 0xdd);
		w[4 + i] = _mm512_shuffle_i64x2(ab1, cd1, 0x88);
		w[6 + i] = _mm512_shuffle_i64x2(ab1, cd1, 0xdd);
	}
}

/* A group of short messages in work. */
struct short_group {
	struct limbs sum;
	struct factor r;
	__m256i len;
	__mmask8 some;
};

static inline struct short_group start_short(struct cr_poly1305_group *g, const uint32_t *len,
					     const uint8_t (*keys)[64])
{
	struct short_group a;

	a.r = factor_of(load_keys(g, keys));
	a.sum = (struct limbs){_mm512_setzero_si512(), _mm512_setzero_si512(),
			       _mm512_setzero_si512()};
	a.some = (__mmask8)_bzhi_u32(0xff, g->n);
	a.len = _mm256_maskz_loadu_epi32(a.some, len + g->first);
	return a;
}

/* Adds block b of the window, with words lo and hi, and multiplies. */
static inline void short_block(struct short_group *a, const __m512i w[2], unsigned int b)
{
	struct limbs m = split(w[0], w[1]);
	__mmask8 there = a->some;

	/* A message has block b if its text has more than 16 (6 - b) bytes; the last, always. */
	if (b + 1 < SHORT_BLOCKS)
		there = _mm256_cmpgt_epu32_mask(
			a->len, _mm256_set1_epi32(16 * (SHORT_BLOCKS - 2 - (int)b)));
	m.l2 = _mm512_mask_add_epi64(m.l2, there, m.l2, splat(TOP));
	m = (struct limbs){add(m.l0, a->sum.l0), add(m.l1, a->sum.l1), add(m.l2, a->sum.l2)};
	a->sum = multiply(m, a->r);
}

/*
 * One group or two. Their sums stay in registers: through memory, a load would wait for whatever
 * store was there last.
 */
static inline void do_short(struct cr_poly1305_scratch *s, struct cr_poly1305_group *g, bool two,
			    const uint8_t *const *text, const uint32_t *len,
			    const uint8_t (*keys)[64])
{
	unsigned int first_block = SHORT_BLOCKS - blocks_of(len[g->first]);
	struct short_group a = start_short(g, len, keys), b;

	if (two)
		b = start_short(g + 1, len, keys);
	for (unsigned int c = first_block / 4; c < 2; c++) {
		short_words(s->words[0], text + g->first, len + g->first, g->n, c);
		if (two)
			short_words(s->words[1], text + g[1].first, len + g[1].first, g[1].n, c);
		for (unsigned int i = 0; i < 4; i++) {
			if (4 * c + i < first_block)
				continue;
			short_block(&a, &s->words[0][2 * i], 4 * c + i);
			if (two)
				short_block(&b, &s->words[1][2 * i], 4 * c + i);
		}
	}
	finish_sum(g, a.sum);
	if (two)
		finish_sum(g + 1, b.sum);
}

void cr_poly1305_avx512_short(struct cr_poly1305_scratch *s, const uint8_t *const *text,
			      const uint32_t *len_bytes, const uint8_t (*keys)[64],
			      unsigned int first, unsigned int n)
{
	unsigned int from = s->n_groups;

	for (; first < n; first += CR_POLY1305_LANES) {
		struct cr_poly1305_group *g = &s->groups[s->n_groups++];

		g->first = first;
		g->n = n - first < CR_POLY1305_LANES ? n - first : CR_POLY1305_LANES;
		g->lanes_each_log2 = 0;
		g->only_tags = true;
	}
	for (; from + 1 < s->n_groups; from += 2)
		do_short(s, &s->groups[from], true, text, len_bytes, keys);
	if (from < s->n_groups)
		do_short(s, &s->groups[from], false, text, len_bytes, keys);
}
