/*
 * Routes as Linux has them: by prefix all of its tables local, main and default, best first, so
 * that the next best comes up when one goes. They lie in linux_store.c; what workers see of them is
 * made in linux_publish.c.
 *
 * What is not mirrored: other tables and policy rules (they steer ways to endpoints, see
 * linux_way.c, but not traffic of the inside), routes by TOS or source, and that Linux searches
 * "local" as a whole before "main". Control thread.
 */
#include "control/linux_priv.h"

#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

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
	linux_prefix_changed(l, p);
}

static void drop_candidate(struct ctl_linux *l, struct linux_prefix *p, struct linux_candidate **at)
{
	struct linux_candidate *c = *at;

	*at = c->next;
	free(c);
	linux_prefix_changed(l, p);
}

static void remove_route(struct ctl_linux *l, const struct linux_candidate *c, int family,
			 const uint8_t *addr, uint8_t len)
{
	struct linux_prefix *p = linux_prefix_find(l, family, addr, len);
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
			p = linux_prefix_get(l, family, addr, len);
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
	linux_mask(addr, to->len);
	p = linux_prefix_find(l, to->family, addr, to->len);
	for (struct linux_candidate *c = p ? p->candidates : NULL; c; c = c->next) {
		if (c->rank != 1)
			continue;
		if (c->oif == ifindex)
			return 1;
		found = 0;
	}
	return found;
}
