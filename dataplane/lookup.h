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

/* The addresses of one IP version among the packets of a mask, and which packets they are of. */
struct dp_addresses {
	const uint8_t *addrs[DP_BATCH_MAX];
	uint8_t of[DP_BATCH_MAX];
	unsigned int n;
};

static inline void dp_addresses_gather(struct dp_addresses *a, const uint8_t *const *ips,
				       uint32_t mask, uint8_t version, bool source)
{
	a->n = 0;
	for (; mask; mask &= mask - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(mask);

		if (dp_ip_version(ips[i]) != version)
			continue;
		a->of[a->n] = (uint8_t)i;
		a->addrs[a->n++] = source ? dp_ip_source(ips[i]) : dp_ip_destination(ips[i]);
	}
}

static inline uint32_t dp_mask_of(unsigned int n)
{
	static_assert(DP_BATCH_MAX == 32, "masks of a batch are 32 bits");
	return n == 0 ? 0 : UINT32_MAX >> (32 - n);
}

/* Where Linux would send n packets (IP headers at ips). */
static inline void dp_lookup_routes(const struct dp_routes *r, const uint8_t *const *ips,
				    const struct dp_route **routes, unsigned int n)
{
	const struct dp_route *found[DP_BATCH_MAX];
	struct dp_addresses a;

	for (int version = 4; version <= 6; version += 2) {
		dp_addresses_gather(&a, ips, dp_mask_of(n), (uint8_t)version, false);
		if (a.n == 0)
			continue;
		dp_routes_lookup_bulk(r, version == 4 ? AF_INET : AF_INET6, a.addrs, found, a.n);
		for (unsigned int i = 0; i < a.n; i++)
			routes[a.of[i]] = found[i];
	}
}

/* The peers of note.iface whose allowed-ips hold the sources or the destinations of a batch; data
 * starts at the inner header. */
static inline void dp_lookup_peers(const struct dp_batch *b, bool source, struct dp_peer **peers)
{
	const uint8_t *ips[DP_BATCH_MAX];
	struct dp_peer *found[DP_BATCH_MAX];
	struct dp_addresses a;
	uint32_t todo = dp_mask_of(b->n), same;

	for (unsigned int i = 0; i < b->n; i++)
		ips[i] = rte_pktmbuf_mtod(b->pkts[i], const uint8_t *);
	for (; todo; todo &= ~same) {
		const struct dp_iface *iface = dp_note(b->pkts[__builtin_ctz(todo)])->iface;

		same = 0;
		for (uint32_t left = todo; left; left &= left - 1) {
			if (dp_note(b->pkts[__builtin_ctz(left)])->iface == iface)
				same |= left & -left;
		}
		for (int version = 4; version <= 6; version += 2) {
			dp_addresses_gather(&a, ips, same, (uint8_t)version, source);
			if (a.n == 0)
				continue;
			dp_allowed_lookup_bulk(iface->allowed, version == 4 ? AF_INET : AF_INET6,
					       a.addrs, found, a.n);
			for (unsigned int i = 0; i < a.n; i++)
				peers[a.of[i]] = found[i];
		}
	}
}

#endif
