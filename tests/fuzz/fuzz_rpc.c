/* Fuzz target: JSON-RPC envelopes, as requests and as responses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/rpc_envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void echo(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	if (!json_is_object(params))
		abort();
	answer->result = json_deep_copy(params);
}

static void refuse(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	answer->error_code = CF_RPC_REFUSED;
	answer->error_data = json_deep_copy(params);
}

static const struct cf_rpc_method methods[] = {{"echo", echo}, {"load", refuse}, {NULL, NULL}};

/* A response can be written as one line, and is a response. */
static void check_response(json_t *response)
{
	char *text = json_dumps(response, JSON_COMPACT);

	if (!text || strchr(text, '\n') || !json_object_get(response, "id") ||
	    !json_object_get(response, "error") == !json_object_get(response, "result"))
		abort();
	free(text);
	json_decref(response);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct cf_rpc_answer answer;
	json_t *error = NULL, *request, *one, *response;
	size_t i;

	request = cf_rpc_parse((const char *)bytes, len, &error);
	if ((request == NULL) != (error != NULL))
		abort();
	if (!request) {
		check_response(error);
		return 0;
	}
	json_array_foreach (request, i, one) {
		response = cf_rpc_respond(methods, NULL, one);
		if (response)
			check_response(response);
	}
	response = cf_rpc_respond(methods, NULL, request);
	if (response)
		check_response(response);
	if (cf_rpc_take_response(request, 1, &answer) && !answer.result && !answer.error_code)
		abort();
	cf_rpc_answer_clear(&answer);
	json_decref(request);
	return 0;
}
