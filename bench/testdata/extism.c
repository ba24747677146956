// The guest of wasmhost/guest/testdata/echo.c for Extism, whose kernel keeps input and output outside of the guest's memory. It
// copies the input eight bytes at a time, as Extism's SDK for C does.

typedef unsigned long long u64;
#define IMPORT(name) __attribute__((import_module("extism:host/env"), import_name(name)))

IMPORT("input_length") u64 input_length(void);
IMPORT("input_load_u8") unsigned char input_load_u8(u64 at);
IMPORT("input_load_u64") u64 input_load_u64(u64 at);
IMPORT("alloc") u64 alloc(u64 size);
IMPORT("store_u8") void store_u8(u64 at, unsigned char value);
IMPORT("store_u64") void store_u64(u64 at, u64 value);
IMPORT("output_set") void output_set(u64 at, u64 size);

static char buffer[4096];

__attribute__((export_name("echo"))) int echo(void) {
  u64 size = input_length(), i = 0;
  if (size > sizeof buffer) return 1;
  for (; i + 8 <= size; i += 8) *(u64 *)(buffer + i) = input_load_u64(i);
  for (; i < size; i++) buffer[i] = input_load_u8(i);
  u64 to = alloc(size);
  for (i = 0; i + 8 <= size; i += 8) store_u64(to + i, *(u64 *)(buffer + i));
  for (; i < size; i++) store_u8(to + i, buffer[i]);
  output_set(to, size);
  return 0;
}
