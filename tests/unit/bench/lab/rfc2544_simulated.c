/*
 * The command wgdp-bench rfc2544 with a simulated tester and gateway in place of tester.h's, and no
 * EAL: for tests of what it prints. --outside NAME=NUMBER,... says what they are like. Not a test
 * itself: test_rfc2544.py runs it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/bench.h"
#include "bench/lab/tester.h"
#include "tests/unit/bench/lab/simulated.h"

struct lab_tester {
	struct simulated s;
	double line_pps;     /* of 64 bytes; larger ones take less */
	double interrupt_at; /* a trial in which Ctrl-C is pressed, from 1 on */
	double open_error;   /* of lab_tester_open(), positive */
	const volatile sig_atomic_t *stop;
	unsigned int size;
	bool one_process;
};

static void set(struct lab_tester *t, const char *name, double value)
{
	const struct {
		const char *name;
		double *to;
	} doubles[] = {
		{"limit", &t->s.limit_pps},	    {"buffer", &t->s.buffer_packets},
		{"tester", &t->s.tester_pps},	    {"soft_from", &t->s.soft_from_pps},
		{"soft_loss", &t->s.soft_loss},	    {"line", &t->line_pps},
		{"interrupt", &t->interrupt_at},    {"open_error", &t->open_error},
		{"noise_short", &t->s.noise_short},
	};

	if (strcmp(name, "fail") == 0)
		t->s.fail_at = (unsigned int)value;
	for (unsigned int i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
		if (strcmp(name, doubles[i].name) == 0)
			*doubles[i].to = value;
	}
}

/* ---- tester.h ---- */

void lab_tester_defaults(struct lab_tester_options *o)
{
	*o = (struct lab_tester_options){.peers = 1, .flows = 1, .tunnel_mtu = LAB_TUNNEL_MTU};
}

int lab_tester_check(const struct lab_tester_options *o, char *error, unsigned int error_size)
{
	return 0;
}

int lab_tester_config(const struct lab_tester_options *o, const struct lab_config_options *c,
		      FILE *to, char *error, unsigned int error_size)
{
	snprintf(error, error_size, "a simulated gateway needs nothing");
	return -EINVAL;
}

int lab_tester_open(const struct lab_tester_options *o, struct lab_tester **out, char *error,
		    unsigned int error_size)
{
	struct lab_tester *t = calloc(1, sizeof(*t));
	char *copy = strdup(o->one_process ? "" : o->outside), *at = copy, *part;

	*out = NULL;
	t->s = (struct simulated){
		.limit_pps = 1e6, .latency_ns = 1000, .random = 1, .fail_with = -ENETDOWN};
	t->stop = o->stop;
	t->one_process = o->one_process;
	while ((part = strsep(&at, ",")) != NULL) {
		char *value = strchr(part, '=');

		if (!value)
			continue;
		*value = '\0';
		set(t, part, strtod(value + 1, NULL));
	}
	free(copy);
	if (t->open_error == 0) {
		*out = t;
		return 0;
	}
	snprintf(error, error_size, "peer 1 gets no answer");
	errno = (int)t->open_error;
	free(t);
	return -errno;
}

void lab_tester_close(struct lab_tester *t)
{
	free(t);
}

int lab_tester_trial(void *ctx, const struct lab_trial *trial, struct lab_result *result,
		     char *error, unsigned int error_size)
{
	struct lab_tester *t = ctx;

	if (t->s.trials + 1 == (unsigned int)t->interrupt_at) {
		raise(SIGINT);
		/* The handler of the command is to have been called. */
		t->s.interrupt_at = *t->stop ? t->s.trials + 1 : 0;
	}
	return simulated_trial(&t->s, trial, result, error, error_size);
}

int lab_tester_set_size(struct lab_tester *t, uint16_t size, char *error, unsigned int error_size)
{
	t->size = size ? size : 354;
	return 0;
}

double lab_tester_line_pps(const struct lab_tester *t, enum lab_way way)
{
	return t->line_pps * 64 / t->size;
}

const char *lab_tester_driver(const struct lab_tester *t, bool outside)
{
	return "net_ring";
}

bool lab_tester_gateway(const struct lab_tester *t, struct lab_gateway_counts *out)
{
	if (!t->one_process)
		return false;
	*out = (struct lab_gateway_counts){.cpu = 2,
					   .tester_cpu = 3,
					   .refused = 7,
					   .received = 100,
					   .made = 2,
					   .sent = 90,
					   .punted = 1,
					   .consumed = 5,
					   .drops = {{"ttl", "TTL used up", 6}},
					   .n_drops = 1};
	return true;
}

/* ---- bench.h ---- */

unsigned int bench_cpus(void)
{
	return 2;
}

bool bench_eal_lcores(unsigned int n, unsigned int megabytes, bool *hugepages)
{
	*hugepages = false;
	return true;
}

bool bench_eal_devices(const char *const *devices, unsigned int n, unsigned int megabytes,
		       bool *hugepages)
{
	*hugepages = false;
	return true;
}

json_t *bench_machine_json(const struct bench_report *r)
{
	return json_object();
}

void bench_print_machine(const struct bench_report *r)
{
}

void bench_progress(const char *format, ...)
{
}

void bench_progress_end(void)
{
}

int main(int argc, char **argv)
{
	return bench_rfc2544(argc, argv);
}
