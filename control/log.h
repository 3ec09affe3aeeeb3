/*
 * What the daemon tells: one line per message to stderr, for a person, or for the journal with its
 * levels. Any thread of the control side; workers never log. Never a secret.
 */
#ifndef CONTROL_LOG_H
#define CONTROL_LOG_H

#include "config/yaml.h"
#include "control/limit.h"

/* Numbers as syslog and the journal have them. */
enum ctl_log_level {
	CTL_ERROR = 3,
	CTL_WARNING = 4,
	CTL_NOTICE = 5,
	CTL_INFO = 6,
	CTL_DEBUG = 7,
};

/* Messages above this level are left out; CTL_NOTICE at start. */
void ctl_log_level(enum ctl_log_level most);

/* The message without a newline. */
void ctl_log(enum ctl_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for what outsiders can provoke: at most as often as limit allows. */
void ctl_log_limited(struct ctl_limit *limit, enum ctl_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Warnings, then errors, each a line; frees them. True: there was no error. */
bool ctl_log_messages(struct cf_messages *errors, struct cf_messages *warnings);

#endif
