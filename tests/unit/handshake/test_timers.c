/* The five timers of a peer, waiting requests, timestamps: with a fake clock, to the millisecond.
 */
#include "handshake/peer.h"
#include "tests/unit/handshake/sim.h"

static struct sim sim;
static struct sim_node *const a = &sim.nodes[0], *const b = &sim.nodes[1];
static struct sim_peer *const ab = &sim.nodes[0].peers[0], *const ba = &sim.nodes[1].peers[0];

/* Deadlines are met within a tick of the wheel. */
#define LATE_NS (2 * MS)

static int setup(void **state)
{
	sim_pair(&sim);
	return 0;
}

static int teardown(void **state)
{
	sim_free(&sim);
	return 0;
}

static void connect_pair(void)
{
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_true(sim_connected(ab, ba));
}

static bool lose_all(struct sim *s, const struct sim_packet *p)
{
	return true;
}

static bool lose_data(struct sim *s, const struct sim_packet *p)
{
	return p->bytes[0] == WG_DATA;
}

static bool lose_initiations(struct sim *s, const struct sim_packet *p)
{
	return p->bytes[0] == WG_INITIATION;
}

static bool lose_from_b(struct sim *s, const struct sim_packet *p)
{
	return p->from.addr[3] == 2;
}

/* The k-th message of a type from a node, counted from 0. */
static const struct sim_packet *nth(const struct sim_node *from, uint32_t type, unsigned int k)
{
	for (unsigned int i = 0; i < sim.n_trace; i++) {
		const struct sim_packet *p = &sim.trace[i];

		if (p->bytes[0] == type && p->from.addr[3] == from->addr.addr[3] && k-- == 0)
			return p;
	}
	fail_msg("no such message");
	return NULL;
}

static void assert_between(uint64_t value, uint64_t low, uint64_t high)
{
	assert_true(value >= low);
	assert_true(value <= high);
}

static void test_retries(void **state)
{
	uint64_t first, jitters = 0;

	sim.lose = lose_all;
	sim_send(ab);
	first = sim.now_ns;
	assert_int_equal(hs_peer_attempts(ab->hs), 1);
	sim_run(&sim, 99 * S);
	assert_int_equal(ab->purges, 0);
	assert_int_equal(ab->staged, 1);
	sim_run(&sim, 8 * S);
	/* 20 in all, then what was staged is dropped. */
	assert_int_equal(ab->initiations, 20);
	assert_int_equal(hs_peer_attempts(ab->hs), 20);
	assert_int_equal(ab->purges, 1);
	assert_int_equal(ab->staged, 0);
	for (unsigned int i = 1; i < 20; i++) {
		uint64_t gap = nth(a, WG_INITIATION, i)->at_ns -
			       nth(a, WG_INITIATION, i - 1)->at_ns;

		assert_between(gap, 5 * S, 5333 * MS + LATE_NS);
		jitters += gap - 5 * S;
	}
	assert_between(nth(a, WG_INITIATION, 19)->at_ns - first, 95 * S, 102 * S);
	assert_between(jitters, 19 * 60 * MS, 19 * 270 * MS); /* it does vary */
	sim_run(&sim, 300 * S);
	assert_int_equal(ab->initiations, 20);
	/* New data begins anew. */
	sim_send(ab);
	assert_int_equal(ab->initiations, 21);
	assert_int_equal(hs_peer_attempts(ab->hs), 1);
}

/* Each message of the series is a new one. */
static void test_retries_differ(void **state)
{
	sim.lose = lose_all;
	sim_send(ab);
	sim_run(&sim, 30 * S);
	for (unsigned int i = 1; i < ab->initiations; i++) {
		const struct sim_packet *p = nth(a, WG_INITIATION, i - 1);
		const struct sim_packet *q = nth(a, WG_INITIATION, i);

		assert_memory_not_equal(p->bytes + 4, q->bytes + 4, 4);	   /* index */
		assert_memory_not_equal(p->bytes + 8, q->bytes + 8, 32);   /* ephemeral */
		assert_memory_not_equal(p->bytes + 88, q->bytes + 88, 28); /* timestamp */
		assert_int_equal(a->dev->peers.by_index.n, 1);
	}
}

