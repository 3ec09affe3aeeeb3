/*
 * Handshakes per source and second, asked only under load and after mac2 has proved the source. A
 * source is an IPv4 address or an IPv6 /64. Bounded memory; a full table refuses new sources.
 */
#ifndef HANDSHAKE_RATELIMIT_H
#define HANDSHAKE_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/siphash.h"
#include "handshake/wire.h"

/* 20 a second, 5 at once: a token bucket that counts in nanoseconds. */
#define HS_RATELIMIT_COST_NS  (WG_NS_PER_S / 20)
#define HS_RATELIMIT_BURST_NS (5 * HS_RATELIMIT_COST_NS)

/* An idle source is forgotten: its bucket has long been full again. */
#define HS_RATELIMIT_IDLE_NS WG_NS_PER_S

#define HS_RATELIMIT_SOURCES 65536

struct hs_ratelimit;

/* A table for max_sources; the key must be random. NULL: out of memory. */
struct hs_ratelimit *hs_ratelimit_new(const struct cr_siphash_key *key, uint32_t max_sources);
void hs_ratelimit_free(struct hs_ratelimit *r);

/* May this source have one more handshake? Counts it. now_ns never goes back. */
bool hs_ratelimit_allow(struct hs_ratelimit *r, uint64_t now_ns, const struct wg_endpoint *from);

/* Sources remembered. */
uint32_t hs_ratelimit_sources(const struct hs_ratelimit *r);

#endif
