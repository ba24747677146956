package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmgate/crmgate/edge/edgetest"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	connectors := edgetest.Folder(t, edgetest.PracticeAddr, nil) // those that the demo uses: it compiles them anew
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("CONNECTORS", connectors)
			e.Setenv("CACHE", edgetest.Cache())
			return nil
		},
	})
}
