/*
 * BLAKE2s sixteen at a time: lane i of a register belongs to input i. Any thread, where
 * cr_cpu_avx512() is true. What goes together in a call is decided in blake2s_batch.c; the
 * compression is in blake2s_mix_avx512.h.
 *
 * Everything depends on lengths alone: masks, steps, what is loaded. A load never touches a byte
 * outside its input, because bytes that are masked out are not accessed.
 */
#include "crypto/blake2s_avx512.h"

#include <immintrin.h>

#include "crypto/blake2s_inner.h"
#include "crypto/blake2s_mix_avx512.h"
#include "crypto/ct.h"
#include "crypto/wipe_avx512.h"

#define BLOCK_BYTES CR_B2S_BLOCK_BYTES

/* Frames of the functions below the public ones: up to 1.4 KiB with gcc 12 and clang 14. */
#define STACK_WIPE_BYTES 1792

_Static_assert(LANES *SETS == CR_B2S_LANES, "lanes");

/*
 * Up to 32 inputs on their way: words of state and message with one lane for each; and what the
 * caller gave for these lanes.
 */
struct group {
	__m512i h[SETS][8];
	__m512i m[SETS][16];
	__m512i inner[SETS][8]; /* a KDF's secret as key of HMAC: after the first block */
	__m512i outer[SETS][8]; /* of every HMAC */
	/* From here on nothing is secret. */
	const struct cr_hash_job *const *jobs;
	const uint32_t *total_bytes;
	unsigned int n;
	unsigned int sets;
	bool hmac;
	/* A KDF's first HMAC as jobs; here because frames further down are wiped, and kept small.
	 */
	struct cr_hash_job kdf_jobs[CR_B2S_LANES];
	const struct cr_hash_job *kdf_lanes[CR_B2S_LANES];
};

static __attribute__((noinline)) void compress_one_set(struct group *g, const struct step *s)
{
	compress_sets(g->h, g->m, s, 1);
}

static __attribute__((noinline, aligned(64))) void compress_two_sets(struct group *g,
								     const struct step *s)
{
	compress_sets(g->h, g->m, s, 2);
}

static void compress(struct group *g, const struct step *s)
{
	if (g->sets > 1)
		compress_two_sets(g, s);
	else
		compress_one_set(g, s);
}

/* A block at the same place of all inputs. */
static void compress_alike(struct group *g, uint32_t counter_bytes, bool last)
{
	struct step s;

	for (unsigned int k = 0; k < SETS; k++) {
		s.counter_bytes[k] = _mm512_set1_epi32((int)counter_bytes);
		s.last[k] = last ? UINT16_MAX : 0;
		s.active[k] = UINT16_MAX;
	}
	compress(g, &s);
}

static always_inline __mmask64 first_bytes(size_t n)
{
	return _bzhi_u64(UINT64_MAX, n < BLOCK_BYTES ? (unsigned int)n : BLOCK_BYTES);
}

/* Up to 64 bytes from p, zeroes behind them. */
static always_inline __m512i load_bytes(const uint8_t *p, size_t len)
{
	return _mm512_maskz_loadu_epi8(first_bytes(len), p);
}

/* The 64 bytes of a || b from a given place on, zeroes behind the end. */
static always_inline __m512i load_input(const struct cr_hash_job *j, size_t from)
{
	const uint8_t *a = j->a, *b = j->b;
	size_t in_a;
	__m512i row;

	if (from + BLOCK_BYTES <= j->a_len)
		return _mm512_loadu_si512(a + from);
	if (from >= j->a_len) {
		from -= j->a_len;
		return from < j->b_len ? load_bytes(b + from, j->b_len - from)
				       : _mm512_setzero_si512();
	}
	in_a = j->a_len - from;
	row = load_bytes(a + from, in_a);
	if (j->b_len > 0) {
		/* b goes behind a's end: loaded from before its start, without those bytes. */
		__mmask64 mask = first_bytes(in_a + j->b_len) & ~first_bytes(in_a);
		const void *before = (const void *)((uintptr_t)b - in_a);

		row = _mm512_or_si512(row, _mm512_maskz_loadu_epi8(mask, before));
	}
	return row;
}

