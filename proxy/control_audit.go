package proxy

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
)

// AuditLine is a line of what GET /audit and GET /audit/verify answer; it has one member. A stream that ended well has
// an Error nowhere, and of a verification the Report at its end.
type AuditLine struct {
	Entry   *operator.AuditEntry  `json:"entry,omitempty"`
	Problem string                `json:"problem,omitempty"`
	Report  *operator.AuditReport `json:"report,omitempty"`
	End     bool                  `json:"end,omitempty"`
	Error   string                `json:"error,omitempty"`
}

// stream writes lines as they come: the log may be longer than memory.
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

// end says that nothing is missing, or why.
func (s stream) end(err error) {
	l := AuditLine{End: true}
	if err != nil {
		l = AuditLine{Error: err.Error()}
	}
	_ = s.line(l) // the other side is gone, or it is not
}

func auditLog(d operator.Directory) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var since time.Time
		q := r.URL.Query()
		if v := q.Get("since"); v != "" {
			var err error
			if since, err = time.Parse(time.RFC3339Nano, v); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				_ = json.NewEncoder(w).Encode(map[string]string{"error": "since is no time"})
				return
			}
		}
		s := newStream(w)
		s.end(d.Audit(r.Context(), since, crmgate.Platform(q.Get("platform")), crmgate.UserID(q.Get("user")), func(e operator.AuditEntry) error {
			return s.line(AuditLine{Entry: &e})
		}))
	}
}

func auditVerify(d operator.Directory) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := newStream(w)
		_ = http.NewResponseController(w).Flush() // it may take a while until there is anything to say; a recorder has nothing to flush
		report, err := d.VerifyAudit(r.Context(), func(p string) { _ = s.line(AuditLine{Problem: p}) })
		if err == nil {
			_ = s.line(AuditLine{Report: &report})
		}
		s.end(err)
	}
}
