/*
 * TAI64N (cr.yp.to/libtai/tai64.html) as WireGuard uses it. Pure functions, any thread. Which
 * timestamp is acceptable is decided in responder.c, which one is sent in initiator.c.
 */
#include "handshake/tai64n.h"

#include <endian.h>
#include <string.h>

#include "handshake/wire.h"

/* TAI was 10 s ahead of UTC in 1970; everybody keeps that offset, leap seconds or not. */
#define TAI64N_EPOCH UINT64_C(0x400000000000000a)

/* The largest power of two in 1/50 s: a peer may send 50 initiations a second. */
#define TAI64N_STEP_NS (UINT32_C(1) << 24)

static void pack(uint8_t out[HS_TAI64N_BYTES], uint64_t seconds, uint32_t ns)
{
	seconds = htobe64(seconds);
	ns = htobe32(ns);
	memcpy(out, &seconds, sizeof(seconds));
	memcpy(out + sizeof(seconds), &ns, sizeof(ns));
}

void hs_tai64n_from(uint8_t out[HS_TAI64N_BYTES], uint64_t wall_s, uint32_t wall_ns)
{
	pack(out, TAI64N_EPOCH + wall_s, wall_ns & ~(TAI64N_STEP_NS - 1));
}

void hs_tai64n_after(uint8_t out[HS_TAI64N_BYTES], const uint8_t last[HS_TAI64N_BYTES])
{
	uint64_t seconds;
	uint32_t ns;

	memcpy(&seconds, last, sizeof(seconds));
	memcpy(&ns, last + sizeof(seconds), sizeof(ns));
	seconds = be64toh(seconds);
	ns = (be32toh(ns) & ~(TAI64N_STEP_NS - 1)) + TAI64N_STEP_NS;
	if (ns >= WG_NS_PER_S) {
		seconds++;
		ns = 0;
	}
	pack(out, seconds, ns);
}
