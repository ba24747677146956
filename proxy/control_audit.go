package proxy

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
)

// AuditLine is a line of the answers of GET /audit and GET /audit/verify. One of its fields is set. The last line of a
// complete answer is End; an incomplete answer ends with Error.
type AuditLine struct {
	Entry   *operator.AuditEntry  `json:"entry,omitempty"`
	Problem string                `json:"problem,omitempty"`
	Report  *operator.AuditReport `json:"report,omitempty"` // of a verification, before End
	End     bool                  `json:"end,omitempty"`
	Error   string                `json:"error,omitempty"`
}

// stream writes lines one by one, because the log may not fit into memory.
type stream struct {
	w http.ResponseWriter
	e *json.Encoder
}

func newStream(w http.ResponseWriter) stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	return stream{w, json.NewEncoder(w)}
}

func (s stream) line(l AuditLine) error { return s.e.Encode(l) }

// end writes the last line. err is why the answer is incomplete.
func (s stream) end(err error) {
	l := AuditLine{End: true}
	if err != nil {
		l = AuditLine{Error: err.Error()}
	}
	_ = s.line(l) // fails only if the client has gone
}

// auditLog streams the audit log.
func auditLog(d operator.Directory) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var since time.Time
		q := r.URL.Query()
		if v := q.Get("since"); v != "" {
			var err error
			if since, err = time.Parse(time.RFC3339Nano, v); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				_ = json.NewEncoder(w).Encode(map[string]string{"error": "since is not an RFC 3339 time"})
				return
			}
		}
		s := newStream(w)
		s.end(d.Audit(r.Context(), since, crmgate.Platform(q.Get("platform")), crmgate.UserID(q.Get("user")), func(e operator.AuditEntry) error {
			return s.line(AuditLine{Entry: &e})
		}))
	}
}

// auditVerify verifies the audit log and streams its problems.
func auditVerify(d operator.Directory) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := newStream(w)
		_ = http.NewResponseController(w).Flush() // the first line may take a while; a test's recorder cannot flush
		report, err := d.VerifyAudit(r.Context(), func(p string) { _ = s.line(AuditLine{Problem: p}) })
		if err == nil {
			_ = s.line(AuditLine{Report: &report})
		}
		s.end(err)
	}
}
