/*
 * The search for the greatest rate with a loss within a goal, as MLRsearch does it
 * (draft-ietf-bmwg-mlrsearch): first short trials, then longer ones, each phase with a narrower
 * goal and starting at the bounds that the one before has found; at the last phase's length each
 * rate is tried several times, and more than half of its trials decide. Several goals share their
 * trials. One thread. What a trial is, the search does not know: it asks for measurements.
 */
#ifndef BENCH_LAB_SEARCH_H
#define BENCH_LAB_SEARCH_H

#include <stdbool.h>

#define LAB_PHASES_MAX 3

struct lab_point {
	double loss;	     /* a ratio */
	double received_pps; /* that the gateway passed on */
	bool short_of_rate; /* the tester could not offer that rate: nothing is known of the gateway
			     */
};

/* Measures at a rate. 0; anything else ends the search, which returns it. */
typedef int (*lab_measure_fn)(void *ctx, double pps, double seconds, struct lab_point *point);

struct lab_search {
	/* Set by the caller. */
	lab_measure_fn measure;
	void *ctx;
	double min_pps, max_pps;
	double width;	     /* goal of (upper - lower) / upper */
	double seconds;	     /* of a trial of the last phase */
	unsigned int repeat; /* trials of a rate in the last phase, at most; odd ones decide best */
	/* The search's. */
	struct lab_measured *measured;
	unsigned int n, room;
	double tester_pps; /* from this rate on the tester could not in this phase; 0: not met */
	double phase_seconds[LAB_PHASES_MAX];
	unsigned int phases;
};

enum lab_ended {
	LAB_ENDED_WIDTH,  /* bounds are as close as asked for */
	LAB_ENDED_MAX,	  /* the greatest rate is within the goal */
	LAB_ENDED_MIN,	  /* the smallest is not */
	LAB_ENDED_TESTER, /* the upper bound is the tester's, not the gateway's */
	LAB_ENDED_EARLY,  /* by what measure() returned: bounds are those until then */
};

struct lab_bound {
	double pps;		/* 0: there is none */
	unsigned int good, bad; /* trials of this length and longer within the goal, and not */
	double received_pps;	/* mean of these trials */
};

struct lab_found {
	enum lab_ended ended;
	struct lab_bound lower, upper; /* the result is the lower one */
	double width;		       /* 1 without a bound */
	double trial_seconds;	       /* of the phase that the bounds are from */
	unsigned int trials;	       /* that this goal took, besides those it shares */
	double seconds;		       /* the sum of these */
};

/* Call before the first goal. min_pps <= max_pps, width and seconds above 0, repeat 1 or more. */
void lab_search_init(struct lab_search *s);
/* 0, or what measure() returned, or -ENOMEM; *found is set in each case. */
int lab_search_goal(struct lab_search *s, double loss, struct lab_found *found);
void lab_search_free(struct lab_search *s);

/* Length of the first phase's trials. */
double lab_search_first_seconds(double seconds);
const char *lab_ended_name(enum lab_ended ended);

#endif
