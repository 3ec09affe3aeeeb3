/*
 * The way to an endpoint: asks Linux's routing as a socket with the mark would, and makes the outer
 * headers ready. Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include <netlink/attr.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/ethernet.h"

/* As Linux sends by default (protocol: the route's hop limit; RFC 1700). */
#define OUTER_TTL 64

/* What Linux answered. */
struct answer {
	int family;
	uint8_t type;
	uint32_t oif;
	int hop_family; /* 0: on link */
	uint8_t hop[16];
	bool has_source;
	uint8_t source[16];
};

static void take_hop(struct answer *a, struct nlattr *gateway, struct nlattr *via)
{
	const struct rtvia *v;

	if (gateway && nla_len(gateway) == (int)linux_addr_bytes(a->family)) {
		a->hop_family = a->family;
		memcpy(a->hop, nla_data(gateway), (size_t)nla_len(gateway));
		return;
	}
	if (!via || nla_len(via) < (int)(sizeof(*v) + 4))
		return;
	v = nla_data(via);
	if (nla_len(via) < (int)(sizeof(*v) + linux_addr_bytes(v->rtvia_family)))
		return;
	a->hop_family = v->rtvia_family;
	memcpy(a->hop, v->rtvia_addr, linux_addr_bytes(v->rtvia_family));
}

static int on_answer(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	const struct rtmsg *rt = nlmsg_data(nlh);
	struct nlattr *tb[RTA_MAX + 1];
	struct answer *a = arg;
	struct nlattr *source;

	if (nlh->nlmsg_type != RTM_NEWROUTE || nlmsg_parse(nlh, sizeof(*rt), tb, RTA_MAX, NULL) < 0)
		return NL_OK;
	a->type = rt->rtm_type;
	a->oif = tb[RTA_OIF] ? nla_get_u32(tb[RTA_OIF]) : 0;
	take_hop(a, tb[RTA_GATEWAY], tb[RTA_VIA]);
	source = tb[RTA_PREFSRC] ? tb[RTA_PREFSRC] : tb[RTA_SRC];
	if (source && nla_len(source) == (int)linux_addr_bytes(a->family)) {
		a->has_source = true;
		memcpy(a->source, nla_data(source), (size_t)nla_len(source));
	}
	return NL_OK;
}

