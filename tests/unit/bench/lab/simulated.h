/* A gateway and a tester that are a function: what the lab's methods are tested with. */
#ifndef TESTS_UNIT_BENCH_LAB_SIMULATED_H
#define TESTS_UNIT_BENCH_LAB_SIMULATED_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/lab/trial.h"

struct simulated {
	double limit_pps;      /* forwards so much, */
	double buffer_packets; /* buffers so many, and loses the rest */
	double soft_from_pps;  /* from here to the limit it loses a share that grows to soft_loss */
	double soft_loss;      /* a ratio; 0: a sharp limit */
	double noise;	       /* so likely a trial loses one packet for no reason */
	double noise_short;    /* so likely the tester is late for no reason */
	double tester_pps;     /* of the tester; 0: no limit */
	double pause_seconds;  /* it stands still, in trials from pause_from on for pause_for */
	unsigned int pause_from, pause_for;
	uint64_t latency_ns;  /* without load; grows with it, tenfold at the limit */
	unsigned int fail_at; /* this trial, from 1, fails with fail_with */
	int fail_with;
	unsigned int interrupt_at; /* this one is interrupted at half its time */
	uint64_t random;	   /* seed; not 0 */
	/* Counted. */
	unsigned int trials;
	double seconds;
	double greatest_pps;
};

/* A lab_trial_fn; ctx is a struct simulated. */
int simulated_trial(void *ctx, const struct lab_trial *trial, struct lab_result *result,
		    char *error, unsigned int error_size);

#endif
