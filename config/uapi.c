/*
 * The UAPI server: sockets, buffers and turns. Runs in the thread that calls cf_uapi_run() (the
 * control lcore) and never blocks. What lines mean is in uapi_parse.c, answers to get in
 * uapi_get.c.
 *
 * A client has one request in work: its input is not read while an answer to it is under way, so a
 * client that does not read stops only itself, and costs two small buffers.
 */
#include "config/uapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/listen.h"
#include "config/uapi_get.h"
#include "config/uapi_parse.h"

#define CLIENTS_MAX    32
#define LINE_MAX_BYTES 4096 /* with the newline */
#define OUT_BYTES      16384
/* What one call of cf_uapi_run() does at most: events, and per client lines or one buffer. */
#define EVENTS_PER_RUN 8
#define LINES_PER_TURN 64

struct client {
	int fd;		 /* -1: free */
	uint32_t events; /* what epoll waits for */
	struct cf_uapi_request request;
	bool getting;
	struct cf_uapi_get get;
	size_t in_start, in_end;   /* input that is not used yet */
	size_t out_start, out_end; /* output that is not sent yet */
	char *in, *out;		   /* LINE_MAX_BYTES, OUT_BYTES */
};

struct cf_uapi {
	struct cf_listener listener;
	int epoll_fd;
	const struct cf_uapi_ops *ops;
	void *ctx;
	struct client clients[CLIENTS_MAX];
};

static void client_close(struct cf_uapi *uapi, struct client *c)
{
	if (c->fd < 0)
		return;
	cf_uapi_request_reset(&c->request, uapi->ops, uapi->ctx);
	cf_uapi_get_reset(&c->get);
	close(c->fd);
	if (c->in)
		explicit_bzero(c->in, LINE_MAX_BYTES);
	if (c->out)
		explicit_bzero(c->out, OUT_BYTES);
	free(c->in);
	free(c->out);
	*c = (struct client){.fd = -1};
}

