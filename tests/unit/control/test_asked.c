/*
 * Single packets that workers pass to control: ICMP errors as a real Linux receives them, fragments
 * cut and joined again, next hops that answer and that don't. Buffers and counters must come out
 * even after each test.
 */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_udp.h>

#include "control/asked.h"
#include "control/ending.h"
#include "dataplane/ethernet.h"
#include "dataplane/publish.h"
#include "tests/unit/control/net.h"
#include "tests/unit/dataplane/whole.h"

#define TUNNEL_MTU  1420
#define PORT_MTU    1300
#define QUIET_MS    100
#define ROUNDS	    60
#define PACKET_MAX  4000
#define WAIT_PKTS   16
#define LIMIT_BURST 50

static struct dp *dp;
static struct dp_iface *iface;
static struct ctl_linux *l;
static struct ctl_asked *asked;
static struct dp_port port0 = {.id = 0, .mtu = PORT_MTU, .mac = {2, 0, 0, 0, 0, 1}};
static unsigned int buffers;
static uint64_t given, taken; /* packets to control, packets from control */
static uint64_t now_ns;

static void on_neighbour(void *ctx, uint32_t ifindex, int family, const uint8_t *addr,
			 const uint8_t *mac)
{
	(void)ctx;
	ctl_asked_neighbour(asked, ifindex, family, addr, mac);
}

static int setup(void **state)
{
	static const struct ctl_linux_ops ops = {NULL, on_neighbour, NULL};
	static const int cpus[1];
	static const unsigned int lcores[1];
	const struct dp_settings s = {.cpus = cpus,
				      .lcores = lcores,
				      .n_workers = 1,
				      .packet_buffers = 4095,
				      .mtu_max = PACKET_MAX};
	char error[256] = "";

	net_setup(state);
	net_run("ip addr add 10.1.0.1/24 dev port0 && ip addr add fd00:1::1/64 dev port0 && "
		"ip addr add 10.20.0.1/32 dev lo && ip addr add fd00:20::1/128 dev lo");
	dp = dp_new(&s, error, sizeof(error));
	assert_non_null(dp);
	buffers = rte_mempool_avail_count(dp->pool);
	iface = dp_publish_iface(dp, "wg0", TUNNEL_MTU);
	assert_non_null(iface);
	port0.linux_ifindex = if_nametoindex("port0");
	dp->ports[0] = &port0;
	dp->n_ports = 1;
	l = ctl_linux_new(dp, &ops, NULL, error, sizeof(error));
	assert_non_null(l);
	assert_int_equal(ctl_linux_bind_port(l, &port0), 0);
	assert_int_equal(ctl_linux_start(l), 0);
	asked = ctl_asked_new(dp, l, error, sizeof(error));
	assert_non_null(asked);
	given = taken = 0;
	now_ns = 100 * WG_NS_PER_S;
	return 0;
}

static uint64_t dropped(void)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_DROP_N; i++)
		n += dp_counted(&dp->control_counters.drops[i]);
	return n;
}

/* Also with packets waiting: they are counted as dropped. */
static int teardown(void **state)
{
	const struct dp_counters *c = &dp->control_counters;
	bool even;

	even = given + dp_counted(&c->made) ==
	       taken + dp_counted(&c->consumed) + dropped() + ctl_asked_waiting(asked);
	ctl_asked_free(asked);
	even = even && given + dp_counted(&c->made) == taken + dp_counted(&c->consumed) + dropped();
	ctl_linux_free(l);
	even = even && rte_mempool_avail_count(dp->pool) == buffers;
	dp->ports[0] = NULL;
	dp->n_ports = 0;
	dp_retire_iface(dp, iface);
	dp_free(dp);
	net_teardown(state);
	return even ? 0 : -1;
}

/* To control as a worker would. note.ask is set; icmp ones have been counted by the worker. */
static void give(struct rte_mbuf *m, enum dp_ask ask)
{
	dp_note(m)->ask = (uint8_t)ask;
	if (ask != DP_ASK_ICMP)
		given++;
	ctl_asked_packet(asked, now_ns, m);
}

static struct rte_mbuf *take(void)
{
	void *m = NULL;

