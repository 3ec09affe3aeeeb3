/*
 * Whole workers on ports in memory: turns of the loop, what control and Linux hand in, full ports,
 * and storms of broken packets after which every packet has ended exactly once.
 */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/allowed.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

#define FRAME_BYTES 1600
#define WAIT_MS	    10000

/* The clock of a turn is the real one: sessions are born now. */
static void open_now(struct path *p, uint16_t n_workers)
{
	struct timespec ts;

	path_open(p, n_workers);
	clock_gettime(CLOCK_BOOTTIME, &ts);
	for (unsigned int n = 1; n <= PATH_PEERS; n++) {
		struct dp_session *s = p->sessions[n];

		s->birth_ns = (uint64_t)ts.tv_sec * WG_NS_PER_S;
		s->rekey_send_ns = s->birth_ns + WG_REKEY_AFTER_NS;
		s->send_until_ns = s->birth_ns + WG_REJECT_AFTER_NS;
	}
}

static void arrive(struct path *p, unsigned int port, const struct path_frame *f)
{
	assert_int_equal(rte_ring_enqueue(p->rx[port], path_packet(p, f->at, f->len)), 0);
}

static void a_turn(void **state)
{
	uint8_t plain[112], ip[100];
	struct path_frame f;
	struct rte_mbuf *m;
	struct path p;

	open_now(&p, 1);
	assert_int_equal(dp_worker_turn(p.w), 0);
	assert_int_equal(dp_counted(&p.w->idle_loops), 1);
	path_ip(plain, "10.8.1.5", "10.0.0.2", sizeof(plain));
	path_data(&f, &p, 1, 0, plain, sizeof(plain));
	arrive(&p, 0, &f);
	path_ip(ip, "10.0.0.2", "10.8.3.5", sizeof(ip));
	path_ethernet(&f, &p, 1, ip, sizeof(ip));
	arrive(&p, 1, &f);
	assert_int_equal(dp_worker_turn(p.w), 2);
	for (unsigned int port = 0; port < 2; port++) {
		m = path_sent(&p, port);
		assert_non_null(m);
		rte_pktmbuf_free(m);
		assert_int_equal(dp_counted(&p.w->port_counters[port].rx), 1);
		assert_int_equal(dp_counted(&p.w->port_counters[port].tx), 1);
	}
	assert_int_equal(dp_counted(&p.w->counters.rx), 2);
	assert_int_equal(dp_counted(&p.w->counters.tx), 2);
	assert_int_equal(dp_counted(&p.w->loops), 2);
	path_assert_dropped(&p, DP_DROP_runt, 0);
	path_close(&p);
}

/* ---- what other threads hand in ---- */

static struct rte_mbuf *hand_in(struct path *p, enum dp_ask ask, const void *at, size_t len)
{
	struct rte_mbuf *m = path_packet(p, at, len);

	/* What a packet that went round may still have in it is not believed. */
	memset(dp_note(m), 0xee, sizeof(struct dp_note));
	dp_note(m)->ask = (uint8_t)ask;
	dp_note(m)->iface_id = p->wg->id;
	dp_note(m)->peer_ref = p->peers[2]->ref;
	dp_note(m)->port_id = 0;
	return m;
}

static void joins(void **state)
{
	uint8_t ip[100], plain[112];
	struct path_frame f;
	struct rte_mbuf *m;
	struct path p;

	open_now(&p, 1);
	path_ip(ip, "10.0.0.2", "10.8.3.5", sizeof(ip));
	path_ip(plain, "10.8.1.5", "10.0.0.2", sizeof(plain));
	path_data(&f, &p, 1, 0, plain, sizeof(plain));
	for (int from_face = 0; from_face < 2; from_face++) {
		assert_true(
			dp_to_worker(p.dp, hand_in(&p, DP_ASK_ENCAP, ip, sizeof(ip)), from_face));
		assert_true(dp_to_worker(p.dp, hand_in(&p, DP_ASK_SEAL, NULL, 0), from_face));
		assert_true(
			dp_to_worker(p.dp, hand_in(&p, DP_ASK_SEAL, ip, sizeof(ip)), from_face));
		assert_true(dp_to_worker(p.dp, hand_in(&p, DP_ASK_OUT, f.at, f.len), from_face));
		assert_true(dp_to_worker(p.dp, hand_in(&p, DP_ASK_FRAME, f.at, f.len), from_face));
		assert_int_equal(dp_worker_turn(p.w), 5);
		path_assert_dropped(&p, DP_DROP_replay, from_face); /* the frame, again */
		/* 100 bytes to peer 3, keepalive and 100 bytes to peer 2, and the frame as it was
		 */
		static const uint16_t lens[] = {14 + 28 + 32 + 112, 14 + 48 + 32,
						14 + 48 + 32 + 112, 14 + 28 + 32 + 112};
		unsigned int seen = 0;

		while ((m = path_sent(&p, 0))) {
			for (unsigned int i = 0; i < RTE_DIM(lens); i++) {
				if (m->data_len == lens[i] && !(seen & 1u << i)) {
					seen |= 1u << i;
					break;
				}
			}
			rte_pktmbuf_free(m);
		}
		assert_int_equal(seen, 15);
		m = path_sent(&p, 1);
		assert_int_equal(m != NULL, !from_face);
		if (m)
			rte_pktmbuf_free(m);
		path_drain(&p);
	}
	path_close(&p);
}

