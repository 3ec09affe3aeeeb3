/*
 * wgdp-bench handshakes: the driver. One round gives each result a sample, so that all of them, and
 * the multiplications of other libraries that they are compared with, alternate.
 */
#include "bench/handshakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#include "bench/bench.h"
#include "bench/tsc.h"

#define UNIT	   "tsc_cycles/message"
#define RATE_UNIT  "messages/s"
#define KINDS_MAX  16
#define CASES_MAX  3
#define ROUNDS_MIN 7
#define ROUNDS_MAX 2000

const char bench_handshakes_help[] =
	"What the control thread does with a handshake message, in TSC cycles: the product's "
	"state\n"
	"machine from a message to its verdict, with what it hands out (responses, sessions), but\n"
	"without publishing it to workers and without sockets. The clock is set by hand.\n"
	"\n"
	"  SIDE/PEERS/BATCH/KIND  per message; BATCH messages of different peers, chosen at "
	"random,\n"
	"                         in one turn: control takes up to 32\n"
	"  rate/PEERS/BATCH/KIND  messages/s of one CPU that does nothing else\n"
	"  x25519/KIND/LIBRARY    the multiplications of KIND alone, by openssl and libsodium\n"
	"\n"
	"SIDE and KIND:\n"
	"  respond   accept         an initiation until its response: 4 multiplications\n"
	"            accept-first   the first of a peer: the secret of the static keys is made, "
	"too\n"
	"            accept-proved  under load, with a cookie\n"
	"  initiate  start          an initiation: 2 multiplications\n"
	"            finish         the response to it: 2 multiplications\n"
	"  refuse    cookie         under load, without a cookie: answered with one\n"
	"            rate           under load, with a cookie, by a source that had its share\n"
	"            length, mac1   no message; by a sender that does not know our public key\n"
	"            static, timestamp  a field does not decrypt\n"
	"            unknown        by a key that is not a peer\n"
	"            replay, flood  seen before; within 20 ms of the last of the peer\n"
	"            response       a response to no running handshake\n"
	"\n"
	"Ratios: of respond and initiate how many times as fast all of it is as the "
	"multiplications\n"
	"alone by OpenSSL; of refuse how many times as cheap as accepting. Of a turn in which "
	"other\n"
	"programs had the CPU, the CPU time of the thread counts.\n"
	"Of each accepted initiation the response is finished by its peer, and keys are "
	"compared.\n";

/* One kind with one number of peers and messages a turn. */
struct cell {
	const struct handshakes_kind *kind;
	struct handshakes_side *side;
	unsigned int n; /* messages a turn */
	bool rate_wanted;
	struct bench_result *cycles, *rate; /* NULL: not asked for */
};

struct run {
	const struct bench_options *o;
	struct bench_report report;
	struct handshakes_side sides[2]; /* one peer, many */
	unsigned int n_sides;
	struct cell cells[KINDS_MAX * CASES_MAX];
	unsigned int n_cells;
	struct bench_result *others[KINDS_MAX][HANDSHAKES_LIBRARIES]; /* NULL: as above */
};

/* ---- one sample ---- */

