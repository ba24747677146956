package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

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
