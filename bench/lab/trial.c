/*
 * A trial: the loop that offers packets at a rate and receives what comes back; see tester.h and
 * trial.h. How packets are sent and received is in send.c and receive.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/lab/outer.h"
#include "bench/lab/pace.h"
#include "bench/lab/tester_priv.h"

#define OFFERS_MAX    (LAB_WAYS * LAB_KINDS)
#define SENT_PERCENT  99.5 /* of wanted: else the tester is short of the rate */
#define RENEW_MAX_NS  (60 * WG_NS_PER_S)
#define QUIET_SECONDS 0.01 /* after all came: duplicates follow on their heels */
#define WIRE_BYTES    24   /* of a frame on a line: checksum, preamble, gap */

/* One stream that is offered. */
struct offer {
	struct lab_stream *stream;
	struct lab_counts *counts;
	struct lab_pace pace;
	uint64_t first, last; /* TSC of sending; 0: nothing yet */
	uint64_t received;    /* seen at arrival */
	uint64_t arrival, gap;
	bool ended;
};

struct course {
	struct lab_tester *t;
	const struct lab_trial *trial;
	struct offer offers[OFFERS_MAX];
	unsigned int n;
	uint64_t last_arrival; /* of anything that was sent */
};

/* ---- set up ---- */

static void add_offer(struct course *c, enum lab_way way, unsigned int kind, double pps,
		      uint64_t packets, uint64_t start)
{
	struct offer *o = &c->offers[c->n++];

	o->stream = &c->t->streams[way][kind];
	o->counts = o->stream->counts;
	lab_pace_start(&o->pace, start, c->t->tsc_hz, pps, c->trial->seconds, packets);
}

static void add_offers(struct course *c)
{
	uint64_t start = rte_rdtsc();

	for (unsigned int way = 0; way < LAB_WAYS; way++) {
		const struct lab_load *load = &c->trial->load[way];

		if (!(load->pps > 0))
			continue;
		add_offer(c, (enum lab_way)way, LAB_MAIN, load->pps, load->packets, start);
		if (c->trial->bulk_pps > 0)
			add_offer(c, (enum lab_way)way, LAB_BULK, c->trial->bulk_pps, 0, start);
	}
}

/* The bulk streams, if they are wanted for the first time. */
static int open_bulk(struct lab_tester *t, const struct lab_trial *trial, char *error,
		     unsigned int error_size)
{
	for (unsigned int way = 0; way < LAB_WAYS && trial->bulk_pps > 0; way++) {
		struct lab_stream *s = &t->streams[way][LAB_BULK];
		struct lab_counts *counts = s->counts;

		if (s->flows)
			continue;
		if (lab_stream_open(s, &t->setup, (enum lab_way)way, true, t->secret, t->tsc_hz) !=
		    0) {
			snprintf(error, error_size, "no memory for the bulk flows");
			return -ENOMEM;
		}
		s->counts = counts;
		lab_stream_set_size(s, t->setup.o.tunnel_mtu, t->setup.o.tunnel_mtu);
	}
	return 0;
}

static int check_rates(const struct lab_tester *t, const struct lab_trial *trial, char *error,
		       unsigned int error_size)
{
	for (unsigned int way = 0; way < LAB_WAYS; way++) {
		double line = lab_tester_line_pps(t, (enum lab_way)way);

		/* A burst is sent as fast as the line takes it. */
		if (line == 0 || trial->load[way].packets || trial->load[way].pps <= line)
			continue;
		snprintf(error, error_size,
			 "%.0f packets per second to %s are more than the line takes: %.0f at this "
			 "size",
			 trial->load[way].pps, way == LAB_ENCRYPT ? "encrypt" : "decrypt", line);
		return -ERANGE;
	}
	return 0;
}

/* Sessions that would end in the trial are made anew before, if it is not long. */
static int renew(struct lab_tester *t, const struct lab_trial *trial, char *error,
		 unsigned int error_size)
{
	double ns = (trial->seconds + trial->settle_seconds) * 1e9;

	return lab_connect_peers(t, ns < RENEW_MAX_NS ? (uint64_t)ns : RENEW_MAX_NS, error,
				 error_size);
}

/* ---- the loop ---- */

static void send_due(struct lab_tester *t, struct offer *o)
{
	uint64_t now = rte_rdtsc();
	uint32_t due = lab_pace_due(&o->pace, now);
	unsigned int n = RTE_MIN(due, (uint32_t)LAB_BURST_MAX), sent;

	if (n == 0)
		return;
	sent = o->stream->way == LAB_ENCRYPT ? lab_send_plain(t, o->stream, n)
					     : lab_send_sealed(t, o->stream, n);
	lab_pace_used(&o->pace, n);
	o->counts->sent += sent;
	o->last = rte_rdtsc();
	if (o->first == 0)
		o->first = o->arrival = now;
}

/* What has come of the stream since the last look? */
static void note_arrivals(struct course *c, struct offer *o, uint64_t now)
{
	if (o->counts->received != o->received) {
		o->received = o->counts->received;
		c->last_arrival = now;
		if (!o->ended)
			o->gap = RTE_MAX(o->gap, now - o->arrival);
		o->arrival = now;
	}
	if (!o->ended && lab_pace_ended(&o->pace)) {
		o->ended = true;
		o->gap = RTE_MAX(o->gap, now - o->arrival);
	}
}

