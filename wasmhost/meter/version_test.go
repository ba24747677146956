package meter_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/meter"
)

// The version covers every source file of the package.
func TestVersionCoversTheSource(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
			want = append(want, e.Name())
		}
	}
	if got := meter.Hashed(); !slices.Equal(got, want) {
		t.Errorf("the version hashes %v, want %v: mend the go:embed lines of version.go", got, want)
	}
}
