/*
 * Sealing inner packets: the data message around each, the outer headers in front, the burst of
 * ciphers. Headers come first, for the ciphers use up the cache that the packets are in. Runs on
 * any worker, maybe not the one that received the packets; changes nothing but them (open.h).
 * Counters were reserved before, in encap.c.
 */
#include "dataplane/open.h"

#include <string.h>
#include <sys/socket.h>

#include <rte_mbuf.h>

#include "dataplane/flow.h"
#include "dataplane/ip.h"
#include "dataplane/session.h"

/* ---- outer headers ---- */

/* The port that a packet leaves by: mostly that of the packet before. */
struct leaves {
	uint16_t port_id;
	bool ip_sum, udp_sum; /* it does them */
	/* what tells the hardware so, for an outer packet of IPv4 and of IPv6 */
	uint64_t flags[2], offload[2];
};

static void look_at_port(struct leaves *l, const struct dp *dp, const struct dp_out *out)
{
	const struct dp_device *device;

	if (likely(l->port_id == out->port_id))
		return;
	device = dp->ports[out->port_id]->device;
	*l = (struct leaves){out->port_id, device->tx_ipv4_cksum, device->tx_udp_cksum, {0}, {0}};
	l->offload[0] = rte_mbuf_tx_offload(out->l3_off, DP_IPV4_MIN_BYTES, 0, 0, 0, 0, 0);
	l->offload[1] = rte_mbuf_tx_offload(out->l3_off, DP_IPV6_BYTES, 0, 0, 0, 0, 0);
	if (l->ip_sum)
		l->flags[0] = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	if (!l->udp_sum)
		return;
	l->flags[0] |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
	l->flags[1] = RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
}

/* The sizes that nearly all have, known to the compiler. */
static void copy_header(uint8_t *frame, const struct dp_out *out)
{
	if (out->header_bytes == DP_ETHER_BYTES + DP_IPV4_MIN_BYTES + DP_UDP_BYTES)
		memcpy(frame, out->header, DP_ETHER_BYTES + DP_IPV4_MIN_BYTES + DP_UDP_BYTES);
	else if (out->header_bytes == DP_ETHER_BYTES + DP_IPV6_BYTES + DP_UDP_BYTES)
		memcpy(frame, out->header, DP_ETHER_BYTES + DP_IPV6_BYTES + DP_UDP_BYTES);
	else
		memcpy(frame, out->header, out->header_bytes);
}

/* Lengths, ECN and header checksum: that is summed up of the header before it was copied, as what
 * has just been written in small pieces can't be read at once in a large one. */
static void patch_ip(uint8_t *ip, const uint8_t *before, uint8_t ecn, uint16_t udp_len, uint16_t id,
		     bool offload)
{
	uint16_t total = (uint16_t)(DP_IPV4_MIN_BYTES + udp_len), sum;

	if (dp_ip_version(before) == 6) {
		ip[1] = (uint8_t)(ecn << 4);
		dp_store_be16(ip + 4, udp_len);
		return;
	}
	ip[1] = ecn; /* DSCP 0: the inner one is nobody's business outside */
	dp_store_be16(ip + 2, total);
	dp_store_be16(ip + 4, id);
	if (offload)
		return;
	sum = dp_ipv4_sum_with(before, ecn, total, id);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* Source port and length, and the sum of the pseudo header where the hardware adds the rest. */
static void patch_udp(uint8_t *udp, const struct dp_out *out, uint8_t flow_port, uint16_t udp_len,
		      bool offload)
{
	uint16_t sum;

	if (unlikely(flow_port))
		dp_store_be16(udp, (uint16_t)(dp_load_be16(udp) + flow_port));
	dp_store_be16(udp + 4, udp_len);
	if (!offload)
		return;
	sum = dp_sum_fold(out->pseudo_sum + rte_cpu_to_be_16(udp_len));
	memcpy(udp + 6, &sum, sizeof(sum));
}

/* Always a checksum, also over IPv4; computed here, over what has been sealed, if the port can't,
 * or the frame will be fragmented. */
static void sum_up_udp(const struct rte_mbuf *m)
{
	const struct dp_note *note = dp_note(m);
	const struct dp_out *out = note->out;
	uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, out->header_bytes - DP_UDP_BYTES);
	uint16_t udp_len = rte_cpu_to_be_16((uint16_t)(DP_UDP_BYTES + note->payload_len));
	uint16_t ports[2], sum;

	memcpy(ports, udp, sizeof(ports));
	sum = dp_udp_sum(udp + DP_UDP_BYTES, note->payload_len,
			 out->pseudo_sum + ports[0] + ports[1] + 2u * udp_len);
	memcpy(udp + 6, &sum, sizeof(sum));
}

/* Tells the hardware which checksums are left to it. All of that word, also in the buffer: to
 * change a part of it, it would have to be there first. */
