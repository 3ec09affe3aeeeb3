/* Outer packets: what classify makes of every length, every header cut off, every field broken. */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <rte_mbuf.h>

#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#define LENGTHS	     201
#define PEER_FROM    "198.51.100.1"
#define PEER_PORT    1000
#define OURS	     "192.0.2.1"
#define PEER_FROM_V6 "2001:db8:1::2"
#define OURS_V6	     "2001:db8::1"
#define IP	     14

/* One WireGuard message by type and length, in a good frame. */
static void send_message(struct path *p, bool v6, uint32_t type, size_t len)
{
	uint8_t payload[LENGTHS] = {0};
	uint32_t le = htole32(type);
	struct path_frame f;

	memcpy(payload, &le, sizeof(le));
	path_udp(&f, p, 0, v6 ? PEER_FROM_V6 : PEER_FROM, PEER_PORT, v6 ? OURS_V6 : OURS,
		 PATH_LISTEN_PORT, payload, len);
	path_receive(p, 0, &f);
}

static void every_length_of_every_type(void **state)
{
	static const uint32_t types[] = {0, 1, 2, 3, 4, 5, 255, 0x101, 0x01000004, 0xffffffff};
	static const size_t exact[] = {[1] = 148, [2] = 92, [3] = 64};
	struct path p;

	path_open(&p, 1);
	for (unsigned int t = 0; t < RTE_DIM(types); t++) {
		for (size_t len = 0; len < LENGTHS; len++) {
			bool handshake = types[t] >= 1 && types[t] <= 3 && len == exact[types[t]];
			bool data = types[t] == 4 && len >= WG_DATA_MIN_BYTES;
			struct rte_mbuf *m;

			send_message(&p, len % 2, types[t], len);
			m = path_handshake(&p);
			assert_int_equal(handshake, m != NULL);
			if (m) {
				assert_int_equal(dp_note(m)->ask, DP_ASK_HANDSHAKE);
				assert_int_equal(dp_note(m)->iface_id, p.wg->id);
				assert_int_equal(dp_note(m)->payload_len, len);
				assert_int_equal(dp_note(m)->port_id, 0);
				rte_pktmbuf_free(m);
			}
			path_assert_dropped(&p, data ? DP_DROP_no_session : DP_DROP_bad_message,
					    !handshake);
			path_assert_quiet(&p);
		}
	}
	path_close(&p);
}

/* Each prefix of a good frame ends as runt, and none is read beyond its end; alone, and behind a
 * good frame, as what is like the one before goes a shorter way. */
static void every_header_cut_off(void **state)
{
	struct path p;
	struct path_frame whole, f, good;
	struct dp_event event;
	uint64_t counter = 0;

	path_open(&p, 1);
	/* The first one of a session is told of. */
	path_data(&good, &p, 3, counter++, NULL, 0);
	path_receive(&p, 0, &good);
	while (path_event(&p, &event))
		;
	for (int round = 0; round < 4; round++) {
		bool behind = round / 2;

		path_data(&whole, &p, round % 2 ? 2 : 1, UINT32_MAX, NULL, 0);
		for (f.len = 0; f.len < whole.len; f.len++) {
			memcpy(f.at, whole.at, f.len);
			path_data(&good, &p, 3, counter++, NULL, 0);
			path_receive_exact(&p, 0, behind ? &good : NULL, &f);
			path_assert_dropped(&p, DP_DROP_runt, 1);
			path_assert_quiet(&p);
		}
	}
	path_close(&p);
}

