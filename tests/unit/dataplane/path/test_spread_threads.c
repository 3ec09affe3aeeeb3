/*
 * Work that is shared out (dataplane/spread.c) by real workers, on ports that make their packets
 * and look at what is sent. Workers are stopped for random times at random instructions, by
 * signals; sessions are replaced and retired meanwhile. What must hold, whatever happens: a counter
 * is used once, the packets of a flow leave in the order in which they came, each packet ends once,
 * and nothing is opened or sealed with a key that is gone. Under ThreadSanitizer, too.
 */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "dataplane/spread.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#ifndef RUN_MS
#define RUN_MS 2500
#endif
#define RUN_MAX_MS     40000
#define HELPED_MIN     1000 /* packets */
#define WORKERS	       3
#define PORTS	       2
#define FLOWS	       4 /* of a worker and peer in each direction */
#define BUFFERS	       8191
#define INNER_BYTES    64
#define ID_OFF	       28 /* behind IPv4 and UDP: flow, number */
#define PADDED_BYTES   64
#define GENERATIONS    4096
#define COUNTERS_MAX   (1u << 17) /* of one session */
#define REKEY_EVERY_MS 20
#define STOP_MAX_US    400
#define MS	       UINT64_C(1000000)

struct session_state {
	_Atomic uint64_t theirs; /* the next counter that the peer sends */
	_Atomic uint64_t *seen;	 /* bit per counter that we have sent */
};

struct flow {
	uint32_t next; /* number of the next packet in */
	uint32_t last; /* that went out, + 1 */
	uint64_t in, out;
};

/* What worker w's queue of a port gives and gets. Its thread's alone. */
struct queue {
	struct run *r;
	uint64_t random;
	unsigned int worker, port;
	struct flow flows[PATH_PEERS + 1][FLOWS]; /* packets that come in at this port */
};

struct run {
	struct path p;
	struct rte_mempool *pool;
	struct queue queues[PORTS][WORKERS];
	void *rxq[PORTS][WORKERS], *txq[PORTS][WORKERS];
	struct session_state sessions[PATH_PEERS + 1][GENERATIONS];
	_Atomic uint32_t generation[PATH_PEERS + 1];
	_Atomic unsigned int heavy; /* the worker that gets most */
	_Atomic bool quiet, stop;
	_Atomic uint64_t out_of_order, twice, forged, unknown;
};

static struct run run;

/* ---- a pool whose every step ThreadSanitizer sees ---- */

struct stack {
	pthread_mutex_t lock;
	unsigned int n;
	void *at[];
};

static int stack_alloc(struct rte_mempool *mp)
{
	struct stack *s = calloc(1, sizeof(*s) + mp->size * sizeof(s->at[0]));

	assert_non_null(s);
	pthread_mutex_init(&s->lock, NULL);
	mp->pool_data = s;
	return 0;
}

static void stack_free(struct rte_mempool *mp)
{
	free(mp->pool_data);
}

