/* Any bytes of any length: the right verdict, nothing changes, and the right message still works.
 */
#include "handshake/peer.h"
#include "tests/unit/handshake/sim.h"

static struct sim sim;
static struct sim_node *const a = &sim.nodes[0], *const b = &sim.nodes[1];
static struct sim_peer *const ab = &sim.nodes[0].peers[0], *const ba = &sim.nodes[1].peers[0];

static bool lose_all(struct sim *s, const struct sim_packet *p)
{
	return true;
}

/* Good ones, not delivered: an initiation at b, a response and a cookie at a. */
static uint8_t initiation[148], response[92], cookie[64];

static int setup(void **state)
{
	const struct sim_packet *p;

	/* A cookie reply changes nothing at b but its secret. */
	sim_pair(&sim);
	sim.lose = lose_all;
	sim_send(ab);
	memcpy(initiation, sim.trace[0].bytes, sizeof(initiation));
	b->under_load = true;
	assert_int_equal(sim_input(b, initiation, sizeof(initiation), &a->addr), HS_cookie_sent);
	sim_sent(&sim, b, WG_COOKIE, &p);
	memcpy(cookie, p->bytes, sizeof(cookie));
	b->under_load = false;
	sim.now_ns += 1 * S;
	/* The static-static secret is made at first use; let it be there for comparisons. */
	hs_peer_static_static(ba->hs);
	return 0;
}

static int teardown(void **state)
{
	sim_free(&sim);
	return 0;
}

static void get_response(void)
{
	const struct sim_packet *p;

	assert_int_equal(sim_input(b, initiation, sizeof(initiation), &a->addr),
			 HS_initiation_accepted);
	sim_sent(&sim, b, WG_RESPONSE, &p);
	memcpy(response, p->bytes, sizeof(response));
}

/* The verdict, after proof that no byte of the peer has changed and nothing was sent. */
static enum hs_verdict refused(struct sim_peer *p, const uint8_t *msg, size_t len)
{
	static struct sim_peer owner;
	static struct hs_peer before;
	unsigned int sent = sim.n_trace;
	struct wg_endpoint from = sim_endpoint(66, 6);
	enum hs_verdict v;

	before = *p->hs;
	owner = *p;
	v = sim_input(p->node, msg, len, &from);
	assert_memory_equal(&before, p->hs, sizeof(before));
	assert_memory_equal(&owner, p, sizeof(owner));
	assert_int_equal(sim.n_trace, sent);
	return v;
}

static void test_lengths(void **state)
{
	uint8_t msg[201];
	uint64_t random = 0x1e46;

	get_response();
	for (unsigned int type = 0; type <= 255; type += type < 5 ? 1 : 50) {
		for (size_t len = 0; len <= 200; len++) {
			bool right = (type == WG_INITIATION && len == 148) ||
				     (type == WG_RESPONSE && len == 92);
			enum hs_verdict v;

			unit_random_fill(&random, msg, sizeof(msg));
			memcpy(msg, (uint8_t[]){(uint8_t)type, 0, 0, 0}, 4);
			v = refused(ab, msg, len);
			if (type == WG_COOKIE && len == 64)
				assert_int_equal(v, HS_no_handshake);
			else
				assert_int_equal(v, right ? HS_bad_mac1 : HS_bad_length);
		}
	}
	/* Good messages, longer and shorter. */
	memset(msg, 0, sizeof(msg));
	memcpy(msg, response, sizeof(response));
	for (size_t len = 0; len <= 200; len++)
		if (len != sizeof(response))
			assert_int_equal(refused(ab, msg, len), HS_bad_length);
	assert_int_equal(sim_input(a, response, sizeof(response), &b->addr), HS_response_accepted);
}

