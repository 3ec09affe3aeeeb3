/*
 * Text forms of keys, addresses, prefixes and endpoints. Any thread. Keys go through libsodium's
 * coders, which do not branch or index by the key's bits; addresses through inet_pton(), which
 * takes literals only: nothing here asks a name server.
 */
#include "config/keytext.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

static bool is_whole_key(uint8_t key[CF_KEY_BYTES], int rc, size_t len)
{
	if (rc == 0 && len == CF_KEY_BYTES)
		return true;
	explicit_bzero(key, CF_KEY_BYTES);
	return false;
}

bool cf_key_from_base64(uint8_t key[CF_KEY_BYTES], const char *text)
{
	size_t len = 0;
	int rc = -1;

	if (strlen(text) == CF_KEY_BASE64_BYTES - 1)
		rc = sodium_base642bin(key, CF_KEY_BYTES, text, CF_KEY_BASE64_BYTES - 1, NULL, &len,
				       NULL, sodium_base64_VARIANT_ORIGINAL);
	return is_whole_key(key, rc, len);
}

void cf_key_to_base64(char out[CF_KEY_BASE64_BYTES], const uint8_t key[CF_KEY_BYTES])
{
	sodium_bin2base64(out, CF_KEY_BASE64_BYTES, key, CF_KEY_BYTES,
			  sodium_base64_VARIANT_ORIGINAL);
}

bool cf_key_from_hex(uint8_t key[CF_KEY_BYTES], const char *text)
{
	size_t len = 0;
	int rc = -1;

	if (strlen(text) == CF_KEY_HEX_BYTES - 1)
		rc = sodium_hex2bin(key, CF_KEY_BYTES, text, CF_KEY_HEX_BYTES - 1, NULL, &len,
				    NULL);
	return is_whole_key(key, rc, len);
}

void cf_key_to_hex(char out[CF_KEY_HEX_BYTES], const uint8_t key[CF_KEY_BYTES])
{
	sodium_bin2hex(out, CF_KEY_HEX_BYTES, key, CF_KEY_BYTES);
}

bool cf_number_from_text(uint64_t *out, const char *text, uint64_t max)
{
	unsigned int base = 10;
	uint64_t value = 0;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
	} else if (text[0] == '0' && text[1]) {
		return false; /* octal to some readers, decimal to others */
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF";
		const char *digit = strchr(digits, *text);
		unsigned int d = digit ? (unsigned int)(digit - digits) % 16 : 16;

		if (d >= base || d > max || value > (max - d) / base)
			return false;
		value = value * base + d;
	}
	*out = value;
	return true;
}

bool cf_decimal_from_text(uint64_t *out, const char *text, uint64_t max)
{
	return text[strspn(text, "0123456789")] == '\0' && cf_number_from_text(out, text, max);
}

/* An address literal of either family. */
static bool address_from_text(uint8_t addr[16], uint8_t *family, const char *text)
{
	memset(addr, 0, 16);
	*family = strchr(text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(*family, text, addr) == 1;
}

bool cf_prefix_from_text(struct cf_prefix *out, const char *text, bool need_len)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t len;

	memset(out, 0, sizeof(*out));
	if (n >= sizeof(address) || (!slash && need_len))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (!address_from_text(out->addr, &out->family, address))
		return false;
	len = out->family == AF_INET ? 32 : 128;
	if (slash && !cf_decimal_from_text(&len, slash + 1, len))
		return false;
	out->len = (uint8_t)len;
	return true;
}

void cf_prefix_to_text(char out[CF_PREFIX_TEXT_BYTES], const struct cf_prefix *p)
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(p->family, p->addr, address, sizeof(address));
	snprintf(out, CF_PREFIX_TEXT_BYTES, "%s/%u", address, p->len);
}

/* "%eth0" or "%2"; an index that no interface has now is taken as it is. */
static bool scope_from_text(uint32_t *scope, const char *text)
{
	uint64_t number;

	*scope = if_nametoindex(text);
	if (*scope)
		return true;
	if (!cf_decimal_from_text(&number, text, UINT32_MAX))
		return false;
	*scope = (uint32_t)number;
	return true;
}

bool cf_endpoint_from_text(struct cf_endpoint *out, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 3], *address = host, *percent;
	size_t n = colon ? (size_t)(colon - text) : 0;
	uint64_t port;

	memset(out, 0, sizeof(*out));
	if (!colon || n == 0 || n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		address = host + 1;
		percent = strchr(address, '%');
		if (percent) {
			*percent = '\0';
			if (!scope_from_text(&out->scope, percent + 1))
				goto bad;
		}
	}
	/* Brackets are for IPv6, and IPv6 is for brackets. */
	if (!address_from_text(out->addr, &out->family, address) ||
	    (out->family == AF_INET6) != (address != host))
		goto bad;
	if (!cf_decimal_from_text(&port, colon + 1, UINT16_MAX) || port == 0)
		goto bad;
	out->port = (uint16_t)port;
	/* Only a link-local address needs its link. */
	if (out->scope && !(out->addr[0] == 0xfe && (out->addr[1] & 0xc0) == 0x80))
		out->scope = 0;
	return true;
bad:
	memset(out, 0, sizeof(*out));
	return false;
}

void cf_endpoint_to_text(char out[CF_ENDPOINT_TEXT_BYTES], const struct cf_endpoint *e)
{
	char address[INET6_ADDRSTRLEN] = "?", link[IF_NAMESIZE];

	inet_ntop(e->family, e->addr, address, sizeof(address));
	if (e->family != AF_INET6)
		snprintf(out, CF_ENDPOINT_TEXT_BYTES, "%s:%u", address, e->port);
	else if (!e->scope)
		snprintf(out, CF_ENDPOINT_TEXT_BYTES, "[%s]:%u", address, e->port);
	else if (if_indextoname(e->scope, link))
		snprintf(out, CF_ENDPOINT_TEXT_BYTES, "[%s%%%s]:%u", address, link, e->port);
	else
		snprintf(out, CF_ENDPOINT_TEXT_BYTES, "[%s%%%u]:%u", address, e->scope, e->port);
}