	if (rte_ring_sc_dequeue(dp->workers[0]->from_control, &m) != 0)
		return NULL;
	taken++;
	return m;
}

static struct rte_mbuf *packet(const void *bytes, size_t len)
{
	struct rte_mbuf *m = dp_packet_new(dp);
	char *to;

	assert_non_null(m);
	to = rte_pktmbuf_append(m, (uint16_t)len);
	assert_non_null(to);
	memcpy(to, bytes, len);
	dp_note(m)->inner_len = (uint16_t)len;
	dp_note(m)->iface_id = iface->id;
	return m;
}

/* An inner UDP packet; returns its length. */
static size_t udp4(uint8_t *p, const char *src, const char *dst, size_t payload)
{
	size_t len = 28 + payload;
	struct rte_ipv4_hdr *ip = (void *)p;

	memset(p, 0x11, len);
	*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45, .time_to_live = 9, .next_proto_id = 17};
	ip->total_length = htons((uint16_t)len);
	inet_pton(AF_INET, src, &ip->src_addr);
	inet_pton(AF_INET, dst, &ip->dst_addr);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return len;
}

static size_t udp6(uint8_t *p, const char *src, const char *dst, size_t payload)
{
	size_t len = 48 + payload;
	struct rte_ipv6_hdr *ip = (void *)p;

	memset(p, 0x11, len);
	*ip = (struct rte_ipv6_hdr){.vtc_flow = htonl(6u << 28), .hop_limits = 9, .proto = 17};
	ip->payload_len = htons((uint16_t)(8 + payload));
	inet_pton(AF_INET6, src, ip->src_addr);
	inet_pton(AF_INET6, dst, ip->dst_addr);
	return len;
}

/* ---- ICMP ---- */

/* ICMP that this host receives. IPv4: with the IP header before it. */
static int hear(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK,
			family == AF_INET ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6);

	assert_true(fd >= 0);
	return fd;
}

static ssize_t heard(int fd, uint8_t *buffer, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, QUIET_MS) <= 0)
		return -1;
	return recv(fd, buffer, size, 0);
}

static void refuse(const uint8_t *ip, size_t len, enum dp_drop reason, bool by_port)
{
	struct rte_mbuf *m = packet(ip, len);

	dp_note(m)->reason = (uint8_t)reason;
	if (by_port) {
		dp_note(m)->port_id = 0;
		dp_note(m)->next_hop[0] = 10;
	}
	give(m, DP_ASK_ICMP);
}

static void test_icmp(void **state)
{
	static const struct {
		enum dp_drop reason;
		bool by_port;
		uint8_t type4, code4, type6, code6;
		uint16_t mtu;
	} rows[] = {
		{DP_DROP_ttl, false, 11, 0, 3, 0, 0},
		{DP_DROP_too_big, false, 3, 4, 2, 0, TUNNEL_MTU},
		{DP_DROP_too_big, true, 3, 4, 2, 0, PORT_MTU},
		{DP_DROP_no_peer, false, 3, 1, 1, 3, 0},
		{DP_DROP_no_endpoint, false, 3, 1, 1, 3, 0},
		{DP_DROP_unresolved, true, 3, 1, 1, 3, 0},
		{DP_DROP_no_route, false, 3, 0, 1, 0, 0},
	};
	int fd4 = hear(AF_INET), fd6 = hear(AF_INET6);
	uint8_t ip[PACKET_MAX], got[PACKET_MAX];

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		bool small = i % 2;
		size_t len = udp4(ip, "10.20.0.1", "10.9.0.1", small ? 30 : 1500);
		ssize_t n;

		refuse(ip, len, rows[i / 2].reason, rows[i / 2].by_port);
		n = heard(fd4, got, sizeof(got));
		/* 576 bytes at most, IP and ICMP headers included. */
		assert_int_equal(n, small ? 28 + (ssize_t)len : 576);
		assert_int_equal(got[20], rows[i / 2].type4);
		assert_int_equal(got[21], rows[i / 2].code4);
		assert_int_equal(got[26] << 8 | got[27], rows[i / 2].mtu);
		assert_memory_equal(got + 28, ip, (size_t)n - 28);
		assert_int_equal((uint16_t)~rte_raw_cksum(got + 20, (size_t)n - 20), 0);

		len = udp6(ip, "fd00:20::1", "fd00:9::1", small ? 30 : 1500);
		refuse(ip, len, rows[i / 2].reason, rows[i / 2].by_port);
		n = heard(fd6, got, sizeof(got));
		assert_int_equal(n, small ? 8 + (ssize_t)len : 1280 - 40);
		assert_int_equal(got[0], rows[i / 2].type6);
		assert_int_equal(got[1], rows[i / 2].code6);
		assert_int_equal(got[4] << 24 | got[5] << 16 | got[6] << 8 | got[7],
				 rows[i / 2].type6 == 2 ? rows[i / 2].mtu : 0);
		assert_memory_equal(got + 8, ip, (size_t)n - 8);
	}
	close(fd4);
	close(fd6);
}

