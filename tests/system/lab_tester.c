/*
 * Drives the tester of wgdp-bench rfc2544 (bench/lab/tester.h) for lab.py: opens it, runs trials,
 * prints a line of JSON for each. Options as KEY=VALUE; "config=wgdp|wg|linux|vpp|key" prints that
 * and ends. Not the program for users: that is wgdp-bench.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/lab/tester.h"

#define ERROR_BYTES 600

struct wishes {
	struct lab_tester_options tester;
	struct lab_config_options config;
	struct lab_trial trial;
	bool want_config;
	unsigned int trials;
	double pps[LAB_WAYS], idle_seconds;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = 1;
}

static int config_kind(const char *text)
{
	static const char *const kinds[] = {"wgdp", "wg", "linux", "vpp", "key"};

	for (int i = 0; i < 5; i++)
		if (strcmp(kinds[i], text) == 0)
			return i;
	return -1;
}

static bool text_option(struct wishes *w, const char *key, const char *value)
{
	const struct {
		const char *key, **to;
	} texts[] = {
		{"outside", &w->tester.outside},
		{"inside", &w->tester.inside},
		{"gateway-outside", &w->tester.gateway_outside},
		{"tester-outside", &w->tester.tester_outside},
		{"gateway-inside", &w->tester.gateway_inside},
		{"tester-inside", &w->tester.tester_inside},
		{"gateway-key", &w->tester.gateway_key},
		{"outside-device", &w->config.outside_device},
		{"inside-device", &w->config.inside_device},
		{"key-file", &w->config.private_key_file},
	};

	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(texts[i].key, key) == 0) {
			*texts[i].to = value;
			return true;
		}
	}
	return false;
}

static bool number_option(struct wishes *w, const char *key, const char *value)
{
	double x = strtod(value, NULL);

	if (strcmp(key, "peers") == 0)
		w->tester.peers = (uint32_t)x;
	else if (strcmp(key, "flows") == 0)
		w->tester.flows = (uint32_t)x;
	else if (strcmp(key, "size") == 0)
		w->tester.size = (uint16_t)x;
	else if (strcmp(key, "seed") == 0)
		w->tester.seed = (uint64_t)x;
	else if (strcmp(key, "ipv6") == 0)
		w->tester.inner_ipv6 = x != 0;
	else if (strcmp(key, "addresses") == 0)
		w->tester.outside_addresses = (uint32_t)x;
	else if (strcmp(key, "encrypt") == 0)
		w->trial.load[LAB_ENCRYPT].pps = x;
	else if (strcmp(key, "decrypt") == 0)
		w->trial.load[LAB_DECRYPT].pps = x;
	else if (strcmp(key, "packets") == 0)
		w->trial.load[LAB_ENCRYPT].packets = w->trial.load[LAB_DECRYPT].packets =
			(uint64_t)x;
	else if (strcmp(key, "seconds") == 0)
		w->trial.seconds = x;
	else if (strcmp(key, "settle") == 0)
		w->trial.settle_seconds = x;
	else if (strcmp(key, "bulk") == 0)
		w->trial.bulk_pps = x;
	else if (strcmp(key, "trials") == 0)
		w->trials = (unsigned int)x;
	else if (strcmp(key, "idle") == 0)
		w->idle_seconds = x;
	else
		return false;
	return true;
}

static bool parse(struct wishes *w, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			return false;
		*value++ = '\0';
		if (strcmp(argv[i], "config") == 0) {
			int kind = config_kind(value);

			w->want_config = true;
			w->config.kind = (enum lab_config)kind;
			if (kind < 0)
				return false;
		} else if (!text_option(w, argv[i], value) && !number_option(w, argv[i], value)) {
			return false;
		}
	}
	return true;
}

static void print_counts(const char *name, const struct lab_counts *c)
{
	printf("\"%s\": {\"wanted\": %lu, \"sent\": %lu, \"received\": %lu, \"duplicates\": %lu, "
	       "\"reordered\": %lu, \"corrupt\": %lu, \"strange\": %lu, \"seconds\": %.6f, "
	       "\"longest_gap\": %.6f, \"latencies\": %lu, \"p50_us\": %.3f, \"p99_us\": %.3f}",
	       name, c->wanted, c->sent, c->received, c->duplicates, c->reordered, c->corrupt,
	       c->strange, c->seconds, c->longest_gap_seconds, c->latency.n,
	       (double)lab_histogram_percentile(&c->latency, 50) / 1e3,
	       (double)lab_histogram_percentile(&c->latency, 99) / 1e3);
}

static int run(struct wishes *w)
{
	struct lab_tester *t;
	char error[ERROR_BYTES] = "";
	int rc = lab_tester_open(&w->tester, &t, error, sizeof(error));

	for (unsigned int i = 0; rc == 0 && i < w->trials; i++) {
		struct lab_result r;

		rc = lab_tester_trial(t, &w->trial, &r, error, sizeof(error));
		if (rc != 0)
			break;
		printf("{");
		print_counts("encrypt", &r.way[LAB_ENCRYPT]);
		printf(", ");
		print_counts("decrypt", &r.way[LAB_DECRYPT]);
		printf(", ");
		print_counts("bulk_encrypt", &r.bulk[LAB_ENCRYPT]);
		printf(", ");
		print_counts("bulk_decrypt", &r.bulk[LAB_DECRYPT]);
		printf(", \"short\": %s, \"interrupted\": %s, \"driver\": \"%s\"}\n",
		       r.short_of_rate ? "true" : "false", r.interrupted ? "true" : "false",
		       lab_tester_driver(t, true));
		fflush(stdout);
		lab_result_free(&r);
		lab_tester_idle(t, w->idle_seconds);
	}
	if (rc != 0)
		fprintf(stderr, "%s: %s\n", strerror(-rc), error);
	lab_tester_close(t);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct wishes w = {.trials = 1, .trial = {.seconds = 1, .settle_seconds = 0.5}};
	struct sigaction action = {.sa_handler = on_signal};
	char error[ERROR_BYTES];
	bool hugepages;

	lab_tester_defaults(&w.tester);
	w.tester.stop = &stop;
	sigaction(SIGINT, &action, NULL);
	if (!parse(&w, argc, argv)) {
		fputs("what is that option?\n", stderr);
		return EXIT_FAILURE;
	}
	if (w.want_config) {
		if (lab_tester_config(&w.tester, &w.config, stdout, error, sizeof(error)) == 0)
			return EXIT_SUCCESS;
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	if (lab_tester_check(&w.tester, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		return EXIT_FAILURE;
	}
	if (!bench_eal_devices((const char *const[]){w.tester.outside, w.tester.inside}, 2, 64,
			       &hugepages))
		return EXIT_FAILURE;
	return run(&w);
}
