/*
 * Jobs: given by the worker that received the packets (the owner), done by any, taken back by the
 * owner in order. Runs on workers; spread.h tells what for, load.c decides when.
 *
 * Jobs are numbered. `given` counts those that are there, `claimed` those that somebody does or has
 * done: whoever moves it by one, by compare and swap, does that job and no other. `done` of a job
 * hands it back. So a job is done once, the oldest first.
 *
 * What the notes name (sessions, peers, routes) must live until the job is taken back, which is
 * turns later; the worker's own quiescent states can't wait that long, or nothing would ever be
 * freed while a tunnel is busy. So a worker has two more RCU threads, epochs. One that has no jobs
 * passes a quiescent state at the beginning of a turn, before anything is looked up; jobs are
 * counted to one until the other has run empty. As jobs come back in order, both run empty in turn.
 */
#include "dataplane/spread.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include "dataplane/open.h"
#include "dataplane/stages.h"

/* Own jobs that wait to be claimed: with more of them the owner lends a hand. Those who help find
 * the next one ready. */
#define WAITING_MAX 2

static struct dp_job *job_of(struct dp_spread *s, uint64_t number)
{
	return &s->jobs[number % DP_SPREAD_JOBS];
}

static uint64_t given_by(struct dp_spread *s)
{
	return atomic_load_explicit(&s->given, memory_order_acquire);
}

static uint64_t waiting(struct dp_spread *s)
{
	uint64_t claimed = atomic_load_explicit(&s->claimed, memory_order_relaxed);

	return given_by(s) - claimed;
}

/* ---- doing a job ---- */

/* For writing: a line that comes to be read only has to be asked for once more. Compilers leave
 * that instruction out when they build for all CPUs, though all of 64 bits take it. */
static inline void prefetch_write(const void *p)
{
#ifdef __x86_64__
	asm volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/* It comes from another core's cache: what is around the packets, and the beginning of each. */
static void prefetch(const struct dp_batch *b)
{
	for (unsigned int i = 0; i < b->n; i++) {
		prefetch_write(b->pkts[i]);
		prefetch_write(dp_note(b->pkts[i]));
		prefetch_write((const char *)dp_note(b->pkts[i]) + RTE_CACHE_LINE_SIZE);
	}
	for (unsigned int i = 0; i < b->n; i++) {
		const char *at = rte_pktmbuf_mtod(b->pkts[i], const char *);

		prefetch_write(at);
		prefetch_write(at + RTE_CACHE_LINE_SIZE);
	}
}

static void prefetch_job(const struct dp_job *job)
{
	for (size_t off = 0; off < sizeof(job->batch); off += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const char *)job + off);
}

/* Claims the oldest job of the owner that nobody has, and does it. Returns its packets. */
static unsigned int do_one(struct dp_worker *w, struct dp_spread *s)
{
	uint64_t number = atomic_load_explicit(&s->claimed, memory_order_relaxed);
	struct dp_job *job;
	uint64_t begin;
	unsigned int n;

	do {
		if (number >= given_by(s))
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
		&s->claimed, &number, number + 1, memory_order_acq_rel, memory_order_relaxed));
	job = job_of(s, number);
	begin = rte_rdtsc();
	n = job->batch.n;
	if (s != w->spread) {
		prefetch(&job->batch);
		/* Where the next one's packets are, if it will be ours as well. */
		prefetch_job(job_of(s, number + 1));
	}
	if (job->kind == DP_JOB_OPEN)
		dp_open(w->dp, w->aead, &job->batch, job->found);
	else
		dp_seal_burst(w->dp, w->aead, &job->batch, job->found);
	/* Of its own work the owner knows from the clock. */
	job->cycles = s != w->spread ? rte_rdtsc() - begin : 0;
	/* After this it is the owner's again, and may be another job already. */
	atomic_store_explicit(&job->done, number + 1, memory_order_release);
	return n;
}

/* ---- the owner ---- */

