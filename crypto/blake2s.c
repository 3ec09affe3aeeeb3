/*
 * BLAKE2s (RFC 7693), HMAC (RFC 2104) and WireGuard's KDF over it: one at a time, plain C. Any
 * thread. Many at once are in blake2s_batch.c.
 *
 * The working state lives in registers and wherever the compiler spills them, so it is the stack
 * below that is wiped, once at the end of every public function that had secrets on it.
 */
#include "crypto/blake2s.h"

#include <assert.h>

#include "crypto/blake2s_inner.h"
#include "crypto/ct.h"
#include "crypto/le.h"

/* Frames of the functions below a public one: up to 0.9 KiB with gcc 12 and clang 14 from -O1 on.
 */
#define STACK_WIPE_BYTES 1280

static inline uint32_t ror32(uint32_t x, unsigned int bits)
{
	return x >> bits | x << (32 - bits);
}

static inline __attribute__((always_inline)) void mix(uint32_t *a, uint32_t *b, uint32_t *c,
						      uint32_t *d, uint32_t x, uint32_t y)
{
	/* Only b comes late: the message word is added before it. */
	*a = *a + x + *b;
	*d = ror32(*d ^ *a, 16);
	*c += *d;
	*b = ror32(*b ^ *c, 12);
	*a = *a + y + *b;
	*d = ror32(*d ^ *a, 8);
	*c += *d;
	*b = ror32(*b ^ *c, 7);
}

/* Inlined ten times with o known: a quarter faster than looking up the order of the words. */
static inline __attribute__((always_inline)) void mix_round(uint32_t v[16], const uint32_t m[16],
							    const uint8_t o[16])
{
	mix(&v[0], &v[4], &v[8], &v[12], m[o[0]], m[o[1]]);
	mix(&v[1], &v[5], &v[9], &v[13], m[o[2]], m[o[3]]);
	mix(&v[2], &v[6], &v[10], &v[14], m[o[4]], m[o[5]]);
	mix(&v[3], &v[7], &v[11], &v[15], m[o[6]], m[o[7]]);
	mix(&v[0], &v[5], &v[10], &v[15], m[o[8]], m[o[9]]);
	mix(&v[1], &v[6], &v[11], &v[12], m[o[10]], m[o[11]]);
	mix(&v[2], &v[7], &v[8], &v[13], m[o[12]], m[o[13]]);
	mix(&v[3], &v[4], &v[9], &v[14], m[o[14]], m[o[15]]);
}

void cr_b2s_compress(uint32_t h[8], const uint8_t block[CR_B2S_BLOCK_BYTES], uint64_t counter_bytes,
		     uint32_t last)
{
	uint32_t v[16], m[16];

	for (int i = 0; i < 16; i++)
		m[i] = cr_load_le32(block + 4 * i);
	for (int i = 0; i < 8; i++) {
		v[i] = h[i];
		v[i + 8] = cr_b2s_iv[i];
	}
	v[12] ^= (uint32_t)counter_bytes;
	v[13] ^= (uint32_t)(counter_bytes >> 32);
	v[14] ^= last;
	mix_round(v, m, cr_b2s_sigma[0]);
	mix_round(v, m, cr_b2s_sigma[1]);
	mix_round(v, m, cr_b2s_sigma[2]);
	mix_round(v, m, cr_b2s_sigma[3]);
	mix_round(v, m, cr_b2s_sigma[4]);
	mix_round(v, m, cr_b2s_sigma[5]);
	mix_round(v, m, cr_b2s_sigma[6]);
	mix_round(v, m, cr_b2s_sigma[7]);
	mix_round(v, m, cr_b2s_sigma[8]);
	mix_round(v, m, cr_b2s_sigma[9]);
	for (int i = 0; i < 8; i++)
		h[i] ^= v[i] ^ v[i + 8];
}

static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t below[STACK_WIPE_BYTES];

	cr_wipe(below, sizeof(below));
}

