/*
 * wgdp-bench handshakes: the gateway as initiator: it begins handshakes, and its peers answer. Of
 * this handshakes_start() is timed, and the messages that handshakes_prepare_finish() makes are
 * put in timed.
 */
#include <string.h>

#include "bench/handshakes_kinds.h"
#include "crypto/random.h"
#include "crypto/x25519.h"

/* After it no handshake runs, and its timers do nothing. */
bool handshakes_prepare_start(const struct handshakes_kind *k, struct handshakes_side *s,
			      struct handshakes_message *messages, unsigned int n)
{
	handshakes_pick(s, messages, n);
	for (unsigned int i = 0; i < n; i++)
		hs_peer_reset(messages[i].peer->hs);
	return true;
}

void handshakes_start(struct handshakes_side *s, struct handshakes_message *messages,
		      unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		hs_peer_want_session(messages[i].peer->hs, &s->now);
}

bool handshakes_right_start(struct handshakes_side *s, struct handshakes_message *messages,
			    unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		hs_peer_reset(messages[i].peer->hs);
	return s->n_sent == n && s->sent[n - 1].len == sizeof(struct wg_initiation);
}

/* The peer's answer to an initiation of the gateway; m becomes it. */
static bool make_response(struct handshakes_side *s, struct handshakes_message *m,
			  const struct wg_initiation *initiation)
{
	struct handshakes_peer *p = m->peer;
	const struct hs_noise_statics statics = {
		.private_key = p->private_key,
		.public_key = p->public_key,
		.remote_public = s->public_key,
		.psk = handshakes_no_psk,
	};
	uint8_t gateway[WG_KEY_BYTES], timestamp[HS_TAI64N_BYTES];

	if (hs_noise_open_static(&m->noise, gateway, initiation, &statics) != HS_NOISE_OK ||
	    !hs_noise_open_timestamp(&m->noise, timestamp, initiation, p->static_static))
		return false;
	cr_random(m->ephemeral, sizeof(m->ephemeral));
	cr_x25519_clamp(m->ephemeral);
	m->len = sizeof(struct wg_response);
	memset(m->bytes, 0, sizeof(m->bytes));
	if (!hs_noise_respond(&m->noise, (struct wg_response *)m->bytes, &statics, m->ephemeral,
			      initiation, cr_random_u32()))
		return false;
	hs_cookie_maker_init(&p->cookie, s->public_key);
	handshakes_add_macs(s, m);
	return true;
}

bool handshakes_prepare_finish(const struct handshakes_kind *k, struct handshakes_side *s,
			       struct handshakes_message *messages, unsigned int n)
{
	bool made = handshakes_prepare_start(k, s, messages, n);

	handshakes_start(s, messages, n);
	made = made && s->n_sent == n;
	for (unsigned int i = 0; made && i < n; i++)
		made = make_response(s, &messages[i],
				     (const struct wg_initiation *)s->sent[i].bytes);
	return made;
}

bool handshakes_right_finish(struct handshakes_side *s, struct handshakes_message *messages,
			     unsigned int n)
{
	bool right = s->n_sessions == n;

	for (unsigned int i = 0; right && i < n; i++) {
		uint8_t send_key[WG_KEY_BYTES], receive_key[WG_KEY_BYTES];

		hs_noise_split(&messages[i].noise, send_key, receive_key);
		right = memcmp(send_key, s->sessions[i].send_key, sizeof(send_key)) == 0 &&
			memcmp(receive_key, s->sessions[i].receive_key, sizeof(receive_key)) == 0;
	}
	for (unsigned int i = 0; i < n; i++)
		hs_peer_reset(messages[i].peer->hs);
	return right;
}
