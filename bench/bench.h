/*
 * wgdp-bench: what every subcommand shares. A subcommand names its results, adds samples to them in
 * rounds (so that what is compared alternates), and has them printed. One thread.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_NAME_BYTES  64
#define BENCH_NOTE_BYTES  96
#define BENCH_WORKERS_MAX 128
#define BENCH_COUNTS_MAX  16
#define BENCH_DEVICES_MAX 4

struct json_t;

struct bench_options {
	bool json;
	const char *filter;   /* shell pattern of result names; NULL: all */
	unsigned int seconds; /* the whole run takes about this long at most */
	unsigned int peers;   /* as the subcommand understands them */
	bool no_offload;      /* path: ports do no checksums */
	/* path: numbers of workers, ascending; none: stages on one CPU */
	unsigned int workers[BENCH_COUNTS_MAX], n_workers;
};

struct bench_result {
	char name[BENCH_NAME_BYTES];
	const char *unit;
	struct bench_result *ratio_to; /* how many times faster than that; NULL: no ratio */
	unsigned int n, room;
	double *samples;
	char note[BENCH_NOTE_BYTES]; /* why it was left out; "": it was not */
};

struct bench_report {
	const char *bench;
	bool hugepages;
	double core_per_tsc; /* core cycles per TSC cycle; 0: not measured */
	struct bench_result **results;
	unsigned int n, room;
	struct bench_summary *summary; /* in the order of bench_summarise() */
	unsigned int n_summary;
};

struct bench_summary {
	char what[BENCH_NAME_BYTES];
	const struct bench_result *result, *to;
};

/* Is a result of that name asked for? */
bool bench_wanted(const struct bench_options *o, const char *name);

/* Ends the program if memory is short. The result is the report's. */
struct bench_result *bench_result(struct bench_report *r, const char *unit, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Is there a result at all? If not, it says so on standard error. */
bool bench_any(const struct bench_report *r, const struct bench_options *o);
/* Samples of two results that stand in a ratio are added in the same rounds. */
void bench_sample(struct bench_result *result, double value);
/* The nearest rank; of at least one sample. */
double bench_percentile(const struct bench_result *result, unsigned int percent);
/* How many times faster than ratio_to: the median over the rounds, and the ratio of the p5s. */
double bench_ratio(const struct bench_result *result);
double bench_ratio_p5(const struct bench_result *result);
/* A line at the end that repeats the ratio of a result, or says one to another result. */
void bench_summarise(struct bench_report *r, const struct bench_result *result, const char *format,
		     ...) __attribute__((format(printf, 3, 4)));
void bench_summarise_against(struct bench_report *r, const struct bench_result *result,
			     const struct bench_result *to, const char *what);
/* The table or the JSON object, on standard output. 0 or -errno (of writing). */
int bench_print(const struct bench_report *r, const struct bench_options *o);
void bench_report_free(struct bench_report *r);

/* What these begin with, for a subcommand that prints by itself: the machine. */
void bench_print_machine(const struct bench_report *r);
struct json_t *bench_machine_json(const struct bench_report *r);
/* What was asked for. NULL: out of memory, for both. */
struct json_t *bench_settings_json(const struct bench_options *o);

/* From now on SIGINT and SIGTERM ask for an early end: what loops over samples looks at
 * bench_stopped(), and what there is then is printed, marked partial. */
void bench_catch_stop(void);
bool bench_stopped(void);

/* One line on standard error that the next one overwrites, if that is a terminal. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_progress_end(void);

/* CLOCK_MONOTONIC. */
double bench_seconds(void);

/* Starts EAL on one CPU without devices; says on standard error why not. Hugepages if there are. */
bool bench_eal(bool *hugepages);
/* The same with n lcores, numbered from 0, on a CPU each, and so much memory for packets more. */
bool bench_eal_lcores(unsigned int n, unsigned int megabytes, bool *hugepages);
/* The same as bench_eal() for a program that opens so many devices, BENCH_DEVICES_MAX at most: PCI
 * addresses, vdevs or interfaces of Linux, as the gateway takes them. Others are not touched. */
bool bench_eal_devices(const char *const *devices, unsigned int n, unsigned int megabytes,
		       bool *hugepages);
/* CPUs that the program may use. */
unsigned int bench_cpus(void);

/* Subcommands: exit status. */
int bench_path(const struct bench_options *o);
int bench_workers(const struct bench_options *o); /* path, if there are numbers of workers */
int bench_crypto(const struct bench_options *o);
int bench_timing(const struct bench_options *o);
int bench_lookup(const struct bench_options *o);
/* With a command line of its own (argv[0]: "rfc2544"); lab/rfc2544.c. */
int bench_rfc2544(int argc, char **argv);
int bench_handshakes(const struct bench_options *o);
/* Of files, not of the machine: with a command line of its own (argv[0]: "compare"). */
int bench_compare(int argc, char **argv);

extern const char bench_handshakes_help[], bench_compare_help[];

#endif
