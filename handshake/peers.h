/*
 * The two tables of a device: peers by public key, and handshakes and keypairs by our index. Links
 * are embedded, so nothing but making the tables can run out of memory: a table that can't grow
 * becomes slower. For files of this directory.
 */
#ifndef HANDSHAKE_PEERS_H
#define HANDSHAKE_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/siphash.h"
#include "handshake/chains.h"
#include "handshake/wire.h"

struct hs_peer;

enum hs_index_kind {
	HS_INDEX_NONE, /* in no table */
	HS_INDEX_HANDSHAKE,
	HS_INDEX_KEYPAIR,
};

/* One of our indices. */
struct hs_index {
	struct hs_link link;
	struct hs_peer *peer;
	uint32_t value;
	enum hs_index_kind kind;
};

struct hs_peers {
	struct cr_siphash_key key;
	struct hs_chains by_key;
	struct hs_chains by_index;
};

/* Returns 0 or -ENOMEM. The key must be random. */
int hs_peers_init(struct hs_peers *t, const struct cr_siphash_key *key);
/* The peers must have gone. */
void hs_peers_fini(struct hs_peers *t);

struct hs_peer *hs_peers_find(const struct hs_peers *t, const uint8_t public_key[WG_KEY_BYTES]);
/* The public key must not be known. */
void hs_peers_add(struct hs_peers *t, struct hs_peer *peer);
void hs_peers_remove(struct hs_peers *t, struct hs_peer *peer);

/*
 * Walks all peers: NULL gives the first one, NULL ends. The peer that was given may be removed when
 * its successor has been asked for: the table shrinks with the next ones that are added, or when it
 * is empty, and not under a walk. Nothing may be added meanwhile.
 */
struct hs_peer *hs_peers_next(const struct hs_peers *t, const struct hs_peer *peer);

/* NULL: not one of our indices. */
struct hs_index *hs_index_find(const struct hs_peers *t, uint32_t value);
/* The value must be free and the entry in no table. */
void hs_index_insert(struct hs_peers *t, struct hs_index *entry, struct hs_peer *peer,
		     uint32_t value, enum hs_index_kind kind);
/* Nothing happens if it is in no table. */
void hs_index_remove(struct hs_peers *t, struct hs_index *entry);

#endif
