package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	connectors := connectorsFor(t, practiceAddr, nil) // those that the demo uses: it compiles them anew
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("CONNECTORS", connectors)
			e.Setenv("CACHE", built.cache)
			return nil
		},
	})
}