static bool room_for(struct dp_spread *s, unsigned int jobs)
{
	return given_by(s) - s->head + jobs <= DP_SPREAD_JOBS;
}

void dp_spread_give(struct dp_worker *w, struct dp_batch *b, enum dp_job_kind kind)
{
	struct dp_spread *s = w->spread;
	uint64_t number = given_by(s);
	struct dp_job *job = job_of(s, number);

	if (unlikely(!room_for(s, 1))) {
		dp_drop(w, b->pkts, b->n, DP_DROP_spread_full);
		return;
	}
	job->batch.n = b->n;
	memcpy(job->batch.pkts, b->pkts, b->n * sizeof(b->pkts[0]));
	job->kind = (uint8_t)kind;
	job->epoch = s->epoch;
	s->in_epoch[s->epoch]++;
	dp_count(&w->spread_given, b->n);
	atomic_store_explicit(&s->given, number + 1, memory_order_release);
}

static bool is_done(struct dp_spread *s, uint64_t number)
{
	return number != given_by(s) &&
	       atomic_load_explicit(&job_of(s, number)->done, memory_order_acquire) == number + 1;
}

/* Asks for what other workers have written of jobs that are done, so that it is here when they are
 * taken back, a turn later: another core's cache may be a microsecond away. */
static void fetch(struct dp_spread *s)
{
	for (; is_done(s, s->fetched); s->fetched++) {
		if (job_of(s, s->fetched)->cycles != 0)
			prefetch(&job_of(s, s->fetched)->batch);
	}
}

/* The oldest job, if it has been fetched. What comes of it may become a job in its turn: a packet
 * out of a tunnel into another. There is room for that, as this one has made room. */
static unsigned int take_back(struct dp_worker *w)
{
	struct dp_spread *s = w->spread;
	struct dp_job *job = job_of(s, s->head);
	uint8_t found[DP_BATCH_MAX];
	uint8_t kind, epoch;
	struct dp_batch b;
	unsigned int n;

	if (s->head == s->fetched)
		return 0;
	n = b.n = job->batch.n;
	memcpy(b.pkts, job->batch.pkts, b.n * sizeof(b.pkts[0]));
	memcpy(found, job->found, sizeof(found));
	kind = job->kind;
	epoch = job->epoch;
	s->load.helped_cycles += job->cycles;
	if (job->cycles != 0) {
		s->load.helped_jobs++;
	} else {
		dp_count(&w->spread_own, n);
		s->load.own_jobs++;
	}
	s->head++;
	if (kind == DP_JOB_OPEN)
		dp_accept(w, &b, found);
	else
		dp_sealed(w, &b, found);
	s->in_epoch[epoch]--;
	return n;
}

static unsigned int take_all_back(struct dp_worker *w)
{
	unsigned int taken = 0, n;

	while ((n = take_back(w)) != 0)
		taken += n;
	return taken;
}

void dp_spread_make_room(struct dp_worker *w)
{
	struct dp_spread *s = w->spread;

	while (unlikely(!room_for(s, DP_SPREAD_ROOM))) {
		fetch(s);
		if (take_back(w) == 0 && do_one(w, s) == 0)
			break; /* another worker has the oldest one */
	}
}

/* ---- epochs, on and off ---- */

static void hold(struct dp_worker *w, bool on)
{
	for (unsigned int e = 0; e < 2; e++) {
		if (on)
			rte_rcu_qsbr_thread_online(w->dp->rcu, dp_spread_thread(w, e));
		else
			rte_rcu_qsbr_thread_offline(w->dp->rcu, dp_spread_thread(w, e));
	}
}

static void pass(struct dp_worker *w)
{
	struct dp_spread *s = w->spread;

	for (unsigned int e = 0; e < 2; e++) {
		if (s->in_epoch[e] != 0)
			continue;
		rte_rcu_qsbr_quiescent(w->dp->rcu, dp_spread_thread(w, e));
		if (s->in_epoch[s->epoch] != 0)
			s->epoch = (uint8_t)e;
	}
}

