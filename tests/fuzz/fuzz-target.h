/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What libFuzzer calls (llvm.org/docs/LibFuzzer.html): runs the target on one input; returns 0. A
 * target aborts when what it tests breaks a promise. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
