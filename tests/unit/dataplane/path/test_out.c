/*
 * Inner packets out: the vectors byte for byte, padding, counters, outer headers and their sums,
 * and what waits, is refused or is too big.
 */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <jansson.h>
#include <rte_mbuf.h>

#include "crypto/aead.h"
#include "dataplane/ip.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#define TEXT_BYTES 2048
#define IP	   14
#define LINUX	   "10.0.0.2"
#define INNER	   "10.8.1.5"

static json_t *vectors;

static size_t hex(const json_t *object, const char *name, uint8_t out[TEXT_BYTES])
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return unit_hex(text, out, TEXT_BYTES);
}

static double number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

/* The data message in a frame to peer n's endpoint whose outer headers are all as they must be. */
static const uint8_t *message_of(const struct rte_mbuf *m, unsigned int n, size_t *len)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *), *ip = frame + IP;
	size_t header = n == 2 ? 40 : 20;
	const uint8_t *udp = ip + header;
	static const uint8_t macs[] = {2, 9, 9, 9, 9, 9, 2, 0, 0, 0, 0, 1};

	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(m->pkt_len, m->data_len);
	assert_memory_equal(frame, macs, sizeof(macs));
	if (n == 2) {
		assert_int_equal(ip[0], 0x60);
		assert_int_equal(ip[1] & 0xcf, 0); /* but for ECN: DSCP 0, flow label 0 */
		assert_int_equal(ip[2] | ip[3], 0);
		assert_int_equal(dp_load_be16(ip + 4), m->data_len - IP - 40);
	} else {
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(ip[1] & ~3, 0);
		assert_int_equal(dp_load_be16(ip + 2), m->data_len - IP);
		assert_int_equal(dp_load_be16(ip + 6), 0); /* DF clear */
		assert_true(path_ipv4_sum_right(ip));
	}
	assert_int_equal(ip[n == 2 ? 7 : 8], 64);
	assert_int_equal(dp_load_be16(udp), PATH_LISTEN_PORT);
	assert_int_equal(dp_load_be16(udp + 2), n * 1000);
	assert_int_equal(dp_load_be16(udp + 4), m->data_len - IP - header);
	assert_int_not_equal(dp_load_be16(udp + 6), 0);
	assert_true(path_udp_sum_right(ip));
	*len = m->data_len - IP - header - 8;
	return udp + 8;
}

/* Opens a message to peer n: returns the plaintext's length. */
static size_t open_message(const struct rte_mbuf *m, unsigned int n, uint64_t *counter,
			   uint8_t *plain)
{
	size_t len;
	const uint8_t *message = message_of(m, n, &len);
	uint32_t head[2];
	uint8_t key[32];

	memcpy(head, message, sizeof(head));
	assert_int_equal(le32toh(head[0]), WG_DATA);
	assert_int_equal(le32toh(head[1]), PATH_REMOTE_INDEX(n));
	memcpy(counter, message + 8, sizeof(*counter));
	*counter = le64toh(*counter);
	path_key(n, true, key);
	assert_true(cr_open(plain, message + 16, len - 32, NULL, 0, *counter, key));
	return len - 32;
}

/* ---- vectors ---- */

