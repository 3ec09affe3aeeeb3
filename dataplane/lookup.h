/*
 * Lookups of a whole batch, whatever the mix of families and interfaces. Header only, workers.
 */
#ifndef DATAPLANE_LOOKUP_H
#define DATAPLANE_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dataplane/allowed.h"
#include "dataplane/batch.h"
#include "dataplane/ip.h"
#include "dataplane/peer.h"
#include "dataplane/tries.h"

/* The source or the destination of an IP packet, whose version has been proved. */
static inline void dp_keys_put_ip(struct dp_keys *keys, unsigned int i, const uint8_t *ip,
				  bool source)
{
	if (likely(dp_ip_version(ip) == 4))
		dp_keys_put(keys, i, AF_INET, ip + (source ? 12 : 16));
	else
		dp_keys_put(keys, i, AF_INET6, ip + (source ? 8 : 24));
}

/* Those of a mask whose note.iface is that of the first. */
static inline uint32_t dp_mask_same_iface(const struct dp_batch *b, uint32_t mask)
{
	const struct dp_iface *iface = dp_note(b->pkts[__builtin_ctz(mask)])->iface;
	uint32_t same = 0;

	for (unsigned int i = 0; i < b->n; i++)
		same |= (uint32_t)(dp_note(b->pkts[i])->iface == iface) << i;
	return same & mask;
}

/* The peers of note.iface whose allowed-ips hold the keys, for the packets of a mask. */
static inline void dp_lookup_peers(const struct dp_batch *b, const struct dp_keys *keys,
				   uint32_t todo, struct dp_peer **peers)
{
	uint32_t same;

	for (; todo; todo &= ~same) {
		const struct dp_iface *iface = dp_note(b->pkts[__builtin_ctz(todo)])->iface;

		same = dp_mask_same_iface(b, todo);
		dp_allowed_lookup_bulk(iface->allowed, keys, same, peers);
	}
}

#endif
