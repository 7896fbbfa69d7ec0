/* SPDX-License-Identifier: MIT */
/* What BPF programs in the kernel cost, while somebody holds bpf_enable_stats(). */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include <stdint.h>
#include <unistd.h>

#include <bpf/bpf.h>

/* Of all programs in the kernel that were loaded after number `from`. */
struct programs {
	uint32_t last;
	int n;
	uint64_t ns, runs;
};

static inline struct programs programs_since(uint32_t from)
{
	struct programs p = {.last = from};

	while (!bpf_prog_get_next_id(p.last, &p.last)) {
		struct bpf_prog_info info = {.type = 0};
		uint32_t size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(p.last);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size)) {
			p.n++;
			p.ns += info.run_time_ns;
			p.runs += info.run_cnt;
		}
		if (fd >= 0)
			close(fd);
	}
	return p;
}

#endif
