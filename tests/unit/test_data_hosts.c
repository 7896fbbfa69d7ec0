/* SPDX-License-Identifier: MIT */
/*
 * Files of hosts, read for all that is in them: each format has a writer here that writes a made-up
 * world down as the program does. test_data_guests.c has those of guests, test_correct_formats.c
 * odd cases.
 */
#include "data_world.h"

static const char *const vm_names[] = {"web1", "db: a, \"b\"", "web1"};
static const char *const vm_quoted[] = {"web1", "db: a, \"\"b\"\"", "web1"};

/* The sum over the intervals up to t, as counters have it. */
static uint64_t counter(const struct world *w, unsigned owner, unsigned part, unsigned what,
			unsigned t, unsigned most)
{
	uint64_t sum = 1000;

	for (unsigned i = 1; i <= t; i++)
		sum += figure(w, owner, part, what, i, most);
	return sum;
}

static void esxtop_head(struct world *w)
{
	put(w, "\"(PDH-CSV 4.0) (UTC)(0)\"");
	for (unsigned v = 0; v < w->owners; v++) {
		for (unsigned c = 0; c < w->parts; c++) {
			static const char *const names[] = {"Run", "Ready", "CoStop"};

			for (unsigned q = 0; q < 3; q++)
				put(w, ",\"\\\\esx\\Vcpu(%u:%s:%u:vmx-vcpu-%u:%s)\\%% %s\"",
				    100 + v, vm_quoted[v], 1000 + c, c, vm_quoted[v], names[q]);
			put(w, ",\"\\\\esx\\Vcpu(%u:%s:%u:vmx)\\%% Run\"", 100 + v, vm_quoted[v],
			    2000 + c);
		}
		put(w, ",\"\\\\esx\\Group Cpu(%u:%s)\\%% Used\"", 100 + v, vm_quoted[v]);
		put(w, ",\"\\\\esx\\Group Memory(%u:%s)\\Memory Size MBytes\"", 100 + v,
		    vm_quoted[v]);
	}
	/* By its name alone: only one that is the only one of its name. */
	put(w, ",\"\\\\esx\\Virtual Disk(%s:scsi0:1)\\MBytes Read/sec\"",
	    vm_quoted[w->owners == 2]);
	put(w, ",\"\\\\esx\\Network Port(vSwitch0:7:8:%s.eth0)\\MBits Transmitted/sec\"",
	    vm_quoted[w->owners == 2]);
	put(w, ",\"\\\\esx\\Group Cpu(1:idle)\\%% Used\",\"\\\\esx\\Physical Cpu(0)\\%% Util "
	       "Time\"\n");
}

static void esxtop_vm(struct world *w, unsigned v, unsigned t)
{
	static const enum data_quantity quantities[] = {DATA_CPU, DATA_READY, DATA_COSTOP};
	unsigned sums[3] = {0}, memory = figure(w, v, 0, W_MEMORY, t, 9000);
	char id[16], name[16];

	snprintf(id, sizeof(id), "%u", 100 + v);
	for (unsigned c = 0; c < w->parts; c++) {
		snprintf(name, sizeof(name), "%u", c);
		for (unsigned q = 0; q < 3; q++) {
			unsigned p = figure(w, v, c, q, t, 3000);

			sums[q] += p;
			put(w, ",\"%u.%02u\"", p / 100, p % 100);
			if (t)
				name_it(expect(w, DATA_KIND_VCPU, quantities[q], t,
					       percent_seconds(w, p)),
					id, name, "");
		}
		put(w, ",\"77.00\"");
	}
	put(w, ",\"88.00\",\"%u\"", memory);
	for (unsigned q = 0; q < 3 && t; q++)
		name_it(expect(w, DATA_KIND_VM, quantities[q], t, percent_seconds(w, sums[q])), "",
			vm_names[v], id);
	if (t)
		name_it(expect(w, DATA_KIND_VM, DATA_MEMORY_SIZE, t, memory * MIB_D), "",
			vm_names[v], id);
}

