/* SPDX-License-Identifier: MIT */
#include "screen/terminal.h"

#include "base/units.h"
#include "screen/ui.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

static SCREEN *screen;
static bool unicode;
static bool colours;

/* Colours for who has them, attributes for who has not; -1 is the terminal's own. */
static const struct {
	short fg, bg;
	attr_t attr;	   /* with colours */
	attr_t plain_attr; /* without */
} looks[STYLES] = {
	[STYLE_NORMAL] = {-1, -1, 0, 0},
	[STYLE_DIM] = {-1, -1, A_DIM, A_DIM},
	[STYLE_BOLD] = {-1, -1, A_BOLD, A_BOLD},
	[STYLE_TITLE] = {COLOR_WHITE, COLOR_BLUE, A_BOLD, A_REVERSE},
	[STYLE_HEAD] = {COLOR_BLACK, COLOR_WHITE, 0, A_REVERSE},
	[STYLE_HEAD_KEY] = {COLOR_BLACK, COLOR_YELLOW, 0, A_REVERSE | A_BOLD},
	[STYLE_KEY] = {COLOR_YELLOW, -1, A_BOLD, A_BOLD},
	[STYLE_BUTTON] = {COLOR_BLACK, COLOR_CYAN, 0, A_REVERSE},
	[STYLE_LABEL] = {COLOR_CYAN, -1, 0, 0},
	[STYLE_WARNING] = {COLOR_YELLOW, -1, A_BOLD, A_UNDERLINE},
	[STYLE_ALARM] = {COLOR_WHITE, COLOR_RED, A_BOLD, A_REVERSE | A_BOLD},
	[STYLE_AWAY] = {COLOR_RED, -1, A_BOLD, A_BOLD},
	[STYLE_RUN] = {COLOR_GREEN, -1, A_BOLD, 0},
	[STYLE_READY] = {COLOR_WHITE, COLOR_RED, 0, A_REVERSE},
	[STYLE_COSTOP] = {COLOR_WHITE, COLOR_MAGENTA, 0, A_REVERSE},
	[STYLE_LIMITED] = {COLOR_BLACK, COLOR_YELLOW, 0, A_REVERSE},
	[STYLE_SWAPWAIT] = {COLOR_BLACK, COLOR_CYAN, 0, A_REVERSE},
	[STYLE_WAIT] = {COLOR_WHITE, COLOR_BLUE, 0, A_REVERSE},
	[STYLE_HALT] = {-1, -1, A_DIM, A_DIM},
};

static const struct {
	int curses, key;
} keys[] = {
	{KEY_UP, UI_KEY_UP},
	{KEY_DOWN, UI_KEY_DOWN},
	{KEY_LEFT, UI_KEY_LEFT},
	{KEY_RIGHT, UI_KEY_RIGHT},
	{KEY_PPAGE, UI_KEY_PAGE_UP},
	{KEY_NPAGE, UI_KEY_PAGE_DOWN},
	{KEY_HOME, UI_KEY_HOME},
	{KEY_END, UI_KEY_END},
	{KEY_BACKSPACE, UI_KEY_BACKSPACE},
	{KEY_ENTER, UI_KEY_ENTER},
	{KEY_F(1), '?'},
	{KEY_F(3), '/'},
	{KEY_F(4), '/'},
	{KEY_F(5), 'T'},
	{KEY_F(6), 's'},
	{KEY_F(10), 'q'},
};

/* ---- a sudden end ---- */

/* What ends a program with a core. */
static const int fatal[] = {SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV};

static struct sigaction before[ARRAY_SIZE(fatal)];
static struct termios found; /* the terminal as it was */
static char leave[128];	     /* what puts its screen back */
static size_t leave_n;

/* No more than a signal's handler may do. Then the signal does what it would have done. */
static void on_fatal(int number)
{
	int saved = errno;

	(void)!write(STDOUT_FILENO, leave, leave_n);
	tcsetattr(STDIN_FILENO, TCSANOW, &found);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &before[i], NULL);
	raise(number);
	errno = saved;
}

static void add_leave(const char *text)
{
	if (!text || text == (char *)-1 || strlen(text) > sizeof(leave) - leave_n)
		return;
	while (*text)
		leave[leave_n++] = *text++;
}

