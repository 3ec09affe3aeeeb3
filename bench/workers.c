/*
 * wgdp-bench path --workers: how much more several workers do than one. The workers and the rounds
 * of packets that they take through the path are in crew.c. Here: which there are, and what is
 * made of their times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/crew.h"

#define UNIT	     "tsc_cycles/packet"
#define SIZES	     5
#define LOADS	     (2 * SIZES)
#define SAMPLES_MAX  1000
#define BUFFER_BYTES 2816 /* of a packet, with all that belongs to it */
#define WORKER_MB    2	  /* rings */

static const unsigned int sizes[SIZES] = {64, 256, 576, 1420, BENCH_IMIX};

/* One number of workers with one number of peers, and what it is asked for. */
struct bench_case {
	unsigned int n_workers, n_peers;
	struct bench_crew crew; /* open if any result is wanted */
	struct {
		struct bench_result *wall;  /* NULL: not wanted */
		struct bench_result *extra; /* the same; one worker has none */
	} loads[LOADS];
};

struct run {
	const struct bench_options *o;
	struct bench_report report;
	/* By peers, and of each number of peers the one with one worker first. */
	struct bench_case cases[2 * (BENCH_COUNTS_MAX + 1)];
	unsigned int n_cases, n_by_peers;
	unsigned int rounds, disturbed;
};

static struct bench_load load_of(unsigned int i)
{
	return (struct bench_load){.decrypt = i >= SIZES, .size = sizes[i % SIZES]};
}

/* ---- measuring ---- */

/* False: said why on standard error. */
static bool measure(struct run *r, struct bench_case *c, unsigned int i, double *cycles)
{
	const struct bench_load load = load_of(i);
	bool disturbed = false;
	const char *wrong = bench_crew_run(&c->crew, &load, cycles, &disturbed);

	r->rounds++;
	r->disturbed += disturbed;
	if (!wrong)
		return true;
	bench_progress_end();
	fprintf(stderr, "wgdp-bench: %s: no result (%s, %u bytes, %u peer%s, %u worker%s)\n", wrong,
		load.decrypt ? "decrypt" : "encrypt", load.size, c->n_peers,
		c->n_peers == 1 ? "" : "s", c->n_workers, c->n_workers == 1 ? "" : "s");
	bench_crew_print_lost(&c->crew);
	return false;
}

/* One load with all numbers of workers, right after each other. */
static bool sample(struct run *r, struct bench_case *cases, unsigned int i)
{
	const unsigned int n = r->n_by_peers;
	double cycles[BENCH_COUNTS_MAX + 1] = {0};

	for (unsigned int k = 0; k < n; k++) {
		if (cases[k].loads[i].wall && !measure(r, &cases[k], i, &cycles[k]))
			return false;
	}
	for (unsigned int k = 0; k < n; k++) {
		if (cases[k].loads[i].wall)
			bench_sample(cases[k].loads[i].wall, cycles[k]);
		if (cases[k].loads[i].extra)
			bench_sample(cases[k].loads[i].extra,
				     cases[k].n_workers * cycles[k] - cycles[0]);
	}
	return true;
}

static bool sample_all(struct run *r)
{
	double deadline = bench_seconds() + r->o->seconds;

	for (unsigned int k = 0; k < SAMPLES_MAX; k++) {
		for (unsigned int at = 0; at < r->n_cases; at += r->n_by_peers) {
			for (unsigned int i = 0; i < LOADS; i++) {
				if (k > 0 && bench_seconds() >= deadline)
					goto out;
				bench_progress("path: sample %u, %u %%", k + 1,
					       100 * (at / r->n_by_peers * LOADS + i) /
						       (r->n_cases / r->n_by_peers * LOADS));
				if (!sample(r, &r->cases[at], i))
					return false;
			}
		}
	}
out:
	bench_progress_end();
	if (r->disturbed)
		fprintf(stderr,
			"wgdp-bench: something else ran on the workers' CPUs in %u of %u rounds: "
			"with "
			"fewer programs beside it, or nice -n -20, the results are surer\n",
			r->disturbed, r->rounds);
	return true;
}

/* ---- what there is to measure ---- */

static void name_result(char *name, const char *what, const struct bench_case *c, unsigned int i)
{
	const struct bench_load load = load_of(i);
	char size[16];

	snprintf(size, sizeof(size), "%u", load.size);
	snprintf(name, BENCH_NAME_BYTES, "%s/%s/%s/%u-peer%s/%u", what,
		 load.decrypt ? "decrypt" : "encrypt", load.size == BENCH_IMIX ? "imix" : size,
		 c->n_peers, c->n_peers == 1 ? "" : "s", c->n_workers);
}

