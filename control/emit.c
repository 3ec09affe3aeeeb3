/*
 * Handshake messages and cookie replies as complete frames, handed to a worker to send. Control
 * thread. Data packets get their headers in dataplane/seal.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "control/control.h"
#include "control/log.h"

static struct ctl_limit limit = {.every_ns = WG_NS_PER_S, .burst = 5};

/* Lengths, traffic class and checksums into the ready-made headers. */
static void patch(uint8_t *frame, const struct dp_out *out, size_t len, uint8_t traffic_class)
{
	uint8_t *l3 = frame + out->l3_off;

	if (out->endpoint.family == AF_INET) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)l3;
		struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

		ip->type_of_service = traffic_class;
		ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(*udp) + len));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		udp->dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + len));
		udp->dgram_cksum = 0;
		udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)l3;
		struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

		ip->vtc_flow = rte_cpu_to_be_32(UINT32_C(6) << 28 | (uint32_t)traffic_class << 20);
		ip->payload_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + len));
		udp->dgram_len = ip->payload_len;
		udp->dgram_cksum = 0;
		udp->dgram_cksum = rte_ipv6_udptcp_cksum(ip, udp);
	}
}

static void emit_by(struct ctl *c, const struct dp_out *out, const void *msg, size_t len,
		    uint8_t traffic_class)
{
	struct rte_mbuf *m = ctl_make(c->dp);
	uint8_t *frame;

	if (m == NULL) {
		ctl_log_limited(&limit, CTL_ERROR, "out of packet buffers for a handshake message");
		return;
	}
	frame = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(out->header_bytes + len));
	memcpy(frame, out->header, out->header_bytes);
	memcpy(frame + out->header_bytes, msg, len);
	patch(frame, out, len, traffic_class);
	dp_note(m)->ask = DP_ASK_OUT;
	dp_note(m)->port_id = out->port_id;
	ctl_hand(c->dp, m, false);
}

static void hold(struct ctl_peer *peer, const void *msg, size_t len)
{
	if (len > sizeof(peer->held))
		return;
	memcpy(peer->held, msg, len);
	peer->held_bytes = (uint16_t)len;
}

void ctl_emit(struct ctl_iface *i, struct ctl_peer *peer, const struct wg_endpoint *to,
	      const void *msg, size_t len)
{
	struct ctl_way way;
	int rc;

	if (to->family == 0)
		return;
	rc = ctl_linux_way(i->ctl->netlink, to, i->guard.port, i->fwmark, &way);
	if (rc != 0) {
		ctl_log_limited(&limit, CTL_WARNING, "%s: no way to send a handshake message: %s",
				i->name, strerror(-rc));
		return;
	}
	if (way.out.port_id == DP_PORT_NONE) {
		if (peer != NULL)
			hold(peer, msg, len);
		return;
	}
	emit_by(i->ctl, &way.out, msg, len, peer == NULL ? 0 : WG_HANDSHAKE_TRAFFIC_CLASS);
	if (peer != NULL) {
		peer->held_bytes = 0;
		peer->dp->rest->tx_bytes += len; /* cookie replies count nowhere (protocol 4.9) */
	}
}
