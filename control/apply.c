/*
 * From what runs to what the operator wants: a model of the running state is compared with the
 * wanted one, and the edits are carried out in order. Control thread. `wg` makes its edits one by
 * one in serve_uapi.c, by the same functions.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/keytext.h"
#include "control/control.h"
#include "control/log.h"
#include "crypto/ct.h"

/* ---- the running state as a model ---- */

static int copy_prefixes(struct cf_prefixes *to, const struct cf_prefixes *from)
{
	if (from->n == 0)
		return 0;
	to->at = malloc(from->n * sizeof(*to->at));
	if (to->at == NULL)
		return -ENOMEM;
	memcpy(to->at, from->at, from->n * sizeof(*to->at));
	to->n = from->n;
	return 0;
}

static int snapshot_peer(struct cf_peer *to, const struct ctl_peer *p)
{
	memcpy(to->public_key, hs_peer_public_key(p->hs), sizeof(to->public_key));
	memcpy(to->psk, hs_peer_psk(p->hs), sizeof(to->psk));
	memcpy(to->name, p->name, sizeof(to->name));
	to->endpoint = p->configured;
	to->source_ports = p->source_ports;
	to->keepalive_s = hs_peer_keepalive_s(p->hs);
	return ctl_peer_allowed(p, &to->allowed.at, &to->allowed.n);
}

