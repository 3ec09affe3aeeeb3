/*
 * The five timers of a peer (whitepaper 6.1 to 6.5), and waiting requests. Runs on the control
 * thread. A peer has one entry in the device's wheel, at its earliest deadline. Timers that data
 * packets set and cancel exist only as stamps of workers; a deadline that follows from a new stamp
 * is at least 10 s away, so it is enough to look at them every 10 s while a session lives.
 *
 *   retry          5 s + jitter after an initiation: repeat it, 20 in all, then give up
 *   passive        10 s after data came and nothing went: a keepalive
 *   new handshake  15 s + jitter after data went and nothing came: an initiation
 *   persistent     the configured interval after anything came or went: a keepalive
 *   zero           540 s after the last session: wipe what is left
 */
#include <string.h>

#include "handshake/peer.h"

#define REKEY_TIMEOUT_NS     (5 * WG_NS_PER_S)
#define KEEPALIVE_TIMEOUT_NS (10 * WG_NS_PER_S)
#define NEW_HANDSHAKE_NS     (REKEY_TIMEOUT_NS + KEEPALIVE_TIMEOUT_NS)
#define ZERO_NS		     (3 * WG_REJECT_AFTER_NS)
#define JITTER_NS	     UINT64_C(333000000)
#define ATTEMPTS_MAX	     20 /* whitepaper 6.4: 90 s of retries, as Linux counts them */

/* A worker may have asked for a session just before it saw the one that it has now. */
#define STALE_REQUEST_NS WG_NS_PER_S

/* One side of crossed initiations steps back by more than a message can take. */
#define YIELD_NS WG_NS_PER_S

static uint32_t jitter_ns(struct hs_peer *peer)
{
	uint32_t random;

	peer->dev->ops.random(peer->dev->ctx, &random, sizeof(random));
	return (uint32_t)(random * JITTER_NS >> 32);
}

static struct hs_activity activity(struct hs_peer *peer)
{
	struct hs_activity a = {0};

	peer->dev->ops.activity(peer->dev->ctx, peer, &a);
	return a;
}

static bool has_session(const struct hs_peer *peer)
{
	return peer->previous || peer->current || peer->next;
}

/* ---- what the other files report ---- */

void hs_timers_sent_initiation(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_timers *t = &peer->timers;

	t->allowed_ns = now->mono_ns + REKEY_TIMEOUT_NS;
	t->retry_ns = t->allowed_ns + jitter_ns(peer);
	t->attempts++;
	t->wanted = false;
	t->rests = false;
}

void hs_timers_sent_response(struct hs_peer *peer, const struct hs_now *now)
{
	peer->timers.allowed_ns = now->mono_ns + REKEY_TIMEOUT_NS;
	peer->timers.rests = false;
}

void hs_timers_session(struct hs_peer *peer, const struct hs_now *now)
{
	peer->timers.zero_ns = now->mono_ns + ZERO_NS;
	peer->timers.new_handshake_jitter_ns = jitter_ns(peer);
}

void hs_timers_complete(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_timers *t = &peer->timers;

	t->retry_ns = 0;
	t->attempts = 0;
	t->wanted = false;
	t->usable_ns = now->mono_ns;
	peer->last_handshake_s = now->wall_s;
	peer->last_handshake_ns = now->wall_ns;
}

void hs_timers_request(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_timers *t = &peer->timers;

	/* If a retry is due anyway it will do, and its jitter keeps two sides from crossing. */
	t->attempts = t->retry_ns ? 1 : 0;
	t->wanted = !t->retry_ns;
	if (t->wanted && now->mono_ns >= t->allowed_ns && hs_peer_can_initiate(peer))
		hs_peer_initiate(peer, now);
}

void hs_timers_unblock(struct hs_peer *peer)
{
	struct hs_timers *t = &peer->timers;

	if (t->wanted && hs_peer_can_initiate(peer) &&
	    (!t->entry.at || t->entry.tick * HS_WHEEL_TICK_NS > t->allowed_ns))
		hs_wheel_insert(&peer->dev->wheel, &t->entry, t->allowed_ns);
}

