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

#include <netlink/attr.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

struct answer {
	uint32_t least, most;
	bool is_there;
};

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
	a->is_there = true;
	return NL_STOP;
}

int ctl_link_mtus(const char *name, uint32_t *least, uint32_t *most)
{
	struct ifinfomsg ask = {.ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(name)};
	struct nl_sock *socket = nl_socket_alloc();
	struct answer a = {0};

	if (socket == NULL)
		return -ENOMEM;
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_link, &a);
	if (nl_connect(socket, NETLINK_ROUTE) == 0 &&
	    nl_send_simple(socket, RTM_GETLINK, 0, &ask, sizeof(ask)) >= 0)
		(void)nl_recvmsgs_default(socket);
	nl_socket_free(socket);
	*least = a.least;
	*most = a.most;
	return a.is_there ? 0 : -ENODEV;
}
