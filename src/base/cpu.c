/* SPDX-License-Identifier: MIT */
#include "base/cpu.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

bool cpu_hypervisor(char ret_signature[12])
{
	unsigned eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & (1u << 31)))
		return false;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(ret_signature, &ebx, 4);
	memcpy(ret_signature + 4, &ecx, 4);
	memcpy(ret_signature + 8, &edx, 4);
	return true;
}

uint32_t cpu_kvm_features(void)
{
	unsigned eax, ebx, ecx, edx;
	char signature[12];

	if (!cpu_hypervisor(signature) || memcmp(signature, "KVMKVMKVM\0\0\0", 12) != 0)
		return 0;
	__cpuid(0x40000001, eax, ebx, ecx, edx);
	return eax;
}
#else
bool cpu_hypervisor(char ret_signature[12])
{
	(void)ret_signature;
	return false;
}

uint32_t cpu_kvm_features(void)
{
	return 0;
}
#endif