static void gone_meanwhile(void **state)
{
	uint8_t ip[100];
	struct rte_mbuf *m;
	struct path p;

	open_now(&p, 1);
	path_ip(ip, "10.0.0.2", "10.8.3.5", sizeof(ip));
	m = hand_in(&p, DP_ASK_ENCAP, ip, sizeof(ip));
	dp_note(m)->iface_id = (uint16_t)(p.wg->id + 1);
	assert_true(dp_to_worker(p.dp, m, false));
	m = hand_in(&p, DP_ASK_ENCAP, ip, sizeof(ip));
	dp_note(m)->iface_id = UINT16_MAX;
	assert_true(dp_to_worker(p.dp, m, false));
	m = hand_in(&p, DP_ASK_SEAL, ip, sizeof(ip));
	dp_note(m)->peer_ref += UINT64_C(1) << 40;
	assert_true(dp_to_worker(p.dp, m, false));
	m = hand_in(&p, DP_ASK_OUT, ip, sizeof(ip));
	dp_note(m)->port_id = 2;
	assert_true(dp_to_worker(p.dp, m, false));
	m = hand_in(&p, DP_ASK_NONE, ip, sizeof(ip));
	assert_true(dp_to_worker(p.dp, m, false));
	dp_worker_turn(p.w);
	path_assert_dropped(&p, DP_DROP_stale, 5);
	path_assert_quiet(&p);
	path_close(&p);
}

static void full_port(void **state)
{
	enum { PORT_RING_PKTS = 4095 };
	struct path p;
	unsigned int n = 0;
	uint8_t frame[60] = {0};

	path_open(&p, 1);
	/* The ring of the port is filled with nothing of value: the same buffer, held often. */
	struct rte_mbuf *filler = path_packet(&p, frame, sizeof(frame));

	while (rte_ring_enqueue(p.tx[0], filler) == 0)
		n++;
	assert_true(n <= PORT_RING_PKTS && n > 100);
	for (unsigned int i = 0; i < 40; i++)
		path_seal(&p, 1, NULL, 0);
	path_assert_dropped(&p, DP_DROP_tx_full, 40);
	assert_int_equal(dp_counted(&p.w->counters.tx), 0);
	assert_int_equal(dp_counted(&p.w->iface_counters[p.wg->id].drops[DP_DROP_tx_full]), 40);
	for (unsigned int i = 0; i < n; i++)
		path_sent(&p, 0);
	rte_pktmbuf_free(filler);
	path_close(&p);
}

