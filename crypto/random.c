/* Random bytes from the kernel. Any thread. */
#include "crypto/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void cr_random(void *out, size_t len)
{
	uint8_t *p = out;

	while (len > 0) {
		ssize_t got = getrandom(p, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			/* Going on without randomness would make guessable keys. */
			fprintf(stderr, "crypto: getrandom: %s\n", strerror(errno));
			abort();
		}
		p += got;
		len -= (size_t)got;
	}
}

uint32_t cr_random_u32(void)
{
	uint32_t x;

	cr_random(&x, sizeof(x));
	return x;
}
