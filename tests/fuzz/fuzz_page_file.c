/* SPDX-License-Identifier: MIT */
/* A process may have any command line: what is taken from it fits, and is printable where people
 * see it. */
#include "fuzz.h"

#include "host/find_monitor.h"
#include "host/finder.h"
#include "host/page_device.h"
#include "host/vm_name.h"

#include <stdbool.h>
#include <string.h>

static bool is_printable(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct words w = {.text = malloc(size + 1), .size = size};
	struct page_device *devices = NULL;
	struct host_vm vm = {.pid = 1};
	char monitor[108];
	unsigned more;
	int n;

	memcpy(w.text, data, size);
	w.text[size] = '\0';
	n = page_devices(&w, &devices, &more);
	CHECK(n >= 0 && n <= PAGE_DEVICES_MAX);
	CHECK(!more || n == PAGE_DEVICES_MAX);
	for (int i = 0; i < n; i++) {
		CHECK(strlen(devices[i].file) < sizeof(devices[i].file));
		CHECK(is_printable(devices[i].name) && is_printable(devices[i].why));
	}
	for (unsigned i = 0; i < 8 && !monitor_path(&w, i, monitor, sizeof(monitor)); i++)
		CHECK(strlen(monitor) < sizeof(monitor));
	vm_name_read(&w, &vm);
	CHECK(is_printable(vm.called) && is_printable(vm.uuid) && is_printable(vm.id));
	free(devices);
	free(w.text);
	return 0;
}
