/* SPDX-License-Identifier: MIT */
/*
 * Linked into a program, makes one of its allocations fail, or all from one on, those of libraries
 * among them. The environment says which:
 *
 *   FAIL_AT=N     the N-th allocation fails, counted from 1
 *   FAIL_FROM=N   that one and all after it
 *   FAIL_COUNT=F  at its end the program writes into file F how many there were
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What stands behind malloc: the sanitizer's, or the C library's. */
#ifdef DESCHED_ASAN
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t size);
void *REAL(memalign)(size_t align, size_t size);

static atomic_ulong count;
static unsigned long first, last; /* numbers of the allocations that fail; 0: none */
static const char *count_file;

static unsigned long number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
	count_file = getenv("FAIL_COUNT");
	first = last = number("FAIL_AT");
	if (!first) {
		first = number("FAIL_FROM");
		last = ULONG_MAX;
	}
	count = 0;
}

__attribute__((destructor)) static void end(void)
{
	char text[32];
	int fd = count_file ? open(count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	int n = snprintf(text, sizeof(text), "%lu\n", (unsigned long)count);

	if (fd >= 0 && write(fd, text, (size_t)n) == n)
		close(fd);
}

static bool fails(void)
{
	unsigned long i = ++count;

	if (!first || i < first || i > last)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : REAL(malloc)(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : REAL(calloc)(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : REAL(realloc)(p, size);
}

int posix_memalign(void **ret, size_t align, size_t size)
{
	void *p = fails() ? NULL : REAL(memalign)(align, size);

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void *aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : REAL(memalign)(align, size);
}

/* The sanitizers have these two of their own, which ask no malloc that could be replaced. */
char *strndup(const char *text, size_t most)
{
	size_t n = strnlen(text, most);
	char *copy = malloc(n + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

char *strdup(const char *text)
{
	return strndup(text, SIZE_MAX / 2 - 1);
}
