/* BLAKE2s, X25519, XChaCha20-Poly1305, SipHash, randomness and ct.h against published vectors. */
#include "tests/unit/unit.h"

#include "crypto/blake2s.h"
#include "crypto/ct.h"
#include "crypto/random.h"
#include "crypto/siphash.h"
#include "crypto/x25519.h"
#include "crypto/xaead.h"

static void blake2s(uint8_t *out, size_t out_len, const void *key, size_t key_len, const void *in,
		    size_t len)
{
	struct cr_blake2s s;

	cr_blake2s_init(&s, out_len, key, key_len);
	cr_blake2s_update(&s, in, len);
	cr_blake2s_final(&s, out);
}

/* RFC 7693 appendix B. */
static void blake2s_abc(void **state)
{
	uint8_t want[32], got[32];

	unit_hex("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982", want, 32);
	blake2s(got, 32, NULL, 0, "abc", 3);
	assert_memory_equal(got, want, 32);
	cr_hash(got, "a", 1, "bc", 2);
	assert_memory_equal(got, want, 32);
	cr_hash(got, "abc", 3, NULL, 0);
	assert_memory_equal(got, want, 32);
}

/* The sequence of RFC 7693 appendix E. */
static void sequence(uint8_t *out, size_t len, uint32_t seed)
{
	uint32_t a = 0xdead4badu * seed, b = 1;

	for (size_t i = 0; i < len; i++) {
		uint32_t t = a + b;

		a = b;
		b = t;
		out[i] = (uint8_t)(t >> 24);
	}
}

/* RFC 7693 appendix E: a hash of the hashes of 24 inputs, without and with key. */
static void blake2s_selftest(void **state)
{
	static const size_t out_lens[] = {16, 20, 28, 32};
	static const size_t in_lens[] = {0, 3, 64, 65, 255, 1024};
	uint8_t in[1024], key[32], md[32], want[32];
	struct cr_blake2s all;

	cr_blake2s_init(&all, 32, NULL, 0);
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 6; j++) {
			sequence(in, in_lens[j], (uint32_t)in_lens[j]);
			blake2s(md, out_lens[i], NULL, 0, in, in_lens[j]);
			cr_blake2s_update(&all, md, out_lens[i]);
			sequence(key, out_lens[i], (uint32_t)out_lens[i]);
			blake2s(md, out_lens[i], key, out_lens[i], in, in_lens[j]);
			cr_blake2s_update(&all, md, out_lens[i]);
		}
	}
	cr_blake2s_final(&all, md);
	unit_hex("6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe", want, 32);
	assert_memory_equal(md, want, 32);
}

static void blake2s_split_anywhere(void **state)
{
	uint64_t seed = 1;
	uint8_t in[300], key[32], whole[32], split[32];
	struct cr_blake2s s;
	static const struct cr_blake2s zero;

	for (int round = 0; round < 2000; round++) {
		size_t len = unit_random(&seed) % (sizeof(in) + 1), at = 0;
		size_t key_len = unit_random(&seed) % 33;

		unit_random_fill(&seed, in, len);
		unit_random_fill(&seed, key, key_len);
		blake2s(whole, 32, key, key_len, in, len);
		cr_blake2s_init(&s, 32, key, key_len);
		while (at < len) {
			size_t take = unit_random(&seed) % 130;

			take = take > len - at ? len - at : take;
			cr_blake2s_update(&s, in + at, take);
			at += take;
		}
		cr_blake2s_final(&s, split);
		assert_memory_equal(whole, split, 32);
		assert_memory_equal(&s, &zero, sizeof(s));
	}
}

/* RFC 2104: a key longer than a block counts as its hash, a short one as if padded with zeroes. */
static void hmac_key_lengths(void **state)
{
	uint8_t key[100], hashed[32], a[32], b[32];
	uint64_t seed = 2;

	unit_random_fill(&seed, key, sizeof(key));
	for (size_t len = 65; len <= sizeof(key); len++) {
		cr_hash(hashed, key, len, NULL, 0);
		cr_hmac(a, key, len, "in", 2);
		cr_hmac(b, hashed, 32, "in", 2);
		assert_memory_equal(a, b, 32);
	}
	memset(key + 10, 0, 54);
	cr_hmac(a, key, 10, "in", 2);
	cr_hmac(b, key, 64, "in", 2);
	assert_memory_equal(a, b, 32);
	key[63] = 1;
	cr_hmac(b, key, 64, "in", 2);
	assert_memory_not_equal(a, b, 32);
}

