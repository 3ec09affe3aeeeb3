/*
 * wgdp-bench compare: results read from files (compare_read.c), the chance in their ratios
 * (compare_ratio.c), what is made of them (compare.c) and printed (compare_print.c). One thread.
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

/* Of B against A; unknown: too few samples, or no ratio. */
enum compare_verdict {
	COMPARE_SAME,
	COMPARE_BETTER,
	COMPARE_WORSE,
	COMPARE_UNKNOWN,
	COMPARE_VERDICTS
};

/* A result that both sides have. */
struct compare_row {
	const struct compare_result *a;
	struct compare_ratio ratio;
	enum compare_verdict verdict;
};

struct comparison {
	const char *filter;
	bool json;
	struct compare_side a, b;
	struct compare_row *rows;
	unsigned int n, verdicts[COMPARE_VERDICTS];
	struct json_t *differences;	/* [what, A's, B's] */
	struct json_t *only_a, *only_b; /* names */
};

/* The table for people, and the JSON object for programs; on standard output. */
void compare_print_table(const struct comparison *c);
/* 0, or -1: it could not be written. */
int compare_print_json(const struct comparison *c);

#endif
