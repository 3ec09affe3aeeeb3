/*
 * WireGuard interfaces as control keeps them: TUN, tables, handshake device, UAPI socket, and what
 * is set in Linux for them. Control thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/control.h"
#include "control/log.h"

#define UAPI_DIRECTORY "/var/run/wireguard"
/* A port that no peer needs any more is received on for some time: the far end answers to it until
 * it has heard us from another. Within this time a passive keepalive answers what it sends. */
#define FREE_AFTER_NS (15 * WG_NS_PER_S)

struct ctl_iface *ctl_iface_by_name(const struct ctl *c, const char *name)
{
	for (unsigned int k = 0; k < DP_IFACES_MAX; k++)
		if (c->ifaces[k] != NULL && strcmp(c->ifaces[k]->name, name) == 0)
			return c->ifaces[k];
	return NULL;
}

/* The TUN and its place in Linux. */
static int face_up(struct ctl_iface *i)
{
	struct ctl *c = i->ctl;
	char error[256];
	int rc = ctl_face_add_tun(c->face, i->dp, i->mtu, error, sizeof(error));

	if (rc < 0) {
		ctl_log(CTL_ERROR, "%s: %s", i->name, error);
		return rc;
	}
	i->ifindex = (uint32_t)rc;
	rc = ctl_linux_bind_iface(c->netlink, i->dp, i->ifindex);
	if (rc == 0)
		rc = ctl_linux_link_up(c->netlink, i->ifindex, i->mtu);
	if (rc != 0) {
		ctl_log(CTL_ERROR, "%s: cannot bring the TUN up: %s", i->name, strerror(-rc));
		ctl_linux_unbind_iface(c->netlink, i->dp);
		ctl_face_remove_tun(c->face, i->dp->id);
	}
	return rc;
}

static int uapi_up(struct ctl_iface *i)
{
	char path[sizeof(UAPI_DIRECTORY) + CF_NAME_BYTES + 8];

	snprintf(path, sizeof(path), UAPI_DIRECTORY "/%s.sock", i->name);
	i->uapi = cf_uapi_open(path, &ctl_uapi_ops, i);
	if (i->uapi == NULL) {
		ctl_log(CTL_ERROR, "%s: %s: %m", i->name, path);
		return -errno;
	}
	return ctl_watch(i->ctl, cf_uapi_fd(i->uapi), i);
}

struct ctl_iface *ctl_iface_new(struct ctl *c, const char *name, uint16_t mtu)
{
	struct ctl_iface *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return NULL;
	i->ctl = c;
	i->mtu = mtu;
	TAILQ_INIT(&i->peers);
	snprintf(i->name, sizeof(i->name), "%s", name);
	i->hs = hs_device_new(&ctl_hs_ops, i);
	if (i->hs == NULL)
		goto fail_hs;
	i->dp = dp_publish_iface(c->dp, name, mtu);
	if (i->dp == NULL) {
		ctl_log(CTL_ERROR, "%s: %m (at most %d interfaces)", name, DP_IFACES_MAX);
		goto fail_dp;
	}
	if (face_up(i) != 0)
		goto fail_face;
	if (uapi_up(i) != 0)
		goto fail_uapi;
	c->ifaces[i->dp->id] = i;
	return i;

fail_uapi:
	cf_uapi_close(i->uapi);
	ctl_linux_unbind_iface(c->netlink, i->dp);
	ctl_face_remove_tun(c->face, i->dp->id);
fail_face:
	dp_retire_iface(c->dp, i->dp);
fail_dp:
	hs_device_free(i->hs);
fail_hs:
	free(i);
	return NULL;
}

void ctl_iface_free(struct ctl_iface *i)
{
	struct ctl *c = i->ctl;
	struct ctl_peer *p;

	while ((p = TAILQ_FIRST(&i->peers)) != NULL)
		ctl_peer_remove(p);
	c->ifaces[i->dp->id] = NULL;
	ctl_unwatch(c, cf_uapi_fd(i->uapi));
	cf_uapi_close(i->uapi);
	dp_publish_listen(i->dp, 0, 0);
	ctl_linux_unbind_iface(c->netlink, i->dp);
	ctl_face_remove_tun(c->face, i->dp->id);
	ctl_guard_close(&i->guard);
	dp_retire_iface(c->dp, i->dp);
	hs_device_free(i->hs);
	free(i->addresses.at);
	free(i->routes.at);
	free(i);
}

void ctl_iface_ways_anew(struct ctl_iface *i)
{
	i->way_cursor = TAILQ_FIRST(&i->peers);
}

/* How many ports are listened on: as many as that peer is sent to from that has most. */
static uint16_t most_ports(const struct ctl_iface *i)
{
	uint16_t n = CF_SOURCE_PORTS_MAX;

	while (n > 1 && i->n_with_ports[n] == 0)
		n--;
	return n;
}

/* What another interface no longer needs is given to this one. */
static void take_from_others(struct ctl_iface *i, uint16_t port, uint16_t n)
{
	for (unsigned int k = 0; k < DP_IFACES_MAX; k++) {
		struct ctl_iface *other = i->ctl->ifaces[k];

		if (other == NULL || other == i || other->ports_until_ns == 0 ||
		    port >= other->guard.port + other->guard.n || other->guard.port >= port + n)
			continue;
		other->ports_until_ns = i->ctl->now.mono_ns;
		ctl_iface_free_ports(other);
	}
}