void cr_blake2s_init(struct cr_blake2s *s, size_t out_bytes, const void *key, size_t key_bytes)
{
	assert(out_bytes >= 1 && out_bytes <= CR_HASH_BYTES && key_bytes <= CR_HASH_BYTES);
	memcpy(s->h, cr_b2s_iv, sizeof(s->h));
	s->h[0] ^= cr_b2s_param(key_bytes, out_bytes);
	s->counter_bytes = 0;
	s->fill_bytes = 0;
	s->out_bytes = (uint32_t)out_bytes;
	if (key_bytes > 0) {
		memset(s->block, 0, sizeof(s->block));
		memcpy(s->block, key, key_bytes);
		s->fill_bytes = CR_B2S_BLOCK_BYTES;
	}
}

static __attribute__((noinline)) void update(struct cr_blake2s *s, const void *in, size_t len)
{
	const uint8_t *p = in;

	while (len > 0) {
		size_t take;

		/* A full block waits here until more comes, because the last one is marked. */
		if (s->fill_bytes == CR_B2S_BLOCK_BYTES) {
			s->counter_bytes += CR_B2S_BLOCK_BYTES;
			cr_b2s_compress(s->h, s->block, s->counter_bytes, 0);
			s->fill_bytes = 0;
		}
		while (s->fill_bytes == 0 && len > CR_B2S_BLOCK_BYTES) {
			s->counter_bytes += CR_B2S_BLOCK_BYTES;
			cr_b2s_compress(s->h, p, s->counter_bytes, 0);
			p += CR_B2S_BLOCK_BYTES;
			len -= CR_B2S_BLOCK_BYTES;
		}
		take = CR_B2S_BLOCK_BYTES - s->fill_bytes;
		if (take > len)
			take = len;
		memcpy(s->block + s->fill_bytes, p, take);
		s->fill_bytes += (uint32_t)take;
		p += take;
		len -= take;
	}
}

static __attribute__((noinline)) void final(struct cr_blake2s *s, uint8_t *out)
{
	s->counter_bytes += s->fill_bytes;
	memset(s->block + s->fill_bytes, 0, CR_B2S_BLOCK_BYTES - s->fill_bytes);
	cr_b2s_compress(s->h, s->block, s->counter_bytes, UINT32_MAX);
	for (int i = 0; i < 8; i++)
		cr_store_le32(s->block + 4 * i, s->h[i]);
	memcpy(out, s->block, s->out_bytes);
	cr_wipe(s, sizeof(*s));
}

void cr_blake2s_update(struct cr_blake2s *s, const void *in, size_t len)
{
	update(s, in, len);
	wipe_stack();
}

void cr_blake2s_final(struct cr_blake2s *s, uint8_t *out)
{
	final(s, out);
	wipe_stack();
}

void cr_b2s_key_state(uint32_t h[8], size_t out_bytes, const void *key, size_t key_bytes)
{
	struct cr_blake2s s;

	cr_blake2s_init(&s, out_bytes, key, key_bytes);
	cr_b2s_compress(s.h, s.block, CR_B2S_BLOCK_BYTES, 0);
	memcpy(h, s.h, sizeof(s.h));
	cr_wipe(&s, sizeof(s));
	wipe_stack();
}

static void hash2(uint8_t *out, size_t out_bytes, const void *key, size_t key_bytes, const void *a,
		  size_t a_len, const void *b, size_t b_len)
{
	struct cr_blake2s s;

	cr_blake2s_init(&s, out_bytes, key, key_bytes);
	update(&s, a, a_len);
	update(&s, b, b_len);
	final(&s, out);
}

void cr_hash(uint8_t out[CR_HASH_BYTES], const void *a, size_t a_len, const void *b, size_t b_len)
{
	hash2(out, CR_HASH_BYTES, NULL, 0, a, a_len, b, b_len);
	wipe_stack();
}

void cr_mac(uint8_t out[CR_MAC_BYTES], const void *key, size_t key_bytes, const void *in,
	    size_t len)
{
	hash2(out, CR_MAC_BYTES, key, key_bytes, in, len, NULL, 0);
	wipe_stack();
}

void cr_hash_one(const struct cr_hash_job *job)
{
	hash2(job->out, job->out_bytes, job->key, job->key_bytes, job->a, job->a_len, job->b,
	      job->b_len);
	wipe_stack();
}

/* A key of HMAC: the two hashes after their first blocks, which are all that depends on it. */
struct hmac_key {
	struct cr_blake2s inner, outer;
};

