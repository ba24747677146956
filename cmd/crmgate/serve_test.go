package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestStoppedBeforeReady: a signal while connectors are compiled, or the store is opened, is not a failure.
func TestStoppedBeforeReady(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var log bytes.Buffer
	c := serveCommand{Listen: "127.0.0.1:0", storeFlags: storeFlags{Data: t.TempDir(), Connectors: edgetest.Folder(t, edgetest.PracticeAddr, nil)}}
	if err := c.Run(ctx, slog.New(slog.NewTextHandler(&log, nil))); err != nil || !strings.Contains(log.String(), "stopped before the server was ready") {
		t.Errorf("got %v: %s", err, &log)
	}
}

// TestRingCentralURL: an empty URL switches RingCentral off, and is not taken for the default.
func TestRingCentralURL(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{"": {"--ringcentral-url", ""}, "https://platform.ringcentral.com": nil} {
		var c serveCommand
		parser, err := kong.New(&c, kong.DefaultEnvars("CRMGATE"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		if got := c.config(slog.New(slog.DiscardHandler)).RingCentralURL; got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}
