/*
 * ChaCha20-Poly1305 (RFC 8439) in portable C, and the "reference" back end made of it: what every
 * other back end is tested against, and what runs where no other can. No branch and no index
 * depends on a secret. Stateless, any thread.
 */
#include "crypto/aead_ref.h"

#include "crypto/aead_backend.h"
#include "crypto/ct.h"
#include "crypto/le.h"

#define BLOCK_BYTES	 64
#define POLY_BLOCK_BYTES 16

/* A number below 2^130 plus a little, as 64 + 64 + 2 bits and a few bits of slack. */
struct poly1305 {
	uint64_t h0, h1, h2;
	uint64_t r0, r1; /* clamped: both below 2^60, r1 a multiple of 4 */
	uint64_t s0, s1;
};

static inline uint32_t rol32(uint32_t x, unsigned int bits)
{
	return x << bits | x >> (32 - bits);
}

static inline void quarter_round(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rol32(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rol32(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rol32(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rol32(x[b] ^ x[c], 7);
}

static void chacha20_block(uint8_t out[BLOCK_BYTES], const uint32_t in[16])
{
	uint32_t x[16];

	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 10; i++) {
		quarter_round(x, 0, 4, 8, 12);
		quarter_round(x, 1, 5, 9, 13);
		quarter_round(x, 2, 6, 10, 14);
		quarter_round(x, 3, 7, 11, 15);
		quarter_round(x, 0, 5, 10, 15);
		quarter_round(x, 1, 6, 11, 12);
		quarter_round(x, 2, 7, 8, 13);
		quarter_round(x, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		cr_store_le32(out + 4 * i, x[i] + in[i]);
	cr_wipe(x, sizeof(x));
}

/* dst = (src ^ key stream) & mask. */
static void chacha20(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t key[32],
		     const uint8_t nonce[12], uint32_t block, uint8_t mask)
{
	/* "expand 32-byte k" */
	uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	uint8_t stream[BLOCK_BYTES];

	for (int i = 0; i < 8; i++)
		in[4 + i] = cr_load_le32(key + 4 * i);
	in[12] = block;
	for (int i = 0; i < 3; i++)
		in[13 + i] = cr_load_le32(nonce + 4 * i);
	for (size_t at = 0; at < len; at += BLOCK_BYTES) {
		size_t n = len - at < BLOCK_BYTES ? len - at : BLOCK_BYTES;

		chacha20_block(stream, in);
		in[12]++;
		for (size_t i = 0; i < n; i++)
			dst[at + i] = (src[at + i] ^ stream[i]) & mask;
	}
	cr_wipe(in, sizeof(in));
	cr_wipe(stream, sizeof(stream));
}

static void poly1305_init(struct poly1305 *p, const uint8_t key[32])
{
	p->h0 = p->h1 = p->h2 = 0;
	p->r0 = cr_load_le64(key) & UINT64_C(0x0ffffffc0fffffff);
	p->r1 = cr_load_le64(key + 8) & UINT64_C(0x0ffffffc0ffffffc);
	p->s0 = cr_load_le64(key + 16);
	p->s1 = cr_load_le64(key + 24);
}

/*
 * h = (h + block + top * 2^128) * r mod 2^130 - 5, not fully reduced. 2^128 * r1 is
 * 2^130 * (r1 / 4), which is congruent to 5 * r1 / 4: that is x1.
 */
static void poly1305_block(struct poly1305 *p, const uint8_t block[POLY_BLOCK_BYTES], uint64_t top)
{
	const uint64_t x1 = p->r1 + (p->r1 >> 2);
	unsigned __int128 d0, d1;
	uint64_t d2, over;

	d0 = (unsigned __int128)p->h0 + cr_load_le64(block);
	d1 = (unsigned __int128)p->h1 + cr_load_le64(block + 8) + (uint64_t)(d0 >> 64);
	p->h0 = (uint64_t)d0;
	p->h1 = (uint64_t)d1;
	p->h2 += (uint64_t)(d1 >> 64) + top;

	/* h2 is a few bits, so its products fit in 64 bits. */
	d0 = (unsigned __int128)p->h0 * p->r0 + (unsigned __int128)p->h1 * x1;
	d1 = (unsigned __int128)p->h0 * p->r1 + (unsigned __int128)p->h1 * p->r0 + p->h2 * x1;
	d2 = p->h2 * p->r0;
	d1 += (uint64_t)(d0 >> 64);
	d2 += (uint64_t)(d1 >> 64);

	/* What is above bit 130 comes back times 5. */
	over = (d2 >> 2) + (d2 & ~UINT64_C(3));
	d0 = (unsigned __int128)(uint64_t)d0 + over;
	d1 = (unsigned __int128)(uint64_t)d1 + (uint64_t)(d0 >> 64);
	p->h0 = (uint64_t)d0;
	p->h1 = (uint64_t)d1;
	p->h2 = (d2 & 3) + (uint64_t)(d1 >> 64);
}

/* The whole blocks of in, then the rest padded: after one byte end, with zeroes. */
static void poly1305_update(struct poly1305 *p, const uint8_t *in, size_t len, uint8_t end,
			    uint64_t end_top)
{
	uint8_t block[POLY_BLOCK_BYTES] = {0};

	while (len >= POLY_BLOCK_BYTES) {
		poly1305_block(p, in, 1);
		in += POLY_BLOCK_BYTES;
		len -= POLY_BLOCK_BYTES;
	}
	if (len == 0)
		return;
	memcpy(block, in, len);
	block[len] = end;
	poly1305_block(p, block, end_top);
	cr_wipe(block, sizeof(block));
}

/* Writes the tag and wipes p. */
static void poly1305_final(struct poly1305 *p, uint8_t tag[16])
{
	unsigned __int128 g0, g1;
	uint64_t g2, mask;

	/* g = h + 5; if that reaches 2^130, h is not below 2^130 - 5 and g's low bits are h mod it.
	 */
	g0 = (unsigned __int128)p->h0 + 5;
	g1 = (unsigned __int128)p->h1 + (uint64_t)(g0 >> 64);
	g2 = p->h2 + (uint64_t)(g1 >> 64);
	mask = 0 - (uint64_t)((g2 >> 2) != 0);
	p->h0 ^= (p->h0 ^ (uint64_t)g0) & mask;
	p->h1 ^= (p->h1 ^ (uint64_t)g1) & mask;

	g0 = (unsigned __int128)p->h0 + p->s0;
	g1 = (unsigned __int128)p->h1 + p->s1 + (uint64_t)(g0 >> 64);
	cr_store_le64(tag, (uint64_t)g0);
	cr_store_le64(tag + 8, (uint64_t)g1);
	cr_wipe(p, sizeof(*p));
}

/* The tag of section 2.8 over ciphertext and AAD; the one-time key is the stream's block 0. */
static void aead_tag(uint8_t tag[CR_TAG_BYTES], const uint8_t *text, size_t len, const uint8_t *ad,
		     size_t ad_len, const uint8_t nonce[12], const uint8_t key[32])
{
	static const uint8_t zero[32];
	uint8_t once[32], lengths[POLY_BLOCK_BYTES];
	struct poly1305 p;

	chacha20(once, zero, sizeof(once), key, nonce, 0, 0xff);
	poly1305_init(&p, once);
	cr_wipe(once, sizeof(once));
	poly1305_update(&p, ad, ad_len, 0, 1);
	poly1305_update(&p, text, len, 0, 1);
	cr_store_le64(lengths, ad_len);
	cr_store_le64(lengths + 8, len);
	poly1305_block(&p, lengths, 1);
	poly1305_final(&p, tag);
}

void cr_ref_chacha20(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t key[32],
		     const uint8_t nonce[12], uint32_t block)
{
	chacha20(dst, src, len, key, nonce, block, 0xff);
}

void cr_ref_poly1305(uint8_t tag[16], const uint8_t *in, size_t len, const uint8_t key[32])
{
	struct poly1305 p;

	poly1305_init(&p, key);
	poly1305_update(&p, in, len, 1, 0);
	poly1305_final(&p, tag);
}

void cr_ref_seal(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
		 const uint8_t nonce[12], const uint8_t key[32])
{
	chacha20(dst, src, len, key, nonce, 1, 0xff);
	aead_tag(dst + len, dst, len, ad, ad_len, nonce, key);
}

bool cr_ref_open(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
		 const uint8_t nonce[12], const uint8_t key[32])
{
	uint8_t tag[CR_TAG_BYTES];
	bool good;

	aead_tag(tag, src, len, ad, ad_len, nonce, key);
	good = cr_equal(tag, src + len, CR_TAG_BYTES);
	/* The right tag of a forged packet would authenticate it: nobody may find it here. */
	cr_wipe(tag, sizeof(tag));
	chacha20(dst, src, len, key, nonce, 1, (uint8_t)(0 - good));
	return good;
}

static bool available(void)
{
	return true;
}

static uint64_t seal_burst(void *state, const struct cr_packet *packets, unsigned int n)
{
	uint8_t nonce[12] = {0};

	for (unsigned int i = 0; i < n; i++) {
		const struct cr_packet *p = &packets[i];

		cr_store_le64(nonce + 4, p->counter);
		cr_ref_seal(p->dst, p->src, p->len_bytes, NULL, 0, nonce, p->key);
	}
	return UINT64_MAX >> (CR_BURST_MAX - n);
}

static uint64_t open_burst(void *state, const struct cr_packet *packets, unsigned int n)
{
	uint8_t nonce[12] = {0};
	uint64_t good = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct cr_packet *p = &packets[i];

		cr_store_le64(nonce + 4, p->counter);
		good |= (uint64_t)cr_ref_open(p->dst, p->src, p->len_bytes, NULL, 0, nonce, p->key)
			<< i;
	}
	return good;
}

const struct cr_aead_backend cr_aead_ref = {
	.name = "reference",
	.available = available,
	.seal = seal_burst,
	.open = open_burst,
};
