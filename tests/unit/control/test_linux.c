/*
 * The mirror of Linux's routes against Linux itself, in namespaces: what workers would see after
 * changes of addresses, routes, neighbours and links; ways to endpoints.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <rte_ip.h>

#include "control/linux.h"
#include "dataplane/publish.h"
#include "tests/unit/control/net.h"
#include "tests/unit/dataplane/whole.h"

#define PORT_MAC                                                                                   \
	{                                                                                          \
		2, 0, 0, 0, 0, 1                                                                   \
	}
#define PEER_MAC                                                                                   \
	{                                                                                          \
		2, 0, 0, 0, 0, 2                                                                   \
	}
#define IFACE_ID	5
#define SECOND_PORT_ID	1
#define CHURN_ROUNDS	12
#define CHURN_STEPS	40
#define CHURN_ADDRESSES 2000
#define OVERRUN_ROUTES	3000
#define RECEIVE_TINY	4096

static struct dp *dp;
static struct dp_port port0 = {.id = 0, .mtu = 1500, .mac = PORT_MAC, .name = "port0"};
static struct dp_port port1 = {.id = SECOND_PORT_ID, .mtu = 1400, .mac = {2, 0, 0, 0, 1, 1}};
static struct dp_iface wg0 = {.id = IFACE_ID, .name = "wg0"};
static uint32_t wg0_ifindex;

/* What the code under test told last. */
static struct {
	unsigned int ways;
	unsigned int neighbours;
	bool failed;
	uint8_t mac[6];
	uint8_t addr[16];
} told;

static void on_ways(void *ctx)
{
	(void)ctx;
	told.ways++;
}

static void on_neighbour(void *ctx, uint32_t ifindex, int family, const uint8_t *addr,
			 const uint8_t *mac)
{
	(void)ctx;
	(void)ifindex;
	told.neighbours++;
	told.failed = mac == NULL;
	memset(told.addr, 0, sizeof(told.addr));
	memcpy(told.addr, addr, family == AF_INET ? 4 : 16);
	if (mac)
		memcpy(told.mac, mac, 6);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* As the control thread does: sleeps until there is something or something is due. */
static void crank(struct ctl_linux *l)
{
	struct pollfd p = {.fd = ctl_linux_fd(l), .events = POLLIN};
	uint64_t due = ctl_linux_due_ns(l), now = now_ns();
	int ms = 50;

	if (due < now + 50000000)
		ms = due <= now ? 0 : (int)((due - now) / 1000000 + 1);
	poll(&p, 1, ms);
	ctl_linux_run(l);
	dp_reclaim_poll(dp->reclaim);
}

/* Until all is done that Linux has told of so far. */
static void settle(struct ctl_linux *l)
{
	struct pollfd p = {.fd = ctl_linux_fd(l), .events = POLLIN};

	do
		crank(l);
	while (poll(&p, 1, 0) > 0 || ctl_linux_due_ns(l) != UINT64_MAX);
}

static struct ctl_linux *mirror(struct dp *of)
{
	static const struct ctl_linux_ops ops = {on_ways, on_neighbour, NULL};
	char error[256] = "";
	struct ctl_linux *l = ctl_linux_new(of, &ops, NULL, error, sizeof(error));

	if (!l)
		fail_msg("%s", error);
	port0.linux_ifindex = if_nametoindex("port0");
	assert_int_equal(ctl_linux_bind_port(l, &port0), 0);
	port1.linux_ifindex = if_nametoindex("port1");
	if (port1.linux_ifindex)
		assert_int_equal(ctl_linux_bind_port(l, &port1), 0);
	wg0_ifindex = if_nametoindex("wg0");
	if (wg0_ifindex)
		assert_int_equal(ctl_linux_bind_iface(l, &wg0, wg0_ifindex), 0);
	return l;
}

static struct ctl_linux *started(void)
{
	struct ctl_linux *l = mirror(dp);

	assert_int_equal(ctl_linux_start(l), 0);
	settle(l);
	memset(&told, 0, sizeof(told));
	return l;
}

static int setup(void **state)
{
	net_setup(state);
	dp = whole_new(1);
	net_run("ip tuntap add wg0 mode tun && ip link set wg0 up");
	return 0;
}

static int teardown(void **state)
{
	dp_free(dp);
	return net_teardown(state);
}

static int addr_of(const char *text, uint8_t addr[16])
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	memset(addr, 0, 16);
	assert_int_equal(inet_pton(family, text, addr), 1);
	return family;
}

static const struct dp_route *look(const char *text)
{
	uint8_t addr[16];
	int family = addr_of(text, addr);

	return dp_routes_lookup(dp->routes, family, addr);
}

/* -1: no route */
static int kind(const char *text)
{
	const struct dp_route *r = look(text);

	return r ? r->kind : -1;
}

/* The kind of a route as a row of a table names it. */
static void check_route(const char *to, const char *want)
{
	const struct dp_route *r = look(to);
	char got[128] = "none";
	char hop[INET6_ADDRSTRLEN] = "";

	if (r && r->kind == DP_ROUTE_PORT) {
		if (!r->on_link)
			inet_ntop(r->family, r->next_hop, hop, sizeof(hop));
		snprintf(got, sizeof(got), "port %u %s%s", r->port_id, r->on_link ? "link" : hop,
			 r->resolved ? " resolved" : "");
	} else if (r) {
		snprintf(got, sizeof(got), "%s",
			 r->kind == DP_ROUTE_LOCAL   ? "local"
			 : r->kind == DP_ROUTE_IFACE ? "iface"
						     : "linux");
	}
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s, not %s", to, got, want);
	if (r && r->kind == DP_ROUTE_IFACE)
		assert_int_equal(r->iface_id, IFACE_ID);
}

