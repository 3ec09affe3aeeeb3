/* noise.c and tai64n.c against known answers, each intermediate value in its order. */
#include "crypto/blake2s.h"
#include "crypto/x25519.h"
#include "handshake/cookie.h"
#include "handshake/noise.h"
#include "tests/unit/handshake/vectors.h"

static json_t *vectors;

/* One case of the file, unpacked. */
struct fixture {
	json_t *json, *first, *second;
	uint8_t i_private[32], i_public[32], r_private[32], r_public[32];
	uint8_t i_ephemeral[32], r_ephemeral[32], psk[32], ss[32], timestamp[12];
	uint32_t i_index, r_index;
	struct wg_initiation initiation;
	struct wg_response response;
};

static void unpack(struct fixture *f, json_t *json)
{
	json_t *in = vectors_get(json, "inputs");

	f->json = json;
	f->first = vectors_get(vectors_get(json, "initiation"), "steps");
	f->second = vectors_get(vectors_get(json, "response"), "steps");
	vectors_hex(in, "initiator_static_private", f->i_private, 32);
	vectors_hex(in, "initiator_static_public", f->i_public, 32);
	vectors_hex(in, "responder_static_private", f->r_private, 32);
	vectors_hex(in, "responder_static_public", f->r_public, 32);
	vectors_hex(in, "initiator_ephemeral_private", f->i_ephemeral, 32);
	vectors_hex(in, "responder_ephemeral_private", f->r_ephemeral, 32);
	vectors_hex(in, "preshared_key", f->psk, 32);
	vectors_hex(in, "static_static_dh", f->ss, 32);
	vectors_hex(in, "timestamp_tai64n", f->timestamp, 12);
	f->i_index = (uint32_t)vectors_int(in, "initiator_index");
	f->r_index = (uint32_t)vectors_int(in, "responder_index");
	vectors_hex(vectors_get(json, "initiation"), "message", &f->initiation, 148);
	vectors_hex(vectors_get(json, "response"), "message", &f->response, 92);
}

static void check_initiation_steps(struct fixture *f, struct hs_noise *n)
{
	json_t *steps = f->first;
	uint8_t e[32], dh[32], key[32], sealed[48];

	hs_noise_start(n, f->r_public);
	vectors_equal(steps, "ck_0", n->ck, 32);
	vectors_equal(steps, "h_1_mix_responder_static", n->h, 32);
	cr_x25519_base(e, f->i_ephemeral);
	vectors_equal(steps, "ephemeral_public", e, 32);
	hs_noise_mix_ephemeral(n, e);
	vectors_equal(steps, "ck_1_mix_ephemeral", n->ck, 32);
	vectors_equal(steps, "h_2_mix_ephemeral", n->h, 32);
	assert_true(cr_x25519(dh, f->i_ephemeral, f->r_public));
	vectors_equal(steps, "dh_es", dh, 32);
	hs_noise_mix_dh(n, key, dh);
	vectors_equal(steps, "ck_2_mix_es", n->ck, 32);
	vectors_equal(steps, "key_static", key, 32);
	hs_noise_seal(n, sealed, f->i_public, 32, key);
	vectors_equal(steps, "encrypted_static", sealed, 48);
	vectors_equal(steps, "h_3_mix_encrypted_static", n->h, 32);
	hs_noise_mix_dh(n, key, f->ss);
	vectors_equal(steps, "ck_3_mix_ss", n->ck, 32);
	vectors_equal(steps, "key_timestamp", key, 32);
	hs_noise_seal(n, sealed, f->timestamp, 12, key);
	vectors_equal(steps, "encrypted_timestamp", sealed, 28);
	vectors_equal(steps, "h_4_mix_encrypted_timestamp", n->h, 32);
}

