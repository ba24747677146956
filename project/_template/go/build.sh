#!/bin/sh
# Builds acme.wasm. Without -s, crmgate replay names the functions that ran.
set -eu
GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o acme.wasm .
