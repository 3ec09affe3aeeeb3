/*
 * The YAML reader's engine: events, errors, mappings by table and lists. One thread, blocking. What
 * the keys mean is in yaml.c (gateway), yaml_port.c, yaml_interface.c and yaml_peer.c; values are
 * read in yaml_value.c.
 */
#include "config/yaml_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing we know nests deeper than 8; bounds what a hostile file makes libyaml keep. */
#define DEPTH_MAX 32
/* Of a name in a mapping, with the NUL, that is kept to be shown. */
#define KEY_SHOWN_BYTES 64

static void add_message(struct cf_messages *to, const char *path, uint32_t line, const char *format,
			va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		return;
	cf_messages_add(to, "%s:%u: %s", path, line, text);
	free(text);
}

void cf_read_error(struct cf_reader *r, uint32_t line, const char *format, ...)
{
	va_list args;

	if (r->stop)
		return;
	va_start(args, format);
	add_message(r->errors, r->path, line, format, args);
	va_end(args);
	if (++r->n_errors == CF_YAML_ERRORS_MAX)
		r->stop = true;
}

void cf_read_warning(struct cf_reader *r, uint32_t line, const char *format, ...)
{
	va_list args;

	if (r->stop || ++r->n_warnings > CF_YAML_WARNINGS_MAX)
		return;
	va_start(args, format);
	add_message(r->warnings, r->path, line, format, args);
	va_end(args);
}

void cf_read_no_memory(struct cf_reader *r)
{
	cf_read_error(r, cf_read_line(r), "out of memory");
	r->stop = true;
}

uint32_t cf_read_line(const struct cf_reader *r)
{
	return (uint32_t)r->event.start_mark.line + 1;
}

static void syntax_error(struct cf_reader *r)
{
	const yaml_parser_t *p = &r->parser;
	bool reader = p->error == YAML_READER_ERROR;
	uint32_t line = (uint32_t)(reader ? p->mark.line : p->problem_mark.line) + 1;

	if (p->error == YAML_MEMORY_ERROR)
		cf_read_no_memory(r);
	else if (p->problem && !strcmp(p->problem, "did not find expected node content"))
		/* libyaml takes the colon for the start of a value. */
		cf_read_error(r, line,
			      "not YAML: %s; within [ ] or { } what starts with \":\" needs "
			      "quotes, like \"::/0\"",
			      p->problem);
	else if (p->context && !reader && p->context_mark.line + 1 != line)
		cf_read_error(r, line, "not YAML: %s (%s from line %zu)", p->problem, p->context,
			      p->context_mark.line + 1);
	else
		cf_read_error(r, line, "not YAML: %s", p->problem ? p->problem : "cannot read");
	r->stop = true;
}

/* What the format leaves out: nothing in a file may change what another part of it says. */
static void refuse_extras(struct cf_reader *r)
{
	const yaml_event_t *e = &r->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (e->type) {
	case YAML_ALIAS_EVENT:
		cf_read_error(r, cf_read_line(r), "aliases (*%s) are not supported: write it out",
			      e->data.alias.anchor);
		r->stop = true;
		return;
	case YAML_SCALAR_EVENT:
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
		if (strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
			cf_read_error(r, cf_read_line(r), "text with a NUL in it");
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
		break;
	default:
		return;
	}
	if (anchor)
		cf_read_error(r, cf_read_line(r), "anchors (&%s) are not supported", anchor);
	if (tag)
		cf_read_error(r, cf_read_line(r), "tags (%s) are not supported", tag);
}

yaml_event_type_t cf_read_next(struct cf_reader *r)
{
	if (r->stop)
		return YAML_NO_EVENT;
	yaml_event_delete(&r->event);
	if (!yaml_parser_parse(&r->parser, &r->event)) {
		syntax_error(r);
		return YAML_NO_EVENT;
	}
	refuse_extras(r);
	switch (r->event.type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++r->depth > DEPTH_MAX) {
			cf_read_error(r, cf_read_line(r), "nested too deeply");
			r->stop = true;
		}
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		break;
	default:
		break;
	}
	return r->stop ? YAML_NO_EVENT : r->event.type;
}

static bool starts_collection(const struct cf_reader *r)
{
	return r->event.type == YAML_SEQUENCE_START_EVENT ||
	       r->event.type == YAML_MAPPING_START_EVENT;
}

void cf_read_skip(struct cf_reader *r)
{
	unsigned int outside = r->depth - 1;

	if (!starts_collection(r))
		return;
	while (!r->stop && r->depth > outside)
		cf_read_next(r);
}