static void check_response_steps(struct fixture *f, struct hs_noise *n)
{
	json_t *steps = f->second;
	uint8_t e[32], dh[32], key[32], tag[16];

	cr_x25519_base(e, f->r_ephemeral);
	vectors_equal(steps, "ephemeral_public", e, 32);
	hs_noise_mix_ephemeral(n, e);
	vectors_equal(steps, "h_5_mix_ephemeral", n->h, 32);
	vectors_equal(steps, "ck_4_mix_ephemeral", n->ck, 32);
	assert_true(cr_x25519(dh, f->r_ephemeral, f->initiation.ephemeral));
	vectors_equal(steps, "dh_ee", dh, 32);
	hs_noise_mix_dh(n, NULL, dh);
	vectors_equal(steps, "ck_5_mix_ee", n->ck, 32);
	assert_true(cr_x25519(dh, f->r_ephemeral, f->i_public));
	vectors_equal(steps, "dh_se", dh, 32);
	hs_noise_mix_dh(n, NULL, dh);
	vectors_equal(steps, "ck_6_mix_se", n->ck, 32);
	hs_noise_mix_psk(n, key, f->psk);
	vectors_equal(steps, "ck_7_mix_psk", n->ck, 32);
	vectors_equal(steps, "key_empty", key, 32);
	vectors_equal(steps, "h_6_mix_tau", n->h, 32);
	hs_noise_seal(n, tag, NULL, 0, key);
	vectors_equal(steps, "encrypted_empty", tag, 16);
	vectors_equal(steps, "h_7_mix_encrypted_empty", n->h, 32);
}

static void test_steps(void **state)
{
	json_t *json;
	size_t i;

	json_array_foreach (vectors_get(vectors, "cases"), i, json) {
		struct fixture f;
		struct hs_noise n;

		unpack(&f, json);
		check_initiation_steps(&f, &n);
		check_response_steps(&f, &n);
	}
	assert_int_equal(i, 2);
}

static void test_constants(void **state)
{
	json_t *constants = vectors_get(vectors, "constants");
	const char *construction = vectors_text(constants, "construction");
	const char *identifier = vectors_text(constants, "identifier");
	uint8_t ck[32], h[32], public_key[32] = {1};
	struct hs_noise n;

	cr_hash(ck, construction, strlen(construction), NULL, 0);
	cr_hash(h, ck, sizeof(ck), identifier, strlen(identifier));
	cr_hash(h, h, sizeof(h), public_key, sizeof(public_key));
	hs_noise_start(&n, public_key);
	assert_memory_equal(n.ck, ck, 32);
	assert_memory_equal(n.h, h, 32);
}

/* The messages whole, from both sides, down to the transport keys. */
static void check_messages(struct fixture *f)
{
	struct hs_noise_statics i = {f->i_private, f->i_public, f->r_public, f->ss, f->psk};
	struct hs_noise_statics r = {f->r_private, f->r_public, f->i_public, f->ss, f->psk};
	json_t *transport = vectors_get(f->json, "transport");
	struct wg_initiation initiation = {0};
	struct wg_response response = {0};
	struct hs_cookie_maker to_r, to_i;
	uint8_t a[32], b[32], who[32], timestamp[12];
	struct hs_noise ni, nr;

	hs_cookie_maker_init(&to_r, f->r_public);
	hs_cookie_maker_init(&to_i, f->i_public);
	vectors_equal(f->first, "mac1_key", to_r.mac1_key, 32);
	vectors_equal(f->second, "mac1_key", to_i.mac1_key, 32);

	assert_true(
		hs_noise_initiate(&ni, &initiation, &i, f->i_ephemeral, f->timestamp, f->i_index));
	vectors_equal(f->first, "bytes_before_mac1", &initiation, 116);
	hs_cookie_add_macs(&to_r, 1, (uint8_t *)&initiation, sizeof(initiation));
	assert_memory_equal(&initiation, &f->initiation, sizeof(initiation));

	assert_int_equal(hs_noise_open_static(&nr, who, &initiation, &r), HS_NOISE_OK);
	assert_memory_equal(who, f->i_public, 32);
	vectors_equal(f->first, "h_3_mix_encrypted_static", nr.h, 32);
	assert_true(hs_noise_open_timestamp(&nr, timestamp, &initiation, f->ss));
	assert_memory_equal(timestamp, f->timestamp, 12);
	assert_memory_equal(&ni, &nr, sizeof(ni));

	assert_true(hs_noise_respond(&nr, &response, &r, f->r_ephemeral, &initiation, f->r_index));
	vectors_equal(f->second, "bytes_before_mac1", &response, 60);
	hs_cookie_add_macs(&to_i, 1, (uint8_t *)&response, sizeof(response));
	assert_memory_equal(&response, &f->response, sizeof(response));

	assert_int_equal(hs_noise_finish(&ni, &response, &i, f->i_ephemeral), HS_NOISE_OK);
	assert_memory_equal(&ni, &nr, sizeof(ni));
	hs_noise_split(&ni, a, b);
	vectors_equal(transport, "initiator_send_key", a, 32);
	vectors_equal(transport, "initiator_receive_key", b, 32);
}

