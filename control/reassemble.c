/*
 * Joins fragments of outer packets to one of our addresses (DPDK's rte_ip_frag), and gives the
 * whole to a worker as if it had just come in. A fragment that waits costs a buffer and anybody can
 * send some, so few packets wait and not for long: what is late by seconds is of no use to a
 * tunnel. Control thread.
 */
/* rte_ip_frag has had what is used here since 20.11 and 22.03, marked as experimental. */
#define ALLOW_EXPERIMENTAL_API
#include "control/asked_priv.h"

#include <errno.h>
#include <string.h>

#include "control/ending.h"
#include "dataplane/ip.h"

#define PACKETS_MAX    256 /* incomplete ones at a time */
#define BUCKET_ENTRIES 8
#define TIMEOUT_NS     UINT64_C(2000000000)
#define LOOK_EVERY_NS  UINT64_C(250000000)
#define FRAG6_BYTES    8

/* What the library gave up: fragments that are late, overlap, or find no room. */
static void bury(struct ctl_asked *a)
{
	dp_count(&a->dp->control_counters.drops[DP_DROP_fragment_timeout], a->dead.cnt);
	a->fragments -= a->dead.cnt;
	rte_ip_frag_free_death_row(&a->dead, 0);
}

/* The library takes time in any unit, as long as it is the same as for the table. */
static struct rte_mbuf *join(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m)
{
	const struct dp_note *note = dp_note(m);
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, note->l3_off);

	m->l2_len = note->l3_off;
	if (dp_ip_version(ip) == 4) {
		m->l3_len = (ip[0] & 0xfu) * 4;
		return rte_ipv4_frag_reassemble_packet(a->table, &a->dead, m, now_ns, (void *)ip);
	}
	m->l3_len = DP_IPV6_BYTES + FRAG6_BYTES;
	return rte_ipv6_frag_reassemble_packet(a->table, &a->dead, m, now_ns, (void *)ip,
					       (void *)(ip + DP_IPV6_BYTES));
}

static uint32_t copy_chain(const struct rte_mbuf *chain, uint8_t *to, uint32_t room)
{
	uint32_t len = 0;

	for (const struct rte_mbuf *s = chain; s; s = s->next) {
		if (s->data_len > room - len)
			return 0;
		memcpy(to + len, rte_pktmbuf_mtod(s, const uint8_t *), s->data_len);
		len += s->data_len;
	}
	return len;
}

/* Takes the chain. */
static void hand_whole(struct ctl_asked *a, struct rte_mbuf *chain)
{
	struct dp_counters *counters = &a->dp->control_counters;
	const struct dp_note *note = dp_note(chain);
	struct rte_mbuf *m = ctl_make(a->dp);
	struct rte_ipv4_hdr *ip4;
	uint32_t len;

	if (!m) {
		ctl_no_buffers(counters, chain);
		return;
	}
	len = copy_chain(chain, rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_tailroom(m));
	if (len == 0) {
		/* Greater than anything that our MTUs allow. */
		ctl_consume(counters, m);
		ctl_drop(counters, chain, DP_DROP_fragment_timeout);
		return;
	}
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	ip4 = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, note->l3_off);
	if (ip4->version == 4) {
		ip4->hdr_checksum = 0;
		ip4->hdr_checksum = rte_ipv4_cksum(ip4);
	}
	dp_note(m)->port_id = note->port_id;
	dp_note(m)->ask = DP_ASK_FRAME;
	ctl_consume(counters, chain);
	ctl_hand(a->dp, m, false);
}

/* Whether the fragment is as long as it says: a worker has proved it, this is what the library
 * relies on. */
static bool sound(const struct rte_mbuf *m)
{
	const struct dp_note *note = dp_note(m);
	uint32_t len = (uint32_t)m->data_len - note->l3_off, said;

	if (m->nb_segs != 1 || note->l3_off > m->data_len)
		return false;
	said = dp_ip_length(rte_pktmbuf_mtod_offset(m, const uint8_t *, note->l3_off), len);
	return said != 0 && said <= len &&
	       (note->family == AF_INET || said >= DP_IPV6_BYTES + FRAG6_BYTES);
}

void asked_reassemble(struct ctl_asked *a, uint64_t now_ns, struct rte_mbuf *m)
{
	struct rte_mbuf *chain;

	if (!sound(m)) {
		ctl_drop(&a->dp->control_counters, m, DP_DROP_fragment_timeout);
		return;
	}
	a->fragments++;
	chain = join(a, now_ns, m);
	if (chain) {
		a->fragments -= chain->nb_segs;
		hand_whole(a, chain);
	}
	bury(a);
}

uint64_t asked_reassemble_advance(struct ctl_asked *a, uint64_t now_ns)
{
	if (a->fragments == 0)
		return UINT64_MAX;
	rte_ip_frag_table_del_expired_entries(a->table, &a->dead, now_ns);
	bury(a);
	return a->fragments ? now_ns + LOOK_EVERY_NS : UINT64_MAX;
}

int asked_reassemble_open(struct ctl_asked *a)
{
	a->table = rte_ip_frag_table_create(PACKETS_MAX, BUCKET_ENTRIES, PACKETS_MAX, TIMEOUT_NS,
					    SOCKET_ID_ANY);
	return a->table ? 0 : -ENOMEM;
}

void asked_reassemble_close(struct ctl_asked *a)
{
	if (!a->table)
		return;
	dp_count(&a->dp->control_counters.drops[DP_DROP_fragment_timeout], a->fragments);
	rte_ip_frag_table_destroy(a->table);
}