/* Requests in between are no retries: they start the count anew, and send nothing by themselves. */
static void test_requests_reset_attempts(void **state)
{
	sim.lose = lose_all;
	for (unsigned int i = 0; i < 300; i++) {
		sim_send(ab);
		sim_run(&sim, 500 * MS);
	}
	assert_int_equal(ab->purges, 0);
	assert_between(ab->initiations, 28, 30);
	sim_run(&sim, 92 * S);
	assert_int_equal(ab->purges, 0);
	sim_run(&sim, 16 * S);
	assert_int_equal(ab->purges, 1);
}

/* The handshake that was in flight when retries ended is wiped 540 s later. */
static void test_give_up_wipes(void **state)
{
	sim.lose = lose_all;
	sim_send(ab);
	sim_run(&sim, 110 * S);
	assert_int_equal(ab->purges, 1);
	assert_int_equal(a->dev->peers.by_index.n, 1);
	sim_run(&sim, 535 * S);
	assert_int_equal(a->dev->peers.by_index.n, 0);
	assert_int_equal(hs_device_due_ns(a->dev), UINT64_MAX);
}

/* A request within 5 s of a message is met as soon as they are over. */
static void test_request_waits(void **state)
{
	struct hs_now now;

	sim.lose = lose_data; /* b is not confirmed */
	sim_send(ab);
	sim_run(&sim, 2 * S);
	assert_int_equal(ba->responses, 1);
	now = sim_now(b);
	hs_peer_want_session(ba->hs, &now);
	hs_peer_want_session(ba->hs, &now);
	assert_int_equal(ba->initiations, 0);
	assert_int_equal(hs_peer_attempts(ba->hs), 0);
	sim_run(&sim, 10 * S);
	assert_int_equal(ba->initiations, 1);
	assert_between(nth(b, WG_INITIATION, 0)->at_ns - nth(b, WG_RESPONSE, 0)->at_ns, 5 * S,
		       5 * S + LATE_NS);
}

/* The session that comes meanwhile is what was asked for. */
static void test_request_met(void **state)
{
	struct hs_now now;

	sim.lose = lose_data;
	sim_send(ab);
	sim_run(&sim, 2 * S);
	now = sim_now(b);
	hs_peer_want_session(ba->hs, &now);
	sim.lose = NULL;
	sim_send(ab);
	sim_run(&sim, 8 * S);
	assert_int_equal(ba->initiations, 0);
}

/* A request that a worker made just before it saw the session is met; a later one is not. */
static void test_request_stale(void **state)
{
	struct hs_now now;

	connect_pair(); /* usable for 0.96 s at a */
	now = sim_now(a);
	hs_peer_want_session(ab->hs, &now);
	sim_run(&sim, 6 * S);
	assert_int_equal(ab->initiations, 1);
	sim_run(&sim, 5 * S);
	now = sim_now(a);
	hs_peer_want_session(ab->hs, &now);
	assert_int_equal(ab->initiations, 2);
	sim_run(&sim, 2 * S); /* usable for more than 1 s, the initiation less than 5 s ago */
	now = sim_now(a);
	hs_peer_want_session(ab->hs, &now);
	assert_int_equal(ab->initiations, 2);
	sim_run(&sim, 4 * S);
	assert_int_equal(ab->initiations, 3);
}