static void accept_client(struct cf_uapi *uapi)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct client *c = NULL;
	int fd = cf_listen_accept(&uapi->listener);

	if (fd < 0)
		return;
	for (int i = 0; i < CLIENTS_MAX && !c; i++)
		if (uapi->clients[i].fd < 0)
			c = &uapi->clients[i];
	if (!c) {
		close(fd);
		return;
	}
	*c = (struct client){.fd = fd, .events = EPOLLIN};
	c->in = malloc(LINE_MAX_BYTES);
	c->out = malloc(OUT_BYTES);
	event.data.ptr = c;
	if (!c->in || !c->out || epoll_ctl(uapi->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		client_close(uapi, c);
}

/* False: the client is gone or cannot take more now. */
static bool flush_out(struct client *c, bool *gone)
{
	ssize_t n = send(c->fd, c->out + c->out_start, c->out_end - c->out_start,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0) {
		*gone = errno != EAGAIN && errno != EINTR;
		return false;
	}
	explicit_bzero(c->out + c->out_start, (size_t)n);
	c->out_start += (size_t)n;
	if (c->out_start < c->out_end)
		return false;
	c->out_start = c->out_end = 0;
	return true;
}

static void request_done(struct cf_uapi *uapi, struct client *c, enum cf_uapi_verdict verdict)
{
	int error = c->request.error;

	cf_uapi_request_reset(&c->request, uapi->ops, uapi->ctx);
	if (verdict == CF_UAPI_GET) {
		c->getting = true;
		if (error) {
			c->get.at = CF_UAPI_GET_END;
			c->get.error = error;
		}
		return;
	}
	c->out_end = (size_t)snprintf(c->out, OUT_BYTES, "errno=%d\n\n",
				      error > 0 ? -error : error);
}

/* Uses the lines in the buffer until one completes a request. False: close the connection. */
static bool use_lines(struct cf_uapi *uapi, struct client *c)
{
	for (int i = 0; i < LINES_PER_TURN && c->in_start < c->in_end; i++) {
		char *line = c->in + c->in_start;
		char *newline = memchr(line, '\n', c->in_end - c->in_start);
		enum cf_uapi_verdict verdict;

		if (!newline)
			break;
		*newline = '\0';
		c->in_start = (size_t)(newline + 1 - c->in);
		verdict = cf_uapi_line(&c->request, uapi->ops, uapi->ctx, line,
				       (size_t)(newline - line));
		if (verdict == CF_UAPI_UNKNOWN)
			return false;
		if (verdict != CF_UAPI_MORE) {
			request_done(uapi, c, verdict);
			break;
		}
	}
	return true;
}

static bool has_line(const struct client *c)
{
	return memchr(c->in + c->in_start, '\n', c->in_end - c->in_start) != NULL;
}

/* Moves what is left to the start of the buffer and reads behind it. False: close. */
static bool read_more(struct client *c)
{
	size_t left = c->in_end - c->in_start;
	ssize_t n;

	memmove(c->in, c->in + c->in_start, left);
	explicit_bzero(c->in + left, c->in_end - left);
	c->in_start = 0;
	c->in_end = left;
	n = recv(c->fd, c->in + left, LINE_MAX_BYTES - left, MSG_DONTWAIT);
	if (n > 0)
		c->in_end += (size_t)n;
	if (c->in_end == LINE_MAX_BYTES && !has_line(c))
		return false; /* no line is that long */
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool is_answering(const struct client *c)
{
	return c->out_start < c->out_end || c->getting;
}

/* One bounded turn. False: close the connection. */
static bool turn(struct cf_uapi *uapi, struct client *c)
{
	bool gone = false;

	if (!is_answering(c)) {
		if (!has_line(c) && !read_more(c))
			return false;
		if (!use_lines(uapi, c))
			return false;
	}
	if (c->getting && c->out_start == c->out_end) {
		c->out_start = 0;
		c->out_end = cf_uapi_get_write(&c->get, uapi->ops, uapi->ctx, c->out, OUT_BYTES);
		if (c->get.at == CF_UAPI_GET_DONE) {
			c->getting = false;
			cf_uapi_get_reset(&c->get);
		}
	}
	if (c->out_start < c->out_end)
		flush_out(c, &gone);
	return !gone;
}

/* The rest of the work comes with the next event: writable if there is some, else readable. */
static bool wait_for_more(struct cf_uapi *uapi, struct client *c)
{
	struct epoll_event event = {.data.ptr = c};

	event.events = is_answering(c) || has_line(c) ? EPOLLOUT : EPOLLIN;
	if (event.events == c->events)
		return true;
	c->events = event.events;
	return epoll_ctl(uapi->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) == 0;
}

void cf_uapi_run(struct cf_uapi *uapi)
{
	struct epoll_event events[EVENTS_PER_RUN];
	int n = epoll_wait(uapi->epoll_fd, events, EVENTS_PER_RUN, 0);

	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (!c)
			accept_client(uapi);
		else if (!turn(uapi, c) || !wait_for_more(uapi, c))
			client_close(uapi, c);
	}
}

int cf_uapi_fd(const struct cf_uapi *uapi)
{
	return uapi->epoll_fd;
}

struct cf_uapi *cf_uapi_open(const char *path, const struct cf_uapi_ops *ops, void *ctx)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct cf_uapi *uapi = calloc(1, sizeof(*uapi));
	int rc;

	if (!uapi)
		return NULL;
	uapi->ops = ops;
	uapi->ctx = ctx;
	for (int i = 0; i < CLIENTS_MAX; i++)
		uapi->clients[i].fd = -1;
	uapi->listener = (struct cf_listener){.fd = -1, .spare_fd = -1};
	uapi->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rc = uapi->epoll_fd < 0 ? -errno : cf_listen_directory(path);
	if (rc == 0)
		rc = cf_listen_open(&uapi->listener, path);
	if (rc == 0 && epoll_ctl(uapi->epoll_fd, EPOLL_CTL_ADD, uapi->listener.fd, &event) < 0)
		rc = -errno;
	if (rc == 0)
		return uapi;
	cf_uapi_close(uapi);
	errno = -rc;
	return NULL;
}

void cf_uapi_close(struct cf_uapi *uapi)
{
	if (!uapi)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		client_close(uapi, &uapi->clients[i]);
	cf_listen_close(&uapi->listener);
	if (uapi->epoll_fd >= 0)
		close(uapi->epoll_fd);
	free(uapi);
}
