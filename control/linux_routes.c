/*
 * Linux's routes as workers see them. Kept by prefix: all that Linux has of its tables local, main
 * and default, best first, so that the next best comes up when one goes. For a network that is on
 * link at a port each known neighbour gets a route of its own with its MAC.
 *
 * What is not mirrored: other tables and policy rules (they steer ways to endpoints, see
 * linux_way.c, but not traffic of the inside), routes by TOS or source, and that Linux searches
 * "local" as a whole before "main". Several next hops for one prefix are left to Linux.
 * Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include "control/log.h"
#include "crypto/random.h"

#define BUCKETS_FIRST 1024
/* With more changes at once it is cheaper to look at all neighbours anew. */
#define CHANGED_FEW 16

/* ---- the store ---- */

static unsigned int family_slot(int family)
{
	return family == AF_INET6;
}

static unsigned int full_len(int family)
{
	return family == AF_INET ? 32 : 128;
}

static size_t bucket(const struct linux_store *s, int family, const uint8_t *addr, uint8_t len)
{
	uint32_t h = linux_hash(addr, s->seed ^ (uint32_t)(family << 8) ^ len);

	return h & (s->n_buckets - 1);
}

static struct linux_prefix *prefix_find(const struct ctl_linux *l, int family, const uint8_t *addr,
					uint8_t len)
{
	const struct linux_store *s = &l->store;
	struct linux_prefix *p = s->buckets[bucket(s, family, addr, len)];

	while (p && (p->family != family || p->len != len || memcmp(p->addr, addr, 16) != 0))
		p = p->chain;
	return p;
}

/* Makes room while it is cheap; without memory chains get longer. */
static void store_grow(struct linux_store *s)
{
	struct linux_store bigger = *s;

	if (s->n < 2 * s->n_buckets)
		return;
	bigger.n_buckets = 4 * s->n_buckets;
	bigger.buckets = calloc(bigger.n_buckets, sizeof(bigger.buckets[0]));
	if (!bigger.buckets)
		return;
	for (size_t i = 0; i < s->n_buckets; i++) {
		struct linux_prefix *p, *next;

		for (p = s->buckets[i]; p; p = next) {
			struct linux_prefix **at =
				&bigger.buckets[bucket(&bigger, p->family, p->addr, p->len)];

			next = p->chain;
			p->chain = *at;
			*at = p;
		}
	}
	free(s->buckets);
	*s = bigger;
}

static struct linux_prefix *prefix_get(struct ctl_linux *l, int family, const uint8_t *addr,
				       uint8_t len)
{
	struct linux_prefix *p = prefix_find(l, family, addr, len), **at;
	struct linux_store *s = &l->store;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->family = (uint8_t)family;
	p->len = len;
	memcpy(p->addr, addr, 16);
	store_grow(s);
	at = &s->buckets[bucket(s, family, addr, len)];
	p->chain = *at;
	*at = p;
	s->n++;
	s->with_len[family_slot(family)][len]++;
	return p;
}

static void prefix_free(struct ctl_linux *l, struct linux_prefix *p)
{
	struct linux_store *s = &l->store;
	struct linux_prefix **at = &s->buckets[bucket(s, p->family, p->addr, p->len)];

	while (*at != p)
		at = &(*at)->chain;
	*at = p->chain;
	s->n--;
	s->with_len[family_slot(p->family)][p->len]--;
	free(p);
}

static void mark(struct ctl_linux *l, struct linux_prefix *p)
{
	if (p->is_dirty)
		return;
	p->is_dirty = true;
	TAILQ_INSERT_TAIL(&l->dirty, p, dirty_link);
}

static void mark_changed(struct ctl_linux *l, struct linux_prefix *p)
{
	if (!p->changed)
		l->n_changed++;
	p->changed = true;
	mark(l, p);
}

static void mask(uint8_t *addr, unsigned int len)
{
	if (len % 8)
		addr[len / 8] &= (uint8_t)(0xff << (8 - len % 8));
	for (unsigned int i = (len + 7) / 8; i < 16; i++)
		addr[i] = 0;
}

static struct linux_candidate *best(const struct linux_prefix *p)
{
	struct linux_candidate *c = p->candidates;

	while (c && c->dead)
		c = c->next;
	return c;
}

/* The best route that covers an address, other than one to the address itself. */
static struct linux_candidate *covering(const struct ctl_linux *l, int family, const uint8_t *addr)
{
	for (unsigned int len = full_len(family); len-- > 0;) {
		uint8_t masked[16] = {0};
		struct linux_candidate *c;
		struct linux_prefix *p;

		if (l->store.with_len[family_slot(family)][len] == 0)
			continue;
		memcpy(masked, addr, linux_addr_bytes(family));
		mask(masked, len);
		p = prefix_find(l, family, masked, (uint8_t)len);
		c = p ? best(p) : NULL;
		if (c)
			return c;
	}
	return NULL;
}

