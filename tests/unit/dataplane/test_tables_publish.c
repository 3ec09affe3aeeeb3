/*
 * The data plane as control makes, publishes, retires and frees it: the order of things as a reader
 * sees it, references of peers, sums of sessions, ids of interfaces. What is used after it was
 * freed, and what leaks, is ASan's to find.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include "dataplane/allowed.h"
#include "dataplane/locals.h"
#include "dataplane/outs.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"
#include "tests/unit/dataplane/whole.h"

static const uint8_t key[WG_KEY_BYTES] = {9};
static const uint8_t net10[] = {10, 0, 0, 0};

static void settings_refused(void **state)
{
	static const int cpus[1];
	static const unsigned int lcores[1];
	const struct dp_settings rows[] = {
		{.cpus = cpus, .lcores = lcores, .packet_buffers = 64, .mtu_max = 1500},
		{.cpus = cpus, .lcores = lcores, .n_workers = 1, .mtu_max = 1500},
		{.cpus = cpus,
		 .lcores = lcores,
		 .n_workers = 1,
		 .packet_buffers = 64,
		 .mtu_max = 65535},
		{.cpus = cpus,
		 .lcores = lcores,
		 .n_workers = 1,
		 .packet_buffers = 1u << 24,
		 .mtu_max = 1500},
		{.cpus = cpus,
		 .lcores = lcores,
		 .n_workers = 1,
		 .packet_buffers = 64,
		 .mtu_max = 1500,
		 .aead = "rot13"},
		{.cpus = cpus,
		 .lcores = lcores,
		 .n_workers = DP_WORKERS_MAX + 1,
		 .packet_buffers = 64,
		 .mtu_max = 1500},
		{.cpus = cpus,
		 .lcores = lcores,
		 .n_workers = 1,
		 .packet_buffers = 1u << 31,
		 .mtu_max = 1500},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[256] = "";

		assert_null(dp_new(&rows[i], error, sizeof(error)));
		assert_true(strlen(error) > 10);
	}
}

static void buffers(void **state)
{
	static const int cpus[1];
	static const unsigned int lcores[1];
	const uint16_t mtus[] = {576, 1500, 1935, 9000};

	(void)state;
	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		const struct dp_settings s = {.cpus = cpus,
					      .lcores = lcores,
					      .n_workers = 1,
					      .packet_buffers = 64,
					      .mtu_max = mtus[i]};
		char error[256] = "";
		struct dp *dp = dp_new(&s, error, sizeof(error));
		struct rte_mbuf *m;

		assert_non_null(dp);
		m = dp_packet_new(dp);
		assert_non_null(m);
		assert_int_equal(dp_note(m)->port_id, DP_PORT_NONE);
		assert_true(rte_pktmbuf_headroom(m) >= DP_HEADROOM_BYTES);
		assert_true(rte_pktmbuf_tailroom(m) >= mtus[i] + DP_TAILROOM_BYTES);
		assert_true((dp->pool->header_size + dp->pool->elt_size + dp->pool->trailer_size) %
				    2048 !=
			    0);
		dp_note(m)->ask = DP_ASK_ENCAP;
		assert_true(dp_to_worker(dp, m, true)); /* left on a ring: freed with the whole */
		dp_free(dp);
	}
	dp_free(NULL);
}

/* ---- peers ---- */

static void count_gone(void *arg)
{
	(*(unsigned int *)arg)++;
}

#define MANY 10000

static void references(void **state)
{
	struct dp *dp = whole_new(1);
	struct dp_iface *wg = dp_publish_iface(dp, "wg0", 1420);
	static struct dp_peer *peers[MANY];
	static uint64_t refs[MANY];
	unsigned int gone = 0;

	(void)state;
	assert_null(dp_peer_by_ref(dp, 0));
	assert_null(dp_peer_by_ref(dp, UINT64_C(1) << 32));
	assert_null(dp_peer_by_ref(dp, UINT64_MAX));
	for (unsigned int i = 0; i < MANY; i++) {
		peers[i] = dp_publish_peer(dp, wg, &peers[i]);
		assert_non_null(peers[i]);
		refs[i] = peers[i]->ref;
		assert_true(refs[i] != 0);
		assert_ptr_equal(peers[i]->owner, &peers[i]);
	}
	for (unsigned int i = 0; i < MANY; i++)
		assert_ptr_equal(dp_peer_by_ref(dp, refs[i]), peers[i]);
	/* An old reference finds nothing, also when the slot has another peer. */
	for (unsigned int i = 0; i < MANY; i += 2) {
		dp_retire_peer(dp, peers[i], count_gone, &gone);
		assert_null(dp_peer_by_ref(dp, refs[i]));
	}
	/* Bounded work, and told once each. */
	assert_int_equal(gone, 0);
	assert_true(dp_reclaim_poll(dp->reclaim) > 0);
	assert_true(gone > 0 && gone < MANY / 2);
	while (dp_reclaim_poll(dp->reclaim) > 0)
		;
	assert_int_equal(gone, MANY / 2);
	for (unsigned int i = 0; i < MANY; i += 2) {
		peers[i] = dp_publish_peer(dp, wg, NULL);
		assert_true(peers[i]->ref != refs[i]);
		assert_true((uint32_t)peers[i]->ref < MANY); /* slots are used again */
		assert_null(dp_peer_by_ref(dp, refs[i]));
	}
	dp_free(dp); /* with 10 000 peers in it */
}

