/* Packets prepared for wgdp-bench: see packets.h. */
#include "bench/packets.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/ip.h"
#include "dataplane/route.h"

#define IMIX_ROUND	   48
#define IMIX_SMALL	   28
#define IMIX_MIDDLE	   16
#define TTL		   64
#define OUTER_BYTES	   (DP_ETHER_BYTES + DP_IPV4_MIN_BYTES + DP_UDP_BYTES)
#define MESSAGE_HEAD_BYTES ((unsigned int)sizeof(struct wg_data))

static const uint8_t other_mac[6] = {2, 9, 9, 9, 9, 9};

/* xorshift64* */
static uint32_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(*state * UINT64_C(2685821657736338717) >> 32);
}

static unsigned int size_of(const struct bench_load *load, unsigned int i)
{
	/* 5 has no divisor in common with 48: each kind comes as often as it should, mixed. */
	unsigned int at = i * 5 % IMIX_ROUND;

	if (load->size != BENCH_IMIX)
		return load->size;
	if (at < IMIX_SMALL)
		return 64;
	return at < IMIX_SMALL + IMIX_MIDDLE ? 576 : 1420;
}

static void put32(uint8_t *at, uint32_t x)
{
	x = htonl(x);
	memcpy(at, &x, sizeof(x));
}

static void write_ethernet(uint8_t *frame, const struct dp_port *port)
{
	memcpy(frame, port->mac, 6);
	memcpy(frame + 6, other_mac, 6);
	dp_store_be16(frame + 12, 0x0800);
}