static void vector_case(const json_t *c)
{
	const json_t *keys = json_object_get(c, "transport"), *row;
	uint8_t a[TEXT_BYTES], b[TEXT_BYTES], want[TEXT_BYTES], inner[TEXT_BYTES];
	struct dp_session *from[2];
	struct path p;
	size_t i, len;

	path_open(&p, 1);
	hex(keys, "initiator_send_key", a);
	hex(keys, "initiator_receive_key", b);
	uint32_t to_responder = (uint32_t)number(keys, "initiator_to_responder_receiver_index");
	uint32_t to_initiator = (uint32_t)number(keys, "responder_to_initiator_receiver_index");

	from[0] = dp_publish_session(p.dp, p.peers[1], a, b, to_initiator, to_responder,
				     PATH_START_NS, true);
	from[1] = dp_publish_session(p.dp, p.peers[1], b, a, to_responder, to_initiator,
				     PATH_START_NS, false);
	json_array_foreach (json_object_get(c, "data"), i, row) {
		const char *direction = json_string_value(json_object_get(row, "direction"));
		struct dp_session *s = from[strncmp(direction, "responder", 9) == 0];
		size_t want_len = hex(row, "message", want), inner_len = hex(row, "inner", inner);
		const uint8_t *message;
		struct rte_mbuf *m;
		uint64_t counter;

		memcpy(&counter, want + 8, sizeof(counter));
		atomic_store(&s->send_counter, le64toh(counter));
		dp_publish_mtu(p.wg, (uint16_t)number(row, "mtu"));
		dp_publish_current(p.peers[1], s);
		path_seal(&p, 1, inner, inner_len);
		m = path_sent(&p, 0);
		assert_non_null(m);
		message = message_of(m, 1, &len);
		assert_int_equal(len, want_len);
		assert_memory_equal(message, want, len);
		rte_pktmbuf_free(m);
		path_drain(&p);
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

static void vector_padding(void **state)
{
	const json_t *rows = json_object_get(vectors, "padding"), *row;
	size_t i;

	assert_true(json_array_size(rows) > 20);
	json_array_foreach (rows, i, row) {
		uint32_t len = (uint32_t)json_number_value(json_array_get(row, 0));
		uint32_t mtu = (uint32_t)json_number_value(json_array_get(row, 1));

		assert_int_equal(dp_padded(len, mtu), json_number_value(json_array_get(row, 2)));
	}
}

/* Every length, on the wire; padding is zero whatever was in the buffer. */
static void every_inner_length(void **state)
{
	struct path p;

	path_open(&p, 1);
	for (size_t len = 20; len <= PATH_MTU; len += len < 100 || len > 1380 ? 1 : 37) {
		uint8_t ip[TEXT_BYTES], plain[TEXT_BYTES];
		struct rte_mbuf *m;
		uint64_t counter;
		size_t got;

		memset(ip, 0xee, sizeof(ip));
		path_ip(ip, LINUX, INNER, len);
		/* What is behind the packet's own length is not sent. */
		path_from_linux(&p, ip, len + 40);
		m = path_sent(&p, 0);
		assert_non_null(m);
		got = open_message(m, 1, &counter, plain);
		assert_int_equal(got, RTE_MIN((len + 15) / 16 * 16, (size_t)PATH_MTU));
		assert_memory_equal(plain, ip, len);
		for (size_t i = len; i < got; i++)
			assert_int_equal(plain[i], 0);
		rte_pktmbuf_free(m);
	}
	path_close(&p);
}

/* ---- outer headers ---- */

static void ecn(void **state)
{
	const json_t *table = json_object_get(json_object_get(vectors, "ecn"), "encap_kernel");
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < 16; i++) {
		bool v6_in = i >> 2 & 1, v6_out = i >> 3 & 1;
		unsigned int inner = i & 3, n = v6_out ? 2 : 1, outer;
		uint8_t ip[100], plain[112], *frame;
		struct rte_mbuf *m;
		uint64_t counter;
		char to[32];

		snprintf(to, sizeof(to), v6_in ? "fd00:8:%u::5" : "10.8.%u.5", n);
		path_ip(ip, v6_in ? "fd00:a::2" : LINUX, to, sizeof(ip));
		ip[1] = (uint8_t)(v6_in ? 0x05 | inner << 4 : 0xb8 | inner);
		if (v6_in)
			ip[0] = 0x6b; /* a DSCP that must not show outside */
		else
			path_ipv4_sum(ip);
		path_from_linux(&p, ip, sizeof(ip));
		m = path_sent(&p, 0);
		assert_non_null(m);
		frame = rte_pktmbuf_mtod(m, uint8_t *);
		outer = v6_out ? frame[IP + 1] >> 4 : frame[IP + 1];
		assert_int_equal(outer, json_number_value(json_array_get(table, inner)));
		open_message(m, n, &counter, plain);
		assert_memory_equal(plain, ip, sizeof(ip)); /* the inner one stays */
		rte_pktmbuf_free(m);
	}
	path_close(&p);
}

/* Sums over many contents, so that carries and the sum 0 come up; and with a port that does it. */
static void udp_sums(void **state)
{
	uint64_t seed = 7;
	struct path p;
	size_t len;

	path_open(&p, 1);
	for (unsigned int i = 0; i < 3000; i++) {
		unsigned int n = 1 + i % 2;
		struct rte_mbuf *m;
		uint8_t ip[TEXT_BYTES];
		char to[32];

		snprintf(to, sizeof(to), "10.8.%u.5", n);
		path_ip(ip, LINUX, to, 20 + unit_random(&seed) % 200);
		path_from_linux(&p, ip, (size_t)dp_load_be16(ip + 2));
		m = path_sent(&p, 0);
		assert_non_null(m);
		message_of(m, n, &len);
		rte_pktmbuf_free(m);
	}
	p.devices[0].tx_udp_cksum = true;
	for (unsigned int n = 1; n <= 2; n++) {
		struct rte_mbuf *m;
		const uint8_t *frame;

		path_seal(&p, n, NULL, 0);
		m = path_sent(&p, 0);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM);
		assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_IPV6 ? 2 : 1, n);
		assert_int_equal(m->l2_len, 14);
		assert_int_equal(m->l3_len, n == 2 ? 40 : 20);
		frame = rte_pktmbuf_mtod(m, const uint8_t *) + IP;
		/* What DPDK wants there: the pseudo header's sum. */
		uint16_t want = n == 2 ? rte_ipv6_phdr_cksum((const void *)frame, m->ol_flags)
				       : rte_ipv4_phdr_cksum((const void *)frame, m->ol_flags);

		assert_memory_equal(frame + (n == 2 ? 40 : 20) + 6, &want, 2);
		assert_false(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM);
		rte_pktmbuf_free(m);
	}
	path_close(&p);
}

