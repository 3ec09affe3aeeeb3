/*
 * Data messages in: the vectors byte for byte, what each bad one may not move, what each good one
 * moves, and where the inner packet goes.
 */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <jansson.h>
#include <rte_mbuf.h>

#include "dataplane/allowed.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#define TEXT_BYTES 2048
#define INNER	   "10.8.1.5"
#define LAN_HOST   "10.0.0.2"
#define OURS	   "192.0.2.1"

static json_t *vectors;

static size_t hex(const json_t *object, const char *name, uint8_t out[TEXT_BYTES])
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return unit_hex(text, out, TEXT_BYTES);
}

/* Everything that a packet of peer 1 can move. */
struct moved {
	uint64_t received_any, received_data, received_data_last, sent_any, sent_data, asked;
	uint64_t rx_bytes, rx_packets, send_counter, tx_bytes;
	struct dp_replay replay;
	struct dp_session *current;
	struct dp_out *out;
	bool confirmed, roam_told;
};

static void look(const struct path *p, struct moved *m)
{
	const struct dp_peer *peer = p->peers[1];
	const struct dp_session *s = p->sessions[1];

	memset(m, 0, sizeof(*m));
	m->received_any = dp_counted(&peer->received_any_ns);
	m->received_data = dp_counted(&peer->received_data_ns);
	m->received_data_last = dp_counted(&peer->received_data_last_ns);
	m->sent_any = dp_counted(&peer->sent_any_ns);
	m->sent_data = dp_counted(&peer->sent_data_ns);
	m->asked = dp_counted(&peer->asked_ns);
	m->rx_bytes = dp_counted(&s->rx_bytes);
	m->rx_packets = dp_counted(&s->rx_packets);
	m->send_counter = dp_counted(&s->send_counter);
	m->tx_bytes = dp_session_sent_bytes(s);
	m->replay = s->replay;
	m->current = atomic_load(&peer->current);
	m->out = atomic_load(&peer->out);
	m->confirmed = s->confirmed;
	m->roam_told = atomic_load(&peer->roam_told);
}

/* A packet to the lan host of n bytes from peer 1, in a good message. */
static void make(struct path_frame *f, struct path *p, uint64_t counter, const char *to, size_t n)
{
	uint8_t plain[TEXT_BYTES] = {0};

	path_ip(plain, INNER, to, n);
	path_data(f, p, 1, counter, plain, (n + 15) / 16 * 16);
}

static void expect_inner(struct path *p, const uint8_t *inner, size_t len)
{
	struct rte_mbuf *m = path_for_linux(p);

	assert_non_null(m);
	assert_int_equal(dp_note(m)->ask, DP_ASK_TUN);
	assert_int_equal(dp_note(m)->iface_id, p->wg->id);
	assert_int_equal(m->data_len, len);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), inner, len);
	rte_pktmbuf_free(m);
}

/* ---- vectors ---- */

static void vector_case(const json_t *c)
{
	const json_t *keys = json_object_get(c, "transport"), *row;
	uint8_t a[TEXT_BYTES], b[TEXT_BYTES], message[TEXT_BYTES], inner[TEXT_BYTES];
	uint8_t any[16] = {0};
	struct path p;
	size_t i;

	path_open(&p, 1);
	dp_allowed_insert(p.wg->allowed, AF_INET, any, 0, p.peers[3]);
	dp_allowed_insert(p.wg->allowed, AF_INET6, any, 0, p.peers[3]);
	hex(keys, "initiator_send_key", a);
	hex(keys, "initiator_receive_key", b);
	/* Both ends of the session, to receive in both directions. */
	uint32_t to_responder = (uint32_t)json_number_value(
		json_object_get(keys, "initiator_to_responder_receiver_index"));
	uint32_t to_initiator = (uint32_t)json_number_value(
		json_object_get(keys, "responder_to_initiator_receiver_index"));
	assert_non_null(dp_publish_session(p.dp, p.peers[3], b, a, to_responder, to_initiator,
					   PATH_START_NS, false));
	assert_non_null(dp_publish_session(p.dp, p.peers[3], a, b, to_initiator, to_responder,
					   PATH_START_NS, true));
	json_array_foreach (json_object_get(c, "data"), i, row) {
		size_t len = hex(row, "message", message);
		size_t inner_len = hex(row, "inner", inner);
		uint64_t consumed = dp_counted(&p.w->counters.consumed);
		struct path_frame f;

		path_udp(&f, &p, 0, "198.51.100.3", 3000, OURS, PATH_LISTEN_PORT, message, len);
		path_receive(&p, 0, &f);
		path_assert_dropped(&p, DP_DROP_bad_tag, 0);
		if (inner_len)
			expect_inner(&p, inner, inner_len);
		else
			assert_int_equal(dp_counted(&p.w->counters.consumed), consumed + 1);
	}
	path_close(&p);
}

