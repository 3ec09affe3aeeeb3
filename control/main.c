/*
 * wgdp: the daemon's options, and --check. What happens from there on is in start.c.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/yaml.h"
#include "control/control.h"
#include "control/log.h"

static struct cf_config *read_config(const char *path)
{
	struct cf_messages errors = {0}, warnings = {0};
	struct cf_config *f = cf_yaml_load(path, &errors, &warnings);

	for (size_t k = 0; k < warnings.n; k++)
		fprintf(stderr, "%s (warning)\n", warnings.at[k]);
	for (size_t k = 0; k < errors.n; k++)
		fprintf(stderr, "%s\n", errors.at[k]);
	cf_messages_free(&errors);
	cf_messages_free(&warnings);
	return f;
}

static bool check(struct ctl *c)
{
	const struct cf_config *f = c->settings;
	size_t peers = 0;

	if (!ctl_check(c))
		return false;
	for (size_t k = 0; k < f->n_interfaces; k++)
		peers += f->interfaces[k].n_peers;
	printf("%s: ok, %zu ports, %zu interfaces, %zu peers\n", f->path, f->n_ports,
	       f->n_interfaces, peers);
	return true;
}

static void usage(FILE *to)
{
	fputs("usage: wgdp -c FILE            run the gateway that FILE describes\n"
	      "       wgdp --check -c FILE    only check FILE, and this machine for it\n"
	      "       wgdp --version | --help\n"
	      "options:\n"
	      "  -c, --config FILE   configuration, see wgdp.yaml(5)\n"
	      "  --check             read FILE and the key files it names, try its CPUs, memory "
	      "and\n"
	      "                      ports, report errors and what ports lack, exit\n"
	      "  -v, --verbose       log more; twice: for debugging\n",
	      to);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
		{"verbose", no_argument, NULL, 'v'},	  {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	const char *path = NULL;
	bool only_check = false;
	int level = CTL_NOTICE;
	struct ctl *c;
	int o, rc;

	while ((o = getopt_long(argc, argv, "c:vh", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			only_check = true;
			break;
		case 'v':
			level = level < CTL_DEBUG ? level + 1 : level;
			break;
		case 'V':
			puts("wgdp " WGDP_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (path == NULL || optind != argc) {
		fputs(path == NULL ? "wgdp: no configuration: give one with -c FILE\n"
				   : "wgdp: too many arguments\n",
		      stderr);
		usage(stderr);
		return 2;
	}
	/*
	 * Freed small blocks are joined at once. Else a configuration that was read leaves so many
	 * of them behind that each greater request walks and joins them: with 100 000 peers a page
	 * of `wgdp-cli show peers` took a second instead of some 30 ms.
	 */
	mallopt(M_MXFAST, 0);
	ctl_log_level(level);
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return EXIT_FAILURE;
	TAILQ_INIT(&c->deferred);
	c->settings = read_config(path);
	if (c->settings == NULL)
		rc = EXIT_FAILURE;
	else if (only_check)
		rc = check(c) ? EXIT_SUCCESS : EXIT_FAILURE;
	else
		rc = ctl_start(c);
	cf_config_free(c->settings);
	free(c);
	return rc;
}
