/* Reads a YAML file into the model, strictly: one error and nothing is returned. */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include "config/model.h"

/* Messages, each one line "file:line: what", to be freed with cf_messages_free(). */
struct cf_messages {
	char **at;
	size_t n;
};

void cf_messages_free(struct cf_messages *m);
/* printf into a new line; used by everything in config/ that reports. */
void cf_messages_add(struct cf_messages *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Loads the file at path, and the key files that it names. NULL on error, with at least one line in
 * errors; as many errors as can be found in one pass are reported (at most 20). warnings may have
 * lines in either case. Blocks on file input; allocates.
 */
struct cf_config *cf_yaml_load(const char *path, struct cf_messages *errors,
			       struct cf_messages *warnings);

/* The same from memory, for tests and fuzzing; path is used in messages and for relative files. */
struct cf_config *cf_yaml_parse(const char *path, const char *text, size_t len,
				struct cf_messages *errors, struct cf_messages *warnings);

#endif