static void vector_messages(void **state)
{
	const json_t *cases = json_object_get(vectors, "cases"), *c;
	size_t i;

	assert_int_equal(json_array_size(cases), 2);
	json_array_foreach (cases, i, c)
		vector_case(c);
}

/* ---- what moves nothing ---- */

static void bad_tags_move_nothing(void **state)
{
	struct moved before, after;
	struct path_frame f, bad;
	struct path p;

	path_open(&p, 1);
	p.w->now_ns += 170 * WG_NS_PER_S; /* also due for a rekey, if it were authentic */
	look(&p, &before);
	make(&f, &p, 5, LAN_HOST, 100);
	/* From another address, so that it would roam as well. */
	f.at[14 + 15] ^= 1;
	path_ipv4_sum(f.at + 14);
	for (size_t at = 14 + 28 + 8; at < f.len; at++) { /* counter, text, tag */
		bad = f;
		bad.at[at] ^= (uint8_t)(1 << at % 8);
		path_receive(&p, 0, &bad);
		path_assert_quiet(&p);
		look(&p, &after);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	/* Those whose counter was over the limit did not come as far as the tag. */
	uint64_t tags = dp_counted(&p.w->counters.drops[DP_DROP_bad_tag]);
	uint64_t limit = dp_counted(&p.w->counters.drops[DP_DROP_replay]);

	assert_int_equal(tags + limit, f.len - 14 - 28 - 8);
	assert_int_equal(limit, 0);
	assert_int_equal(dp_counted(&p.peers[1]->drops[DP_DROP_bad_tag]), tags);
	assert_int_equal(dp_counted(&p.w->iface_counters[p.wg->id].drops[DP_DROP_bad_tag]), tags);
	/* And the right one is still accepted. */
	path_receive(&p, 0, &f);
	assert_int_equal(dp_counted(&p.sessions[1]->rx_packets), 1);
	path_close(&p);
}

static void replays_move_nothing(void **state)
{
	struct moved before, after;
	struct path_frame f;
	struct path p;

	path_open(&p, 1);
	make(&f, &p, 9000, LAN_HOST, 100);
	path_receive(&p, 0, &f);
	path_drain(&p);
	p.w->now_ns += WG_NS_PER_S;
	look(&p, &before);
	f.at[14 + 15] ^= 1; /* the same from elsewhere does not roam */
	path_ipv4_sum(f.at + 14);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_replay, 1);
	make(&f, &p, 9000 - 8129, LAN_HOST, 100);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_replay, 1);
	make(&f, &p, WG_REJECT_AFTER_MESSAGES, LAN_HOST, 100);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_replay, 1);
	path_assert_quiet(&p);
	look(&p, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	make(&f, &p, 9000 - 8128, LAN_HOST, 100);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_replay, 0);
	assert_int_equal(dp_counted(&p.sessions[1]->rx_packets), 2);
	path_close(&p);
}

/* The same packet twice, in one batch. */
static void replay_within_a_batch(void **state)
{
	struct path_frame f;
	struct path p;
	struct dp_batch b = {.n = 2};

	path_open(&p, 1);
	make(&f, &p, 1, LAN_HOST, 100);
	for (int i = 0; i < 2; i++) {
		b.pkts[i] = path_packet(&p, f.at, f.len);
		dp_note(b.pkts[i])->port_id = 0;
	}
	dp_classify(p.w, &b);
	path_assert_dropped(&p, DP_DROP_replay, 1);
	dp_tx_flush(p.w);
	path_close(&p);
}

