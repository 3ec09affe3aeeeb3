/*
 * What comes at the tester's ports, which are rings: what is put into one is received from it. ARP
 * and neighbour discovery, plain packets, sealed ones, the noise of others, and broken frames.
 */
#include <netinet/icmp6.h>
#include <sys/socket.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>

#include "bench/lab/outer.h"
#include "bench/lab/tester_priv.h"
#include "tests/unit/unit.h"

#define BROKEN 30000

static const uint8_t gateway_mac[6] = {2, 0, 0, 0, 0, 9};
static struct rte_mempool *pool;
static struct lab_port ports[LAB_SIDES]; /* opened once */
static struct lab_tester t;
static struct lab_result result;
static uint64_t random_state = 11;
static uint64_t counter; /* of sealed packets to the tester */

/* ---- a tester with sessions of its own making ---- */

static void open_tester(bool ipv6)
{
	struct lab_tester_options o = {.outside = "net_ring0",
				       .inside = "net_ring1",
				       .peers = 3,
				       .flows = 6,
				       .size = 100,
				       .outside_addresses = 3,
				       .inner_ipv6 = ipv6,
				       .gateway_outside = ipv6 ? "2001:db8::1/64" : "198.18.0.1/16",
				       .tester_outside = ipv6 ? "2001:db8::2" : "198.18.1.1"};
	struct hs_noise noise;
	char error[300] = "";

	memset(&t, 0, sizeof(t));
	memset(&result, 0, sizeof(result));
	assert_int_equal(lab_setup_make(&t.setup, &o, error, sizeof(error)), 0);
	t.pool = pool;
	t.tsc_hz = (double)rte_get_tsc_hz();
	t.sealed_ipv6 = ipv6;
	t.aead = cr_aead_new(NULL);
	for (int side = LAB_OUTSIDE; side < LAB_SIDES; side++) {
		t.ports[side] = ports[side];
		t.ports[side].setup = &t.setup;
	}
	for (int way = LAB_ENCRYPT; way < LAB_WAYS; way++) {
		struct lab_stream *s = &t.streams[way][LAB_MAIN];

		assert_int_equal(
			lab_stream_open(s, &t.setup, (enum lab_way)way, false, 99, t.tsc_hz), 0);
		assert_int_equal(lab_histogram_init(&result.way[way].latency), 0);
		lab_stream_set_size(s, o.size, LAB_TUNNEL_MTU);
		lab_stream_start(s, 1);
	}
	lab_count_to(&t, &result);
	assert_int_equal(lab_peers_open(&t.peers, &t.setup, &t.ports[LAB_OUTSIDE]), 0);
	t.now_ns = lab_peers_now(&t.peers, rte_rdtsc());
	for (uint32_t i = 0; i < t.peers.n; i++) {
		struct lab_peer *p = &t.peers.at[i];
		uint32_t index = lab_session_index(&t.peers, p);

		memset(&noise, (int)i, sizeof(noise));
		assert_true(lab_session_begin(&t.peers, p, &noise, index, index, true, t.now_ns));
	}
}

/* ---- frames ---- */

struct frame {
	uint8_t bytes[2048];
	uint32_t n;
};

static void put(enum lab_side side, const struct frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)f->n), f->bytes, f->n);
	assert_int_equal(lab_port_send(&t.ports[side], &m, 1), 1);
}

/* What the tester has sent on that side, the next one. False: nothing more. */
static bool take(enum lab_side side, struct frame *f)
{
	struct rte_mbuf *m;

	if (rte_eth_rx_burst(t.ports[side].device.eth_id, 0, &m, 1) == 0)
		return false;
	f->n = m->data_len;
	memcpy(f->bytes, rte_pktmbuf_mtod(m, void *), f->n);
	rte_pktmbuf_free(m);
	return true;
}

static void close_tester(void)
{
	struct frame left;

	lab_peers_close(&t.peers);
	for (int side = LAB_OUTSIDE; side < LAB_SIDES; side++)
		while (take((enum lab_side)side, &left))
			continue;
	for (int way = LAB_ENCRYPT; way < LAB_WAYS; way++) {
		lab_stream_close(&t.streams[way][LAB_MAIN]);
		lab_histogram_free(&result.way[way].latency);
	}
	cr_aead_free(t.aead);
}

static void write_ethernet(struct frame *f, const uint8_t to[6], uint16_t type)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->bytes, to, 6);
	memcpy(f->bytes + 6, gateway_mac, 6);
	dp_store_be16(f->bytes + 12, type);
	f->n = 60;
}

