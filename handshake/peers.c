/*
 * The tables of a device. Runs on the control thread. Public keys come from the network, so they
 * are hashed with a secret key; indices are random by our own choice and serve as their own hash.
 * How the tables grow is in chains.c.
 */
#include "handshake/peers.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/ct.h"
#include "handshake/peer.h"

/* ---- peers by public key ---- */

/* Kept in the peer: a chain that is split would need it for each. */
static uint32_t hash_of_key(const struct hs_peers *t, const uint8_t *public_key)
{
	return (uint32_t)cr_siphash(&t->key, public_key, WG_KEY_BYTES);
}

static struct hs_peer *peer_of(const struct hs_link *link)
{
	return link ? (struct hs_peer *)((char *)link - offsetof(struct hs_peer, by_key)) : NULL;
}

static uint32_t hash_of_peer(const struct hs_link *link)
{
	return peer_of(link)->key_hash;
}

static struct hs_index *index_of(const struct hs_link *link)
{
	return link ? (struct hs_index *)((char *)link - offsetof(struct hs_index, link)) : NULL;
}

static uint32_t hash_of_index(const struct hs_link *link)
{
	return index_of(link)->value;
}

int hs_peers_init(struct hs_peers *t, const struct cr_siphash_key *key)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->key = *key;
	rc = hs_chains_init(&t->by_key, hash_of_peer);
	if (!rc)
		rc = hs_chains_init(&t->by_index, hash_of_index);
	if (rc)
		hs_peers_fini(t);
	return rc;
}

void hs_peers_fini(struct hs_peers *t)
{
	hs_chains_fini(&t->by_key);
	hs_chains_fini(&t->by_index);
	cr_wipe(t, sizeof(*t));
}

struct hs_peer *hs_peers_find(const struct hs_peers *t, const uint8_t public_key[WG_KEY_BYTES])
{
	uint32_t hash = hash_of_key(t, public_key);
	struct hs_link *link = hs_chains_first(&t->by_key, hash);

	while (link && (peer_of(link)->key_hash != hash ||
			memcmp(peer_of(link)->public_key, public_key, WG_KEY_BYTES) != 0))
		link = link->next;
	return peer_of(link);
}

void hs_peers_add(struct hs_peers *t, struct hs_peer *peer)
{
	peer->key_hash = hash_of_key(t, peer->public_key);
	hs_chains_shrink(&t->by_key);
	hs_chains_shrink(&t->by_key);
	hs_chains_insert(&t->by_key, &peer->by_key);
}

void hs_peers_remove(struct hs_peers *t, struct hs_peer *peer)
{
	hs_chains_remove(&t->by_key, &peer->by_key);
}

struct hs_peer *hs_peers_next(const struct hs_peers *t, const struct hs_peer *peer)
{
	return peer_of(hs_chains_next(&t->by_key, peer ? &peer->by_key : NULL));
}

/* ---- handshakes and keypairs by index ---- */

struct hs_index *hs_index_find(const struct hs_peers *t, uint32_t value)
{
	struct hs_link *link = hs_chains_first(&t->by_index, value);

	while (link && index_of(link)->value != value)
		link = link->next;
	return index_of(link);
}

void hs_index_insert(struct hs_peers *t, struct hs_index *entry, struct hs_peer *peer,
		     uint32_t value, enum hs_index_kind kind)
{
	entry->peer = peer;
	entry->value = value;
	entry->kind = kind;
	hs_chains_insert(&t->by_index, &entry->link);
}

/* Nobody walks these: the table shrinks as it empties. */
void hs_index_remove(struct hs_peers *t, struct hs_index *entry)
{
	if (entry->kind == HS_INDEX_NONE)
		return;
	hs_chains_remove(&t->by_index, &entry->link);
	entry->kind = HS_INDEX_NONE;
	hs_chains_shrink(&t->by_index);
	hs_chains_shrink(&t->by_index);
}