/* About what nobody may be told. */
static void test_icmp_never(void **state)
{
	static const struct {
		const char *what, *src, *dst;
		uint8_t proto, type;
		uint16_t fragment;
		bool told;
	} rows[] = {
		{"UDP", "10.20.0.1", "10.9.0.1", 17, 0, 0, true},
		{"first fragment", "10.20.0.1", "10.9.0.1", 17, 0, 0x2000, true},
		{"later fragment", "10.20.0.1", "10.9.0.1", 17, 0, 1, false},
		{"last fragment", "10.20.0.1", "10.9.0.1", 17, 0, 0x1fff, false},
		{"ping", "10.20.0.1", "10.9.0.1", 1, 8, 0, true},
		{"ICMP unreachable", "10.20.0.1", "10.9.0.1", 1, 3, 0, false},
		{"ICMP quench", "10.20.0.1", "10.9.0.1", 1, 4, 0, false},
		{"ICMP redirect", "10.20.0.1", "10.9.0.1", 1, 5, 0, false},
		{"ICMP time exceeded", "10.20.0.1", "10.9.0.1", 1, 11, 0, false},
		{"ICMP parameter", "10.20.0.1", "10.9.0.1", 1, 12, 0, false},
		{"to multicast", "10.20.0.1", "224.0.0.5", 17, 0, 0, false},
		{"to broadcast", "10.20.0.1", "255.255.255.255", 17, 0, 0, false},
		{"from nobody", "0.0.0.0", "10.9.0.1", 17, 0, 0, false},
		{"from loopback", "127.0.0.1", "10.9.0.1", 17, 0, 0, false},
		{"UDP", "fd00:20::1", "fd00:9::1", 17, 0, 0, true},
		{"ping", "fd00:20::1", "fd00:9::1", 58, 128, 0, true},
		{"ICMPv6 unreachable", "fd00:20::1", "fd00:9::1", 58, 1, 0, false},
		{"ICMPv6 unknown error", "fd00:20::1", "fd00:9::1", 58, 127, 0, false},
		{"ICMPv6 redirect", "fd00:20::1", "fd00:9::1", 58, 137, 0, false},
		{"hop-by-hop, UDP", "fd00:20::1", "fd00:9::1", 0, 17, 0, true},
		{"hop-by-hop, cut off", "fd00:20::1", "fd00:9::1", 0, 0, 1, false},
		{"later fragment", "fd00:20::1", "fd00:9::1", 44, 17, 8, false},
		{"first fragment", "fd00:20::1", "fd00:9::1", 44, 17, 1, true},
		{"to multicast", "fd00:20::1", "ff02::1", 17, 0, 0, false},
		{"from nobody", "::", "fd00:9::1", 17, 0, 0, false},
		{"from loopback", "::1", "fd00:9::1", 17, 0, 0, false},
	};
	int fd4 = hear(AF_INET), fd6 = hear(AF_INET6);
	uint8_t ip[200], got[300];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool v6 = strchr(rows[i].src, ':') != NULL;
		size_t len = v6 ? udp6(ip, rows[i].src, rows[i].dst, 60)
				: udp4(ip, rows[i].src, rows[i].dst, 60);
		uint8_t *next = ip + (v6 ? 40 : 20);

		ip[v6 ? 6 : 9] = rows[i].proto;
		next[0] = rows[i].type;
		if (!v6) {
			ip[6] = (uint8_t)(rows[i].fragment >> 8);
			ip[7] = (uint8_t)rows[i].fragment;
		} else if (rows[i].proto == 44) {
			next[2] = 0;
			next[3] = (uint8_t)rows[i].fragment;
		} else if (rows[i].proto == 0) {
			/* The next header is beyond the end, or there. */
			next[1] = rows[i].fragment ? 20 : 0;
		}
		refuse(ip, len, DP_DROP_ttl, false);
		if ((heard(v6 ? fd6 : fd4, got, sizeof(got)) > 0) != rows[i].told)
			fail_msg("%s: %stold", rows[i].what, rows[i].told ? "not " : "");
	}
	/* A drop that is nobody's business, and bytes that are no packet. */
	refuse(ip, udp4(ip, "10.20.0.1", "10.9.0.1", 60), DP_DROP_replay, false);
	refuse(ip, 19, DP_DROP_ttl, false);
	refuse(ip, 40, DP_DROP_ttl, false);
	assert_true(heard(fd4, got, sizeof(got)) < 0);
	close(fd4);
	close(fd6);
}

