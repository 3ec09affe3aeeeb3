/*
 * Clients of a server that runs in the same thread: sockets that do not block, and a loop that lets
 * the server run until something is so.
 */
#ifndef TESTS_UNIT_CONFIG_PUMP_H
#define TESTS_UNIT_CONFIG_PUMP_H

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* A server that is stuck fails the test, on any machine. */
#define PUMP_TURNS_MAX 2000000

struct pump {
	void (*run)(void *server);
	void *server;
	int fd; /* the server's descriptor */
};

static inline int pump_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static inline bool pump_is_ready(const struct pump *pump)
{
	struct pollfd p = {.fd = pump->fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* Until the server has nothing to do. */
static inline void pump_idle(const struct pump *pump)
{
	for (int i = 0; pump_is_ready(pump); i++) {
		assert_true(i < PUMP_TURNS_MAX);
		pump->run(pump->server);
	}
}

static inline void pump_send(const struct pump *pump, int fd, const char *text, size_t len)
{
	for (int i = 0; len; i++) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		assert_true(i < PUMP_TURNS_MAX && (n >= 0 || errno == EAGAIN));
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
		pump->run(pump->server);
	}
}

/* Reads until the text ends in `end`, or the connection does (end NULL). To be freed. */
static inline char *pump_receive(const struct pump *pump, int fd, const char *end)
{
	size_t used = 0, size = 4096;
	char *text = calloc(1, size + 1);

	for (int i = 0;; i++) {
		ssize_t n = recv(fd, text + used, size - used, 0);

		assert_true(i < PUMP_TURNS_MAX);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return text;
		if (n > 0) {
			used += (size_t)n;
			text[used] = '\0';
			if (end && used >= strlen(end) && !strcmp(text + used - strlen(end), end))
				return text;
		}
		if (used == size) {
			size *= 2;
			text = realloc(text, size + 1);
			assert_non_null(text);
		}
		pump->run(pump->server);
	}
}

static inline void pump_expect(const struct pump *pump, int fd, const char *end,
			       const char *expected)
{
	char *got = pump_receive(pump, fd, end);

	assert_string_equal(got, expected);
	free(got);
}

static inline void pump_expect_closed(const struct pump *pump, int fd)
{
	pump_expect(pump, fd, NULL, "");
	close(fd);
}

#endif
