/* SPDX-License-Identifier: MIT */
#include "guest/still.h"

#include "base/clock.h"
#include "base/units.h"

#define AGREE_NS 3000	/* rates over a fraction of a second are as good */
#define STALER	 100000 /* with every second less is known of where the offset is now, 1e-9 */

static void begin(struct still *s, const struct bracket *b)
{
	s->all = s->recent = *b;
	s->brackets = 1;
	s->strikes = 0;
	s->eras++;
}

static void strike(struct still *s, const struct bracket *b, int64_t apart)
{
	s->contradicted++;
	s->doubt = apart > s->doubt || !s->strikes ? apart : s->doubt;
	if (s->strikes && b->at - s->struck.at < STILL_APART_NS)
		return;
	s->struck = *b;
	if (++s->strikes >= STILL_STRIKES)
		begin(s, b);
}

static int64_t staler(const struct still *s, const struct bracket *b)
{
	return clock_muldiv_signed((int64_t)(b->at - s->recent.at), STALER, (int64_t)NS_PER_SEC);
}

static void agree(struct still *s, const struct bracket *b)
{
	s->brackets++;
	if (s->strikes && bracket_apart(&s->struck, b) > AGREE_NS) /* so the strikes were wrong */
		s->strikes = 0;
	if (b->high < s->all.high)
		s->all.high = b->high;
	if (b->low > s->all.low)
		s->all.low = b->low;
	if (s->all.low > s->all.high)
		s->all.low = s->all.high;
	if (b->high - b->low <= s->recent.high - s->recent.low + staler(s, b))
		s->recent = *b;
}

void still_add(struct still *s, const struct bracket *b)
{
	int64_t apart = s->brackets ? bracket_apart(&s->all, b) : 0;

	s->newest = b->at;
	if (!s->brackets)
		begin(s, b);
	else if (apart > AGREE_NS)
		strike(s, b, apart);
	else
		agree(s, b);
}

bool still_is_sure(const struct still *s)
{
	return s->brackets && !s->strikes &&
	       (s->eras == 1 || s->newest - s->all.at >= STILL_SURE_NS);
}

/* What is too slow to be seen yet may have moved it as far as the last tight bracket allows. */
int64_t still_error(const struct still *s)
{
	int64_t error = s->all.high - s->all.low;
	int64_t later = s->recent.high - s->all.high;

	error = later > error ? later : error;
	if (s->strikes && 2 * s->doubt > error)
		error = 2 * s->doubt;
	return error + AGREE_NS;
}
