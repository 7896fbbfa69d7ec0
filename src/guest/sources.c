/* SPDX-License-Identifier: MIT */
/* The table of sources, best first. */
#include "guest/source.h"

#include <stddef.h>

const struct source_ops *const sources[] = {&source_steal, &source_page, &source_self, NULL};
