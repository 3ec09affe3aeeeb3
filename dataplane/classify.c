/*
 * What a frame is: Ethernet, VLAN, IP, UDP, the first four bytes of a message. Every length of the
 * outer packet is proved here and nowhere else. Runs on workers. Data messages go to decap.c,
 * packets that a route leads into a WireGuard interface to forward.c, handshakes and fragments of
 * what may be ours to control, everything else to Linux through punt.c. Inner packets out of
 * tunnels: open.c proves their lengths.
 *
 * A frame for another unicast MAC is dropped, except on a port that Linux keeps as well: there the
 * driver shows us what Linux itself sends, which is Linux's to deal with and counts as left to it.
 * The UDP checksum of WireGuard messages is not verified: mac1 and the AEAD tag prove more, and
 * kernels send partial sums over virtual links.
 */
#include "dataplane/stages.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_mbuf.h>

#include "dataplane/ethernet.h"
#include "dataplane/lookup.h"
#include "dataplane/publish.h"

/* Where a packet goes; below are the drop reasons. */
enum {
	TO_DECAP = DP_DROP_N + 1,
	TO_HANDSHAKE,
	TO_REASSEMBLE,
	TO_ROUTE,
	TO_PUNT,
};
static_assert(TO_PUNT < 64, "ways are bits of a mask");

/* What is the same for a whole batch. */
struct around {
	struct dp_worker *w;
	const struct dp_locals *locals;
	struct {
		struct dp_iface *iface;
		struct dp_listen on;
	} listens[DP_IFACES_MAX];
	unsigned int n_listens;
	/* the last address asked for: most of a batch have the same */
	uint8_t addr[16];
	int family;
	bool is_local;
	/* all ports that are listened on are among these */
	uint16_t port_min, port_max;
	/* the port of the last frame, and how many for it are not counted yet */
	const struct dp_port *port;
	unsigned int arrivals;
	/* the device's first port, if what has come from there without a tag is for that port; what
	 * then goes for such frames */
	uint16_t first_port;
	bool checks_ipv4; /* the device does */
	uint8_t mac[6];
};

static void count_arrivals(struct around *a)
{
	if (a->arrivals)
		dp_count(&a->w->port_counters[a->port->id].rx, a->arrivals);
	a->arrivals = 0;
}

static void look_around(struct around *a, struct dp_worker *w)
{
	a->w = w;
	a->locals = atomic_load_explicit(&w->dp->locals, memory_order_acquire);
	a->n_listens = 0;
	a->family = 0;
	a->port_min = UINT16_MAX;
	a->port_max = 0;
	a->port = NULL;
	a->arrivals = 0;
	a->first_port = DP_PORT_NONE;
	for (uint64_t used = atomic_load_explicit(&w->dp->ifaces_used, memory_order_relaxed); used;
	     used &= used - 1) {
		struct dp_iface *iface = atomic_load_explicit(&w->dp->ifaces[__builtin_ctzll(used)],
							      memory_order_acquire);
		struct dp_listen on;

		if (!iface)
			continue;
		on = atomic_load_explicit(&iface->listen, memory_order_relaxed);
		if (on.n == 0)
			continue;
		a->port_min = RTE_MIN(a->port_min, on.first);
		a->port_max = RTE_MAX(a->port_max, (uint16_t)(on.first + on.n - 1));
		a->listens[a->n_listens].iface = iface;
		a->listens[a->n_listens++].on = on;
	}
}

static bool is_local(struct around *a, int family, const uint8_t *addr)
{
	if (!a->locals)
		return false;
	if (a->family != family || !dp_same_address(a->addr, addr, family)) {
		a->family = family;
		memcpy(a->addr, addr, family == AF_INET ? 4 : 16);
		a->is_local = dp_is_local(a->locals, family, addr);
	}
	return a->is_local;
}

/* Before any address is looked up: is UDP for a port that nobody listens on? Such packets go where
 * a route leads, for an address of this host to Linux. */
static bool for_others(const struct around *a, const uint8_t *udp, uint32_t len)
{
	uint16_t port = len < DP_UDP_BYTES ? a->port_min : dp_load_be16(udp + 2);

	return port < a->port_min || port > a->port_max;
}

