/*
 * The tester's peers against the state machine of handshake/ as the gateway, without a wire: what
 * a peer sends comes back at its own port, which is a ring, and is handed over. Time is an
 * argument.
 */
#include <errno.h>
#include <sys/socket.h>

#include <rte_eal.h>
#include <rte_ethdev.h>

#include "bench/lab/outer.h"
#include "bench/lab/peers.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "handshake/handshake.h"
#include "tests/unit/unit.h"

#define PEERS	 3
#define MESSAGES 64
#define S	 WG_NS_PER_S

/* A session of the gateway with one of the peers. */
struct held {
	struct hs_session keys;
	bool used; /* is sealed with */
};

static struct world {
	struct lab_setup setup;
	struct lab_port port;
	struct lab_peers peers;
	struct hs_device *gateway;
	struct hs_peer *theirs[PEERS];
	struct held held[PEERS][4];
	unsigned int n_held[PEERS];
	unsigned int verdicts[HS_VERDICT_N], keepalives[PEERS];
	bool deaf; /* the gateway hears nothing */
	struct hs_activity activity[PEERS];
	/* What the gateway has sent, until it is handed to the peers. */
	struct {
		uint32_t peer, bytes;
		uint8_t message[256];
	} sent[MESSAGES];
	unsigned int n_sent;
	struct wg_initiation initiation; /* the gateway's last one */
	uint64_t now_ns;
} w;

static struct hs_now now(void)
{
	return (struct hs_now){.mono_ns = w.now_ns, .wall_s = 1700000000 + w.now_ns / S};
}

static uint32_t number(struct hs_peer *peer)
{
	return (uint32_t)(uintptr_t)hs_peer_owner(peer);
}

/* ---- the gateway's upcalls ---- */

static void up_random(void *ctx, void *out, size_t len)
{
	cr_random(out, len);
}

static void up_send(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to, const void *msg,
		    size_t len)
{
	assert_non_null(peer);
	assert_true(w.n_sent < MESSAGES);
	w.sent[w.n_sent].peer = number(peer);
	w.sent[w.n_sent].bytes = (uint32_t)len;
	memcpy(w.sent[w.n_sent++].message, msg, len);
	if (len == sizeof(w.initiation))
		memcpy(&w.initiation, msg, len);
}

static int up_new(void *ctx, struct hs_peer *peer, const struct hs_session *session)
{
	uint32_t i = number(peer);

	assert_true(w.n_held[i] < 4);
	w.held[i][w.n_held[i]++] = (struct held){.keys = *session};
	return 0;
}

static struct held *held_by(uint32_t i, uint32_t local_index)
{
	for (unsigned int k = 0; k < w.n_held[i]; k++)
		if (w.held[i][k].keys.local_index == local_index)
			return &w.held[i][k];
	return NULL;
}

static void up_use(void *ctx, struct hs_peer *peer, uint32_t local_index, bool confirm)
{
	held_by(number(peer), local_index)->used = true;
}

static void up_mute(void *ctx, struct hs_peer *peer)
{
}

static void up_drop(void *ctx, struct hs_peer *peer, uint32_t local_index)
{
	uint32_t i = number(peer);
	struct held *h = held_by(i, local_index);

	*h = w.held[i][--w.n_held[i]];
}

static void up_endpoint(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to)
{
}

static void up_activity(void *ctx, struct hs_peer *peer, struct hs_activity *out)
{
	*out = w.activity[number(peer)];
}

static void up_stamp(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns)
{
}

static const struct hs_ops ops = {
	.random = up_random,
	.send = up_send,
	.session_new = up_new,
	.session_use = up_use,
	.session_mute = up_mute,
	.session_drop = up_drop,
	.keepalive = up_mute,
	.purge = up_mute,
	.endpoint = up_endpoint,
	.activity = up_activity,
	.stamp = up_stamp,
};

/* ---- between them ---- */

static struct wg_endpoint endpoint_of(uint32_t i)
{
	struct lab_address a = lab_setup_peer_outer(&w.setup, i);
	struct wg_endpoint e = {.family = a.family, .port = lab_setup_peer_port(&w.setup, i)};

	memcpy(e.addr, a.bytes, sizeof(e.addr));
	return e;
}

