/*
 * A trial: traffic at one rate through a gateway for some time, and what became of it. The methods
 * (searches, latency, recovery, ...) ask for trials and know nothing of ports and keys; the tester
 * (tester.h) runs them and knows nothing of methods.
 */
#ifndef BENCH_LAB_TRIAL_H
#define BENCH_LAB_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/lab/histogram.h"

/* As the gateway sees it. */
enum lab_way {
	LAB_ENCRYPT, /* plain packets in on its inside, WireGuard out */
	LAB_DECRYPT, /* WireGuard in from peers, plain packets out */
	LAB_WAYS,
};

/* What is offered in each way. */
struct lab_load {
	double pps;	  /* packets per second; 0: nothing is offered in this way */
	uint64_t packets; /* ends after so many, 0: by duration (for back-to-back bursts) */
};

struct lab_trial {
	struct lab_load load[LAB_WAYS];
	double seconds;	       /* of offering; then the tester waits for stragglers */
	double settle_seconds; /* how long without any packet until what is missing is lost */
	/* A second flow set of full-size packets beside it, not part of the result's counts but in
	 * bulk_*: for latency under load. 0: none. */
	double bulk_pps;
};

/* Of one way. sent - received is loss; duplicates are not in received. */
struct lab_counts {
	uint64_t wanted; /* what the rate asked for in the time */
	uint64_t sent;	 /* handed to the port, and taken by it */
	uint64_t received;
	uint64_t duplicates;
	uint64_t reordered; /* came after one of its flow with a higher number */
	uint64_t corrupt;   /* came, but not with the contents that were sent */
	uint64_t strange;   /* packets that no flow of the tester has sent */
	double seconds;	    /* from the first sent to the last sent */
	/* The longest time without an arrival while packets were offered: blocked time is this,
	 * less the interval of sending. */
	double longest_gap_seconds;
	struct lab_histogram latency; /* ns, from before sending to after receiving */
};

struct lab_result {
	struct lab_counts way[LAB_WAYS];
	struct lab_counts bulk[LAB_WAYS];
	bool short_of_rate; /* the tester itself could not send at the rate: no result about the
			     * gateway */
	bool interrupted;   /* by Ctrl-C: what there is until then */
};

/*
 * Runs one trial; ctx is the tester. 0, or -errno with a text in error: -ENETDOWN a port has no
 * link, -ENOTCONN the gateway does not answer handshakes, others as they come. Blocks for the time
 * of the trial. Histograms of *result are the caller's to free by lab_result_free().
 */
typedef int (*lab_trial_fn)(void *ctx, const struct lab_trial *trial, struct lab_result *result,
			    char *error, unsigned int error_size);

void lab_result_free(struct lab_result *result);

#endif
