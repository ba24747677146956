package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startFails starts a second server over a first one's flags and wants a sentence.
func startFails(t *testing.T, f *serveFlags, want string) {
	t.Helper()
	s, err := start(context.Background(), f, slog.New(slog.DiscardHandler))
	if err == nil {
		s.stop()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want a sentence with %q", err, want)
	}
}

func TestStartRefusals(t *testing.T) {
	g := newGate(t)
	g.apiKey()
	second := *g.flags
	second.Listen = "127.0.0.1:0"
	t.Run("the data folder is locked", func(t *testing.T) {
		startFails(t, &second, "in use by another")
	})
	t.Run("the port is taken", func(t *testing.T) {
		taken := second
		taken.Listen = strings.TrimPrefix(g.url, "http://")
		startFails(t, &taken, "is taken by another program")
	})
	g.stop()
	t.Run("another key", func(t *testing.T) {
		other := second
		other.Keyset = filepath.Join(t.TempDir(), "other.json")
		startFails(t, &other, "key")
	})
	t.Run("the data folder is a file", func(t *testing.T) {
		file := second
		file.Data = filepath.Join(t.TempDir(), "file")
		must(t, os.WriteFile(file.Data, nil, 0o600))
		startFails(t, &file, file.Data)
	})
	t.Run("a connector that is none", func(t *testing.T) {
		bad := second
		bad.Connectors = connectorsFor(t, "127.0.0.1:1", nil)
		must(t, os.WriteFile(filepath.Join(bad.Connectors, "bad.wasm"), []byte("nonsense"), 0o600))
		must(t, os.WriteFile(filepath.Join(bad.Connectors, "bad.json"), []byte(`{"platforms":{"bad":{"auth":{"type":"apiKey"}}}}`), 0o600))
		startFails(t, &bad, "bad")
	})
	g.start() // after all that, the first one's store is as it was
	if e, err := g.directory().Entries(t.Context()); err != nil || len(e) != 1 {
		t.Errorf("%v, %v; want the one who had signed in", e, err)
	}
}

func TestControlSocketIsTheOwnersAlone(t *testing.T) {
	g := newGate(t)
	fi, err := os.Stat(g.flags.socket())
	must(t, err)
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	c, err := net.Dial("unix", g.flags.socket())
	must(t, err)
	c.Close()
}
