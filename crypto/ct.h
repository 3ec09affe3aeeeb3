/* Constant-time comparison, and wiping that the compiler can't drop. Header only, any thread. */
#ifndef CRYPTO_CT_H
#define CRYPTO_CT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Equal? Time depends on len only. */
static inline bool cr_equal(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a;
	const volatile uint8_t *y = b;
	uint8_t d = 0;

	for (size_t i = 0; i < len; i++)
		d |= x[i] ^ y[i];
	return d == 0;
}

/* All zero? Time depends on len only. */
static inline bool cr_is_zero(const void *a, size_t len)
{
	const volatile uint8_t *x = a;
	uint8_t d = 0;

	for (size_t i = 0; i < len; i++)
		d |= x[i];
	return d == 0;
}

/* Zeroes len bytes, also where they are dead afterwards. */
static inline void cr_wipe(void *p, size_t len)
{
	memset(p, 0, len);
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

#endif
