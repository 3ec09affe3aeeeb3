/* A whole device against known answers: accepted and rejected messages, in both roles. */
#include <sys/socket.h>

#include "handshake/peer.h"
#include "tests/unit/handshake/sim.h"
#include "tests/unit/handshake/undraw.h"
#include "tests/unit/handshake/vectors.h"

static json_t *vectors;

/* A device that hands out the randomness of the file. */
struct bench {
	struct hs_device *dev;
	struct hs_peer *peer;
	struct hs_now now;
	uint8_t ephemeral[32];
	uint8_t secret[32], nonce[24];
	uint8_t sent[148];
	size_t sent_len;
	struct hs_session session;
	unsigned int sessions, calls;
};

static void up_random(void *ctx, void *out, size_t len)
{
	struct bench *b = ctx;

	memset(out, 0, len);
	if (len == 24)
		memcpy(out, b->nonce, len);
	else if (len == 32)
		memcpy(out, b->ephemeral, len);
}

static void up_send(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to, const void *msg,
		    size_t len)
{
	struct bench *b = ctx;

	memcpy(b->sent, msg, len);
	b->sent_len = len;
	b->calls++;
}

static int up_session_new(void *ctx, struct hs_peer *peer, const struct hs_session *s)
{
	struct bench *b = ctx;

	b->session = *s;
	b->sessions++;
	b->calls++;
	return 0;
}

static void up_session_use(void *ctx, struct hs_peer *peer, uint32_t local_index, bool confirm)
{
	((struct bench *)ctx)->calls++;
}

static void up_peer(void *ctx, struct hs_peer *peer)
{
	((struct bench *)ctx)->calls++;
}

static void up_session_drop(void *ctx, struct hs_peer *peer, uint32_t local_index)
{
	((struct bench *)ctx)->calls++;
}

static void up_endpoint(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to)
{
	((struct bench *)ctx)->calls++;
}

static void up_activity(void *ctx, struct hs_peer *peer, struct hs_activity *out)
{
	memset(out, 0, sizeof(*out));
}

static void up_stamp(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns)
{
	((struct bench *)ctx)->calls++;
}

static const struct hs_ops ops = {
	.random = up_random,
	.send = up_send,
	.session_new = up_session_new,
	.session_use = up_session_use,
	.session_mute = up_peer,
	.session_drop = up_session_drop,
	.keepalive = up_peer,
	.purge = up_peer,
	.endpoint = up_endpoint,
	.activity = up_activity,
	.stamp = up_stamp,
};

static void bench_open(struct bench *b, json_t *inputs, bool initiator)
{
	uint8_t private_key[32], remote[32], psk[32];
	struct wg_endpoint to = sim_endpoint(7, 51820);

	memset(b, 0, sizeof(*b));
	b->now.mono_ns = 1000 * S;
	b->now.wall_s = vectors_int(inputs, "unix_seconds");
	b->now.wall_ns = (uint32_t)vectors_int(inputs, "nanoseconds");
	vectors_hex(inputs, initiator ? "initiator_static_private" : "responder_static_private",
		    private_key, 32);
	vectors_hex(inputs, initiator ? "responder_static_public" : "initiator_static_public",
		    remote, 32);
	vectors_hex(inputs, "preshared_key", psk, 32);
	vectors_hex(inputs,
		    initiator ? "initiator_ephemeral_private" : "responder_ephemeral_private",
		    b->ephemeral, 32);
	b->dev = hs_device_new(&ops, b);
	assert_non_null(b->dev);
	undraw_to(&b->dev->draw,
		  (uint32_t)vectors_int(inputs, initiator ? "initiator_index" : "responder_index"));
	hs_device_set_key(b->dev, &b->now, private_key);
	b->peer = hs_peer_add(b->dev, remote, b);
	assert_non_null(b->peer);
	hs_peer_set_psk(b->peer, psk);
	hs_peer_set_endpoint(b->peer, &to);
}

static enum hs_verdict input(struct bench *b, json_t *message)
{
	struct wg_endpoint from = sim_endpoint(7, 51820);
	uint8_t msg[256];
	size_t len = unit_hex(json_string_value(message), msg, sizeof(msg));

	return hs_device_input(b->dev, &b->now, false, msg, len, &from);
}

