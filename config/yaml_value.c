/*
 * The values of the configuration: text, numbers, choices, names, prefixes, key files. The engine
 * is yaml_reader.c.
 */
#include "config/yaml_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/keytext.h"

/* How much of a wrong value is shown. */
#define SHOWN_BYTES 64
/* Of one port or interface. */
#define ADDRESSES_MAX 256

const char *cf_read_text(struct cf_reader *r)
{
	const char *text;

	if (r->event.type != YAML_SCALAR_EVENT) {
		if (!r->stop)
			cf_read_error(r, cf_read_line(r), "\"%s\" must be a single value", r->key);
		cf_read_skip(r);
		return NULL;
	}
	text = (const char *)r->event.data.scalar.value;
	if (*text)
		return text;
	cf_read_error(r, cf_read_line(r), "\"%s\" has no value", r->key);
	return NULL;
}

bool cf_read_number(struct cf_reader *r, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text = cf_read_text(r);

	if (!text)
		return false;
	if (cf_number_from_text(out, text, max) && *out >= min)
		return true;
	cf_read_error(r, cf_read_line(r), "\"%s\" must be a number from %llu to %llu, not \"%.*s\"",
		      r->key, (unsigned long long)min, (unsigned long long)max, SHOWN_BYTES, text);
	return false;
}

static const char *choice_at(const void *ctx, size_t i)
{
	return ((const char *const *)ctx)[i];
}

int cf_read_choice(struct cf_reader *r, const char *const *choices)
{
	const char *text = cf_read_text(r), *closest;
	char all[128] = "";
	size_t used = 0;

	if (!text)
		return -1;
	for (int i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], text))
			return i;
		if (used < sizeof(all))
			used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
						 i ? " or " : "", choices[i]);
	}
	closest = cf_closest(text, choice_at, choices);
	if (closest)
		cf_read_error(r, cf_read_line(r),
			      "\"%s\" must be %s, not \"%.*s\"; did you mean \"%s\"?", r->key, all,
			      SHOWN_BYTES, text, closest);
	else
		cf_read_error(r, cf_read_line(r), "\"%s\" must be %s, not \"%.*s\"", r->key, all,
			      SHOWN_BYTES, text);
	return -1;
}

char *cf_read_string(struct cf_reader *r)
{
	const char *text = cf_read_text(r);
	char *copy;

	if (!text)
		return NULL;
	copy = strdup(text);
	if (!copy)
		cf_read_no_memory(r);
	return copy;
}

bool cf_check_name(struct cf_reader *r, uint32_t line, const char *what, const char *name,
		   size_t size)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (*name && strlen(name) < size && !name[strspn(name, allowed)] && strcmp(name, ".") &&
	    strcmp(name, ".."))
		return true;
	cf_read_error(r, line,
		      "%s name \"%.*s\" must have 1 to %zu characters of a-z A-Z 0-9 _ . -", what,
		      SHOWN_BYTES, name, size - 1);
	return false;
}

bool cf_read_prefix(struct cf_reader *r, bool mask, struct cf_prefix *out)
{
	const char *text = cf_read_text(r);
	char masked[CF_PREFIX_TEXT_BYTES];
	struct cf_prefix given;

	if (!text)
		return false;
	if (!cf_prefix_from_text(out, text, false)) {
		cf_read_error(r, cf_read_line(r),
			      "\"%.*s\" in \"%s\" is not an address or prefix (like 10.8.0.0/16 "
			      "or 2001:db8::/48)",
			      SHOWN_BYTES, text, r->key);
		return false;
	}
	if (!mask)
		return true;
	given = *out;
	cf_prefix_mask(out);
	if (cf_prefix_compare(&given, out)) {
		cf_prefix_to_text(masked, out);
		cf_read_warning(r, cf_read_line(r), "%s has host bits: taken as %s", text, masked);
	}
	return true;
}

struct prefix_list {
	bool mask;
};

static void read_list_prefix(struct cf_reader *r, void *target)
{
	const struct prefix_list *list = target;
	struct cf_prefix prefix;
	uint32_t line = cf_read_line(r);

	if (!cf_read_prefix(r, list->mask, &prefix) ||
	    !cf_read_grow(r, &r->prefixes, r->n_prefixes, &r->prefixes_size, sizeof(*r->prefixes)))
		return;
	r->prefixes[r->n_prefixes++] = (struct cf_lined_prefix){.prefix = prefix, .line = line};
}

void cf_read_prefixes(struct cf_reader *r, bool mask)
{
	struct prefix_list list = {.mask = mask};

	r->n_prefixes = 0;
	cf_read_list(r, read_list_prefix, &list);
}

