package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/wasmhost/connectortest"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// recordings waits for a number of recordings in a folder, and returns their paths.
func recordings(t *testing.T, dir string, n int) (paths []string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) { // they are written beside the request
		paths, _ = filepath.Glob(filepath.Join(dir, "[^.]*.recording")) // without one that is being written
		if len(paths) >= n || time.Now().After(end) {
			break
		}
	}
	if len(paths) != n {
		t.Fatalf("there are %d recordings, want %d: %q", len(paths), n, paths)
	}
	return paths
}

// A call that fails on a node is recorded without secrets. crmgate replay runs it again, on this build and on another, and writes it as a
// vector that crmgate check accepts. crmgate users delete removes it, with and without a running node.
func TestReplayOfARunningServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "failures")
	n := edgetest.New(t, func(o *edgetest.Options) { o.RecordFailures = dir })
	token, err := n.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	n.CRM.SetMood(practicecrm.Mood{Me: "500"})
	bearer := make(chan string, 100)
	n.WhenAsked(func(r *http.Request) { bearer <- strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") })
	if err := n.Ask(t.Context(), "GET", "/authValidation", "", &struct{}{}, "Authorization", "Bearer "+token); err != nil {
		t.Log("as expected:", err)
	}
	file := recordings(t, dir, 1)[0]
	ring, _, err := sealed.LoadKeyRing(filepath.Join(n.Data, "keyset.json"))
	edgetest.Must(t, err)
	r, err := recording.Read(file, ring.Unseal)
	edgetest.Must(t, err)
	b, err := json.Marshal(r)
	edgetest.Must(t, err)
	if secret := <-bearer; len(secret) < 10 || bytes.Contains(b, []byte(secret)) || bytes.Contains(b, []byte(practicecrm.ClientSecret)) {
		t.Errorf("the recording has a secret: %s", b)
	}
	n.WhenAsked(nil)
	if !strings.Contains(r.Input, `"authHeader":"Bearer {{accessToken}}"`) || strings.Contains(filepath.Base(file), "1-practice") {
		t.Errorf("%s has the input %s", file, r.Input)
	}

	replay := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		args = append([]string{"replay", file, "--data", n.Data, "--connectors", n.Connectors, "--cache", n.Cache}, args...)
		if status := run(args, &out, &errs); status != want {
			t.Errorf("%q: status %d, want %d: %s%s", args, status, want, &out, &errs)
		}
		return out.String() + errs.String()
	}
	for _, isolation := range []string{"process", "none"} {
		if out := replay(0, "--isolation", isolation); !strings.Contains(out, "It fails in the same way: the connector answered an error:") {
			t.Errorf("replay: %s", out)
		}
	}
	other := filepath.Join(n.Connectors, "practicekey.wasm")
	if out := replay(1, "--module", other); !strings.Contains(out, "This module is another build.") || !strings.Contains(out, "it fails in another way") && !strings.Contains(out, "it is mended") {
		t.Errorf("replay --module: %s", out)
	}
	var got struct{ Same, OtherModule bool }
	if err := json.Unmarshal([]byte(replay(0, "--json")), &got); err != nil || !got.Same || got.OtherModule {
		t.Errorf("replay --json: %+v, %v", got, err)
	}
	if out := replay(1, "--keyset", filepath.Join(t.TempDir(), "none.json")); !strings.Contains(out, "--keyset: ") {
		t.Errorf("without a key ring: %s", out)
	}
	checkVector(t, n, replay)

	runs(t, "users", "delete", "practice", "1-practice", "--data", n.Data)
	recordings(t, dir, 0)
	deleteAtRest(t, n, dir)
}

// checkVector has crmgate replay write a vector, and crmgate check replay it.
func checkVector(t *testing.T, n *edgetest.Node, replay func(int, ...string) string) {
	t.Helper()
	dir := edgetest.Folder(t, edgetest.PracticeAddr, nil)
	vector := filepath.Join(dir, "practice.vectors.json")
	replay(0, "--vectors", vector)
	if out := replay(1, "--vectors", vector); !strings.Contains(out, "name a new file") {
		t.Errorf("an existing file: %s", out)
	}
	b, err := os.ReadFile(vector)
	edgetest.Must(t, err)
	// The check plays the CRM at the address in the manifest.
	edgetest.Must(t, os.WriteFile(vector, bytes.ReplaceAll(b, []byte(n.CRMURL), []byte("http://"+edgetest.PracticeAddr)), 0o600))
	found := false
	err = connectortest.Check(context.Background(), filepath.Join(dir, "practice.wasm"), connectortest.Config{CacheDir: n.Cache, Repeats: 2}, func(r connectortest.Result) {
		if strings.HasPrefix(r.Case, "recorded: authValidation") {
			found = true
			if r.Outcome != connectortest.OK {
				t.Errorf("%s: %s %s; the vector is %s", r.Case, r.Outcome, r.Message, b)
			}
		}
	})
	if err != nil || !found {
		t.Errorf("the vector is not checked: %v", err)
	}
}

// deleteAtRest has a call of another person fail, stops the node, and deletes the person.
func deleteAtRest(t *testing.T, n *edgetest.Node, dir string) {
	t.Helper()
	n.CRM.SetMood(practicecrm.Mood{})
	token, err := n.OAuth(t.Context(), "grace")
	edgetest.Must(t, err)
	n.CRM.SetMood(practicecrm.Mood{Me: "500"})
	_ = n.Ask(t.Context(), "GET", "/authValidation", "", &struct{}{}, "Authorization", "Bearer "+token)
	recordings(t, dir, 1)
	n.Stop()
	runs(t, "users", "delete", "practice", "2-practice", "--data", n.Data, "--connectors", n.Connectors, "--cache", n.Cache,
		"--allow-egress", "127.0.0.0/8", "--record-failures", dir)
	recordings(t, dir, 0)
}
