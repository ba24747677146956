package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// runScripts runs the scripts of a folder with the built program. Without the race detector it compiles connectors in a
// twelfth of the time.
func runScripts(t *testing.T, dir string, setup func(*testscript.Env) error) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PROGRAM", filepath.Dir(edgetest.Program()))
			e.Setenv("PATH", filepath.Dir(edgetest.Program())+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("CRMGATE_CACHE", edgetest.Cache())
			return setup(e)
		},
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	connectors := edgetest.Folder(t, edgetest.PracticeAddr, nil)
	runScripts(t, "testdata", func(e *testscript.Env) error {
		e.Setenv("CONNECTORS", connectors)
		e.Setenv("SHIPPED", edgetest.Connectors())
		e.Setenv("CACHE", edgetest.Cache())
		if filepath.Base(e.WorkDir) != "script-demo" {
			return nil
		}
		return os.CopyFS(filepath.Join(e.WorkDir, "demo-data", "cache"), os.DirFS(edgetest.Cache())) // the demo has no --cache
	})
}