/* A port without link costs its frames; one whose device is gone is not touched at all. */
static void no_link(void **state)
{
	struct dp_event confirmed;
	struct rte_mbuf *m;
	uint8_t plain[112];
	struct path_frame f;
	struct path p;

	open_now(&p, 1);
	path_ip(plain, "10.8.1.5", "10.0.0.2", sizeof(plain));
	p.ports[0].device->link.state = DP_LINK_DOWN;
	path_seal(&p, 1, NULL, 0);
	path_assert_dropped(&p, DP_DROP_link_down, 1);
	path_data(&f, &p, 1, 0, plain, sizeof(plain));
	arrive(&p, 0, &f);
	assert_int_equal(dp_worker_turn(p.w), 1);
	rte_pktmbuf_free(path_sent(&p, 1));
	assert_true(path_event(&p, &confirmed));
	/* Whose neighbour is not known is not asked for it. */
	path_ip(plain, "10.8.1.5", "10.0.0.3", sizeof(plain));
	path_data(&f, &p, 1, 1, plain, sizeof(plain));
	arrive(&p, 0, &f);
	p.ports[1].device->link.state = DP_LINK_DOWN;
	assert_int_equal(dp_worker_turn(p.w), 1);
	m = path_asked(&p);
	assert_int_equal(dp_note(m)->ask, DP_ASK_ICMP);
	assert_int_equal(dp_note(m)->reason, DP_DROP_link_down);
	rte_pktmbuf_free(m);
	path_assert_dropped(&p, DP_DROP_link_down, 1);
	path_ip(plain, "10.8.1.5", "10.0.0.2", sizeof(plain));
	p.ports[1].device->link.state = DP_LINK_UP;
	p.ports[0].device->link.state = DP_LINK_GONE;
	path_seal(&p, 1, NULL, 0);
	path_assert_dropped(&p, DP_DROP_link_down, 1);
	path_data(&f, &p, 1, 2, plain, sizeof(plain));
	arrive(&p, 0, &f);
	assert_int_equal(dp_worker_turn(p.w), 0);
	p.ports[0].device->link.state = DP_LINK_UP;
	assert_int_equal(dp_worker_turn(p.w), 1);
	rte_pktmbuf_free(path_sent(&p, 1));
	path_seal(&p, 1, NULL, 0);
	rte_pktmbuf_free(path_sent(&p, 0));
	path_assert_quiet(&p);
	path_close(&p);
}

static void full_rings_to_others(void **state)
{
	struct path_frame f;
	uint8_t initiation[148] = {1};
	struct path p;

	path_open(&p, 1);
	path_udp(&f, &p, 0, "198.51.100.1", 1000, "192.0.2.1", PATH_LISTEN_PORT, initiation,
		 sizeof(initiation));
	for (unsigned int i = 0; i < DP_HANDSHAKE_RING_PKTS - 1; i++)
		path_receive(&p, 0, &f);
	assert_int_equal(dp_handshakes_waiting(p.dp), DP_HANDSHAKE_RING_PKTS - 1);
	path_assert_dropped(&p, DP_DROP_handshake_full, 0);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_handshake_full, 1);
	f.at[0] = 0xff;
	for (unsigned int i = 0; i < DP_RING_PKTS - 1; i++)
		path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_linux_full, 0);
	path_receive(&p, 0, &f);
	path_assert_dropped(&p, DP_DROP_linux_full, 1);
	path_close(&p);
}

static bool readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static void bells(void **state)
{
	uint8_t initiation[148] = {1};
	struct path_frame f;
	struct path p;

	path_open(&p, 1);
	path_udp(&f, &p, 0, "198.51.100.1", 1000, "192.0.2.1", PATH_LISTEN_PORT, initiation,
		 sizeof(initiation));
	path_receive(&p, 0, &f); /* control is awake: no bell */
	assert_false(readable(p.dp->control_bell.fd));
	assert_false(dp_control_may_sleep(p.dp));
	path_drain(&p);
	assert_true(dp_control_may_sleep(p.dp));
	assert_true(dp_face_may_sleep(p.dp));
	path_receive(&p, 0, &f);
	assert_true(readable(p.dp->control_bell.fd));
	assert_false(readable(p.dp->face_bell.fd));
	f.at[0] = 0xff;
	path_receive(&p, 0, &f);
	assert_true(readable(p.dp->face_bell.fd));
	path_close(&p);
}

/* ---- storms ---- */

struct storm {
	struct path *p;
	uint64_t random;
	uint64_t next[PATH_PEERS + 1];
	uint64_t in, received;	  /* packets put in: in all, and on ports */
	uint64_t to_others, sent; /* packets taken out where they came out */
};

