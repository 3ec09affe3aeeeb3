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
	struct dp_batch dead = {.n = 0};
	unsigned int kept = 0;

	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];

		if (likely(dp_ip_count_down(rte_pktmbuf_mtod(m, uint8_t *)))) {
			dp_note(m)->routed = 1;
			b->pkts[kept++] = m;
		} else {
			dp_batch_add(&dead, m);
		}
	}
	b->n = (uint16_t)kept;
	if (unlikely(dead.n))
		dp_refuse(w, dead.pkts, dead.n, DP_DROP_ttl);
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
	struct dp_batch in = {.n = 0}, tun = {.n = 0};

	count_down(w, b);
	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);
		struct dp_iface *iface = atomic_load_explicit(&w->dp->ifaces[note->route->iface_id],
							      memory_order_acquire);

		if (unlikely(iface == NULL)) {
			dp_batch_add(&tun, b->pkts[i]);
			continue;
		}
		note->iface = iface;
		note->peer = NULL;
		note->session = NULL;
		dp_batch_add(&in, b->pkts[i]);
	}
	if (likely(in.n))
		dp_encap(w, &in);
	if (unlikely(tun.n))
		dp_punt_tun(w, &tun);
}

static void write_ethernet(const struct dp_port *port, struct rte_mbuf *m)
{
	bool v4 = dp_ip_version(rte_pktmbuf_mtod(m, const uint8_t *)) == 4;
	uint16_t bytes = dp_ethernet_bytes(port);

	/* There is room: an outer header and a data header were here. */
	m->data_off = (uint16_t)(m->data_off - bytes);
	m->data_len = (uint16_t)(m->data_len + bytes);
	m->pkt_len = m->data_len;
	dp_ethernet_write(rte_pktmbuf_mtod(m, uint8_t *), port, dp_note(m)->route->mac, v4);
}

static void set_next_hop(struct dp_note *note, const uint8_t *ip)
{
	const struct dp_route *route = note->route;

	memset(note->next_hop, 0, sizeof(note->next_hop));
	if (route->on_link) {
		note->family = dp_ip_version(ip) == 4 ? AF_INET : AF_INET6;
		memcpy(note->next_hop, dp_ip_destination(ip), note->family == AF_INET ? 4 : 16);
	} else {
		note->family = route->family;
		memcpy(note->next_hop, route->next_hop, sizeof(note->next_hop));
	}
}

static void to_ports(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_batch ready = {.n = 0}, resolve = {.n = 0}, big = {.n = 0}, dead = {.n = 0};

	count_down(w, b);
	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		struct dp_note *note = dp_note(m);
		const struct dp_port *port = w->dp->ports[note->route->port_id];

		note->port_id = port->id;
		if (likely(note->inner_len <= port->mtu && note->route->resolved)) {
			write_ethernet(port, m);
			dp_batch_add(&ready, m);
			continue;
		}
		if (dp_link_state(&port->device->link) != DP_LINK_UP) {
			dp_batch_add(&dead, m);
			continue;
		}
		set_next_hop(note, rte_pktmbuf_mtod(m, const uint8_t *));
		dp_batch_add(note->inner_len > port->mtu ? &big : &resolve, m);
	}
	if (likely(ready.n))
		dp_tx(w, &ready);
	if (big.n)
		dp_too_big(w, big.pkts, big.n);
	if (dead.n)
		dp_no_link(w, dead.pkts, dead.n);
	dp_ask_control(w, resolve.pkts, resolve.n, DP_ASK_RESOLVE);
}

void dp_forward(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_batch tunnels = {.n = 0}, ports = {.n = 0}, tun = {.n = 0};
	const struct dp *dp = w->dp;

	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);
		const struct dp_route *route = note->route;
		struct dp_batch *to = &tun;

		if (route && route->kind == DP_ROUTE_PORT && route->port_id < dp->n_ports)
			to = &ports;
		else if (route && route->kind == DP_ROUTE_IFACE &&
			 atomic_load_explicit(&dp->ifaces[route->iface_id], memory_order_relaxed))
			to = &tunnels;
		note->port_id = DP_PORT_NONE; /* where it came in is of no interest any more */
		dp_batch_add(to, b->pkts[i]);
	}
	if (ports.n)
		to_ports(w, &ports);
	if (tunnels.n)
		to_tunnels(w, &tunnels);
	if (tun.n)
		dp_punt_tun(w, &tun);
}
