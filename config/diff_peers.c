/*
 * Edits of the peers of one interface. Peers are matched by public key; constant time per peer and
 * prefix. The rest of the diff is in diff.c.
 */
#include "config/diff_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "config/set.h"

/* Finds peers by key, and allowed prefixes by their value, in one interface. */
struct index {
	const struct cf_interface *interface;
	struct cf_set keys;
	struct cf_set prefixes;
	const struct cf_prefix **prefix_at; /* by number in `prefixes` */
};

static bool key_equal(const void *ctx, uint32_t number, const void *wanted)
{
	const struct index *index = ctx;

	return !memcmp(index->interface->peers[number].public_key, wanted, CF_KEY_BYTES);
}

static bool prefix_equal(const void *ctx, uint32_t number, const void *wanted)
{
	const struct index *index = ctx;

	return !cf_prefix_compare(index->prefix_at[number], wanted);
}

static void index_free(struct index *index)
{
	cf_set_free(&index->keys);
	cf_set_free(&index->prefixes);
	free(index->prefix_at);
	index->prefix_at = NULL;
}

static int index_keys(struct index *index)
{
	const struct cf_interface *interface = index->interface;

	for (size_t i = 0; interface && i < interface->n_peers; i++)
		if (!cf_set_add(&index->keys,
				cf_set_hash(interface->peers[i].public_key, CF_KEY_BYTES),
				(uint32_t)i))
			return -ENOMEM;
	return 0;
}

static int index_prefixes(struct index *index)
{
	const struct cf_interface *interface = index->interface;
	size_t n = 0;

	for (size_t i = 0; i < interface->n_peers; i++)
		n += interface->peers[i].allowed.n;
	index->prefix_at = malloc((n + 1) * sizeof(*index->prefix_at));
	if (!index->prefix_at)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < interface->n_peers; i++)
		for (size_t j = 0; j < interface->peers[i].allowed.n; j++) {
			const struct cf_prefix *prefix = &interface->peers[i].allowed.at[j];

			if (!cf_set_add(&index->prefixes, cf_set_hash(prefix, sizeof(*prefix)),
					(uint32_t)n))
				return -ENOMEM;
			index->prefix_at[n++] = prefix;
		}
	return 0;
}

static const struct cf_peer *find_peer(const struct index *index, const uint8_t *public_key)
{
	uint32_t number;

	if (!index->interface)
		return NULL;
	number = cf_set_find(&index->keys, cf_set_hash(public_key, CF_KEY_BYTES), key_equal, index,
			     public_key);
	return number == CF_SET_NONE ? NULL : &index->interface->peers[number];
}

static bool same_endpoint(const struct cf_endpoint *a, const struct cf_endpoint *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       !memcmp(a->addr, b->addr, sizeof(a->addr));
}

/* Whether a prefix that one peer loses goes to another: then that one's edit takes it. */
static int moves(struct index *index, const struct cf_prefix *prefix, bool *moved)
{
	int rc = index->prefix_at ? 0 : index_prefixes(index);

	if (rc == 0)
		*moved = cf_set_find(&index->prefixes, cf_set_hash(prefix, sizeof(*prefix)),
				     prefix_equal, index, prefix) != CF_SET_NONE;
	return rc;
}

static int diff_allowed(struct cf_diff_run *run, struct index *new_index, const struct cf_peer *old,
			const struct cf_peer *new, bool *changed)
{
	const struct cf_prefixes none = {0}, *a = old ? &old->allowed : &none, *b = &new->allowed;
	size_t i = 0, j = 0;

	while (i < a->n || j < b->n) {
		struct cf_edit edit = {.interface = new_index->interface, .peer = new};
		int rc, order = i == a->n   ? 1
				: j == b->n ? -1
					    : cf_prefix_compare(&a->at[i], &b->at[j]);
		bool moved = false;

		edit.kind = order < 0 ? CF_EDIT_PREFIX_REMOVE : CF_EDIT_PREFIX_ADD;
		edit.prefix = order < 0 ? a->at[i] : b->at[j];
		rc = order < 0 ? moves(new_index, &edit.prefix, &moved) : 0;
		if (rc)
			return rc;
		if (order && !moved) {
			cf_diff_emit(run, &edit);
			*changed = true;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

static int diff_peer(struct cf_diff_run *run, struct index *new_index, const struct cf_peer *old,
		     const struct cf_peer *new)
{
	static const struct cf_peer nothing = {.source_ports = 1};
	const struct cf_peer *was = old ? old : &nothing;
	struct cf_edit edit = {.interface = new_index->interface, .peer = new};
	bool changed = false;
	const struct {
		enum cf_edit_kind kind;
		bool differs;
	} checks[] = {
		{CF_EDIT_PEER_FEWER_PORTS, was->source_ports > new->source_ports},
		{CF_EDIT_PEER_ADD, !old},
		{CF_EDIT_PEER_NAME, old && strcmp(old->name, new->name)},
		{CF_EDIT_PEER_PSK, sodium_memcmp(was->psk, new->psk, CF_KEY_BYTES) != 0},
		{CF_EDIT_PEER_ENDPOINT, !same_endpoint(&was->endpoint, &new->endpoint)},
		{CF_EDIT_PEER_MORE_PORTS, was->source_ports < new->source_ports},
		{CF_EDIT_PEER_KEEPALIVE, was->keepalive_s != new->keepalive_s},
	};
	int rc;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		edit.kind = checks[i].kind;
		if (checks[i].differs)
			cf_diff_emit(run, &edit);
		changed |= checks[i].differs;
	}
	rc = diff_allowed(run, new_index, old, new, &changed);
	run->peers_changed += old && changed;
	return rc;
}

int cf_diff_peers(struct cf_diff_run *run, const struct cf_interface *old,
		  const struct cf_interface *new)
{
	struct index old_index = {.interface = old}, new_index = {.interface = new};
	int rc = index_keys(&old_index);

	if (rc == 0 && old)
		rc = index_keys(&new_index);
	for (size_t i = 0; rc == 0 && old && i < old->n_peers; i++) {
		struct cf_edit edit = {
			.kind = CF_EDIT_PEER_REMOVE, .interface = new, .peer = &old->peers[i]};

		if (!find_peer(&new_index, old->peers[i].public_key))
			cf_diff_emit(run, &edit);
	}
	for (size_t i = 0; rc == 0 && i < new->n_peers; i++)
		rc = diff_peer(run, &new_index, find_peer(&old_index, new->peers[i].public_key),
			       &new->peers[i]);
	index_free(&old_index);
	index_free(&new_index);
	return rc;
}
