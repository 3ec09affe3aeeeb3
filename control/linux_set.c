/*
 * What the configuration names, set in Linux: addresses, routes, links. Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include <netlink/attr.h>

/* Sends (and frees) a message whose attributes were put with these results. */
static int finish(struct ctl_linux *l, struct nl_msg *msg, int put)
{
	if (msg && put < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return linux_request(l, msg, NULL, NULL);
}

int ctl_linux_link_up(struct ctl_linux *l, uint32_t ifindex, uint16_t mtu)
{
	struct ifinfomsg ifi = {
		.ifi_index = (int)ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct nl_msg *msg = linux_message(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	int put = 0;

	if (msg && mtu)
		put = nla_put_u32(msg, IFLA_MTU, mtu);
	return finish(l, msg, put);
}

int ctl_linux_set_address(struct ctl_linux *l, uint32_t ifindex, const struct cf_prefix *addr,
			  bool add)
{
	struct ifaddrmsg ifa = {
		.ifa_family = addr->family, .ifa_prefixlen = addr->len, .ifa_index = ifindex};
	struct nl_msg *msg = linux_message(add ? RTM_NEWADDR : RTM_DELADDR,
					   add ? NLM_F_CREATE | NLM_F_EXCL : 0, &ifa, sizeof(ifa));
	int bytes = (int)linux_addr_bytes(addr->family), put = 0, rc;

	if (msg) {
		put |= nla_put(msg, IFA_LOCAL, bytes, addr->addr);
		put |= nla_put(msg, IFA_ADDRESS, bytes, addr->addr);
	}
	rc = finish(l, msg, put);
	if (add)
		return rc == -EEXIST ? 0 : rc;
	return rc == -EADDRNOTAVAIL || rc == -ENODEV ? 0 : rc;
}

static int put_next_hop(struct nl_msg *msg, const struct cf_prefix *to, const struct cf_prefix *via)
{
	struct {
		uint16_t family;
		uint8_t addr[16];
	} other = {.family = via->family};
	int bytes = (int)linux_addr_bytes(via->family);

	if (via->family == 0)
		return 0;
	if (via->family == to->family)
		return nla_put(msg, RTA_GATEWAY, bytes, via->addr);
	/* IPv4 through a router that has only IPv6 (RFC 5549). */
	memcpy(other.addr, via->addr, (size_t)bytes);
	return nla_put(msg, RTA_VIA, (int)sizeof(other.family) + bytes, &other);
}

/*
 * Protocol "static" and this interface: so that removing takes what was added, and not the route
 * that Linux makes by itself for an address with the same prefix.
 */
int ctl_linux_set_route(struct ctl_linux *l, uint32_t ifindex, const struct cf_route *route,
			bool add)
{
	bool on_link = route->via.family == 0;
	struct rtmsg rt = {.rtm_family = route->to.family,
			   .rtm_dst_len = route->to.len,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_protocol = RTPROT_STATIC,
			   .rtm_scope = add && on_link && route->to.family == AF_INET
						? RT_SCOPE_LINK
						: RT_SCOPE_UNIVERSE,
			   .rtm_type = RTN_UNICAST};
	struct nl_msg *msg;
	int put = 0, rc;

	if (!add)
		rt.rtm_scope = RT_SCOPE_NOWHERE; /* any */
	msg = linux_message(add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_EXCL : 0,
			    &rt, sizeof(rt));
	if (msg) {
		put |= nla_put(msg, RTA_DST, (int)linux_addr_bytes(route->to.family),
			       route->to.addr);
		put |= nla_put_u32(msg, RTA_OIF, ifindex);
		put |= put_next_hop(msg, &route->to, &route->via);
	}
	rc = finish(l, msg, put);
	if (!add)
		return rc == -ESRCH || rc == -ENODEV ? 0 : rc;
	/* There is one already: all is well unless it leads elsewhere. */
	if (rc == -EEXIST && linux_routes_main(l, &route->to, ifindex) != 0)
		return 0;
	return rc;
}
