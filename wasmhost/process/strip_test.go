package process

import (
	"errors"
	"strings"
	"testing"
)

// A process strips types, and says what is wrong with a script.
func TestStrip(t *testing.T) {
	t.Parallel()
	s, err := Strip(t.Context(), "acme.ts", "export const a: string = '€';")
	if err != nil || !strings.Contains(s.Source, `export const a = "€";`) || s.Mappings == "" {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err = Strip(t.Context(), "acme.ts", "export const a: string = '€';\nconst 7;"); err == nil || errors.As(err, new(*Died)) ||
		err.Error() != `SyntaxError: Expected identifier but found "7" at acme.ts:2:7` {
		t.Errorf("got %v", err)
	}
}

// A text that a parser without limits is made for ends its own process at most.
func TestStripHostile(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"types": "let a: " + strings.Repeat("A<", 1_000_000), "functions": strings.Repeat("()=>", 500_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Strip(t.Context(), "acme.ts", source)
			if err == nil || !raceDetector && !strings.Contains(err.Error(), "stripping its types may take 384 MB of memory") {
				t.Errorf("got %v", err)
			}
		})
	}
}
