/*
 * The VLAN interfaces of Linux: finding the one that stands for a VLAN of an interface, making it
 * where there is none, removing what was made. Control thread, at start and at the end, and when
 * one has gone.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <netlink/attr.h>

static const char kind[] = "vlan";

struct search {
	uint32_t parent;
	uint16_t vlan;
	struct ctl_linux_vlan *found;
};

/* The id of a VLAN interface; 0: it is none. */
static uint16_t vlan_of(struct nlattr *linkinfo)
{
	struct nlattr *info[IFLA_INFO_MAX + 1], *data[IFLA_VLAN_MAX + 1];

	if (!linkinfo || nla_parse_nested(info, IFLA_INFO_MAX, linkinfo, NULL) < 0)
		return 0;
	if (!info[IFLA_INFO_KIND] || !info[IFLA_INFO_DATA] ||
	    nla_strcmp(info[IFLA_INFO_KIND], kind) != 0)
		return 0;
	if (nla_parse_nested(data, IFLA_VLAN_MAX, info[IFLA_INFO_DATA], NULL) < 0)
		return 0;
	return data[IFLA_VLAN_ID] ? nla_get_u16(data[IFLA_VLAN_ID]) : 0;
}

static int on_link(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	const struct ifinfomsg *ifi = nlmsg_data(nlh);
	struct nlattr *tb[IFLA_MAX + 1];
	struct search *s = arg;

	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(nlh, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0)
		return NL_OK;
	if (!tb[IFLA_LINK] || nla_get_u32(tb[IFLA_LINK]) != s->parent ||
	    vlan_of(tb[IFLA_LINKINFO]) != s->vlan)
		return NL_OK;
	s->found->ifindex = (uint32_t)ifi->ifi_index;
	s->found->mtu = tb[IFLA_MTU] ? nla_get_u32(tb[IFLA_MTU]) : 0;
	return NL_OK;
}

static int find(struct ctl_linux *l, struct search *s)
{
	struct ifinfomsg all = {.ifi_family = AF_UNSPEC};

	s->found->ifindex = 0;
	return linux_request(l, linux_message(RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all)), on_link,
			     s);
}

static int put_vlan(struct nl_msg *msg, const char *name, uint32_t parent, uint16_t vlan)
{
	struct nlattr *info, *data;
	int put = 0;

	put |= nla_put_string(msg, IFLA_IFNAME, name);
	put |= nla_put_u32(msg, IFLA_LINK, parent);
	info = nla_nest_start(msg, IFLA_LINKINFO);
	put |= nla_put_string(msg, IFLA_INFO_KIND, kind);
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	put |= nla_put_u16(msg, IFLA_VLAN_ID, vlan);
	if (!info || !data)
		return -ENOMEM;
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return put;
}

static int make(struct ctl_linux *l, const char *name, uint32_t parent, uint16_t vlan)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC};
	struct nl_msg *msg = linux_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi,
					   sizeof(ifi));

	if (msg && put_vlan(msg, name, parent, vlan) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return linux_request(l, msg, NULL, NULL);
}

/* What is wrong, and what to do. */
static void explain(int rc, const char *name, uint16_t vlan, char *error, size_t error_size)
{
	if (rc == -EOPNOTSUPP)
		snprintf(error, error_size,
			 "port %s: this Linux has no VLAN interfaces: load the module with "
			 "\"modprobe 8021q\", or have the port on a device that is DPDK's own",
			 name);
	else if (rc == -EEXIST)
		snprintf(
			error, error_size,
			"port %s: no interface of Linux is VLAN %u of its device, and one with the "
			"name %s can't be made, for there is another of that name",
			name, vlan, name);
	else if (rc == -ENODEV)
		snprintf(error, error_size,
			 "port %s: no interface of Linux is VLAN %u of its device", name, vlan);
	else
		snprintf(error, error_size, "port %s: no interface for VLAN %u can be made: %s",
			 name, vlan, strerror(-rc));
}

int ctl_linux_vlan(struct ctl_linux *l, uint32_t parent, uint16_t vlan, const char *name,
		   bool may_make, struct ctl_linux_vlan *found, char *error, size_t error_size)
{
	struct search s = {.parent = parent, .vlan = vlan, .found = found};
	int rc = find(l, &s);

	found->made = false;
	if (rc == 0 && found->ifindex == 0 && !may_make)
		rc = -ENODEV;
	if (rc == 0 && found->ifindex == 0) {
		rc = make(l, name, parent, vlan);
		found->made = rc == 0;
		if (rc == 0)
			rc = find(l, &s);
		if (rc == 0 && found->ifindex == 0)
			rc = -ENODEV;
	}
	if (rc != 0)
		explain(rc, name, vlan, error, error_size);
	return rc;
}

int ctl_linux_link_remove(struct ctl_linux *l, uint32_t ifindex)
{
	struct ifinfomsg ifi = {.ifi_index = (int)ifindex};
	int rc = linux_request(l, linux_message(RTM_DELLINK, 0, &ifi, sizeof(ifi)), NULL, NULL);

	return rc == -ENODEV ? 0 : rc;
}