static void test_passive_keepalive(void **state)
{
	uint64_t sent;

	connect_pair();
	sim_run(&sim, 20 * S);
	assert_int_equal(ba->keepalives_sent, 1); /* for the first packet */
	sim_send(ab);
	sent = sim.now_ns;
	sim_run(&sim, 10 * S);
	assert_int_equal(ba->keepalives_sent, 1);
	sim_run(&sim, 100 * MS);
	assert_int_equal(ba->keepalives_sent, 2);
	assert_between(nth(b, WG_DATA, 1)->at_ns - sent, 10 * S + 20 * MS,
		       10 * S + 20 * MS + LATE_NS);
	/* A keepalive is not answered. */
	sim_run(&sim, 100 * S);
	assert_int_equal(ab->keepalives_sent, 0);
	assert_int_equal(ba->keepalives_sent, 2);
}

/* An answer of any kind within 10 s makes it unnecessary. */
static void test_passive_cancelled(void **state)
{
	connect_pair();
	sim_run(&sim, 20 * S);
	for (unsigned int i = 0; i < 10; i++) {
		sim_send(ab);
		sim_run(&sim, 9 * S);
		sim_send(ba);
		sim_run(&sim, 1 * S);
	}
	assert_int_equal(ba->keepalives_sent, 1);
	assert_int_equal(ab->keepalives_sent, 0);
}

/* Data that comes while the timer runs gets a keepalive of its own, 10 s after the first. */
static void test_passive_another(void **state)
{
	connect_pair();
	sim_run(&sim, 30 * S);
	assert_int_equal(ba->keepalives_sent, 1);
	sim_send(ab);
	sim_run(&sim, 5 * S);
	sim_send(ab);
	sim_run(&sim, 5 * S + 30 * MS);
	assert_int_equal(ba->keepalives_sent, 2);
	sim_run(&sim, 9 * S);
	assert_int_equal(ba->keepalives_sent, 2);
	sim_run(&sim, 1 * S);
	assert_int_equal(ba->keepalives_sent, 3);
	sim_run(&sim, 60 * S);
	assert_int_equal(ba->keepalives_sent, 3);
	assert_between(nth(b, WG_DATA, 2)->at_ns - nth(b, WG_DATA, 1)->at_ns, 10 * S,
		       10 * S + LATE_NS);
}

/* What is sent after the first keepalive makes the second one unnecessary. */
static void test_passive_another_cancelled(void **state)
{
	connect_pair();
	sim_run(&sim, 30 * S);
	sim_send(ab);
	sim_run(&sim, 5 * S);
	sim_send(ab);
	sim_run(&sim, 7 * S);
	assert_int_equal(ba->keepalives_sent, 2);
	sim_send(ba);
	sim_run(&sim, 60 * S);
	assert_int_equal(ba->keepalives_sent, 2);
}

/* A keepalive is owed that can't be sent: once, and not again and again. */
static void test_passive_without_key(void **state)
{
	connect_pair();
	sim_run(&sim, 30 * S);
	sim_send(ab);
	sim_run(&sim, 1 * S);
	sim_set_key(b, NULL);
	sim_run(&sim, 30 * S);
	assert_true(ba->staged_keepalive);
	assert_int_equal(ba->keepalives_sent, 1);
}

/* Giving up takes back the keepalive that is owed. */
static void test_give_up_passive(void **state)
{
	struct hs_now now;

	connect_pair();
	sim_run(&sim, 20 * S);
	sim.lose = lose_initiations;
	now = sim_now(a);
	hs_peer_want_session(ab->hs, &now);
	while (ab->initiations < 21)
		sim_run(&sim, 100 * MS);
	sim_send(ba);
	sim_run(&sim, 20 * S);
	assert_int_equal(ab->data_received, 1);
	assert_int_equal(ab->purges, 1);
	assert_int_equal(ab->keepalives_sent, 0);
}

/* Coarse clocks: data that came in the tick of what was sent is not answered, data sent is. */
static void test_equal_stamps(void **state)
{
	connect_pair();
	sim_run(&sim, 30 * S);
	sim_send(ba);
	ba->activity.received_data_ns = ba->activity.received_any_ns = sim.now_ns;
	assert_int_equal(ba->activity.sent_data_ns, ba->activity.received_any_ns);
	assert_int_equal(ba->activity.sent_any_ns, ba->activity.received_data_ns);
	sim.lose = lose_all;
	sim_run(&sim, 20 * S);
	assert_int_equal(ba->keepalives_sent, 2);
	assert_int_equal(ba->initiations, 0);
}

