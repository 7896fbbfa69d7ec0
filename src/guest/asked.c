/* SPDX-License-Identifier: MIT */
#include "guest/asked.h"

#include "guest/source.h"
#include "wire/protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool names_source(const char *source)
{
	return source && strcmp(source, "auto") != 0;
}

int asked_whose(const struct asked *asked, struct failure *f, enum asked_whose *ret)
{
	bool own = asked->page || names_source(asked->source);

	if (own && asked->socket)
		return failure_set(f, -EINVAL,
				   "--socket asks a daemon, %s measures without one: give one of "
				   "the two",
				   asked->page ? "--page" : "--source");
	*ret = own ? ASKED_OWN : asked->socket ? ASKED_VMDESCHED : ASKED_ANY;
	return 0;
}

int asked_source(const char *source, const char *page, struct failure *f, const char **ret)
{
	bool named = names_source(source);

	if (page && named && strcmp(source, source_page.name) != 0)
		return failure_set(f, -EINVAL, "source %s reads no ledger page: leave out %s",
				   source, page);
	*ret = page ? source_page.name : named ? source : NULL;
	return 0;
}

const char *asked_socket(const struct asked *asked)
{
	return asked->socket ? asked->socket : PROTOCOL_SOCKET;
}
