/*
 * Fragments: of inner IPv4 packets that may be fragmented, before they enter the tunnel or leave a
 * port, and of outer packets that are greater than the port's MTU, at their source. Control thread.
 */
/* rte_ip_frag has had what is used here since 20.11 and 22.03, marked as experimental. */
#define ALLOW_EXPERIMENTAL_API
#include "control/asked_priv.h"

#include <errno.h>
#include <string.h>

#include "control/ending.h"
#include "dataplane/ethernet.h"
#include "dataplane/publish.h"

/* Of one packet: the greatest there is (65535 bytes) over 1280 bytes, and more than any buffer
 * holds over 576. */
#define FRAGMENTS_MAX 64
/* IPv4's least MTU (RFC 791). */
#define MTU_MIN_BYTES 68
#define FRAG6_BYTES   8

/* Makes packets of ours of what rte_ip_frag cut. */
static void adopt(struct ctl_asked *a, struct rte_mbuf **frags, int n)
{
	dp_count(&a->dp->control_counters.made, (uint64_t)n);
	for (int i = 0; i < n; i++) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(frags[i], struct rte_ipv4_hdr *);

		memset(dp_note(frags[i]), 0, sizeof(struct dp_note));
		dp_note(frags[i])->port_id = DP_PORT_NONE;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
}

/* Of the IPv4 packet at the start of m, which stays. Returns how many, or -errno. */
static int cut4(struct ctl_asked *a, struct rte_mbuf *m, uint16_t mtu, struct rte_mbuf **frags)
{
	int n = -EINVAL;

	if (mtu >= MTU_MIN_BYTES)
		n = rte_ipv4_fragment_copy_nonseg_packet(m, frags, FRAGMENTS_MAX, mtu, a->dp->pool);
	if (n > 0)
		adopt(a, frags, n);
	return n;
}

/* ---- inner packets ---- */

static uint16_t inner_mtu(const struct ctl_asked *a, const struct dp_note *note)
{
	struct dp_iface *iface;

	if (asked_leaves_by_port(note))
		return a->dp->ports[note->port_id] ? a->dp->ports[note->port_id]->mtu : 0;
	if (note->iface_id >= DP_IFACES_MAX)
		return 0;
	iface = atomic_load_explicit(&a->dp->ifaces[note->iface_id], memory_order_acquire);
	return iface ? atomic_load_explicit(&iface->mtu, memory_order_relaxed) : 0;
}

/* A fragment goes on where its packet was going. */
static void send_on(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *frag,
		    const struct dp_note *from)
{
	struct dp_note *note = dp_note(frag);

	note->iface_id = from->iface_id;
	note->routed = from->routed;
	note->inner_len = frag->data_len;
	if (asked_leaves_by_port(from)) {
		note->port_id = from->port_id;
		note->family = from->family;
		memcpy(note->next_hop, from->next_hop, sizeof(note->next_hop));
		asked_resolve(a, now_ns, frag);
	} else {
		note->ask = DP_ASK_ENCAP;
		ctl_hand(a->dp, frag, false);
	}
}

void asked_fragment(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m)
{
	const struct dp_note *note = dp_note(m);
	struct rte_mbuf *frags[FRAGMENTS_MAX];
	int n = cut4(a, m, inner_mtu(a, note), frags);

	if (n <= 0) {
		ctl_no_buffers(&a->dp->control_counters, m);
		return;
	}
	for (int i = 0; i < n; i++)
		send_on(a, now_ns, frags[i], note);
	ctl_consume(&a->dp->control_counters, m);
}

/* ---- outer packets ---- */

/* The packet has a checksum over all of it, and no fragment can be offloaded. */
static void complete_udp(struct rte_mbuf *m, uint16_t l3_off)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, l3_off), *udp;
	bool v4 = dp_ip_version(ip) == 4;
	uint16_t sum;

	if (!(m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM))
		return;
	udp = ip + (v4 ? DP_IPV4_MIN_BYTES : DP_IPV6_BYTES);
	memset(udp + 6, 0, 2);
	sum = v4 ? rte_ipv4_udptcp_cksum((void *)ip, udp) : rte_ipv6_udptcp_cksum((void *)ip, udp);
	memcpy(udp + 6, &sum, sizeof(sum));
	m->ol_flags = 0;
}

static void send_out(struct ctl_asked *a, struct rte_mbuf *frag, uint16_t port_id)
{
	dp_note(frag)->port_id = port_id;
	dp_note(frag)->ask = DP_ASK_OUT;
	ctl_hand(a->dp, frag, false);
}

