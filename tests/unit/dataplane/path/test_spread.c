/*
 * Work that is shared out (dataplane/spread.c), step by step in one thread: two workers, of which
 * the test says who does what when. What comes out must be what one worker makes of the same
 * packets, in the same order. With real threads: test_spread_threads.c.
 */
#include "tests/unit/unit.h"

#include <netinet/in.h>

#include "dataplane/open.h"
#include "dataplane/spread.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#define INNER_BYTES 96
#define SEQ_OFF	    (20 + 8) /* behind UDP */
#define MS	    UINT64_C(1000000)

static struct dp_worker *owner(struct path *p)
{
	return p->dp->workers[0];
}

static struct dp_worker *helper(struct path *p)
{
	return p->dp->workers[1];
}

static void open_spread(struct path *p, enum dp_spread_mode mode)
{
	path_open(p, 2);
	p->dp->spread = mode;
	dp_spread_begin(owner(p));
	assert_int_equal(dp_spreads(owner(p)), mode == DP_SPREAD_ALWAYS);
}

/* The next turn, to its middle. */
static void begin(struct path *p)
{
	owner(p)->now_ns += MS / 10;
	dp_spread_begin(owner(p));
	dp_spread_make_room(owner(p));
}

/* And its end. */
static unsigned int end(struct path *p, unsigned int taken)
{
	unsigned int n = dp_spread_turn(owner(p), taken);

	dp_tx_flush(owner(p));
	return n;
}

static unsigned int help(struct path *p)
{
	return dp_spread_turn(helper(p), 0);
}

static void numbered(uint8_t *ip, const char *from, const char *to, uint32_t seq)
{
	path_ip(ip, from, to, INNER_BYTES);
	memcpy(ip + SEQ_OFF, &seq, sizeof(seq));
	memset(ip + 26, 0, 2); /* no UDP checksum: the number is not in it */
}

/* n messages of peer 1 in one batch, with numbers from seq on, which are their counters. */
static void receive(struct path *p, uint32_t seq, unsigned int n)
{
	struct dp_batch b = {.n = 0};
	uint8_t ip[INNER_BYTES];
	struct path_frame f;

	for (unsigned int i = 0; i < n; i++) {
		numbered(ip, "10.8.1.5", "10.0.0.2", seq + i);
		path_data(&f, p, 1, seq + i, ip, sizeof(ip));
		b.pkts[b.n] = path_packet(p, f.at, f.len);
		dp_note(b.pkts[b.n++])->port_id = 0;
	}
	dp_classify(owner(p), &b);
}

/* n packets to peer 1. */
static void transmit(struct path *p, uint32_t seq, unsigned int n)
{
	struct dp_batch b = {.n = 0};
	uint8_t ip[INNER_BYTES];
	struct path_frame f;

	for (unsigned int i = 0; i < n; i++) {
		numbered(ip, "10.0.0.2", "10.8.1.5", seq + i);
		path_ethernet(&f, p, 1, ip, sizeof(ip));
		b.pkts[b.n] = path_packet(p, f.at, f.len);
		dp_note(b.pkts[b.n++])->port_id = 1;
	}
	dp_classify(owner(p), &b);
}

/* Exactly these have come out of the port inside, in order. */
static void expect_received(struct path *p, uint32_t seq, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = path_sent(p, 1);
		uint32_t got;

		assert_non_null(m);
		memcpy(&got, rte_pktmbuf_mtod_offset(m, uint8_t *, 14 + SEQ_OFF), sizeof(got));
		assert_int_equal(got, seq + i);
		rte_pktmbuf_free(m);
	}
	assert_null(path_sent(p, 1));
}