/* A message to a WireGuard port, by type and length. */
static uint8_t message(struct dp_note *note, const uint8_t *frame)
{
	const struct wg_data *p = (const void *)(frame + note->payload_off);

	if (note->payload_len < sizeof(p->type))
		return DP_DROP_bad_message;
	if (likely(rte_le_to_cpu_32(p->type) == WG_DATA)) {
		if (note->payload_len < WG_DATA_MIN_BYTES)
			return DP_DROP_bad_message;
		note->counter = rte_le_to_cpu_64(p->counter);
		return TO_DECAP;
	}
	switch (rte_le_to_cpu_32(p->type)) {
	case WG_INITIATION:
		return note->payload_len == sizeof(struct wg_initiation) ? TO_HANDSHAKE
									 : DP_DROP_bad_message;
	case WG_RESPONSE:
		return note->payload_len == sizeof(struct wg_response) ? TO_HANDSHAKE
								       : DP_DROP_bad_message;
	case WG_COOKIE:
		return note->payload_len == sizeof(struct wg_cookie) ? TO_HANDSHAKE
								     : DP_DROP_bad_message;
	default:
		return DP_DROP_bad_message;
	}
}

/* UDP for this host; len: what the IP packet has from its UDP header on. */
static uint8_t udp(const struct around *a, struct dp_note *note, const uint8_t *frame, uint32_t off,
		   uint32_t len)
{
	const uint8_t *p = frame + off;
	uint32_t udp_len;
	uint16_t port;

	if (len < DP_UDP_BYTES)
		return TO_PUNT;
	port = dp_load_be16(p + 2);
	for (unsigned int i = 0; i < a->n_listens; i++) {
		if ((uint16_t)(port - a->listens[i].on.first) < a->listens[i].on.n) {
			note->iface = a->listens[i].iface;
			break;
		}
	}
	if (!note->iface)
		return TO_PUNT;
	udp_len = dp_load_be16(p + 4);
	if (udp_len < DP_UDP_BYTES || udp_len > len)
		return DP_DROP_bad_udp;
	if (note->family == AF_INET6 && dp_load_be16(p + 6) == 0)
		return DP_DROP_bad_udp;
	note->payload_off = (uint16_t)(off + DP_UDP_BYTES);
	note->payload_len = (uint16_t)(udp_len - DP_UDP_BYTES);
	return message(note, frame);
}

/* Is the checksum of a header of so many bytes right? The device may have checked that. Its
 * driver's "wrong" is not believed: some say so of what they can't check. */
