/*
 * ChaCha20 (RFC 8439, section 2.3) with AVX2. A row is one word of the state for eight lanes, a set
 * is sixteen rows. No branch and no index depends on a secret. A thread's own structs.
 *
 * A set fills the sixteen registers and leaves none to work with, and its four quarter rounds are
 * too few to hide the latency of one another's instructions. So the rows stay in memory, two sets
 * take turns, and two quarter rounds at a time come into registers.
 */
#include "crypto/chacha20_avx2.h"

#include <immintrin.h>
#include <stddef.h>

#include "crypto/le.h"

#define INLINE static inline __attribute__((always_inline))

#define DOUBLE_ROUNDS 10

/* "expand 32-byte k" */
static const uint32_t sigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

/* What lanes past the last are given. */
static const uint8_t no_key[CR_CHACHA_KEY_BYTES];

INLINE __m256i load(const void *p)
{
	return _mm256_loadu_si256(p);
}

INLINE void store(void *p, __m256i x)
{
	_mm256_storeu_si256(p, x);
}

INLINE __m256i rol16(__m256i x)
{
	const __m256i to = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2,
					    3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);

	return _mm256_shuffle_epi8(x, to);
}

INLINE __m256i rol8(__m256i x)
{
	const __m256i to = _mm256_setr_epi8(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14, 3,
					    0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);

	return _mm256_shuffle_epi8(x, to);
}

INLINE __m256i rol(__m256i x, int bits)
{
	return _mm256_or_si256(_mm256_slli_epi32(x, bits), _mm256_srli_epi32(x, 32 - bits));
}

/* Two quarter rounds of one set, step by step: of the rows i and i + 1 of each four. */
INLINE void quarter_rounds(uint32_t x[16][CR_AVX2_SET_LANES], const int i, const int turn)
{
	const int j = i + 1;
	const int b0 = 4 + (i + turn) % 4, b1 = 4 + (j + turn) % 4;
	const int c0 = 8 + (i + 2 * turn) % 4, c1 = 8 + (j + 2 * turn) % 4;
	const int d0 = 12 + (i + 3 * turn) % 4, d1 = 12 + (j + 3 * turn) % 4;
	__m256i a = load(x[i]), b = load(x[b0]), c = load(x[c0]), d = load(x[d0]);
	__m256i e = load(x[j]), f = load(x[b1]), g = load(x[c1]), h = load(x[d1]);

	a = _mm256_add_epi32(a, b);
	e = _mm256_add_epi32(e, f);
	d = rol16(_mm256_xor_si256(d, a));
	h = rol16(_mm256_xor_si256(h, e));
	c = _mm256_add_epi32(c, d);
	g = _mm256_add_epi32(g, h);
	b = rol(_mm256_xor_si256(b, c), 12);
	f = rol(_mm256_xor_si256(f, g), 12);
	a = _mm256_add_epi32(a, b);
	e = _mm256_add_epi32(e, f);
	d = rol8(_mm256_xor_si256(d, a));
	h = rol8(_mm256_xor_si256(h, e));
	c = _mm256_add_epi32(c, d);
	g = _mm256_add_epi32(g, h);
	b = rol(_mm256_xor_si256(b, c), 7);
	f = rol(_mm256_xor_si256(f, g), 7);

	store(x[i], a);
	store(x[b0], b);
	store(x[c0], c);
	store(x[d0], d);
	store(x[j], e);
	store(x[b1], f);
	store(x[c1], g);
	store(x[d1], h);
	/* Or the compiler would keep rows of both sets in registers that there aren't. */
	__asm__ __volatile__("" : : : "memory");
}

INLINE void half_double_round(uint32_t x[16][CR_AVX2_SET_LANES], const int turn)
{
	quarter_rounds(x, 0, turn);
	quarter_rounds(x, 2, turn);
}

static void rounds_of_two(struct cr_chacha_avx2 *c)
{
	for (int i = 0; i < DOUBLE_ROUNDS; i++) {
		half_double_round(c->x[0], 0);
		half_double_round(c->x[1], 0);
		half_double_round(c->x[0], 1);
		half_double_round(c->x[1], 1);
	}
}

