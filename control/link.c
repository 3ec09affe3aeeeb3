/*
 * Follows the links of ports, on the control thread: by what netlink tells of interfaces that Linux
 * keeps, by asking the others now and then. Workers see the state in struct dp_link. A port whose
 * device goes is closed once all workers have seen that, and tried again until the device is back:
 *
 *   FOLLOWED --gone--> LEAVING --workers passed--> AWAY --opened--> RETURNING --workers passed--+
 *      ^                                                                                        |
 *      +----------------------------------------------------------------------------------------+
 *
 * Nothing here waits. What a device says of itself and how it is opened is in dataplane/link.c.
 */
#include "control/control.h"

#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

#include "control/log.h"

#define LOOK_EVERY_NS UINT64_C(200000000)
#define OPEN_EVERY_NS UINT64_C(1000000000)
#define PASS_EVERY_NS UINT64_C(1000000) /* workers come round in some 100 us */
/* A driver that has noticed, too, finishes what it began then on DPDK's interrupt thread. */
#define LEAVE_NS	UINT64_C(100000000)
#define NOTICE_EVERY_NS UINT64_C(10000000000)
#define NOTICES_BURST	6

enum phase {
	FOLLOWED,
	LEAVING,   /* workers may still use the device */
	AWAY,	   /* closed */
	RETURNING, /* open again, with facts that workers may see only in part */
};

struct link {
	struct dp_port *port;
	enum phase phase;
	bool deleted; /* Linux told that its interface does not exist any more */
	uint64_t due_ns;
	uint64_t opened_ns; /* or tried to be */
	uint64_t token;	    /* LEAVING, RETURNING: of the workers that must have passed */
	struct ctl_limit notices;
	bool tried;	  /* and DPDK has told what there is to tell */
	char reason[256]; /* why it could not be opened, as told last */
};

struct ctl_links {
	struct ctl *c;
	unsigned int n;
	struct link at[];
};

/* ---- state ---- */

static void tell(struct link *k, enum dp_link_state state)
{
	const struct dp_port *p = k->port;

	if (state == DP_LINK_UP && p->link.speed_mbps != 0)
		ctl_log_limited(&k->notices, CTL_NOTICE, "port %s: link is up, %u Mb/s", p->name,
				p->link.speed_mbps);
	else if (state == DP_LINK_UP)
		ctl_log_limited(&k->notices, CTL_NOTICE, "port %s: link is up", p->name);
	else if (state == DP_LINK_DOWN)
		ctl_log_limited(&k->notices, CTL_WARNING, "port %s: link is down", p->name);
	else
		ctl_log_limited(&k->notices, CTL_WARNING,
				"port %s: device %s has gone: waiting for it to come back", p->name,
				p->device);
}

static void set_carrier(const struct ctl_links *l, const struct dp_port *p, bool carrier)
{
	static struct ctl_limit complaints = {.every_ns = NOTICE_EVERY_NS, .burst = 1};
	int rc = p->shared ? 0 : ctl_face_set_carrier(l->c->face, p, carrier);

	if (rc != 0)
		ctl_log_limited(&complaints, CTL_WARNING,
				"port %s: its interface in Linux does not follow the link: %s",
				p->name, strerror(-rc));
}

/* To workers, Linux and the log; as first seen: no change. */
static void set_state(const struct ctl_links *l, struct link *k, enum dp_link_state state,
		      bool first)
{
	struct dp_port *p = k->port;
	bool change = dp_link_state(&p->link) != state;

	if (change)
		atomic_store_explicit(&p->link.state, (uint8_t)state, memory_order_release);
	if (change && !first)
		p->link.changes++;
	if (state == DP_LINK_UP)
		k->tried = false;
	if (change || first)
		set_carrier(l, p, state == DP_LINK_UP);
	if (change && !(first && state == DP_LINK_UP))
		tell(k, state);
}

/* ---- a device that is there ---- */

static void leave(const struct ctl_links *l, struct link *k)
{
	set_state(l, k, DP_LINK_GONE, false);
	k->token = rte_rcu_qsbr_start(l->c->dp->rcu);
	k->phase = LEAVING;
	k->deleted = false;
	k->reason[0] = '\0';
}

static void look(const struct ctl_links *l, struct link *k, uint64_t now_ns)
{
	struct dp_link_report report;

	dp_link_read(k->port, &report);
	k->port->link.speed_mbps = report.speed_mbps;
	if (k->deleted || report.state == DP_LINK_GONE ||
	    (report.for_ever && now_ns - k->opened_ns >= OPEN_EVERY_NS))
		leave(l, k);
	else if (!report.for_ever || dp_link_state(&k->port->link) != DP_LINK_GONE)
		set_state(l, k, report.state, false);
}

/* ---- one that is not ---- */

static const struct cf_port *configured(const struct ctl *c, const char *name)
{
	for (size_t n = 0; n < c->settings->n_ports; n++)
		if (strcmp(c->settings->ports[n].name, name) == 0)
			return &c->settings->ports[n];
	return NULL;
}

