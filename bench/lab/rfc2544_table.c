/* The results of wgdp-bench rfc2544 as tables for people, from their JSON. */
#include <stdio.h>
#include <string.h>

#include "bench/lab/rfc2544.h"

#define LATENCY_AT 32 /* columns before those of the latency */

static double real(const json_t *e, const char *name)
{
	return json_number_value(json_object_get(e, name));
}

static const char *text(const json_t *e, const char *name)
{
	return json_string_value(json_object_get(e, name));
}

/* "  64 encrypt " */
static void print_load(const json_t *e)
{
	const json_t *size = json_object_get(e, "size");

	if (json_is_integer(size))
		printf("%5lld", (long long)json_integer_value(size));
	else
		printf("%5s", json_string_value(size));
	printf(" %-8s", text(e, "way"));
}

/* What was not the gateway's doing stands beside it, not among the results. */
static void print_end(const json_t *e)
{
	puts(json_is_false(json_object_get(e, "valid"))
		     ? "  NOT VALID: tester short of rate, or interrupted"
		     : "");
}

/* Of a percentile that so few packets do not tell from the maximum nothing is said. */
static const struct {
	const char *name, *head;
	double packets; /* that it takes */
} columns[] = {{"min", "min", 1},	  {"mean", "mean", 1},	       {"p50", "p50", 2},
	       {"p90", "p90", 10},	  {"p99", "p99", 100},	       {"p99_9", "p99.9", 1e3},
	       {"p99_99", "p99.99", 1e4}, {"p99_999", "p99.999", 1e5}, {"max", "max", 1}};

#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void print_latency(const json_t *e)
{
	const json_t *l = json_object_get(e, "latency");

	for (unsigned int i = 0; i < N_COLUMNS; i++) {
		if (real(l, "n") < columns[i].packets)
			printf(" %8s", "-");
		else
			printf(" %8.1f", real(l, columns[i].name) / 1000);
	}
}

static void print_head(const char *head, bool latency)
{
	printf("\n%-*s", latency ? LATENCY_AT : 0, head);
	for (unsigned int i = 0; latency && i < N_COLUMNS; i++)
		printf(" %8s", columns[i].head);
	putchar('\n');
}

/* ---- a row of each method ---- */

static void print_top(const json_t *e)
{
	static const struct {
		const char *limit, *text;
	} all[] = {{"asked", ", by --max-rate"},
		   {"line", ": what the line takes"},
		   {"tester", ": what the tester can"},
		   {"none", ""}};

	printf(" %12.0f packets/s", real(e, "pps"));
	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(text(e, "limit"), all[i].limit) == 0)
			puts(all[i].text);
	}
}

static const char *meaning(const char *ended)
{
	static const struct {
		const char *name, *text;
	} all[] = {
		{"width", ""},
		{"max", "; the greatest rate offered: the gateway may do more"},
		{"min", "; not even the smallest rate"},
		{"tester", "; the tester was the limit: the gateway may do more"},
		{"interrupted", "; interrupted"},
		{"error", "; ended by an error"},
	};

	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(ended, all[i].name) == 0)
			return all[i].text;
	}
	return "";
}

static void print_bound(const json_t *e, const char *side)
{
	char good[32], bad[32];

	snprintf(good, sizeof(good), "%s_good", side);
	snprintf(bad, sizeof(bad), "%s_bad", side);
	if (real(e, side) > 0)
		printf("; at the %s rate %.0f of %.0f within the goal", side, real(e, good),
		       real(e, good) + real(e, bad));
}

static void print_throughput(const json_t *e)
{
	printf(" %s %12.0f packets/s: ", text(e, "goal"), real(e, "pps"));
	if (real(e, "upper") > 0)
		printf("between %.0f and %.0f (%.2f %%)", real(e, "lower"), real(e, "upper"),
		       100 * real(e, "width"));
	else
		printf("no upper bound");
	printf(", loss at most %g %%%s\n%18s trials of %g s", 100 * real(e, "loss_goal"),
	       meaning(text(e, "ended")), "", real(e, "trial_seconds"));
	print_bound(e, "lower");
	print_bound(e, "upper");
	printf("; %.0f trials more, %.0f s of offering\n", real(e, "trials"), real(e, "seconds"));
}

static void print_loss(const json_t *e)
{
	printf(" %3.0f %% %12.0f packets/s, forwarded %12.0f, lost %9.5f %%", real(e, "percent"),
	       real(e, "pps"), real(e, "received_pps"), 100 * real(e, "loss"));
	print_end(e);
}

static void print_bursts(const json_t *e)
{
	printf(" %s%.0f packets at %.0f packets/s: mean of %zu, from %.0f to %.0f, deviation "
	       "%.1f; %.1f us",
	       json_is_true(json_object_get(e, "at_limit")) ? "at least " : "", real(e, "mean"),
	       real(e, "pps"), json_array_size(json_object_get(e, "bursts")), real(e, "min"),
	       real(e, "max"), real(e, "deviation"), 1e6 * real(e, "buffer_seconds"));
	if (json_object_get(e, "corrected_buffer_seconds"))
		printf(", corrected %.1f us", 1e6 * real(e, "corrected_buffer_seconds"));
	putchar('\n');
}