/* A byte of a good keepalive is changed, and the IPv4 header checksum put right or not. */
static void broken_fields(void **state)
{
	static const struct {
		const char *what;
		bool v6;
		size_t at;
		uint8_t byte;
		bool resum;
		int reason; /* DP_KEEP: to Linux, or to control */
	} rows[] = {
		{"another MAC", false, 5, 0x77, false, DP_DROP_other_mac},
		{"broadcast", false, 0, 0xff, false, DP_KEEP},
		{"multicast", false, 0, 0x01, false, DP_KEEP},
		{"VLAN tag", false, 12, 0x81, false, DP_DROP_other_vlan},
		{"ARP", false, 13, 0x06, false, DP_KEEP},
		{"IPv6 said, IPv4 in it", true, IP, 0x45, false, DP_DROP_bad_ip_header},
		{"IPv4 said, version 6", false, IP, 0x65, true, DP_DROP_bad_ip_header},
		{"IHL 4", false, IP, 0x44, true, DP_DROP_bad_ip_header},
		{"IHL 15, into the payload", false, IP, 0x4f, true, DP_DROP_no_session},
		{"total length 0", false, IP + 3, 0, true, DP_DROP_bad_ip_header},
		{"total length 19", false, IP + 3, 19, true, DP_DROP_bad_ip_header},
		{"total length over the frame", false, IP + 3, 61, true, DP_DROP_runt},
		{"total length cuts the message", false, IP + 3, 59, true, DP_DROP_bad_udp},
		{"total length cuts the UDP header", false, IP + 3, 27, true, DP_KEEP},
		{"checksum", false, IP + 8, 63, false, DP_DROP_bad_ip_header},
		{"reserved flag", false, IP + 6, 0x80, true, -1},
		{"DF", false, IP + 6, 0x40, true, -1},
		{"first fragment", false, IP + 6, 0x20, true, DP_KEEP},
		{"later fragment", false, IP + 7, 0x01, true, DP_KEEP},
		{"TCP", false, IP + 9, 6, true, DP_KEEP},
		{"not our address", false, IP + 19, 2, true, DP_KEEP},
		{"another port", false, IP + 20 + 3, 0, true, DP_KEEP},
		{"UDP length 7", false, IP + 20 + 5, 7, true, DP_DROP_bad_udp},
		{"UDP length 8", false, IP + 20 + 5, 8, true, DP_DROP_bad_message},
		{"UDP length over IP's", false, IP + 20 + 5, 41, true, DP_DROP_bad_udp},
		{"UDP length under IP's", false, IP + 20 + 5, 39, true, DP_DROP_bad_message},
		{"UDP checksum wrong", false, IP + 20 + 7, 0x5a, true, -1},
		{"payload length 39", true, IP + 5, 39, false, DP_DROP_bad_udp},
		{"payload length 7", true, IP + 5, 7, false, DP_KEEP},
		{"payload length 41", true, IP + 5, 41, false, DP_DROP_runt},
		{"hop-by-hop options", true, IP + 6, 0, false, DP_KEEP},
		{"fragment of UDP", true, IP + 6, 44, false, DP_KEEP},
		{"no next header", true, IP + 6, 59, false, DP_KEEP},
		{"UDP length 0", true, IP + 40 + 5, 0, false, DP_DROP_bad_udp},
		{"unknown receiver", false, IP + 28 + 4, 0x77, true, DP_DROP_no_session},
		{"tag", false, IP + 28 + 31, 0x77, true, DP_DROP_bad_tag},
	};
	uint64_t counter = 0;
	struct path p;

	path_open(&p, 1);
	/* Alone, and once more behind a good frame. */
	for (unsigned int k = 0; k < 2 * RTE_DIM(rows); k++) {
		uint64_t consumed = dp_counted(&p.w->counters.consumed);
		unsigned int i = k % RTE_DIM(rows);
		bool behind = k >= RTE_DIM(rows);
		struct path_frame f, good;

		path_data(&good, &p, 1, counter++, NULL, 0);
		path_data(&f, &p, rows[i].v6 ? 2 : 1, counter++, NULL, 0);
		f.at[rows[i].at] = rows[i].byte;
		/* A header of 60 bytes leaves 0 of UDP in 60: so give it a longer frame. */
		if (rows[i].at == IP && rows[i].byte == 0x4f) {
			memmove(f.at + IP + 60, f.at + IP + 20, f.len - IP - 20);
			memset(f.at + IP + 20, 1, 40);
			f.len += 40;
			f.at[IP + 3] = (uint8_t)(f.at[IP + 3] + 40);
			f.at[IP + 60 + 8 + 4] ^= 0xff;
		}
		if (rows[i].resum)
			path_ipv4_sum(f.at + IP);
		path_receive_exact(&p, 0, behind ? &good : NULL, &f);
		assert_int_equal(dp_counted(&p.w->counters.consumed),
				 consumed + behind + (rows[i].reason == -1));
		if (rows[i].reason == -1) { /* does not matter: accepted */
			path_assert_dropped(&p, DP_DROP_runt, 0);
			path_drain(&p);
			continue;
		}
		if (rows[i].reason != DP_KEEP)
			path_assert_dropped(&p, (enum dp_drop)rows[i].reason, 1);
		else
			path_assert_dropped(&p, DP_DROP_runt, 0);
		if (path_drain(&p) != (rows[i].reason == DP_KEEP))
			fail_msg("%s", rows[i].what);
	}
	path_close(&p);
}

