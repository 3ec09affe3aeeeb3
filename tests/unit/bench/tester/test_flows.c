/* The tester's packets: written, changed in every way, judged, counted. */
#include <errno.h>

#include "bench/lab/flows.h"
#include "dataplane/ip.h"
#include "tests/unit/unit.h"

#define HZ	2e9 /* two TSC cycles are a nanosecond */
#define LARGEST 1420
#define FLOWS	5
#define TRIAL	3

struct world {
	struct lab_stream main, bulk;
	struct lab_stream *streams[2];
	struct lab_counts counts, bulk_counts;
};

struct packet {
	uint8_t ip[LARGEST + 32];
	uint32_t bytes;
};

static void open_world(struct world *w, enum lab_way way, bool ipv6, uint16_t size)
{
	struct lab_tester_options o = {
		.inner_ipv6 = ipv6, .peers = 2, .flows = FLOWS, .size = size};
	struct lab_setup setup;
	char error[200];

	memset(w, 0, sizeof(*w));
	assert_int_equal(lab_setup_make(&setup, &o, error, sizeof(error)), 0);
	assert_int_equal(lab_stream_open(&w->main, &setup, way, false, 0x123456789, HZ), 0);
	assert_int_equal(lab_stream_open(&w->bulk, &setup, way, true, 0x123456789, HZ), 0);
	assert_int_equal(lab_histogram_init(&w->counts.latency), 0);
	assert_int_equal(lab_histogram_init(&w->bulk_counts.latency), 0);
	w->main.counts = &w->counts;
	w->bulk.counts = &w->bulk_counts;
	lab_stream_set_size(&w->main, size, setup.o.tunnel_mtu);
	lab_stream_set_size(&w->bulk, setup.o.tunnel_mtu, setup.o.tunnel_mtu);
	lab_stream_start(&w->main, TRIAL);
	lab_stream_start(&w->bulk, TRIAL);
	w->streams[0] = &w->main;
	w->streams[1] = &w->bulk;
}

static void close_world(struct world *w)
{
	lab_stream_close(&w->main);
	lab_stream_close(&w->bulk);
	lab_histogram_free(&w->counts.latency);
	lab_histogram_free(&w->bulk_counts.latency);
}

static struct packet next_packet(struct lab_stream *s)
{
	const struct lab_size *size;
	struct lab_flow *f = lab_stream_next(s, &size);
	struct packet p = {.bytes = size->ip_bytes};

	lab_stream_write(s, f, size, p.ip);
	return p;
}

static enum lab_verdict judge(struct world *w, const struct packet *p)
{
	const struct lab_arrived arrived = {p->ip, p->bytes};
	struct lab_stream *s = NULL;
	struct lab_stamp stamp;

	return lab_packet_judge(w->streams, &arrived, &s, &stamp);
}

static void count(struct world *w, const struct packet *p, uint64_t now)
{
	const struct lab_arrived arrived = {p->ip, p->bytes};

	lab_packets_count(w->streams, &arrived, 1, now);
}

static void for_each_world(void (*check)(struct world *w))
{
	static const uint16_t sizes[] = {64, 65, 577, 1420};
	struct world w;

	for (unsigned int i = 0; i < 4 * 4; i++) {
		open_world(&w, (enum lab_way)(i & 1), i & 2, sizes[i / 4]);
		check(&w);
		close_world(&w);
	}
}

/* ---- judging ---- */

static void good(struct world *w)
{
	struct packet p = next_packet(&w->main), big = next_packet(&w->bulk);

	assert_int_equal(p.bytes, dp_ip_length(p.ip, p.bytes));
	assert_int_equal(judge(w, &p), LAB_GOOD);
	assert_int_equal(judge(w, &big), LAB_GOOD);
	/* What a gateway does to it, and padding. */
	assert_true(dp_ip_count_down(p.ip));
	dp_ip_set_ecn(p.ip, 3);
	p.bytes += 15;
	assert_int_equal(judge(w, &p), LAB_GOOD);
}

static void good_ones(void **state)
{
	for_each_world(good);
}

/* In IPv6 routers may change traffic class, flow label and hop limit, and no checksum holds them.
 */
static bool may_change(const struct world *w, unsigned int byte)
{
	return w->main.ipv6 && ((byte >= 1 && byte < 4) || byte == 0 || byte == 7);
}

