/* The tester sends a burst: plain packets inside, sealed ones outside. For each packet of a rate.
 */
#include <endian.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>

#include "bench/lab/outer.h"
#include "bench/lab/tester_priv.h"

static void set_length(struct rte_mbuf *m, unsigned int bytes)
{
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
}

/* ---- plain ---- */

unsigned int lab_send_plain(struct lab_tester *t, struct lab_stream *s, unsigned int n)
{
	struct lab_port *port = &t->ports[LAB_INSIDE];
	struct rte_mbuf *pkts[LAB_BURST_MAX];
	const struct lab_size *size;

	if (rte_pktmbuf_alloc_bulk(t->pool, pkts, n) != 0)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(pkts[i], uint8_t *);
		struct lab_flow *f = lab_stream_next(s, &size);

		lab_port_write_ethernet(port, frame, s->ipv6);
		lab_stream_write(s, f, size, frame + LAB_ETHER_BYTES);
		set_length(pkts[i], LAB_ETHER_BYTES + size->ip_bytes);
	}
	lab_stream_burst(s, rte_rdtsc());
	return lab_port_send(port, pkts, n);
}

/* ---- sealed ---- */

/* A packet on its way to be sealed. */
struct item {
	struct lab_flow *flow;
	const struct lab_size *size;
	struct lab_peer *peer;
};

/* Which packets, and who sends them; caches get what comes next. */
static void choose(struct lab_tester *t, struct lab_stream *s, struct item *items, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		items[i].flow = lab_stream_next(s, &items[i].size);
		items[i].peer = &t->peers.at[items[i].flow->peer];
		rte_prefetch0(items[i].peer);
		rte_prefetch0(items[i].peer->outer + LAB_OUTER_MAX - 1);
	}
	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(items[i].peer->current);
}

/* Writes the frame but for its seal, and says in *p what that takes. */
static void write_frame(struct lab_tester *t, struct lab_stream *s, const struct item *item,
			struct rte_mbuf *m, struct cr_packet *p)
{
	unsigned int head = lab_outer_bytes(t->sealed_ipv6);
	struct lab_session *session = item->peer->current;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *message = frame + head;
	uint32_t padded = dp_padded(item->size->ip_bytes, t->setup.o.tunnel_mtu);
	struct wg_data data = {.type = htole32(WG_DATA),
			       .receiver = htole32(session->remote_index),
			       .counter = htole64(session->counter)};

	lab_outer_write(&t->ports[LAB_OUTSIDE], frame, item->peer->outer, t->sealed_ipv6,
			WG_OVERHEAD_BYTES + padded);
	memcpy(message, &data, sizeof(data));
	*p = (struct cr_packet){
		.key = session->send_key,
		.counter = session->counter++,
		.src = message + sizeof(data),
		.dst = message + sizeof(data),
		.len_bytes = padded,
	};
	lab_stream_write(s, item->flow, item->size, p->dst);
	memset(p->dst + item->size->ip_bytes, 0, padded - item->size->ip_bytes);
	set_length(m, head + WG_OVERHEAD_BYTES + padded);
	lab_session_sent(item->peer, t->now_ns);
}

unsigned int lab_send_sealed(struct lab_tester *t, struct lab_stream *s, unsigned int n)
{
	struct rte_mbuf *pkts[LAB_BURST_MAX];
	struct cr_packet packets[LAB_BURST_MAX];
	struct item items[LAB_BURST_MAX];
	unsigned int k = 0;
	uint64_t sealed;

	if (rte_pktmbuf_alloc_bulk(t->pool, pkts, n) != 0)
		return 0;
	choose(t, s, items, n);
	/* A peer whose session has ended sends nothing. */
	for (unsigned int i = 0; i < n; i++)
		if (lab_session_usable(items[i].peer->current, t->now_ns)) {
			write_frame(t, s, &items[i], pkts[k], &packets[k]);
			k++;
		}
	rte_pktmbuf_free_bulk(pkts + k, n - k);
	sealed = cr_seal_burst(t->aead, packets, k);
	if (sealed != (UINT64_C(1) << k) - 1) {
		rte_pktmbuf_free_bulk(pkts, k);
		return 0;
	}
	if (t->sealed_ipv6)
		for (unsigned int i = 0; i < k; i++)
			lab_outer_sum(rte_pktmbuf_mtod(pkts[i], uint8_t *), true);
	lab_stream_burst(s, rte_rdtsc());
	return lab_port_send(&t->ports[LAB_OUTSIDE], pkts, k);
}