static void test_reserved(void **state)
{
	uint8_t msg[148];

	get_response();
	for (unsigned int i = 1; i < 4; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			memcpy(msg, response, sizeof(response));
			msg[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(refused(ab, msg, sizeof(response)), HS_bad_length);
			memcpy(msg, cookie, sizeof(cookie));
			msg[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(refused(ab, msg, sizeof(cookie)), HS_bad_length);
		}
	}
}

/* Each byte changed; and again with a mac1 that fits, as anyone can make it. */
static void test_flipped_initiation(void **state)
{
	uint8_t msg[148];

	for (unsigned int i = 0; i < 132; i++) {
		memcpy(msg, initiation, sizeof(msg));
		msg[i] ^= 0x40;
		assert_int_equal(refused(ba, msg, sizeof(msg)),
				 i < 4 ? HS_bad_length : HS_bad_mac1);
	}
	for (unsigned int i = 8; i < 116; i++) {
		struct hs_cookie_maker maker;

		memcpy(msg, initiation, sizeof(msg));
		msg[i] ^= 0x40;
		hs_cookie_maker_init(&maker, b->public_key);
		hs_cookie_add_macs(&maker, 1, msg, sizeof(msg));
		assert_int_equal(refused(ba, msg, sizeof(msg)),
				 i < 88 ? HS_bad_static : HS_bad_timestamp);
	}
	assert_int_equal(sim_input(b, initiation, 148, &a->addr), HS_initiation_accepted);
}

static void test_flipped_response(void **state)
{
	uint8_t msg[92];

	get_response();
	for (unsigned int i = 0; i < 76; i++) {
		memcpy(msg, response, sizeof(msg));
		msg[i] ^= 0x40;
		assert_int_equal(refused(ab, msg, sizeof(msg)),
				 i < 4 ? HS_bad_length : HS_bad_mac1);
	}
	for (unsigned int i = 8; i < 60; i++) {
		struct hs_cookie_maker maker;

		memcpy(msg, response, sizeof(msg));
		msg[i] ^= 0x40;
		hs_cookie_maker_init(&maker, a->public_key);
		hs_cookie_add_macs(&maker, 1, msg, sizeof(msg));
		assert_int_equal(refused(ab, msg, sizeof(msg)),
				 i < 12 ? HS_no_handshake : HS_bad_response);
	}
	assert_int_equal(sim_input(a, response, 92, &b->addr), HS_response_accepted);
}

static void test_flipped_cookie(void **state)
{
	uint8_t msg[64];

	for (unsigned int i = 0; i < 64; i++) {
		memcpy(msg, cookie, sizeof(msg));
		msg[i] ^= 0x40;
		assert_int_equal(refused(ab, msg, sizeof(msg)), i < 4	? HS_bad_length
								: i < 8 ? HS_no_handshake
									: HS_bad_cookie);
	}
	assert_int_equal(sim_input(a, cookie, 64, &b->addr), HS_cookie_accepted);
}

/* Messages that come back to their sender. */
static void test_reflected(void **state)
{
	get_response();
	assert_int_equal(refused(ab, initiation, sizeof(initiation)), HS_bad_mac1);
	assert_int_equal(refused(ba, response, sizeof(response)), HS_bad_mac1);
	assert_int_equal(refused(ba, cookie, sizeof(cookie)), HS_no_handshake);
}

/* An initiation to oneself, properly made: one's own key is never a peer. */
static void test_to_oneself(void **state)
{
	uint8_t ephemeral[32] = {8}, timestamp[12], ss[32];
	struct hs_noise_statics s = {
		.private_key = b->private_key,
		.public_key = b->public_key,
		.remote_public = b->public_key,
		.static_static = ss,
	};
	struct hs_cookie_maker maker;
	struct wg_initiation msg;
	struct hs_noise noise;

	memset(ss, 5, sizeof(ss));
	hs_tai64n_from(timestamp, 1, 0);
	ephemeral[31] = 0x40;
	assert_true(hs_noise_initiate(&noise, &msg, &s, ephemeral, timestamp, 1));
	hs_cookie_maker_init(&maker, b->public_key);
	hs_cookie_add_macs(&maker, 1, (uint8_t *)&msg, sizeof(msg));
	assert_int_equal(refused(ba, (uint8_t *)&msg, sizeof(msg)), HS_unknown_peer);
}

/* A peer whose key is of low order can be set up; it gets nothing, and nothing from it counts. */
static void test_low_order_peer(void **state)
{
	uint8_t ephemeral[32] = {8}, timestamp[12], ss[32] = {1}, low[32] = {1};
	struct hs_noise_statics s = {
		.public_key = low,
		.remote_public = b->public_key,
		.static_static = ss,
	};
	struct sim_peer *p = &b->peers[1];
	struct hs_cookie_maker maker;
	struct wg_initiation msg;
	struct hs_noise noise;
	struct hs_now now = sim_now(b);

	b->n_peers = 2;
	memset(p, 0, sizeof(*p));
	p->node = b;
	p->hs = hs_peer_add(b->dev, low, p);
	assert_non_null(p->hs);
	hs_peer_set_endpoint(p->hs, &a->addr);
	sim_send(p);
	hs_peer_set_keepalive(p->hs, &now, 1);
	sim_run(&sim, 20 * S);
	assert_int_equal(p->initiations, 0);

	hs_tai64n_from(timestamp, 1, 0);
	ephemeral[31] = 0x40;
	assert_true(hs_noise_initiate(&noise, &msg, &s, ephemeral, timestamp, 1));
	hs_cookie_maker_init(&maker, b->public_key);
	hs_cookie_add_macs(&maker, 1, (uint8_t *)&msg, sizeof(msg));
	assert_int_equal(refused(p, (uint8_t *)&msg, sizeof(msg)), HS_bad_peer_key);
}

static void test_names(void **state)
{
	for (unsigned int v = 0; v < HS_VERDICT_N; v++) {
		assert_true(strlen(hs_verdict_name(v)) > 0);
		assert_true(strlen(hs_verdict_text(v)) > 0);
	}
	assert_string_equal(hs_verdict_name(HS_bad_mac1), "bad_mac1");
	assert_string_equal(hs_verdict_name(HS_VERDICT_N), "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lengths),
		TEST(test_reserved),
		TEST(test_flipped_initiation),
		TEST(test_flipped_response),
		TEST(test_flipped_cookie),
		TEST(test_reflected),
		TEST(test_to_oneself),
		TEST(test_low_order_peer),
		cmocka_unit_test(test_names),
	};

	return UNIT_RUN(tests);
}