/* A worker stamps while the last session goes: it is seen. */
static void test_stamp_at_expiry(void **state)
{
	connect_pair();
	sim_run(&sim, ab->current->birth_ns + 180 * S + 20 * MS - sim.now_ns);
	assert_null(ab->current);
	ab->activity.received_data_ns = ab->activity.received_any_ns = sim.now_ns;
	sim_run(&sim, 9900 * MS);
	assert_int_equal(ab->initiations, 1);
	sim_run(&sim, 200 * MS);
	assert_int_equal(ab->initiations, 2);
}

static void test_new_handshake(void **state)
{
	uint64_t sent;

	connect_pair();
	sim_run(&sim, 30 * S);
	sim.lose = lose_from_b;
	sim_send(ab);
	sent = sim.now_ns;
	sim_run(&sim, 14 * S);
	assert_int_equal(ab->initiations, 1);
	sim_run(&sim, 2 * S);
	assert_int_equal(ab->initiations, 2);
	assert_between(nth(a, WG_INITIATION, 1)->at_ns - sent, 15 * S, 15333 * MS + LATE_NS);
	/* Then it is repeated. */
	sim_run(&sim, 6 * S);
	assert_int_equal(ab->initiations, 3);
	sim.lose = NULL;
	sim_run(&sim, 6 * S);
	assert_true(sim_connected(ab, ba));
	sim_run(&sim, 60 * S);
	assert_int_equal(ab->initiations, 4);
}

/* Later data does not put it off; anything that comes cancels it. */
static void test_new_handshake_first_data(void **state)
{
	connect_pair();
	sim_run(&sim, 30 * S);
	for (unsigned int i = 0; i < 5; i++) {
		sim_send(ab); /* answered by a keepalive after 10 s */
		sim_run(&sim, 12 * S);
	}
	assert_int_equal(ab->initiations, 1);
	sim.lose = lose_data;
	for (unsigned int i = 0; i < 14; i++) {
		sim_send(ab);
		sim_run(&sim, 1 * S);
	}
	assert_int_equal(ab->initiations, 1);
	sim_run(&sim, 1500 * MS);
	assert_int_equal(ab->initiations, 2);
}

/* The sticky source is forgotten by both timers that doubt the way. */
static void test_sticky_source(void **state)
{
	struct wg_endpoint sticky = b->addr;

	sticky.has_local = true;
	sticky.local[0] = 1;
	sticky.local_port = 5;
	connect_pair();
	ab->roams = false;
	hs_peer_set_endpoint(ab->hs, &sticky);
	sim_run(&sim, 30 * S);
	assert_true(hs_peer_endpoint(ab->hs)->has_local);
	sim.lose = lose_all;
	sim_send(ab);
	ab->moves = 0;
	sim_run(&sim, 16 * S);
	assert_int_equal(ab->initiations, 2);
	assert_memory_equal(hs_peer_endpoint(ab->hs), &b->addr, sizeof(b->addr));
	assert_int_equal(ab->moves, 1);
	hs_peer_set_endpoint(ab->hs, &sticky);
	sim_run(&sim, 5500 * MS);
	assert_int_equal(ab->initiations, 3);
	assert_false(hs_peer_endpoint(ab->hs)->has_local);
	assert_int_equal(ab->moves, 2);
}

static void set_keepalive(struct sim_peer *p, uint16_t interval_s)
{
	struct hs_now now = sim_now(p->node);

	hs_peer_set_keepalive(p->hs, &now, interval_s);
	assert_int_equal(hs_peer_keepalive_s(p->hs), interval_s);
	sim_settle(&sim);
}

