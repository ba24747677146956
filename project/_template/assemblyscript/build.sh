#!/bin/sh
# Builds acme.wasm. The first time, it installs the compiler.
set -eu
test -d node_modules || npm install --no-audit --no-fund
npm run --silent build
