/* SPDX-License-Identifier: MIT */
/*
 * host/qmp.h against scripted peers, most of them hostile. What host_find_qmp() makes of the
 * answers is test_find_qmp.c.
 */
#include "base/clock.h"
#include "host/find.h"
#include "qmp_peer.h"

#include <errno.h>

static void open_peer(struct peer *p, script_fn script, struct qmp **ret)
{
	struct failure f = {""};

	begin(p, script);
	assert_int_equal(qmp_open(p->fd, PATIENCE, &f, ret), 0);
}

/* ---- well-behaved ---- */

static void script_plain(int fd)
{
	greet(fd);
	say(fd, "{\"event\": \"RESUME\", \"timestamp\": {\"seconds\": 1}}\r\n");
	answer(fd, hear(fd, "query-name"), "{\"name\": \"alpha\"}");
}

static void count_event(const char *name, const json_t *data, void *opaque)
{
	(void)data;
	*(int *)opaque += !strcmp(name, "RESUME");
}

static void command_returns_its_value(void **state)
{
	struct peer p;
	struct qmp *q;
	json_t *value;
	int events = 0;

	(void)state;
	open_peer(&p, script_plain, &q);
	qmp_on_event(q, count_event, &events);
	assert_int_equal(qmp_command(q, "query-name", NULL, PATIENCE, NULL, &value), 0);
	assert_string_equal(json_string_value(json_object_get(value, "name")), "alpha");
	assert_int_equal(events, 1);
	json_decref(value);
	qmp_close(q);
	end(&p);
}

static void script_arguments(int fd)
{
	char line[256] = "";
	json_t *j;

	greet(fd);
	for (size_t n = 0; n < sizeof(line) - 1; n++) {
		if (recv(fd, line + n, 1, 0) != 1)
			return;
		j = line[n] == '}' ? json_loads(line, 0, NULL) : NULL;
		if (!j)
			continue;
		answer(fd, json_integer_value(json_object_get(j, "id")),
		       json_integer_value(
			       json_object_get(json_object_get(j, "arguments"), "value")) == 320
			       ? "true"
			       : "false");
		json_decref(j);
		return;
	}
}

static void arguments_arrive(void **state)
{
	json_t *arguments = json_pack("{s:i}", "value", 320), *value;
	struct peer p;
	struct qmp *q;

	(void)state;
	open_peer(&p, script_arguments, &q);
	assert_int_equal(qmp_command(q, "balloon", arguments, PATIENCE, NULL, &value), 0);
	assert_true(json_is_true(value));
	json_decref(value);
	json_decref(arguments);
	qmp_close(q);
	end(&p);
}

static void script_drops(int fd)
{
	const char *line = GREETING "{\"return\": {}, \"id\": ";
	char rest[64];

	for (; *line; line++) {
		char one[2] = {*line, '\0'};

		if (line[0] == '{' && line[1] == '"' && line[2] == 'r')
			snprintf(rest, sizeof(rest), "%lld}\n", hear(fd, "qmp_capabilities"));
		say(fd, one);
	}
	for (const char *c = rest; *c; c++) {
		char one[2] = {*c, '\0'};

		say(fd, one);
	}
}

static void lines_may_come_byte_by_byte(void **state)
{
	struct peer p;
	struct qmp *q;

	(void)state;
	open_peer(&p, script_drops, &q);
	qmp_close(q);
	end(&p);
}

static void script_two_handles(int fd)
{
	char text[256];

	greet(fd);
	/* The answer and an event in one piece: the event is for the second handle. */
	snprintf(text, sizeof(text), "{\"return\": 1, \"id\": %lld}\n{\"event\": \"RESUME\"}\n",
		 hear(fd, "one"));
	say(fd, text);
	answer(fd, hear(fd, "two"), "2");
}

static void another_handle_goes_on(void **state)
{
	struct peer p;
	struct qmp *q;
	json_t *value;
	int events = 0;

	(void)state;
	open_peer(&p, script_two_handles, &q);
	assert_int_equal(qmp_command(q, "one", NULL, PATIENCE, NULL, NULL), 0);
	qmp_close(q);
	assert_int_equal(qmp_resume(p.fd, &q), 0);
	qmp_on_event(q, count_event, &events);
	assert_int_equal(qmp_command(q, "two", NULL, PATIENCE, NULL, &value), 0);
	assert_int_equal(json_integer_value(value), 2);
	assert_int_equal(events, 1);
	json_decref(value);
	qmp_close(q);
	end(&p);
}

static void script_refuses(int fd)
{
	char text[256];

	greet(fd);
	snprintf(text, sizeof(text),
		 "{\"id\": %lld, \"error\": {\"class\": \"CommandNotFound\", "
		 "\"desc\": \"no \\u001b[2J such thing\"}}\n",
		 hear(fd, "nonsense"));
	say(fd, text);
	answer(fd, hear(fd, "query-name"), "{}");
}

static void refusal_is_told_and_harmless(void **state)
{
	struct failure f = {""};
	struct peer p;
	struct qmp *q;

	(void)state;
	open_peer(&p, script_refuses, &q);
	assert_int_equal(qmp_command(q, "nonsense", NULL, PATIENCE, &f, NULL), -EREMOTEIO);
	assert_non_null(strstr(f.text, "no ?[2J such thing"));
	assert_int_equal(qmp_command(q, "query-name", NULL, PATIENCE, &f, NULL), 0);
	qmp_close(q);
	end(&p);
}

static void script_late(int fd)
{
	long long first;

	greet(fd);
	first = hear(fd, "slow");
	answer(fd, hear(fd, "quick") - 1000000, "\"nobody's\"");
	answer(fd, first, "\"slow\"");
	answer(fd, first + 1, "\"quick\"");
}

