package wasmhost_test

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
)

// In a process that may not execute memory it wrote, as under systemd's MemoryDenyWriteExecute, New says what to change.
// Without the check, wazero would interpret every connector.
func TestProcessThatCannotCompile(t *testing.T) {
	t.Parallel()
	const variable = "CRMGATE_TEST_MDWE"
	if os.Getenv(variable) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcessThatCannotCompile$", "-test.v")
		cmd.Env = append(os.Environ(), variable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); err != nil {
		t.Fatalf("this needs Linux 6.3: %v", err)
	}
	_, err := wasmhost.New(t.Context(), wasmhost.Config{
		CacheDir: t.TempDir(),
		Fetch:    func(*http.Request, crmgate.Egress) (*http.Response, error) { return nil, errors.ErrUnsupported },
		Setting:  func(string) (crmgate.Secret, bool) { return crmgate.Secret{}, false },
	})
	if !errors.Is(err, wasmhost.ErrNoCompiler) || !strings.Contains(err.Error(), "MemoryDenyWriteExecute") {
		t.Errorf("got %v, want %v", err, wasmhost.ErrNoCompiler)
	}
}