static void test_icmp_limit(void **state)
{
	int fd = hear(AF_INET), n = 0, bytes = 1 << 20;
	uint8_t ip[200], got[300];
	size_t len = udp4(ip, "10.20.0.1", "10.9.0.1", 60);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)), 0);
	for (int i = 0; i < 500; i++)
		refuse(ip, len, DP_DROP_ttl, false);
	while (heard(fd, got, sizeof(got)) > 0)
		n++;
	assert_int_equal(n, LIMIT_BURST);
	now_ns += WG_NS_PER_S / 100;
	for (n = 0; n < 500; n++)
		refuse(ip, len, DP_DROP_ttl, false);
	for (n = 0; heard(fd, got, sizeof(got)) > 0;)
		n++;
	assert_int_equal(n, 10);
	close(fd);
}

/* ---- fragments ---- */

/* Joins IPv4 fragments byte by byte; returns the length of the whole. */
struct joined {
	uint8_t payload[PACKET_MAX];
	uint8_t have[PACKET_MAX];
	size_t total; /* 0: last not seen */
};

static void join4(struct joined *j, const uint8_t *ip, size_t len)
{
	size_t header = (ip[0] & 0xfu) * 4, at = (size_t)((ip[6] & 0x1f) << 8 | ip[7]) * 8;

	assert_int_equal(ip[2] << 8 | ip[3], len);
	assert_int_equal((uint16_t)~rte_raw_cksum(ip, header), 0);
	assert_true(at + len - header <= PACKET_MAX);
	for (size_t i = 0; i < len - header; i++) {
		assert_false(j->have[at + i]);
		j->have[at + i] = 1;
		j->payload[at + i] = ip[header + i];
	}
	if (!(ip[6] & 0x20))
		j->total = at + len - header;
	else
		assert_int_equal((len - header) % 8, 0);
}

static void check_joined(const struct joined *j, const uint8_t *payload, size_t len)
{
	assert_int_equal(j->total, len);
	for (size_t i = 0; i < len; i++)
		assert_true(j->have[i]);
	assert_memory_equal(j->payload, payload, len);
}