/* A data message of a peer, which can only be a keepalive. */
static void gateway_data(uint32_t i, const struct wg_data *data, const uint8_t *tag)
{
	struct held *h = held_by(i, le32toh(data->receiver));
	struct hs_now t = now();

	if (!h) /* of a session that it has let go */
		return;
	assert_true(cr_open(NULL, tag, 0, NULL, 0, le64toh(data->counter), h->keys.receive_key));
	w.keepalives[i]++;
	hs_peer_confirmed(w.theirs[i], &t, h->keys.local_index);
}

/* A frame that a peer has sent: of whom is it, and is it right? */
static void gateway_input(uint8_t *frame, uint32_t bytes)
{
	const struct lab_address *to = &w.setup.gateway[LAB_OUTSIDE];
	uint8_t *ip = frame + LAB_ETHER_BYTES, *udp = ip + DP_IPV4_MIN_BYTES;
	struct lab_address from = {.family = AF_INET};
	uint32_t peer, length = dp_load_be16(udp + 4) - DP_UDP_BYTES;
	struct wg_endpoint endpoint;
	struct hs_now t = now();
	struct wg_data data;

	assert_true(dp_ipv4_sum_right(ip, DP_IPV4_MIN_BYTES));
	assert_memory_equal(dp_ip_destination(ip), to->bytes, 4);
	assert_int_equal(dp_load_be16(udp + 2), w.setup.o.gateway_port);
	memcpy(from.bytes, dp_ip_source(ip), 4);
	peer = lab_setup_peer_at(&w.setup, &from, dp_load_be16(udp));
	assert_true(peer < PEERS && length + lab_outer_bytes(false) <= bytes);
	if (w.deaf)
		return;
	memcpy(&data, udp + DP_UDP_BYTES, sizeof(data));
	if (le32toh(data.type) == WG_DATA) {
		assert_int_equal(length, WG_DATA_MIN_BYTES);
		gateway_data(peer, &data, udp + DP_UDP_BYTES + sizeof(data));
		return;
	}
	endpoint = endpoint_of(peer);
	w.verdicts[hs_device_input(w.gateway, &t, false, udp + DP_UDP_BYTES, length, &endpoint)]++;
}

/* Until nobody says anything more. Returns how many messages there were. */
static unsigned int exchange(void)
{
	struct rte_mbuf *pkts[LAB_BURST_MAX];
	unsigned int n, all = 0;

	do {
		n = lab_port_receive(&w.port, pkts);
		for (unsigned int i = 0; i < n; i++)
			gateway_input(rte_pktmbuf_mtod(pkts[i], uint8_t *), pkts[i]->data_len);
		rte_pktmbuf_free_bulk(pkts, n);
		for (unsigned int i = 0; i < w.n_sent; i++)
			lab_handshake_input(&w.peers, w.sent[i].peer, w.sent[i].message,
					    w.sent[i].bytes, w.now_ns);
		n += w.n_sent;
		w.n_sent = 0;
		lab_sessions_bury(&w.peers);
		all += n;
	} while (n > 0);
	return all;
}

/* Time goes on, as long as that in steps of a tenth of a second; the gateway's timers rest. */
static void pass(uint64_t ns)
{
	for (uint64_t until = w.now_ns + ns; w.now_ns < until;) {
		w.now_ns += S / 10;
		lab_peers_advance(&w.peers, w.now_ns);
		exchange();
	}
}

/* A packet of the gateway to a peer by its latest session: NULL, or that session of the peer. */
static struct lab_session *from_gateway(uint32_t i, const struct hs_session *by)
{
	struct lab_peer *p;
	struct lab_session *s = lab_session_find(&w.peers, by->remote_index, &p);

	if (!s || memcmp(s->receive_key, by->send_key, sizeof(s->receive_key)) != 0)
		return NULL;
	assert_ptr_equal(p, &w.peers.at[i]);
	lab_session_received(&w.peers, p, s, w.now_ns);
	lab_sessions_bury(&w.peers);
	return s;
}

/* ---- the tests ---- */

