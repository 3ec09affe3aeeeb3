/*
 * wgdp-bench handshakes: the gateway. Its device is the product's; what it hands out is kept here
 * instead of being given to workers, and peers are keys and addresses. The clock is set by hand, so
 * that what depends on time (rate limits, cookies, timestamps) is the same in each run.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/handshakes.h"
#include "crypto/random.h"
#include "crypto/x25519.h"

#define TURN_S	   10
#define WALL_S	   UINT64_C(1700000000)
#define KEYS_BATCH 32
#define PORT	   51820

/* ---- upcalls ---- */

static void upcall_random(void *ctx, void *out, size_t len)
{
	cr_random(out, len);
}

static void upcall_send(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to,
			const void *msg, size_t len)
{
	struct handshakes_side *s = ctx;

	if (s->n_sent == HANDSHAKES_TURN)
		return;
	memcpy(s->sent[s->n_sent].bytes, msg, len);
	s->sent[s->n_sent++].len = len;
}

static int upcall_session_new(void *ctx, struct hs_peer *peer, const struct hs_session *session)
{
	struct handshakes_side *s = ctx;

	if (s->n_sessions == HANDSHAKES_TURN)
		return 0;
	memcpy(s->sessions[s->n_sessions].send_key, session->send_key, WG_KEY_BYTES);
	memcpy(s->sessions[s->n_sessions++].receive_key, session->receive_key, WG_KEY_BYTES);
	return 0;
}

static void upcall_session_use(void *ctx, struct hs_peer *peer, uint32_t local_index, bool confirm)
{
}

static void upcall_peer(void *ctx, struct hs_peer *peer)
{
}

static void upcall_session_drop(void *ctx, struct hs_peer *peer, uint32_t local_index)
{
}

static void upcall_endpoint(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to)
{
}

static void upcall_activity(void *ctx, struct hs_peer *peer, struct hs_activity *out)
{
	memset(out, 0, sizeof(*out));
}

static void upcall_stamp(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns)
{
}

static const struct hs_ops ops = {
	.random = upcall_random,
	.send = upcall_send,
	.session_new = upcall_session_new,
	.session_use = upcall_session_use,
	.session_mute = upcall_peer,
	.session_drop = upcall_session_drop,
	.keepalive = upcall_peer,
	.purge = upcall_peer,
	.endpoint = upcall_endpoint,
	.activity = upcall_activity,
	.stamp = upcall_stamp,
};

/* ---- peers ---- */

/* Keys of some peers, and what they share with the gateway. */
static bool make_keys(struct handshakes_side *s, struct handshakes_peer *peers, unsigned int n)
{
	static const uint8_t base[CR_POINT_BYTES] = {9};
	struct cr_x25519_job jobs[2 * KEYS_BATCH];
	bool ok = true;

	for (unsigned int i = 0; i < n; i++) {
		struct handshakes_peer *p = &peers[i];

		cr_random(p->private_key, sizeof(p->private_key));
		cr_x25519_clamp(p->private_key);
		jobs[i] = (struct cr_x25519_job){
			.scalar = p->private_key, .point = base, .out = p->public_key};
		jobs[n + i] = (struct cr_x25519_job){
			.scalar = p->private_key, .point = s->public_key, .out = p->static_static};
	}
	cr_x25519_batch(jobs, 2 * n);
	for (unsigned int i = 0; i < 2 * n; i++)
		ok &= jobs[i].ok;
	return ok;
}

/* 10.0.0.1 and on: a source of its own for each. */
static struct wg_endpoint endpoint_of(unsigned int i)
{
	const uint32_t host = i + 1;

	return (struct wg_endpoint){
		.addr = {10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host},
		.port = PORT,
		.family = AF_INET,
	};
}

static bool add_peers(struct handshakes_side *s)
{
	for (unsigned int i = 0; i < s->n_peers; i += KEYS_BATCH) {
		unsigned int n = s->n_peers - i < KEYS_BATCH ? s->n_peers - i : KEYS_BATCH;

		if (!make_keys(s, &s->peers[i], n))
			return false;
	}
	for (unsigned int i = 0; i < s->n_peers; i++) {
		struct handshakes_peer *p = &s->peers[i];

		p->from = endpoint_of(i);
		p->hs = hs_peer_add(s->dev, p->public_key, p);
		if (!p->hs)
			return false;
		hs_peer_set_endpoint(p->hs, &p->from);
	}
	s->stranger.from = endpoint_of(s->n_peers);
	return make_keys(s, &s->stranger, 1);
}

bool handshakes_side_open(struct handshakes_side *s, unsigned int n_peers)
{
	uint8_t private_key[WG_KEY_BYTES];

	*s = (struct handshakes_side){
		.n_peers = n_peers,
		.random = 1,
		.now = {.mono_ns = TURN_S * WG_NS_PER_S, .wall_s = WALL_S},
	};
	s->dev = hs_device_new(&ops, s);
	s->peers = calloc(n_peers, sizeof(s->peers[0]));
	if (!s->dev || !s->peers)
		return false;
	cr_random(private_key, sizeof(private_key));
	hs_device_set_key(s->dev, &s->now, private_key);
	hs_device_public_key(s->dev, s->public_key);
	return add_peers(s);
}

void handshakes_side_close(struct handshakes_side *s)
{
	hs_device_free(s->dev);
	free(s->peers);
	*s = (struct handshakes_side){0};
}

/* ---- turns ---- */

void handshakes_side_forget(struct handshakes_side *s)
{
	s->n_sent = 0;
	s->n_sessions = 0;
}

void handshakes_side_turn(struct handshakes_side *s)
{
	s->now.mono_ns += TURN_S * WG_NS_PER_S;
	s->now.wall_s += TURN_S;
	while (hs_device_advance(s->dev, &s->now) <= s->now.mono_ns)
		;
	handshakes_side_forget(s);
}

enum hs_verdict handshakes_side_input(struct handshakes_side *s, bool load,
				      const struct handshakes_message *m)
{
	return hs_device_input(s->dev, &s->now, load, m->bytes, m->len, &m->peer->from);
}
