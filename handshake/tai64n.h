/* TAI64N timestamps of initiations, whitened so that they don't give the clock away. */
#ifndef HANDSHAKE_TAI64N_H
#define HANDSHAKE_TAI64N_H

#include <stdint.h>

#define HS_TAI64N_BYTES 12

/* Big-endian seconds and nanoseconds; memcmp() orders them. Nanoseconds lose their low 24 bits. */
void hs_tai64n_from(uint8_t out[HS_TAI64N_BYTES], uint64_t wall_s, uint32_t wall_ns);

/* The least whitened timestamp that is greater than last; out may be last. */
void hs_tai64n_after(uint8_t out[HS_TAI64N_BYTES], const uint8_t last[HS_TAI64N_BYTES]);

#endif
