package main

import (
	"path/filepath"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/wasmhost/connectortest"
)

// TestShippedConnectorsPass: the shipped connectors pass the check, in processes of their own and without, and no case is left out.
func TestShippedConnectorsPass(t *testing.T) {
	t.Parallel()
	for _, file := range edgetest.Shipped() {
		for isolation, processes := range map[string]int{"process": 1, "none": 0} {
			t.Run(file+"/"+isolation, func(t *testing.T) {
				t.Parallel()
				passes(t, file, processes)
			})
		}
	}
}

func passes(t *testing.T, file string, processes int) {
	seen := map[string]bool{}
	config := connectortest.Config{CacheDir: edgetest.Cache(), Processes: processes}
	err := connectortest.Check(t.Context(), filepath.Join(edgetest.Connectors(), file), config, func(r connectortest.Result) {
		seen[r.Case] = true
		if r.Outcome != connectortest.OK {
			t.Errorf("%s  %s: %s -> %s", r.Outcome, r.Case, r.Message, r.Advice)
		}
	})
	edgetest.Must(t, err)
	for _, c := range []string{"recorded: getUserInfo, a person", "getUserInfo: the CRM is well", "getUserInfo: the CRM answers 401", "getUserInfo: 100 calls", "secrets"} {
		if !seen[c] {
			t.Errorf("there is no case %q", c)
		}
	}
}
