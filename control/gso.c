/*
 * TCP segmentation in software. DPDK's rte_gso has no IPv6. What changes from segment to segment:
 * IP length and (IPv4) id, sequence number, and flags: FIN and PSH belong to the last segment, CWR
 * to the first (RFC 3168 6.1.2: said once per reduction of the window).
 */
#include "control/gso.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "dataplane/sum.h"

int ctl_gso_open(struct ctl_gso *g, const uint8_t *frame, uint32_t len, uint16_t l3_off,
		 uint16_t l4_off, uint16_t size)
{
	const struct rte_tcp_hdr *tcp = (const void *)(frame + l4_off);
	uint32_t l3_bytes, tcp_bytes, payload;

	if (size == 0 || l4_off < l3_off + sizeof(struct rte_ipv4_hdr) ||
	    len < (uint32_t)l4_off + sizeof(*tcp))
		return -EINVAL;
	l3_bytes = (uint32_t)l4_off - l3_off;
	switch (frame[l3_off] >> 4) {
	case 4:
		if ((frame[l3_off] & 0xfu) * 4 != l3_bytes)
			return -EINVAL;
		g->family = AF_INET;
		break;
	case 6:
		if (l3_bytes < sizeof(struct rte_ipv6_hdr))
			return -EINVAL;
		g->family = AF_INET6;
		break;
	default:
		return -EINVAL;
	}
	tcp_bytes = (tcp->data_off >> 4) * 4u;
	if (tcp_bytes < sizeof(*tcp) || len <= l4_off + tcp_bytes)
		return -EINVAL;
	payload = len - l4_off - tcp_bytes;
	g->frame = frame;
	g->len = len;
	g->header_len = l4_off + tcp_bytes;
	g->segments = (payload + size - 1) / size;
	g->l3_off = l3_off;
	g->l4_off = l4_off;
	g->size = size;
	/* An IP packet of a segment holds at most 65535 bytes. */
	return g->header_len - l3_off + RTE_MIN((uint32_t)size, payload) > UINT16_MAX ? -EINVAL : 0;
}

uint32_t ctl_gso_len(const struct ctl_gso *g, uint32_t i)
{
	uint32_t payload = g->len - g->header_len - i * g->size;

	return g->header_len + RTE_MIN(payload, (uint32_t)g->size);
}

/* The one's complement sum of the pseudo header (RFC 9293 3.1, RFC 8200 8.1). */
static uint32_t pseudo_sum(const struct ctl_gso *g, const uint8_t *l3, uint32_t tcp_bytes)
{
	uint32_t sum = rte_cpu_to_be_16(IPPROTO_TCP) + rte_cpu_to_be_16((uint16_t)tcp_bytes);

	if (g->family == AF_INET)
		return sum + rte_raw_cksum(l3 + offsetof(struct rte_ipv4_hdr, src_addr), 8);
	return sum + rte_raw_cksum(l3 + offsetof(struct rte_ipv6_hdr, src_addr), 32);
}

static void patch_l3(const struct ctl_gso *g, uint32_t i, uint8_t *l3, uint32_t l3_len)
{
	struct rte_ipv4_hdr *ip4 = (void *)l3;
	struct rte_ipv6_hdr *ip6 = (void *)l3;

	if (g->family == AF_INET) {
		ip4->total_length = rte_cpu_to_be_16((uint16_t)l3_len);
		ip4->packet_id = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip4->packet_id) + i));
		ip4->hdr_checksum = 0;
		ip4->hdr_checksum = (uint16_t)~rte_raw_cksum(l3, (size_t)g->l4_off - g->l3_off);
	} else {
		ip6->payload_len = rte_cpu_to_be_16((uint16_t)(l3_len - sizeof(*ip6)));
	}
}

void ctl_gso_segment(const struct ctl_gso *g, uint32_t i, uint8_t *out)
{
	uint32_t len = ctl_gso_len(g, i), tcp_bytes = len - g->l4_off, sum;
	struct rte_tcp_hdr *tcp = (void *)(out + g->l4_off);

	memcpy(out, g->frame, g->header_len);
	memcpy(out + g->header_len, g->frame + g->header_len + (size_t)i * g->size,
	       len - g->header_len);
	patch_l3(g, i, out + g->l3_off, len - g->l3_off);
	tcp->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + i * g->size);
	if (i + 1 < g->segments)
		tcp->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	if (i > 0)
		tcp->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	tcp->cksum = 0;
	sum = pseudo_sum(g, out + g->l3_off, tcp_bytes) + dp_sum((const uint8_t *)tcp, tcp_bytes);
	tcp->cksum = (uint16_t)~dp_sum_fold(sum);
}
