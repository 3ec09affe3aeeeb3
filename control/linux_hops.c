/*
 * Neighbours as Linux knows them. Workers use a MAC without Linux seeing it: for Linux the entry
 * falls idle, becomes stale and may be collected, and a changed MAC would never be noticed. So each
 * stale entry that workers may be using is poked (NTF_USE: "I have just sent there"), and Linux
 * probes it by unicast and tells the outcome. Who answers no more becomes FAILED and its routes
 * unresolved. Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>

/* A stale entry comes back after about 30 s (base_reachable_time), so this keeps up with some
 * 6000 neighbours. */
#define POKES_PER_S 200
#define POKES_BURST 50
/* Linux itself asks three times, one second apart (mcast_solicit, retrans_time). */
#define ASK_EVERY_NS UINT64_C(1000000000)

#define STATES_VALID (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

static unsigned int bucket(const struct ctl_linux *l, uint32_t ifindex, int family,
			   const uint8_t *addr)
{
	uint8_t whole[16] = {0};

	memcpy(whole, addr, linux_addr_bytes(family));
	return linux_hash(whole, l->store.seed ^ ifindex) & (LINUX_HOP_BUCKETS - 1);
}

struct linux_hop *linux_hop_find(const struct ctl_linux *l, uint32_t ifindex, int family,
				 const uint8_t *addr)
{
	struct linux_hop *h;

	LIST_FOREACH (h, &l->hops[bucket(l, ifindex, family, addr)], chain)
		if (h->ifindex == ifindex && h->family == family &&
		    memcmp(h->addr, addr, linux_addr_bytes(family)) == 0)
			return h;
	return NULL;
}

struct linux_hop *linux_hop_get(struct ctl_linux *l, uint32_t ifindex, int family,
				const uint8_t *addr)
{
	struct linux_hop *h = linux_hop_find(l, ifindex, family, addr);

	if (h)
		return h;
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	LIST_INIT(&h->users);
	h->ifindex = ifindex;
	h->family = (uint8_t)family;
	memcpy(h->addr, addr, linux_addr_bytes(family));
	LIST_INSERT_HEAD(&l->hops[bucket(l, ifindex, family, addr)], h, chain);
	return h;
}

void linux_hop_release(struct linux_hop *h)
{
	if (h->in_linux || h->telling || h->poking || !LIST_EMPTY(&h->users))
		return;
	LIST_REMOVE(h, chain);
	free(h);
}

static void tell(struct ctl_linux *l, struct linux_hop *h, bool failed)
{
	h->failed = failed;
	if (h->telling)
		return;
	h->telling = true;
	TAILQ_INSERT_TAIL(&l->hops_told, h, tell_link);
}

void linux_hops_tell(struct ctl_linux *l)
{
	struct linux_hop *h;

	while ((h = TAILQ_FIRST(&l->hops_told))) {
		TAILQ_REMOVE(&l->hops_told, h, tell_link);
		h->telling = false;
		if (l->ops.neighbour_changed)
			l->ops.neighbour_changed(l->ctx, h->ifindex, h->family, h->addr,
						 h->failed ? NULL : h->mac);
		linux_hop_release(h);
	}
}

/* ---- what Linux tells ---- */

static void hop_set(struct ctl_linux *l, struct linux_hop *h, const uint8_t *mac)
{
	bool same = h->valid && memcmp(h->mac, mac, sizeof(h->mac)) == 0;

	if (same)
		return;
	memcpy(h->mac, mac, sizeof(h->mac));
	h->valid = true;
	linux_routes_hop_changed(l, h);
	tell(l, h, false);
}

static void hop_unset(struct ctl_linux *l, struct linux_hop *h, bool failed)
{
	bool was_valid = h->valid;

	h->valid = false;
	if (was_valid)
		linux_routes_hop_changed(l, h);
	if (was_valid || failed)
		tell(l, h, true);
}

static bool in_use(const struct linux_hop *h)
{
	return h->endpoint || !LIST_EMPTY(&h->users);
}

void linux_hop_poke_later(struct ctl_linux *l, struct linux_hop *h)
{
	if (h->poking || !h->stale)
		return;
	h->poking = true;
	TAILQ_INSERT_TAIL(&l->hops_poked, h, poke_link);
}

static void hop_gone(struct ctl_linux *l, struct linux_hop *h)
{
	h->in_linux = false;
	h->stale = false;
	h->endpoint = false;
	hop_unset(l, h, false);
	linux_hop_release(h);
}

