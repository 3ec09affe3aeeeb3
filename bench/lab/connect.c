/*
 * The tester's way to the gateway: its MAC addresses, a session of each peer, learning frames.
 * Before trials; during them peers.c looks after sessions.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/lab/tester_priv.h"
#include "config/keytext.h"

#define ANSWER_NS      (10 * WG_NS_PER_S)
#define TRIES	       5
#define ASK_NS	       (WG_NS_PER_S / 2)
#define ASKS_MAX       30
#define PROGRESS_NS    (WG_NS_PER_S / 2)
#define LEARN_NS       WG_NS_PER_S
#define LEARN_AGAIN_NS (WG_NS_PER_S / 20)
/* Handshakes at a time: a gateway with more than some hundred that wait takes itself to be under
 * load, and gives an address 20 a second. */
#define AT_A_TIME 32

/* ---- MAC addresses ---- */

static int no_neighbour(const struct lab_tester *t, enum lab_side side, unsigned int asked,
			char *error, unsigned int error_size)
{
	char gateway[LAB_ADDRESS_TEXT_BYTES], ours[LAB_ADDRESS_TEXT_BYTES];
	const struct lab_port *p = &t->ports[side];
	bool up = lab_port_check_link(p, error, error_size) == 0;
	struct rte_eth_stats stats = {.ipackets = 0};

	(void)rte_eth_stats_get(p->device.eth_id, &stats);
	snprintf(error, error_size,
		 "port %s: nobody answers %s for the gateway's address %s (asked %u times by %s; "
		 "the link is %s, %" PRIu64 " frames came): has the gateway's port this address, "
		 "is it up, and is it the right cable?",
		 lab_port_name(side),
		 t->setup.gateway[side].family == AF_INET6 ? "neighbour discovery" : "ARP",
		 lab_address_text(&t->setup.gateway[side], gateway), asked,
		 lab_address_text(&t->setup.tester[side], ours), up ? "up" : "down",
		 stats.ipackets);
	return -EHOSTUNREACH;
}

/*
 * A side that has been asked often enough; LAB_SIDES: none. Questions count and not seconds: on a
 * machine that is so busy that gateway and tester get no CPU for seconds there are fewer of them.
 */
static enum lab_side ask(struct lab_tester *t, unsigned int asked)
{
	for (int side = LAB_OUTSIDE; side < LAB_SIDES; side++) {
		struct lab_port *p = &t->ports[side];

		if (p->resolved)
			continue;
		if (asked == ASKS_MAX)
			return (enum lab_side)side;
		lab_neighbour_ask(p);
	}
	return LAB_SIDES;
}

int lab_connect_ports(struct lab_tester *t, char *error, unsigned int error_size)
{
	unsigned int asked = 0;
	uint64_t asked_ns = 0;

	lab_receive(t);
	while (!t->ports[LAB_OUTSIDE].resolved || !t->ports[LAB_INSIDE].resolved) {
		if (t->now_ns - asked_ns >= ASK_NS) {
			enum lab_side silent = ask(t, asked);

			if (silent != LAB_SIDES)
				return no_neighbour(t, silent, asked, error, error_size);
			asked_ns = t->now_ns;
			asked++;
		}
		if (lab_stopped(t)) {
			snprintf(error, error_size, "interrupted");
			return -EINTR;
		}
		lab_receive(t);
	}
	return 0;
}

/* ---- sessions ---- */

/* Peers that shake hands now. */
struct shaking {
	uint32_t peers[AT_A_TIME];
	uint64_t since[AT_A_TIME];
	unsigned int n;
	uint32_t next, done;
	uint64_t shown;
};

static int no_answer(const struct lab_tester *t, uint32_t i, char *error, unsigned int error_size)
{
	char gateway[LAB_ADDRESS_TEXT_BYTES], ours[LAB_ADDRESS_TEXT_BYTES];
	char gateway_key[CF_KEY_BASE64_BYTES], key[CF_KEY_BASE64_BYTES];
	struct lab_address outer = lab_setup_peer_outer(&t->setup, i);

	cf_key_to_base64(gateway_key, t->setup.gateway_key);
	cf_key_to_base64(key, t->peers.at[i].public_key);
	snprintf(error, error_size,
		 "the gateway at %s, UDP port %u, does not answer the handshake of peer %u (%s, "
		 "from %s port %u): is it running, is its public key %s, does it listen on this "
		 "port, and has it this peer?",
		 lab_address_text(&t->setup.gateway[LAB_OUTSIDE], gateway), t->setup.o.gateway_port,
		 i, key, lab_address_text(&outer, ours), lab_setup_peer_port(&t->setup, i),
		 gateway_key);
	return -ENOTCONN;
}

static bool lasts(const struct lab_peer *p, uint64_t until_ns)
{
	return p->current && p->current->birth_ns + WG_REKEY_AFTER_NS > until_ns;
}