static struct frame arp(uint16_t op, struct lab_address from, struct lab_address to)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	static const uint8_t head[6] = {0, 1, 8, 0, 6, 4};
	struct frame f;

	write_ethernet(&f, op == RTE_ARP_OP_REQUEST ? all : t.ports[LAB_OUTSIDE].mac, 0x0806);
	memcpy(f.bytes + 14, head, sizeof(head));
	dp_store_be16(f.bytes + 20, op);
	memcpy(f.bytes + 22, gateway_mac, 6);
	memcpy(f.bytes + 28, from.bytes, 4);
	memcpy(f.bytes + 38, to.bytes, 4);
	return f;
}

static struct frame discovery(uint8_t type, struct lab_address from, struct lab_address target)
{
	static const uint8_t group[6] = {0x33, 0x33, 0xff, 0, 0, 2};
	struct frame f;
	uint8_t *ip = f.bytes + 14, *icmp = ip + 40;

	write_ethernet(&f, group, 0x86dd);
	ip[0] = 0x60;
	dp_store_be16(ip + 4, 32);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 8, from.bytes, 16);
	memcpy(ip + 24, t.setup.tester[LAB_OUTSIDE].bytes, 16);
	icmp[0] = type;
	memcpy(icmp + 8, target.bytes, 16);
	icmp[24] = type == ND_NEIGHBOR_SOLICIT ? 1 : 2;
	icmp[25] = 1;
	memcpy(icmp + 26, gateway_mac, 6);
	f.n = 86;
	return f;
}

static struct lab_address at(enum lab_side side, uint32_t i)
{
	struct lab_address a = t.setup.tester[side];

	a.bytes[a.family == AF_INET ? 3 : 15] =
		(uint8_t)(a.bytes[a.family == AF_INET ? 3 : 15] + i);
	return a;
}

/* ---- neighbours ---- */

static void answers_arp(void **state)
{
	const uint8_t *mac;
	struct frame f, answer;

	open_tester(false);
	mac = t.ports[LAB_OUTSIDE].mac;
	for (uint32_t i = 0; i < 5; i++) {
		f = arp(RTE_ARP_OP_REQUEST, t.setup.gateway[LAB_OUTSIDE], at(LAB_OUTSIDE, i));
		assert_true(lab_neighbour_input(&t.ports[LAB_OUTSIDE], f.bytes, f.n));
		assert_int_equal(take(LAB_OUTSIDE, &answer), i < 3);
		if (i >= 3)
			continue;
		assert_memory_equal(answer.bytes, gateway_mac, 6);
		assert_memory_equal(answer.bytes + 6, mac, 6);
		assert_int_equal(dp_load_be16(answer.bytes + 20), RTE_ARP_OP_REPLY);
		assert_memory_equal(answer.bytes + 22, mac, 6);
		assert_memory_equal(answer.bytes + 28, at(LAB_OUTSIDE, i).bytes, 4);
		assert_memory_equal(answer.bytes + 38, t.setup.gateway[LAB_OUTSIDE].bytes, 4);
	}
	close_tester();
}

static void learns_by_arp(void **state)
{
	struct lab_port *p = &t.ports[LAB_OUTSIDE];
	struct frame f;

	open_tester(false);
	lab_neighbour_ask(p);
	assert_true(take(LAB_OUTSIDE, &f));
	assert_int_equal(dp_load_be16(f.bytes + 20), RTE_ARP_OP_REQUEST);
	assert_memory_equal(f.bytes + 38, t.setup.gateway[LAB_OUTSIDE].bytes, 4);
	f = arp(RTE_ARP_OP_REPLY, at(LAB_OUTSIDE, 7), at(LAB_OUTSIDE, 0)); /* somebody else */
	assert_true(lab_neighbour_input(p, f.bytes, f.n));
	assert_false(p->resolved);
	f = arp(RTE_ARP_OP_REPLY, t.setup.gateway[LAB_OUTSIDE], at(LAB_OUTSIDE, 0));
	assert_true(lab_neighbour_input(p, f.bytes, f.n));
	assert_true(p->resolved);
	assert_memory_equal(p->next_hop, gateway_mac, 6);
	close_tester();
}