static void peer_retired(void **state)
{
	struct dp *dp = whole_new(1);
	struct dp_iface *wg = dp_publish_iface(dp, "wg0", 1420);
	struct dp_peer *peer = dp_publish_peer(dp, wg, NULL), *other;
	struct dp_out out = {.endpoint = {.family = AF_INET, .port = 7}};
	unsigned int gone = 0;

	(void)state;
	other = dp_publish_peer(dp, wg, NULL);
	assert_int_equal(dp_allowed_insert(wg->allowed, AF_INET, net10, 8, peer), 0);
	assert_int_equal(dp_allowed_insert(wg->allowed, AF_INET, net10, 16, other), 0);
	atomic_store(&peer->roam_told, true);
	assert_int_equal(dp_publish_out(dp, peer, &out), 0);
	assert_int_equal(atomic_load(&peer->out)->endpoint.port, 7);
	assert_false(atomic_load(&peer->roam_told));
	out.endpoint.port = 8;
	assert_int_equal(dp_publish_out(dp, peer, &out), 0);
	assert_int_equal(atomic_load(&peer->out)->endpoint.port, 8);
	assert_int_equal(dp_publish_out(dp, peer, NULL), 0);
	assert_null(atomic_load(&peer->out));
	assert_int_equal(dp_publish_out(dp, peer, &out), 0);
	dp_retire_peer(dp, peer, count_gone, &gone);
	assert_int_equal(dp_allowed_count(wg->allowed), 1);
	assert_null(dp_allowed_lookup(wg->allowed, AF_INET, (const uint8_t[]){10, 1, 0, 1}));
	assert_int_equal(gone, 0);
	while (dp_reclaim_poll(dp->reclaim) > 0)
		;
	assert_int_equal(gone, 1);
	dp_free(dp);
}

/* What sealing reads of a way out is on one line, on two with IPv6; each block is whole lines. */
static void ways_out(void **state)
{
	static const struct {
		uint8_t header_bytes, l3_off;
		uint16_t mtu, payload_max;
		size_t bytes;
	} rows[] = {
		{42, 14, 1500, 1472, 128}, {46, 18, 1500, 1472, 128}, {62, 14, 1500, 1452, 192},
		{66, 18, 9000, 8952, 192}, {42, 14, 20, 0, 128},
	};
	struct dp *dp = whole_new(1);
	struct dp_iface *wg = dp_publish_iface(dp, "wg0", 1420);
	struct dp_peer *peer = dp_publish_peer(dp, wg, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dp_out out = {.header_bytes = rows[i].header_bytes,
				     .l3_off = rows[i].l3_off,
				     .mtu = rows[i].mtu};
		const struct dp_out *published;

		memset(out.header, (int)i + 1, out.header_bytes);
		assert_int_equal(dp_publish_out(dp, peer, &out), 0);
		published = atomic_load(&peer->out);
		assert_int_equal((uintptr_t)published % 64, 0);
		assert_int_equal(published->payload_max, rows[i].payload_max);
		assert_memory_equal(published->header, out.header, out.header_bytes);
		/* The one before is not counted any more. */
		assert_int_equal(dp_outs_bytes(dp->outs), rows[i].bytes);
	}
	dp_retire_peer(dp, peer, NULL, NULL);
	assert_int_equal(dp_outs_bytes(dp->outs), 0);
	dp_free(dp);
}

/* ---- sessions ---- */

static struct dp_session *publish(struct dp *dp, struct dp_peer *peer, uint32_t index)
{
	struct dp_session *s = dp_publish_session(dp, peer, key, key, index, 1, 0, true);

	assert_non_null(s);
	return s;
}