static void test_fragment_inner(void **state)
{
	uint64_t seed = 0x66726167;
	uint8_t ip[PACKET_MAX];

	printf("# seed 0x%llx\n", (unsigned long long)seed);
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t mtu = (uint16_t)(576 + (unit_random(&seed) >> 33) % 900);
		size_t len = udp4(ip, "10.20.0.1", "10.9.0.1",
				  mtu - 27 + (unit_random(&seed) >> 33) % 2000);
		struct joined j = {.total = 0};
		struct rte_mbuf *m;

		unit_random_fill(&seed, ip + 20, len - 20);
		ip[4] = (uint8_t)round;
		dp_publish_mtu(iface, mtu);
		m = packet(ip, len);
		dp_note(m)->routed = 1;
		give(m, DP_ASK_FRAGMENT);
		while ((m = take())) {
			const uint8_t *frag = rte_pktmbuf_mtod(m, const uint8_t *);

			assert_int_equal(dp_note(m)->ask, DP_ASK_ENCAP);
			assert_int_equal(dp_note(m)->iface_id, iface->id);
			assert_int_equal(dp_note(m)->routed, 1);
			assert_int_equal(dp_note(m)->inner_len, m->data_len);
			assert_int_equal(m->pkt_len, m->data_len);
			assert_true(m->data_len <= mtu);
			assert_true(rte_pktmbuf_headroom(m) >= DP_HEADROOM_BYTES);
			assert_int_equal(frag[4], round);
			assert_memory_equal(frag + 12, ip + 12, 8);
			join4(&j, frag, m->data_len);
			rte_pktmbuf_free(m);
		}
		check_joined(&j, ip + 20, len - 20);
	}
	assert_int_equal(dp_counted(&dp->control_counters.consumed), ROUNDS);
	assert_int_equal(dropped(), 0);
}

/* Towards a port the fragments have its MTU and a MAC. */
static void test_fragment_to_port(void **state)
{
	uint8_t ip[PACKET_MAX];
	size_t len = udp4(ip, "10.20.0.1", "10.1.0.2", 2000);
	struct joined j = {.total = 0};
	struct rte_mbuf *m = packet(ip, len);
	int n = 0;

	net_run("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev port0");
	ctl_linux_run(l);
	dp_note(m)->port_id = 0;
	dp_note(m)->family = AF_INET;
	memcpy(dp_note(m)->next_hop, ip + 16, 4);
	give(m, DP_ASK_FRAGMENT);
	while ((m = take())) {
		const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
		static const uint8_t ether[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};

		assert_int_equal(dp_note(m)->ask, DP_ASK_OUT);
		assert_int_equal(dp_note(m)->port_id, 0);
		assert_memory_equal(frame, ether, sizeof(ether));
		assert_true(m->data_len <= PORT_MTU + 14);
		join4(&j, frame + 14, m->data_len - 14u);
		rte_pktmbuf_free(m);
		n++;
	}
	assert_int_equal(n, 2);
	check_joined(&j, ip + 20, len - 20);
}

/* Outer frame of a WireGuard message. Returns its length. */
static size_t outer(uint8_t *frame, bool v6, size_t payload, uint64_t *seed)
{
	static const uint8_t peer[6] = {2, 0, 0, 0, 0, 2};
	uint8_t *ip = frame + dp_ethernet_bytes(&port0), *udp = ip + (v6 ? 40 : 20);
	uint16_t sum;

	dp_ethernet_write(frame, &port0, peer, !v6);
	if (v6)
		udp6(ip, "fd00:1::1", "fd00:1::2", payload);
	else
		udp4(ip, "10.1.0.1", "10.1.0.2", payload);
	unit_random_fill(seed, udp, 8 + payload);
	udp[4] = (uint8_t)((8 + payload) >> 8);
	udp[5] = (uint8_t)(8 + payload);
	memset(udp + 6, 0, 2);
	sum = v6 ? rte_ipv6_udptcp_cksum((void *)ip, udp) : rte_ipv4_udptcp_cksum((void *)ip, udp);
	memcpy(udp + 6, &sum, 2);
	return (size_t)(udp - frame) + 8 + payload;
}

static void shuffle(struct rte_mbuf **pkts, unsigned int n, uint64_t *seed)
{
	for (unsigned int i = n; i > 1; i--) {
		unsigned int k = (unsigned int)((unit_random(seed) >> 33) % i);
		struct rte_mbuf *swap = pkts[i - 1];

		pkts[i - 1] = pkts[k];
		pkts[k] = swap;
	}
}

/* As if the frame had come in and classify had found a fragment. */
static void give_fragment(struct rte_mbuf *m)
{
	uint16_t l3 = dp_ethernet_bytes(&port0);
	const uint8_t *type = rte_pktmbuf_mtod_offset(m, const uint8_t *, l3 - 2);

	memset(dp_note(m), 0, sizeof(struct dp_note));
	dp_note(m)->l3_off = l3;
	dp_note(m)->family = type[0] == 8 ? AF_INET : AF_INET6;
	give(m, DP_ASK_REASSEMBLE);
}

