/* The primitives, the low-order points, the transport data and the cookies of the vector file. */
#include "tests/unit/unit.h"

#include <jansson.h>

#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/ct.h"
#include "crypto/x25519.h"
#include "crypto/xaead.h"
#include "tests/unit/crypto/variants.h"

#define TEXT_BYTES   2048
#define HEADER_BYTES 16 /* type, receiver index, counter */

static json_t *file;

struct bytes {
	size_t len;
	uint8_t at[TEXT_BYTES];
};

static struct bytes hex(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	struct bytes b = {0};

	assert_non_null(text);
	b.len = unit_hex(text, b.at, sizeof(b.at));
	return b;
}

static json_t *primitive(const char *name)
{
	json_t *p = json_object_get(json_object_get(file, "primitives"), name);

	assert_non_null(p);
	return p;
}

static void same(const struct bytes *want, const uint8_t *got, size_t len)
{
	assert_int_equal(want->len, len);
	assert_memory_equal(want->at, got, len);
}

static void hash_and_mac(void **state)
{
	static const char *const macs[] = {"mac", "mac_16_byte_key"};
	static const char *const hmacs[] = {"hmac", "hmac_empty_input"};
	struct bytes key, in = hex(primitive("hash"), "input"),
			  out = hex(primitive("hash"), "output");
	uint8_t got[32];

	cr_hash(got, in.at, in.len, NULL, 0);
	same(&out, got, 32);
	for (int i = 0; i < 2; i++) {
		key = hex(primitive(macs[i]), "key");
		in = hex(primitive(macs[i]), "input");
		out = hex(primitive(macs[i]), "output");
		cr_mac(got, key.at, key.len, in.at, in.len);
		same(&out, got, 16);
		key = hex(primitive(hmacs[i]), "key");
		in = hex(primitive(hmacs[i]), "input");
		out = hex(primitive(hmacs[i]), "output");
		cr_hmac(got, key.at, key.len, in.at, in.len);
		same(&out, got, 32);
	}
}

static void check_kdf(const json_t *row)
{
	struct bytes key = hex(row, "key"), in = hex(row, "input");
	json_t *outputs = json_object_get(row, "outputs");
	size_t n = json_array_size(outputs);
	uint8_t t[3][32], want[32];

	assert_in_range(n, 1, 3);
	assert_int_equal(key.len, 32);
	memset(t, 0xa5, sizeof(t));
	cr_kdf(t[0], n > 1 ? t[1] : NULL, n > 2 ? t[2] : NULL, key.at, in.at, in.len);
	for (size_t i = 0; i < 3; i++) {
		memset(want, 0xa5, sizeof(want));
		if (i < n)
			unit_hex(json_string_value(json_array_get(outputs, i)), want, 32);
		assert_memory_equal(t[i], want, 32);
	}
}

static void kdf(void **state)
{
	json_t *rows = primitive("kdf"), *row;
	size_t i;

	assert_int_equal(json_array_size(rows), 3);
	json_array_foreach (rows, i, row)
		check_kdf(row);
	check_kdf(primitive("kdf2_empty_input"));
}

static void single_messages(void **state)
{
	json_t *p = primitive("aead");
	struct bytes key = hex(p, "key"), text = hex(p, "plaintext"), ad = hex(p, "aad");
	struct bytes out = hex(p, "output"), nonce;
	const uint64_t counter = UINT64_C(0x0102030405060708);
	uint8_t got[64], back[64];

	/* A double holds all but the last bits. */
	assert_true(json_real_value(json_object_get(p, "counter")) == (double)counter);
	cr_seal(got, text.at, text.len, ad.at, ad.len, counter, key.at);
	same(&out, got, text.len + 16);
	assert_true(cr_open(back, got, text.len, ad.at, ad.len, counter, key.at));
	same(&text, back, text.len);
	assert_false(cr_open(back, got, text.len, ad.at, ad.len, counter ^ 1, key.at));
	assert_true(cr_is_zero(back, text.len));

	p = primitive("xaead");
	key = hex(p, "key");
	nonce = hex(p, "nonce");
	text = hex(p, "plaintext");
	ad = hex(p, "aad");
	out = hex(p, "output");
	cr_xseal(got, text.at, text.len, ad.at, ad.len, nonce.at, key.at);
	same(&out, got, text.len + 16);
	assert_true(cr_xopen(back, got, text.len, ad.at, ad.len, nonce.at, key.at));
	same(&text, back, text.len);
}

