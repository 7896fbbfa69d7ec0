/* SPDX-License-Identifier: MIT */
/*
 * Text from outside on its way to a terminal. A process or a virtual machine may call itself
 * anything: control characters would take over the terminal, and characters that turn the direction
 * of writing, or have no width, would make one name look like another.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The next character of *text, taken as UTF-8; *text moves behind it. A byte that isn't part of a
 * character counts as '?'. *text must not be at its end. */
uint32_t utf8_next(const char **text);

/* Writes a character as UTF-8, at most 4 bytes, without a NUL behind it; returns how many. A NUL
 * becomes '?': text must not stop there. */
size_t utf8_put(uint32_t ch, char *to);

/* Whether a terminal may see this character: no control, no change of direction, nothing that is
 * invisible. */
bool text_is_harmless(uint32_t ch);

/* Replaces each character that isn't harmless by '?', in place; the text never grows. */
void text_clean(char *text);

/* Copies the text, cut to fit after a whole character, with each byte of a character that isn't
 * harmless, and the backslash, as `\\xNN`: nothing is lost, and nothing can be forged. */
void text_escape(const char *text, char *ret, size_t size);

/* Replaces each byte that isn't part of a character by '?', in place. */
void text_utf8(char *text);

/* Prints the words of `text`, the cursor being in column `at`, with line breaks before column
 * `width`; further lines begin in column `at`, too. Ends with a newline. */
void text_wrap(const char *text, int at, int width, FILE *to);

/* Prints the text, cleaned. */
void text_put(const char *text, FILE *to);

#endif
