/*
 * The tester's peers: keys, sessions, timers; see peers.h. Messages of handshakes are in
 * handshakes.c.
 */
#include "bench/lab/peers.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/lab/outer.h"
#include "crypto/aead.h"
#include "crypto/ct.h"
#include "crypto/random.h"
#include "crypto/x25519.h"

#define GENERATION_SHIFT 22
#define LOOKS		 4	     /* peers that one call of lab_peers_advance() looks at */
#define RETRY_NS	 WG_NS_PER_S /* sooner than the 5 s of the protocol: cables lose nothing */
#define KEEPALIVE_NS	 (9 * WG_NS_PER_S) /* before the 10 s after which the gateway waits */
#define SILENCE_NS	 (15 * WG_NS_PER_S)
#define SPREAD_NS	 (20 * WG_NS_PER_S)

static_assert(LAB_PEERS_MAX * LAB_SLOTS <= 1 << GENERATION_SHIFT, "numbers of peers in indices");

/* ---- open and close ---- */

static void make_peer(struct lab_peers *peers, uint32_t i)
{
	struct lab_peer *p = &peers->at[i];

	lab_setup_peer_key(peers->setup->o.seed, i, p->private_key);
	cr_x25519_base(p->public_key, p->private_key);
	cr_x25519(p->static_static, p->private_key, peers->setup->gateway_key);
	hs_cookie_maker_init(&p->cookie, peers->setup->gateway_key);
	lab_outer_make(peers->outside, i, p->outer);
	cr_random(&p->generation, sizeof(p->generation));
}

int lab_peers_open(struct lab_peers *peers, const struct lab_setup *setup, struct lab_port *outside)
{
	*peers = (struct lab_peers){
		.setup = setup,
		.outside = outside,
		.at = calloc(setup->o.peers, sizeof(struct lab_peer)),
		.n = setup->o.peers,
		.retry_ns = RETRY_NS,
		.tsc = rte_rdtsc(),
		.ns_per_cycle = 1e9 / (double)rte_get_tsc_hz(),
	};
	if (!peers->at)
		return -ENOMEM;
	for (uint32_t i = 0; i < peers->n; i++)
		make_peer(peers, i);
	return 0;
}

static void let_go(struct lab_peers *peers, struct lab_peer *p, struct lab_session **s)
{
	if (!*s)
		return;
	p->slots[(*s)->local_index % LAB_SLOTS] = NULL;
	(*s)->dead = peers->dead;
	peers->dead = *s;
	*s = NULL;
}

void lab_sessions_bury(struct lab_peers *peers)
{
	struct lab_session *s = peers->dead, *next;

	for (; s; s = next) {
		next = s->dead;
		cr_wipe(s, sizeof(*s));
		free(s);
	}
	peers->dead = NULL;
}

void lab_peers_close(struct lab_peers *peers)
{
	for (uint32_t i = 0; peers->at && i < peers->n; i++) {
		struct lab_peer *p = &peers->at[i];

		let_go(peers, p, &p->current);
		let_go(peers, p, &p->previous);
		let_go(peers, p, &p->next);
		cr_wipe(p, sizeof(*p));
	}
	lab_sessions_bury(peers);
	free(peers->at);
	peers->at = NULL;
}

/* ---- sessions ---- */

static bool slot_free(const struct lab_peer *p, uint32_t slot)
{
	return !p->slots[slot] && !(p->waits && p->inflight % LAB_SLOTS == slot);
}

uint32_t lab_session_index(struct lab_peers *peers, struct lab_peer *p)
{
	uint32_t number = (uint32_t)(p - peers->at), slot = 0;

	while (slot < LAB_SLOTS && !slot_free(p, slot))
		slot++;
	if (slot == LAB_SLOTS) {
		slot = p->next->local_index % LAB_SLOTS;
		let_go(peers, p, &p->next);
	}
	p->generation++;
	return (uint32_t)p->generation << GENERATION_SHIFT | (number * LAB_SLOTS + slot);
}