/* Cut at the port's MTU, arrived in any order, whole again. */
static void out_and_in(void)
{
	static uint8_t frame[PACKET_MAX];
	uint64_t seed = 0x6f757465;

	printf("# seed 0x%llx\n", (unsigned long long)seed);
	for (int round = 0; round < ROUNDS; round++) {
		bool v6 = round % 2, offload = round % 4 > 1;
		uint16_t l3 = dp_ethernet_bytes(&port0);
		size_t payload = PORT_MTU - 20 + (unit_random(&seed) >> 33) % 2000;
		size_t len = outer(frame, v6, payload, &seed), ip_bytes = v6 ? 40 : 20;
		struct rte_mbuf *m = packet(frame, len), *frags[16];
		unsigned int n = 0;

		if (offload) {
			m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
			memset(rte_pktmbuf_mtod(m, uint8_t *) + l3 + ip_bytes + 6, 0x77, 2);
		}
		dp_note(m)->port_id = 0;
		give(m, DP_ASK_FRAGMENT_OUT);
		while ((m = take())) {
			assert_int_equal(dp_note(m)->ask, DP_ASK_OUT);
			assert_int_equal(dp_note(m)->port_id, 0);
			assert_true(m->data_len <= l3 + PORT_MTU);
			assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM, 0);
			assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, l3);
			assert_true(n < 16);
			frags[n++] = m;
		}
		assert_true(n >= 2);
		shuffle(frags, n, &seed);
		for (unsigned int i = 0; i < n; i++) {
			assert_int_equal(ctl_asked_waiting(asked), i);
			give_fragment(frags[i]);
		}
		assert_int_equal(ctl_asked_waiting(asked), 0);
		m = take();
		assert_non_null(m);
		assert_null(take());
		assert_int_equal(dp_note(m)->ask, DP_ASK_FRAME);
		assert_int_equal(dp_note(m)->port_id, 0);
		assert_int_equal(m->nb_segs, 1);
		assert_int_equal(m->data_len, len);
		/* Only the id may be another, and with it the header's checksum. */
		if (!v6) {
			uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *) + l3;

			assert_int_equal((uint16_t)~rte_raw_cksum(ip, 20), 0);
			memcpy(ip + 4, frame + l3 + 4, 2);
			memcpy(ip + 10, frame + l3 + 10, 2);
		}
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), frame, len);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(dropped(), 0);
}

static void test_out_and_in(void **state)
{
	out_and_in();
}

/* The same on a port that is a VLAN: each fragment has the tag. */
static void test_out_and_in_vlan(void **state)
{
	port0.vlan = 7;
	out_and_in();
	port0.vlan = 0;
}

/* Some fragments never come; some are nonsense; a flood finds its bounds. */
/* A port so narrow that no fragment fits, and a worker that takes nothing any more. */
static void test_no_way(void **state)
{
	const struct dp_counters *c = &dp->control_counters;
	static uint8_t frame[PACKET_MAX];
	uint64_t seed = 0x6e61726f;

	for (int v6 = 0; v6 < 2; v6++) {
		struct rte_mbuf *m = packet(frame, outer(frame, v6, 1000, &seed));

		dp->ports[0]->mtu = 48;
		dp_note(m)->port_id = 0;
		give(m, DP_ASK_FRAGMENT_OUT);
		assert_int_equal(dp_counted(&c->drops[DP_DROP_outer_too_big]), v6 + 1);
		assert_null(take());
	}
	for (int i = 0; i < 2 * DP_RING_PKTS; i++) {
		struct rte_mbuf *m = packet(frame, 60);

		dp_note(m)->ask = DP_ASK_OUT;
		dp_note(m)->port_id = 0;
		given++;
		ctl_hand(dp, m, false);
	}
	assert_true(dp_counted(&c->drops[DP_DROP_worker_full]) >= DP_RING_PKTS);
	for (struct rte_mbuf *m; (m = take());)
		rte_pktmbuf_free(m);
	dp->ports[0]->mtu = PORT_MTU;
}