struct start {
	uint64_t cpu_ns, tsc;
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * WG_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static struct start start_clock(void)
{
	uint64_t ns = cpu_ns();

	return (struct start){.cpu_ns = ns, .tsc = bench_tsc()};
}

/* TSC cycles since then, without those in which something else had this CPU: a turn is as long as a
 * time slice. Reading the thread's time costs some cycles, so that one is the longer one otherwise.
 */
static double cycles_since(const struct start *start)
{
	double tsc = (double)(bench_tsc() - start->tsc);
	double cpu = (double)(cpu_ns() - start->cpu_ns) * 1e-9 * (double)rte_get_tsc_hz();

	return tsc < cpu ? tsc : cpu;
}

static bool complain(const struct cell *c, const char *what, enum hs_verdict got)
{
	bench_progress_end();
	fprintf(stderr, "wgdp-bench: %s: %s%s%s: no result\n", c->kind->name, what,
		got != HS_VERDICT_N ? ": " : "", got != HS_VERDICT_N ? hs_verdict_text(got) : "");
	return false;
}

static bool sample(struct cell *c)
{
	static struct handshakes_message messages[HANDSHAKES_TURN];
	enum hs_verdict verdicts[HANDSHAKES_TURN];
	const struct handshakes_kind *k = c->kind;
	struct start start;
	double cycles;

	handshakes_side_turn(c->side);
	if (!k->prepare(k, c->side, messages, c->n))
		return complain(c, "could not be prepared", HS_VERDICT_N);
	handshakes_side_forget(c->side);
	start = start_clock();
	if (k->work) {
		k->work(c->side, messages, c->n);
	} else {
		for (unsigned int i = 0; i < c->n; i++)
			verdicts[i] = handshakes_side_input(c->side, k->load, &messages[i]);
	}
	cycles = cycles_since(&start);
	for (unsigned int i = 0; !k->work && i < c->n; i++) {
		if (verdicts[i] != k->verdict)
			return complain(c, "was judged otherwise", verdicts[i]);
	}
	if (k->right && !k->right(c->side, messages, c->n))
		return complain(c, "the two sides do not agree", HS_VERDICT_N);
	if (c->cycles)
		bench_sample(c->cycles, cycles / c->n);
	if (c->rate)
		bench_sample(c->rate, (double)rte_get_tsc_hz() * c->n / cycles);
	return true;
}

static bool sample_other(struct run *r, unsigned int kind, enum handshakes_library library)
{
	const struct handshakes_kind *k = &handshakes_kinds[kind];
	/* The first one pays for what has pushed it out of the caches. */
	bool warm = handshakes_x25519_run(library, k->bases, k->points);
	struct start start = start_clock();

	if (!warm || !handshakes_x25519_run(library, k->bases, k->points)) {
		bench_progress_end();
		fprintf(stderr, "wgdp-bench: X25519 of %s failed\n",
			handshakes_library_names[library]);
		return false;
	}
	bench_sample(r->others[kind][library], cycles_since(&start));
	return true;
}

static bool sample_round(struct run *r)
{
	for (unsigned int i = 0; i < r->n_cells; i++) {
		if (!sample(&r->cells[i]))
			return false;
	}
	for (unsigned int i = 0; i < handshakes_n_kinds; i++) {
		for (unsigned int k = 0; k < HANDSHAKES_LIBRARIES; k++) {
			if (r->others[i][k] && !sample_other(r, i, k))
				return false;
		}
	}
	return true;
}

static bool sample_all(struct run *r)
{
	double deadline = bench_seconds() + r->o->seconds;

	for (unsigned int round = 0; round < ROUNDS_MAX && !bench_stopped(); round++) {
		if (round >= ROUNDS_MIN && bench_seconds() >= deadline)
			break;
		bench_progress("handshakes: round %u", round + 1);
		if (!sample_round(r))
			return false;
	}
	bench_progress_end();
	return true;
}

/* ---- what there is to measure ---- */

static struct bench_result *wanted(struct run *r, bool anyway, const char *unit, const char *name)
{
	return anyway || bench_wanted(r->o, name) ? bench_result(&r->report, unit, "%s", name)
						  : NULL;
}

static void name_result(char *name, const char *what, const struct cell *c)
{
	snprintf(name, BENCH_NAME_BYTES, "%s/%u-peer%s/%u/%s", what, c->side->n_peers,
		 c->side->n_peers == 1 ? "" : "s", c->n, c->kind->name);
}

static void add(struct run *r, const struct handshakes_kind *k, struct handshakes_side *side,
		unsigned int n, bool anyway)
{
	struct cell *c = &r->cells[r->n_cells];
	char name[BENCH_NAME_BYTES];

	*c = (struct cell){.kind = k, .side = side, .n = n};
	name_result(name, "rate", c);
	c->rate_wanted = k->points && bench_wanted(r->o, name);
	name_result(name, k->group, c);
	c->cycles = wanted(r, anyway, UNIT, name);
	if (c->cycles || c->rate_wanted)
		r->n_cells++;
}

/* Behind all else: of another unit. */
static void add_rates(struct run *r)
{
	for (unsigned int i = 0; i < r->n_cells; i++) {
		char name[BENCH_NAME_BYTES];

		if (!r->cells[i].rate_wanted)
			continue;
		name_result(name, "rate", &r->cells[i]);
		r->cells[i].rate = bench_result(&r->report, RATE_UNIT, "%s", name);
	}
}

/* The multiplications of a kind alone, if its cells are compared with them or they are asked for.
 */
static void add_others(struct run *r, unsigned int kind)
{
	const struct handshakes_kind *k = &handshakes_kinds[kind];
	bool compared = false;

	for (unsigned int i = 0; i < r->n_cells; i++)
		compared |= r->cells[i].kind == k && r->cells[i].cycles;
	for (unsigned int i = 0; i < HANDSHAKES_LIBRARIES; i++) {
		char name[BENCH_NAME_BYTES];

		snprintf(name, sizeof(name), "x25519/%s/%s", k->name, handshakes_library_names[i]);
		r->others[kind][i] = wanted(r, i == HANDSHAKES_OPENSSL && compared, UNIT, name);
	}
	for (unsigned int i = 0; i < r->n_cells; i++) {
		struct cell *c = &r->cells[i];

		if (c->kind == k && c->cycles)
			c->cycles->ratio_to = r->others[kind][HANDSHAKES_OPENSSL];
	}
}

/* Refusals are compared with accepting as many, which is measured for that if it was not. */
static void compare_refusals(struct run *r, struct handshakes_side *many, unsigned int turn)
{
	const struct handshakes_kind *accepting = &handshakes_kinds[0];
	struct bench_result *accept = NULL;
	unsigned int n = r->n_cells;
	bool any = false;

	for (unsigned int i = 0; i < n; i++) {
		const struct cell *c = &r->cells[i];

		any |= !c->kind->points;
		if (c->kind == accepting && c->side == many && c->n == turn)
			accept = c->cycles;
	}
	if (!any)
		return;
	if (!accept) {
		add(r, accepting, many, turn, true);
		accept = r->cells[r->n_cells - 1].cycles;
	}
	for (unsigned int i = 0; i < n; i++) {
		if (!r->cells[i].kind->points)
			r->cells[i].cycles->ratio_to = accept;
	}
}

/* What costs multiplications, one and many at a time; the rest many at a time. */
static void add_all(struct run *r)
{
	struct handshakes_side *many = &r->sides[r->n_sides - 1];
	unsigned int turn = many->n_peers < HANDSHAKES_TURN ? many->n_peers : HANDSHAKES_TURN;

	for (unsigned int k = 0; k < r->n_sides; k++) {
		for (unsigned int i = 0; i < handshakes_n_kinds; i++) {
			if (handshakes_kinds[i].points)
				add(r, &handshakes_kinds[i], &r->sides[k], 1, false);
		}
	}
	for (unsigned int i = 0; i < handshakes_n_kinds; i++) {
		if (!handshakes_kinds[i].points || turn > 1)
			add(r, &handshakes_kinds[i], many, turn, false);
	}
	compare_refusals(r, many, turn);
	for (unsigned int i = 0; i < handshakes_n_kinds; i++) {
		if (handshakes_kinds[i].points)
			add_others(r, i);
	}
	add_rates(r);
}

/* ---- set up ---- */

static bool open_sides(struct run *r)
{
	const unsigned int peers[2] = {1, r->o->peers};

	for (unsigned int i = 0; i < (r->o->peers > 1 ? 2 : 1); i++) {
		bench_progress("handshakes: making %u peers", peers[i]);
		r->n_sides++;
		if (!handshakes_side_open(&r->sides[i], peers[i])) {
			bench_progress_end();
			fprintf(stderr, "wgdp-bench: %u peers cannot be made: out of memory\n",
				peers[i]);
			return false;
		}
	}
	bench_progress_end();
	return true;
}

int bench_handshakes(const struct bench_options *o)
{
	static struct run r;
	int status = EXIT_FAILURE;

	r.o = o;
	r.report.bench = "handshakes";
	if (!bench_eal(&r.report.hugepages))
		return EXIT_FAILURE;
	if (!open_sides(&r) || !handshakes_x25519_open())
		goto out;
	add_all(&r);
	if (!bench_any(&r.report, o))
		goto out;
	if (sample_all(&r) && bench_print(&r.report, o) == 0)
		status = EXIT_SUCCESS;
out:
	handshakes_x25519_close();
	for (unsigned int i = 0; i < r.n_sides; i++)
		handshakes_side_close(&r.sides[i]);
	bench_report_free(&r.report);
	return status;
}