static void hmac_start(struct cr_blake2s *s, const void *key, size_t key_bytes, uint8_t pad)
{
	cr_blake2s_init(s, CR_HASH_BYTES, NULL, 0);
	memset(s->block, pad, sizeof(s->block));
	for (size_t i = 0; i < key_bytes; i++)
		s->block[i] ^= ((const uint8_t *)key)[i];
	s->fill_bytes = CR_B2S_BLOCK_BYTES;
}

static void hmac_key_init(struct hmac_key *k, const void *key, size_t key_bytes)
{
	uint8_t hashed[CR_HASH_BYTES];

	if (key_bytes > CR_B2S_BLOCK_BYTES) {
		hash2(hashed, sizeof(hashed), NULL, 0, key, key_bytes, NULL, 0);
		key = hashed;
		key_bytes = sizeof(hashed);
	}
	hmac_start(&k->inner, key, key_bytes, CR_HMAC_IPAD);
	hmac_start(&k->outer, key, key_bytes, CR_HMAC_OPAD);
	cr_wipe(hashed, sizeof(hashed));
}

/* Takes in the first blocks now, so that they serve several inputs, none of them empty. */
static void hmac_key_prepare(struct cr_blake2s *s)
{
	cr_b2s_compress(s->h, s->block, CR_B2S_BLOCK_BYTES, 0);
	s->counter_bytes = CR_B2S_BLOCK_BYTES;
	s->fill_bytes = 0;
}

/* HMAC of a || b, which uses k up. out may be in a or b. */
static void hmac_run(struct hmac_key *k, uint8_t out[CR_HASH_BYTES], const void *a, size_t a_len,
		     const void *b, size_t b_len)
{
	uint8_t digest[CR_HASH_BYTES];

	update(&k->inner, a, a_len);
	update(&k->inner, b, b_len);
	final(&k->inner, digest);
	update(&k->outer, digest, sizeof(digest));
	final(&k->outer, out);
	cr_wipe(digest, sizeof(digest));
}

void cr_hmac(uint8_t out[CR_HASH_BYTES], const void *key, size_t key_bytes, const void *in,
	     size_t len)
{
	struct hmac_key k;

	hmac_key_init(&k, key, key_bytes);
	hmac_run(&k, out, in, len, NULL, 0);
	wipe_stack();
}

void cr_hmac_one(const struct cr_hash_job *job)
{
	struct hmac_key k;

	hmac_key_init(&k, job->key, job->key_bytes);
	hmac_run(&k, job->out, job->a, job->a_len, job->b, job->b_len);
	wipe_stack();
}

/* Not inline: clang 14 puts copies of step aside in this frame, which cr_kdf() wipes. */
static __attribute__((noinline)) void kdf(uint8_t *const out[3], int last, const uint8_t *ck,
					  const void *in, size_t len)
{
	uint8_t step[CR_HASH_BYTES + 1]; /* the output before, then the number of the next one */
	struct hmac_key secret, k;

	hmac_key_init(&k, ck, CR_HASH_BYTES);
	hmac_run(&k, step, in, len, NULL, 0);
	hmac_key_init(&secret, step, CR_HASH_BYTES);
	hmac_key_prepare(&secret.inner);
	hmac_key_prepare(&secret.outer);
	for (int i = 0; i < last; i++) {
		size_t from = i == 0 ? CR_HASH_BYTES : 0;

		step[CR_HASH_BYTES] = (uint8_t)(i + 1);
		k = secret;
		hmac_run(&k, step, step + from, sizeof(step) - from, NULL, 0);
		if (out[i])
			memcpy(out[i], step, CR_HASH_BYTES);
	}
	cr_wipe(&secret, sizeof(secret));
	cr_wipe(step, sizeof(step));
}

void cr_kdf(uint8_t t1[CR_HASH_BYTES], uint8_t t2[CR_HASH_BYTES], uint8_t t3[CR_HASH_BYTES],
	    const uint8_t ck[CR_HASH_BYTES], const void *in, size_t len)
{
	uint8_t *const out[3] = {t1, t2, t3};

	kdf(out, t3 ? 3 : t2 ? 2 : 1, ck, in, len);
	wipe_stack();
}
