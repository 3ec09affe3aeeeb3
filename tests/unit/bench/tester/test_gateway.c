/*
 * The tester with a gateway in its own process: what goes in comes out or is counted, with any
 * families, and sessions are made anew from either side. The worker runs on an lcore of its own.
 */
#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>

#include "bench/lab/gateway_priv.h"
#include "bench/lab/tester_priv.h"
#include "tests/unit/unit.h"

#define PPS	  20000.0
#define PACKETS	  600
#define BURST	  30000
#define BURST_PPS 6e6
#define QUEUE	  1024 /* packets that a cable holds */
#define SETTLE_S  5.0  /* at most: it ends when all has come */
#define PATIENT_S 60.0
#define AGED_S	  150 /* a session that its peer makes anew, and that is good until then */

static volatile sig_atomic_t stopped;
static struct lab_tester *tester; /* that is open */

static struct lab_tester *open_tester(const struct lab_tester_options *options)
{
	struct lab_tester_options o = *options;
	char error[300] = "";

	o.one_process = true;
	o.stop = &stopped;
	if (lab_tester_open(&o, &tester, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	return tester;
}

/* Also after a test that has failed. */
static int close_tester(void **state)
{
	lab_tester_close(tester);
	tester = NULL;
	return 0;
}

/* ---- counts ---- */

static uint64_t dropped(const struct lab_gateway_counts *c)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < c->n_drops; i++)
		n += c->drops[i].packets;
	return n;
}

/* Turns without traffic, as trials have them, until a condition holds. */
static void turn_until(struct lab_tester *t, bool (*holds)(struct lab_tester *t), const char *what)
{
	uint64_t begin = rte_rdtsc();

	while (!holds(t)) {
		if ((double)(rte_rdtsc() - begin) > PATIENT_S * t->tsc_hz)
			fail_msg("in vain: %s", what);
		lab_tester_idle(t, 0.001);
	}
}

static bool balanced(struct lab_tester *t)
{
	struct lab_gateway_counts c;

	assert_true(lab_tester_gateway(t, &c));
	return c.received + c.made == c.sent + c.punted + c.consumed + dropped(&c);
}

static struct lab_gateway_counts counts(struct lab_tester *t)
{
	struct lab_gateway_counts c;

	turn_until(t, balanced, "each packet in the gateway has an ending");
	assert_true(lab_tester_gateway(t, &c));
	return c;
}

/* ---- trials ---- */

