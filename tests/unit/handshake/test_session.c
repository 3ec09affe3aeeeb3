/* Sessions between two devices: both roles, slots, crossed handshakes, roaming, keys, removal. */
#include <errno.h>

#include "handshake/peer.h"
#include "tests/unit/handshake/sim.h"
#include "tests/unit/handshake/undraw.h"

static struct sim sim;
static struct sim_node *const a = &sim.nodes[0], *const b = &sim.nodes[1];
static struct sim_peer *const ab = &sim.nodes[0].peers[0], *const ba = &sim.nodes[1].peers[0];

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

/* a has begun a session, b has confirmed it. */
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

static bool lose_responses(struct sim *s, const struct sim_packet *p)
{
	return p->bytes[0] == WG_RESPONSE;
}

static bool lose_initiations(struct sim *s, const struct sim_packet *p)
{
	return p->bytes[0] == WG_INITIATION;
}

static void test_both_roles(void **state)
{
	uint64_t wall_s;
	uint32_t wall_ns;

	hs_peer_last_handshake(ab->hs, &wall_s, &wall_ns);
	assert_int_equal(wall_s, 0);
	connect_pair();
	assert_int_equal(ab->initiations, 1);
	assert_int_equal(ba->responses, 1);
	assert_int_equal(a->verdicts[HS_response_accepted], 1);
	assert_int_equal(b->verdicts[HS_initiation_accepted], 1);
	/* What was staged confirms; there is no keepalive besides. */
	assert_int_equal(ab->data_sent, 1);
	assert_int_equal(ab->keepalives_sent, 0);
	assert_int_equal(ba->data_received, 1);
	assert_true(ab->current->initiator);
	assert_false(ba->current->initiator);
	hs_peer_last_handshake(ab->hs, &wall_s, &wall_ns);
	assert_int_equal(wall_s, SIM_WALL_S + 1000);
	assert_int_equal(wall_ns, 40 * MS);
	hs_peer_last_handshake(ba->hs, &wall_s, &wall_ns);
	assert_int_equal(wall_ns, 60 * MS);
	/* The responder has learnt where the initiator is, and can send. */
	assert_int_equal(hs_peer_endpoint(ba->hs)->addr[3], 1);
	sim_send(ba);
	sim_run(&sim, 1 * S);
	assert_int_equal(ab->data_received, 1);
	assert_int_equal(hs_peer_attempts(ab->hs), 0);
}

/* Nothing is staged: the initiator confirms by a keepalive. */
static void test_confirm_by_keepalive(void **state)
{
	struct hs_now now = sim_now(a);

	hs_peer_want_session(ab->hs, &now);
	sim_run(&sim, 1 * S);
	assert_int_equal(ab->keepalives_sent, 1);
	assert_true(sim_connected(ab, ba));
	assert_int_equal(ba->keepalives_received, 1);
}

static void test_psk(void **state)
{
	uint8_t psk[32] = {1, 2, 3}, wrong[32] = {1, 2, 4};

	hs_peer_set_psk(ab->hs, psk);
	hs_peer_set_psk(ba->hs, wrong);
	assert_memory_equal(hs_peer_psk(ab->hs), psk, 32);
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(a->verdicts[HS_bad_response], 1);
	assert_null(ab->current);
	/* The next try, with the right one. */
	hs_peer_set_psk(ba->hs, psk);
	sim_run(&sim, 6 * S);
	assert_true(sim_connected(ab, ba));
	/* A new one leaves the session alone, and is used by the next handshake. */
	hs_peer_set_psk(ab->hs, NULL);
	sim_send(ab);
	sim_run(&sim, 120 * S);
	assert_int_equal(ba->data_received, 2);
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(a->verdicts[HS_bad_response], 2);
	hs_peer_set_psk(ba->hs, NULL);
	sim_run(&sim, 6 * S);
	assert_int_equal(a->verdicts[HS_response_accepted], 2);
}

/* The response with a wrong psk leaves the handshake: the right one may still come. */
static void test_right_after_wrong(void **state)
{
	const struct sim_packet *initiation, *response;
	uint8_t bad[92];

	sim.lose = lose_responses;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(sim_sent(&sim, a, WG_INITIATION, &initiation), 1);
	assert_int_equal(sim_sent(&sim, b, WG_RESPONSE, &response), 1);
	memcpy(bad, response->bytes, 92);
	bad[50] ^= 1;
	assert_int_equal(sim_input(a, bad, 92, &b->addr), HS_bad_mac1);
	assert_int_equal(sim_input(a, response->bytes, 92, &b->addr), HS_response_accepted);
	/* Once: its index now belongs to a keypair. */
	assert_int_equal(sim_input(a, response->bytes, 92, &b->addr), HS_no_handshake);
	sim_run(&sim, 1 * S);
	assert_true(sim_connected(ab, ba));
}

