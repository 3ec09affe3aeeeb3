/*
 * wgdp-bench path: what a packet costs from rx to tx, whole and stage by stage. The stages are the
 * product's, called as worker.c calls them; nothing in them is instrumented. A stage calls
 * the next one, so what one costs is a difference: the time from it on, less the time from the next
 * on.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/bench.h"
#include "bench/gateway.h"
#include "bench/packets.h"
#include "dataplane/stages.h"

#define UNIT	     "tsc_cycles/packet"
#define BACKENDS_MAX 8
#define SIZES	     5
#define ROUNDS_MAX   301
#define ENTRIES_MAX  7
#define WARM_UPS     5
/* Of both ways in turns: each has whole rounds of imix. */
#define BOTH_BATCHES 12

static_assert(BOTH_BATCHES <= BENCH_BATCHES && BOTH_BATCHES / 2 * DP_BATCH_MAX % 48 == 0,
	      "whole imix rounds");

static const unsigned int sizes[SIZES] = {64, 256, 576, 1420, BENCH_IMIX};

enum way { ENCRYPT, DECRYPT, BOTH, WAYS };

static const char *const way_names[WAYS] = {"encrypt", "decrypt", "both"};

/* In the order of the path; the AEAD works within `around`. Of both ways together only the whole is
 * measured. */
static const struct {
	enum bench_entry entry;
	const char *name;
} stages[BOTH][ENTRIES_MAX] = {
	{
		{BENCH_RX, "encrypt-rx"},
		{BENCH_CLASSIFY, "encrypt-classify"},
		{BENCH_FORWARD_IN, "encrypt-forward"},
		{BENCH_ENCAP, "encrypt-encap"},
		{BENCH_SEAL, "encrypt-headers"},
		{BENCH_TX, "encrypt-tx"},
	},
	{
		{BENCH_RX, "decrypt-rx"},
		{BENCH_CLASSIFY, "decrypt-classify"},
		{BENCH_DECAP, "decrypt-decap"},
		{BENCH_FORWARD, "decrypt-forward"},
		{BENCH_TX, "decrypt-tx"},
	},
};

static const enum bench_entry around_aead[BOTH] = {BENCH_SEAL, BENCH_DECAP};

struct backend {
	const char *name;
	struct cr_aead *aead;
};

struct gateway {
	struct bench_gateway g;
	struct dp_poll *polls[2]; /* of its ports, in the same order */
};

/* One load, one number of peers, one back end. */
struct measured {
	enum way way;
	struct bench_load load; /* both: without a direction */
	struct gateway *gateway;
	const struct backend *backend;
	struct bench_result *whole, *ciphers; /* NULL: not asked for */
	/* only with the fastest back end */
	struct bench_result *rest, *stages[ENTRIES_MAX];
};

struct run {
	const struct bench_options *o;
	struct bench_report report;
	struct gateway gateways[2]; /* one peer, many */
	unsigned int n_gateways;
	struct backend backends[BACKENDS_MAX]; /* fastest first */
	unsigned int n_backends;
	struct bench_preparer preparer;
	struct measured measured[WAYS * SIZES * 2 * BACKENDS_MAX];
	unsigned int n_measured;
	const struct gateway *warm; /* what has just been measured: its tables are in the cache */
};

/* ---- one measurement ---- */

static void enter(struct dp_worker *w, struct dp_poll *poll, struct dp_batch *b,
		  enum bench_entry entry)
{
	switch (entry) {
	case BENCH_RX:
		dp_rx(w, poll, b);
		dp_classify(w, b);
		break;
	case BENCH_CLASSIFY:
		dp_classify(w, b);
		break;
	case BENCH_DECAP:
		dp_decap(w, b);
		break;
	case BENCH_FORWARD:
		dp_forward(w, b);
		break;
	case BENCH_FORWARD_IN:
		dp_forward_in(w, b);
		break;
	case BENCH_ENCAP:
		dp_encap(w, b);
		break;
	case BENCH_SEAL:
		dp_seal(w, b);
		break;
	case BENCH_TX:
		dp_tx(w, b);
		break;
	case BENCH_AEAD:
		break;
	}
	dp_tx_flush(w);
}

/* Frees what was sent; how many. */
static unsigned int empty(struct bench_memory_queue *q)
{
	unsigned int sent = bench_memory_sent(q);

	rte_pktmbuf_free_bulk(q->sent, sent);
	bench_memory_reset(q);
	return sent;
}

