/* Random bytes from the kernel (getrandom). Any thread. */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills out; blocks until the kernel's source is seeded, and aborts if the kernel has none. */
void cr_random(void *out, size_t len);

uint32_t cr_random_u32(void);

#endif
