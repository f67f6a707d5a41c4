/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A fuzz target is one function. libFuzzer calls it with what it makes up; replay.c with files, so that the corpus is
 * a test with any compiler.
 *
 *     CC=clang meson setup build-fuzz -Db_lundef=false -Db_sanitize=address,undefined -Dc_args=-fsanitize=fuzzer-no-link
 *     ninja -C build-fuzz tests/fuzz/fuzz-load-libfuzzer
 *     mkdir new; build-fuzz/tests/fuzz/fuzz-load-libfuzzer -dict=tests/fuzz/load.dict -max_len=4096 new tests/fuzz/corpus/load
 */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