static void esxtop_rest(struct world *w, unsigned t)
{
	unsigned read = figure(w, 9, 0, W_READ, t, 900), sent = figure(w, 9, 0, W_SENT, t, 900);
	unsigned used = figure(w, 9, 1, W_OTHER, t, 9000);
	const char *vm = vm_names[w->owners == 2], *port = "vSwitch0:7:8:%s.eth0";
	const char *id = w->owners == 2 ? "101" : "100";
	char name[64];

	put(w, ",\"%u\",\"%u\",\"%u.%02u\",\"%u.%02u\"\n", read, sent, used / 100, used % 100,
	    used / 100, used % 100);
	if (!t)
		return;
	snprintf(name, sizeof(name), port, vm);
	name_it(expect(w, DATA_KIND_GROUP, DATA_CPU, t, percent_seconds(w, used)), "", "idle", "1");
	name_it(expect(w, DATA_KIND_MACHINE, DATA_CPU, t, percent_seconds(w, used)), "", "esx", "");
	name_it(expect(w, DATA_KIND_CPU, DATA_CPU, t, percent_seconds(w, used)), "esx", "0", "");
	if (w->owners == 3)
		return; /* two are called so */
	name_it(expect(w, DATA_KIND_DISK, DATA_DISK_READ, t, read * MIB_D * w->step), id, "scsi0:1",
		"");
	name_it(expect(w, DATA_KIND_INTERFACE, DATA_NET_SENT, t, sent * 125000.0 * w->step), id,
		name, "");
}

static void write_esxtop(struct world *w)
{
	char time[64];

	esxtop_head(w);
	for (unsigned t = 0; t <= w->n; t++) {
		clock_text(time_of(w, t), "%m/%d/%Y %H:%M:%S", time, sizeof(time));
		put(w, "\"%s\"", time);
		for (unsigned v = 0; v < w->owners; v++)
			esxtop_vm(w, v, t);
		esxtop_rest(w, t);
	}
}

static void test_esxtop(void **state)
{
	(void)state;
	try_worlds(write_esxtop, "esxtop -b");
}

/* What libvirt's counters of one VM must come to. */
static void expect_domstats(struct world *w, unsigned v, unsigned t, const char *name,
			    const char *id)
{
	const char *owner = id[0] ? id : name;
	double sums[2] = {0};
	char part[16];

	for (unsigned c = 0; c < w->parts; c++) {
		snprintf(part, sizeof(part), "%u", c);
		for (unsigned q = 0; q < 2; q++) {
			double s = figure(w, v, c, q, t, 900000000) / 1e9;

			sums[q] += s;
			name_it(expect(w, DATA_KIND_VCPU, q ? DATA_READY : DATA_CPU, t, s), owner,
				part, "");
		}
	}
	name_it(expect(w, DATA_KIND_VM, DATA_CPU, t, sums[0]), "", name, id);
	name_it(expect(w, DATA_KIND_VM, DATA_READY, t, sums[1]), "", name, id);
	name_it(expect(w, DATA_KIND_VM, DATA_MEMORY_GRANTED, t,
		       1024.0 * figure(w, v, 0, W_MEMORY, t, 4000000)),
		"", name, id);
	name_it(expect(w, DATA_KIND_DISK, DATA_DISK_READ, t, figure(w, v, 0, W_READ, t, 70000)),
		owner, "vda", "");
	name_it(expect(w, DATA_KIND_INTERFACE, DATA_NET_SENT, t, figure(w, v, 0, W_SENT, t, 70000)),
		owner, "0", "");
}

static void write_domstats(struct world *w)
{
	char id[16];

	put(w, "uuid;domain;time");
	for (unsigned c = 0; c < w->parts; c++)
		put(w, ";vcpu.%u.time;vcpu.%u.delay;vcpu.%u.state", c, c, c);
	put(w, ";cpu.time;balloon.current;block.0.name;block.0.rd.bytes;net.0.tx.bytes\n");
	for (unsigned t = 0; t <= w->n; t++)
		for (unsigned v = 0; v < w->owners; v++) {
			snprintf(id, sizeof(id), "u-%u", v);
			put(w, "%s;\"%s\";%.0f", id, vm_quoted[v], time_of(w, t));
			for (unsigned c = 0; c < w->parts; c++)
				put(w, ";%llu;%llu;1",
				    (unsigned long long)counter(w, v, c, W_RUN, t, 900000000),
				    (unsigned long long)counter(w, v, c, W_READY, t, 900000000));
			put(w, ";5;%u;vda;%llu;%llu\n", figure(w, v, 0, W_MEMORY, t, 4000000),
			    (unsigned long long)counter(w, v, 0, W_READ, t, 70000),
			    (unsigned long long)counter(w, v, 0, W_SENT, t, 70000));
			if (t)
				expect_domstats(w, v, t, vm_names[v], id);
		}
}

