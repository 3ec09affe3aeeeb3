/*
 * The "ipsec-mb" back end: every packet is a job of intel-ipsec-mb, a burst is one call. The
 * library does these jobs one after the other, so a packet costs the same for any n. A context runs
 * in the thread that owns it.
 *
 * The library (1.3) reads past what it is given: with AVX2 16 bytes past a key, with SSE up to 15
 * bytes past the source when it seals from one place to another. None of that gets out: keys are
 * copied to where there is room behind them, and with SSE such a packet is first copied to dst,
 * where the room of the tag lies behind it.
 */
#include "crypto/aead_backend.h"

#include <errno.h>
#include <stdlib.h>

#include <intel-ipsec-mb.h>

#include "crypto/ct.h"
#include "crypto/le.h"

#define NONCE_BYTES 12

/*
 * How far the library's frames reach below ours, where they leave one-time keys and key stream: up
 * to 4.1 KiB, measured with version 1.3 for every instruction set and length to 9000; and a margin.
 */
#define STACK_WIPE_BYTES       6144
#define STACK_WIPE_PIECE_BYTES 1024

struct ipsec_mb {
	IMB_MGR *mgr;
	bool seals_in_place;			      /* because it would read past src */
	uint8_t keys[CR_BURST_MAX + 1][CR_KEY_BYTES]; /* the last is the room behind the others */
	uint8_t nonces[CR_BURST_MAX][NONCE_BYTES];
	uint8_t given[CR_BURST_MAX][CR_TAG_BYTES]; /* the tags that came with the packets */
	uint8_t made[CR_BURST_MAX][CR_TAG_BYTES];  /* the right ones */
};

static bool available(void)
{
	return __builtin_cpu_supports("sse4.2");
}

static bool init_mgr(IMB_MGR *mgr, int arch)
{
	switch (arch) {
	case IMB_ARCH_SSE:
		init_mb_mgr_sse(mgr);
		break;
	case IMB_ARCH_AVX:
		init_mb_mgr_avx(mgr);
		break;
	case IMB_ARCH_AVX2:
		init_mb_mgr_avx2(mgr);
		break;
	case IMB_ARCH_AVX512:
		init_mb_mgr_avx512(mgr);
		break;
	default:
		return false;
	}
	/* Says both "this CPU lacks it" and "the self-test failed". */
	return imb_get_errno(mgr) == 0;
}

static void state_free(void *state)
{
	struct ipsec_mb *s = state;

	if (s->mgr)
		free_mb_mgr(s->mgr);
	cr_wipe(s, sizeof(*s));
	free(s);
}

void *cr_ipsec_mb_state_new(int arch)
{
	struct ipsec_mb *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->mgr = alloc_mb_mgr(0);
	if (!s->mgr) {
		state_free(s);
		errno = ENOMEM;
		return NULL;
	}
	if (!init_mgr(s->mgr, arch)) {
		state_free(s);
		errno = ENOTSUP;
		return NULL;
	}
	s->seals_in_place = s->mgr->used_arch < IMB_ARCH_AVX;
	return s;
}

/*
 * The widest that is right: of version 1.3, the AVX-512 code loses a carry of some sums of
 * Poly1305, so that tags are wrong (tests/unit/crypto/test_aead_poly.c finds some).
 */
static void *state_new(void)
{
	static const int archs[] = {IMB_ARCH_AVX2, IMB_ARCH_AVX, IMB_ARCH_SSE};
	void *state = NULL;

	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]) && !state; i++)
		state = cr_ipsec_mb_state_new(archs[i]);
	return state;
}

/* One-time keys and key stream stay on the stack, also when the library is built with SAFE_DATA. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t below[STACK_WIPE_BYTES];

	/* Piece by piece: for more, memset() takes an instruction that is slow to start. */
	for (size_t at = 0; at < sizeof(below); at += STACK_WIPE_PIECE_BYTES)
		cr_wipe(below + at, STACK_WIPE_PIECE_BYTES);
}

/* The right tag of a forged packet would authenticate it, so it goes as the keys go. */
static void wipe_burst(struct ipsec_mb *s, unsigned int n)
{
	cr_wipe(s->keys, n * CR_KEY_BYTES);
	cr_wipe(s->made, n * CR_TAG_BYTES);
	wipe_stack();
}

