/* SPDX-License-Identifier: MIT */
#include "screen/scene.h"

void scene_add_hit(struct layout *l, int y, int x, int width, int key)
{
	if (l->n_hits < LAYOUT_HITS_MAX && width > 0)
		l->hits[l->n_hits++] = (struct hit){y, x, 1, width, key};
}