/* Now and then, on both sides: the gateway may have been restarted. */
static void asks_again(void **state)
{
	struct frame f;

	open_tester(false);
	for (unsigned int i = 0; i < 2; i++) {
		t.ask_ns = 0;
		lab_receive(&t);
		for (int side = LAB_OUTSIDE; side < LAB_SIDES; side++) {
			assert_true(take((enum lab_side)side, &f));
			assert_int_equal(dp_load_be16(f.bytes + 20), RTE_ARP_OP_REQUEST);
			assert_memory_equal(f.bytes + 38, t.setup.gateway[side].bytes, 4);
		}
		lab_receive(&t);
		assert_false(take(LAB_OUTSIDE, &f) || take(LAB_INSIDE, &f));
	}
	close_tester();
}

static void neighbour_discovery(void **state)
{
	struct lab_port *p = &t.ports[LAB_OUTSIDE];
	struct frame f, answer;
	uint16_t sum;

	open_tester(true);
	lab_neighbour_ask(p);
	assert_true(take(LAB_OUTSIDE, &f));
	assert_int_equal(f.bytes[54], ND_NEIGHBOR_SOLICIT);
	f = discovery(ND_NEIGHBOR_ADVERT, at(LAB_OUTSIDE, 9), t.setup.gateway[LAB_OUTSIDE]);
	assert_true(lab_neighbour_input(p, f.bytes, f.n));
	assert_true(p->resolved);
	assert_memory_equal(p->next_hop, gateway_mac, 6);
	for (uint32_t i = 0; i < 5; i++) {
		f = discovery(ND_NEIGHBOR_SOLICIT, t.setup.gateway[LAB_OUTSIDE],
			      at(LAB_OUTSIDE, i));
		assert_true(lab_neighbour_input(p, f.bytes, f.n));
		assert_int_equal(take(LAB_OUTSIDE, &answer), i < 3);
		if (i >= 3)
			continue;
		assert_memory_equal(answer.bytes, gateway_mac, 6);
		assert_int_equal(answer.bytes[54], ND_NEIGHBOR_ADVERT);
		assert_memory_equal(answer.bytes + 62, at(LAB_OUTSIDE, i).bytes, 16);
		assert_memory_equal(answer.bytes + 80, p->mac, 6);
		memcpy(&sum, answer.bytes + 56, sizeof(sum));
		memset(answer.bytes + 56, 0, sizeof(sum));
		assert_int_equal(
			sum, rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)(answer.bytes + 14),
						   answer.bytes + 54));
	}
	/* Of an address that is being tried out (RFC 4862): not for us. */
	memset(f.bytes + 22, 0, 16);
	assert_true(lab_neighbour_input(p, f.bytes, f.n));
	assert_false(take(LAB_OUTSIDE, &answer));
	close_tester();
}

/* ---- packets ---- */

/* A frame that the gateway would send: what the tester has sent, turned around. */
static struct frame from_gateway(enum lab_side side)
{
	struct frame f;

	assert_true(take(side, &f));
	memcpy(f.bytes, t.ports[side].mac, 6);
	memcpy(f.bytes + 6, gateway_mac, 6);
	return f;
}

/* A decrypted packet of the stream decrypt, at the inside port. */
static struct frame plain(void)
{
	struct lab_stream *s = &t.streams[LAB_DECRYPT][LAB_MAIN];
	const struct lab_size *size;
	struct lab_flow *flow = lab_stream_next(s, &size);
	struct frame f;

	write_ethernet(&f, t.ports[LAB_INSIDE].mac, s->ipv6 ? 0x86dd : 0x0800);
	lab_stream_write(s, flow, size, f.bytes + LAB_ETHER_BYTES);
	lab_stream_burst(s, rte_rdtsc());
	f.n = LAB_ETHER_BYTES + size->ip_bytes;
	return f;
}

/* A packet of the stream encrypt, sealed for a peer as the gateway does, at the outside port. */
static struct frame sealed(void)
{
	struct lab_stream *s = &t.streams[LAB_ENCRYPT][LAB_MAIN];
	bool ipv6 = t.sealed_ipv6;
	unsigned int head = lab_outer_bytes(ipv6), address_bytes = ipv6 ? 16 : 4;
	struct wg_data data = {.type = htole32(WG_DATA), .counter = htole64(counter)};
	const struct lab_size *size;
	struct lab_flow *flow = lab_stream_next(s, &size);
	struct lab_peer *p = &t.peers.at[flow->peer];
	uint32_t padded = dp_padded(size->ip_bytes, LAB_TUNNEL_MTU);
	uint8_t inner[2048] = {0}, *ip;
	struct frame f;

