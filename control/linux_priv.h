/*
 * Inside of linux.h: what Linux tells (linux.c; of links linux_links.c), round trips
 * (linux_request.c), what is read (linux_read.c) and set (linux_set.c) in Linux, neighbours
 * (linux_hops.c), routes as Linux has them (linux_routes.c), where they lie (linux_store.c) and as
 * workers see them (linux_publish.c), ways to endpoints (linux_way.c), VLANs (linux_vlan.c). All on
 * the control thread.
 */
#ifndef CONTROL_LINUX_PRIV_H
#define CONTROL_LINUX_PRIV_H

#include <string.h>
#include <sys/queue.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <rte_jhash.h>

#include "control/limit.h"
#include "control/linux.h"
#include "dataplane/route.h"

struct linux_prefix;

/* A neighbour of an interface: known to Linux, or somebody waits for it, or routes lead over it. */
struct linux_hop {
	LIST_ENTRY(linux_hop) chain;
	LIST_HEAD(, linux_prefix) users;  /* what workers see through it */
	TAILQ_ENTRY(linux_hop) tell_link; /* of hops_told, if telling */
	TAILQ_ENTRY(linux_hop) poke_link; /* of hops_poked, if poking */
	uint64_t asked_ns;		  /* last time that Linux was told to ask for it */
	uint32_t ifindex;
	uint32_t generation; /* of the last dump that had it */
	uint8_t addr[16];
	uint8_t mac[6];
	uint8_t family;
	bool valid;    /* mac is */
	bool stale;    /* valid, but Linux has had no sign of life for a while */
	bool in_linux; /* has an entry there */
	bool endpoint; /* a way to an endpoint leads over it */
	bool failed;   /* to be told as such */
	bool telling;
	bool poking;
};

#define LINUX_HOP_BUCKETS 4096 /* a power of two */

/* One of Linux's routes to a prefix. Best first: table, metric, then Linux's own order. */
struct linux_candidate {
	struct linux_candidate *next;
	uint32_t metric;
	uint32_t oif;
	uint32_t generation;
	uint8_t via[16];
	uint8_t via_family; /* 0: on link */
	uint8_t rank;	    /* of the table: local 0, main 1, default 2 */
	uint8_t type;	    /* RTN_* */
	bool multipath;
	bool dead; /* its interface is down */
};

struct linux_prefix {
	struct linux_prefix *chain;
	struct linux_candidate *candidates;
	TAILQ_ENTRY(linux_prefix) dirty_link; /* of dirty, if is_dirty */
	LIST_ENTRY(linux_prefix) user_link;   /* of hop->users, if hop */
	struct linux_hop *hop;
	struct dp_route route; /* what workers see, if published */
	uint8_t addr[16];
	uint8_t family;
	uint8_t len;
	bool is_dirty;
	bool changed; /* candidates did: neighbours inside may need other routes */
	bool published;
};

/* Growing hash table of prefixes. */
struct linux_store {
	struct linux_prefix **buckets;
	size_t n_buckets; /* a power of two, or 0 */
	size_t n;
	size_t with_len[2][129]; /* prefixes by family (IPv6: 1) and length */
	uint32_t seed;
};

/* An interface as it was told last. */
struct linux_link {
	uint32_t ifindex;
	uint32_t flags; /* IFF_UP, IFF_RUNNING */
};

struct linux_binding {
	uint32_t ifindex;
	const struct dp_port *port; /* NULL: iface_id */
	uint16_t iface_id;
};

#define LINUX_BINDINGS_MAX (DP_PORTS_MAX + DP_IFACES_MAX)

struct ctl_linux {
	struct dp *dp;
	struct ctl_linux_ops ops;
	void *ctx;
	struct nl_sock *events;	 /* notifications, non-blocking */
	struct nl_sock *request; /* blocking round trips */
	bool started;
	struct linux_binding bindings[LINUX_BINDINGS_MAX];
	unsigned int n_bindings;

	struct linux_link *links;
	size_t n_links;

	/* this host's addresses, as published */
	uint8_t (*locals)[16];
	uint8_t *local_families;
	size_t n_locals;

	LIST_HEAD(, linux_hop) hops[LINUX_HOP_BUCKETS];
	TAILQ_HEAD(, linux_hop) hops_told;
	TAILQ_HEAD(, linux_hop) hops_poked;
	struct ctl_limit pokes;
	uint32_t generation;

	struct linux_store store;
	TAILQ_HEAD(, linux_prefix) dirty;
	size_t n_changed; /* of the dirty, those with changed candidates */

	/* to be done in ctl_linux_run() */
	bool resync;	/* read all anew */
	bool addresses; /* read addresses anew */
	bool ways;	/* tell that ways changed */
	struct ctl_limit resyncs;
	struct ctl_limit ways_told;
	struct ctl_limit complaints;
};

/* ---- linux.c ---- */

uint64_t linux_now_ns(void);
/* Of an address, which need not be aligned. */
static inline uint32_t linux_hash(const uint8_t addr[16], uint32_t seed)
{
	uint32_t words[4];

	memcpy(words, addr, sizeof(words));
	return rte_jhash_32b(words, 4, seed);
}

/* 4 or 16. */
unsigned int linux_addr_bytes(int family);
const struct linux_binding *linux_binding(const struct ctl_linux *l, uint32_t ifindex);