bool lab_session_begin(struct lab_peers *peers, struct lab_peer *p, const struct hs_noise *noise,
		       uint32_t local, uint32_t remote, bool initiator, uint64_t now_ns)
{
	struct lab_session *s = calloc(1, sizeof(*s));

	if (!s)
		return false;
	s->local_index = local;
	s->remote_index = remote;
	s->birth_ns = now_ns;
	hs_noise_split(noise, initiator ? s->send_key : s->receive_key,
		       initiator ? s->receive_key : s->send_key);
	let_go(peers, p, &p->next);
	p->slots[local % LAB_SLOTS] = s;
	peers->n_sessions++;
	if (!initiator) {
		p->next = s;
		return true;
	}
	let_go(peers, p, &p->previous);
	p->previous = p->current;
	p->current = s;
	return true;
}

void lab_session_confirm(struct lab_peers *peers, struct lab_peer *p)
{
	let_go(peers, p, &p->previous);
	p->previous = p->current;
	p->current = p->next;
	p->next = NULL;
}

/* ---- sending ---- */

void lab_peer_send(struct lab_peers *peers, struct lab_peer *p, const void *message, uint32_t bytes,
		   uint64_t now_ns)
{
	bool ipv6 = peers->setup->gateway[LAB_OUTSIDE].family == AF_INET6;
	unsigned int head = lab_outer_bytes(ipv6);
	struct rte_mbuf *m = lab_port_frame(peers->outside, head + bytes);
	uint8_t *frame;

	if (!m)
		return;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	lab_outer_write(peers->outside, frame, p->outer, ipv6, bytes);
	memcpy(frame + head, message, bytes);
	lab_outer_sum(frame, ipv6);
	(void)lab_port_send(peers->outside, &m, 1);
	p->sent_ns = now_ns;
}

void lab_peer_keepalive(struct lab_peers *peers, struct lab_peer *p, uint64_t now_ns)
{
	struct {
		struct wg_data head;
		uint8_t tag[WG_TAG_BYTES];
	} __attribute__((packed)) message;
	struct lab_session *s = p->current;

	if (!lab_session_usable(s, now_ns))
		return;
	message.head = (struct wg_data){.type = htole32(WG_DATA),
					.receiver = htole32(s->remote_index),
					.counter = htole64(s->counter)};
	cr_seal(message.tag, NULL, 0, NULL, 0, s->counter++, s->send_key);
	lab_peer_send(peers, p, &message, sizeof(message), now_ns);
}

/* ---- timers ---- */

/* Is a handshake due? */
static bool wants_handshake(const struct lab_peers *peers, const struct lab_peer *p,
			    uint64_t now_ns)
{
	uint64_t number = (uint64_t)(p - peers->at);
	uint64_t rekey = WG_REKEY_AFTER_NS + SPREAD_NS * number / peers->n;

	if (p->waits)
		return now_ns - p->initiated_ns >= peers->retry_ns;
	if (!p->current || now_ns - p->current->birth_ns >= rekey)
		return true;
	/* What we send is not answered, not even by a keepalive: the gateway was restarted? */
	return p->waits_ns != 0 && now_ns - p->waits_ns >= SILENCE_NS &&
	       now_ns - p->initiated_ns >= SILENCE_NS;
}

void lab_peers_advance(struct lab_peers *peers, uint64_t now_ns)
{
	for (uint32_t i = 0; i < LOOKS && i < peers->n; i++) {
		struct lab_peer *p = &peers->at[peers->next];

		if (p->received_ns > p->sent_ns && now_ns - p->sent_ns >= KEEPALIVE_NS)
			lab_peer_keepalive(peers, p, now_ns);
		if (wants_handshake(peers, p, now_ns)) {
			lab_handshake_initiate(peers, peers->next, now_ns);
			i = LOOKS; /* they take long: one at a time */
		}
		peers->next = peers->next + 1 < peers->n ? peers->next + 1 : 0;
	}
}
