/*
 * Fuzzes the handshake of a device: messages of any bytes, messages of a real peer with some bytes
 * changed and mac1 made right again (so that what is behind mac1 is reached), time, and changes of
 * the configuration in between. Records of the input: operation, argument, length, bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "crypto/x25519.h"
#include "handshake/cookie.h"
#include "handshake/handshake.h"

#define SESSIONS_MAX 4
#define NS_PER_MS    UINT64_C(1000000)

/* One side, with what its owner would keep. */
struct side {
	struct hs_device *dev;
	struct hs_peer *peer;
	uint8_t private_key[32], public_key[32];
	uint8_t sent[148]; /* the last message */
	size_t sent_bytes;
	uint32_t sessions[SESSIONS_MAX];
	unsigned int n_sessions;
	struct hs_activity activity;
	uint64_t random;
};

static struct hs_now now;

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void up_random(void *ctx, void *out, size_t len)
{
	struct side *s = ctx;
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++) {
		s->random = s->random * UINT64_C(6364136223846793005) +
			    UINT64_C(1442695040888963407);
		p[i] = (uint8_t)(s->random >> 33);
	}
}

static void up_send(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to, const void *msg,
		    size_t len)
{
	struct side *s = ctx;

	must(len <= sizeof(s->sent) && to->family != 0);
	must(peer == s->peer || len == sizeof(struct wg_cookie));
	memcpy(s->sent, msg, len);
	s->sent_bytes = len;
}

static unsigned int session_at(const struct side *s, uint32_t local_index)
{
	unsigned int i = 0;

	while (i < s->n_sessions && s->sessions[i] != local_index)
		i++;
	return i;
}

static int up_session_new(void *ctx, struct hs_peer *peer, const struct hs_session *session)
{
	struct side *s = ctx;

	must(peer == s->peer && s->n_sessions < SESSIONS_MAX);
	must(session_at(s, session->local_index) == s->n_sessions);
	s->sessions[s->n_sessions++] = session->local_index;
	return 0;
}

static void up_session_use(void *ctx, struct hs_peer *peer, uint32_t local_index, bool confirm)
{
	struct side *s = ctx;

	(void)peer;
	(void)confirm;
	must(session_at(s, local_index) < s->n_sessions);
}

static void up_session_drop(void *ctx, struct hs_peer *peer, uint32_t local_index)
{
	struct side *s = ctx;
	unsigned int i = session_at(s, local_index);

	(void)peer;
	must(i < s->n_sessions);
	s->sessions[i] = s->sessions[--s->n_sessions];
}

static void up_nothing(void *ctx, struct hs_peer *peer)
{
	(void)ctx;
	(void)peer;
}

static void up_endpoint(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to)
{
	(void)ctx;
	(void)peer;
	(void)to;
}

static void up_activity(void *ctx, struct hs_peer *peer, struct hs_activity *out)
{
	(void)peer;
	*out = ((struct side *)ctx)->activity;
}

static void up_stamp(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns)
{
	struct side *s = ctx;

	(void)peer;
	if (stamp == HS_STAMP_SENT)
		s->activity.sent_any_ns = mono_ns;
	else if (stamp == HS_STAMP_RECEIVED)
		s->activity.received_any_ns = mono_ns;
	else
		s->activity.sent_data_ns = 0;
}

static const struct hs_ops ops = {
	.random = up_random,
	.send = up_send,
	.session_new = up_session_new,
	.session_use = up_session_use,
	.session_mute = up_nothing,
	.session_drop = up_session_drop,
	.keepalive = up_nothing,
	.purge = up_nothing,
	.endpoint = up_endpoint,
	.activity = up_activity,
	.stamp = up_stamp,
};

static const struct wg_endpoint somewhere = {.addr = {192, 0, 2, 7}, .port = 7, .family = AF_INET};

static void side_start(struct side *s, uint8_t number)
{
	memset(s, 0, sizeof(*s));
	s->random = number;
	s->dev = hs_device_new(&ops, s);
	must(s->dev != NULL);
	memset(s->private_key, number, sizeof(s->private_key));
	cr_x25519_clamp(s->private_key);
	cr_x25519_base(s->public_key, s->private_key);
	hs_device_set_key(s->dev, &now, s->private_key);
}

