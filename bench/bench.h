/*
 * wgdp-bench: what every subcommand shares. A subcommand names its results, adds samples to them in
 * rounds (so that what is compared alternates), and has them printed. One thread.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_SAMPLES_MAX 31
#define BENCH_NAME_BYTES  64

struct bench_options {
	bool json;
	const char *filter;   /* shell pattern of result names; NULL: all */
	unsigned int seconds; /* the whole run takes about this long at most */
	unsigned int peers;   /* of the case with many */
};

struct bench_result {
	char name[BENCH_NAME_BYTES];
	const char *unit;
	struct bench_result *ratio_to; /* how many times faster than that; NULL: no ratio */
	unsigned int n;
	double samples[BENCH_SAMPLES_MAX];
};

struct bench_report {
	const char *bench;
	bool hugepages;
	struct bench_result **results;
	unsigned int n, room;
};

/* Is a result of that name asked for? */
bool bench_wanted(const struct bench_options *o, const char *name);

/* Ends the program if memory is short. The result is the report's. */
struct bench_result *bench_result(struct bench_report *r, const char *unit, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Samples of two results that stand in a ratio are added in the same rounds. */
void bench_sample(struct bench_result *result, double value);
/* The table or the JSON object, on standard output. 0 or -errno (of writing). */
int bench_print(const struct bench_report *r, const struct bench_options *o);
void bench_report_free(struct bench_report *r);

/* One line on standard error that the next one overwrites, if that is a terminal. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_progress_end(void);

/* CLOCK_MONOTONIC. */
double bench_seconds(void);

/* Starts EAL on one CPU without devices; says on standard error why not. Hugepages if there are. */
bool bench_eal(bool *hugepages);

/* Subcommands: exit status. */
int bench_path(const struct bench_options *o);

#endif
