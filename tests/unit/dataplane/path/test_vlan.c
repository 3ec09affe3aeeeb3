/*
 * VLANs: two outside and two inside ports on two devices, one of each with a tag. Which port a
 * frame is for by its tag, in the frame or taken out by the driver; what leaves by which port, and
 * with which tag; what is nobody's.
 *
 *   port 2 "wan7"  VLAN 7 of the device of wan       port 3 "lan9"  VLAN 9 of the device of lan
 */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <rte_mbuf.h>

#include "dataplane/ethernet.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#define WAN7	 2
#define LAN9	 3
#define LAN_HOST "10.0.0.2"
#define LAN9_NET "10.9.0.2"
#define TAGGED	 18

static const uint8_t next_hop[6] = {2, 0, 0, 0, 9, 9};

static void open_vlans(struct path *p)
{
	struct dp_route route = {
		.kind = DP_ROUTE_PORT, .port_id = LAN9, .on_link = true, .resolved = true};
	uint8_t addr[16];
	int family = path_addr(LAN9_NET, addr);

	path_open(p, 1);
	path_port(p, WAN7, 0, 7, "wan7");
	path_port(p, LAN9, 1, 9, "lan9");
	memcpy(route.mac, next_hop, sizeof(route.mac));
	assert_int_equal(dp_routes_set(p->dp->routes, family, addr, 32, &route), 0);
}

static void tag(struct path_frame *f, uint16_t tci)
{
	memmove(f->at + TAGGED - 2, f->at + 12, f->len - 12);
	dp_store_be16(f->at + 12, RTE_ETHER_TYPE_VLAN);
	dp_store_be16(f->at + 14, tci);
	f->len += 4;
}

/* As a driver gives it that takes tags out. */
static void strip(struct rte_mbuf *m, uint16_t tci)
{
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = tci;
}

static void receive_stripped(struct path *p, unsigned int device, const struct path_frame *f,
			     uint16_t tci)
{
	struct dp_batch b = {.pkts = {path_packet(p, f->at, f->len)}, .n = 1};

	strip(b.pkts[0], tci);
	dp_note(b.pkts[0])->port_id = (uint16_t)device;
	dp_classify(p->w, &b);
	dp_tx_flush(p->w);
}

static void assert_rx(struct path *p, unsigned int port, uint64_t n)
{
	assert_int_equal(dp_counted(&p->w->port_counters[port].rx), n);
}

/* Of one frame that has left by the device, tci 0: without a tag. */
static void assert_sent(struct path *p, unsigned int device, uint16_t tci, uint16_t type)
{
	struct rte_mbuf *m = path_sent(p, device);
	const uint8_t *frame;

	assert_non_null(m);
	frame = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_int_equal(m->data_len, m->pkt_len);
	assert_memory_equal(frame + 6, p->devices[device].mac, 6);
	if (tci) {
		assert_int_equal(dp_load_be16(frame + 12), RTE_ETHER_TYPE_VLAN);
		assert_int_equal(dp_load_be16(frame + 14), tci);
		frame += 4;
	}
	assert_int_equal(dp_load_be16(frame + 12), type);
	assert_int_equal(frame[14] >> 4, type == RTE_ETHER_TYPE_IPV4 ? 4 : 6);
	rte_pktmbuf_free(m);
}

/* ---- in ---- */

static void messages_by_tag(void **state)
{
	static const struct {
		uint16_t tci;
		bool stripped;
		unsigned int port;
	} rows[] = {{7, false, WAN7}, {0xe007, false, WAN7}, {7, true, WAN7}, {0x7007, true, WAN7},
		    {0, false, 0},    {0xe000, false, 0},    {0, true, 0},    {0x2000, true, 0}};
	uint64_t received[PATH_PORTS] = {0}, counter = 0;
	uint8_t plain[112];
	struct path p;

	open_vlans(&p);
	path_ip(plain, "10.8.1.5", LAN_HOST, sizeof(plain));
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct dp_event event;
		struct path_frame f;

		path_data(&f, &p, 1, counter++, plain, sizeof(plain));
		if (rows[i].stripped) {
			receive_stripped(&p, 0, &f, rows[i].tci);
		} else {
			tag(&f, rows[i].tci);
			path_receive_exact(&p, 0, NULL, &f);
		}
		assert_sent(&p, 1, 0, RTE_ETHER_TYPE_IPV4);
		assert_rx(&p, rows[i].port, ++received[rows[i].port]);
		/* The peer is where its packets come from. */
		while (path_event(&p, &event))
			assert_int_equal(event.endpoint.local_port, rows[i].port);
		path_assert_quiet(&p);
	}
	path_assert_dropped(&p, DP_DROP_runt, 0);
	path_close(&p);
}