static void virsh_vm(struct world *w, unsigned v, unsigned t)
{
	static const char *const names[] = {"web1", "db", "a: b=c.d"};

	put(w, "Domain: '%s'\n", names[v]);
	for (unsigned c = 0; c < w->parts; c++)
		put(w, "  vcpu.%u.state=1\n  vcpu.%u.time=%llu\n  vcpu.%u.delay=%llu\n", c, c,
		    (unsigned long long)counter(w, v, c, W_RUN, t, 900000000), c,
		    (unsigned long long)counter(w, v, c, W_READY, t, 900000000));
	put(w,
	    "  balloon.current=%u\n  block.count=1\n  block.0.name=vda\n"
	    "  block.0.rd.bytes=%llu\n  net.0.tx.bytes=%llu\n\n",
	    figure(w, v, 0, W_MEMORY, t, 4000000),
	    (unsigned long long)counter(w, v, 0, W_READ, t, 70000),
	    (unsigned long long)counter(w, v, 0, W_SENT, t, 70000));
	if (t)
		expect_domstats(w, v, t, names[v], "");
}

static void write_virsh(struct world *w)
{
	bool behind = w->dice % 2;

	for (unsigned t = 0; t <= w->n; t++) {
		if (!behind)
			put(w, "%.0f\n", time_of(w, t));
		for (unsigned v = 0; v < w->owners; v++)
			virsh_vm(w, v, t);
		if (behind)
			put(w, "%.0f\n", time_of(w, t));
	}
}

static void test_domstats(void **state)
{
	(void)state;
	try_worlds(write_domstats, "domstats");
	try_worlds(write_virsh, "virsh domstats");
}

static void write_ledger(struct world *w)
{
	static const struct {
		const char *key;
		enum data_quantity quantity;
	} states[] = {{"run", DATA_CPU},
		      {"ready", DATA_READY},
		      {"costop", DATA_COSTOP},
		      {"limited", DATA_LIMITED},
		      {"swapwait", DATA_SWAPWAIT}};

	for (unsigned t = 1; t <= w->n; t++) {
		put(w, "{\"kind\":\"interval\",\"time_s\":%.0f,\"seconds\":%u,\"vms\":[",
		    time_of(w, t), w->step);
		for (unsigned v = 0; v < w->owners; v++) {
			double sums[ARRAY_SIZE(states)] = {0};
			char pid[16], part[16];

			snprintf(pid, sizeof(pid), "%u", 500 + v);
			put(w, "%s{\"name\":\"web1\",\"pid\":%s,\"vcpus\":[", v ? "," : "", pid);
			for (unsigned c = 0; c < w->parts; c++) {
				snprintf(part, sizeof(part), "%u", c);
				put(w, "%s{\"index\":%u,\"seconds\":{\"halt\":1", c ? "," : "", c);
				for (unsigned q = 0; q < ARRAY_SIZE(states); q++) {
					double s = figure(w, v, c, q, t, 1000) / 1e3;

					sums[q] += s;
					put(w, ",\"%s\":%.3f", states[q].key, s);
					name_it(expect(w, DATA_KIND_VCPU, states[q].quantity, t, s),
						pid, part, "");
				}
				put(w, "}}");
			}
			put(w, "]}");
			for (unsigned q = 0; q < ARRAY_SIZE(states); q++)
				name_it(expect(w, DATA_KIND_VM, states[q].quantity, t, sums[q]), "",
					"web1", pid);
		}
		put(w, "]}\n");
	}
}

static void test_ledger(void **state)
{
	(void)state;
	try_worlds(write_ledger, "desched ledger");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_esxtop),
		cmocka_unit_test(test_domstats),
		cmocka_unit_test(test_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
