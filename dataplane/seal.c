/*
 * Sealing inner packets: the data message around each, the burst of ciphers, the outer headers in
 * front. Runs on any worker, maybe not the one that received the packets; changes nothing but them
 * (open.h). Counters were reserved before, in encap.c.
 */
#include "dataplane/open.h"

#include <string.h>
#include <sys/socket.h>

#include <rte_mbuf.h>

#include "dataplane/flow.h"
#include "dataplane/ip.h"
#include "dataplane/session.h"

/* What fits the 16-bit length of any outer header. */
#define LEN_MAX_BYTES (UINT16_MAX - WG_OVERHEAD_BYTES - DP_UDP_BYTES - DP_IPV6_BYTES)

/* ---- the message ---- */

/* The data message around an inner packet, in place. False: the buffer has no room for it, which
 * only a buffer that is not of our pool can lack. */
static bool wrap(struct rte_mbuf *m, struct cr_packet *packet)
{
	const struct dp_note *note = dp_note(m);
	uint16_t mtu = atomic_load_explicit(&note->iface->mtu, memory_order_relaxed);
	uint16_t len = m->data_len;
	uint16_t padding = (uint16_t)(dp_padded(len, mtu) - len);
	struct wg_data *message;
	uint8_t *plain;

	if (unlikely(m->nb_segs != 1 || (uint32_t)len + padding > LEN_MAX_BYTES ||
		     rte_pktmbuf_headroom(m) < note->out->header_bytes + sizeof(*message) ||
		     rte_pktmbuf_tailroom(m) < padding + WG_TAG_BYTES))
		return false;
	plain = rte_pktmbuf_mtod(m, uint8_t *);
	/* What is too much is in the tag's place. */
	memset(plain + len, 0, WG_TAG_BYTES);
	*packet = (struct cr_packet){
		.key = note->session->send_key,
		.counter = note->counter,
		.src = plain,
		.dst = plain,
		.len_bytes = (uint32_t)len + padding,
	};
	message = (struct wg_data *)(plain - sizeof(*message));
	message->type = rte_cpu_to_le_32(WG_DATA);
	message->receiver = rte_cpu_to_le_32(note->session->remote_index);
	message->counter = rte_cpu_to_le_64(note->counter);
	return true;
}

/* ---- outer headers ---- */

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
	uint16_t total = (uint16_t)(DP_IPV4_MIN_BYTES + udp_len), sum = 0;

	if (dp_ip_version(ip) == 6) {
		ip[1] = (uint8_t)(ecn << 4);
		dp_store_be16(ip + 4, udp_len);
		return;
	}
	ip[1] = ecn; /* DSCP 0: the inner one is nobody's business outside */
	dp_store_be16(ip + 2, total);
	dp_store_be16(ip + 4, id);
	if (!offload)
		sum = dp_ipv4_sum_with(before, ecn, total, id);
	memcpy(ip + 10, &sum, sizeof(sum));
}

/* Always a checksum, also over IPv4; computed here if the port can't, or the frame will be
 * fragmented. */
static void patch_udp(struct rte_mbuf *m, uint8_t *udp, uint16_t udp_len, bool offload)
{
	const struct dp_out *out = dp_note(m)->out;
	const uint8_t *before = out->header + out->header_bytes - DP_UDP_BYTES;
	uint16_t from = (uint16_t)(dp_load_be16(before) + dp_note(m)->flow_port);
	uint32_t pseudo_sum = out->pseudo_sum + rte_cpu_to_be_16(udp_len);
	uint16_t sum,
		header[2] = {rte_cpu_to_be_16(from), rte_cpu_to_be_16(dp_load_be16(before + 2))};

	dp_store_be16(udp, from);
	dp_store_be16(udp + 4, udp_len);
	sum = offload ? dp_sum_fold(pseudo_sum)
		      : dp_udp_sum(udp + DP_UDP_BYTES, (uint16_t)(udp_len - DP_UDP_BYTES),
				   pseudo_sum + header[0] + header[1] + rte_cpu_to_be_16(udp_len));
	memcpy(udp + 6, &sum, sizeof(sum));
}

