/* The simulator's devices, owners and wire. Invariants that hold in every test are checked here. */
#include "tests/unit/handshake/sim.h"

#include <endian.h>
#include <sys/socket.h>

#include "crypto/x25519.h"

struct hs_now sim_now(const struct sim_node *node)
{
	uint64_t ns = node->sim->now_ns;

	return (struct hs_now){
		.mono_ns = ns,
		.wall_s = SIM_WALL_S + (uint64_t)node->wall_offset_s + ns / S,
		.wall_ns = (uint32_t)(ns % S),
	};
}

struct wg_endpoint sim_endpoint(unsigned int host, uint16_t port)
{
	return (struct wg_endpoint){
		.addr = {10, 0, 0, (uint8_t)host},
		.port = port,
		.family = AF_INET,
	};
}

/* ---- wire ---- */

static void wire_put(struct sim *sim, const struct wg_endpoint *from, const struct wg_endpoint *to,
		     const void *bytes, size_t len)
{
	struct sim_packet p = {.at_ns = sim->now_ns, .from = *from, .to = *to, .len = len};

	assert_true(len <= sizeof(p.bytes));
	memcpy(p.bytes, bytes, len);
	assert_true(sim->n_trace < SIM_TRACE);
	sim->trace[sim->n_trace++] = p;
	if (sim->lose && sim->lose(sim, &p))
		return;
	if (unit_random(&sim->random) % 100 < sim->loss_percent)
		return;
	assert_true(sim->n_wire < sizeof(sim->wire) / sizeof(sim->wire[0]));
	p.at_ns += sim->delay_ns;
	sim->wire[sim->n_wire++] = p;
}

static struct sim_node *node_at(struct sim *sim, const struct wg_endpoint *to)
{
	for (unsigned int i = 0; i < sim->n_nodes; i++) {
		struct sim_node *n = &sim->nodes[i];

		if (memcmp(n->addr.addr, to->addr, 16) == 0 && n->addr.port == to->port)
			return n;
	}
	return NULL;
}

unsigned int sim_sent(const struct sim *sim, const struct sim_node *from, uint32_t type,
		      const struct sim_packet **last)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < sim->n_trace; i++) {
		const struct sim_packet *p = &sim->trace[i];

		if (p->bytes[0] != type || p->from.addr[3] != from->addr.addr[3])
			continue;
		n++;
		if (last)
			*last = p;
	}
	return n;
}

/* ---- owner ---- */

static struct sim_session *session_of(struct sim_peer *p, uint32_t local_index)
{
	for (unsigned int i = 0; i < SIM_SESSIONS; i++)
		if (p->sessions[i].used && p->sessions[i].local_index == local_index)
			return &p->sessions[i];
	return NULL;
}

static bool usable(const struct sim_peer *p)
{
	return p->current && p->node->sim->now_ns < p->current->birth_ns + WG_REJECT_AFTER_NS;
}

/* One packet with the current session. */
static void emit(struct sim_peer *p, bool data)
{
	struct sim_session *s = p->current;
	uint64_t now_ns = p->node->sim->now_ns;
	struct wg_data header = {
		.type = htole32(WG_DATA),
		.receiver = htole32(s->remote_index),
		.counter = htole64(s->counter++),
	};
	uint8_t bytes[SIM_DATA_BYTES];

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), s->send_key, 32);
	bytes[sizeof(bytes) - 1] = data;
	wire_put(p->node->sim, &p->node->addr, hs_peer_endpoint(p->hs), bytes, sizeof(bytes));
	if (data) {
		p->data_sent++;
		if (p->activity.sent_data_ns <= p->activity.received_any_ns)
			p->activity.sent_data_ns = now_ns;
	} else {
		p->keepalives_sent++;
	}
	p->activity.sent_any_ns = now_ns;
	if (s->counter > WG_REKEY_AFTER_MESSAGES ||
	    (s->initiator && now_ns >= s->birth_ns + WG_REKEY_AFTER_NS))
		p->wants = true;
}

static void flush(struct sim_peer *p)
{
	if (!usable(p)) {
		p->wants = p->staged || p->staged_keepalive;
		return;
	}
	if (p->staged)
		p->staged_keepalive = false;
	for (; p->staged; p->staged--)
		emit(p, true);
	if (p->staged_keepalive)
		emit(p, false);
	p->staged_keepalive = false;
}

