package quickjs

import (
	"errors"
	"testing"
	"time"
)

func TestTurns(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		`{"result":0,"output":"{}"}`: true,
		`{"result":2}`:               true,
		`{"requests":[{"id":1,"import":"fetch","document":"{}"},{"id":2,"import":"derive","document":""}]}`: true,
		`{"sleep":0}`:     true,
		`{"sleep":1e300}`: true,
		`{"stuck":true}`:  true,

		``:                             false,
		`{}`:                           false,
		`null`:                         false,
		`[1]`:                          false,
		`{"requests":[]}`:              false,
		`{"stuck":false}`:              false,
		`{"output":"{}"}`:              false,
		`{"sleep":1,"output":"{}"}`:    false,
		`{"result":0,"sleep":1}`:       false,
		`{"result":1.5,"output":"{}"}`: false,
		`{"requests":[{"id":1,"import":"take","document":""}]}`:         false,
		`{"requests":[{"id":5000000000,"import":"fetch"}]}`:             false,
		`{"requests":[{"id":1,"import":"fetch","document":{"a":"b"}}]}`: false,
	} {
		if _, err := parseTurn(text); (err == nil) != ok || err != nil && !errors.Is(err, errTurn) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for ms, want := range map[string]time.Duration{"-1": 0, "0": 0, "1.5": 1500 * time.Microsecond, "1e300": 24 * time.Hour} {
		if turn, err := parseTurn(`{"sleep":` + ms + `}`); err != nil || turn.sleep() != want {
			t.Errorf("%s ms: %v, %v", ms, turn.sleep(), err)
		}
	}
}

// FuzzTurn checks that what the prelude says, which a connector can decide, is one thing with a sense, or an error.
func FuzzTurn(f *testing.F) {
	for _, s := range []string{`{"result":0,"output":"{}"}`, `{"requests":[{"id":1,"import":"fetch","document":"{}"}]}`, `{"sleep":50}`, `{"stuck":true}`, `{"Result":0,"result":null}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		turn, err := parseTurn(s)
		if err != nil {
			return
		}
		parts := 0
		if turn.Result != nil {
			parts++
		}
		if turn.Stuck {
			parts++
		}
		if turn.Sleep != nil {
			parts++
			if d := turn.sleep(); d < 0 || d > 24*time.Hour {
				t.Errorf("it sleeps %v", d)
			}
		}
		for _, r := range turn.Requests {
			if r.Import != "fetch" && r.Import != "derive" {
				t.Errorf("it requests %q", r.Import)
			}
		}
		if len(turn.Requests) > 0 {
			parts++
		}
		if parts != 1 {
			t.Errorf("%s says %d things", s, parts)
		}
	})
}