/* Rows of 64 bytes, one for each lane, to words with a lane for each row. */
static void transpose(__m512i m[16])
{
	__m512i t[16], u[16];

	for (int i = 0; i < 8; i++) {
		t[2 * i] = _mm512_unpacklo_epi32(m[2 * i], m[2 * i + 1]);
		t[2 * i + 1] = _mm512_unpackhi_epi32(m[2 * i], m[2 * i + 1]);
	}
	/* A quarter q of u[4 * g + w] is word 4 * q + w of rows 4 * g to 4 * g + 3. */
	for (int g = 0; g < 4; g++) {
		u[4 * g] = _mm512_unpacklo_epi64(t[4 * g], t[4 * g + 2]);
		u[4 * g + 1] = _mm512_unpackhi_epi64(t[4 * g], t[4 * g + 2]);
		u[4 * g + 2] = _mm512_unpacklo_epi64(t[4 * g + 1], t[4 * g + 3]);
		u[4 * g + 3] = _mm512_unpackhi_epi64(t[4 * g + 1], t[4 * g + 3]);
	}
	for (int w = 0; w < 4; w++) {
		__m512i even_01 = _mm512_shuffle_i32x4(u[w], u[4 + w], 0x88);
		__m512i odd_01 = _mm512_shuffle_i32x4(u[w], u[4 + w], 0xdd);
		__m512i even_23 = _mm512_shuffle_i32x4(u[8 + w], u[12 + w], 0x88);
		__m512i odd_23 = _mm512_shuffle_i32x4(u[8 + w], u[12 + w], 0xdd);

		m[w] = _mm512_shuffle_i32x4(even_01, even_23, 0x88);
		m[4 + w] = _mm512_shuffle_i32x4(odd_01, odd_23, 0x88);
		m[8 + w] = _mm512_shuffle_i32x4(even_01, even_23, 0xdd);
		m[12 + w] = _mm512_shuffle_i32x4(odd_01, odd_23, 0xdd);
	}
}

/* The key of every lane as one block, each byte XORed with pad. */
static __attribute__((noinline)) void load_keys(struct group *g, uint8_t pad)
{
	const __m512i pads = _mm512_set1_epi8((char)pad);
	__m512i *rows = g->m[0];

	for (unsigned int i = 0; i < g->n; i++) {
		const struct cr_hash_job *j = g->jobs[i];

		rows[i] = pads;
		if (j->key_bytes > 0)
			rows[i] = _mm512_xor_si512(pads, load_bytes(j->key, j->key_bytes));
	}
	for (unsigned int i = g->n; i < g->sets * LANES; i++)
		rows[i] = pads;
	for (unsigned int k = 0; k < g->sets; k++)
		transpose(g->m[k]);
}

/* The block at `at` of every lane, the block of its key counted. */
static __attribute__((noinline)) void load_blocks(struct group *g, size_t at)
{
	__m512i *rows = g->m[0];

	for (unsigned int i = 0; i < g->n; i++) {
		const struct cr_hash_job *j = g->jobs[i];

		if (!g->hmac && j->key_bytes == 0)
			rows[i] = load_input(j, at);
		else if (at == 0)
			rows[i] = load_bytes(j->key, j->key_bytes);
		else
			rows[i] = load_input(j, at - BLOCK_BYTES);
	}
	for (unsigned int i = g->n; i < g->sets * LANES; i++)
		rows[i] = _mm512_setzero_si512();
	for (unsigned int k = 0; k < g->sets; k++)
		transpose(g->m[k]);
}

