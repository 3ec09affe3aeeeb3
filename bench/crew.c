/*
 * Workers and rounds of wgdp-bench path --workers: see crew.h. Between the start and the end of a
 * round a worker does what dp_worker_run() does, and nothing else. Not here: packets (packets.c),
 * what they have to be at the end (arrivals.c), which rounds there are (workers.c).
 */
#include "bench/crew.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <x86intrin.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "bench/arrivals.h"

/* Some for each worker's cache of buffers, which others can't take: what DPDK keeps there at most,
 * and a refill. */
#define WORKER_BUFFERS 1024
#define GIVE_UP_S      5
/* A worker without packets looks whether all are through once in so many turns: looking takes the
 * counters from the others' caches. */
#define IDLE_TURNS 32
/* Until one is not disturbed. */
#define ROUNDS_MAX 10

struct job {
	struct bench_crew *crew;
	const struct bench_load *load;
	_Atomic unsigned int here, meetings;
	_Atomic(const char *) wrong; /* what; the first one to see it */
	bool stop;		     /* there was something at the last meeting */
	/* of the last round, by the first worker */
	double cycles; /* per packet */
	bool disturbed;
};

/* A worker; its own, but what is of the round is read by the first when that is over. */
struct bench_member {
	alignas(2 * RTE_CACHE_LINE_SIZE) struct dp_worker *w;
	struct job *job;
	struct bench_preparer preparer;
	uint64_t begin_tsc;
	bool preempted;
};

/* ---- a round ---- */

static void go_wrong(struct job *job, const char *what)
{
	const char *none = NULL;

	atomic_compare_exchange_strong(&job->wrong, &none, what);
}

/* Waits for all workers. False: something is wrong, for all of them the same. */
static bool meet(struct job *job)
{
	unsigned int meeting = atomic_load(&job->meetings);

	if (atomic_fetch_add(&job->here, 1) + 1 == job->crew->n_workers) {
		job->stop = atomic_load(&job->wrong) != NULL;
		atomic_store(&job->here, 0);
		atomic_store(&job->meetings, meeting + 1);
	}
	while (atomic_load_explicit(&job->meetings, memory_order_acquire) == meeting)
		rte_pause();
	return !job->stop;
}

static struct bench_memory_queue *queue_in(const struct bench_member *m)
{
	return &m->job->crew->g.memory[m->job->load->decrypt ? 0 : 1].queues[m->w->id];
}

static struct bench_memory_port *port_out(const struct job *job)
{
	return &job->crew->g.memory[job->load->decrypt ? 1 : 0];
}

/* As a NIC leaves them: in memory, not in the cache of the worker that will receive them. */
static void flush_out(const struct dp_batch *b)
{
	for (unsigned int i = 0; i < b->n; i++) {
		const char *at = rte_pktmbuf_mtod(b->pkts[i], const char *);

		for (unsigned int off = 0; off < b->pkts[i]->data_len; off += RTE_CACHE_LINE_SIZE)
			_mm_clflush(at + off);
	}
}

static void prepare(struct bench_member *m)
{
	struct bench_crew *c = m->job->crew;
	struct bench_memory_queue *q = queue_in(m);
	struct dp_batch b;

	for (unsigned int at = 0; m->w->id < c->n_queues && at < BENCH_QUEUE_PACKETS; at += b.n) {
		bool all = bench_prepare_batch(&m->preparer, &c->g, m->job->load, BENCH_RX, at, &b);

		flush_out(&b);
		bench_memory_put(q, b.pkts, b.n);
		if (!all) {
			go_wrong(m->job, "out of packet buffers");
			return;
		}
	}
}

static bool all_sent(const struct job *job)
{
	const struct bench_memory_port *out = port_out(job);
	unsigned int sent = 0;

	for (unsigned int i = 0; i < out->n_queues; i++)
		sent += bench_memory_sent(&out->queues[i]);
	return sent == job->crew->n_queues * BENCH_QUEUE_PACKETS;
}

/* How often the kernel has taken the CPU from this thread for another one. */
static long preemptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nivcsw : 0;
}

static void take_through(struct bench_member *m)
{
	struct dp *dp = m->w->dp;
	unsigned int idle_turns = 0;

	m->begin_tsc = rte_rdtsc();
	for (;;) {
		idle_turns = dp_worker_turn(m->w) ? 0 : idle_turns + 1;
		rte_rcu_qsbr_quiescent(dp->rcu, m->w->id);
		if (idle_turns % IDLE_TURNS != IDLE_TURNS - 1)
			continue;
		if (all_sent(m->job))
			return;
		if (rte_rdtsc() - m->begin_tsc < GIVE_UP_S * rte_get_tsc_hz())
			continue;
		go_wrong(m->job, BENCH_LOST);
		return;
	}
}

/* By the first worker, when all have ended. */
static void take_time(struct job *job)
{
	const struct bench_memory_port *out = port_out(job);
	uint64_t begin = UINT64_MAX, end = 0;

	job->disturbed = false;
	for (unsigned int i = 0; i < job->crew->n_workers; i++) {
		begin = RTE_MIN(begin, job->crew->members[i].begin_tsc);
		job->disturbed |= job->crew->members[i].preempted;
	}
	for (unsigned int i = 0; i < out->n_queues; i++)
		end = RTE_MAX(end,
			      bench_memory_sent(&out->queues[i]) ? out->queues[i].sent_tsc : 0);
	job->cycles = (double)(end - begin) / (job->crew->n_queues * BENCH_QUEUE_PACKETS);
}

/* A driver's buffers go round on its worker's CPU. Through the pool those of a round would change
 * from one worker to another, and each would find them in the other's cache. */