/* A retry replaces the handshake; the response to the first initiation comes too late. */
static void test_overtaken_response(void **state)
{
	const struct sim_packet *response;

	sim.lose = lose_responses;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	sim_sent(&sim, b, WG_RESPONSE, &response);
	sim_run(&sim, 5 * S);
	assert_int_equal(ab->initiations, 2);
	assert_int_equal(sim_input(a, response->bytes, 92, &b->addr), HS_no_handshake);
	sim_sent(&sim, b, WG_RESPONSE, &response);
	assert_int_equal(sim_input(a, response->bytes, 92, &b->addr), HS_response_accepted);
}

static void test_rekey_by_time(void **state)
{
	connect_pair();
	/* Ten minutes of traffic both ways: the initiator renews, each time at 120 s. */
	for (unsigned int i = 0; i < 600; i++) {
		sim_send(ab);
		sim_send(ba);
		sim_run(&sim, 1 * S);
		assert_true(sim.now_ns < ab->current->birth_ns + 122 * S);
	}
	assert_int_equal(ab->initiations, 5);
	assert_int_equal(ba->initiations, 0);
	assert_int_equal(ab->data_sent, 601);
	assert_int_equal(ba->data_received, 601);
	assert_int_equal(ab->data_received, 600);
	assert_true(sim_connected(ab, ba));
}

/* b talks, and neither side's timers see it: a is a receiver that sends nothing at all. */
static void receive_silently(uint64_t ns)
{
	sim_send(ba);
	ba->activity.sent_data_ns = 0;
	sim_run(&sim, ns);
	ab->activity.received_data_ns = 0;
}

/* A pure receiver that began the session renews it at 165 s, once. */
static void test_rekey_on_receive(void **state)
{
	connect_pair();
	for (uint64_t t = 1; t < 164; t++)
		receive_silently(1 * S);
	assert_int_equal(ab->initiations, 1);
	sim.lose = lose_initiations;
	for (unsigned int i = 0; i < 4; i++)
		receive_silently(500 * MS);
	assert_int_equal(ab->initiations, 2);
	assert_true(ab->current->last_minute);
	sim.lose = NULL;
	sim_run(&sim, 6 * S);
	assert_int_equal(ab->initiations, 3);
	assert_true(sim_connected(ab, ba));
}

/* b's session gets old while its initiator does not renew it: b waits until it has expired. */
static void test_responder_never_young(void **state)
{
	connect_pair();
	for (uint64_t t = 1; t < 164; t++)
		receive_silently(1 * S);
	assert_int_equal(ab->data_received, 163);
	sim.lose = lose_data;
	for (uint64_t t = 164; t < 179; t++)
		receive_silently(1 * S);
	assert_int_equal(ba->initiations, 0);
	sim.lose = NULL;
	sim_run(&sim, 1100 * MS);
	assert_null(ba->current);
	sim_send(ba);
	assert_int_equal(ba->initiations, 1);
	sim_run(&sim, 1 * S);
	assert_true(sim_connected(ab, ba));
	assert_int_equal(ab->data_received, 164);
}

/* next is not used for sending until the initiator has shown its key. */
static void test_unconfirmed(void **state)
{
	struct sim_session *old;

	connect_pair();
	old = ba->current;
	sim_run(&sim, 121 * S);
	sim.lose = lose_data;
	sim_send(ab); /* renews; its confirmation is lost */
	sim_run(&sim, 1 * S);
	assert_int_equal(ba->responses, 2);
	assert_ptr_equal(ba->current, old);
	assert_int_equal(ba->sessions_used, 1);
	assert_false(sim_connected(ab, ba));
	sim.lose = NULL;
	/* b sends under the old one, which a still accepts as its previous. */
	sim_send(ba);
	sim_run(&sim, 1 * S);
	assert_int_equal(ab->data_received, 1);
	/* The first packet under the new one rotates; the old one still receives. */
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_true(sim_connected(ab, ba));
	assert_int_equal(ba->sessions_dropped, 0);
	assert_true(old->used);
}