static void run(struct lab_tester *t, const struct lab_trial *trial, struct lab_result *result)
{
	char error[300] = "";

	if (lab_tester_trial(t, trial, result, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_false(result->interrupted);
}

/* Some packets each way, all of which come back as they should. */
static void expect_all(struct lab_tester *t)
{
	const struct lab_trial trial = {
		.load = {{PPS, PACKETS}, {PPS, PACKETS}}, .seconds = 1, .settle_seconds = SETTLE_S};
	struct lab_result result;

	run(t, &trial, &result);
	for (int way = LAB_ENCRYPT; way < LAB_WAYS; way++) {
		const struct lab_counts *c = &result.way[way];

		assert_int_equal(c->received, c->sent);
		assert_int_equal(c->duplicates + c->reordered + c->corrupt + c->strange, 0);
		assert_true(c->sent > 0 && c->sent <= PACKETS);
	}
	lab_result_free(&result);
}

static void passes_what_it_gets(void **state)
{
	static const struct lab_tester_options rows[] = {
		{.peers = 1, .flows = 1, .size = 64},
		{.peers = 7, .flows = 20, .size = LAB_SIZE_IMIX, .outside_addresses = 3},
		{.peers = 2, .flows = 3, .size = 1420, .inner_ipv6 = true},
		{.peers = 2,
		 .flows = 5,
		 .size = 65,
		 .gateway_outside = "2001:db8::1/64",
		 .tester_outside = "2001:db8::2"},
		{.peers = 3,
		 .flows = 3,
		 .size = 8900,
		 .tunnel_mtu = 8900,
		 .inner_ipv6 = true,
		 .gateway_outside = "2001:db8::1/64",
		 .tester_outside = "2001:db8::2",
		 .gateway_port = 1234},
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lab_tester *t = open_tester(&rows[i]);
		struct lab_gateway_counts c;

		expect_all(t);
		c = counts(t);
		assert_int_equal(c.punted, 0);
		/* A handshake of each peer, and the confirmation that follows. */
		assert_true(c.consumed >= 2 * rows[i].peers && c.made >= rows[i].peers);
		close_tester(NULL);
	}
}

/* What does not come back was refused by a full queue, or dropped for a reason. */
static void counts_what_it_loses(void **state)
{
	const struct lab_tester_options o = {.peers = 4, .flows = 8, .size = 576};
	struct lab_tester *t = open_tester(&o);

	for (int way = LAB_ENCRYPT; way < LAB_WAYS; way++) {
		struct lab_trial trial = {.seconds = 1, .settle_seconds = SETTLE_S};
		struct lab_gateway_counts before = counts(t), after;
		struct lab_result result;
		const struct lab_counts *c = &result.way[way];

		trial.load[way] = (struct lab_load){BURST_PPS, BURST};
		run(t, &trial, &result);
		after = counts(t);
		assert_true(c->sent > 0 && c->received <= c->sent);
		assert_int_equal(c->sent - c->received, after.refused - before.refused +
								dropped(&after) - dropped(&before));
		/* And a keepalive, if it takes that long. */
		assert_true(after.received - before.received >=
			    c->sent - (after.refused - before.refused));
		lab_result_free(&result);
	}
	close_tester(NULL);
}

/* While its worker rests, a queue takes what it takes; what is in it comes later. */
static void refuses_what_has_no_room(void **state)
{
	const struct lab_tester_options o = {.peers = 1, .flows = 1, .size = 64};
	struct lab_tester *t = open_tester(&o);
	struct lab_gateway_counts before = counts(t), after;
	struct dp *dp = t->gateway->dp;
	uint64_t sent = 0;

	atomic_store(&dp->stop, true);
	rte_eal_wait_lcore(t->gateway->lcore);
	while (sent < 2 * QUEUE)
		sent += lab_send_plain(t, &t->streams[LAB_ENCRYPT][LAB_MAIN], LAB_BURST_MAX);
	atomic_store(&dp->stop, false);
	assert_int_equal(rte_eal_remote_launch(dp_worker_run, dp->workers[0], t->gateway->lcore),
			 0);
	expect_all(t);
	after = counts(t);
	assert_int_equal(after.refused - before.refused, sent - QUEUE);
	close_tester(NULL);
}

/* ---- sessions ---- */

static struct lab_session *were[8];

static bool all_renewed(struct lab_tester *t)
{
	for (uint32_t i = 0; i < t->peers.n; i++)
		if (t->peers.at[i].current == were[i])
			return false;
	return true;
}

static void remember(struct lab_tester *t)
{
	for (uint32_t i = 0; i < t->peers.n; i++)
		were[i] = t->peers.at[i].current;
}

/* By the peers, as in a long soak. */
static void renews_sessions(void **state)
{
	const struct lab_tester_options o = {.peers = 5, .flows = 10, .size = 100};
	struct lab_tester *t = open_tester(&o);

	for (unsigned int round = 0; round < 6; round++) {
		uint64_t made = t->peers.n_sessions;

		remember(t);
		for (uint32_t i = 0; i < t->peers.n; i++)
			were[i]->birth_ns -= AGED_S * WG_NS_PER_S;
		turn_until(t, all_renewed, "sessions are made anew");
		assert_true(t->peers.n_sessions >= made + t->peers.n);
		expect_all(t);
	}
	assert_int_equal(counts(t).punted, 0);
	close_tester(NULL);
}

static void offer_some(struct lab_tester *t)
{
	for (int i = 0; i < 10; i++) {
		(void)lab_send_plain(t, &t->streams[LAB_ENCRYPT][LAB_MAIN], 1);
		lab_tester_idle(t, 0.001);
	}
}

static bool all_renewed_by_packets(struct lab_tester *t)
{
	offer_some(t);
	return all_renewed(t);
}

/* By the gateway, for packets that want to leave. */
static void begins_handshakes(void **state)
{
	const struct lab_tester_options o = {.peers = 3, .flows = 3, .size = 100};
	struct lab_tester *t = open_tester(&o);
	struct lab_gateway *g = t->gateway;
	struct lab_gateway_counts c;

	remember(t);
	for (uint32_t i = 0; i < g->n_peers; i++)
		dp_publish_current(g->peers[i].dp, NULL);
	turn_until(t, all_renewed_by_packets, "the gateway asks for sessions");
	expect_all(t);
	/* What had to wait was dropped, and is told apart. */
	c = counts(t);
	assert_true(dropped(&c) > 0);
	close_tester(NULL);
}

/* ---- the end ---- */

static void ends_when_it_is_told_to(void **state)
{
	const struct lab_tester_options o = {
		.peers = 200, .size = 64, .one_process = true, .stop = &stopped};
	struct lab_tester *t;
	char error[300] = "";

	stopped = 1;
	assert_int_equal(lab_tester_open(&o, &t, error, sizeof(error)), -EINTR);
	assert_null(t);
	stopped = 0;
}

/* The first two CPUs that we may use, or twice the same one. */
static void choose_lcores(char *out, size_t size)
{
	int cpus[2] = {0, 0}, n = 0;
	cpu_set_t set;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	snprintf(out, size, "--lcores=0@%d,1@%d", cpus[0], cpus[n - 1]);
}

int main(void)
{
	static char lcores[64];
	static char *args[] = {"test",		 "--no-huge", "--no-shconf", "--no-pci",
			       "--no-telemetry", "-m",	      "512",	     "--log-level=error",
			       lcores,		 NULL};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(passes_what_it_gets, close_tester),
		cmocka_unit_test_teardown(counts_what_it_loses, close_tester),
		cmocka_unit_test_teardown(refuses_what_has_no_room, close_tester),
		cmocka_unit_test_teardown(renews_sessions, close_tester),
		cmocka_unit_test_teardown(begins_handshakes, close_tester),
		cmocka_unit_test_teardown(ends_when_it_is_told_to, close_tester),
	};

	choose_lcores(lcores, sizeof(lcores));
	if (rte_eal_init(9, args) < 0)
		return EXIT_FAILURE;
	return UNIT_RUN(tests);
}