static bool sum_right(const struct rte_mbuf *m, bool device_checks, const uint8_t *ip,
		      uint32_t header)
{
	return (device_checks &&
		(m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD) ||
	       dp_ipv4_sum_right(ip, header);
}

/* An IPv4 packet with a good header of so many bytes. */
static uint8_t ipv4_way(struct around *a, struct dp_note *note, const uint8_t *frame,
			uint32_t header, uint32_t total)
{
	const uint8_t *ip = frame + note->l3_off;
	bool fragment;

	note->family = AF_INET;
	note->inner_len = (uint16_t)total;
	note->ecn = ip[1] & DP_ECN_MASK;
	if (ip[9] != IPPROTO_UDP || a->n_listens == 0)
		return TO_ROUTE;
	fragment = (dp_load_be16(ip + 6) & DP_IPV4_FRAGMENT) != 0;
	if ((!fragment && for_others(a, ip + header, total - header)) ||
	    !is_local(a, AF_INET, ip + 16))
		return TO_ROUTE;
	if (unlikely(fragment))
		return TO_REASSEMBLE;
	return udp(a, note, frame, note->l3_off + header, total - header);
}

/* len: what the frame has from the IP header on. */
static uint8_t ipv4(struct around *a, const struct rte_mbuf *m, const uint8_t *frame, uint32_t len)
{
	struct dp_note *note = dp_note(m);
	const uint8_t *ip = frame + note->l3_off;
	uint32_t header, total;

	if (len < DP_IPV4_MIN_BYTES)
		return DP_DROP_runt;
	header = (ip[0] & 0xfu) * 4;
	total = dp_load_be16(ip + 2);
	if (dp_ip_version(ip) != 4 || header < DP_IPV4_MIN_BYTES || total < header)
		return DP_DROP_bad_ip_header;
	if (total > len)
		return DP_DROP_runt;
	if (!sum_right(m, a->w->dp->ports[note->port_id]->device->rx_ipv4_cksum, ip, header))
		return DP_DROP_bad_ip_header;
	return ipv4_way(a, note, frame, header, total);
}

static uint8_t ipv6(struct around *a, struct dp_note *note, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + note->l3_off;
	uint32_t payload;

	if (len < DP_IPV6_BYTES)
		return DP_DROP_runt;
	payload = dp_load_be16(ip + 4);
	if (dp_ip_version(ip) != 6)
		return DP_DROP_bad_ip_header;
	if (DP_IPV6_BYTES + payload > len)
		return DP_DROP_runt;
	/* A jumbogram has its length elsewhere (RFC 2675). */
	if (ip[6] == DP_IPV6_HOP_BY_HOP && payload == 0)
		return TO_PUNT;
	note->family = AF_INET6;
	note->inner_len = (uint16_t)RTE_MIN(DP_IPV6_BYTES + payload, UINT16_MAX);
	note->ecn = dp_ip_ecn(ip);
	if (a->n_listens == 0)
		return TO_ROUTE;
	if (ip[6] == IPPROTO_UDP && !for_others(a, ip + DP_IPV6_BYTES, payload) &&
	    is_local(a, AF_INET6, ip + 24))
		return udp(a, note, frame, note->l3_off + DP_IPV6_BYTES, payload);
	/* The fragment header starts with what is fragmented. */
	if (ip[6] == DP_IPV6_FRAGMENT_NH && payload >= 8 && ip[DP_IPV6_BYTES] == IPPROTO_UDP &&
	    is_local(a, AF_INET6, ip + 24))
		return TO_REASSEMBLE;
	return TO_ROUTE;
}

/* A frame for another port than the last one. */
static void arrive(struct around *a, uint16_t port_id)
{
	count_arrivals(a);
	a->port = a->w->dp->ports[port_id];
	a->checks_ipv4 = a->port->device->rx_ipv4_cksum;
	memcpy(a->mac, a->port->mac, sizeof(a->mac));
}

/*
 * The Ethernet header, and which of the device's ports the frame is for. A tag may be in the frame,
 * or the driver may have taken it out; one with VLAN 0 only has a priority. Sets port_id, l3_off
 * and *type of what comes there. Returns TO_ROUTE to go on, or where the packet ends.
 */
static uint8_t ethernet(struct around *a, const struct rte_mbuf *m, uint16_t *type)
{
	struct dp_note *note = dp_note(m);
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct dp_device *device;
	uint16_t tag = 0, first_port = note->port_id;

	if (m->data_len < DP_ETHER_BYTES)
		return DP_DROP_runt;
	*type = dp_load_be16(frame + DP_MACS_BYTES);
	note->l3_off = DP_ETHER_BYTES;
	device = a->w->dp->ports[first_port]->device;
	if (unlikely(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)) {
		tag = m->vlan_tci;
	} else if (*type == RTE_ETHER_TYPE_VLAN) {
		if (m->data_len < DP_ETHER_BYTES + DP_VLAN_BYTES)
			return DP_DROP_runt;
		tag = dp_load_be16(frame + DP_ETHER_BYTES);
		*type = dp_load_be16(frame + DP_ETHER_BYTES + 2);
		note->l3_off = DP_ETHER_BYTES + DP_VLAN_BYTES;
	}
	/* Control knows the port of what it has put together of fragments. */
	if (unlikely(note->ask == DP_ASK_FRAME))
		return TO_ROUTE;
	tag = device->port_by_vlan[tag & DP_VLAN_ID_MASK];
	if (unlikely(tag == DP_NO_VLAN_PORT))
		return device->shared ? TO_PUNT : DP_DROP_other_vlan;
	note->port_id = tag;
	if (!a->port || tag != a->port->id)
		arrive(a, tag);
	a->first_port = tag == first_port && a->port->vlan == 0 ? tag : DP_PORT_NONE;
	a->arrivals++;
	return TO_ROUTE;
}

static uint8_t long_way(struct around *a, struct rte_mbuf *m)
{
	struct dp_note *note = dp_note(m);
	const struct dp_port *port;
	const uint8_t *frame;
	uint16_t type = 0;
	uint8_t way;

	if (unlikely(m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0))
		return DP_DROP_runt;
	way = ethernet(a, m, &type);
	if (unlikely(way != TO_ROUTE))
		return way;
	port = a->w->dp->ports[note->port_id];
	frame = rte_pktmbuf_mtod(m, const uint8_t *);
	if (frame[0] & 1) /* broadcast, multicast */
		return TO_PUNT;
	if (memcmp(frame, port->mac, sizeof(port->mac)) != 0)
		return port->shared ? TO_PUNT : DP_DROP_other_mac;
	switch (type) {
	case RTE_ETHER_TYPE_IPV4:
		return ipv4(a, m, frame, (uint32_t)m->data_len - note->l3_off);
	case RTE_ETHER_TYPE_IPV6:
		return ipv6(a, note, frame, (uint32_t)m->data_len - note->l3_off);
	default: /* ARP, a second tag, all that is not IP */
		return TO_PUNT;
	}
}

/*
 * Nearly every frame: for the port of the one before and without a tag, to our MAC, IPv4 without
 * options and as long as it says, the checksum right. What is any other takes the long way.
 */
static inline bool is_ordinary(const struct around *a, const struct rte_mbuf *m,
			       const uint8_t *frame)
{
	static const uint8_t is[4] = {RTE_ETHER_TYPE_IPV4 >> 8, RTE_ETHER_TYPE_IPV4 & 0xff, 0x45};
	static const uint8_t in[4] = {0xff, 0xff, 0xff}; /* behind it is the TOS */
	const struct dp_note *note = dp_note(m);
	uint32_t want, mask, have, total;

	if (note->port_id != a->first_port || note->ask != DP_ASK_NONE || m->nb_segs != 1 ||
	    m->data_len < DP_ETHER_BYTES + DP_IPV4_MIN_BYTES ||
	    (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED))
		return false;
	memcpy(&want, is, sizeof(want));
	memcpy(&mask, in, sizeof(mask));
	memcpy(&have, frame + DP_MACS_BYTES, sizeof(have));
	if ((have & mask) != want || memcmp(frame, a->mac, sizeof(a->mac)) != 0)
		return false;
	total = dp_load_be16(frame + DP_ETHER_BYTES + 2);
	if (total < DP_IPV4_MIN_BYTES || total > m->data_len - (uint32_t)DP_ETHER_BYTES)
		return false;
	return sum_right(m, a->checks_ipv4, frame + DP_ETHER_BYTES, DP_IPV4_MIN_BYTES);
}

static inline uint8_t way_of(struct around *a, struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if (unlikely(!is_ordinary(a, m, frame)))
		return long_way(a, m);
	a->arrivals++;
	dp_note(m)->l3_off = DP_ETHER_BYTES;
	return ipv4_way(a, dp_note(m), frame, DP_IPV4_MIN_BYTES,
			dp_load_be16(frame + DP_ETHER_BYTES + 2));
}

/* The WireGuard interface that a route leads into; NULL: none. */
static struct dp_iface *iface_of(const struct dp *dp, const struct dp_route *route)
{
	if (!route || route->kind != DP_ROUTE_IFACE)
		return NULL;
	return atomic_load_explicit(&dp->ifaces[route->iface_id], memory_order_acquire);
}

/* Packets that are not for this host's WireGuard: into a WireGuard interface, or left to Linux. */
static void route(struct dp_worker *w, struct dp_batch *b)
{
	const struct dp_route *routes[DP_BATCH_MAX], *last = NULL;
	struct dp_iface *iface = NULL;
	struct dp_batch some;
	struct dp_keys to;
	uint32_t punt = 0;

	to.v6 = 0;
	for (unsigned int i = 0; i < b->n; i++)
		dp_keys_put_ip(&to, i,
			       rte_pktmbuf_mtod_offset(b->pkts[i], const uint8_t *,
						       dp_note(b->pkts[i])->l3_off),
			       false);
	dp_routes_lookup_bulk(w->dp->routes, &to, dp_mask_of(b->n), routes);
	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		struct dp_note *note = dp_note(m);

		if (routes[i] != last) {
			last = routes[i];
			iface = iface_of(w->dp, last);
		}
		if (unlikely(!iface)) {
			punt |= UINT32_C(1) << i;
			continue;
		}
		note->iface = iface;
		m->data_off += note->l3_off;
		m->data_len = note->inner_len;
		m->pkt_len = note->inner_len;
		note->port_id = DP_PORT_NONE;
	}
	if (punt) {
		dp_batch_take_out(b, punt, &some);
		dp_punt(w, &some);
	}
	if (b->n)
		dp_forward_in(w, b);
}

