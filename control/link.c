/*
 * Follows the links of devices, on the control thread: by what netlink tells of interfaces that
 * Linux keeps, by asking the others now and then. Workers see the state in struct dp_link. A device
 * that goes is closed once all workers have seen that, and tried again until it is back:
 *
 *   FOLLOWED --gone--> LEAVING --workers passed--> CLOSING --closed--> AWAY --+
 *      ^                                                                      |
 *      +--workers passed-- RETURNING <-----------------opened-----------------+
 *
 * Also the interfaces in Linux of shared devices' ports: they go with the device, and a VLAN's may
 * go alone. Nothing here waits. What a device says of itself and how it is opened is in
 * dataplane/device_link.c, its ports and their interfaces are in ports.c.
 */
#include "control/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

#include "control/closer.h"
#include "control/face.h"
#include "control/log.h"
#include "control/ports.h"

#define LOOK_EVERY_NS	 UINT64_C(200000000)
#define OPEN_EVERY_NS	 UINT64_C(1000000000)
#define PASS_EVERY_NS	 UINT64_C(1000000) /* workers come round in some 100 us */
#define CLOSING_EVERY_NS UINT64_C(20000000)
/* A driver that has noticed, too, finishes what it began then on DPDK's interrupt thread. */
#define LEAVE_NS	UINT64_C(100000000)
#define NOTICE_EVERY_NS UINT64_C(10000000000)
#define NOTICES_BURST	6
#define REASON_BYTES	256
#define NAMES_BYTES	256

enum phase {
	FOLLOWED,
	LEAVING,   /* workers may still use the device */
	CLOSING,   /* by the closer, whose device it is */
	AWAY,	   /* closed */
	RETURNING, /* open again, with facts that workers may see only in part */
};

struct link {
	struct dp_device *device;
	enum phase phase;
	bool deleted; /* Linux told that its interface does not exist any more */
	uint64_t due_ns;
	uint64_t opened_ns; /* or tried to be */
	uint64_t token;	    /* LEAVING, RETURNING: of the workers that must have passed */
	struct ctl_limit notices;
	bool tried;		   /* and DPDK has told what there is to tell */
	char reason[REASON_BYTES]; /* why it could not be opened, as told last */
};

/* A shared port's interface in Linux. */
struct face {
	bool missing;
	uint64_t due_ns;
	char reason[REASON_BYTES]; /* why it is not back, as told last */
};

struct ctl_links {
	struct ctl *c;
	struct ctl_closer closer;
	struct face faces[DP_PORTS_MAX]; /* by port */
	unsigned int n;
	struct link at[];
};

/* ---- state ---- */

/* "port wan", "ports wan, lan" */
static void name_ports(const struct dp *dp, const struct dp_device *d, char names[NAMES_BYTES])
{
	const char *before = d->n_ports == 1 ? "port " : "ports ";
	size_t at = 0;

	names[0] = '\0';
	for (unsigned int i = 0; i < dp->n_ports && at < NAMES_BYTES; i++) {
		if (dp->ports[i]->device != d)
			continue;
		at += (size_t)snprintf(names + at, NAMES_BYTES - at, "%s%s", before,
				       dp->ports[i]->name);
		before = ", ";
	}
}

static void tell(const struct ctl_links *l, struct link *k, enum dp_link_state state)
{
	const struct dp_device *d = k->device;
	char names[NAMES_BYTES];

	name_ports(l->c->dp, d, names);
	if (state == DP_LINK_UP && d->link.speed_mbps != 0)
		ctl_log_limited(&k->notices, CTL_NOTICE, "%s: link is up, %u Mb/s", names,
				d->link.speed_mbps);
	else if (state == DP_LINK_UP)
		ctl_log_limited(&k->notices, CTL_NOTICE, "%s: link is up", names);
	else if (state == DP_LINK_DOWN)
		ctl_log_limited(&k->notices, CTL_WARNING, "%s: link is down", names);
	else
		ctl_log_limited(&k->notices, CTL_WARNING,
				"%s: device %s has gone: waiting for it to come back", names,
				d->device);
}

