/*
 * What workers ask of control for single packets: ICMP errors, fragments, reassembly, next hops
 * that are not resolved yet. Runs on the control thread. Packets that wait for a session are peer
 * state: see control.c.
 */
#ifndef CONTROL_ASKED_H
#define CONTROL_ASKED_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "control/linux.h"
#include "dataplane/worker.h"

struct ctl_asked;

struct ctl_asked *ctl_asked_new(struct dp *dp, struct ctl_linux *l, char *error, size_t error_size);
/* Frees what waits, counting it as dropped. */
void ctl_asked_free(struct ctl_asked *a);

/* Owns the packet from now on. note.ask: ICMP, FRAGMENT, FRAGMENT_OUT, REASSEMBLE or RESOLVE. */
void ctl_asked_packet(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m);

/* A neighbour answered (or failed: mac NULL): sends or drops what waits for it. */
void ctl_asked_neighbour(struct ctl_asked *a, uint32_t ifindex, int family, const uint8_t *addr,
			 const uint8_t *mac);

/* ICMP (v4 or v6) to the source of an inner packet, by Linux's own raw sockets, rate-limited as
 * Linux does (1000/s in all, bursts of 50), never about ICMP errors, multicast or broadcast.
 * The packet stays the caller's. */
void ctl_asked_icmp(struct ctl_asked *a, uint64_t now_ns, const struct rte_mbuf *m,
		    enum dp_drop reason);

/* Timeouts; returns when to call again (CLOCK_BOOTTIME ns, UINT64_MAX: nothing waits). */
uint64_t ctl_asked_advance(struct ctl_asked *a, uint64_t now_ns);

/* Packets that wait here now, for conservation. */
unsigned int ctl_asked_waiting(const struct ctl_asked *a);

#endif