static const char lan[] = "ip addr add 10.1.0.1/24 dev port0 && ip addr add fd00:1::1/64 dev port0";

/* ---- routes ---- */

static void test_kinds(void **state)
{
	static const struct {
		const char *to, *want;
	} rows[] = {
		{"10.1.0.1", "local"},
		{"127.0.0.1", "local"},
		{"10.1.0.77", "port 0 link"},
		{"10.1.0.255", "linux"}, /* broadcast */
		{"10.9.1.2", "port 0 10.1.0.2 resolved"},
		{"10.9.2.2", "port 0 10.1.0.3"},
		{"10.9.3.3", "linux"}, /* blackhole */
		{"10.9.4.4", "linux"}, /* unreachable */
		{"10.9.5.5", "linux"}, /* two next hops */
		{"10.9.6.6", "linux"}, /* another interface */
		{"10.9.7.7", "iface"},
		{"10.9.8.8", "port 0 fd00:1::7"},
		{"10.9.9.9", "none"},  /* of another table */
		{"224.0.0.1", "none"}, /* Linux keeps no route for it either */
		{"fd00:1::1", "local"},
		{"fd00:1::77", "port 0 link"},
		{"fd00:9::1", "port 0 fd00:1::2 resolved"},
		{"fd00:8::1", "iface"},
		{"fe80::1", "linux"},
		{"ff02::1", "linux"},
		{"fd00:7::1", "none"},
	};
	struct ctl_linux *l;

	net_run("%s && ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:09 dev port0 && "
		"ip neigh add fd00:1::2 lladdr 02:00:00:00:00:09 dev port0 && "
		"ip link add other0 type veth peer name other1 && ip link set other0 up && "
		"ip link set other1 up && "
		"ip route add 10.9.1.0/24 via 10.1.0.2 && ip route add 10.9.2.0/24 via 10.1.0.3 && "
		"ip route add blackhole 10.9.3.0/24 && ip route add unreachable 10.9.4.0/24 && "
		"ip route add 10.9.5.0/24 nexthop via 10.1.0.2 nexthop via 10.1.0.3 && "
		"ip route add 10.9.6.0/24 dev other0 && ip route add 10.9.7.0/24 dev wg0 && "
		"ip route add 10.9.8.0/24 via inet6 fd00:1::7 dev port0 && "
		"ip route add 10.9.9.0/24 dev wg0 table 77 && "
		"ip route add fd00:9::/64 via fd00:1::2 && ip route add fd00:8::/64 dev wg0",
		lan);
	struct ctl_linux *first = started();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_route(rows[i].to, rows[i].want);
	ctl_linux_free(first);
	l = started();
	/* The same after following instead of reading. */
	net_run("ip route flush 10.9.1.0/24 && ip route flush 10.9.7.0/24");
	settle(l);
	check_route("10.9.1.2", "none");
	check_route("10.9.7.7", "none");
	net_run("ip route add 10.9.1.0/24 via 10.1.0.2 && ip route add 10.9.7.0/24 dev wg0");
	settle(l);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_route(rows[i].to, rows[i].want);
	assert_true(told.ways > 0);
	ctl_linux_free(l);
}

/* Several routes to one prefix: the best is seen, and the next best when it goes. */
static void test_next_best(void **state)
{
	static const struct {
		const char *change, *want;
	} rows[] = {
		{"ip route add 10.9.0.0/16 via 10.1.0.2 metric 20", "port 0 10.1.0.2"},
		{"ip route add 10.9.0.0/16 dev wg0 metric 10", "iface"},
		{"ip route add blackhole 10.9.0.0/16 metric 30", "iface"},
		{"ip route append 10.9.0.0/16 via 10.1.0.3 metric 20", "iface"},
		{"ip route del 10.9.0.0/16 dev wg0", "port 0 10.1.0.2"},
		{"ip route prepend 10.9.0.0/16 via 10.1.0.4 metric 20", "port 0 10.1.0.4"},
		{"ip route del 10.9.0.0/16 via 10.1.0.4", "port 0 10.1.0.2"},
		{"ip route replace 10.9.0.0/16 via 10.1.0.5 metric 20", "port 0 10.1.0.5"},
		{"ip route del 10.9.0.0/16 via 10.1.0.5", "port 0 10.1.0.3"},
		{"ip route add 10.9.0.0/16 dev wg0 table default", "port 0 10.1.0.3"},
		{"ip route del 10.9.0.0/16 via 10.1.0.3", "linux"},
		{"ip route del blackhole 10.9.0.0/16", "iface"},
		{"ip route del 10.9.0.0/16 table default", "none"},
	};
	struct ctl_linux *l;

	net_run("%s", lan);
	l = started();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		net_run("%s", rows[i].change);
		settle(l);
		check_route("10.9.1.1", rows[i].want);
	}
	ctl_linux_free(l);
}

