/*
 * Reads the configuration file: the gateway's own keys, and what concerns the file as a whole.
 * Ports are read in yaml_port.c, interfaces and peers in yaml_interface.c and yaml_peer.c, by the
 * engine of yaml_reader.c. One thread; blocks on file input.
 */
#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/items.h"
#include "config/yaml_reader.h"

#define CPU_MAX		       (CPU_SETSIZE - 1)
#define PACKET_BUFFERS_DEFAULT 16384
#define PACKET_BUFFERS_MIN     1024
#define PACKET_BUFFERS_MAX     4194304

static void read_control(struct cf_reader *r, void *target)
{
	struct cf_config *config = target;
	uint64_t cpu;

	config->control_line = cf_read_line(r);
	if (cf_read_number(r, 0, CPU_MAX, &cpu))
		config->control = (int)cpu;
}

static void read_worker(struct cf_reader *r, void *target)
{
	struct cf_config *config = target;
	uint64_t cpu;

	if (!cf_read_number(r, 0, CPU_MAX, &cpu))
		return;
	for (unsigned int i = 0; i < config->n_workers; i++)
		if (config->workers[i] == (int)cpu) {
			cf_read_error(r, cf_read_line(r), "CPU %d has a worker already", (int)cpu);
			return;
		}
	if (config->n_workers == CF_WORKERS_MAX) {
		cf_read_error(r, cf_read_line(r), "too many workers (at most %d)", CF_WORKERS_MAX);
		r->stop = true;
		return;
	}
	config->workers[config->n_workers++] = (int)cpu;
}

/* A list of CPUs, or a number of workers. */
static void read_workers(struct cf_reader *r, void *target)
{
	struct cf_config *config = target;
	uint64_t n;

	config->workers_line = cf_read_line(r);
	if (r->event.type != YAML_SCALAR_EVENT)
		cf_read_list(r, read_worker, target);
	else if (cf_read_number(r, 1, CF_WORKERS_MAX, &n))
		config->workers_asked = (unsigned int)n;
}

static void read_idle(struct cf_reader *r, void *target)
{
	static const char *const modes[] = {"poll", "backoff", NULL};
	struct cf_config *config = target;
	int choice = cf_read_choice(r, modes);

	if (choice >= 0)
		config->idle = choice == 0 ? CF_IDLE_POLL : CF_IDLE_BACKOFF;
}

static void read_socket(struct cf_reader *r, void *target)
{
	struct cf_config *config = target;
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	char *path = cf_read_string(r);

	if (!path)
		return;
	if (path[0] != '/')
		cf_read_error(r, cf_read_line(r), "\"socket\" must be an absolute path");
	else if (strlen(path) > max)
		cf_read_error(r, cf_read_line(r), "\"socket\" is too long (at most %zu bytes)",
			      max);
	free(config->socket);
	config->socket = path;
}

static void read_hugepages(struct cf_reader *r, void *target)
{
	static const char *const modes[] = {"auto", "never", NULL};
	struct cf_config *config = target;

	if (cf_read_choice(r, modes) == 1)
		config->hugepages = CF_HUGEPAGES_NEVER;
}

static void read_packet_buffers(struct cf_reader *r, void *target)
{
	struct cf_config *config = target;
	uint64_t n;

	config->packet_buffers_line = cf_read_line(r);
	if (cf_read_number(r, PACKET_BUFFERS_MIN, PACKET_BUFFERS_MAX, &n))
		config->packet_buffers = (uint32_t)n;
}

static void read_ports(struct cf_reader *r, void *target)
{
	cf_read_ports(r, target);
}

static void read_interfaces(struct cf_reader *r, void *target)
{
	cf_read_interfaces(r, target);
}

static const struct cf_item gateway_items[] = {CF_GATEWAY_ITEMS(CF_ITEM){NULL, NULL}};

/* Both become interfaces of Linux. */
static void check_interface_names(struct cf_reader *r)
{
	const struct cf_config *config = r->config;

	for (size_t i = 0; i < config->n_interfaces; i++)
		for (size_t j = 0; j < config->n_ports; j++) {
			const char *name = config->interfaces[i].name;
			const struct cf_port *port = &config->ports[j];

			if (!strcmp(port->name, name) ||
			    (port->device && !strcmp(port->device, name)))
				cf_read_error(r, 1,
					      "interface %s has the name or device of port %s",
					      name, port->name);
		}
}