void hs_timers_reset(struct hs_peer *peer)
{
	struct hs_device *dev = peer->dev;
	struct hs_activity a = activity(peer);
	struct hs_timers *t = &peer->timers;
	uint16_t persistent_s = t->persistent_s;

	hs_wheel_remove(&dev->wheel, &t->entry);
	memset(t, 0, sizeof(*t));
	t->persistent_s = persistent_s;
	t->rests = true;
	t->passive_done_ns = a.received_data_last_ns > a.received_data_ns ? a.received_data_last_ns
									  : a.received_data_ns;
	dev->ops.stamp(dev->ctx, peer, HS_STAMP_CLEAR_DATA_SENT, 0);
}

/* ---- deadlines: UINT64_MAX for none ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Equal stamps: the data may have come after what was sent, and a keepalive too many is cheap. */
static uint64_t passive_due_ns(const struct hs_peer *peer, const struct hs_activity *a)
{
	const struct hs_timers *t = &peer->timers;
	uint64_t due = UINT64_MAX;

	if (t->another_ns && a->sent_any_ns <= t->another_since_ns)
		due = t->another_ns;
	if (a->received_data_ns && a->received_data_ns >= a->sent_any_ns &&
	    a->received_data_ns > t->passive_done_ns)
		due = sooner(due, a->received_data_ns + KEEPALIVE_TIMEOUT_NS);
	return due;
}

/* Equal stamps: the packet may have come after the data, and a handshake too many is dear. */
static uint64_t new_handshake_due_ns(const struct hs_peer *peer, const struct hs_activity *a)
{
	if (!a->sent_data_ns || a->sent_data_ns <= a->received_any_ns)
		return UINT64_MAX;
	return a->sent_data_ns + NEW_HANDSHAKE_NS + peer->timers.new_handshake_jitter_ns;
}

static uint64_t persistent_due_ns(const struct hs_peer *peer, const struct hs_activity *a)
{
	const struct hs_timers *t = &peer->timers;
	uint64_t last = t->persistent_done_ns;

	if (!t->persistent_s || t->rests)
		return UINT64_MAX;
	if (last < a->sent_any_ns)
		last = a->sent_any_ns;
	if (last < a->received_any_ns)
		last = a->received_any_ns;
	return last + t->persistent_s * WG_NS_PER_S;
}

static uint64_t sessions_due_ns(const struct hs_peer *peer)
{
	const struct hs_keypair *slots[] = {peer->previous, peer->current, peer->next};
	uint64_t due = UINT64_MAX;

	for (unsigned int i = 0; i < 3; i++)
		if (slots[i])
			due = sooner(due, slots[i]->birth_ns + WG_REJECT_AFTER_NS);
	return due;
}

void hs_timers_arm(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_activity a = activity(peer);
	struct hs_timers *t = &peer->timers;
	uint64_t due = sessions_due_ns(peer);

	if (has_session(peer))
		t->watch_ns = now->mono_ns + KEEPALIVE_TIMEOUT_NS;
	if (t->watch_ns > now->mono_ns)
		due = sooner(due, t->watch_ns);
	if (t->retry_ns)
		due = sooner(due, t->retry_ns);
	if (t->zero_ns)
		due = sooner(due, t->zero_ns);
	if (t->wanted && hs_peer_can_initiate(peer))
		due = sooner(due, t->allowed_ns);
	due = sooner(due, passive_due_ns(peer, &a));
	due = sooner(due, new_handshake_due_ns(peer, &a));
	due = sooner(due, persistent_due_ns(peer, &a));
	if (due == UINT64_MAX)
		hs_wheel_remove(&peer->dev->wheel, &t->entry);
	else
		hs_wheel_insert(&peer->dev->wheel, &t->entry, due);
}

/* ---- what happens when they are over ---- */

/* Workers look at the age of a session themselves; this frees it. */
static void run_expiry(struct hs_peer *peer, uint64_t now_ns)
{
	struct hs_timers *t = &peer->timers;

	if (now_ns >= WG_REJECT_AFTER_NS &&
	    hs_peer_drop_sessions(peer, now_ns - WG_REJECT_AFTER_NS))
		t->watch_ns = now_ns + KEEPALIVE_TIMEOUT_NS; /* for stamps of the last moment */
	if (t->zero_ns && t->zero_ns <= now_ns) {
		t->zero_ns = 0;
		hs_peer_clear_inflight(peer);
		hs_peer_drop_sessions(peer, UINT64_MAX);
	}
}

