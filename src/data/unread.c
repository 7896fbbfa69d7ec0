/* SPDX-License-Identifier: MIT */
/* Files that many people have and that nothing here reads: a row says what it is and what to do. */
#include "data/format.h"

#include "base/units.h"

#include <string.h>

static const struct {
	const char *begin; /* of the file; NULL: `within` alone tells */
	size_t size;
	const char *within; /* somewhere in its first KiB; NULL: `begin` alone tells */
	const char *remedy;
} rows[] = {
	{"\x96\xd5", 2, NULL, "a binary file of sar; convert it with 'sadf -d FILE -- -u'"},
	{"\xd5\x96", 2, NULL, "a binary file of sar; convert it with 'sadf -d FILE -- -u'"},
	{"\x1f\x8b", 2, NULL, "compressed; unpack it with gunzip"},
	{"\xfd"
	 "7zXZ",
	 5, NULL, "compressed; unpack it with unxz"},
	{"BZh", 3, NULL, "compressed; unpack it with bunzip2"},
	{"\x28\xb5\x2f\xfd", 4, NULL, "compressed; unpack it with unzstd"},
	{"PK\x03\x04", 4, NULL, "a zip file or a spreadsheet; unpack it, or export it as CSV"},
	{"\x00\x00\x01\x00", 4, NULL,
	 "a binary log of perfmon; convert it with 'relog FILE -f CSV -o OUT.csv'"},
	{NULL, 0, "\"sysstat\":", "JSON of sadf; 'sadf -d FILE -- -u' is read"},
	{NULL, 0, "<sysstat", "XML of sadf; 'sadf -d FILE -- -u' is read"},
	{NULL, 0, "\t%user\t", "lines of 'sadf -p'; 'sadf -d FILE -- -u' is read"},
	{NULL, 0, "\t%usr\t", "lines of 'sadf -p'; 'sadf -d FILE -- -u' is read"},
	{NULL, 0, "load average:", "what top prints, which has no intervals; use 'pidstat -hH 5'"},
	{NULL, 0, "procs -----", "what vmstat prints, which has no times; use 'sar -u 5'"},
	{NULL, 0, "<html", "a web page, not what it links to"},
};

static const char *remedy_of_row(size_t i, const char *bytes, size_t size)
{
	const char *within = rows[i].within;

	if (rows[i].begin && (size < rows[i].size || memcmp(bytes, rows[i].begin, rows[i].size)))
		return NULL;
	if (within && !memmem(bytes, size < KIB ? size : KIB, within, strlen(within)))
		return NULL;
	return rows[i].remedy;
}

const char *unread_remedy(const char *bytes, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *remedy = remedy_of_row(i, bytes, size);

		if (remedy)
			return remedy;
	}
	return NULL;
}
