#!/bin/sh
# Builds acme.wasm. RUSTC names another compiler than the rustc of the path.
set -eu
mkdir -p target
compile="${RUSTC:-rustc} --edition 2021 --target wasm32-unknown-unknown -O"
$compile --crate-name crmgate --crate-type rlib -o target/libcrmgate.rlib sdk/src/lib.rs
$compile -C lto -C strip=debuginfo --crate-type cdylib --extern crmgate=target/libcrmgate.rlib -o acme.wasm acme.rs