static void go(struct dp_worker *w, struct dp_batch *b, unsigned int way)
{
	switch (way) {
	case TO_DECAP:
		dp_decap(w, b);
		break;
	case TO_HANDSHAKE:
		dp_ask_control(w, b->pkts, b->n, DP_ASK_HANDSHAKE);
		break;
	case TO_REASSEMBLE:
		dp_ask_control(w, b->pkts, b->n, DP_ASK_REASSEMBLE);
		break;
	case TO_ROUTE:
		route(w, b);
		break;
	case TO_PUNT:
		dp_punt(w, b);
		break;
	default:
		dp_drop(w, b->pkts, b->n, (enum dp_drop)way);
	}
}

void dp_classify(struct dp_worker *w, struct dp_batch *b)
{
	uint8_t ways[DP_BATCH_MAX];
	struct dp_batch part;
	struct around a;
	uint64_t seen = 0;

	look_around(&a, w);
	for (unsigned int i = 0; i < b->n; i++) {
		ways[i] = way_of(&a, b->pkts[i]);
		seen |= UINT64_C(1) << ways[i];
	}
	count_arrivals(&a);
	/* Mostly all go the same way. */
	if (likely((seen & (seen - 1)) == 0)) {
		if (b->n)
			go(w, b, ways[0]);
		return;
	}
	for (; seen; seen &= seen - 1) {
		unsigned int way = (unsigned int)__builtin_ctzll(seen);

		part.n = 0;
		dp_batch_pick(&part, b, ways, (uint8_t)way);
		go(w, &part, way);
	}
}
