package wasmhost_test

import (
	"os"
	"regexp"
	"testing"

	engine "github.com/crmgate/crmgate/wasmhost/guest"
)

// The engine's version is pinned: package meter depends on how one version of wazero reads, compiles and runs a module.
func TestEngineVersion(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github\.com/tetratelabs/wazero (\S+)`).FindSubmatch(b)
	if m == nil || string(m[1]) != engine.EngineVersion {
		t.Errorf(`go.mod has wazero %s, but the sandbox was last reviewed with %s. Review it again, then change guest.EngineVersion:
 1. Fuzz FuzzDecode and FuzzRun of wasmhost/meter for an hour each.
 2. Read the changes of its decoder, validator and compiler: does each accepted encoding still have one meaning?
 3. Does callEngine still have a field "stack" that holds the stack (wasmhost/guest/pause.go)? TestHostileGuests fails if not.
 4. Does it still keep values in eight bytes each, and reload globals after calls (wasmhost/meter/frame.go, instrument.go)?
 5. Compile the worst modules within maxJoins and maxReloads (wasmhost/meter/limits.go): do they still take seconds?
 6. Which miscompilations are known upstream? wasmhost/meter/testdata/work.rs covers issue 2516 (arm64): add new ones.`, m, engine.EngineVersion)
	}
}
