package audit_test

import (
	"bytes"
	"testing"

	"github.com/crmgate/crmgate/storage/audit"
)

// FuzzAudit: a payload that decodes is encoded to the same bytes, so a hash covers the whole payload.
func FuzzAudit(f *testing.F) {
	for _, b := range payloads() {
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, again := range map[string]func([]byte) ([]byte, error){
			"entry": audit.EntryAgain, "batch": audit.BatchAgain, "node": audit.NodeAgain,
		} {
			if got, err := again(b); err == nil && !bytes.Equal(got, b) {
				t.Errorf("an %s of %x is encoded as %x", name, b, got)
			}
		}
	})
}

func payloads() [][]byte {
	e, b, n := audit.Payloads()
	return [][]byte{e, b, n}
}

func TestAuditPayloadsComeBack(t *testing.T) {
	e, b, n := audit.Payloads()
	for _, tt := range []struct {
		again func([]byte) ([]byte, error)
		b     []byte
	}{{audit.EntryAgain, e}, {audit.BatchAgain, b}, {audit.NodeAgain, n}} {
		if got, err := tt.again(tt.b); err != nil || !bytes.Equal(got, tt.b) {
			t.Errorf("%x became %x, %v", tt.b, got, err)
		}
	}
}