static int stack_put(struct rte_mempool *mp, void *const *objects, unsigned int n)
{
	struct stack *s = mp->pool_data;

	pthread_mutex_lock(&s->lock);
	memcpy(s->at + s->n, objects, n * sizeof(objects[0]));
	s->n += n;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int stack_get(struct rte_mempool *mp, void **objects, unsigned int n)
{
	struct stack *s = mp->pool_data;
	int rc = -ENOBUFS;

	pthread_mutex_lock(&s->lock);
	if (s->n >= n) {
		s->n -= n;
		memcpy(objects, s->at + s->n, n * sizeof(objects[0]));
		rc = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static unsigned int stack_count(const struct rte_mempool *mp)
{
	return ((const struct stack *)mp->pool_data)->n;
}

static const struct rte_mempool_ops stack_ops = {
	.name = "test_stack",
	.alloc = stack_alloc,
	.free = stack_free,
	.enqueue = stack_put,
	.dequeue = stack_get,
	.get_count = stack_count,
};

RTE_MEMPOOL_REGISTER_OPS(stack_ops);

/* ---- sessions ---- */

static void key_of(unsigned int n, bool ours, uint32_t generation, uint8_t key[32])
{
	path_key(n, ours, key);
	memcpy(key + 4, &generation, sizeof(generation));
}

static uint32_t index_of(unsigned int n, uint32_t generation)
{
	return generation << 8 | n;
}

static uint64_t boottime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * WG_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Control: from now on peer n and we send under this generation. */
static struct dp_session *new_session(struct run *r, unsigned int n, uint32_t generation)
{
	struct session_state *state = &r->sessions[n][generation];
	uint32_t index = index_of(n, generation);
	uint8_t ours[32], theirs[32];
	struct dp_session *s;

	state->seen = calloc(COUNTERS_MAX / 64, sizeof(state->seen[0]));
	key_of(n, true, generation, ours);
	key_of(n, false, generation, theirs);
	s = dp_publish_session(r->p.dp, r->p.peers[n], ours, theirs, index, index, boottime_ns(),
			       true);
	if (!s || !state->seen)
		abort();
	dp_publish_current(r->p.peers[n], s);
	atomic_store(&r->generation[n], generation);
	return s;
}

/* ---- what comes in ---- */

static void write_inner(uint8_t *ip, const char *from, const char *to, uint32_t flow,
			uint32_t number)
{
	path_ip(ip, from, to, INNER_BYTES);
	memset(ip + 26, 0, 2);
	memcpy(ip + ID_OFF, &flow, sizeof(flow));
	memcpy(ip + ID_OFF + 4, &number, sizeof(number));
}

/* A message of peer n; false: the session has been used up. */
static bool message_frame(struct queue *q, unsigned int n, const uint8_t *ip, struct path_frame *f)
{
	uint32_t generation = atomic_load(&q->r->generation[n]);
	uint64_t counter = atomic_fetch_add(&q->r->sessions[n][generation].theirs, 1);
	uint32_t head[2] = {rte_cpu_to_le_32(WG_DATA), rte_cpu_to_le_32(index_of(n, generation))};
	uint8_t message[WG_OVERHEAD_BYTES + PADDED_BYTES], key[32];
	char from[32];

	if (counter >= COUNTERS_MAX)
		return false;
	memcpy(message, head, sizeof(head));
	memcpy(message + 8, &counter, sizeof(counter));
	key_of(n, false, generation, key);
	cr_seal(message + 16, ip, INNER_BYTES, NULL, 0, counter, key);
	snprintf(from, sizeof(from), n == 2 ? "2001:db8:1::%u" : "198.51.100.%u", n);
	path_udp(f, &q->r->p, 0, from, (uint16_t)(n * 1000), n == 2 ? "2001:db8::1" : "192.0.2.1",
		 PATH_LISTEN_PORT, message, sizeof(message));
	return true;
}

/* Of peer w + 1 mostly, so that it is fat; each worker also has flows of peer 3, whose session all
 * of them share. */
static struct rte_mbuf *make(struct queue *q)
{
	uint64_t random = unit_random(&q->random);
	unsigned int n = random % 8 == 0 ? 3 : q->worker % 2 + 1;
	unsigned int k = (unsigned int)(random >> 8) % FLOWS;
	struct flow *flow = &q->flows[n][k];
	uint32_t id = q->worker << 16 | n << 8 | k;
	struct rte_mbuf *m = rte_pktmbuf_alloc(q->r->pool);
	uint8_t ip[INNER_BYTES];
	struct path_frame f;
	char addr[32];

	if (!m)
		return NULL;
	snprintf(addr, sizeof(addr), "10.8.%u.5", n);
	write_inner(ip, q->port == 0 ? addr : "10.0.0.2", q->port == 0 ? "10.0.0.2" : addr, id,
		    flow->next);
	if (q->port == 1) {
		path_ethernet(&f, &q->r->p, 1, ip, sizeof(ip));
	} else if (!message_frame(q, n, ip, &f)) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(rte_pktmbuf_append(m, (uint16_t)f.len), f.at, f.len);
	flow->next++;
	flow->in++;
	return m;
}

static uint16_t receive(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct queue *q = queue;
	bool heavy = atomic_load_explicit(&q->r->heavy, memory_order_relaxed) == q->worker;
	uint16_t got = 0;

	if (atomic_load(&q->r->quiet))
		return 0;
	/* The others have time to help. */
	if (!heavy) {
		if (unit_random(&q->random) % 64)
			return 0;
		n = 3;
	}
	while (got < n && (pkts[got] = make(q)))
		got++;
	return got;
}

/* ---- what goes out ---- */

static void saw(struct run *r, struct flow *flow, uint32_t number)
{
	if (number < flow->last)
		atomic_fetch_add(&r->out_of_order, 1);
	flow->last = number + 1;
	flow->out++;
}

/* A worker sends what it has received. */
static void saw_inner(struct queue *q, unsigned int in_port, const uint8_t *ip)
{
	uint32_t id, number;

	memcpy(&id, ip + ID_OFF, sizeof(id));
	memcpy(&number, ip + ID_OFF + 4, sizeof(number));
	if (id >> 16 != q->worker || (id >> 8 & 0xff) > PATH_PEERS || (id & 0xff) >= FLOWS) {
		atomic_fetch_add(&q->r->unknown, 1);
		return;
	}
	saw(q->r, &q->r->queues[in_port][q->worker].flows[id >> 8 & 0xff][id & 0xff], number);
}

static void saw_message(struct queue *q, const uint8_t *frame)
{
	size_t header = 14 + (frame[14] >> 4 == 4 ? 20 : 40) + 8;
	uint8_t plain[PADDED_BYTES], key[32];
	uint64_t counter, bit;
	unsigned int n;
	uint32_t index;

	memcpy(&index, frame + header + 4, sizeof(index));
	memcpy(&counter, frame + header + 8, sizeof(counter));
	n = index & 0xff;
	key_of(n, true, index >> 8, key);
	if (n > PATH_PEERS || index >> 8 >= GENERATIONS || counter >= COUNTERS_MAX ||
	    !cr_open(plain, frame + header + 16, PADDED_BYTES, NULL, 0, counter, key)) {
		atomic_fetch_add(&q->r->forged, 1);
		return;
	}
	bit = UINT64_C(1) << counter % 64;
	if (atomic_fetch_or(&q->r->sessions[n][index >> 8].seen[counter / 64], bit) & bit)
		atomic_fetch_add(&q->r->twice, 1);
	saw_inner(q, 1, plain);
}

static uint16_t transmit(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct queue *q = queue;

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		if (q->port == 1)
			saw_inner(q, 0, frame + 14);
		else
			saw_message(q, frame);
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

static void open_queues(struct run *r)
{
	for (unsigned int port = 0; port < PORTS; port++) {
		struct rte_eth_fp_ops *ops = &rte_eth_fp_ops[r->p.ports[port].device->eth_id];

		for (unsigned int w = 0; w < WORKERS; w++) {
			r->queues[port][w] = (struct queue){
				.r = r, .worker = w, .port = port, .random = 77 + port * 8 + w};
			r->rxq[port][w] = r->txq[port][w] = &r->queues[port][w];
		}
		ops->rxq.data = r->rxq[port];
		ops->txq.data = r->txq[port];
		ops->rx_pkt_burst = receive;
		ops->tx_pkt_burst = transmit;
	}
}

/* ---- threads ---- */

/* Stopped where it is, as by a scheduler. */
static void held_up(int number)
{
	static _Atomic uint64_t random = 1;
	uint64_t x = atomic_load_explicit(&random, memory_order_relaxed);
	struct timespec ts;

	ts.tv_sec = 0;
	ts.tv_nsec = (long)(unit_random(&x) % STOP_MAX_US) * 1000;
	atomic_store_explicit(&random, x, memory_order_relaxed);
	nanosleep(&ts, NULL);
}

static void *work(void *arg)
{
	dp_worker_run(arg);
	return NULL;
}

struct stopper {
	pthread_t *threads;
	struct run *r;
};

static void *stop_them(void *arg)
{
	struct stopper *s = arg;
	uint64_t random = 5;

	while (!atomic_load(&s->r->stop)) {
		uint64_t x = unit_random(&random);
		struct timespec ts = {.tv_nsec = (long)(x % 300) * 1000};

		pthread_kill(s->threads[(x >> 16) % WORKERS], SIGUSR1);
		nanosleep(&ts, NULL);
	}
	return NULL;
}

static uint64_t sum(const struct run *r, size_t offset)
{
	uint64_t n = 0;

	for (unsigned int w = 0; w < WORKERS; w++)
		n += dp_counted(
			(const _Atomic uint64_t *)((const char *)r->p.dp->workers[w] + offset));
	return n;
}

#define SUM(r, field) sum(r, offsetof(struct dp_worker, field))

/* For the time of a test, or longer on a machine so busy that workers have hardly come to help. */
static bool goes_on(const struct run *r, uint64_t began_ns)
{
	uint64_t ns = boottime_ns() - began_ns;

	return ns < RUN_MS * MS || (SUM(r, spread_helped) < HELPED_MIN && ns < RUN_MAX_MS * MS);
}

/* Control's part: what workers report is taken, sessions come and go, what is retired is freed. */
static void control(struct run *r)
{
	uint64_t began_ns = boottime_ns();
	struct dp_session *old[PATH_PEERS + 1] = {0}, *now[PATH_PEERS + 1];
	uint64_t rekey_ns = 0, swap_ns = 0;
	uint32_t generation = 1;

	for (unsigned int n = 1; n <= PATH_PEERS; n++) {
		dp_retire_session(r->p.dp, r->p.sessions[n]);
		now[n] = new_session(r, n, generation);
	}
	atomic_store(&r->quiet, false);
	for (uint64_t ns; goes_on(r, began_ns);) {
		ns = boottime_ns();
		path_drain(&r->p);
		dp_reclaim_poll(r->p.dp->reclaim);
		if (ns >= swap_ns + 300 * MS) {
			swap_ns = ns;
			atomic_store(&r->heavy, (atomic_load(&r->heavy) + 1) % (WORKERS + 1));
		}
		if (ns < rekey_ns + REKEY_EVERY_MS * MS || generation + 1 == GENERATIONS)
			continue;
		rekey_ns = ns;
		generation++;
		for (unsigned int n = 1; n <= PATH_PEERS; n++) {
			if (old[n])
				dp_retire_session(r->p.dp, old[n]);
			old[n] = now[n];
			now[n] = new_session(r, n, generation);
		}
	}
}

/* Each packet ended once, and of those that did not come out it is known why. */
static void check(struct run *r)
{
	uint64_t in = 0, out = 0, known;

	for (unsigned int port = 0; port < PORTS; port++) {
		for (unsigned int w = 0; w < WORKERS; w++) {
			const struct flow *f = &r->queues[port][w].flows[0][0];

			for (unsigned int k = 0; k < (PATH_PEERS + 1) * FLOWS; k++) {
				in += f[k].in;
				out += f[k].out;
			}
		}
	}
	print_message(
		"# %lu packets in, %lu out; given %lu, own %lu, helped %lu, on %lu, off %lu\n", in,
		out, SUM(r, spread_given), SUM(r, spread_own), SUM(r, spread_helped),
		SUM(r, spread_on), SUM(r, spread_off));
	assert_int_equal(atomic_load(&r->out_of_order), 0);
	assert_int_equal(atomic_load(&r->twice), 0);
	assert_int_equal(atomic_load(&r->forged), 0);
	assert_int_equal(atomic_load(&r->unknown), 0);
	known = SUM(r, counters.drops[DP_DROP_no_session]) +
		SUM(r, counters.drops[DP_DROP_replay]) +
		SUM(r, counters.drops[DP_DROP_spread_full]);
	for (unsigned int d = 0; d < DP_DROP_N; d++) {
		uint64_t n = SUM(r, counters.drops[d]);

		if (n)
			print_message("# %s %lu\n", dp_drop_name((enum dp_drop)d), n);
	}
	assert_int_equal(path_drops(&r->p), known);
	assert_int_equal(SUM(r, counters.rx), in);
	assert_int_equal(SUM(r, counters.tx), out);
	assert_int_equal(in, out + known);
	assert_int_equal(SUM(r, spread_given), SUM(r, spread_own) + SUM(r, spread_helped));
	assert_true(out > 1000);
	assert_true(SUM(r, spread_helped) >= HELPED_MIN);
	assert_true(SUM(r, spread_on) > 0);
}

static void go(enum dp_spread_mode mode)
{
	struct sigaction action = {.sa_handler = held_up};
	pthread_t workers[WORKERS], stopping;
	struct run *r = &run;
	struct stopper stopper = {workers, r};

	memset(r, 0, sizeof(*r));
	path_open(&r->p, WORKERS);
	r->p.dp->spread = mode;
	r->pool = rte_pktmbuf_pool_create_by_ops("stress", BUFFERS, 0, DP_NOTE_BYTES, 2048,
						 SOCKET_ID_ANY, "test_stack");
	assert_non_null(r->pool);
	open_queues(r);
	sigaction(SIGUSR1, &action, NULL);
	atomic_store(&r->quiet, true);
	for (unsigned int w = 0; w < WORKERS; w++)
		assert_int_equal(pthread_create(&workers[w], NULL, work, r->p.dp->workers[w]), 0);
	assert_int_equal(pthread_create(&stopping, NULL, stop_them, &stopper), 0);
	control(r);
	atomic_store(&r->quiet, true);
	atomic_store(&r->stop, true);
	pthread_join(stopping, NULL);
	atomic_store(&r->p.dp->stop, true);
	for (unsigned int w = 0; w < WORKERS; w++)
		pthread_join(workers[w], NULL);
	path_drain(&r->p);
	check(r);
	assert_int_equal(rte_mempool_avail_count(r->pool), BUFFERS);
	path_close(&r->p);
	rte_mempool_free(r->pool);
	for (unsigned int n = 0; n <= PATH_PEERS; n++) {
		for (unsigned int g = 0; g < GENERATIONS; g++)
			free(r->sessions[n][g].seen);
	}
}

static void always(void **state)
{
	go(DP_SPREAD_ALWAYS);
}

static void by_load(void **state)
{
	go(DP_SPREAD_AUTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(always),
		cmocka_unit_test(by_load),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
