/*
 * wgdp-bench: where, with what and how something was measured, as a table and JSON say it; and the
 * end of a run by Ctrl-C. One thread, but for the signal.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <intel-ipsec-mb.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <rte_cycles.h>
#include <rte_version.h>
#include <sodium.h>

#include "bench/bench.h"

#define LINE_BYTES 256

/* ---- the end of a run ---- */

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = 1;
}

/* The second one ends the program at once. */
void bench_catch_stop(void)
{
	struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESETHAND | SA_RESTART};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool bench_stopped(void)
{
	return stopped;
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

static void utc(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

static json_t *versions_json(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "wgdp", WGDP_VERSION, "compiler",
			 __VERSION__, "dpdk", rte_version(), "ipsec-mb", imb_get_version_str(),
			 "libsodium", sodium_version_string(), "openssl",
			 OpenSSL_version(OPENSSL_VERSION));
}

json_t *bench_machine_json(const struct bench_report *r)
{
	char cpu[LINE_BYTES], now[LINE_BYTES];
	struct utsname uts;
	json_t *machine;

	cpu_model(cpu, sizeof(cpu));
	utc(now, sizeof(now));
	uname(&uts);
	machine = json_pack("{s:s, s:i, s:I, s:s, s:s, s:s, s:b, s:b, s:s, s:o}", "cpu", cpu,
			    "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "tsc_hz",
			    (json_int_t)rte_get_tsc_hz(), "kernel", uts.release, "dpdk",
			    rte_version(), "version", WGDP_VERSION, "hugepages", (int)r->hugepages,
			    "debug_build", BENCH_DEBUG_BUILD, "time", now, "versions",
			    versions_json());
	if (machine && r->core_per_tsc > 0)
		json_object_set_new(machine, "core_per_tsc", json_real(r->core_per_tsc));
	return machine;
}

json_t *bench_settings_json(const struct bench_options *o)
{
	json_t *settings = json_pack("{s:i, s:s?}", "seconds", (int)o->seconds, "filter",
				     o->filter);

	if (o->peers)
		json_object_set_new(settings, "peers", json_integer(o->peers));
	if (o->no_offload)
		json_object_set_new(settings, "checksum-offload", json_false());
	if (o->n_workers) {
		json_t *workers = json_array();

		for (unsigned int i = 0; i < o->n_workers; i++)
			json_array_append_new(workers, json_integer(o->workers[i]));
		json_object_set_new(settings, "workers", workers);
	}
	return settings;
}

void bench_print_machine(const struct bench_report *r)
{
	char cpu[LINE_BYTES];

	cpu_model(cpu, sizeof(cpu));
	printf("%s, TSC %.3f GHz, %s, %s hugepages%s\n", cpu, (double)rte_get_tsc_hz() / 1e9,
	       rte_version(), r->hugepages ? "with" : "without",
	       BENCH_DEBUG_BUILD ? ", debug build: its checks count too" : "");
	if (r->core_per_tsc > 0)
		printf("%.3f core cycles per TSC cycle\n", r->core_per_tsc);
}
