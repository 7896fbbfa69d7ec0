/* SPDX-License-Identifier: MIT */
#include "vmm/madt.h"

#include "vmm/board.h"
#include "vmm/lapic.h"

#include <assert.h>
#include <stddef.h>

#define MAKER	       "DESCHD"
#define PACKED	       __attribute__((packed))
#define HAS_8259       1
#define ENABLED	       1
#define LOCAL_APIC     0
#define LOCAL_APIC_NMI 4
#define EVERYBODY      0xff

/* 5.2.5.3 */
struct PACKED pointer {
	char signature[8];
	uint8_t checksum;
	char maker[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t checksum_all, reserved[3];
};

/* 5.2.6 */
struct PACKED header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char maker[6], table[8];
	uint32_t table_revision;
	char creator[4];
	uint32_t creator_revision;
};

/* 5.2.8 */
struct PACKED root {
	struct header header;
	uint64_t tables[1];
};

/* 5.2.12.2 */
struct PACKED local_apic {
	uint8_t type, length, processor, id;
	uint32_t flags;
};

/* 5.2.12.7 */
struct PACKED local_apic_nmi {
	uint8_t type, length, processor;
	uint16_t flags;
	uint8_t pin;
};

/* 5.2.12 */
struct PACKED madt {
	struct header header;
	uint32_t local_apic, flags;
	struct local_apic_nmi nmi;
	struct local_apic apics[BOARD_CPUS_MAX];
};

struct all {
	_Alignas(16) struct pointer pointer;
	_Alignas(16) struct root root;
	_Alignas(16) struct madt madt;
};

static_assert(sizeof(struct pointer) == 36 && sizeof(struct header) == 36 &&
		      sizeof(struct local_apic) == 8 && sizeof(struct local_apic_nmi) == 6,
	      "as the specification has them");

/* What makes the sum of all bytes 0. */
static uint8_t checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;

	while (size--)
		sum = (uint8_t)(sum + *bytes++);
	return (uint8_t)-sum;
}

static struct header header(const char *signature, uint8_t revision, size_t length)
{
	struct header h = {.length = (uint32_t)length,
			   .revision = revision,
			   .maker = MAKER,
			   .table = MAKER "VM",
			   .table_revision = 1,
			   .creator = "DSCH",
			   .creator_revision = 1};

	memcpy(h.signature, signature, sizeof(h.signature));
	return h;
}

static void make_madt(struct madt *t, unsigned cpus)
{
	size_t length = offsetof(struct madt, apics) + cpus * sizeof(t->apics[0]);

	t->header = header("APIC", 4, length);
	t->local_apic = (uint32_t)LAPIC_BASE;
	t->flags = HAS_8259;
	t->nmi = (struct local_apic_nmi){LOCAL_APIC_NMI, sizeof(t->nmi), EVERYBODY, 0, 1};
	for (unsigned i = 0; i < cpus; i++)
		t->apics[i] = (struct local_apic){LOCAL_APIC, sizeof(t->apics[i]), (uint8_t)i,
						  (uint8_t)i, ENABLED};
	t->header.checksum = checksum(t, length);
}

static void make_root(struct all *a)
{
	struct pointer *p = &a->pointer;

	a->root.header = header("XSDT", 1, sizeof(a->root));
	a->root.tables[0] = MADT_ROOT + offsetof(struct all, madt);
	a->root.header.checksum = checksum(&a->root, sizeof(a->root));
	*p = (struct pointer){.maker = MAKER,
			      .revision = 2,
			      .length = sizeof(*p),
			      .xsdt = MADT_ROOT + offsetof(struct all, root)};
	memcpy(p->signature, "RSD PTR ", sizeof(p->signature));
	p->checksum = checksum(p, offsetof(struct pointer, length));
	p->checksum_all = checksum(p, sizeof(*p));
}

void madt_put(const struct memory *m, unsigned cpus)
{
	struct all a = {0};

	make_madt(&a.madt, cpus);
	make_root(&a);
	memcpy(m->base + MADT_ROOT, &a, sizeof(a));
}