/* A full batch of three peers' messages, with a wrong tag at each place in turn: just that one. */
static void one_bad_tag_in_a_batch(void **state)
{
	uint64_t counter = 0;
	struct path p;

	path_open(&p, 1);
	for (unsigned int bad = 0; bad < DP_BATCH_MAX; bad++, counter += DP_BATCH_MAX) {
		struct dp_batch b = {.n = 0};
		uint64_t before[PATH_PEERS + 1], want[PATH_PEERS + 1] = {0};

		for (unsigned int n = 1; n <= PATH_PEERS; n++)
			before[n] = dp_counted(&p.sessions[n]->rx_packets);
		for (unsigned int i = 0; i < DP_BATCH_MAX; i++) {
			unsigned int n = 1 + i * i % PATH_PEERS;
			struct path_frame f;

			path_data(&f, &p, n, counter + i, NULL, 0);
			if (i == bad)
				f.at[f.len - 1] ^= 0x80;
			want[n] += i != bad;
			dp_batch_add(&b, path_packet(&p, f.at, f.len));
			dp_note(b.pkts[i])->port_id = 0;
		}
		dp_classify(p.w, &b);
		path_assert_dropped(&p, DP_DROP_bad_tag, 1);
		for (unsigned int n = 1; n <= PATH_PEERS; n++)
			assert_int_equal(dp_counted(&p.sessions[n]->rx_packets) - before[n],
					 want[n]);
	}
	path_close(&p);
}

static void old_sessions(void **state)
{
	struct moved before, after;
	struct path_frame f;
	struct path p;

	path_open(&p, 1);
	make(&f, &p, 1, LAN_HOST, 100);
	p.w->now_ns = PATH_START_NS + WG_REJECT_AFTER_NS;
	look(&p, &before);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_expired, 1);
	path_assert_quiet(&p);
	look(&p, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	p.w->now_ns--;
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_expired, 0);
	/* A worker's clock may be a little behind the one that stamped the session. */
	p.w->now_ns = PATH_START_NS - 1000;
	make(&f, &p, 2, LAN_HOST, 100);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_expired, 0);
	path_close(&p);
}

/* ---- what authentic packets move ---- */

static void confirmation(void **state)
{
	struct path_frame f, bad;
	struct dp_event e;
	uint8_t theirs[32], ours[32];
	struct dp_session *next;
	struct path p;

	path_open(&p, 1);
	/* A session that is not yet current, as a responder has it; with peer 1's keys, so that the
	 * message only needs another index. */
	path_key(1, false, theirs);
	path_key(1, true, ours);
	next = dp_publish_session(p.dp, p.peers[1], ours, theirs, 77, 78, PATH_START_NS, false);
	assert_non_null(next);
	path_data(&f, &p, 1, 0, NULL, 0);
	f.at[14 + 28 + 4] = 77;
	f.at[14 + 28 + 5] = 0;
	bad = f;
	bad.at[bad.len - 1] ^= 1;
	path_receive(&p, 0, &bad);
	path_assert_dropped(&p, DP_DROP_bad_tag, 1);
	assert_false(next->confirmed);
	path_assert_quiet(&p);
	/* The ring is full: it will be said with a later packet. */
	while (dp_report(p.w, &(struct dp_event){.kind = DP_EVENT_WANT_SESSION}))
		;
	uint64_t lost = dp_counted(&p.w->events_lost);

	path_receive(&p, 0, &f);
	assert_false(next->confirmed);
	assert_true(dp_counted(&p.w->events_lost) > lost);
	path_drain(&p);
	path_data(&f, &p, 1, 1, NULL, 0);
	f.at[14 + 28 + 4] = 77;
	f.at[14 + 28 + 5] = 0;
	path_receive(&p, 0, &f);
	assert_true(next->confirmed);
	assert_true(path_event(&p, &e));
	assert_int_equal(e.kind, DP_EVENT_CONFIRMED);
	assert_int_equal(e.local_index, 77);
	assert_int_equal(e.peer_ref, p.peers[1]->ref);
	path_data(&f, &p, 1, 2, NULL, 0);
	f.at[14 + 28 + 4] = 77;
	f.at[14 + 28 + 5] = 0;
	path_receive(&p, 0, &f);
	path_assert_quiet(&p);
	path_close(&p);
}

