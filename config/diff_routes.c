/*
 * The routes that Linux gets for an interface, by its policy, and their edits. The rest of the diff
 * is in diff.c.
 */
#include "config/diff_run.h"

#include <errno.h>
#include <stdlib.h>

static int compare_prefixes(const void *a, const void *b)
{
	return cf_prefix_compare(a, b);
}

/* Linux has a route to the interface's own networks; a default route is the operator's decision. */
static bool needs_route(const struct cf_interface *interface, const struct cf_prefix *allowed)
{
	if (allowed->len == 0)
		return false;
	for (size_t i = 0; i < interface->addresses.n; i++)
		if (cf_prefix_contains(&interface->addresses.at[i], allowed))
			return false;
	return true;
}

/* Sorted, without duplicates; at may be the interface's own (then *own is false). */
static int expand(const struct cf_interface *interface, struct cf_prefixes *out, bool *own)
{
	size_t n = 0;

	*out = (struct cf_prefixes){0};
	*own = false;
	if (!interface || interface->route_policy == CF_ROUTES_NONE)
		return 0;
	if (interface->route_policy == CF_ROUTES_LIST) {
		*out = interface->routes;
		return 0;
	}
	for (size_t i = 0; i < interface->n_peers; i++)
		n += interface->peers[i].allowed.n;
	if (!n)
		return 0;
	out->at = malloc(n * sizeof(*out->at));
	if (!out->at)
		return -ENOMEM;
	*own = true;
	for (size_t i = 0; i < interface->n_peers; i++)
		for (size_t j = 0; j < interface->peers[i].allowed.n; j++)
			if (needs_route(interface, &interface->peers[i].allowed.at[j]))
				out->at[out->n++] = interface->peers[i].allowed.at[j];
	if (out->n)
		qsort(out->at, out->n, sizeof(*out->at), compare_prefixes);
	return 0;
}

int cf_diff_routes(struct cf_diff_run *run, const struct cf_interface *old,
		   const struct cf_interface *new)
{
	struct cf_edit remove = {.kind = CF_EDIT_ROUTE_REMOVE, .interface = new};
	struct cf_edit add = {.kind = CF_EDIT_ROUTE_ADD, .interface = new};
	struct cf_prefixes a, b = {0};
	bool own_a, own_b = false;
	int rc = expand(old, &a, &own_a);

	if (rc == 0)
		rc = expand(new, &b, &own_b);
	if (rc == 0)
		cf_diff_sorted(run, &a, &b, &remove, &add);
	if (own_a)
		free(a.at);
	if (own_b)
		free(b.at);
	return rc;
}
