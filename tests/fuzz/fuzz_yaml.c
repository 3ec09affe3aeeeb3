/*
 * Fuzz target: the configuration file. What parses is also compared with nothing and with itself,
 * so the diff sees odd but valid configurations.
 */
#include <stdlib.h>

#include "config/diff.h"
#include "config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct cf_messages errors = {0}, warnings = {0};
	struct cf_config *config;
	struct cf_edits edits;

	/* No file can be beside it. */
	config = cf_yaml_parse("/nonexistent/fuzz.yaml", (const char *)bytes, len, &errors,
			       &warnings);
	if ((config == NULL) != (errors.n > 0) || errors.n > 20 || warnings.n > 21)
		abort();
	if (config) {
		if (cf_diff(NULL, config, &edits, &errors))
			abort();
		cf_edits_free(&edits);
		if (cf_diff(config, config, &edits, &errors) || edits.n)
			abort();
		cf_edits_free(&edits);
	}
	cf_config_free(config);
	cf_messages_free(&errors);
	cf_messages_free(&warnings);
	return 0;
}