static void test_incomplete(void **state)
{
	const _Atomic uint64_t *timeouts = &dp->control_counters.drops[DP_DROP_fragment_timeout];
	static uint8_t frame[PACKET_MAX];
	uint64_t seed = 0x6c6f7374, due;
	struct rte_mbuf *m, *first = NULL;

	for (int v6 = 0; v6 < 2; v6++) {
		size_t len = outer(frame, v6, 2000, &seed);

		m = packet(frame, len);
		dp_note(m)->port_id = 0;
		give(m, DP_ASK_FRAGMENT_OUT);
		while ((m = take())) {
			if (!first)
				first = m;
			else
				rte_pktmbuf_free(m);
		}
		give_fragment(first);
		first = NULL;
		assert_int_equal(ctl_asked_waiting(asked), v6 + 1);
	}
	due = ctl_asked_advance(asked, now_ns);
	assert_true(due > now_ns && due < now_ns + WG_NS_PER_S);
	assert_int_equal(dp_counted(timeouts), 0);
	now_ns += 10 * WG_NS_PER_S;
	assert_int_equal(ctl_asked_advance(asked, now_ns), UINT64_MAX);
	assert_int_equal(dp_counted(timeouts), 2);
	assert_int_equal(ctl_asked_waiting(asked), 0);
	/* A flood of first fragments. */
	outer(frame, false, 1000, &seed);
	frame[14 + 6] = 0x20;
	for (int i = 0; i < 2000; i++) {
		frame[14 + 4] = (uint8_t)(i >> 8);
		frame[14 + 5] = (uint8_t)i;
		give_fragment(packet(frame, 14 + 1028));
	}
	assert_true(ctl_asked_waiting(asked) <= 256);
	assert_true(ctl_asked_waiting(asked) > 0);
	assert_int_equal(dp_counted(timeouts), 2 + 2000 - ctl_asked_waiting(asked));
	/* Lengths that lie. */
	for (size_t len = 14; len < 14 + 60; len++)
		give_fragment(packet(frame, len));
	assert_null(take());
}

/* Random bytes behind a plausible beginning: nothing may break or be lost. */
static void test_nonsense(void **state)
{
	uint8_t frame[200];
	uint64_t seed = 0x6e6f;
	struct rte_mbuf *m;

	for (int i = 0; i < 20000; i++) {
		unit_random_fill(&seed, frame, sizeof(frame));
		frame[12] = i % 2 ? 8 : 0x86;
		frame[14] = i % 2 ? 0x45 : 0x60;
		frame[14 + 2] = frame[14 + 4] = 0;
		/* Few flows and ids, so that fragments meet. */
		memset(frame + 14 + 8, i % 2 ? i % 4 : i % 3, 36);
		frame[14 + 5] %= 180;
		frame[14 + 40 + 2] = 0;
		give_fragment(packet(frame, 60 + (size_t)(unit_random(&seed) >> 33) % 140));
		now_ns += 1000000;
		if (i % 100 == 0)
			ctl_asked_advance(asked, now_ns);
		while ((m = take()))
			rte_pktmbuf_free(m);
	}
}

/* ---- next hops ---- */

static void ask_for(const char *dst, size_t payload)
{
	uint8_t ip[PACKET_MAX];
	size_t len = udp4(ip, "10.20.0.1", dst, payload);
	struct rte_mbuf *m = packet(ip, len);

	dp_note(m)->port_id = 0;
	dp_note(m)->family = AF_INET;
	memcpy(dp_note(m)->next_hop, ip + 16, 4);
	give(m, DP_ASK_RESOLVE);
}

