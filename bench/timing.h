/*
 * wgdp-bench timing: what the test (timing.c) and its targets (timing_targets.c) share. One thread.
 */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timing_expect {
	TIMING_EQUAL, /* the classes take the same time */
	TIMING_LEAK,  /* they don't: shows that the test can see such a thing */
	/*
	 * The classes differ in what is not secret: which packets are wrong. No slow path may hang
	 * on that: the second class takes the time of zeroing() more at most, and some percent.
	 */
	TIMING_BOUNDED,
};

struct timing_target {
	const char *what;
	const char *classes; /* the first against the second */
	enum timing_expect expect;
	size_t input_bytes; /* TIMING_INPUT_BYTES at most */
	/* Makes one input of the first or the second class. Not timed. */
	void (*make)(const struct timing_target *t, void *input, bool second);
	/* What is timed; input may be written to. False: the function failed. */
	bool (*run)(const struct timing_target *t, void *input);
	/* TIMING_BOUNDED: what zeroing the wrong packets takes, in TSC cycles; NULL: 0. */
	double (*zeroing)(const struct timing_target *t);
	void *state;
	char name[64]; /* what, and of which back end */
};

#define TIMING_INPUT_BYTES 16384
#define TIMING_TARGETS_MAX 64

/* Fills targets, what this CPU can run; returns how many. 0: said why not on standard error. */
unsigned int timing_targets_open(struct timing_target targets[TIMING_TARGETS_MAX]);
void timing_targets_close(void);

/* Fast random bytes, for inputs; the same ones in each run of the program. */
void timing_random(void *out, size_t bytes);

#endif