/* ---- what workers shall see ---- */

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
	else if (p->len == full_len(p->family))
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

	if (p->len != full_len(p->family) || is_link_local(p))
		return false;
	c = covering(l, p->family, p->addr);
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
	const struct linux_candidate *c = best(p);
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
		prefix_free(l, p);
}

static void mark_neighbour(struct ctl_linux *l, const struct linux_hop *h)
{
	struct linux_prefix *p = prefix_get(l, h->family, h->addr, (uint8_t)full_len(h->family));

	if (p)
		mark(l, p);
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
				mask(masked, inside->len);
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
		if (p->changed && !many && p->len < full_len(p->family))
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
		mark(l, p);
	if (b && b->port)
		mark_neighbour(l, h);
}

static void mark_all(struct ctl_linux *l)
{
	for (size_t i = 0; i < l->store.n_buckets; i++)
		for (struct linux_prefix *p = l->store.buckets[i]; p; p = p->chain)
			mark(l, p);
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

/* ---- what Linux tells ---- */

static bool same_identity(const struct linux_candidate *a, const struct linux_candidate *b)
{
	return a->rank == b->rank && a->metric == b->metric && a->type == b->type &&
	       a->multipath == b->multipath && a->oif == b->oif && a->via_family == b->via_family &&
	       memcmp(a->via, b->via, sizeof(a->via)) == 0;
}

static bool same_place(const struct linux_candidate *a, const struct linux_candidate *b)
{
	return a->rank == b->rank && a->metric == b->metric;
}

/* One that is the same if there is one, else (any) one at the same place; NULL: none. */
static struct linux_candidate **locate(struct linux_prefix *p, const struct linux_candidate *c,
				       bool any)
{
	struct linux_candidate **at, **found = NULL;

	for (at = &p->candidates; *at; at = &(*at)->next) {
		if (same_identity(*at, c))
			return at;
		if (any && !found && same_place(*at, c))
			found = at;
	}
	return found;
}

static void insert(struct linux_prefix *p, const struct linux_candidate *c, bool before_equals)
{
	struct linux_candidate **at = &p->candidates, *copy = malloc(sizeof(*copy));

	if (!copy)
		return;
	while (*at && ((*at)->rank < c->rank || ((*at)->rank == c->rank &&
						 ((*at)->metric < c->metric ||
						  ((*at)->metric == c->metric && !before_equals)))))
		at = &(*at)->next;
	*copy = *c;
	copy->next = *at;
	*at = copy;
}

static void add(struct ctl_linux *l, struct linux_prefix *p, const struct linux_candidate *c,
		int flags, bool dumped)
{
	struct linux_candidate **at = locate(p, c, flags & NLM_F_REPLACE), *next;

	/* IPv6 joins routes of one metric into one with several next hops; which of ours went into
	 * it only a dump can tell. */
	if (c->multipath && p->family == AF_INET6 && !dumped)
		l->resync = true;
	if (at) {
		next = (*at)->next;
		if (same_identity(*at, c) && (*at)->dead == c->dead) {
			(*at)->generation = c->generation;
			return;
		}
		**at = *c;
		(*at)->next = next;
	} else {
		insert(p, c, p->family == AF_INET && !dumped && !(flags & NLM_F_APPEND));
	}
	mark_changed(l, p);
}

static void drop_candidate(struct ctl_linux *l, struct linux_prefix *p, struct linux_candidate **at)
{
	struct linux_candidate *c = *at;

	*at = c->next;
	free(c);
	mark_changed(l, p);
}

static void remove_route(struct ctl_linux *l, const struct linux_candidate *c, int family,
			 const uint8_t *addr, uint8_t len)
{
	struct linux_prefix *p = prefix_find(l, family, addr, len);
	struct linux_candidate **at;

	if (!p)
		return;
	at = locate(p, c, false);
	if (at)
		drop_candidate(l, p, at);
	else if (locate(p, c, true))
		l->resync = true; /* it was one leg of several next hops, or like that */
}

static bool rank_of(uint32_t table, uint8_t *rank)
{
	switch (table) {
	case RT_TABLE_LOCAL:
		*rank = 0;
		return true;
	case RT_TABLE_MAIN:
		*rank = 1;
		return true;
	case RT_TABLE_DEFAULT:
		*rank = 2;
		return true;
	}
	return false;
}

static void take_next_hop(struct rtnl_route *route, struct linux_candidate *c)
{
	struct rtnl_nexthop *nh = rtnl_route_nexthop_n(route, 0);
	struct nl_addr *via;

	if (!nh)
		return;
	c->oif = (uint32_t)rtnl_route_nh_get_ifindex(nh);
	c->dead = rtnl_route_nh_get_flags(nh) & RTNH_F_DEAD;
	via = rtnl_route_nh_get_gateway(nh);
	if (!via)
		via = rtnl_route_nh_get_via(nh);
	if (!via || nl_addr_get_len(via) == 0 || nl_addr_get_len(via) > sizeof(c->via))
		return;
	c->via_family = (uint8_t)nl_addr_get_family(via);
	memcpy(c->via, nl_addr_get_binary_addr(via), nl_addr_get_len(via));
}

/* False: none that is mirrored. */
static bool take_route(const struct ctl_linux *l, struct rtnl_route *route,
		       struct linux_candidate *c)
{
	struct nl_addr *src = rtnl_route_get_src(route);

	memset(c, 0, sizeof(*c));
	if (!rank_of(rtnl_route_get_table(route), &c->rank) ||
	    rtnl_route_get_flags(route) & RTM_F_CLONED || rtnl_route_get_tos(route) != 0 ||
	    rtnl_route_get_type(route) == RTN_THROW || (src && nl_addr_get_prefixlen(src) > 0))
		return false;
	c->metric = rtnl_route_get_priority(route);
	c->type = rtnl_route_get_type(route);
	c->generation = l->generation;
	c->multipath = rtnl_route_get_nnexthops(route) > 1;
	if (!c->multipath)
		take_next_hop(route, c);
	return true;
}

void linux_route_message(struct ctl_linux *l, struct nlmsghdr *nlh, bool dumped)
{
	struct rtnl_route *route = NULL;
	struct linux_candidate c;
	struct linux_prefix *p;
	uint8_t addr[16] = {0};
	struct nl_addr *dst;
	int family;

	if (rtnl_route_parse(nlh, &route) < 0)
		return;
	family = rtnl_route_get_family(route);
	dst = rtnl_route_get_dst(route);
	if ((family == AF_INET || family == AF_INET6) && dst && take_route(l, route, &c)) {
		uint8_t len = (uint8_t)nl_addr_get_prefixlen(dst);

		memcpy(addr, nl_addr_get_binary_addr(dst), nl_addr_get_len(dst));
		if (nlh->nlmsg_type == RTM_DELROUTE) {
			remove_route(l, &c, family, addr, len);
		} else {
			p = prefix_get(l, family, addr, len);
			if (p)
				add(l, p, &c, nlh->nlmsg_flags, dumped);
		}
	}
	rtnl_route_put(route);
}

void linux_routes_sweep(struct ctl_linux *l)
{
	for (size_t i = 0; i < l->store.n_buckets; i++) {
		for (struct linux_prefix *p = l->store.buckets[i]; p; p = p->chain) {
			struct linux_candidate **at = &p->candidates;

			while (*at) {
				if ((*at)->generation != l->generation)
					drop_candidate(l, p, at);
				else
					at = &(*at)->next;
			}
		}
	}
}

/* ---- questions ---- */

bool linux_routes_use(const struct ctl_linux *l, uint32_t ifindex)
{
	for (size_t i = 0; i < l->store.n_buckets; i++)
		for (struct linux_prefix *p = l->store.buckets[i]; p; p = p->chain)
			for (struct linux_candidate *c = p->candidates; c; c = c->next)
				if (c->oif == ifindex || c->multipath)
					return true;
	return false;
}

int linux_routes_main(const struct ctl_linux *l, const struct cf_prefix *to, uint32_t ifindex)
{
	struct linux_prefix *p;
	uint8_t addr[16] = {0};
	int found = -1;

	memcpy(addr, to->addr, linux_addr_bytes(to->family));
	mask(addr, to->len);
	p = prefix_find(l, to->family, addr, to->len);
	for (struct linux_candidate *c = p ? p->candidates : NULL; c; c = c->next) {
		if (c->rank != 1)
			continue;
		if (c->oif == ifindex)
			return 1;
		found = 0;
	}
	return found;
}

/* ---- beginning and end ---- */

int linux_routes_init(struct ctl_linux *l)
{
	l->store.seed = cr_random_u32();
	l->store.buckets = calloc(BUCKETS_FIRST, sizeof(l->store.buckets[0]));
	if (!l->store.buckets)
		return -ENOMEM;
	l->store.n_buckets = BUCKETS_FIRST;
	return 0;
}

void linux_routes_free(struct ctl_linux *l)
{
	for (size_t i = 0; i < l->store.n_buckets; i++) {
		struct linux_prefix *p, *next;

		for (p = l->store.buckets[i]; p; p = next) {
			while (p->candidates) {
				struct linux_candidate *c = p->candidates;

				p->candidates = c->next;
				free(c);
			}
			next = p->chain;
			free(p);
		}
	}
	free(l->store.buckets);
}
