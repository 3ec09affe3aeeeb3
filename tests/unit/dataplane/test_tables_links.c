/* What goes over the rings between workers, control and the face: turns, order, bells; which worker
 * a packet goes to; endpoints of received packets. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <rte_ring_elem.h>

#include "tests/unit/dataplane/whole.h"

static struct rte_mbuf *packet(struct dp *dp)
{
	struct rte_mbuf *m = dp_packet_new(dp);

	assert_non_null(m);
	return m;
}

/* ---- from workers ---- */

/* One worker floods; what another one has is taken no later than in its turn. */
static void turns(void **state)
{
	struct dp *dp = whole_new(3);
	struct rte_mbuf *got[64];
	bool second_heard = false;

	(void)state;
	assert_int_equal(dp_take_handshakes(dp, got, 64), 0);
	for (unsigned int i = 0; i < 500; i++)
		assert_int_equal(rte_ring_sp_enqueue(dp->workers[0]->handshakes, packet(dp)), 0);
	struct rte_mbuf *rare = packet(dp);
	assert_int_equal(rte_ring_sp_enqueue(dp->workers[1]->handshakes, rare), 0);
	assert_int_equal(dp_handshakes_waiting(dp), 501);
	for (unsigned int i = 0; i < 3; i++) {
		unsigned int n = dp_take_handshakes(dp, got, 64);

		assert_int_equal(n, 64);
		for (unsigned int j = 0; j < n; j++)
			second_heard |= got[j] == rare;
		rte_pktmbuf_free_bulk(got, n);
	}
	assert_true(second_heard);
	assert_int_equal(dp_handshakes_waiting(dp), 501 - 3 * 64);
	dp_free(dp); /* with the others */
}

static void each_its_ring(void **state)
{
	struct dp *dp = whole_new(2);
	struct rte_mbuf *asked = packet(dp), *for_linux = packet(dp), *got[2];
	struct dp_event event = {.peer_ref = 5, .kind = DP_EVENT_ROAMED, .endpoint.port = 77};
	struct dp_event events[3];

	(void)state;
	rte_ring_sp_enqueue(dp->workers[1]->to_control, asked);
	rte_ring_sp_enqueue(dp->workers[0]->to_face, for_linux);
	for (unsigned int i = 0; i < 2; i++) {
		event.local_index = i;
		assert_int_equal(
			rte_ring_sp_enqueue_elem(dp->workers[i]->events, &event, sizeof(event)), 0);
	}
	assert_int_equal(dp_take_handshakes(dp, got, 2), 0);
	assert_int_equal(dp_take_asked(dp, got, 2), 1);
	assert_ptr_equal(got[0], asked);
	assert_int_equal(dp_take_for_linux(dp, got, 2), 1);
	assert_ptr_equal(got[0], for_linux);
	assert_int_equal(dp_take_events(dp, events, 3), 2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(events[i].local_index, i);
		assert_int_equal(events[i].endpoint.port, 77);
	}
	assert_int_equal(dp_take_events(dp, events, 3), 0);
	rte_pktmbuf_free(asked);
	rte_pktmbuf_free(for_linux);
	dp_free(dp);
}

