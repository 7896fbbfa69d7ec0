/* SPDX-License-Identifier: MIT */
/*
 * `desched blame` of recorded frames whose differences are worked out by hand: one report, intervals,
 * minutes, JSON, machines that come and go, another session, files that are none. Live it is in the
 * system suite.
 */
#include "command_folder.h"
#include "data/recording.h"

#include <jansson.h>
#include <math.h>
#include <sys/stat.h>

#define VM(pid, name, ready, run, blames)                                                          \
	"{\"pid\":" #pid ",\"since_ns\":5,\"name\":\"" name "\",\"ended\":false,"                  \
	"\"overhead_ns\":0,\"vcpus\":[{\"index\":0,\"tid\":" #pid ",\"ended\":false,"              \
	"\"state\":\"run\",\"ns\":{\"run\":" #run ",\"ready\":" #ready                             \
	",\"costop\":0,\"limited\":0,\"swapwait\":0,\"halt\":0,\"wait\":0},\"longest_ns\":0}],"    \
	"\"blames\":[" blames "],\"pages\":[]}"
#define ROW(kind, pid, name, ns, longest)                                                          \
	"{\"kind\":\"" kind "\",\"pid\":" #pid ",\"name\":\"" name "\",\"ns\":" #ns                \
	",\"longest_ns\":" #longest "}"
#define FRAME(time, elapsed, session, vms)                                                         \
	"{\"schema\":\"desched-host/1\",\"time_s\":" #time ",\"elapsed_ns\":" #elapsed             \
	",\"session\":\"" #session "\",\"source\":\"bpf\",\"vms\":[" vms "]}\n"

/* In the second interval, of 30 s: web waits 4 s more, 3 of them for db and 1 for a process; db
 * comes. In the third one: web 1 s, for the process alone. */
static const char recording[] = FRAME(
	1700000010, 1000000000, 7,
	VM(100, "web", 2000000000, 1000000000,
	   ROW("vm", 200, "db", 1500000000, 9000000) "," ROW("process", 9, "make", 500000000, 1)))
	FRAME(1700000040, 31000000000, 7,
	      VM(100, "web", 6000000000, 7000000000,
		 ROW("vm", 200, "db", 4500000000,
		     8000000) "," ROW("process", 9, "make", 1500000000,
				      2000000)) "," VM(200, "db", 500000000, 500000000,
						       ROW("idle", 0, "idle", 400000000, 3000000)))
		FRAME(1700000041, 32000000000, 7,
		      VM(100, "web", 7000000000, 7000000000,
			 ROW("vm", 200, "db", 4500000000,
			     0) "," ROW("process", 9, "make", 2500000000,
					1000000)) "," VM(200, "db", 500000000, 1500000000,
							 ROW("idle", 0, "idle", 400000000, 0)));

/* The same frames as 'desched record --host' keeps them. */
static void put_recording(void)
{
	char path[64], text[sizeof(recording)], *rest = text;
	struct recording_mark mark = {.session = 7};
	struct recording_writer *w;
	struct failure f;

	snprintf(path, sizeof(path), "%s/host.rec", dir);
	strcpy(text, recording);
	assert_int_equal(recording_create(path, 1, &f, &w), 0);
	for (char *line; (line = strsep(&rest, "\n")) && line[0];) {
		json_t *o = json_loads(line, 0, NULL);

		mark.time = (uint64_t)json_integer_value(json_object_get(o, "time_s")) *
			    UINT64_C(1000000000);
		assert_int_equal(recording_write(w, &mark, o, &f), 0);
		json_decref(o);
	}
	assert_int_equal(recording_finish(w, &f), 0);
}