/* Frames of a batch come to ports in turns: what goes for one is not taken to go for the next. */
static void in_turns(void **state)
{
	static const struct {
		uint16_t tci;
		bool tagged, stripped, ours;
		unsigned int port;
	} rows[] = {
		{0, false, false, true, 0},	{0, false, false, true, 0},
		{7, true, false, true, WAN7},	{0, false, false, true, 0},
		{7, false, true, true, WAN7},	{0, false, false, true, 0},
		{0xe000, true, false, true, 0}, {0, false, false, true, 0},
		{8, true, false, false, 0},	{0, false, false, true, 0},
		{7, true, false, true, WAN7},	{7, true, false, true, WAN7},
	};
	uint64_t received[PATH_PORTS] = {0};
	struct dp_batch b = {.n = 0};
	unsigned int ours = 0;
	uint8_t plain[112];
	struct path p;

	open_vlans(&p);
	path_ip(plain, "10.8.1.5", LAN_HOST, sizeof(plain));
	for (unsigned int i = 0; i < RTE_DIM(rows); i++) {
		struct path_frame f;
		struct rte_mbuf *m;

		path_data(&f, &p, 1, i, plain, sizeof(plain));
		if (rows[i].tagged)
			tag(&f, rows[i].tci);
		m = path_packet(&p, f.at, f.len);
		if (rows[i].stripped)
			strip(m, rows[i].tci);
		dp_note(m)->port_id = 0;
		dp_batch_add(&b, m);
		received[rows[i].port] += rows[i].ours;
		ours += rows[i].ours;
	}
	dp_classify(p.w, &b);
	dp_tx_flush(p.w);
	for (unsigned int port = 0; port < PATH_PORTS; port++)
		assert_rx(&p, port, received[port]);
	path_assert_dropped(&p, DP_DROP_other_vlan, RTE_DIM(rows) - ours);
	assert_int_equal(path_drain(&p), ours);
	path_close(&p);
}

static void handshakes_and_fragments(void **state)
{
	uint8_t initiation[148] = {1};
	struct path_frame f;
	struct rte_mbuf *m;
	struct path p;

	open_vlans(&p);
	path_udp(&f, &p, 0, "198.51.100.1", 1000, "192.0.2.1", PATH_LISTEN_PORT, initiation,
		 sizeof(initiation));
	tag(&f, 7);
	path_receive(&p, 0, &f);
	m = path_handshake(&p);
	assert_non_null(m);
	assert_int_equal(dp_note(m)->port_id, WAN7);
	assert_int_equal(dp_note(m)->l3_off, TAGGED);
	assert_int_equal(dp_note(m)->payload_off, TAGGED + 20 + 8);
	rte_pktmbuf_free(m);
	f.at[TAGGED + 6] = 0x20;
	path_ipv4_sum(f.at + TAGGED);
	path_receive(&p, 0, &f);
	m = path_asked(&p);
	assert_non_null(m);
	assert_int_equal(dp_note(m)->ask, DP_ASK_REASSEMBLE);
	assert_int_equal(dp_note(m)->port_id, WAN7);
	rte_pktmbuf_free(m);
	path_close(&p);
}

/* What control has put together is of the port that control says, with the tag or without. */
static void put_together(void **state)
{
	for (unsigned int tagged = 0; tagged < 2; tagged++) {
		uint8_t initiation[148] = {1};
		struct path_frame f;
		struct rte_mbuf *m;
		struct path p;

		open_vlans(&p);
		path_udp(&f, &p, 0, "198.51.100.1", 1000, "192.0.2.1", PATH_LISTEN_PORT, initiation,
			 sizeof(initiation));
		if (tagged)
			tag(&f, 7);
		m = path_packet(&p, f.at, f.len);
		dp_note(m)->ask = DP_ASK_FRAME;
		dp_note(m)->port_id = WAN7;
		assert_true(dp_to_worker(p.dp, m, false));
		dp_worker_turn(p.w);
		m = path_handshake(&p);
		assert_non_null(m);
		assert_int_equal(dp_note(m)->port_id, WAN7);
		assert_int_equal(dp_note(m)->l3_off, tagged ? TAGGED : 14);
		rte_pktmbuf_free(m);
		assert_rx(&p, WAN7, 0);
		path_close(&p);
	}
}