static void leave_sums(struct rte_mbuf *m, const struct leaves *port, bool v6)
{
	if (port->flags[v6] == 0)
		return;
	m->ol_flags |= port->flags[v6];
	m->tx_offload = port->offload[v6];
}

/* ---- one packet, all but the cipher ---- */

/* Is there room around the inner packet? Only a buffer that is not of our pool can lack it. What
 * fits a buffer fits the 16 bits of a length. */
static bool has_room(const struct rte_mbuf *m, const struct dp_note *note)
{
	uint32_t padded = (uint32_t)note->payload_len - WG_OVERHEAD_BYTES;

	return m->nb_segs == 1 && padded >= m->data_len &&
	       m->data_off >= note->out->header_bytes + sizeof(struct wg_data) &&
	       m->buf_len >= m->data_off + padded + WG_TAG_BYTES;
}

/* The data message around an inner packet, in place. */
static void write_message(uint8_t *plain, uint32_t len, const struct dp_note *note,
			  struct cr_packet *packet)
{
	struct wg_data *message = (struct wg_data *)(plain - sizeof(*message));

	/* Padding; what is too much is in the tag's place. */
	memset(plain + len, 0, WG_TAG_BYTES);
	*packet = (struct cr_packet){
		.key = note->session->send_key,
		.counter = note->counter,
		.src = plain,
		.dst = plain,
		.len_bytes = (uint32_t)note->payload_len - WG_OVERHEAD_BYTES,
	};
	message->type = rte_cpu_to_le_32(WG_DATA);
	message->receiver = rte_cpu_to_le_32(note->session->remote_index);
	message->counter = rte_cpu_to_le_64(note->counter);
}

/* From the inner packet, which is still in the clear, to the whole frame. Returns what was found;
 * *sum: a checksum is missing. */
static enum dp_sealed dress(struct rte_mbuf *m, const struct leaves *port, struct cr_packet *packet,
			    bool *sum)
{
	struct dp_note *note = dp_note(m);
	const struct dp_out *out = note->out;
	const uint8_t *before = out->header + out->l3_off;
	uint8_t *plain = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t udp_len = (uint16_t)(DP_UDP_BYTES + note->payload_len), len = m->data_len;
	uint16_t front = (uint16_t)(sizeof(struct wg_data) + out->header_bytes);
	bool fits = note->payload_len <= out->payload_max;
	uint8_t *frame = plain - front;
	/* A keepalive has nothing to look into. */
	uint8_t ecn = len ? dp_ip_ecn(plain) : 0;
	uint8_t flow_port = dp_flow_port(plain, len, out->source_ports);

	write_message(plain, len, note, packet);
	copy_header(frame, out);
	/* DF is clear, so fragments need an id: the counter does not come again soon. */
	patch_ip(frame + out->l3_off, before, dp_ecn_outer(ecn), udp_len, (uint16_t)note->counter,
		 port->ip_sum && fits);
	patch_udp(frame + out->header_bytes - DP_UDP_BYTES, out, flow_port, udp_len,
		  port->udp_sum && fits);
	if (likely(fits))
		leave_sums(m, port, dp_ip_version(before) == 6);
	m->data_off = (uint16_t)(m->data_off - front);
	m->data_len = (uint16_t)(out->header_bytes + note->payload_len);
	m->pkt_len = m->data_len;
	note->port_id = out->port_id;
	*sum = !(port->udp_sum && fits);
	return fits ? DP_SEALED : DP_SEALED_BIG;
}

/* ---- the whole ---- */

void dp_seal_burst(const struct dp *dp, struct cr_aead *aead, const struct dp_batch *b,
		   uint8_t found[DP_BATCH_MAX])
{
	struct leaves port = {.port_id = DP_PORT_NONE};
	struct cr_packet packets[DP_BATCH_MAX];
	uint32_t todo = 0, sums = 0;
	unsigned int n = 0;
	uint64_t sealed;

	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		bool sum;

		found[i] = DP_SEALED_FAILED;
		if (unlikely(!has_room(m, dp_note(m))))
			continue;
		look_at_port(&port, dp, dp_note(m)->out);
		found[i] = (uint8_t)dress(m, &port, &packets[n++], &sum);
		todo |= UINT32_C(1) << i;
		sums |= (uint32_t)sum << i;
	}
	if (unlikely(n == 0))
		return;
	sealed = cr_seal_burst(aead, packets, n);
	if (likely(sealed == dp_mask_of(n) && sums == 0))
		return;
	for (; todo; todo &= todo - 1, sealed >>= 1) {
		unsigned int i = (unsigned int)__builtin_ctz(todo);

		if (unlikely(!(sealed & 1)))
			found[i] = DP_SEALED_FAILED;
		else if (sums >> i & 1)
			sum_up_udp(b->pkts[i]);
	}
}