static void x25519(void **state)
{
	json_t *p = primitive("x25519"), *points = primitive("x25519_zero_results"), *row;
	struct bytes scalar = hex(p, "scalar"), point = hex(p, "u"), out = hex(p, "output");
	uint8_t got[32];
	uint64_t seed = 1;
	size_t i;

	assert_true(cr_x25519(got, scalar.at, point.at));
	same(&out, got, 32);
	assert_int_equal(json_array_size(points), 14);
	json_array_foreach (points, i, row) {
		unit_hex(json_string_value(row), point.at, 32);
		for (int j = 0; j < 10; j++) {
			unit_random_fill(&seed, scalar.at, 32);
			memset(got, 0xa5, sizeof(got));
			assert_false(cr_x25519(got, scalar.at, point.at));
			assert_true(cr_is_zero(got, sizeof(got)));
		}
	}
}

/* One transport message, sealed and opened by every variant. */
static void check_data(const json_t *keys, const json_t *row, const struct variant *v)
{
	const char *way = json_string_value(json_object_get(row, "direction"));
	bool forth = strcmp(way, "initiator->responder") == 0;
	struct bytes key = hex(keys, forth ? "initiator_send_key" : "initiator_receive_key");
	struct bytes inner = hex(row, "inner"), message = hex(row, "message");
	size_t len = (size_t)json_real_value(json_object_get(row, "padded_length"));
	uint8_t sealed[TEXT_BYTES], opened[TEXT_BYTES];
	struct cr_packet p = {.key = key.at, .src = inner.at, .dst = sealed};

	for (int i = 7; i >= 0; i--)
		p.counter = p.counter << 8 | message.at[8 + i];
	p.len_bytes = (uint32_t)len;
	assert_int_equal(message.len, HEADER_BYTES + len + CR_TAG_BYTES);
	assert_true(variant_seal(v, &p, 1) == 1);
	assert_memory_equal(sealed, message.at + HEADER_BYTES, len + CR_TAG_BYTES);
	p.src = message.at + HEADER_BYTES;
	p.dst = opened;
	assert_true(variant_open(v, &p, 1) == 1);
	if (len > 0)
		assert_memory_equal(opened, inner.at, len);
}

static void transport_data(void **state)
{
	struct variant v[VARIANTS_MAX];
	unsigned int n_v = variants_open(v), n_rows = 0;
	json_t *one, *row;
	size_t i, j;

	json_array_foreach (json_object_get(file, "cases"), i, one) {
		json_array_foreach (json_object_get(one, "data"), j, row) {
			for (unsigned int k = 0; k < n_v; k++)
				check_data(json_object_get(one, "transport"), row, &v[k]);
			n_rows++;
		}
	}
	assert_true(n_rows >= 10);
	variants_close(v, n_v);
}

/* The cookie is a MAC of address and port, and its reply is sealed with XChaCha20-Poly1305. */
static void cookies(void **state)
{
	unsigned int n_rows = 0;
	json_t *one, *row;
	size_t i, j;

	json_array_foreach (json_object_get(file, "cases"), i, one) {
		json_array_foreach (json_object_get(one, "cookies"), j, row) {
			struct bytes secret = hex(row, "secret"), from = hex(row, "source_ip");
			struct bytes cookie = hex(row, "cookie"), message = hex(row, "message");
			struct bytes key = hex(row, "cookie_key"), nonce = hex(row, "nonce");
			struct bytes ad = hex(row, "aad_mac1");
			unsigned int port =
				(unsigned int)json_real_value(json_object_get(row, "source_port"));
			uint8_t got[32];

			from.at[from.len++] = (uint8_t)(port >> 8);
			from.at[from.len++] = (uint8_t)port;
			cr_mac(got, secret.at, secret.len, from.at, from.len);
			same(&cookie, got, 16);
			cr_xseal(got, cookie.at, 16, ad.at, ad.len, nonce.at, key.at);
			assert_memory_equal(got, message.at + message.len - 32, 32);
			n_rows++;
		}
	}
	assert_true(n_rows >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_and_mac),	   cmocka_unit_test(kdf),
		cmocka_unit_test(single_messages), cmocka_unit_test(x25519),
		cmocka_unit_test(transport_data),  cmocka_unit_test(cookies),
	};
	json_error_t error;
	int failed;

	/* Some counters are above what jansson's integers hold: they are read from the messages. */
	file = json_load_file(TEST_VECTORS, JSON_DECODE_INT_AS_REAL, &error);
	if (!file) {
		printf("Bail out! %s: %s\n", TEST_VECTORS, error.text);
		return 1;
	}
	failed = UNIT_RUN(tests);
	json_decref(file);
	return failed;
}
