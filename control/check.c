/*
 * --check: the file against this machine. What needs no DPDK is looked at first (cpus.c,
 * preflight.c, memory.c). Then a child starts DPDK and opens the ports as a start would, says what
 * they lack (check_ports.c), and ends; a driver that ends or hangs the program takes only the child
 * with it. One thread, and no other of this program's runs.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/rpc.h"
#include "config/yaml.h"
#include "control/check_links.h"
#include "control/check_ports.h"
#include "control/control.h"
#include "control/cpus.h"
#include "control/log.h"
#include "control/machine.h"
#include "control/memory.h"
#include "control/preflight.h"

/* Longer than DPDK needs for much memory, or any driver for one port. */
#define STEP_MS	   120000
#define PORT_MS	   15000
#define PORT_STEP  "port "
#define STEP_BYTES 64
#define DONE	   "done"

/* ---- the child ---- */

struct child {
	int steps_fd; /* each step's name, in STEP_BYTES */
};

static void tell_step(void *ctx, const char *what)
{
	const struct child *child = ctx;
	char step[STEP_BYTES] = "";

	snprintf(step, sizeof(step), "%s", what);
	/* What was said so far must not be lost if the step ends the program. */
	fflush(stdout);
	if (write(child->steps_fd, step, sizeof(step)) != sizeof(step))
		_exit(EXIT_FAILURE);
}

static void look(void *ctx, const struct ctl *c)
{
	(void)ctx;
	ctl_check_ports(c);
}

static void run_child(struct ctl *c, int steps_fd)
{
	struct child child = {.steps_fd = steps_fd};
	const struct ctl_look all = {.at = tell_step, .look = look, .ctx = &child};
	bool good;

	/* Nobody would wait for it any more. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Warnings were given by the parent. */
	ctl_log_level(CTL_ERROR);
	good = ctl_start_to_look(c, &all);
	tell_step(&child, DONE);
	_exit(good ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- the parent ---- */

/* Follows the child's steps to its end; step is the last. False: it hung, and was killed. */
static bool follow(pid_t pid, int steps_fd, char step[STEP_BYTES])
{
	struct pollfd wait = {.fd = steps_fd, .events = POLLIN};

	for (;;) {
		bool is_port = strncmp(step, PORT_STEP, strlen(PORT_STEP)) == 0;
		int n = poll(&wait, 1, is_port ? PORT_MS : STEP_MS);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			kill(pid, SIGKILL);
			return false;
		}
		if (read(steps_fd, step, STEP_BYTES) != STEP_BYTES)
			return true;
	}
}

/* The line of the port that a step is about; 0: none. */
static uint32_t line_of(const struct cf_config *f, const char *step)
{
	for (size_t k = 0; k < f->n_ports; k++)
		if (strncmp(step, PORT_STEP, strlen(PORT_STEP)) == 0 &&
		    strcmp(step + strlen(PORT_STEP), f->ports[k].name) == 0)
			return f->ports[k].line;
	return 0;
}

/* How the child ended. True: in order, and without an error. */
static bool judge(const struct cf_config *f, pid_t pid, bool came_back, const char *step)
{
	char end[96] = "";
	int status = 0;
	uint32_t line = line_of(f, step);

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!came_back)
		snprintf(end, sizeof(end), "did not come back");
	else if (WIFSIGNALED(status))
		snprintf(end, sizeof(end), "ended the program by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else if (strcmp(step, DONE) != 0)
		snprintf(end, sizeof(end), "ended the program with status %d", WEXITSTATUS(status));
	else
		return WEXITSTATUS(status) == EXIT_SUCCESS;
	if (line != 0)
		ctl_log(CTL_ERROR, "%s:%u: %s: DPDK's driver %s; so would it at start", f->path,
			line, step, end);
	else
		ctl_log(CTL_ERROR, "%s: %s: DPDK %s; so would it at start", f->path, step, end);
	return false;
}

static bool probe(struct ctl *c)
{
	struct ctl_check_links *links = ctl_check_links_note(c->settings);
	char step[STEP_BYTES] = "start";
	bool came_back, good;
	int steps[2];
	pid_t pid;

	fflush(stdout);
	if (links == NULL || pipe(steps) != 0 || (pid = fork()) < 0) {
		ctl_log(CTL_ERROR, "%s: the ports cannot be tried: %m", c->settings->path);
		free(links);
		return false;
	}
	if (pid == 0) {
		close(steps[0]);
		run_child(c, steps[1]);
	}
	close(steps[1]);
	came_back = follow(pid, steps[0], step);
	close(steps[0]);
	good = judge(c->settings, pid, came_back, step);
	ctl_check_links_restore(links);
	return good;
}

/* ---- what is tried, and what not ---- */

/* The gateway that runs on the file's control socket: its pid; 0: none. */
static int running(const struct cf_config *f)
{
	struct cf_rpc_client *client = cf_rpc_connect(f->socket);
	int pid;

	if (client == NULL)
		return 0;
	pid = cf_rpc_server_pid(client);
	cf_rpc_disconnect(client);
	return pid;
}

static void say_unopened(const struct cf_config *f)
{
	for (size_t k = 0; k < f->n_ports; k++) {
		const char *why = ctl_preflight_unopened(&f->ports[k]);

		if (why != NULL)
			printf("port %s: %s was not opened: %s\n", f->ports[k].name,
			       f->ports[k].device, why);
	}
}

bool ctl_check(struct ctl *c)
{
	struct cf_config *f = c->settings;
	struct cf_messages errors = {0}, warnings = {0};
	struct cf_config asked = *f; /* the child chooses CPUs itself */
	struct ctl_machine machine;
	bool good = ctl_machine_read(&machine, f) == 0, hugepages;
	int pid = running(f);

	good = good && ctl_cpus_choose(&asked, &machine, &errors);
	ctl_preflight(f, pid, &errors);
	if (pid == 0)
		good &= ctl_memory_check(f, ctl_start_bytes(f), &hugepages, &errors, &warnings);
	good &= errors.n == 0;
	(void)ctl_log_messages(&errors, &warnings);
	if (pid != 0)
		printf("ports were not opened and memory was not counted: the gateway with pid %d "
		       "runs on %s and has them\n",
		       pid, f->socket);
	else if (geteuid() != 0)
		printf("ports were not opened: that takes root\n");
	else if (!good)
		printf("ports were not opened, because of the errors\n");
	else {
		say_unopened(f);
		good = probe(c);
	}
	return good;
}
