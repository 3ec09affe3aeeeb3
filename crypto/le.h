/* Unaligned little-endian loads and stores. Header only, inside crypto/, any thread. */
#ifndef CRYPTO_LE_H
#define CRYPTO_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t cr_load_le32(const uint8_t *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return le32toh(x);
}

static inline uint64_t cr_load_le64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return le64toh(x);
}

static inline void cr_store_le32(uint8_t *p, uint32_t x)
{
	x = htole32(x);
	memcpy(p, &x, sizeof(x));
}

static inline void cr_store_le64(uint8_t *p, uint64_t x)
{
	x = htole64(x);
	memcpy(p, &x, sizeof(x));
}

#endif