static void write_ipv4(uint8_t *ip, uint32_t from, uint32_t to, unsigned int len)
{
	uint16_t sum;

	memset(ip, 0, DP_IPV4_MIN_BYTES);
	ip[0] = 0x45;
	dp_store_be16(ip + 2, (uint16_t)len);
	ip[8] = TTL;
	ip[9] = IPPROTO_UDP;
	put32(ip + 12, from);
	put32(ip + 16, to);
	sum = (uint16_t)~rte_raw_cksum(ip, DP_IPV4_MIN_BYTES);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* Where the payload of UDP would be. */
static void write_sequence(uint8_t *ip, struct bench_peer *p)
{
	memcpy(ip + BENCH_SEQUENCE_OFF, &p->sequence, sizeof(p->sequence));
	p->sequence++;
}

static void set_length(struct rte_mbuf *m, unsigned int len)
{
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

/* ---- from the lan to a peer ---- */

static void prepare_plain(struct bench_gateway *g, struct rte_mbuf *m, struct bench_peer *p,
			  unsigned int size, enum bench_entry entry)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct dp_note *note = dp_note(m);

	memset(frame + DP_ETHER_BYTES, 0x5a, size);
	write_ethernet(frame, &g->ports[1]);
	write_ipv4(frame + DP_ETHER_BYTES, BENCH_LAN_HOST, p->inner, size);
	write_sequence(frame + DP_ETHER_BYTES, p);
	set_length(m, DP_ETHER_BYTES + size);
	note->port_id = 1;
	if (entry <= BENCH_CLASSIFY)
		return;
	m->data_off += DP_ETHER_BYTES;
	set_length(m, size);
	note->port_id = DP_PORT_NONE;
	note->inner_len = (uint16_t)size;
	note->iface = g->wg;
	if (entry == BENCH_FORWARD_IN || entry == BENCH_ENCAP)
		return;
	note->peer = p->peer;
	note->session = p->session;
	note->counter = p->counter;
	if (entry == BENCH_TX) {
		m->data_off = (uint16_t)(m->data_off - OUTER_BYTES - MESSAGE_HEAD_BYTES);
		set_length(m, OUTER_BYTES + WG_OVERHEAD_BYTES + dp_padded(size, BENCH_MTU));
		note->port_id = 0;
	}
}

/* ---- from a peer to the lan ---- */

static void write_message(uint8_t *frame, const struct bench_gateway *g, struct bench_peer *p,
			  unsigned int padded)
{
	unsigned int udp_len = DP_UDP_BYTES + WG_OVERHEAD_BYTES + padded;
	uint8_t *udp = frame + DP_ETHER_BYTES + DP_IPV4_MIN_BYTES;
	struct wg_data message = {
		.type = rte_cpu_to_le_32(WG_DATA),
		.receiver = rte_cpu_to_le_32(p->session->local_index),
		.counter = rte_cpu_to_le_64(p->counter),
	};

	write_ethernet(frame, &g->ports[0]);
	write_ipv4(frame + DP_ETHER_BYTES, p->endpoint, BENCH_OUR_ADDR,
		   DP_IPV4_MIN_BYTES + udp_len);
	dp_store_be16(udp, BENCH_LISTEN);
	dp_store_be16(udp + 2, BENCH_LISTEN);
	dp_store_be16(udp + 4, (uint16_t)udp_len);
	dp_store_be16(udp + 6, 0);
	memcpy(udp + DP_UDP_BYTES, &message, sizeof(message));
}

/* Leaves the inner packet plain. */
static void prepare_message(struct bench_gateway *g, struct rte_mbuf *m, struct bench_peer *p,
			    unsigned int size, enum bench_entry entry)
{
	unsigned int padded = dp_padded(size, BENCH_MTU);
	unsigned int head = OUTER_BYTES + MESSAGE_HEAD_BYTES;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct dp_note *note = dp_note(m);

	write_message(frame, g, p, padded);
	memset(frame + head, 0, padded);
	write_ipv4(frame + head, p->inner, BENCH_LAN_HOST, size);
	write_sequence(frame + head, p);
	set_length(m, head + padded + WG_TAG_BYTES);
	note->port_id = 0;
	note->session = p->session; /* for whoever seals it; the path finds its own */
	note->iface = g->wg;
	note->peer = p->peer;
	note->counter = p->counter++;
	note->l3_off = DP_ETHER_BYTES;
	note->payload_off = OUTER_BYTES;
	note->payload_len = (uint16_t)(padded + WG_OVERHEAD_BYTES);
	note->family = AF_INET;
	if (entry == BENCH_FORWARD || entry == BENCH_TX) {
		m->data_off = (uint16_t)(m->data_off + head);
		set_length(m, size);
		note->inner_len = (uint16_t)size;
		note->port_id = DP_PORT_NONE;
		note->route =
			dp_routes_lookup(g->dp->routes, AF_INET,
					 dp_ip_destination(rte_pktmbuf_mtod(m, const uint8_t *)));
	}
	if (entry == BENCH_TX) {
		m->data_off -= DP_ETHER_BYTES;
		set_length(m, DP_ETHER_BYTES + size);
		note->port_id = 1;
	}
}

void bench_ciphers(const struct dp_batch *b, bool decrypt, struct cr_packet *packets)
{
	for (unsigned int i = 0; i < b->n; i++) {
		const struct dp_note *note = dp_note(b->pkts[i]);
		unsigned int off = decrypt ? OUTER_BYTES + MESSAGE_HEAD_BYTES : 0;
		uint8_t *text = rte_pktmbuf_mtod_offset(b->pkts[i], uint8_t *, off);

		packets[i] = (struct cr_packet){
			.key = decrypt ? note->session->receive_key : note->session->send_key,
			.counter = note->counter,
			.src = text,
			.dst = text,
			.len_bytes = decrypt ? (uint32_t)note->payload_len - WG_OVERHEAD_BYTES
					     : dp_padded(b->pkts[i]->data_len, BENCH_MTU),
		};
	}
}

/* As the peers do it: with the keys that we receive with. Notes are as after receiving then. */
static void seal_messages(struct bench_preparer *b, struct dp_batch *batch, enum bench_entry entry)
{
	struct cr_packet packets[DP_BATCH_MAX];

	bench_ciphers(batch, true, packets);
	cr_seal_burst(b->aead, packets, batch->n);
	for (unsigned int i = 0; i < batch->n; i++) {
		struct dp_note *note = dp_note(batch->pkts[i]);

		if (entry <= BENCH_CLASSIFY)
			*note = (struct dp_note){.port_id = note->port_id};
		else if (entry == BENCH_DECAP)
			note->peer = NULL;
	}
}

/* As dp_packet_new() leaves it. */
static struct rte_mbuf *take_buffer(struct bench_preparer *b, struct bench_gateway *g)
{
	struct rte_mbuf *m;

	if (b->n_stock == 0)
		return dp_packet_new(g->dp);
	m = b->stock[--b->n_stock];
	rte_pktmbuf_reset(m);
	memset(dp_note(m), 0, sizeof(struct dp_note));
	dp_note(m)->port_id = DP_PORT_NONE;
	return m;
}

static struct bench_peer *pick(struct bench_preparer *b, const struct bench_gateway *g)
{
	unsigned int n = (g->n_peers - b->first + b->step - 1) / b->step;

	return &g->peers[b->first + b->step * (next_random(&b->random) % n)];
}

bool bench_prepare_batch(struct bench_preparer *b, struct bench_gateway *g,
			 const struct bench_load *load, enum bench_entry entry, unsigned int at,
			 struct dp_batch *batch)
{
	bool sealed = entry <= BENCH_CLASSIFY || entry == BENCH_DECAP || entry == BENCH_AEAD;

	batch->n = 0;
	for (unsigned int i = 0; i < DP_BATCH_MAX; i++) {
		struct bench_peer *p = pick(b, g);
		struct rte_mbuf *m = take_buffer(b, g);

		if (!m)
			return false;
		dp_batch_add(batch, m);
		if (g->offload)
			m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
		if (load->decrypt)
			prepare_message(g, m, p, size_of(load, at + i), entry);
		else
			prepare_plain(g, m, p, size_of(load, at + i), entry);
	}
	if (load->decrypt && sealed)
		seal_messages(b, batch, entry);
	return true;
}

bool bench_prepare(struct bench_preparer *b, struct bench_gateway *g, const struct bench_load *load,
		   enum bench_entry entry, struct dp_batch batches[BENCH_BATCHES])
{
	for (unsigned int k = 0; k < BENCH_BATCHES; k++) {
		if (!bench_prepare_batch(b, g, load, entry, k * DP_BATCH_MAX, &batches[k]))
			return false;
	}
	return true;
}