/* Cycles per packet from a stage on, until the last frame is sent; negative: not all were. */
static double path_cycles(struct gateway *gateway, struct dp_batch *batches, bool decrypt,
			  enum bench_entry entry)
{
	struct bench_memory_queue *in = &gateway->g.memory[decrypt ? 0 : 1].queues[0];
	struct bench_memory_queue *out = &gateway->g.memory[decrypt ? 1 : 0].queues[0];
	struct dp_poll *poll = gateway->polls[decrypt ? 0 : 1];
	uint64_t begin, end;
	unsigned int sent;

	for (unsigned int k = 0; entry == BENCH_RX && k < BENCH_BATCHES; k++)
		bench_memory_put(in, batches[k].pkts, batches[k].n);
	begin = rte_rdtsc_precise();
	for (unsigned int k = 0; k < BENCH_BATCHES; k++)
		enter(gateway->g.w, poll, &batches[k], entry);
	end = rte_rdtsc_precise();
	sent = empty(out);
	bench_memory_reset(in);
	return sent == BENCH_PACKETS ? (double)(end - begin) / BENCH_PACKETS : -1;
}

static double aead_cycles(struct dp_worker *w, struct dp_batch *batches, bool decrypt)
{
	struct cr_packet packets[BENCH_BATCHES][DP_BATCH_MAX];
	uint64_t begin, end, right = UINT32_MAX;

	for (unsigned int k = 0; k < BENCH_BATCHES; k++)
		bench_ciphers(&batches[k], decrypt, packets[k]);
	begin = rte_rdtsc_precise();
	for (unsigned int k = 0; k < BENCH_BATCHES; k++)
		right &= decrypt ? cr_open_burst(w->aead, packets[k], DP_BATCH_MAX)
				 : cr_seal_burst(w->aead, packets[k], DP_BATCH_MAX);
	end = rte_rdtsc_precise();
	for (unsigned int k = 0; k < BENCH_BATCHES; k++)
		dp_consume(w, batches[k].pkts, batches[k].n);
	return right == UINT32_MAX ? (double)(end - begin) / BENCH_PACKETS : -1;
}

/* As in turns of a worker that polls both ports: a batch from each, then what is to be sent. */
static double both_cycles(struct gateway *gateway, struct dp_batch *batches)
{
	struct dp_worker *w = gateway->g.w;
	uint64_t begin, end;
	unsigned int sent = 0;

	for (unsigned int k = 0; k < BOTH_BATCHES; k++)
		bench_memory_put(&gateway->g.memory[k % 2].queues[0], batches[k].pkts,
				 batches[k].n);
	begin = rte_rdtsc_precise();
	for (unsigned int k = 0; k < BOTH_BATCHES; k += 2) {
		for (unsigned int port = 0; port < 2; port++) {
			dp_rx(w, gateway->polls[port], &batches[k + port]);
			dp_classify(w, &batches[k + port]);
		}
		dp_tx_flush(w);
	}
	end = rte_rdtsc_precise();
	for (unsigned int port = 0; port < 2; port++)
		sent += empty(&gateway->g.memory[port].queues[0]);
	return sent == BOTH_BATCHES * DP_BATCH_MAX ? (double)(end - begin) / sent : -1;
}

/* Messages from peers and plain packets, a batch of each in turns. */
static bool prepare_both(struct run *r, const struct measured *m, struct dp_batch *batches)
{
	for (unsigned int k = 0; k < BOTH_BATCHES; k++) {
		const struct bench_load load = {.decrypt = k % 2 == 0, .size = m->load.size};

		if (!bench_prepare_batch(&r->preparer, &m->gateway->g, &load, BENCH_RX,
					 k / 2 * DP_BATCH_MAX, &batches[k]))
			return false;
	}
	return true;
}

static bool prepare(struct run *r, const struct measured *m, enum bench_entry entry,
		    struct dp_batch *batches)
{
	return m->way == BOTH
		       ? prepare_both(r, m, batches)
		       : bench_prepare(&r->preparer, &m->gateway->g, &m->load, entry, batches);
}

