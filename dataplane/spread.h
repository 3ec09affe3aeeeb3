/*
 * One fat tunnel over several workers. The worker that receives it hands the ciphers' work to
 * whoever is idle, a batch at a time (a job: dp_open() or dp_seal_burst()), and takes the batches
 * back in the order in which it gave them: everything that is moved by packets, counted and sent is
 * its own, as ever, and a flow is never reordered. Nobody waits: jobs that no one takes it does
 * itself, and a job that another worker holds for long only makes the queue grow, up to its end.
 *
 * Jobs are on while a worker is full and most of its packets are of one peer, or while it receives
 * for others because a device has too few queues, or no RSS: load.c. Runs on workers.
 */
#ifndef DATAPLANE_SPREAD_H
#define DATAPLANE_SPREAD_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include "dataplane/batch.h"
#include "dataplane/worker.h"

#define DP_SPREAD_JOBS 64 /* of one worker, given and not yet taken back; a power of two */
/* What one polled batch can become: messages to open, packets to seal, for each way that a batch
 * off a ring can join. */
#define DP_SPREAD_ROOM 4

enum dp_job_kind { DP_JOB_OPEN, DP_JOB_SEAL };

struct dp_job {
	/* the owner writes before it publishes; whoever does the job writes found and cycles */
	struct dp_batch batch;
	uint8_t found[DP_BATCH_MAX]; /* enum dp_opened or dp_sealed */
	uint8_t kind;		     /* enum dp_job_kind */
	uint8_t epoch;		     /* which of the owner's two holds what the notes name */
	uint64_t cycles;	     /* TSC, that it took */
	_Atomic uint64_t done;	     /* the job's number + 1, when that is so; release, acquire */
};

/* How full a worker is, and of what: its own, in windows of some ms. See load.c. */
struct dp_load {
	uint64_t began_ns, turn_ns; /* of the window, of the last turn */
	uint64_t busy_ns;	    /* in turns that took packets */
	uint64_t busy_turns, taken; /* those turns, and the packets of them */
	uint64_t helped_cycles, helped_jobs, own_jobs;
	/* a vote for the peer with most packets (Boyer and Moore's), and the share of the winner of
	 * the window before; peers are compared, never looked into */
	const struct dp_peer *candidate, *fat;
	uint64_t votes, of_fat, of_all;
	unsigned int quiet, alone; /* windows in a row that say: no longer needed; nobody helps */
	unsigned int hold_off;	   /* windows before it may be switched on again */
	bool last_took;
	bool wanted;
};

struct dp_spread {
	/* the owner */
	bool on;	/* work is given as jobs, and both epochs are online */
	bool announced; /* others are told to look here */
	uint8_t epoch;
	unsigned int in_epoch[2]; /* jobs not yet taken back */
	uint64_t head;		  /* the job that is taken back next */
	uint64_t fetched;	  /* jobs below are done, and what they hold has been asked for */
	struct dp_load load;
	/* the owner writes, others read */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint64_t given; /* jobs below are there; release */
	/* all: compare and swap, once per job */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint64_t claimed; /* jobs below are taken */
	alignas(RTE_CACHE_LINE_SIZE) struct dp_job jobs[DP_SPREAD_JOBS];
};

/* Does this worker give its work as jobs now? */
static inline bool dp_spreads(const struct dp_worker *w)
{
	return w->spread->on;
}

/* Packets of a batch that go through the ciphers, nearly all or many of this peer. */
static inline void dp_load_sample(struct dp_worker *w, const struct dp_peer *peer, unsigned int n)
{
	struct dp_load *l = &w->spread->load;

	l->of_all += n;
	if (peer == l->fat)
		l->of_fat += n;
	if (peer == l->candidate) {
		l->votes += n;
	} else if (l->votes >= n) {
		l->votes -= n;
	} else {
		l->candidate = peer;
		l->votes = n - l->votes;
	}
}

/* The batch as a job. When there is no room, its packets are dropped: see dp_spread_turn(). */
void dp_spread_give(struct dp_worker *w, struct dp_batch *b, enum dp_job_kind kind);

/* At the beginning of a turn, before anything is looked up: switches on and off. */
void dp_spread_begin(struct dp_worker *w);
/* Before a batch is polled: makes room for the jobs that can come of it, as far as it can. */
void dp_spread_make_room(struct dp_worker *w);
/* At the end of a turn that took this many packets: takes back what is done, does own jobs that
 * nobody took; or, if there was nothing at all, a job of another worker. Returns packets. */
unsigned int dp_spread_turn(struct dp_worker *w, unsigned int taken);
/* The end of a worker: takes everything back, and sends all that it has. Waits for jobs that others
 * have begun, and for locks. */
void dp_spread_finish(struct dp_worker *w);

/* Control, before workers run and after they have ended. NULL: out of memory. */
struct dp_spread *dp_spread_new(void);
/* Frees the packets in it, too. NULL is allowed. */
void dp_spread_free(struct dp_spread *s);

/* load.c: looks at the window that ends, if one does; returns whether jobs should be on. */
bool dp_load_wants_spread(struct dp_worker *w);

/* RCU: worker i is thread i, and its two epochs are these. */
static inline unsigned int dp_spread_thread(const struct dp_worker *w, unsigned int epoch)
{
	return w->dp->n_workers + 2u * w->id + epoch;
}

#endif
