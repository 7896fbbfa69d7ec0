/* SPDX-License-Identifier: MIT */
/* What a local process may send to vmdesched: one line, any bytes. */
#include "fuzz.h"

#include "guest/protocol.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum protocol_request request = (enum protocol_request)77;
	struct failure f = {""};
	int err = protocol_parse((const char *)data, size, &f, &request);

	if (err == 0)
		CHECK(request <= PROTOCOL_VERSION);
	else
		CHECK(err == -EINVAL && f.text[0] && (int)request == 77);
	return 0;
}