void sim_send(struct sim_peer *p)
{
	p->staged++;
	flush(p);
	sim_settle(p->node->sim);
}

void sim_settle(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->n_nodes; i++) {
		for (unsigned int k = 0; k < sim->nodes[i].n_peers; k++) {
			struct sim_peer *p = &sim->nodes[i].peers[k];
			struct hs_now now = sim_now(&sim->nodes[i]);

			if (!p->hs || !p->wants)
				continue;
			p->wants = false;
			hs_peer_want_session(p->hs, &now);
		}
	}
}

static void input_data(struct sim_peer *p, struct sim_session *s, const struct sim_packet *packet)
{
	uint64_t now_ns = p->node->sim->now_ns;
	struct hs_now now = sim_now(p->node);
	bool data = packet->bytes[packet->len - 1];

	if (now_ns >= s->birth_ns + WG_REJECT_AFTER_NS)
		return;
	assert_memory_equal(packet->bytes + sizeof(struct wg_data), s->receive_key, 32);
	if (p->roams)
		hs_peer_set_endpoint(p->hs, &packet->from);
	if (data) {
		p->data_received++;
		if (p->activity.received_data_ns <= p->activity.sent_any_ns)
			p->activity.received_data_ns = now_ns;
		p->activity.received_data_last_ns = now_ns;
	} else {
		p->keepalives_received++;
	}
	p->activity.received_any_ns = now_ns;
	hs_peer_confirmed(p->hs, &now, s->local_index);
	s = p->current;
	if (s && usable(p) && s->initiator && !s->last_minute &&
	    now_ns >= s->birth_ns + WG_REKEY_ON_RECEIVE_NS) {
		s->last_minute = true;
		p->wants = true;
	}
}

static void deliver(struct sim *sim, const struct sim_packet *packet)
{
	struct sim_node *node = node_at(sim, &packet->to);
	uint32_t receiver;

	if (!node)
		return;
	if (packet->bytes[0] != WG_DATA) {
		sim_input(node, packet->bytes, packet->len, &packet->from);
		return;
	}
	memcpy(&receiver, packet->bytes + 4, 4);
	for (unsigned int i = 0; i < node->n_peers; i++) {
		struct sim_session *s = session_of(&node->peers[i], le32toh(receiver));

		if (s) {
			input_data(&node->peers[i], s, packet);
			break;
		}
	}
	sim_settle(sim);
}

/* ---- upcalls ---- */

static void up_random(void *ctx, void *out, size_t len)
{
	struct sim_node *node = ctx;

	unit_random_fill(&node->random, out, len);
}

static void up_send(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to, const void *msg,
		    size_t len)
{
	struct sim_node *node = ctx;
	struct sim_peer *p = peer ? hs_peer_owner(peer) : NULL;
	uint8_t type = *(const uint8_t *)msg;

	assert_int_equal(peer == NULL, type == WG_COOKIE);
	assert_int_not_equal(to->family, 0);
	if (p && p->handshake_ns && type == WG_INITIATION)
		assert_true(node->sim->now_ns >= p->handshake_ns + 5 * S);
	if (p)
		p->handshake_ns = node->sim->now_ns;
	if (type == WG_INITIATION)
		p->initiations++;
	if (type == WG_RESPONSE)
		p->responses++;
	wire_put(node->sim, &node->addr, to, msg, len);
}

static int up_session_new(void *ctx, struct hs_peer *peer, const struct hs_session *new)
{
	struct sim_peer *p = hs_peer_owner(peer);
	struct sim_node *node = ctx;

	if (node->session_error)
		return node->session_error;
	for (unsigned int i = 0; i < node->n_peers; i++)
		assert_null(session_of(&node->peers[i], new->local_index));
	assert_memory_not_equal(new->send_key, new->receive_key, 32);
	for (unsigned int i = 0; i < SIM_SESSIONS; i++) {
		struct sim_session *s = &p->sessions[i];

		if (s->used)
			continue;
		*s = (struct sim_session){
			.used = true,
			.initiator = new->initiator,
			.local_index = new->local_index,
			.remote_index = new->remote_index,
			.birth_ns = new->birth_ns,
		};
		memcpy(s->send_key, new->send_key, 32);
		memcpy(s->receive_key, new->receive_key, 32);
		p->sessions_new++;
		return 0;
	}
	fail_msg("too many sessions");
	return 0;
}