static void catch_fatal(void)
{
	static const char *const names[] = {"sgr0", "cnorm", "rmcup", "rmkx"};
	const struct sigaction action = {.sa_handler = on_fatal};

	leave_n = 0;
	if (tigetstr("kmous") && tigetstr("kmous") != (char *)-1)
		add_leave("\033[?1006;1000l");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		add_leave(tigetstr(names[i]));
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &action, &before[i]);
}

static void leave_fatal(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &before[i], NULL);
}

/* ---- taking and leaving it ---- */

/* What a person wants is asked of NO_COLOR, as no-color.org has it: set, and not empty. */
static void set_colours(void)
{
	const char *no = getenv("NO_COLOR");

	colours = !(no && no[0]) && has_colors() && start_color() == OK;
	if (!colours)
		return;
	use_default_colors();
	for (int i = 0; i < STYLES; i++)
		init_pair((short)(i + 1), looks[i].fg, looks[i].bg);
}

static int take_terminal(struct failure *f)
{
	const char *type = getenv("TERM");
	const char *move;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return failure_set(f, -ENOTTY,
				   "the screen needs a terminal; -b prints tables to anything");
	setlocale(LC_CTYPE, "");
	tcgetattr(STDIN_FILENO, &found);
	screen = newterm(NULL, stdout, stdin);
	move = screen ? tigetstr("cup") : NULL;
	if (move && move != (char *)-1)
		return 0;
	terminal_close();
	return failure_set(f, -EINVAL,
			   "terminal type '%s' is not known or cannot move its cursor; set TERM, "
			   "or use -b",
			   type ? type : "");
}

int terminal_open(struct failure *f)
{
	int err = take_terminal(f);

	if (err)
		return err;
	catch_fatal();
	unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	cbreak();
	noecho();
	curs_set(0);
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	set_escdelay(50);
	mouseinterval(0); /* presses, at once */
	mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	set_colours();
	return 0;
}

void terminal_close(void)
{
	if (!screen)
		return;
	endwin();
	if (leave_n)
		leave_fatal();
	leave_n = 0;
	delscreen(screen);
	screen = NULL;
}

bool terminal_gone(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&in, 1, 0) > 0 && (in.revents & (POLLHUP | POLLERR | POLLNVAL));
}

void terminal_size(int *ret_width, int *ret_height)
{
	getmaxyx(stdscr, *ret_height, *ret_width);
}

bool terminal_unicode(void)
{
	return unicode;
}

static void show_cell(int y, int x, const struct cell *cell)
{
	attr_t attr = colours ? looks[cell->style].attr : looks[cell->style].plain_attr;
	wchar_t text[2] = {(wchar_t)cell->ch, 0};
	cchar_t c;

	if (!cell->ch)
		return;
	if (cell->selected)
		attr ^= A_REVERSE;
	setcchar(&c, text, attr, colours ? (short)(cell->style + 1) : 0, NULL);
	mvadd_wch(y, x, &c);
}

void terminal_show(const struct canvas *c)
{
	erase();
	for (int y = 0; y < c->height; y++)
		for (int x = 0; x < c->width; x++)
			show_cell(y, x, canvas_at(c, y, x));
	refresh();
}

static void read_mouse(struct terminal_event *e)
{
	MEVENT mouse;

	if (getmouse(&mouse) != OK)
		return;
	if (mouse.bstate & BUTTON4_PRESSED)
		e->key = UI_KEY_UP;
	else if (mouse.bstate & BUTTON5_PRESSED)
		e->key = UI_KEY_DOWN;
	else
		*e = (struct terminal_event){UI_KEY_NONE, true, mouse.y, mouse.x};
}

static int translate(wint_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].curses == (int)code)
			return keys[i].key;
	return UI_KEY_NONE;
}

bool terminal_event(struct terminal_event *ret)
{
	struct terminal_event e = {.key = UI_KEY_NONE};
	wint_t code;
	int kind = get_wch(&code);

	if (kind == ERR)
		return false;
	if (kind == KEY_CODE_YES && code == KEY_MOUSE)
		read_mouse(&e);
	else if (kind == KEY_CODE_YES)
		e.key = translate(code);
	else
		e.key = code == '\r'		   ? '\n'
			: code == 127 || code == 8 ? UI_KEY_BACKSPACE
						   : (int)code;
	*ret = e;
	return true;
}
