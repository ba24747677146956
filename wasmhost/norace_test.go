//go:build !race

package wasmhost_test

const underRace = false