static void nobodys(void **state)
{
	struct path_frame f;
	struct path p;

	open_vlans(&p);
	path_data(&f, &p, 1, 0, NULL, 0);
	receive_stripped(&p, 0, &f, 8);
	tag(&f, 9); /* the other device's */
	path_receive(&p, 0, &f);
	f.at[0] = 0xff;
	path_receive(&p, 0, &f);
	dp_store_be16(f.at + 14, 0xffff);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_other_vlan, 4);
	/* Where Linux has the device, too, it is Linux's. */
	p.devices[0].shared = p.ports[0].shared = p.ports[WAN7].shared = true;
	path_receive(&p, 0, &f);
	assert_int_equal(dp_counted(&p.w->counters.punt), 1);
	path_assert_dropped(&p, DP_DROP_runt, 0);
	path_assert_quiet(&p);
	path_close(&p);
}

/* A device without an untagged port. */
static void tagged_only(void **state)
{
	struct path_frame f;
	struct path p;

	open_vlans(&p);
	p.devices[0].port_by_vlan[0] = DP_NO_VLAN_PORT;
	p.devices[0].first_port = WAN7;
	path_data(&f, &p, 1, 0, NULL, 0);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_other_vlan, 1);
	tag(&f, 7);
	path_receive(&p, WAN7, &f);
	assert_int_equal(dp_counted(&p.w->counters.consumed), 1);
	path_close(&p);
}

static void runts(void **state)
{
	struct path_frame whole;
	struct path p;

	open_vlans(&p);
	path_data(&whole, &p, 1, 0, NULL, 0);
	tag(&whole, 7);
	for (size_t len = 1; len < whole.len; len++) {
		struct path_frame f = whole;

		f.len = len;
		path_receive_exact(&p, 0, NULL, &f);
		path_assert_dropped(&p, DP_DROP_runt, 1);
	}
	path_receive_exact(&p, 0, NULL, &whole);
	assert_int_equal(dp_counted(&p.w->counters.consumed), 1);
	path_close(&p);
}

/* ---- to Linux ---- */

/* The TAP of a port has frames without the tag that makes the port. */
static void to_taps(void **state)
{
	static const uint16_t tcis[] = {7, 0xe007, 0xe000};
	struct path_frame plain, f;
	struct path p;

	open_vlans(&p);
	path_data(&plain, &p, 1, 0, NULL, 0);
	dp_store_be16(plain.at + 12, RTE_ETHER_TYPE_ARP);
	for (unsigned int i = 0; i <= RTE_DIM(tcis); i++) {
		struct rte_mbuf *m;

		f = plain;
		f.at[0] = i % 2 ? 0xff : 2;
		if (i < RTE_DIM(tcis)) {
			tag(&f, tcis[i]);
			path_receive_exact(&p, 0, NULL, &f);
			memmove(f.at + 12, f.at + 16, f.len - 16);
			f.len -= 4;
		} else {
			receive_stripped(&p, 0, &f, 7);
		}
		m = path_for_linux(&p);
		assert_non_null(m);
		assert_int_equal(dp_note(m)->ask, DP_ASK_TAP);
		assert_int_equal(dp_note(m)->port_id, i == 2 ? 0 : WAN7);
		assert_int_equal(m->pkt_len, f.len);
		assert_memory_equal(rte_pktmbuf_mtod(m, void *), f.at, f.len);
		rte_pktmbuf_free(m);
	}
	path_close(&p);
}

/* A second tag is no matter of ours. */
static void two_tags(void **state)
{
	struct path_frame f;
	struct rte_mbuf *m;
	struct path p;

	open_vlans(&p);
	path_data(&f, &p, 1, 0, NULL, 0);
	tag(&f, 42);
	tag(&f, 7);
	path_receive_exact(&p, 0, NULL, &f);
	m = path_for_linux(&p);
	assert_non_null(m);
	assert_int_equal(dp_note(m)->port_id, WAN7);
	assert_int_equal(dp_load_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, 12)),
			 RTE_ETHER_TYPE_VLAN);
	assert_int_equal(dp_load_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, 14)), 42);
	rte_pktmbuf_free(m);
	path_close(&p);
}

/* ---- out ---- */

