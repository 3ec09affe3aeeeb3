/* Under load: cookies in both directions, secrets, ports, hysteresis, the rate limit. */
#include <sys/socket.h>

#include "handshake/peer.h"
#include "tests/unit/handshake/sim.h"

static struct sim sim;
static struct sim_node *const a = &sim.nodes[0], *const b = &sim.nodes[1];
static struct sim_peer *const ab = &sim.nodes[0].peers[0], *const ba = &sim.nodes[1].peers[0];

static int setup(void **state)
{
	sim_pair(&sim);
	return 0;
}

static int teardown(void **state)
{
	sim_free(&sim);
	return 0;
}

static bool lose_all(struct sim *s, const struct sim_packet *p)
{
	return true;
}

static const uint8_t no_mac[16];

/* The responder is under load: a cookie reply, then a retry with mac2 that is answered. */
static void test_cookie_to_initiation(void **state)
{
	const struct sim_packet *p;

	b->under_load = true;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(b->verdicts[HS_cookie_sent], 1);
	assert_int_equal(a->verdicts[HS_cookie_accepted], 1);
	/* Nothing else has changed at either side. */
	assert_int_equal(ab->initiations, 1);
	assert_int_equal(hs_peer_endpoint(ba->hs)->family, 0);
	assert_int_equal(b->dev->peers.by_index.n, 0);
	assert_false(ba->hs->has_timestamp);
	sim_sent(&sim, b, WG_COOKIE, &p);
	assert_int_equal(p->len, 64);
	assert_int_equal(sim_input(a, p->bytes, 64, &b->addr), HS_no_handshake); /* once */
	sim_run(&sim, 5 * S);
	assert_int_equal(ab->initiations, 2);
	assert_int_equal(b->verdicts[HS_initiation_accepted], 1);
	assert_true(sim_connected(ab, ba));
	sim_sent(&sim, a, WG_INITIATION, &p);
	assert_memory_not_equal(p->bytes + 132, no_mac, 16);
}

/* The initiator is under load: its cookie reply answers the response, under a keypair's index. */
static void test_cookie_to_response(void **state)
{
	const struct sim_packet *p;

	a->under_load = true;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(a->verdicts[HS_cookie_sent], 1);
	assert_int_equal(b->verdicts[HS_cookie_accepted], 1);
	assert_null(ab->current);
	sim_run(&sim, 5 * S);
	assert_true(sim_connected(ab, ba));
	sim_sent(&sim, b, WG_RESPONSE, &p);
	assert_memory_not_equal(p->bytes + 76, no_mac, 16);
}

static void test_both_under_load(void **state)
{
	a->under_load = b->under_load = true;
	sim_send(ab);
	sim_run(&sim, 12 * S);
	assert_true(sim_connected(ab, ba));
}

/* Cookies that nobody sent for, or that were changed on the way. */
static void test_bad_cookies(void **state)
{
	const struct sim_packet *p;
	uint8_t bad[64];

	b->under_load = true;
	sim_send(ab);
	sim_run(&sim, 30 * MS);
	assert_int_equal(sim_sent(&sim, b, WG_COOKIE, &p), 1);
	for (unsigned int i = 8; i < 64; i++) {
		memcpy(bad, p->bytes, 64);
		bad[i] ^= 0x10;
		assert_int_equal(sim_input(a, bad, 64, &b->addr), HS_bad_cookie);
	}
	memcpy(bad, p->bytes, 64);
	bad[4] ^= 1;
	assert_int_equal(sim_input(a, bad, 64, &b->addr), HS_no_handshake);
	/* The right one still counts, from wherever it comes; the endpoint stays. */
	struct wg_endpoint from = sim_endpoint(99, 9);
	assert_int_equal(sim_input(a, p->bytes, 64, &from), HS_cookie_accepted);
	assert_int_equal(hs_peer_endpoint(ab->hs)->addr[3], 2);
	assert_int_equal(ab->activity.received_any_ns, 0);
}

/* Makes a's next initiation, with the cookie it holds, without it reaching b. */
static const uint8_t *next_initiation(void)
{
	const struct sim_packet *p;
	struct hs_now now;

	sim.lose = lose_all;
	sim.now_ns += 5500 * MS;
	now = sim_now(a);
	hs_device_advance(a->dev, &now);
	sim_settle(&sim);
	sim_sent(&sim, a, WG_INITIATION, &p);
	assert_int_equal(p->at_ns, sim.now_ns);
	return p->bytes;
}

/* Gets a cookie of b for a. */
static void get_cookie(void)
{
	b->under_load = true;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(a->verdicts[HS_cookie_accepted], 1);
}

static void test_cookie_is_of_address_and_port(void **state)
{
	struct wg_endpoint other = a->addr;
	const uint8_t *msg;

	get_cookie();
	msg = next_initiation();
	other.port++;
	assert_int_equal(sim_input(b, msg, 148, &other), HS_cookie_sent);
	other = sim_endpoint(77, a->addr.port);
	assert_int_equal(sim_input(b, msg, 148, &other), HS_cookie_sent);
	assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_initiation_accepted);
}

