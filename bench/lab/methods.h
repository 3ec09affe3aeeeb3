/*
 * The methods of wgdp-bench rfc2544: what they share. A method asks for trials (lab_trial_fn) and
 * adds what it concludes to the results; it knows neither ports nor keys, so that it can be tested
 * with a gateway that is a function. One thread, the tester's. The layout of trials and results:
 * wgdp-bench(1), RFC2544 AS JSON.
 */
#ifndef BENCH_LAB_METHODS_H
#define BENCH_LAB_METHODS_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "bench/lab/search.h"
#include "bench/lab/trial.h"

#define LAB_ERROR_BYTES 512
#define LAB_IDLE_PPS	100.0 /* "no load": a few packets per second */
#define LAB_UNKNOWN_PPS 50e6  /* offered first where no line says how much it takes */
#define LAB_MIN_PPS	10.0  /* where a search gives up */
#define LAB_WAY(way)	(1u << (way))
#define LAB_WAY_BOTH	(LAB_WAY(LAB_ENCRYPT) | LAB_WAY(LAB_DECRYPT))

/* What the user asked for. Rates are of one way. */
struct lab_settings {
	double rate;	 /* instead of a found one; 0: as found */
	double max_rate; /* of searches; 0: what the line takes, or the tester */
	double seconds;	 /* of a soak */
	double trial_seconds;
	double settle_seconds;
	unsigned int repeat;
	double loss;	    /* PDR's goal, a ratio */
	double width;	    /* of searches, relative */
	const char *during; /* command of the method reconfiguration */
	cpu_set_t cpus;	    /* that it may run on */
};

/* Of the size and way that are being measured. 0: not found, or not asked for. */
struct lab_found_rates {
	double top; /* what the tester can offer, up to what it may */
	double ndr, pdr;
	bool searched; /* zeros above mean that there is no such rate */
};

struct lab_run {
	/* Set by the caller. */
	lab_trial_fn trial;
	void *tester;
	struct lab_settings settings;
	void (*progress)(const char *text); /* NULL: none */
	/* Arrays and objects of the JSON; made by lab_run_init(). */
	json_t *trials, *results;
	/* Of the moment: set by the caller for each size and way, found by methods. */
	unsigned int ways;    /* of LAB_WAY() */
	unsigned int size;    /* 0: IMIX */
	double line_pps;      /* that the line takes in these ways; 0: unknown */
	double bulk_line_pps; /* the same in packets of the bulk flow's size */
	struct lab_found_rates found;
	const char *method;
	char what[64]; /* for the progress line: which step */
	char error[LAB_ERROR_BYTES];
};

struct lab_method {
	const char *name;
	/* 0; -EINTR: interrupted; -errno with a sentence in r->error. What was measured until then
	 * is in r->results in each case. */
	int (*run)(struct lab_run *r);
	const char *summary;
};

/* In the order in which they run, as later ones use what earlier ones found. */
extern const struct lab_method lab_methods[];
extern const unsigned int lab_n_methods;

int lab_throughput(struct lab_run *r);
int lab_loss(struct lab_run *r);
int lab_back_to_back(struct lab_run *r);
int lab_latency(struct lab_run *r);
int lab_recovery(struct lab_run *r);
int lab_soak(struct lab_run *r);
int lab_reconfiguration(struct lab_run *r);
int lab_bulk(struct lab_run *r);

/* ---- for methods ---- */

/* 0 or -ENOMEM. */
int lab_run_init(struct lab_run *r);
void lab_run_free(struct lab_run *r);
/* "encrypt", "decrypt", "both". */
const char *lab_ways_name(unsigned int ways);

/* Each way of the run at that rate. */
struct lab_trial lab_trial_at(const struct lab_run *r, double pps, double seconds);
/* Runs the trial and records it. As lab_trial_fn, and -EINTR if interrupted; frees nothing:
 * lab_result_free() in each case. */
int lab_run_trial(struct lab_run *r, const struct lab_trial *trial, struct lab_result *result);
/* The same, but repeated if the tester was short of the rate: a few times, then it stays so. */
int lab_run_held_trial(struct lab_run *r, const struct lab_trial *trial, struct lab_result *result);
/* The greatest rate that the tester can offer, into r->found.top: measured if it was not. */
int lab_run_top(struct lab_run *r);
/* For a method that needs a rate: the user's, or the one found (ndr or pdr), times share. 0: there
 * is none, and the results say that the method was left out, and why. */
double lab_run_rate(struct lab_run *r, double found, double share);
/* Adds to the results that the method was left out, and why. Returns 0. */
int lab_run_skip(struct lab_run *r, const char *why);

/* What is of interest in a result, over the ways with a load. */
struct lab_sums {
	uint64_t sent, received, lost;
	double loss;	     /* the worst way's */
	double received_pps; /* the slowest way's */
	double held;	     /* the least share of what was wanted that was sent */
	double gap_seconds;  /* the longest */
};

struct lab_sums lab_sum(const struct lab_counts way[LAB_WAYS]);

/* Adds to r->results an entry of the method; NULL if memory is short. Each has the way and size. */
json_t *lab_result_add(struct lab_run *r);
/* Adds "latency" with the percentiles of all ways of the result together. */
void lab_result_latency(json_t *entry, const struct lab_counts way[LAB_WAYS]);
void lab_result_histogram(json_t *entry, const struct lab_histogram *h);
/* Adds "loss" and "valid". */
void lab_result_loss(json_t *entry, const struct lab_result *result);

/* Bytes, or "imix". */
json_t *lab_size_json(unsigned int size);
json_t *lab_trial_json(const struct lab_run *r, const struct lab_trial *trial,
		       const struct lab_result *result);

#endif