static off_t file_bytes(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static int setup(void **state)
{
	char text[8192];

	(void)state;
	setenv("TZ", "UTC", 1);
	assert_non_null(mkdtemp(dir));
	put("host", recording);
	put("empty", "");
	put("words", "this is no frame\n");
	snprintf(text, sizeof(text), "%s{\"schema\":\"desched-h", recording);
	put("cut", text);
	snprintf(text, sizeof(text), "%s%s", recording,
		 FRAME(1700000050, 1000000000, 8, VM(100, "web", 1, 1, ""))
			 FRAME(1700000051, 2000000000, 8, VM(100, "web", 1000000001, 1, "")));
	put("again", text);
	put_recording();
	return 0;
}

static int blame(const char *arguments)
{
	return run_command("blame", arguments);
}

static void one_report_of_all(void **state)
{
	(void)state;
	assert_int_equal(blame("--replay host"), 0);
	says("31.000 s until 2023-11-14 22:14:01, source bpf");
	says("web (100)                          waited 5.000 s, 45.45 % of its time");
	says("  db                     VM            200     3.000  60.0%     8.000  ######");
	says("  make                   process         9     2.000  40.0%     2.000  ####");
	says("db (200)                           waited 0.500 s, 25.00 % of its time");
	says("  idle                   idle            -     0.400  80.0%     3.000  ########");
	/* Of what no row explains, nobody knows who ran. */
	says("  unknown                unknown         -     0.100  20.0%     0.000  ##");
	assert_true(strstr(output, "web (100)") < strstr(output, "db (200)"));
	assert_null(strchr(output, '\033'));
}

static void intervals_and_choices(void **state)
{
	(void)state;
	assert_int_equal(blame("--replay host -d 30 web"), 0);
	says("30.000 s until");
	says("waited 4.000 s");
	says("1.000 s until");
	says("  make                   process         9     1.000 100.0%");
	assert_null(strstr(output, "db (200)"));
	assert_int_equal(blame("--replay host -d 30 -n 1 -t 1 web"), 0);
	says("  1 more                                       1.000  25.0%     2.000  ###");
	assert_null(strstr(output, "make"));
	assert_int_equal(blame("--replay host nonesuch"), 1);
	says("there is no VM 'nonesuch' in it; there are: web, db\n");
	/* Processes are judged as names are. */
	assert_int_equal(blame("--replay host -d 30 pid=200"), 0);
	says("db (200)");
	assert_null(strstr(output, "web (100)"));
	assert_int_equal(blame("--replay host web pid=999"), 1);
	says("there is no VM 'pid=999' in it");
	/* What can't be read isn't the end of a file. */
	assert_int_equal(blame("--replay ."), 1);
	says(": .: Is a directory");
}

/* 22:13:30 to 22:14:00 is in 22:13; the second after it in 22:14. */
static void minutes_of_the_clock(void **state)
{
	(void)state;
	assert_int_equal(blame("--replay host --minutes web"), 0);
	says("2023-11-14 22:13 web                 4.000  40.00  db 75%, make 25%");
	says("2023-11-14 22:14 web                 1.000 100.00  make 100%");
}

static void json_has_all_of_it(void **state)
{
	json_t *o, *vm, *row;

	(void)state;
	assert_int_equal(blame("--replay host --json web"), 0);
	o = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "desched-blame/1");
	vm = json_array_get(json_object_get(o, "vms"), 0);
	assert_int_equal(json_array_size(json_object_get(o, "vms")), 1);
	assert_true(json_number_value(json_object_get(vm, "ready_seconds")) == 5);
	row = json_array_get(json_object_get(vm, "culprits"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "name")), "db");
	assert_string_equal(json_string_value(json_object_get(row, "kind")), "VM");
	assert_int_equal(json_integer_value(json_object_get(row, "pid")), 200);
	assert_true(fabs(json_number_value(json_object_get(row, "share")) - 0.6) < 1e-9);
	assert_true(json_number_value(json_object_get(row, "longest_seconds")) == 0.008);
	json_decref(o);
}

/* A recorder that was killed leaves half a line; one that was started again, another session. */
static void broken_recordings(void **state)
{
	(void)state;
	assert_int_equal(blame("--replay cut"), 0);
	says("31.000 s until");
	assert_int_equal(blame("--replay again web"), 0);
	says("another session");
	says("waited 6.000 s");
	assert_int_equal(blame("--replay empty"), 1);
	says("empty: no frame of a host in it");
	assert_int_equal(blame("--replay words"), 1);
	says("words:1: not a frame of a host (schema desched-host/1)");
	assert_int_equal(blame("--replay nonesuch"), 1);
	says("nonesuch: No such file");
	assert_int_equal(blame("--replay host --vcpus"), 2);
	says("leave out --vcpus");
}

/* What 'desched record --host' has written, whole and cut off in its last frame: the first 30 s. */
static void a_recording_of_desched_record(void **state)
{
	char path[64];

	(void)state;
	assert_int_equal(blame("--replay host.rec"), 0);
	says("31.000 s until 2023-11-14 22:14:01, source bpf");
	says("web (100)                          waited 5.000 s, 45.45 % of its time");
	says("  db                     VM            200     3.000  60.0%     8.000  ######");
	snprintf(path, sizeof(path), "%s/host.rec", dir);
	assert_int_equal(truncate(path, file_bytes(path) - 1), 0);
	assert_int_equal(blame("--replay host.rec web"), 0);
	says("frame 3 at byte");
	says("30.000 s until 2023-11-14 22:14:00, source bpf");
	says("waited 4.000 s");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_report_of_all),
		cmocka_unit_test(intervals_and_choices),
		cmocka_unit_test(minutes_of_the_clock),
		cmocka_unit_test(json_has_all_of_it),
		cmocka_unit_test(broken_recordings),
		cmocka_unit_test(a_recording_of_desched_record),
	};

	if (argc != 2)
		return 1;
	desched = argv[1];
	return cmocka_run_group_tests(tests, setup, teardown);
}
