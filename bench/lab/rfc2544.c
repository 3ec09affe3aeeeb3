/*
 * wgdp-bench rfc2544: opens the tester, runs the methods for each size and way, prints what they
 * found. One thread, the tester's. The command line: rfc2544_options.c; methods: methods*.c;
 * tables: rfc2544_table.c; the tester: tester.h.
 */
#include "bench/lab/rfc2544.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

#define STATUS_INTERRUPTED 130 /* as shells have it */
#define PACKETS_MB	   256 /* for packet buffers */

struct session {
	struct lab_command c;
	struct lab_tester *tester;
	struct lab_run run;
	struct bench_report report;		  /* the machine only */
	double line_pps[LAB_SIZES_MAX][LAB_WAYS]; /* 0: unknown */
	double bulk_line_pps[LAB_WAYS];
};

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
	stopped = 1;
}

/* The first Ctrl-C ends the trial, a second one the program. */
static void catch_stop(void)
{
	struct sigaction action = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void progress(const char *text)
{
	bench_progress("%s", text);
}

static int print_config(const struct lab_command *c)
{
	char error[LAB_ERROR_BYTES];

	if (lab_tester_config(&c->tester, &c->config, stdout, error, sizeof(error)) != 0) {
		lab_wrong("%s", error);
		return EXIT_FAILURE;
	}
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- lines ---- */

/* Of several ways the slower one's. */
static double slower(const double line_pps[LAB_WAYS], unsigned int ways)
{
	double pps = 0;

	for (unsigned int i = 0; i < LAB_WAYS; i++) {
		if ((ways & LAB_WAY(i)) && line_pps[i] > 0 && (pps == 0 || line_pps[i] < pps))
			pps = line_pps[i];
	}
	return pps;
}

static bool line_of(struct session *s, unsigned int size, double line_pps[LAB_WAYS])
{
	char error[LAB_ERROR_BYTES];

	if (lab_tester_set_size(s->tester, (uint16_t)size, error, sizeof(error)) != 0)
		return lab_wrong("%s", error);
	for (unsigned int i = 0; i < LAB_WAYS; i++)
		line_pps[i] = lab_tester_line_pps(s->tester, (enum lab_way)i);
	return true;
}

/* Before anything is measured, for all that will be. */
static bool check_lines(struct session *s)
{
	const struct lab_settings *set = &s->c.settings;
	double rate = fmax(set->rate, set->max_rate);

	if (!line_of(s, s->c.tester.tunnel_mtu, s->bulk_line_pps))
		return false;
	for (unsigned int i = 0; i < s->c.n_sizes; i++) {
		if (!line_of(s, s->c.sizes[i], s->line_pps[i]))
			return false;
		for (unsigned int k = 0; k < s->c.n_ways; k++) {
			double line = slower(s->line_pps[i], s->c.ways[k]);

			if (line > 0 && rate > line)
				return lab_wrong("a rate of %.0f packets/s is above what the line "
						 "takes: %.0f of this size (%s %u); choose a lower "
						 "--%s",
						 rate, line, lab_ways_name(s->c.ways[k]),
						 s->c.sizes[i],
						 set->rate > line ? "rate" : "max-rate");
		}
	}
	return true;
}

/* ---- the run ---- */

static int run_methods(struct session *s)
{
	struct lab_run *r = &s->run;
	int rc = 0;

	for (unsigned int i = 0; i < lab_n_methods && rc == 0; i++) {
		if (!(s->c.methods & (1u << i)))
			continue;
		r->method = lab_methods[i].name;
		rc = lab_methods[i].run(r);
		/* Between trials nobody else looks. */
		if (rc == 0 && stopped)
			rc = -EINTR;
	}
	return rc;
}

static int run_all(struct session *s)
{
	struct lab_run *r = &s->run;
	int rc = 0;

	for (unsigned int i = 0; i < s->c.n_sizes && rc == 0; i++) {
		r->size = s->c.sizes[i];
		rc = lab_tester_set_size(s->tester, (uint16_t)r->size, r->error, sizeof(r->error));
		for (unsigned int k = 0; k < s->c.n_ways && rc == 0; k++) {
			r->ways = s->c.ways[k];
			r->line_pps = slower(s->line_pps[i], r->ways);
			r->bulk_line_pps = slower(s->bulk_line_pps, r->ways);
			r->found = (struct lab_found_rates){0};
			rc = run_methods(s);
		}
	}
	bench_progress_end();
	return rc;
}

/* ---- output ---- */

static json_t *whole_json(const struct session *s, int rc)
{
	json_t *whole = json_object(), *gateway = lab_gateway_json(s->tester);

	json_object_set_new(whole, "bench", json_string("rfc2544"));
	json_object_set_new(whole, "machine", bench_machine_json(&s->report));
	json_object_set_new(whole, "medium", lab_medium_json(&s->c, s->tester));
	json_object_set_new(whole, "settings", lab_command_json(&s->c));
	json_object_set(whole, "trials", s->run.trials);
	json_object_set(whole, "results", s->run.results);
	if (gateway)
		json_object_set_new(whole, "gateway", gateway);
	json_object_set_new(whole, "partial", json_boolean(rc != 0));
	if (rc != 0)
		json_object_set_new(whole, "error",
				    json_string(rc == -EINTR ? "interrupted" : s->run.error));
	return whole;
}

static int print(const struct session *s, int rc)
{
	json_t *whole = whole_json(s, rc);
	bool good = true;

	if (s->c.json) {
		good = json_dumpf(whole, stdout, JSON_REAL_PRECISION(9)) == 0;
		putchar('\n');
	} else {
		bench_print_machine(&s->report);
		lab_table_print(whole);
	}
	json_decref(whole);
	if (rc != 0 && rc != -EINTR)
		lab_wrong("%s", s->run.error);
	if (!good || fflush(stdout) != 0)
		return EXIT_FAILURE;
	return rc == 0 ? EXIT_SUCCESS : rc == -EINTR ? STATUS_INTERRUPTED : EXIT_FAILURE;
}

/* ---- start ---- */

static bool open_tester(struct session *s)
{
	char error[LAB_ERROR_BYTES] = "";
	int rc;

	s->c.tester.stop = &stopped;
	s->c.tester.progress = progress;
	s->c.tester.size = (uint16_t)s->c.sizes[0];
	rc = lab_tester_open(&s->c.tester, &s->tester, error, sizeof(error));
	bench_progress_end();
	if (rc == 0)
		return check_lines(s);
	return lab_wrong("%s", rc == -EINTR ? "interrupted, before anything was measured" : error);
}

static bool start_eal(struct session *s)
{
	const char *const devices[] = {s->c.tester.outside, s->c.tester.inside};

	if (s->c.tester.one_process && bench_cpus() < 2)
		return lab_wrong("--one-process takes two CPUs, one for the tester and one for the "
				 "gateway, and this program may use one only (see taskset(1))");
	if (s->c.tester.one_process)
		return bench_eal_lcores(2, PACKETS_MB, &s->report.hugepages);
	return bench_eal_devices(devices, 2, PACKETS_MB, &s->report.hugepages);
}

int bench_rfc2544(int argc, char **argv)
{
	static struct session s;
	int status = EXIT_FAILURE;

	if (!lab_command_parse(argc, argv, &s.c))
		return EXIT_FAILURE;
	if (s.c.help) {
		lab_command_help();
		return EXIT_SUCCESS;
	}
	if (s.c.only_config)
		return print_config(&s.c);
	/* Commands of the user's are not to run on the tester's CPU, where EAL puts this thread. */
	sched_getaffinity(0, sizeof(s.c.settings.cpus), &s.c.settings.cpus);
	if (!start_eal(&s))
		return EXIT_FAILURE;
	catch_stop();
	s.run.trial = lab_tester_trial;
	s.run.progress = progress;
	s.run.settings = s.c.settings;
	if (lab_run_init(&s.run) == 0 && open_tester(&s)) {
		s.run.tester = s.tester;
		status = print(&s, run_all(&s));
	} else if (stopped) {
		status = STATUS_INTERRUPTED;
	}
	lab_tester_close(s.tester);
	lab_run_free(&s.run);
	return status;
}
