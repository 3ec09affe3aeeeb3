/*
 * Network namespaces of a test's own: "here", where the code under test lives, and "there", the
 * rest of the world, joined by a veth pair: port0 here, peer0 there. Nobody else sees them, and
 * they end with the process.
 */
#ifndef TESTS_UNIT_CONTROL_NET_H
#define TESTS_UNIT_CONTROL_NET_H

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static int net_here_fd = -1, net_there_fd = -1;

/* A command of a shell, which must succeed. */
__attribute__((format(printf, 1, 2))) static inline void net_run(const char *fmt, ...)
{
	char command[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static inline void net_here(void)
{
	assert_int_equal(setns(net_here_fd, CLONE_NEWNET), 0);
}

static inline void net_there(void)
{
	assert_int_equal(setns(net_there_fd, CLONE_NEWNET), 0);
}

static inline int net_fresh(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	/* Inherited by ip(8), which moves the peer by this descriptor. */
	return open("/proc/thread-self/ns/net", O_RDONLY);
}

/* False: not permitted. */
static inline bool net_permitted(void)
{
	net_here_fd = net_fresh();
	if (net_here_fd < 0)
		return false;
	close(net_here_fd);
	net_here_fd = -1;
	return true;
}

/* Setup of a test: fresh namespaces, the pair without addresses and up. */
static inline int net_setup(void **state)
{
	(void)state;
	net_there_fd = net_fresh();
	net_run("sysctl -qw net.ipv6.conf.default.accept_dad=0; ip link set lo up");
	net_here_fd = net_fresh();
	assert_true(net_here_fd >= 0 && net_there_fd >= 0);
	net_run("sysctl -qw net.ipv6.conf.default.accept_dad=0; ip link set lo up");
	net_run("ip link add port0 address 02:00:00:00:00:01 type veth peer name peer0 "
		"address 02:00:00:00:00:02 && ip link set peer0 netns /proc/self/fd/%d && "
		"ip link set port0 up",
		net_there_fd);
	net_there();
	net_run("ip link set peer0 up");
	net_here();
	return 0;
}

static inline int net_teardown(void **state)
{
	(void)state;
	close(net_here_fd);
	close(net_there_fd);
	return 0;
}

static inline uint64_t net_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#define NET_PATIENCE_MS 30000

/* Turns the crank until the condition holds; fails after NET_PATIENCE_MS. */
#define NET_AWAIT(condition, crank)                                                                \
	do {                                                                                       \
		uint64_t until_ms_ = net_now_ms() + NET_PATIENCE_MS;                               \
		while (!(condition)) {                                                             \
			if (net_now_ms() > until_ms_)                                              \
				fail_msg("waited in vain for: %s", #condition);                    \
			crank;                                                                     \
		}                                                                                  \
	} while (0)

/* The main of a test program: skips all, with a reason, where namespaces are not permitted. */
#define NET_MAIN(tests)                                                                            \
	int main(void)                                                                             \
	{                                                                                          \
		if (!net_permitted()) {                                                            \
			printf("1..0 # SKIP no permission for network namespaces: %s\n",           \
			       strerror(errno));                                                   \
			return 0;                                                                  \
		}                                                                                  \
		test_eal_start();                                                                  \
		return UNIT_RUN(tests);                                                            \
	}

#endif
