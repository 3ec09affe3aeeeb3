/*
 * A device with one transmit queue and two workers: frames of a worker that finds the queue taken
 * stay for its next turn, are dropped with a reason only when there is no more room, and nothing is
 * lost or sent twice with both at work in threads of their own.
 */
#include "tests/unit/unit.h"

#include <pthread.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#define THREAD_PKTS 20000

static void open_shared(struct path *p)
{
	path_open(p, 2);
	/* As assign.c leaves a device with one queue. */
	for (unsigned int d = 0; d < 2; d++) {
		p->devices[d].tx[0].shared = true;
		p->dp->workers[0]->tx_queues[d] = p->dp->workers[1]->tx_queues[d] = 0;
	}
}

static void send_some(struct path *p, struct dp_worker *w, unsigned int n)
{
	static const uint8_t frame[60];

	for (unsigned int i = 0; i < n; i++) {
		struct dp_batch b = {.pkts = {path_packet(p, frame, sizeof(frame))}, .n = 1};

		dp_note(b.pkts[0])->port_id = 0;
		dp_tx(w, &b);
	}
}

static void taken(void **state)
{
	rte_spinlock_t *lock;
	struct path p;

	open_shared(&p);
	lock = &p.devices[0].tx[0].lock;
	rte_spinlock_lock(lock);
	send_some(&p, p.w, 3);
	dp_tx_flush(p.w);
	assert_null(path_sent(&p, 0));
	assert_int_equal(p.w->tx[0].n, 3);
	send_some(&p, p.w, DP_BATCH_MAX - 3 + 5);
	path_assert_dropped(&p, DP_DROP_tx_busy, 5);
	assert_int_equal(dp_counted(&p.w->counters.tx), 0);
	rte_spinlock_unlock(lock);
	dp_tx_flush(p.w);
	assert_int_equal(dp_counted(&p.w->counters.tx), DP_BATCH_MAX);
	assert_int_equal(path_drain(&p), DP_BATCH_MAX);
	path_assert_dropped(&p, DP_DROP_tx_busy, 0);
	/* And it is free again. */
	assert_int_equal(rte_spinlock_trylock(lock), 1);
	rte_spinlock_unlock(lock);
	path_close(&p);
}

/* What a frame that stays was made for may be gone in the next turn: it is not looked at any more,
 * also when the frame is dropped. */
static void outlives_its_interface(void **state)
{
	static const uint8_t frame[60];
	struct dp_iface gone = {.id = DP_IFACES_MAX - 1};
	struct dp_batch b = {.n = 1};
	struct path p;

	open_shared(&p);
	b.pkts[0] = path_packet(&p, frame, sizeof(frame));
	dp_note(b.pkts[0])->port_id = 0;
	dp_note(b.pkts[0])->iface = &gone;
	rte_spinlock_lock(&p.devices[0].tx[0].lock);
	dp_tx(p.w, &b);
	dp_tx_flush(p.w);
	assert_int_equal(p.w->tx[0].n, 1);
	rte_spinlock_unlock(&p.devices[0].tx[0].lock);
	atomic_store(&p.devices[0].link.state, DP_LINK_DOWN);
	dp_tx_flush(p.w);
	path_assert_dropped(&p, DP_DROP_link_down, 1);
	assert_int_equal(dp_counted(&p.w->iface_counters[gone.id].drops[DP_DROP_link_down]), 0);
	path_close(&p);
}

static void *unlock_soon(void *arg)
{
	rte_delay_us_sleep(2000);
	rte_spinlock_unlock(arg);
	return NULL;
}

/* A worker that ends leaves nothing behind that is neither sent nor counted. */
static void ends_empty(void **state)
{
	rte_spinlock_t *lock;
	pthread_t thread;
	struct path p;

	open_shared(&p);
	lock = &p.devices[0].tx[0].lock;
	assert_int_equal(dp_worker_begin(p.dp->workers[1]), 0);
	rte_spinlock_lock(lock);
	send_some(&p, p.dp->workers[1], 3);
	assert_int_equal(pthread_create(&thread, NULL, unlock_soon, lock), 0);
	dp_worker_end(p.dp->workers[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(dp_counted(&p.dp->workers[1]->counters.tx), 3);
	assert_int_equal(path_drain(&p), 3);
	path_close(&p);
}

/* A queue of one's own has no lock to find taken. */
static void own(void **state)
{
	struct path p;

	path_open(&p, 2);
	rte_spinlock_lock(&p.devices[0].tx[0].lock);
	send_some(&p, p.w, 1);
	dp_tx_flush(p.w);
	assert_int_equal(path_drain(&p), 1);
	path_close(&p);
}

struct sender {
	struct path *p;
	struct dp_worker *w;
};

static void *send_all(void *arg)
{
	static const uint8_t frame[60];
	struct sender *s = arg;

	for (unsigned int i = 0; i < THREAD_PKTS; i++) {
		struct dp_batch b = {.n = 1};

		while ((b.pkts[0] = dp_packet_new(s->p->dp)) == NULL)
			sched_yield(); /* the other end frees them */
		memcpy(rte_pktmbuf_append(b.pkts[0], sizeof(frame)), frame, sizeof(frame));
		*rte_pktmbuf_mtod(b.pkts[0], uint64_t *) = (uint64_t)s->w->id << 32 | i;
		dp_note(b.pkts[0])->port_id = 0;
		dp_tx(s->w, &b);
		if (i % 5 == 0)
			dp_tx_flush(s->w);
	}
	while (s->w->tx_ports_used)
		dp_tx_flush(s->w);
	return NULL;
}

/* Each worker's frames in their order, each once; the rest is counted as dropped. */
static void both(void **state)
{
	struct sender senders[2];
	pthread_t threads[2];
	uint64_t next[2] = {0}, got = 0, ended;
	struct rte_mbuf *m;
	struct path p;

	open_shared(&p);
	for (unsigned int i = 0; i < 2; i++) {
		senders[i] = (struct sender){&p, p.dp->workers[i]};
		assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
	}
	do {
		ended = path_drops(&p);
		for (unsigned int i = 0; i < 2; i++)
			ended += dp_counted(&p.dp->workers[i]->counters.tx);
		while ((m = path_sent(&p, 0))) {
			uint64_t mark = *rte_pktmbuf_mtod(m, uint64_t *);

			assert_true((mark & UINT32_MAX) >= next[mark >> 32]);
			next[mark >> 32] = (mark & UINT32_MAX) + 1;
			rte_pktmbuf_free(m);
			got++;
		}
	} while (ended < 2 * THREAD_PKTS);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	got += path_drain(&p);
	assert_int_equal(got, dp_counted(&p.dp->workers[0]->counters.tx) +
				      dp_counted(&p.dp->workers[1]->counters.tx));
	assert_int_equal(got + path_drops(&p), 2 * THREAD_PKTS);
	print_message("# %lu sent, %lu dropped\n", got, path_drops(&p));
	path_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken),      cmocka_unit_test(outlives_its_interface),
		cmocka_unit_test(ends_empty), cmocka_unit_test(own),
		cmocka_unit_test(both),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
