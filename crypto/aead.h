/*
 * ChaCha20-Poly1305 (RFC 8439) as WireGuard uses it: nonce = 4 zero bytes || LE64 counter.
 *
 * Bursts, for transport data: no AAD, one to CR_BURST_MAX packets a call, each with its own key.
 * One context belongs to one thread: it holds that thread's scratch and library state.
 * Single messages with AAD, for handshakes, are cr_seal() and cr_open() below.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR_KEY_BYTES	 32
#define CR_TAG_BYTES	 16
#define CR_BURST_MAX	 64
#define CR_LEN_MAX_BYTES 65535

/*
 * One packet of a burst. len_bytes is the plaintext length in both directions. Seal reads len_bytes
 * at src and writes len_bytes + CR_TAG_BYTES at dst; open reads len_bytes + CR_TAG_BYTES at src and
 * writes len_bytes at dst. Nothing but these bytes, the keys and the packets themselves is read,
 * and nothing but these bytes is written: no alignment and no room around is needed, and a pointer
 * that has no bytes to it (src of an empty seal, dst of an empty open) may be anything.
 *
 * The caller promises: len_bytes is at most CR_LEN_MAX_BYTES; there is a key; and what is written
 * at a dst overlaps no key, no struct of the burst, and no src or dst, but for dst == src of the
 * same packet. Keys and sources may be shared. Debug builds (CR_DEBUG) abort on a broken promise
 * before anything is written. Other builds do not look: what happens then is undefined.
 */
struct cr_packet {
	const uint8_t *key; /* CR_KEY_BYTES */
	uint64_t counter;
	const uint8_t *src;
	uint8_t *dst;
	uint32_t len_bytes;
};

struct cr_aead;

/*
 * A context for one thread. backend: a name that cr_aead_backend_name() gives, as "avx512" or
 * "reference"; NULL for the fastest that this CPU has. NULL with errno = ENOENT (no such back end),
 * ENOTSUP (this CPU lacks it) or ENOMEM.
 */
struct cr_aead *cr_aead_new(const char *backend);

/* Wipes and frees; NULL is allowed. */
void cr_aead_free(struct cr_aead *aead);

/* The name of the back end that a context uses. */
const char *cr_aead_backend(const struct cr_aead *aead);

/* The name of the i-th back end, fastest first, NULL past the last; on any CPU. */
const char *cr_aead_backend_name(unsigned int i);

/*
 * Seal or open n packets, 0 to CR_BURST_MAX. 0 returns 0, and packets may then be NULL; more than
 * CR_BURST_MAX abort in every build.
 *
 * Returns a mask: bit i is set when packet i is sealed, or authentic and decrypted; bits from n on
 * are clear. A seal bit is clear only if the back end itself failed; such a packet must not be
 * sent. When open finds a wrong tag, dst of that packet is zeroed over len_bytes, in place too,
 * where the tag behind it stays as it came; other packets do not depend on it, nor does the time
 * taken, but for that zeroing. No key, key stream, one-time key or right tag of a forged packet is
 * left in the context or on the stack.
 */
uint64_t cr_seal_burst(struct cr_aead *aead, const struct cr_packet *packets, unsigned int n);
uint64_t cr_open_burst(struct cr_aead *aead, const struct cr_packet *packets, unsigned int n);

/* One message with AAD; dst gets len + CR_TAG_BYTES and may be src. Any thread. */
void cr_seal(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
	     uint64_t counter, const uint8_t key[CR_KEY_BYTES]);

/*
 * len is the plaintext length; src holds len + CR_TAG_BYTES; dst may be src. False: bad tag, dst
 * zeroed.
 */
bool cr_open(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
	     uint64_t counter, const uint8_t key[CR_KEY_BYTES]);

#endif