/* A device may sum IPv4 headers and not UDP, or both. IPv6 has no such sum. */
static void header_sum_left_to_hardware(void **state)
{
	struct path p;

	path_open(&p, 1);
	p.devices[0].tx_ipv4_cksum = true;
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int n = 1 + i % 2;
		uint64_t want = n == 2 ? 0 : RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4;
		const uint8_t *ip;
		struct rte_mbuf *m;

		p.devices[0].tx_udp_cksum = i / 2;
		if (i / 2)
			want |= RTE_MBUF_F_TX_UDP_CKSUM |
				(n == 2 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
		path_seal(&p, n, NULL, 0);
		m = path_sent(&p, 0);
		assert_int_equal(m->ol_flags, want);
		ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, IP);
		if (n == 1)
			assert_int_equal(dp_load_be16(ip + 10), 0);
		if (want) {
			assert_int_equal(m->l2_len, 14);
			assert_int_equal(m->l3_len, n == 2 ? 40 : 20);
		}
		if (i / 2 == 0)
			assert_true(path_udp_sum_right(ip));
		rte_pktmbuf_free(m);
	}
	path_close(&p);
}

/* The sum that would be 0 is sent as all ones: 0 means that there is none. */
static void udp_sum_zero(void **state)
{
	for (unsigned int n = 1; n <= 2; n++) {
		size_t udp = n == 2 ? 40 : 20;
		uint16_t sum, port;
		uint8_t *frame;
		struct rte_mbuf *m;
		struct dp_out out;
		struct path p;

		path_open(&p, 1);
		path_seal(&p, n, NULL, 0);
		m = path_sent(&p, 0);
		frame = rte_pktmbuf_mtod(m, uint8_t *);
		sum = dp_load_be16(frame + IP + udp + 6);
		rte_pktmbuf_free(m);
		/* The same message again, from a port that takes up the difference. */
		out = path_out(&p, n);
		port = dp_load_be16(out.header + IP + udp);
		dp_store_be16(out.header + IP + udp, (uint16_t)((port + sum) % UINT16_MAX));
		assert_int_equal(dp_publish_out(p.dp, p.peers[n], &out), 0);
		atomic_store(&p.sessions[n]->send_counter, 0);
		path_seal(&p, n, NULL, 0);
		m = path_sent(&p, 0);
		frame = rte_pktmbuf_mtod(m, uint8_t *);
		assert_int_equal(dp_load_be16(frame + IP + udp + 6), UINT16_MAX);
		assert_true(path_udp_sum_right(frame + IP));
		rte_pktmbuf_free(m);
		path_close(&p);
	}
}