/* A good packet of some kind, most often. Returns the port that it is for. */
static unsigned int good_frame(struct storm *s, struct path_frame *f)
{
	static const char *const to[] = {"10.0.0.2",  "10.0.0.3",    "10.8.2.5",  "10.8.0.1",
					 "fd00:a::2", "fd00:8:3::1", "fd00:8::1", "203.0.113.1"};
	unsigned int n = 1 + unit_random(&s->random) % PATH_PEERS;
	const char *dst = to[unit_random(&s->random) % RTE_DIM(to)];
	bool v6 = strchr(dst, ':');
	size_t len = 40 + unit_random(&s->random) % 1380;
	uint8_t ip[FRAME_BYTES], message[FRAME_BYTES];
	char from[32];

	switch (unit_random(&s->random) % 4) {
	case 0: /* from the lan, perhaps into a tunnel */
		path_ip(ip, v6 ? "fd00:a::2" : "10.0.0.2", dst, len);
		path_ethernet(f, s->p, 1, ip, len);
		return 1;
	case 1: /* handshake messages, and what is none */
		memset(message, 0, 148);
		message[0] = (uint8_t)(unit_random(&s->random) % 6);
		path_udp(f, s->p, 0, "198.51.100.1", 1000, "192.0.2.1", PATH_LISTEN_PORT, message,
			 (const size_t[]){0, 148, 92, 64, 31, 4}[message[0]]);
		return 0;
	default:
		snprintf(from, sizeof(from), v6 ? "fd00:8:%u::5" : "10.8.%u.5", n);
		path_ip(ip, from, dst, len);
		ip[v6 ? 7 : 8] = (uint8_t)(unit_random(&s->random) % 4);
		if (!v6)
			path_ipv4_sum(ip);
		path_data(f, s->p, n, s->next[n]++ - unit_random(&s->random) % 2, ip,
			  unit_random(&s->random) % 16 ? len : 0);
		return 0;
	}
}

static void mutate(struct storm *s, struct path_frame *f)
{
	unsigned int n = unit_random(&s->random) % 4;

	while (n--)
		f->at[unit_random(&s->random) % RTE_MIN(f->len, (size_t)120)] ^=
			(uint8_t)(1 << unit_random(&s->random) % 8);
	if (unit_random(&s->random) % 8 == 0)
		f->len = unit_random(&s->random) % (f->len + 1);
	else if (unit_random(&s->random) % 8 == 0)
		f->len += unit_random(&s->random) % 60;
	if (f->len > 34 && unit_random(&s->random) % 2 && f->at[14] >> 4 == 4 &&
	    f->len >= 14 + (f->at[14] & 15u) * 4)
		path_ipv4_sum(f->at + 14);
}

/* From rings of other threads: whatever is in it. */
static void hand_in_something(struct storm *s)
{
	static const enum dp_ask asks[] = {DP_ASK_ENCAP, DP_ASK_SEAL, DP_ASK_ENCAP};
	unsigned int which = unit_random(&s->random) % RTE_DIM(asks);
	size_t len = 20 + unit_random(&s->random) % 1600;
	uint8_t ip[FRAME_BYTES + 100];
	struct rte_mbuf *m;

	path_ip(ip, "10.0.0.2", "10.8.3.5", len);
	if (which != 1)
		ip[unit_random(&s->random) % 20] ^= (uint8_t)(1 << unit_random(&s->random) % 8);
	else
		len = RTE_MIN(len, (size_t)PATH_MTU);
	m = hand_in(s->p, asks[which], ip, len);
	assert_true(dp_to_worker(s->p->dp, m, which == 2));
	s->in++;
}

/* Packets that went in = sent + to other threads + consumed + dropped, but for those told to
 * control as ICMP, which are both. */
static void conserved(struct storm *s)
{
	struct path *p = s->p;
	uint64_t ended, tx = 0;
	struct rte_mbuf *m;

	while ((m = path_asked(p))) {
		s->to_others += dp_note(m)->ask != DP_ASK_ICMP;
		rte_pktmbuf_free(m);
	}
	while ((m = path_handshake(p)) || (m = path_for_linux(p))) {
		s->to_others++;
		rte_pktmbuf_free(m);
	}
	while ((m = path_sent(p, 0)) || (m = path_sent(p, 1))) {
		s->sent++;
		rte_pktmbuf_free(m);
	}
	ended = path_drops(p) + s->to_others;
	for (uint16_t i = 0; i < p->dp->n_workers; i++) {
		const struct dp_counters *c = &p->dp->workers[i]->counters;

		tx += dp_counted(&c->tx);
		ended += dp_counted(&c->punt) + dp_counted(&c->consumed);
	}
	assert_int_equal(tx, s->sent);
	assert_int_equal(ended + tx, s->in);
}

