/* BLAKE2s (RFC 7693), HMAC (RFC 2104) and WireGuard's KDF over it: one at a time, plain C. */
#include "crypto/blake2s.h"

#include <assert.h>

#include "crypto/ct.h"
#include "crypto/le.h"

#define BLOCK_BYTES 64
#define ROUNDS	    10

/* RFC 7693 section 2.6. */
static const uint32_t iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* RFC 7693 section 2.7. */
static const uint8_t sigma[ROUNDS][16] = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint32_t ror32(uint32_t x, unsigned int bits)
{
	return x >> bits | x << (32 - bits);
}

static inline void mix(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d, uint32_t x, uint32_t y)
{
	*a += *b + x;
	*d = ror32(*d ^ *a, 16);
	*c += *d;
	*b = ror32(*b ^ *c, 12);
	*a += *b + y;
	*d = ror32(*d ^ *a, 8);
	*c += *d;
	*b = ror32(*b ^ *c, 7);
}

/* Takes in s->block; counter_bytes already counts it. last: all ones for the final block, else 0.
 */
static void compress(struct cr_blake2s *s, uint32_t last)
{
	uint32_t v[16], m[16];

	for (int i = 0; i < 16; i++)
		m[i] = cr_load_le32(s->block + 4 * i);
	memcpy(v, s->h, sizeof(s->h));
	memcpy(v + 8, iv, sizeof(iv));
	v[12] ^= (uint32_t)s->counter_bytes;
	v[13] ^= (uint32_t)(s->counter_bytes >> 32);
	v[14] ^= last;
	for (int r = 0; r < ROUNDS; r++) {
		const uint8_t *o = sigma[r];

		mix(&v[0], &v[4], &v[8], &v[12], m[o[0]], m[o[1]]);
		mix(&v[1], &v[5], &v[9], &v[13], m[o[2]], m[o[3]]);
		mix(&v[2], &v[6], &v[10], &v[14], m[o[4]], m[o[5]]);
		mix(&v[3], &v[7], &v[11], &v[15], m[o[6]], m[o[7]]);
		mix(&v[0], &v[5], &v[10], &v[15], m[o[8]], m[o[9]]);
		mix(&v[1], &v[6], &v[11], &v[12], m[o[10]], m[o[11]]);
		mix(&v[2], &v[7], &v[8], &v[13], m[o[12]], m[o[13]]);
		mix(&v[3], &v[4], &v[9], &v[14], m[o[14]], m[o[15]]);
	}
	for (int i = 0; i < 8; i++)
		s->h[i] ^= v[i] ^ v[i + 8];
	cr_wipe(v, sizeof(v));
	cr_wipe(m, sizeof(m));
}

void cr_blake2s_init(struct cr_blake2s *s, size_t out_bytes, const void *key, size_t key_bytes)
{
	assert(out_bytes >= 1 && out_bytes <= CR_HASH_BYTES && key_bytes <= 32);
	memset(s, 0, sizeof(*s));
	memcpy(s->h, iv, sizeof(iv));
	/* The parameter block of section 2.5: depth 1, fanout 1, key length, digest length. */
	s->h[0] ^= 0x01010000 ^ (uint32_t)key_bytes << 8 ^ (uint32_t)out_bytes;
	s->out_bytes = (uint32_t)out_bytes;
	if (key_bytes > 0) {
		memcpy(s->block, key, key_bytes);
		s->fill_bytes = BLOCK_BYTES;
	}
}

void cr_blake2s_update(struct cr_blake2s *s, const void *in, size_t len)
{
	const uint8_t *p = in;

	while (len > 0) {
		size_t take;

		/* A full block waits here until more comes, because the last one is marked. */
		if (s->fill_bytes == BLOCK_BYTES) {
			s->counter_bytes += BLOCK_BYTES;
			compress(s, 0);
			s->fill_bytes = 0;
		}
		take = BLOCK_BYTES - s->fill_bytes;
		if (take > len)
			take = len;
		memcpy(s->block + s->fill_bytes, p, take);
		s->fill_bytes += (uint32_t)take;
		p += take;
		len -= take;
	}
}

void cr_blake2s_final(struct cr_blake2s *s, uint8_t *out)
{
	uint8_t full[CR_HASH_BYTES];

	s->counter_bytes += s->fill_bytes;
	memset(s->block + s->fill_bytes, 0, BLOCK_BYTES - s->fill_bytes);
	compress(s, UINT32_MAX);
	for (int i = 0; i < 8; i++)
		cr_store_le32(full + 4 * i, s->h[i]);
	memcpy(out, full, s->out_bytes);
	cr_wipe(full, sizeof(full));
	cr_wipe(s, sizeof(*s));
}

void cr_hash(uint8_t out[CR_HASH_BYTES], const void *a, size_t a_len, const void *b, size_t b_len)
{
	struct cr_blake2s s;

	cr_blake2s_init(&s, CR_HASH_BYTES, NULL, 0);
	cr_blake2s_update(&s, a, a_len);
	cr_blake2s_update(&s, b, b_len);
	cr_blake2s_final(&s, out);
}

void cr_mac(uint8_t out[16], const void *key, size_t key_bytes, const void *in, size_t len)
{
	struct cr_blake2s s;

	cr_blake2s_init(&s, 16, key, key_bytes);
	cr_blake2s_update(&s, in, len);
	cr_blake2s_final(&s, out);
}

void cr_hmac(uint8_t out[CR_HASH_BYTES], const void *key, size_t key_bytes, const void *in,
	     size_t len)
{
	uint8_t pad[BLOCK_BYTES] = {0};
	uint8_t inner[CR_HASH_BYTES];
	struct cr_blake2s s;

	if (key_bytes > BLOCK_BYTES)
		cr_hash(pad, key, key_bytes, NULL, 0);
	else if (key_bytes > 0)
		memcpy(pad, key, key_bytes);
	for (int i = 0; i < BLOCK_BYTES; i++)
		pad[i] ^= 0x36;
	cr_blake2s_init(&s, CR_HASH_BYTES, NULL, 0);
	cr_blake2s_update(&s, pad, sizeof(pad));
	cr_blake2s_update(&s, in, len);
	cr_blake2s_final(&s, inner);
	for (int i = 0; i < BLOCK_BYTES; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	cr_hash(out, pad, sizeof(pad), inner, sizeof(inner));
	cr_wipe(pad, sizeof(pad));
	cr_wipe(inner, sizeof(inner));
}

void cr_kdf(uint8_t t1[CR_HASH_BYTES], uint8_t t2[CR_HASH_BYTES], uint8_t t3[CR_HASH_BYTES],
	    const uint8_t ck[CR_HASH_BYTES], const void *in, size_t len)
{
	uint8_t *const out[3] = {t1, t2, t3};
	uint8_t secret[CR_HASH_BYTES];
	uint8_t step[CR_HASH_BYTES + 1]; /* the output before, then the number of the next one */
	int last = t3 ? 3 : t2 ? 2 : 1;

	cr_hmac(secret, ck, CR_HASH_BYTES, in, len);
	for (int i = 0; i < last; i++) {
		step[CR_HASH_BYTES] = (uint8_t)(i + 1);
		if (i == 0)
			cr_hmac(step, secret, sizeof(secret), step + CR_HASH_BYTES, 1);
		else
			cr_hmac(step, secret, sizeof(secret), step, sizeof(step));
		if (out[i])
			memcpy(out[i], step, CR_HASH_BYTES);
	}
	cr_wipe(secret, sizeof(secret));
	cr_wipe(step, sizeof(step));
}
