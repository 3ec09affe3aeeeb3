/*
 * The Linux face with a real Linux on both sides: TUNs in two namespaces that the test joins in the
 * place of a worker, TAP, devices that come and go, and the filter against packets that Linux
 * forwards from shared ports.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <rte_ring.h>

#include "control/face.h"
#include "dataplane/ethernet.h"
#include "dataplane/publish.h"
#include "tests/unit/control/net.h"
#include "tests/unit/dataplane/whole.h"

#define TUN_A	     1
#define TUN_B	     2
#define STREAM_BYTES (4 << 20)
#define QUIET_MS     100

static struct dp *dp;
static struct ctl_face *face;
static struct dp_iface tun_a = {.id = TUN_A, .name = "wga"};
static struct dp_iface tun_b = {.id = TUN_B, .name = "wgb"};

static int setup(void **state)
{
	char error[256] = "";

	net_setup(state);
	dp = whole_new(1);
	face = ctl_face_new(dp, 0, error, sizeof(error));
	if (!face)
		fail_msg("%s", error);
	return 0;
}

static void check_counts(void)
{
	const struct dp_counters *c = &dp->face_counters;
	uint64_t drops = 0;

	for (int i = 0; i < DP_DROP_N; i++)
		drops += dp_counted(&c->drops[i]);
	assert_int_equal(drops, 0);
}

static int teardown(void **state)
{
	ctl_face_free(face);
	dp_free(dp);
	return net_teardown(state);
}

static int add_tun(const struct dp_iface *iface)
{
	char error[256] = "";
	int ifindex = ctl_face_add_tun(face, iface, 1420, error, sizeof(error));

	if (ifindex < 0)
		fail_msg("%s", error);
	assert_int_equal(ifindex, if_nametoindex(iface->name));
	return ifindex;
}

/* As a worker: what came from Linux, NULL if nothing has. */
static struct rte_mbuf *from_face(void)
{
	void *m = NULL;

	return rte_ring_sc_dequeue(dp->workers[0]->from_face, &m) == 0 ? m : NULL;
}

static void to_face(struct rte_mbuf *m, enum dp_ask ask)
{
	dp_note(m)->ask = (uint8_t)ask;
	assert_int_equal(rte_ring_sp_enqueue(dp->workers[0]->to_face, m), 0);
	dp_bell_ring(&dp->face_bell);
}

