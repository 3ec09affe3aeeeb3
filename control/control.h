/*
 * The control lcore: everything that joins handshake/, dataplane/, config/ and the Linux face.
 * Private to the composition; all of it runs on one thread, which is the only writer of every table
 * that workers read. start.c starts it, control.c is its loop.
 *
 *   iface.c   WireGuard interfaces      peers.c   their peers, what waits for a session, ways out
 *   upcalls.c what the handshake asks   emit.c    handshake messages as frames
 *   apply.c   edits of the configuration  link.c  links of devices, those that go and come back
 *   cpus.c, preflight.c, memory.c       what can be known before anything starts
 *   check.c   the same and more, without a start
 *   serve_rpc.c, serve_uapi.c           what operators ask
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/diff.h"
#include "config/model.h"
#include "config/rpc.h"
#include "config/uapi.h"
#include "control/asked.h"
#include "control/ending.h"
#include "control/face.h"
#include "control/guard.h"
#include "control/linux.h"
#include "dataplane/publish.h"
#include "handshake/handshake.h"

/* Packets of a peer that wait for a session or a next hop; the oldest goes first (protocol 1.4). */
#define CTL_STAGED_MAX_PKTS 128
/* Three slots of the handshake, and one more while a new one replaces the oldest. */
#define CTL_SESSIONS_MAX 4

struct ctl;
struct ctl_iface;
struct ctl_links;

struct ctl_peer {
	TAILQ_ENTRY(ctl_peer) link;	/* of the interface, in order of adding */
	TAILQ_ENTRY(ctl_peer) deferred; /* see ctl_peer_defer() */
	struct ctl_iface *iface;
	struct hs_peer *hs;
	struct dp_peer *dp;
	struct dp_session *sessions[CTL_SESSIONS_MAX]; /* NULL: free */
	struct rte_mbuf **staged; /* ring of CTL_STAGED_MAX_PKTS, made when first needed */
	uint16_t staged_head, staged_n;
	bool is_deferred;
	bool wants_session; /* deferred: call hs_peer_want_session() */
	bool wants_way;	    /* deferred: work out the way out anew */
	bool way_failed;    /* deferred: the next hop did not answer; what waits is dropped */
	/* the way out, as last worked out */
	int way_error;	      /* 0, or why there is none */
	uint32_t way_ifindex; /* with way_family: the next hop that it goes by */
	int way_family;	      /* 0: none */
	uint8_t way_next_hop[16];
	/* a handshake message that waits for the next hop's MAC; the newest only */
	uint8_t held[sizeof(struct wg_initiation)];
	uint16_t held_bytes;
	uint8_t source_ports;
	uint64_t port_held_ns, hold_ns; /* until when, and for how long: see ctl_peer_moved() */
	char name[CF_PEER_NAME_BYTES];
	struct cf_endpoint configured; /* by file or `wg`, before roaming */
};

TAILQ_HEAD(ctl_peer_list, ctl_peer);

/* Removed peers that a reader may still stand on: see ctl_peer_after(). */
#define CTL_GONE_MAX 64

struct ctl_gone {
	uint8_t key[CF_KEY_BYTES];
	uint8_t before[CF_KEY_BYTES]; /* the peer before it in the list */
	bool was_first;
};

struct ctl_iface {
	struct ctl *ctl;
	struct hs_device *hs;
	struct dp_iface *dp;
	struct cf_uapi *uapi;
	struct ctl_guard guard; /* holds the listen port, and those after it that peers need */
	struct ctl_peer_list peers;
	uint32_t n_with_ports[CF_SOURCE_PORTS_MAX + 1]; /* peers by their source ports, from 2 */
	uint64_t ports_until_ns; /* when those are let go that no peer needs; 0: there are none */
	struct ctl_peer *way_cursor; /* next one whose way is worked out anew; see control.c */
	size_t n_peers;
	struct ctl_gone gone[CTL_GONE_MAX]; /* the last removed ones, in a ring */
	unsigned int n_gone;
	uint32_t ifindex;
	uint32_t fwmark;
	uint16_t mtu;
	uint16_t listen_port_wanted; /* as configured, 0: any */
	char name[CF_NAME_BYTES];
	struct cf_prefixes addresses, routes; /* set in Linux by us */
};