/* As control does when it has heard where peer 1 is. */
static void publish_way(struct path *p, unsigned int port)
{
	struct dp_out before = path_out(p, 1), out = before;

	out.port_id = out.endpoint.local_port = (uint16_t)port;
	out.l3_off = (uint8_t)dp_ethernet_bytes(&p->ports[port]);
	out.header_bytes = (uint8_t)(out.l3_off + 20 + 8);
	dp_ethernet_write(out.header, &p->ports[port], next_hop, true);
	memcpy(out.header + out.l3_off, before.header + before.l3_off, 20 + 8);
	assert_int_equal(dp_publish_out(p->dp, p->peers[1], &out), 0);
}

/* From each outside port to each inside port, and back to the peer by the way that is published. */
static void every_way(void **state)
{
	static const char *const to[] = {LAN_HOST, LAN9_NET};
	static const unsigned int inside[] = {1, LAN9};
	uint64_t counter = 0, sent[PATH_PORTS] = {0};
	struct path p;

	open_vlans(&p);
	for (unsigned int i = 0; i < 4; i++) {
		bool outside_tagged = i & 1, inside_tagged = i & 2;
		unsigned int outside = outside_tagged ? WAN7 : 0;
		uint8_t ip[112];
		struct path_frame f;

		path_ip(ip, "10.8.1.5", to[inside_tagged], sizeof(ip));
		path_data(&f, &p, 1, counter++, ip, sizeof(ip));
		if (outside_tagged)
			tag(&f, 7);
		path_receive(&p, 0, &f);
		assert_sent(&p, 1, inside_tagged ? 9 : 0, RTE_ETHER_TYPE_IPV4);
		path_drain(&p);
		publish_way(&p, outside);
		path_ip(ip, to[inside_tagged], "10.8.1.5", sizeof(ip));
		path_ethernet(&f, &p, 1, ip, sizeof(ip));
		if (inside_tagged)
			tag(&f, 9);
		path_receive(&p, 1, &f);
		assert_sent(&p, 0, outside_tagged ? 7 : 0, RTE_ETHER_TYPE_IPV4);
		sent[inside[inside_tagged]]++;
		sent[outside]++;
		for (unsigned int port = 0; port < PATH_PORTS; port++)
			assert_int_equal(dp_counted(&p.w->port_counters[port].tx), sent[port]);
	}
	path_assert_dropped(&p, DP_DROP_runt, 0);
	path_close(&p);
}

/* Tagging and untagging are each other's opposite, and keep the rest. */
static void tag_untag(void **state)
{
	struct path_frame f;
	struct rte_mbuf *m;
	struct path p;

	open_vlans(&p);
	path_data(&f, &p, 1, 0, NULL, 0);
	m = path_packet(&p, f.at, f.len);
	dp_ethernet_tag(m, 7);
	tag(&f, 7);
	assert_int_equal(m->pkt_len, f.len);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), f.at, f.len);
	dp_ethernet_untag(m);
	memmove(f.at + 12, f.at + 16, f.len - 16);
	assert_int_equal(m->pkt_len, f.len - 4);
	assert_int_equal(m->data_len, f.len - 4);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), f.at, f.len - 4);
	rte_pktmbuf_free(m);
	path_close(&p);
}

static void ports_of_a_device(void **state)
{
	struct dp_port port;
	struct path p;

	open_vlans(&p);
	assert_int_equal(dp_port_init(&port, 4, "again", &p.devices[0], 7, 0), -EEXIST);
	assert_int_equal(dp_port_init(&port, 4, "again", &p.devices[0], 0, 0), -EEXIST);
	assert_int_equal(dp_port_init(&port, 4, "a-name-with-16-c", &p.devices[0], 8, 0),
			 -ENAMETOOLONG);
	assert_int_equal(p.devices[0].n_ports, 2);
	assert_int_equal(dp_port_init(&port, 4, "low", &p.devices[0], 8, 1400), 0);
	assert_int_equal(port.mtu, 1400);
	assert_int_equal(port.mtu_max, 1500);
	assert_int_equal(p.devices[0].first_port, 0);
	path_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_by_tag),
		cmocka_unit_test(in_turns),
		cmocka_unit_test(handshakes_and_fragments),
		cmocka_unit_test(put_together),
		cmocka_unit_test(nobodys),
		cmocka_unit_test(tagged_only),
		cmocka_unit_test(runts),
		cmocka_unit_test(to_taps),
		cmocka_unit_test(two_tags),
		cmocka_unit_test(every_way),
		cmocka_unit_test(tag_untag),
		cmocka_unit_test(ports_of_a_device),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