/* With current expired and next unconfirmed, the responder stages. */
static void test_unconfirmed_stages(void **state)
{
	connect_pair();
	sim_run(&sim, 179 * S - 500 * MS);
	sim.lose = lose_data;
	sim_send(ab);
	sim_run(&sim, 1 * S); /* current has expired meanwhile */
	assert_int_equal(ba->responses, 2);
	assert_null(ba->current);
	sim_send(ba);
	assert_int_equal(ba->staged, 1);
	sim.lose = NULL;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(ba->staged, 0);
	assert_int_equal(ab->data_received, 1);
	sim_run(&sim, 10 * S);
	assert_int_equal(ba->initiations, 0); /* the request was met by the confirmation */
}

static void test_newer_next(void **state)
{
	uint32_t index;

	connect_pair();
	sim_run(&sim, 121 * S);
	sim.lose = lose_data;
	sim_send(ab);
	sim_run(&sim, 6 * S);
	assert_int_equal(ba->responses, 2);
	index = ba->hs->next->index.value;
	/* One more handshake, without a confirmation between. */
	ab->current->birth_ns -= 125 * S;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(ba->responses, 3);
	assert_int_not_equal(ba->hs->next->index.value, index);
	assert_null(hs_index_find(&b->dev->peers, index));
	assert_int_equal(ba->sessions_dropped, 1);
	/* A confirmation of the one that is gone changes nothing. */
	struct hs_now now = sim_now(b);
	hs_peer_confirmed(ba->hs, &now, index);
	assert_int_equal(ba->sessions_used, 1);
}

/* At most three sessions; previous goes when a new one comes. */
static void test_slots_of_initiator(void **state)
{
	connect_pair();
	for (unsigned int i = 2; i < 6; i++) {
		sim_run(&sim, 100 * S);
		ab->current->birth_ns -= 100 * S;
		sim_send(ab);
		sim_run(&sim, 1 * S);
		assert_int_equal(ab->sessions_new, i);
		assert_true(sim_connected(ab, ba));
		assert_ptr_not_equal(ab->hs->previous, NULL);
		assert_null(ab->hs->next);
		assert_true(ab->sessions_new - ab->sessions_dropped <= 2);
		assert_true(ba->sessions_new - ba->sessions_dropped <= 2);
	}
}

/* We are responder with an unconfirmed next when our own handshake completes. */
static void test_initiator_with_next(void **state)
{
	const struct sim_packet *response;
	uint32_t next, current;
	struct hs_now now;

	hs_peer_set_endpoint(ba->hs, &a->addr);
	connect_pair();
	sim_run(&sim, 10 * S);
	sim.lose = lose_data;
	now = sim_now(b);
	hs_peer_want_session(ba->hs, &now);
	sim_run(&sim, 1 * S);
	assert_non_null(ab->hs->next);
	next = ab->hs->next->index.value;
	current = ab->hs->current->index.value;
	sim_run(&sim, 6 * S);
	sim.lose = lose_responses;
	now = sim_now(a);
	hs_peer_want_session(ab->hs, &now);
	sim_run(&sim, 100 * MS);
	sim.lose = NULL;
	sim_sent(&sim, b, WG_RESPONSE, &response);
	assert_int_equal(sim_input(a, response->bytes, 92, &b->addr), HS_response_accepted);
	/* previous := next, the old current is destroyed. */
	assert_int_equal(ab->hs->previous->index.value, next);
	assert_null(ab->hs->next);
	assert_null(hs_index_find(&a->dev->peers, current));
	sim_run(&sim, 1 * S);
	assert_true(sim_connected(ab, ba));
}

static void check_crossed(uint64_t delay_ns, unsigned int seed)
{
	sim_pair(&sim);
	a->random += seed;
	b->random += 3 * seed;
	sim.delay_ns = delay_ns;
	hs_peer_set_endpoint(ba->hs, &a->addr);
	sim_send(ab);
	sim_send(ba);
	sim_run(&sim, delay_ns + delay_ns / 2);
	/* Each has answered the other's, and dropped its own. */
	assert_int_equal(ab->responses, 1);
	assert_int_equal(ba->responses, 1);
	assert_non_null(ab->hs->next);
	assert_non_null(ba->hs->next);
	sim_run(&sim, delay_ns);
	assert_int_equal(a->verdicts[HS_no_handshake], 1);
	assert_int_equal(b->verdicts[HS_no_handshake], 1);
	assert_null(ab->current);
	for (unsigned int i = 0; i < 40 && !(ab->current && ba->current); i++) {
		/* Impatient users on both sides. */
		ab->wants = ba->wants = true;
		sim_run(&sim, 500 * MS);
	}
	sim_run(&sim, 4 * delay_ns);
	assert_true(sim_connected(ab, ba));
	assert_int_equal(ab->data_received, 1);
	assert_int_equal(ba->data_received, 1);
	sim_free(&sim);
}

