/*
 * The sum of the Internet checksum (RFC 1071) over bytes. Any thread. What belongs into a header's
 * field, and pseudo headers, is in ip.h.
 */
#ifndef DATAPLANE_SUM_H
#define DATAPLANE_SUM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* To 16 bits with the carries added in; as bytes in memory, so neither big nor little endian. */
static inline uint16_t dp_sum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* Of an IPv4 header without options, 20 bytes. To be folded. */
static inline uint64_t dp_sum_20(const uint8_t *p)
{
	uint64_t a, b;
	uint32_t c;

	memcpy(&a, p, 8);
	memcpy(&b, p + 8, 8);
	memcpy(&c, p + 16, 4);
	return (a & UINT32_MAX) + (a >> 32) + (b & UINT32_MAX) + (b >> 32) + c;
}

/* Of any bytes, as if a zero followed an odd number. Not negated. By AVX-512 if the CPU has that.
 */
uint16_t dp_sum(const uint8_t *p, uint32_t len);

/* The two ways of dp_sum(), for tests. The second only where the CPU has what it says. */
uint16_t dp_sum_scalar(const uint8_t *p, uint32_t len);
uint16_t dp_sum_avx512(const uint8_t *p, uint32_t len);
bool dp_sum_avx512_usable(void);

#endif
