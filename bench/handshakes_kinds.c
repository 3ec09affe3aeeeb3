/*
 * wgdp-bench handshakes: the kinds of work, and of them those of a responder: messages, made as
 * their senders would make them. What it begins itself: handshakes_initiator.c. Nothing here is
 * timed.
 */
#include "bench/handshakes_kinds.h"

#include <endian.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/x25519.h"

#define INPUTS_MAX 64 /* until a source that repeats itself is limited: after 5 */

const uint8_t handshakes_no_psk[WG_KEY_BYTES];

/* ---- what senders do ---- */

static uint64_t next_random(struct handshakes_side *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random;
}

void handshakes_pick(struct handshakes_side *s, struct handshakes_message *messages, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		bool again = true;

		while (again) {
			messages[i].peer = &s->peers[next_random(s) % s->n_peers];
			again = false;
			for (unsigned int k = 0; k < i; k++)
				again |= messages[k].peer == messages[i].peer;
		}
	}
}

void handshakes_add_macs(const struct handshakes_side *s, struct handshakes_message *m)
{
	hs_cookie_add_macs(&m->peer->cookie, s->now.mono_ns, m->bytes, m->len);
}

/* A good one, by a sender without a cookie. */
static bool make_initiation(struct handshakes_side *s, struct handshakes_message *m)
{
	struct handshakes_peer *p = m->peer;
	const struct hs_noise_statics statics = {
		.public_key = p->public_key,
		.remote_public = s->public_key,
		.static_static = p->static_static,
	};

	hs_cookie_maker_init(&p->cookie, s->public_key);
	hs_tai64n_after(p->timestamp, p->timestamp);
	cr_random(m->ephemeral, sizeof(m->ephemeral));
	cr_x25519_clamp(m->ephemeral);
	m->len = sizeof(struct wg_initiation);
	memset(m->bytes, 0, sizeof(m->bytes));
	if (!hs_noise_initiate(&m->noise, (struct wg_initiation *)m->bytes, &statics, m->ephemeral,
			       p->timestamp, cr_random_u32()))
		return false;
	handshakes_add_macs(s, m);
	return true;
}

/* The sender shows that it gets our packets: asks for a cookie, and adds the mac made of it. */
static bool prove(struct handshakes_side *s, struct handshakes_message *m)
{
	bool got;

	handshakes_side_forget(s);
	got = handshakes_side_input(s, true, m) == HS_cookie_sent && s->n_sent == 1 &&
	      hs_cookie_consume(&m->peer->cookie, s->now.mono_ns,
				(const struct wg_cookie *)s->sent[0].bytes);
	handshakes_add_macs(s, m);
	return got;
}

/* ---- preparing what is accepted ---- */

static bool prepare_good(const struct handshakes_kind *k, struct handshakes_side *s,
			 struct handshakes_message *messages, unsigned int n)
{
	bool made = true;

	handshakes_pick(s, messages, n);
	for (unsigned int i = 0; i < n; i++)
		made &= make_initiation(s, &messages[i]);
	return made;
}

/* By peers that the gateway has just been told of. */
static bool prepare_first(const struct handshakes_kind *k, struct handshakes_side *s,
			  struct handshakes_message *messages, unsigned int n)
{
	handshakes_pick(s, messages, n);
	for (unsigned int i = 0; i < n; i++) {
		struct handshakes_peer *p = messages[i].peer;

		hs_peer_remove(p->hs);
		p->hs = hs_peer_add(s->dev, p->public_key, p);
		if (!p->hs || !make_initiation(s, &messages[i]))
			return false;
		hs_peer_set_endpoint(p->hs, &p->from);
	}
	return true;
}

static bool prepare_proved(const struct handshakes_kind *k, struct handshakes_side *s,
			   struct handshakes_message *messages, unsigned int n)
{
	bool made = prepare_good(k, s, messages, n);

	for (unsigned int i = 0; i < n; i++)
		made &= prove(s, &messages[i]);
	return made;
}

/* Each response is understood, and both sides have the same keys. */
static bool right_responses(struct handshakes_side *s, struct handshakes_message *messages,
			    unsigned int n)
{
	bool right = s->n_sent == n && s->n_sessions == n;

	for (unsigned int i = 0; right && i < n; i++) {
		const struct hs_noise_statics statics = {
			.private_key = messages[i].peer->private_key,
			.psk = handshakes_no_psk,
		};
		uint8_t send_key[WG_KEY_BYTES], receive_key[WG_KEY_BYTES];

		right = hs_noise_finish(&messages[i].noise,
					(const struct wg_response *)s->sent[i].bytes, &statics,
					messages[i].ephemeral) == HS_NOISE_OK;
		hs_noise_split(&messages[i].noise, send_key, receive_key);
		right = right &&
			memcmp(send_key, s->sessions[i].receive_key, sizeof(send_key)) == 0 &&
			memcmp(receive_key, s->sessions[i].send_key, sizeof(receive_key)) == 0;
	}
	return right;
}

/* ---- preparing what is refused ---- */

/* Not even as long as it should be, or bytes that mean nothing: without mac1. */
static bool prepare_noise(const struct handshakes_kind *k, struct handshakes_side *s,
			  struct handshakes_message *messages, unsigned int n)
{
	const uint32_t type = htole32(WG_INITIATION);

	handshakes_pick(s, messages, n);
	for (unsigned int i = 0; i < n; i++) {
		cr_random(messages[i].bytes, sizeof(messages[i].bytes));
		memcpy(messages[i].bytes, &type, sizeof(type));
		messages[i].len = sizeof(struct wg_initiation) - (k->verdict == HS_bad_length);
	}
	return true;
}