struct ctl {
	const char *config_path;
	struct cf_config *settings; /* what can't change while running; ports, with what was set */
	struct dp *dp;
	struct ctl_linux *netlink;
	struct ctl_face *face;
	struct ctl_asked *asked;
	struct ctl_links *links;
	struct cf_rpc *rpc;
	struct ctl_iface *ifaces[DP_IFACES_MAX]; /* by dp id; NULL: none */
	TAILQ_HEAD(, ctl_peer) deferred;
	int epoll_fd, signal_fd;
	bool stop;
	bool hugepages;
	uint16_t input_bytes; /* of the handshake message that is being taken, for byte counts */
	struct hs_now now;
	struct hs_now started;
	uint64_t verdicts[HS_VERDICT_N];
};

/* ---- start.c ---- */

/* Starts all, runs until a signal or a `stop`, and ends all. c has its settings; EXIT_SUCCESS or
 * EXIT_FAILURE, with the cause logged. */
int ctl_start(struct ctl *c);

/* How much memory DPDK will be given. */
uint64_t ctl_start_bytes(const struct cf_config *f);

/* For --check: who wants to know how far it has come, and to look at what is open. */
struct ctl_look {
	/* What is tried next: a step, or "port NAME". A driver may never come back from it. */
	void (*at)(void *ctx, const char *what);
	void (*look)(void *ctx, const struct ctl *c);
	void *ctx;
};

/*
 * For --check, in a process of its own: starts DPDK and opens the ports as ctl_start() does, but
 * changes nothing in Linux, and ends all again. False: something failed, the cause is logged.
 */
bool ctl_start_to_look(struct ctl *c, const struct ctl_look *look);

/* ---- check.c ---- */

/* --check: what the file says against this machine, to stdout and stderr; c has its settings and
 * nothing else. Opens nothing that a running gateway has, changes nothing. True: no error. */
bool ctl_check(struct ctl *c);

/* ---- control.c ---- */

/* The loop: until a signal or a `stop`. */
void ctl_run(struct ctl *c);
void ctl_clock(struct hs_now *now);
/* Polls fd with the loop; handler by what it belongs to. 0 or -errno. */
int ctl_watch(struct ctl *c, int fd, void *tag);
void ctl_unwatch(struct ctl *c, int fd);

/* ---- link.c ---- */

/* Follows the links of all ports from now on; the face has their TAPs. NULL: out of memory. */
struct ctl_links *ctl_links_new(struct ctl *c);
/* Before the ports are closed. NULL is allowed. */
void ctl_links_free(struct ctl_links *l);
/* What is due; returns when it has to be called again. */
uint64_t ctl_links_advance(struct ctl_links *l, uint64_t now_ns);
/* An interface of Linux changed, or (gone) does not exist any more. */
void ctl_links_changed(struct ctl_links *l, uint32_t ifindex, bool gone);

/* ---- iface.c ---- */

/* All of an interface but peers and keys: TUN, tables, UAPI. NULL, and the cause is logged. */
struct ctl_iface *ctl_iface_new(struct ctl *c, const char *name, uint16_t mtu);
void ctl_iface_free(struct ctl_iface *i);
/* Listen port, mark and Linux's routes decide the ways out: all of them anew, some a turn. */
void ctl_iface_ways_anew(struct ctl_iface *i);
struct ctl_iface *ctl_iface_by_name(const struct ctl *c, const char *name);
int ctl_iface_set_listen_port(struct ctl_iface *i, uint16_t port);
/* One peer's source ports change: takes UDP ports, or lets go of them after some time. Fails only
 * if there are to be more: -EADDRINUSE, -ERANGE, with the cause logged. */
int ctl_iface_count_ports(struct ctl_iface *i, uint8_t was, uint8_t is);
/* Lets go of ports whose time is over; returns when the next time is. */
uint64_t ctl_iface_free_ports(struct ctl_iface *i);
int ctl_iface_set_mtu(struct ctl_iface *i, uint16_t mtu);
/* Also removes a peer that has the new public key as its own. key NULL: none. */
void ctl_iface_set_key(struct ctl_iface *i, const uint8_t *key);
void ctl_iface_set_fwmark(struct ctl_iface *i, uint32_t mark);
int ctl_iface_set_address(struct ctl_iface *i, const struct cf_prefix *p, bool add);
int ctl_iface_set_route(struct ctl_iface *i, const struct cf_route *r, bool add);

