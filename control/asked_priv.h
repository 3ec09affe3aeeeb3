/*
 * Inside of asked.h: ICMP errors (icmp.c), fragments (fragment.c), reassembly (reassemble.c), next
 * hops that are not resolved yet (resolve.c). All on the control thread.
 */
#ifndef CONTROL_ASKED_PRIV_H
#define CONTROL_ASKED_PRIV_H

#include <sys/queue.h>

#include <rte_ip_frag.h>

#include "control/asked.h"
#include "control/limit.h"

/* Packets that wait for one next hop, newest last. */
#define ASKED_WAIT_PKTS 16
/* Next hops that are waited for at once, so that scanning a network cannot take all buffers. */
#define ASKED_WAITS_MAX	   1024
#define ASKED_WAIT_BUCKETS 256

struct asked_wait {
	LIST_ENTRY(asked_wait) chain;
	TAILQ_ENTRY(asked_wait) age; /* oldest first */
	uint64_t until_ns;
	uint32_t ifindex;
	uint16_t port_id;
	uint8_t family;
	uint8_t addr[16];
	unsigned int n;
	struct rte_mbuf *pkts[ASKED_WAIT_PKTS];
};

struct ctl_asked {
	struct dp *dp;
	struct ctl_linux *l;

	/* icmp.c */
	int icmp4, icmp6; /* raw sockets; -1: none */
	struct ctl_limit icmp_limit;

	/* fragment.c */
	uint32_t next_id; /* identification of the next packet that is fragmented */

	/* reassemble.c */
	struct rte_ip_frag_tbl *table;
	struct rte_ip_frag_death_row dead;
	unsigned int fragments; /* in the table */

	/* resolve.c */
	LIST_HEAD(, asked_wait) waits[ASKED_WAIT_BUCKETS];
	TAILQ_HEAD(, asked_wait) by_age;
	unsigned int n_waits;
	unsigned int unresolved; /* packets */
};

/* ---- icmp.c ---- */

int asked_icmp_open(struct ctl_asked *a);
void asked_icmp_close(struct ctl_asked *a);

/* ---- fragment.c; each takes the packet ---- */

/* Inner IPv4 packet, into its tunnel or (next hop given) out of its port. */
void asked_fragment(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m);
/* Outer frame. */
void asked_fragment_out(struct ctl_asked *a, struct rte_mbuf *m);

/* ---- reassemble.c ---- */

int asked_reassemble_open(struct ctl_asked *a);
void asked_reassemble_close(struct ctl_asked *a);
void asked_reassemble(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m);
uint64_t asked_reassemble_advance(struct ctl_asked *a, uint64_t now_ns);

/* ---- resolve.c ---- */

void asked_resolve_open(struct ctl_asked *a);
void asked_resolve_close(struct ctl_asked *a);
void asked_resolve(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m);
uint64_t asked_resolve_advance(struct ctl_asked *a, uint64_t now_ns);

/* Does this packet leave by a port (next_hop says through whom), or enter a tunnel? */
static inline bool asked_leaves_by_port(const struct dp_note *note)
{
	static const uint8_t none[sizeof(note->next_hop)];

	return note->port_id < DP_PORTS_MAX && memcmp(note->next_hop, none, sizeof(none)) != 0;
}

#endif
