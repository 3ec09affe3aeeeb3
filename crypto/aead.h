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
 * One packet of a burst. len_bytes is the plaintext length, 0 to CR_LEN_MAX_BYTES, in both
 * directions. Seal reads len_bytes at src and writes len_bytes + CR_TAG_BYTES at dst; open reads
 * len_bytes + CR_TAG_BYTES at src and writes len_bytes at dst. dst == src is allowed, any other
 * overlap of a dst (within a packet or with another packet) is not; debug builds abort on it. No
 * alignment and no room around is needed: nothing but these bytes and the key is read or written.
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
 * A context for one thread. backend: "ipsec-mb" or "reference", NULL for the fastest that this CPU
 * has. NULL with errno = ENOENT (no such back end), ENOTSUP (this CPU lacks it) or ENOMEM.
 */
struct cr_aead *cr_aead_new(const char *backend);

/* Wipes and frees; NULL is allowed. */
void cr_aead_free(struct cr_aead *aead);

/* The name of the back end that a context uses. */
const char *cr_aead_backend(const struct cr_aead *aead);

/* The name of the i-th back end, fastest first, NULL past the last; on any CPU. */
const char *cr_aead_backend_name(unsigned int i);

/*
 * Seal or open n packets (0 to CR_BURST_MAX; 0 does nothing). Returns a mask: bit i is set when
 * packet i is sealed, or authentic and decrypted. A seal bit is clear only if the back end itself
 * failed; such a packet must not be sent. When open finds a wrong tag, dst of that packet is
 * zeroed over len_bytes; other packets do not depend on it, nor does the time taken, but for that
 * zeroing. More than CR_BURST_MAX packets abort in every build.
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