/* ---- peers.c ---- */

/* NULL with errno as hs_peer_add(). */
struct ctl_peer *ctl_peer_new(struct ctl_iface *i, const uint8_t public_key[CF_KEY_BYTES]);
/* Frees after workers have let go. */
void ctl_peer_remove(struct ctl_peer *p);
struct ctl_peer *ctl_peer_find(const struct ctl_iface *i, const uint8_t *public_key);
/* The peer after this one in the order of adding (NULL: the first), also if it was removed lately;
 * NULL: no more. For readers that come back for more, while peers come and go. */
struct ctl_peer *ctl_peer_after(const struct ctl_iface *i, const uint8_t *public_key);
/* Fails as ctl_iface_count_ports(), with nothing changed. */
int ctl_peer_set_source_ports(struct ctl_peer *p, uint8_t n);
void ctl_peer_set_endpoint(struct ctl_peer *p, const struct cf_endpoint *e);
int ctl_peer_allow(struct ctl_peer *p, const struct cf_prefix *prefix);
int ctl_peer_disallow(struct ctl_peer *p, const struct cf_prefix *prefix);
void ctl_peer_disallow_all(struct ctl_peer *p);
/* The peer's prefixes, malloc'd. -ENOMEM. */
int ctl_peer_allowed(const struct ctl_peer *p, struct cf_prefix **at, size_t *n);

/* Packets that wait. */
void ctl_peer_stage(struct ctl_peer *p, struct rte_mbuf *m);
/* An empty packet at the end of the queue, if it is empty. */
void ctl_peer_stage_keepalive(struct ctl_peer *p);
/* Hands what is staged to workers, if there is a session and a way out. */
void ctl_peer_flush(struct ctl_peer *p);
void ctl_peer_purge(struct ctl_peer *p, enum dp_drop reason);
/* The same, and their sources are told by ICMP. */
void ctl_peer_refuse_staged(struct ctl_peer *p, enum dp_drop reason);
/* A session to send with exists and is not used up. */
bool ctl_peer_usable(const struct ctl_peer *p);

/* Its packets come from elsewhere: the new way, and what waited goes there. */
void ctl_peer_moved(struct ctl_peer *p);
/* Works the way out anew and publishes it. */
void ctl_peer_update_way(struct ctl_peer *p);
/* A neighbour of any peer changed, or did not answer. */
void ctl_peers_neighbour(struct ctl *c, uint32_t ifindex, int family, const uint8_t *addr,
			 bool failed);
/* From the next loop on; for what an upcall may not do. */
void ctl_peer_defer(struct ctl_peer *p);

/* Totals with running sessions. */
struct ctl_peer_totals {
	uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets;
};
void ctl_peer_totals(const struct ctl_peer *p, struct ctl_peer_totals *t);

/* ---- upcalls.c ---- */

extern const struct hs_ops ctl_hs_ops;

/* ---- emit.c ---- */

/* The message leaves by the peer's way (peer NULL: by the way to `to`). Held until the next hop is
 * known, if it is the peer's. */
void ctl_emit(struct ctl_iface *i, struct ctl_peer *peer, const struct wg_endpoint *to,
	      const void *msg, size_t len);

/* ---- apply.c ---- */

/*
 * Applies the difference between what runs and wanted (first: nothing runs yet, and wanted is
 * c->settings). Ports' addresses and routes change places with those of c->settings. done gets the
 * numbers of edits. 0, or -errno with errors: from cf_diff() with nothing changed, or, if an edit
 * fails in Linux (an address, a port in use), with the rest applied all the same.
 */
int ctl_apply(struct ctl *c, struct cf_config *wanted, bool first, struct cf_edits *done,
	      struct cf_messages *errors);

/* ---- serve_rpc.c, serve_uapi.c ---- */

extern const struct cf_rpc_method ctl_rpc_methods[];
/* As `load` of the file that was loaded last; the log says what came of it. */
void ctl_load_again(struct ctl *c);
extern const struct cf_uapi_ops ctl_uapi_ops; /* ctx: struct ctl_iface */

#endif