/* "peers:" with nothing behind it is an empty list or mapping. */
static bool is_nothing(const struct cf_reader *r)
{
	const char *text;

	if (r->event.type != YAML_SCALAR_EVENT ||
	    r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	text = (const char *)r->event.data.scalar.value;
	return !*text || !strcmp(text, "~") || !strcmp(text, "null");
}

static const char *item_key(const void *ctx, size_t i)
{
	return ((const struct cf_item *)ctx)[i].key;
}

static void unknown_key(struct cf_reader *r, const char *where, const char *key,
			const struct cf_item *items)
{
	const char *closest = cf_closest(key, item_key, items);
	char known[256] = "";
	size_t used = 0;

	if (closest) {
		cf_read_error(r, cf_read_line(r),
			      "unknown key \"%.*s\" in %s; did you mean \"%s\"?", KEY_SHOWN_BYTES,
			      key, where, closest);
		return;
	}
	for (size_t i = 0; items[i].key && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
					 items[i].key);
	cf_read_error(r, cf_read_line(r), "unknown key \"%.*s\" in %s; known are %s",
		      KEY_SHOWN_BYTES, key, where, known);
}

/* True if the current node is a mapping, to be read; else the node is done with. */
static bool enter_mapping(struct cf_reader *r, const char *where)
{
	if (r->event.type == YAML_MAPPING_START_EVENT)
		return true;
	if (!is_nothing(r)) {
		cf_read_error(r, cf_read_line(r), "%s must be a mapping (\"key: value\" lines)",
			      where);
		cf_read_skip(r);
	}
	return false;
}

/* Reads a key of a mapping. NULL: the mapping has ended, or (see *bad) the key is not a text. */
static const char *next_key(struct cf_reader *r, const char *where, bool *bad)
{
	yaml_event_type_t type = cf_read_next(r);

	*bad = false;
	if (type == YAML_MAPPING_END_EVENT || type == YAML_NO_EVENT)
		return NULL;
	if (type == YAML_SCALAR_EVENT)
		return (const char *)r->event.data.scalar.value;
	*bad = true;
	cf_read_error(r, cf_read_line(r), "a key of %s must be a text", where);
	cf_read_skip(r);
	cf_read_next(r);
	cf_read_skip(r);
	return NULL;
}

static void read_item(struct cf_reader *r, const struct cf_item *item, void *target)
{
	const char *outer = r->key;

	r->key = item->key;
	if (cf_read_next(r) != YAML_NO_EVENT)
		item->read(r, target);
	r->key = outer;
}

void cf_read_mapping(struct cf_reader *r, const char *where, const struct cf_item *items,
		     void *target)
{
	uint32_t lines[16] = {0}; /* where each item was seen */
	const char *key;
	bool bad;

	if (!enter_mapping(r, where))
		return;
	while ((key = next_key(r, where, &bad)) || bad) {
		size_t i = 0;

		if (bad)
			continue;
		while (items[i].key && strcmp(items[i].key, key))
			i++;
		if (items[i].key && !lines[i]) {
			lines[i] = cf_read_line(r);
			read_item(r, &items[i], target);
			continue;
		}
		if (items[i].key)
			cf_read_error(r, cf_read_line(r), "\"%s\" again: it is set in line %u", key,
				      lines[i]);
		else
			unknown_key(r, where, key, items);
		cf_read_next(r);
		cf_read_skip(r);
	}
}

void cf_read_named(struct cf_reader *r, const char *where,
		   void (*read)(struct cf_reader *r, const char *name, void *target), void *target)
{
	const char *key;
	bool bad;

	if (!enter_mapping(r, where))
		return;
	while ((key = next_key(r, where, &bad)) || bad)
		if (!bad)
			read(r, key, target);
}

bool cf_read_is_list(const struct cf_reader *r)
{
	return r->event.type == YAML_SEQUENCE_START_EVENT;
}

void cf_read_list(struct cf_reader *r, void (*read)(struct cf_reader *r, void *target),
		  void *target)
{
	yaml_event_type_t type;

	if (is_nothing(r))
		return;
	if (!cf_read_is_list(r)) {
		cf_read_error(r, cf_read_line(r),
			      "\"%s\" must be a list: [a, b] or lines of \"- a\"", r->key);
		cf_read_skip(r);
		return;
	}
	while ((type = cf_read_next(r)) != YAML_SEQUENCE_END_EVENT && type != YAML_NO_EVENT)
		read(r, target);
}

bool cf_read_grow(struct cf_reader *r, void *array, size_t n, size_t *size, size_t element_bytes)
{
	void **at = array, *bigger;

	if (n < *size)
		return true;
	*size = *size ? *size * 2 : 8;
	bigger = calloc(*size, element_bytes);
	if (!bigger) {
		*size = n;
		cf_read_no_memory(r);
		return false;
	}
	if (*at) {
		memcpy(bigger, *at, n * element_bytes);
		explicit_bzero(*at, n * element_bytes);
		free(*at);
	}
	*at = bigger;
	return true;
}