static enum hs_verdict verdict_of(const char *reason)
{
	static const struct {
		const char *reason;
		enum hs_verdict verdict;
	} rows[] = {
		{"type/length", HS_bad_length},		  {"mac1", HS_bad_mac1},
		{"decrypt static", HS_bad_static},	  {"decrypt timestamp", HS_bad_timestamp},
		{"zero DH result: es", HS_bad_ephemeral}, {"zero DH result: ee", HS_bad_ephemeral},
		{"unknown peer", HS_unknown_peer},	  {"receiver index", HS_no_handshake},
		{"decrypt empty", HS_bad_response},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].reason, reason) == 0)
			return rows[i].verdict;
	fail_msg("reason %s", reason);
	return HS_VERDICT_N;
}

/* All that is wrong is refused for the right reason, and leaves each byte of the peer as it was. */
static unsigned int reject_all(struct bench *b, json_t *json, const char *to)
{
	struct hs_peer before;
	json_t *item;
	unsigned int n = 0;
	size_t i;

	json_array_foreach (vectors_get(json, "rejected"), i, item) {
		enum hs_verdict verdict;

		if (strcmp(vectors_text(item, "to"), to) != 0)
			continue;
		n++;
		/* Made at first use; not a state of the protocol. */
		assert_non_null(hs_peer_static_static(b->peer));
		before = *b->peer;
		b->calls = 0;
		verdict = input(b, vectors_get(item, "message"));
		if (verdict != verdict_of(vectors_text(item, "reason")))
			fail_msg("%s: %s", vectors_text(item, "label"), hs_verdict_name(verdict));
		assert_int_equal(b->calls, 0);
		assert_memory_equal(&before, b->peer, sizeof(before));
	}
	return n;
}

static void check_responder(json_t *json)
{
	json_t *transport = vectors_get(json, "transport");
	struct bench b;

	bench_open(&b, vectors_get(json, "inputs"), false);
	assert_int_equal(reject_all(&b, json, "responder"), 24);
	assert_int_equal(input(&b, vectors_get(vectors_get(json, "initiation"), "message")),
			 HS_initiation_accepted);
	assert_int_equal(b.sent_len, 92);
	vectors_equal(vectors_get(json, "response"), "message", b.sent, 92);
	assert_int_equal(b.sessions, 1);
	assert_false(b.session.initiator);
	assert_int_equal(b.session.birth_ns, b.now.mono_ns);
	vectors_equal(transport, "initiator_send_key", b.session.receive_key, 32);
	vectors_equal(transport, "initiator_receive_key", b.session.send_key, 32);
	assert_int_equal(b.session.local_index,
			 vectors_int(transport, "initiator_to_responder_receiver_index"));
	assert_int_equal(b.session.remote_index,
			 vectors_int(transport, "responder_to_initiator_receiver_index"));
	assert_int_equal(input(&b, vectors_get(vectors_get(json, "initiation"), "message")),
			 HS_replayed_timestamp);
	hs_device_free(b.dev);
}

static void check_initiator(json_t *json)
{
	json_t *transport = vectors_get(json, "transport");
	struct bench b;

	bench_open(&b, vectors_get(json, "inputs"), true);
	hs_peer_want_session(b.peer, &b.now);
	assert_int_equal(b.sent_len, 148);
	vectors_equal(vectors_get(json, "initiation"), "message", b.sent, 148);
	assert_int_equal(reject_all(&b, json, "initiator"), 7);
	assert_int_equal(input(&b, vectors_get(vectors_get(json, "response"), "message")),
			 HS_response_accepted);
	assert_int_equal(b.sessions, 1);
	assert_true(b.session.initiator);
	vectors_equal(transport, "initiator_send_key", b.session.send_key, 32);
	vectors_equal(transport, "initiator_receive_key", b.session.receive_key, 32);
	assert_int_equal(b.session.remote_index,
			 vectors_int(transport, "initiator_to_responder_receiver_index"));
	assert_int_equal(b.session.local_index,
			 vectors_int(transport, "responder_to_initiator_receiver_index"));
	assert_int_equal(input(&b, vectors_get(vectors_get(json, "response"), "message")),
			 HS_no_handshake);
	hs_device_free(b.dev);
}