static void roaming(void **state)
{
	static const struct {
		size_t at; /* byte of the frame that differs */
		bool keepalive, wrong_source;
	} rows[] = {
		{14 + 15, false, false}, /* source address */
		{14 + 21, true, false},	 /* source port */
		{14 + 15, false, true},	 /* an inner source that is not allowed roams as well */
	};
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		uint8_t plain[112] = {0};
		struct path_frame f;
		struct dp_event e;
		struct dp_out out = path_out(&p, 1);

		path_ip(plain, rows[i].wrong_source ? "10.8.2.5" : INNER, LAN_HOST, 100);
		path_data(&f, &p, 1, i * 2, plain, rows[i].keepalive ? 0 : sizeof(plain));
		f.at[rows[i].at] ^= 1;
		path_ipv4_sum(f.at + 14);
		path_receive(&p, 0, &f);
		assert_true(path_event(&p, &e));
		assert_int_equal(e.kind, DP_EVENT_ROAMED);
		assert_int_equal(e.peer_ref, p.peers[1]->ref);
		assert_int_equal(e.endpoint.family, AF_INET);
		assert_int_equal(e.endpoint.addr[3], i == 1 ? 1 : 0);
		assert_int_equal(e.endpoint.port, i == 1 ? 1001 : 1000);
		assert_true(e.endpoint.has_local);
		if (i == 0) {
			assert_true(path_event(&p, &e));
			assert_int_equal(e.kind, DP_EVENT_CONFIRMED);
		}
		/* Said once, until control has published. */
		path_data(&f, &p, 1, i * 2 + 1, NULL, 0);
		f.at[rows[i].at] ^= 1;
		path_ipv4_sum(f.at + 14);
		path_receive(&p, 0, &f);
		assert_false(path_event(&p, &e));
		assert_true(atomic_load(&p.peers[1]->roam_told));
		assert_int_equal(dp_publish_out(p.dp, p.peers[1], &out), 0);
		path_drain(&p);
	}
	path_close(&p);
}

/* Where a peer reached us counts as well, but only if we hold on to it. */
static void local_address_of_endpoint(void **state)
{
	struct path_frame f;
	struct dp_event e;
	struct dp_out out;
	struct path p;

	path_open(&p, 1);
	p.sessions[1]->confirmed = true;
	out = path_out(&p, 1);
	for (uint64_t i = 0; i < 3; i++) {
		path_data(&f, &p, 1, i, NULL, 0);
		/* 10.8.0.1 is ours, too */
		memcpy(f.at + 14 + 16, (uint8_t[]){10, 8, 0, 1}, 4);
		path_ipv4_sum(f.at + 14);
		path_receive(&p, 0, &f);
		assert_int_equal(path_event(&p, &e), i == 0);
		if (i == 0)
			assert_memory_equal(e.endpoint.local, ((uint8_t[]){10, 8, 0, 1}), 4);
		out.endpoint.has_local = false;
		assert_int_equal(dp_publish_out(p.dp, p.peers[1], &out), 0);
	}
	assert_int_equal(dp_publish_out(p.dp, p.peers[1], NULL), 0);
	path_data(&f, &p, 1, 3, NULL, 0);
	path_receive(&p, 0, &f);
	assert_true(path_event(&p, &e)); /* none known: learned */
	assert_int_equal(e.kind, DP_EVENT_ROAMED);
	path_close(&p);
}

static void stamps_and_bytes(void **state)
{
	struct dp_peer *peer;
	struct path_frame f;
	struct path p;

	path_open(&p, 1);
	peer = p.peers[1];
	path_data(&f, &p, 1, 0, NULL, 0);
	path_receive(&p, 0, &f);
	assert_int_equal(dp_counted(&peer->received_any_ns), PATH_START_NS);
	assert_int_equal(dp_counted(&peer->received_data_ns), 0);
	make(&f, &p, 1, LAN_HOST, 100);
	path_receive(&p, 0, &f);
	assert_int_equal(dp_counted(&peer->received_data_ns), PATH_START_NS);
	/* The first since we sent stays; the last moves. */
	p.w->now_ns += WG_NS_PER_S;
	make(&f, &p, 2, LAN_HOST, 100);
	path_receive(&p, 0, &f);
	assert_int_equal(dp_counted(&peer->received_data_ns), PATH_START_NS);
	assert_int_equal(dp_counted(&peer->received_data_last_ns), p.w->now_ns);
	assert_int_equal(dp_counted(&peer->received_any_ns), p.w->now_ns);
	/* Answered, and then data again: also within one coarse tick, and within one loop. */
	path_seal(&p, 1, NULL, 0);
	assert_true(dp_counted(&peer->sent_any_ns) >= dp_counted(&peer->received_data_ns));
	assert_int_equal(dp_counted(&peer->sent_data_ns), 0);
	make(&f, &p, 3, LAN_HOST, 100);
	path_receive(&p, 0, &f);
	assert_true(dp_counted(&peer->received_data_ns) > dp_counted(&peer->sent_any_ns));
	path_seal(&p, 1, NULL, 0);
	assert_true(dp_counted(&peer->sent_any_ns) >= dp_counted(&peer->received_data_ns));
	/* The other way round. */
	uint8_t ip[100];

	path_ip(ip, LAN_HOST, INNER, sizeof(ip));
	path_seal(&p, 1, ip, sizeof(ip));
	assert_true(dp_counted(&peer->sent_data_ns) > dp_counted(&peer->received_any_ns));
	path_data(&f, &p, 1, 4, NULL, 0);
	path_receive(&p, 0, &f);
	assert_true(dp_counted(&peer->received_any_ns) >= dp_counted(&peer->sent_data_ns));
	assert_int_equal(dp_counted(&p.sessions[1]->rx_bytes), 2 * 32 + 3 * (32 + 112));
	assert_int_equal(dp_counted(&p.sessions[1]->rx_packets), 5);
	assert_int_equal(dp_session_sent_bytes(p.sessions[1]), 2 * 32 + 32 + 112);
	assert_int_equal(dp_counted(&p.w->iface_counters[p.wg->id].rx), 5);
	assert_int_equal(dp_counted(&p.w->iface_counters[p.wg->id].tx), 3);
	path_close(&p);
}

