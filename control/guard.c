/*
 * The sockets that keep a WireGuard port in Linux. Called by control. The filter is attached before
 * the socket is bound: no packet ever reaches a queue, Linux finds a socket and stays silent.
 */
#include "control/guard.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/log.h"

/* As often as the Linux kernel tries (protocol: a port that is free in both families). */
#define RANDOM_PORT_TRIES 100

static int bind_family(int fd, int family, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (family == AF_INET6)
		return bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	return bind(fd, (struct sockaddr *)&in4, sizeof(in4));
}

/* Returns a descriptor or -errno. */
static int open_family(int family, uint16_t port)
{
	struct sock_filter ret_0 = {BPF_RET | BPF_K, 0, 0, 0};
	struct sock_fprog drop_all = {.len = 1, .filter = &ret_0};
	int one = 1, smallest = 0, fd, err;

	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop_all, sizeof(drop_all)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)) < 0 ||
	    (family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    bind_family(fd, family, port) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_in6 sa;
	socklen_t len = sizeof(sa);

	/* The port lies at the same place in both families' addresses. */
	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0)
		return 0;
	return ntohs(sa.sin6_port);
}

static int try_port(struct ctl_guard *g, uint16_t port)
{
	int fd4, fd6;

	fd4 = open_family(AF_INET, port);
	if (fd4 < 0)
		return fd4;
	port = bound_port(fd4);
	fd6 = open_family(AF_INET6, port);
	/* A host may have IPv6 compiled out (EAFNOSUPPORT) or turned off (EADDRNOTAVAIL). */
	if (fd6 < 0 && fd6 != -EAFNOSUPPORT && fd6 != -EADDRNOTAVAIL) {
		close(fd4);
		return fd6;
	}
	*g = (struct ctl_guard){.fd4 = fd4, .fd6 = fd6 < 0 ? -1 : fd6, .port = port};
	return 0;
}

int ctl_guard_open(struct ctl_guard *g, uint16_t port)
{
	int err = -EADDRINUSE;

	*g = (struct ctl_guard){.fd4 = -1, .fd6 = -1};
	for (int i = 0; i < (port ? 1 : RANDOM_PORT_TRIES) && err == -EADDRINUSE; i++)
		err = try_port(g, port);
	if (err)
		ctl_log(CTL_ERROR, "UDP port %u: %s", port, strerror(-err));
	return err;
}

void ctl_guard_close(struct ctl_guard *g)
{
	if (g->fd4 >= 0)
		close(g->fd4);
	if (g->fd6 >= 0)
		close(g->fd6);
	*g = (struct ctl_guard){.fd4 = -1, .fd6 = -1};
}