/* A VLAN tag between, as on a port whose way out has one. */
static void longest_header(void **state)
{
	struct rte_mbuf *m;
	struct dp_out out;
	uint8_t *frame;
	struct path p;

	path_open(&p, 1);
	out = path_out(&p, 2);
	memmove(out.header + 18, out.header + 14, 48);
	memcpy(out.header + 12, (uint8_t[]){0x81, 0, 0, 7, 0x86, 0xdd}, 6);
	out.header_bytes = DP_OUT_HEADER_MAX_BYTES;
	out.l3_off = 18;
	assert_int_equal(dp_publish_out(p.dp, p.peers[2], &out), 0);
	path_seal(&p, 2, NULL, 0);
	m = path_sent(&p, 0);
	assert_int_equal(m->data_len, 18 + 40 + 8 + 32);
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	assert_memory_equal(frame, out.header, 18);
	assert_int_equal(dp_load_be16(frame + 18 + 4), 8 + 32);
	assert_true(path_udp_sum_right(frame + 18));
	rte_pktmbuf_free(m);
	path_close(&p);
}

static void over_the_ports_mtu(void **state)
{
	uint8_t ip[TEXT_BYTES];
	struct rte_mbuf *m;
	struct dp_out out;
	struct path p;
	size_t len;

	path_open(&p, 1);
	p.devices[0].tx_udp_cksum = true; /* of no use for fragments */
	out = path_out(&p, 1);
	out.mtu = 1000;
	assert_int_equal(dp_publish_out(p.dp, p.peers[1], &out), 0);
	/* 928 + 32 + 28 = 988, 944 + 60 = 1004 */
	path_ip(ip, LINUX, INNER, 928);
	path_from_linux(&p, ip, 928);
	m = path_sent(&p, 0);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	path_ip(ip, LINUX, INNER, 944);
	path_from_linux(&p, ip, 944);
	m = path_asked(&p);
	assert_non_null(m);
	assert_int_equal(dp_note(m)->ask, DP_ASK_FRAGMENT_OUT);
	assert_int_equal(dp_note(m)->port_id, 0);
	message_of(m, 1, &len);
	assert_int_equal(len, 944 + 32);
	rte_pktmbuf_free(m);
	path_assert_quiet(&p);
	path_close(&p);
}

/* ---- counters ---- */

static void counters_in_order(void **state)
{
	static const unsigned int run[] = {1, 1, 1, 3, 3, 1, 2, 2, 2, 2};
	uint64_t next[PATH_PEERS + 1] = {0}, counter;
	struct dp_batch b = {.n = 0};
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < RTE_DIM(run); i++) {
		uint8_t ip[60];
		char to[32];

		snprintf(to, sizeof(to), "10.8.%u.5", run[i]);
		path_ip(ip, LINUX, to, sizeof(ip));
		b.pkts[b.n] = path_packet(&p, ip, sizeof(ip));
		dp_note(b.pkts[b.n++])->iface = p.wg;
	}
	dp_encap_linux(p.w, &b);
	dp_tx_flush(p.w);
	for (unsigned int i = 0; i < RTE_DIM(run); i++) {
		struct rte_mbuf *m = path_sent(&p, 0);
		uint8_t plain[64];

		assert_non_null(m);
		open_message(m, run[i], &counter, plain);
		assert_int_equal(counter, next[run[i]]++);
		rte_pktmbuf_free(m);
	}
	for (unsigned int n = 1; n <= PATH_PEERS; n++)
		assert_int_equal(dp_counted(&p.sessions[n]->send_counter), next[n]);
	path_close(&p);
}