/* A port is held as long as workers receive on it. */
static int listen_on(struct ctl_iface *i, uint16_t port, uint16_t n)
{
	int rc;

	if (port == i->guard.port && n < i->guard.n)
		dp_publish_listen(i->dp, port, n);
	else if (port != 0)
		take_from_others(i, port, n);
	rc = ctl_guard_move(&i->guard, port, n);
	if (rc != 0)
		return rc;
	dp_publish_listen(i->dp, i->guard.port, i->guard.n);
	i->ports_until_ns = 0;
	return 0;
}

static void count(struct ctl_iface *i, uint8_t was, uint8_t is)
{
	i->n_with_ports[was] -= was > 1;
	i->n_with_ports[is] += is > 1;
}

int ctl_iface_count_ports(struct ctl_iface *i, uint8_t was, uint8_t is)
{
	uint16_t before = most_ports(i), n;
	int rc = 0;

	count(i, was, is);
	n = most_ports(i);
	if (i->guard.n == 0)
		return 0;
	if (n > i->guard.n)
		rc = listen_on(i, i->guard.port, n);
	else if (n == i->guard.n)
		i->ports_until_ns = 0;
	else if (n < before)
		i->ports_until_ns = i->ctl->now.mono_ns + FREE_AFTER_NS;
	if (rc != 0)
		count(i, is, was);
	return rc;
}

uint64_t ctl_iface_free_ports(struct ctl_iface *i)
{
	if (i->ports_until_ns == 0)
		return UINT64_MAX;
	if (i->ctl->now.mono_ns < i->ports_until_ns)
		return i->ports_until_ns;
	i->ports_until_ns = 0;
	/* Fewer of the same can be had always. */
	listen_on(i, i->guard.port, most_ports(i));
	return UINT64_MAX;
}

int ctl_iface_set_listen_port(struct ctl_iface *i, uint16_t port)
{
	struct ctl_peer *p;
	int rc;

	if (port != 0 && port == i->guard.port) {
		i->listen_port_wanted = port;
		return 0;
	}
	rc = listen_on(i, port, most_ports(i));
	if (rc != 0)
		return rc;
	i->listen_port_wanted = port;
	/* The local address is forgotten with the socket that it belonged to (protocol 4.7). */
	TAILQ_FOREACH (p, &i->peers, link) {
		struct wg_endpoint to = *hs_peer_endpoint(p->hs);

		if (!to.has_local)
			continue;
		to.has_local = false;
		hs_peer_set_endpoint(p->hs, &to);
	}
	ctl_iface_ways_anew(i);
	return 0;
}

int ctl_iface_set_mtu(struct ctl_iface *i, uint16_t mtu)
{
	int rc = ctl_linux_link_up(i->ctl->netlink, i->ifindex, mtu);

	if (rc != 0)
		return rc;
	i->mtu = mtu;
	dp_publish_mtu(i->dp, mtu);
	return 0;
}

void ctl_iface_set_key(struct ctl_iface *i, const uint8_t *key)
{
	uint8_t own[WG_KEY_BYTES];
	struct ctl_peer *p;

	hs_device_set_key(i->hs, &i->ctl->now, key);
	if (hs_device_public_key(i->hs, own)) {
		p = ctl_peer_find(i, own);
		if (p != NULL)
			ctl_peer_remove(p);
	}
	/* Peers with a keepalive, or with packets that wait, start at once. */
	TAILQ_FOREACH (p, &i->peers, link) {
		if (p->staged_n == 0 && hs_peer_keepalive_s(p->hs) == 0)
			continue;
		p->wants_session = true;
		ctl_peer_defer(p);
	}
}

void ctl_iface_set_fwmark(struct ctl_iface *i, uint32_t mark)
{
	i->fwmark = mark;
	ctl_iface_ways_anew(i);
}

/* Adds to or removes from a set of prefixes; the caller knows that it does not add one twice. */
static int keep(struct cf_prefixes *set, const struct cf_prefix *p, bool add)
{
	if (!add) {
		for (size_t k = 0; k < set->n; k++)
			if (cf_prefix_compare(&set->at[k], p) == 0)
				set->at[k--] = set->at[--set->n];
		return 0;
	}
	/* Room for a power of two, so that a long list is not copied for each entry. */
	if ((set->n & (set->n - 1)) == 0) {
		size_t size = set->n == 0 ? 1 : 2 * set->n;
		struct cf_prefix *at = realloc(set->at, size * sizeof(*at));

		if (at == NULL)
			return -ENOMEM;
		set->at = at;
	}
	set->at[set->n++] = *p;
	return 0;
}

int ctl_iface_set_address(struct ctl_iface *i, const struct cf_prefix *p, bool add)
{
	int rc = ctl_linux_set_address(i->ctl->netlink, i->ifindex, p, add);

	return rc != 0 ? rc : keep(&i->addresses, p, add);
}

int ctl_iface_set_route(struct ctl_iface *i, const struct cf_route *r, bool add)
{
	int rc = ctl_linux_set_route(i->ctl->netlink, i->ifindex, r, add);

	return rc != 0 ? rc : keep(&i->routes, &r->to, add);
}
