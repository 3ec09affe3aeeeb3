/*
 * JSON-RPC 2.0 over a unix stream socket, one JSON text a line: server (for the daemon, never
 * blocks) and client (for wgdp-cli, blocks).
 */
#ifndef CONFIG_RPC_H
#define CONFIG_RPC_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define CF_RPC_LINE_MAX_BYTES (1 << 20)

#define CF_RPC_PARSE_ERROR     -32700
#define CF_RPC_INVALID_REQUEST -32600
#define CF_RPC_UNKNOWN_METHOD  -32601
#define CF_RPC_BAD_PARAMS      -32602
#define CF_RPC_REFUSED	       -32000

/* What a method returns: a result, or an error with code and message. References are given. */
struct cf_rpc_answer {
	json_t *result;
	int error_code; /* 0: no error */
	char error[256];
	json_t *error_data;
};

/* params is an object, an empty one if the request had none; borrowed. */
struct cf_rpc_method {
	const char *name;
	void (*call)(void *ctx, const json_t *params, struct cf_rpc_answer *answer);
};

struct cf_rpc;

/*
 * Serves methods (ended by a NULL name; must outlive the server) at path. Makes the directory
 * (0755), a socket of mode 0600, and takes a lock on path + ".lock" first, so that of two starts
 * one fails: NULL with errno = EADDRINUSE and, if it can be told, the other's pid in *other_pid.
 */
struct cf_rpc *cf_rpc_open(const char *path, const struct cf_rpc_method *methods, void *ctx,
			   int *other_pid);
/* Flushes answers (for up to 1 s), closes, removes socket and lock. NULL is allowed. */
void cf_rpc_close(struct cf_rpc *rpc);
int cf_rpc_fd(const struct cf_rpc *rpc);
void cf_rpc_run(struct cf_rpc *rpc);

/* Client. NULL with errno. */
struct cf_rpc_client;
struct cf_rpc_client *cf_rpc_connect(const char *path);
/* The process that serves, 0 if it cannot be told. */
int cf_rpc_server_pid(const struct cf_rpc_client *client);
void cf_rpc_disconnect(struct cf_rpc_client *client);
/* One call; takes the reference of params (may be NULL). Returns 0 or -errno of the transport. */
int cf_rpc_call(struct cf_rpc_client *client, const char *method, json_t *params,
		struct cf_rpc_answer *answer);
void cf_rpc_answer_clear(struct cf_rpc_answer *answer);

#endif