static void rekey_when_receiving(void **state)
{
	struct path_frame f;
	struct dp_event e;
	struct path p;

	path_open(&p, 1);
	p.sessions[1]->confirmed = true;
	for (uint64_t i = 0; i < 4; i++) {
		/* just before, at, within a second, after it */
		static const uint64_t at_ms[] = {164999, 165000, 165900, 166000};

		p.w->now_ns = PATH_START_NS + at_ms[i] * 1000000;
		path_data(&f, &p, 1, i, NULL, 0);
		path_receive(&p, 0, &f);
		assert_int_equal(path_event(&p, &e), i == 1 || i == 3);
		if (i == 1)
			assert_int_equal(e.kind, DP_EVENT_WANT_SESSION);
	}
	/* Not for one that is not current. */
	dp_publish_current(p.peers[1], NULL);
	p.w->now_ns += 2 * WG_NS_PER_S;
	path_data(&f, &p, 1, 9, NULL, 0);
	path_receive(&p, 0, &f);
	assert_false(path_event(&p, &e));
	path_close(&p);
}

/* ---- the inner packet ---- */

static void malformed(void **state)
{
	static const struct {
		size_t plain; /* what was encrypted: all zero but for these */
		uint8_t first;
		uint16_t v4_len, v6_len;
		bool good;
	} rows[] = {
		{1, 0x45, 0, 0, false},	     {19, 0x45, 19, 0, false},
		{16, 0, 0, 0, false},	     {20, 0x55, 20, 0, false},
		{32, 0x45, 0, 0, false},     {32, 0x45, 19, 0, false},
		{32, 0x45, 20, 0, true},     {32, 0x45, 32, 0, true},
		{32, 0x45, 33, 0, false},    {32, 0x46, 20, 0, false},
		{32, 0x46, 24, 0, true},     {32, 0x44, 20, 0, false},
		{39, 0x60, 0, 0, false},     {40, 0x60, 0, 0, true},
		{48, 0x60, 0, 8, true},	     {48, 0x60, 0, 9, false},
		{48, 0x60, 0, 65535, false}, {48, 0x60, 0, 65500, false},
		{1500, 0x45, 1500, 0, true}, {21, 0x45, 21, 0, true},
	};
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		uint8_t plain[1500] = {rows[i].first};
		struct path_frame f;

		if (rows[i].first >> 4 == 6) {
			plain[4] = (uint8_t)(rows[i].v6_len >> 8);
			plain[5] = (uint8_t)rows[i].v6_len;
			path_addr("fd00:8:1::5", plain + 8);
		} else if (rows[i].plain >= 20) {
			plain[2] = (uint8_t)(rows[i].v4_len >> 8);
			plain[3] = (uint8_t)rows[i].v4_len;
			memcpy(plain + 12, (uint8_t[]){10, 8, 1, 5}, 4);
		}
		path_data(&f, &p, 1, i, plain, rows[i].plain);
		path_receive(&p, 0, &f);
		path_assert_dropped(&p, DP_DROP_inner_malformed, !rows[i].good);
		assert_int_equal(path_drain(&p), rows[i].good);
		/* It was authentic: all that moves has moved. */
		assert_int_equal(dp_counted(&p.sessions[1]->rx_packets), i + 1);
	}
	path_close(&p);
}

