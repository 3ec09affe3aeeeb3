/*
 * A trie for IPv4 and one for IPv6, as allowed-ips and routes have them, asked by addresses in
 * network order (IPv4 in 4 bytes). What holds for lc_trie.h holds here.
 */
#ifndef DATAPLANE_TRIES_H
#define DATAPLANE_TRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dataplane/lc_trie.h"

struct dp_reclaim;

struct dp_tries {
	struct dp_trie *v4, *v6;
};

/* Control. Offsets as for dp_trie_new(); what readers may still see waits in reclaim (publish.h).
 * 0 or -ENOMEM. */
int dp_tries_open(struct dp_tries *p, size_t list4_off, size_t list6_off,
		  struct dp_reclaim *reclaim);
/* Control, when no reader is left. */
void dp_tries_close(struct dp_tries *p);

static inline struct dp_trie *dp_tries_of(const struct dp_tries *p, int family)
{
	return family == AF_INET ? p->v4 : p->v6;
}

/* Called for a prefix; addr has 16 bytes, the rest of IPv4's are zero; false: no more. */
typedef bool dp_tries_visit(void *ctx, int family, const uint8_t *addr, uint8_t len, void *value);

/* Control. All prefixes, or those in the lists of a value if it is not NULL. */
void dp_tries_walk(const struct dp_tries *p, const void *value, dp_tries_visit *visit, void *ctx);

/* Workers, control. */
void *dp_tries_lookup(const struct dp_tries *p, int family, const uint8_t *addr);

/* Addresses of as many packets as one lookup takes, as tries are asked for them. v6 is 0 at first.
 */
struct dp_keys {
	uint64_t hi[DP_TRIE_BULK_MAX], lo[DP_TRIE_BULK_MAX];
	uint32_t v6; /* bit i: it is IPv6 */
};

static inline void dp_keys_put(struct dp_keys *k, unsigned int i, int family, const uint8_t *addr)
{
	const struct dp_trie_key key = dp_trie_key(family, addr);

	k->hi[i] = key.hi;
	k->lo[i] = key.lo;
	k->v6 |= (uint32_t)(family == AF_INET6) << i;
}

/* Looks up those keys that are in the mask, and leaves the values of the others as they are.
 * Workers, control. */
void dp_tries_lookup_bulk(const struct dp_tries *p, const struct dp_keys *keys, uint32_t mask,
			  void **values);

#endif
