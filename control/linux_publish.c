/*
 * Linux's routes as workers see them: for each prefix the best that Linux has, and for a network
 * that is on link at a port each known neighbour as a route of its own with its MAC. What Linux
 * has is gathered in linux_routes.c. Several next hops for one prefix are left to Linux.
 * Control thread.
 */
#include "control/linux_priv.h"

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "control/log.h"

/* With more changes at once it is cheaper to look at all neighbours anew. */
#define CHANGED_FEW 16

static bool is_link_local(const struct linux_prefix *p)
{
	return p->family == AF_INET6 && p->len >= 10 && p->addr[0] == 0xfe &&
	       (p->addr[1] & 0xc0) == 0x80;
}

static bool on_link_at_port(const struct ctl_linux *l, const struct linux_candidate *c)
{
	const struct linux_binding *b = linux_binding(l, c->oif);

	return c->type == RTN_UNICAST && !c->multipath && c->via_family == 0 && b && b->port;
}

/* Through a neighbour, known or not. */
static void through(struct dp_route *r, const struct linux_hop *h)
{
	r->family = h->family;
	memcpy(r->next_hop, h->addr, sizeof(r->next_hop));
	r->resolved = h->valid;
	if (h->valid)
		memcpy(r->mac, h->mac, sizeof(r->mac));
}

/* From a route of Linux's. *hop: the neighbour that it depends on. */
static void from_candidate(struct ctl_linux *l, const struct linux_prefix *p,
			   const struct linux_candidate *c, struct dp_route *r,
			   struct linux_hop **hop)
{
	const struct linux_binding *b = linux_binding(l, c->oif);

	r->kind = DP_ROUTE_LINUX;
	if (c->type == RTN_LOCAL)
		r->kind = DP_ROUTE_LOCAL;
	if (c->type != RTN_UNICAST || c->multipath || !b || is_link_local(p))
		return;
	if (!b->port) {
		r->kind = DP_ROUTE_IFACE;
		r->iface_id = b->iface_id;
		return;
	}
	if (c->via_family)
		*hop = linux_hop_get(l, c->oif, c->via_family, c->via);
	else if (p->len == linux_full_len(p->family))
		*hop = linux_hop_get(l, c->oif, p->family, p->addr);
	if (c->via_family && !*hop)
		return; /* out of memory: slow, but right */
	r->kind = DP_ROUTE_PORT;
	r->port_id = b->port->id;
	r->on_link = !*hop;
	if (*hop)
		through(r, *hop);
}

/* From a neighbour on a network that is on link at a port. */
static bool from_neighbour(struct ctl_linux *l, const struct linux_prefix *p, struct dp_route *r,
			   struct linux_hop **hop)
{
	const struct linux_candidate *c;
	struct linux_hop *h;

	if (p->len != linux_full_len(p->family) || is_link_local(p))
		return false;
	c = linux_covering(l, p->family, p->addr);
	if (!c || !on_link_at_port(l, c))
		return false;
	h = linux_hop_find(l, c->oif, p->family, p->addr);
	if (!h || !h->valid)
		return false;
	r->kind = DP_ROUTE_PORT;
	r->port_id = linux_binding(l, c->oif)->port->id;
	through(r, h);
	*hop = h;
	return true;
}

static void lean_on(struct ctl_linux *l, struct linux_prefix *p, struct linux_hop *hop)
{
	struct linux_hop *before = p->hop;

	if (before == hop)
		return;
	if (before)
		LIST_REMOVE(p, user_link);
	p->hop = hop;
	if (hop) {
		LIST_INSERT_HEAD(&hop->users, p, user_link);
		linux_hop_poke_later(l, hop);
	}
	if (before)
		linux_hop_release(before);
}

static void publish_one(struct ctl_linux *l, struct linux_prefix *p)
{
	const struct linux_candidate *c = linux_prefix_best(p);
	struct linux_hop *hop = NULL;
	struct dp_route r;
	bool wanted = true;
	int rc = 0;

	memset(&r, 0, sizeof(r)); /* also the holes: compared below */
	if (c)
		from_candidate(l, p, c, &r, &hop);
	else
		wanted = from_neighbour(l, p, &r, &hop);
	lean_on(l, p, hop);
	if (wanted && (!p->published || memcmp(&p->route, &r, sizeof(r)) != 0)) {
		rc = dp_routes_set(l->dp->routes, p->family, p->addr, p->len, &r);
		p->route = r;
		p->published = rc == 0;
	} else if (!wanted && p->published) {
		rc = dp_routes_clear(l->dp->routes, p->family, p->addr, p->len);
		p->published = false;
	}
	if (rc) {
		ctl_log_limited(&l->complaints, CTL_ERROR, "routes: %s", strerror(-rc));
		l->resync = true;
	}
	if (!p->candidates && !p->published && !p->hop)
		linux_prefix_free(l, p);
}

static void mark_neighbour(struct ctl_linux *l, const struct linux_hop *h)
{
	struct linux_prefix *p = linux_prefix_get(l, h->family, h->addr,
						  (uint8_t)linux_full_len(h->family));

	if (p)
		linux_prefix_mark(l, p);
}

/* A route has come or gone (NULL: many): neighbours inside may have become on link at a port, or
 * ceased to be. */
static void mark_neighbours(struct ctl_linux *l, const struct linux_prefix *inside)
{
	struct linux_hop *h;

	for (unsigned int i = 0; i < LINUX_HOP_BUCKETS; i++) {
		LIST_FOREACH (h, &l->hops[i], chain) {
			uint8_t masked[16];

			if (!h->valid || (inside && h->family != inside->family))
				continue;
			memcpy(masked, h->addr, sizeof(masked));
			if (inside)
				linux_mask(masked, inside->len);
			if (!inside || memcmp(masked, inside->addr, sizeof(masked)) == 0)
				mark_neighbour(l, h);
		}
	}
}

void linux_routes_publish(struct ctl_linux *l)
{
	bool many = l->n_changed > CHANGED_FEW;
	struct linux_prefix *p;

	if (many)
		mark_neighbours(l, NULL);
	while ((p = TAILQ_FIRST(&l->dirty))) {
		TAILQ_REMOVE(&l->dirty, p, dirty_link);
		p->is_dirty = false;
		if (p->changed && !many && p->len < linux_full_len(p->family))
			mark_neighbours(l, p);
		p->changed = false;
		publish_one(l, p);
	}
	l->n_changed = 0;
}

void linux_routes_hop_changed(struct ctl_linux *l, struct linux_hop *h)
{
	const struct linux_binding *b = linux_binding(l, h->ifindex);
	struct linux_prefix *p;

	LIST_FOREACH (p, &h->users, user_link)
		linux_prefix_mark(l, p);
	if (b && b->port)
		mark_neighbour(l, h);
}

static void mark_all(struct ctl_linux *l)
{
	for (size_t i = 0; i < l->store.n_buckets; i++)
		for (struct linux_prefix *p = l->store.buckets[i]; p; p = p->chain)
			linux_prefix_mark(l, p);
}

void linux_routes_rebind(struct ctl_linux *l)
{
	struct linux_hop *h;

	mark_all(l);
	for (unsigned int i = 0; i < LINUX_HOP_BUCKETS; i++)
		LIST_FOREACH (h, &l->hops[i], chain)
			if (h->valid)
				linux_routes_hop_changed(l, h);
}
