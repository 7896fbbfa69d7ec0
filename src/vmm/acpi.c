/* SPDX-License-Identifier: MIT */
#include "vmm/acpi.h"

#include "vmm/lapic.h"
#include "vmm/power.h"

#include <assert.h>
#include <stddef.h>

#define PACKED __attribute__((packed))
#define MAKER  "DESCHD"
#define SCI    9

/* Of the FADT. */
#define FLAG_WBINVD	 (1u << 0)
#define FLAG_HALT	 (1u << 2)
#define FLAG_NO_BUTTONS	 (3u << 4)
#define FLAG_NO_RTC_WAKE (1u << 6)
#define FLAG_RESET	 (1u << 10)
#define BOOT_LEGACY	 (1u << 0) /* a serial port; no keyboard controller */
#define BOOT_NO_VGA	 (1u << 2)
#define BOOT_NO_MSI	 (1u << 3)
#define CENTURY		 0x32 /* the CMOS clock's cell */

/* Of the MADT. */
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

/* 5.2.3.2 */
struct PACKED address {
	uint8_t space, bits, offset, access;
	uint64_t at;
};

/* 5.2.9, as of ACPI 2.0 */
struct PACKED fadt {
	struct header header;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci;
	uint32_t smi;
	uint8_t smi_values[4];
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, timer, gpe0, gpe1;
	uint8_t pm1_event_size, pm1_control_size, pm2_size, timer_size, gpe0_size, gpe1_size;
	uint8_t gpe1_base, c_states;
	uint16_t latencies[2], flushes[2];
	uint8_t duty[2], day_alarm, month_alarm, century;
	uint16_t boot;
	uint8_t reserved1;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value, reserved2[3];
	uint64_t x_facs, x_dsdt;
	struct address x_registers[8];
};

/* 5.2.10 */
struct PACKED facs {
	char signature[4];
	uint32_t length, fields[6];
	uint8_t version, reserved[31];
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
	struct local_apic apics[ACPI_CPUS];
};

/* What is in the namespace: \_S5, and \_SB with the devices. AML of 20.2 by hand: NAME is an
 * operator, a name, a value; lengths count from themselves on. */
#define NAME 0x08
struct PACKED device {
	uint8_t op[2], length;
	char name[4];
	struct PACKED {
		uint8_t op;
		char name[4];
		uint8_t kind;
		char id[9];
	} hid;
	struct PACKED {
		uint8_t op;
		char name[4];
		uint8_t kind, value;
	} uid;
	struct PACKED {
		uint8_t op;
		char name[4];
		uint8_t buffer, length, size_kind, size;
		uint8_t memory, memory_length[2], writable;
		uint32_t at, room;
		uint8_t interrupt, interrupt_length[2], flags, count;
		uint32_t line;
		uint8_t end[2];
	} crs;
};

struct PACKED names {
	struct header header;
	uint8_t s5[13];
	uint8_t scope, length[2];
	char name[4];
	struct device devices[ACPI_DEVICES];
};

struct tables {
	_Alignas(16) struct pointer pointer;
	_Alignas(64) struct facs facs;
	_Alignas(16) struct PACKED {
		struct header header;
		uint64_t at[2]; /* of the tables */
	} root;
	_Alignas(16) struct fadt fadt;
	_Alignas(16) struct madt madt;
	_Alignas(16) struct names names;
};

static_assert(sizeof(struct pointer) == 36 && sizeof(struct header) == 36 &&
		      sizeof(struct fadt) == 244 && sizeof(struct facs) == 64 &&
		      sizeof(struct local_apic) == 8 && sizeof(struct local_apic_nmi) == 6,
	      "as the specification has them");

/* Makes the sum of all bytes 0. */
static uint8_t checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;

	while (size--)
		sum = (uint8_t)(sum + *bytes++);
	return (uint8_t)-sum;
}

/* The last step of a table. */
static void seal(struct header *h, const char *signature, uint8_t revision, size_t length)
{
	*h = (struct header){.length = (uint32_t)length,
			     .revision = revision,
			     .maker = MAKER,
			     .table = MAKER "VM",
			     .table_revision = 1,
			     .creator = "DSCH",
			     .creator_revision = 1};
	memcpy(h->signature, signature, sizeof(h->signature));
	h->checksum = checksum(h, length);
}