static void test_persistent(void **state)
{
	unsigned int before;

	connect_pair();
	sim_run(&sim, 12 * S);
	before = ba->keepalives_received;
	set_keepalive(ab, 25);
	sim_run(&sim, 100 * MS);
	assert_int_equal(ba->keepalives_received, before + 1); /* at once */
	sim_run(&sim, 75 * S);
	assert_int_equal(ba->keepalives_received, before + 4);
	assert_between(nth(a, WG_DATA, 3)->at_ns - nth(a, WG_DATA, 2)->at_ns, 25 * S,
		       25 * S + LATE_NS);
	/* A change of the interval is no reason for one more. */
	set_keepalive(ab, 1);
	before = ba->keepalives_received;
	sim_run(&sim, 10 * S + 50 * MS);
	assert_between(ba->keepalives_received - before, 9, 10);
	/* Any packet, either way, puts it off. */
	before = ba->keepalives_received;
	for (unsigned int i = 0; i < 20; i++) {
		sim_send(i % 2 ? ab : ba);
		sim_run(&sim, 900 * MS);
	}
	assert_int_equal(ba->keepalives_received, before);
	set_keepalive(ab, 0);
	sim_run(&sim, 9 * S);
	assert_int_equal(ba->keepalives_received, before);
}

/* The session is renewed by it, and it goes on for ever. */
static void test_persistent_keeps_session(void **state)
{
	set_keepalive(ab, 25);
	sim_run(&sim, 3600 * S);
	assert_true(sim_connected(ab, ba));
	/* A keepalive each 25 s sees 120 s over at 125 s. */
	assert_between(ab->initiations, 28, 30);
	assert_int_equal(ba->initiations, 0);
}

/*
 * With the peer down: each keepalive is a request that is no retry. A short interval makes the
 * retries endless; a longer one is put off by them, and begins anew after they were given up.
 */
static void check_peer_down(uint16_t interval_s, unsigned int least, unsigned int most, bool purges)
{
	sim_pair(&sim);
	sim.lose = lose_all;
	set_keepalive(ab, interval_s);
	sim_run(&sim, 1000 * S);
	assert_between(ab->initiations, least, most);
	assert_int_equal(ab->purges > 0, purges);
	sim.lose = NULL;
	sim_run(&sim, (interval_s + 6) * S);
	assert_true(sim_connected(ab, ba));
	sim_free(&sim);
}

static void test_persistent_peer_down(void **state)
{
	check_peer_down(1, 187, 200, false);
	check_peer_down(4, 187, 200, false);
	/* 20 initiations, 5.17 s apart on average, and 25 s from the last to the next first. */
	check_peer_down(25, 155, 170, true);
}

/* A persistent keepalive that nothing can be sent for does not spin. */
static void test_persistent_without_endpoint(void **state)
{
	set_keepalive(ba, 1);
	sim_run(&sim, 100 * S);
	assert_int_equal(ba->initiations, 0);
	hs_peer_set_endpoint(ba->hs, &a->addr);
	sim_run(&sim, 1 * S);
	assert_true(sim_connected(ab, ba));
}

/* Sessions go at 180 s, all else at 540 s; an idle peer is then not armed at all. */
static void test_expiry(void **state)
{
	uint64_t birth;

	connect_pair();
	birth = ab->current->birth_ns;
	sim_run(&sim, birth + 180 * S - MS - sim.now_ns);
	assert_non_null(ab->current);
	sim_run(&sim, 1 * MS + LATE_NS);
	assert_null(ab->current);
	assert_int_equal(ab->sessions_dropped, 1);
	assert_int_equal(a->dev->peers.by_index.n, 0);
	sim_run(&sim, birth + 540 * S - MS - sim.now_ns);
	assert_true(hs_device_due_ns(a->dev) != UINT64_MAX);
	sim_run(&sim, 200 * MS);
	assert_int_equal(hs_device_due_ns(a->dev), UINT64_MAX);
	assert_int_equal(hs_device_due_ns(b->dev), UINT64_MAX);
	/* A handshake in flight at that time is wiped with the rest, and retried. */
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_true(sim_connected(ab, ba));
}

