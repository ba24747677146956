package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
)

// tamper is a program of the scripts: it deletes the first entry of the audit log from the store in a folder.
func tamper() {
	engine, err := badger.Open(badger.Config{Dir: os.Args[1], Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = engine.Update(context.Background(), func(tx storage.Tx) error {
			var first []byte
			err := tx.Scan([]byte("a/"), func(key, _ []byte) error {
				if first == nil {
					first = key
				}
				return nil
			})
			return errors.Join(err, tx.Delete(first))
		})
		err = errors.Join(err, engine.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The scripts begin with the store of a stopped server.
func TestAuditScripts(t *testing.T) {
	t.Parallel()
	n := edgetest.New(t)
	_, err := n.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	for range 3 {
		_, err = n.APIKey(t.Context())
		edgetest.Must(t, err)
	}
	n.Stop()
	runScripts(t, filepath.Join("testdata", "audit"), func(e *testscript.Env) error {
		e.Setenv("DATA", n.Data)
		e.Setenv("CONNECTORS", n.Connectors)
		return nil
	})
}

func TestAuditLines(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]operator.AuditEntry{
		"ok":                                {Outcome: "ok"},
		"ok, 1 more time within the hour":   {Outcome: "ok", Count: 1},
		"ok, 37 more times within the hour": {Outcome: "ok", Count: 37},
		"ok: unproven account, 37 more times within the hour": {Outcome: "ok", Reason: "unproven account", Count: 37},
		"left out, 9900 failures":                             {Outcome: "left out", Count: 9900},
	} {
		e.Platform = "clio"
		var line strings.Builder
		edgetest.Must(t, printAuditLine(&line, e))
		if _, rest, _ := strings.Cut(line.String(), "  "); !strings.HasPrefix(strings.TrimSpace(rest), want+"  ") {
			t.Errorf("got %q, want %q in it", line.String(), want)
		}
	}
}

func TestAgesAndMoments(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"90m": now.Add(-90 * time.Minute), "7d": now.AddDate(0, 0, -7), "2026-11-24T10:00:00Z": now.Add(-26 * time.Hour), "0": {},
		"2026-11-24": time.Date(2026, 11, 24, 0, 0, 0, 0, time.Local), "2026-11-24 08:30:00": time.Date(2026, 11, 24, 8, 30, 0, 0, time.Local),
	} {
		var m moment
		edgetest.Must(t, m.UnmarshalText([]byte(text)))
		if got := m.before(now); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-1h", "-1d", "d", "1.5d", "99999999d", "2026-13-01"} {
		var m moment
		var a age
		if m.UnmarshalText([]byte(text)) == nil || a.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
