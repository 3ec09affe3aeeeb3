/* The JSON-RPC client of wgdp-cli: one connection, one call after the other; blocks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/listen.h"
#include "config/rpc_envelope.h"

/* No answer is larger: lists come in pages. */
#define ANSWER_MAX_BYTES (256u << 20)

struct cf_rpc_client {
	int fd;
	json_int_t last_id;
	char *in;
	size_t in_size, in_used;
};

struct cf_rpc_client *cf_rpc_connect(const char *path)
{
	struct cf_rpc_client *client = calloc(1, sizeof(*client));
	struct sockaddr_un address;
	int error;

	if (!client)
		return NULL;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd >= 0 && cf_listen_address(&address, path) &&
	    connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return client;
	error = errno;
	cf_rpc_disconnect(client);
	errno = error;
	return NULL;
}

int cf_rpc_server_pid(const struct cf_rpc_client *client)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	return getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? (int)peer.pid
										 : 0;
}

void cf_rpc_disconnect(struct cf_rpc_client *client)
{
	if (!client)
		return;
	if (client->fd >= 0)
		close(client->fd);
	free(client->in);
	free(client);
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Reads one line; its newline is the last byte that was read. */
static int read_line(struct cf_rpc_client *client)
{
	client->in_used = 0;
	for (;;) {
		ssize_t n;

		if (client->in_used == client->in_size) {
			size_t size = client->in_size ? client->in_size * 2 : 65536;
			char *bigger = size > ANSWER_MAX_BYTES ? NULL : realloc(client->in, size);

			if (!bigger)
				return -ENOMEM;
			client->in = bigger;
			client->in_size = size;
		}
		n = recv(client->fd, client->in + client->in_used,
			 client->in_size - client->in_used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		client->in_used += (size_t)n;
		/* Only what we asked for comes, so a newline can only be the last byte. */
		if (client->in[client->in_used - 1] == '\n')
			return 0;
	}
}

int cf_rpc_call(struct cf_rpc_client *client, const char *method, json_t *params,
		struct cf_rpc_answer *answer)
{
	json_t *request, *response, *error = NULL;
	char *text;
	int rc;

	*answer = (struct cf_rpc_answer){0};
	request = json_pack("{s:s, s:I, s:s, s:o*}", "jsonrpc", "2.0", "id", ++client->last_id,
			    "method", method, "params", params);
	text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	if (!text)
		return -ENOMEM;
	rc = send_all(client->fd, text, strlen(text));
	if (rc == 0)
		rc = send_all(client->fd, "\n", 1);
	free(text);
	if (rc == 0)
		rc = read_line(client);
	if (rc)
		return rc;
	response = cf_rpc_parse(client->in, client->in_used, &error);
	json_decref(error);
	if (!cf_rpc_take_response(response, client->last_id, answer)) {
		cf_rpc_answer_clear(answer);
		rc = -EPROTO;
	}
	json_decref(response);
	return rc;
}