static void test_responder(void **state)
{
	json_t *json;
	size_t i;

	json_array_foreach (vectors_get(vectors, "cases"), i, json)
		check_responder(json);
}

static void test_initiator(void **state)
{
	json_t *json;
	size_t i;

	json_array_foreach (vectors_get(vectors, "cases"), i, json)
		check_initiator(json);
}

/* Initiations in a row, half an hour apart: only the timestamp decides. */
static void test_timestamps(void **state)
{
	json_t *item;
	struct bench b;
	size_t i;

	bench_open(&b, vectors_get(json_array_get(vectors_get(vectors, "cases"), 0), "inputs"),
		   false);
	json_array_foreach (vectors_get(vectors, "timestamps"), i, item) {
		enum hs_verdict verdict;

		b.now.mono_ns += 1800 * S;
		verdict = input(&b, vectors_get(item, "message"));
		if (verdict != (json_is_true(vectors_get(item, "accepted"))
					? HS_initiation_accepted
					: HS_replayed_timestamp))
			fail_msg("%s: %s", vectors_text(item, "label"), hs_verdict_name(verdict));
	}
	assert_int_equal(i, 7);
	hs_device_free(b.dev);
}

static void endpoint_of(json_t *json, struct wg_endpoint *from)
{
	size_t n;

	memset(from, 0, sizeof(*from));
	n = unit_hex(vectors_text(json, "source_ip"), from->addr, sizeof(from->addr));
	from->family = n == 4 ? AF_INET : AF_INET6;
	from->port = (uint16_t)vectors_int(json, "source_port");
}

/* The cookie, the reply that carries it, and the message that proves it. */
static void check_cookie(json_t *kase, json_t *json)
{
	bool to_response = strcmp(vectors_text(json, "answers"), "response") == 0;
	json_t *message = vectors_get(kase, to_response ? "response" : "initiation");
	size_t len = to_response ? 92 : 148;
	uint8_t secret[32], nonce[24], cookie[16], msg[148], public_key[32];
	struct hs_cookie_checker checker = {0};
	struct hs_cookie_maker maker;
	struct wg_endpoint from;
	struct wg_cookie reply;

	vectors_hex(vectors_get(kase, "inputs"),
		    to_response ? "initiator_static_public" : "responder_static_public", public_key,
		    32);
	vectors_hex(json, "secret", secret, 32);
	vectors_hex(json, "nonce", nonce, 24);
	vectors_hex(message, "message", msg, len);
	endpoint_of(json, &from);

	hs_cookie_checker_set_key(&checker, public_key);
	vectors_equal(json, "cookie_key", checker.cookie_key, 32);
	hs_cookie_renew(&checker, 1, secret);
	hs_cookie_of(&checker, cookie, &from);
	vectors_equal(json, "cookie", cookie, 16);
	assert_true(hs_cookie_check_mac1(&checker, msg, len));
	assert_false(hs_cookie_check_mac2(&checker, 1, msg, len, &from));
	hs_cookie_reply(&checker, &reply, msg, len, &from, nonce);
	vectors_equal(json, "message", &reply, 64);

	hs_cookie_maker_init(&maker, public_key);
	hs_cookie_add_macs(&maker, 1, msg, len);
	assert_true(hs_cookie_consume(&maker, 1, &reply));
	hs_cookie_add_macs(&maker, 1, msg, len);
	vectors_equal(json, to_response ? "response_with_mac2" : "initiation_with_mac2", msg, len);
	assert_true(hs_cookie_check_mac2(&checker, 1, msg, len, &from));
}

static void test_cookies(void **state)
{
	json_t *kase, *json;
	unsigned int n = 0;
	size_t i, k;

	json_array_foreach (vectors_get(vectors, "cases"), i, kase) {
		json_array_foreach (vectors_get(kase, "cookies"), k, json) {
			check_cookie(kase, json);
			n++;
		}
	}
	assert_int_equal(n, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_responder),
		cmocka_unit_test(test_initiator),
		cmocka_unit_test(test_timestamps),
		cmocka_unit_test(test_cookies),
	};
	int failed;

	vectors = vectors_load();
	failed = UNIT_RUN(tests);
	json_decref(vectors);
	return failed;
}
