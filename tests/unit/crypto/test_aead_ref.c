/* The reference ChaCha20-Poly1305 against RFC 8439 and libsodium: the others are tested against it.
 */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "crypto/aead.h"
#include "crypto/aead_ref.h"
#include "crypto/ct.h"

#define TEXT_BYTES 4096

static const char sunscreen[] =
	"Ladies and Gentlemen of the class of '99: If I could offer you only "
	"one tip for the future, sunscreen would be it.";

/* RFC 8439 sections 2.3.2 (as the stream over zeroes) and 2.4.2. */
static void chacha20_rfc8439(void **state)
{
	static const char *const block =
		"10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
		"d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e";
	static const char *const text =
		"6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"
		"f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
		"07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
		"5af90bbf74a35be6b40b8eedf2785e42874d";
	uint8_t key[32], nonce[12], want[114], got[114], zero[64] = {0};

	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)i;
	unit_hex("000000090000004a00000000", nonce, sizeof(nonce));
	unit_hex(block, want, sizeof(want));
	cr_ref_chacha20(got, zero, 64, key, nonce, 1);
	assert_memory_equal(got, want, 64);
	unit_hex("000000000000004a00000000", nonce, sizeof(nonce));
	unit_hex(text, want, sizeof(want));
	cr_ref_chacha20(got, (const uint8_t *)sunscreen, 114, key, nonce, 1);
	assert_memory_equal(got, want, 114);
}

/* RFC 8439 section 2.5.2 and the corner cases of appendix A.3. */
static void poly1305_rfc8439(void **state)
{
	static const struct {
		const char *key, *in, *tag;
	} rows[] = {
		{"85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
		 "43727970746f6772617068696320466f72756d2052657365617263682047726f7570",
		 "a8061dc1305136c6c22b8baf0c0127a9"},
		{"0200000000000000000000000000000000000000000000000000000000000000",
		 "ffffffffffffffffffffffffffffffff", "03000000000000000000000000000000"},
		{"02000000000000000000000000000000ffffffffffffffffffffffffffffffff",
		 "02000000000000000000000000000000", "03000000000000000000000000000000"},
		{"0100000000000000000000000000000000000000000000000000000000000000",
		 "fffffffffffffffffffffffffffffffff0ffffffffffffffffffffffffffffff"
		 "11000000000000000000000000000000",
		 "05000000000000000000000000000000"},
		{"0100000000000000000000000000000000000000000000000000000000000000",
		 "fffffffffffffffffffffffffffffffffbfefefefefefefefefefefefefefefe"
		 "01010101010101010101010101010101",
		 "00000000000000000000000000000000"},
		{"0200000000000000000000000000000000000000000000000000000000000000",
		 "fdffffffffffffffffffffffffffffff", "faffffffffffffffffffffffffffffff"},
		{"0100000000000000040000000000000000000000000000000000000000000000",
		 "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000"
		 "0000000000000000000000000000000001000000000000000000000000000000",
		 "14000000000000005500000000000000"},
		{"0100000000000000040000000000000000000000000000000000000000000000",
		 "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000"
		 "00000000000000000000000000000000",
		 "13000000000000000000000000000000"},
	};
	uint8_t key[32], in[64], want[16], got[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = unit_hex(rows[i].in, in, sizeof(in));

		unit_hex(rows[i].key, key, sizeof(key));
		unit_hex(rows[i].tag, want, sizeof(want));
		cr_ref_poly1305(got, in, len, key);
		assert_memory_equal(got, want, 16);
	}
}

/* RFC 8439 section 2.8.2. */
static void aead_rfc8439(void **state)
{
	static const char *const out =
		"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
		"3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
		"92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
		"3ff4def08e4b7a9de576d26586cec64b6116"
		"1ae10b594f09e26a7e902ecbd0600691";
	uint8_t key[32], nonce[12], ad[12], want[130], got[130], back[114];

	for (int i = 0; i < 32; i++)
		key[i] = (uint8_t)(0x80 + i);
	unit_hex("070000004041424344454647", nonce, sizeof(nonce));
	unit_hex("50515253c0c1c2c3c4c5c6c7", ad, sizeof(ad));
	assert_int_equal(unit_hex(out, want, sizeof(want)), sizeof(want));
	cr_ref_seal(got, (const uint8_t *)sunscreen, 114, ad, sizeof(ad), nonce, key);
	assert_memory_equal(got, want, sizeof(want));
	assert_true(cr_ref_open(back, got, 114, ad, sizeof(ad), nonce, key));
	assert_memory_equal(back, sunscreen, 114);
}

/* Extreme numbers: keys and texts of all ones, zeroes and single bits reach every carry. */
static void extreme_byte(uint64_t *seed, uint8_t *out, size_t len)
{
	switch (unit_random(seed) % 4) {
	case 0:
		memset(out, 0xff, len);
		break;
	case 1:
		memset(out, 0, len);
		break;
	default:
		for (size_t i = 0; i < len; i++)
			out[i] = unit_random(seed) % 8 ? 0xff : (uint8_t)unit_random(seed);
	}
}