/* What seal and open have in common. */
static void fill_job(struct ipsec_mb *s, IMB_JOB *job, const struct cr_packet *p, uint8_t *tag,
		     unsigned int i)
{
	memcpy(s->keys[i], p->key, CR_KEY_BYTES);
	cr_store_le64(s->nonces[i] + 4, p->counter);
	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->enc_keys = s->keys[i];
	job->dec_keys = s->keys[i];
	job->key_len_in_bytes = CR_KEY_BYTES;
	job->iv = s->nonces[i];
	job->iv_len_in_bytes = NONCE_BYTES;
	job->u.CHACHA20_POLY1305.aad = NULL;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
	job->src = p->src;
	job->dst = p->dst;
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = p->len_bytes;
	job->msg_len_to_hash_in_bytes = p->len_bytes;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = CR_TAG_BYTES;
	job->user_data = (void *)(uintptr_t)i;
}

/* The packets that these finished jobs are and that went well. */
static uint64_t completed(IMB_JOB *const *jobs, uint32_t n)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (jobs[i]->status == IMB_STATUS_COMPLETED)
			mask |= UINT64_C(1) << (uintptr_t)jobs[i]->user_data;
	}
	return mask;
}

/* Submits n filled jobs and brings all of them to an end: their pointers die with this call. */
static uint64_t run_jobs(IMB_MGR *mgr, IMB_JOB **jobs, unsigned int n)
{
	uint32_t done = IMB_SUBMIT_BURST_NOCHECK(mgr, n, jobs);
	uint64_t mask = completed(jobs, done);

	while (IMB_QUEUE_SIZE(mgr) > 0) {
		done = IMB_FLUSH_BURST(mgr, n, jobs);
		if (done == 0)
			break;
		mask |= completed(jobs, done);
	}
	return mask;
}

static uint64_t seal_burst(void *state, const struct cr_packet *packets, unsigned int n)
{
	struct ipsec_mb *s = state;
	IMB_JOB *jobs[CR_BURST_MAX];
	uint64_t mask;

	/* The queue is empty between bursts and holds more than one. */
	if (IMB_GET_NEXT_BURST(s->mgr, n, jobs) != n)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		const struct cr_packet *p = &packets[i];

		fill_job(s, jobs[i], p, p->dst + p->len_bytes, i);
		jobs[i]->cipher_direction = IMB_DIR_ENCRYPT;
		jobs[i]->chain_order = IMB_ORDER_CIPHER_HASH;
		if (s->seals_in_place && p->src != p->dst && p->len_bytes > 0) {
			memcpy(p->dst, p->src, p->len_bytes);
			jobs[i]->src = p->dst;
		}
	}
	mask = run_jobs(s->mgr, jobs, n);
	wipe_burst(s, n);
	return mask;
}

/* Of the packets that are done, those whose tag was right; the others are zeroed. */
static uint64_t check_tags(struct ipsec_mb *s, const struct cr_packet *packets, unsigned int n,
			   uint64_t done)
{
	uint64_t good = 0;

	for (unsigned int i = 0; i < n; i++) {
		bool right = cr_equal(s->made[i], s->given[i], CR_TAG_BYTES);

		good |= (uint64_t)right << i;
	}
	good &= done;
	for (unsigned int i = 0; i < n; i++) {
		if (!(good >> i & 1) && packets[i].len_bytes > 0)
			cr_wipe(packets[i].dst, packets[i].len_bytes);
	}
	return good;
}

static uint64_t open_burst(void *state, const struct cr_packet *packets, unsigned int n)
{
	struct ipsec_mb *s = state;
	IMB_JOB *jobs[CR_BURST_MAX];
	uint64_t mask = 0;

	if (IMB_GET_NEXT_BURST(s->mgr, n, jobs) == n) {
		for (unsigned int i = 0; i < n; i++) {
			const struct cr_packet *p = &packets[i];

			memcpy(s->given[i], p->src + p->len_bytes, CR_TAG_BYTES);
			fill_job(s, jobs[i], p, s->made[i], i);
			jobs[i]->cipher_direction = IMB_DIR_DECRYPT;
			jobs[i]->chain_order = IMB_ORDER_HASH_CIPHER;
		}
		mask = run_jobs(s->mgr, jobs, n);
	}
	mask = check_tags(s, packets, n, mask);
	wipe_burst(s, n);
	return mask;
}

const struct cr_aead_backend cr_aead_ipsec_mb = {
	.name = "ipsec-mb",
	.available = available,
	.state_new = state_new,
	.state_free = state_free,
	.seal = seal_burst,
	.open = open_burst,
};
