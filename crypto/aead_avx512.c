/*
 * The "avx512" back end: ChaCha20 and Poly1305 across the packets of a burst (chacha20_avx512.c,
 * poly1305_avx512.c), which come to them sorted by length. A context runs in the thread that owns
 * it. Which packets are forged changes nothing but what is zeroed at the end.
 */
#include "crypto/aead_backend.h"

#include <errno.h>
#include <stdlib.h>

#include "crypto/chacha20_avx512.h"
#include "crypto/cpu.h"
#include "crypto/ct.h"
#include "crypto/poly1305_avx512.h"
#include "crypto/wipe_avx512.h"

_Static_assert(CR_BURST_MAX <= CR_CHACHA20_PACKETS_MAX, "a burst fits");
_Static_assert(CR_BURST_MAX <= CR_POLY1305_MESSAGES_MAX, "a burst fits");

/*
 * A small burst is decrypted in one go with making its one-time keys, to the scratch, and copied
 * from there when the tags are known. So many blocks, with those of the keys, are two jobs.
 */
#define SMALL_BLOCKS_MAX (2 * CR_CHACHA20_LANES)

#define STACK_WIPE_BYTES 3072

struct avx512 {
	struct cr_chacha20_scratch chacha20;
	struct cr_poly1305_scratch poly1305;
	uint8_t order[CR_BURST_MAX];	    /* place in the burst */
	struct cr_chacha20_packets packets; /* worked on, the longest first */
	uint8_t small[SMALL_BLOCKS_MAX][CR_CHACHA20_BLOCK_BYTES]
		__attribute__((aligned(64))); /* plaintext, authentic or not */
	uint64_t tags[CR_BURST_MAX][2] __attribute__((aligned(64)));
};

static void state_free(void *state)
{
	struct avx512 *s = state;

	cr_wipe(s, sizeof(*s));
	free(s);
}

static void *state_new(void)
{
	struct avx512 *s = aligned_alloc(64, (sizeof(*s) + 63) / 64 * 64);

	if (!s) {
		errno = ENOMEM;
		return NULL;
	}
	memset(s, 0, sizeof(*s));
	cr_chacha20_avx512_init(&s->chacha20);
	return s;
}

