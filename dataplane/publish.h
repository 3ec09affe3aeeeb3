/*
 * How control changes what workers read: the only place that publishes and retires. Each function
 * says in publish.c, as numbered steps, in which order. All are called by control only and never
 * wait for workers: what they may still see is queued and freed by dp_reclaim_poll().
 */
#ifndef DATAPLANE_PUBLISH_H
#define DATAPLANE_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/peer.h"
#include "dataplane/worker.h"

/* ---- the whole ---- */

struct dp_settings {
	const int *cpus; /* of the workers */
	const unsigned int *lcores;
	uint16_t n_workers;
	bool backoff;
	uint32_t packet_buffers;
	uint16_t mtu_max; /* greatest of ports and interfaces: sizes the buffers */
	const char *aead; /* back end, NULL: best */
	enum dp_spread_mode spread;
};

/* After rte_eal_init(): pool, rings, RCU, tables, workers (not yet running). NULL with a sentence
 * in error. */
struct dp *dp_new(const struct dp_settings *settings, char *error, size_t error_size);
/* Memory that a packet buffer takes with all that belongs to it, also before rte_eal_init(). */
uint32_t dp_packet_buffer_bytes(uint16_t mtu_max);
/* Workers must have ended. Frees everything, wiping keys; every packet that is left is freed. */
void dp_free(struct dp *dp);

/* ---- reclaim ---- */

/* After all workers have passed a quiescent state, calls free_fn(arg). Never fails: if memory is
 * short it waits for the workers instead (at shutdown or in the worst case). */
struct dp_reclaim;
void dp_reclaim_later(struct dp_reclaim *r, void (*free_fn)(void *arg), void *arg);
/* Frees what is due, a bounded number; returns how many still wait. Call it in control's loop. */
size_t dp_reclaim_poll(struct dp_reclaim *r);

/* ---- interfaces, peers ---- */

/* NULL with errno (ENOSPC: DP_IFACES_MAX). */
struct dp_iface *dp_publish_iface(struct dp *dp, const char *name, uint16_t mtu);
/* Its peers have been removed before. */
void dp_retire_iface(struct dp *dp, struct dp_iface *iface);
/* n ports from first on, all below 65536; n 0: none. */
void dp_publish_listen(struct dp_iface *iface, uint16_t first, uint16_t n);
void dp_publish_mtu(struct dp_iface *iface, uint16_t mtu);

/* NULL: out of memory. */
struct dp_peer *dp_publish_peer(struct dp *dp, struct dp_iface *iface, void *owner);
/*
 * Its sessions have been retired before. Steps: allowed-ips, reference, out, RCU, free; done(arg)
 * is called from dp_reclaim_poll() after that. Packets on rings name it by reference and find
 * nothing.
 */
void dp_retire_peer(struct dp *dp, struct dp_peer *peer, void (*done)(void *arg), void *arg);
/* Workers (within a loop) and control. NULL: gone. */
struct dp_peer *dp_peer_by_ref(const struct dp *dp, uint64_t ref);

/* ---- sessions ---- */

/* Receive under local_index from now on. Keys are copied. NULL: out of memory. */
struct dp_session *dp_publish_session(struct dp *dp, struct dp_peer *peer,
				      const uint8_t send_key[WG_KEY_BYTES],
				      const uint8_t receive_key[WG_KEY_BYTES], uint32_t local_index,
				      uint32_t remote_index, uint64_t birth_ns, bool initiator);
/* Send with it from now on; NULL: with none. */
void dp_publish_current(struct dp_peer *peer, struct dp_session *s);
/* Neither send nor receive; its byte counts are added to the peer's; wiped after RCU. */
void dp_retire_session(struct dp *dp, struct dp_session *s);

/* ---- ways out ---- */

/* Copies out (NULL: no endpoint). Clears roam_told. -ENOMEM leaves the old one. */
int dp_publish_out(struct dp *dp, struct dp_peer *peer, const struct dp_out *out);

/* ---- this host's addresses ---- */

/* Replaces the set. addrs: n x 16 bytes (IPv4 in the first 4, rest zero), families: AF_*. */
int dp_publish_locals(struct dp *dp, const uint8_t (*addrs)[16], const uint8_t *families, size_t n);
/* Workers. */
bool dp_is_local(const struct dp_locals *l, int family, const uint8_t *addr);

/* ---- what control and the face take from workers ---- */

/* Packets and events from all workers in turn, at most n. The receiver owns the packets. */
unsigned int dp_take_handshakes(struct dp *dp, struct rte_mbuf **pkts, unsigned int n);
unsigned int dp_take_asked(struct dp *dp, struct rte_mbuf **pkts, unsigned int n);
unsigned int dp_take_events(struct dp *dp, struct dp_event *events, unsigned int n);
unsigned int dp_take_for_linux(struct dp *dp, struct rte_mbuf **pkts, unsigned int n);
/* Handshake messages that wait now. */
unsigned int dp_handshakes_waiting(const struct dp *dp);
/* Before sleeping: says so and looks once more. False: there is work, do not sleep. */
bool dp_control_may_sleep(struct dp *dp);
bool dp_face_may_sleep(struct dp *dp);

/* A packet buffer for control or the face, with DP_HEADROOM_BYTES reserved and a zeroed note
 * (port_id = DP_PORT_NONE). NULL: none left. */
struct rte_mbuf *dp_packet_new(struct dp *dp);

/* The source of an outer packet (address, port, and the local address it was sent to), from the
 * headers before its payload. note.l3_off, payload_off and family must be as classify set them;
 * data may have been moved by opening only. */
void dp_packet_endpoint(const struct rte_mbuf *m, struct wg_endpoint *from);

#endif