static int out4(struct ctl_asked *a, struct rte_mbuf *m, const struct dp_port *port)
{
	struct rte_mbuf *frags[FRAGMENTS_MAX];
	uint8_t ether[DP_ETHER_BYTES + DP_VLAN_BYTES];
	uint16_t bytes = dp_ethernet_bytes(port);
	int n;

	memcpy(ether, rte_pktmbuf_mtod(m, uint8_t *), bytes);
	/* Ids of dataplane/seal.c are unique within a session only. */
	dp_store_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, bytes) + 4, (uint16_t)a->next_id++);
	rte_pktmbuf_adj(m, bytes);
	n = cut4(a, m, port->mtu, frags);
	for (int i = 0; i < n; i++) {
		memcpy(rte_pktmbuf_prepend(frags[i], bytes), ether, bytes);
		send_out(a, frags[i], port->id);
	}
	return n;
}

/* One IPv6 fragment: data is [at, at + bytes) of what follows the headers of frame, of which
 * before bytes are Ethernet's and IPv6's. */
static struct rte_mbuf *make6(struct ctl_asked *a, const uint8_t *frame, uint32_t before,
			      uint32_t at, uint32_t bytes, bool more)
{
	struct rte_mbuf *frag = ctl_make(a->dp);
	uint32_t id = rte_cpu_to_be_32(a->next_id);
	uint8_t *to, *ip;

	if (!frag)
		return NULL;
	to = (uint8_t *)rte_pktmbuf_append(frag, (uint16_t)(before + FRAG6_BYTES + bytes));
	if (!to) {
		ctl_no_buffers(&a->dp->control_counters, frag);
		return NULL;
	}
	memcpy(to, frame, before);
	memcpy(to + before + FRAG6_BYTES, frame + before + at, bytes);
	ip = to + before - DP_IPV6_BYTES;
	to[before] = ip[6];
	to[before + 1] = 0;
	ip[6] = DP_IPV6_FRAGMENT_NH;
	dp_store_be16(ip + 4, (uint16_t)(FRAG6_BYTES + bytes));
	dp_store_be16(to + before + 2, (uint16_t)(at | more));
	memcpy(to + before + 4, &id, sizeof(id));
	return frag;
}

/* DPDK's own makes all identifications zero, and chains. */
static int out6(struct ctl_asked *a, struct rte_mbuf *m, const struct dp_port *port)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t before = (uint32_t)dp_ethernet_bytes(port) + DP_IPV6_BYTES;
	uint32_t left = m->data_len - before, at = 0;
	uint32_t step = port->mtu < DP_IPV6_BYTES + FRAG6_BYTES + 8u
				? 0
				: (port->mtu - DP_IPV6_BYTES - FRAG6_BYTES) & ~7u;
	struct rte_mbuf *frags[FRAGMENTS_MAX];
	int n = 0;

	if (step == 0 || left > step * FRAGMENTS_MAX)
		return -EINVAL;
	while (left > 0) {
		uint32_t bytes = RTE_MIN(step, left);

		left -= bytes;
		frags[n] = make6(a, frame, before, at, bytes, left > 0);
		if (!frags[n])
			break; /* a packet without one of its fragments is of no use */
		n++;
		at += bytes;
	}
	a->next_id++;
	for (int i = 0; i < n; i++) {
		if (left == 0)
			send_out(a, frags[i], port->id);
		else
			ctl_no_buffers(&a->dp->control_counters, frags[i]);
	}
	return left == 0 ? n : -ENOMEM;
}

void asked_fragment_out(struct ctl_asked *a, struct rte_mbuf *m)
{
	struct dp_counters *counters = &a->dp->control_counters;
	const struct dp_note *note = dp_note(m);
	const struct dp_port *port = note->port_id < DP_PORTS_MAX ? a->dp->ports[note->port_id]
								  : NULL;
	uint16_t l3_off = port ? dp_ethernet_bytes(port) : 0;
	int n = -EINVAL;

	if (port && m->nb_segs == 1 && m->data_len > l3_off + DP_IPV6_BYTES) {
		uint8_t version =
			dp_ip_version(rte_pktmbuf_mtod_offset(m, const uint8_t *, l3_off));

		complete_udp(m, l3_off);
		n = version == 4 ? out4(a, m, port) : out6(a, m, port);
	}
	if (n > 0)
		ctl_consume(counters, m);
	else if (n == -ENOMEM)
		ctl_no_buffers(counters, m);
	else
		ctl_drop(counters, m, DP_DROP_outer_too_big);
}