static const uint8_t in_order[CR_BURST_MAX] __attribute__((aligned(64))) = {
	0,  1,	2,  3,	4,  5,	6,  7,	8,  9,	10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
	22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
	44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

/* order: the burst's places by length, the longest first; of equals the first comes first. */
static void sort(uint8_t order[CR_BURST_MAX], const struct cr_packet *packets, unsigned int n)
{
	uint32_t keys[CR_BURST_MAX] __attribute__((aligned(64)));
	__m512i all[CR_BURST_MAX / 16];
	unsigned int vectors = (n + 15) / 16;
	uint32_t differ = 0;

	for (unsigned int i = 0; i < n; i++)
		differ |= packets[i].len_bytes ^ packets[0].len_bytes;
	if (differ == 0) {
		_mm512_storeu_si512(order, _mm512_load_si512(in_order));
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		keys[i] = packets[i].len_bytes * CR_BURST_MAX + (CR_BURST_MAX - 1 - i);
	for (unsigned int i = n; i < 16 * vectors; i++)
		keys[i] = 0;
	for (unsigned int i = 0; i < vectors; i++)
		all[i] = _mm512_load_si512(keys + 16 * i);
	/* No two keys are equal: a packet's place is the number of keys above its own. */
	for (unsigned int i = 0; i < n; i++) {
		__m512i own = _mm512_set1_epi32((int)keys[i]);
		unsigned int above = 0;

		for (unsigned int j = 0; j < vectors; j++)
			above += (unsigned int)__builtin_popcount(
				_mm512_cmpgt_epu32_mask(all[j], own));
		order[above] = (uint8_t)i;
	}
}

_Static_assert(sizeof(struct cr_packet) == 40, "load_eight() reads five words");

/* Members of eight packets to the five arrays, from place first on. */
static inline void load_eight(struct cr_chacha20_packets *to, const struct cr_packet *packets,
			      const uint8_t *order, unsigned int first, __mmask8 there)
{
	__m512i x[8], pair[8], key, counter, src, dst, len;

	for (int i = 0; i < 8; i++) {
		const struct cr_packet *p = &packets[there >> i & 1 ? order[first + i] : 0];

		x[i] = _mm512_maskz_loadu_epi64(0x1f, p);
	}
	for (int i = 0; i < 8; i += 2) {
		pair[i] = _mm512_unpacklo_epi64(x[i], x[i + 1]);
		pair[i + 1] = _mm512_unpackhi_epi64(x[i], x[i + 1]);
	}
	for (int i = 0; i < 2; i++) {
		/* Words 0 and 2, or 1 and 3, of eight packets. */
		__m512i low = _mm512_shuffle_i64x2(pair[i], pair[i + 2], 0x44);
		__m512i high = _mm512_shuffle_i64x2(pair[i + 4], pair[i + 6], 0x44);

		x[i] = _mm512_shuffle_i64x2(low, high, 0x88);
		x[2 + i] = _mm512_shuffle_i64x2(low, high, 0xdd);
	}
	key = x[0];
	counter = x[1];
	src = x[2];
	dst = x[3];
	len = _mm512_shuffle_i64x2(_mm512_shuffle_i64x2(pair[0], pair[2], 0xee),
				   _mm512_shuffle_i64x2(pair[4], pair[6], 0xee), 0x88);
	_mm512_store_si512(to->key + first, key);
	_mm512_store_si512(to->src + first, src);
	_mm512_store_si512(to->dst + first, dst);
	_mm256_store_si256((__m256i *)(to->counter_lo + first), _mm512_cvtepi64_epi32(counter));
	_mm256_store_si256((__m256i *)(to->counter_hi + first),
			   _mm512_cvtepi64_epi32(_mm512_srli_epi64(counter, 32)));
	_mm256_store_si256((__m256i *)(to->len_bytes + first), _mm512_cvtepi64_epi32(len));
}

/* Sorts a burst and takes it in. */
static void load_burst(struct avx512 *s, const struct cr_packet *packets, unsigned int n)
{
	struct cr_chacha20_packets *to = &s->packets;

	sort(s->order, packets, n);
	to->n = n;
	/* Up to a multiple of sixteen, with the first packet where there is none. */
	for (unsigned int i = 0; i < n; i += CR_CHACHA20_LANES) {
		uint32_t there = _bzhi_u32(0xffff, n - i);

		load_eight(to, packets, s->order, i, (__mmask8)there);
		load_eight(to, packets, s->order, i + 8, (__mmask8)(there >> 8));
	}
	cr_chacha20_avx512_load(&s->chacha20, to);
}

/* What compilers put aside on the stack: their frames here reach up to 2.5 KiB below the caller's.
 */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t below[STACK_WIPE_BYTES] __attribute__((aligned(64)));

	cr_avx512_wipe(below, sizeof(below));
}

/* Nothing of a key, key stream or right tag stays behind. */
static inline void wipe_burst(struct avx512 *s, unsigned int n)
{
	cr_chacha20_avx512_wipe(&s->chacha20, n);
	cr_poly1305_avx512_wipe(&s->poly1305);
	cr_avx512_wipe(s->tags, (n + 3) / 4 * 64);
	wipe_stack();
	cr_avx512_wipe_registers();
}

static void make_tags(struct avx512 *s, const uint8_t *const *text)
{
	cr_poly1305_avx512_tags(&s->poly1305, s->tags, text, s->packets.len_bytes,
				(const uint8_t(*)[64])s->chacha20.one_time, s->packets.n);
}

static uint64_t seal_burst(void *state, const struct cr_packet *packets, unsigned int n)
{
	struct avx512 *s = state;
	const struct cr_chacha20_packets *p = &s->packets;

	load_burst(s, packets, n);
	cr_chacha20_avx512_run(&s->chacha20, p, CR_CHACHA20_KEYS | CR_CHACHA20_TEXT);
	make_tags(s, (const uint8_t *const *)p->dst);
	for (unsigned int i = 0; i < n; i++)
		memcpy(p->dst[i] + p->len_bytes[i], s->tags[i], CR_TAG_BYTES);
	wipe_burst(s, n);
	return UINT64_MAX >> (CR_BURST_MAX - n);
}

/* Which tags are right, by place in the burst. */
static uint64_t check_tags(const struct avx512 *s, unsigned int n)
{
	uint64_t good = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t given[2], wrong;

		memcpy(given, s->packets.src[i] + s->packets.len_bytes[i], sizeof(given));
		wrong = (given[0] ^ s->tags[i][0]) | (given[1] ^ s->tags[i][1]);
		good |= (uint64_t)(wrong == 0) << s->order[i];
	}
	return good;
}

