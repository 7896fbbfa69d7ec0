/* SPDX-License-Identifier: MIT */
/* What comes out of a machine and goes into it: its console, its control channel, its end. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/units.h"
#include "lab/machine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The console's line that tells of a panic, or else its last line. */
static void last_word(const struct machine *m, char *ret, size_t size)
{
	const char *panic = strstr(m->tail, "Kernel panic");
	char lines[256], one[256];

	machine_last_lines(m, 1, lines, sizeof(lines));
	snprintf(one, sizeof(one), "%.*s", panic ? (int)strcspn(panic, "\r\n") : (int)strlen(lines),
		 panic ? panic : lines);
	control_text(one, ret, size);
}

/* QEMU has closed its ends: reap it and say how it went. */
static void machine_ended(struct machine *m)
{
	char word[120];
	int status;

	if (!m->pid)
		return;
	status = m->kind->reap(m);
	m->pid = 0;
	machine_read_console(m);
	last_word(m, word, sizeof(word));
	if (strstr(word, "Kernel panic"))
		machine_fail(m, "the guest's kernel panicked: %s", word);
	else if (m->kind->libvirt)
		machine_fail(m, "its domain has ended: %s", word);
	else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		machine_fail(m, "QEMU was ended by signal %d: %s", WTERMSIG(status), word);
	else if (WIFSIGNALED(status))
		machine_fail(m, "QEMU was killed");
	else if (WEXITSTATUS(status))
		machine_fail(m, "QEMU ended with status %d: %s", WEXITSTATUS(status), word);
	else
		machine_fail(m, "the guest has switched itself off");
}

static void remember(struct machine *m, const char *data, size_t n)
{
	size_t keep = u64_min(m->tail_used, MACHINE_TAIL - 1 - n);

	memmove(m->tail, m->tail + m->tail_used - keep, keep);
	memcpy(m->tail + keep, data, n);
	m->tail_used = keep + n;
	m->tail[m->tail_used] = '\0';
	if (m->log)
		fwrite(data, 1, n, m->log);
}

void machine_read_console(struct machine *m)
{
	char buf[1024];
	ssize_t n;

	if (m->console < 0)
		return;
	while ((n = read(m->console, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			buf[i] = buf[i] ? buf[i] : '?';
		remember(m, buf, (size_t)n);
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		machine_ended(m);
}

/* One line that the guest has sent. */
static void take_clock(struct machine *m, const struct control_clock *guest, uint64_t now)
{
	struct machine_clock *c = &m->clock;

	if (!guest->mono || (c->after && now - m->asked_at >= c->after - c->before))
		return;
	*c = (struct machine_clock){m->asked_at, now, *guest};
}

static void take_line(struct machine *m, json_t *line)
{
	struct control_answer answer;
	struct failure f;

	if (control_parse_answer(line, &f, &answer)) {
		machine_fail(m, "the guest sent %s", f.text);
		json_decref(line);
		return;
	}
	if (m->answered || answer.id != m->asked) {
		machine_fail(m, "the guest answered %llu when %llu was asked",
			     (unsigned long long)answer.id, (unsigned long long)m->asked);
		json_decref(line);
		return;
	}
	json_decref(m->line);
	m->line = line;
	m->answer = answer;
	m->answered = true;
	take_clock(m, &answer.clock, clock_mono());
	if (!answer.ok)
		machine_fail(m, "the guest's init: %s", answer.error);
}

static void take_lines(struct machine *m)
{
	json_t *line;
	int got;

	while ((got = control_next(&m->in, &line)) > 0)
		take_line(m, line);
	if (got < 0)
		machine_fail(m, "the guest sent garbage on its control channel");
}

void machine_read_control(struct machine *m)
{
	char buf[16384];
	ssize_t n;

	if (m->control < 0)
		return;
	while ((n = read(m->control, buf, sizeof(buf))) > 0) {
		if (control_feed(&m->in, buf, (size_t)n))
			machine_fail(m, "the guest sent a line of more than %d bytes",
				     CONTROL_LINE_MAX);
		else
			take_lines(m);
		if (m->failure[0])
			return;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		machine_ended(m);
}

int machine_ask(struct machine *m, json_t *command)
{
	_cleanup_(free_ptr) char *text = NULL;
	size_t length;

	json_object_set_new(command, "id", json_integer((json_int_t)++m->asked));
	text = json_out_text(command, JSON_COMPACT);
	json_decref(command);
	m->answered = false;
	m->asked_at = clock_mono();
	if (!text)
		return -ENOMEM;
	length = strlen(text);
	text[length] = '\n'; /* in the place of the 0 */
	if (send(m->control, text, length + 1, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

void machine_last_lines(const struct machine *m, int lines, char *ret, size_t size)
{
	size_t end = m->tail_used, start;

	while (end && strchr("\r\n", m->tail[end - 1]))
		end--;
	for (start = end; start && lines; start--) {
		if (m->tail[start - 1] == '\n' && --lines == 0)
			break;
	}
	snprintf(ret, size, "%.*s", (int)(end - start), m->tail + start);
	for (char *c = ret; *c; c++) {
		if (*c != '\n' && (*c < ' ' || *c > '~'))
			*c = *c == '\r' ? ' ' : '?';
	}
}