/* The run that meets the limit: what has a counter goes, the rest waits, nothing wraps. */
static void the_last_counters(void **state)
{
	struct dp_batch b = {.n = 0};
	uint64_t counter;
	struct dp_event e;
	uint8_t plain[64];
	struct rte_mbuf *m;
	struct path p;

	path_open(&p, 1);
	atomic_store(&p.sessions[1]->send_counter, WG_REJECT_AFTER_MESSAGES - 2);
	for (; b.n < 5; b.n++) {
		uint8_t ip[60];

		path_ip(ip, LINUX, INNER, sizeof(ip));
		b.pkts[b.n] = path_packet(&p, ip, sizeof(ip));
		dp_note(b.pkts[b.n])->iface = p.wg;
	}
	dp_encap_linux(p.w, &b);
	dp_tx_flush(p.w);
	for (unsigned int i = 0; i < 2; i++) {
		m = path_sent(&p, 0);
		assert_non_null(m);
		open_message(m, 1, &counter, plain);
		assert_int_equal(counter, WG_REJECT_AFTER_MESSAGES - 2 + i);
		rte_pktmbuf_free(m);
	}
	assert_null(path_sent(&p, 0));
	for (unsigned int i = 0; i < 3; i++) {
		m = path_asked(&p);
		assert_non_null(m);
		assert_int_equal(dp_note(m)->ask, DP_ASK_STAGE);
		rte_pktmbuf_free(m);
	}
	assert_true(path_event(&p, &e));
	assert_int_equal(e.kind, DP_EVENT_WANT_SESSION);
	for (unsigned int i = 0; i < 100; i++)
		path_seal(&p, 1, NULL, 0);
	assert_null(path_sent(&p, 0));
	assert_true(dp_counted(&p.sessions[1]->send_counter) < UINT64_MAX - 4096);
	path_close(&p);
}

/* Two workers seal under one session at once: each counter once. */
struct sealer {
	struct path *p;
	struct dp_worker *w;
	unsigned int rounds;
	uint8_t *seen;
};

static void *seal_rounds(void *arg)
{
	const struct sealer *s = arg;
	uint8_t ip[60];

	path_ip(ip, LINUX, INNER, sizeof(ip));
	for (unsigned int i = 0; i < s->rounds; i++) {
		struct dp_batch b = {.n = 0};

		for (; b.n < 1 + i % 8; b.n++) {
			b.pkts[b.n] = path_packet(s->p, ip, sizeof(ip));
			dp_note(b.pkts[b.n])->iface = s->p->wg;
		}
		dp_encap_linux(s->w, &b);
		for (unsigned int k = 0; k < s->w->tx[0].n; k++) {
			const uint8_t *frame = rte_pktmbuf_mtod(s->w->tx[0].pkts[k],
								const uint8_t *);
			uint64_t counter;

			memcpy(&counter, frame + IP + 28 + 8, sizeof(counter));
			__atomic_fetch_add(&s->seen[le64toh(counter)], 1, __ATOMIC_RELAXED);
			rte_pktmbuf_free(s->w->tx[0].pkts[k]);
		}
		s->w->tx[0].n = 0;
	}
	return NULL;
}

