package quickjs

import (
	"errors"
	"strings"
	"testing"
)

func TestTurns(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]turn{
		"result 0\n{}":        {"result", 0, "{}"},
		"result 2":            {"result", 2, ""},
		"result 1\n{\"a\":1}": {"result", 1, `{"a":1}`},
		"fetch\n{}":           {"fetch", 0, "{}"},
		"fetch\na\nb":         {"fetch", 0, "a\nb"},
		"derive\n":            {"derive", 0, ""},
		"sleep 50":            {"sleep", 50, ""},
		"sleep -1":            {"sleep", -1, ""},
		"stuck":               {"stuck", 0, ""},
	} {
		if got, err := parseTurn(text); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "\n", "result", "result \n{}", "result 1.5", "result 0 1", "sleep", "sleep NaN", "sleep 1e9", "sleep 2147483648", "fetch 1\n{}", "take\n{}", " stuck", `{"result":0}`} {
		if got, err := parseTurn(text); !errors.Is(err, errTurn) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
}

// FuzzTurn checks that what the prelude says, which a connector can decide, is one of the known things, or an error.
func FuzzTurn(f *testing.F) {
	for _, s := range []string{"result 0\n{}", "fetch\n{}", "sleep 50", "stuck", "derive"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTurn(s)
		if err != nil {
			return
		}
		if !strings.Contains(" result fetch derive sleep stuck ", " "+got.kind+" ") || !strings.HasPrefix(s, got.kind) || !strings.HasSuffix(s, got.text) {
			t.Errorf("%q: got %v", s, got)
		}
	})
}
