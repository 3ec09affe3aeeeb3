/*
 * The tables of a device. Runs on the control thread. Public keys come from the network, so they
 * are hashed with a secret key; indices are random by our own choice and serve as their own hash.
 */
#include "handshake/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ct.h"
#include "handshake/peer.h"

#define FIRST_CHAINS 64

static size_t key_chain(const struct hs_peers *t, const uint8_t *public_key)
{
	return cr_siphash(&t->key, public_key, WG_KEY_BYTES) & t->key_mask;
}

int hs_peers_init(struct hs_peers *t, const struct cr_siphash_key *key)
{
	memset(t, 0, sizeof(*t));
	t->key = *key;
	t->by_key = calloc(FIRST_CHAINS, sizeof(struct hs_peer *));
	t->by_index = calloc(FIRST_CHAINS, sizeof(struct hs_index *));
	t->key_mask = t->index_mask = FIRST_CHAINS - 1;
	if (t->by_key && t->by_index)
		return 0;
	hs_peers_fini(t);
	return -ENOMEM;
}

void hs_peers_fini(struct hs_peers *t)
{
	free(t->by_key);
	free(t->by_index);
	cr_wipe(t, sizeof(*t));
}

struct hs_peer *hs_peers_find(const struct hs_peers *t, const uint8_t public_key[WG_KEY_BYTES])
{
	struct hs_peer *peer = t->by_key[key_chain(t, public_key)];

	while (peer && memcmp(peer->public_key, public_key, WG_KEY_BYTES) != 0)
		peer = peer->by_key;
	return peer;
}

static void key_insert(struct hs_peers *t, struct hs_peer *peer)
{
	struct hs_peer **head = &t->by_key[key_chain(t, peer->public_key)];

	peer->by_key = *head;
	*head = peer;
}

static void grow_keys(struct hs_peers *t)
{
	size_t old_chains = t->key_mask + 1;
	struct hs_peer **old = t->by_key;
	struct hs_peer **new = calloc(2 * old_chains, sizeof(struct hs_peer *));

	if (!new)
		return;
	t->by_key = new;
	t->key_mask = 2 * old_chains - 1;
	for (size_t i = 0; i < old_chains; i++) {
		for (struct hs_peer *p = old[i], *next; p; p = next) {
			next = p->by_key;
			key_insert(t, p);
		}
	}
	free(old);
}

void hs_peers_add(struct hs_peers *t, struct hs_peer *peer)
{
	if (t->n > t->key_mask)
		grow_keys(t);
	key_insert(t, peer);
	t->n++;
}

void hs_peers_remove(struct hs_peers *t, struct hs_peer *peer)
{
	struct hs_peer **at = &t->by_key[key_chain(t, peer->public_key)];

	while (*at != peer)
		at = &(*at)->by_key;
	*at = peer->by_key;
	t->n--;
}

struct hs_peer *hs_peers_next(const struct hs_peers *t, const struct hs_peer *peer)
{
	size_t i = 0;

	if (peer) {
		if (peer->by_key)
			return peer->by_key;
		i = key_chain(t, peer->public_key) + 1;
	}
	for (; i <= t->key_mask; i++)
		if (t->by_key[i])
			return t->by_key[i];
	return NULL;
}

struct hs_index *hs_index_find(const struct hs_peers *t, uint32_t value)
{
	struct hs_index *entry = t->by_index[value & t->index_mask];

	while (entry && entry->value != value)
		entry = entry->next;
	return entry;
}

static void index_link(struct hs_peers *t, struct hs_index *entry)
{
	struct hs_index **head = &t->by_index[entry->value & t->index_mask];

	entry->next = *head;
	*head = entry;
}

static void grow_indices(struct hs_peers *t)
{
	size_t old_chains = t->index_mask + 1;
	struct hs_index **old = t->by_index;
	struct hs_index **new = calloc(2 * old_chains, sizeof(struct hs_index *));

	if (!new)
		return;
	t->by_index = new;
	t->index_mask = 2 * old_chains - 1;
	for (size_t i = 0; i < old_chains; i++) {
		for (struct hs_index *e = old[i], *next; e; e = next) {
			next = e->next;
			index_link(t, e);
		}
	}
	free(old);
}

void hs_index_insert(struct hs_peers *t, struct hs_index *entry, struct hs_peer *peer,
		     uint32_t value, enum hs_index_kind kind)
{
	if (t->n_indices > t->index_mask)
		grow_indices(t);
	entry->peer = peer;
	entry->value = value;
	entry->kind = kind;
	index_link(t, entry);
	t->n_indices++;
}

void hs_index_remove(struct hs_peers *t, struct hs_index *entry)
{
	struct hs_index **at = &t->by_index[entry->value & t->index_mask];

	if (entry->kind == HS_INDEX_NONE)
		return;
	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	entry->kind = HS_INDEX_NONE;
	t->n_indices--;
}
