package crmgate_test

import (
	"encoding/json"
	"testing"

	"github.com/crmgate/crmgate"
)

// TestTexts: numbers and booleans are read as they are written.
func TestTexts(t *testing.T) {
	t.Parallel()
	const wrong = "wrong type"
	for in, want := range map[string]struct{ text, words string }{
		`"a b"`: {"a b", "a b"}, `""`: {}, `null`: {}, `7`: {"7", "7"}, `-1.50`: {"-1.50", "-1.50"}, `1e3`: {"1e3", "1e3"},
		`12345678901234567890`: {"12345678901234567890", "12345678901234567890"}, `true`: {"true", "true"}, `false`: {"false", "false"},
		`"\u00e9"`: {"é", "é"}, `{}`: {wrong, wrong}, `[]`: {wrong, ""}, `["a","b c"]`: {wrong, "a b c"}, `[1,true,null]`: {wrong, "1 true"},
		`[["a"]]`: {wrong, wrong}, `[{}]`: {wrong, wrong},
	} {
		var got struct {
			Text  crmgate.Text
			Words crmgate.Words
		}
		if err := json.Unmarshal([]byte(`{"text":`+in+`}`), &got); err != nil {
			got.Text = wrong
		}
		if err := json.Unmarshal([]byte(`{"words":`+in+`}`), &got); err != nil {
			got.Words = wrong
		}
		if string(got.Text) != want.text || string(got.Words) != want.words {
			t.Errorf("%s: got %q and %q, want %q and %q", in, got.Text, got.Words, want.text, want.words)
		}
	}
}