/* False: all was offered, or the run is to stop. */
static bool turn(struct course *c)
{
	bool more = false;
	uint64_t now;

	for (unsigned int i = 0; i < c->n; i++)
		send_due(c->t, &c->offers[i]);
	lab_receive(c->t);
	lab_peers_advance(&c->t->peers, c->t->now_ns);
	now = rte_rdtsc();
	for (unsigned int i = 0; i < c->n; i++) {
		note_arrivals(c, &c->offers[i], now);
		more |= !c->offers[i].ended;
	}
	return more && !lab_stopped(c->t);
}

static bool all_came(const struct course *c)
{
	for (unsigned int i = 0; i < c->n; i++)
		if (c->offers[i].counts->received < c->offers[i].counts->sent)
			return false;
	return true;
}

/* Waits for what is still under way. */
static void settle(struct course *c)
{
	double hz = c->t->tsc_hz;
	uint64_t now = rte_rdtsc();

	c->last_arrival = now;
	while ((double)(now - c->last_arrival) < c->trial->settle_seconds * hz &&
	       !(all_came(c) && (double)(now - c->last_arrival) > QUIET_SECONDS * hz)) {
		lab_receive(c->t);
		lab_peers_advance(&c->t->peers, c->t->now_ns);
		now = rte_rdtsc();
		for (unsigned int i = 0; i < c->n; i++)
			note_arrivals(c, &c->offers[i], now);
	}
}

/* ---- the end ---- */

static void sum_up(const struct course *c, struct lab_result *result)
{
	for (unsigned int i = 0; i < c->n; i++) {
		const struct offer *o = &c->offers[i];

		o->counts->wanted = o->pace.passed;
		o->counts->seconds = (double)(o->last - o->first) / c->t->tsc_hz;
		o->counts->longest_gap_seconds = (double)o->gap / c->t->tsc_hz;
		if ((double)o->counts->sent < SENT_PERCENT / 100 * (double)o->counts->wanted)
			result->short_of_rate = true;
	}
}

static int prepare(struct lab_tester *t, const struct lab_trial *trial, struct lab_result *result,
		   char *error, unsigned int error_size)
{
	int rc = 0;

	for (unsigned int way = 0; rc == 0 && way < LAB_WAYS; way++) {
		rc = lab_histogram_init(&result->way[way].latency);
		if (rc == 0)
			rc = lab_histogram_init(&result->bulk[way].latency);
		if (rc != 0)
			snprintf(error, error_size, "no memory for histograms");
	}
	for (int side = LAB_OUTSIDE; rc == 0 && side < LAB_SIDES; side++)
		rc = lab_port_check_link(&t->ports[side], error, error_size);
	if (rc == 0)
		rc = check_rates(t, trial, error, error_size);
	if (rc == 0)
		rc = open_bulk(t, trial, error, error_size);
	return rc == 0 ? renew(t, trial, error, error_size) : rc;
}

static void run(struct course *c, struct lab_result *result)
{
	struct lab_tester *t = c->t;

	lab_receive(t);
	t->trial++;
	lab_count_to(t, result);
	for (unsigned int way = 0; way < LAB_WAYS; way++)
		for (unsigned int kind = 0; kind < LAB_KINDS; kind++)
			if (t->streams[way][kind].flows)
				lab_stream_start(&t->streams[way][kind], t->trial);
	add_offers(c);
	while (turn(c))
		continue;
	result->interrupted = lab_stopped(t);
	settle(c);
	sum_up(c, result);
	lab_count_to(t, &t->idle);
}

int lab_tester_trial(void *ctx, const struct lab_trial *trial, struct lab_result *result,
		     char *error, unsigned int error_size)
{
	struct course c = {.t = ctx, .trial = trial};
	int rc;

	memset(result, 0, sizeof(*result));
	rc = prepare(ctx, trial, result, error, error_size);
	if (rc == -EINTR) {
		result->interrupted = true;
		return 0;
	}
	if (rc != 0) {
		lab_result_free(result);
		return rc;
	}
	run(&c, result);
	return 0;
}

void lab_tester_idle(struct lab_tester *t, double seconds)
{
	uint64_t begin = rte_rdtsc();

	while ((double)(rte_rdtsc() - begin) < seconds * t->tsc_hz && !lab_stopped(t)) {
		lab_receive(t);
		lab_peers_advance(&t->peers, t->now_ns);
	}
}

double lab_tester_line_pps(const struct lab_tester *t, enum lab_way way)
{
	double size = lab_stream_mean_size(&t->streams[way][LAB_MAIN]);
	double sealed = lab_outer_bytes(t->sealed_ipv6) + WG_OVERHEAD_BYTES + size;
	double bits[LAB_SIDES] = {
		[LAB_OUTSIDE] = 8 * (sealed + WIRE_BYTES),
		[LAB_INSIDE] = 8 * (LAB_ETHER_BYTES + size + WIRE_BYTES),
	};
	double pps = 0;

	for (int side = LAB_OUTSIDE; side < LAB_SIDES; side++) {
		double line = lab_port_speed(&t->ports[side]) / bits[side];

		if (line > 0 && (pps == 0 || line < pps))
			pps = line;
	}
	return pps;
}