static void test_crossed(void **state)
{
	for (unsigned int seed = 1; seed <= 20; seed++) {
		check_crossed(1 * MS, seed);
		check_crossed(40 * MS, seed);
		check_crossed(340 * MS, seed); /* more than any jitter */
	}
}

static void test_roaming(void **state)
{
	struct wg_endpoint from = sim_endpoint(9, 1234);
	const struct sim_packet *p;
	uint8_t bad[148];

	from.has_local = true;
	from.local[0] = 10;
	from.local_port = 3;
	sim.lose = lose_all;
	sim_send(ab);
	sim_sent(&sim, a, WG_INITIATION, &p);
	memcpy(bad, p->bytes, 148);
	bad[20] ^= 1;
	assert_int_equal(sim_input(b, bad, 148, &from), HS_bad_mac1);
	assert_int_equal(hs_peer_endpoint(ba->hs)->family, 0);
	/* The response already goes there. */
	assert_int_equal(sim_input(b, p->bytes, 148, &from), HS_initiation_accepted);
	assert_memory_equal(hs_peer_endpoint(ba->hs), &from, sizeof(from));
	assert_int_equal(ba->moves, 1);
	assert_int_equal(sim_sent(&sim, b, WG_RESPONSE, &p), 1);
	assert_int_equal(p->to.port, 1234);
	/* A replay from elsewhere moves nothing. */
	from.port = 77;
	assert_int_equal(sim_input(b, sim.trace[0].bytes, 148, &from), HS_replayed_timestamp);
	assert_int_equal(hs_peer_endpoint(ba->hs)->port, 1234);
	/* A response moves as well, even a first time. */
	assert_int_equal(sim_input(a, p->bytes, 92, &from), HS_response_accepted);
	assert_int_equal(hs_peer_endpoint(ab->hs)->port, 77);
	assert_int_equal(ab->moves, 1);
}

/* No session can be set up: the handshake is given up and tried again. */
static void test_no_session(void **state)
{
	a->session_error = -ENOMEM;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(a->verdicts[HS_no_session], 1);
	assert_null(ab->current);
	a->session_error = 0;
	b->session_error = -ENOMEM;
	sim_run(&sim, 5 * S);
	assert_int_equal(b->verdicts[HS_no_session], 1);
	assert_int_equal(ba->responses, 1);
	assert_int_equal(b->dev->peers.by_index.n, 1); /* the next of the first handshake */
	b->session_error = 0;
	sim_run(&sim, 6 * S);
	assert_true(sim_connected(ab, ba));
}

static void test_new_private_key(void **state)
{
	uint8_t key[32] = {42}, old_public[32];

	connect_pair();
	memcpy(old_public, a->public_key, 32);
	/* The same key, even unclamped, changes nothing. */
	memcpy(key, a->private_key, 32);
	key[0] |= 7;
	sim_set_key(a, key);
	assert_int_equal(ab->mutes, 0);

	memset(key, 42, 32);
	sim_set_key(a, key);
	assert_memory_not_equal(a->public_key, old_public, 32);
	assert_int_equal(ab->mutes, 1);
	assert_null(ab->current);
	/* Receiving goes on. */
	sim_send(ba);
	sim_run(&sim, 100 * MS);
	assert_int_equal(ab->data_received, 1);
	/* The peer learns the new key; a handshake is allowed at once. */
	sim_remove(ba);
	b->n_peers = 0;
	sim_add(b, a, false);
	sim_send(ab);
	assert_int_equal(ab->initiations, 2);
	sim_run(&sim, 100 * MS);
	assert_true(sim_connected(ab, ba));
}