static void fragments_go_to_control(void **state)
{
	struct path_frame f;
	struct rte_mbuf *m;
	struct path p;

	path_open(&p, 1);
	for (int v6 = 0; v6 < 2; v6++) {
		path_data(&f, &p, v6 ? 2 : 1, 0, NULL, 0);
		f.at[IP + 6] = v6 ? 44 : 0x20;
		if (v6)
			f.at[IP + 40] = IPPROTO_UDP;
		else
			path_ipv4_sum(f.at + IP);
		path_receive(&p, 0, &f);
		m = path_asked(&p);
		assert_non_null(m);
		assert_int_equal(dp_note(m)->ask, DP_ASK_REASSEMBLE);
		assert_int_equal(dp_note(m)->family, v6 ? AF_INET6 : AF_INET);
		assert_int_equal(m->data_len, f.len);
		rte_pktmbuf_free(m);
	}
	/* Nobody listens: Linux may have them. */
	dp_publish_listen(p.wg, 0, 0);
	path_receive(&p, 0, &f);
	m = path_for_linux(&p);
	assert_non_null(m);
	assert_int_equal(dp_note(m)->ask, DP_ASK_TAP);
	rte_pktmbuf_free(m);
	path_assert_quiet(&p);
	path_close(&p);
}

static void udp_checksums(void **state)
{
	struct path_frame f;
	struct path p;

	path_open(&p, 1);
	path_data(&f, &p, 1, 0, NULL, 0);
	memset(f.at + IP + 20 + 6, 0, 2);
	path_receive(&p, 0, &f); /* none over IPv4: fine */
	assert_int_equal(dp_counted(&p.w->counters.consumed), 1);
	path_data(&f, &p, 2, 0, NULL, 0);
	memset(f.at + IP + 40 + 6, 0, 2);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_bad_udp, 1);
	path_close(&p);
}

/* What goes where by its route; a shared port's frames are not handed to Linux twice. */
static void routes(void **state)
{
	static const struct {
		const char *from, *to;
		bool in; /* into the tunnel */
	} rows[] = {
		{"10.0.0.2", "10.8.1.5", true},	    {"fd00:a::2", "fd00:8:2::5", true},
		{"10.0.0.2", "10.8.0.1", false},    {"10.0.0.2", "10.2.0.1", false},
		{"10.0.0.2", "203.0.113.1", false}, {"10.0.0.2", "10.0.0.3", false},
		{"fd00:a::2", "ff02::1", false},    {"10.0.0.2", "255.255.255.255", false},
	};
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < RTE_DIM(rows) * 2; i++) {
		uint64_t punted = dp_counted(&p.w->counters.punt);
		struct path_frame f;
		uint8_t ip[100];
		struct rte_mbuf *m;

		p.ports[1].shared = i % 2;
		path_ip(ip, rows[i / 2].from, rows[i / 2].to, sizeof(ip));
		path_ethernet(&f, &p, 1, ip, sizeof(ip));
		f.len += 10; /* Ethernet padding does not go into the tunnel */
		path_receive(&p, 1, &f);
		m = path_sent(&p, 0);
		assert_int_equal(m != NULL, rows[i / 2].in);
		if (m) {
			size_t header = i / 2 == 1 ? 40 : 20;

			assert_int_equal(m->data_len, 14 + header + 8 + 32 + 112);
			rte_pktmbuf_free(m);
		} else if (p.ports[1].shared) {
			assert_int_equal(dp_counted(&p.w->counters.punt), punted + 1);
		} else {
			m = path_for_linux(&p);
			assert_non_null(m);
			assert_int_equal(dp_note(m)->ask, DP_ASK_TAP);
			assert_int_equal(dp_note(m)->port_id, 1);
			assert_int_equal(m->data_len, f.len);
			rte_pktmbuf_free(m);
		}
		path_assert_quiet(&p);
	}
	path_assert_dropped(&p, DP_DROP_runt, 0);
	path_close(&p);
}

