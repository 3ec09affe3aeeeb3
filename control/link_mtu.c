/*
 * The least and greatest MTU of a Linux interface: libnl-route knows the attributes, but keeps them
 * to itself, so they are taken from the message. One question on a socket of its own, as it is
 * asked before control has its own. Control, blocks for the answer.
 */
#include "control/link_mtu.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/attr.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

struct answer {
	uint32_t least, most;
	int below; /* index of the interface that this one lies on; 0: none that limits it */
	bool is_there;
};

/* These carry no more than the interface they lie on. (Of others the attribute is a peer.) */
static bool limited_by_link(const struct nlattr *linkinfo)
{
	static const char *const kinds[] = {"vlan", "macvlan", "ipvlan"};
	struct nlattr *parsed[IFLA_INFO_MAX + 1];

	if (nla_parse_nested(parsed, IFLA_INFO_MAX, (struct nlattr *)(uintptr_t)linkinfo, NULL) <
		    0 ||
	    parsed[IFLA_INFO_KIND] == NULL)
		return false;
	for (unsigned int k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		if (nla_strcmp(parsed[IFLA_INFO_KIND], kinds[k]) == 0)
			return true;
	return false;
}

static int on_link(struct nl_msg *msg, void *arg)
{
	struct nlattr *attributes[IFLA_MAX + 1];
	struct answer *a = arg;

	if (nlmsg_hdr(msg)->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(nlmsg_hdr(msg), sizeof(struct ifinfomsg), attributes, IFLA_MAX, NULL) < 0)
		return NL_OK;
	if (attributes[IFLA_MIN_MTU] != NULL)
		a->least = nla_get_u32(attributes[IFLA_MIN_MTU]);
	if (attributes[IFLA_MAX_MTU] != NULL)
		a->most = nla_get_u32(attributes[IFLA_MAX_MTU]);
	if (attributes[IFLA_LINK] != NULL && attributes[IFLA_LINK_NETNSID] == NULL &&
	    attributes[IFLA_LINKINFO] != NULL && limited_by_link(attributes[IFLA_LINKINFO]))
		a->below = (int)nla_get_u32(attributes[IFLA_LINK]);
	a->is_there = true;
	return NL_STOP;
}

/* 0: it cannot be told. */
static uint32_t mtu_now(int ifindex)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {0};
	uint32_t mtu = 0;

	if (fd < 0)
		return 0;
	if (if_indextoname((unsigned int)ifindex, req.ifr_name) != NULL &&
	    ioctl(fd, SIOCGIFMTU, &req) == 0)
		mtu = (uint32_t)req.ifr_mtu;
	close(fd);
	return mtu;
}

int ctl_link_mtus(const char *name, uint32_t *least, uint32_t *most)
{
	struct ifinfomsg ask = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(name)};
	struct nl_sock *netlink = nl_socket_alloc();
	struct answer a = {0};
	uint32_t below;

	if (netlink == NULL)
		return -ENOMEM;
	nl_socket_modify_cb(netlink, NL_CB_VALID, NL_CB_CUSTOM, on_link, &a);
	if (nl_connect(netlink, NETLINK_ROUTE) == 0 &&
	    nl_send_simple(netlink, RTM_GETLINK, 0, &ask, sizeof(ask)) >= 0)
		(void)nl_recvmsgs_default(netlink);
	nl_socket_free(netlink);
	below = a.below > 0 ? mtu_now(a.below) : 0;
	*least = a.least;
	*most = below > 0 && (a.most == 0 || below < a.most) ? below : a.most;
	return a.is_there ? 0 : -ENODEV;
}