/* source: NULL if Linux may choose. */
static int ask(struct ctl_linux *l, const struct wg_endpoint *e, uint16_t listen_port,
	       uint32_t fwmark, const uint8_t *source, struct answer *a)
{
	int bytes = (int)linux_addr_bytes(e->family), put = 0;
	struct rtmsg rt = {.rtm_family = e->family,
			   .rtm_dst_len = (unsigned char)(bytes * 8),
			   .rtm_src_len = (unsigned char)(source ? bytes * 8 : 0)};
	struct nl_msg *msg = linux_message(RTM_GETROUTE, 0, &rt, sizeof(rt));

	memset(a, 0, sizeof(*a));
	a->family = e->family;
	if (msg) {
		put |= nla_put(msg, RTA_DST, bytes, e->addr);
		/* Rules and equal-cost paths may go by ports. */
		put |= nla_put_u8(msg, RTA_IP_PROTO, IPPROTO_UDP);
		put |= nla_put_u16(msg, RTA_SPORT, rte_cpu_to_be_16(listen_port));
		put |= nla_put_u16(msg, RTA_DPORT, rte_cpu_to_be_16(e->port));
		if (source)
			put |= nla_put(msg, RTA_SRC, bytes, source);
		if (fwmark)
			put |= nla_put_u32(msg, RTA_MARK, fwmark);
		if (e->scope)
			put |= nla_put_u32(msg, RTA_OIF, e->scope);
	}
	if (put < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return linux_request(l, msg, on_answer, a);
}

/* The port that the answer leads out of, or NULL. */
static const struct dp_port *port_of(const struct ctl_linux *l, const struct answer *a)
{
	const struct linux_binding *b = linux_binding(l, a->oif);

	return a->type == RTN_UNICAST && b ? b->port : NULL;
}

/*
 * With the peer's own local address as source if that still is an address of ours and leads out of
 * the port that the peer's packets arrive at; else as Linux likes (protocol: sticky source).
 */
static int find(struct ctl_linux *l, struct wg_endpoint *e, uint16_t listen_port, uint32_t fwmark,
		struct answer *a)
{
	int rc = -EINVAL;

	if (e->has_local && linux_is_local(l, e->family, e->local)) {
		const struct dp_port *port;

		rc = ask(l, e, listen_port, fwmark, e->local, a);
		port = rc ? NULL : port_of(l, a);
		if (port && port->id == e->local_port) {
			memcpy(a->source, e->local, sizeof(a->source));
			a->has_source = true;
			return 0;
		}
	}
	e->has_local = false;
	memset(e->local, 0, sizeof(e->local));
	e->local_port = 0;
	rc = ask(l, e, listen_port, fwmark, NULL, a);
	if (rc)
		return rc == -ENOMEM || rc == -EIO ? rc : -EHOSTUNREACH;
	return 0;
}

/* ---- headers ---- */

static uint8_t *put_ip(struct dp_out *out, const struct answer *a, uint8_t *at)
{
	const struct wg_endpoint *e = &out->endpoint;
	struct rte_ipv4_hdr *ip4 = (void *)at;
	struct rte_ipv6_hdr *ip6 = (void *)at;
	uint32_t sum = rte_cpu_to_be_16(IPPROTO_UDP);

	if (e->family == AF_INET) {
		*ip4 = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
					     .time_to_live = OUTER_TTL,
					     .next_proto_id = IPPROTO_UDP};
		memcpy(&ip4->src_addr, a->source, 4);
		memcpy(&ip4->dst_addr, e->addr, 4);
		sum += rte_raw_cksum(&ip4->src_addr, 8);
		at += sizeof(*ip4);
	} else {
		*ip6 = (struct rte_ipv6_hdr){.vtc_flow = RTE_BE32(UINT32_C(6) << 28),
					     .proto = IPPROTO_UDP,
					     .hop_limits = OUTER_TTL};
		memcpy(ip6->src_addr, a->source, 16);
		memcpy(ip6->dst_addr, e->addr, 16);
		sum += rte_raw_cksum(ip6->src_addr, 32);
		at += sizeof(*ip6);
	}
	out->pseudo_sum = __rte_raw_cksum_reduce(sum);
	return at;
}

static void put_headers(struct dp_out *out, const struct answer *a, const struct dp_port *port,
			const uint8_t *mac, uint16_t listen_port)
{
	const struct wg_endpoint *e = &out->endpoint;
	struct rte_udp_hdr *udp;

	dp_ethernet_write(out->header, port, mac, e->family == AF_INET);
	out->l3_off = (uint8_t)dp_ethernet_bytes(port);
	udp = (void *)put_ip(out, a, out->header + out->l3_off);
	*udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(listen_port),
				    .dst_port = rte_cpu_to_be_16(e->port)};
	out->header_bytes = (uint8_t)((uint8_t *)(udp + 1) - out->header);
	out->mtu = port->mtu;
	out->port_id = port->id;
}

int ctl_linux_way(struct ctl_linux *l, const struct wg_endpoint *endpoint, uint16_t listen_port,
		  uint32_t fwmark, struct ctl_way *way)
{
	const struct dp_port *port;
	struct linux_hop *hop;
	struct answer a;
	int rc;

	memset(way, 0, sizeof(*way));
	way->out.endpoint = *endpoint;
	way->out.port_id = DP_PORT_NONE;
	if (endpoint->family != AF_INET && endpoint->family != AF_INET6)
		return -EHOSTUNREACH;
	rc = find(l, &way->out.endpoint, listen_port, fwmark, &a);
	if (rc)
		return rc;
	port = port_of(l, &a);
	if (!port || !a.has_source)
		return -ENETUNREACH;
	way->ifindex = a.oif;
	way->family = a.hop_family ? a.hop_family : endpoint->family;
	memcpy(way->next_hop, a.hop_family ? a.hop : endpoint->addr, linux_addr_bytes(way->family));
	hop = linux_hop_get(l, a.oif, way->family, way->next_hop);
	if (!hop)
		return -ENOMEM;
	if (!hop->endpoint)
		linux_hop_poke_later(l, hop);
	hop->endpoint = true;
	if (hop->valid)
		put_headers(&way->out, &a, port, hop->mac, listen_port);
	else
		linux_hop_ask(l, hop);
	return 0;
}
