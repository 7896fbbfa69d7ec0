# SPDX-License-Identifier: MIT
# A short front for Meson: `make help`.

BUILD ?= build
ASAN  ?= build-asan

.PHONY: help all setup lab test check bench mutants deb fuzz lint format clean

help: ## show this text
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

all: setup ## build everything into build/
	@scripts/build $(BUILD)

setup: ## install what is missing (apt, as root)
	@scripts/setup

lab: all ## boot virtual machines on one CPU and show who really used it
	@$(BUILD)/desched lab $(LAB)

test: setup ## build with gcc and clang, run every test, also under ASan and UBSan
	@scripts/test

bench: all ## measure what desched costs, against runs without it
	@bench/run

mutants: setup ## break the policy in small ways, one at a time: does a test notice? (an hour)
	@scripts/mutants

deb: ## build Debian packages into build-deb/, checked by lintian
	@DESCHED_PURPOSES="build lab deb" scripts/setup
	@scripts/deb

lint: setup ## clang-format, clang-tidy, cppcheck, shellcheck
	@scripts/lint

clean: ## remove what was built; what was downloaded stays in cache/
	rm -rf build build-asan build-deb