/* Blocks of text, and one each for the keys. */
static unsigned int blocks_of_burst(const struct cr_packet *packets, unsigned int n)
{
	unsigned int blocks = n;

	for (unsigned int i = 0; i < n && blocks <= SMALL_BLOCKS_MAX; i++)
		blocks += cr_chacha20_blocks(packets[i].len_bytes);
	return blocks;
}

/* Plaintext from the scratch to dst, or zeros, in the same time. */
static void copy_small(const struct cr_packet *p, const uint8_t *text, bool good)
{
	__mmask64 all = good ? UINT64_MAX : 0;

	for (uint32_t at = 0; at < p->len_bytes; at += CR_CHACHA20_BLOCK_BYTES) {
		uint32_t left = p->len_bytes - at;
		__mmask64 there = _bzhi_u64(UINT64_MAX, left < 64 ? left : 64);

		_mm512_mask_storeu_epi8(p->dst + at, there,
					_mm512_maskz_loadu_epi8(all, text + at));
	}
}

static uint64_t open_small(struct avx512 *s, const struct cr_packet *packets, unsigned int n)
{
	struct cr_chacha20_packets *p = &s->packets;
	uint8_t *text = s->small[0];
	uint64_t good;

	load_burst(s, packets, n);
	for (unsigned int i = 0; i < n; i++) {
		p->dst[i] = text;
		text += CR_CHACHA20_BLOCK_BYTES * cr_chacha20_blocks(p->len_bytes[i]);
	}
	cr_chacha20_avx512_run(&s->chacha20, p, CR_CHACHA20_KEYS | CR_CHACHA20_TEXT);
	make_tags(s, p->src);
	good = check_tags(s, n);
	for (unsigned int i = 0; i < n; i++)
		copy_small(&packets[s->order[i]], p->dst[i], good >> s->order[i] & 1);
	cr_avx512_wipe(s->small, (size_t)(text - s->small[0]));
	wipe_burst(s, n);
	return good;
}

static uint64_t open_large(struct avx512 *s, const struct cr_packet *packets, unsigned int n)
{
	const struct cr_chacha20_packets *p = &s->packets;
	uint64_t good, bad;

	load_burst(s, packets, n);
	cr_chacha20_avx512_run(&s->chacha20, p, CR_CHACHA20_KEYS);
	make_tags(s, p->src);
	/* In place, decryption leaves the tags where they are, but nothing else. */
	good = check_tags(s, n);
	cr_chacha20_avx512_run(&s->chacha20, p, CR_CHACHA20_TEXT);
	/* By count, not one by one: which are bad is as hard to foretell as the sender likes. */
	for (bad = ~good & UINT64_MAX >> (CR_BURST_MAX - n); bad; bad &= bad - 1) {
		const struct cr_packet *b = &packets[__builtin_ctzll(bad)];

		cr_wipe(b->dst, b->len_bytes);
	}
	wipe_burst(s, n);
	return good;
}

static uint64_t open_burst(void *state, const struct cr_packet *packets, unsigned int n)
{
	if (blocks_of_burst(packets, n) <= SMALL_BLOCKS_MAX)
		return open_small(state, packets, n);
	return open_large(state, packets, n);
}

const struct cr_aead_backend cr_aead_avx512 = {
	.name = "avx512",
	.available = cr_cpu_avx512,
	.state_new = state_new,
	.state_free = state_free,
	.seal = seal_burst,
	.open = open_burst,
};