/* With a small r the sum stays just around 2^128 and 2^130, where every carry is rare otherwise. */
static void poly1305_carries(void **state)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x05, 0xf0, 0xfa, 0xfb, 0xfe, 0xff};
	uint8_t key[32] = {0}, in[160], want[16], got[16];
	uint64_t seed = 10;

	for (int i = 0; i < 20000; i++) {
		size_t n_blocks = 1 + unit_random(&seed) % 10;

		key[0] = (uint8_t)(1 + unit_random(&seed) % 5);
		for (size_t j = 0; j < n_blocks; j++) {
			memset(in + 16 * j, unit_random(&seed) % 2 ? 0xff : 0, 16);
			in[16 * j] = edges[unit_random(&seed) % sizeof(edges)];
		}
		assert_int_equal(crypto_onetimeauth_poly1305(want, in, 16 * n_blocks, key), 0);
		cr_ref_poly1305(got, in, 16 * n_blocks, key);
		assert_memory_equal(got, want, 16);
	}
}

static void poly1305_extremes(void **state)
{
	uint8_t key[32], in[200], want[16], got[16];
	uint64_t seed = 11;

	for (int i = 0; i < 20000; i++) {
		size_t len = unit_random(&seed) % (sizeof(in) + 1);

		extreme_byte(&seed, key, sizeof(key));
		extreme_byte(&seed, in, sizeof(in));
		assert_int_equal(crypto_onetimeauth_poly1305(want, in, len, key), 0);
		cr_ref_poly1305(got, in, len, key);
		assert_memory_equal(got, want, 16);
	}
}

static void random_against_libsodium(void **state)
{
	static uint8_t text[TEXT_BYTES], ad[300], want[TEXT_BYTES + 16], got[TEXT_BYTES + 16];
	uint8_t key[32], nonce[12];
	uint64_t seed = 12;

	for (int i = 0; i < 3000; i++) {
		size_t len = unit_random(&seed) % (i % 10 ? 300 : TEXT_BYTES + 1);
		size_t ad_len = unit_random(&seed) % (sizeof(ad) + 1), at;

		unit_random_fill(&seed, key, sizeof(key));
		unit_random_fill(&seed, nonce, sizeof(nonce));
		unit_random_fill(&seed, text, len);
		unit_random_fill(&seed, ad, ad_len);
		crypto_aead_chacha20poly1305_ietf_encrypt(want, NULL, text, len, ad, ad_len, NULL,
							  nonce, key);
		memcpy(got, text, len);
		cr_ref_seal(got, got, len, ad, ad_len, nonce, key);
		assert_memory_equal(got, want, len + 16);
		if (i % 2) {
			at = unit_random(&seed) % (len + 16);
			got[at] ^= (uint8_t)(1 << unit_random(&seed) % 8);
			assert_false(cr_ref_open(got, got, len, ad, ad_len, nonce, key));
			assert_true(cr_is_zero(got, len));
		} else {
			assert_true(cr_ref_open(got, got, len, ad, ad_len, nonce, key));
			assert_int_equal(memcmp(got, text, len), 0);
		}
	}
}

/* cr_seal() and cr_open() against the reference: nonce layout, AAD, in place, every bit flipped. */
static void single_against_reference(void **state)
{
	uint8_t key[32], ad[40], text[70], want[86], got[86], nonce[12] = {0};
	uint64_t seed = 13;

	for (int i = 0; i < 200; i++) {
		size_t len = unit_random(&seed) % (sizeof(text) + 1);
		size_t ad_len = unit_random(&seed) % (sizeof(ad) + 1);
		uint64_t counter = unit_random(&seed);

		for (int j = 0; j < 8; j++)
			nonce[4 + j] = (uint8_t)(counter >> 8 * j);
		unit_random_fill(&seed, key, sizeof(key));
		unit_random_fill(&seed, ad, ad_len);
		unit_random_fill(&seed, text, len);
		cr_ref_seal(want, text, len, ad, ad_len, nonce, key);
		memcpy(got, text, len);
		cr_seal(got, len ? got : NULL, len, ad_len ? ad : NULL, ad_len, counter, key);
		assert_memory_equal(got, want, len + 16);
		assert_true(cr_open(got, got, len, ad, ad_len, counter, key));
		assert_int_equal(memcmp(got, text, len), 0);
		for (size_t bit = 0; bit < 8 * (len + 16); bit++) {
			memcpy(got, want, len + 16);
			got[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(cr_open(got, got, len, ad, ad_len, counter, key));
			assert_true(cr_is_zero(got, len));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chacha20_rfc8439),
		cmocka_unit_test(poly1305_rfc8439),
		cmocka_unit_test(aead_rfc8439),
		cmocka_unit_test(poly1305_carries),
		cmocka_unit_test(poly1305_extremes),
		cmocka_unit_test(random_against_libsodium),
		cmocka_unit_test(single_against_reference),
	};

	if (sodium_init() < 0)
		return 1;
	return UNIT_RUN(tests);
}