/* Something of each lane of set k, which has one in an array of the caller's; else 0. */
static always_inline __m512i load_lanes(const struct group *g, unsigned int k, const uint32_t *of)
{
	unsigned int left = g->n - k * LANES;

	return _mm512_maskz_loadu_epi32((__mmask16)_bzhi_u32(UINT16_MAX, left), of + k * LANES);
}

/*
 * Takes in every lane's input from block `at` on, whose words are in m if `loaded`. The first lane
 * has the most blocks.
 */
static void absorb(struct group *g, uint32_t at, bool loaded)
{
	do {
		__m512i start = _mm512_set1_epi32((int)at);
		__m512i end = _mm512_set1_epi32((int)at + BLOCK_BYTES);
		struct step s;

		if (!loaded)
			load_blocks(g, at);
		for (unsigned int k = 0; k < g->sets; k++) {
			__m512i total = load_lanes(g, k, g->total_bytes);

			s.counter_bytes[k] = _mm512_min_epu32(total, end);
			s.last[k] = _mm512_cmple_epu32_mask(total, end);
			/* Also an empty input has a block. */
			s.active[k] = at == 0 ? UINT16_MAX : _mm512_cmpgt_epu32_mask(total, start);
		}
		compress(g, &s);
		loaded = false;
		at += BLOCK_BYTES;
	} while (at < g->total_bytes[0]);
}

/* The states of unkeyed hashes with 32 bytes out. */
static void start_hashes(struct group *g)
{
	for (unsigned int k = 0; k < g->sets; k++) {
		for (int i = 0; i < 8; i++)
			g->h[k][i] = _mm512_set1_epi32((int)cr_b2s_iv[i]);
		g->h[k][0] = _mm512_xor_si512(
			g->h[k][0], _mm512_set1_epi32((int)cr_b2s_param(0, CR_HASH_BYTES)));
	}
}

/* The outer hash's second and last block: h is the inner digest, `outer` comes into its place. */
static void finish_hmac(struct group *g, __m512i outer[SETS][8])
{
	for (unsigned int k = 0; k < g->sets; k++) {
		for (int i = 0; i < 8; i++) {
			g->m[k][i] = g->h[k][i];
			g->m[k][8 + i] = _mm512_setzero_si512();
			g->h[k][i] = outer[k][i];
		}
	}
	compress_alike(g, BLOCK_BYTES + CR_HASH_BYTES, true);
}

/* HMAC of every lane's key and input, into h. */
static void run_hmac(struct group *g)
{
	load_keys(g, CR_HMAC_OPAD);
	start_hashes(g);
	compress_alike(g, BLOCK_BYTES, false);
	for (unsigned int k = 0; k < g->sets; k++)
		memcpy(g->outer[k], g->h[k], sizeof(g->outer[k]));
	load_keys(g, CR_HMAC_IPAD);
	start_hashes(g);
	absorb(g, 0, true);
	finish_hmac(g, g->outer);
}

/* h, 32 bytes for each lane, becomes a key of HMAC: `to` is the state after its block with pad. */
static void hmac_key_state(struct group *g, const __m512i key[SETS][8], uint8_t pad,
			   __m512i to[SETS][8])
{
	const __m512i pads = _mm512_set1_epi8((char)pad);

	for (unsigned int k = 0; k < g->sets; k++) {
		for (int i = 0; i < 8; i++) {
			g->m[k][i] = _mm512_xor_si512(key[k][i], pads);
			g->m[k][8 + i] = pads;
		}
	}
	start_hashes(g);
	compress_alike(g, BLOCK_BYTES, false);
	for (unsigned int k = 0; k < g->sets; k++)
		memcpy(to[k], g->h[k], sizeof(to[k]));
}

