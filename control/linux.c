/*
 * Follows Linux: hears of changes by netlink, keeps the mirror up to date (linux_routes.c,
 * linux_hops.c, linux_links.c), and reads all anew (linux_read.c) where Linux does not tell: after
 * an overrun, and after a link changed or an address was removed, which takes IPv4 routes along
 * without a word. Also which Linux interface stands for which of ours. Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <netlink/errno.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "control/log.h"
#include "dataplane/publish.h"

/* Room for bursts of changes, as when a routing daemon starts; the kernel charges some 1 KiB for
 * each message. */
#define EVENTS_RECEIVE_BYTES (16 << 20)
/* Pieces that are taken in one go, so that the control thread comes around. */
#define EVENTS_PER_RUN	256
#define RESYNC_EVERY_NS UINT64_C(1000000000)
#define WAYS_EVERY_NS	UINT64_C(100000000)

uint64_t linux_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

unsigned int linux_addr_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* ---- notifications ---- */

static int on_event(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct ctl_linux *l = arg;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (nlmsg_datalen(nlh) >= (int)sizeof(struct ifinfomsg))
			linux_link_message(l, nlh);
		break;
	case RTM_DELADDR:
		l->resync = true;
		/* fallthrough */
	case RTM_NEWADDR:
		l->addresses = true;
		l->ways = true;
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		linux_route_message(l, nlh, false);
		l->ways = true;
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		l->ways = true;
		break;
	case RTM_NEWNETCONF:
		linux_netconf_message(l, nlh);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		linux_hop_message(l, nlh);
		break;
	}
	return NL_OK;
}

static void take_events(struct ctl_linux *l)
{
	int rc = 0;

	for (int i = 0; i < EVENTS_PER_RUN && rc >= 0; i++)
		rc = nl_recvmsgs_default(l->events);
	if (rc >= 0 || rc == -NLE_AGAIN || rc == -NLE_INTR)
		return;
	/* NLE_NOMEM is what libnl makes of ENOBUFS. */
	ctl_log_limited(&l->complaints, CTL_INFO, "netlink: %s: reading all routes again",
			rc == -NLE_NOMEM ? "changes came too fast" : nl_geterror(rc));
	l->resync = true;
	l->ways = true;
}

void ctl_linux_run(struct ctl_linux *l)
{
	uint64_t now_ns = linux_now_ns();

	take_events(l);
	if (l->resync && ctl_limit_take(&l->resyncs, now_ns)) {
		/* What fails is tried again. */
		l->resync = linux_read_all(l) != 0;
		l->addresses = l->resync;
	} else if (l->addresses) {
		l->addresses = linux_read_addresses(l) != 0;
		l->resync |= l->addresses;
	}
	linux_routes_publish(l);
	linux_hops_poke(l);
	linux_hops_tell(l);
	if (l->ways && ctl_limit_take(&l->ways_told, now_ns)) {
		l->ways = false;
		if (l->ops.ways_changed)
			l->ops.ways_changed(l->ctx);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t ctl_linux_due_ns(const struct ctl_linux *l)
{
	uint64_t due_ns = UINT64_MAX;

	if (!l->started)
		return due_ns;
	if (!TAILQ_EMPTY(&l->dirty) || !TAILQ_EMPTY(&l->hops_told))
		return 0;
	if (l->resync || l->addresses)
		due_ns = earlier(due_ns, ctl_limit_next_ns(&l->resyncs));
	if (l->ways)
		due_ns = earlier(due_ns, ctl_limit_next_ns(&l->ways_told));
	if (!TAILQ_EMPTY(&l->hops_poked))
		due_ns = earlier(due_ns, ctl_limit_next_ns(&l->pokes));
	return due_ns;
}

int ctl_linux_fd(const struct ctl_linux *l)
{
	return nl_socket_get_fd(l->events);
}

/* ---- beginning and end ---- */

static int open_events(struct ctl_linux *l)
{
	static const int groups[] = {RTNLGRP_LINK,	  RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
				     RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
				     RTNLGRP_IPV4_RULE,	  RTNLGRP_IPV6_RULE,  RTNLGRP_IPV4_NETCONF,
				     RTNLGRP_IPV6_NETCONF};
	int bytes = EVENTS_RECEIVE_BYTES, rc = 0;

	l->events = linux_socket();
	if (!l->events)
		return -EIO;
	nl_socket_disable_seq_check(l->events);
	nl_socket_modify_cb(l->events, NL_CB_VALID, NL_CB_CUSTOM, on_event, l);
	/* Over net.core.rmem_max, which needs CAP_NET_ADMIN; without, it is smaller. */
	if (setsockopt(nl_socket_get_fd(l->events), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		       sizeof(bytes)) < 0)
		nl_socket_set_buffer_size(l->events, bytes, 0);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]) && !rc; i++)
		rc = nl_socket_add_membership(l->events, groups[i]);
	if (!rc)
		rc = nl_socket_set_nonblocking(l->events);
	return rc ? -EIO : 0;
}

