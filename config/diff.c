/*
 * From one configuration to another as a list of edits in the order of enum cf_edit_kind. Any
 * thread; allocates, blocks on nothing. Edits of peers are found in diff_peers.c, routes are
 * expanded in diff_routes.c.
 */
#include "config/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "config/diff_run.h"

#define KINDS (CF_EDIT_ROUTE_ADD + 1)

/* cf_diff_sorted() sets an edit's prefix, which in a route edit is the destination. */
_Static_assert(offsetof(struct cf_edit, route.to) == offsetof(struct cf_edit, prefix),
	       "a route starts with its destination");

void cf_diff_emit(struct cf_diff_run *run, const struct cf_edit *edit)
{
	if (run->edits->at)
		run->edits->at[run->next[edit->kind]] = *edit;
	run->next[edit->kind]++;
}

static int compare_prefixes(const void *a, const void *b)
{
	return cf_prefix_compare(a, b);
}

/* A sorted copy. Returns 0 or -ENOMEM. */
static int sorted_copy(const struct cf_prefixes *from, struct cf_prefixes *to)
{
	*to = (struct cf_prefixes){.n = from->n};
	if (!from->n)
		return 0;
	to->at = malloc(from->n * sizeof(*to->at));
	if (!to->at)
		return -ENOMEM;
	memcpy(to->at, from->at, from->n * sizeof(*to->at));
	if (to->n)
		qsort(to->at, to->n, sizeof(*to->at), compare_prefixes);
	return 0;
}

void cf_diff_sorted(struct cf_diff_run *run, const struct cf_prefixes *old,
		    const struct cf_prefixes *new, const struct cf_edit *remove,
		    const struct cf_edit *add)
{
	size_t i = 0, j = 0;

	while (i < old->n || j < new->n) {
		int order = i == old->n	  ? 1
			    : j == new->n ? -1
					  : cf_prefix_compare(&old->at[i], &new->at[j]);
		struct cf_edit edit = order < 0 ? *remove : *add;

		edit.prefix = order < 0 ? old->at[i] : new->at[j];
		if (order)
			cf_diff_emit(run, &edit);
		i += order <= 0;
		j += order >= 0;
	}
}

static int diff_addresses(struct cf_diff_run *run, const struct cf_prefixes *old,
			  const struct cf_prefixes *new, const struct cf_edit *owner)
{
	struct cf_prefixes a = {0}, b = {0};
	struct cf_edit remove = *owner, add = *owner;
	int rc = sorted_copy(old, &a);

	if (rc == 0)
		rc = sorted_copy(new, &b);
	remove.kind = CF_EDIT_ADDRESS_REMOVE;
	add.kind = CF_EDIT_ADDRESS_ADD;
	if (rc == 0)
		cf_diff_sorted(run, &a, &b, &remove, &add);
	free(a.at);
	free(b.at);
	return rc;
}

static bool has_route(const struct cf_port *port, const struct cf_route *route)
{
	for (size_t i = 0; port && i < port->n_routes; i++)
		if (!cf_prefix_compare(&port->routes[i].to, &route->to) &&
		    !cf_prefix_compare(&port->routes[i].via, &route->via))
			return true;
	return false;
}

static void diff_port_routes(struct cf_diff_run *run, const struct cf_port *old,
			     const struct cf_port *new)
{
	struct cf_edit edit = {.kind = CF_EDIT_ROUTE_REMOVE, .port = new};

	for (size_t i = 0; old && i < old->n_routes; i++) {
		edit.route = old->routes[i];
		if (!has_route(new, &edit.route))
			cf_diff_emit(run, &edit);
	}
	edit.kind = CF_EDIT_ROUTE_ADD;
	for (size_t i = 0; i < new->n_routes; i++) {
		edit.route = new->routes[i];
		if (!has_route(old, &edit.route))
			cf_diff_emit(run, &edit);
	}
}

static const struct cf_port *find_port(const struct cf_config *config, const char *name)
{
	for (size_t i = 0; config && i < config->n_ports; i++)
		if (!strcmp(config->ports[i].name, name))
			return &config->ports[i];
	return NULL;
}

static int diff_ports(struct cf_diff_run *run)
{
	static const struct cf_prefixes none;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < run->new->n_ports; i++) {
		const struct cf_port *new = &run->new->ports[i];
		const struct cf_port *old = find_port(run->old, new->name);
		struct cf_edit owner = {.port = new};

		rc = diff_addresses(run, old ? &old->addresses : &none, &new->addresses, &owner);
		diff_port_routes(run, old, new);
	}
	return rc;
}

static void diff_settings(struct cf_diff_run *run, const struct cf_interface *old,
			  const struct cf_interface *new)
{
	static const uint8_t no_key[CF_KEY_BYTES];
	struct cf_edit edit = {.interface = new};

	edit.kind = CF_EDIT_INTERFACE_ADD;
	if (!old)
		cf_diff_emit(run, &edit);
	edit.kind = CF_EDIT_INTERFACE_MTU;
	if (old && old->mtu != new->mtu)
		cf_diff_emit(run, &edit);
	edit.kind = CF_EDIT_INTERFACE_FWMARK;
	if ((old ? old->fwmark : 0) != new->fwmark)
		cf_diff_emit(run, &edit);
	edit.kind = CF_EDIT_INTERFACE_LISTEN_PORT;
	if (!old || old->listen_port != new->listen_port)
		cf_diff_emit(run, &edit);
	edit.kind = CF_EDIT_INTERFACE_PRIVATE_KEY;
	if (sodium_memcmp(old ? old->private_key : no_key, new->private_key, CF_KEY_BYTES))
		cf_diff_emit(run, &edit);
}