/* A change of key in the middle of a handshake: a new one at once, no answer to the old one. */
static void test_key_change_in_flight(void **state)
{
	uint8_t key[32];

	memset(key, 43, 32);
	sim.lose = lose_responses;
	sim_send(ab);
	sim_run(&sim, 100 * MS);
	assert_int_equal(ab->initiations, 1);
	sim_set_key(a, key);
	assert_int_equal(a->dev->peers.by_index.n, 0);
	sim_run(&sim, 100 * MS);
	assert_int_equal(ab->initiations, 2);
	assert_int_equal(b->verdicts[HS_unknown_peer], 1);
}

/* next from before the change of key: it rotates, but is not sent with. */
static void test_key_change_with_next(void **state)
{
	uint8_t key[32];

	memset(key, 44, 32);
	connect_pair();
	sim_run(&sim, 121 * S);
	sim.lose = lose_data;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_non_null(ba->hs->next);
	sim_set_key(b, key);
	sim.lose = NULL;
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_null(ba->hs->next);
	assert_null(ba->current);
	assert_int_equal(ba->data_received, 2);
	assert_int_equal(ba->sessions_used, 1);
}

static void test_no_private_key(void **state)
{
	uint8_t zero[32] = {0}, key[32], out[32];

	memcpy(key, a->private_key, 32);
	assert_true(hs_device_private_key(a->dev, out));
	assert_memory_equal(out + 1, key + 1, 30);
	connect_pair();
	sim_set_key(a, zero);
	assert_false(hs_device_public_key(a->dev, out));
	assert_false(hs_device_private_key(a->dev, out));
	sim_send(ab);
	sim_run(&sim, 20 * S);
	assert_int_equal(ab->initiations, 1);
	assert_int_equal(sim_input(a, sim.trace[0].bytes, 148, &b->addr), HS_no_private_key);
	/* What waited goes as soon as there is a key. */
	sim_set_key(a, key);
	sim_run(&sim, 1 * S);
	assert_int_equal(ab->initiations, 2);
	assert_true(sim_connected(ab, ba));
	assert_int_equal(ab->staged, 0);
}

/* A request without endpoint waits for one. */
static void test_no_endpoint(void **state)
{
	sim_send(ba);
	sim_run(&sim, 100 * S);
	assert_int_equal(ba->initiations, 0);
	assert_int_equal(hs_device_due_ns(b->dev), UINT64_MAX);
	hs_peer_set_endpoint(ba->hs, &a->addr);
	sim_run(&sim, 1 * S);
	assert_int_equal(ba->initiations, 1);
	assert_true(sim_connected(ab, ba));
}

static void test_add_errors(void **state)
{
	uint8_t unknown[32] = {9};

	assert_null(hs_peer_add(a->dev, b->public_key, NULL));
	assert_int_equal(errno, EEXIST);
	assert_null(hs_peer_add(a->dev, a->public_key, NULL));
	assert_int_equal(errno, EINVAL);
	assert_ptr_equal(hs_peer_find(a->dev, b->public_key), ab->hs);
	assert_null(hs_peer_find(a->dev, unknown));
	assert_memory_equal(hs_peer_public_key(ab->hs), b->public_key, 32);
}

/* A peer may go at any moment of its life; nothing of it stays. */
static void test_removal(void **state)
{
	for (uint64_t ms = 0; ms < 400; ms += 7) {
		struct sim_node *node = ms % 2 ? a : b;

		sim_pair(&sim);
		/* Cross them, so that all slots are seen. */
		hs_peer_set_endpoint(ba->hs, &a->addr);
		sim_send(ab);
		if (ms % 3)
			sim_send(ba);
		sim_run(&sim, ms < 200 ? ms * MS : (ms - 200) * S);
		if (ms % 5 == 0)
			sim_send(ab);
		sim_remove(&node->peers[0]);
		assert_int_equal(node->dev->peers.by_index.n, 0);
		assert_int_equal(node->dev->peers.by_key.n, 0);
		assert_int_equal(hs_device_due_ns(node->dev), UINT64_MAX);
		sim_run(&sim, 10 * S); /* what is on the way finds nobody */
		assert_int_equal(node->dev->peers.by_index.n, 0);
		sim_free(&sim);
	}
}

