/* SPDX-License-Identifier: MIT */
#include "service/prometheus.h"

#include "base/newfile.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void prometheus_head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value(FILE *to, const char *text)
{
	json_t *utf8 = json_string(text);

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"')
			fputs("\\\"", to);
		else if (c < ' ' || c == '\\' || c == 127 || (c & 0x80 && !utf8))
			fprintf(to, "\\\\x%02x", c);
		else
			fputc(c, to);
	}
	json_decref(utf8);
}

void prometheus_sample(FILE *to, const char *name, const struct prometheus_label *labels, size_t n,
		       int digits, double value)
{
	fputs(name, to);
	for (size_t i = 0; i < n; i++) {
		fprintf(to, "%c%s=\"", i ? ',' : '{', labels[i].name);
		put_value(to, labels[i].value);
		fputc('"', to);
	}
	fprintf(to, "%s %.*g\n", n ? "}" : "", digits, value);
}

void prometheus_rows(FILE *to, const struct prometheus_row *rows, size_t n, const void *of)
{
	for (size_t i = 0; i < n; i++) {
		prometheus_head(to, rows[i].name, rows[i].type, rows[i].help);
		prometheus_sample(to, rows[i].name, NULL, 0, 17, rows[i].value(of));
	}
}

int prometheus_text(int (*put)(FILE *to, void *data), void *data, char **ret)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	int err;

	if (!to)
		return -ENOMEM;
	err = put(to, data);
	if (fclose(to) && !err)
		err = -ENOMEM;
	if (err) {
		free(text);
		return err;
	}
	*ret = text;
	return 0;
}

/* Node_exporter may read it, whatever our umask is. It is as good as old when the machine comes up
 * again: not worth waiting for a disk. */
int prometheus_write_file(const char *path, const char *text)
{
	return newfile_write(path, text, strlen(text), 0644, 0);
}
