/* Results of wgdp-bench: samples, percentiles, the table for people and the JSON for programs; and
 * the surroundings of a run (EAL, the machine). What is measured is elsewhere. */
#include "bench/bench.h"

#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_version.h>

#define LINE_BYTES     256
#define HUGEPAGES_MIN  64 /* of 2 MiB: what the benches take at most without many peers */
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
	if (result->n < BENCH_SAMPLES_MAX)
		result->samples[result->n++] = value;
}

void bench_report_free(struct bench_report *r)
{
	for (unsigned int i = 0; i < r->n; i++)
		free(r->results[i]);
	free(r->results);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The nearest rank. */
static double percentile(const double *samples, unsigned int n, unsigned int percent)
{
	double sorted[BENCH_SAMPLES_MAX];

	memcpy(sorted, samples, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare);
	return sorted[(n - 1) * percent / 100];
}

static double median(const struct bench_result *r)
{
	return percentile(r->samples, r->n, 50);
}

/* Sample by sample, since both were taken right after each other. */
static double ratio(const struct bench_result *r)
{
	unsigned int n = r->n < r->ratio_to->n ? r->n : r->ratio_to->n;
	double ratios[BENCH_SAMPLES_MAX];

	for (unsigned int i = 0; i < n; i++)
		ratios[i] = r->ratio_to->samples[i] / r->samples[i];
	return percentile(ratios, n, 50);
}

/* ---- the machine ---- */

static void cpu_model(char *out, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[LINE_BYTES];

	snprintf(out, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !value)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(out, size, "%s", value + 2);
		break;
	}
	if (f)
		fclose(f);
}

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

bool bench_eal(bool *hugepages)
{
	bool huge = free_hugepages() >= HUGEPAGES_MIN;
	char lcores[LINE_BYTES];
	char *argv[] = {"wgdp-bench",
			huge ? "--in-memory" : "--no-huge",
			"--no-pci",
			"--no-telemetry",
			"--no-shconf",
			"--log-level=error",
			"-m",
			huge ? "100" : "256",
			"--iova-mode=va",
			lcores,
			NULL};
	cpu_set_t cpus;
	int cpu = 0;

	/* The last CPU that we may use: the first one gets most interrupts. */
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0) {
		for (int i = 0; i < CPU_SETSIZE; i++)
			cpu = CPU_ISSET(i, &cpus) ? i : cpu;
	}
	snprintf(lcores, sizeof(lcores), "--lcores=0@%d", cpu);
	*hugepages = huge;
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) >= 0)
		return true;
	fprintf(stderr, "wgdp-bench: DPDK does not start: %s\n", rte_strerror(rte_errno));
	return false;
}

/* ---- output ---- */

static json_t *result_json(const struct bench_result *r)
{
	json_t *j = json_pack("{s:s, s:f, s:s, s:i, s:f, s:f}", "name", r->name, "value", median(r),
			      "unit", r->unit, "samples", (int)r->n, "p5",
			      percentile(r->samples, r->n, 5), "p95",
			      percentile(r->samples, r->n, 95));

	if (r->ratio_to && r->ratio_to->n) {
		json_object_set_new(j, "ratio", json_real(ratio(r)));
		json_object_set_new(j, "ratio_to", json_string(r->ratio_to->name));
	}
	return j;
}

static int print_json(const struct bench_report *r)
{
	char cpu[LINE_BYTES];
	struct utsname uts;
	json_t *results = json_array(), *whole;
	int rc;

	cpu_model(cpu, sizeof(cpu));
	uname(&uts);
	for (unsigned int i = 0; i < r->n; i++) {
		if (r->results[i]->n)
			json_array_append_new(results, result_json(r->results[i]));
	}
	whole = need(json_pack("{s:s, s:{s:s, s:I, s:s, s:s, s:s, s:b}, s:o}", "bench", r->bench,
			       "machine", "cpu", cpu, "tsc_hz", (json_int_t)rte_get_tsc_hz(),
			       "kernel", uts.release, "dpdk", rte_version(), "version",
			       WGDP_VERSION, "hugepages", (int)r->hugepages, "results", results));
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

static void print_table(const struct bench_report *r)
{
	char cpu[LINE_BYTES];
	const struct bench_result *last = NULL;

	cpu_model(cpu, sizeof(cpu));
	printf("%s, TSC %.3f GHz, %s, %s hugepages\n", cpu, (double)rte_get_tsc_hz() / 1e9,
	       rte_version(), r->hugepages ? "with" : "without");
	for (unsigned int i = 0; i < r->n; i++) {
		const struct bench_result *x = r->results[i];

		if (!x->n)
			continue;
		if (!last || strcmp(last->unit, x->unit) != 0)
			printf("\n%-40s %10s %10s %10s   %s\n", x->unit, "median", "p5", "p95",
			       "times as fast");
		else if (!same_load(last->name, x->name))
			putchar('\n');
		last = x;
		printf("%-40s %10.1f %10.1f %10.1f", x->name, median(x),
		       percentile(x->samples, x->n, 5), percentile(x->samples, x->n, 95));
		if (x->ratio_to && x->ratio_to->n)
			printf("   %.2f (%s)", ratio(x), strrchr(x->ratio_to->name, '/') + 1);
		putchar('\n');
	}
}

int bench_print(const struct bench_report *r, const struct bench_options *o)
{
	int rc = 0;

	if (o->json)
		rc = print_json(r);
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