/* The whole file: one document that is a mapping. */
static void read_file(struct cf_reader *r)
{
	yaml_event_type_t type;
	size_t errors;

	cf_read_next(r); /* stream start */
	type = cf_read_next(r);
	if (type == YAML_STREAM_END_EVENT)
		cf_read_error(r, 1, "the file is empty");
	if (type != YAML_DOCUMENT_START_EVENT || cf_read_next(r) == YAML_NO_EVENT)
		return;
	errors = r->n_errors;
	cf_read_mapping(r, "the file", gateway_items, r->config);
	if (r->stop)
		return;
	cf_read_next(r); /* document end */
	if (cf_read_next(r) == YAML_DOCUMENT_START_EVENT)
		cf_read_error(r, cf_read_line(r), "a second document: one file, one configuration");
	if (r->n_errors == errors && !r->config->n_ports)
		cf_read_error(r, 1, "no \"ports\": a gateway needs at least one");
	check_interface_names(r);
}

static bool set_defaults(struct cf_config *config, const char *path)
{
	config->control = -1;
	config->packet_buffers = PACKET_BUFFERS_DEFAULT;
	config->path = strdup(path);
	if (!config->socket)
		config->socket = strdup(CF_SOCKET_DEFAULT);
	return config->path && config->socket;
}

/* Takes a reader whose parser has its input. */
static struct cf_config *read_config(struct cf_reader *r)
{
	struct cf_config *config = calloc(1, sizeof(*config));

	r->config = config;
	if (!config || !set_defaults(config, r->path))
		cf_read_no_memory(r);
	else
		read_file(r);
	if (r->n_warnings > CF_YAML_WARNINGS_MAX)
		cf_messages_add(r->warnings, "%s: and %zu more warnings", r->path,
				r->n_warnings - CF_YAML_WARNINGS_MAX);
	yaml_event_delete(&r->event);
	yaml_parser_delete(&r->parser);
	free(r->prefixes);
	if (r->n_errors || r->stop) {
		cf_config_free(config);
		return NULL;
	}
	return config;
}

struct cf_config *cf_yaml_parse(const char *path, const char *text, size_t len,
				struct cf_messages *errors, struct cf_messages *warnings)
{
	struct cf_reader r = {.path = path, .errors = errors, .warnings = warnings};

	if (len > CF_YAML_BYTES_MAX) {
		cf_messages_add(errors, "%s: larger than 256 MiB", path);
		return NULL;
	}
	if (!yaml_parser_initialize(&r.parser)) {
		cf_messages_add(errors, "%s: out of memory", path);
		return NULL;
	}
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	return read_config(&r);
}

/* The file as libyaml's input. */
struct input {
	int fd;
	size_t left_bytes;
	int error;
};

static int read_input(void *ctx, unsigned char *buffer, size_t size, size_t *got)
{
	struct input *input = ctx;
	ssize_t n;

	do
		n = read(input->fd, buffer, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		input->error = errno;
	else if ((size_t)n > input->left_bytes)
		input->error = EFBIG;
	if (input->error)
		return 0;
	input->left_bytes -= (size_t)n;
	*got = (size_t)n;
	return 1;
}

struct cf_config *cf_yaml_load(const char *path, struct cf_messages *errors,
			       struct cf_messages *warnings)
{
	struct cf_reader r = {.path = path, .errors = errors, .warnings = warnings};
	struct input input = {.left_bytes = CF_YAML_BYTES_MAX};
	struct cf_config *config = NULL;
	struct stat st;

	input.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (input.fd < 0 || fstat(input.fd, &st) < 0) {
		cf_messages_add(errors, "%s: %s", path, strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		cf_messages_add(errors, "%s: is a directory", path);
	} else if (S_ISREG(st.st_mode) && st.st_size > CF_YAML_BYTES_MAX) {
		cf_messages_add(errors, "%s: larger than 256 MiB", path);
	} else if (!yaml_parser_initialize(&r.parser)) {
		cf_messages_add(errors, "%s: out of memory", path);
	} else {
		yaml_parser_set_input(&r.parser, read_input, &input);
		config = read_config(&r);
		if (input.error)
			cf_messages_add(errors, "%s: %s", path, strerror(input.error));
	}
	if (input.fd >= 0)
		close(input.fd);
	return config;
}
