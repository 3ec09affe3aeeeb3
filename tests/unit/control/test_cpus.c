/*
 * The choice of CPUs: what a file says, on a machine with so many CPUs and nodes, becomes these
 * CPUs or this error. And CPUs as text.
 */
#include "tests/unit/unit.h"

#include "control/cpus.h"

#define PCI_PORT "0000:3b:00.0"

struct row {
	/* the machine: CPUs as text; node 1 begins with that CPU, 0: one node */
	const char *present, *online, *allowed;
	int node_1_from, ports_node;
	/* the file */
	int control; /* -1: not named */
	const char *workers;
	unsigned int asked;
	enum cf_idle idle;
	const char *device;
	/* what comes of it */
	int chosen;
	const char *chosen_workers, *error; /* error: the first, NULL: none */
};

static const struct row rows[] = {
	/* Nothing named: control on the lowest, workers on the others. */
	{"0-3", "0-3", "0-3", 0, -1, -1, "", 0, CF_IDLE_DEFAULT, "eth1", 0, "1-3", NULL},
	{"0-3", "0-3", "2-3", 0, -1, -1, "", 0, CF_IDLE_POLL, "eth1", 2, "3", NULL},
	{"0-3", "0-3", "0-3", 0, -1, 2, "", 0, CF_IDLE_DEFAULT, "eth1", 2, "0-1,3", NULL},
	/* One CPU for everything, even if it polls. */
	{"0", "0", "0", 0, -1, -1, "", 0, CF_IDLE_POLL, "eth1", 0, "0", NULL},
	{"0", "0", "0", 0, -1, 0, "0", 0, CF_IDLE_POLL, "eth1", 0, "0", NULL},
	{"0-1", "0-1", "1", 0, -1, -1, "", 1, CF_IDLE_POLL, PCI_PORT, 1, "1", NULL},
	/* Workers named: control on the lowest that is left. */
	{"0-3", "0-3", "0-3", 0, -1, -1, "0-1", 0, CF_IDLE_POLL, "eth1", 2, "0-1", NULL},
	{"0-3", "0-3", "0-3", 0, -1, 0, "3", 0, CF_IDLE_POLL, "eth1", 0, "3", NULL},
	{"0-1", "0-1", "0-1", 0, -1, -1, "0-1", 0, CF_IDLE_DEFAULT, "eth1", 0, "0-1", NULL},
	/* A number of them: the lowest, first those of the ports' node. */
	{"0-7", "0-7", "0-7", 0, -1, -1, "", 2, CF_IDLE_POLL, "eth1", 0, "1-2", NULL},
	{"0-7", "0-7", "0-7", 0, -1, 1, "", 2, CF_IDLE_POLL, "eth1", 1, "0,2", NULL},
	{"0-7", "0-7", "0-7", 4, 1, -1, "", 2, CF_IDLE_POLL, PCI_PORT, 0, "4-5", NULL},
	{"0-7", "0-7", "0-7", 4, 1, -1, "", 6, CF_IDLE_POLL, PCI_PORT, 0, "1-2,4-7", NULL},
	{"0-7", "0-7", "0-7", 4, 0, -1, "", 4, CF_IDLE_POLL, PCI_PORT, 0, "1-4", NULL},
	{"0-7", "0-7", "0-7", 0, -1, -1, "", 7, CF_IDLE_POLL, "eth1", 0, "1-7", NULL},
	{"0-7", "0-7", "0-7", 0, -1, -1, "", 8, CF_IDLE_POLL, "eth1", 0, "",
	 "gw.yaml:3: workers: 8 are asked for, and there are CPUs for 7: this process may use CPU "
	 "0-7, and control has CPU 0: ask for 7 or fewer"},
	{"0-127", "0-127", "0,5", 0, -1, -1, "", 128, CF_IDLE_POLL, "eth1", 0, "",
	 "gw.yaml:3: workers: 128 are asked for, and there are CPUs for 1: this process may use "
	 "CPU 0,5, and control has CPU 0: ask for 1 or fewer"},
	{"0", "0", "0", 0, -1, -1, "", 2, CF_IDLE_BACKOFF, "eth1", 0, "",
	 "gw.yaml:3: workers: 2 are asked for, and there are CPUs for 1: this process may use CPU "
	 "0, and control has CPU 0: ask for 1 or fewer"},
	/* CPUs that are not there, are off, or are not ours. */
	{"0-3", "0-3", "0-3", 0, -1, 4, "", 0, CF_IDLE_DEFAULT, "eth1", 0, "",
	 "gw.yaml:2: control: there is no CPU 4: this machine has 0-3, and this process may use "
	 "0-3"},
	{"0-3", "0-3", "1-2", 0, -1, -1, "1,64", 0, CF_IDLE_DEFAULT, "eth1", 0, "",
	 "gw.yaml:3: workers: there is no CPU 64: this machine has 0-3, and this process may use "
	 "1-2"},
	{"0-3", "0-1,3", "0-1,3", 0, -1, -1, "2", 0, CF_IDLE_DEFAULT, "eth1", 0, "",
	 "gw.yaml:3: workers: CPU 2 is offline: take another, or set it online with echo 1 "
	 ">/sys/devices/system/cpu/cpu2/online"},
	{"0-3", "0-3", "0-1", 0, -1, -1, "3", 0, CF_IDLE_DEFAULT, "eth1", 0, "",
	 "gw.yaml:3: workers: this process may not use CPU 3, only 0-1: take one of those, or "
	 "change what it is started with (taskset, CPUAffinity, a cpuset)"},
	/* Control and a worker that polls on one CPU. */
	{"0-3", "0-3", "0-3", 0, -1, 1, "0-1", 0, CF_IDLE_POLL, "eth1", 0, "",
	 "gw.yaml:3: CPU 1 cannot be both a worker's and the control lcore's (line 2): take "
	 "another, or set idle: backoff"},
	{"0-3", "0-3", "0-3", 0, -1, 1, "0-1", 0, CF_IDLE_DEFAULT, PCI_PORT, 0, "",
	 "gw.yaml:3: CPU 1 cannot be both a worker's and the control lcore's (line 2): take "
	 "another, or set idle: backoff"},
	{"0-3", "0-3", "0-3", 0, -1, 1, "0-1", 0, CF_IDLE_DEFAULT, "eth1", 1, "0-1", NULL},
	{"0-3", "0-3", "0-3", 0, -1, 1, "0-1", 0, CF_IDLE_BACKOFF, PCI_PORT, 1, "0-1", NULL},
	{"0-1", "0-1", "0-1", 0, -1, -1, "0-1", 0, CF_IDLE_POLL, "eth1", 0, "",
	 "gw.yaml:3: no CPU is left for the control lcore: take one from the workers, or set idle: "
	 "backoff"},
};