/* Tells the hardware which checksums are left to it. */
static void leave_sums(struct rte_mbuf *m, const struct dp_out *out, bool ip_sum, bool udp_sum)
{
	bool v4 = out->endpoint.family == AF_INET;

	if (!udp_sum && !(ip_sum && v4))
		return;
	/* All of that word: to change a part of it, it would have to be there first. */
	m->tx_offload = rte_mbuf_tx_offload(
		out->l3_off, v4 ? DP_IPV4_MIN_BYTES : DP_IPV6_BYTES, 0, 0, 0, 0, 0);
	m->ol_flags |= v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	if (udp_sum)
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	if (ip_sum && v4)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
}

/* From the inner packet to the whole frame. Returns the outer IP packet's length. */
static uint32_t dress(const struct dp *dp, struct rte_mbuf *m)
{
	struct dp_note *note = dp_note(m);
	const struct dp_out *out = note->out;
	uint16_t udp_len = (uint16_t)(DP_UDP_BYTES + note->payload_len);
	uint16_t before = (uint16_t)(out->header_bytes + sizeof(struct wg_data));
	uint32_t outer_len = (uint32_t)out->header_bytes - out->l3_off + note->payload_len;
	const struct dp_device *device = dp->ports[out->port_id]->device;
	bool ip_sum = device->tx_ipv4_cksum && outer_len <= out->mtu;
	bool udp_sum = device->tx_udp_cksum && outer_len <= out->mtu;
	uint8_t *frame;

	m->data_off = (uint16_t)(m->data_off - before);
	m->data_len = (uint16_t)(out->header_bytes + note->payload_len);
	m->pkt_len = m->data_len;
	note->port_id = out->port_id;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	copy_header(frame, out);
	/* DF is clear, so fragments need an id: the counter does not come again soon. */
	patch_ip(frame + out->l3_off, out->header + out->l3_off, dp_ecn_outer(note->ecn), udp_len,
		 (uint16_t)note->counter, ip_sum);
	patch_udp(m, frame + out->header_bytes - DP_UDP_BYTES, udp_len, udp_sum);
	leave_sums(m, out, ip_sum, udp_sum);
	return outer_len;
}

/* ---- the whole ---- */

/* What is taken from the inner packet before it is encrypted in place. A keepalive has nothing. */
static void look_inside(struct rte_mbuf *m)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	struct dp_note *note = dp_note(m);

	note->ecn = m->data_len ? dp_ip_ecn(ip) : 0;
	note->flow_port = dp_flow_port(ip, m->data_len, note->out->source_ports);
}

void dp_seal_burst(const struct dp *dp, struct cr_aead *aead, const struct dp_batch *b,
		   uint8_t found[DP_BATCH_MAX])
{
	struct cr_packet packets[DP_BATCH_MAX];
	uint8_t of[DP_BATCH_MAX];
	unsigned int n = 0;
	uint64_t sealed;

	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];

		found[i] = DP_SEALED_FAILED;
		if (unlikely(!wrap(m, &packets[n])))
			continue;
		look_inside(m);
		of[n++] = (uint8_t)i;
	}
	if (unlikely(n == 0))
		return;
	sealed = cr_seal_burst(aead, packets, n);
	for (unsigned int k = 0; k < n; k++) {
		struct rte_mbuf *m = b->pkts[of[k]];
		struct dp_note *note = dp_note(m);

		if (unlikely(!(sealed >> k & 1)))
			continue;
		note->payload_len = (uint16_t)(packets[k].len_bytes + WG_OVERHEAD_BYTES);
		found[of[k]] = dress(dp, m) <= note->out->mtu ? DP_SEALED : DP_SEALED_BIG;
	}
}