static int snapshot_iface(struct cf_interface *to, const struct ctl_iface *i)
{
	const struct ctl_peer *p;
	int rc;

	memcpy(to->name, i->name, sizeof(to->name));
	hs_device_private_key(i->hs, to->private_key);
	to->listen_port = i->listen_port_wanted;
	to->mtu = i->mtu;
	to->fwmark = i->fwmark;
	/* Routes as they were set, whatever policy they came from. */
	to->route_policy = CF_ROUTES_LIST;
	rc = copy_prefixes(&to->addresses, &i->addresses);
	if (rc == 0)
		rc = copy_prefixes(&to->routes, &i->routes);
	if (rc != 0 || i->n_peers == 0)
		return rc;
	to->peers = calloc(i->n_peers, sizeof(*to->peers));
	if (to->peers == NULL)
		return -ENOMEM;
	TAILQ_FOREACH (p, &i->peers, link) {
		rc = snapshot_peer(&to->peers[to->n_peers++], p);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Settings and ports are lent from c->settings: see give_back(). */
static struct cf_config *snapshot(const struct ctl *c)
{
	struct cf_config *model = malloc(sizeof(*model));
	int rc = 0;

	if (model == NULL)
		return NULL;
	*model = *c->settings;
	model->n_interfaces = 0;
	model->interfaces = calloc(DP_IFACES_MAX, sizeof(*model->interfaces));
	for (unsigned int k = 0; model->interfaces != NULL && k < DP_IFACES_MAX && rc == 0; k++)
		if (c->ifaces[k] != NULL)
			rc = snapshot_iface(&model->interfaces[model->n_interfaces++],
					    c->ifaces[k]);
	if (model->interfaces != NULL && rc == 0)
		return model;
	return NULL; /* out of memory: the process is about to end in any case */
}

static void give_back(struct cf_config *model)
{
	model->path = model->socket = NULL;
	model->ports = NULL;
	model->n_ports = 0;
	cf_config_free(model);
}

/* ---- edits ---- */

static struct ctl_peer *peer_of(struct ctl *c, const struct cf_edit *e)
{
	struct ctl_iface *i = ctl_iface_by_name(c, e->interface->name);

	return i == NULL ? NULL : ctl_peer_find(i, e->peer->public_key);
}

static uint32_t port_ifindex(const struct ctl *c, const char *name)
{
	for (unsigned int k = 0; k < c->dp->n_ports; k++)
		if (strcmp(c->dp->ports[k]->name, name) == 0)
			return c->dp->ports[k]->linux_ifindex;
	return 0;
}

static int edit_address(struct ctl *c, const struct cf_edit *e, bool add)
{
	if (e->port != NULL)
		return ctl_linux_set_address(c->netlink, port_ifindex(c, e->port->name), &e->prefix,
					     add);
	return ctl_iface_set_address(ctl_iface_by_name(c, e->interface->name), &e->prefix, add);
}

static int edit_route(struct ctl *c, const struct cf_edit *e, bool add)
{
	if (e->port != NULL)
		return ctl_linux_set_route(c->netlink, port_ifindex(c, e->port->name), &e->route,
					   add);
	return ctl_iface_set_route(ctl_iface_by_name(c, e->interface->name), &e->route, add);
}

static int add_peer(struct ctl *c, const struct cf_edit *e)
{
	struct ctl_iface *i = ctl_iface_by_name(c, e->interface->name);
	struct ctl_peer *p = ctl_peer_new(i, e->peer->public_key);

	if (p == NULL)
		return -errno;
	memcpy(p->name, e->peer->name, sizeof(p->name));
	return 0;
}

static int edit_peer(struct ctl *c, const struct cf_edit *e)
{
	struct ctl_peer *p = peer_of(c, e);

	if (p == NULL)
		return -ENOENT;
	switch (e->kind) {
	case CF_EDIT_PEER_REMOVE:
		ctl_peer_remove(p);
		return 0;
	case CF_EDIT_PEER_NAME:
		memcpy(p->name, e->peer->name, sizeof(p->name));
		return 0;
	case CF_EDIT_PEER_PSK:
		hs_peer_set_psk(p->hs, e->peer->psk);
		return 0;
	case CF_EDIT_PEER_ENDPOINT:
		ctl_peer_set_endpoint(p, &e->peer->endpoint);
		return 0;
	case CF_EDIT_PEER_FEWER_PORTS:
	case CF_EDIT_PEER_MORE_PORTS:
		return ctl_peer_set_source_ports(p, e->peer->source_ports);
	case CF_EDIT_PEER_KEEPALIVE:
		hs_peer_set_keepalive(p->hs, &c->now, e->peer->keepalive_s);
		return 0;
	case CF_EDIT_PREFIX_ADD:
		return ctl_peer_allow(p, &e->prefix);
	case CF_EDIT_PREFIX_REMOVE:
		/* Another peer may have taken it already. */
		ctl_peer_disallow(p, &e->prefix);
		return 0;
	default:
		return -EINVAL;
	}
}

static int edit_iface(struct ctl *c, const struct cf_edit *e)
{
	struct ctl_iface *i = ctl_iface_by_name(c, e->interface->name);

	if (e->kind == CF_EDIT_INTERFACE_ADD)
		return ctl_iface_new(c, e->interface->name, e->interface->mtu) == NULL ? -EIO : 0;
	if (i == NULL)
		return -ENOENT;
	switch (e->kind) {
	case CF_EDIT_INTERFACE_REMOVE:
		ctl_iface_free(i);
		return 0;
	case CF_EDIT_INTERFACE_MTU:
		return ctl_iface_set_mtu(i, e->interface->mtu);
	case CF_EDIT_INTERFACE_FWMARK:
		ctl_iface_set_fwmark(i, e->interface->fwmark);
		return 0;
	case CF_EDIT_INTERFACE_LISTEN_PORT:
		return ctl_iface_set_listen_port(i, e->interface->listen_port);
	case CF_EDIT_INTERFACE_PRIVATE_KEY:
		ctl_iface_set_key(i, e->interface->private_key);
		return 0;
	default:
		return -EINVAL;
	}
}

static int edit(struct ctl *c, const struct cf_edit *e)
{
	/* What follows the failure of its interface fails with it. */
	if (e->interface != NULL && e->kind != CF_EDIT_INTERFACE_ADD &&
	    ctl_iface_by_name(c, e->interface->name) == NULL)
		return -ENODEV;
	switch (e->kind) {
	case CF_EDIT_INTERFACE_REMOVE:
	case CF_EDIT_INTERFACE_ADD:
	case CF_EDIT_INTERFACE_MTU:
	case CF_EDIT_INTERFACE_FWMARK:
	case CF_EDIT_INTERFACE_LISTEN_PORT:
	case CF_EDIT_INTERFACE_PRIVATE_KEY:
		return edit_iface(c, e);
	case CF_EDIT_ADDRESS_REMOVE:
	case CF_EDIT_ADDRESS_ADD:
		return edit_address(c, e, e->kind == CF_EDIT_ADDRESS_ADD);
	case CF_EDIT_ROUTE_REMOVE:
	case CF_EDIT_ROUTE_ADD:
		return edit_route(c, e, e->kind == CF_EDIT_ROUTE_ADD);
	case CF_EDIT_PEER_ADD:
		return add_peer(c, e);
	default:
		return edit_peer(c, e);
	}
}

/* What an edit that failed was about, for the operator. */
static void complain(const struct cf_edit *e, int rc, const char *path, struct cf_messages *errors)
{
	const char *where = e->interface != NULL ? e->interface->name
			    : e->port != NULL	 ? e->port->name
						 : "?";
	char prefix[CF_PREFIX_TEXT_BYTES];
	char key[CF_KEY_BASE64_BYTES];

	switch (e->kind) {
	case CF_EDIT_ADDRESS_ADD:
	case CF_EDIT_ADDRESS_REMOVE:
		cf_prefix_to_text(prefix, &e->prefix);
		cf_messages_add(errors, "%s: %s: address %s: %s", path, where, prefix,
				strerror(-rc));
		break;
	case CF_EDIT_ROUTE_ADD:
	case CF_EDIT_ROUTE_REMOVE:
		cf_prefix_to_text(prefix, &e->route.to);
		cf_messages_add(errors, "%s: %s: route to %s: %s", path, where, prefix,
				strerror(-rc));
		break;
	case CF_EDIT_INTERFACE_ADD:
		cf_messages_add(errors, "%s: %s: interface could not be made: see the log", path,
				where);
		break;
	case CF_EDIT_INTERFACE_LISTEN_PORT:
		cf_messages_add(errors, "%s: %s: listen-port %u: %s", path, where,
				e->interface->listen_port, strerror(-rc));
		break;
	case CF_EDIT_PEER_MORE_PORTS:
		cf_key_to_base64(key, e->peer->public_key);
		cf_messages_add(errors,
				"%s: %s: peer %s: source-ports %u: one of the UDP ports from %u to "
				"%u: %s",
				path, where, key, e->peer->source_ports, e->interface->listen_port,
				e->interface->listen_port + e->peer->source_ports - 1,
				strerror(-rc));
		break;
	default:
		if (e->peer != NULL)
			cf_key_to_base64(key, e->peer->public_key);
		cf_messages_add(errors, "%s: %s: %s%s: %s", path, where,
				e->peer != NULL ? "peer " : "setting", e->peer != NULL ? key : "",
				strerror(-rc));
		break;
	}
}

static int run_edits(struct ctl *c, const struct cf_edits *edits, const char *path,
		     struct cf_messages *errors)
{
	int result = 0;

	for (size_t k = 0; k < edits->n; k++) {
		int rc = edit(c, &edits->at[k]);

		if (rc == 0)
			continue;
		result = rc;
		/* The cause is told; what depends on it would only repeat it. */
		if (rc != -ENODEV && errors->n < 20)
			complain(&edits->at[k], rc, path, errors);
	}
	return result;
}

/* Ports' addresses and routes as they are set now, and where they are written. */
static void take_ports(struct ctl *c, struct cf_config *wanted)
{
	char *path = c->settings->path;
	struct cf_port *ports = c->settings->ports;
	size_t n = c->settings->n_ports;

	c->settings->ports = wanted->ports;
	c->settings->n_ports = wanted->n_ports;
	c->settings->path = wanted->path;
	wanted->ports = ports;
	wanted->n_ports = n;
	wanted->path = path;
}

/* What the file leaves open stays as it was chosen at start. */
static void adopt_choices(const struct cf_config *settings, struct cf_config *wanted)
{
	if (wanted->control < 0)
		wanted->control = settings->control;
	if (wanted->n_workers == 0 &&
	    (wanted->workers_asked == 0 || wanted->workers_asked == settings->workers_asked)) {
		memcpy(wanted->workers, settings->workers, sizeof(wanted->workers));
		wanted->n_workers = settings->n_workers;
	}
}

int ctl_apply(struct ctl *c, struct cf_config *wanted, bool first, struct cf_edits *done,
	      struct cf_messages *errors)
{
	struct cf_config *running = NULL;
	struct cf_edits edits = {0};
	int rc;

	if (!first) {
		running = snapshot(c);
		if (running == NULL)
			return -ENOMEM;
		adopt_choices(c->settings, wanted);
	}
	rc = cf_diff(running, wanted, &edits, errors);
	if (rc == 0) {
		rc = run_edits(c, &edits, wanted->path, errors);
		*done = edits;
		done->at = NULL;
		done->n = 0;
		cf_edits_free(&edits);
		if (!first)
			take_ports(c, wanted);
	}
	if (running != NULL)
		give_back(running);
	return rc;
}