static void two_workers_one_session(void **state)
{
	enum { ROUNDS = 4000 };
	struct sealer sealers[2];
	pthread_t threads[2];
	struct path p;
	size_t total = 0;
	uint8_t *seen;

	for (unsigned int i = 0; i < ROUNDS; i++)
		total += 2 * (1 + i % 8);
	seen = calloc(total, 1);
	assert_non_null(seen);
	path_open(&p, 2);
	for (unsigned int i = 0; i < 2; i++) {
		sealers[i] = (struct sealer){&p, p.dp->workers[i], ROUNDS, seen};
		assert_int_equal(pthread_create(&threads[i], NULL, seal_rounds, &sealers[i]), 0);
	}
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(dp_counted(&p.sessions[1]->send_counter), total);
	for (size_t i = 0; i < total; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(dp_session_sent_bytes(p.sessions[1]), total * (32 + 64));
	free(seen);
	path_close(&p);
}

/* ---- what waits ---- */

static void staging(void **state)
{
	enum { NO_SESSION, EXPIRED, NO_OUT, UNRESOLVED, ROWS };
	for (int row = 0; row < ROWS; row++) {
		uint8_t ip[60];
		struct rte_mbuf *m;
		struct dp_event e;
		struct dp_out out;
		struct path p;

		path_open(&p, 1);
		out = path_out(&p, 1);
		out.port_id = DP_PORT_NONE;
		if (row == NO_SESSION)
			dp_publish_current(p.peers[1], NULL);
		else if (row == EXPIRED)
			p.w->now_ns = PATH_START_NS + WG_REJECT_AFTER_NS;
		else
			dp_publish_out(p.dp, p.peers[1], row == NO_OUT ? NULL : &out);
		path_ip(ip, LINUX, INNER, sizeof(ip));
		for (unsigned int i = 0; i < 3; i++) {
			path_from_linux(&p, ip, sizeof(ip));
			m = path_asked(&p);
			assert_non_null(m);
			assert_int_equal(dp_note(m)->ask, DP_ASK_STAGE);
			assert_int_equal(dp_note(m)->peer_ref, p.peers[1]->ref);
			assert_int_equal(m->data_len, sizeof(ip));
			assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), ip, sizeof(ip));
			rte_pktmbuf_free(m);
			/* The first at once, then no more for a while; with a session: none. */
			assert_int_equal(path_event(&p, &e), row <= EXPIRED && i == 0);
		}
		p.w->now_ns += WG_NS_PER_S;
		path_from_linux(&p, ip, sizeof(ip));
		if (row <= EXPIRED) {
			assert_true(path_event(&p, &e));
			assert_int_equal(e.kind, DP_EVENT_WANT_SESSION);
			assert_int_equal(e.peer_ref, p.peers[1]->ref);
		}
		path_drain(&p);
		/* Nothing was used up or stamped. */
		assert_int_equal(dp_counted(&p.sessions[1]->send_counter), 0);
		assert_int_equal(dp_counted(&p.peers[1]->sent_any_ns), 0);
		path_assert_dropped(&p, DP_DROP_no_endpoint, 0);
		path_close(&p);
	}
}

static void rekey_when_sending(void **state)
{
	static const uint64_t at_ms[] = {119999, 120000, 120900, 121000};
	struct dp_event e;
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < RTE_DIM(at_ms); i++) {
		p.w->now_ns = PATH_START_NS + at_ms[i] * 1000000;
		path_seal(&p, 1, NULL, 0);
		assert_int_equal(path_event(&p, &e), i == 1 || i == 3);
		rte_pktmbuf_free(path_sent(&p, 0));
	}
	/* By count, whatever the role and time: when the counter is greater than 2^60. */
	p.w->now_ns = PATH_START_NS;
	atomic_store(&p.sessions[2]->send_counter, WG_REKEY_AFTER_MESSAGES - 1);
	path_seal(&p, 2, NULL, 0);
	assert_false(path_event(&p, &e));
	path_seal(&p, 2, NULL, 0);
	assert_true(path_event(&p, &e));
	path_seal(&p, 2, NULL, 0);
	assert_false(path_event(&p, &e));
	path_close(&p);
}