/* The peer's sums have each session's bytes once, also those counted until it is freed. */
static void session_sums(void **state)
{
	struct dp *dp = whole_new(1);
	struct dp_iface *wg = dp_publish_iface(dp, "wg0", 1420);
	struct dp_peer *peer = dp_publish_peer(dp, wg, NULL);
	struct dp_session *s = publish(dp, peer, 5), *next = publish(dp, peer, 6);

	(void)state;
	rte_rcu_qsbr_thread_register(dp->rcu, 0);
	rte_rcu_qsbr_thread_online(dp->rcu, 0);
	dp_publish_current(peer, s);
	assert_ptr_equal(dp_sessions_lookup(dp->sessions, wg, 5), s);
	dp_session_sent(s, 1, 60);
	dp_session_sent(s, 0, 40);
	s->send_counter = 2;
	s->rx_bytes = 50;
	s->rx_packets = 1;
	dp_retire_session(dp, s);
	assert_null(atomic_load(&peer->current));
	assert_null(dp_sessions_lookup(dp->sessions, wg, 5));
	assert_int_equal(peer->rest->tx_bytes, 100);
	assert_int_equal(peer->rest->rx_packets, 1);
	/* A worker still has it in its hands. */
	assert_int_equal(dp_reclaim_poll(dp->reclaim), 1);
	dp_session_sent(s, 1, 32);
	s->send_counter = 3;
	s->rx_bytes = 90;
	s->rx_packets = 2;
	rte_rcu_qsbr_quiescent(dp->rcu, 0);
	assert_int_equal(dp_reclaim_poll(dp->reclaim), 0);
	assert_int_equal(peer->rest->tx_bytes, 132);
	assert_int_equal(peer->rest->tx_packets, 3);
	assert_int_equal(peer->rest->rx_bytes, 90);
	assert_int_equal(peer->rest->rx_packets, 2);
	/* Retiring one that is not current leaves the current one. */
	dp_publish_current(peer, next);
	s = publish(dp, peer, 7);
	dp_retire_session(dp, s);
	assert_ptr_equal(atomic_load(&peer->current), next);
	rte_rcu_qsbr_thread_offline(dp->rcu, 0);
	dp_free(dp); /* with a session published and one waiting */
}

/* ---- interfaces ---- */

static void interfaces(void **state)
{
	struct dp *dp = whole_new(2);
	struct dp_iface *wg[DP_IFACES_MAX];
	struct dp_listen listen;

	(void)state;
	for (unsigned int i = 0; i < DP_IFACES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "wg%u", i);
		wg[i] = dp_publish_iface(dp, name, (uint16_t)(1300 + i));
		assert_int_equal(wg[i]->id, i);
		assert_string_equal(wg[i]->name, name);
		assert_ptr_equal(atomic_load(&dp->ifaces[i]), wg[i]);
	}
	assert_null(dp_publish_iface(dp, "more", 1420));
	assert_int_equal(errno, ENOSPC);
	dp_publish_listen(wg[7], 51820, 4);
	dp_publish_mtu(wg[7], 1280);
	listen = atomic_load(&wg[7]->listen);
	assert_int_equal(listen.first, 51820);
	assert_int_equal(listen.n, 4);
	assert_int_equal(wg[7]->mtu, 1280);
	dp_count(&dp->workers[1]->iface_counters[7].rx, 5);
	dp_retire_iface(dp, wg[7]);
	assert_null(atomic_load(&dp->ifaces[7]));
	/* Its id comes back when it is freed, and its counters are zero. */
	assert_null(dp_publish_iface(dp, "more", 1420));
	assert_int_equal(dp_reclaim_poll(dp->reclaim), 0);
	wg[7] = dp_publish_iface(dp, "again", 1420);
	assert_int_equal(wg[7]->id, 7);
	assert_int_equal(dp_counted(&dp->workers[1]->iface_counters[7].rx), 0);
	dp_retire_iface(dp, wg[3]);
	dp_retire_iface(dp, wg[20]);
	dp_reclaim_poll(dp->reclaim);
	/* Ids are given round and round. */
	wg[20] = dp_publish_iface(dp, "other", 1420);
	assert_int_equal(wg[20]->id, 20);
	assert_null(dp_publish_iface(dp, "a-name-that-is-too-long", 1420));
	assert_int_equal(errno, ENAMETOOLONG);
	dp_free(dp);
}

/* ---- this host's addresses ---- */

static void locals(void **state)
{
	struct dp *dp = whole_new(1);
	static uint8_t addrs[600][16], families[600], gone[16];
	uint64_t seed = 17;

	(void)state;
	print_message("# seed %llu\n", (unsigned long long)seed);
	assert_false(dp_is_local(atomic_load(&dp->locals), AF_INET, net10));
	for (unsigned int i = 0; i < 600; i++) {
		/* As they are in practice: neighbours; the same bytes in both families. */
		families[i] = i % 2 == 0 ? AF_INET : AF_INET6;
		memset(addrs[i], 0, 16);
		unit_random_fill(&seed, addrs[i], i % 3 == 0 ? 4 : families[i] == AF_INET ? 4 : 16);
		if (i % 3 != 0)
			memcpy(addrs[i], "\x0a\x00", 2);
	}
	for (unsigned int n = 0; n <= 600; n += 60) {
		const struct dp_locals *l;

		assert_int_equal(dp_publish_locals(dp, (const uint8_t(*)[16])addrs, families, n),
				 0);
		l = atomic_load(&dp->locals);
		for (unsigned int i = 0; i < 600; i++) {
			bool found = dp_is_local(l, families[i], addrs[i]);

			assert_true(found == (i < n));
		}
		for (unsigned int i = 0; i < 1000; i++) {
			unit_random_fill(&seed, gone, 16);
			assert_false(dp_is_local(l, AF_INET6, gone));
		}
	}
	dp_free(dp);
}

