//go:build race

package wasmhost_test

// underRace says that the tests are built with the race detector, under which compiling a connector in Go takes minutes.
const underRace = true