static void make_device(struct device *d, unsigned i, const struct acpi_device *from)
{
	*d = (struct device){
		.op = {0x5b, 0x82},
		.length = sizeof(*d) - offsetof(struct device, length),
		.name = {'V', 'I', 'R', (char)('0' + i)},
		.hid = {NAME, "_HID", 0x0d, "LNRO0005"},
		.uid = {NAME, "_UID", 0x0a, (uint8_t)from->line},
		.crs = {.op = NAME,
			.name = "_CRS",
			.buffer = 0x11,
			.length = sizeof(d->crs) - 6,
			.size_kind = 0x0a,
			.size = sizeof(d->crs) - 9,
			.memory = 0x86, /* Memory32Fixed */
			.memory_length = {9},
			.writable = 1,
			.at = from->at,
			.room = from->size,
			.interrupt = 0x89, /* Interrupt: of a consumer, an edge to high */
			.interrupt_length = {6},
			.flags = 3,
			.count = 1,
			.line = from->line,
			.end = {0x79, 0}},
	};
}

/* Name (\_S5, Package () {5, 0, 0, 0}) and Scope (\_SB) {devices} */
static void make_names(struct names *t, const struct acpi_device *devices, unsigned n)
{
	static const uint8_t s5[] = {NAME, '_', 'S', '5', '_', 0x12, 7, 4, 0x0a, 5, 0, 0, 0};
	size_t end = offsetof(struct names, devices) + n * sizeof(t->devices[0]);
	size_t length = end - offsetof(struct names, length);

	memcpy(t->s5, s5, sizeof(s5));
	t->scope = 0x10;
	t->length[0] = (uint8_t)(0x40 | (length & 15));
	t->length[1] = (uint8_t)(length >> 4);
	memcpy(t->name, "_SB_", sizeof(t->name));
	for (unsigned i = 0; i < n; i++)
		make_device(&t->devices[i], i, &devices[i]);
	seal(&t->header, "DSDT", 2, end);
}

static void make_fadt(struct fadt *t)
{
	*t = (struct fadt){
		.facs = ACPI_ROOT + offsetof(struct tables, facs),
		.dsdt = ACPI_ROOT + offsetof(struct tables, names),
		.sci = SCI,
		.pm1a_event = POWER_STATUS,
		.pm1a_control = POWER_CONTROL,
		.pm1_event_size = 4,
		.pm1_control_size = 2,
		.latencies = {UINT16_MAX, UINT16_MAX}, /* no sleep but HLT */
		.century = CENTURY,
		.boot = BOOT_LEGACY | BOOT_NO_VGA | BOOT_NO_MSI,
		.flags = FLAG_WBINVD | FLAG_HALT | FLAG_NO_BUTTONS | FLAG_NO_RTC_WAKE | FLAG_RESET,
		.reset = {1, 8, 0, 1, POWER_RESET},
		.reset_value = POWER_RESET_VALUE,
	};
	seal(&t->header, "FACP", 3, sizeof(*t));
}

static void make_madt(struct madt *t, unsigned cpus)
{
	*t = (struct madt){
		.local_apic = (uint32_t)LAPIC_BASE,
		.flags = HAS_8259,
		.nmi = {LOCAL_APIC_NMI, sizeof(t->nmi), EVERYBODY, 0, 1},
	};
	for (unsigned i = 0; i < cpus; i++)
		t->apics[i] = (struct local_apic){LOCAL_APIC, sizeof(t->apics[i]), (uint8_t)i,
						  (uint8_t)i, ENABLED};
	seal(&t->header, "APIC", 4, offsetof(struct madt, apics) + cpus * sizeof(t->apics[0]));
}

static void make_pointer(struct pointer *p)
{
	*p = (struct pointer){.maker = MAKER,
			      .revision = 2,
			      .length = sizeof(*p),
			      .xsdt = ACPI_ROOT + offsetof(struct tables, root)};
	memcpy(p->signature, "RSD PTR ", sizeof(p->signature));
	p->checksum = checksum(p, offsetof(struct pointer, length));
	p->checksum_all = checksum(p, sizeof(*p));
}

void acpi_put(const struct memory *m, const struct acpi_device *devices, unsigned n, unsigned cpus)
{
	struct tables t = {.facs = {.signature = "FACS", .length = sizeof(t.facs), .version = 1}};
	size_t roots = sizeof(t.root) - (cpus ? 0 : sizeof(t.root.at[1]));

	make_pointer(&t.pointer);
	t.root.at[0] = ACPI_ROOT + offsetof(struct tables, fadt);
	if (cpus) {
		t.root.at[1] = ACPI_ROOT + offsetof(struct tables, madt);
		make_madt(&t.madt, cpus < ACPI_CPUS ? cpus : ACPI_CPUS);
	}
	seal(&t.root.header, "XSDT", 1, roots);
	make_fadt(&t.fadt);
	make_names(&t.names, devices, n < ACPI_DEVICES ? n : ACPI_DEVICES);
	memcpy(m->base + ACPI_ROOT, &t, sizeof(t));
}
