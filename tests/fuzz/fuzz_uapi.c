/*
 * Fuzz target: the `wg` protocol, line by line into an interface that is only data. Its upcalls
 * abort on anything that the server promises not to ask for.
 */
#include <stdlib.h>
#include <string.h>

#include "config/uapi_get.h"
#include "config/uapi_parse.h"
#include "tests/unit/config/fake_interface.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void answer_get(struct fake_interface *fake)
{
	struct cf_uapi_get get = {0};
	char piece[2 * CF_UAPI_PIECE_BYTES];

	while (get.at != CF_UAPI_GET_DONE) {
		size_t n = cf_uapi_get_write(&get, &fake_ops, fake, piece, sizeof(piece));

		if (n > sizeof(piece))
			abort();
	}
	cf_uapi_get_reset(&get);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fake_interface fake = {0};
	struct cf_uapi_request request = {0};
	size_t used = 0;

	while (used < len) {
		const uint8_t *newline = memchr(bytes + used, '\n', len - used);
		size_t n = newline ? (size_t)(newline - bytes) - used : len - used;
		char *line = malloc(n + 1); /* exactly, so that a byte beyond is seen */
		enum cf_uapi_verdict verdict;

		if (!line)
			abort();
		memcpy(line, bytes + used, n);
		line[n] = '\0';
		used += n + 1;
		verdict = cf_uapi_line(&request, &fake_ops, &fake, line, n);
		free(line);
		if (verdict == CF_UAPI_UNKNOWN)
			break;
		if (verdict == CF_UAPI_GET)
			answer_get(&fake);
		if (verdict != CF_UAPI_MORE)
			cf_uapi_request_reset(&request, &fake_ops, &fake);
	}
	cf_uapi_request_reset(&request, &fake_ops, &fake);
	for (struct fake_peer *p = fake.peers; p; p = p->next)
		if (p->in_section)
			abort();
	fake_clear(&fake);
	return 0;
}