/* Exactly these have come out of the port outside: counters, and numbers inside, in order. */
static void expect_sent(struct path *p, uint64_t counter, uint32_t seq, unsigned int n)
{
	uint8_t key[32], plain[INNER_BYTES];

	path_key(1, true, key);
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = path_sent(p, 0);
		uint64_t at;
		uint32_t got;

		assert_non_null(m);
		assert_int_equal(m->data_len, 14 + 28 + 32 + INNER_BYTES);
		memcpy(&at, rte_pktmbuf_mtod_offset(m, uint8_t *, 14 + 28 + 8), sizeof(at));
		assert_int_equal(at, counter + i);
		assert_true(cr_open(plain, rte_pktmbuf_mtod_offset(m, uint8_t *, 14 + 28 + 16),
				    INNER_BYTES, NULL, 0, at, key));
		memcpy(&got, plain + SEQ_OFF, sizeof(got));
		assert_int_equal(got, seq + i);
		rte_pktmbuf_free(m);
	}
	assert_null(path_sent(p, 0));
}

static uint64_t counted(const _Atomic uint64_t *counter)
{
	return dp_counted(counter);
}

/* ---- order ---- */

static void taken_back_in_order(void **state)
{
	struct path p;

	open_spread(&p, DP_SPREAD_ALWAYS);
	begin(&p);
	receive(&p, 0, 5);
	receive(&p, 5, 32);
	end(&p, 37); /* two wait: the helper's */
	expect_received(&p, 0, 0);
	assert_int_equal(help(&p), 5);
	begin(&p);
	receive(&p, 37, 3);
	end(&p, 3); /* the first is asked for, two wait */
	expect_received(&p, 0, 0);
	assert_int_equal(help(&p), 32);
	assert_int_equal(help(&p), 3);
	assert_int_equal(help(&p), 0);
	begin(&p);
	receive(&p, 40, 1);
	end(&p, 1); /* the first is back, the others are asked for */
	expect_received(&p, 0, 5);
	begin(&p);
	assert_int_equal(end(&p, 0), 36);
	expect_received(&p, 5, 36);
	assert_int_equal(counted(&owner(&p)->spread_given), 41);
	assert_int_equal(counted(&owner(&p)->spread_own), 1);
	assert_int_equal(counted(&helper(&p)->spread_helped), 40);
	path_close(&p);
}

static void sealed_in_order(void **state)
{
	struct path p;

	open_spread(&p, DP_SPREAD_ALWAYS);
	begin(&p);
	transmit(&p, 0, 32);
	transmit(&p, 32, 32);
	end(&p, 64);
	expect_sent(&p, 0, 0, 0);
	assert_int_equal(help(&p), 32);
	begin(&p);
	end(&p, 0); /* nothing came: the other one it does itself */
	expect_sent(&p, 0, 0, 64);
	assert_int_equal(counted(&owner(&p)->spread_own), 32);
	assert_int_equal(atomic_load(&p.sessions[1]->send_counter), 64);
	path_close(&p);
}

/* Without any help nothing waits for long. */
static void does_it_alone(void **state)
{
	struct path p;

	open_spread(&p, DP_SPREAD_ALWAYS);
	for (uint32_t turn = 0; turn < 100; turn++) {
		begin(&p);
		receive(&p, turn * 4, 4);
		end(&p, 4);
	}
	begin(&p);
	end(&p, 0);
	expect_received(&p, 0, 400);
	assert_int_equal(counted(&owner(&p)->spread_own), 400);
	assert_int_equal(path_drops(&p), 0);
	path_close(&p);
}

/* A worker that was stopped in the middle of a job: others are not handed back before it, and when
 * there is no more room, packets are dropped, and counted. */
static void held_up(void **state)
{
	struct dp_spread *s;
	struct path p;
	uint32_t seq = 2;

	open_spread(&p, DP_SPREAD_ALWAYS);
	s = owner(&p)->spread;
	begin(&p);
	receive(&p, 0, 2);
	/* As the other worker claims it. */
	assert_int_equal(atomic_fetch_add(&s->claimed, 1), 0);
	for (unsigned int k = 1; k < DP_SPREAD_JOBS; k++, seq += 2) {
		receive(&p, seq, 2);
		end(&p, 2);
		begin(&p);
	}
	expect_received(&p, 0, 0);
	assert_int_equal(path_drops(&p), 0);
	receive(&p, seq, 2);
	path_assert_dropped(&p, DP_DROP_spread_full, 2);
	/* It goes on. */
	dp_open(p.dp, helper(&p)->aead, &s->jobs[0].batch, s->jobs[0].found);
	atomic_store(&s->jobs[0].done, 1);
	end(&p, 0);
	expect_received(&p, 0, seq);
	path_close(&p);
}