/* NAN: not everything went the way that it should. */
static double measure(struct run *r, const struct measured *m, enum bench_entry entry)
{
	static struct dp_batch batches[BENCH_BATCHES];
	struct dp_worker *w = m->gateway->g.w;
	struct cr_aead *own = w->aead;
	double cycles;

	if (!prepare(r, m, entry, batches))
		return NAN;
	w->aead = m->backend->aead;
	if (m->way == BOTH)
		cycles = both_cycles(m->gateway, batches);
	else if (entry == BENCH_AEAD)
		cycles = aead_cycles(w, batches, m->load.decrypt);
	else
		cycles = path_cycles(m->gateway, batches, m->load.decrypt, entry);
	w->aead = own;
	return cycles < 0 ? NAN : cycles;
}

/* ---- one round over all ---- */

/* What stage i costs needs the time from it on, and from the next one on. */
static bool needs_entry(const struct measured *m, unsigned int i)
{
	if (i == 0 && (m->whole || m->rest))
		return true;
	return m->stages[i] || (i > 0 && m->stages[i - 1]);
}

static bool sample_both(struct run *r, const struct measured *m)
{
	double cycles = m->whole ? measure(r, m, BENCH_RX) : 0;

	if (m->whole && !isnan(cycles))
		bench_sample(m->whole, cycles);
	return !isnan(cycles);
}

/* A worker does not go from one gateway to another. Packets through it that do not count: so many
 * that most of 1000 peers have some. */
static bool warm_up(struct run *r, const struct measured *m)
{
	for (unsigned int i = 0; r->warm != m->gateway && i < WARM_UPS; i++) {
		if (isnan(measure(r, m, BENCH_RX)))
			return false;
	}
	r->warm = m->gateway;
	return true;
}

static bool sample(struct run *r, struct measured *m)
{
	double from[ENTRIES_MAX + 1] = {0}, ciphers = 0, sum = 0;
	unsigned int n = 0, around = 0;

	if (!warm_up(r, m))
		return false;
	if (m->way == BOTH)
		return sample_both(r, m);
	for (; n < ENTRIES_MAX && stages[m->way][n].name; n++) {
		if (stages[m->way][n].entry == around_aead[m->way])
			around = n;
		if (needs_entry(m, n))
			from[n] = measure(r, m, stages[m->way][n].entry);
		sum += from[n];
	}
	if (m->ciphers || m->rest || m->stages[around])
		ciphers = measure(r, m, BENCH_AEAD);
	if (isnan(sum + ciphers))
		return false;
	if (m->whole)
		bench_sample(m->whole, from[0]);
	if (m->ciphers)
		bench_sample(m->ciphers, ciphers);
	if (m->rest)
		bench_sample(m->rest, from[0] - ciphers);
	for (unsigned int i = 0; i < n; i++) {
		if (m->stages[i])
			bench_sample(m->stages[i],
				     from[i] - from[i + 1] - (i == around ? ciphers : 0));
	}
	return true;
}

/* The first round warms up; what it measured stands only if there is no time for another. Then
 * rounds until time is up, but each result at least once. */
static bool sample_all(struct run *r)
{
	double deadline = bench_seconds() + r->o->seconds;

	for (unsigned int round = 0; round <= ROUNDS_MAX; round++) {
		if (bench_stopped() || (round > 0 && bench_seconds() >= deadline))
			break;
		for (unsigned int i = 0; round == 1 && i < r->report.n; i++)
			r->report.results[i]->n = 0;
		for (unsigned int i = 0; i < r->n_measured; i++) {
			if (bench_stopped() || (round > 1 && bench_seconds() >= deadline))
				break;
			bench_progress("path: round %u of %u, %u %%", round, ROUNDS_MAX,
				       100 * i / r->n_measured);
			if (!sample(r, &r->measured[i])) {
				bench_progress_end();
				fputs("wgdp-bench: packets were lost on the path: no result\n",
				      stderr);
				return false;
			}
		}
	}
	bench_progress_end();
	return true;
}

/* ---- what there is to measure ---- */

static struct bench_result *wanted(struct run *r, const char *what, const struct measured *m,
				   const struct bench_result *slower)
{
	char name[BENCH_NAME_BYTES], size[16];
	struct bench_result *result;

	snprintf(size, sizeof(size), "%u", m->load.size);
	snprintf(name, sizeof(name), "%s/%s/%u-peer%s/%s", what,
		 m->load.size == BENCH_IMIX ? "imix" : size, m->gateway->g.n_peers,
		 m->gateway->g.n_peers == 1 ? "" : "s", m->backend->name);
	if (!bench_wanted(r->o, name))
		return NULL;
	result = bench_result(&r->report, UNIT, "%s", name);
	result->ratio_to = (struct bench_result *)(uintptr_t)slower;
	return result;
}

