package edge_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestPolledFolder: where the system does not report changes, the folder is looked at: a new file is loaded, a folder that is gone
// changes nothing, one that is back is loaded, and so is a link that leads to another file.
func TestPolledFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	connectors := filepath.Join(dir, "connectors")
	log := &edgetest.Log{}
	edgetest.Must(t, os.Mkdir(connectors, 0o700))
	n, err := edge.Start(t.Context(), edge.Config{
		Data: filepath.Join(dir, "data"), Connectors: connectors, Listen: "127.0.0.1:0", Logger: log.Logger(),
		Setting: func(string) (s crmgate.Secret, ok bool, err error) { return s, false, nil },
	})
	edgetest.Must(t, err)
	t.Cleanup(func() { edgetest.Must(t, n.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	polling.Go(func() { n.Poll(ctx) })
	t.Cleanup(func() { cancel(); polling.Wait() }) // before the node stops
	add := func(dir, platform string) error {
		content := `{"platforms": {"` + platform + `": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://a.example/"}}}}}`
		return os.WriteFile(filepath.Join(dir, platform+".json"), []byte(content), 0o600)
	}
	logs := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(), want); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the log does not say %s:\n%s", want, log)
			}
		}
	}
	edgetest.Must(t, add(connectors, "first"))
	logs(`"platform":"first","change":"added"`)
	away := filepath.Join(t.TempDir(), "away")
	edgetest.Must(t, os.Rename(connectors, away))
	logs("nothing has changed: read the folder of connectors")
	edgetest.Must(t, errors.Join(add(away, "second"), os.Rename(away, connectors)))
	logs(`"platform":"second","change":"added"`)
	link, old := filepath.Join(connectors, "third.json"), time.Unix(1, 0)
	for _, version := range []string{"1", "2"} { // of the same size and time
		file := filepath.Join(dir, version)
		content := `{"version": "` + version + `", "platforms": {"third": {"name": "` + version + `", "auth": {"type": "oauth", "oauth": {"authUrl": "https://a.example/"}}}}}`
		edgetest.Must(t, errors.Join(os.WriteFile(file, []byte(content), 0o600), os.Chtimes(file, old, old), os.Symlink(file, link+"~"), os.Rename(link+"~", link)))
		logs(`"platform":"third","change":"` + map[string]string{"1": "added", "2": "changed"}[version] + `"`)
	}
	if strings.Contains(log.String(), `"change":"removed"`) {
		t.Error("a platform was removed while the folder was gone")
	}
}