/* ---- verdicts ---- */

static void add_message(struct dp_batch *b, struct path *p, uint64_t counter, const void *plain,
			size_t len)
{
	struct path_frame f;

	path_data(&f, p, 1, counter, plain, len);
	b->pkts[b->n] = path_packet(p, f.at, f.len);
	dp_note(b->pkts[b->n++])->port_id = 0;
}

/* Everything that can be wrong with a message, opened by another worker: the same endings as ever,
 * and a forged message moves nothing. */
static void verdicts(void **state)
{
	uint8_t good[INNER_BYTES], foreign[INNER_BYTES], broken[INNER_BYTES];
	struct dp_batch b = {.n = 0};
	struct path p;
	uint8_t *at;

	open_spread(&p, DP_SPREAD_ALWAYS);
	numbered(good, "10.8.1.5", "10.0.0.2", 0);
	numbered(foreign, "10.8.2.5", "10.0.0.2", 0);
	memset(broken, 0xff, sizeof(broken));
	add_message(&b, &p, 0, good, sizeof(good));
	add_message(&b, &p, 1, NULL, 0); /* keepalive */
	add_message(&b, &p, 2, foreign, sizeof(foreign));
	add_message(&b, &p, 3, broken, sizeof(broken));
	add_message(&b, &p, 0, good, sizeof(good));    /* replay */
	add_message(&b, &p, 1, NULL, 0);	       /* of a keepalive */
	add_message(&b, &p, 2, foreign, sizeof(good)); /* of one that was refused */
	add_message(&b, &p, 9000, good, sizeof(good)); /* forged, and far ahead */
	at = rte_pktmbuf_mtod_offset(b.pkts[b.n - 1], uint8_t *, b.pkts[b.n - 1]->data_len - 1);
	*at ^= 1;
	begin(&p);
	dp_classify(owner(&p), &b);
	assert_int_equal(help(&p), 8);
	assert_int_equal(p.sessions[1]->replay.next, 0);
	end(&p, 0);
	assert_int_equal(p.sessions[1]->replay.next, 4);
	expect_received(&p, 0, 1);
	assert_int_equal(counted(&owner(&p)->counters.drops[DP_DROP_bad_tag]), 1);
	assert_int_equal(counted(&owner(&p)->counters.drops[DP_DROP_inner_malformed]), 1);
	assert_int_equal(counted(&owner(&p)->counters.drops[DP_DROP_source_not_allowed]), 1);
	assert_int_equal(counted(&owner(&p)->counters.drops[DP_DROP_replay]), 3);
	assert_int_equal(counted(&owner(&p)->counters.consumed), 1);
	assert_int_equal(path_drops(&p), 6);
	/* What the helper found is counted by the owner alone. */
	for (unsigned int r = 0; r < DP_DROP_N; r++)
		assert_int_equal(counted(&helper(&p)->counters.drops[r]), 0);
	path_close(&p);
}

/* From a tunnel into another: what a job becomes when it is taken back is a job again. */
static void between_peers(void **state)
{
	uint8_t ip[INNER_BYTES];
	struct rte_mbuf *m;
	struct path p;

	open_spread(&p, DP_SPREAD_ALWAYS);
	begin(&p);
	for (uint32_t k = 0; k < DP_SPREAD_JOBS; k++) {
		struct dp_batch b = {.n = 0};

		numbered(ip, "10.8.1.5", "10.8.3.5", k);
		add_message(&b, &p, k, ip, sizeof(ip));
		dp_spread_make_room(owner(&p));
		dp_classify(owner(&p), &b);
	}
	while (end(&p, 0) || help(&p))
		begin(&p);
	for (uint32_t k = 0; k < DP_SPREAD_JOBS; k++) {
		m = path_sent(&p, 0);
		assert_non_null(m);
		rte_pktmbuf_free(m);
	}
	assert_null(path_sent(&p, 0));
	assert_int_equal(path_drops(&p), 0);
	path_close(&p);
}