static void test_zero_takes_handshake(void **state)
{
	connect_pair();
	sim_run(&sim, 535 * S);
	sim.lose = lose_all;
	sim_send(ab);
	sim_run(&sim, 3 * S);
	assert_int_equal(a->dev->peers.by_index.n, 1);
	sim_run(&sim, 1200 * MS);
	assert_int_equal(a->dev->peers.by_index.n, 0);
	sim.lose = NULL;
	sim_run(&sim, 6 * S);
	assert_true(sim_connected(ab, ba));
}

/* All deadlines pass at once when the machine wakes up. */
static void test_suspend(void **state)
{
	connect_pair();
	sim_send(ba);
	set_keepalive(ab, 25);
	sim_run(&sim, 1 * S);
	sim.now_ns += 3600 * S;
	sim_run(&sim, 6 * S);
	assert_true(sim_connected(ab, ba));
	assert_true(ab->current->birth_ns >= sim.now_ns - 6 * S);
}

/* The wall clock goes back: timestamps go on, the responder accepts. */
static void test_clock_back(void **state)
{
	uint8_t last[12];

	connect_pair();
	memcpy(last, ab->hs->sent_timestamp, 12);
	a->wall_offset_s = -3600;
	for (unsigned int i = 0; i < 40; i++) {
		struct hs_now now;

		sim_run(&sim, 6 * S);
		now = sim_now(a);
		hs_peer_want_session(ab->hs, &now);
		sim_run(&sim, 1 * S);
		assert_true(memcmp(ab->hs->sent_timestamp, last, 12) > 0);
		memcpy(last, ab->hs->sent_timestamp, 12);
		assert_int_equal(last[9] | last[10] | last[11], 0); /* whitened */
	}
	assert_int_equal(b->verdicts[HS_initiation_accepted], 41);
	assert_int_equal(b->verdicts[HS_replayed_timestamp], 0);
	/* Once the clock has caught up it counts again. */
	a->wall_offset_s = 0;
	sim_run(&sim, 6 * S);
	sim_send(ab);
	sim_run(&sim, 180 * S);
	sim_send(ab);
	assert_int_equal(ab->hs->sent_timestamp[7], (uint8_t)(10 + SIM_WALL_S + sim.now_ns / S));
}

/* A clock far ahead, then set right on a restart: locked out until the peer is made anew. */
static void test_clock_ahead(void **state)
{
	a->wall_offset_s = 1000000;
	connect_pair();
	sim_remove(ab);
	a->n_peers = 0;
	a->wall_offset_s = 0;
	sim_add(a, b, true);
	sim_send(ab);
	sim_run(&sim, 30 * S);
	assert_null(ab->current);
	assert_true(b->verdicts[HS_replayed_timestamp] >= 5);
	sim_remove(ba);
	b->n_peers = 0;
	sim_add(b, a, false);
	sim_run(&sim, 6 * S);
	assert_true(sim_connected(ab, ba));
}

/* The greatest timestamp outlives sessions, resets and a change of our key. */
static void test_timestamp_survives(void **state)
{
	uint8_t key[32];

	connect_pair();
	memcpy(key, b->private_key, 32);
	sim_run(&sim, 600 * S);
	hs_peer_reset(ba->hs);
	sim_set_key(b, NULL);
	sim_set_key(b, key);
	assert_int_equal(sim_input(b, sim.trace[0].bytes, 148, &a->addr), HS_replayed_timestamp);
}

