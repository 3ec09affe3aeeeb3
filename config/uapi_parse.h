/*
 * What the lines of a UAPI request mean, without the socket. Private to config/uapi*.c, its tests
 * and its fuzz target.
 */
#ifndef CONFIG_UAPI_PARSE_H
#define CONFIG_UAPI_PARSE_H

#include "config/uapi.h"

enum cf_uapi_verdict {
	CF_UAPI_MORE,	 /* the request goes on */
	CF_UAPI_GET,	 /* a get is complete: answer it; error is not 0 if it was malformed */
	CF_UAPI_SET,	 /* a set is complete: answer -error */
	CF_UAPI_UNKNOWN, /* not a request: close the connection */
};

/* One connection's request in progress. All zero: waiting for a first line. */
struct cf_uapi_request {
	enum {
		CF_UAPI_IDLE,
		CF_UAPI_IN_GET,
		CF_UAPI_IN_SET,
	} state;
	int error; /* 0 or a negative errno: the rest of the request is read and ignored */
	enum {
		CF_UAPI_NO_PEER, /* device keys */
		CF_UAPI_NEW, /* a peer that does not exist, and is added unless told otherwise */
		CF_UAPI_ACTIVE,
		CF_UAPI_IGNORED,
	} section;
	bool added; /* by this section */
	uint8_t public_key[CF_KEY_BYTES];
};

/* Takes one line, without its newline, which is overwritten if it held a key. */
enum cf_uapi_verdict cf_uapi_line(struct cf_uapi_request *request, const struct cf_uapi_ops *ops,
				  void *ctx, char *line, size_t len);
/* The answer to a complete request was given, or the connection ended in the middle of one. */
void cf_uapi_request_reset(struct cf_uapi_request *request, const struct cf_uapi_ops *ops,
			   void *ctx);

#endif
