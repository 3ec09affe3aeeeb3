/*
 * Keeps UDP ports for WireGuard in Linux: sockets bound in both families with a filter that drops
 * all, so that Linux answers nothing on these ports (no ICMP port unreachable) and nobody else gets
 * them.
 */
#ifndef CONTROL_GUARD_H
#define CONTROL_GUARD_H

#include <stdint.h>

#include "config/model.h"

/* The sockets of one port; -1: none. */
struct ctl_guard_fds {
	int v4, v6;
};

/* Zeroed: holds nothing. */
struct ctl_guard {
	struct ctl_guard_fds fds[CF_SOURCE_PORTS_MAX]; /* of port, port + 1, ... */
	uint16_t port;
	uint16_t n;
};

/*
 * From the ports that are held to n (at least 1) from port on; what is in both is held throughout.
 * port 0: any that are free, in both families and in a row. 0, or -errno with nothing changed and
 * the cause logged (-EADDRINUSE; -ERANGE: they would end beyond 65535).
 */
int ctl_guard_move(struct ctl_guard *g, uint16_t port, uint16_t n);
void ctl_guard_close(struct ctl_guard *g);

#endif