void linux_hop_message(struct ctl_linux *l, struct nlmsghdr *nlh)
{
	const struct ndmsg *nd = nlmsg_data(nlh);
	struct nlattr *tb[NDA_MAX + 1];
	struct linux_hop *h;
	uint32_t ifindex;

	if (nlmsg_parse(nlh, sizeof(*nd), tb, NDA_MAX, NULL) < 0)
		return;
	if ((nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6) || !tb[NDA_DST] ||
	    nla_len(tb[NDA_DST]) != (int)linux_addr_bytes(nd->ndm_family) ||
	    nd->ndm_flags & NTF_PROXY)
		return;
	ifindex = (uint32_t)nd->ndm_ifindex;
	if (nlh->nlmsg_type == RTM_DELNEIGH) {
		h = linux_hop_find(l, ifindex, nd->ndm_family, nla_data(tb[NDA_DST]));
		if (h)
			hop_gone(l, h);
		return;
	}
	h = linux_hop_get(l, ifindex, nd->ndm_family, nla_data(tb[NDA_DST]));
	if (!h)
		return;
	h->in_linux = true;
	h->generation = l->generation;
	h->stale = nd->ndm_state & NUD_STALE;
	if (nd->ndm_state & STATES_VALID && tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == 6) {
		hop_set(l, h, nla_data(tb[NDA_LLADDR]));
		linux_hop_poke_later(l, h);
	} else {
		hop_unset(l, h, nd->ndm_state & NUD_FAILED);
	}
}

void linux_hops_sweep(struct ctl_linux *l)
{
	for (unsigned int i = 0; i < LINUX_HOP_BUCKETS; i++) {
		struct linux_hop *h, *next;

		for (h = LIST_FIRST(&l->hops[i]); h; h = next) {
			next = LIST_NEXT(h, chain);
			if (h->in_linux && h->generation != l->generation)
				hop_gone(l, h);
		}
	}
}

/* ---- what Linux is told ---- */

/* As if Linux itself had sent a packet there: it resolves or verifies the neighbour. Not for a
 * permanent entry, which Linux (since 5.16) would take for one to be learned anew. */
static int use(struct ctl_linux *l, const struct linux_hop *h)
{
	struct ndmsg nd = {.ndm_family = h->family,
			   .ndm_ifindex = (int)h->ifindex,
			   .ndm_state = NUD_NONE,
			   .ndm_flags = NTF_USE};
	struct nl_msg *msg = linux_message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &nd,
					   sizeof(nd));

	if (msg && nla_put(msg, NDA_DST, (int)linux_addr_bytes(h->family), h->addr) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return linux_request(l, msg, NULL, NULL);
}

void linux_hop_ask(struct ctl_linux *l, struct linux_hop *h)
{
	uint64_t now_ns = linux_now_ns();

	if (h->asked_ns != 0 && now_ns < h->asked_ns + ASK_EVERY_NS)
		return;
	h->asked_ns = now_ns;
	/* If it is refused (interface down, table full) the neighbour stays unknown. */
	if (use(l, h) != 0)
		linux_hop_release(h);
}

void linux_hops_poke(struct ctl_linux *l)
{
	uint64_t now_ns = linux_now_ns();
	struct linux_hop *h;

	while ((h = TAILQ_FIRST(&l->hops_poked))) {
		if (h->stale && in_use(h)) {
			if (!ctl_limit_take(&l->pokes, now_ns))
				return;
			use(l, h);
		}
		TAILQ_REMOVE(&l->hops_poked, h, poke_link);
		h->poking = false;
		linux_hop_release(h);
	}
}

bool ctl_linux_neighbour(struct ctl_linux *l, uint32_t ifindex, int family, const uint8_t *addr,
			 uint8_t mac[6])
{
	struct linux_hop *h = linux_hop_get(l, ifindex, family, addr);

	if (!h)
		return false;
	if (h->valid) {
		memcpy(mac, h->mac, sizeof(h->mac));
		return true;
	}
	linux_hop_ask(l, h);
	return false;
}

void linux_hops_init(struct ctl_linux *l)
{
	l->pokes = (struct ctl_limit){.every_ns = UINT64_C(1000000000) / POKES_PER_S,
				      .burst = POKES_BURST};
	for (unsigned int i = 0; i < LINUX_HOP_BUCKETS; i++)
		LIST_INIT(&l->hops[i]);
}

void linux_hops_free(struct ctl_linux *l)
{
	for (unsigned int i = 0; i < LINUX_HOP_BUCKETS; i++) {
		struct linux_hop *h;

		while ((h = LIST_FIRST(&l->hops[i]))) {
			LIST_REMOVE(h, chain);
			free(h);
		}
	}
}
