#!/bin/sh
# Builds acme.wasm.
set -eu
clang --target=wasm32 -O2 -Wall -nostdlib -ffreestanding -mbulk-memory -Wl,--no-entry -o acme.wasm acme.c sdk/crmgate.c