static bool rung(const struct dp_bell *bell)
{
	struct pollfd p = {.fd = bell->fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void bells(void **state)
{
	struct dp *dp = whole_new(2);
	struct rte_mbuf *got[4], *m = packet(dp);

	(void)state;
	/* Awake: no system call, nothing to wake up from. */
	dp_bell_ring(&dp->control_bell);
	assert_false(rung(&dp->control_bell));
	/* Asleep: once. */
	assert_true(dp_control_may_sleep(dp));
	dp_bell_ring(&dp->control_bell);
	assert_true(rung(&dp->control_bell));
	assert_false(atomic_load(&dp->control_bell.asleep));
	assert_true(dp_control_may_sleep(dp)); /* what was rung before is taken back */
	assert_false(rung(&dp->control_bell));
	/* Work: no sleep. */
	rte_ring_sp_enqueue(dp->workers[1]->to_control, m);
	assert_false(dp_control_may_sleep(dp));
	assert_false(atomic_load(&dp->control_bell.asleep));
	assert_true(dp_face_may_sleep(dp));
	/* Whoever takes is awake. */
	assert_true(atomic_load(&dp->face_bell.asleep));
	assert_int_equal(dp_take_for_linux(dp, got, 4), 0);
	assert_false(atomic_load(&dp->face_bell.asleep));
	assert_int_equal(dp_take_asked(dp, got, 4), 1);
	assert_true(dp_control_may_sleep(dp));
	rte_ring_sp_enqueue(dp->workers[0]->to_face, m);
	assert_false(dp_face_may_sleep(dp));
	dp_free(dp);
}

/* ---- to workers ---- */

static struct rte_mbuf *inner(struct dp *dp, int version, uint8_t proto, uint8_t host, uint8_t port,
			      bool fragment)
{
	struct rte_mbuf *m = packet(dp);
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, 60);

	if (!p)
		abort();
	memset(p, 0, 60);
	dp_note(m)->ask = DP_ASK_ENCAP;
	if (version == 4) {
		p[0] = 0x45;
		p[9] = proto;
		p[19] = host;
		p[21] = port;
		p[6] = fragment ? 0x20 : 0;
	} else {
		p[0] = 0x60;
		p[6] = proto;
		p[39] = host;
		p[41] = port;
	}
	return m;
}

static unsigned int goes_to(struct dp *dp, struct rte_mbuf *m)
{
	void *got;

	assert_true(dp_to_worker(dp, m, false));
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		if (rte_ring_sc_dequeue(dp->workers[i]->from_control, &got) == 0) {
			assert_ptr_equal(got, m);
			rte_pktmbuf_free(m);
			return i;
		}
	}
	fail();
	return 0;
}

/* A flow stays with its worker, flows are spread; fragments of a flow stay together. */
static void by_flow(void **state)
{
	struct dp *dp = whole_new(4);

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		unsigned int by_host[4] = {0}, by_port[4] = {0};

		for (unsigned int i = 0; i < 200; i++) {
			uint8_t x = (uint8_t)i;
			unsigned int w = goes_to(dp, inner(dp, version, IPPROTO_UDP, x, 1, false));

			assert_int_equal(goes_to(dp, inner(dp, version, IPPROTO_UDP, x, 1, false)),
					 w);
			by_host[w]++;
			by_port[goes_to(dp, inner(dp, version, IPPROTO_TCP, 1, x, false))]++;
		}
		for (unsigned int w = 0; w < 4; w++)
			assert_true(by_host[w] > 20 && by_port[w] > 20);
		/* ICMP has no ports. */
		assert_int_equal(goes_to(dp, inner(dp, version, IPPROTO_ICMP, 1, 1, false)),
				 goes_to(dp, inner(dp, version, IPPROTO_ICMP, 1, 2, false)));
	}
	for (unsigned int port = 0; port < 20; port++)
		assert_int_equal(goes_to(dp, inner(dp, 4, IPPROTO_UDP, 1, (uint8_t)port, true)),
				 goes_to(dp, inner(dp, 4, IPPROTO_UDP, 1, 0, true)));
	dp_free(dp);
}

/* Keepalives by peer, frames by port; short and odd packets by something. */
static void by_other(void **state)
{
	struct dp *dp = whole_new(4);
	unsigned int seen[4] = {0};

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		struct rte_mbuf *m = packet(dp);

		dp_note(m)->ask = DP_ASK_SEAL;
		dp_note(m)->peer_ref = i | UINT64_C(1) << 32;
		seen[goes_to(dp, m)]++;
	}
	for (unsigned int w = 0; w < 4; w++)
		assert_true(seen[w] > 5);
	for (uint16_t port = 0; port < 6; port++) {
		struct rte_mbuf *a = packet(dp), *b = packet(dp);

		dp_note(a)->ask = DP_ASK_OUT;
		dp_note(b)->ask = DP_ASK_FRAME;
		dp_note(a)->port_id = dp_note(b)->port_id = port;
		assert_int_equal(goes_to(dp, a), goes_to(dp, b));
	}
	for (uint16_t len = 1; len < 60; len++) {
		for (unsigned int first = 0; first < 256; first += 15) {
			struct rte_mbuf *m = packet(dp);

			memset(rte_pktmbuf_append(m, len), (int)first, len);
			dp_note(m)->ask = DP_ASK_ENCAP;
			goes_to(dp, m);
		}
	}
	dp_free(dp);
}

