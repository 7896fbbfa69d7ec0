/* SPDX-License-Identifier: MIT */
#include "host/choice.h"

#include "base/proc.h"
#include "base/quantity.h"
#include "host/find.h"
#include "host/vm_name.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_number(const char *text)
{
	return text[0] && !text[strspn(text, "0123456789")];
}

static bool is_vm(pid_t pid)
{
	struct host_vm vm;

	if (host_find_pid(pid, NULL, &vm))
		return false;
	host_vm_done(&vm);
	return true;
}

struct search {
	const char *id;
	pid_t pid;
};

static int look_at(pid_t pid, void *data)
{
	struct words words = {.text = NULL};
	struct host_vm vm = {.pid = pid};
	struct search *s = data;

	if (words_read(pid, &words))
		return 0;
	vm_name_read(&words, &vm);
	words_done(&words);
	if (strcmp(vm.id, s->id) != 0 || !is_vm(pid))
		return 0;
	s->pid = pid;
	return 1;
}

/* The VM whose manager calls it so; 0. */
static pid_t find_id(const char *id)
{
	struct search s = {.id = id};

	proc_each_id("/proc", look_at, &s);
	return s.pid;
}

static int read_pid(const char *text, struct failure *f, pid_t *ret)
{
	uint64_t pid;

	if (quantity_count(text, &pid) || !pid || pid > INT_MAX)
		return failure_set(f, -EINVAL, "'%s' is no process id", text);
	*ret = (pid_t)pid;
	return 0;
}

static int read_number(const char *text, struct failure *f, struct wish *w)
{
	pid_t other = find_id(text), pid = 0;
	int err = other ? 0 : read_pid(text, f, &w->pid);

	if (!other)
		return err;
	if (!read_pid(text, NULL, &pid) && pid != other && is_vm(pid))
		return failure_set(f, -EINVAL,
				   "%s is the id of the VM in process %d, and the process of "
				   "another VM; give id=%s or pid=%s",
				   text, other, text, text);
	w->id = text;
	return 0;
}

static int read_wish(const char *text, struct failure *f, struct wish *w)
{
	*w = (struct wish){.text = text};
	if (!strncmp(text, "pid=", 4))
		return read_pid(text + 4, f, &w->pid);
	if (!strncmp(text, "id=", 3))
		w->id = text + 3;
	else if (is_number(text))
		return read_number(text, f, w);
	return 0;
}

int choice_open(char *const *operands, int n, struct failure *f, struct choice *ret)
{
	struct choice c = {.wishes = calloc((size_t)n + 1, sizeof(*c.wishes)), .n = n};
	int err = c.wishes ? 0 : failure_errno(f, -ENOMEM, "the list of VMs");

	for (int i = 0; i < n && !err; i++)
		err = read_wish(operands[i], f, &c.wishes[i]);
	if (err)
		choice_close(&c);
	else
		*ret = c;
	return err;
}

void choice_close(struct choice *c)
{
	free(c->wishes);
	*c = (struct choice){.n = 0};
}

bool choice_is_open(const struct choice *c)
{
	bool open = !c->n;

	for (int i = 0; i < c->n; i++)
		open |= !c->wishes[i].pid;
	return open;
}

static bool fits(const struct wish *w, const struct host_vm *vm)
{
	if (w->pid)
		return false;
	return w->id ? vm->id[0] && !fnmatch(w->id, vm->id, 0) : vm_name_fits(vm, w->text);
}

bool choice_wants(struct choice *c, const struct host_vm *vm)
{
	bool wanted = !c->n;

	for (int i = 0; i < c->n; i++) {
		if (fits(&c->wishes[i], vm))
			c->wishes[i].fits = wanted = true;
	}
	return wanted;
}

bool choice_takes(struct choice *c, const struct host_vm *vm)
{
	bool wanted = choice_wants(c, vm);

	for (int i = 0; i < c->n; i++) {
		if (c->wishes[i].pid && c->wishes[i].pid == vm->pid)
			c->wishes[i].fits = wanted = true;
	}
	return wanted;
}

const char *choice_unmet(const struct choice *c)
{
	for (int i = 0; i < c->n; i++) {
		if (!c->wishes[i].fits)
			return c->wishes[i].text;
	}
	return NULL;
}

const char *choice_missing(const struct choice *c)
{
	for (int i = 0; i < c->n; i++) {
		if (!c->wishes[i].pid && !c->wishes[i].fits)
			return c->wishes[i].text;
	}
	return NULL;
}