static void cpus(cpu_set_t *set, const char *text)
{
	CPU_ZERO(set);
	assert_true(ctl_cpus_from_text(set, text));
}

static void make(const struct row *row, struct ctl_machine *m, struct cf_config *config)
{
	cpu_set_t workers;

	cpus(&m->present, row->present);
	cpus(&m->online, row->online);
	cpus(&m->allowed, row->allowed);
	m->ports_node = row->ports_node;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		m->node[cpu] = row->node_1_from > 0 && cpu >= row->node_1_from;
	config->control = row->control;
	config->control_line = row->control < 0 ? 0 : 2;
	config->workers_line = 3;
	config->workers_asked = row->asked;
	config->idle = row->idle;
	cpus(&workers, row->workers);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &workers))
			config->workers[config->n_workers++] = cpu;
}

static void test_choice(void **state)
{
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		const struct row *row = &rows[k];
		struct cf_port port = {.name = "wan", .device = (char *)row->device};
		struct cf_config config = {.path = (char *)"gw.yaml", .ports = &port, .n_ports = 1};
		struct cf_messages errors = {0};
		struct ctl_machine m;
		cpu_set_t chosen;
		char text[CTL_CPUS_TEXT_BYTES];

		make(row, &m, &config);
		if (ctl_cpus_choose(&config, &m, &errors) != (row->error == NULL))
			fail_msg("row %zu: %s", k, errors.n > 0 ? errors.at[0] : "no error");
		if (row->error != NULL) {
			assert_string_equal(errors.at[0], row->error);
			cf_messages_free(&errors);
			continue;
		}
		assert_int_equal(errors.n, 0);
		CPU_ZERO(&chosen);
		for (unsigned int i = 0; i < config.n_workers; i++)
			CPU_SET(config.workers[i], &chosen);
		assert_int_equal(CPU_COUNT(&chosen), config.n_workers);
		assert_string_equal(ctl_cpus_text(text, &chosen), row->chosen_workers);
		assert_int_equal(config.control, row->chosen);
	}
}

static void test_all_errors(void **state)
{
	struct row row = {"0-3", "0-3",		  "0-3",  0, -1,   9,	"1,64,65",
			  0,	 CF_IDLE_DEFAULT, "eth1", 0, NULL, NULL};
	struct cf_config config = {.path = (char *)"gw.yaml"};
	struct cf_messages errors = {0};
	struct ctl_machine m;

	make(&row, &m, &config);
	assert_false(ctl_cpus_choose(&config, &m, &errors));
	assert_int_equal(errors.n, 3);
	cf_messages_free(&errors);
}

static void test_text(void **state)
{
	static const char *const wrong[] = {"x", "1-", "1-x", "1;2", "-3", "1,,2"};
	char text[CTL_CPUS_TEXT_BYTES];
	cpu_set_t set;

	cpus(&set, "0,2-3,7\n");
	assert_string_equal(ctl_cpus_text(text, &set), "0,2-3,7");
	cpus(&set, "");
	assert_string_equal(ctl_cpus_text(text, &set), "none");
	/* Too many to be shown: cut off, and ended. */
	CPU_ZERO(&set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu += 2)
		CPU_SET(cpu, &set);
	assert_int_equal(strlen(ctl_cpus_text(text, &set)), sizeof(text) - 1);
	for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++)
		assert_false(ctl_cpus_from_text(&set, wrong[k]));
}

/* Whatever machine runs this: the file's defaults can be had on it. */
static void test_this_machine(void **state)
{
	struct cf_config config = {.path = (char *)"gw.yaml", .control = -1};
	struct cf_messages errors = {0};
	struct ctl_machine m;

	assert_int_equal(ctl_machine_read(&m, &config), 0);
	assert_true(CPU_COUNT(&m.present) >= CPU_COUNT(&m.online));
	assert_true(ctl_cpus_choose(&config, &m, &errors));
	assert_true(CPU_ISSET(config.control, &m.allowed));
	assert_int_equal(ctl_machine_available_bytes() > 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_all_errors),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_this_machine),
	};

	return UNIT_RUN(tests);
}