/* ---- as a worker sees it ---- */

static struct {
	struct dp *dp;
	_Atomic uint64_t ref;
	_Atomic uint64_t turns, wrong, seen;
	_Atomic bool stop;
} view;

/* Whatever can be reached is whole: a session's peer is alive, keyed, and of this interface. */
static bool view_turn(void)
{
	struct dp_iface *wg = atomic_load_explicit(&view.dp->ifaces[0], memory_order_acquire);
	struct dp_peer *by_ref = dp_peer_by_ref(view.dp, atomic_load(&view.ref));
	struct dp_peer *by_address = dp_allowed_lookup(wg->allowed, AF_INET, net10);
	struct dp_session *s = dp_sessions_lookup(view.dp->sessions, wg, 77), *current;
	struct dp_peer *peers[] = {by_ref, by_address, s != NULL ? s->peer : NULL};

	for (unsigned int i = 0; i < 3; i++) {
		const struct dp_out *out;

		if (peers[i] == NULL)
			continue;
		atomic_fetch_add(&view.seen, 1);
		if (peers[i]->iface != wg)
			return false;
		current = atomic_load_explicit(&peers[i]->current, memory_order_acquire);
		if (current != NULL && (current->send_key[0] != 9 || current->peer != peers[i]))
			return false;
		out = atomic_load_explicit(&peers[i]->out, memory_order_acquire);
		if (out != NULL && out->header_bytes != 42)
			return false;
	}
	return true;
}

static void *view_run(void *arg)
{
	rte_rcu_qsbr_thread_register(view.dp->rcu, 0);
	rte_rcu_qsbr_thread_online(view.dp->rcu, 0);
	while (!atomic_load(&view.stop)) {
		if (!view_turn())
			atomic_fetch_add(&view.wrong, 1);
		rte_rcu_qsbr_quiescent(view.dp->rcu, 0);
		if (atomic_fetch_add(&view.turns, 1) % 3 == 0)
			sched_yield();
	}
	rte_rcu_qsbr_thread_offline(view.dp->rcu, 0);
	rte_rcu_qsbr_thread_unregister(view.dp->rcu, 0);
	return arg;
}

static void let_view(void)
{
	uint64_t before = atomic_load(&view.turns);

	while (atomic_load(&view.turns) == before)
		sched_yield();
	dp_reclaim_poll(view.dp->reclaim);
}

static void seen_by_worker(void **state)
{
	const struct dp_out out = {.header_bytes = 42};
	const unsigned int rounds = 2000;
	unsigned int gone = 0;
	pthread_t thread;
	struct dp_iface *wg;

	(void)state;
	view.dp = whole_new(1);
	wg = dp_publish_iface(view.dp, "wg0", 1420);
	assert_int_equal(pthread_create(&thread, NULL, view_run, NULL), 0);
	for (unsigned int i = 0; i < rounds; i++) {
		struct dp_peer *peer = dp_publish_peer(view.dp, wg, NULL);
		struct dp_session *s;

		atomic_store(&view.ref, peer->ref);
		dp_allowed_insert(wg->allowed, AF_INET, net10, 8, peer);
		dp_publish_out(view.dp, peer, &out);
		s = publish(view.dp, peer, 77);
		dp_publish_current(peer, s);
		if (i % 2 == 0)
			let_view();
		dp_publish_out(view.dp, peer, &out);
		dp_retire_session(view.dp, s);
		dp_retire_peer(view.dp, peer, count_gone, &gone);
		if (i % 3 == 0)
			let_view();
	}
	atomic_store(&view.stop, true);
	pthread_join(thread, NULL);
	while (dp_reclaim_poll(view.dp->reclaim) > 0)
		;
	assert_int_equal(gone, rounds);
	assert_int_equal(view.wrong, 0);
	assert_true(view.seen > rounds / 2);
	dp_free(view.dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_refused), cmocka_unit_test(buffers),
		cmocka_unit_test(references),	    cmocka_unit_test(peer_retired),
		cmocka_unit_test(ways_out),	    cmocka_unit_test(session_sums),
		cmocka_unit_test(interfaces),	    cmocka_unit_test(locals),
		cmocka_unit_test(seen_by_worker),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
