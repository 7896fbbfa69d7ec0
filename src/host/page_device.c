/* SPDX-License-Identifier: MIT */
#include "host/page_device.h"

#include "base/units.h"
#include "host/finder.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_MAX 256

struct list {
	struct page_device *devices;
	unsigned n, more;
};

static struct page_device *add(struct list *l)
{
	struct page_device *devices;

	if (l->n == PAGE_DEVICES_MAX) {
		l->more++;
		return NULL;
	}
	devices = realloc(l->devices, (l->n + 1) * sizeof(*devices));
	if (!devices)
		return NULL;
	l->devices = devices;
	devices[l->n] = (struct page_device){.name = ""};
	return &devices[l->n++];
}

/* ---- desched vm ---- */

static void find_ours(const struct words *w, struct list *l)
{
	size_t at = w->size ? strlen(w->text) + 1 : 0;
	struct page_device *d;
	const char *file;

	if (at >= w->size || strcmp(w->text + at, "vm") != 0)
		return;
	file = words_option(w, "page", &at);
	if (!file || !(d = add(l)))
		return;
	snprintf(d->name, sizeof(d->name), "--page");
	if (strlen(file) < sizeof(d->file))
		strcpy(d->file, file);
	else
		snprintf(d->why, sizeof(d->why), "its path is too long");
}

/* ---- QEMU ---- */

static bool is_on(const char *value)
{
	static const char *const words[] = {"on", "yes", "true", "y"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(value, words[i]))
			return true;
	}
	return false;
}

static const char *object_of_id(const struct words *w, const char *wanted)
{
	const char *object;
	char id[ID_MAX];

	for (size_t at = 0; (object = words_option(w, "object", &at));) {
		if (!words_value(object, "qom-type", "id", id, sizeof(id)) && !strcmp(id, wanted))
			return object;
	}
	return NULL;
}

static void judge(const char *object, struct page_device *d)
{
	char type[ID_MAX] = "", share[16] = "off", kind[64];
	int err;

	words_value(object, "qom-type", "qom-type", type, sizeof(type));
	words_value(object, "qom-type", "share", share, sizeof(share));
	host_printable(type, kind, sizeof(kind));
	if (strcmp(type, "memory-backend-file") != 0) {
		snprintf(d->why, sizeof(d->why),
			 "its memory is a %s; give it a memory-backend-file", kind);
		return;
	}
	if (!is_on(share)) {
		snprintf(d->why, sizeof(d->why), "its memory is private; give it share=on");
		return;
	}
	err = words_value(object, "qom-type", "mem-path", d->file, sizeof(d->file));
	if (err)
		snprintf(d->why, sizeof(d->why), "its mem-path is %s",
			 err == -ENOENT ? "missing" : "too long");
}

static void take_device(const struct words *w, const char *device, struct list *l)
{
	char driver[64] = "", memory[ID_MAX] = "", id[ID_MAX] = "";
	const char *object;
	struct page_device *d;

	words_value(device, "driver", "driver", driver, sizeof(driver));
	if (strcmp(driver, "ivshmem-plain") != 0 || !(d = add(l)))
		return;
	words_value(device, "driver", "memdev", memory, sizeof(memory));
	if (words_value(device, "driver", "id", id, sizeof(id)))
		strcpy(id, memory);
	host_printable(id, d->name, sizeof(d->name));
	object = object_of_id(w, memory);
	if (object)
		judge(object, d);
	else
		snprintf(d->why, sizeof(d->why), "its memory is not on the command line");
}

int page_devices(const struct words *w, struct page_device **ret, unsigned *ret_more)
{
	struct list l = {.n = 0};
	const char *device;

	find_ours(w, &l);
	for (size_t at = 0; (device = words_option(w, "device", &at));)
		take_device(w, device, &l);
	*ret = l.devices;
	*ret_more = l.more;
	return (int)l.n;
}