/* ---- on and off ---- */

/* A window in which turns took so many packets of peer n each, and all the time if busy. */
static void window(struct path *p, unsigned int n, unsigned int packets, bool busy)
{
	struct dp_worker *w = owner(p);

	for (unsigned int turn = 0; turn < 25; turn++) {
		w->now_ns += MS / 10;
		dp_spread_begin(w);
		if (busy)
			dp_load_sample(w, p->peers[n], packets);
		dp_spread_turn(w, busy ? packets : 0);
	}
}

static void switches(void **state)
{
	struct dp_worker *w;
	struct path p;

	open_spread(&p, DP_SPREAD_AUTO);
	w = owner(&p);
	for (unsigned int k = 0; k < 10; k++)
		window(&p, 1, 4, true); /* small batches: it keeps up */
	assert_false(dp_spreads(w));
	for (unsigned int k = 0; k < 10; k++)
		window(&p, 1, 32, false);
	assert_false(dp_spreads(w));
	for (unsigned int k = 0; k < 4; k++)
		window(&p, 1, 32, true);
	assert_true(dp_spreads(w));
	assert_int_equal(counted(&w->spread_on), 1);
	assert_true(p.dp->spreading[0] & 1);
	/* Less to do: off after some windows. */
	for (unsigned int k = 0; k < 10; k++)
		window(&p, 1, 32, false);
	assert_false(dp_spreads(w));
	assert_int_equal(counted(&w->spread_off), 1);
	assert_false(p.dp->spreading[0] & 1);
	path_close(&p);
}

/* Still full, but of nobody in particular any more: it ends also if there is always a helper that
 * has just begun a job when the next turn begins. */
static void ends_under_load(void **state)
{
	struct dp_worker *w;
	struct dp_spread *s;
	struct path p;
	uint32_t seq = 0;

	open_spread(&p, DP_SPREAD_ALWAYS);
	w = owner(&p);
	s = w->spread;
	begin(&p);
	receive(&p, seq++, 1);
	p.dp->spread = DP_SPREAD_NEVER;
	/* As a helper that looked before it was told not to. */
	assert_int_equal(atomic_fetch_add(&s->claimed, 1), 0);
	for (unsigned int turn = 0; turn < 40; turn++) {
		end(&p, 1);
		begin(&p);
		receive(&p, seq++, 1);
		if (!s->load.wanted)
			assert_int_equal(help(&p), 0);
	}
	assert_true(dp_spreads(w)); /* one is not back */
	dp_open(p.dp, helper(&p)->aead, &s->jobs[0].batch, s->jobs[0].found);
	atomic_store(&s->jobs[0].done, 1);
	end(&p, 1);
	begin(&p);
	assert_false(dp_spreads(w));
	receive(&p, seq++, 1);
	dp_tx_flush(w);
	expect_received(&p, 0, seq);
	assert_int_equal(path_drops(&p), 0);
	path_close(&p);
}

/* Full of many peers: each worker has its own. Unless this one receives for others. */
static void many_peers(void **state)
{
	struct dp_worker *w;
	struct path p;

	open_spread(&p, DP_SPREAD_AUTO);
	w = owner(&p);
	for (unsigned int round = 0; round < 2; round++) {
		bool on = false;

		for (unsigned int turn = 0; turn < 200; turn++) {
			w->now_ns += MS / 10;
			dp_spread_begin(w);
			dp_load_sample(w, p.peers[1 + turn % 3], 32);
			dp_spread_turn(w, 32);
			on |= dp_spreads(w);
		}
		assert_int_equal(on, round == 1);
		w->for_others = true;
	}
	path_close(&p);
}

