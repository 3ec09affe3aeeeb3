/*
 * Several outer source ports for one peer: which flow leaves from which, sums, what is received on
 * them, and what it looks like at the other end.
 */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <rte_mbuf.h>

#include "dataplane/ip.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#define IP	    14
#define N_PORTS	    4
#define MANY_PORTS  128
#define N_FLOWS	    400
#define INNER_BYTES 200

static void set_source_ports(struct path *p, unsigned int n, uint16_t ports)
{
	struct dp_out out = path_out(p, n);

	out.source_ports = ports;
	assert_int_equal(dp_publish_out(p->dp, p->peers[n], &out), 0);
}

/* An inner packet of a flow to peer n. */
static void flow_packet(uint8_t *ip, bool v6, unsigned int n, uint8_t proto, uint16_t from_port)
{
	char to[32];

	snprintf(to, sizeof(to), v6 ? "fd00:8:%u::5" : "10.8.%u.5", n);
	path_ip(ip, v6 ? "fd00:a::2" : "10.0.0.2", to, INNER_BYTES);
	ip[v6 ? 6 : 9] = proto;
	ip[v6 ? 40 : 20] = (uint8_t)(from_port >> 8);
	ip[v6 ? 41 : 21] = (uint8_t)from_port;
	if (!v6)
		path_ipv4_sum(ip);
}

/* The source port of what has been sent to peer n; the sums are right. */
static uint16_t sent_from(struct path *p, unsigned int n)
{
	struct rte_mbuf *m = path_sent(p, 0);
	const uint8_t *ip, *udp;
	uint16_t port;

	assert_non_null(m);
	ip = rte_pktmbuf_mtod(m, const uint8_t *) + IP;
	udp = ip + (n == 2 ? 40 : 20);
	assert_true(path_udp_sum_right(ip));
	assert_true(n == 2 || path_ipv4_sum_right(ip));
	assert_int_equal(dp_load_be16(udp + 2), n * 1000);
	port = dp_load_be16(udp);
	rte_pktmbuf_free(m);
	assert_null(path_sent(p, 0));
	return port;
}

static uint16_t leaves_from(struct path *p, const uint8_t *ip, unsigned int n)
{
	path_from_linux(p, ip, INNER_BYTES);
	return sent_from(p, n);
}

/* Flows are spread over all ports about evenly, and each stays with its own. Peer 2 is reached over
 * IPv6. */
static void by_flow(void **state)
{
	static const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP};
	struct path p;

	path_open(&p, 1);
	for (unsigned int n = 1; n <= 2; n++)
		set_source_ports(&p, n, N_PORTS);
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int n = 1 + i % 2, seen[N_PORTS] = {0};
		bool v6 = i / 2 % 2;

		for (uint16_t flow = 0; flow < N_FLOWS; flow++) {
			uint8_t ip[INNER_BYTES];
			uint16_t port;

			flow_packet(ip, v6, n, protos[i / 4], flow);
			port = leaves_from(&p, ip, n);
			assert_in_range(port, PATH_LISTEN_PORT, PATH_LISTEN_PORT + N_PORTS - 1);
			seen[port - PATH_LISTEN_PORT]++;
			ip[INNER_BYTES - 1] ^= 0xff; /* what it carries means nothing */
			assert_int_equal(leaves_from(&p, ip, n), port);
		}
		for (unsigned int k = 0; k < N_PORTS; k++)
			assert_in_range(seen[k], N_FLOWS / N_PORTS / 2, N_FLOWS / N_PORTS * 2);
	}
	path_close(&p);
}

/* What has no ports, or not in each packet, goes by addresses. */
static void by_addresses(void **state)
{
	uint8_t ip[INNER_BYTES];
	uint16_t first;
	struct path p;

	path_open(&p, 1);
	set_source_ports(&p, 1, MANY_PORTS);
	flow_packet(ip, false, 1, IPPROTO_ICMP, 1);
	first = leaves_from(&p, ip, 1);
	for (uint16_t i = 2; i < 20; i++) {
		flow_packet(ip, false, 1, IPPROTO_ICMP, i);
		assert_int_equal(leaves_from(&p, ip, 1), first);
	}
	/* Fragments: the first has ports, the others have not. */
	for (uint16_t i = 0; i < 20; i++) {
		uint16_t port;

		flow_packet(ip, false, 1, IPPROTO_UDP, i);
		ip[6] = i % 2 ? 0x20 : 0; /* more of them */
		ip[7] = (uint8_t)(i % 2 ? i / 2 : 1 + i);
		path_ipv4_sum(ip);
		port = leaves_from(&p, ip, 1);
		if (i == 0)
			first = port;
		assert_int_equal(port, first);
	}
	path_close(&p);
}

