/* Text forms of keys, addresses, prefixes and endpoints, in both directions. Any thread. */
#ifndef CONFIG_KEYTEXT_H
#define CONFIG_KEYTEXT_H

#include "config/model.h"

#define CF_KEY_BASE64_BYTES    45 /* with the NUL */
#define CF_KEY_HEX_BYTES       65
#define CF_PREFIX_TEXT_BYTES   50
#define CF_ENDPOINT_TEXT_BYTES 70

/* Constant time in the key's bits. False: not exactly one key. */
bool cf_key_from_base64(uint8_t key[CF_KEY_BYTES], const char *text);
void cf_key_to_base64(char out[CF_KEY_BASE64_BYTES], const uint8_t key[CF_KEY_BYTES]);
bool cf_key_from_hex(uint8_t key[CF_KEY_BYTES], const char *text);
void cf_key_to_hex(char out[CF_KEY_HEX_BYTES], const uint8_t key[CF_KEY_BYTES]);

/* "10.0.0.0/8"; host bits are kept. With need_len a missing "/len" is an error, else it is a host.
 */
bool cf_prefix_from_text(struct cf_prefix *out, const char *text, bool need_len);
void cf_prefix_to_text(char out[CF_PREFIX_TEXT_BYTES], const struct cf_prefix *p);

/*
 * A number without a sign, decimal or 0x hexadecimal, at most max. Nothing but digits; a leading
 * zero is refused.
 */
bool cf_number_from_text(uint64_t *out, const char *text, uint64_t max);
/* The same, decimal only. */
bool cf_decimal_from_text(uint64_t *out, const char *text, uint64_t max);

/* "1.2.3.4:5", "[2001:db8::1]:5", "[fe80::1%eth0]:5" (scope by if_nametoindex or a number).
 * Names and port 0 are refused. */
bool cf_endpoint_from_text(struct cf_endpoint *out, const char *text);
void cf_endpoint_to_text(char out[CF_ENDPOINT_TEXT_BYTES], const struct cf_endpoint *e);

#endif