static void test_resolve(void **state)
{
	static const uint8_t ether[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
	struct rte_mbuf *m;

	net_there();
	net_run("ip addr add 10.1.0.2/24 dev peer0");
	net_here();
	for (size_t i = 1; i <= 20; i++)
		ask_for("10.1.0.2", i);
	/* The newest are kept. */
	assert_int_equal(ctl_asked_waiting(asked), WAIT_PKTS);
	NET_AWAIT(ctl_asked_waiting(asked) == 0, (ctl_linux_run(l), usleep(1000)));
	for (size_t i = 20 - WAIT_PKTS + 1; i <= 20; i++) {
		m = take();
		assert_non_null(m);
		assert_int_equal(dp_note(m)->ask, DP_ASK_OUT);
		assert_int_equal(dp_note(m)->port_id, 0);
		assert_int_equal(m->data_len, 14 + 28 + i);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), ether, sizeof(ether));
		rte_pktmbuf_free(m);
	}
	/* Known now. */
	ask_for("10.1.0.2", 100);
	m = take();
	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_int_equal(dp_counted(&dp->control_counters.drops[DP_DROP_unresolved]),
			 20 - WAIT_PKTS);
}

static void test_resolve_vlan(void **state)
{
	static const uint8_t ether[] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 7, 8, 0};
	struct rte_mbuf *m;

	port0.vlan = 7;
	net_there();
	net_run("ip addr add 10.1.0.2/24 dev peer0");
	net_here();
	ask_for("10.1.0.2", 100);
	NET_AWAIT(ctl_asked_waiting(asked) == 0, (ctl_linux_run(l), usleep(1000)));
	m = take();
	assert_non_null(m);
	assert_int_equal(m->data_len, sizeof(ether) + 28 + 100);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), ether, sizeof(ether));
	rte_pktmbuf_free(m);
	port0.vlan = 0;
}

static void test_unresolved(void **state)
{
	int fd = hear(AF_INET);
	uint8_t got[300];
	uint64_t due;

	ask_for("10.1.0.99", 10);
	now_ns += WG_NS_PER_S / 2;
	ask_for("10.1.0.98", 10);
	assert_int_equal(ctl_asked_waiting(asked), 2);
	due = ctl_asked_advance(asked, now_ns);
	assert_int_equal(due, now_ns + WG_NS_PER_S / 2);
	assert_true(heard(fd, got, sizeof(got)) < 0);
	now_ns = due;
	ctl_asked_advance(asked, now_ns);
	assert_int_equal(ctl_asked_waiting(asked), 1);
	assert_true(heard(fd, got, sizeof(got)) > 0);
	assert_int_equal(got[20], ICMP_DEST_UNREACH);
	assert_int_equal(got[21], ICMP_HOST_UNREACH);
	assert_int_equal(dp_counted(&dp->control_counters.drops[DP_DROP_unresolved]), 1);
	close(fd);
}

/* Somebody scans a network that is on link. */
static void test_scan(void **state)
{
	char dst[32];

	net_run("ip addr add 10.30.0.1/16 dev port0");
	for (int i = 0; i < 3000; i++) {
		snprintf(dst, sizeof(dst), "10.30.%d.%d", i / 250, 2 + i % 250);
		ask_for(dst, 10);
	}
	assert_int_equal(ctl_asked_waiting(asked), 1024);
	now_ns += 2 * WG_NS_PER_S;
	ctl_asked_advance(asked, now_ns);
	assert_int_equal(ctl_asked_waiting(asked), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_icmp, setup, teardown),
	cmocka_unit_test_setup_teardown(test_icmp_never, setup, teardown),
	cmocka_unit_test_setup_teardown(test_icmp_limit, setup, teardown),
	cmocka_unit_test_setup_teardown(test_fragment_inner, setup, teardown),
	cmocka_unit_test_setup_teardown(test_fragment_to_port, setup, teardown),
	cmocka_unit_test_setup_teardown(test_out_and_in, setup, teardown),
	cmocka_unit_test_setup_teardown(test_out_and_in_vlan, setup, teardown),
	cmocka_unit_test_setup_teardown(test_no_way, setup, teardown),
	cmocka_unit_test_setup_teardown(test_incomplete, setup, teardown),
	cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
	cmocka_unit_test_setup_teardown(test_resolve, setup, teardown),
	cmocka_unit_test_setup_teardown(test_resolve_vlan, setup, teardown),
	cmocka_unit_test_setup_teardown(test_unresolved, setup, teardown),
	cmocka_unit_test_setup_teardown(test_scan, setup, teardown),
};

NET_MAIN(tests)
