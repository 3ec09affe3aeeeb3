#!/usr/bin/python3
"""Calls that are not made: anywhere, on a worker, or outside of the one place they belong to."""
import re

import lint

# Everywhere. Each with what to use instead.
ANYWHERE = {
    "strcpy": "snprintf", "strcat": "snprintf", "strncat": "snprintf", "strncpy": "snprintf",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "strsep",
    "rand": "crypto/random.h", "srand": "crypto/random.h", "random": "crypto/random.h",
    "srandom": "crypto/random.h", "drand48": "crypto/random.h", "rte_rand": "crypto/random.h",
    "atoi": "strtoul with all its checks", "atol": "strtoul with all its checks",
    "atoll": "strtoull with all its checks", "alloca": "a bounded array", "system": "no shell",
    "popen": "no shell", "tmpnam": "mkstemp", "mktemp": "mkstemp", "tempnam": "mkstemp",
    "inet_addr": "inet_pton", "inet_aton": "inet_pton", "inet_ntoa": "inet_ntop",
    "gethostbyname": "endpoints are literal", "signal": "sigaction or signalfd",
    "memfrob": "real cryptography", "setjmp": "return values", "longjmp": "return values",
}
# Tests and benches are reproducible by a seeded generator of their own, but may use these.
TESTS_MAY = {"random", "setjmp", "longjmp", "system", "rte_rand"}

# signal() is good for this much.
IGNORED_SIGNAL = re.compile(r"\bsignal\s*\(\s*\w+,\s*SIG_(IGN|DFL)\s*\)")

# On workers: nothing that allocates, logs, sleeps, blocks, or enters the kernel.
WORKER_FILES = re.compile(
    r"^dataplane/(rx|classify|decap|encap|forward|tx|punt|worker|batch|session|replay)\.[ch]$")
ON_WORKERS = [
    r"malloc", r"calloc", r"realloc", r"reallocarray", r"free", r"strdup", r"rte_z?malloc\w*",
    r"rte_calloc\w*", r"rte_free", r"f?printf", r"v?f?printf", r"puts", r"perror", r"v?syslog",
    r"RTE_LOG\w*", r"rte_log", r"rte_v?log", r"log_\w+", r"usleep", r"sleep", r"rte_delay_\w+",
    r"pthread_\w+", r"rte_rwlock_\w+", r"read", r"recv\w*", r"send", r"sendto", r"sendmsg",
    r"open", r"close", r"ioctl", r"poll", r"ppoll", r"epoll_\w+", r"select", r"mmap",
    r"clock_gettime", r"gettimeofday", r"time", r"rte_rcu_qsbr_synchronize", r"memcmp_secret",
]
# The loop in worker.c reads the clock once a turn and sleeps when nothing comes.
WORKER_MAY = {"dataplane/worker.c": {"clock_gettime"}}

# What is called in one place only, so that every packet ends once.
ONLY_IN = {
    "rte_eth_tx_burst": ["dataplane/tx.c"],
    "rte_eth_rx_burst": ["dataplane/rx.c"],
}
FREEING = re.compile(r"\brte_pktmbuf_free\w*\s*\(")
FREES_ON_WORKERS = "dataplane/tx.c"


def calls(code, pattern):
    """(line, name) of each call; not of members, declarations with a type before stay in."""
    for match in re.finditer(r"(?<![\w.>])(" + pattern + r")\s*\(", code):
        yield code.count("\n", 0, match.start()) + 1, match.group(1)


def check(tree):
    complaints = []
    control_freeing = set()
    anywhere = "|".join(ANYWHERE)
    on_workers = "|".join(ON_WORKERS)
    for path in tree.c_files():
        code = lint.code_only(tree.read(path))
        test = lint.directory_of(path) in ("tests", "bench")
        for line, name in calls(IGNORED_SIGNAL.sub(lint.blank_match, code), anywhere):
            if not (test and name in TESTS_MAY):
                complaints.append(f"{path}:{line}: {name}(): instead, {ANYWHERE[name]}")
        if WORKER_FILES.match(path):
            may = WORKER_MAY.get(path, set())
            for line, name in calls(code, on_workers):
                if name not in may:
                    complaints.append(f"{path}:{line}: {name}() on a worker")
        if test:
            continue
        for name, places in ONLY_IN.items():
            for line, _ in calls(code, name):
                if path not in places:
                    complaints.append(f"{path}:{line}: {name}() only in {', '.join(places)}")
        for match in FREEING.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            if WORKER_FILES.match(path) and path != FREES_ON_WORKERS:
                complaints.append(f"{path}:{line}: packets are freed by dp_drop() and dp_consume()")
            elif lint.directory_of(path) == "control":
                control_freeing.add(path)
    if len(control_freeing) > 1:
        complaints.append(f"{sorted(control_freeing)[0]}:1: the control side frees packets in one "
                          f"file only, not in {', '.join(sorted(control_freeing))}")
    return complaints


CLEAN = {"dataplane/tx.c": "void f(void)\n{\n\trte_eth_tx_burst(0);\n\trte_pktmbuf_free(m);\n}\n",
         "config/a.c": 'const char *s = "sprintf(x)"; /* strcpy(a) */\nint a = p->time(1);\n',
         "linux.c": "int a = signal(SIGPIPE, SIG_IGN);\n",
         "control/control.c": "void g(void)\n{\n\tfree(p);\n\trte_pktmbuf_free_bulk(m, 1);\n}\n"}
PLANTED = [
    ("strcpy", {"config/b.c": "\nint x = strcpy (a, b);\n"}, "config/b.c:2: strcpy()"),
    ("rand", {"handshake/b.c": "int x = rand();\n"}, "rand(): instead"),
    ("a signal handler", {"control/main.c": "int x = signal(SIGTERM, stop);\n"},
     "signal(): instead"),
    ("a shell", {"control/linux.c": 'int x = system("ip link");\n'}, "system(): instead"),
    ("malloc on a worker", {"dataplane/decap.c": "int x = malloc(1);\n"}, "malloc() on a worker"),
    ("rte_malloc on a worker", {"dataplane/encap.c": "int x = rte_zmalloc_socket(1);\n"},
     "rte_zmalloc_socket() on a worker"),
    ("printf on a worker", {"dataplane/rx.c": 'int x = printf("a");\n'}, "printf() on a worker"),
    ("a lock on a worker", {"dataplane/rx.c": "int x = pthread_mutex_lock(l);\n"}, "on a worker"),
    ("the clock in a stage", {"dataplane/rx.c": "int x = clock_gettime(1, t);\n"}, "on a worker"),
    ("a second sender", {"dataplane/forward.c": "int x = rte_eth_tx_burst(0);\n"},
     "only in dataplane/tx.c"),
    ("a free without a reason", {"dataplane/classify.c": "int x = rte_pktmbuf_free(m);\n"},
     "dp_drop()"),
    ("a second file of control that frees", {"control/linux.c": "int x = rte_pktmbuf_free(m);\n"},
     "in one file only"),
]

if __name__ == "__main__":
    lint.run("forbidden", check, PLANTED, CLEAN)
