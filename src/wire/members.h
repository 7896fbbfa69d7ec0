/* SPDX-License-Identifier: MIT */
/*
 * The members of a JSON object, a row each, by which it is written and read: the name, what kind of
 * value it is, and where it stands in a structure. Members without a row are kept as they are.
 */
#ifndef WIRE_MEMBERS_H
#define WIRE_MEMBERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum member_kind {
	MEMBER_SECONDS,	 /* uint64_t: ns */
	MEMBER_COUNT,	 /* uint64_t below 2^63 */
	MEMBER_ID,	 /* uint64_t; a string of digits, since numbers of JSON are exact to 2^53 */
	MEMBER_PID,	 /* pid_t */
	MEMBER_OWNER,	 /* pid_t, which may stand for nobody: below 0 */
	MEMBER_CPU,	 /* unsigned */
	MEMBER_FRACTION, /* double: finite, not negative */
	MEMBER_BOOL,	 /* bool */
	MEMBER_LETTER,	 /* char */
	MEMBER_TEXT,	 /* const char * */
	MEMBER_NAME,	 /* char[room], harmless on a terminal (base/text.h) */
	MEMBER_WORD,	 /* an enum: one of `words`, by its number */
	MEMBER_STATE,	 /* uint32_t: enum ledger_state */
	MEMBER_STATES, /* uint64_t[LEDGER_STATES]: an object of ns by state, whose sum is below 2^63 */
	MEMBER_OBJECT, /* a structure, by the rows of `of` */
	MEMBER_LIST, /* a pointer to structures by the rows of `of`, their number at `room`; owned */
	MEMBER_APART, /* read and written by somebody else */
};

/* When it is written. */
enum member_when {
	WHEN_FRESH,	/* unless the clock is stale */
	WHEN_TOLD,	/* unless it is 0 and the snapshot is not split, where 0 is "not known" */
	WHEN_ALWAYS,	/* it says whose the other members are */
	WHEN_SPLIT,	/* if the snapshot is */
	WHEN_NOT_SPLIT, /* if the snapshot is not */
	WHEN_ESTIMATED, /* if the snapshot is */
	WHEN_KNOWN, /* unless it is 0; of an object: unless its first member is; a list: is there */
};

struct members;

struct member {
	const char *name;
	enum member_kind kind;
	size_t offset;
	enum member_when when;
	const struct members *of;
	size_t room;		  /* bytes; of a list, where the structure has its size_t */
	const char *const *words; /* a NULL behind the last */
};

#define MEMBERS_NO_MORE SIZE_MAX

struct members {
	const struct member *rows;
	size_t n;
	size_t size; /* of the structure */
	size_t more; /* where it has a json_t * for what has no row; MEMBERS_NO_MORE for none */
	size_t most; /* of them in a list */
};

struct snapshot;

/* The object; members that could not be allocated are missing: base/json_out.h. `s` NULL: of no
 * snapshot, all that is known is written. */
json_t *members_write(const struct members *m, const struct snapshot *s, const void *from);

/* What is read of one object after the other, and what was the first thing to be wrong with it. */
struct members_in {
	struct snapshot *s; /* has the texts; NULL where no row is a text */
	const char *wrong;  /* the first member that makes no sense */
	int err;	    /* -ENOMEM */
};

/* Leaves in *into what is not in the object, which may be NULL. */
void members_read(struct members_in *in, const struct members *m, const json_t *o, void *into);

/* What is wrong with this member makes the whole bad. */
void members_complain(struct members_in *in, const char *name);

#endif