/* The same for IPv6, which joins routes of one metric into one with several next hops, and tells of
 * a leg that goes only that leg. */
static void test_next_best6(void **state)
{
	static const struct {
		const char *change, *want;
	} rows[] = {
		{"ip route add fd00:9::/64 via fd00:1::2", "port 0 fd00:1::2"},
		{"ip route append fd00:9::/64 via fd00:1::3", "linux"},
		{"ip route append fd00:9::/64 via fd00:1::4", "linux"},
		{"ip route del fd00:9::/64 via fd00:1::2", "linux"},
		{"ip route del fd00:9::/64 via fd00:1::4", "port 0 fd00:1::3"},
		{"ip route append fd00:9::/64 dev wg0 metric 10", "iface"},
		{"ip route replace fd00:9::/64 via fd00:1::5 metric 10", "port 0 fd00:1::5"},
		{"ip route del fd00:9::/64 metric 10", "port 0 fd00:1::3"},
		{"ip route replace fd00:9::/64 nexthop via fd00:1::6 nexthop via fd00:1::7",
		 "linux"},
		{"ip route replace fd00:9::/64 via fd00:1::8", "port 0 fd00:1::8"},
		{"ip route del fd00:9::/64", "none"},
		{"ip route add fd00:9::/64 nexthop via fd00:1::6 nexthop via fd00:1::7", "linux"},
		{"ip route del fd00:9::/64", "none"},
	};
	struct ctl_linux *l;

	net_run("%s", lan);
	l = started();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		net_run("%s", rows[i].change);
		settle(l);
		check_route("fd00:9::1", rows[i].want);
	}
	ctl_linux_free(l);
}

/* Linux tells of a carrier some time after it has changed. */
static void expect_port(struct ctl_linux *l, const char *to, unsigned int port_id)
{
	uint64_t until = now_ns() + UINT64_C(5000000000);
	const struct dp_route *r = look(to);

	while ((!r || r->kind != DP_ROUTE_PORT || r->port_id != port_id) && now_ns() < until) {
		crank(l);
		r = look(to);
	}
	settle(l);
	r = look(to);
	if (!r || r->kind != DP_ROUTE_PORT || r->port_id != port_id)
		fail_msg("%s: not over port %u", to, port_id);
}

/* What Linux does with routes over a port without a carrier is a setting of its. */
static void test_carrier(void **state)
{
	static const struct {
		const char *there, *ignore;
		unsigned int port_id;
	} rows[] = {
		{"true", "0", 0},
		{"ip link set peer0 down", "0", 0},
		{"true", "1", SECOND_PORT_ID},
		{"ip link set peer0 up", "1", 0},
		{"ip link set peer0 down", "1", SECOND_PORT_ID},
		{"true", "0", 0},
	};
	struct ctl_linux *l;

	net_run("%s && ip link add port1 type veth peer name peer1 && ip link set port1 up && "
		"ip link set peer1 up && ip addr add 10.2.0.1/24 dev port1 && "
		"ip addr add fd00:2::1/64 dev port1 && "
		"ip route add 10.9.0.0/16 via 10.1.0.2 metric 10 && "
		"ip route add 10.9.0.0/16 via 10.2.0.2 metric 20 && "
		"ip route add fd00:9::/64 via fd00:1::2 metric 10 && "
		"ip route add fd00:9::/64 via fd00:2::2 metric 20",
		lan);
	l = started();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		net_there();
		net_run("%s", rows[i].there);
		net_here();
		for (int v = 4; v <= 6; v += 2)
			net_run("sysctl -qw net.ipv%d.conf.port0.ignore_routes_with_linkdown=%s", v,
				rows[i].ignore);
		expect_port(l, "10.9.1.1", rows[i].port_id);
		expect_port(l, "fd00:9::1", rows[i].port_id);
	}
	ctl_linux_free(l);
}

/* Linux takes IPv4 routes away without a word. */
static void test_silent_removals(void **state)
{
	struct ctl_linux *l;

	net_run("%s && ip addr add 10.3.0.1/24 dev port0 && ip route add 10.9.0.0/16 via 10.1.0.2 "
		"&& ip route add 10.8.0.0/16 dev wg0 && "
		"ip route add 10.7.0.0/16 dev wg0 src 10.3.0.1",
		lan);
	l = started();
	check_route("10.7.1.1", "iface");
	net_run("ip addr del 10.3.0.1/24 dev port0");
	settle(l);
	check_route("10.7.1.1", "none");
	check_route("10.8.1.1", "iface");
	net_run("ip link set wg0 down");
	settle(l);
	check_route("10.8.1.1", "none");
	check_route("10.9.1.1", "port 0 10.1.0.2");
	net_run("ip link del port0");
	settle(l);
	check_route("10.9.1.1", "none");
	check_route("10.1.0.1", "none");
	check_route("fd00:1::5", "none");
	ctl_linux_free(l);
}

