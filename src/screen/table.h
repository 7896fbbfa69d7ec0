/* SPDX-License-Identifier: MIT */
/* A model without a screen: as a table of text, or as a line of JSON, by its subject's columns. */
#ifndef SCREEN_TABLE_H
#define SCREEN_TABLE_H

#include "screen/subject.h"

/* `until`: what follows the interval in the head, "" for nothing. */
void table_print(const struct model *m, const char *until, FILE *to);

/* The subject's schema. */
int table_json(const struct model *m, FILE *to, const char *what, struct failure *f);

#endif
