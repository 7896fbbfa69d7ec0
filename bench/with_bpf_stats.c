/* SPDX-License-Identifier: MIT */
/*
 * with_bpf_stats COMMAND [ARG...]: the kernel counts runs of BPF programs and their time as long as COMMAND, or a
 * process that it started, is there, and no longer, however these end.
 */
#include <bpf/bpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int stats = argc > 1 ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1;

	if (argc < 2)
		fputs("Usage: with_bpf_stats COMMAND [ARG...]\n", stderr);
	else if (stats < 0 || fcntl(stats, F_SETFD, 0))
		perror("with_bpf_stats: BPF statistics");
	else
		execvp(argv[1], argv + 1);
	return 1;
}