/* A secret serves 120 s from its making; then the old cookie buys nothing but a new one. */
static void test_secret_rotation(void **state)
{
	const struct sim_packet *p;
	uint64_t made;

	get_cookie();
	assert_int_equal(sim_sent(&sim, b, WG_COOKIE, &p), 1);
	made = p->at_ns;
	while (sim.now_ns + 5500 * MS < made + 114 * S) {
		next_initiation();
		ab->wants = true; /* no giving up */
		sim_settle(&sim);
	}
	assert_int_equal(sim_input(b, sim.trace[sim.n_trace - 1].bytes, 148, &a->addr),
			 HS_initiation_accepted);
	assert_false(hs_cookie_stale(&b->dev->checker, made + 120 * S - 1));
	assert_true(hs_cookie_stale(&b->dev->checker, made + 120 * S));
	sim.now_ns = made + 120 * S;
	assert_int_equal(sim_input(b, sim.trace[sim.n_trace - 2].bytes, 148, &a->addr),
			 HS_cookie_sent);
}

/* The holder of a cookie stops using it after 115 s. */
static void test_cookie_latency(void **state)
{
	uint64_t got;

	ab->handshake_ns = 0;
	get_cookie();
	got = ab->hs->cookie.cookie_end_ns;
	while (sim.now_ns < got + 20 * S) {
		const uint8_t *msg = next_initiation();

		assert_int_equal(memcmp(msg + 132, no_mac, 16) == 0, sim.now_ns >= got);
		ab->wants = true; /* no giving up */
		sim_settle(&sim);
	}
}

/* mac2 is looked at for 1 s after the load has gone. */
static void test_hysteresis(void **state)
{
	const uint8_t *msg;

	sim.lose = lose_all;
	sim_send(ab);
	msg = sim.trace[0].bytes;
	b->under_load = true;
	assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_cookie_sent);
	b->under_load = false;
	sim.now_ns += 1 * S - 1;
	assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_cookie_sent);
	sim.now_ns += 1;
	assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_initiation_accepted);
}

/* Without load a wrong mac2 does no harm. */
static void test_mac2_ignored(void **state)
{
	uint8_t msg[148];

	sim.lose = lose_all;
	sim_send(ab);
	memcpy(msg, sim.trace[0].bytes, 148);
	memset(msg + 132, 0x77, 16);
	assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_initiation_accepted);
}

/* A wrong mac1 gets no cookie, whatever the load. */
static void test_mac1_first(void **state)
{
	uint8_t msg[148];

	sim.lose = lose_all;
	sim_send(ab);
	memcpy(msg, sim.trace[0].bytes, 148);
	msg[116] ^= 1;
	b->under_load = true;
	assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_bad_mac1);
	assert_int_equal(sim_sent(&sim, b, WG_COOKIE, NULL), 0);
}

/* With a proved address five in a row are judged, then 20 a second; no cookie reply says so. */
static void test_rate_limit(void **state)
{
	unsigned int judged = 0;
	const uint8_t *msg;

	get_cookie();
	msg = next_initiation();
	assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_initiation_accepted);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_replayed_timestamp);
	assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_rate_limited);
	for (unsigned int i = 0; i < 1000; i++) {
		sim.now_ns += 1 * MS;
		judged += sim_input(b, msg, 148, &a->addr) != HS_rate_limited;
	}
	assert_int_equal(judged, 20);
	assert_int_equal(sim_sent(&sim, b, WG_COOKIE, NULL), 1);
	/* Without load the limit does not count. */
	b->under_load = false;
	sim.now_ns += 1 * S;
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(sim_input(b, msg, 148, &a->addr), HS_replayed_timestamp);
}

/* A new private key changes what the world has to know to talk to us; cookies too. */
static void test_key_change(void **state)
{
	const struct sim_packet *p;
	uint8_t key[32];

	memset(key, 45, 32);
	b->under_load = true;
	sim_send(ab);
	sim_run(&sim, 30 * MS);
	assert_int_equal(sim_sent(&sim, b, WG_COOKIE, &p), 1);
	sim_set_key(b, key);
	assert_int_equal(sim_input(b, sim.trace[0].bytes, 148, &a->addr), HS_bad_mac1);
	assert_int_equal(sim_input(a, p->bytes, 64, &b->addr), HS_cookie_accepted);
}

/* IPv6 sources have cookies of their own as well. */
static void test_ipv6(void **state)
{
	struct wg_endpoint from = {.family = AF_INET6, .port = 7, .addr = {0x20, 1}};
	const struct sim_packet *p;
	uint8_t msg[148];

	get_cookie();
	memcpy(msg, next_initiation(), 148);
	assert_int_equal(sim_input(b, msg, 148, &from), HS_cookie_sent);
	sim_sent(&sim, b, WG_COOKIE, &p);
	assert_int_equal(sim_input(a, p->bytes, 64, &b->addr), HS_cookie_accepted);
	memcpy(msg, next_initiation(), 148);
	from.addr[15] = 1;
	assert_int_equal(sim_input(b, msg, 148, &from), HS_cookie_sent);
	from.addr[15] = 0;
	assert_int_equal(sim_input(b, msg, 148, &from), HS_initiation_accepted);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cookie_to_initiation),
		TEST(test_cookie_to_response),
		TEST(test_both_under_load),
		TEST(test_bad_cookies),
		TEST(test_cookie_is_of_address_and_port),
		TEST(test_secret_rotation),
		TEST(test_cookie_latency),
		TEST(test_hysteresis),
		TEST(test_mac2_ignored),
		TEST(test_mac1_first),
		TEST(test_rate_limit),
		TEST(test_key_change),
		TEST(test_ipv6),
	};

	return UNIT_RUN(tests);
}