static void give_up(struct hs_peer *peer, uint64_t now_ns)
{
	struct hs_timers *t = &peer->timers;

	t->retry_ns = 0;
	t->passive_done_ns = now_ns;
	t->another_ns = 0;
	if (!t->zero_ns)
		t->zero_ns = now_ns + ZERO_NS;
	peer->dev->ops.purge(peer->dev->ctx, peer);
}

static void run_retry(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_timers *t = &peer->timers;

	if (!t->retry_ns || t->retry_ns > now->mono_ns)
		return;
	if (now->mono_ns < t->allowed_ns) {
		/*
		 * A response was sent meanwhile: initiations have crossed. If both sides came back
		 * alike they could cross for ever, so the one with the greater key lets the other
		 * go first.
		 */
		t->retry_ns = t->allowed_ns + jitter_ns(peer);
		if (memcmp(peer->dev->public_key, peer->public_key, WG_KEY_BYTES) > 0)
			t->retry_ns += YIELD_NS;
		return;
	}
	if (t->attempts >= ATTEMPTS_MAX) {
		give_up(peer, now->mono_ns);
		return;
	}
	if (!hs_peer_can_initiate(peer)) {
		t->retry_ns = 0;
		t->wanted = true;
		return;
	}
	hs_peer_forget_source(peer);
	hs_peer_initiate(peer, now);
}

static void run_passive(struct hs_peer *peer, uint64_t now_ns)
{
	struct hs_activity a = activity(peer);
	struct hs_timers *t = &peer->timers;
	uint64_t due = passive_due_ns(peer, &a);
	bool another;

	if (due > now_ns)
		return;
	/* Data that came while the timer ran wants an answer of its own. */
	another = a.received_data_last_ns > due - KEEPALIVE_TIMEOUT_NS;
	t->passive_done_ns = now_ns;
	t->another_ns = 0;
	peer->dev->ops.keepalive(peer->dev->ctx, peer);
	if (!another)
		return;
	a = activity(peer);
	t->another_since_ns = a.sent_any_ns > now_ns ? a.sent_any_ns : now_ns;
	t->another_ns = now_ns + KEEPALIVE_TIMEOUT_NS;
}

static void run_new_handshake(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_activity a = activity(peer);

	if (new_handshake_due_ns(peer, &a) > now->mono_ns)
		return;
	peer->dev->ops.stamp(peer->dev->ctx, peer, HS_STAMP_CLEAR_DATA_SENT, now->mono_ns);
	peer->timers.new_handshake_jitter_ns = jitter_ns(peer);
	hs_peer_forget_source(peer);
	hs_timers_request(peer, now);
}

static void run_persistent(struct hs_peer *peer, uint64_t now_ns)
{
	struct hs_activity a = activity(peer);

	if (persistent_due_ns(peer, &a) > now_ns)
		return;
	peer->timers.persistent_done_ns = now_ns;
	peer->dev->ops.keepalive(peer->dev->ctx, peer);
}

void hs_timers_run(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_timers *t = &peer->timers;

	run_expiry(peer, now->mono_ns);
	run_retry(peer, now);
	if (t->wanted && now->mono_ns >= t->allowed_ns && hs_peer_can_initiate(peer)) {
		t->attempts = 0;
		hs_peer_initiate(peer, now);
	}
	run_passive(peer, now->mono_ns);
	run_new_handshake(peer, now);
	run_persistent(peer, now->mono_ns);
	hs_timers_arm(peer, now);
}

/* ---- what the owner asks for ---- */

void hs_peer_want_session(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_timers *t = &peer->timers;

	if (peer->current && peer->current->sends && now->mono_ns < t->usable_ns + STALE_REQUEST_NS)
		return;
	hs_timers_request(peer, now);
	hs_timers_arm(peer, now);
}

unsigned int hs_peer_attempts(const struct hs_peer *peer)
{
	return peer->timers.attempts;
}

void hs_peer_set_keepalive(struct hs_peer *peer, const struct hs_now *now, uint16_t interval_s)
{
	struct hs_timers *t = &peer->timers;
	bool starts = interval_s && (!t->persistent_s || t->rests);

	t->persistent_s = interval_s;
	t->rests = false;
	if (starts) {
		t->persistent_done_ns = now->mono_ns;
		peer->dev->ops.keepalive(peer->dev->ctx, peer);
	}
	hs_timers_arm(peer, now);
}

uint16_t hs_peer_keepalive_s(const struct hs_peer *peer)
{
	return peer->timers.persistent_s;
}