static void kdf_writes_over_its_input(void **state)
{
	uint8_t ck[32], in[32], t[3][32], c[32], u[32], v[32];
	uint64_t seed = 3;

	unit_random_fill(&seed, ck, 32);
	unit_random_fill(&seed, in, 32);
	cr_kdf(t[0], t[1], t[2], ck, in, 32);

	memcpy(c, ck, 32);
	cr_kdf(c, u, NULL, c, in, 32);
	assert_memory_equal(c, t[0], 32);
	assert_memory_equal(u, t[1], 32);
	memcpy(c, ck, 32);
	cr_kdf(u, c, v, c, in, 32);
	assert_memory_equal(u, t[0], 32);
	assert_memory_equal(c, t[1], 32);
	assert_memory_equal(v, t[2], 32);
	memcpy(c, ck, 32);
	cr_kdf(c, NULL, NULL, c, in, 32);
	assert_memory_equal(c, t[0], 32);
	memcpy(u, in, 32);
	cr_kdf(u, NULL, NULL, ck, u, 32);
	assert_memory_equal(u, t[0], 32);
}

/* RFC 7748 section 5.2 and, with the base point, 6.1. */
static void x25519_rfc7748(void **state)
{
	static const struct {
		const char *scalar, *point, *out;
	} rows[] = {
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		 "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		 "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		 "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		 "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
		{"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", NULL,
		 "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
		{"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", NULL,
		 "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
		{"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		 "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
		 "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	};
	static const uint8_t nine[32] = {9};
	uint8_t scalar[32], point[32], want[32], got[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unit_hex(rows[i].scalar, scalar, 32);
		unit_hex(rows[i].out, want, 32);
		memcpy(point, nine, 32);
		if (rows[i].point)
			unit_hex(rows[i].point, point, 32);
		assert_true(cr_x25519(got, scalar, point));
		assert_memory_equal(got, want, 32);
		if (!rows[i].point) {
			cr_x25519_base(got, scalar);
			assert_memory_equal(got, want, 32);
		}
		cr_x25519_clamp(scalar);
		assert_true(cr_x25519(got, scalar, point));
		assert_memory_equal(got, want, 32);
	}
}

/* RFC 7748 section 5.2, the iterated vector. */
static void x25519_iterated(void **state)
{
	uint8_t k[32] = {9}, u[32] = {9}, r[32], want[32];

	for (int i = 1; i <= 1000; i++) {
		assert_true(cr_x25519(r, k, u));
		memcpy(u, k, 32);
		memcpy(k, r, 32);
		if (i == 1) {
			unit_hex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
				 want, 32);
			assert_memory_equal(k, want, 32);
		}
	}
	unit_hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", want, 32);
	assert_memory_equal(k, want, 32);
}

static void x25519_clamps(void **state)
{
	uint8_t k[32], want[32];

	memset(k, 0xff, 32);
	memset(want, 0xff, 32);
	want[0] = 0xf8;
	want[31] = 0x7f;
	cr_x25519_clamp(k);
	assert_memory_equal(k, want, 32);
	memset(k, 0, 32);
	memset(want, 0, 32);
	want[31] = 0x40;
	cr_x25519_clamp(k);
	assert_memory_equal(k, want, 32);
}

/* draft-irtf-cfrg-xchacha-03 appendix A.3.1. */
static void xaead_draft(void **state)
{
	static const char *const text =
		"Ladies and Gentlemen of the class of '99: If I could offer "
		"you only one tip for the future, sunscreen would be it.";
	static const char *const out =
		"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
		"731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
		"2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
		"21f9664c97637da9768812f615c68b13b52e"
		"c0875924c1c7987947deafd8780acf49";
	uint8_t key[32], nonce[24], ad[12], want[130], got[130], back[114], zero[114] = {0};

	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)(0x80 + i);
	for (int i = 0; i < 24; i++)
		nonce[i] = (uint8_t)(0x40 + i);
	unit_hex("50515253c0c1c2c3c4c5c6c7", ad, sizeof(ad));
	assert_int_equal(unit_hex(out, want, sizeof(want)), sizeof(want));
	cr_xseal(got, (const uint8_t *)text, 114, ad, sizeof(ad), nonce, key);
	assert_memory_equal(got, want, sizeof(want));
	assert_true(cr_xopen(back, got, 114, ad, sizeof(ad), nonce, key));
	assert_memory_equal(back, text, 114);
	for (size_t bit = 0; bit < 8 * sizeof(got); bit++) {
		got[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(back, 0xa5, sizeof(back));
		assert_false(cr_xopen(back, got, 114, ad, sizeof(ad), nonce, key));
		assert_memory_equal(back, zero, 114);
		got[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ad[3] ^= 1;
	assert_false(cr_xopen(back, got, 114, ad, sizeof(ad), nonce, key));
}

/* The example of the SipHash paper, appendix A. */
static void siphash_paper(void **state)
{
	const struct cr_siphash_key key = {UINT64_C(0x0706050403020100),
					   UINT64_C(0x0f0e0d0c0b0a0908)};
	uint8_t in[15];

	for (int i = 0; i < 15; i++)
		in[i] = (uint8_t)i;
	assert_true(cr_siphash(&key, in, 15) == UINT64_C(0xa129ca6149be45e5));
	assert_true(cr_siphash(&key, in, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

/* Each of 1000 bytes takes several values: nothing stays unwritten, also past getrandom's 256. */
static void random_fills_all(void **state)
{
	static uint8_t a[1000], changed[1000];
	uint8_t first[1000];
	uint32_t same = 0;

	cr_random(first, sizeof(first));
	for (int i = 0; i < 20; i++) {
		cr_random(a, sizeof(a));
		for (size_t j = 0; j < sizeof(a); j++)
			changed[j] |= a[j] ^ first[j];
	}
	for (size_t j = 0; j < sizeof(a); j++)
		assert_int_not_equal(changed[j], 0);
	a[0] = 7;
	cr_random(a, 0);
	assert_int_equal(a[0], 7);
	for (int i = 0; i < 20; i++)
		same += cr_random_u32() == cr_random_u32();
	assert_true(same < 2);
}

static void constant_time_helpers(void **state)
{
	uint8_t a[40] = {0}, b[40] = {0};

	assert_true(cr_equal(a, b, 0) && cr_is_zero(a, 0));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		a[bit / 8] = (uint8_t)(1 << bit % 8);
		assert_false(cr_equal(a, b, sizeof(a)));
		assert_false(cr_is_zero(a, sizeof(a)));
		assert_true(cr_equal(a, b, bit / 8) && cr_is_zero(a, bit / 8));
		a[bit / 8] = 0;
	}
	assert_true(cr_equal(a, b, sizeof(a)) && cr_is_zero(a, sizeof(a)));
	memset(a, 0xff, sizeof(a));
	cr_wipe(a + 1, 38);
	assert_true(a[0] == 0xff && a[39] == 0xff && cr_is_zero(a + 1, 38));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blake2s_abc),
		cmocka_unit_test(blake2s_selftest),
		cmocka_unit_test(blake2s_split_anywhere),
		cmocka_unit_test(hmac_key_lengths),
		cmocka_unit_test(kdf_writes_over_its_input),
		cmocka_unit_test(x25519_rfc7748),
		cmocka_unit_test(x25519_iterated),
		cmocka_unit_test(x25519_clamps),
		cmocka_unit_test(xaead_draft),
		cmocka_unit_test(siphash_paper),
		cmocka_unit_test(random_fills_all),
		cmocka_unit_test(constant_time_helpers),
	};

	return UNIT_RUN(tests);
}
