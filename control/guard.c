/*
 * The sockets that keep WireGuard ports in Linux. Called by control. The filter is attached before
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

static void close_fds(const struct ctl_guard_fds *fds)
{
	close(fds->v4);
	if (fds->v6 >= 0)
		close(fds->v6);
}

/* port 0: Linux picks one. */
static int open_fds(struct ctl_guard_fds *fds, uint16_t port)
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
	*fds = (struct ctl_guard_fds){.v4 = fd4, .v6 = fd6 < 0 ? -1 : fd6};
	return 0;
}

static bool holds(const struct ctl_guard *g, uint16_t port)
{
	return (uint16_t)(port - g->port) < g->n;
}

static struct ctl_guard_fds *fds_of(struct ctl_guard *g, uint16_t port)
{
	return &g->fds[(uint16_t)(port - g->port)];
}

/* Closes what `of` holds and `but` does not. */
static void close_others(struct ctl_guard *of, const struct ctl_guard *but)
{
	for (uint16_t i = 0; i < of->n; i++)
		if (!holds(but, (uint16_t)(of->port + i)))
			close_fds(&of->fds[i]);
}

/* Builds `to`, with the sockets of `from` where it has them. On failure to->port is the port that
 * could not be had. */
static int take_ports(struct ctl_guard *to, struct ctl_guard *from, uint16_t port, uint16_t n)
{
	int rc = 0;

	*to = (struct ctl_guard){.port = port};
	while (rc == 0 && to->n < n) {
		uint16_t next = (uint16_t)(to->port + to->n);

		if (port == 0 && to->n > 0 && next == 0)
			rc = -EADDRINUSE; /* behind the last one */
		else if (next != 0 && holds(from, next))
			to->fds[to->n] = *fds_of(from, next);
		else
			rc = open_fds(&to->fds[to->n], next);
		if (rc == 0 && to->port == 0)
			to->port = bound_port(to->fds[0].v4);
		to->n += rc == 0;
	}
	if (rc == 0)
		return 0;
	close_others(to, from);
	to->port = (uint16_t)(to->port + to->n);
	to->n = 0;
	return rc;
}

int ctl_guard_move(struct ctl_guard *g, uint16_t port, uint16_t n)
{
	int err = -EADDRINUSE;
	struct ctl_guard to;

	if (port + n > UINT16_MAX + 1) {
		ctl_log(CTL_ERROR, "UDP ports %u to %u: the last one is 65535", port, port + n - 1);
		return -ERANGE;
	}
	for (int i = 0; i < (port ? 1 : RANDOM_PORT_TRIES) && err == -EADDRINUSE; i++)
		err = take_ports(&to, g, port, n);
	if (err) {
		ctl_log(CTL_ERROR, "UDP port %u: %s", to.port, strerror(-err));
		return err;
	}
	close_others(g, &to);
	*g = to;
	return 0;
}

void ctl_guard_close(struct ctl_guard *g)
{
	static const struct ctl_guard nothing;

	close_others(g, &nothing);
	*g = nothing;
}