/* ---- linux_links.c ---- */

/* An RTM_NEWLINK or RTM_DELLINK. */
void linux_link_message(struct ctl_linux *l, struct nlmsghdr *nlh);
/* An RTM_NEWNETCONF: whether routes without a carrier are used may be set otherwise. */
void linux_netconf_message(struct ctl_linux *l, struct nlmsghdr *nlh);

/* ---- linux_request.c ---- */

/* A connected socket, blocking, that takes what the kernel makes of a dump. NULL: it failed. */
struct nl_sock *linux_socket(void);
/*
 * One round trip: sends (and frees) the message, calls each for every answer. 0 or Linux's -errno.
 * each must not make requests itself. msg NULL: -ENOMEM.
 */
int linux_request(struct ctl_linux *l, struct nl_msg *msg, int (*each)(struct nl_msg *, void *),
		  void *arg);
/* A message with a fixed header; NULL: out of memory. */
struct nl_msg *linux_message(int type, int flags, void *header, size_t header_bytes);

/* ---- linux_read.c ---- */

/* 0 or -errno, logged. After an error some of it may be as before. */
int linux_read_all(struct ctl_linux *l);
/* Only the addresses of this host. 0, or -errno with what was known left as it was. */
int linux_read_addresses(struct ctl_linux *l);
bool linux_is_local(const struct ctl_linux *l, int family, const uint8_t *addr);

/* ---- linux_hops.c ---- */

struct linux_hop *linux_hop_find(const struct ctl_linux *l, uint32_t ifindex, int family,
				 const uint8_t *addr);
/* Finds or makes. NULL: out of memory. */
struct linux_hop *linux_hop_get(struct ctl_linux *l, uint32_t ifindex, int family,
				const uint8_t *addr);
/* Frees it if nobody has a reason to keep it. */
void linux_hop_release(struct linux_hop *h);
/* An RTM_NEWNEIGH or RTM_DELNEIGH, of a dump or a notification. */
void linux_hop_message(struct ctl_linux *l, struct nlmsghdr *nlh);
/* After a dump: what it did not have is gone. */
void linux_hops_sweep(struct ctl_linux *l);
/* Workers begin to use it: is it still there? */
void linux_hop_poke_later(struct ctl_linux *l, struct linux_hop *h);
/* Linux should resolve it; limited to once a second for each. May free h. */
void linux_hop_ask(struct ctl_linux *l, struct linux_hop *h);
void linux_hops_tell(struct ctl_linux *l);
void linux_hops_poke(struct ctl_linux *l);
void linux_hops_init(struct ctl_linux *l);
void linux_hops_free(struct ctl_linux *l);

/* ---- linux_store.c ---- */

/* 0 or -ENOMEM. */
int linux_store_init(struct ctl_linux *l);
/* Also with what was never initialised. */
void linux_store_free(struct ctl_linux *l);
/* Bits of an address. */
unsigned int linux_full_len(int family);
/* Clears the bits of a 16-byte address beyond len. */
void linux_mask(uint8_t *addr, unsigned int len);
/* By an address of 16 bytes, those beyond the family's and beyond len zero. NULL: none. */
struct linux_prefix *linux_prefix_find(const struct ctl_linux *l, int family, const uint8_t *addr,
				       uint8_t len);
/* Finds or makes. NULL: out of memory. */
struct linux_prefix *linux_prefix_get(struct ctl_linux *l, int family, const uint8_t *addr,
				      uint8_t len);
/* One without candidates, and neither dirty nor leaning on a neighbour. */
void linux_prefix_free(struct ctl_linux *l, struct linux_prefix *p);
/* Workers may have to see something else. */
void linux_prefix_mark(struct ctl_linux *l, struct linux_prefix *p);
/* The same, as its candidates changed. */
void linux_prefix_changed(struct ctl_linux *l, struct linux_prefix *p);
/* The one that Linux uses. NULL: none. */
struct linux_candidate *linux_prefix_best(const struct linux_prefix *p);
/* The best route that covers an address, other than one to the address itself. NULL: none. */
struct linux_candidate *linux_covering(const struct ctl_linux *l, int family, const uint8_t *addr);

/* ---- linux_routes.c ---- */

/* An RTM_NEWROUTE or RTM_DELROUTE; dumped: of a dump. */
void linux_route_message(struct ctl_linux *l, struct nlmsghdr *nlh, bool dumped);
/* After a dump: what it did not have is gone. */
void linux_routes_sweep(struct ctl_linux *l);
/* Whether any leads over this interface, or may: those with several next hops. */
bool linux_routes_use(const struct ctl_linux *l, uint32_t ifindex);
/* Whether main has a route to this prefix: over this interface: 1, over others only: 0, none: -1 */
int linux_routes_main(const struct ctl_linux *l, const struct cf_prefix *to, uint32_t ifindex);

/* ---- linux_publish.c ---- */

/* The neighbour's MAC came, changed or went. */
void linux_routes_hop_changed(struct ctl_linux *l, struct linux_hop *h);
/* Interfaces were bound or unbound: all routes may mean something else. */
void linux_routes_rebind(struct ctl_linux *l);
/* Gives workers what is dirty. */
void linux_routes_publish(struct ctl_linux *l);

#endif
