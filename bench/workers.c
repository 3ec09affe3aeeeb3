/*
 * wgdp-bench path --workers: how much more several workers do than one. The workers and the rounds
 * of packets that they take through the path are in crew.c. Here: which there are, and what is
 * made of their times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_lcore.h>

#include "bench/bench.h"
#include "bench/crew.h"
#include "bench/distance.h"

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
	enum dp_spread_mode spread;
	const char *wall_name;	/* NULL: there is no such result */
	const char *extra_name; /* the same */
	struct bench_crew crew; /* open if any result is wanted */
	struct {
		struct bench_result *wall;  /* NULL: not wanted */
		struct bench_result *extra; /* the same */
	} loads[LOADS];
};

/* All with one number of peers: the first one is what the others are compared with. */
struct group {
	struct bench_case cases[BENCH_COUNTS_MAX + 2];
	unsigned int n;
};

struct run {
	const struct bench_options *o;
	struct bench_report report;
	struct group groups[2];
	unsigned int n_groups;
	unsigned int rounds, disturbed;
	struct bench_result *distance; /* NULL: one worker only */
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

static bool is_measured(const struct bench_case *c, unsigned int i)
{
	return c->loads[i].wall || c->loads[i].extra;
}

/* One load with all numbers of workers, right after each other. */
static bool sample(struct run *r, struct group *g, unsigned int i)
{
	double cycles[BENCH_COUNTS_MAX + 2] = {0};

	for (unsigned int k = 0; k < g->n; k++) {
		if (is_measured(&g->cases[k], i) && !measure(r, &g->cases[k], i, &cycles[k]))
			return false;
	}
	for (unsigned int k = 0; k < g->n; k++) {
		const struct bench_case *c = &g->cases[k];

		if (c->loads[i].wall)
			bench_sample(c->loads[i].wall, cycles[k]);
		if (c->loads[i].extra)
			bench_sample(c->loads[i].extra, c->n_workers * cycles[k] - cycles[0]);
	}
	return true;
}

static void print_disturbed(const struct run *r)
{
	if (r->disturbed)
		fprintf(stderr,
			"wgdp-bench: something else ran on the workers' CPUs in %u of %u rounds: "
			"with "
			"fewer programs beside it, or nice -n -20, the results are surer\n",
			r->disturbed, r->rounds);
}

static bool sample_all(struct run *r)
{
	const unsigned int all = r->n_groups * LOADS;
	double deadline = bench_seconds() + r->o->seconds;

	for (unsigned int k = 0; k < SAMPLES_MAX * all; k++) {
		if (bench_stopped() || (k >= all && bench_seconds() >= deadline))
			break;
		bench_progress("path: sample %u, %u %%", k / all + 1, 100 * (k % all) / all);
		if (r->distance)
			bench_sample(r->distance, bench_distance_cycles(1));
		if (!sample(r, &r->groups[k % all / LOADS], k % LOADS))
			return false;
	}
	bench_progress_end();
	print_disturbed(r);
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

	if (!what)
		return false;
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

/* One load: the times in order, then what is spent more. What is compared is there, too. */
static void add_load(struct run *r, struct group *g, unsigned int i)
{
	bool walls[BENCH_COUNTS_MAX + 2], extras[BENCH_COUNTS_MAX + 2], any = false;

	for (unsigned int k = 0; k < g->n; k++) {
		const struct bench_case *c = &g->cases[k];

		extras[k] = wanted(r, c->extra_name, c, i);
		walls[k] = c->wall_name && (extras[k] || wanted(r, c->wall_name, c, i));
		any |= walls[k] || extras[k];
	}
	walls[0] = any;
	for (unsigned int k = 0; k < g->n; k++) {
		struct bench_case *c = &g->cases[k];

		if (walls[k])
			c->loads[i].wall = add(r, c->wall_name, c, i);
		if (walls[k] && k > 0)
			c->loads[i].wall->ratio_to = g->cases[0].loads[i].wall;
	}
	for (unsigned int k = 0; k < g->n; k++) {
		if (extras[k])
			g->cases[k].loads[i].extra = add(r, g->cases[k].extra_name, &g->cases[k],
							 i);
	}
}

static void add_group(struct run *r, unsigned int n_peers)
{
	struct group *g = &r->groups[r->n_groups++];
	bool spread = n_peers == 1;

	/* One worker alone does not share anything out unless it is told to. */
	g->cases[g->n++] = (struct bench_case){
		.n_workers = 1, .spread = DP_SPREAD_NEVER, .wall_name = "workers"};
	for (unsigned int k = 0; k < r->o->n_workers; k++) {
		if (r->o->workers[k] == 1)
			continue;
		g->cases[g->n++] = (struct bench_case){
			.n_workers = r->o->workers[k],
			/* Rounds are too short for a worker to see that it is full. */
			.spread = spread ? DP_SPREAD_ALWAYS : DP_SPREAD_AUTO,
			.wall_name = "workers",
			.extra_name = "workers-extra",
		};
	}
	if (spread)
		g->cases[g->n++] = (struct bench_case){
			.n_workers = 1, .spread = DP_SPREAD_ALWAYS, .extra_name = "spread-alone"};
	for (unsigned int k = 0; k < g->n; k++)
		g->cases[k].n_peers = n_peers;
	for (unsigned int i = 0; i < LOADS; i++)
		add_load(r, g, i);
}

/* ---- set up ---- */

static bool is_wanted(const struct bench_case *c)
{
	bool any = false;

	for (unsigned int i = 0; i < LOADS; i++)
		any |= is_measured(c, i);
	return any;
}

/* What a group needs of DPDK's memory, and of CPUs. */
static void add_needs(const struct group *g, uint64_t *bytes, unsigned int *cpus)
{
	for (unsigned int k = 0; k < g->n; k++) {
		const struct bench_case *c = &g->cases[k];

		if (!is_wanted(c))
			continue;
		*cpus = c->n_workers > *cpus ? c->n_workers : *cpus;
		*bytes += (uint64_t)bench_crew_buffers(c->n_workers, c->n_peers) * BUFFER_BYTES;
		*bytes += (uint64_t)c->n_workers * WORKER_MB << 20;
	}
}

static bool open_eal(struct run *r)
{
	unsigned int most = 1, cpus = bench_cpus();
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < r->n_groups; i++)
		add_needs(&r->groups[i], &bytes, &most);
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

static bool open_crews(struct run *r, struct group *g)
{
	/* Not in the time that is asked for: making them, and the first sample. */
	const uint64_t until_ns = boottime_ns() + 2 * r->o->seconds * WG_NS_PER_S;
	char error[256] = "";

	for (unsigned int k = 0; k < g->n; k++) {
		struct bench_case *c = &g->cases[k];

		if (is_wanted(c) &&
		    bench_crew_open(&c->crew, c->n_workers, c->n_peers, c->spread,
				    !r->o->no_offload, until_ns, error, sizeof(error)) != 0) {
			fprintf(stderr, "wgdp-bench: %s\n", error);
			return false;
		}
	}
	return true;
}

static void close_crews(struct group *g)
{
	for (unsigned int k = 0; k < g->n; k++)
		bench_crew_close(&g->cases[k].crew);
}

int bench_workers(const struct bench_options *o)
{
	static struct run r;
	int status = EXIT_FAILURE;

	r.o = o;
	r.report.bench = "path";
	add_group(&r, 1);
	if (o->peers > 1)
		add_group(&r, o->peers);
	if (!bench_any(&r.report, o))
		goto out;
	if (!open_eal(&r))
		goto out;
	if (rte_lcore_count() > 1)
		r.distance = bench_result(&r.report, "tsc_cycles", "distance/2");
	for (unsigned int i = 0; i < r.n_groups; i++) {
		if (!open_crews(&r, &r.groups[i]))
			goto out;
	}
	if (sample_all(&r) && bench_print(&r.report, o) == 0)
		status = EXIT_SUCCESS;
out:
	for (unsigned int i = 0; i < r.n_groups; i++)
		close_crews(&r.groups[i]);
	bench_report_free(&r.report);
	return status;
}