static void changed(struct world *w)
{
	struct packet p = next_packet(&w->main);

	for (unsigned int i = 0; i < p.bytes * 8; i++) {
		enum lab_verdict v;

		p.ip[i / 8] ^= (uint8_t)(1 << i % 8);
		v = judge(w, &p);
		if (v != LAB_CORRUPT && v != LAB_STRANGE && !may_change(w, i / 8))
			fail_msg("bit %u of %u bytes: %d", i, p.bytes, v);
		p.ip[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_int_equal(judge(w, &p), LAB_GOOD);
}

static void each_bit_changed(void **state)
{
	for_each_world(changed);
}

static void cut(struct world *w)
{
	struct packet p = next_packet(&w->main);
	uint32_t bytes = p.bytes;

	for (p.bytes = 0; p.bytes < bytes; p.bytes++) {
		enum lab_verdict v = judge(w, &p);

		assert_true(v == LAB_CORRUPT || v == LAB_STRANGE);
	}
}

static void cut_short(void **state)
{
	for_each_world(cut);
}

static void payload_is_corrupt(struct world *w)
{
	struct packet p = next_packet(&w->main);

	p.ip[lab_ip_bytes(w->main.ipv6) + 8 + 5] ^= 1; /* in the stamp */
	assert_int_equal(judge(w, &p), LAB_CORRUPT);
	p.ip[w->main.ipv6 ? 6 : 9] = IPPROTO_ICMP;
	assert_int_equal(judge(w, &p), LAB_STRANGE);
}

static void corrupt_or_strange(void **state)
{
	for_each_world(payload_is_corrupt);
}

static void from_elsewhere(struct world *w)
{
	struct packet p = next_packet(&w->main);
	struct world other;

	/* A packet that was reflected into the other way. */
	open_world(&other, w->main.way == LAB_ENCRYPT ? LAB_DECRYPT : LAB_ENCRYPT, w->main.ipv6,
		   (uint16_t)p.bytes);
	assert_int_equal(judge(&other, &p), LAB_STRANGE);
	close_world(&other);
	/* One of an earlier trial, and of another run. */
	lab_stream_start(&w->main, TRIAL + 1);
	assert_int_equal(judge(w, &p), LAB_STALE);
	lab_stream_start(&w->main, TRIAL);
	assert_int_equal(judge(w, &p), LAB_GOOD);
	w->main.secret++;
	assert_int_equal(judge(w, &p), LAB_CORRUPT);
}

static void of_no_flow(void **state)
{
	for_each_world(from_elsewhere);
}

/* ---- writing ---- */

static void sums(struct world *w)
{
	for (unsigned int i = 0; i < 100; i++) {
		struct packet p = next_packet(&w->main);
		uint8_t *udp = p.ip + lab_ip_bytes(w->main.ipv6);
		uint16_t sum, right;

		memcpy(&sum, udp + 6, sizeof(sum));
		memset(udp + 6, 0, sizeof(sum));
		right = w->main.ipv6
				? rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)p.ip, udp)
				: rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)p.ip, udp);
		assert_int_equal(sum, right);
	}
}

static void right_sums(void **state)
{
	for_each_world(sums);
}

static void the_mix(void **state)
{
	unsigned int n[3] = {0};
	struct world w;

	open_world(&w, LAB_ENCRYPT, false, LAB_SIZE_IMIX);
	for (unsigned int i = 0; i < 10 * 48; i++) {
		struct packet p = next_packet(&w.main);

		assert_true(p.bytes == 64 || p.bytes == 570 || p.bytes == 1420);
		n[p.bytes == 64 ? 0 : p.bytes == 570 ? 1 : 2]++;
		assert_int_equal(judge(&w, &p), LAB_GOOD);
	}
	assert_int_equal(n[0], 280);
	assert_int_equal(n[1], 160);
	assert_int_equal(n[2], 40);
	assert_true(lab_stream_mean_size(&w.main) * 48 == 28 * 64 + 16 * 570 + 4 * 1420);
	close_world(&w);
}

/* ---- counting ---- */

static void losses(void **state)
{
	struct packet packets[20];
	struct world w;

	open_world(&w, LAB_ENCRYPT, false, 64);
	for (unsigned int i = 0; i < 20; i++)
		packets[i] = next_packet(&w.main); /* flow i % 5 */
	lab_stream_burst(&w.main, 0);
	/* Of flow 0: 0, 2, 1, 1 and not 3; all of flow 1; of flow 2 one, changed. */
	count(&w, &packets[0], 10);
	count(&w, &packets[10], 10);
	count(&w, &packets[5], 10);
	count(&w, &packets[5], 10);
	for (unsigned int i = 1; i < 20; i += 5)
		count(&w, &packets[i], 10);
	packets[2].ip[40] ^= 1;
	count(&w, &packets[2], 10);
	packets[3].ip[9] = IPPROTO_ICMP;
	packets[3].ip[28] ^= 1;
	count(&w, &packets[3], 10);
	assert_int_equal(w.counts.received, 7);
	assert_int_equal(w.counts.reordered, 1);
	assert_int_equal(w.counts.duplicates, 1);
	assert_int_equal(w.counts.corrupt, 1);
	assert_int_equal(w.counts.strange, 1);
	assert_int_equal(w.counts.latency.n, 7);
	assert_int_equal(w.bulk_counts.received, 0);
	close_world(&w);
}

static void latencies(void **state)
{
	struct packet a, b, bulk;
	struct world w;

	open_world(&w, LAB_DECRYPT, true, 100);
	a = next_packet(&w.main);
	lab_stream_burst(&w.main, 1000);
	b = next_packet(&w.main);
	lab_stream_burst(&w.main, 5000);
	bulk = next_packet(&w.bulk);
	lab_stream_burst(&w.bulk, 2000);
	count(&w, &b, 5200);
	count(&w, &a, 5400);
	count(&w, &bulk, 2060);
	assert_int_equal(w.counts.latency.min, 100);
	assert_int_equal(w.counts.latency.max, 2200);
	assert_int_equal(w.bulk_counts.latency.min, 30);
	assert_int_equal(w.bulk_counts.received, 1);
	/* Received, but the time of its burst has been written over. */
	a = next_packet(&w.main);
	for (unsigned int i = 0; i <= LAB_BURSTS; i++)
		lab_stream_burst(&w.main, 6000);
	count(&w, &a, 7000);
	assert_int_equal(w.counts.received, 3);
	assert_int_equal(w.counts.latency.n, 2);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),  cmocka_unit_test(each_bit_changed),
		cmocka_unit_test(cut_short),  cmocka_unit_test(corrupt_or_strange),
		cmocka_unit_test(of_no_flow), cmocka_unit_test(right_sums),
		cmocka_unit_test(the_mix),    cmocka_unit_test(losses),
		cmocka_unit_test(latencies),
	};

	return UNIT_RUN(tests);
}