static void up_session_use(void *ctx, struct hs_peer *peer, uint32_t local_index, bool confirm)
{
	struct sim_peer *p = hs_peer_owner(peer);

	p->current = session_of(p, local_index);
	assert_non_null(p->current);
	assert_int_equal(confirm, p->current->initiator);
	p->sessions_used++;
	if (confirm)
		p->staged_keepalive = true;
	flush(p);
}

static void up_session_mute(void *ctx, struct hs_peer *peer)
{
	struct sim_peer *p = hs_peer_owner(peer);

	assert_non_null(p->current);
	p->current = NULL;
	p->mutes++;
}

static void up_session_drop(void *ctx, struct hs_peer *peer, uint32_t local_index)
{
	struct sim_peer *p = hs_peer_owner(peer);
	struct sim_session *s = session_of(p, local_index);

	assert_non_null(s);
	if (p->current == s)
		p->current = NULL;
	memset(s, 0, sizeof(*s));
	p->sessions_dropped++;
}

static void up_keepalive(void *ctx, struct hs_peer *peer)
{
	struct sim_peer *p = hs_peer_owner(peer);

	if (!p->staged)
		p->staged_keepalive = true;
	flush(p);
}

static void up_purge(void *ctx, struct hs_peer *peer)
{
	struct sim_peer *p = hs_peer_owner(peer);

	p->staged = 0;
	p->staged_keepalive = false;
	p->purges++;
}

static void up_endpoint(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to)
{
	struct sim_peer *p = hs_peer_owner(peer);

	assert_memory_equal(to, hs_peer_endpoint(peer), sizeof(*to));
	p->moves++;
}

static void up_activity(void *ctx, struct hs_peer *peer, struct hs_activity *out)
{
	*out = ((struct sim_peer *)hs_peer_owner(peer))->activity;
}

static void up_stamp(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns)
{
	struct sim_peer *p = hs_peer_owner(peer);

	switch (stamp) {
	case HS_STAMP_SENT:
		p->activity.sent_any_ns = mono_ns;
		break;
	case HS_STAMP_RECEIVED:
		p->activity.received_any_ns = mono_ns;
		break;
	case HS_STAMP_CLEAR_DATA_SENT:
		p->activity.sent_data_ns = 0;
		break;
	}
}

static const struct hs_ops sim_ops = {
	.random = up_random,
	.send = up_send,
	.session_new = up_session_new,
	.session_use = up_session_use,
	.session_mute = up_session_mute,
	.session_drop = up_session_drop,
	.keepalive = up_keepalive,
	.purge = up_purge,
	.endpoint = up_endpoint,
	.activity = up_activity,
	.stamp = up_stamp,
};

/* ---- nodes ---- */

void sim_init(struct sim *sim, unsigned int n_nodes)
{
	memset(sim, 0, sizeof(*sim));
	sim->now_ns = 1000 * S; /* not at zero: the machine has been up */
	sim->delay_ns = 20 * MS;
	sim->n_nodes = n_nodes;
	sim->random = 0x5eed;
	for (unsigned int i = 0; i < n_nodes; i++) {
		struct sim_node *node = &sim->nodes[i];

		node->sim = sim;
		node->random = 0xabcdef + i;
		node->addr = sim_endpoint(i + 1, 51820);
		node->dev = hs_device_new(&sim_ops, node);
		assert_non_null(node->dev);
		unit_random_fill(&node->random, node->private_key, 32);
		sim_set_key(node, node->private_key);
	}
}

void sim_free(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->n_nodes; i++) {
		struct sim_node *node = &sim->nodes[i];

		hs_device_free(node->dev);
		for (unsigned int k = 0; k < node->n_peers; k++)
			assert_int_equal(node->peers[k].sessions_new,
					 node->peers[k].sessions_dropped);
	}
}