static void side_knows(struct side *s, const struct side *other)
{
	s->peer = hs_peer_add(s->dev, other->public_key, s);
	must(s->peer != NULL);
	hs_peer_set_endpoint(s->peer, &somewhere);
}

/* mac1 of a message to `to`, as only those who know its public key can make it. */
static void right_mac1(const struct side *to, uint8_t *msg, size_t len)
{
	struct hs_cookie_maker maker;

	if (len != sizeof(struct wg_initiation) && len != sizeof(struct wg_response))
		return;
	memset(&maker, 0, sizeof(maker));
	hs_cookie_maker_init(&maker, to->public_key);
	hs_cookie_add_macs(&maker, now.mono_ns, msg, len);
}

static void give(struct side *to, const uint8_t *msg, size_t len, bool under_load)
{
	/* A copy of its very length, so that a read past it is seen. */
	uint8_t *copy = malloc(len ? len : 1);

	must(copy != NULL);
	memcpy(copy, msg, len);
	must(hs_device_input(to->dev, &now, under_load, copy, len, &somewhere) < HS_VERDICT_N);
	free(copy);
}

/* What `from` last sent, with some bytes changed: bytes are pairs of place and difference. */
static void relay(struct side *from, struct side *to, const uint8_t *bytes, size_t n, bool load)
{
	uint8_t msg[sizeof(from->sent)];
	size_t len = from->sent_bytes;

	memcpy(msg, from->sent, sizeof(msg));
	if (len == 0)
		return;
	for (size_t i = 0; i + 1 < n; i += 2)
		msg[bytes[i] % len] ^= bytes[i + 1];
	right_mac1(to, msg, len);
	give(to, msg, len, load);
}

static void pass_time(uint64_t ns)
{
	now.mono_ns += ns;
	now.wall_s = 1700000000 + now.mono_ns / WG_NS_PER_S;
	now.wall_ns = (uint32_t)(now.mono_ns % WG_NS_PER_S);
}

static void configure(struct side *s, const struct side *other, uint8_t what)
{
	uint8_t key[32];

	memset(key, what, sizeof(key));
	switch (what % 5) {
	case 0:
		hs_peer_set_psk(s->peer, key);
		break;
	case 1:
		hs_peer_set_keepalive(s->peer, &now, what);
		break;
	case 2:
		hs_device_set_key(s->dev, &now, what & 8 ? key : s->private_key);
		break;
	case 3:
		hs_peer_remove(s->peer);
		must(s->n_sessions == 0);
		side_knows(s, other);
		break;
	case 4:
		hs_peer_reset(s->peer);
		break;
	}
}

static void operate(struct side *ours, struct side *theirs, uint8_t op, uint8_t arg,
		    const uint8_t *bytes, size_t n)
{
	uint8_t msg[256];

	switch (op % 8) {
	case 0:
		give(ours, bytes, n, arg & 1);
		break;
	case 1:
		memcpy(msg, bytes, n);
		right_mac1(ours, msg, n);
		give(ours, msg, n, arg & 1);
		break;
	case 2:
		hs_peer_want_session((arg & 1 ? ours : theirs)->peer, &now);
		break;
	case 3:
		relay(theirs, ours, bytes, n, arg & 1);
		break;
	case 4:
		relay(ours, theirs, bytes, n, arg & 1);
		break;
	case 5:
		pass_time(arg & 1 ? arg * WG_NS_PER_S : arg * NS_PER_MS);
		hs_device_advance(ours->dev, &now);
		hs_device_advance(theirs->dev, &now);
		break;
	case 6:
		configure(ours, theirs, arg);
		break;
	case 7:
		if (ours->n_sessions)
			hs_peer_confirmed(ours->peer, &now, ours->sessions[arg % ours->n_sessions]);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t len)
{
	struct side ours, theirs;

	memset(&now, 0, sizeof(now));
	pass_time(10 * WG_NS_PER_S);
	side_start(&ours, 1);
	side_start(&theirs, 2);
	side_knows(&ours, &theirs);
	side_knows(&theirs, &ours);
	while (len >= 3) {
		size_t n = input[2] < len - 3 ? input[2] : len - 3;

		operate(&ours, &theirs, input[0], input[1], input + 3, n);
		input += 3 + n;
		len -= 3 + n;
	}
	hs_device_free(ours.dev);
	must(ours.n_sessions == 0);
	hs_device_free(theirs.dev);
	return 0;
}
