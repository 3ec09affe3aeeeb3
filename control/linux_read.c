/*
 * Reads all that Linux has: neighbours, routes, and the addresses of this host, which are kept and
 * given to workers here. When it is time to do so linux.c knows; what becomes of the neighbours and
 * routes is in linux_hops.c and linux_routes.c. Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/attr.h>

#include "control/log.h"
#include "dataplane/publish.h"

#define DUMP_TRIES 4

static int dump(struct ctl_linux *l, int type, int family, int (*each)(struct nl_msg *, void *),
		void *arg)
{
	struct rtgenmsg all = {.rtgen_family = (unsigned char)family};
	int rc = -EAGAIN;

	/* EAGAIN: things changed meanwhile and something may have been skipped. */
	for (int i = 0; i < DUMP_TRIES && rc == -EAGAIN; i++)
		rc = linux_request(l, linux_message(type, NLM_F_DUMP, &all, sizeof(all)), each,
				   arg);
	return rc == -EAGAIN ? 0 : rc;
}

static int on_dumped_hop(struct nl_msg *msg, void *arg)
{
	linux_hop_message(arg, nlmsg_hdr(msg));
	return NL_OK;
}

static int on_dumped_route(struct nl_msg *msg, void *arg)
{
	linux_route_message(arg, nlmsg_hdr(msg), true);
	return NL_OK;
}

struct addresses {
	uint8_t (*addrs)[16];
	uint8_t *families;
	size_t n, room;
	bool failed;
};

static bool addresses_grow(struct addresses *a)
{
	size_t room = a->room ? 2 * a->room : 16;
	void *addrs = realloc(a->addrs, room * sizeof(a->addrs[0]));
	void *families;

	if (!addrs)
		return false;
	a->addrs = addrs;
	families = realloc(a->families, room);
	if (!families)
		return false;
	a->families = families;
	a->room = room;
	return true;
}

static int on_dumped_address(struct nl_msg *msg, void *arg)
{
	struct addresses *a = arg;
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct ifaddrmsg *ifa = nlmsg_data(nlh);
	struct nlattr *local;
	int bytes = (int)linux_addr_bytes(ifa->ifa_family);

	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return NL_OK;
	/* On point-to-point links IFA_ADDRESS is the other end's. */
	local = nlmsg_find_attr(nlh, sizeof(*ifa), IFA_LOCAL);
	if (!local)
		local = nlmsg_find_attr(nlh, sizeof(*ifa), IFA_ADDRESS);
	if (!local || nla_len(local) != bytes)
		return NL_OK;
	if (a->n == a->room && !addresses_grow(a)) {
		a->failed = true;
		return NL_OK;
	}
	memset(a->addrs[a->n], 0, sizeof(a->addrs[0]));
	memcpy(a->addrs[a->n], nla_data(local), (size_t)bytes);
	a->families[a->n++] = ifa->ifa_family;
	return NL_OK;
}

int linux_read_addresses(struct ctl_linux *l)
{
	struct addresses a = {0};
	int rc = dump(l, RTM_GETADDR, AF_UNSPEC, on_dumped_address, &a);

	if (!rc && a.failed)
		rc = -ENOMEM;
	if (!rc)
		rc = dp_publish_locals(l->dp, (const uint8_t(*)[16])a.addrs, a.families, a.n);
	if (rc) {
		free(a.addrs);
		free(a.families);
		return rc;
	}
	free(l->locals);
	free(l->local_families);
	l->locals = a.addrs;
	l->local_families = a.families;
	l->n_locals = a.n;
	return 0;
}

int linux_read_all(struct ctl_linux *l)
{
	int rc;

	l->generation++;
	rc = dump(l, RTM_GETNEIGH, AF_UNSPEC, on_dumped_hop, l);
	if (!rc)
		linux_hops_sweep(l);
	if (!rc)
		rc = dump(l, RTM_GETROUTE, AF_INET, on_dumped_route, l);
	if (!rc)
		rc = dump(l, RTM_GETROUTE, AF_INET6, on_dumped_route, l);
	if (!rc)
		linux_routes_sweep(l);
	if (!rc)
		rc = linux_read_addresses(l);
	if (rc)
		ctl_log_limited(&l->complaints, CTL_ERROR, "reading Linux's routes: %s",
				strerror(-rc));
	return rc;
}

bool linux_is_local(const struct ctl_linux *l, int family, const uint8_t *addr)
{
	for (size_t i = 0; i < l->n_locals; i++)
		if (l->local_families[i] == family &&
		    memcmp(l->locals[i], addr, linux_addr_bytes(family)) == 0)
			return true;
	return false;
}