/* Nobody has time to help: it stops offering, and does not try again at once. */
static void nobody_helps(void **state)
{
	struct dp_worker *w;
	struct path p;
	bool on = false;

	open_spread(&p, DP_SPREAD_AUTO);
	w = owner(&p);
	for (uint32_t turn = 0; turn < 1000; turn++) {
		begin(&p);
		receive(&p, turn * 32, 32);
		end(&p, 32);
		on |= dp_spreads(w);
		path_drain(&p);
	}
	assert_true(on);
	assert_false(dp_spreads(w));
	assert_int_equal(counted(&w->spread_on), 1);
	path_close(&p);
}

/* Only one worker: never. */
static void alone(void **state)
{
	struct path p;

	path_open(&p, 1);
	for (unsigned int k = 0; k < 10; k++)
		window(&p, 1, 32, true);
	assert_false(dp_spreads(p.w));
	path_close(&p);
}

/* ---- what must live as long as a job ---- */

static void sessions_live(void **state)
{
	struct rte_rcu_qsbr *rcu;
	struct path p;

	open_spread(&p, DP_SPREAD_ALWAYS);
	rcu = p.dp->rcu;
	while (dp_reclaim_poll(p.dp->reclaim) > 0) /* of setting up; there is no reader yet */
		;
	assert_int_equal(rte_rcu_qsbr_thread_register(rcu, 0), 0);
	assert_int_equal(rte_rcu_qsbr_thread_register(rcu, dp_spread_thread(owner(&p), 0)), 0);
	assert_int_equal(rte_rcu_qsbr_thread_register(rcu, dp_spread_thread(owner(&p), 1)), 0);
	rte_rcu_qsbr_thread_online(rcu, 0);
	begin(&p);
	receive(&p, 0, 1);
	dp_publish_current(p.peers[1], NULL);
	dp_retire_session(p.dp, p.sessions[1]);
	/* Turns go by: all that is looked up in them may go, but not what the job stands on. */
	for (unsigned int k = 0; k < 10; k++) {
		begin(&p);
		rte_rcu_qsbr_quiescent(rcu, 0);
		assert_int_equal(dp_reclaim_poll(p.dp->reclaim), 1);
	}
	assert_int_equal(end(&p, 0), 1);
	expect_received(&p, 0, 1);
	begin(&p);
	rte_rcu_qsbr_quiescent(rcu, 0);
	assert_int_equal(dp_reclaim_poll(p.dp->reclaim), 0);
	rte_rcu_qsbr_thread_offline(rcu, 0);
	path_close(&p);
}

/* While jobs are always under way, what is retired is freed all the same. */
static void reclaim_goes_on(void **state)
{
	struct rte_rcu_qsbr *rcu;
	struct path p;
	unsigned int longest = 0, waited = 0;

	open_spread(&p, DP_SPREAD_ALWAYS);
	rcu = p.dp->rcu;
	for (unsigned int e = 0; e < 2; e++)
		assert_int_equal(rte_rcu_qsbr_thread_register(rcu, dp_spread_thread(owner(&p), e)),
				 0);
	begin(&p);
	receive(&p, 0, 1);
	for (uint32_t turn = 1; turn < 200; turn++) {
		struct dp_out out = path_out(&p, 1);

		if (dp_reclaim_poll(p.dp->reclaim) == 0) {
			assert_int_equal(dp_publish_out(p.dp, p.peers[1], &out), 0);
			waited = 0;
		}
		longest = RTE_MAX(longest, ++waited);
		begin(&p);
		receive(&p, turn, 1);
		help(&p); /* the one of the turn before; one stays */
		end(&p, 1);
	}
	assert_true(longest < 10);
	end(&p, 0);
	path_drain(&p);
	path_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken_back_in_order),
		cmocka_unit_test(sealed_in_order),
		cmocka_unit_test(does_it_alone),
		cmocka_unit_test(held_up),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(between_peers),
		cmocka_unit_test(switches),
		cmocka_unit_test(ends_under_load),
		cmocka_unit_test(many_peers),
		cmocka_unit_test(nobody_helps),
		cmocka_unit_test(alone),
		cmocka_unit_test(sessions_live),
		cmocka_unit_test(reclaim_goes_on),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