/* Takes up peers that need a session, as many as there is room for. */
static void take_up(struct lab_tester *t, struct shaking *s, uint64_t until_ns)
{
	for (; s->next < t->peers.n && s->n < AT_A_TIME; s->next++) {
		if (lasts(&t->peers.at[s->next], until_ns)) {
			s->done++;
			continue;
		}
		lab_handshake_initiate(&t->peers, s->next, t->now_ns);
		s->since[s->n] = t->now_ns;
		s->peers[s->n++] = s->next;
	}
}

/* Lets go of those that have a session, repeats what was not answered. */
static int look(struct lab_tester *t, struct shaking *s, uint64_t until_ns, char *error,
		unsigned int error_size)
{
	for (unsigned int k = 0; k < s->n;) {
		struct lab_peer *p = &t->peers.at[s->peers[k]];

		if (lasts(p, until_ns)) {
			s->n--;
			s->peers[k] = s->peers[s->n];
			s->since[k] = s->since[s->n];
			s->done++;
			continue;
		}
		if (t->now_ns - s->since[k] >= RTE_MAX(ANSWER_NS, TRIES * t->peers.retry_ns))
			return no_answer(t, s->peers[k], error, error_size);
		if (t->now_ns - p->initiated_ns >= t->peers.retry_ns)
			lab_handshake_initiate(&t->peers, s->peers[k], t->now_ns);
		k++;
	}
	return 0;
}

static void show(const struct lab_tester *t, struct shaking *s)
{
	char text[64];

	if (!t->setup.o.progress || t->now_ns - s->shown < PROGRESS_NS)
		return;
	s->shown = t->now_ns;
	snprintf(text, sizeof(text), "handshakes: %u of %u", s->done, t->peers.n);
	t->setup.o.progress(text);
}

/* ---- learning ---- */

/* Has the gateway sealed with this session, or does no flow of the peer make it? */
static bool learnt(const struct lab_tester *t, uint32_t i)
{
	const struct lab_peer *p = &t->peers.at[i];

	return i >= t->streams[LAB_ENCRYPT][LAB_MAIN].n_flows || !p->current || p->current->heard;
}

/* A packet for each of the next peers that have to learn, whose flows come in their order; and one
 * the other way. */
static void teach(struct lab_tester *t, uint32_t *next)
{
	struct lab_stream *s = &t->streams[LAB_ENCRYPT][LAB_MAIN];
	uint32_t sent = 0;

	for (; *next < t->peers.n && sent < AT_A_TIME; ++*next) {
		if (learnt(t, *next))
			continue;
		s->next_flow = *next;
		sent += lab_send_plain(t, s, 1);
	}
	(void)lab_send_sealed(t, &t->streams[LAB_DECRYPT][LAB_MAIN], 1);
}

static uint32_t first_to_learn(const struct lab_tester *t, uint32_t from)
{
	while (from < t->peers.n && learnt(t, from))
		from++;
	return from;
}

/*
 * Learning frames (RFC 2544, 23): the gateway asks for neighbours at the first packets, and until
 * it has taken note of the confirmation of a new session it goes on sealing with the one before.
 * What has not come after a second never comes: the trial will show that.
 */
static void learn(struct lab_tester *t)
{
	const uint64_t *came = &t->idle.way[LAB_DECRYPT].received;
	uint64_t came_before = *came, moved_ns = t->now_ns, round_ns = 0;
	uint64_t patience_ns = RTE_MAX(LEARN_NS, t->peers.retry_ns);
	uint32_t first = 0, next = 0;

	while ((first < t->peers.n || *came == came_before) && t->now_ns - moved_ns < patience_ns &&
	       !lab_stopped(t)) {
		uint32_t now_first = first_to_learn(t, first);

		if (now_first != first)
			moved_ns = t->now_ns;
		first = now_first;
		if (next < t->peers.n || t->now_ns - round_ns >= LEARN_AGAIN_NS) {
			if (next >= t->peers.n) {
				next = first;
				round_ns = t->now_ns;
			}
			teach(t, &next);
		}
		lab_receive(t);
	}
}

int lab_connect_peers(struct lab_tester *t, uint64_t last_ns, char *error, unsigned int error_size)
{
	struct shaking s = {.n = 0};
	uint64_t until_ns, before = t->peers.n_sessions;
	int rc = 0;

	lab_receive(t);
	until_ns = t->now_ns + last_ns;
	s.shown = t->now_ns;
	while (rc == 0 && s.done < t->peers.n) {
		take_up(t, &s, until_ns);
		lab_receive(t);
		rc = look(t, &s, until_ns, error, error_size);
		if (rc == 0 && lab_stopped(t)) {
			snprintf(error, error_size, "interrupted");
			rc = -EINTR;
		}
		show(t, &s);
	}
	if (rc == 0 && t->peers.n_sessions != before)
		learn(t);
	return rc;
}