static void full_rings(void **state)
{
	uint8_t ip[60];
	struct dp_event e;
	struct path p;

	path_open(&p, 1);
	dp_publish_current(p.peers[1], NULL);
	path_ip(ip, LINUX, INNER, sizeof(ip));
	for (unsigned int i = 0; i < DP_RING_PKTS - 1; i++)
		path_from_linux(&p, ip, sizeof(ip));
	path_assert_dropped(&p, DP_DROP_control_full, 0);
	path_from_linux(&p, ip, sizeof(ip));
	path_assert_dropped(&p, DP_DROP_control_full, 1);
	/* A flood of packets does not keep a report from control. */
	while (path_event(&p, &e))
		;
	p.w->now_ns += WG_NS_PER_S;
	path_from_linux(&p, ip, sizeof(ip));
	assert_true(path_event(&p, &e));
	path_assert_dropped(&p, DP_DROP_control_full, 1);
	/* Refused packets count for their reason, not for the ring. */
	path_ip(ip, LINUX, "10.8.99.1", sizeof(ip));
	path_from_linux(&p, ip, sizeof(ip));
	path_assert_dropped(&p, DP_DROP_no_peer, 1);
	path_close(&p);
}

/* ---- what is refused ---- */

static void refusals(void **state)
{
	static const struct {
		const char *from, *to;
		size_t len;
		bool df;
		enum dp_ask ask;
		int reason;
	} rows[] = {
		{LINUX, "10.8.99.1", 100, true, DP_ASK_ICMP, DP_DROP_no_peer},
		{"fd00:a::2", "fd00:9::1", 100, true, DP_ASK_ICMP, DP_DROP_no_peer},
		{LINUX, "255.255.255.255", 100, true, DP_ASK_ICMP, DP_DROP_no_peer},
		{LINUX, INNER, 1420, true, DP_ASK_NONE, DP_KEEP},
		{LINUX, INNER, 1421, true, DP_ASK_ICMP, DP_DROP_too_big},
		{LINUX, INNER, 1421, false, DP_ASK_FRAGMENT, DP_KEEP},
		{"fd00:a::2", "fd00:8:1::5", 1421, false, DP_ASK_ICMP, DP_DROP_too_big},
	};
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		bool v6 = strchr(rows[i].from, ':');
		uint8_t ip[TEXT_BYTES];
		struct rte_mbuf *m;

		path_ip(ip, rows[i].from, rows[i].to, rows[i].len);
		if (!v6) {
			ip[6] = rows[i].df ? 0x40 : 0;
			path_ipv4_sum(ip);
		}
		path_from_linux(&p, ip, rows[i].len);
		if (rows[i].reason == DP_KEEP)
			path_assert_dropped(&p, DP_DROP_no_peer, 0);
		else
			path_assert_dropped(&p, (enum dp_drop)rows[i].reason, 1);
		m = rows[i].ask == DP_ASK_NONE ? path_sent(&p, 0) : path_asked(&p);
		assert_non_null(m);
		if (rows[i].ask != DP_ASK_NONE) {
			assert_int_equal(dp_note(m)->ask, rows[i].ask);
			assert_int_equal(dp_note(m)->iface_id, p.wg->id);
			assert_int_equal(dp_note(m)->port_id, DP_PORT_NONE);
			assert_int_equal(m->data_len, rows[i].len);
			assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), ip, rows[i].len);
		}
		if (rows[i].ask == DP_ASK_ICMP)
			assert_int_equal(dp_note(m)->reason, rows[i].reason);
		rte_pktmbuf_free(m);
		path_assert_quiet(&p);
	}
	assert_int_equal(dp_counted(&p.peers[1]->drops[DP_DROP_too_big]), 2);
	path_close(&p);
}

static void malformed_from_linux(void **state)
{
	struct path p;

	path_open(&p, 1);
	for (unsigned int v = 0; v < 16; v++) {
		for (size_t len = 0; len <= 60; len++) {
			uint8_t ip[60] = {(uint8_t)(v << 4 | 5)};
			bool good = (v == 4 && len >= 40) || (v == 6 && len >= 60);

			ip[v == 4 ? 3 : 5] = v == 4 ? 40 : 20;
			path_from_linux(&p, ip, len);
			path_assert_dropped(&p, good ? DP_DROP_no_peer : DP_DROP_linux_malformed,
					    1);
			path_drain(&p);
		}
	}
	path_close(&p);
}