/* What Linux sends on a shared port is seen there with another's MAC. */
static void other_macs_on_shared_ports(void **state)
{
	struct path_frame f;
	struct path p;

	path_open(&p, 1);
	path_data(&f, &p, 1, 0, NULL, 0);
	f.at[5] = 0x77;
	p.ports[0].shared = true;
	path_receive(&p, 0, &f);
	assert_int_equal(dp_counted(&p.w->counters.punt), 1);
	path_assert_dropped(&p, DP_DROP_other_mac, 0);
	path_close(&p);
}

/* What hardware says of an IPv4 header: "right" is believed, of one that was asked to look. */
static void sums_that_hardware_checked(void **state)
{
	static const struct {
		bool asked, right;
		uint64_t says;
		bool passes;
	} rows[] = {
		{true, false, RTE_MBUF_F_RX_IP_CKSUM_GOOD, true},
		{false, false, RTE_MBUF_F_RX_IP_CKSUM_GOOD, false},
		{true, false, RTE_MBUF_F_RX_IP_CKSUM_BAD, false},
		{true, true, RTE_MBUF_F_RX_IP_CKSUM_BAD, true},
		{true, false, RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, false},
		{true, false, RTE_MBUF_F_RX_IP_CKSUM_NONE, false},
	};
	struct path p;

	path_open(&p, 1);
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		uint64_t consumed = dp_counted(&p.w->counters.consumed);
		struct path_frame f;
		struct dp_batch b = {.n = 1};

		path_data(&f, &p, 1, i, NULL, 0);
		f.at[IP + 10] ^= rows[i].right ? 0 : 0x40;
		p.devices[0].rx_ipv4_cksum = rows[i].asked;
		b.pkts[0] = path_packet(&p, f.at, f.len);
		b.pkts[0]->ol_flags |= rows[i].says;
		dp_note(b.pkts[0])->port_id = 0;
		dp_classify(p.w, &b);
		path_assert_dropped(&p, DP_DROP_bad_ip_header, !rows[i].passes);
		assert_int_equal(dp_counted(&p.w->counters.consumed) - consumed, rows[i].passes);
	}
	path_drain(&p);
	path_close(&p);
}

/* A frame in several segments is made one. */
static void segments(void **state)
{
	struct path_frame f;
	struct path p;
	struct dp_batch b;
	struct rte_mbuf *head, *tail;

	path_open(&p, 1);
	path_data(&f, &p, 1, 0, NULL, 0);
	for (size_t cut = 1; cut < f.len; cut += 9) {
		uint64_t ends = dp_counted(&p.w->counters.consumed) + path_drops(&p);

		head = path_packet(&p, f.at, cut);
		tail = path_packet(&p, f.at + cut, f.len - cut);
		assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
		dp_note(head)->port_id = 0;
		b = (struct dp_batch){.pkts = {head}, .n = 1};
		dp_classify(p.w, &b);
		assert_int_equal(dp_counted(&p.w->counters.consumed) + path_drops(&p), ends + 1);
	}
	assert_int_equal(dp_counted(&p.w->counters.consumed), 1); /* the others are replays */
	path_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_of_every_type),
		cmocka_unit_test(every_header_cut_off),
		cmocka_unit_test(broken_fields),
		cmocka_unit_test(fragments_go_to_control),
		cmocka_unit_test(udp_checksums),
		cmocka_unit_test(routes),
		cmocka_unit_test(other_macs_on_shared_ports),
		cmocka_unit_test(sums_that_hardware_checked),
		cmocka_unit_test(segments),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
