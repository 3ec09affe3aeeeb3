/*
 * The burst AEAD with AVX2. A context's thread runs it; the back end is in aead_avx2.c, ChaCha20
 * and Poly1305 are in files of their own.
 *
 * All ChaCha20 blocks of a burst are one list: block 0 of every packet, which has its one-time key,
 * then the packets' text block by block. Eight of the list at a time are a set, so no lane is empty
 * before the last set, whatever the lengths. Poly1305 takes packets in groups of four of similar
 * length, for which the packets are sorted.
 *
 * Open makes one-time keys first, then all tags, and decrypts every packet with a mask that makes
 * the bytes of forged ones 0: what is done does not depend on which tags are right, and no byte of
 * a forgery's text is ever written.
 */
#include "crypto/aead_avx2.h"

#include <immintrin.h>
#include <stdalign.h>

#include "crypto/ct.h"
#include "crypto/le.h"

#define FIRST_TEXT_BLOCK 1

_Static_assert(CR_POLY_TEXTS_AVX2 == CR_AVX2_SET_LANES, "one-time keys of a set are one call");

/* Where the list of blocks goes on. */
struct cursor {
	unsigned int packet;
	uint32_t at; /* byte of its text */
};

/* Copies packets, the longest first. Every length is compared with every other, without branches.
 */
static void sort_packets(struct cr_burst_avx2 *b, const struct cr_packet *packets, unsigned int n)
{
	alignas(32) int32_t rank_by[CR_BURST_MAX], rank[CR_BURST_MAX];

	/* No two are the same, so each has a place of its own; those past n come last. */
	for (unsigned int i = 0; i < CR_BURST_MAX; i++)
		rank_by[i] = -1;
	for (unsigned int i = 0; i < n; i++)
		rank_by[i] = (int32_t)(packets[i].len_bytes * CR_BURST_MAX + i);
	for (unsigned int i = 0; i < n; i += 8) {
		const __m256i mine = _mm256_load_si256((const void *)&rank_by[i]);
		__m256i above = _mm256_setzero_si256();

		for (unsigned int j = 0; j < n; j++)
			above = _mm256_sub_epi32(
				above, _mm256_cmpgt_epi32(_mm256_set1_epi32(rank_by[j]), mine));
		_mm256_store_si256((void *)&rank[i], above);
	}
	for (unsigned int i = 0; i < n; i++) {
		b->order[rank[i]] = (uint8_t)i;
		b->packets[rank[i]] = packets[i];
	}
}

static inline void set_lane(struct cr_lanes_avx2 *l, unsigned int lane, const struct cr_packet *p,
			    uint32_t block)
{
	l->key[lane] = p->key;
	l->block[lane] = block;
	l->counter_lo[lane] = (uint32_t)p->counter;
	l->counter_hi[lane] = (uint32_t)(p->counter >> 32);
}

/* Block 0 of every packet, for its one-time key. */
static void list_keys(struct cr_burst_avx2 *b, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		set_lane(&b->lanes, i, &b->packets[i], 0);
		b->lanes.len_bytes[i] = 0;
	}
}

/* Lists blocks of text in the lanes from one to another. Returns where the list ends. */
static unsigned int list_text(struct cr_burst_avx2 *b, unsigned int n, unsigned int lane,
			      unsigned int to, struct cursor *c, uint64_t good)
{
	struct cr_lanes_avx2 *l = &b->lanes;

	for (; c->packet < n; c->packet++, c->at = 0) {
		const struct cr_packet *p = &b->packets[c->packet];
		uint32_t mask = 0 - (uint32_t)(good >> c->packet & 1);

		for (; c->at < p->len_bytes; c->at += CR_CHACHA_BLOCK_BYTES) {
			uint32_t rest = p->len_bytes - c->at;

			if (lane == to)
				return lane;
			set_lane(l, lane, p, FIRST_TEXT_BLOCK + c->at / CR_CHACHA_BLOCK_BYTES);
			l->src[lane] = p->src + c->at;
			l->dst[lane] = p->dst + c->at;
			l->len_bytes[lane] = rest < CR_CHACHA_BLOCK_BYTES ? rest
									  : CR_CHACHA_BLOCK_BYTES;
			l->mask[lane] = mask;
			lane++;
		}
	}
	return lane;
}

/* All texts from a cursor on. */
static void crypt_rest(struct cr_burst_avx2 *b, unsigned int n, struct cursor *c, uint64_t good)
{
	unsigned int lanes;

	while ((lanes = list_text(b, n, 0, CR_AVX2_LANES, c, good)) > 0)
		cr_chacha20_avx2(&b->chacha, &b->lanes, lanes, NULL, 0);
}

static unsigned int sets_of(unsigned int lanes)
{
	return (lanes + CR_AVX2_SET_LANES - 1) / CR_AVX2_SET_LANES;
}