/* The listen port alone: for a peer that has it off, for keepalives, and after it is turned off. */
static void from_the_listen_port(void **state)
{
	uint8_t ip[INNER_BYTES];
	struct path p;

	path_open(&p, 1);
	set_source_ports(&p, 1, MANY_PORTS);
	path_seal(&p, 1, NULL, 0);
	assert_int_equal(sent_from(&p, 1), PATH_LISTEN_PORT);
	for (uint16_t flow = 0; flow < 50; flow++) {
		flow_packet(ip, false, 3, IPPROTO_UDP, flow);
		assert_int_equal(leaves_from(&p, ip, 3), PATH_LISTEN_PORT);
	}
	set_source_ports(&p, 1, 1);
	for (uint16_t flow = 0; flow < 50; flow++) {
		flow_packet(ip, false, 1, IPPROTO_UDP, flow);
		assert_int_equal(leaves_from(&p, ip, 1), PATH_LISTEN_PORT);
	}
	path_close(&p);
}

/* With a port that sums by itself the pseudo header's sum is as for the listen port. */
static void offloaded(void **state)
{
	uint8_t ip[INNER_BYTES];
	bool other = false;
	struct path p;

	path_open(&p, 1);
	p.ports[0].device->tx_udp_cksum = true;
	for (unsigned int i = 0; i < 40; i++) {
		unsigned int n = 1 + i % 2, header = n == 2 ? 40 : 20;
		struct rte_mbuf *m;
		const uint8_t *frame;
		uint16_t want;

		set_source_ports(&p, n, N_PORTS);
		flow_packet(ip, false, n, IPPROTO_UDP, (uint16_t)i);
		path_from_linux(&p, ip, sizeof(ip));
		m = path_sent(&p, 0);
		assert_non_null(m);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM);
		frame = rte_pktmbuf_mtod(m, const uint8_t *) + IP;
		other |= dp_load_be16(frame + header) != PATH_LISTEN_PORT;
		want = n == 2 ? rte_ipv6_phdr_cksum((const void *)frame, m->ol_flags)
			      : rte_ipv4_phdr_cksum((const void *)frame, m->ol_flags);
		assert_memory_equal(frame + header + 6, &want, 2);
		rte_pktmbuf_free(m);
	}
	assert_true(other);
	path_close(&p);
}

/* Frames to be cut into fragments are complete. */
static void over_the_ports_mtu(void **state)
{
	uint8_t ip[INNER_BYTES];
	bool other = false;
	struct dp_out out;
	struct path p;

	path_open(&p, 1);
	out = path_out(&p, 1);
	out.mtu = 100;
	out.source_ports = N_PORTS;
	assert_int_equal(dp_publish_out(p.dp, p.peers[1], &out), 0);
	for (uint16_t flow = 0; flow < 20; flow++) {
		const uint8_t *frame;
		struct rte_mbuf *m;

		flow_packet(ip, false, 1, IPPROTO_UDP, flow);
		path_from_linux(&p, ip, sizeof(ip));
		m = path_asked(&p);
		assert_non_null(m);
		assert_int_equal(dp_note(m)->ask, DP_ASK_FRAGMENT_OUT);
		frame = rte_pktmbuf_mtod(m, const uint8_t *) + IP;
		assert_true(path_udp_sum_right(frame));
		other |= dp_load_be16(frame + 20) != PATH_LISTEN_PORT;
		rte_pktmbuf_free(m);
	}
	assert_true(other);
	path_close(&p);
}

/* A data message and an initiation to a port of ours: which are taken. */
static bool taken(struct path *p, unsigned int n, uint64_t counter, uint16_t port)
{
	static const struct wg_initiation initiation = {.type = RTE_LE32(WG_INITIATION)};
	const char *from = n == 2 ? "2001:db8:1::2" : "198.51.100.1";
	const char *to = n == 2 ? "2001:db8::1" : "192.0.2.1";
	uint64_t before = dp_counted(&p->w->counters.consumed);
	uint8_t message[WG_OVERHEAD_BYTES];
	struct path_frame f;
	struct rte_mbuf *m;
	bool data;

	path_message(message, n, counter, NULL, 0);
	path_udp(&f, p, 0, from, (uint16_t)(n * 1000), to, port, message, sizeof(message));
	path_receive(p, 0, &f);
	data = dp_counted(&p->w->counters.consumed) == before + 1;
	path_udp(&f, p, 0, from, (uint16_t)(n * 1000), to, port, &initiation, sizeof(initiation));
	path_receive(p, 0, &f);
	m = path_handshake(p);
	assert_int_equal(m != NULL, data);
	rte_pktmbuf_free(m);
	return data;
}

