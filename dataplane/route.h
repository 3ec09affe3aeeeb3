/*
 * Where Linux would send an address: its routes as workers see them, kept by control from
 * rtnetlink. Longest prefix match over one table for IPv4 and one for IPv6. Same rules of reading
 * and writing as allowed.h.
 */
#ifndef DATAPLANE_ROUTE_H
#define DATAPLANE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

enum dp_route_kind {
	DP_ROUTE_LINUX, /* leave it to Linux: other devices, multicast, broadcast, blackholes */
	DP_ROUTE_LOCAL, /* an address of this host */
	DP_ROUTE_IFACE, /* leads into a WireGuard interface */
	DP_ROUTE_PORT,	/* leads out of a port, through a next hop or on link */
};

/* Immutable once published. */
struct dp_route {
	uint8_t kind;	      /* enum dp_route_kind */
	uint8_t family;	      /* of next_hop */
	bool resolved;	      /* DP_ROUTE_PORT: mac is valid; else ask control (DP_ASK_RESOLVE) */
	bool on_link;	      /* DP_ROUTE_PORT: the destination itself is the next hop */
	uint16_t iface_id;    /* DP_ROUTE_IFACE */
	uint16_t port_id;     /* DP_ROUTE_PORT */
	uint8_t next_hop[16]; /* DP_ROUTE_PORT, unless on_link */
	uint8_t mac[6];
};

struct dp_routes;
struct dp_reclaim;
struct dp_keys;

/* Control. */
struct dp_routes *dp_routes_new(struct dp_reclaim *reclaim);
void dp_routes_free(struct dp_routes *r);
/* Control. Copies the route; replaces one of the same prefix. 0 or -ENOMEM. */
int dp_routes_set(struct dp_routes *r, int family, const uint8_t *addr, uint8_t len,
		  const struct dp_route *route);
/* Control. 0 or -ENOENT. */
int dp_routes_clear(struct dp_routes *r, int family, const uint8_t *addr, uint8_t len);
/* Control. Visits all; visit returns false: stop. */
void dp_routes_list(const struct dp_routes *r,
		    bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
				  const struct dp_route *route),
		    void *ctx);

/* Workers, control. NULL: Linux has no route. */
const struct dp_route *dp_routes_lookup(const struct dp_routes *r, int family, const uint8_t *addr);
/* The same for those of many addresses that are in the mask (tries.h). */
void dp_routes_lookup_bulk(const struct dp_routes *r, const struct dp_keys *keys, uint32_t mask,
			   const struct dp_route **routes);

#endif
