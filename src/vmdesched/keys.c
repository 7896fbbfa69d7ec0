/* SPDX-License-Identifier: MIT */
#include "vmdesched/keys.h"

#include "base/units.h"
#include "guest/source.h"
#include "vmdesched/timekeeper.h"
#include "wire/protocol.h"

#define AT(field) offsetof(struct settings, field)
#define PATH(name, field, standard, help)                                                          \
	SETTINGS_PATH(name, struct settings, field, standard, help)
#define NAMES(name, field, standard, names, help)                                                  \
	{                                                                                          \
		name, &row_one_of, AT(field), 0, 0, standard, help, names, SETTINGS_STRING         \
	}

static const struct row main_rows[] = {
	NAMES("source", source, "auto", source_name, "what says when a vCPU didn't run"),
	PATH("page", page, "", "map this file as the ledger page; empty: look for the device"),
	SETTINGS_SOCKET(struct settings, service.socket, PROTOCOL_SOCKET),
};

static const struct row gaps_rows[] = {
	{"threshold", &row_seconds, AT(gap_ns), 0, 3600 * NS_PER_SEC, "0.1",
	 "log every gap of so long and more; 0: none", NULL, 0},
};

static const struct row series_rows[] = {
	{"processes", &row_count, AT(processes), 0, 1000, "20",
	 "so many names of processes have metrics of their own", NULL, 0},
	{"cgroups", &row_count, AT(cgroups), 0, 1000, "20",
	 "so many of the busiest control groups are among the metrics", NULL, 0},
};

static const struct row clock_rows[] = {
	NAMES("mode", clock, "watch", timekeeper_mode_name,
	      "what is done when the clock is behind"),
	PATH("chrony", chrony, "/run/chrony.desched.sock", "the socket of chronyd's refclock SOCK"),
};

static const struct row_section sections[] = {
	{"vmdesched", settings_common, SETTINGS_COMMON_N, AT(service), false},
	{"vmdesched", main_rows, ARRAY_SIZE(main_rows), 0, false},
	{"gaps", gaps_rows, ARRAY_SIZE(gaps_rows), 0, true},
	{"metrics", settings_metrics, SETTINGS_METRICS_N, AT(service), true},
	{"metrics", series_rows, ARRAY_SIZE(series_rows), 0, true},
	{"clock", clock_rows, ARRAY_SIZE(clock_rows), 0, false},
};

const struct settings_table vmdesched_settings = {
	sections, ARRAY_SIZE(sections), sizeof(struct settings), "vmdesched(8)", NULL, 0, NULL};