/* Digests of a set to rows of 32 bytes. */
static void untranspose(const __m512i h[8], uint8_t rows[LANES][CR_HASH_BYTES])
{
	const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
	const __m512i high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
	__m512i u[2][4]; /* quarter q of u[f][i] is words 4 * f to 4 * f + 3 of lane 4 * q + i */

	for (int f = 0; f < 2; f++) {
		const __m512i *w = h + 4 * f;
		__m512i lo_01 = _mm512_unpacklo_epi32(w[0], w[1]);
		__m512i hi_01 = _mm512_unpackhi_epi32(w[0], w[1]);
		__m512i lo_23 = _mm512_unpacklo_epi32(w[2], w[3]);
		__m512i hi_23 = _mm512_unpackhi_epi32(w[2], w[3]);

		u[f][0] = _mm512_unpacklo_epi64(lo_01, lo_23);
		u[f][1] = _mm512_unpackhi_epi64(lo_01, lo_23);
		u[f][2] = _mm512_unpacklo_epi64(hi_01, hi_23);
		u[f][3] = _mm512_unpackhi_epi64(hi_01, hi_23);
	}
	for (int i = 0; i < 4; i++) {
		__m512i lanes_0_4 = _mm512_permutex2var_epi64(u[0][i], low, u[1][i]);
		__m512i lanes_8_12 = _mm512_permutex2var_epi64(u[0][i], high, u[1][i]);

		_mm256_storeu_si256((void *)rows[i], _mm512_castsi512_si256(lanes_0_4));
		_mm256_storeu_si256((void *)rows[4 + i], _mm512_extracti64x4_epi64(lanes_0_4, 1));
		_mm256_storeu_si256((void *)rows[8 + i], _mm512_castsi512_si256(lanes_8_12));
		_mm256_storeu_si256((void *)rows[12 + i], _mm512_extracti64x4_epi64(lanes_8_12, 1));
	}
}

/* Writes every lane's digest; lanes whose out is NULL want none. Uses m up. */
static __attribute__((noinline)) void write_digests(struct group *g)
{
	uint8_t(*rows)[CR_HASH_BYTES] = (void *)g->m;

	for (unsigned int k = 0; k < g->sets; k++)
		untranspose(g->h[k], rows + k * LANES);
	for (unsigned int i = 0; i < g->n; i++) {
		const struct cr_hash_job *j = g->jobs[i];

		/* Two lengths known to the compiler: what nearly all jobs have. */
		if (!j->out)
			continue;
		if (j->out_bytes == CR_HASH_BYTES)
			memcpy(j->out, rows[i], CR_HASH_BYTES);
		else if (j->out_bytes == CR_MAC_BYTES)
			memcpy(j->out, rows[i], CR_MAC_BYTES);
		else
			memcpy(j->out, rows[i], j->out_bytes);
	}
}

static void hash_group(struct group *g, const uint32_t start[8])
{
	uint32_t param[CR_B2S_LANES];

	for (unsigned int i = 0; i < g->n && !start; i++)
		param[i] = cr_b2s_param(g->jobs[i]->key_bytes, g->jobs[i]->out_bytes);
	for (unsigned int k = 0; k < g->sets; k++) {
		for (int i = 0; i < 8; i++)
			g->h[k][i] = _mm512_set1_epi32((int)(start ? start[i] : cr_b2s_iv[i]));
		if (!start)
			g->h[k][0] = _mm512_xor_si512(g->h[k][0], load_lanes(g, k, param));
	}
	absorb(g, start ? BLOCK_BYTES : 0, false);
	write_digests(g);
}

/* T1 = HMAC(secret, 1), T2 = HMAC(secret, T1 || 2), T3 = HMAC(secret, T2 || 3). */
static void kdf_step(struct group *g, int number)
{
	const int at = number == 1 ? 0 : 8; /* the word of the number, behind the last output */

	for (unsigned int k = 0; k < g->sets; k++) {
		for (int i = 0; i < 16; i++)
			g->m[k][i] = i < at ? g->h[k][i] : _mm512_setzero_si512();
		g->m[k][at] = _mm512_set1_epi32(number);
		memcpy(g->h[k], g->inner[k], sizeof(g->h[k]));
	}
	compress_alike(g, (uint32_t)(BLOCK_BYTES + 4 * at + 1), true);
	finish_hmac(g, g->outer);
}