static void padding_is_cut_off(void **state)
{
	struct path_frame f;
	uint8_t plain[300];
	struct path p;

	path_open(&p, 1);
	for (size_t extra = 0; extra < 200; extra += 7) {
		memset(plain, 0xee, sizeof(plain));
		path_ip(plain, INNER, "10.8.0.1", 100);
		path_data(&f, &p, 1, extra, plain, 100 + extra);
		path_receive(&p, 0, &f);
		expect_inner(&p, plain, 100);
	}
	path_close(&p);
}

static int ecn_of(const char *name, unsigned int inner, unsigned int outer)
{
	return (int)json_number_value(json_array_get(
		json_array_get(json_object_get(json_object_get(vectors, "ecn"), name), inner),
		outer));
}

static void ecn(void **state)
{
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < 64; i++) {
		unsigned int inner = i & 3, outer = i >> 2 & 3;
		bool v6_in = i >> 4 & 1, v6_out = i >> 5 & 1;
		unsigned int n = v6_out ? 2 : 1;
		char from[32];
		uint8_t plain[112] = {0}, want[112];
		struct path_frame f;

		snprintf(from, sizeof(from), v6_in ? "fd00:8:%u::5" : "10.8.%u.5", n);
		path_ip(plain, from, v6_in ? "fd00:8::1" : "10.8.0.1", 100);
		memcpy(want, plain, sizeof(want));
		for (int k = 0; k < 2; k++) {
			uint8_t *ip = k ? want : plain;
			unsigned int bits = k ? (unsigned int)ecn_of("decap_kernel", inner, outer)
					      : inner;

			/* DSCP and all else stay */
			ip[1] = (uint8_t)(v6_in ? 0x05 | bits << 4 : 0xb8 | bits);
			if (v6_in)
				ip[0] = 0x6b;
			else
				path_ipv4_sum(ip);
		}
		path_data(&f, &p, n, i, plain, sizeof(plain));
		if (v6_out) {
			f.at[15] = (uint8_t)(outer << 4);
		} else {
			f.at[15] = (uint8_t)(0x88 | outer);
			path_ipv4_sum(f.at + 14);
		}
		path_receive(&p, 0, &f);
		expect_inner(&p, want, 100);
	}
	path_close(&p);
}

/* Sources against allowed-ips that overlap: the longest prefix must be the sender's. */
static void sources(void **state)
{
	static const struct {
		unsigned int peer;
		const char *source;
		bool good;
	} rows[] = {
		{1, "10.8.1.5", true},	       {1, "10.8.2.5", false},	 {2, "10.8.2.5", true},
		{1, "10.8.2.200", true},       {2, "10.8.2.200", false}, {1, "10.8.3.1", false},
		{3, "10.8.3.1", true},	       {3, "192.0.2.77", true},	 {1, "192.0.2.77", false},
		{3, "10.8.1.5", false},	       {1, "fd00:8:1::5", true}, {2, "fd00:8:1::5", false},
		{2, "fd00:8:2:1::", true},     {3, "fd00:9::", false},	 {3, "10.8.0.1", true},
		{1, "255.255.255.255", false},
	};
	struct path p;
	uint8_t addr[16] = {10, 8, 2, 192};

	path_open(&p, 1);
	assert_int_equal(dp_allowed_insert(p.wg->allowed, AF_INET, addr, 26, p.peers[1]), 0);
	assert_int_equal(dp_allowed_insert(p.wg->allowed, AF_INET, addr, 0, p.peers[3]), 0);
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		bool v6 = strchr(rows[i].source, ':');
		struct path_frame f;
		uint8_t plain[112];

		path_ip(plain, rows[i].source, v6 ? "fd00:8::1" : "10.8.0.1", sizeof(plain));
		path_data(&f, &p, rows[i].peer, i, plain, sizeof(plain));
		path_receive(&p, 0, &f);
		path_assert_dropped(&p, DP_DROP_source_not_allowed, !rows[i].good);
		if (path_drain(&p) != rows[i].good)
			fail_msg("%u %s", rows[i].peer, rows[i].source);
	}
	path_close(&p);
}

/* A batch of peers whose hosts are known for them, with other sources in it, one of them of IPv6
 * with the host's bytes at its place; then a host goes to another peer. */
