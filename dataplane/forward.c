/*
 * IP forwarding of what wgdp takes on itself: out of a tunnel to a port, another peer or Linux, and
 * from a port into a tunnel. TTL is counted down here and nowhere else; what Linux hands us it has
 * counted itself. Runs on workers. Who owns a destination within a WireGuard interface: encap.c.
 *
 * The header checksum of an inner IPv4 packet is not verified: it came authenticated from the peer,
 * and is changed by difference only, so that a wrong one stays wrong.
 */
#include "dataplane/stages.h"

#include <string.h>
#include <sys/socket.h>

#include <rte_mbuf.h>

#include "dataplane/ethernet.h"
#include "dataplane/lookup.h"

/* Packets that go on as a router's; those whose TTL is used up are refused. */
static void count_down(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_batch some;
	uint32_t dead = 0;

	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];

		if (likely(dp_ip_count_down(rte_pktmbuf_mtod(m, uint8_t *))))
			dp_note(m)->routed = 1;
		else
			dead |= UINT32_C(1) << i;
	}
	if (likely(dead == 0))
		return;
	dp_batch_take_out(b, dead, &some);
	dp_refuse(w, some.pkts, some.n, DP_DROP_ttl);
}

void dp_forward_in(struct dp_worker *w, struct dp_batch *b)
{
	count_down(w, b);
	if (b->n)
		dp_encap(w, b);
}

/* To a peer: the packet starts anew as one of the interface that the route leads into. If control
 * has removed that since dp_forward() saw it, it is Linux's, as any other without one. */
static void to_tunnels(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_batch some;
	uint32_t tun = 0;

	count_down(w, b);
	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);
		struct dp_iface *iface = atomic_load_explicit(&w->dp->ifaces[note->route->iface_id],
							      memory_order_acquire);

		if (unlikely(iface == NULL)) {
			tun |= UINT32_C(1) << i;
			continue;
		}
		note->iface = iface;
		note->peer = NULL;
		note->session = NULL;
	}
	if (unlikely(tun != 0)) {
		dp_batch_take_out(b, tun, &some);
		dp_punt_tun(w, &some);
	}
	if (likely(b->n))
		dp_encap(w, b);
}

/* What goes for all packets that take a route out of a port; mostly a batch has one. */
struct way {
	const struct dp_route *route;
	const struct dp_port *port;
	uint16_t mtu;	/* greatest packet that can leave now; 0: the next hop is not known */
	uint16_t bytes; /* of the header */
	uint8_t header[DP_ETHER_BYTES + DP_VLAN_BYTES]; /* for IPv4 */
};

static void look_at_way(struct way *way, const struct dp *dp, const struct dp_route *route)
{
	way->route = route;
	way->port = dp->ports[route->port_id];
	way->mtu = route->resolved ? way->port->mtu : 0;
	way->bytes = dp_ethernet_bytes(way->port);
	dp_ethernet_write(way->header, way->port, route->mac, true);
}

static void write_ethernet(const struct way *way, struct rte_mbuf *m, bool v6)
{
	uint8_t *frame;

	/* There is room: an outer header and a data header were here. */
	m->data_off = (uint16_t)(m->data_off - way->bytes);
	m->data_len = (uint16_t)(m->data_len + way->bytes);
	m->pkt_len = m->data_len;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	if (likely(way->bytes == DP_ETHER_BYTES))
		memcpy(frame, way->header, DP_ETHER_BYTES);
	else
		memcpy(frame, way->header, DP_ETHER_BYTES + DP_VLAN_BYTES);
	if (v6)
		dp_store_be16(frame + way->bytes - 2, RTE_ETHER_TYPE_IPV6);
}

static void set_next_hop(struct dp_note *note, const uint8_t *ip)
{
	const struct dp_route *route = note->route;

	note->has_hop = 1;
	memset(note->next_hop, 0, sizeof(note->next_hop));
	if (route->on_link) {
		note->family = dp_ip_version(ip) == 4 ? AF_INET : AF_INET6;
		memcpy(note->next_hop, dp_ip_destination(ip), note->family == AF_INET ? 4 : 16);
	} else {
		note->family = route->family;
		memcpy(note->next_hop, route->next_hop, sizeof(note->next_hop));
	}
}

/* Packets for note.port_id that can't leave as they are. */
static void not_ready(struct dp_worker *w, const struct dp_batch *b)
{
	uint32_t big = 0, dead = 0;
	struct dp_batch some;

	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);
		const struct dp_port *port = w->dp->ports[note->port_id];

		if (dp_link_state(&port->device->link) != DP_LINK_UP) {
			dead |= UINT32_C(1) << i;
			continue;
		}
		set_next_hop(note, rte_pktmbuf_mtod(b->pkts[i], const uint8_t *));
		big |= (uint32_t)(note->inner_len > port->mtu) << i;
	}
	dp_batch_take(&some, b, big);
	if (some.n)
		dp_too_big(w, some.pkts, some.n);
	dp_batch_take(&some, b, dead);
	if (some.n)
		dp_no_link(w, some.pkts, some.n);
	dp_batch_take(&some, b, dp_mask_of(b->n) & ~(big | dead));
	dp_ask_control(w, some.pkts, some.n, DP_ASK_RESOLVE);
}

static void to_ports(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t others = 0, dead = 0;
	struct way way = {.route = NULL};
	struct dp_batch some;

	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		uint8_t *ip = rte_pktmbuf_mtod(m, uint8_t *);
		struct dp_note *note = dp_note(m);

		if (note->route != way.route)
			look_at_way(&way, w->dp, note->route);
		if (unlikely(!dp_ip_count_down(ip))) {
			dead |= UINT32_C(1) << i;
			continue;
		}
		note->routed = 1;
		note->port_id = way.port->id;
		if (likely(note->inner_len <= way.mtu))
			write_ethernet(&way, m, dp_ip_version(ip) == 6);
		else
			others |= UINT32_C(1) << i;
	}
	if (unlikely((others | dead) != 0)) {
		dp_batch_take(&some, b, dead);
		dp_refuse(w, some.pkts, some.n, DP_DROP_ttl);
		dp_batch_take(&some, b, others);
		not_ready(w, &some);
		dp_batch_take(b, b, dp_mask_of(b->n) & ~(others | dead));
	}
	if (likely(b->n))
		dp_tx(w, b);
}

void dp_forward(struct dp_worker *w, struct dp_batch *b)
{
	const struct dp *dp = w->dp;
	uint32_t ports = 0, tunnels = 0, tun;
	struct dp_batch some;

	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);
		const struct dp_route *route = note->route;

		if (route && route->kind == DP_ROUTE_PORT && route->port_id < dp->n_ports)
			ports |= UINT32_C(1) << i;
		else if (route && route->kind == DP_ROUTE_IFACE &&
			 atomic_load_explicit(&dp->ifaces[route->iface_id], memory_order_relaxed))
			tunnels |= UINT32_C(1) << i;
		note->port_id = DP_PORT_NONE; /* where it came in is of no interest any more */
	}
	tun = dp_mask_of(b->n) & ~(ports | tunnels);
	if (tun) {
		dp_batch_take(&some, b, tun);
		dp_punt_tun(w, &some);
	}
	if (tunnels) {
		dp_batch_take(&some, b, tunnels);
		to_tunnels(w, &some);
	}
	if (ports) {
		if (unlikely(ports != dp_mask_of(b->n)))
			dp_batch_take(b, b, ports);
		to_ports(w, b);
	}
}