static void keep_buffers(struct bench_preparer *p, struct rte_mbuf **pkts, unsigned int n)
{
	unsigned int kept = RTE_MIN(n, BENCH_QUEUE_PACKETS - p->n_stock);

	memcpy(p->stock + p->n_stock, pkts, kept * sizeof(pkts[0]));
	p->n_stock += kept;
	rte_pktmbuf_free_bulk(pkts + kept, n - kept);
}

static void look_at_arrivals(struct bench_member *m)
{
	struct bench_memory_queue *out = &port_out(m->job)->queues[m->w->id];
	const char *wrong = bench_arrivals_check(&m->job->crew->g, m->w->aead,
						 m->job->load->decrypt, out->sent,
						 bench_memory_sent(out));

	if (wrong)
		go_wrong(m->job, wrong);
	keep_buffers(&m->preparer, out->sent, bench_memory_sent(out));
	bench_memory_reset(out);
	bench_memory_reset(queue_in(m));
}

/* On a worker's lcore. */
static int work(void *arg)
{
	struct bench_member *m = arg;
	bool enough = false;
	long before;

	if (dp_worker_begin(m->w) != 0)
		go_wrong(m->job, "RCU does not take the worker");
	for (unsigned int i = 0; !enough; i++) {
		prepare(m);
		if (!meet(m->job))
			break;
		before = preemptions();
		take_through(m);
		m->preempted = preemptions() != before;
		if (!meet(m->job))
			break;
		if (m->w->id == 0)
			take_time(m->job);
		if (!meet(m->job))
			break;
		enough = i > 0 && (!m->job->disturbed || i == ROUNDS_MAX);
		look_at_arrivals(m);
	}
	dp_worker_end(m->w);
	return 0;
}

const char *bench_crew_run(struct bench_crew *c, const struct bench_load *load, double *cycles,
			   bool *disturbed)
{
	struct job job = {.crew = c, .load = load};

	for (unsigned int i = 0; i < c->n_workers; i++)
		c->members[i].job = &job;
	for (unsigned int i = 1; i < c->n_workers; i++)
		rte_eal_remote_launch(work, &c->members[i], i);
	work(&c->members[0]);
	rte_eal_mp_wait_lcore();
	*cycles = job.cycles;
	*disturbed = job.disturbed;
	return job.wrong;
}

/* ---- what was lost ---- */

void bench_crew_print_lost(const struct bench_crew *c)
{
	struct dp_counters sum = {0};

	for (unsigned int i = 0; i < c->n_workers; i++)
		dp_counters_add(&sum, &c->g.dp->workers[i]->counters);
	for (enum dp_drop d = 0; d < DP_DROP_N; d++) {
		if (dp_counted(&sum.drops[d]))
			fprintf(stderr, "  %s: %lu (%s)\n", dp_drop_name(d),
				(unsigned long)dp_counted(&sum.drops[d]), dp_drop_text(d));
	}
	if (dp_counted(&sum.punt))
		fprintf(stderr, "  left to Linux: %lu\n", (unsigned long)dp_counted(&sum.punt));
	if (dp_counted(&sum.consumed))
		fprintf(stderr, "  ended here: %lu\n", (unsigned long)dp_counted(&sum.consumed));
}

/* ---- open and close ---- */

unsigned int bench_crew_buffers(unsigned int n_workers, unsigned int n_peers)
{
	return RTE_MIN(n_workers, n_peers) * BENCH_QUEUE_PACKETS + n_workers * WORKER_BUFFERS;
}

static int open_members(struct bench_crew *c)
{
	const size_t bytes = c->n_workers * sizeof(c->members[0]);

	c->members = aligned_alloc(alignof(struct bench_member), bytes);
	if (!c->members)
		return -ENOMEM;
	memset(c->members, 0, bytes);
	for (unsigned int i = 0; i < c->n_workers; i++) {
		struct bench_member *m = &c->members[i];

		m->w = c->g.dp->workers[i];
		m->preparer = (struct bench_preparer){
			.aead = m->w->aead,
			.random = i + 1,
			.first = i,
			.step = c->n_queues,
			.stock = malloc(BENCH_QUEUE_PACKETS * sizeof(m->preparer.stock[0])),
		};
		if (!m->preparer.stock)
			return -ENOMEM;
	}
	return 0;
}

int bench_crew_open(struct bench_crew *c, unsigned int n_workers, unsigned int n_peers,
		    enum dp_spread_mode spread, bool offload, uint64_t until_ns, char *error,
		    size_t error_size)
{
	const struct bench_gateway_settings settings = {
		.n_peers = n_peers,
		.n_workers = (uint16_t)n_workers,
		.packet_buffers = bench_crew_buffers(n_workers, n_peers),
		.birth_ns = until_ns, /* a session of the future does not get old before */
		.room = RTE_MIN(n_workers, n_peers) * BENCH_QUEUE_PACKETS,
		.spread = spread,
		.offload = offload,
	};
	int rc;

	memset(c, 0, sizeof(*c));
	rc = bench_gateway_open(&c->g, &settings, error, error_size);
	if (rc != 0)
		return rc;
	c->n_workers = n_workers;
	c->n_queues = RTE_MIN(n_workers, n_peers);
	snprintf(error, error_size, "no memory for %u workers", n_workers);
	rc = open_members(c);
	if (rc != 0)
		bench_crew_close(c);
	return rc;
}

void bench_crew_close(struct bench_crew *c)
{
	if (c->n_workers == 0)
		return;
	for (unsigned int i = 0; c->members && i < c->n_workers; i++) {
		struct bench_preparer *p = &c->members[i].preparer;

		rte_pktmbuf_free_bulk(p->stock, p->n_stock);
		free(p->stock);
	}
	free(c->members);
	bench_gateway_close(&c->g);
	memset(c, 0, sizeof(*c));
}