/* On each port of the range, over both families, and on no other; another one of our ports is no
 * roaming. */
static void receive_on_each(void **state)
{
	static const struct dp_listen rows[] = {
		{PATH_LISTEN_PORT, 1},
		{PATH_LISTEN_PORT, N_PORTS},
		{PATH_LISTEN_PORT, 128},
		{65535, 1},
		{65408, 128},
		{1, 2},
	};
	uint64_t counter = 0;
	struct rte_mbuf *m;
	struct path p;

	path_open(&p, 1);
	for (unsigned int n = 1; n <= 2; n++)
		p.sessions[n]->confirmed = true;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		uint16_t first = rows[i].first, last = (uint16_t)(first + rows[i].n - 1);

		dp_publish_listen(p.wg, first, rows[i].n);
		for (unsigned int n = 1; n <= 2; n++) {
			assert_true(taken(&p, n, counter++, first));
			assert_true(taken(&p, n, counter++, last));
			assert_true(taken(&p, n, counter++, (uint16_t)(first + rows[i].n / 2)));
			assert_false(taken(&p, n, counter++, (uint16_t)(first - 1)));
			assert_false(taken(&p, n, counter++, (uint16_t)(last + 1)));
		}
		/* The others went to Linux. */
		while ((m = path_for_linux(&p)) != NULL)
			rte_pktmbuf_free(m);
		path_assert_quiet(&p);
	}
	dp_publish_listen(p.wg, 0, 0);
	assert_false(taken(&p, 1, counter++, 0));
	assert_false(taken(&p, 1, counter++, PATH_LISTEN_PORT));
	path_close(&p);
}

/* Whether a message from an endpoint is taken for roaming, which is then settled. */
static bool roams(struct path *p, uint64_t counter, const char *from, uint16_t from_port)
{
	uint8_t message[WG_OVERHEAD_BYTES];
	struct dp_out out = path_out(p, 1);
	struct dp_event event;
	struct path_frame f;
	bool told;

	path_message(message, 1, counter, NULL, 0);
	path_udp(&f, p, 0, from, from_port, "192.0.2.1", PATH_LISTEN_PORT, message,
		 sizeof(message));
	path_receive(p, 0, &f);
	told = path_event(p, &event);
	if (told) {
		assert_int_equal(event.kind, DP_EVENT_ROAMED);
		assert_int_equal(event.endpoint.port, from_port);
		assert_int_equal(dp_publish_out(p->dp, p->peers[1], &out), 0);
	}
	return told;
}

/* A peer that has source ports: while its port is held, another one is no roaming. */
static void peers_port_held(void **state)
{
	static const char home[] = "198.51.100.1", elsewhere[] = "198.51.100.9";
	struct dp_out out;
	struct path p;

	path_open(&p, 1);
	p.sessions[1]->confirmed = true;
	assert_false(roams(&p, 0, home, 1000));
	assert_true(roams(&p, 1, home, 1001));
	out = path_out(&p, 1);
	out.port_held = dp_out_tick(p.w->now_ns + WG_NS_PER_S);
	assert_int_equal(dp_publish_out(p.dp, p.peers[1], &out), 0);
	assert_false(roams(&p, 2, home, 1000));
	assert_false(roams(&p, 3, home, 1001));
	assert_true(roams(&p, 4, elsewhere, 1000));
	assert_true(roams(&p, 5, elsewhere, 1001));
	p.w->now_ns += WG_NS_PER_S;
	assert_false(roams(&p, 6, home, 1000));
	assert_true(roams(&p, 7, home, 1001));
	path_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_flow),
		cmocka_unit_test(by_addresses),
		cmocka_unit_test(from_the_listen_port),
		cmocka_unit_test(offloaded),
		cmocka_unit_test(over_the_ports_mtu),
		cmocka_unit_test(receive_on_each),
		cmocka_unit_test(peers_port_held),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
