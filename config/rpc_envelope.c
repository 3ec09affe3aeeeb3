/* JSON-RPC 2.0 requests and responses as JSON values. Any thread; sockets are in rpc.c. */
#include "config/rpc_envelope.h"

#include <stdio.h>
#include <string.h>

static json_t *copy_id(const json_t *id)
{
	return id ? json_incref((json_t *)id) : json_null();
}

static json_t *error_response(const json_t *id, int code, const char *message, json_t *data)
{
	json_t *error = json_pack("{s:i, s:s}", "code", code, "message", message);

	if (!error) /* a message that is not UTF-8 */
		error = json_pack("{s:i, s:s}", "code", code, "message", "error");
	if (data && json_object_set_new(error, "data", data))
		json_object_del(error, "data");
	return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", copy_id(id), "error", error);
}

json_t *cf_rpc_error(const json_t *id, int code, const char *message)
{
	return error_response(id, code, message, NULL);
}

json_t *cf_rpc_parse(const char *line, size_t len, json_t **error)
{
	char message[JSON_ERROR_TEXT_LENGTH + 64];
	json_error_t why;
	json_t *value = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);

	if (value)
		return value;
	snprintf(message, sizeof(message), "not JSON: %s (at byte %d)", why.text, why.position);
	*error = cf_rpc_error(NULL, CF_RPC_PARSE_ERROR, message);
	return NULL;
}

/* NULL if it is a request, else what is wrong. */
static const char *what_is_wrong(const json_t *request, const json_t **id)
{
	const json_t *given_id = json_object_get(request, "id");
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));

	if (!json_is_object(request))
		return "a request is an object";
	if (given_id && !json_is_string(given_id) && !json_is_number(given_id) &&
	    !json_is_null(given_id))
		return "\"id\" must be a text or a number";
	*id = given_id;
	if (!version || strcmp(version, "2.0"))
		return "\"jsonrpc\" must be \"2.0\"";
	if (!json_is_string(json_object_get(request, "method")))
		return "\"method\" must be a text";
	return NULL;
}

static json_t *call(const struct cf_rpc_method *method, void *ctx, const json_t *id,
		    const json_t *params)
{
	struct cf_rpc_answer answer = {0};
	json_t *empty = params ? NULL : json_object(), *response;

	method->call(ctx, params ? params : empty, &answer);
	json_decref(empty);
	if (!id) {
		response = NULL;
	} else if (answer.error_code) {
		response = error_response(id, answer.error_code, answer.error, answer.error_data);
		answer.error_data = NULL;
	} else {
		response = json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", copy_id(id),
				     "result", answer.result ? answer.result : json_null());
		answer.result = NULL;
	}
	cf_rpc_answer_clear(&answer);
	return response;
}

json_t *cf_rpc_respond(const struct cf_rpc_method *methods, void *ctx, const json_t *request)
{
	const json_t *id = NULL, *params = json_object_get(request, "params");
	const char *wrong = what_is_wrong(request, &id), *name;
	char message[128];

	if (wrong)
		return cf_rpc_error(id, CF_RPC_INVALID_REQUEST, wrong);
	name = json_string_value(json_object_get(request, "method"));
	while (methods->name && strcmp(methods->name, name))
		methods++;
	if (!methods->name) {
		snprintf(message, sizeof(message), "no method \"%s\"",
			 strlen(name) <= 64 ? name : "...");
		return id ? cf_rpc_error(id, CF_RPC_UNKNOWN_METHOD, message) : NULL;
	}
	if (params && !json_is_object(params))
		return id ? cf_rpc_error(id, CF_RPC_BAD_PARAMS, "\"params\" must be an object")
			  : NULL;
	return call(methods, ctx, id, params);
}

bool cf_rpc_take_response(const json_t *response, json_int_t id, struct cf_rpc_answer *answer)
{
	const json_t *error = json_object_get(response, "error"), *message;
	json_t *result = json_object_get(response, "result");

	*answer = (struct cf_rpc_answer){0};
	if (!json_is_integer(json_object_get(response, "id")) ||
	    json_integer_value(json_object_get(response, "id")) != id)
		return false;
	if (!error) {
		answer->result = json_incref(result);
		return result != NULL;
	}
	answer->error_code = (int)json_integer_value(json_object_get(error, "code"));
	message = json_object_get(error, "message");
	if (!answer->error_code || !json_is_string(message))
		return false;
	snprintf(answer->error, sizeof(answer->error), "%s", json_string_value(message));
	answer->error_data = json_incref(json_object_get(error, "data"));
	return true;
}

void cf_rpc_answer_clear(struct cf_rpc_answer *answer)
{
	json_decref(answer->result);
	json_decref(answer->error_data);
	*answer = (struct cf_rpc_answer){0};
}