/* A Linux interface that was made anew has nothing of what its predecessor was given. */
static void give_again(struct ctl *c, const struct dp_port *p, uint32_t before)
{
	const struct cf_port *f = configured(c, p->name);
	int rc = 0;

	ctl_face_share_moved(c->face, before, p->linux_ifindex);
	ctl_linux_move_port(c->netlink, p);
	for (size_t n = 0; f != NULL && n < f->addresses.n && rc == 0; n++)
		rc = ctl_linux_set_address(c->netlink, p->linux_ifindex, &f->addresses.at[n], true);
	for (size_t n = 0; f != NULL && n < f->n_routes && rc == 0; n++)
		rc = ctl_linux_set_route(c->netlink, p->linux_ifindex, &f->routes[n], true);
	if (rc != 0)
		ctl_log(CTL_ERROR, "port %s: its addresses and routes can't be set again: %s",
			p->name, strerror(-rc));
}

static void try_open(const struct ctl_links *l, struct link *k, uint64_t now_ns)
{
	struct ctl *c = l->c;
	const struct cf_port *f = configured(c, k->port->name);
	uint32_t before = k->port->linux_ifindex;
	char error[sizeof(k->reason)];
	bool quietly;

	k->opened_ns = now_ns;
	quietly = k->tried;
	k->tried = true;
	if (dp_link_open(k->port, f == NULL ? 0 : f->mtu, c->dp->pool, quietly, error,
			 sizeof(error)) != 0) {
		/* Each cause once, not each second. */
		if (strcmp(error, k->reason) != 0)
			ctl_log_limited(&k->notices, CTL_INFO, "%s", error);
		memcpy(k->reason, error, sizeof(k->reason));
		return;
	}
	dp_link_watch(k->port, &c->dp->control_bell);
	if (k->port->shared)
		give_again(c, k->port, before);
	k->token = rte_rcu_qsbr_start(c->dp->rcu);
	k->phase = RETURNING;
}

/* ---- all of them ---- */

static bool passed(const struct ctl_links *l, const struct link *k)
{
	return rte_rcu_qsbr_check(l->c->dp->rcu, k->token, false) == 1;
}

/* Of a port that is followed. */
static uint64_t look_every_ns(const struct link *k)
{
	return k->port->bond.n > 0 ? k->port->bond.look_every_ms * UINT64_C(1000000)
				   : LOOK_EVERY_NS;
}

/* Returns when it is to be called again. */
static uint64_t advance(const struct ctl_links *l, struct link *k, uint64_t now_ns)
{
	switch (k->phase) {
	case FOLLOWED:
		look(l, k, now_ns);
		return now_ns + (k->phase == FOLLOWED ? look_every_ns(k) : LEAVE_NS);
	case LEAVING:
		if (!passed(l, k))
			return now_ns + PASS_EVERY_NS;
		dp_link_close(k->port);
		k->phase = AWAY;
		return k->opened_ns + OPEN_EVERY_NS;
	case AWAY:
		try_open(l, k, now_ns);
		return now_ns + (k->phase == AWAY ? OPEN_EVERY_NS : PASS_EVERY_NS);
	case RETURNING:
		if (!passed(l, k))
			return now_ns + PASS_EVERY_NS;
		k->phase = FOLLOWED;
		look(l, k, now_ns);
		return now_ns + look_every_ns(k);
	}
	return UINT64_MAX;
}

/* DPDK's interrupt thread told of a removal, and rang. */
static bool is_removed(const struct link *k)
{
	return k->phase == FOLLOWED &&
	       atomic_load_explicit(&k->port->link.removed, memory_order_relaxed);
}

uint64_t ctl_links_advance(struct ctl_links *l, uint64_t now_ns)
{
	uint64_t due_ns = UINT64_MAX;

	for (unsigned int i = 0; i < l->n; i++) {
		struct link *k = &l->at[i];

		if (now_ns >= k->due_ns || is_removed(k))
			k->due_ns = advance(l, k, now_ns);
		due_ns = k->due_ns < due_ns ? k->due_ns : due_ns;
	}
	return due_ns;
}

void ctl_links_changed(struct ctl_links *l, uint32_t ifindex, bool gone)
{
	for (unsigned int i = 0; i < l->n; i++) {
		struct link *k = &l->at[i];

		/* An unknown interface may be the one that a port waits for. */
		if (k->port->shared && k->phase == FOLLOWED && k->port->linux_ifindex == ifindex) {
			k->deleted = gone;
			k->due_ns = 0;
		} else if (k->port->shared && k->phase == AWAY && !gone) {
			k->due_ns = 0;
		}
	}
}

struct ctl_links *ctl_links_new(struct ctl *c)
{
	struct ctl_links *l = calloc(1, sizeof(*l) + c->dp->n_ports * sizeof(l->at[0]));

	if (l == NULL)
		return NULL;
	l->c = c;
	l->n = c->dp->n_ports;
	for (unsigned int i = 0; i < l->n; i++) {
		struct link *k = &l->at[i];
		struct dp_link_report report;

		k->port = c->dp->ports[i];
		k->notices = (struct ctl_limit){.every_ns = NOTICE_EVERY_NS,
						.burst = NOTICES_BURST};
		dp_link_watch(k->port, &c->dp->control_bell);
		dp_link_read(k->port, &report);
		k->port->link.speed_mbps = report.speed_mbps;
		/* One that has gone since it was opened is found in a moment. */
		set_state(l, k, report.state == DP_LINK_UP ? DP_LINK_UP : DP_LINK_DOWN, true);
	}
	return l;
}

void ctl_links_free(struct ctl_links *l)
{
	for (unsigned int i = 0; l != NULL && i < l->n; i++)
		dp_link_unwatch(l->at[i].port);
	free(l);
}