static int begin(void **state)
{
	struct lab_tester_options o = {.peers = PEERS, .size = 64, .seed = 5};
	uint8_t key[LAB_KEY_BYTES];
	struct hs_now t;
	char error[256];

	memset(&w.peers, 0, sizeof(w) - offsetof(struct world, peers));
	w.now_ns = 100 * S;
	t = now();
	assert_int_equal(lab_setup_make(&w.setup, &o, error, sizeof(error)), 0);
	w.port.setup = &w.setup;
	assert_int_equal(lab_peers_open(&w.peers, &w.setup, &w.port), 0);
	w.gateway = hs_device_new(&ops, NULL);
	lab_setup_gateway_key(o.seed, key);
	hs_device_set_key(w.gateway, &t, key);
	for (uint32_t i = 0; i < PEERS; i++) {
		struct wg_endpoint e = endpoint_of(i);

		w.theirs[i] = hs_peer_add(w.gateway, w.peers.at[i].public_key,
					  (void *)(uintptr_t)i);
		hs_peer_set_endpoint(w.theirs[i], &e);
	}
	return 0;
}

static int end(void **state)
{
	hs_device_free(w.gateway);
	lab_peers_close(&w.peers);
	return 0;
}

static void connect_all(void)
{
	for (uint32_t i = 0; i < PEERS; i++)
		lab_handshake_initiate(&w.peers, i, w.now_ns);
	exchange();
}

static void handshakes(void **state)
{
	connect_all();
	assert_int_equal(w.verdicts[HS_initiation_accepted], PEERS);
	for (uint32_t i = 0; i < PEERS; i++) {
		struct lab_session *s = w.peers.at[i].current;
		const struct hs_session *theirs = &w.held[i][0].keys;

		/* Confirmed by a keepalive: the gateway can send. */
		assert_true(s && w.held[i][0].used && w.keepalives[i] == 1);
		assert_memory_equal(s->send_key, theirs->receive_key, WG_KEY_BYTES);
		assert_memory_equal(s->receive_key, theirs->send_key, WG_KEY_BYTES);
		assert_int_equal(s->remote_index, theirs->local_index);
		assert_int_equal(s->local_index, theirs->remote_index);
		assert_int_equal(s->counter, 1);
		assert_ptr_equal(from_gateway(i, theirs), s);
	}
}

/* Nothing is due for two minutes; then each peer once, spread over 20 s. */
static void renewal(void **state)
{
	struct lab_session *first[PEERS];

	connect_all();
	for (uint32_t i = 0; i < PEERS; i++)
		first[i] = w.peers.at[i].current;
	pass(119 * S);
	assert_int_equal(w.verdicts[HS_initiation_accepted], PEERS);
	pass(4 * S);
	assert_int_equal(w.verdicts[HS_initiation_accepted], PEERS + 1);
	pass(18 * S);
	assert_int_equal(w.verdicts[HS_initiation_accepted], 2 * PEERS);
	for (uint32_t i = 0; i < PEERS; i++) {
		const struct lab_peer *p = &w.peers.at[i];

		assert_ptr_not_equal(p->current, first[i]);
		assert_ptr_equal(p->previous, first[i]); /* what is under way can be opened */
		assert_ptr_equal(from_gateway(i, &w.held[i][0].keys), first[i]);
	}
	/* For hours. */
	for (unsigned int i = 0; i < 50; i++)
		pass(120 * S);
	for (uint32_t i = 0; i < PEERS; i++)
		assert_true(lab_session_usable(w.peers.at[i].current, w.now_ns));
}

static void keepalives(void **state)
{
	connect_all();
	/* The gateway sends all the time, peer 1 never: it says now and then that it is there. */
	for (unsigned int i = 0; i < 300; i++) {
		from_gateway(1, &w.held[1][0].keys);
		pass(S / 10);
	}
	assert_in_range(w.keepalives[1], 3, 5); /* with the first one */
	assert_int_equal(w.keepalives[0], 1);
}

/* Nothing comes back though data is sent: the gateway was restarted, and has no session. */
static void silence(void **state)
{
	connect_all();
	pass(60 * S);
	for (unsigned int i = 0; i < 149; i++) {
		lab_session_sent(&w.peers.at[2], w.now_ns);
		pass(S / 10);
	}
	assert_int_equal(w.verdicts[HS_initiation_accepted], PEERS);
	pass(S);
	assert_int_equal(w.verdicts[HS_initiation_accepted], PEERS + 1);
	/* Its answer is one. */
	pass(20 * S);
	assert_int_equal(w.verdicts[HS_initiation_accepted], PEERS + 1);
}

