/*
 * Netlink: one socket that hears of changes, one for round trips. Reads what there is, keeps the
 * mirror up to date (linux_routes.c, linux_hops.c), and reads all anew where Linux does not tell:
 * after an overrun, and after a link went down or an address was removed, which takes IPv4 routes
 * along without a word. Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <netlink/attr.h>
#include <netlink/errno.h>

#include "control/log.h"
#include "dataplane/publish.h"

/* Room for bursts of changes, as when a routing daemon starts; the kernel charges some 1 KiB for
 * each message. */
#define EVENTS_RECEIVE_BYTES (16 << 20)
/* Greatest piece of a dump that the kernel makes. */
#define MESSAGE_BYTES 65536
/* Pieces that are taken in one go, so that the control thread comes around. */
#define EVENTS_PER_RUN	256
#define DUMP_TRIES	4
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

/* ---- round trips ---- */

struct round_trip {
	int err;
	bool done;
};

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct round_trip *t = arg;

	t->err = e->error;
	t->done = true;
	return NL_STOP;
}

static int on_done(struct nl_msg *msg, void *arg)
{
	struct round_trip *t = arg;
	const struct nlmsghdr *nlh = nlmsg_hdr(msg);
	int err = 0;

	/* A dump may end with an error in the place of an error message. */
	if (nlh->nlmsg_type == NLMSG_DONE && nlmsg_datalen(nlh) >= (int)sizeof(err))
		memcpy(&err, nlmsg_data(nlh), sizeof(err));
	t->err = err < 0 ? err : 0;
	t->done = true;
	return NL_STOP;
}

static int await(struct ctl_linux *l, int (*each)(struct nl_msg *, void *), void *arg)
{
	struct round_trip t = {0};
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rc = 0;

	if (!cb)
		return -ENOMEM;
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &t);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_done, &t);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, &t);
	if (each)
		nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, each, arg);
	while (!t.done && (rc >= 0 || rc == -NLE_INTR))
		rc = nl_recvmsgs(l->request, cb);
	nl_cb_put(cb);
	if (t.err)
		return t.err;
	if (rc == -NLE_DUMP_INTR)
		return -EAGAIN;
	return t.done ? 0 : -EIO;
}

int linux_request(struct ctl_linux *l, struct nl_msg *msg, int (*each)(struct nl_msg *, void *),
		  void *arg)
{
	int rc;

	if (!msg)
		return -ENOMEM;
	rc = nl_send_auto(l->request, msg);
	nlmsg_free(msg);
	if (rc >= 0)
		rc = await(l, each, arg);
	else
		rc = -EIO;
	if (rc == -EIO)
		ctl_log_limited(&l->complaints, CTL_ERROR, "netlink: a request was not answered");
	return rc;
}

struct nl_msg *linux_message(int type, int flags, void *header, size_t header_bytes)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, header, header_bytes, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/* ---- reading all ---- */

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

static int read_addresses(struct ctl_linux *l)
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

static int read_all(struct ctl_linux *l)
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
		rc = read_addresses(l);
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

/* ---- notifications ---- */

static void link_message(struct ctl_linux *l, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = nlmsg_data(nlh);
	bool gone = nlh->nlmsg_type == RTM_DELLINK || !(ifi->ifi_flags & IFF_UP);

	if (nlh->nlmsg_type == RTM_NEWLINK && !(ifi->ifi_change & (IFF_UP | IFF_RUNNING)))
		return;
	l->ways = true;
	if (gone && linux_routes_use(l, (uint32_t)ifi->ifi_index))
		l->resync = true;
}

static int on_event(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct ctl_linux *l = arg;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (nlmsg_datalen(nlh) >= (int)sizeof(struct ifinfomsg))
			link_message(l, nlh);
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
		l->resync = read_all(l) != 0;
		l->addresses = l->resync;
	} else if (l->addresses) {
		l->addresses = read_addresses(l) != 0;
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

static struct nl_sock *open_socket(void)
{
	struct nl_sock *s = nl_socket_alloc();
	int rc;

	if (!s)
		return NULL;
	rc = nl_connect(s, NETLINK_ROUTE);
	if (rc < 0 || nl_socket_set_msg_buf_size(s, MESSAGE_BYTES) < 0) {
		nl_socket_free(s);
		return NULL;
	}
	return s;
}

static int open_events(struct ctl_linux *l)
{
	static const int groups[] = {RTNLGRP_LINK,	  RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
				     RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
				     RTNLGRP_IPV4_RULE,	  RTNLGRP_IPV6_RULE};
	int bytes = EVENTS_RECEIVE_BYTES, rc = 0;

	l->events = open_socket();
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
	l->request = open_socket();
	if (!l->request || open_events(l) != 0 || linux_routes_init(l) != 0) {
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
	linux_routes_free(l);
	linux_hops_free(l);
	if (l->events)
		nl_socket_free(l->events);
	if (l->request)
		nl_socket_free(l->request);
	free(l->locals);
	free(l->local_families);
	free(l);
}

int ctl_linux_start(struct ctl_linux *l)
{
	int rc = read_all(l);

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
