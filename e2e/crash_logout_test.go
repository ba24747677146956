package e2e_test

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// sworn is a CRM that records the access tokens it sees, and reports revocations.
type sworn struct {
	*practicecrm.CRM
	revoked chan struct{}

	mu   sync.Mutex
	seen []string // guarded by mu
}

func (s *sworn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		s.mu.Lock()
		s.seen = append(s.seen, token)
		s.mu.Unlock()
	}
	answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	s.CRM.ServeHTTP(answer, r)
	if r.URL.Path == "/oauth/revoke" && answer.status == http.StatusOK {
		s.revoked <- struct{}{}
	}
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// TestKilledAfterLogout acknowledges a logout while the CRM is down, and ends the program by SIGKILL. The next process
// revokes the grant once the CRM is back. Until then the grant is encrypted in the store.
func TestKilledAfterLogout(t *testing.T) {
	t.Parallel()
	crm := &sworn{CRM: practicecrm.New(practicecrm.Config{}), revoked: make(chan struct{}, 10)}
	p := newVictim(t, crm)
	p.start(t)
	session, err := p.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	crm.mu.Lock()
	granted := crm.seen[0]
	crm.mu.Unlock()
	crm.SetMood(practicecrm.Mood{Revoke: "500"})
	acknowledged := p.logout(session)
	p.kill()
	if !acknowledged || !crm.Live(granted) {
		t.Fatalf("acknowledged %v, token alive %v", acknowledged, crm.Live(granted))
	}
	edgetest.Must(t, filepath.WalkDir(p.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() { // not the control socket
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(granted)) {
			t.Errorf("the access token is in the clear in %s", filepath.Base(path))
		}
		return err
	}))

	before := crm.Counts().Revoke
	p.start(t)
	if p.lives(t, session) {
		t.Error("the session is accepted again")
	}
	crm.SetMood(practicecrm.Mood{})
	select {
	case <-crm.revoked:
	case <-time.After(inTime):
		t.Fatalf("the CRM got no revocation within %v", inTime)
	}
	if crm.Live(granted) {
		t.Error("the token still works")
	}
	edgetest.Must(t, p.cmd.Process.Signal(os.Interrupt))
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if n := len(crm.revoked); n > 0 {
		t.Errorf("%d revocations too many", n)
	}
	t.Logf("revoked by request number %d after the restart", crm.Counts().Revoke-before)
}
