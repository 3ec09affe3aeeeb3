/*
 * Linux as the control plane: addresses, routes and neighbours by rtnetlink, followed live. Runs
 * on the control thread; never waits longer than a netlink round trip.
 */
#ifndef CONTROL_LINUX_H
#define CONTROL_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/model.h"
#include "dataplane/peer.h"
#include "dataplane/worker.h"

struct ctl_linux;

struct ctl_linux_ops {
	/* Routes, addresses or links changed: ways to endpoints may be others now. */
	void (*ways_changed)(void *ctx);
	/* A neighbour was resolved, changed its MAC, or (mac NULL) failed. */
	void (*neighbour_changed)(void *ctx, uint32_t ifindex, int family, const uint8_t *addr,
				  const uint8_t *mac);
	/* An interface came up, lost its carrier, or (gone) does not exist any more. */
	void (*link_changed)(void *ctx, uint32_t ifindex, bool gone);
};

/* Opens netlink, joins the groups. NULL with a sentence in error. */
struct ctl_linux *ctl_linux_new(struct dp *dp, const struct ctl_linux_ops *ops, void *ctx,
				char *error, size_t error_size);
void ctl_linux_free(struct ctl_linux *l);

/*
 * Reads what there is and publishes it to workers (routes, local addresses); then follows. Call it
 * once all ports and interfaces that exist at start have their Linux interface.
 */
int ctl_linux_start(struct ctl_linux *l);

/* A descriptor to poll for reading, and what to call then (bounded work; level-triggered). */
int ctl_linux_fd(const struct ctl_linux *l);
void ctl_linux_run(struct ctl_linux *l);
/* When ctl_linux_run() has to be called at the latest even if nothing is readable (UINT64_MAX:
 * never), in CLOCK_BOOTTIME ns. */
uint64_t ctl_linux_due_ns(const struct ctl_linux *l);

/* Which Linux interface stands for a port or a WireGuard interface; routes over it become
 * DP_ROUTE_PORT or DP_ROUTE_IFACE. Also later, for interfaces that come and go. */
int ctl_linux_bind_port(struct ctl_linux *l, const struct dp_port *port);
/* A bound port has another interface now: one of the same name was made anew. */
void ctl_linux_move_port(struct ctl_linux *l, const struct dp_port *port);
int ctl_linux_bind_iface(struct ctl_linux *l, const struct dp_iface *iface, uint32_t ifindex);
void ctl_linux_unbind_iface(struct ctl_linux *l, const struct dp_iface *iface);

/* What the configuration names, set in Linux. 0 (also if it is there already, or is gone already)
 * or -errno. Blocking round trips of some 10 us. mtu 0: leave it. */
int ctl_linux_link_up(struct ctl_linux *l, uint32_t ifindex, uint16_t mtu);
/*
 * The interface that is a VLAN of the interface parent, whatever its name; made with this name if
 * there is none. 0, or -errno with a sentence in error (also of what to do where Linux has no
 * VLANs).
 */
struct ctl_linux_vlan {
	uint32_t ifindex;
	uint32_t mtu;
	bool made; /* to be removed again with ctl_linux_link_remove() */
};
int ctl_linux_vlan(struct ctl_linux *l, uint32_t parent, uint16_t vlan, const char *name,
		   bool may_make, struct ctl_linux_vlan *found, char *error, size_t error_size);
int ctl_linux_link_remove(struct ctl_linux *l, uint32_t ifindex);
int ctl_linux_set_address(struct ctl_linux *l, uint32_t ifindex, const struct cf_prefix *addr,
			  bool add);
int ctl_linux_set_route(struct ctl_linux *l, uint32_t ifindex, const struct cf_route *route,
			bool add);

/*
 * The way to an endpoint as Linux would go it (RTM_GETROUTE with the mark; the endpoint's own local
 * address as source if it has one that is still ours and leads out the same way, else what Linux
 * prefers; endpoint->has_local is cleared in out if it had to be given up), with headers ready
 * made: source port listen_port, TTL 64, checksums and lengths zero, flow label 0, DF clear.
 * Fills *out; out->port_id is DP_PORT_NONE if the neighbour is not resolved (it is asked for; ops
 * tell when it answers; next_hop and ifindex then name it). 0, -EHOSTUNREACH (no route),
 * -ENETUNREACH (the route does not lead out of a port).
 */
struct ctl_way {
	struct dp_out out;
	uint32_t ifindex;
	uint8_t next_hop[16];
	int family; /* of next_hop */
};
int ctl_linux_way(struct ctl_linux *l, const struct wg_endpoint *endpoint, uint16_t listen_port,
		  uint32_t fwmark, struct ctl_way *way);

/* The MAC of a neighbour on a port's interface: true and mac, or false and it is asked for. */
bool ctl_linux_neighbour(struct ctl_linux *l, uint32_t ifindex, int family, const uint8_t *addr,
			 uint8_t mac[6]);

#endif