static int diff_interface(struct cf_diff_run *run, const struct cf_interface *old,
			  const struct cf_interface *new)
{
	static const struct cf_prefixes none;
	struct cf_edit owner = {.interface = new};
	int rc;

	diff_settings(run, old, new);
	rc = diff_addresses(run, old ? &old->addresses : &none, &new->addresses, &owner);
	if (rc == 0)
		rc = cf_diff_peers(run, old, new);
	if (rc == 0)
		rc = cf_diff_routes(run, old, new);
	return rc;
}

static const struct cf_interface *find_interface(const struct cf_config *config, const char *name)
{
	for (size_t i = 0; config && i < config->n_interfaces; i++)
		if (!strcmp(config->interfaces[i].name, name))
			return &config->interfaces[i];
	return NULL;
}

/* Everything that makes edits; called twice, to count them and to write them. */
static int make_edits(struct cf_diff_run *run)
{
	int rc = diff_ports(run);

	for (size_t i = 0; run->old && i < run->old->n_interfaces; i++) {
		const struct cf_interface *old = &run->old->interfaces[i];
		struct cf_edit edit = {.kind = CF_EDIT_INTERFACE_REMOVE, .interface = old};

		if (!find_interface(run->new, old->name))
			cf_diff_emit(run, &edit);
	}
	for (size_t i = 0; rc == 0 && i < run->new->n_interfaces; i++) {
		const struct cf_interface *new = &run->new->interfaces[i];

		rc = diff_interface(run, find_interface(run->old, new->name), new);
	}
	return rc;
}

static bool is_other(const struct cf_diff_run *run, const struct cf_edit *edit)
{
	const struct cf_interface *old, *new = edit->interface;

	switch (edit->kind) {
	case CF_EDIT_INTERFACE_MTU:
	case CF_EDIT_INTERFACE_FWMARK:
	case CF_EDIT_INTERFACE_LISTEN_PORT:
	case CF_EDIT_INTERFACE_PRIVATE_KEY:
	case CF_EDIT_ADDRESS_REMOVE:
	case CF_EDIT_ADDRESS_ADD:
	case CF_EDIT_ROUTE_REMOVE:
	case CF_EDIT_ROUTE_ADD:
		break;
	default:
		return false;
	}
	if (!new)
		return true; /* of a port */
	old = find_interface(run->old, new->name);
	if (!old)
		return false; /* counted as an interface added */
	return (edit->kind != CF_EDIT_ROUTE_REMOVE && edit->kind != CF_EDIT_ROUTE_ADD) ||
	       old->route_policy != CF_ROUTES_ALLOWED_IPS ||
	       new->route_policy != CF_ROUTES_ALLOWED_IPS;
}

static void count_edits(const struct cf_diff_run *run)
{
	struct cf_edits *edits = run->edits;

	for (size_t i = 0; i < edits->n; i++) {
		const struct cf_edit *edit = &edits->at[i];

		if (edit->kind == CF_EDIT_INTERFACE_REMOVE) {
			edits->interfaces_removed++;
			edits->peers_removed += edit->interface->n_peers;
		}
		edits->interfaces_added += edit->kind == CF_EDIT_INTERFACE_ADD;
		edits->peers_removed += edit->kind == CF_EDIT_PEER_REMOVE;
		edits->peers_added += edit->kind == CF_EDIT_PEER_ADD;
		edits->other += is_other(run, edit);
	}
	edits->peers_changed = run->peers_changed;
}

/* From counts by kind to where each kind starts. Returns the number of edits. */
static size_t place_kinds(size_t next[KINDS])
{
	size_t sum = 0;

	for (int kind = 0; kind < KINDS; kind++) {
		size_t n = next[kind];

		next[kind] = sum;
		sum += n;
	}
	return sum;
}

int cf_diff(const struct cf_config *old, const struct cf_config *new, struct cf_edits *edits,
	    struct cf_messages *errors)
{
	size_t next[KINDS] = {0};
	struct cf_diff_run run = {.old = old, .new = new, .edits = edits, .next = next};
	int rc;

	*edits = (struct cf_edits){0};
	if (old && !cf_diff_same_start(old, new, errors))
		return -EINVAL;
	rc = make_edits(&run);
	if (rc == 0) {
		edits->n = place_kinds(next);
		edits->at = malloc((edits->n + 1) * sizeof(*edits->at));
		rc = edits->at ? 0 : -ENOMEM;
	}
	run.peers_changed = 0;
	if (rc == 0)
		rc = make_edits(&run);
	if (rc) {
		cf_edits_free(edits);
		cf_messages_add(errors, "%s: out of memory", new->path);
		return rc;
	}
	count_edits(&run);
	return 0;
}

void cf_edits_free(struct cf_edits *edits)
{
	free(edits->at);
	*edits = (struct cf_edits){0};
}
