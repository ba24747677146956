package authflow_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
)

const redirect = "https://app.example/redirect.html"

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// newFlows makes flows over a store in memory, at noon.
func newFlows(f *testing.F) *authflow.Flows {
	f.Helper()
	ring, err := sealed.NewKeyRing()
	proxytest.Must(f, err)
	now := func() time.Time { return noon }
	db, err := storage.Open(f.Context(), proxytest.NewMemory(), ring, storage.Config{Now: now})
	proxytest.Must(f, err)
	return proxytest.New(f, proxytest.Config{DB: db, PublicURL: "https://gate.example", Now: now}).Flows
}

// FuzzState: only a state that BindState made opens. Any other is a Refusal that does not quote it.
func FuzzState(f *testing.F) {
	flows := newFlows(f)
	made := map[string]authflow.BoundState{}
	for _, short := range []bool{false, true} {
		want := authflow.BoundState{Platform: "clio", Account: "42", Hostname: "eu.app.clio.com"}
		param, err := flows.BindState(f.Context(), want, short)
		if err != nil {
			f.Fatal(err)
		}
		made[param] = want
	}
	forged := make([]byte, 120) // like a state of another server
	// States differ from run to run, so the corpus holds the changes to a state and not its bytes.
	f.Add(true, 0, byte(0), "")
	f.Add(false, 3, byte(1), "")
	f.Add(false, 60, byte(0), "\n")
	for param := range made { // the last character of the handle has unused bits
		f.Add(len(param) < 64, strings.IndexByte(param, ',')-1, byte(1), "")
	}
	f.Add(true, -1, byte(1), ",platform=clio")
	f.Add(false, 1<<30, byte(0), "cg."+base64.RawURLEncoding.EncodeToString(forged)+",platform=clio")
	f.Fuzz(func(t *testing.T, short bool, at int, flip byte, insert string) {
		for param := range made {
			if (len(param) < 64) != short {
				continue
			}
			if at == 1<<30 {
				param = insert
			} else {
				i := int(uint(at) % uint(len(param)))
				param = param[:i] + string([]byte{param[i] ^ flip}) + insert + param[i+1:]
			}
			s, err := flows.OpenState(t.Context(), param)
			same := param // some clients append a second state that names the platform
			for strings.HasSuffix(same, ",platform=clio,platform=clio") {
				same = strings.TrimSuffix(same, ",platform=clio")
			}
			want, ours := made[same]
			var refusal *crmgate.Refusal
			switch {
			case ours && (err != nil || s != want):
				t.Errorf("%q: %+v, %v", param, s, err)
			case !ours && !errors.As(err, &refusal):
				t.Errorf("%q opened, or failed: %+v, %v", param, s, err)
			case !ours && len(param) > 12 && strings.Contains(err.Error(), param[3:]):
				t.Errorf("%q is quoted: %v", param, err)
			}
		}
	})
}