static void test_messages(void **state)
{
	json_t *json;
	size_t i;

	json_array_foreach (vectors_get(vectors, "cases"), i, json) {
		struct fixture f;

		unpack(&f, json);
		check_messages(&f);
	}
}

/* Points whose product with any key is all zero: refused in each of the four DHs. */
static void test_low_order(void **state)
{
	json_t *json = json_array_get(vectors_get(vectors, "cases"), 0);
	json_t *rejected, *item;
	unsigned int n = 0;
	struct fixture f;
	size_t i;

	unpack(&f, json);
	rejected = vectors_get(json, "rejected");
	json_array_foreach (rejected, i, item) {
		struct hs_noise_statics s = {f.r_private, f.r_public, f.i_public, f.ss, f.psk};
		struct wg_initiation bad_initiation;
		struct wg_response bad_response = f.response;
		uint8_t who[32];
		struct hs_noise noise;

		if (strcmp(vectors_text(item, "reason"), "zero DH result: es") != 0)
			continue;
		n++;
		vectors_hex(item, "message", &bad_initiation, sizeof(bad_initiation));
		assert_int_equal(hs_noise_open_static(&noise, who, &bad_initiation, &s),
				 HS_NOISE_LOW_ORDER);
		/* As our own ephemeral's partner in ee. */
		assert_false(hs_noise_respond(&noise, &bad_response, &s, f.r_ephemeral,
					      &bad_initiation, 1));
		memcpy(bad_response.ephemeral, bad_initiation.ephemeral, 32);
		assert_int_equal(hs_noise_finish(&noise, &bad_response, &s, f.i_ephemeral),
				 HS_NOISE_LOW_ORDER);
		/* As a peer's static key, in es and se. */
		s.remote_public = bad_initiation.ephemeral;
		memcpy(who, bad_initiation.ephemeral, 32);
		s.remote_public = who;
		assert_false(hs_noise_initiate(&noise, &bad_initiation, &s, f.i_ephemeral,
					       f.timestamp, 1));
		assert_false(hs_noise_respond(&noise, &bad_response, &s, f.r_ephemeral,
					      &f.initiation, 1));
	}
	assert_int_equal(n, 14);
}

static void test_tai64n(void **state)
{
	json_t *item;
	size_t i;

	json_array_foreach (vectors_get(vectors, "tai64n"), i, item) {
		uint8_t expected[12], got[12];

		unit_hex(json_string_value(json_array_get(item, 3)), expected, 12);
		hs_tai64n_from(got, (uint64_t)json_number_value(json_array_get(item, 0)),
			       (uint32_t)json_number_value(json_array_get(item, 1)));
		assert_memory_equal(got, expected, 12);
	}
	assert_true(i > 0);
}

/* Whitening: what lies within a step is not newer; the successor always is, by as little. */
static void test_tai64n_order(void **state)
{
	static const struct {
		uint32_t ns;
		bool after;
	} rows[] = {
		{123456789 + 10, false},      {123456789 + 10000, false},
		{123456789 + 1000000, false}, {123456789 + 10000000, false},
		{123456789 + 20000000, true},
	};
	uint8_t first[12], t[12], next[12];

	hs_tai64n_from(first, 1, 123456789);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		hs_tai64n_from(t, 1, rows[i].ns);
		assert_int_equal(memcmp(t, first, 12) > 0, rows[i].after);
	}
	hs_tai64n_from(t, 7, 0);
	for (unsigned int i = 1; i <= 60; i++) {
		hs_tai64n_after(next, t);
		assert_true(memcmp(next, t, 12) > 0);
		memcpy(t, next, 12);
	}
	/* 60 steps of 2^24 ns make a little more than a second: the last one carried. */
	hs_tai64n_from(next, 8, 0);
	assert_memory_equal(t, next, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constants), cmocka_unit_test(test_steps),
		cmocka_unit_test(test_messages),  cmocka_unit_test(test_low_order),
		cmocka_unit_test(test_tai64n),	  cmocka_unit_test(test_tai64n_order),
	};
	int failed;

	vectors = vectors_load();
	failed = UNIT_RUN(tests);
	json_decref(vectors);
	return failed;
}