static void kdf_group(struct group *g, const struct cr_kdf_job *const *kdfs)
{
	int last = 1;

	for (unsigned int i = 0; i < g->n; i++) {
		const struct cr_kdf_job *j = kdfs[i];
		int want = j->t3 ? 3 : j->t2 ? 2 : 1;

		last = want > last ? want : last;
		g->kdf_jobs[i] = (struct cr_hash_job){
			.key = j->ck,
			.key_bytes = CR_HASH_BYTES,
			.a = j->in,
			.a_len = j->len,
			.out_bytes = CR_HASH_BYTES,
		};
		g->kdf_lanes[i] = &g->kdf_jobs[i];
	}
	g->jobs = g->kdf_lanes;
	run_hmac(g);
	for (unsigned int k = 0; k < g->sets; k++)
		memcpy(g->inner[k], g->h[k], sizeof(g->inner[k]));
	hmac_key_state(g, g->inner, CR_HMAC_OPAD, g->outer);
	hmac_key_state(g, g->inner, CR_HMAC_IPAD, g->inner);
	for (int number = 1; number <= last; number++) {
		kdf_step(g, number);
		for (unsigned int i = 0; i < g->n; i++) {
			const struct cr_kdf_job *j = kdfs[i];

			g->kdf_jobs[i].out = number == 1 ? j->t1 : number == 2 ? j->t2 : j->t3;
		}
		write_digests(g);
	}
}

static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t below[STACK_WIPE_BYTES];

	cr_wipe(below, sizeof(below));
}

static void wipe(struct group *g)
{
	/* What only HMAC writes, only after HMAC. */
	cr_wipe(g, g->hmac ? offsetof(struct group, jobs) : offsetof(struct group, inner));
	wipe_stack();
	cr_avx512_wipe_registers();
}

static void start_group(struct group *g, unsigned int left, const uint32_t *total_bytes)
{
	g->n = left < CR_B2S_LANES ? left : CR_B2S_LANES;
	g->sets = g->n > LANES ? 2 : 1;
	g->total_bytes = total_bytes;
}

/*
 * The scratch is in the frames of the public functions, and nothing else secret: those frames stay.
 */
static __attribute__((noinline)) void run_jobs(struct group *g,
					       const struct cr_hash_job *const *jobs,
					       const uint32_t *total_bytes, unsigned int n,
					       const uint32_t start[8])
{
	for (unsigned int at = 0; at < n; at += g->n) {
		start_group(g, n - at, total_bytes + at);
		g->jobs = jobs + at;
		if (g->hmac) {
			run_hmac(g);
			write_digests(g);
		} else {
			hash_group(g, start);
		}
	}
}

static __attribute__((noinline)) void run_kdf_jobs(struct group *g,
						   const struct cr_kdf_job *const *jobs,
						   const uint32_t *total_bytes, unsigned int n)
{
	for (unsigned int at = 0; at < n; at += g->n) {
		start_group(g, n - at, total_bytes + at);
		kdf_group(g, jobs + at);
	}
}

void cr_hash_avx512(const struct cr_hash_job *const *jobs, const uint32_t *total_bytes,
		    unsigned int n, const uint32_t start[8])
{
	struct group g;

	g.hmac = false;
	run_jobs(&g, jobs, total_bytes, n, start);
	wipe(&g);
}

void cr_hmac_avx512(const struct cr_hash_job *const *jobs, const uint32_t *total_bytes,
		    unsigned int n)
{
	struct group g;

	g.hmac = true;
	run_jobs(&g, jobs, total_bytes, n, NULL);
	wipe(&g);
}

void cr_kdf_avx512(const struct cr_kdf_job *const *jobs, const uint32_t *total_bytes,
		   unsigned int n)
{
	struct group g;

	g.hmac = true;
	run_kdf_jobs(&g, jobs, total_bytes, n);
	wipe(&g);
}
