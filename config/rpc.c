/*
 * The JSON-RPC server: lock, sockets, buffers and turns. Runs in the thread that calls cf_rpc_run()
 * (the control lcore) and never blocks, but for the last second in cf_rpc_close(). Requests are
 * understood in rpc_envelope.c, the client is rpc_client.c.
 *
 * A turn of a client answers one request (one element of a batch) or reads or writes once. While an
 * answer is under way nothing is read from that client, so nobody can make us keep two.
 */
#include "config/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/keytext.h"
#include "config/listen.h"
#include "config/rpc_envelope.h"

#define CLIENTS_MAX    32
#define EVENTS_PER_RUN 8
#define READ_BYTES     65536
#define FLUSH_MS       1000

struct client {
	int fd;				      /* -1: free */
	uint32_t events;		      /* what epoll waits for */
	char *in;			      /* in_size bytes, in_used of them input */
	size_t in_size, in_used, in_searched; /* no newline before in_searched */
	char *out;			      /* what is being sent, NULL: nothing */
	size_t out_used, out_sent;
	json_t *batch; /* the batch in work, NULL: none */
	size_t batch_next;
	bool batch_open; /* its "[" was sent */
	bool last;	 /* close when `out` is sent */
};

struct cf_rpc {
	struct cf_listener listener;
	int epoll_fd, lock_fd;
	char *lock_path;
	const struct cf_rpc_method *methods;
	void *ctx;
	struct client clients[CLIENTS_MAX];
};

static void client_close(struct client *c)
{
	if (c->fd < 0)
		return;
	close(c->fd);
	free(c->in);
	free(c->out);
	json_decref(c->batch);
	*c = (struct client){.fd = -1};
}

static void accept_client(struct cf_rpc *rpc)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct client *c = NULL;
	int fd = cf_listen_accept(&rpc->listener);

	if (fd < 0)
		return;
	for (int i = 0; i < CLIENTS_MAX && !c; i++)
		if (rpc->clients[i].fd < 0)
			c = &rpc->clients[i];
	if (!c) {
		close(fd);
		return;
	}
	*c = (struct client){.fd = fd, .events = EPOLLIN};
	event.data.ptr = c;
	if (epoll_ctl(rpc->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		client_close(c);
}

/* Makes before + value + after what is sent next; value may be NULL. Takes the reference. */
static bool send_json(struct client *c, const char *before, json_t *value, const char *after)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	int n = asprintf(&c->out, "%s%s%s", before, text ? text : "", after);

	json_decref(value);
	free(text);
	c->out_sent = 0;
	c->out_used = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		c->out = NULL;
	return n >= 0;
}

static bool send_out(struct client *c)
{
	ssize_t n = send(c->fd, c->out + c->out_sent, c->out_used - c->out_sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_sent += (size_t)n;
	if (c->out_sent < c->out_used)
		return true;
	free(c->out);
	c->out = NULL;
	return !c->last;
}

static bool next_of_batch(struct cf_rpc *rpc, struct client *c)
{
	const char *before = c->batch_open ? "," : "[";
	json_t *response;

	if (c->batch_next == json_array_size(c->batch)) {
		bool open = c->batch_open;

		json_decref(c->batch);
		c->batch = NULL;
		return !open || send_json(c, "", NULL, "]\n");
	}
	response = cf_rpc_respond(rpc->methods, rpc->ctx,
				  json_array_get(c->batch, c->batch_next++));
	if (!response)
		return true;
	c->batch_open = true;
	return send_json(c, before, response, "");
}

static bool is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r", line[i]) || !line[i])
			return false;
	return true;
}

static bool answer_line(struct cf_rpc *rpc, struct client *c, const char *line, size_t len)
{
	json_t *response = NULL, *request;

	if (is_blank(line, len))
		return true;
	request = cf_rpc_parse(line, len, &response);
	if (json_array_size(request) > 0) {
		c->batch = request;
		c->batch_next = 0;
		c->batch_open = false;
		return true;
	}
	if (request)
		response = cf_rpc_respond(rpc->methods, rpc->ctx, request);
	json_decref(request);
	return !response || send_json(c, "", response, "\n");
}

/* True if there was a line; *ok is false if the connection must end. */
static bool take_line(struct cf_rpc *rpc, struct client *c, bool *ok)
{
	char *newline = memchr(c->in + c->in_searched, '\n', c->in_used - c->in_searched);
	size_t len;

	if (!newline) {
		c->in_searched = c->in_used;
		return false;
	}
	len = (size_t)(newline - c->in);
	*ok = answer_line(rpc, c, c->in, len);
	c->in_used -= len + 1;
	memmove(c->in, newline + 1, c->in_used);
	c->in_searched = 0;
	return true;
}

static bool grow_in(struct client *c)
{
	size_t size = c->in_size ? c->in_size * 2 : READ_BYTES;
	char *bigger = realloc(c->in, size);

	if (!bigger)
		return false;
	c->in = bigger;
	c->in_size = size;
	return true;
}