/* To the TAPs of all its ports. */
static void set_carrier(const struct ctl_links *l, const struct dp_device *d, bool carrier)
{
	static struct ctl_limit complaints = {.every_ns = NOTICE_EVERY_NS, .burst = 1};

	for (unsigned int i = 0; i < l->c->dp->n_ports && !d->shared; i++) {
		const struct dp_port *p = l->c->dp->ports[i];
		int rc = p->device == d ? ctl_face_set_carrier(l->c->face, p, carrier) : 0;

		if (rc != 0)
			ctl_log_limited(
				&complaints, CTL_WARNING,
				"port %s: its interface in Linux does not follow the link: %s",
				p->name, strerror(-rc));
	}
}

/* To workers, Linux and the log; as first seen: no change. */
static void set_state(const struct ctl_links *l, struct link *k, enum dp_link_state state,
		      bool first)
{
	struct dp_device *d = k->device;
	bool change = dp_link_state(&d->link) != state;

	if (change)
		atomic_store_explicit(&d->link.state, (uint8_t)state, memory_order_release);
	if (change && !first)
		d->link.changes++;
	if (state == DP_LINK_UP)
		k->tried = false;
	if (change || first)
		set_carrier(l, d, state == DP_LINK_UP);
	if (change && !(first && state == DP_LINK_UP))
		tell(l, k, state);
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

	dp_link_read(k->device, &report);
	k->device->link.speed_mbps = report.speed_mbps;
	if (k->deleted || report.state == DP_LINK_GONE ||
	    (report.for_ever && now_ns - k->opened_ns >= OPEN_EVERY_NS))
		leave(l, k);
	else if (!report.for_ever || dp_link_state(&k->device->link) != DP_LINK_GONE)
		set_state(l, k, report.state, false);
}

/* ---- one that is not ---- */

/* Each cause once, not each second. */
static void tell_reason(struct ctl_limit *limit, char reason[REASON_BYTES], const char *now)
{
	if (strcmp(now, reason) != 0)
		ctl_log_limited(limit, CTL_INFO, "%s", now);
	snprintf(reason, REASON_BYTES, "%s", now);
}

static void try_open(struct ctl_links *l, struct link *k, uint64_t now_ns)
{
	struct ctl *c = l->c;
	char error[REASON_BYTES];
	bool quietly = k->tried;

	k->opened_ns = now_ns;
	k->tried = true;
	if (ctl_device_reopen(c, k->device, quietly, error, sizeof(error)) != 0) {
		tell_reason(&k->notices, k->reason, error);
		return;
	}
	dp_link_watch(k->device, &c->dp->control_bell);
	for (unsigned int i = 0; i < c->dp->n_ports; i++)
		if (k->device->shared && c->dp->ports[i]->device == k->device)
			l->faces[i] = (struct face){.missing = true};
	k->token = rte_rcu_qsbr_start(c->dp->rcu);
	k->phase = RETURNING;
}

/* ---- interfaces of shared devices' ports ---- */

static void try_face(struct ctl_links *l, struct dp_port *port, struct face *f, uint64_t now_ns)
{
	static struct ctl_limit notices = {.every_ns = NOTICE_EVERY_NS, .burst = NOTICES_BURST};
	char error[REASON_BYTES];

	if (ctl_port_face_again(l->c, port, error, sizeof(error)) == 0) {
		*f = (struct face){.missing = false};
		return;
	}
	tell_reason(&notices, f->reason, error);
	f->due_ns = now_ns + OPEN_EVERY_NS;
}

static bool is_there(const struct link *k)
{
	return k->phase == FOLLOWED || k->phase == RETURNING;
}

/* Of devices that are there. Returns when it is to be called again. */
static uint64_t advance_faces(struct ctl_links *l, uint64_t now_ns)
{
	uint64_t due_ns = UINT64_MAX;

	for (unsigned int i = 0; i < l->c->dp->n_ports; i++) {
		struct dp_port *port = l->c->dp->ports[i];
		struct face *f = &l->faces[i];

		if (!f->missing || !is_there(&l->at[port->device->id]))
			continue;
		if (now_ns >= f->due_ns)
			try_face(l, port, f, now_ns);
		if (f->missing && f->due_ns < due_ns)
			due_ns = f->due_ns;
	}
	return due_ns;
}

/* Without its device it waits until that is back. */
static void face_changed(struct ctl_links *l, const struct dp_port *port, uint32_t ifindex,
			 bool gone)
{
	struct face *f = &l->faces[port->id];

	if (gone && port->vlan != 0 && port->linux_ifindex == ifindex)
		*f = (struct face){.missing = true};
	else if (!gone && f->missing)
		f->due_ns = 0;
}

