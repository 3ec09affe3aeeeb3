/*
 * Interfaces of Linux as wgdp is told of them: MTU and carrier. Linux does not tell what a carrier
 * that comes or goes does to routes (nor, for IPv4, what an interface that goes down does): they
 * are read anew then. Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>

#include <netlink/attr.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "dataplane/publish.h"

/* ---- MTU ---- */

/* The greatest packet that fits a buffer with what is put behind it. */
static uint32_t buffer_mtu(const struct ctl_linux *l)
{
	return rte_pktmbuf_data_room_size(l->dp->pool) - RTE_PKTMBUF_HEADROOM - DP_TAILROOM_BYTES;
}

/* Somebody set the MTU of one of ours in Linux: it counts, as far as buffers go. */
static void link_mtu(struct ctl_linux *l, uint32_t ifindex, uint32_t mtu)
{
	const struct linux_binding *b = linux_binding(l, ifindex);

	if (!b)
		return;
	if (b->port) {
		struct dp_port *port = l->dp->ports[b->port->id];

		if (!port)
			return;
		mtu = RTE_MIN(mtu, (uint32_t)port->mtu_max);
		if (mtu != port->mtu)
			l->ways = true;
		port->mtu = (uint16_t)mtu;
	} else {
		struct dp_iface *iface = atomic_load_explicit(&l->dp->ifaces[b->iface_id],
							      memory_order_relaxed);

		if (iface)
			dp_publish_mtu(iface, (uint16_t)RTE_MIN(mtu, buffer_mtu(l)));
	}
}

/* ---- carrier ---- */

/* NULL: not seen before. */
static struct linux_link *find(struct ctl_linux *l, uint32_t ifindex)
{
	for (size_t i = 0; i < l->n_links; i++)
		if (l->links[i].ifindex == ifindex)
			return &l->links[i];
	return NULL;
}

/* Keeps what is told; without memory each message counts as a change. True: it is one. */
static bool link_changed(struct ctl_linux *l, uint32_t ifindex, uint32_t flags)
{
	struct linux_link *link = find(l, ifindex), *links;

	if (link) {
		bool changed = link->flags != flags;

		link->flags = flags;
		return changed;
	}
	links = realloc(l->links, (l->n_links + 1) * sizeof(*links));
	if (links) {
		l->links = links;
		l->links[l->n_links++] = (struct linux_link){ifindex, flags};
	}
	return true;
}

static void link_gone(struct ctl_linux *l, uint32_t ifindex)
{
	struct linux_link *link = find(l, ifindex);

	if (link)
		*link = l->links[--l->n_links];
}

void linux_link_message(struct ctl_linux *l, struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = nlmsg_data(nlh);
	const struct nlattr *mtu = nlmsg_find_attr(nlh, sizeof(*ifi), IFLA_MTU);
	uint32_t ifindex = (uint32_t)ifi->ifi_index;
	bool gone = nlh->nlmsg_type == RTM_DELLINK;

	/* A bridge tells of its ports in messages of its own, which do not mean the interface. */
	if (ifi->ifi_family != AF_UNSPEC)
		return;
	if (!gone && mtu)
		link_mtu(l, ifindex, nla_get_u32(mtu));
	if (gone)
		link_gone(l, ifindex);
	else if (!link_changed(l, ifindex, ifi->ifi_flags & (IFF_UP | IFF_RUNNING)))
		return;
	l->ways = true;
	if (l->ops.link_changed)
		l->ops.link_changed(l->ctx, ifindex, gone);
	if (linux_routes_use(l, ifindex))
		l->resync = true;
}

void linux_netconf_message(struct ctl_linux *l, struct nlmsghdr *nlh)
{
	const struct nlattr *ifindex = nlmsg_find_attr(nlh, sizeof(struct netconfmsg),
						       NETCONFA_IFINDEX);

	if (!ifindex ||
	    !nlmsg_find_attr(nlh, sizeof(struct netconfmsg), NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN))
		return;
	/* "all" and "default" are negative. */
	if (nla_get_s32(ifindex) > 0 && !linux_routes_use(l, (uint32_t)nla_get_s32(ifindex)))
		return;
	l->resync = true;
	l->ways = true;
}