bool cf_read_take_prefixes(struct cf_reader *r, struct cf_prefixes *out)
{
	free(out->at);
	*out = (struct cf_prefixes){0};
	if (!r->n_prefixes)
		return true;
	out->at = malloc(r->n_prefixes * sizeof(*out->at));
	if (!out->at) {
		cf_read_no_memory(r);
		return false;
	}
	for (size_t i = 0; i < r->n_prefixes; i++)
		out->at[i] = r->prefixes[i].prefix;
	out->n = r->n_prefixes;
	return true;
}

void cf_read_addresses(struct cf_reader *r, struct cf_prefixes *out)
{
	cf_read_prefixes(r, false);
	if (r->n_prefixes > ADDRESSES_MAX) {
		cf_read_error(r, r->prefixes[ADDRESSES_MAX].line, "too many addresses (at most %d)",
			      ADDRESSES_MAX);
		return;
	}
	for (size_t i = 0; i < r->n_prefixes; i++)
		for (size_t j = 0; j < i; j++)
			if (!cf_prefix_compare(&r->prefixes[i].prefix, &r->prefixes[j].prefix))
				cf_read_error(r, r->prefixes[i].line,
					      "the same address again (first in line %u)",
					      r->prefixes[j].line);
	cf_read_take_prefixes(r, out);
}

/* The path of a file that is named relative to the configuration. NULL: no memory. */
static char *beside_config(const struct cf_reader *r, const char *name)
{
	const char *slash = strrchr(r->path, '/');
	char *path;

	if (name[0] == '/' || !slash)
		return strdup(name);
	if (asprintf(&path, "%.*s/%s", (int)(slash - r->path), r->path, name) < 0)
		return NULL;
	return path;
}

/* One key and white space around it; more than fits in text is not a key. */
static bool key_from_file(int fd, uint8_t key[CF_KEY_BYTES])
{
	char text[128], *start = text;
	size_t used = 0;
	ssize_t n;
	bool ok;

	do {
		n = read(fd, text + used, sizeof(text) - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	text[used] = '\0';
	start += strspn(text, " \t\r\n");
	start[strcspn(start, " \t\r\n")] = '\0';
	ok = n == 0 && used < sizeof(text) - 1 && cf_key_from_base64(key, start);
	/* Nothing but white space may follow. */
	for (size_t i = (size_t)(start - text) + strlen(start) + 1; ok && i < used; i++)
		ok = strchr(" \t\r\n", text[i]) && text[i];
	explicit_bzero(text, sizeof(text));
	return ok;
}

bool cf_read_key_file(struct cf_reader *r, uint8_t key[CF_KEY_BYTES])
{
	const char *name = cf_read_text(r);
	char *path = name ? beside_config(r, name) : NULL;
	uint32_t line = cf_read_line(r);
	struct stat st;
	bool ok = false;
	int fd;

	if (!path) {
		if (name)
			cf_read_no_memory(r);
		return false;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		cf_read_error(r, line, "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		cf_read_error(r, line, "%s: not a regular file", path);
	else if (!key_from_file(fd, key))
		cf_read_error(r, line, "%s: not one key in base64 (as wg genkey makes)", path);
	else
		ok = true;
	if (ok && (st.st_mode & 077))
		cf_read_warning(r, line, "%s can be read by others (mode %04o): chmod 600 it", path,
				(unsigned int)st.st_mode & 07777);
	if (fd >= 0)
		close(fd);
	free(path);
	return ok;
}

/* Edits from a to b (insert, delete, replace, swap of neighbours), where both are short. */
static unsigned int distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned int rows[3][32]; /* of i - 2, i - 1 and i, in turn */

	for (unsigned int j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned int *row = rows[i % 3], *before = rows[(i + 2) % 3];
		const unsigned int *two_before = rows[(i + 1) % 3];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned int best = before[j - 1] + (a[i - 1] != b[j - 1]);

			if (before[j] + 1 < best)
				best = before[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two_before[j - 2] + 1 < best)
				best = two_before[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[a_len % 3][b_len];
}

const char *cf_closest(const char *text, const char *(*choice)(const void *ctx, size_t i),
		       const void *ctx)
{
	const char *closest = NULL, *c;
	size_t len = strlen(text);
	/* A third of the letters wrong is another word. */
	unsigned int best = len < 4 ? 2 : (unsigned int)len / 3 + 1;

	if (len >= 32)
		return NULL;
	for (size_t i = 0; (c = choice(ctx, i)); i++) {
		unsigned int d = distance(text, len, c, strlen(c));

		if (d < best) {
			best = d;
			closest = c;
		} else if (!closest && len >= 4 && strstr(c, text)) {
			closest = c; /* a part of it, as "keepalive" */
		}
	}
	return closest;
}