static uint32_t sum16(const uint8_t *p, size_t len)
{
	uint32_t s = 0;

	for (size_t i = 0; i < len; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

/* The transport checksum of an inner packet is there and right. */
static void check_sum(const uint8_t *ip, size_t len)
{
	bool v4 = ip[0] >> 4 == 4;
	size_t header = v4 ? (ip[0] & 0xfu) * 4 : 40;
	uint8_t proto = v4 ? ip[9] : ip[6];
	uint32_t s = sum16(ip + header, len - header);

	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_ICMPV6)
		return;
	s += proto + (uint32_t)(len - header) + (v4 ? sum16(ip + 12, 8) : sum16(ip + 8, 32));
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	assert_int_equal(s, 0xffff);
}

/* Carries packets between the TUNs; returns the greatest. */
static size_t carry(void)
{
	struct rte_mbuf *m;
	size_t most = 0;

	while ((m = from_face())) {
		struct dp_note *note = dp_note(m);

		assert_int_equal(note->ask, DP_ASK_ENCAP);
		assert_int_equal(note->port_id, DP_PORT_NONE);
		assert_int_equal(m->pkt_len, m->data_len);
		assert_true(rte_pktmbuf_headroom(m) >= DP_HEADROOM_BYTES);
		assert_true(rte_pktmbuf_tailroom(m) >= DP_TAILROOM_BYTES);
		check_sum(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		most = RTE_MAX(most, (size_t)m->data_len);
		note->iface_id = note->iface_id == TUN_A ? TUN_B : TUN_A;
		to_face(m, DP_ASK_TUN);
	}
	return most;
}

/* wga here with 10.8.0.1 and fd00:8::1, wgb there with .2 and ::2. */
static void join(void)
{
	add_tun(&tun_a);
	net_run("ip addr add 10.8.0.1/24 dev wga && ip addr add fd00:8::1/64 dev wga && "
		"ip link set wga up");
	net_there();
	add_tun(&tun_b);
	net_run("ip addr add 10.8.0.2/24 dev wgb && ip addr add fd00:8::2/64 dev wgb && "
		"ip link set wgb up");
	net_here();
}

/* ---- packets ---- */

static int listen_there(int family, int type, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd;

	net_there();
	fd = socket(family, type | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(family == AF_INET ? bind(fd, (void *)&in4, sizeof(in4))
					   : bind(fd, (void *)&in6, sizeof(in6)),
			 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	net_here();
	return fd;
}

static int connect_there(int family, int type, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(family, type | SOCK_NONBLOCK, 0), rc;

	assert_true(fd >= 0);
	inet_pton(AF_INET, "10.8.0.2", &in4.sin_addr);
	inet_pton(AF_INET6, "fd00:8::2", &in6.sin6_addr);
	rc = family == AF_INET ? connect(fd, (void *)&in4, sizeof(in4))
			       : connect(fd, (void *)&in6, sizeof(in6));
	assert_true(rc == 0 || errno == EINPROGRESS);
	return fd;
}

static void test_datagrams(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	char got[2000], sent[1300];

	join();
	assert_int_equal(ctl_face_start(face), 0);
	memset(sent, 0x5a, sizeof(sent));
	for (size_t i = 0; i < 2; i++) {
		int there = listen_there(families[i], SOCK_DGRAM, 5000);
		int here = connect_there(families[i], SOCK_DGRAM, 5000);

		for (size_t len = 0; len <= sizeof(sent); len += 13) {
			ssize_t n;

			assert_int_equal(send(here, sent, len, 0), len);
			NET_AWAIT((n = recv(there, got, sizeof(got), 0)) >= 0, carry());
			assert_int_equal(n, len);
			assert_memory_equal(got, sent, len);
		}
		close(here);
		close(there);
	}
	check_counts();
}

static uint8_t stream_byte(size_t at)
{
	return (uint8_t)(at * 2654435761u >> 24);
}

/* Linux hands over segments of up to 64 KiB: none of it may reach a worker uncut, all of it must
 * arrive, and the receiving Linux checks each checksum. */
static void test_streams(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	static uint8_t out[60000], in[60000];

	join();
	assert_int_equal(ctl_face_start(face), 0);
	for (size_t f = 0; f < 2; f++) {
		int listener = listen_there(families[f], SOCK_STREAM, (uint16_t)(5001 + f)),
		    there = -1;
		int here = connect_there(families[f], SOCK_STREAM, (uint16_t)(5001 + f));
		size_t sent = 0, received = 0, most = 0;

		NET_AWAIT((there = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0, carry());
		while (received < STREAM_BYTES) {
			size_t want = RTE_MIN(sizeof(out), STREAM_BYTES - sent);
			ssize_t n = 0;

			for (size_t i = 0; i < want; i++)
				out[i] = stream_byte(sent + i);
			if (want)
				n = send(here, out, want, 0);
			sent += n > 0 ? (size_t)n : 0;
			most = RTE_MAX(most, carry());
			NET_AWAIT((n = recv(there, in, sizeof(in), 0)) > 0,
				  most = RTE_MAX(most, carry()));
			for (ssize_t i = 0; i < n; i++)
				if (in[i] != stream_byte(received + (size_t)i))
					fail_msg("byte %zu is wrong", received + (size_t)i);
			received += (size_t)n;
		}
		assert_int_equal(most, 1420);
		close(here);
		close(there);
		close(listener);
	}
	check_counts();
	net_run("ethtool -k wga | grep -q 'tcp-segmentation-offload: on'");
	net_run("ethtool -k wga | grep -q 'tx-checksumming: on'");
}

static void send_slowly(int fd)
{
	assert_int_equal(send(fd, "x", 1, 0), 1);
	usleep(1000);
}

static unsigned int take_one(void)
{
	struct rte_mbuf *m = from_face();

	if (m)
		rte_pktmbuf_free(m);
	else
		usleep(1000);
	return m != NULL;
}

/* Conservation where buffers run out. */
static void test_no_buffers(void **state)
{
	const struct dp_counters *c = &dp->face_counters;
	struct rte_mbuf *held[1023];
	unsigned int n = 0, taken = 0;
	struct rte_mbuf *m;
	int there, here;

	join();
	there = listen_there(AF_INET, SOCK_DGRAM, 5000);
	here = connect_there(AF_INET, SOCK_DGRAM, 5000);
	while (n < 1023 && (m = dp_packet_new(dp)))
		held[n++] = m;
	assert_int_equal(ctl_face_start(face), 0);
	NET_AWAIT(dp_counted(&c->drops[DP_DROP_no_buffers]) >= 10, send_slowly(here));
	rte_pktmbuf_free_bulk(held, n);
	NET_AWAIT((m = from_face()) != NULL, send_slowly(here));
	rte_pktmbuf_free(m);
	taken = 1;
	/* Those that are still on their way, too. */
	NET_AWAIT(dp_counted(&c->from_linux) == taken + dp_counted(&c->drops[DP_DROP_no_buffers]),
		  taken += take_one());
	close(here);
	close(there);
}

/* What the face hands a worker for a port: the tag is there, and is taken out for the test. */
static const uint8_t *frame_of(struct rte_mbuf *m, uint16_t vlan)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if (vlan) {
		assert_int_equal(frame[12] << 8 | frame[13], 0x8100);
		assert_int_equal(frame[14] << 8 | frame[15], vlan);
		assert_int_equal(m->pkt_len, m->data_len);
		dp_ethernet_untag(m);
	}
	return rte_pktmbuf_mtod(m, const uint8_t *);
}

static void tap_of(uint16_t vlan)
{
	struct dp_port port = {
		.vlan = vlan, .id = 3, .mtu = 1400, .name = "lan", .mac = {2, 0, 0, 0, 3, 3}};
	static const uint8_t answer[42] = {2,  0, 0, 0, 3, 3, 2, 0, 0, 0, 0,  0x77, 8, 6,
					   0,  1, 8, 0, 6, 4, 0, 2, 2, 0, 0,  0,    0, 0x77,
					   10, 4, 0, 2, 2, 0, 0, 0, 3, 3, 10, 4,    0, 1};
	char error[256] = "";
	struct rte_mbuf *m;
	const uint8_t *frame = NULL;
	int fd;

	assert_int_equal(ctl_face_start(face), 0);
	assert_true(ctl_face_add_tap(face, &port, error, sizeof(error)) > 0);
	net_run("ip link show lan | grep -q 'link/ether 02:00:00:00:03:03' && "
		"ip link show lan | grep -q 'mtu 1400' && "
		"ip addr add 10.4.0.1/24 dev lan && ip link set lan up");
	/* Linux asks who has 10.4.0.2, we answer, Linux sends. */
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	inet_pton(AF_INET, "10.4.0.2", &to.sin_addr);
	assert_int_equal(sendto(fd, "abc", 3, 0, (void *)&to, sizeof(to)), 3);
	for (int type = 0x0806;; type = 0x0800) {
		do {
			NET_AWAIT((m = from_face()) != NULL, usleep(1000));
			frame = frame_of(m, vlan);
			assert_int_equal(dp_note(m)->ask, DP_ASK_OUT);
			assert_int_equal(dp_note(m)->port_id, 3);
			if ((frame[12] << 8 | frame[13]) == type)
				break;
			rte_pktmbuf_free(m);
		} while (true);
		if (type == 0x0800)
			break;
		rte_pktmbuf_free(m);
		m = dp_packet_new(dp);
		memcpy(rte_pktmbuf_append(m, sizeof(answer)), answer, sizeof(answer));
		dp_note(m)->port_id = 3;
		to_face(m, DP_ASK_TAP);
	}
	assert_int_equal(frame[5], 0x77);
	check_sum(frame + 14, m->data_len - 14u);
	rte_pktmbuf_free(m);
	close(fd);
	check_counts();
}

static void test_tap(void **state)
{
	tap_of(0);
}

/* Of a port that is a VLAN: Linux sees no tags, the wire does. */
static void test_tap_vlan(void **state)
{
	tap_of(7);
}

/* ---- devices ---- */

static void test_come_and_go(void **state)
{
	char error[256] = "";
	struct rte_mbuf *m;

	assert_int_equal(ctl_face_start(face), 0);
	for (int i = 0; i < 20; i++) {
		join();
		carry();
		ctl_face_remove_tun(face, TUN_A);
		assert_int_equal(if_nametoindex("wga"), 0);
		ctl_face_remove_tun(face, TUN_B);
	}
	/* A packet for one that has gone. */
	while ((m = from_face()))
		rte_pktmbuf_free(m);
	m = dp_packet_new(dp);
	rte_pktmbuf_append(m, 20);
	dp_note(m)->iface_id = TUN_A;
	to_face(m, DP_ASK_TUN);
	NET_AWAIT(dp_counted(&dp->face_counters.drops[DP_DROP_linux_write]) > 0, usleep(1000));
	/* A name that is taken. */
	net_run("ip link add wga type veth peer name other");
	assert_int_equal(ctl_face_add_tun(face, &tun_a, 1420, error, sizeof(error)), -EEXIST);
	assert_non_null(strstr(error, "wga"));
	net_run("ip link del wga && ip tuntap add wga mode tun");
	assert_int_equal(ctl_face_add_tun(face, &tun_a, 1420, error, sizeof(error)), -EEXIST);
	net_run("ip link del wga");
	/* Somebody deletes it behind our back: the thread lives on, and it can be made anew. */
	add_tun(&tun_a);
	net_run("ip link del wga");
	add_tun(&tun_b);
	net_run("ip addr add 10.8.0.2/24 dev wgb && ip link set wgb up && ip link set lo up");
	net_run("ping -c 1 -W 1 -q 10.8.0.3 > /dev/null; true");
	NET_AWAIT((m = from_face()) != NULL, usleep(1000));
	assert_int_equal(dp_note(m)->iface_id, TUN_B);
	rte_pktmbuf_free(m);
	ctl_face_remove_tun(face, TUN_A);
	add_tun(&tun_a);
}

/* No addresses and no packets of Linux's own making. */
static void test_quiet(void **state)
{
	assert_int_equal(ctl_face_start(face), 0);
	add_tun(&tun_a);
	net_run("ip link set wga up");
	net_run("test -z \"$(ip -6 addr show dev wga)\"");
	usleep(QUIET_MS * 1000);
	assert_null(from_face());
}

/* ---- the filter ---- */

static bool reaches_tun(const char *command)
{
	uint64_t until_ms;
	struct rte_mbuf *m;

	while ((m = from_face()))
		rte_pktmbuf_free(m);
	net_run("%s", command);
	until_ms = net_now_ms() + QUIET_MS;
	while (!(m = from_face()) && net_now_ms() < until_ms)
		usleep(1000);
	rte_pktmbuf_free(m);
	return m != NULL;
}

/* Linux forwards between a port and the TUN: a copy of what workers have seen, if it is shared. */
static void check_forwarding(bool shared)
{
	static const char from_here[] = "ping -c 1 -W 0.01 -q 10.8.0.5 > /dev/null; true";
	bool got;

	assert_int_equal(ctl_face_start(face), 0);
	if (shared) {
		/* More than one, so that each place of the program is used. */
		net_run("ip link add port9 type veth peer name peer9");
		ctl_face_share(face, if_nametoindex("port9"));
		ctl_face_share(face, if_nametoindex("port0"));
		ctl_face_share(face, 1);
	}
	add_tun(&tun_a);
	net_run("sysctl -qw net.ipv4.ip_forward=1 && ip addr add 10.1.0.1/24 dev port0 && "
		"ip addr add 10.8.0.1/24 dev wga && ip link set wga up");
	net_there();
	net_run("ip addr add 10.1.0.2/24 dev peer0 && ip route add 10.8.0.0/24 via 10.1.0.1 && "
		"ping -c 1 -W 2 -q 10.1.0.1 > /dev/null");
	got = reaches_tun(from_here);
	net_here();
	assert_int_equal(got, !shared);
	assert_true(reaches_tun(from_here));
}

static void test_forwarded_from_shared(void **state)
{
	check_forwarding(true);
}

static void test_forwarded_from_other(void **state)
{
	check_forwarding(false);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_datagrams, setup, teardown),
	cmocka_unit_test_setup_teardown(test_streams, setup, teardown),
	cmocka_unit_test_setup_teardown(test_no_buffers, setup, teardown),
	cmocka_unit_test_setup_teardown(test_tap, setup, teardown),
	cmocka_unit_test_setup_teardown(test_tap_vlan, setup, teardown),
	cmocka_unit_test_setup_teardown(test_come_and_go, setup, teardown),
	cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
	cmocka_unit_test_setup_teardown(test_forwarded_from_shared, setup, teardown),
	cmocka_unit_test_setup_teardown(test_forwarded_from_other, setup, teardown),
};

NET_MAIN(tests)
