/* How the values of wgdp-bench rfc2544's options are read, with what is wrong about them. */
#include "bench/lab/rfc2544.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_MAX 1e9 /* packets per second */

bool lab_wrong(const char *format, ...)
{
	va_list args;

	fputs("wgdp-bench rfc2544: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return false;
}

/* ---- numbers ---- */

static bool whole(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	unsigned long long x;
	char *end;

	errno = 0;
	x = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || x < min || x > max)
		return lab_wrong("--%s takes a whole number from %llu to %llu, not \"%s\"", name,
				 (unsigned long long)min, (unsigned long long)max, text);
	*out = x;
	return true;
}

static bool real(const struct lab_option *o, const char *text, double *out)
{
	char *end;
	double x = strtod(text, &end);

	if (end == text || *end != '\0' || !(x >= o->min && x <= o->max))
		return lab_wrong("--%s takes a number from %g to %g, not \"%s\"", o->name, o->min,
				 o->max, text);
	*out = o->kind == LAB_PERCENT ? x / 100 : x;
	return true;
}

/* 250000, 250k, 1.5M. */
static bool rate(const struct lab_option *o, const char *text, double *out)
{
	char *end;
	double x = strtod(text, &end);

	if (end != text && (strcmp(end, "k") == 0 || strcmp(end, "M") == 0))
		x *= *end == 'k' ? 1e3 : 1e6;
	else if (end == text || *end != '\0')
		x = NAN;
	if (!(x >= 1 && x <= RATE_MAX))
		return lab_wrong("--%s takes packets per second, such as 250000, 250k or 1.5M, not "
				 "\"%s\"",
				 o->name, text);
	*out = x;
	return true;
}

static bool set_whole(const struct lab_option *o, const char *text, void *to)
{
	uint64_t x = 0, min = (uint64_t)o->min, max = (uint64_t)o->max;

	if (o->kind == LAB_U64)
		max = UINT64_MAX;
	if (!whole(o->name, text, min, max, &x))
		return false;
	if (o->kind == LAB_U64)
		*(uint64_t *)to = x;
	else if (o->kind == LAB_U32)
		*(uint32_t *)to = (uint32_t)x;
	else if (o->kind == LAB_U16)
		*(uint16_t *)to = (uint16_t)x;
	else
		*(unsigned int *)to = (unsigned int)x;
	return true;
}

/* ---- lists ---- */

static bool one_method(struct lab_command *c, const char *text)
{
	for (unsigned int i = 0; i < lab_n_methods; i++) {
		if (strcmp(text, lab_methods[i].name) == 0) {
			c->methods |= 1u << i;
			return true;
		}
	}
	lab_wrong("there is no method \"%s\"; there are:", text);
	for (unsigned int i = 0; i < lab_n_methods; i++)
		fprintf(stderr, "  %-16s %s\n", lab_methods[i].name, lab_methods[i].summary);
	return false;
}

static bool one_way(struct lab_command *c, const char *text)
{
	static const unsigned int all[LAB_WAYS_MAX] = {LAB_WAY(LAB_ENCRYPT), LAB_WAY(LAB_DECRYPT),
						       LAB_WAY_BOTH};

	for (unsigned int i = 0; i < LAB_WAYS_MAX; i++) {
		if (strcmp(text, lab_ways_name(all[i])) != 0)
			continue;
		for (unsigned int k = 0; k < c->n_ways; k++) {
			if (c->ways[k] == all[i])
				return lab_wrong("--way names %s twice", text);
		}
		c->ways[c->n_ways++] = all[i];
		return true;
	}
	return lab_wrong("--way takes encrypt, decrypt and both, with commas between them, not "
			 "\"%s\"",
			 text);
}

static bool one_size(struct lab_command *c, const char *text)
{
	uint64_t size = LAB_SIZE_IMIX;

	if (strcmp(text, "imix") != 0 && !whole("size", text, LAB_SIZE_MIN, LAB_SIZE_MAX, &size))
		return false;
	for (unsigned int i = 0; i < c->n_sizes; i++) {
		if (c->sizes[i] == size)
			return lab_wrong("the size %s is named twice", text);
	}
	if (c->n_sizes == LAB_SIZES_MAX)
		return lab_wrong("not more than %d sizes", LAB_SIZES_MAX);
	c->sizes[c->n_sizes++] = (unsigned int)size;
	return true;
}

static bool list(struct lab_command *c, const char *text,
		 bool (*one)(struct lab_command *, const char *))
{
	char *copy = strdup(text), *at = copy, *part;
	bool good = copy != NULL;

	while (good && (part = strsep(&at, ",")) != NULL)
		good = one(c, part);
	free(copy);
	return good;
}

bool lab_methods_set(struct lab_command *c, const char *text)
{
	return list(c, text, one_method);
}

static bool config_kind(struct lab_command *c, const char *text)
{
	static const struct {
		const char *name;
		enum lab_config kind;
	} kinds[] = {{"wgdp", LAB_CONFIG_WGDP},
		     {"wg", LAB_CONFIG_WG},
		     {"linux", LAB_CONFIG_LINUX},
		     {"vpp", LAB_CONFIG_VPP},
		     {"key", LAB_CONFIG_KEY}};

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(text, kinds[i].name) == 0) {
			c->config.kind = kinds[i].kind;
			c->only_config = true;
			return true;
		}
	}
	return lab_wrong("--config takes wgdp, wg, linux, vpp or key, not \"%s\"", text);
}

bool lab_option_set(struct lab_command *c, const struct lab_option *o, const char *text)
{
	void *to = (char *)c + o->offset;

	switch (o->kind) {
	case LAB_FLAG:
		*(bool *)to = true;
		return true;
	case LAB_TEXT:
		*(const char **)to = text;
		return text[0] != '\0' || lab_wrong("--%s is empty", o->name);
	case LAB_REAL:
	case LAB_PERCENT:
		return real(o, text, to);
	case LAB_RATE:
		return rate(o, text, to);
	case LAB_IMIX:
		return one_size(c, "imix");
	case LAB_SIZE_LIST:
		return list(c, text, one_size);
	case LAB_WAY_LIST:
		return list(c, text, one_way);
	case LAB_METHOD_LIST:
		return list(c, text, one_method);
	case LAB_CONFIG_KIND:
		return config_kind(c, text);
	default:
		return set_whole(o, text, to);
	}
}
