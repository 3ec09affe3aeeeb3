/* The guard of UDP ports: taken, silent, moved, free again. */
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
	struct ctl_guard g = {0};

	assert_true(answered(AF_INET, PORT));
	assert_true(answered(AF_INET6, PORT));
	assert_int_equal(ctl_guard_move(&g, PORT, 1), 0);
	assert_int_equal(g.port, PORT);
	assert_int_equal(g.n, 1);
	assert_true(g.fds[0].v4 >= 0 && g.fds[0].v6 >= 0);
	assert_false(answered(AF_INET, PORT));
	assert_false(answered(AF_INET6, PORT));
	ctl_guard_close(&g);
	assert_int_equal(g.n, 0);
	assert_true(answered(AF_INET, PORT));
	assert_true(answered(AF_INET6, PORT));
}

static void test_taken(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct ctl_guard g = {0}, second = {0};
	int fd;

	for (size_t i = 0; i < 2; i++) {
		fd = udp(families[i], PORT, false);
		assert_true(fd >= 0);
		assert_int_equal(ctl_guard_move(&g, PORT, 1), -EADDRINUSE);
		assert_int_equal(g.n, 0);
		close(fd);
	}
	assert_int_equal(ctl_guard_move(&g, PORT, 1), 0);
	assert_int_equal(ctl_guard_move(&second, PORT, 1), -EADDRINUSE);
	assert_true(udp(AF_INET, PORT, false) < 0);
	assert_true(udp(AF_INET6, PORT, false) < 0);
	ctl_guard_close(&g);
}

static void assert_held(int family, uint16_t first, uint16_t n, bool held)
{
	for (uint16_t i = 0; i < n; i++) {
		int fd = udp(family, (uint16_t)(first + i), false);

		assert_int_equal(fd < 0, held);
		if (fd >= 0)
			close(fd);
	}
}

/* From one range to another: what is in both is held throughout, the rest is free again. */
static void test_range(void **state)
{
	static const struct {
		uint16_t port, n;
	} moves[] = {{PORT, 4},
		     {PORT, 1},
		     {PORT, 9},
		     {PORT + 3, 9},
		     {PORT - 3, 8},
		     {65535, 1},
		     {65408, CF_SOURCE_PORTS_MAX}};
	static const int families[] = {AF_INET, AF_INET6};
	struct ctl_guard g = {0}, was;

	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		was = g;
		assert_int_equal(ctl_guard_move(&g, moves[i].port, moves[i].n), 0);
		assert_int_equal(g.port, moves[i].port);
		assert_int_equal(g.n, moves[i].n);
		for (int f = 0; f < 2; f++) {
			for (uint16_t k = 0; k < was.n; k++)
				assert_held(families[f], (uint16_t)(was.port + k), 1,
					    (uint16_t)(was.port + k - g.port) < g.n);
			assert_held(families[f], g.port, g.n, true);
		}
		for (uint16_t k = 0; k < was.n; k++)
			if ((uint16_t)(was.port + k - g.port) < g.n)
				assert_memory_equal(&was.fds[k], &g.fds[was.port + k - g.port],
						    sizeof(g.fds[0]));
	}
	assert_false(answered(AF_INET, 65535));
	ctl_guard_close(&g);
	assert_held(AF_INET, 65408, CF_SOURCE_PORTS_MAX, false);
	assert_held(AF_INET6, 65408, CF_SOURCE_PORTS_MAX, false);
}

/* One port of the range is taken, or does not exist: all stays as it was. */
static void test_range_taken(void **state)
{
	struct ctl_guard g = {0}, was;
	int fd = udp(AF_INET6, PORT + 3, false);

	assert_true(fd >= 0);
	assert_int_equal(ctl_guard_move(&g, PORT, 4), -EADDRINUSE);
	assert_int_equal(g.n, 0);
	assert_held(AF_INET, PORT, 3, false);
	assert_int_equal(ctl_guard_move(&g, PORT, 3), 0);
	was = g;
	assert_int_equal(ctl_guard_move(&g, PORT + 1, 3), -EADDRINUSE);
	assert_memory_equal(&g, &was, sizeof(g));
	assert_int_equal(ctl_guard_move(&g, 65533, 4), -ERANGE);
	assert_memory_equal(&g, &was, sizeof(g));
	assert_held(AF_INET, PORT, 3, true);
	assert_held(AF_INET, PORT + 3, 1, false);
	close(fd);
	assert_int_equal(ctl_guard_move(&g, PORT + 1, 3), 0);
	ctl_guard_close(&g);
}

/* Random ones in a row, where every fifth is taken. */
static void test_random_range(void **state)
{
	struct ctl_guard g = {0};
	int fds[9]; /* the last one ends the last row */

	net_run("sysctl -qw net.ipv4.ip_local_port_range='40000 40039'");
	for (uint16_t i = 0; i < 9; i++)
		assert_true((fds[i] = udp(AF_INET, (uint16_t)(40000 + 5 * i), false)) >= 0);
	assert_int_equal(ctl_guard_move(&g, 0, 4), 0);
	assert_int_equal(g.port % 5, 1);
	assert_int_equal(g.n, 4);
	assert_held(AF_INET6, g.port, 4, true);
	assert_int_equal(ctl_guard_move(&g, 0, 5), -EADDRINUSE);
	assert_int_equal(g.n, 4);
	ctl_guard_close(&g);
	for (int i = 0; i < 9; i++)
		close(fds[i]);
}

/* Random ports are free in both families, also where most are taken in one. */
static void test_random(void **state)
{
	struct ctl_guard g[MANY_PORTS] = {0};
	int fd6[20];

	net_run("sysctl -qw net.ipv4.ip_local_port_range='40000 40039'");
	for (uint16_t i = 0; i < 20; i++)
		assert_true((fd6[i] = udp(AF_INET6, (uint16_t)(40000 + 2 * i), false)) >= 0);
	for (int i = 0; i < MANY_PORTS / 2; i++) {
		assert_int_equal(ctl_guard_move(&g[i], 0, 1), 0);
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
	cmocka_unit_test_setup_teardown(test_range, net_setup, net_teardown),
	cmocka_unit_test_setup_teardown(test_range_taken, net_setup, net_teardown),
	cmocka_unit_test_setup_teardown(test_random_range, net_setup, net_teardown),
	cmocka_unit_test_setup_teardown(test_random, net_setup, net_teardown),
};

NET_MAIN(tests)