static void print_latencies(const json_t *e)
{
	printf(" %3.0f %% %11.0f", real(e, "percent"), real(e, "pps"));
	print_latency(e);
	print_end(e);
}

static void print_recovery(const json_t *e)
{
	printf(" %s%.1f s of loss at %.0f packets/s, after %.1f s at %.0f (loss %.3f %%)",
	       json_is_true(json_object_get(e, "recovered")) ? "" : "not recovered: ",
	       real(e, "recovery_seconds"), real(e, "pps"), real(e, "overload_seconds"),
	       real(e, "overload_pps"), 100 * real(e, "overload_loss"));
	print_end(e);
}

static void print_soak(const json_t *e)
{
	const json_t *intervals = json_object_get(e, "intervals"), *interval;
	unsigned int lossy = 0;
	size_t i;

	json_array_foreach (intervals, i, interval)
		lossy += real(interval, "lost") > 0;
	printf(" %.0f packets/s for %.1f s: lost %.0f of %.0f, in %u of %zu intervals\n%*s",
	       real(e, "pps"), real(e, "seconds"), real(e, "lost"), real(e, "sent"), lossy,
	       json_array_size(intervals), LATENCY_AT, "");
	print_latency(e);
	print_end(e);
}

static void print_reconfiguration(const json_t *e)
{
	printf(" blocked for %.3f ms, longest gap %.3f ms (%.3f ms without), lost %.0f at %.0f "
	       "packets/s; the command took %.1f s, status %.0f%s\n",
	       1e3 * real(e, "blocked_seconds"), 1e3 * real(e, "longest_gap_seconds"),
	       1e3 * real(e, "still_longest_gap_seconds"), real(e, "lost"), real(e, "pps"),
	       real(e, "command_seconds"), real(e, "exit_status"),
	       json_is_true(json_object_get(e, "valid"))
		       ? ""
		       : "  NOT VALID: the command did not run and end within the trial, or the "
			 "tester "
			 "was short of the rate");
}

static void print_bulk(const json_t *e)
{
	printf(" %17.0f", real(e, "bulk_pps"));
	print_latency(e);
	print_end(e);
}

static void print_skipped(const json_t *e)
{
	printf(" %s: %s\n", text(e, "method"), text(e, "why"));
}

static const struct {
	const char *name, *head;
	void (*row)(const json_t *e);
	bool latency; /* has its columns */
} tables[] = {
	{"top", "the greatest rate offered", print_top, false},
	{"throughput", "throughput", print_throughput, false},
	{"loss", "loss by rate", print_loss, false},
	{"back-to-back", "longest burst without loss", print_bursts, false},
	{"latency", "latency, us, at      packets/s", print_latencies, true},
	{"recovery", "recovery after overload", print_recovery, false},
	{"soak", "soak, us", print_soak, true},
	{"reconfiguration", "reconfiguration", print_reconfiguration, false},
	{"bulk", "latency, us, beside   packets/s", print_bulk, true},
	{"skipped", "left out", print_skipped, false},
};

/* Of all trials, also those that were tried again. */
static void print_oddities(const json_t *trials)
{
	static const char *const names[] = {"duplicates", "reordered", "corrupt", "strange"};
	static const char *const ways[] = {"encrypt", "decrypt"};
	double sums[4] = {0};
	const json_t *trial;
	size_t k;

	json_array_foreach (trials, k, trial) {
		for (unsigned int i = 0; i < 2 * 4; i++)
			sums[i / 2] += real(json_object_get(trial, ways[i % 2]), names[i / 2]);
	}
	printf("\nin %zu trials: %.0f duplicates, %.0f reordered, %.0f corrupt, %.0f strange "
	       "packets\n",
	       json_array_size(trials), sums[0], sums[1], sums[2], sums[3]);
}

/* How packets have ended in a gateway that is in this process. */
static void print_gateway(const json_t *gateway)
{
	const json_t *drops = json_object_get(gateway, "drops"), *drop;
	size_t k;

	printf("gateway: %.0f packets received, %.0f made, %.0f sent, %.0f consumed, %.0f for "
	       "Linux\n",
	       real(gateway, "received"), real(gateway, "made"), real(gateway, "sent"),
	       real(gateway, "consumed"), real(gateway, "punted"));
	if (real(gateway, "refused") > 0)
		printf("  lost before it, as its receive queues were full: %.0f\n",
		       real(gateway, "refused"));
	json_array_foreach (drops, k, drop)
		printf("  dropped by it, %s: %.0f (%s)\n", text(drop, "reason"),
		       real(drop, "packets"), text(drop, "text"));
}

void lab_table_print(const json_t *whole)
{
	const json_t *results = json_object_get(whole, "results"), *entry;
	size_t k;

	printf("%s\n", text(json_object_get(whole, "medium"), "text"));
	for (unsigned int i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		const json_t *list = json_object_get(results, tables[i].name);

		if (list)
			print_head(tables[i].head, tables[i].latency);
		json_array_foreach (list, k, entry) {
			print_load(entry);
			tables[i].row(entry);
		}
	}
	print_oddities(json_object_get(whole, "trials"));
	if (json_object_get(whole, "gateway"))
		print_gateway(json_object_get(whole, "gateway"));
	if (json_is_true(json_object_get(whole, "partial")))
		printf("\npartial: %s\n", text(whole, "error"));
}