static void test_locals(void **state)
{
	uint8_t four[16], six[16], gone[16];
	const struct dp_locals *locals;
	struct ctl_linux *l;

	addr_of("10.1.0.1", four);
	addr_of("fd00:1::1", six);
	addr_of("10.1.0.2", gone);
	l = started();
	net_run("%s && ip addr add 10.1.0.2/24 dev port0", lan);
	settle(l);
	locals = atomic_load(&dp->locals);
	assert_true(dp_is_local(locals, AF_INET, four));
	assert_true(dp_is_local(locals, AF_INET, gone));
	assert_true(dp_is_local(locals, AF_INET6, six));
	net_run("ip addr del 10.1.0.2/24 dev port0");
	settle(l);
	locals = atomic_load(&dp->locals);
	assert_false(dp_is_local(locals, AF_INET, gone));
	assert_true(dp_is_local(locals, AF_INET, four));
	assert_false(dp_is_local(locals, AF_INET6, four));
	ctl_linux_free(l);
}

/* An interface that is bound or unbound later changes what its routes mean. */
static void test_bindings(void **state)
{
	struct dp_iface later = {.id = 7, .name = "wg1"};
	uint32_t ifindex;
	struct ctl_linux *l;

	net_run("ip tuntap add wg1 mode tun && ip link set wg1 up && "
		"ip route add 10.9.0.0/16 dev wg1");
	l = started();
	check_route("10.9.1.1", "linux");
	ifindex = if_nametoindex("wg1");
	assert_int_equal(ctl_linux_bind_iface(l, &later, ifindex), 0);
	assert_int_equal(kind("10.9.1.1"), DP_ROUTE_IFACE);
	assert_int_equal(look("10.9.1.1")->iface_id, 7);
	ctl_linux_unbind_iface(l, &later);
	check_route("10.9.1.1", "linux");
	ctl_linux_free(l);
}

/* ---- the mirror after many changes against a fresh reading ---- */

static char batch_path[32];

/* Commands for ip(8), many at a time. */
static FILE *batch_open(void)
{
	int fd;

	snprintf(batch_path, sizeof(batch_path), "/tmp/wgdp-test-XXXXXX");
	fd = mkstemp(batch_path);
	assert_true(fd >= 0);
	return fdopen(fd, "w");
}

static void batch_run(FILE *f, const char *how)
{
	assert_int_equal(fclose(f), 0);
	net_run("ip -batch %s %s", batch_path, how);
	unlink(batch_path);
}

static void random_change(FILE *f, uint64_t *seed)
{
	static const char *const vias[] = {"via 10.1.0.2", "via 10.1.0.3", "dev wg0", "dev port0"};
	static const char *const verbs[] = {"add", "append", "replace", "del", "del", "prepend"};
	unsigned int r = (unsigned int)(unit_random(seed) >> 33);
	unsigned int via = r % 4, verb = r / 4 % 6, metric = r / 24 % 3, a = r / 72 % 4,
		     b = r / 288 % 4, len = 12 + r / 1152 % 5 * 5;
	uint32_t addr = (10u << 24 | (a * 64 + 9) << 16 | b << 8 | 0x55) &
			(0xffffffffu << (32 - len));

	fprintf(f, "route %s %u.%u.%u.%u/%u %s metric %u\n", verbs[verb], addr >> 24,
		addr >> 16 & 0xff, addr >> 8 & 0xff, addr & 0xff, len, vias[via], metric);
}

static bool same(const struct dp_route *a, const struct dp_route *b)
{
	if (!a || !b)
		return a == b;
	return a->kind == b->kind && a->port_id == b->port_id && a->iface_id == b->iface_id &&
	       a->on_link == b->on_link && a->resolved == b->resolved && a->family == b->family &&
	       memcmp(a->next_hop, b->next_hop, 16) == 0 && memcmp(a->mac, b->mac, 6) == 0;
}

static void compare_fresh(uint64_t *seed)
{
	struct dp *other = whole_new(1);
	struct ctl_linux *fresh = mirror(other);

	assert_int_equal(ctl_linux_start(fresh), 0);
	for (int i = 0; i < CHURN_ADDRESSES; i++) {
		unsigned int r = (unsigned int)(unit_random(seed) >> 33);
		uint8_t addr[16] = {10, (uint8_t)(r % 4 * 64 + r / 4 % 16), (uint8_t)(r / 64 % 4),
				    (uint8_t)(r / 256)};

		if (!same(dp_routes_lookup(dp->routes, AF_INET, addr),
			  dp_routes_lookup(other->routes, AF_INET, addr)))
			fail_msg("%u.%u.%u.%u differs", addr[0], addr[1], addr[2], addr[3]);
	}
	ctl_linux_free(fresh);
	dp_free(other);
}

static void test_churn(void **state)
{
	uint64_t seed = 0x726f757465;
	struct ctl_linux *l;

	printf("# seed 0x%llx\n", (unsigned long long)seed);
	net_run("%s && ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:09 dev port0", lan);
	l = started();
	for (int round = 0; round < CHURN_ROUNDS; round++) {
		FILE *f = batch_open();

		for (int i = 0; i < CHURN_STEPS; i++)
			random_change(f, &seed);
		batch_run(f, "-force 2> /dev/null || true");
		settle(l);
		compare_fresh(&seed);
	}
	ctl_linux_free(l);
}

