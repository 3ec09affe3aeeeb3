/*
 * Messages of handshakes, as the tester's peers send and take them: initiations, responses in both
 * directions, cookies. When: peers.c. A peer knows the gateway and nobody else, so there are no
 * tables here; and no rate limit, as all that can come is from one cable.
 */
#include <endian.h>
#include <string.h>
#include <time.h>

#include "bench/lab/peers.h"
#include "crypto/ct.h"
#include "crypto/random.h"
#include "crypto/x25519.h"

static const uint8_t no_psk[WG_KEY_BYTES];

static struct hs_noise_statics statics_of(const struct lab_peers *peers, const struct lab_peer *p)
{
	return (struct hs_noise_statics){
		.private_key = p->private_key,
		.public_key = p->public_key,
		.remote_public = peers->setup->gateway_key,
		.static_static = p->static_static,
		.psk = no_psk,
	};
}

/* Greater than that of the last one, also of one that an earlier run has sent. */
static void next_timestamp(struct lab_peer *p)
{
	uint8_t t[HS_TAI64N_BYTES];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	hs_tai64n_from(t, (uint64_t)now.tv_sec, (uint32_t)now.tv_nsec);
	if (memcmp(t, p->sent_timestamp, sizeof(t)) <= 0)
		hs_tai64n_after(t, p->sent_timestamp);
	memcpy(p->sent_timestamp, t, sizeof(t));
}

static void end(struct lab_peer *p)
{
	p->waits = false;
	cr_wipe(&p->noise, sizeof(p->noise));
	cr_wipe(p->ephemeral, sizeof(p->ephemeral));
}

void lab_handshake_initiate(struct lab_peers *peers, uint32_t i, uint64_t now_ns)
{
	struct lab_peer *p = &peers->at[i];
	struct hs_noise_statics statics = statics_of(peers, p);
	struct wg_initiation message;

	if (!p->waits)
		p->asked_ns = now_ns;
	end(p);
	next_timestamp(p);
	cr_random(p->ephemeral, sizeof(p->ephemeral));
	cr_x25519_clamp(p->ephemeral);
	p->inflight = lab_session_index(peers, p);
	p->waits = true;
	p->initiated_ns = now_ns;
	if (!hs_noise_initiate(&p->noise, &message, &statics, p->ephemeral, p->sent_timestamp,
			       p->inflight))
		return; /* the gateway's key is of low order: it never answers */
	hs_cookie_add_macs(&p->cookie, now_ns, (uint8_t *)&message, sizeof(message));
	lab_peer_send(peers, p, &message, sizeof(message), now_ns);
}

static void response_input(struct lab_peers *peers, struct lab_peer *p,
			   const struct wg_response *message, uint64_t now_ns)
{
	struct hs_noise_statics statics = statics_of(peers, p);
	struct hs_noise noise = p->noise;

	if (!p->waits || le32toh(message->receiver) != p->inflight)
		return;
	if (hs_noise_finish(&noise, message, &statics, p->ephemeral) == HS_NOISE_OK) {
		end(p);
		p->received_ns = now_ns;
		p->waits_ns = 0;
		/* The gateway sends by the session when it has seen a packet of it. */
		if (lab_session_begin(peers, p, &noise, p->inflight, le32toh(message->sender), true,
				      now_ns))
			lab_peer_keepalive(peers, p, now_ns);
	}
	cr_wipe(&noise, sizeof(noise));
}

/* Is the initiation the gateway's, and new? noise has taken it in then. */
static bool is_new(struct lab_peers *peers, struct lab_peer *p, const struct wg_initiation *message,
		   struct hs_noise *noise)
{
	struct hs_noise_statics statics = statics_of(peers, p);
	uint8_t who[WG_KEY_BYTES], timestamp[HS_TAI64N_BYTES];

	if (hs_noise_open_static(noise, who, message, &statics) != HS_NOISE_OK ||
	    memcmp(who, peers->setup->gateway_key, sizeof(who)) != 0 ||
	    !hs_noise_open_timestamp(noise, timestamp, message, p->static_static) ||
	    memcmp(timestamp, p->seen_timestamp, sizeof(timestamp)) <= 0)
		return false;
	memcpy(p->seen_timestamp, timestamp, sizeof(timestamp));
	return true;
}

static void initiation_input(struct lab_peers *peers, struct lab_peer *p,
			     const struct wg_initiation *message, uint64_t now_ns)
{
	struct hs_noise_statics statics = statics_of(peers, p);
	uint8_t ephemeral[WG_KEY_BYTES];
	struct wg_response response;
	struct hs_noise noise;
	uint32_t index;

	if (!is_new(peers, p, message, &noise))
		return;
	end(p); /* one handshake: that of ours, if it was in flight, has lost */
	p->received_ns = now_ns;
	cr_random(ephemeral, sizeof(ephemeral));
	cr_x25519_clamp(ephemeral);
	index = lab_session_index(peers, p);
	if (hs_noise_respond(&noise, &response, &statics, ephemeral, message, index) &&
	    lab_session_begin(peers, p, &noise, index, le32toh(message->sender), false, now_ns)) {
		hs_cookie_add_macs(&p->cookie, now_ns, (uint8_t *)&response, sizeof(response));
		lab_peer_send(peers, p, &response, sizeof(response), now_ns);
	}
	cr_wipe(ephemeral, sizeof(ephemeral));
	cr_wipe(&noise, sizeof(noise));
}

void lab_handshake_input(struct lab_peers *peers, uint32_t i, const uint8_t *message,
			 uint32_t bytes, uint64_t now_ns)
{
	struct lab_peer *p = &peers->at[i];
	struct hs_cookie_checker checker = {.secret_end_ns = 0};
	union {
		struct wg_initiation initiation;
		struct wg_response response;
		struct wg_cookie cookie;
	} m;

	if (bytes > sizeof(m))
		return;
	memcpy(&m, message, bytes);
	if (bytes == sizeof(m.cookie) && le32toh(m.cookie.type) == WG_COOKIE) {
		(void)hs_cookie_consume(&p->cookie, now_ns, &m.cookie);
		return;
	}
	if (bytes != sizeof(m.initiation) && bytes != sizeof(m.response))
		return;
	hs_cookie_checker_set_key(&checker, p->public_key);
	if (!hs_cookie_check_mac1(&checker, message, bytes))
		return;
	if (bytes == sizeof(m.response) && le32toh(m.response.type) == WG_RESPONSE)
		response_input(peers, p, &m.response, now_ns);
	else if (bytes == sizeof(m.initiation) && le32toh(m.initiation.type) == WG_INITIATION)
		initiation_input(peers, p, &m.initiation, now_ns);
}