static void rounds_of_one(struct cr_chacha_avx2 *c)
{
	for (int i = 0; i < DOUBLE_ROUNDS; i++) {
		half_double_round(c->x[0], 0);
		half_double_round(c->x[0], 1);
	}
}

/* x[i] has word j of it at place j: so that x[j] has word j of x[0] to x[7]. */
INLINE void transpose(__m256i x[8])
{
	__m256i t[8], u[8];

	for (int i = 0; i < 4; i++) {
		t[2 * i] = _mm256_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
		t[2 * i + 1] = _mm256_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
	}
	for (int i = 0; i < 2; i++) {
		u[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
		u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
		u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
		u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		x[i] = _mm256_permute2x128_si256(u[i], u[4 + i], 0x20);
		x[4 + i] = _mm256_permute2x128_si256(u[i], u[4 + i], 0x31);
	}
}

/* The set that begins at a lane. */
static void begin_set(struct cr_chacha_avx2 *c, unsigned int set, const struct cr_lanes_avx2 *lanes,
		      unsigned int lane)
{
	__m256i k[8];

	for (int i = 0; i < 8; i++)
		k[i] = load(lanes->key[lane + i]);
	transpose(k);
	for (int i = 0; i < 8; i++) {
		store(c->keys[set][i], k[i]);
		store(c->x[set][4 + i], k[i]);
	}
	for (int i = 0; i < 4; i++)
		store(c->x[set][i], _mm256_set1_epi32((int)sigma[i]));
	store(c->x[set][12], load(&lanes->block[lane]));
	store(c->x[set][13], _mm256_setzero_si256());
	store(c->x[set][14], load(&lanes->counter_lo[lane]));
	store(c->x[set][15], load(&lanes->counter_hi[lane]));
}

/* 32 bytes of each of eight lanes that have as many. */
INLINE void xor_halves(const __m256i x[8], const struct cr_lanes_avx2 *lanes, unsigned int lane,
		       size_t at)
{
	for (unsigned int i = 0; i < 8; i++) {
		__m256i mask = _mm256_set1_epi32((int)lanes->mask[lane + i]);
		__m256i text = _mm256_xor_si256(x[i], load(lanes->src[lane + i] + at));

		store(lanes->dst[lane + i] + at, _mm256_and_si256(text, mask));
	}
}

void cr_chacha20_xor_avx2(uint8_t *dst, const uint8_t *src, const uint8_t *stream, uint32_t len,
			  uint32_t mask)
{
	const __m256i mask32 = _mm256_set1_epi32((int)mask);
	const uint64_t mask8 = (uint64_t)mask << 32 | mask;
	uint32_t at = 0;

	for (; at + 32 <= len; at += 32) {
		__m256i x = _mm256_xor_si256(load(src + at), load(stream + at));

		store(dst + at, _mm256_and_si256(x, mask32));
	}
	if (len & 16) {
		__m128i x = _mm_loadu_si128((const void *)(src + at));

		x = _mm_xor_si128(x, _mm_loadu_si128((const void *)(stream + at)));
		x = _mm_and_si128(x, _mm256_castsi256_si128(mask32));
		_mm_storeu_si128((void *)(dst + at), x);
		at += 16;
	}
	if (len & 8) {
		cr_store_le64(dst + at,
			      (cr_load_le64(src + at) ^ cr_load_le64(stream + at)) & mask8);
		at += 8;
	}
	if (len & 4) {
		cr_store_le32(dst + at,
			      (cr_load_le32(src + at) ^ cr_load_le32(stream + at)) & mask);
		at += 4;
	}
	for (; at < len; at++)
		dst[at] = (uint8_t)((src[at] ^ stream[at]) & mask);
}

/* The set's lanes all have a whole block. */
static void end_whole_set(struct cr_chacha_avx2 *c, unsigned int set,
			  const struct cr_lanes_avx2 *lanes, unsigned int lane)
{
	__m256i x[8];

	for (int i = 0; i < 8; i++)
		x[i] = load(c->x[set][i]);
	transpose(x);
	xor_halves(x, lanes, lane, 0);
	for (int i = 0; i < 8; i++)
		x[i] = load(c->x[set][8 + i]);
	transpose(x);
	xor_halves(x, lanes, lane, 32);
}

static void end_ragged_set(struct cr_chacha_avx2 *c, unsigned int set,
			   const struct cr_lanes_avx2 *lanes, unsigned int lane)
{
	for (int half = 0; half < 2; half++) {
		__m256i x[8];

		for (int i = 0; i < 8; i++)
			x[i] = load(c->x[set][8 * half + i]);
		transpose(x);
		for (int i = 0; i < 8; i++)
			store(c->stream[i] + 32 * half, x[i]);
	}
	for (unsigned int i = 0; i < CR_AVX2_SET_LANES; i++)
		cr_chacha20_xor_avx2(lanes->dst[lane + i], lanes->src[lane + i], c->stream[i],
				     lanes->len_bytes[lane + i], lanes->mask[lane + i]);
}

/* The last addition of the block function. */
static void add_input(struct cr_chacha_avx2 *c, unsigned int set, const struct cr_lanes_avx2 *lanes,
		      unsigned int lane)
{
	uint32_t(*x)[CR_AVX2_SET_LANES] = c->x[set];

	for (int i = 0; i < 4; i++)
		store(x[i], _mm256_add_epi32(load(x[i]), _mm256_set1_epi32((int)sigma[i])));
	for (int i = 0; i < 8; i++)
		store(x[4 + i], _mm256_add_epi32(load(x[4 + i]), load(c->keys[set][i])));
	store(x[12], _mm256_add_epi32(load(x[12]), load(&lanes->block[lane])));
	store(x[14], _mm256_add_epi32(load(x[14]), load(&lanes->counter_lo[lane])));
	store(x[15], _mm256_add_epi32(load(x[15]), load(&lanes->counter_hi[lane])));
}

static void end_set(struct cr_chacha_avx2 *c, unsigned int set, const struct cr_lanes_avx2 *lanes,
		    unsigned int lane, struct cr_rows_avx2 *rows)
{
	const __m256i len = load(&lanes->len_bytes[lane]);
	const __m256i whole = _mm256_set1_epi32(CR_CHACHA_BLOCK_BYTES);

	add_input(c, set, lanes, lane);
	if (rows) {
		for (int i = 0; i < 8; i++)
			store(rows->word[i], load(c->x[set][i]));
	}
	if (_mm256_movemask_epi8(_mm256_cmpeq_epi32(len, whole)) == -1)
		end_whole_set(c, set, lanes, lane);
	else if (!_mm256_testz_si256(len, len))
		end_ragged_set(c, set, lanes, lane);
}

void cr_chacha20_avx2(struct cr_chacha_avx2 *c, struct cr_lanes_avx2 *lanes, unsigned int n,
		      struct cr_rows_avx2 *rows, unsigned int n_rows)
{
	unsigned int n_sets = (n + CR_AVX2_SET_LANES - 1) / CR_AVX2_SET_LANES, set = 0;

	for (; n % CR_AVX2_SET_LANES != 0; n++) {
		lanes->key[n] = no_key;
		lanes->block[n] = lanes->counter_lo[n] = lanes->counter_hi[n] = 0;
		lanes->len_bytes[n] = 0;
	}
	for (; set + 1 < n_sets; set += 2) {
		unsigned int lane = set * CR_AVX2_SET_LANES, next = lane + CR_AVX2_SET_LANES;

		begin_set(c, 0, lanes, lane);
		begin_set(c, 1, lanes, next);
		rounds_of_two(c);
		end_set(c, 0, lanes, lane, set < n_rows ? &rows[set] : NULL);
		end_set(c, 1, lanes, next, set + 1 < n_rows ? &rows[set + 1] : NULL);
	}
	if (set < n_sets) {
		begin_set(c, 0, lanes, set * CR_AVX2_SET_LANES);
		rounds_of_one(c);
		end_set(c, 0, lanes, set * CR_AVX2_SET_LANES, set < n_rows ? &rows[set] : NULL);
	}
}
