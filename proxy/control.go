package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/revoke"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
)

// Acts are what an operator may have done that takes connectors and the way out.
type Acts struct {
	Forget func(context.Context, crmgate.UserKey) (revoke.Result, error)
	Replay func(ctx context.Context, id string, dry bool) (authflow.Replayed, error)
}

// Control is what `crmgate users`, `journal` and `audit` talk to: HTTP over a unix socket that only the server's owner can open, which is all
// the proof it asks for.
//
//	GET    /users                  all entries
//	GET    /users/{platform}/{id}  one
//	DELETE /users/{platform}/{id}  removes the person and revokes at the CRM
//	GET    /journal                the token answers that are kept
//	POST   /journal/{id}           replays one; with ?dry only reads it
//	DELETE /journal/{id}           forgets one
//	GET    /audit                  the audit log, a line each; since, platform and user choose
//	GET    /audit/verify           what is wrong with it, a line each
//
// DELETE of a user answers {"crm": what the CRM was told}. acts is what takes more than the store.
func Control(d operator.Directory, acts Acts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {
		all, err := d.Entries(r.Context())
		control(w, all, err)
	})
	mux.HandleFunc("GET /users/{platform}/{id}", func(w http.ResponseWriter, r *http.Request) {
		e, err := d.Entry(r.Context(), keyOf(r))
		control(w, e, err)
	})
	mux.HandleFunc("DELETE /users/{platform}/{id}", func(w http.ResponseWriter, r *http.Request) {
		told, err := acts.Forget(r.Context(), keyOf(r))
		control(w, map[string]revoke.Result{"crm": told}, err)
	})
	mux.HandleFunc("GET /journal", func(w http.ResponseWriter, r *http.Request) {
		all, err := d.Answers(r.Context())
		control(w, all, err)
	})
	mux.HandleFunc("POST /journal/{id}", func(w http.ResponseWriter, r *http.Request) {
		out, err := acts.Replay(r.Context(), r.PathValue("id"), r.URL.Query().Has("dry"))
		control(w, out, err)
	})
	mux.HandleFunc("DELETE /journal/{id}", func(w http.ResponseWriter, r *http.Request) {
		control(w, struct{}{}, d.DropAnswer(r.Context(), r.PathValue("id")))
	})
	mux.HandleFunc("GET /audit", auditLog(d))
	mux.HandleFunc("GET /audit/verify", auditVerify(d))
	return mux
}

func keyOf(r *http.Request) crmgate.UserKey {
	return crmgate.UserKey{Platform: crmgate.Platform(r.PathValue("platform")), ID: crmgate.UserID(r.PathValue("id"))}
}

func control(w http.ResponseWriter, body any, err error) {
	w.Header().Set("Content-Type", "application/json")
	var refusal *crmgate.Refusal
	switch {
	case errors.As(err, &refusal):
		w.WriteHeader(http.StatusConflict)
		body = map[string]string{"error": refusal.Message}
	case errors.Is(err, crmgate.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
		body = map[string]string{"error": "there is no such user or entry"}
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
		body = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(body) // the other side is gone, or it is not
}
