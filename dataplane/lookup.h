/*
 * Lookups of a whole batch, whatever the mix of families and interfaces: gathers what belongs to
 * one table, asks that table once, and puts the answers back in place. Header only, workers.
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
#include "dataplane/route.h"

/* Which packets of a mask are IPv6; all have been found to be one or the other. */
static inline uint32_t dp_mask_v6(const uint8_t *const *ips, uint32_t mask)
{
	uint32_t v6 = 0;

	for (uint32_t left = mask; left; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(left);

		v6 |= (uint32_t)(dp_ip_version(ips[i]) == 6) << i;
	}
	return v6;
}

/* The addresses of the packets of a mask, which are of one IP version. Returns how many. */
static inline unsigned int dp_gather(const uint8_t **addrs, const uint8_t *const *ips,
				     uint32_t mask, size_t offset)
{
	unsigned int n = 0;

	for (; mask; mask &= mask - 1)
		addrs[n++] = ips[__builtin_ctz(mask)] + offset;
	return n;
}

/* Where in a header its address is. */
static inline size_t dp_address_offset(bool v6, bool source)
{
	return v6 ? (source ? 8 : 24) : (source ? 12 : 16);
}

/* Puts answers where the packets of a mask are. */
static inline void dp_scatter(void **to, void *const *found, uint32_t mask)
{
	for (unsigned int k = 0; mask; mask &= mask - 1)
		to[__builtin_ctz(mask)] = found[k++];
}

/* Where Linux would send n packets (IP headers at ips). */
static inline void dp_lookup_routes(const struct dp_routes *r, const uint8_t *const *ips,
				    const struct dp_route **routes, unsigned int n)
{
	const struct dp_route *found[DP_BATCH_MAX];
	const uint8_t *addrs[DP_BATCH_MAX];
	uint32_t v6 = dp_mask_v6(ips, dp_mask_of(n)), masks[2] = {dp_mask_of(n) & ~v6, v6};

	for (unsigned int k = 0; k < 2; k++) {
		unsigned int some = dp_gather(addrs, ips, masks[k], dp_address_offset(k, false));

		if (some == 0)
			continue;
		dp_routes_lookup_bulk(r, k ? AF_INET6 : AF_INET, addrs, some == n ? routes : found,
				      some);
		if (some < n)
			dp_scatter((void **)(uintptr_t)routes, (void *const *)(uintptr_t)found,
				   masks[k]);
	}
}

/* Those of a mask whose note.iface is that of the first. */
static inline uint32_t dp_mask_same_iface(const struct dp_batch *b, uint32_t mask)
{
	const struct dp_iface *iface = dp_note(b->pkts[__builtin_ctz(mask)])->iface;
	uint32_t same = 0;

	for (; mask; mask &= mask - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(mask);

		same |= (uint32_t)(dp_note(b->pkts[i])->iface == iface) << i;
	}
	return same;
}

/* The peers of note.iface whose allowed-ips hold the sources or the destinations of a batch; data
 * starts at the inner header. */
static inline void dp_lookup_peers(const struct dp_batch *b, bool source, struct dp_peer **peers)
{
	const uint8_t *ips[DP_BATCH_MAX], *addrs[DP_BATCH_MAX];
	struct dp_peer *found[DP_BATCH_MAX];
	uint32_t todo = dp_mask_of(b->n), v6, same;

	for (unsigned int i = 0; i < b->n; i++)
		ips[i] = rte_pktmbuf_mtod(b->pkts[i], const uint8_t *);
	v6 = dp_mask_v6(ips, todo);
	for (; todo; todo &= ~same) {
		const struct dp_iface *iface = dp_note(b->pkts[__builtin_ctz(todo)])->iface;

		same = dp_mask_same_iface(b, todo);
		for (unsigned int k = 0; k < 2; k++) {
			uint32_t mask = same & (k ? v6 : ~v6);
			unsigned int some = dp_gather(addrs, ips, mask,
						      dp_address_offset(k, source));

			if (some == 0)
				continue;
			dp_allowed_lookup_bulk(iface->allowed, k ? AF_INET6 : AF_INET, addrs,
					       some == b->n ? peers : found, some);
			if (some < b->n)
				dp_scatter((void **)(uintptr_t)peers,
					   (void *const *)(uintptr_t)found, mask);
		}
	}
}

#endif