/* Changes that come faster than they are read. */
static void test_overrun(void **state)
{
	uint64_t seed = 0x6f766572;
	int bytes = RECEIVE_TINY;
	struct ctl_linux *l;
	FILE *f;

	net_run("%s", lan);
	l = started();
	assert_int_equal(setsockopt(ctl_linux_fd(l), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)),
			 0);
	f = batch_open();
	for (int i = 0; i < OVERRUN_ROUTES; i++)
		fprintf(f, "route add 10.%d.%d.0/24 dev wg0\n", 64 + i / 256, i % 256);
	batch_run(f, "");
	settle(l);
	for (int i = 0; i < OVERRUN_ROUTES; i++) {
		uint8_t addr[16] = {10, (uint8_t)(64 + i / 256), (uint8_t)i, 1};
		const struct dp_route *r = dp_routes_lookup(dp->routes, AF_INET, addr);

		assert_true(r && r->kind == DP_ROUTE_IFACE);
	}
	compare_fresh(&seed);
	ctl_linux_free(l);
}

/* ---- neighbours ---- */

static void test_neighbours(void **state)
{
	struct ctl_linux *l;

	net_run("%s && ip route add 10.9.0.0/16 via 10.1.0.2", lan);
	l = started();
	check_route("10.9.1.1", "port 0 10.1.0.2");
	check_route("10.1.0.2", "port 0 link");
	net_run("ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:09 dev port0");
	settle(l);
	check_route("10.9.1.1", "port 0 10.1.0.2 resolved");
	check_route("10.1.0.2", "port 0 10.1.0.2 resolved");
	assert_int_equal(look("10.9.1.1")->mac[5], 9);
	assert_false(told.failed);
	assert_int_equal(told.mac[5], 9);
	net_run("ip neigh change 10.1.0.2 lladdr 02:00:00:00:00:0a dev port0");
	settle(l);
	assert_int_equal(look("10.9.1.1")->mac[5], 10);
	assert_int_equal(look("10.1.0.2")->mac[5], 10);
	/* The network is not on link any more: the neighbour's own route must go with it. */
	net_run("ip route add 10.1.0.0/29 dev wg0");
	settle(l);
	check_route("10.1.0.2", "iface");
	net_run("ip route del 10.1.0.0/29 dev wg0");
	settle(l);
	check_route("10.1.0.2", "port 0 10.1.0.2 resolved");
	net_run("ip neigh del 10.1.0.2 dev port0");
	settle(l);
	check_route("10.9.1.1", "port 0 10.1.0.2");
	check_route("10.1.0.2", "port 0 link");
	assert_true(told.failed);
	ctl_linux_free(l);
}

/* Resolved by Linux on our asking, from a neighbour that answers. */
static void test_resolve(void **state)
{
	static const uint8_t peer_mac[] = PEER_MAC;
	static const char *const addrs[] = {"10.1.0.2", "fd00:1::2"};
	uint8_t addr[16], mac[6];
	struct ctl_linux *l;

	net_run("%s", lan);
	net_there();
	net_run("ip addr add 10.1.0.2/24 dev peer0 && ip addr add fd00:1::2/64 dev peer0");
	net_here();
	l = started();
	for (size_t i = 0; i < 2; i++) {
		int family = addr_of(addrs[i], addr);

		memset(&told, 0, sizeof(told));
		assert_false(ctl_linux_neighbour(l, port0.linux_ifindex, family, addr, mac));
		NET_AWAIT(told.neighbours > 0, crank(l));
		assert_false(told.failed);
		assert_memory_equal(told.mac, peer_mac, 6);
		assert_memory_equal(told.addr, addr, 16);
		assert_true(ctl_linux_neighbour(l, port0.linux_ifindex, family, addr, mac));
		assert_memory_equal(mac, peer_mac, 6);
	}
	ctl_linux_free(l);
}

static void test_unanswered(void **state)
{
	uint8_t addr[16], mac[6];
	struct ctl_linux *l;

	net_run("%s && sysctl -qw net.ipv4.neigh.port0.mcast_solicit=1 "
		"net.ipv4.neigh.port0.retrans_time_ms=100",
		lan);
	l = started();
	addr_of("10.1.0.99", addr);
	assert_false(ctl_linux_neighbour(l, port0.linux_ifindex, AF_INET, addr, mac));
	NET_AWAIT(told.neighbours > 0, crank(l));
	assert_true(told.failed);
	assert_memory_equal(told.addr, addr, 16);
	ctl_linux_free(l);
}

/* What a worker does that finds a next hop unresolved: it has control ask. */
static void crank_and_ask(struct ctl_linux *l, const char *text)
{
	uint8_t addr[16], mac[6];
	int family = addr_of(text, addr);

	crank(l);
	ctl_linux_neighbour(l, port0.linux_ifindex, family, addr, mac);
}

/* Workers use the MAC and Linux does not see it: a change is found all the same. */
static void test_mac_changes(void **state)
{
	struct ctl_linux *l;

	net_run("%s && ip route add 10.9.0.0/16 via 10.1.0.2 && "
		"sysctl -qw net.ipv4.neigh.port0.delay_first_probe_time=0 "
		"net.ipv4.neigh.port0.retrans_time_ms=50 net.ipv4.neigh.port0.ucast_solicit=1",
		lan);
	net_there();
	/* A neighbour that has changed its MAC without a word. */
	net_run("ip addr add 10.1.0.2/24 dev peer0 && "
		"ip link set peer0 address 02:00:00:00:00:0b");
	net_here();
	l = started();
	net_run("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:02 dev port0 nud stale");
	settle(l);
	assert_int_equal(told.mac[5], 2);
	NET_AWAIT(look("10.9.1.1")->resolved && look("10.9.1.1")->mac[5] == 0x0b,
		  crank_and_ask(l, "10.1.0.2"));
	ctl_linux_free(l);
}