static void late_answer_is_not_taken_for_the_next(void **state)
{
	struct peer p;
	struct qmp *q;
	json_t *value;

	(void)state;
	open_peer(&p, script_late, &q);
	assert_int_equal(qmp_command(q, "slow", NULL, SHORT, NULL, NULL), -ETIMEDOUT);
	assert_int_equal(qmp_command(q, "quick", NULL, PATIENCE, NULL, &value), 0);
	assert_string_equal(json_string_value(value), "quick");
	json_decref(value);
	qmp_close(q);
	end(&p);
}

/* ---- hostile from the start ---- */

static void script_closes(int fd)
{
	(void)fd;
}

static void script_truncated(int fd)
{
	say(fd, "{\"QMP\": {\"version\": {\"qem");
}

static void script_half_line(int fd)
{
	say(fd, "{\"QMP\": {\"version\": {\"qem\n");
}

static void script_http(int fd)
{
	say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void script_array(int fd)
{
	say(fd, "[{\"QMP\": 1}]\n");
}

static void script_other_object(int fd)
{
	say(fd, "{\"return\": {}}\n");
}

static void script_deep(int fd)
{
	for (int i = 0; i < 100000; i++) {
		if (!say(fd, "{\"a\":["))
			return;
	}
	say(fd, "\n");
}

static void script_nul(int fd)
{
	send(fd, "{\"QMP\": \"a\0b\"}\n", 15, MSG_NOSIGNAL);
}

static void script_endless_line(int fd)
{
	static char blanks[65537];

	memset(blanks, ' ', sizeof(blanks) - 1);
	while (say(fd, blanks))
		;
}

static void hostile_openings_are_refused(void **state)
{
	static const struct {
		script_fn script;
		int err;
	} rows[] = {
		{script_closes, -ECONNRESET},	  {script_truncated, -ECONNRESET},
		{script_half_line, -EBADMSG},	  {script_http, -EBADMSG},
		{script_array, -EBADMSG},	  {script_other_object, -EBADMSG},
		{script_deep, -EBADMSG},	  {script_nul, -EBADMSG},
		{script_endless_line, -EMSGSIZE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct failure f = {""};
		struct qmp *q = NULL;
		struct peer p;

		begin(&p, rows[i].script);
		assert_int_equal(qmp_open(p.fd, PATIENCE, &f, &q), rows[i].err);
		assert_null(q);
		assert_true(f.text[0]);
		assert_null(strchr(f.text, '\n'));
		end(&p);
	}
}

static void silence_times_out(void **state)
{
	uint64_t before = clock_mono(), took;
	struct qmp *q = NULL;
	struct peer p;

	(void)state;
	begin(&p, script_silent);
	assert_int_equal(qmp_open(p.fd, SHORT, NULL, &q), -ETIMEDOUT);
	took = clock_mono() - before;
	assert_true(took >= SHORT);
	assert_true(took < PATIENCE);
	end(&p);
}

static void script_flood(int fd)
{
	greet(fd);
	hear(fd, "query-name");
	while (say(fd, "{\"event\": \"RESUME\", \"data\": {}}\n"))
		;
}

static void flood_of_events_times_out(void **state)
{
	uint64_t before;
	struct peer p;
	struct qmp *q;
	int events = 0;

	(void)state;
	open_peer(&p, script_flood, &q);
	qmp_on_event(q, count_event, &events);
	before = clock_mono();
	assert_int_equal(qmp_command(q, "query-name", NULL, SHORT, NULL, NULL), -ETIMEDOUT);
	assert_true(clock_mono() - before < PATIENCE);
	assert_true(events > 10);
	qmp_close(q);
	end(&p);
}

static void script_long_answer(int fd)
{
	greet(fd);
	hear(fd, "query-name");
	script_endless_line(fd);
}

static void broken_connection_stays_broken(void **state)
{
	struct peer p;
	struct qmp *q;

	(void)state;
	open_peer(&p, script_long_answer, &q);
	assert_int_equal(qmp_command(q, "query-name", NULL, PATIENCE, NULL, NULL), -EMSGSIZE);
	assert_int_equal(qmp_command(q, "query-name", NULL, PATIENCE, NULL, NULL), -EPIPE);
	qmp_close(q);
	end(&p);
}

static void script_deaf(int fd)
{
	greet(fd);
	while (usleep(10000) == 0 && say(fd, "{\"event\": \"RESUME\"}\n"))
		;
}

static void peer_that_reads_nothing_times_out(void **state)
{
	char *long_text = calloc(1, 4 * MIB + 1);
	struct peer p;
	struct qmp *q;
	json_t *arguments;

	(void)state;
	memset(long_text, 'x', 4 * MIB);
	arguments = json_pack("{s:s}", "text", long_text);
	open_peer(&p, script_deaf, &q);
	assert_int_equal(qmp_command(q, "query-name", arguments, SHORT, NULL, NULL), -ETIMEDOUT);
	json_decref(arguments);
	free(long_text);
	qmp_close(q);
	end(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_returns_its_value),
		cmocka_unit_test(arguments_arrive),
		cmocka_unit_test(lines_may_come_byte_by_byte),
		cmocka_unit_test(another_handle_goes_on),
		cmocka_unit_test(refusal_is_told_and_harmless),
		cmocka_unit_test(late_answer_is_not_taken_for_the_next),
		cmocka_unit_test(hostile_openings_are_refused),
		cmocka_unit_test(silence_times_out),
		cmocka_unit_test(flood_of_events_times_out),
		cmocka_unit_test(broken_connection_stays_broken),
		cmocka_unit_test(peer_that_reads_nothing_times_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