static void storms(void **state)
{
	enum { ROUNDS = 1500, BURST = 24 };
	static const uint64_t seeds[] = {1, 20251123, 3};

	for (unsigned int i = 0; i < RTE_DIM(seeds); i++) {
		struct path p;
		struct storm s = {.p = &p, .random = seeds[i]};

		print_message("# seed %lu\n", seeds[i]);
		open_now(&p, 2);
		p.ports[1].shared = p.devices[1].shared = i == 1;
		for (unsigned int n = 1; n <= PATH_PEERS; n++)
			s.next[n] = 1;
		for (unsigned int round = 0; round < ROUNDS; round++) {
			for (unsigned int k = 0; k < BURST; k++) {
				struct path_frame f;
				unsigned int port = good_frame(&s, &f);

				if (unit_random(&s.random) % 2)
					mutate(&s, &f);
				arrive(&p, port, &f);
				s.in++;
				s.received++;
			}
			hand_in_something(&s);
			/* Queues of a port share a ring here: both workers take from it. */
			dp_worker_turn(p.dp->workers[round % 2]);
			dp_worker_turn(p.dp->workers[(round + 1) % 2]);
			if (round % 20 == 19) {
				while (dp_worker_turn(p.dp->workers[0]) ||
				       dp_worker_turn(p.dp->workers[1]))
					;
				conserved(&s);
			}
		}
		assert_int_equal(dp_counted(&p.dp->workers[0]->counters.rx) +
					 dp_counted(&p.dp->workers[1]->counters.rx),
				 s.received);
		/* It was a storm: the most different things have happened. */
		for (unsigned int r = 0; r < DP_DROP_N; r++) {
			uint64_t drops = dp_counted(&p.dp->workers[0]->counters.drops[r]) +
					 dp_counted(&p.dp->workers[1]->counters.drops[r]);

			if (r == DP_DROP_bad_tag || r == DP_DROP_replay || r == DP_DROP_runt ||
			    r == DP_DROP_ttl || r == DP_DROP_bad_ip_header ||
			    r == DP_DROP_other_mac || r == DP_DROP_bad_message)
				assert_true(drops > 10 ||
					    (r == DP_DROP_other_mac && p.ports[1].shared));
		}
		path_close(&p);
	}
}

/* ---- the loop itself ---- */

static void *run(void *w)
{
	return (void *)(intptr_t)dp_worker_run(w);
}

static void loop_with_backoff(void **state)
{
	struct timespec pause = {.tv_nsec = 1000000};
	struct path_frame f;
	struct rte_mbuf *m = NULL;
	pthread_t thread;
	struct path p;
	void *rc;

	open_now(&p, 1);
	p.dp->backoff = true;
	path_data(&f, &p, 1, 0, NULL, 0);
	assert_int_equal(pthread_create(&thread, NULL, run, p.w), 0);
	/* Idle, so that it sleeps; then a packet, which still gets through. */
	for (int i = 0; i < WAIT_MS && dp_counted(&p.w->idle_loops) < 1000; i++)
		nanosleep(&pause, NULL);
	assert_true(dp_to_worker(p.dp, hand_in(&p, DP_ASK_SEAL, NULL, 0), false));
	for (int i = 0; i < WAIT_MS && !(m = path_sent(&p, 0)); i++)
		nanosleep(&pause, NULL);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	/* It passes quiescent states: what control retires is freed while it runs. */
	dp_retire_session(p.dp, p.sessions[1]);
	for (int i = 0; i < WAIT_MS && dp_reclaim_poll(p.dp->reclaim); i++)
		nanosleep(&pause, NULL);
	assert_int_equal(dp_reclaim_poll(p.dp->reclaim), 0);
	atomic_store(&p.dp->stop, true);
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	/* And it has left: nobody waits for it. */
	dp_retire_session(p.dp, p.sessions[2]);
	assert_int_equal(dp_reclaim_poll(p.dp->reclaim), 0);
	path_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn),
		cmocka_unit_test(joins),
		cmocka_unit_test(gone_meanwhile),
		cmocka_unit_test(full_port),
		cmocka_unit_test(no_link),
		cmocka_unit_test(full_rings_to_others),
		cmocka_unit_test(bells),
		cmocka_unit_test(storms),
		cmocka_unit_test(loop_with_backoff),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
