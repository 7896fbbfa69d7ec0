/* SPDX-License-Identifier: MIT */
/*
 * uthash, which would end the process where there is no memory for its table. Here an element that
 * could not be added has a NULL in hh.tbl afterwards: HASH_ADD is followed by a look at it.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h> /* IWYU pragma: export */

#endif
