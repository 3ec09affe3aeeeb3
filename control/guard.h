/*
 * Keeps a UDP port for WireGuard in Linux: sockets bound in both families with a filter that drops
 * all, so that Linux answers nothing on that port (no ICMP port unreachable) and nobody else gets
 * it.
 */
#ifndef CONTROL_GUARD_H
#define CONTROL_GUARD_H

#include <stdint.h>

struct ctl_guard {
	int fd4, fd6; /* -1: none */
	uint16_t port;
};

/* port 0: a random free one (free in both families). 0 or -errno (-EADDRINUSE). */
int ctl_guard_open(struct ctl_guard *g, uint16_t port);
void ctl_guard_close(struct ctl_guard *g);

#endif