/* ---- ways ---- */

static struct wg_endpoint endpoint(const char *addr)
{
	struct wg_endpoint e = {.port = 51820};

	e.family = (uint8_t)addr_of(addr, e.addr);
	return e;
}

static void check_headers(const struct ctl_way *way, const char *src, const char *dst)
{
	const uint8_t *ip = way->out.header + 14, *udp;
	static const uint8_t port_mac[] = PORT_MAC, peer_mac[] = PEER_MAC;
	uint8_t s[16], d[16];
	bool v4 = addr_of(src, s) == AF_INET;
	uint8_t whole[14 + 40 + 8 + 32];
	uint32_t sum;

	addr_of(dst, d);
	assert_int_equal(way->out.l3_off, 14);
	assert_int_equal(way->out.header_bytes, v4 ? 42 : 62);
	assert_memory_equal(way->out.header, peer_mac, 6);
	assert_memory_equal(way->out.header + 6, port_mac, 6);
	assert_int_equal(way->out.header[12] << 8 | way->out.header[13], v4 ? 0x0800 : 0x86dd);
	if (v4) {
		static const uint8_t fixed[12] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0};

		assert_memory_equal(ip, fixed, sizeof(fixed));
		assert_memory_equal(ip + 12, s, 4);
		assert_memory_equal(ip + 16, d, 4);
	} else {
		static const uint8_t fixed[8] = {0x60, 0, 0, 0, 0, 0, 17, 64};

		assert_memory_equal(ip, fixed, sizeof(fixed));
		assert_memory_equal(ip + 8, s, 16);
		assert_memory_equal(ip + 24, d, 16);
	}
	udp = way->out.header + way->out.header_bytes - 8;
	assert_int_equal(udp[0] << 8 | udp[1], 7777);
	assert_int_equal(udp[2] << 8 | udp[3], 51820);
	/* With pseudo_sum a datagram gets the checksum that DPDK computes from scratch. */
	memset(whole, 0x5c, sizeof(whole));
	memcpy(whole, way->out.header, way->out.header_bytes);
	udp = whole + way->out.header_bytes - 8;
	whole[way->out.header_bytes - 4] = 0;
	whole[way->out.header_bytes - 3] = 40;
	whole[14 + (v4 ? 3 : 5)] = v4 ? 60 : 40;
	sum = way->out.pseudo_sum + rte_cpu_to_be_16(40) + rte_raw_cksum(udp, 40);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal((uint16_t)~sum,
			 v4 ? rte_ipv4_udptcp_cksum((const void *)(whole + 14), udp)
			    : rte_ipv6_udptcp_cksum((const void *)(whole + 14), udp));
}

/* A port that is a VLAN has the tag in its headers; without it they are as of any port. */
static void check_tag(struct ctl_way *way, uint16_t vlan)
{
	struct dp_out *out = &way->out;

	assert_int_equal(out->l3_off, 18);
	assert_int_equal(out->header[12] << 8 | out->header[13], 0x8100);
	assert_int_equal(out->header[14] << 8 | out->header[15], vlan);
	memmove(out->header + 12, out->header + 16, out->header_bytes - 16u);
	out->l3_off = 14;
	out->header_bytes = (uint8_t)(out->header_bytes - 4);
}

static const char known[] = "ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev port0 && "
			    "ip neigh add fd00:1::2 lladdr 02:00:00:00:00:02 dev port0";

static void test_way_vlan(void **state)
{
	static const char *const peers[][2] = {{"10.1.0.2", "10.1.0.1"},
					       {"fd00:1::2", "fd00:1::1"}};
	struct ctl_linux *l;

	port0.vlan = 7;
	net_run("%s && %s", lan, known);
	l = started();
	for (unsigned int i = 0; i < 2; i++) {
		struct wg_endpoint e = endpoint(peers[i][0]);
		struct ctl_way way;

		assert_int_equal(ctl_linux_way(l, &e, 7777, 0, &way), 0);
		check_tag(&way, 7);
		check_headers(&way, peers[i][1], peers[i][0]);
	}
	ctl_linux_free(l);
	port0.vlan = 0;
}