static void hosts(void **state)
{
	static const struct {
		unsigned int peer;
		const char *source;
		bool good, good_after;
	} rows[] = {
		{1, "10.9.0.1", true, false},  {2, "10.9.0.2", true, true},
		{2, "10.9.0.1", false, true},  {1, "10.8.1.7", true, true},
		{1, "10.9.0.2", false, false}, {3, "fd00:8:2:909::1", false, false},
		{3, "0.2.9.9", true, true},
	};
	const uint8_t first[] = {10, 9, 0, 1}, second[] = {10, 9, 0, 2}, third[] = {0, 2, 9, 9};
	struct path p;

	path_open(&p, 1);
	assert_int_equal(dp_allowed_insert(p.wg->allowed, AF_INET, first, 32, p.peers[1]), 0);
	assert_int_equal(dp_allowed_insert(p.wg->allowed, AF_INET, second, 32, p.peers[2]), 0);
	assert_int_equal(dp_allowed_insert(p.wg->allowed, AF_INET, third, 32, p.peers[3]), 0);
	for (unsigned int round = 0; round < 2; round++) {
		struct path_frame f[RTE_DIM(rows)];
		unsigned int good = 0;

		for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
			bool v6 = strchr(rows[i].source, ':');
			uint8_t plain[112];

			path_ip(plain, rows[i].source, v6 ? "fd00:a::2" : "10.0.0.2",
				sizeof(plain));
			path_data(&f[i], &p, rows[i].peer, 10 * round + i, plain, sizeof(plain));
			good += round == 0 ? rows[i].good : rows[i].good_after;
		}
		path_receive_all(&p, 0, f, RTE_DIM(rows));
		path_assert_dropped(&p, DP_DROP_source_not_allowed, RTE_DIM(rows) - good);
		assert_int_equal(path_drain(&p), good);
		assert_int_equal(dp_allowed_insert(p.wg->allowed, AF_INET, first, 32, p.peers[2]),
				 0);
	}
	path_close(&p);
}

/* ---- where it goes ---- */

static void to_port(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {{"10.8.1.5", "10.0.0.2"}, {"fd00:8:1::5", "fd00:a::2"}};
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t plain[112], *frame;
		struct path_frame f;
		struct rte_mbuf *m;

		path_ip(plain, rows[i].from, rows[i].to, sizeof(plain));
		path_data(&f, &p, 1, i, plain, sizeof(plain));
		path_receive(&p, 0, &f);
		m = path_sent(&p, 1);
		assert_non_null(m);
		assert_int_equal(m->data_len, 14 + sizeof(plain));
		frame = rte_pktmbuf_mtod(m, uint8_t *);
		assert_memory_equal(frame, ((uint8_t[]){2, 0, 0, 0, 1, 2}), 6);
		assert_memory_equal(frame + 6, p.ports[1].mac, 6);
		assert_int_equal(frame[12] << 8 | frame[13], i ? 0x86dd : 0x0800);
		/* One hop less, and the rest as it was. */
		if (i == 0) {
			plain[8]--;
			path_ipv4_sum(plain);
		} else {
			plain[7]--;
		}
		assert_memory_equal(frame + 14, plain, sizeof(plain));
		rte_pktmbuf_free(m);
	}
	path_assert_dropped(&p, DP_DROP_ttl, 0);
	path_close(&p);
}

static void next_hops_not_known(void **state)
{
	static const struct {
		const char *from, *to, *next_hop;
	} rows[] = {
		{"10.8.1.5", "10.0.0.3", "10.0.0.3"},
		{"10.8.1.5", "10.1.2.3", "10.0.0.9"},
		{"fd00:8:1::5", "fd00:a::77", "fd00:a::77"},
	};
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		uint8_t plain[112], want[16];
		struct path_frame f;
		struct rte_mbuf *m;

		path_ip(plain, rows[i].from, rows[i].to, sizeof(plain));
		path_data(&f, &p, 1, i, plain, sizeof(plain));
		path_receive(&p, 0, &f);
		m = path_asked(&p);
		assert_non_null(m);
		assert_int_equal(dp_note(m)->ask, DP_ASK_RESOLVE);
		assert_int_equal(dp_note(m)->port_id, 1);
		assert_int_equal(dp_note(m)->family, path_addr(rows[i].next_hop, want));
		assert_memory_equal(dp_note(m)->next_hop, want, 16);
		assert_int_equal(m->data_len, sizeof(plain));
		rte_pktmbuf_free(m);
	}
	path_close(&p);
}

