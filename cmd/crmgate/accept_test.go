package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
)

// TestAsk: only yes is a yes, and without a terminal no one is asked.
func TestAsk(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"yes\n": true, " YES \n": true, "y\n": false, "no\n": false, "\n": false, "": false, "yes": true} {
		var out bytes.Buffer
		got := asker(strings.NewReader(answer), &out)(t.Context(), "clio", []string{"host a.example", "config CLIO_\x1b[2J"})
		if got != want || !strings.Contains(out.String(), "clio asks for more than was accepted:\n  host a.example\n  config CLIO_\uFFFD[2J\n") {
			t.Errorf("%q: got %v: %s", answer, got, out.String())
		}
	}
	var out bytes.Buffer
	accept := acceptFlag{[]crmgate.Platform{"clio"}}.acceptor(strings.NewReader("yes\n"), &out)
	if !accept(t.Context(), "clio", nil) || accept(t.Context(), "insightly", nil) || out.Len() > 0 {
		t.Errorf("without a terminal: %s", out.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer w.Close()
	if asker(r, &out)(ctx, "clio", nil) {
		t.Error("an end of the program is a yes")
	}
}