static void test_ways(void **state)
{
	static const struct {
		const char *to, *src;
		uint32_t mark;
		int rc;
	} rows[] = {
		{"10.1.0.2", "10.1.0.1", 0, 0},	 /* on link */
		{"10.9.1.1", "10.1.0.1", 0, 0},	 /* through a router */
		{"10.8.1.1", "10.1.0.33", 0, 0}, /* the route names a source */
		{"fd00:1::2", "fd00:1::1", 0, 0},
		{"fd00:9::1", "fd00:1::1", 0, 0},
		{"10.7.1.1", NULL, 0, -ENETUNREACH}, /* into a tunnel */
		{"10.7.1.1", "10.1.0.1", 51820, 0},  /* unless marked */
		{"fd00:7::1", NULL, 0, -ENETUNREACH},
		{"fd00:7::1", "fd00:1::1", 51820, 0},
		{"10.1.0.1", NULL, 0, -ENETUNREACH}, /* this host itself */
		{"127.0.0.1", NULL, 0, -ENETUNREACH},
		{"10.6.1.1", NULL, 0, -EHOSTUNREACH},	 /* blackhole */
		{"203.0.113.1", NULL, 0, -EHOSTUNREACH}, /* no route */
		{"fd00:5::1", NULL, 0, -EHOSTUNREACH},
		{"10.1.0.255", NULL, 0, -ENETUNREACH}, /* broadcast */
	};
	struct ctl_linux *l;

	net_run("%s && %s && ip addr add 10.1.0.33/32 dev port0 && "
		"ip route add 10.9.0.0/16 via 10.1.0.2 && "
		"ip route add 10.8.0.0/16 via 10.1.0.2 src 10.1.0.33 && "
		"ip route add fd00:9::/64 via fd00:1::2 && ip addr add 10.20.0.1/32 dev wg0 && "
		"ip route add 10.7.0.0/16 dev wg0 && ip route add fd00:7::/64 dev wg0 && "
		"ip route add blackhole 10.6.0.0/16 && "
		"ip route add 10.7.0.0/16 via 10.1.0.2 table 99 && ip rule add fwmark 51820 table "
		"99 && "
		"ip -6 route add fd00:7::/64 via fd00:1::2 table 99 && "
		"ip -6 rule add fwmark 51820 table 99",
		lan, known);
	l = started();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wg_endpoint e = endpoint(rows[i].to);
		struct ctl_way way;
		int rc = ctl_linux_way(l, &e, 7777, rows[i].mark, &way);

		if (rc != rows[i].rc)
			fail_msg("%s: %d, not %d", rows[i].to, rc, rows[i].rc);
		if (rc)
			continue;
		assert_int_equal(way.out.port_id, 0);
		assert_int_equal(way.out.mtu, 1500);
		assert_memory_equal(&way.out.endpoint, &e, sizeof(e));
		check_headers(&way, rows[i].src, rows[i].to);
	}
	ctl_linux_free(l);
}

/* The peer's packets arrived at one of our addresses: answers leave from it. */
static void test_sticky_source(void **state)
{
	struct wg_endpoint e = endpoint("10.1.0.2"), e6 = endpoint("fd00:1::2");
	struct ctl_linux *l;
	struct ctl_way way;

	net_run("%s && %s && ip addr add 10.1.0.10/24 dev port0 && "
		"ip addr add 10.50.0.1/32 dev lo && ip addr add fd00:1::10/64 dev port0 && "
		"ip link add port1 type veth peer name peer1 && ip link set port1 up && "
		"ip link set peer1 up && ip addr add 10.2.0.1/24 dev port1",
		lan, known);
	l = started();
	e.has_local = true;
	e6.has_local = true;
	/* Another address of the port; one of another interface; IPv6. */
	addr_of("10.1.0.10", e.local);
	assert_int_equal(ctl_linux_way(l, &e, 7777, 0, &way), 0);
	check_headers(&way, "10.1.0.10", "10.1.0.2");
	assert_true(way.out.endpoint.has_local);
	addr_of("10.50.0.1", e.local);
	assert_int_equal(ctl_linux_way(l, &e, 7777, 0, &way), 0);
	check_headers(&way, "10.50.0.1", "10.1.0.2");
	addr_of("fd00:1::10", e6.local);
	assert_int_equal(ctl_linux_way(l, &e6, 7777, 0, &way), 0);
	check_headers(&way, "fd00:1::10", "fd00:1::2");
	/* They arrived by another port than answers would leave by. */
	e.local_port = SECOND_PORT_ID;
	assert_int_equal(ctl_linux_way(l, &e, 7777, 0, &way), 0);
	check_headers(&way, "10.1.0.1", "10.1.0.2");
	assert_false(way.out.endpoint.has_local);
	/* The address has gone. */
	e.local_port = 0;
	net_run("ip addr del 10.50.0.1/32 dev lo && ip addr del fd00:1::10/64 dev port0");
	settle(l);
	assert_int_equal(ctl_linux_way(l, &e, 7777, 0, &way), 0);
	check_headers(&way, "10.1.0.1", "10.1.0.2");
	assert_false(way.out.endpoint.has_local);
	assert_int_equal(ctl_linux_way(l, &e6, 7777, 0, &way), 0);
	check_headers(&way, "fd00:1::1", "fd00:1::2");
	ctl_linux_free(l);
}

/* A way whose next hop has to be asked for; a link-local endpoint. */
static void test_way_unresolved(void **state)
{
	struct wg_endpoint e = endpoint("10.9.1.1"), near = endpoint("fe80::99");
	struct ctl_linux *l;
	struct ctl_way way;
	uint8_t gateway[16];

	net_run("%s && ip route add 10.9.0.0/16 via 10.1.0.2 && "
		"ip neigh add fe80::99 lladdr 02:00:00:00:00:02 dev port0",
		lan);
	net_there();
	net_run("ip addr add 10.1.0.2/24 dev peer0");
	net_here();
	l = started();
	addr_of("10.1.0.2", gateway);
	assert_int_equal(ctl_linux_way(l, &e, 7777, 0, &way), 0);
	assert_int_equal(way.out.port_id, DP_PORT_NONE);
	assert_int_equal(way.family, AF_INET);
	assert_int_equal(way.ifindex, port0.linux_ifindex);
	assert_memory_equal(way.next_hop, gateway, 16);
	NET_AWAIT(told.neighbours > 0, crank(l));
	assert_int_equal(ctl_linux_way(l, &e, 7777, 0, &way), 0);
	assert_int_equal(way.out.port_id, 0);
	check_headers(&way, "10.1.0.1", "10.9.1.1");
	near.scope = port0.linux_ifindex;
	assert_int_equal(ctl_linux_way(l, &near, 7777, 0, &way), 0);
	assert_int_equal(way.out.port_id, 0);
	ctl_linux_free(l);
}