/* The right tags, of what is at src if opening and at dst if sealing. */
static void make_tags(struct cr_burst_avx2 *b, unsigned int n, bool sealing)
{
	for (unsigned int i = 0; i < n; i += CR_POLY_TEXTS_AVX2) {
		struct cr_poly_text text[CR_POLY_TEXTS_AVX2] = {{0}};
		unsigned int some = n - i < CR_POLY_TEXTS_AVX2 ? n - i : CR_POLY_TEXTS_AVX2;

		for (unsigned int j = 0; j < some; j++) {
			const struct cr_packet *p = &b->packets[i + j];

			text[j].at = sealing ? p->dst : p->src;
			text[j].len_bytes = p->len_bytes;
		}
		cr_poly1305_avx2(&b->poly, &b->once[i / CR_AVX2_SET_LANES], text, some,
				 &b->tag_lo[i], &b->tag_hi[i]);
	}
}

static void wipe(struct cr_burst_avx2 *b, unsigned int n)
{
	unsigned int groups = (n + CR_POLY_LANES_AVX2 - 1) / CR_POLY_LANES_AVX2;

	cr_wipe(&b->chacha, sizeof(b->chacha));
	cr_wipe(&b->poly, sizeof(b->poly));
	cr_wipe(b->once, sets_of(n) * sizeof(b->once[0]));
	cr_wipe(b->tag_lo, groups * CR_POLY_LANES_AVX2 * sizeof(b->tag_lo[0]));
	cr_wipe(b->tag_hi, groups * CR_POLY_LANES_AVX2 * sizeof(b->tag_hi[0]));
}

uint64_t cr_seal_avx2(struct cr_burst_avx2 *b, const struct cr_packet *packets, unsigned int n)
{
	const uint64_t all = UINT64_MAX >> (CR_BURST_MAX - n);
	struct cursor c = {0};
	unsigned int lanes;

	sort_packets(b, packets, n);
	list_keys(b, n);
	lanes = list_text(b, n, n, CR_AVX2_LANES, &c, all);
	cr_chacha20_avx2(&b->chacha, &b->lanes, lanes, b->once, sets_of(n));
	crypt_rest(b, n, &c, all);
	make_tags(b, n, true);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *tag = b->packets[i].dst + b->packets[i].len_bytes;

		cr_store_le64(tag, b->tag_lo[i]);
		cr_store_le64(tag + 8, b->tag_hi[i]);
	}
	wipe(b, n);
	return all;
}

/* Bit i: the tag of packet i, in the sorted order, is right. */
static uint64_t right_tags(const struct cr_burst_avx2 *b, unsigned int n)
{
	uint64_t good = 0;

	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *tag = b->packets[i].src + b->packets[i].len_bytes;
		uint64_t d = (cr_load_le64(tag) ^ b->tag_lo[i]) |
			     (cr_load_le64(tag + 8) ^ b->tag_hi[i]);

		good |= (~(d | (0 - d)) >> 63) << i;
	}
	return good;
}

/*
 * The one-time keys. Text blocks fill their last sets: these blocks' key stream is kept, as whose
 * tags are right is not known yet. Returns how many.
 */
static unsigned int open_keys(struct cr_burst_avx2 *b, unsigned int n, struct cursor *c)
{
	static const uint8_t zero[CR_CHACHA_BLOCK_BYTES];
	const unsigned int width = CR_AVX2_SETS * CR_AVX2_SET_LANES;
	unsigned int lanes = list_text(b, n, n, (n + width - 1) / width * width, c, 0);

	list_keys(b, n);
	for (unsigned int i = n; i < lanes; i++) {
		b->lanes.src[i] = zero;
		b->lanes.dst[i] = b->early[i - n];
		b->lanes.len_bytes[i] = CR_CHACHA_BLOCK_BYTES;
		b->lanes.mask[i] = UINT32_MAX;
	}
	cr_chacha20_avx2(&b->chacha, &b->lanes, lanes, b->once, sets_of(n));
	return lanes - n;
}

/* The text whose key stream has been kept. */
static void decrypt_early(struct cr_burst_avx2 *b, unsigned int n, unsigned int n_early,
			  uint64_t good)
{
	struct cr_lanes_avx2 *l = &b->lanes;
	struct cursor c = {0};

	list_text(b, n, 0, n_early, &c, good);
	for (unsigned int i = 0; i < n_early; i++)
		cr_chacha20_xor_avx2(l->dst[i], l->src[i], b->early[i], l->len_bytes[i],
				     l->mask[i]);
	cr_wipe(b->early, n_early * sizeof(b->early[0]));
}

uint64_t cr_open_avx2(struct cr_burst_avx2 *b, const struct cr_packet *packets, unsigned int n)
{
	struct cursor c = {0};
	uint64_t good, mask = 0;
	unsigned int n_early;

	sort_packets(b, packets, n);
	n_early = open_keys(b, n, &c);
	make_tags(b, n, false);
	good = right_tags(b, n);
	decrypt_early(b, n, n_early, good);
	crypt_rest(b, n, &c, good);
	wipe(b, n);
	for (unsigned int i = 0; i < n; i++)
		mask |= (good >> i & 1) << b->order[i];
	return mask;
}
