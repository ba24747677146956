package edgetest

import (
	"log/slog"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// Log keeps log output in memory. Safe for concurrent use.
type Log struct{ wasmtest.LogBuffer }

// Logger returns a logger that writes JSON of every level.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Must ends the test if there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