/* Others look at the workers that give jobs only. */
static void announce(struct dp_worker *w, bool on)
{
	_Atomic uint64_t *mask = &w->dp->spreading[w->id / 64];
	uint64_t bit = UINT64_C(1) << w->id % 64;

	if (on)
		atomic_fetch_or_explicit(mask, bit, memory_order_release);
	else
		atomic_fetch_and_explicit(mask, ~bit, memory_order_release);
	w->spread->announced = on;
}

static void begin_sharing(struct dp_worker *w)
{
	hold(w, true);
	w->spread->on = true;
	dp_count(&w->spread_on, 1);
}

static void end_sharing(struct dp_worker *w)
{
	w->spread->on = false;
	hold(w, false);
	dp_count(&w->spread_off, 1);
}

void dp_spread_begin(struct dp_worker *w)
{
	struct dp_spread *s = w->spread;
	bool wanted = dp_load_wants_spread(w);

	if (likely(!wanted && !s->on))
		return;
	if (!s->on)
		begin_sharing(w);
	/* Nobody takes a job any more once it is not wanted, or they would never all be back. */
	if (wanted != s->announced)
		announce(w, wanted);
	/* Only when all is back: what is not given any more must not overtake. */
	if (!wanted && s->head == given_by(s))
		end_sharing(w);
	else
		pass(w);
}

/* ---- a turn ---- */

/* One job of the first worker on this one's node that has some. */
static unsigned int help(struct dp_worker *w)
{
	struct dp *dp = w->dp;

	for (unsigned int k = 0; k < RTE_DIM(dp->spreading); k++) {
		uint64_t mask = atomic_load_explicit(&dp->spreading[k], memory_order_acquire);

		for (; mask; mask &= mask - 1) {
			struct dp_worker *owner =
				dp->workers[64 * k + (unsigned int)__builtin_ctzll(mask)];
			unsigned int n;

			if (owner == w || owner->node != w->node)
				continue;
			n = do_one(w, owner->spread);
			if (n == 0)
				continue;
			dp_count(&w->spread_helped, n);
			return n;
		}
	}
	return 0;
}

/* Takes back what is done, and does what nobody claims. */
static unsigned int carry_on(struct dp_worker *w, unsigned int taken)
{
	struct dp_spread *s = w->spread;
	/* With nothing else to do, or to come to an end, it does all, and at once. */
	bool goes_on = taken && s->load.wanted;
	unsigned int n = take_all_back(w);

	while (waiting(s) > (goes_on ? WAITING_MAX : 0) && do_one(w, s) != 0)
		;
	fetch(s);
	return goes_on ? n : n + take_all_back(w);
}

unsigned int dp_spread_turn(struct dp_worker *w, unsigned int taken)
{
	struct dp_spread *s = w->spread;
	unsigned int back = s->on ? carry_on(w, taken) : 0;

	s->load.last_took = taken + back > 0;
	if (taken) {
		s->load.busy_turns++;
		s->load.taken += taken;
	}
	return taken + back == 0 ? help(w) : back;
}

void dp_spread_finish(struct dp_worker *w)
{
	struct dp_spread *s = w->spread;

	while (s->head != given_by(s)) {
		fetch(s);
		if (take_back(w) == 0 && do_one(w, s) == 0)
			rte_pause();
	}
	/* While what their notes name is held. */
	dp_tx_finish(w);
	if (s->announced)
		announce(w, false);
	if (s->on)
		end_sharing(w);
}

/* ---- life ---- */

struct dp_spread *dp_spread_new(void)
{
	struct dp_spread *s = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*s));

	if (s != NULL)
		memset(s, 0, sizeof(*s));
	return s;
}

void dp_spread_free(struct dp_spread *s)
{
	if (s == NULL)
		return;
	for (uint64_t number = s->head; number != given_by(s); number++)
		rte_pktmbuf_free_bulk(job_of(s, number)->batch.pkts, job_of(s, number)->batch.n);
	free(s);
}
