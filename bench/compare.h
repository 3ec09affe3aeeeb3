/*
 * wgdp-bench compare: results read from files (compare_read.c), the chance in their ratios
 * (compare_ratio.c) and what is printed of them (compare.c). One thread.
 */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include <stdbool.h>

#define COMPARE_RUNS_MAX 16 /* files of one side */

struct json_t;

/* Samples of one run, in the order in which they were taken. */
struct compare_run {
	double *values;
	unsigned int n;
};

struct compare_result {
	char *name, *unit;
	struct compare_run runs[COMPARE_RUNS_MAX];
	unsigned int n_runs;
};

/* One side: a file, or several of the same kind. */
struct compare_side {
	char *bench;
	struct {
		char *path;
		struct json_t *machine, *settings;
		bool partial;
	} files[COMPARE_RUNS_MAX];
	unsigned int n_files;
	struct compare_result *results;
	unsigned int n;
};

/* paths: with commas between. False: said on standard error which file is wrong, and where. */
bool compare_read(struct compare_side *side, const char *paths);
void compare_side_free(struct compare_side *side);
/* NULL: the side has none of that name. */
struct compare_result *compare_find(const struct compare_side *side, const char *name);

struct compare_ratio {
	double a, b;	  /* medians over all samples */
	double ratio;	  /* b / a; 0: there is none, for a median is not positive */
	double low, high; /* its 95 % confidence interval; both 0: too few samples for one */
};

/* Takes from the heap; ends the program if memory is short. The same samples give the same. */
struct compare_ratio compare_ratio(const struct compare_result *a, const struct compare_result *b);

#endif