/* ---- all of them ---- */

static bool passed(const struct ctl_links *l, const struct link *k)
{
	return rte_rcu_qsbr_check(l->c->dp->rcu, k->token, false) == 1;
}

/* Of a device that is followed. */
static uint64_t look_every_ns(const struct link *k)
{
	return k->device->bond.n > 0 ? k->device->bond.look_every_ms * UINT64_C(1000000)
				     : LOOK_EVERY_NS;
}

/* Returns when it is to be called again. */
static uint64_t advance(struct ctl_links *l, struct link *k, uint64_t now_ns)
{
	switch (k->phase) {
	case FOLLOWED:
		look(l, k, now_ns);
		return now_ns + (k->phase == FOLLOWED ? look_every_ns(k) : LEAVE_NS);
	case LEAVING:
		if (!passed(l, k))
			return now_ns + PASS_EVERY_NS;
		if (!ctl_closer_rests(&l->closer))
			return now_ns + CLOSING_EVERY_NS;
		ctl_closer_start(&l->closer, k->device);
		k->phase = CLOSING;
		return now_ns + PASS_EVERY_NS;
	case CLOSING:
		if (!ctl_closer_ended(&l->closer))
			return now_ns + CLOSING_EVERY_NS;
		k->phase = AWAY;
		return k->opened_ns + OPEN_EVERY_NS;
	case AWAY:
		if (!ctl_closer_rests(&l->closer))
			return now_ns + CLOSING_EVERY_NS;
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
	       atomic_load_explicit(&k->device->link.removed, memory_order_relaxed);
}

uint64_t ctl_links_advance(struct ctl_links *l, uint64_t now_ns)
{
	uint64_t due_ns = UINT64_MAX, faces_ns;

	for (unsigned int i = 0; i < l->n; i++) {
		struct link *k = &l->at[i];

		if (now_ns >= k->due_ns || is_removed(k))
			k->due_ns = advance(l, k, now_ns);
		due_ns = k->due_ns < due_ns ? k->due_ns : due_ns;
	}
	faces_ns = advance_faces(l, now_ns);
	return faces_ns < due_ns ? faces_ns : due_ns;
}

void ctl_links_changed(struct ctl_links *l, uint32_t ifindex, bool gone)
{
	for (unsigned int i = 0; i < l->n; i++) {
		struct link *k = &l->at[i];

		/* An unknown interface may be the one that a port waits for. */
		if (k->device->shared && k->phase == FOLLOWED &&
		    k->device->linux_ifindex == ifindex) {
			k->deleted = gone;
			k->due_ns = 0;
		} else if (k->device->shared && k->phase == AWAY && !gone) {
			k->due_ns = 0;
		}
	}
	for (unsigned int i = 0; i < l->c->dp->n_ports; i++)
		if (l->c->dp->ports[i]->shared)
			face_changed(l, l->c->dp->ports[i], ifindex, gone);
}

struct ctl_links *ctl_links_new(struct ctl *c)
{
	struct ctl_links *l = calloc(1, sizeof(*l) + c->dp->n_devices * sizeof(l->at[0]));

	if (l == NULL)
		return NULL;
	l->c = c;
	l->n = c->dp->n_devices;
	for (unsigned int i = 0; i < l->n; i++) {
		struct link *k = &l->at[i];
		struct dp_link_report report;

		k->device = c->dp->devices[i];
		k->notices = (struct ctl_limit){.every_ns = NOTICE_EVERY_NS,
						.burst = NOTICES_BURST};
		dp_link_watch(k->device, &c->dp->control_bell);
		dp_link_read(k->device, &report);
		k->device->link.speed_mbps = report.speed_mbps;
		/* One that has gone since it was opened is found in a moment. */
		set_state(l, k, report.state == DP_LINK_UP ? DP_LINK_UP : DP_LINK_DOWN, true);
	}
	return l;
}

void ctl_links_free(struct ctl_links *l)
{
	if (l != NULL)
		ctl_closer_stop(&l->closer);
	for (unsigned int i = 0; l != NULL && i < l->n; i++)
		dp_link_unwatch(l->at[i].device);
	free(l);
}