/* ---- setting ---- */

static void test_set(void **state)
{
	struct cf_prefix four = {.family = AF_INET, .len = 24},
			 six = {.family = AF_INET6, .len = 64};
	struct cf_route link = {.to = {.family = AF_INET, .len = 16}};
	struct cf_route via = {.to = {.family = AF_INET6, .len = 48}, .via = {.family = AF_INET6}};
	struct cf_route other = {.to = {.family = AF_INET, .len = 16}, .via = {.family = AF_INET6}};
	uint32_t port = if_nametoindex("port0"), wg;
	struct ctl_linux *l = started();

	wg = wg0_ifindex;
	addr_of("10.1.0.1", four.addr);
	addr_of("fd00:1::1", six.addr);
	addr_of("10.9.0.0", link.to.addr);
	addr_of("fd00:9::", via.to.addr);
	addr_of("fd00:1::2", via.via.addr);
	addr_of("10.8.0.0", other.to.addr);
	addr_of("fd00:1::2", other.via.addr);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(ctl_linux_set_address(l, port, &four, true), 0);
		assert_int_equal(ctl_linux_set_address(l, port, &six, true), 0);
		assert_int_equal(ctl_linux_set_route(l, wg, &link, true), 0);
		assert_int_equal(ctl_linux_set_route(l, port, &via, true), 0);
		assert_int_equal(ctl_linux_set_route(l, port, &other, true), 0);
		assert_int_equal(ctl_linux_link_up(l, port, 1400), 0);
		settle(l);
	}
	check_route("10.1.0.1", "local");
	check_route("10.1.0.9", "port 0 link");
	check_route("10.9.1.1", "iface");
	check_route("fd00:9::1", "port 0 fd00:1::2");
	check_route("10.8.0.1", "port 0 fd00:1::2");
	net_run("ip link show port0 | grep -q 'mtu 1400'");
	/* It is there, but leads elsewhere. */
	assert_int_equal(ctl_linux_set_route(l, port, &link, true), -EEXIST);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(ctl_linux_set_route(l, wg, &link, false), 0);
		assert_int_equal(ctl_linux_set_route(l, port, &via, false), 0);
		assert_int_equal(ctl_linux_set_route(l, port, &other, false), 0);
		assert_int_equal(ctl_linux_set_address(l, port, &four, false), 0);
		assert_int_equal(ctl_linux_set_address(l, port, &six, false), 0);
		settle(l);
	}
	check_route("10.1.0.9", "none");
	check_route("10.9.1.1", "none");
	check_route("fd00:9::1", "none");
	/* Errors come as Linux's own. */
	assert_int_equal(ctl_linux_set_address(l, 99999, &four, true), -ENODEV);
	ctl_linux_free(l);
}

/* What Linux made itself for an address is not removed with a route of the same prefix. */
static void test_connected_stays(void **state)
{
	struct cf_route link = {.to = {.family = AF_INET, .len = 24}};
	struct ctl_linux *l;

	net_run("%s", lan);
	l = started();
	addr_of("10.1.0.0", link.to.addr);
	assert_int_equal(ctl_linux_set_route(l, port0.linux_ifindex, &link, true), 0);
	assert_int_equal(ctl_linux_set_route(l, port0.linux_ifindex, &link, false), 0);
	settle(l);
	check_route("10.1.0.9", "port 0 link");
	ctl_linux_free(l);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
	cmocka_unit_test_setup_teardown(test_next_best, setup, teardown),
	cmocka_unit_test_setup_teardown(test_next_best6, setup, teardown),
	cmocka_unit_test_setup_teardown(test_carrier, setup, teardown),
	cmocka_unit_test_setup_teardown(test_silent_removals, setup, teardown),
	cmocka_unit_test_setup_teardown(test_locals, setup, teardown),
	cmocka_unit_test_setup_teardown(test_bindings, setup, teardown),
	cmocka_unit_test_setup_teardown(test_churn, setup, teardown),
	cmocka_unit_test_setup_teardown(test_overrun, setup, teardown),
	cmocka_unit_test_setup_teardown(test_neighbours, setup, teardown),
	cmocka_unit_test_setup_teardown(test_resolve, setup, teardown),
	cmocka_unit_test_setup_teardown(test_unanswered, setup, teardown),
	cmocka_unit_test_setup_teardown(test_mac_changes, setup, teardown),
	cmocka_unit_test_setup_teardown(test_ways, setup, teardown),
	cmocka_unit_test_setup_teardown(test_way_vlan, setup, teardown),
	cmocka_unit_test_setup_teardown(test_sticky_source, setup, teardown),
	cmocka_unit_test_setup_teardown(test_way_unresolved, setup, teardown),
	cmocka_unit_test_setup_teardown(test_set, setup, teardown),
	cmocka_unit_test_setup_teardown(test_connected_stays, setup, teardown),
};

NET_MAIN(tests)