/* Two initiations within 20 ms, both with good timestamps: the second is a flood. */
static void test_flood(void **state)
{
	struct hs_now now;

	sim.lose = lose_all;
	for (unsigned int i = 0; i < 3; i++) {
		ab->handshake_ns = 0;
		hs_peer_reset(ab->hs);
		now = sim_now(a);
		hs_peer_want_session(ab->hs, &now);
	}
	assert_int_equal(sim_input(b, nth(a, WG_INITIATION, 0)->bytes, 148, &a->addr),
			 HS_initiation_accepted);
	sim.now_ns += 20 * MS - 1;
	assert_int_equal(sim_input(b, nth(a, WG_INITIATION, 2)->bytes, 148, &a->addr), HS_flood);
	/* It has changed nothing: even the one before it is still good. */
	sim.now_ns += 1;
	assert_int_equal(sim_input(b, nth(a, WG_INITIATION, 1)->bytes, 148, &a->addr),
			 HS_initiation_accepted);
	assert_int_equal(sim_input(b, nth(a, WG_INITIATION, 1)->bytes, 148, &a->addr),
			 HS_replayed_timestamp); /* rather than a flood */
	assert_int_equal(ba->responses, 2);
}

/* More than 2^60 packets ask for a new session after each one; there is one each 5 s. */
static void test_rekey_by_count(void **state)
{
	connect_pair();
	sim_run(&sim, 10 * S);
	sim.lose = lose_from_b;
	ba->current->counter = WG_REKEY_AFTER_MESSAGES;
	for (unsigned int i = 0; i < 100; i++) {
		sim_send(ba);
		sim_run(&sim, 100 * MS);
	}
	assert_between(ba->initiations, 1, 2);
	assert_int_equal(ba->data_sent, 100);
}

/* Whatever is set, what is never used is never armed. */
static void test_idle_is_not_armed(void **state)
{
	assert_int_equal(hs_device_due_ns(a->dev), UINT64_MAX);
	set_keepalive(ab, 0);
	assert_int_equal(hs_device_due_ns(a->dev), UINT64_MAX);
	sim_send(ab);
	assert_true(hs_device_due_ns(a->dev) <= sim.now_ns + 5333 * MS + LATE_NS);
}

/* After a reset persistent keepalives rest, and nothing is owed for what came before. */
static void test_reset_stops_timers(void **state)
{
	set_keepalive(ab, 25);
	sim_run(&sim, 1 * S);
	sim_send(ba);
	sim_send(ab);
	sim_run(&sim, 1 * S);
	ab->handshake_ns = 0;
	ab->staged = 0;
	hs_peer_reset(ab->hs);
	assert_int_equal(hs_device_due_ns(a->dev), UINT64_MAX);
	set_keepalive(ab, 0);
	assert_int_equal(hs_device_due_ns(a->dev), UINT64_MAX);
	set_keepalive(ab, 25); /* up again */
	assert_int_equal(ab->initiations, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_retries),
		TEST(test_retries_differ),
		TEST(test_requests_reset_attempts),
		TEST(test_give_up_wipes),
		TEST(test_request_waits),
		TEST(test_request_met),
		TEST(test_request_stale),
		TEST(test_passive_keepalive),
		TEST(test_passive_cancelled),
		TEST(test_passive_another),
		TEST(test_passive_another_cancelled),
		TEST(test_passive_without_key),
		TEST(test_give_up_passive),
		TEST(test_equal_stamps),
		TEST(test_stamp_at_expiry),
		TEST(test_new_handshake),
		TEST(test_new_handshake_first_data),
		TEST(test_sticky_source),
		TEST(test_persistent),
		TEST(test_persistent_keeps_session),
		cmocka_unit_test(test_persistent_peer_down),
		TEST(test_persistent_without_endpoint),
		TEST(test_expiry),
		TEST(test_zero_takes_handshake),
		TEST(test_suspend),
		TEST(test_clock_back),
		TEST(test_clock_ahead),
		TEST(test_timestamp_survives),
		TEST(test_flood),
		TEST(test_rekey_by_count),
		TEST(test_idle_is_not_armed),
		TEST(test_reset_stops_timers),
	};

	return UNIT_RUN(tests);
}