/* One field is damaged, by a sender that knows our public key. */
static bool prepare_damaged(const struct handshakes_kind *k, struct handshakes_side *s,
			    struct handshakes_message *messages, unsigned int n)
{
	bool made = prepare_good(k, s, messages, n);

	for (unsigned int i = 0; i < n; i++) {
		struct wg_initiation *initiation = (struct wg_initiation *)messages[i].bytes;

		if (k->verdict == HS_bad_static)
			initiation->static_key[0] ^= 1;
		else
			initiation->timestamp[0] ^= 1;
		handshakes_add_macs(s, &messages[i]);
	}
	return made;
}

static bool prepare_unknown(const struct handshakes_kind *k, struct handshakes_side *s,
			    struct handshakes_message *messages, unsigned int n)
{
	bool made = true;

	for (unsigned int i = 0; i < n; i++) {
		messages[i].peer = &s->stranger;
		made &= make_initiation(s, &messages[i]);
	}
	return made;
}

static bool accept_all(struct handshakes_side *s, struct handshakes_message *messages,
		       unsigned int n)
{
	bool accepted = true;

	for (unsigned int i = 0; i < n; i++)
		accepted &= handshakes_side_input(s, false, &messages[i]) == HS_initiation_accepted;
	return accepted;
}

static bool prepare_replay(const struct handshakes_kind *k, struct handshakes_side *s,
			   struct handshakes_message *messages, unsigned int n)
{
	return prepare_good(k, s, messages, n) && accept_all(s, messages, n);
}

/* New ones, right after others of the same peers. */
static bool prepare_flood(const struct handshakes_kind *k, struct handshakes_side *s,
			  struct handshakes_message *messages, unsigned int n)
{
	bool made = prepare_replay(k, s, messages, n);

	for (unsigned int i = 0; i < n; i++)
		made &= make_initiation(s, &messages[i]);
	return made;
}

/* All from one source, which has had its share. */
static bool prepare_limited(const struct handshakes_kind *k, struct handshakes_side *s,
			    struct handshakes_message *messages, unsigned int n)
{
	bool made = true;

	handshakes_pick(s, messages, 1);
	for (unsigned int i = 0; i < n; i++) {
		messages[i].peer = messages[0].peer;
		made &= make_initiation(s, &messages[i]) && prove(s, &messages[i]);
	}
	for (unsigned int i = 0; made && i < INPUTS_MAX; i++) {
		if (handshakes_side_input(s, true, &messages[0]) == HS_rate_limited)
			return true;
	}
	return false;
}

static bool prepare_response(const struct handshakes_kind *k, struct handshakes_side *s,
			     struct handshakes_message *messages, unsigned int n)
{
	const uint32_t type = htole32(WG_RESPONSE);

	handshakes_pick(s, messages, n);
	for (unsigned int i = 0; i < n; i++) {
		struct handshakes_message *m = &messages[i];

		cr_random(m->bytes, sizeof(m->bytes));
		memcpy(m->bytes, &type, sizeof(type));
		m->len = sizeof(struct wg_response);
		hs_cookie_maker_init(&m->peer->cookie, s->public_key);
		handshakes_add_macs(s, m);
	}
	return true;
}

/* ---- all ---- */

#define REFUSED(what, why, how)                                                                    \
	{                                                                                          \
		.group = "refuse", .name = what, .verdict = HS_##why, .prepare = prepare_##how     \
	}

/* The first one is what refusals are compared with. */
const struct handshakes_kind handshakes_kinds[] = {
	{.group = "respond",
	 .name = "accept",
	 .verdict = HS_initiation_accepted,
	 .bases = 1,
	 .points = 3,
	 .prepare = prepare_good,
	 .right = right_responses},
	{.group = "respond",
	 .name = "accept-first",
	 .verdict = HS_initiation_accepted,
	 .bases = 1,
	 .points = 4,
	 .prepare = prepare_first,
	 .right = right_responses},
	{.group = "respond",
	 .name = "accept-proved",
	 .verdict = HS_initiation_accepted,
	 .load = true,
	 .bases = 1,
	 .points = 3,
	 .prepare = prepare_proved,
	 .right = right_responses},
	{.group = "initiate",
	 .name = "start",
	 .bases = 1,
	 .points = 1,
	 .prepare = handshakes_prepare_start,
	 .work = handshakes_start,
	 .right = handshakes_right_start},
	{.group = "initiate",
	 .name = "finish",
	 .verdict = HS_response_accepted,
	 .points = 2,
	 .prepare = handshakes_prepare_finish,
	 .right = handshakes_right_finish},
	{.group = "refuse",
	 .name = "cookie",
	 .verdict = HS_cookie_sent,
	 .load = true,
	 .prepare = prepare_good},
	{.group = "refuse",
	 .name = "rate",
	 .verdict = HS_rate_limited,
	 .load = true,
	 .prepare = prepare_limited},
	REFUSED("length", bad_length, noise),
	REFUSED("mac1", bad_mac1, noise),
	REFUSED("static", bad_static, damaged),
	REFUSED("unknown", unknown_peer, unknown),
	REFUSED("timestamp", bad_timestamp, damaged),
	REFUSED("replay", replayed_timestamp, replay),
	REFUSED("flood", flood, flood),
	REFUSED("response", no_handshake, response),
};

const unsigned int handshakes_n_kinds = sizeof(handshakes_kinds) / sizeof(handshakes_kinds[0]);
