/*
 * JSON-RPC 2.0 without sockets: what is a request, and what its response looks like. Private to
 * config/rpc*.c, tests and fuzz target.
 */
#ifndef CONFIG_RPC_ENVELOPE_H
#define CONFIG_RPC_ENVELOPE_H

#include "config/rpc.h"

/* Parses a line. NULL: not JSON, and *error is the response to send. */
json_t *cf_rpc_parse(const char *line, size_t len, json_t **error);
/*
 * Answers one request, which is not a batch: calls the method. Returns the response, or NULL if
 * there is none to send (a notification) or no memory.
 */
json_t *cf_rpc_respond(const struct cf_rpc_method *methods, void *ctx, const json_t *request);
/* A response with an error; id may be NULL. */
json_t *cf_rpc_error(const json_t *id, int code, const char *message);
/* Takes a response apart. False: it is not the response to the request with this id. */
bool cf_rpc_take_response(const json_t *response, json_int_t id, struct cf_rpc_answer *answer);

#endif
