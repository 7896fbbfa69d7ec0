/* SPDX-License-Identifier: MIT */
/* desched policy: what is in force on this host, who said so, and what can't be guaranteed. */
#include "base/text.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/remembered.h"
#include "wire/client.h"

#include <stdio.h>
#include <string.h>

static struct remembered_options options;

static const struct option_row rows[] = {
	REMEMBERED_ROWS(options),
};

static int run(char **operands, int n, struct failure *f);

const struct command command_policy = {
	.name = "policy",
	.operands = "",
	.summary = "What this host's VMs are entitled to, why, and what of it is enforced.",
	.examples = "  desched policy\n"
		    "  desched policy --json\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void print_notes(const json_t *of, const char *indent)
{
	const json_t *note;
	size_t i;

	json_array_foreach(json_object_get(of, "notes"), i, note)
	{
		printf("%s! ", indent);
		text_put(json_string_value(note) ? json_string_value(note) : "?", stdout);
		printf("\n");
	}
}

/* "web*: shares 2000": by whom each was given that isn't the default. */
static void print_origins(const json_t *settings)
{
	const char *key;
	json_t *s;

	json_object_foreach((json_t *)(uintptr_t)settings, key, s)
	{
		const char *from = text_of(s, "from");

		if (!strcmp(from, "default"))
			continue;
		printf("    %s = ", key);
		text_put(text_of(s, "value"), stdout);
		if (!strcmp(from, "cgroup"))
			printf("  (found in its cgroup)");
		else
			printf(!strcmp(from, "file") ? "  (configuration, [vm " : "  (set for ");
		text_put(text_of(s, "word"), stdout);
		printf(!strcmp(from, "file") ? "])\n" : !strcmp(from, "cgroup") ? "\n" : ")\n");
	}
}

static void print_vm(const json_t *vm)
{
	const json_t *settings = json_object_get(vm, "settings");

	printf("%7.2f %7.2f %7.2f %8s %8s %8s  ", number_of(vm, "entitled_cpus"),
	       number_of(vm, "used_cpus"), number_of(vm, "wanted_cpus"),
	       text_of(json_object_get(settings, "shares"), "value"),
	       text_of(json_object_get(settings, "reservation"), "value"),
	       text_of(json_object_get(settings, "limit"), "value"));
	text_put(text_of(vm, "name"), stdout);
	printf("\n");
	print_origins(settings);
	if (text_of(vm, "where")[0]) {
		printf("    in ");
		text_put(text_of(vm, "where"), stdout);
		printf(": %s\n", text_of(vm, "how"));
	}
	print_notes(vm, "    ");
}

static void print_group(const json_t *g)
{
	const json_t *limit = json_object_get(g, "limit");

	printf("group ");
	text_put(text_of(g, "name"), stdout);
	printf(": shares %.12g, reservation %.12g, limit ", number_of(g, "shares"),
	       number_of(g, "reservation"));
	if (json_is_number(limit))
		printf("%.12g\n", json_number_value(limit));
	else
		printf("none\n");
}

static void print(const json_t *o)
{
	const json_t *item;
	size_t i;

	printf("enforcer %s guarantees %s\n", text_of(o, "enforcer"), text_of(o, "guarantees"));
	printf("it can't %s\n", text_of(o, "cannot"));
	print_notes(o, "");
	json_array_foreach(json_object_get(o, "groups"), i, item) print_group(item);
	printf("\n%7s %7s %7s %8s %8s %8s  %s\n", "ENTL", "USED", "WANTED", "SHARES", "RESERVED",
	       "LIMIT", "VM (of CPUs)");
	json_array_foreach(json_object_get(o, "vms"), i, item) print_vm(item);
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	return remembered_show("policy", CLIENT_GET("policy"), true, &options, print, f);
}