static void add(struct run *r, enum way way, unsigned int size, struct gateway *gateway)
{
	static const char *const ciphers[BOTH] = {"encrypt-seal", "decrypt-open"};
	static const char *const rests[BOTH] = {"encrypt-rest", "decrypt-rest"};
	const struct bench_load load = {.decrypt = way == DECRYPT, .size = size};
	const struct bench_result *whole = NULL, *cipher = NULL;

	/* The reference is last, and is what the others are compared with. */
	for (unsigned int i = r->n_backends; i-- > 0;) {
		struct measured *m = &r->measured[r->n_measured++];
		bool staged = i == 0 && way != BOTH;

		*m = (struct measured){
			.way = way, .load = load, .gateway = gateway, .backend = &r->backends[i]};
		m->whole = wanted(r, way_names[way], m, whole);
		if (way != BOTH)
			m->ciphers = wanted(r, ciphers[way], m, cipher);
		if (i == r->n_backends - 1) {
			whole = m->whole;
			cipher = m->ciphers;
		}
		if (staged)
			m->rest = wanted(r, rests[way], m, NULL);
		for (unsigned int k = 0; staged && k < ENTRIES_MAX; k++) {
			const char *name = stages[way][k].name;

			if (name)
				m->stages[k] = wanted(r, name, m, NULL);
		}
	}
}

static void add_all(struct run *r)
{
	for (enum way way = ENCRYPT; way < WAYS; way++) {
		for (unsigned int k = 0; k < r->n_gateways; k++) {
			for (unsigned int i = 0; i < SIZES; i++)
				add(r, way, sizes[i], &r->gateways[k]);
		}
	}
}

/* ---- set up ---- */

static bool open_backends(struct run *r)
{
	const char *name;

	for (unsigned int i = 0; (name = cr_aead_backend_name(i)) && r->n_backends < BACKENDS_MAX;
	     i++) {
		struct cr_aead *aead = cr_aead_new(name);

		if (aead) /* else this CPU lacks it */
			r->backends[r->n_backends++] = (struct backend){name, aead};
	}
	if (r->n_backends == 0)
		return false;
	r->preparer = (struct bench_preparer){
		.aead = r->backends[0].aead,
		.random = 1,
		.step = 1,
	};
	return true;
}

static bool open_gateway(struct gateway *gateway, unsigned int n_peers, bool offload)
{
	const struct bench_gateway_settings settings = {
		.n_peers = n_peers,
		.n_workers = 1,
		.packet_buffers = BENCH_BUFFERS,
		.room = BENCH_PACKETS,
		.birth_ns = BENCH_NOW_NS,
		.offload = offload,
	};
	char error[256] = "";
	struct dp_worker *w;

	if (bench_gateway_open(&gateway->g, &settings, error, sizeof(error)) != 0) {
		fprintf(stderr, "wgdp-bench: %s\n", error);
		return false;
	}
	w = gateway->g.w;
	for (unsigned int k = 0; k < w->n_polls; k++)
		gateway->polls[w->polls[k].device->first_port] = &w->polls[k];
	return true;
}

static bool open_gateways(struct run *r)
{
	const unsigned int peers[2] = {1, r->o->peers};

	for (unsigned int i = 0; i < (r->o->peers > 1 ? 2 : 1); i++) {
		if (!open_gateway(&r->gateways[i], peers[i], !r->o->no_offload))
			return false;
		r->n_gateways++;
	}
	return true;
}

int bench_path(const struct bench_options *o)
{
	static struct run r;
	int status = EXIT_FAILURE;

	if (o->n_workers)
		return bench_workers(o);
	r.o = o;
	r.report.bench = "path";
	if (!bench_eal(&r.report.hugepages))
		return EXIT_FAILURE;
	if (!open_backends(&r) || !open_gateways(&r))
		goto out;
	add_all(&r);
	if (!bench_any(&r.report, o))
		goto out;
	if (sample_all(&r) && bench_print(&r.report, o) == 0)
		status = EXIT_SUCCESS;
out:
	for (unsigned int i = 0; i < r.n_gateways; i++)
		bench_gateway_close(&r.gateways[i].g);
	for (unsigned int i = 0; i < r.n_backends; i++)
		cr_aead_free(r.backends[i].aead);
	bench_report_free(&r.report);
	return status;
}
