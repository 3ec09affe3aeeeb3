/* Results of wgdp-bench: samples, percentiles, the table for people and the JSON for programs; and
 * the surroundings of a run (EAL). The machine: machine.c. What is measured is elsewhere. */
#include "bench/bench.h"

#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_pci.h>

#define LINE_BYTES     256
#define LCORES_BYTES   (16 + 9 * BENCH_WORKERS_MAX)
#define SAMPLES_ROOM   32 /* of a result at first; doubles */
#define HUGEPAGES_MIN  64 /* of 2 MiB: what the benches take at most without many peers */
#define HUGEPAGE_MB    2
#define FREE_HUGEPAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

double bench_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- samples ---- */

bool bench_wanted(const struct bench_options *o, const char *name)
{
	return !o->filter || fnmatch(o->filter, name, 0) == 0;
}

bool bench_any(const struct bench_report *r, const struct bench_options *o)
{
	if (r->n == 0)
		fprintf(stderr, "wgdp-bench: no result has a name like %s\n", o->filter);
	return r->n != 0;
}

static void *need(void *p)
{
	if (!p) {
		fputs("wgdp-bench: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return p;
}

struct bench_result *bench_result(struct bench_report *r, const char *unit, const char *format, ...)
{
	struct bench_result *result = need(calloc(1, sizeof(*result)));
	va_list args;

	va_start(args, format);
	vsnprintf(result->name, sizeof(result->name), format, args);
	va_end(args);
	result->unit = unit;
	if (r->n == r->room) {
		r->room = r->room ? 2 * r->room : 64;
		r->results = need(realloc(r->results, r->room * sizeof(r->results[0])));
	}
	r->results[r->n++] = result;
	return result;
}

void bench_sample(struct bench_result *result, double value)
{
	if (result->n == result->room) {
		result->room = result->room ? 2 * result->room : SAMPLES_ROOM;
		result->samples =
			need(realloc(result->samples, result->room * sizeof(result->samples[0])));
	}
	result->samples[result->n++] = value;
}

void bench_report_free(struct bench_report *r)
{
	for (unsigned int i = 0; i < r->n; i++) {
		free(r->results[i]->samples);
		free(r->results[i]);
	}
	free(r->results);
	free(r->summary);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the samples. */
static double percentile(double *samples, unsigned int n, unsigned int percent)
{
	qsort(samples, n, sizeof(samples[0]), compare);
	return samples[(uint64_t)(n - 1) * percent / 100];
}

double bench_percentile(const struct bench_result *r, unsigned int percent)
{
	double *sorted = need(malloc(r->n * sizeof(sorted[0]))), value;

	memcpy(sorted, r->samples, r->n * sizeof(sorted[0]));
	value = percentile(sorted, r->n, percent);
	free(sorted);
	return value;
}

/* Sample by sample, since both were taken right after each other. */
static double ratio(const struct bench_result *r, const struct bench_result *to)
{
	unsigned int n = r->n < to->n ? r->n : to->n;
	double *ratios = need(malloc(n * sizeof(ratios[0]))), value;

	for (unsigned int i = 0; i < n; i++)
		ratios[i] = to->samples[i] / r->samples[i];
	value = percentile(ratios, n, 50);
	free(ratios);
	return value;
}

static double ratio_p5(const struct bench_result *r, const struct bench_result *to)
{
	return bench_percentile(to, 5) / bench_percentile(r, 5);
}

double bench_ratio(const struct bench_result *r)
{
	return ratio(r, r->ratio_to);
}

double bench_ratio_p5(const struct bench_result *r)
{
	return ratio_p5(r, r->ratio_to);
}

static bool has_ratio(const struct bench_result *r)
{
	return r->n && r->ratio_to && r->ratio_to->n;
}

/* Not so if the run was stopped early. */
static bool has_both(const struct bench_summary *s)
{
	return s->result->n && s->to->n;
}

static struct bench_summary *summary_new(struct bench_report *r, const struct bench_result *result,
					 const struct bench_result *to)
{
	r->summary = need(realloc(r->summary, (r->n_summary + 1) * sizeof(r->summary[0])));
	r->summary[r->n_summary] = (struct bench_summary){.result = result, .to = to};
	return &r->summary[r->n_summary++];
}

void bench_summarise(struct bench_report *r, const struct bench_result *result, const char *format,
		     ...)
{
	struct bench_summary *s = summary_new(r, result, result->ratio_to);
	va_list args;

	va_start(args, format);
	vsnprintf(s->what, sizeof(s->what), format, args);
	va_end(args);
}

void bench_summarise_against(struct bench_report *r, const struct bench_result *result,
			     const struct bench_result *to, const char *what)
{
	snprintf(summary_new(r, result, to)->what, BENCH_NAME_BYTES, "%s", what);
}

/* ---- surroundings ---- */

static unsigned long free_hugepages(void)
{
	FILE *f = fopen(FREE_HUGEPAGES, "r");
	unsigned long n = 0;

	if (f && fscanf(f, "%lu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

unsigned int bench_cpus(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned int)CPU_COUNT(&cpus) : 1;
}

/* "0@7,1@6": the last CPUs that we may use, for the first one gets most interrupts. */
static void lcores_on_cpus(char *out, size_t size, unsigned int n)
{
	cpu_set_t cpus;
	size_t at;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) {
		CPU_ZERO(&cpus);
		CPU_SET(0, &cpus);
	}
	at = (size_t)snprintf(out, size, "--lcores=");
	for (int cpu = CPU_SETSIZE - 1, i = 0; cpu >= 0 && i < (int)n && at < size; cpu--) {
		if (CPU_ISSET(cpu, &cpus)) {
			at += (size_t)snprintf(out + at, size - at, "%s%d@%d", i ? "," : "", i,
					       cpu);
			i++;
		}
	}
}

/* What devices add to the arguments of EAL: those of PCI that it may touch, and memory in one file
 * for virtio-user. Returns how many. */
static int device_args(const char *const *devices, unsigned int n, char at[][PCI_PRI_STR_SIZE + 1],
		       bool huge, char **args)
{
	struct rte_pci_addr addr;
	int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (rte_pci_addr_parse(devices[i], &addr) != 0)
			continue;
		rte_pci_device_name(&addr, at[i], sizeof(at[i]));
		args[k++] = (char *)(uintptr_t) "--allow";
		args[k++] = at[i];
	}
	if (k == 0) {
		args[k++] = (char *)(uintptr_t) "--no-pci";
		args[k++] = (char *)(uintptr_t) "--iova-mode=va";
	}
	if (n > 0 && huge)
		args[k++] = (char *)(uintptr_t) "--single-file-segments";
	return k;
}

static bool start_eal(unsigned int n, unsigned int megabytes, const char *const *devices,
		      unsigned int n_devices, bool *hugepages)
{
	bool huge = free_hugepages() >= HUGEPAGES_MIN + megabytes / HUGEPAGE_MB;
	char lcores[LCORES_BYTES], memory[16], at[BENCH_DEVICES_MAX][PCI_PRI_STR_SIZE + 1];
	char *argv[16 + 2 * BENCH_DEVICES_MAX] = {
		"wgdp-bench", huge ? "--in-memory" : "--no-huge", "--no-telemetry", "--no-shconf",
		"--log-level=error", "-m", memory,
		/* Only its tables for routes ask, where the CPU has it. */
		"--force-max-simd-bitwidth=512", lcores};
	int argc = 9;

	argc += device_args(devices, n_devices, at, huge, argv + argc);
	snprintf(memory, sizeof(memory), "%u", (huge ? 100 : 256) + megabytes);
	lcores_on_cpus(lcores, sizeof(lcores), n);
	*hugepages = huge;
	if (rte_eal_init(argc, argv) >= 0)
		return true;
	fprintf(stderr, "wgdp-bench: DPDK does not start: %s\n", rte_strerror(rte_errno));
	return false;
}

bool bench_eal_lcores(unsigned int n, unsigned int megabytes, bool *hugepages)
{
	return start_eal(n, megabytes, NULL, 0, hugepages);
}

bool bench_eal_devices(const char *const *devices, unsigned int n, unsigned int megabytes,
		       bool *hugepages)
{
	return start_eal(1, megabytes, devices, n, hugepages);
}

bool bench_eal(bool *hugepages)
{
	return bench_eal_lcores(1, 0, hugepages);
}

/* ---- output ---- */

/* All samples, in the order in which they were taken. */
static json_t *samples_json(const struct bench_result *r)
{
	json_t *all = need(json_array());

	for (unsigned int i = 0; i < r->n; i++)
		json_array_append_new(all, json_real(r->samples[i]));
	return all;
}

static json_t *result_json(const struct bench_result *r)
{
	json_t *j;

	if (!r->n)
		return json_pack("{s:s, s:s, s:s}", "name", r->name, "unit", r->unit, "left_out",
				 r->note);
	j = json_pack("{s:s, s:f, s:s, s:i, s:f, s:f}", "name", r->name, "value",
		      bench_percentile(r, 50), "unit", r->unit, "samples", (int)r->n, "p5",
		      bench_percentile(r, 5), "p95", bench_percentile(r, 95));

	if (has_ratio(r)) {
		json_object_set_new(j, "ratio", json_real(bench_ratio(r)));
		json_object_set_new(j, "ratio_p5", json_real(bench_ratio_p5(r)));
		json_object_set_new(j, "ratio_to", json_string(r->ratio_to->name));
	}
	json_object_set_new(j, "values", samples_json(r));
	return j;
}

static json_t *summary_json(const struct bench_report *r)
{
	json_t *rows = json_array();

	for (unsigned int i = 0; i < r->n_summary; i++) {
		const struct bench_summary *s = &r->summary[i];

		if (!has_both(s))
			continue;
		json_array_append_new(rows, json_pack("{s:s, s:s, s:f, s:f, s:s}", "what", s->what,
						      "name", s->result->name, "ratio",
						      ratio(s->result, s->to), "ratio_p5",
						      ratio_p5(s->result, s->to), "ratio_to",
						      s->to->name));
	}
	return rows;
}

static int print_json(const struct bench_report *r, const struct bench_options *o)
{
	json_t *results = json_array(), *whole;
	int rc;

	for (unsigned int i = 0; i < r->n; i++) {
		if (r->results[i]->n || r->results[i]->note[0])
			json_array_append_new(results, result_json(r->results[i]));
	}
	whole = need(json_pack("{s:s, s:o, s:o, s:b, s:o}", "bench", r->bench, "machine",
			       bench_machine_json(r), "settings", bench_settings_json(o), "partial",
			       (int)bench_stopped(), "results", results));
	if (r->n_summary)
		json_object_set_new(whole, "summary", summary_json(r));
	rc = json_dumpf(whole, stdout, JSON_REAL_PRECISION(6));
	json_decref(whole);
	putchar('\n');
	return rc;
}

/* Of NAME/LOAD.../BACKEND the load: results of one load stand together. */
static bool same_load(const char *a, const char *b)
{
	const char *load_a = strchr(a, '/'), *load_b = strchr(b, '/');
	const char *end_a = strrchr(a, '/'), *end_b = strrchr(b, '/');

	return load_a && load_b && end_a - load_a == end_b - load_b &&
	       strncmp(load_a, load_b, (size_t)(end_a - load_a)) == 0;
}

static void print_ratio(const struct bench_result *r, const struct bench_result *to)
{
	printf("   %6.2f %6.2f", ratio(r, to), ratio_p5(r, to));
}

static void print_summary(const struct bench_report *r)
{
	if (r->n_summary)
		printf("\n%-40s   times as fast: median, by p5\n", "summary");
	for (unsigned int i = 0; i < r->n_summary; i++) {
		const struct bench_summary *s = &r->summary[i];

		if (!has_both(s))
			continue;
		printf("%-40s", s->what);
		print_ratio(s->result, s->to);
		printf(" (%s)   %s\n", strrchr(s->to->name, '/') + 1, s->result->name);
	}
}

/* With a digit more if it is small. */
static void print_value(double value)
{
	printf(" %10.*f", value < 10 ? 2 : 1, value);
}

static void print_result(const struct bench_result *x)
{
	static const unsigned int percents[] = {50, 5, 95};

	printf("%-40s", x->name);
	for (unsigned int i = 0; x->n && i < sizeof(percents) / sizeof(percents[0]); i++)
		print_value(bench_percentile(x, percents[i]));
	if (!x->n)
		printf(" %10s %s", "left out:", x->note);
	if (has_ratio(x)) {
		print_ratio(x, x->ratio_to);
		printf(" (%s)", strrchr(x->ratio_to->name, '/') + 1);
	}
	putchar('\n');
}

static void print_table(const struct bench_report *r)
{
	const struct bench_result *last = NULL;

	bench_print_machine(r);
	for (unsigned int i = 0; i < r->n; i++) {
		const struct bench_result *x = r->results[i];

		if (!x->n && !x->note[0])
			continue;
		if (!last || strcmp(last->unit, x->unit) != 0)
			printf("\n%-40s %10s %10s %10s   %s\n", x->unit, "median", "p5", "p95",
			       "times as fast: median, by p5");
		else if (!same_load(last->name, x->name))
			putchar('\n');
		last = x;
		print_result(x);
	}
	print_summary(r);
	if (bench_stopped())
		puts("\npartial: stopped before all was measured");
}

int bench_print(const struct bench_report *r, const struct bench_options *o)
{
	int rc = 0;

	if (o->json)
		rc = print_json(r, o);
	else
		print_table(r);
	return rc != 0 || fflush(stdout) != 0 ? -EIO : 0;
}

static bool progress_shown;

void bench_progress(const char *format, ...)
{
	va_list args;

	if (!isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	progress_shown = true;
}

void bench_progress_end(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}