static bool read_more(struct client *c)
{
	ssize_t n;

	if (c->in_used >= CF_RPC_LINE_MAX_BYTES) {
		c->last = true;
		return send_json(c, "",
				 cf_rpc_error(NULL, CF_RPC_INVALID_REQUEST,
					      "the request is larger than 1 MiB"),
				 "\n");
	}
	if (c->in_used == c->in_size && !grow_in(c))
		return false;
	n = recv(c->fd, c->in + c->in_used, c->in_size - c->in_used, MSG_DONTWAIT);
	if (n > 0)
		c->in_used += (size_t)n;
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* With nothing left to send: answers what is there, or else reads. */
static bool work(struct cf_rpc *rpc, struct client *c)
{
	bool ok = true;

	if (c->batch)
		return next_of_batch(rpc, c);
	if (c->in_searched < c->in_used && take_line(rpc, c, &ok))
		return ok;
	return read_more(c);
}

/* One bounded turn. False: close the connection. */
static bool turn(struct cf_rpc *rpc, struct client *c)
{
	return (c->out || work(rpc, c)) && (!c->out || send_out(c));
}

static bool wait_for_more(struct cf_rpc *rpc, struct client *c)
{
	struct epoll_event event = {.data.ptr = c};
	bool busy = c->out || c->batch || c->in_searched < c->in_used;

	event.events = busy ? EPOLLOUT : EPOLLIN;
	if (event.events == c->events)
		return true;
	c->events = event.events;
	return epoll_ctl(rpc->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) == 0;
}

void cf_rpc_run(struct cf_rpc *rpc)
{
	struct epoll_event events[EVENTS_PER_RUN];
	int n = epoll_wait(rpc->epoll_fd, events, EVENTS_PER_RUN, 0);

	for (int i = 0; i < n; i++) {
		struct client *c = events[i].data.ptr;

		if (!c)
			accept_client(rpc);
		else if (!turn(rpc, c) || !wait_for_more(rpc, c))
			client_close(c);
	}
}

int cf_rpc_fd(const struct cf_rpc *rpc)
{
	return rpc->epoll_fd;
}

/* The pid that the holder of the lock wrote into it, 0 if it cannot be told. */
static int read_pid(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t pid;

	text[strcspn(text, "\n")] = '\0';
	return n > 0 && cf_decimal_from_text(&pid, text, INT32_MAX) ? (int)pid : 0;
}

/* Whether path still leads to what is open: the last holder may have removed it in between. */
static bool is_same_file(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int take_lock(struct cf_rpc *rpc, const char *path, int *other_pid)
{
	char text[16];
	int n, rc;

	if (asprintf(&rpc->lock_path, "%s.lock", path) < 0) {
		rpc->lock_path = NULL;
		return -ENOMEM;
	}
	for (;;) {
		int fd = open(rpc->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			rc = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
			*other_pid = rc == -EADDRINUSE ? read_pid(fd) : 0;
			close(fd);
			return rc;
		}
		if (is_same_file(fd, rpc->lock_path)) {
			rpc->lock_fd = fd;
			break;
		}
		close(fd);
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(rpc->lock_fd, 0) < 0 || pwrite(rpc->lock_fd, text, (size_t)n, 0) != n)
		return -EIO;
	return 0;
}

struct cf_rpc *cf_rpc_open(const char *path, const struct cf_rpc_method *methods, void *ctx,
			   int *other_pid)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct cf_rpc *rpc = calloc(1, sizeof(*rpc));
	int rc;

	*other_pid = 0;
	if (!rpc)
		return NULL;
	*rpc = (struct cf_rpc){.methods = methods, .ctx = ctx, .lock_fd = -1};
	for (int i = 0; i < CLIENTS_MAX; i++)
		rpc->clients[i].fd = -1;
	rpc->listener = (struct cf_listener){.fd = -1, .spare_fd = -1};
	rpc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rc = rpc->epoll_fd < 0 ? -errno : cf_listen_directory(path);
	if (rc == 0)
		rc = take_lock(rpc, path, other_pid);
	if (rc == 0)
		rc = cf_listen_open(&rpc->listener, path);
	if (rc == 0 && epoll_ctl(rpc->epoll_fd, EPOLL_CTL_ADD, rpc->listener.fd, &event) < 0)
		rc = -errno;
	if (rc == 0)
		return rpc;
	cf_rpc_close(rpc);
	errno = -rc;
	return NULL;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Answers that were given are sent, if their clients read. */
static void flush_client(struct client *c, int64_t deadline_ms)
{
	while (c->fd >= 0 && c->out) {
		struct pollfd p = {.fd = c->fd, .events = POLLOUT};
		int64_t left_ms = deadline_ms - now_ms();

		if (left_ms <= 0 || (poll(&p, 1, (int)left_ms) <= 0 && errno != EINTR))
			return;
		if (!send_out(c))
			return;
	}
}

void cf_rpc_close(struct cf_rpc *rpc)
{
	int64_t deadline_ms = now_ms() + FLUSH_MS;

	if (!rpc)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		flush_client(&rpc->clients[i], deadline_ms);
	for (int i = 0; i < CLIENTS_MAX; i++)
		client_close(&rpc->clients[i]);
	cf_listen_close(&rpc->listener);
	if (rpc->lock_fd >= 0) {
		unlink(rpc->lock_path);
		close(rpc->lock_fd);
	}
	if (rpc->epoll_fd >= 0)
		close(rpc->epoll_fd);
	free(rpc->lock_path);
	free(rpc);
}