void sim_set_key(struct sim_node *node, const uint8_t *private_key)
{
	struct hs_now now = sim_now(node);

	for (unsigned int k = 0; k < node->n_peers; k++)
		node->peers[k].handshake_ns = 0;
	if (private_key)
		memmove(node->private_key, private_key, 32);
	hs_device_set_key(node->dev, &now, private_key);
	hs_device_public_key(node->dev, node->public_key);
	sim_settle(node->sim);
}

struct sim_peer *sim_add(struct sim_node *node, const struct sim_node *peer, bool with_endpoint)
{
	struct sim_peer *p = &node->peers[node->n_peers++];

	assert_true(node->n_peers <= SIM_PEERS);
	memset(p, 0, sizeof(*p));
	p->node = node;
	p->roams = true;
	p->hs = hs_peer_add(node->dev, peer->public_key, p);
	assert_non_null(p->hs);
	assert_ptr_equal(hs_peer_owner(p->hs), p);
	if (with_endpoint)
		hs_peer_set_endpoint(p->hs, &peer->addr);
	return p;
}

void sim_remove(struct sim_peer *p)
{
	hs_peer_remove(p->hs);
	p->hs = NULL;
	for (unsigned int i = 0; i < SIM_SESSIONS; i++)
		assert_false(p->sessions[i].used);
}

void sim_pair(struct sim *sim)
{
	sim_init(sim, 2);
	sim_add(&sim->nodes[0], &sim->nodes[1], true);
	sim_add(&sim->nodes[1], &sim->nodes[0], false);
}

enum hs_verdict sim_input(struct sim_node *node, const void *msg, size_t len,
			  const struct wg_endpoint *from)
{
	struct hs_now now = sim_now(node);
	uint8_t *copy = malloc(len ? len : 1); /* exact size, for the sanitizer */
	enum hs_verdict v;

	assert_non_null(copy);
	memcpy(copy, msg, len);
	v = hs_device_input(node->dev, &now, node->under_load, copy, len, from);
	free(copy);
	assert_true(v < HS_VERDICT_N);
	node->verdicts[v]++;
	sim_settle(node->sim);
	return v;
}

/* The next thing that happens: a packet (>= 0), or a device's deadline (-1 - node). */
static bool next_event(struct sim *sim, uint64_t *at_ns, int *what)
{
	*at_ns = UINT64_MAX;
	for (unsigned int i = 0; i < sim->n_wire; i++) {
		if (sim->wire[i].at_ns < *at_ns) {
			*at_ns = sim->wire[i].at_ns;
			*what = (int)i;
		}
	}
	for (unsigned int i = 0; i < sim->n_nodes; i++) {
		uint64_t due_ns = hs_device_due_ns(sim->nodes[i].dev);

		if (due_ns < *at_ns) {
			*at_ns = due_ns;
			*what = -1 - (int)i;
		}
	}
	return *at_ns != UINT64_MAX;
}

void sim_run(struct sim *sim, uint64_t ns)
{
	uint64_t end_ns = sim->now_ns + ns;
	unsigned int at_once = 0;
	uint64_t at_ns;
	int what = 0;

	sim_settle(sim);
	while (next_event(sim, &at_ns, &what) && at_ns <= end_ns) {
		at_once = at_ns > sim->now_ns ? 0 : at_once + 1;
		assert_true(at_once < 1000); /* a deadline that nothing moves on */
		if (at_ns > sim->now_ns)
			sim->now_ns = at_ns;
		if (what >= 0) {
			struct sim_packet p = sim->wire[what];

			sim->n_wire--;
			memmove(&sim->wire[what], &sim->wire[what + 1],
				(sim->n_wire - (unsigned int)what) * sizeof(p));
			deliver(sim, &p);
		} else {
			struct sim_node *node = &sim->nodes[-1 - what];
			struct hs_now now = sim_now(node);

			hs_device_advance(node->dev, &now);
			sim_settle(sim);
		}
	}
	sim->now_ns = end_ns;
}

bool sim_connected(const struct sim_peer *a, const struct sim_peer *b)
{
	return a->current && b->current &&
	       memcmp(a->current->send_key, b->current->receive_key, 32) == 0 &&
	       memcmp(a->current->receive_key, b->current->send_key, 32) == 0 &&
	       a->current->local_index == b->current->remote_index &&
	       a->current->remote_index == b->current->local_index;
}