static bool wanted(const struct run *r, const char *what, const struct bench_case *c,
		   unsigned int i)
{
	char name[BENCH_NAME_BYTES];

	name_result(name, what, c, i);
	return bench_wanted(r->o, name);
}

static struct bench_result *add(struct run *r, const char *what, const struct bench_case *c,
				unsigned int i)
{
	char name[BENCH_NAME_BYTES];

	name_result(name, what, c, i);
	return bench_result(&r->report, UNIT, "%s", name);
}

/* One load with one number of peers: the times in order, then what is spent more. */
static void add_load(struct run *r, struct bench_case *cases, unsigned int i)
{
	const unsigned int n = r->n_by_peers;
	bool walls[BENCH_COUNTS_MAX + 1], extras[BENCH_COUNTS_MAX + 1], any = false;

	for (unsigned int k = 0; k < n; k++) {
		extras[k] = k > 0 && wanted(r, "workers-extra", &cases[k], i);
		walls[k] = extras[k] || wanted(r, "workers", &cases[k], i);
		any |= walls[k];
	}
	walls[0] = any;
	for (unsigned int k = 0; k < n; k++) {
		if (!walls[k])
			continue;
		cases[k].loads[i].wall = add(r, "workers", &cases[k], i);
		if (k > 0)
			cases[k].loads[i].wall->ratio_to = cases[0].loads[i].wall;
	}
	for (unsigned int k = 0; k < n; k++) {
		if (extras[k])
			cases[k].loads[i].extra = add(r, "workers-extra", &cases[k], i);
	}
}

static void add_all(struct run *r)
{
	const unsigned int peers[2] = {1, r->o->peers};

	for (unsigned int p = 0; p < (r->o->peers > 1 ? 2 : 1); p++) {
		struct bench_case *cases = &r->cases[r->n_cases];

		cases[r->n_by_peers = 0].n_workers = 1;
		for (unsigned int k = 0; k < r->o->n_workers; k++) {
			if (r->o->workers[k] != 1)
				cases[++r->n_by_peers].n_workers = r->o->workers[k];
		}
		r->n_by_peers++;
		for (unsigned int k = 0; k < r->n_by_peers; k++)
			cases[k].n_peers = peers[p];
		r->n_cases += r->n_by_peers;
		for (unsigned int i = 0; i < LOADS; i++)
			add_load(r, cases, i);
	}
}

/* ---- set up ---- */

static bool is_wanted(const struct bench_case *c)
{
	bool any = false;

	for (unsigned int i = 0; i < LOADS; i++)
		any |= c->loads[i].wall != NULL;
	return any;
}

static bool open_eal(struct run *r)
{
	uint64_t bytes = 0;
	unsigned int most = 1, cpus = bench_cpus();

	for (unsigned int i = 0; i < r->n_cases; i++) {
		const struct bench_case *c = &r->cases[i];

		if (!is_wanted(c))
			continue;
		most = c->n_workers > most ? c->n_workers : most;
		bytes += (uint64_t)bench_crew_buffers(c->n_workers, c->n_peers) * BUFFER_BYTES;
		bytes += (uint64_t)c->n_workers * WORKER_MB << 20;
	}
	if (most <= cpus)
		return bench_eal_lcores(most, (unsigned int)(bytes >> 20), &r->report.hugepages);
	fprintf(stderr,
		"wgdp-bench: %u workers need a CPU each, and this program may use %u CPU%s (see "
		"taskset(1)): ask for fewer with --workers\n",
		most, cpus, cpus == 1 ? "" : "s");
	return false;
}

static uint64_t boottime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * WG_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static bool open_crews(struct run *r)
{
	/* Not in the time that is asked for: making them, and the first sample. */
	const uint64_t until_ns = boottime_ns() + 2 * r->o->seconds * WG_NS_PER_S;
	char error[256] = "";

	for (unsigned int i = 0; i < r->n_cases; i++) {
		struct bench_case *c = &r->cases[i];

		if (is_wanted(c) && bench_crew_open(&c->crew, c->n_workers, c->n_peers, until_ns,
						    error, sizeof(error)) != 0) {
			fprintf(stderr, "wgdp-bench: %s\n", error);
			return false;
		}
	}
	return true;
}

int bench_workers(const struct bench_options *o)
{
	static struct run r;
	int status = EXIT_FAILURE;

	r.o = o;
	r.report.bench = "path";
	add_all(&r);
	if (r.report.n == 0) {
		fprintf(stderr, "wgdp-bench: no result has a name like %s\n", o->filter);
		goto out;
	}
	if (open_eal(&r) && open_crews(&r) && sample_all(&r) && bench_print(&r.report, o) == 0)
		status = EXIT_SUCCESS;
out:
	for (unsigned int i = 0; i < r.n_cases; i++)
		bench_crew_close(&r.cases[i].crew);
	bench_report_free(&r.report);
	return status;
}