/* A buffer that is not made like ours is not written beyond. */
static void buffers_without_room(void **state)
{
	uint8_t ip[1400];
	struct dp_batch b;
	struct rte_mbuf *m;
	struct path p;

	path_open(&p, 1);
	path_ip(ip, LINUX, INNER, sizeof(ip));
	for (unsigned int i = 0; i < 2; i++) {
		m = path_packet(&p, NULL, 0);
		m->data_off = i ? 57 : (uint16_t)(m->buf_len - sizeof(ip) - 16);
		memcpy(rte_pktmbuf_append(m, sizeof(ip)), ip, sizeof(ip));
		b = (struct dp_batch){.pkts = {m}, .n = 1};
		dp_note(m)->iface = p.wg;
		dp_encap_linux(p.w, &b);
		path_assert_dropped(&p, DP_DROP_seal_failed, 1);
		path_assert_quiet(&p);
		/* It has an ending, but was not sent. */
		assert_int_equal(dp_counted(&p.w->iface_counters[p.wg->id].tx), 0);
		for (unsigned int n = 1; n <= PATH_PEERS; n++)
			assert_int_equal(dp_session_sent_bytes(p.sessions[n]), 0);
	}
	path_close(&p);
}

/* ---- from a port, and from one peer to another ---- */

static void through_the_gateway(void **state)
{
	for (unsigned int i = 0; i < 8; i++) {
		bool spoke = i & 1, v6 = i & 2, last_hop = i & 4;
		uint8_t ip[112], plain[112];
		struct path_frame f;
		struct rte_mbuf *m;
		uint64_t counter;
		struct path p;

		path_open(&p, 1);
		path_ip(ip,
			spoke ? v6 ? "fd00:8:1::5" : "10.8.1.5"
			: v6  ? "fd00:a::2"
			      : "10.0.0.2",
			v6 ? "fd00:8:2::5" : "10.8.2.5", sizeof(ip));
		ip[v6 ? 7 : 8] = last_hop ? 1 : 2;
		if (!v6)
			path_ipv4_sum(ip);
		if (spoke)
			path_data(&f, &p, 1, 0, ip, sizeof(ip));
		else
			path_ethernet(&f, &p, 1, ip, sizeof(ip));
		path_receive(&p, !spoke, &f);
		if (last_hop) {
			m = path_asked(&p);
			assert_non_null(m);
			assert_int_equal(dp_note(m)->ask, DP_ASK_ICMP);
			assert_int_equal(dp_note(m)->reason, DP_DROP_ttl);
			assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), ip, sizeof(ip));
			path_assert_dropped(&p, DP_DROP_ttl, 1);
		} else {
			m = path_sent(&p, 0);
			assert_non_null(m);
			assert_int_equal(open_message(m, 2, &counter, plain), sizeof(ip));
			ip[v6 ? 7 : 8]--;
			if (!v6)
				path_ipv4_sum(ip);
			assert_memory_equal(plain, ip, sizeof(ip));
		}
		rte_pktmbuf_free(m);
		path_drain(&p);
		path_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector_messages),
		cmocka_unit_test(vector_padding),
		cmocka_unit_test(every_inner_length),
		cmocka_unit_test(ecn),
		cmocka_unit_test(udp_sums),
		cmocka_unit_test(header_sum_left_to_hardware),
		cmocka_unit_test(udp_sum_zero),
		cmocka_unit_test(longest_header),
		cmocka_unit_test(over_the_ports_mtu),
		cmocka_unit_test(counters_in_order),
		cmocka_unit_test(the_last_counters),
		cmocka_unit_test(two_workers_one_session),
		cmocka_unit_test(staging),
		cmocka_unit_test(rekey_when_sending),
		cmocka_unit_test(full_rings),
		cmocka_unit_test(refusals),
		cmocka_unit_test(malformed_from_linux),
		cmocka_unit_test(buffers_without_room),
		cmocka_unit_test(through_the_gateway),
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
