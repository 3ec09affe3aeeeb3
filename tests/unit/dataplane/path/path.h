/*
 * A gateway in memory for the tests of the packet path: one to four workers, two ports that are
 * rings, one WireGuard interface with three peers and their sessions, routes and addresses. Time
 * stands still unless a test moves it. Everything that comes out is looked at where it comes out.
 *
 *   port 0 "wan"  192.0.2.1, 2001:db8::1        peers' endpoints 198.51.100.N:N000, 2001:db8:1::N
 *   port 1 "lan"  10.0.0.0/16, fd00:a::/64      host 10.0.0.2 resolved, 10.0.0.3 not
 *   wg0, port 51820, MTU 1420                   peer N: 10.8.N.0/24, fd00:8:N::/48 (N = 1, 2, 3)
 */
#ifndef TESTS_UNIT_DATAPLANE_PATH_PATH_H
#define TESTS_UNIT_DATAPLANE_PATH_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dataplane/publish.h"
#include "dataplane/session.h"
#include "dataplane/stages.h"

#define PATH_PEERS	 3
#define PATH_PORTS	 4
#define PATH_LISTEN_PORT 51820
#define PATH_MTU	 1420
#define PATH_START_NS	 (1000 * WG_NS_PER_S)
#define PATH_FRAME_BYTES 4096
#define PATH_WORKERS_MAX 4

struct path {
	struct dp *dp;
	struct dp_worker *w;	     /* the first */
	struct dp_device devices[2]; /* port 0 and port 1 are the untagged part of each */
	struct dp_port ports[PATH_PORTS];
	struct rte_ring *rx[2], *tx[2]; /* what a port receives, what it has sent */
	struct dp_iface *wg;
	struct dp_peer *peers[PATH_PEERS + 1];	     /* from 1 */
	struct dp_session *sessions[PATH_PEERS + 1]; /* current */
};

/* The keys of peer n: what it sends under, what we send under. */
void path_key(unsigned int n, bool ours, uint8_t key[32]);
#define PATH_LOCAL_INDEX(n)  (0x1000u + (n))
#define PATH_REMOTE_INDEX(n) (0x2000u + (n))

/* test_eal_start() comes before. */
void path_open(struct path *p, uint16_t n_workers);
/* One more port, as the VLAN of a device. */
void path_port(struct path *p, uint16_t id, unsigned int device, uint16_t vlan, const char *name);
/* Fails if a packet buffer was lost. */
void path_close(struct path *p);

/* ---- packets by hand ---- */

/* A frame and how long it is. */
struct path_frame {
	uint8_t at[PATH_FRAME_BYTES];
	size_t len;
};

/* An address by its text, 4 or 16 bytes, and which. */
int path_addr(const char *text, uint8_t addr[16]);

/* An IP packet (protocol 59, or UDP 7 to 9 where there is room) of len bytes in all. */
size_t path_ip(uint8_t *out, const char *from, const char *to, size_t len);
/* Ethernet, IP and UDP around a payload, for the MAC of port. */
void path_udp(struct path_frame *f, const struct path *p, unsigned int port, const char *from,
	      uint16_t from_port, const char *to, uint16_t to_port, const void *payload,
	      size_t len);
/* Ethernet around an IP packet. */
void path_ethernet(struct path_frame *f, const struct path *p, unsigned int port, const void *ip,
		   size_t len);
/* A data message of peer n around plaintext as it is. Returns its length. */
size_t path_message(uint8_t *out, unsigned int n, uint64_t counter, const void *plain, size_t len);
/* The same in a frame from the peer's endpoint, inner being an IP packet or nothing. */
void path_data(struct path_frame *f, const struct path *p, unsigned int n, uint64_t counter,
	       const void *plain, size_t len);
void path_ipv4_sum(uint8_t *ip);
/* Is a one's complement sum right? */
bool path_ipv4_sum_right(const uint8_t *ip);
bool path_udp_sum_right(const uint8_t *ip);

/* ---- through the path ---- */

struct rte_mbuf *path_packet(struct path *p, const void *at, size_t len);
/* A frame that port has received, through classify and whatever follows; flushed. */
void path_receive(struct path *p, unsigned int port, const struct path_frame *f);
/* The same for n frames in one batch. */
void path_receive_all(struct path *p, unsigned int port, const struct path_frame *f,
		      unsigned int n);
/* The same, in a buffer of its own that ends where the frame ends, so that sanitizers see what is
 * read or written beyond; in a batch behind another frame, unless first is NULL. */
void path_receive_exact(struct path *p, unsigned int port, const struct path_frame *first,
			const struct path_frame *f);
/* An inner packet that Linux sends through wg0; flushed. */
void path_from_linux(struct path *p, const void *at, size_t len);
/* The same for a peer, length 0: keepalive. */
void path_seal(struct path *p, unsigned int n, const void *at, size_t len);

/* What came out; NULL: nothing. The test frees. */
struct rte_mbuf *path_sent(struct path *p, unsigned int port);
struct rte_mbuf *path_asked(struct path *p);
struct rte_mbuf *path_handshake(struct path *p);
struct rte_mbuf *path_for_linux(struct path *p);
bool path_event(struct path *p, struct dp_event *event);
/* Nothing is waiting anywhere. */
void path_assert_quiet(struct path *p);
/* Frees what is waiting; returns how many packets. */
unsigned int path_drain(struct path *p);

/* A copy of the way that is published for a peer, to be changed and published. */
struct dp_out path_out(const struct path *p, unsigned int n);

/* Drops of this reason since the last call for it, and since then no other reason. */
void path_assert_dropped(struct path *p, enum dp_drop reason, uint64_t n);
uint64_t path_drops(const struct path *p);

#endif
