/*
 * The tester receives: data messages outside are opened and judged, plain packets inside judged;
 * handshakes, ARP and neighbour discovery are answered; the noise of others is left alone. In each
 * turn of the loop.
 */
#include <endian.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>

#include "bench/lab/outer.h"
#include "bench/lab/tester_priv.h"

#define ASK_AGAIN_NS (5 * WG_NS_PER_S)
#define BURSTS_MAX   4 /* of one port in a turn: then the other one, and sending */

static struct lab_counts *counts_of(struct lab_tester *t, enum lab_way way)
{
	return t->streams[way][LAB_MAIN].counts;
}

static void judge(struct lab_tester *t, enum lab_way way, const struct lab_arrived *arrived,
		  unsigned int n, uint64_t now)
{
	struct lab_stream *bulk = &t->streams[way][LAB_BULK];
	struct lab_stream *const streams[2] = {&t->streams[way][LAB_MAIN],
					       bulk->flows ? bulk : NULL};

	lab_packets_count(streams, arrived, n, now);
}

/* Is it to the port and to an address of ours there? Everything else is between others. */
static bool to_us(const struct lab_port *p, const uint8_t *frame, uint32_t bytes)
{
	uint16_t type = dp_load_be16(frame + 12);
	struct lab_address to = {.family = type == 0x86dd ? AF_INET6 : AF_INET};
	const uint8_t *ip = frame + LAB_ETHER_BYTES;

	if (bytes < LAB_ETHER_BYTES + DP_IPV4_MIN_BYTES || memcmp(frame, p->mac, 6) != 0 ||
	    (type != 0x86dd && type != 0x0800) ||
	    (type == 0x86dd && bytes < LAB_ETHER_BYTES + DP_IPV6_BYTES))
		return false;
	memcpy(to.bytes, ip + (type == 0x86dd ? 24 : 16), type == 0x86dd ? 16 : 4);
	return lab_port_owns(p, &to);
}

/* No packet of a flow. */
static void other(struct lab_tester *t, struct lab_port *p, const uint8_t *frame, uint32_t bytes)
{
	if (bytes < LAB_ETHER_BYTES || lab_neighbour_input(p, frame, bytes))
		return;
	if (to_us(p, frame, bytes))
		counts_of(t, p->side == LAB_OUTSIDE ? LAB_ENCRYPT : LAB_DECRYPT)->strange++;
}

/* ---- outside ---- */

/* Data messages of a burst. */
struct opening {
	struct cr_packet packets[LAB_BURST_MAX];
	struct lab_session *sessions[LAB_BURST_MAX];
	struct lab_peer *peers[LAB_BURST_MAX];
	unsigned int n;
};

/* One message to a peer, data or not. */
static void take_message(struct lab_tester *t, struct opening *o, const uint8_t *frame,
			 const struct lab_message *message)
{
	struct wg_data data = {.type = 0};
	struct lab_session *session;
	uint32_t number;

	memcpy(&data, message->at, RTE_MIN(message->bytes, (uint32_t)sizeof(data)));
	if (le32toh(data.type) != WG_DATA) {
		number = lab_outer_peer(&t->ports[LAB_OUTSIDE], frame);
		if (number != UINT32_MAX)
			lab_handshake_input(&t->peers, number, message->at, message->bytes,
					    t->now_ns);
		return;
	}
	session = lab_session_find(&t->peers, le32toh(data.receiver), &o->peers[o->n]);
	if (message->bytes < WG_DATA_MIN_BYTES || !session) {
		counts_of(t, LAB_ENCRYPT)->strange++;
		return;
	}
	o->sessions[o->n] = session;
	o->packets[o->n++] = (struct cr_packet){
		.key = session->receive_key,
		.counter = le64toh(data.counter),
		.src = message->at + sizeof(data),
		.dst = message->at + sizeof(data),
		.len_bytes = message->bytes - WG_OVERHEAD_BYTES,
	};
}

