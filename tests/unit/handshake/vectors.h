/* Access to tests/vectors/handshake-vectors.json: every miss fails the test. */
#ifndef TESTS_UNIT_HANDSHAKE_VECTORS_H
#define TESTS_UNIT_HANDSHAKE_VECTORS_H

#include <jansson.h>

#include "tests/unit/unit.h"

static inline json_t *vectors_load(void)
{
	json_error_t error;
	/* The file has counters above 2^63; what is read here is below 2^53. */
	json_t *root = json_load_file(VECTORS_DIR "/handshake-vectors.json",
				      JSON_DECODE_INT_AS_REAL, &error);

	if (!root)
		fail_msg("%s", error.text);
	return root;
}

static inline json_t *vectors_get(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	if (!value)
		fail_msg("no member %s", name);
	return value;
}

static inline const char *vectors_text(json_t *object, const char *name)
{
	return json_string_value(vectors_get(object, name));
}

static inline uint64_t vectors_int(json_t *object, const char *name)
{
	return (uint64_t)json_number_value(vectors_get(object, name));
}

/* Hex of exactly len bytes. */
static inline void vectors_hex(json_t *object, const char *name, void *out, size_t len)
{
	assert_int_equal(unit_hex(vectors_text(object, name), out, len), len);
}

/* Compares bytes with hex, and names the member that differs. */
#define vectors_equal(object, name, bytes, len)                                                    \
	do {                                                                                       \
		uint8_t expected_[256];                                                            \
		vectors_hex(object, name, expected_, len);                                         \
		if (memcmp(expected_, bytes, len) != 0)                                            \
			fail_msg("%s differs", name);                                              \
	} while (0)

#endif
