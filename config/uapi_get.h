/* The answer to a UAPI get, piece by piece. Private to config/uapi*.c, tests and fuzz target. */
#ifndef CONFIG_UAPI_GET_H
#define CONFIG_UAPI_GET_H

#include "config/uapi.h"

/* Where the answer has got to. All zero: its start. */
struct cf_uapi_get {
	enum {
		CF_UAPI_GET_DEVICE,
		CF_UAPI_GET_PEER,    /* ask for the next one */
		CF_UAPI_GET_ALLOWED, /* of the one there is */
		CF_UAPI_GET_END,
		CF_UAPI_GET_DONE,
	} at;
	struct cf_uapi_peer peer;
	size_t next_allowed;
	bool has_peer;
	int error;
};

/* Room that a single piece may need. */
#define CF_UAPI_PIECE_BYTES 1024

/*
 * Writes as much of the answer as fits into out, at least one piece if size is at least
 * CF_UAPI_PIECE_BYTES. Returns the bytes written; at the end get->at is CF_UAPI_GET_DONE.
 */
size_t cf_uapi_get_write(struct cf_uapi_get *get, const struct cf_uapi_ops *ops, void *ctx,
			 char *out, size_t size);
/* Wipes keys and frees. */
void cf_uapi_get_reset(struct cf_uapi_get *get);

#endif
