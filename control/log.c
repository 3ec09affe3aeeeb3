/*
 * Messages to stderr. systemd sets JOURNAL_STREAM to device and inode of the stream it gave to a
 * service: if stderr is that stream, the journal takes the level from a "<N>" before the line
 * (sd-daemon(3)) and the time itself.
 */
#include "control/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 1024

static _Atomic int most_level = CTL_NOTICE;

void ctl_log_level(enum ctl_log_level most)
{
	most_level = (int)most;
}

static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &device, &inode) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static const char *level_name(enum ctl_log_level level)
{
	switch (level) {
	case CTL_ERROR:
		return "error: ";
	case CTL_WARNING:
		return "warning: ";
	case CTL_NOTICE:
	case CTL_INFO:
		return "";
	case CTL_DEBUG:
		return "debug: ";
	}
	return "";
}

static void log_args(enum ctl_log_level level, const char *fmt, va_list args)
{
	char line[LINE_BYTES];
	int n, m;

	if (stderr_is_journal())
		n = snprintf(line, sizeof(line), "<%d>", (int)level);
	else
		n = snprintf(line, sizeof(line), "wgdp: %s", level_name(level));
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, args);
	if (m < 0)
		return;
	n += m;
	if (n > LINE_BYTES - 2)
		n = LINE_BYTES - 2;
	line[n++] = '\n';
	/* One write: lines of several threads do not mix. Nobody to tell if it fails. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

void ctl_log(enum ctl_log_level level, const char *fmt, ...)
{
	va_list args;

	if ((int)level > most_level)
		return;
	va_start(args, fmt);
	log_args(level, fmt, args);
	va_end(args);
}

bool ctl_log_messages(struct cf_messages *errors, struct cf_messages *warnings)
{
	bool good = errors->n == 0;

	for (size_t k = 0; k < warnings->n; k++)
		ctl_log(CTL_WARNING, "%s", warnings->at[k]);
	for (size_t k = 0; k < errors->n; k++)
		ctl_log(CTL_ERROR, "%s", errors->at[k]);
	cf_messages_free(errors);
	cf_messages_free(warnings);
	return good;
}

void ctl_log_limited(struct ctl_limit *limit, enum ctl_log_level level, const char *fmt, ...)
{
	struct timespec t;
	va_list args;

	if ((int)level > most_level)
		return;
	clock_gettime(CLOCK_BOOTTIME, &t);
	if (!ctl_limit_take(limit, (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec))
		return;
	va_start(args, fmt);
	log_args(level, fmt, args);
	va_end(args);
}
