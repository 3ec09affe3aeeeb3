/*
 * The "avx2" back end: all packets of a burst together (aead_avx2_burst.c), or one or two at a time
 * by ipsec-mb where that is faster. A context runs in the thread that owns it. This file is
 * compiled for any CPU.
 */
#include "crypto/aead_avx2.h"

#include <errno.h>
#include <stdlib.h>

#include <intel-ipsec-mb.h>

#include "crypto/aead_backend.h"
#include "crypto/cpu.h"
#include "crypto/ct.h"

#define STATE_ALIGN 64

/*
 * How far frames reach below ours, where rows and limbs are left that did not fit the registers: up
 * to 1.4 KiB with gcc 12 and 2.9 KiB with clang 14, measured for lengths to 9000; and a margin.
 */
#define STACK_WIPE_BYTES 4096

/*
 * A burst of one goes to ipsec-mb, and one of two if the longer is of these lengths: there eight
 * lanes have too little to do. Measured against ipsec-mb 1.3 held to AVX2, on Zen 5, with gcc 12
 * and clang 14, at 16 to 8900 bytes: in the time of one packet here ipsec-mb does 1.2 to 1.9; of
 * two, 1.0 to 1.3 at 512 and 1024 bytes but 0.8 to 1.0 at 576, and 0.7 to 1.03 outside these
 * lengths; of three or more, always fewer.
 */
#define PAIR_FROM_BYTES 257
#define PAIR_TO_BYTES	1056

struct avx2 {
	struct cr_burst_avx2 burst;
	void *ipsec_mb; /* NULL if this CPU lacks something else that it needs */
};

static void *state_new(void)
{
	size_t size = (sizeof(struct avx2) + STATE_ALIGN - 1) / STATE_ALIGN * STATE_ALIGN;
	struct avx2 *s = aligned_alloc(STATE_ALIGN, size);

	if (!s) {
		errno = ENOMEM;
		return NULL;
	}
	memset(s, 0, size);
	errno = ENOTSUP;
	if (cr_aead_ipsec_mb.available())
		s->ipsec_mb = cr_ipsec_mb_state_new(IMB_ARCH_AVX2);
	if (!s->ipsec_mb && errno != ENOTSUP) {
		free(s);
		return NULL;
	}
	return s;
}

static void state_free(void *state)
{
	struct avx2 *s = state;

	if (s->ipsec_mb)
		cr_aead_ipsec_mb.state_free(s->ipsec_mb);
	cr_wipe(s, sizeof(*s));
	free(s);
}

static bool is_for_ipsec_mb(const struct avx2 *s, const struct cr_packet *packets, unsigned int n)
{
	uint32_t longest;

	if (n > 2 || !s->ipsec_mb)
		return false;
	if (n == 1)
		return true;
	longest = packets[0].len_bytes > packets[1].len_bytes ? packets[0].len_bytes
							      : packets[1].len_bytes;
	return longest >= PAIR_FROM_BYTES && longest <= PAIR_TO_BYTES;
}

static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t below[STACK_WIPE_BYTES];

	cr_wipe(below, sizeof(below));
}

/* The upper halves too, which are no operands that a compiler knows here. */
static inline void wipe_registers(void)
{
	__asm__ __volatile__("vzeroall"
			     :
			     :
			     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			       "xmm15");
}

static uint64_t seal_avx2(void *state, const struct cr_packet *packets, unsigned int n)
{
	struct avx2 *s = state;
	uint64_t mask;

	if (is_for_ipsec_mb(s, packets, n)) {
		mask = cr_aead_ipsec_mb.seal(s->ipsec_mb, packets, n);
	} else {
		mask = cr_seal_avx2(&s->burst, packets, n);
		wipe_stack();
	}
	wipe_registers();
	return mask;
}

static uint64_t open_avx2(void *state, const struct cr_packet *packets, unsigned int n)
{
	struct avx2 *s = state;
	uint64_t mask;

	if (is_for_ipsec_mb(s, packets, n)) {
		mask = cr_aead_ipsec_mb.open(s->ipsec_mb, packets, n);
	} else {
		mask = cr_open_avx2(&s->burst, packets, n);
		wipe_stack();
	}
	wipe_registers();
	return mask;
}

const struct cr_aead_backend cr_aead_avx2 = {
	.name = "avx2",
	.available = cr_cpu_avx2,
	.state_new = state_new,
	.state_free = state_free,
	.seal = seal_avx2,
	.open = open_avx2,
};
