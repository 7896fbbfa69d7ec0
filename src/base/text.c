/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include "base/units.h"

#include <string.h>

/* Unicode's controls (Cc), formats (Cf), line and paragraph separators (Zl, Zp) and surrogates, in
 * order: each first character, each last. */
static const struct {
	uint32_t first, last;
} harmful[] = {
	{0x00, 0x1f},	    {0x7f, 0x9f},	{0xad, 0xad},		{0x600, 0x605},
	{0x61c, 0x61c},	    {0x6dd, 0x6dd},	{0x70f, 0x70f},		{0x890, 0x891},
	{0x8e2, 0x8e2},	    {0x180e, 0x180e},	{0x200b, 0x200f},	{0x2028, 0x202e},
	{0x2060, 0x206f},   {0xd800, 0xdfff},	{0xfeff, 0xfeff},	{0xfff9, 0xfffb},
	{0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},	{0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {0x110000, UINT32_MAX},
};

uint32_t utf8_next(const char **text)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *b = (const unsigned char *)*text;
	int n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
	uint32_t ch = n == 1 ? b[0] : b[0] & (0x7fu >> n);

	(*text)++;
	if (n == 0 || b[0] > 0xf4)
		return '?';
	for (int i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return '?';
		ch = ch << 6 | (b[i] & 0x3fu);
	}
	if (ch < least[n] || ch > 0x10ffff || (ch >= 0xd800 && ch < 0xe000))
		return '?';
	*text += n - 1;
	return ch;
}

size_t utf8_put(uint32_t ch, char *to)
{
	if (ch < 0x80) {
		to[0] = (char)(ch ? ch : '?');
		return 1;
	}
	if (ch < 0x800) {
		to[0] = (char)(0xc0 | ch >> 6);
		to[1] = (char)(0x80 | (ch & 0x3f));
		return 2;
	}
	if (ch < 0x10000) {
		to[0] = (char)(0xe0 | ch >> 12);
		to[1] = (char)(0x80 | (ch >> 6 & 0x3f));
		to[2] = (char)(0x80 | (ch & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | ch >> 18);
	to[1] = (char)(0x80 | (ch >> 12 & 0x3f));
	to[2] = (char)(0x80 | (ch >> 6 & 0x3f));
	to[3] = (char)(0x80 | (ch & 0x3f));
	return 4;
}

bool text_is_harmless(uint32_t ch)
{
	for (size_t i = 0; i < ARRAY_SIZE(harmful) && ch >= harmful[i].first; i++)
		if (ch <= harmful[i].last)
			return false;
	return true;
}

/* The length in bytes of the character at `text` that may be shown as it is; 0 for one that may
 * not. *ret_next is behind it. */
static size_t harmless_length(const char *text, const char **ret_next)
{
	uint32_t ch;

	*ret_next = text;
	ch = utf8_next(ret_next);
	if (!text_is_harmless(ch) || (ch == '?' && *text != '?'))
		return 0;
	return (size_t)(*ret_next - text);
}

void text_utf8(char *text)
{
	const char *next = text;

	for (char *at = text; *at; at += next - at) {
		if (utf8_next(&next) == '?')
			*at = '?';
	}
}

void text_clean(char *text)
{
	const char *from = text, *next;
	char *to = text;

	for (; *from; from = next) {
		size_t n = harmless_length(from, &next);

		memmove(to, n ? from : "?", n ? n : 1);
		to += n ? n : 1;
	}
	*to = '\0';
}

void text_escape(const char *text, char *ret, size_t size)
{
	size_t used = 0;
	const char *next;

	for (; *text; text = next) {
		size_t n = *text == '\\' ? 0 : harmless_length(text, &next), bytes;

		next = n ? next : text + 1;
		bytes = n ? n : 4;
		if (used + bytes >= size)
			break;
		if (n)
			memcpy(ret + used, text, n);
		else
			snprintf(ret + used, 5, "\\x%02x", (unsigned char)*text);
		used += bytes;
	}
	ret[used] = '\0';
}

void text_put(const char *text, FILE *to)
{
	const char *next;

	for (; *text; text = next) {
		size_t n = harmless_length(text, &next);

		fwrite(n ? text : "?", 1, n ? n : 1, to);
	}
}

void text_wrap(const char *text, int at, int width, FILE *to)
{
	int column = at;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > at && column + 1 + len > width) {
			fprintf(to, "\n%*s", at, "");
			column = at;
		}
		column += fprintf(to, "%s%.*s", column > at ? " " : "", len, text);
		text += len;
		text += strspn(text, " ");
	}
	fputc('\n', to);
}