/* Initiations are repeated until there is an answer. */
static void repetition(void **state)
{
	w.deaf = true;
	connect_all();
	pass(5 * S);
	assert_null(w.peers.at[0].current);
	w.deaf = false;
	pass(2 * S);
	for (uint32_t i = 0; i < PEERS; i++)
		assert_non_null(w.peers.at[i].current);
}

static void begun_by_gateway(void **state)
{
	struct hs_now t;
	struct lab_session *old;
	struct held *h;

	connect_all();
	old = w.peers.at[0].current;
	pass(30 * S);
	t = now();
	hs_peer_want_session(w.theirs[0], &t);
	assert_true(exchange() > 0);
	assert_int_equal(w.verdicts[HS_response_accepted], 1);
	/* Not before the gateway has used it. */
	assert_ptr_equal(w.peers.at[0].current, old);
	assert_non_null(w.peers.at[0].next);
	h = &w.held[0][w.n_held[0] - 1];
	assert_true(h->keys.initiator);
	assert_non_null(from_gateway(0, &h->keys));
	assert_ptr_not_equal(w.peers.at[0].current, old);
	assert_ptr_equal(w.peers.at[0].previous, old);
	assert_memory_equal(w.peers.at[0].current->send_key, h->keys.receive_key, WG_KEY_BYTES);
}

/* An initiation of the gateway that comes again makes no session. */
static void replayed(void **state)
{
	const uint8_t *again = (const uint8_t *)&w.initiation;
	struct hs_now t;
	uint64_t before;

	connect_all();
	pass(30 * S);
	t = now();
	hs_peer_want_session(w.theirs[0], &t);
	exchange();
	before = w.peers.n_sessions;
	assert_int_equal(before, PEERS + 1);
	lab_handshake_input(&w.peers, 0, again, sizeof(w.initiation), w.now_ns + S);
	assert_int_equal(w.peers.n_sessions, before);
	assert_int_equal(exchange(), 0);
}

/* Any bytes may come. */
static void hostile(void **state)
{
	uint64_t random = 3;
	uint8_t message[200];
	struct lab_peer before;

	connect_all();
	before = w.peers.at[0];
	for (unsigned int i = 0; i < 20000; i++) {
		static const uint32_t sizes[] = {0, 3, 31, 32, 64, 92, 148, 149, 200};
		uint32_t bytes = sizes[unit_random(&random) % 9];

		unit_random_fill(&random, message, sizeof(message));
		memset(message, 0, 4);
		message[0] = (uint8_t)(unit_random(&random) % 5);
		lab_handshake_input(&w.peers, 0, message, bytes, w.now_ns);
	}
	assert_memory_equal(&before, &w.peers.at[0], sizeof(before));
}

int main(void)
{
	static char *args[] = {"test",		 "--no-huge", "--no-shconf", "--no-pci",
			       "--no-telemetry", "-m",	      "64",	     "--log-level=error",
			       "--lcores=0@0",	 NULL};
	struct lab_tester_options o = {.outside = "net_ring0", .size = 64};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(handshakes, begin, end),
		cmocka_unit_test_setup_teardown(renewal, begin, end),
		cmocka_unit_test_setup_teardown(keepalives, begin, end),
		cmocka_unit_test_setup_teardown(silence, begin, end),
		cmocka_unit_test_setup_teardown(repetition, begin, end),
		cmocka_unit_test_setup_teardown(begun_by_gateway, begin, end),
		cmocka_unit_test_setup_teardown(replayed, begin, end),
		cmocka_unit_test_setup_teardown(hostile, begin, end),
	};
	struct rte_mempool *pool;
	char error[256] = "no pool";
	int rc;

	if (rte_eal_init(9, args) < 0)
		return EXIT_FAILURE;
	pool = rte_pktmbuf_pool_create("p", 2047, 0, 0, 2400, SOCKET_ID_ANY);
	if (!pool || lab_setup_make(&w.setup, &o, error, sizeof(error)) != 0 ||
	    lab_port_open(&w.port, LAB_OUTSIDE, &w.setup, pool, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	rc = UNIT_RUN(tests);
	lab_port_close(&w.port);
	return rc;
}
