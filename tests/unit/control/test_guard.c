/* The guard of a UDP port: taken, silent, free again. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "control/guard.h"
#include "control/log.h"
#include "tests/unit/control/net.h"
#include "tests/unit/dataplane/eal.h"

#define PORT	   51820
#define QUIET_MS   100
#define MANY_PORTS 20

static int udp(int family, uint16_t port, bool connected)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr *sa = family == AF_INET ? (void *)&in4 : (void *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in4) : sizeof(in6);
	int fd = socket(family, SOCK_DGRAM, 0), one = 1;

	assert_true(fd >= 0);
	in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in6.sin6_addr = in6addr_loopback;
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)), 0);
	if ((connected ? connect(fd, sa, len) : bind(fd, sa, len)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* An ICMP port unreachable shows as an error of a connected socket. */
static bool answered(int family, uint16_t port)
{
	int fd = udp(family, port, true);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	bool yes;

	assert_int_equal(send(fd, "x", 1, 0), 1);
	yes = poll(&p, 1, QUIET_MS) > 0;
	close(fd);
	return yes;
}

static void test_silent(void **state)
{
	struct ctl_guard g;

	assert_true(answered(AF_INET, PORT));
	assert_true(answered(AF_INET6, PORT));
	assert_int_equal(ctl_guard_open(&g, PORT), 0);
	assert_int_equal(g.port, PORT);
	assert_true(g.fd4 >= 0 && g.fd6 >= 0);
	assert_false(answered(AF_INET, PORT));
	assert_false(answered(AF_INET6, PORT));
	ctl_guard_close(&g);
	assert_int_equal(g.fd4, -1);
	assert_true(answered(AF_INET, PORT));
	assert_true(answered(AF_INET6, PORT));
}

static void test_taken(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct ctl_guard g, second;
	int fd;

	for (size_t i = 0; i < 2; i++) {
		fd = udp(families[i], PORT, false);
		assert_true(fd >= 0);
		assert_int_equal(ctl_guard_open(&g, PORT), -EADDRINUSE);
		assert_int_equal(g.fd4, -1);
		assert_int_equal(g.fd6, -1);
		close(fd);
	}
	assert_int_equal(ctl_guard_open(&g, PORT), 0);
	assert_int_equal(ctl_guard_open(&second, PORT), -EADDRINUSE);
	assert_true(udp(AF_INET, PORT, false) < 0);
	assert_true(udp(AF_INET6, PORT, false) < 0);
	ctl_guard_close(&g);
}

/* Random ports are free in both families, also where most are taken in one. */
static void test_random(void **state)
{
	struct ctl_guard g[MANY_PORTS];
	int fd6[20];

	net_run("sysctl -qw net.ipv4.ip_local_port_range='40000 40039'");
	for (uint16_t i = 0; i < 20; i++)
		assert_true((fd6[i] = udp(AF_INET6, (uint16_t)(40000 + 2 * i), false)) >= 0);
	for (int i = 0; i < MANY_PORTS / 2; i++) {
		assert_int_equal(ctl_guard_open(&g[i], 0), 0);
		assert_int_equal(g[i].port % 2, 1);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(g[i].port, g[j].port);
	}
	for (int i = 0; i < MANY_PORTS / 2; i++)
		ctl_guard_close(&g[i]);
	for (int i = 0; i < 20; i++)
		close(fd6[i]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_silent, net_setup, net_teardown),
	cmocka_unit_test_setup_teardown(test_taken, net_setup, net_teardown),
	cmocka_unit_test_setup_teardown(test_random, net_setup, net_teardown),
};

NET_MAIN(tests)