/* Drawings that come again, as they do after 2^32: an index in use is passed over. */
static void test_index_collision(void **state)
{
	struct sim_peer *second;
	struct hs_draw *draw;
	uint32_t after[2];

	sim_free(&sim);
	sim_init(&sim, 3);
	sim_add(a, b, true);
	sim_add(b, a, false);
	second = sim_add(a, &sim.nodes[2], true);
	sim_add(&sim.nodes[2], a, false);
	draw = &a->dev->draw;
	undraw_to(draw, 0); /* index 0 is legal */
	sim_send(ab);
	sim_run(&sim, 1 * S);
	assert_int_equal(ab->current->local_index, 0);
	undraw_to(draw, 0); /* taken by a keypair */
	sim.lose = lose_responses;
	sim_send(second);
	after[0] = second->hs->inflight.index.value;
	assert_int_equal(undraw(draw, after[0]), undraw(draw, 0) + 1);
	/* Both are taken, by a keypair and a handshake; for a response this time. */
	after[1] = hs_draw_next(draw);
	undraw_to(draw, 0);
	sim.lose = NULL;
	struct hs_now now = sim_now(b);
	now.mono_ns = sim.now_ns += 6 * S;
	hs_peer_want_session(ba->hs, &now);
	sim_run(&sim, 1 * S);
	assert_true(ab->current->local_index == after[1]);
}

/* Types find only what belongs to them: a response no keypair. */
static void test_index_kinds(void **state)
{
	const struct sim_packet *p;
	struct wg_response msg;

	connect_pair();
	sim_sent(&sim, b, WG_RESPONSE, &p);
	memcpy(&msg, p->bytes, sizeof(msg));
	assert_int_equal(hs_index_find(&a->dev->peers, msg.receiver)->kind, HS_INDEX_KEYPAIR);
	assert_int_equal(sim_input(a, &msg, sizeof(msg), &b->addr), HS_no_handshake);
}

static void test_reset(void **state)
{
	connect_pair();
	sim_send(ab);
	sim_run(&sim, 1 * S);
	ab->handshake_ns = ba->handshake_ns = 0;
	hs_peer_reset(ab->hs);
	assert_null(ab->current);
	assert_int_equal(a->dev->peers.by_index.n, 0);
	assert_int_equal(hs_device_due_ns(a->dev), UINT64_MAX);
	hs_peer_reset(ba->hs);
	/* The old initiation is still known. */
	assert_int_equal(sim_input(b, sim.trace[0].bytes, 148, &a->addr), HS_replayed_timestamp);
	/* And a new one may be sent at once. */
	sim_send(ab);
	assert_int_equal(ab->initiations, 2);
	sim_run(&sim, 1 * S);
	assert_true(sim_connected(ab, ba));
}

/* Under heavy loss it takes longer, but no packet is taken for another, and it comes up. */
static void test_lossy(void **state)
{
	for (unsigned int seed = 1; seed <= 10; seed++) {
		sim_pair(&sim);
		sim.random += seed;
		sim.loss_percent = 40;
		hs_peer_set_endpoint(ba->hs, &a->addr);
		for (unsigned int i = 0; i < 300; i++) {
			sim_send(i % 3 ? ab : ba);
			sim_run(&sim, 1 * S);
		}
		sim.loss_percent = 0;
		for (unsigned int i = 0; i < 30; i++) {
			sim_send(i % 3 ? ab : ba);
			sim_run(&sim, 1 * S);
		}
		assert_true(ab->data_received > 0 && ba->data_received > 0);
		assert_int_equal(ab->staged + ba->staged, 0);
		sim_free(&sim);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_roles),
		TEST(test_confirm_by_keepalive),
		TEST(test_psk),
		TEST(test_right_after_wrong),
		TEST(test_overtaken_response),
		TEST(test_rekey_by_time),
		TEST(test_rekey_on_receive),
		TEST(test_responder_never_young),
		TEST(test_unconfirmed),
		TEST(test_unconfirmed_stages),
		TEST(test_newer_next),
		TEST(test_slots_of_initiator),
		TEST(test_initiator_with_next),
		cmocka_unit_test(test_crossed),
		TEST(test_roaming),
		TEST(test_no_session),
		TEST(test_new_private_key),
		TEST(test_key_change_in_flight),
		TEST(test_key_change_with_next),
		TEST(test_no_private_key),
		TEST(test_no_endpoint),
		TEST(test_add_errors),
		cmocka_unit_test(test_removal),
		TEST(test_index_collision),
		TEST(test_index_kinds),
		TEST(test_reset),
		cmocka_unit_test(test_lossy),
	};

	return UNIT_RUN(tests);
}
