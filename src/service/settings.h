/* SPDX-License-Identifier: MIT */
/*
 * A daemon's configuration: a file whose sections and keys are rows (base/rows.h) that fill one
 * struct. A key or section that is no row's, a key that is given twice, and a value out of its bounds
 * are refused with file and line; what the file doesn't say has the row's default.
 */
#ifndef SERVICE_SETTINGS_H
#define SERVICE_SETTINGS_H

#include "base/inifile.h"
#include "base/rows.h"

#include <stdio.h>
#include <sys/un.h>

#define SETTINGS_STRING 256

/* What every daemon has: the first member of its own struct. */
struct service_settings {
	char user[SETTINGS_STRING]; /* "": stay who we are */
	char socket[SETTINGS_STRING];
	char group[SETTINGS_STRING]; /* of the socket; "": its owner's */
	bool seccomp;		     /* refuse system calls that it does not use */
	char textfile[SETTINGS_STRING];
	uint64_t interval; /* ns between two writings of the textfile */
};

/* Rows of it, for the section of the daemon's name and for [metrics]. `socket` has a default, which
 * is the daemon's: its row is the daemon's as well. */
#define SETTINGS_COMMON_N  3
#define SETTINGS_METRICS_N 2
extern const struct row settings_common[SETTINGS_COMMON_N];
extern const struct row settings_metrics[SETTINGS_METRICS_N];

#define SETTINGS_PATH(name, struct, field, standard, help)                                         \
	{                                                                                          \
		name, &row_text, offsetof(struct, field), 0, 0, standard, help, NULL,              \
			SETTINGS_STRING                                                            \
	}

/* Where it answers: what fits into a socket's address. */
#define SETTINGS_SOCKET(type, field, standard)                                                     \
	{                                                                                          \
		"socket", &row_text, offsetof(type, field), 1, 0, standard, "where to answer",     \
			NULL, sizeof(((struct sockaddr_un *)0)->sun_path)                          \
	}

/*
 * Sections [KIND NAME], of which there may be many: an array in the struct, in the order of the file,
 * and behind it how many there are. Each element begins with a struct settings_named, and its rows'
 * offsets are in the element; a key that isn't given has its row's default.
 */
struct settings_named {
	char name[INIFILE_NAME];
	uint64_t given; /* bit i: the section has the key of row i */
};

struct settings_many {
	const char *kind; /* SIGHUP applies them */
	const struct row *rows;
	size_t n;
	size_t offset, size, most; /* the array; of an element; how many fit */
	size_t count;		   /* offset of a size_t */
};

/* Gives such a section's element, or one of another list with its rows, a value. `what` is the row's
 * name in a failure. -EINVAL, as row_read(); -ENOENT for what is no row. */
int settings_give(const struct row *rows, size_t n, struct settings_named *to, const char *key,
		  const char *value, struct failure *f);

struct settings_table {
	const struct row_section *sections; /* several may have one name */
	size_t n;
	size_t size;			  /* of the struct */
	const char *manual;		  /* where all keys are described: "vmdesched(8)" */
	const struct settings_many *many; /* [n_many] */
	size_t n_many;
	/* What is wrong with values that are good one by one; NULL: nothing can be. -EINVAL. */
	int (*check)(const void *s, struct failure *f);
};

void settings_default(const struct settings_table *t, void *s);

/* Fills in what the file says. -ENOENT when there is no such file; -EINVAL with file and line. `s`
 * is untouched on failure. */
int settings_load(const struct settings_table *t, const char *path, struct failure *f, void *s);

/* The same from text of `size` bytes, which a failure calls `name`. */
int settings_parse(const struct settings_table *t, const char *name, const char *text, size_t size,
		   struct failure *f, void *s);

/* What goes before the file: options of the command line. */
struct settings_override {
	const char *section, *key;
	const char *what;  /* the option, for failures */
	const char *value; /* NULL: not given */
};

struct settings_source {
	const char *path;
	bool optional; /* it need not be there */
	const struct settings_override *overrides;
	size_t n_overrides;
};

/* Defaults, the file, overrides. `s` is untouched on failure. */
int settings_read(const struct settings_table *t, const struct settings_source *source,
		  struct failure *f, void *s);

/* Copies what SIGHUP applies. Returns how many other keys differ: those want a restart. */
int settings_reload(const struct settings_table *t, void *s, const void *from);

/* All of them, as a file that has them would. */
void settings_print(const struct settings_table *t, const void *s, FILE *to);

#endif