struct ctl_linux *ctl_linux_new(struct dp *dp, const struct ctl_linux_ops *ops, void *ctx,
				char *error, size_t error_size)
{
	struct ctl_linux *l = calloc(1, sizeof(*l));

	if (!l) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	l->dp = dp;
	l->ops = *ops;
	l->ctx = ctx;
	l->resyncs = (struct ctl_limit){.every_ns = RESYNC_EVERY_NS, .burst = 1};
	l->ways_told = (struct ctl_limit){.every_ns = WAYS_EVERY_NS, .burst = 1};
	l->complaints = (struct ctl_limit){.every_ns = RESYNC_EVERY_NS, .burst = 5};
	TAILQ_INIT(&l->dirty);
	TAILQ_INIT(&l->hops_told);
	TAILQ_INIT(&l->hops_poked);
	linux_hops_init(l);
	l->request = linux_socket();
	if (!l->request || open_events(l) != 0 || linux_store_init(l) != 0) {
		snprintf(error, error_size, "netlink: cannot open a socket for routes: %s",
			 strerror(errno));
		ctl_linux_free(l);
		return NULL;
	}
	return l;
}

void ctl_linux_free(struct ctl_linux *l)
{
	if (!l)
		return;
	linux_store_free(l);
	linux_hops_free(l);
	if (l->events)
		nl_socket_free(l->events);
	if (l->request)
		nl_socket_free(l->request);
	free(l->locals);
	free(l->local_families);
	free(l->links);
	free(l);
}

int ctl_linux_start(struct ctl_linux *l)
{
	int rc = linux_read_all(l);

	if (rc)
		return rc;
	l->started = true;
	linux_routes_publish(l);
	return 0;
}

/* ---- bindings ---- */

const struct linux_binding *linux_binding(const struct ctl_linux *l, uint32_t ifindex)
{
	for (unsigned int i = 0; i < l->n_bindings; i++)
		if (l->bindings[i].ifindex == ifindex)
			return &l->bindings[i];
	return NULL;
}

static int bind_one(struct ctl_linux *l, const struct linux_binding *b)
{
	if (b->ifindex == 0)
		return -ENODEV;
	if (l->n_bindings == LINUX_BINDINGS_MAX || linux_binding(l, b->ifindex))
		return -EEXIST;
	l->bindings[l->n_bindings++] = *b;
	l->ways = true;
	linux_routes_rebind(l);
	if (l->started)
		linux_routes_publish(l);
	return 0;
}

int ctl_linux_bind_port(struct ctl_linux *l, const struct dp_port *port)
{
	return bind_one(l, &(struct linux_binding){.ifindex = port->linux_ifindex, .port = port});
}

void ctl_linux_move_port(struct ctl_linux *l, const struct dp_port *port)
{
	for (unsigned int i = 0; i < l->n_bindings; i++)
		if (l->bindings[i].port == port)
			l->bindings[i].ifindex = port->linux_ifindex;
	l->ways = true;
	linux_routes_rebind(l);
	linux_routes_publish(l);
}

int ctl_linux_bind_iface(struct ctl_linux *l, const struct dp_iface *iface, uint32_t ifindex)
{
	return bind_one(l, &(struct linux_binding){.ifindex = ifindex, .iface_id = iface->id});
}

void ctl_linux_unbind_iface(struct ctl_linux *l, const struct dp_iface *iface)
{
	for (unsigned int i = 0; i < l->n_bindings; i++) {
		if (l->bindings[i].port || l->bindings[i].iface_id != iface->id)
			continue;
		l->bindings[i] = l->bindings[--l->n_bindings];
		linux_routes_rebind(l);
		if (l->started)
			linux_routes_publish(l);
		return;
	}
}
