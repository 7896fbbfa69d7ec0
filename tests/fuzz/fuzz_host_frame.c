/* SPDX-License-Identifier: MIT */
/*
 * What answers on deschedd's socket, or stands in a recording: loaded within bounds and read as a
 * host's frame, or refused. What was read keeps its promises, and is the same when it is written and
 * read again.
 */
#include "fuzz.h"

#include "wire/host_frame.h"
#include "wire/wire.h"

#include <errno.h>
#include <string.h>

static void check_name(const char *text, size_t room)
{
	CHECK(strnlen(text, room) < room);
	for (; *text; text++)
		CHECK((unsigned char)*text >= ' ' && *text != 127);
}

static void check_vm(const struct host_frame_vm *vm)
{
	CHECK(vm->pid >= 0 && vm->n_vcpus <= HOST_FRAME_VCPUS_MAX);
	check_name(vm->name, sizeof(vm->name));
	check_name(vm->uuid, sizeof(vm->uuid));
	for (size_t v = 0; v < vm->n_vcpus; v++) {
		uint64_t sum = 0;

		CHECK(vm->vcpus[v].state < LEDGER_STATES);
		for (int s = 0; s < LEDGER_STATES; s++)
			sum += vm->vcpus[v].ns[s];
		CHECK(sum <= INT64_MAX);
	}
	for (size_t i = 0; i < vm->n_blames; i++)
		CHECK(vm->blames[i].kind < CULPRITS);
	for (size_t i = 0; i < vm->n_pages; i++)
		check_name(vm->pages[i].why, sizeof(vm->pages[i].why));
}

static void check(const struct host_frame *f)
{
	CHECK(f->n_vms <= HOST_FRAME_VMS_MAX && f->n_unseen >= f->n_unmeasured);
	check_name(f->source, sizeof(f->source));
	check_name(f->unseen, sizeof(f->unseen));
	for (size_t i = 0; i < f->n_vms; i++)
		check_vm(&f->vms[i]);
}

static void there_and_back(const struct host_frame *f)
{
	json_t *o = host_frame_json(f), *again;
	struct host_frame back;

	CHECK(o && host_frame_decode(o, NULL, &back) == 0);
	check(&back);
	again = host_frame_json(&back);
	CHECK(json_equal(o, again));
	json_decref(o);
	json_decref(again);
	host_frame_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure f = {""};
	struct host_frame frame;
	json_t *o = NULL;
	int err;

	if (wire_load((const char *)data, size, &o))
		return 0;
	err = host_frame_decode(o, &f, &frame);
	CHECK(err == 0 || (err == -EBADMSG && f.text[0] && !strchr(f.text, '\n')));
	json_decref(o);
	if (err)
		return 0;
	check(&frame);
	there_and_back(&frame);
	host_frame_done(&frame);
	return 0;
}