static void full(void **state)
{
	struct dp *dp = whole_new(1);
	unsigned int n = 0;
	struct rte_mbuf *m;

	(void)state;
	/* The pool has as many packets as the ring has places: one ring is emptied to fill both. */
	while ((m = dp_packet_new(dp)) != NULL) {
		dp_note(m)->ask = DP_ASK_OUT;
		if (!dp_to_worker(dp, m, n % 2 == 0)) {
			rte_pktmbuf_free(m);
			break;
		}
		n++;
	}
	assert_int_equal(rte_ring_count(dp->workers[0]->from_face) +
				 rte_ring_count(dp->workers[0]->from_control),
			 n);
	assert_true(n > 512);
	dp_free(dp);
}

/* ---- endpoints ---- */

static void endpoints(void **state)
{
	struct dp *dp = whole_new(1);
	struct rte_mbuf *m = packet(dp);
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, 200);
	struct wg_endpoint from,
		expected = {.family = AF_INET, .port = 0x1234, .has_local = true, .local_port = 3};

	(void)state;
	memset(p, 0xee, 200);
	/* IPv4 with options behind Ethernet. */
	dp_note(m)->family = AF_INET;
	dp_note(m)->port_id = 3;
	dp_note(m)->l3_off = 14;
	dp_note(m)->payload_off = 14 + 24 + 8;
	inet_pton(AF_INET, "192.0.2.1", p + 14 + 12);
	inet_pton(AF_INET, "198.51.100.2", p + 14 + 16);
	memcpy(p + 14 + 24, "\x12\x34\xca\x6c", 4);
	inet_pton(AF_INET, "192.0.2.1", expected.addr);
	inet_pton(AF_INET, "198.51.100.2", expected.local);
	memset(&from, 0x55, sizeof(from));
	dp_packet_endpoint(m, &from);
	assert_memory_equal(&from, &expected, sizeof(from));
	/* IPv6 behind a VLAN tag. */
	dp_note(m)->family = AF_INET6;
	dp_note(m)->l3_off = 18;
	dp_note(m)->payload_off = 18 + 40 + 8;
	inet_pton(AF_INET6, "2001:db8::1", p + 18 + 8);
	inet_pton(AF_INET6, "2001:db8::2", p + 18 + 24);
	memcpy(p + 18 + 40, "\x12\x34\xca\x6c", 4);
	expected.family = AF_INET6;
	inet_pton(AF_INET6, "2001:db8::1", expected.addr);
	inet_pton(AF_INET6, "2001:db8::2", expected.local);
	dp_packet_endpoint(m, &from);
	assert_memory_equal(&from, &expected, sizeof(from));
	rte_pktmbuf_free(m);
	dp_free(dp);
}

/* ---- counters ---- */

static void counters(void **state)
{
	struct dp_counters a = {0}, b = {0};

	(void)state;
	assert_string_equal(dp_drop_name(DP_DROP_bad_tag), "bad_tag");
	assert_string_equal(dp_drop_text(DP_DROP_bad_tag), "authentication failed");
	assert_string_equal(dp_drop_name(DP_DROP_no_buffers), "no_buffers");
	assert_null(dp_drop_name(DP_DROP_N));
	assert_null(dp_drop_text(DP_DROP_N));
	dp_count(&a.rx, 3);
	dp_count(&b.rx, 4);
	dp_count(&b.consumed, 5);
	dp_count(&b.drops[DP_DROP_N - 1], 6);
	dp_counters_add(&a, &b);
	assert_int_equal(dp_counted(&a.rx), 7);
	assert_int_equal(dp_counted(&a.consumed), 5);
	assert_int_equal(dp_counted(&a.drops[DP_DROP_N - 1]), 6);
	assert_int_equal(dp_counted(&a.tx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns),     cmocka_unit_test(each_its_ring),
		cmocka_unit_test(bells),     cmocka_unit_test(by_flow),
		cmocka_unit_test(by_other),  cmocka_unit_test(full),
		cmocka_unit_test(endpoints), cmocka_unit_test(counters),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