static void open_and_judge(struct lab_tester *t, struct opening *o, uint64_t now)
{
	struct lab_counts *counts = counts_of(t, LAB_ENCRYPT);
	uint64_t opened = cr_open_burst(t->aead, o->packets, o->n);
	struct lab_arrived arrived[LAB_BURST_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < o->n; i++) {
		const struct cr_packet *p = &o->packets[i];

		if (!(opened >> i & 1)) {
			counts->corrupt++;
		} else if (!dp_replay_accept(&o->sessions[i]->replay, p->counter)) {
			counts->duplicates++;
		} else {
			lab_session_received(&t->peers, o->peers[i], o->sessions[i], t->now_ns);
			if (p->len_bytes > 0) /* else a keepalive */
				arrived[n++] = (struct lab_arrived){p->dst, p->len_bytes};
		}
	}
	judge(t, LAB_ENCRYPT, arrived, n, now);
}

static unsigned int receive_outside(struct lab_tester *t)
{
	struct lab_port *port = &t->ports[LAB_OUTSIDE];
	struct rte_mbuf *pkts[LAB_BURST_MAX];
	struct lab_message message;
	struct opening o = {.n = 0};
	unsigned int n = lab_port_receive(port, pkts);
	uint64_t now = rte_rdtsc();

	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(pkts[i], uint8_t *);

		if (lab_outer_parse(port, frame, pkts[i]->data_len, &message))
			take_message(t, &o, frame, &message);
		else
			other(t, port, frame, pkts[i]->data_len);
	}
	if (o.n > 0)
		open_and_judge(t, &o, now);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

/* ---- inside ---- */

static bool is_flow(const struct lab_tester *t, const struct lab_port *port, const uint8_t *frame,
		    uint32_t bytes)
{
	bool ipv6 = t->setup.o.inner_ipv6;

	return bytes >= LAB_ETHER_BYTES + lab_ip_bytes(ipv6) &&
	       dp_load_be16(frame + 12) == (ipv6 ? 0x86dd : 0x0800) &&
	       frame[LAB_ETHER_BYTES + (ipv6 ? 6 : 9)] == IPPROTO_UDP && to_us(port, frame, bytes);
}

static unsigned int receive_inside(struct lab_tester *t)
{
	struct lab_port *port = &t->ports[LAB_INSIDE];
	struct lab_arrived arrived[LAB_BURST_MAX];
	struct rte_mbuf *pkts[LAB_BURST_MAX];
	unsigned int n = lab_port_receive(port, pkts), k = 0;
	uint64_t now = rte_rdtsc();

	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		uint32_t bytes = pkts[i]->data_len;

		if (is_flow(t, port, frame, bytes))
			arrived[k++] = (struct lab_arrived){frame + LAB_ETHER_BYTES,
							    bytes - LAB_ETHER_BYTES};
		else
			other(t, port, frame, bytes);
	}
	judge(t, LAB_DECRYPT, arrived, k, now);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

/* ---- both ---- */

/* A gateway that was restarted may have another MAC address. */
static void ask_again(struct lab_tester *t)
{
	if (t->now_ns < t->ask_ns || t->gateway)
		return;
	t->ask_ns = t->now_ns + ASK_AGAIN_NS;
	lab_neighbour_ask(&t->ports[LAB_OUTSIDE]);
	lab_neighbour_ask(&t->ports[LAB_INSIDE]);
}

void lab_receive(struct lab_tester *t)
{
	t->now_ns = lab_peers_now(&t->peers, rte_rdtsc());
	for (unsigned int i = 0; i < BURSTS_MAX && receive_outside(t) == LAB_BURST_MAX; i++)
		continue;
	for (unsigned int i = 0; i < BURSTS_MAX && receive_inside(t) == LAB_BURST_MAX; i++)
		continue;
	lab_sessions_bury(&t->peers);
	ask_again(t);
	if (t->gateway)
		lab_gateway_turn(t->gateway);
}

void lab_count_to(struct lab_tester *t, struct lab_result *result)
{
	for (unsigned int way = 0; way < LAB_WAYS; way++) {
		t->streams[way][LAB_MAIN].counts = &result->way[way];
		t->streams[way][LAB_BULK].counts = &result->bulk[way];
	}
}
