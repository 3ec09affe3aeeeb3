/*
 * What the readers of the configuration share: libyaml's events one at a time, errors with their
 * line, mappings by table, lists and values. Private to config/yaml*.c.
 *
 * A reader function is called with the first event of its node as the current one and returns with
 * the last event of that node as the current one, whatever was wrong with the node.
 */
#ifndef CONFIG_YAML_READER_H
#define CONFIG_YAML_READER_H

#include <yaml.h>

#include "config/model.h"
#include "config/yaml.h"

#define CF_YAML_ERRORS_MAX   20
#define CF_YAML_WARNINGS_MAX 20
#define CF_YAML_BYTES_MAX    (256u << 20)

/* A prefix of a list and where it stands. */
struct cf_lined_prefix {
	struct cf_prefix prefix;
	uint32_t line;
};

struct cf_reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the current one */
	bool stop;	    /* a syntax error, no memory or too many errors: everybody returns */
	unsigned int depth;
	const char *path;
	const char *key; /* the item that is being read, for messages */
	struct cf_messages *errors, *warnings;
	size_t n_errors, n_warnings; /* made by this reader */
	struct cf_config *config;
	/* The last list of prefixes that was read; the next one takes its place. */
	struct cf_lined_prefix *prefixes;
	size_t n_prefixes, prefixes_size;
};

struct cf_item {
	const char *key;
	void (*read)(struct cf_reader *r, void *target);
};

/* Makes a row of a table of struct cf_item from a row of items.h. */
#define CF_ITEM(reader, key, value, text) {key, read_##reader},

/* Goes to the next event and returns its type; YAML_NO_EVENT when it is time to stop. */
yaml_event_type_t cf_read_next(struct cf_reader *r);
uint32_t cf_read_line(const struct cf_reader *r);
void cf_read_skip(struct cf_reader *r);

void cf_read_error(struct cf_reader *r, uint32_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void cf_read_warning(struct cf_reader *r, uint32_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void cf_read_no_memory(struct cf_reader *r);

/* where names the mapping in messages: "a peer". items are ended by a NULL key, at most 15. */
void cf_read_mapping(struct cf_reader *r, const char *where, const struct cf_item *items,
		     void *target);
/* A mapping from names of ports or interfaces; read gets the name, good until it reads. */
void cf_read_named(struct cf_reader *r, const char *where,
		   void (*read)(struct cf_reader *r, const char *name, void *target), void *target);
void cf_read_list(struct cf_reader *r, void (*read)(struct cf_reader *r, void *target),
		  void *target);

/* The current node's text, until the next event; NULL after an error. */
const char *cf_read_text(struct cf_reader *r);
bool cf_read_is_list(const struct cf_reader *r);
bool cf_read_number(struct cf_reader *r, uint64_t min, uint64_t max, uint64_t *out);
/* Index in choices (ended by NULL), or -1 after an error. */
int cf_read_choice(struct cf_reader *r, const char *const *choices);
char *cf_read_string(struct cf_reader *r);
/* One prefix or address; masks and warns if `mask`. */
bool cf_read_prefix(struct cf_reader *r, bool mask, struct cf_prefix *out);
/* A list of them into r->prefixes. */
void cf_read_prefixes(struct cf_reader *r, bool mask);
/* Copies r->prefixes; false: no memory, reported. */
bool cf_read_take_prefixes(struct cf_reader *r, struct cf_prefixes *out);
/* A list of addresses with their networks' lengths, no address twice. */
void cf_read_addresses(struct cf_reader *r, struct cf_prefixes *out);
/* The key in the file that the current node names. */
bool cf_read_key_file(struct cf_reader *r, uint8_t key[CF_KEY_BYTES]);

/* A name of [a-zA-Z0-9_.-], shorter than size; else an error is reported. */
bool cf_check_name(struct cf_reader *r, uint32_t line, const char *what, const char *name,
		   size_t size);
/* The choice that was probably meant, or NULL. */
const char *cf_closest(const char *text, const char *(*choice)(const void *ctx, size_t i),
		       const void *ctx);

/*
 * Room for one more element behind n; the old array is wiped, as it may hold keys. *size counts
 * elements. False: no memory, reported.
 */
bool cf_read_grow(struct cf_reader *r, void *array, size_t n, size_t *size, size_t element_bytes);

void cf_read_ports(struct cf_reader *r, void *target);
void cf_read_interfaces(struct cf_reader *r, void *target);

#endif