	write_ethernet(&f, t.ports[LAB_OUTSIDE].mac, 0);
	lab_outer_write(&t.ports[LAB_OUTSIDE], f.bytes, p->outer, ipv6, WG_OVERHEAD_BYTES + padded);
	memcpy(f.bytes, t.ports[LAB_OUTSIDE].mac, 6);
	ip = f.bytes + LAB_ETHER_BYTES + (ipv6 ? 8 : 12);
	memcpy(ip, t.setup.gateway[LAB_OUTSIDE].bytes, address_bytes);
	memcpy(ip + address_bytes, at(LAB_OUTSIDE, flow->peer % 3).bytes, address_bytes);
	data.receiver = htole32(p->current->local_index);
	memcpy(f.bytes + head, &data, sizeof(data));
	lab_stream_write(s, flow, size, inner);
	cr_seal(f.bytes + head + sizeof(data), inner, padded, NULL, 0, counter++,
		p->current->receive_key);
	lab_stream_burst(s, rte_rdtsc());
	f.n = head + WG_OVERHEAD_BYTES + padded;
	return f;
}

static void received(bool ipv6)
{
	const struct lab_counts *encrypt = &result.way[LAB_ENCRYPT];
	const struct lab_counts *decrypt = &result.way[LAB_DECRYPT];
	struct frame f;

	open_tester(ipv6);
	for (unsigned int i = 0; i < 10; i++) {
		f = plain();
		put(LAB_INSIDE, &f);
		f = sealed();
		put(LAB_OUTSIDE, &f);
	}
	put(LAB_OUTSIDE, &f); /* once more */
	counter -= 6;	      /* one of the same peer */
	f = sealed();	      /* another packet under a counter that was there */
	put(LAB_OUTSIDE, &f);
	f.bytes[f.n - 1] ^= 1;
	put(LAB_OUTSIDE, &f);
	lab_receive(&t);
	assert_int_equal(decrypt->received, 10);
	assert_int_equal(encrypt->received, 10);
	assert_int_equal(encrypt->duplicates, 2);
	assert_int_equal(encrypt->corrupt, 1);
	assert_int_equal(encrypt->strange + decrypt->strange + decrypt->corrupt, 0);
	close_tester();
}

static void received_ipv4(void **state)
{
	received(false);
}

static void received_ipv6(void **state)
{
	received(true);
}

/* To others, of others; and what nobody of us has sent. */
static void noise_and_strangers(void **state)
{
	struct frame f;

	open_tester(false);
	f = plain();
	f.bytes[0] ^= 4; /* to another MAC address */
	put(LAB_INSIDE, &f);
	f = plain();
	f.bytes[0] = 0xff; /* to many */
	put(LAB_INSIDE, &f);
	write_ethernet(&f, t.ports[LAB_INSIDE].mac, 0x88cc); /* LLDP */
	put(LAB_INSIDE, &f);
	f = sealed();
	f.bytes[33] ^= 64; /* to another address */
	f.bytes[20] ^= 1;
	put(LAB_OUTSIDE, &f);
	lab_receive(&t);
	assert_int_equal(result.way[LAB_DECRYPT].strange + result.way[LAB_DECRYPT].corrupt, 0);
	f = plain();
	f.bytes[23] = IPPROTO_ICMP;
	put(LAB_INSIDE, &f);
	f = sealed();
	f.bytes[46] ^= 255; /* a session that nobody has */
	put(LAB_OUTSIDE, &f);
	lab_receive(&t);
	assert_int_equal(result.way[LAB_DECRYPT].strange, 1);
	assert_true(result.way[LAB_ENCRYPT].strange >= 1);
	assert_int_equal(result.way[LAB_DECRYPT].received, 0);
	close_tester();
}

static void break_frame(struct frame *f)
{
	unsigned int n = (unsigned int)(unit_random(&random_state) % 4);

	for (unsigned int i = 0; i < n; i++)
		f->bytes[unit_random(&random_state) % f->n] = (uint8_t)unit_random(&random_state);
	if (unit_random(&random_state) % 2)
		f->n = (uint32_t)(unit_random(&random_state) % f->n) + 1;
}