static void ttl_and_size(void **state)
{
	static const struct {
		const char *from, *to;
		uint8_t ttl;
		bool df;
		size_t len;
		enum dp_ask ask; /* NONE: sent */
		int reason;
	} rows[] = {
		{"10.8.1.5", "10.0.0.2", 2, true, 100, DP_ASK_NONE, DP_KEEP},
		{"10.8.1.5", "10.0.0.2", 1, true, 100, DP_ASK_ICMP, DP_DROP_ttl},
		{"10.8.1.5", "10.0.0.2", 0, true, 100, DP_ASK_ICMP, DP_DROP_ttl},
		{"fd00:8:1::5", "fd00:a::2", 2, true, 100, DP_ASK_NONE, DP_KEEP},
		{"fd00:8:1::5", "fd00:a::2", 1, true, 100, DP_ASK_ICMP, DP_DROP_ttl},
		{"10.8.1.5", "10.8.2.5", 1, true, 100, DP_ASK_ICMP, DP_DROP_ttl},
		{"10.8.1.5", "10.0.0.2", 9, true, 1000, DP_ASK_NONE, DP_KEEP},
		{"10.8.1.5", "10.0.0.2", 9, true, 1001, DP_ASK_ICMP, DP_DROP_too_big},
		{"10.8.1.5", "10.0.0.2", 9, false, 1001, DP_ASK_FRAGMENT, DP_KEEP},
		{"fd00:8:1::5", "fd00:a::2", 9, false, 1001, DP_ASK_ICMP, DP_DROP_too_big},
		/* this host itself */
		{"10.8.1.5", "10.8.0.1", 1, true, 1400, DP_ASK_TUN, DP_KEEP},
	};
	struct path p;

	path_open(&p, 1);
	p.ports[1].mtu = 1000;
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct path_frame f;
		struct rte_mbuf *m;
		uint8_t plain[1500];
		bool v6 = strchr(rows[i].from, ':');

		path_ip(plain, rows[i].from, rows[i].to, rows[i].len);
		plain[v6 ? 7 : 8] = rows[i].ttl;
		if (!v6) {
			plain[6] = rows[i].df ? 0x40 : 0;
			path_ipv4_sum(plain);
		}
		path_data(&f, &p, 1, i, plain, rows[i].len);
		path_receive(&p, 0, &f);
		if (rows[i].reason == DP_KEEP)
			path_assert_dropped(&p, DP_DROP_ttl, 0);
		else
			path_assert_dropped(&p, (enum dp_drop)rows[i].reason, 1);
		m = rows[i].ask == DP_ASK_NONE	? path_sent(&p, 1)
		    : rows[i].ask == DP_ASK_TUN ? path_for_linux(&p)
						: path_asked(&p);
		assert_non_null(m);
		if (rows[i].ask != DP_ASK_NONE) {
			assert_int_equal(dp_note(m)->ask, rows[i].ask);
			assert_int_equal(m->data_len, rows[i].len);
			assert_int_equal(dp_note(m)->iface_id, p.wg->id);
		}
		if (rows[i].ask == DP_ASK_ICMP)
			assert_int_equal(dp_note(m)->reason, rows[i].reason);
		if (rows[i].len > 1000 && rows[i].ask != DP_ASK_TUN)
			assert_int_equal(dp_note(m)->port_id, 1);
		rte_pktmbuf_free(m);
		path_drain(&p);
	}
	path_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector_messages),
		cmocka_unit_test(bad_tags_move_nothing),
		cmocka_unit_test(replays_move_nothing),
		cmocka_unit_test(replay_within_a_batch),
		cmocka_unit_test(one_bad_tag_in_a_batch),
		cmocka_unit_test(old_sessions),
		cmocka_unit_test(confirmation),
		cmocka_unit_test(roaming),
		cmocka_unit_test(local_address_of_endpoint),
		cmocka_unit_test(stamps_and_bytes),
		cmocka_unit_test(rekey_when_receiving),
		cmocka_unit_test(malformed),
		cmocka_unit_test(padding_is_cut_off),
		cmocka_unit_test(ecn),
		cmocka_unit_test(sources),
		cmocka_unit_test(hosts),
		cmocka_unit_test(to_port),
		cmocka_unit_test(next_hops_not_known),
		cmocka_unit_test(ttl_and_size),
	};
	int failed;

	/* It has counters above 2^63; what is read as a number here is below 2^53. */
	vectors = json_load_file(VECTORS_DIR "/handshake-vectors.json", JSON_DECODE_INT_AS_REAL,
				 NULL);
	if (!vectors) {
		printf("Bail out! no vectors\n");
		return 1;
	}
	test_eal_start();
	failed = UNIT_RUN(tests);
	json_decref(vectors);
	return failed;
}
