/*
 * TCP segmentation against a naive oracle: joins what was cut and compares with the whole, checks
 * each header by hand.
 */
#include <netinet/in.h>
#include <stdbool.h>

#include "control/gso.h"
#include "tests/unit/unit.h"

#define FRAME_MAX 70000
#define ROUNDS	  300

#define FIN 0x01
#define SYN 0x02
#define PSH 0x08
#define ACK 0x10
#define CWR 0x80

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void put16(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 8);
	p[1] = (uint8_t)x;
}

/* RFC 1071, a byte pair at a time. */
static uint32_t sum(const uint8_t *p, size_t len)
{
	uint32_t s = 0;

	for (size_t i = 0; i < len; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

struct whole {
	uint8_t frame[FRAME_MAX];
	uint32_t len;
	uint16_t l3, l4;
	uint32_t header;
	bool v6;
};

static void build(struct whole *w, uint64_t *seed, uint16_t l3, bool v6, uint16_t ext,
		  uint8_t options, uint32_t payload)
{
	uint8_t *ip = w->frame + l3, *tcp;

	w->v6 = v6;
	w->l3 = l3;
	w->l4 = (uint16_t)(l3 + (v6 ? 40 : 20) + ext);
	w->header = w->l4 + 20u + options;
	w->len = w->header + payload;
	assert_true(w->len <= FRAME_MAX);
	unit_random_fill(seed, w->frame, w->len);
	tcp = w->frame + w->l4;
	if (v6) {
		ip[0] = 0x60;
		put16(ip + 4, w->len - l3 - 40);
	} else {
		ip[0] = (uint8_t)(0x40 | (20 + ext) / 4);
		put16(ip + 2, w->len - l3);
		ip[9] = IPPROTO_TCP;
	}
	tcp[12] = (uint8_t)((20 + options) / 4 << 4);
}

static uint32_t pseudo(const struct whole *w, const uint8_t *seg, uint32_t tcp_len)
{
	const uint8_t *ip = seg + w->l3;

	return (w->v6 ? sum(ip + 8, 32) : sum(ip + 12, 8)) + IPPROTO_TCP + tcp_len;
}

static void check_ip(const struct whole *w, const uint8_t *seg, uint32_t len, uint32_t i)
{
	const uint8_t *ip = seg + w->l3, *was = w->frame + w->l3;
	uint32_t header = (uint32_t)w->l4 - w->l3;

	assert_memory_equal(seg, w->frame, w->l3);
	if (w->v6) {
		assert_int_equal(be16(ip + 4), len - w->l3 - 40);
		assert_memory_equal(ip, was, 4);
		assert_memory_equal(ip + 6, was + 6, header - 6);
		return;
	}
	assert_int_equal(be16(ip + 2), len - w->l3);
	assert_int_equal(be16(ip + 4), (uint16_t)(be16(was + 4) + i));
	assert_int_equal(fold(sum(ip, header)), 0xffff);
	assert_memory_equal(ip + 6, was + 6, 4);
	assert_memory_equal(ip + 12, was + 12, header - 12);
}

static void check_tcp(const struct whole *w, const uint8_t *seg, uint32_t len, uint32_t at,
		      bool first, bool last)
{
	const uint8_t *tcp = seg + w->l4, *was = w->frame + w->l4;
	uint8_t flags = was[13];

	assert_memory_equal(tcp, was, 4);
	assert_int_equal(be32(tcp + 4), (uint32_t)(be32(was + 4) + at));
	assert_memory_equal(tcp + 8, was + 8, 5);
	if (!last)
		flags &= (uint8_t) ~(FIN | PSH);
	if (!first)
		flags &= (uint8_t)~CWR;
	assert_int_equal(tcp[13], flags);
	assert_memory_equal(tcp + 14, was + 14, 2);
	assert_memory_equal(tcp + 18, was + 18, w->header - w->l4 - 18);
	assert_int_equal(fold(pseudo(w, seg, len - w->l4) + sum(tcp, len - w->l4)), 0xffff);
}

static void check_all(const struct whole *w, uint16_t mss)
{
	static uint8_t seg[FRAME_MAX];
	uint32_t at = w->header;
	struct ctl_gso g;

	assert_int_equal(ctl_gso_open(&g, w->frame, w->len, w->l3, w->l4, mss), 0);
	for (uint32_t i = 0; i < g.segments; i++) {
		uint32_t len = ctl_gso_len(&g, i), payload = len - w->header;
		bool last = i + 1 == g.segments;

		memset(seg, 0xa5, sizeof(seg));
		ctl_gso_segment(&g, i, seg);
		assert_true(last ? payload > 0 && payload <= mss : payload == mss);
		assert_memory_equal(seg + w->header, w->frame + at, payload);
		assert_int_equal(seg[len], 0xa5);
		check_ip(w, seg, len, i);
		check_tcp(w, seg, len, at - w->header, i == 0, last);
		at += payload;
	}
	assert_int_equal(at, w->len);
}

static struct whole whole;

static void test_random(void **state)
{
	uint64_t seed = 0x67736f;

	printf("# seed 0x%llx\n", (unsigned long long)seed);
	for (int i = 0; i < ROUNDS; i++) {
		bool v6 = unit_random(&seed) >> 63;
		uint16_t l3 = unit_random(&seed) >> 63 ? 14 : 0;
		uint16_t ext = (uint16_t)(unit_random(&seed) >> 32) % (v6 ? 4 : 6) * (v6 ? 8 : 4);
		uint8_t options = (uint8_t)((unit_random(&seed) >> 32) % 11 * 4);
		uint16_t mss = (uint16_t)(1 + (unit_random(&seed) >> 32) % 9000);
		uint32_t payload = 1 + (uint32_t)(unit_random(&seed) >> 32) % 65000;

		/* No more than some hundred segments a round. */
		if (payload / mss > 300)
			mss = (uint16_t)(payload / 300 + 1);
		build(&whole, &seed, l3, v6, ext, options, payload);
		check_all(&whole, mss);
	}
}

static void test_flags(void **state)
{
	static const uint8_t rows[] = {ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN | CWR, CWR | ACK};
	uint64_t seed = 1;

	for (size_t i = 0; i < sizeof(rows); i++) {
		build(&whole, &seed, 0, i % 2, 0, 12, 4001);
		whole.frame[whole.l4 + 13] = rows[i];
		check_all(&whole, 1000);
		check_all(&whole, 4001);
	}
}

/* What a virtio header may say that is not so. */
static void test_refused(void **state)
{
	static const struct {
		const char *what;
		uint16_t l3, l4, size;
		uint32_t len;
		uint8_t version, offset;
	} rows[] = {
		{"no size", 0, 20, 0, 1000, 0x45, 0x50},
		{"TCP header inside of IP's", 0, 16, 100, 1000, 0x45, 0x50},
		{"TCP header not where IP ends", 0, 24, 100, 1000, 0x45, 0x50},
		{"TCP header cut off", 0, 20, 100, 39, 0x45, 0x50},
		{"TCP options cut off", 0, 20, 100, 60, 0x45, 0xf0},
		{"TCP header too short", 0, 20, 100, 1000, 0x45, 0x40},
		{"no payload", 0, 20, 100, 40, 0x45, 0x50},
		{"neither IPv4 nor IPv6", 0, 20, 100, 1000, 0x55, 0x50},
		{"IPv6 header too short", 0, 36, 100, 1000, 0x60, 0x50},
		{"csum_start behind the end", 0, 65000, 100, 1000, 0x45, 0x50},
	};
	uint8_t frame[1000];
	struct ctl_gso g;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(frame, 0, sizeof(frame));
		frame[0] = rows[i].version;
		if (rows[i].l4 + 12u < sizeof(frame))
			frame[rows[i].l4 + 12] = rows[i].offset;
		if (ctl_gso_open(&g, frame, rows[i].len, rows[i].l3, rows[i].l4, rows[i].size) == 0)
			fail_msg("taken: %s", rows[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_refused),
	};

	return UNIT_RUN(tests);
}