/* Any bytes may come. No packet is taken for more than it is: what was sent once counts once. */
static void broken(bool ipv6)
{
	const struct lab_address *gateway;
	uint64_t sent = 0;

	open_tester(ipv6);
	gateway = &t.setup.gateway[LAB_OUTSIDE];
	for (unsigned int i = 0; i < BROKEN; i++) {
		struct frame f, skipped;

		switch (unit_random(&random_state) % 4) {
		case 0:
			f = plain();
			sent++;
			break;
		case 1:
			f = sealed();
			sent++;
			break;
		case 2:
			f = arp(RTE_ARP_OP_REQUEST, *gateway, at(LAB_OUTSIDE, 0));
			break;
		default:
			f = discovery(ND_NEIGHBOR_SOLICIT, *gateway, at(LAB_OUTSIDE, 0));
			break;
		}
		break_frame(&f);
		put(i & 1 ? LAB_OUTSIDE : LAB_INSIDE, &f);
		lab_receive(&t);
		while (take(LAB_OUTSIDE, &skipped) || take(LAB_INSIDE, &skipped))
			continue;
	}
	assert_true(result.way[LAB_ENCRYPT].received + result.way[LAB_DECRYPT].received < sent);
	assert_true(result.way[LAB_ENCRYPT].received > 0 && result.way[LAB_DECRYPT].received > 0);
	assert_true(result.way[LAB_ENCRYPT].corrupt > 0 && result.way[LAB_DECRYPT].corrupt > 0);
	close_tester();
}

static void broken_ipv4(void **state)
{
	broken(false);
}

static void broken_ipv6(void **state)
{
	broken(true);
}

/* ---- sending ---- */

static void sends(void **state)
{
	struct frame f;

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		open_tester(ipv6 != 0);
		memcpy(t.ports[LAB_INSIDE].next_hop, gateway_mac, 6);
		assert_int_equal(lab_send_plain(&t, &t.streams[LAB_ENCRYPT][LAB_MAIN], 5), 5);
		for (unsigned int i = 0; i < 5; i++) {
			f = from_gateway(LAB_INSIDE);
			assert_int_equal(f.n, LAB_ETHER_BYTES + 100);
		}
		assert_false(take(LAB_INSIDE, &f));
		assert_int_equal(lab_send_sealed(&t, &t.streams[LAB_DECRYPT][LAB_MAIN], 6), 6);
		for (uint32_t i = 0; i < 6; i++) {
			const struct lab_session *s = t.peers.at[i % 3].current;
			unsigned int head = lab_outer_bytes(ipv6 != 0);
			uint8_t inner[256];
			struct wg_data data;

			f = from_gateway(LAB_OUTSIDE);
			assert_int_equal(f.n, head + WG_OVERHEAD_BYTES + 112);
			memcpy(&data, f.bytes + head, sizeof(data));
			assert_int_equal(le32toh(data.receiver), s->remote_index);
			assert_int_equal(le64toh(data.counter), i / 3);
			assert_true(cr_open(inner, f.bytes + head + sizeof(data), 112, NULL, 0,
					    i / 3, s->send_key));
			assert_int_equal(dp_ip_length(inner, 112), 100);
		}
		/* A session that is too old seals nothing. */
		t.now_ns += WG_REJECT_AFTER_NS;
		assert_int_equal(lab_send_sealed(&t, &t.streams[LAB_DECRYPT][LAB_MAIN], 6), 0);
		assert_false(take(LAB_OUTSIDE, &f));
		close_tester();
	}
}

static bool open_ports(void)
{
	static struct lab_setup setup;
	struct lab_tester_options o = {.outside = "net_ring0", .inside = "net_ring1", .size = 64};
	char error[300];
	int rc = lab_setup_make(&setup, &o, error, sizeof(error));

	for (int side = LAB_OUTSIDE; rc == 0 && side < LAB_SIDES; side++)
		rc = lab_port_open(&ports[side], (enum lab_side)side, &setup, pool, error,
				   sizeof(error));
	if (rc != 0)
		fprintf(stderr, "%s\n", error);
	return rc == 0;
}

int main(void)
{
	static char *args[] = {"test",		 "--no-huge", "--no-shconf", "--no-pci",
			       "--no-telemetry", "-m",	      "64",	     "--log-level=error",
			       "--lcores=0@0",	 NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_arp),	       cmocka_unit_test(learns_by_arp),
		cmocka_unit_test(asks_again),	       cmocka_unit_test(neighbour_discovery),
		cmocka_unit_test(received_ipv4),       cmocka_unit_test(received_ipv6),
		cmocka_unit_test(noise_and_strangers), cmocka_unit_test(broken_ipv4),
		cmocka_unit_test(broken_ipv6),	       cmocka_unit_test(sends),
	};

	if (rte_eal_init(9, args) < 0)
		return EXIT_FAILURE;
	pool = rte_pktmbuf_pool_create("p", 4095, 0, 0, 2400, SOCKET_ID_ANY);
	if (!pool || !open_ports())
		return EXIT_FAILURE;
	return UNIT_RUN(tests);
}
