package wasmhost_test

import (
	"os"
	"regexp"
	"testing"
)

// The engine is pinned: package meter is written for how one version of wazero reads, compiles and runs a module.
func TestEngineVersion(t *testing.T) {
	t.Parallel()
	const looked = "v1.12.0"
	b, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github\.com/tetratelabs/wazero (\S+)`).FindSubmatch(b)
	if m == nil || string(m[1]) != looked {
		t.Errorf(`go.mod has wazero %s, and the sandbox was last looked at with %s. Look again, then change this line:
 1. Fuzz FuzzDecode and FuzzRun of wasmhost/meter for an hour each.
 2. Read what changed in its decoder, validator and compiler: is each accepted encoding still read in one way?
 3. Has callEngine still a field "stack" that holds the stack (wasmhost/brake.go)? TestHostileGuests fails if not.
 4. Does it still keep values in eight bytes each, and load globals again after calls (wasmhost/meter/frame.go, brake.go)?
 5. Compile the worst modules within maxJoins and maxReloads (wasmhost/meter/limits.go): do they take seconds still?
 6. Which miscompilations are known upstream? Issue 2516 (arm64) is in wasmhost/meter/testdata/work.rs: add what is new.`, m, looked)
	}
}
