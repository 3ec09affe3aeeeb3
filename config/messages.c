/* Lists of messages for the operator. Any thread, one at a time. */
#include "config/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character at p, 0 if it is not one that a terminal and JSON may be shown. */
static size_t utf8_bytes(const unsigned char *p)
{
	static const unsigned int least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	unsigned int c;

	if (n <= 1)
		return p[0] < 0x20 || p[0] == 0x7f ? 0 : n;
	c = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c < 0xa0)
		return 0;
	return n;
}

/* A message is one line of text, whatever the file or its name holds. */
static void make_printable(char *text)
{
	unsigned char *p = (unsigned char *)text;

	while (*p) {
		size_t n = utf8_bytes(p);

		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
}

void cf_messages_add(struct cf_messages *m, const char *format, ...)
{
	char **at = realloc(m->at, (m->n + 1) * sizeof(*at));
	char *line;
	va_list args;
	int rc;

	if (!at)
		return;
	m->at = at;
	va_start(args, format);
	rc = vasprintf(&line, format, args);
	va_end(args);
	if (rc < 0)
		return;
	make_printable(line);
	m->at[m->n++] = line;
}

void cf_messages_free(struct cf_messages *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->at[i]);
	free(m->at);
	memset(m, 0, sizeof(*m));
}
