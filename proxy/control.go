package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/revoke"
)

// Acts are the operator's actions that need connectors and the network.
type Acts struct {
	// Forget removes a person and revokes their grant at the CRM.
	Forget func(context.Context, crmgate.UserKey) (revoke.Result, error)
	// Replay finishes the sign-in of a token answer in the journal. If dry is set, it only reads the answer.
	Replay func(ctx context.Context, id string, dry bool) (authflow.Replayed, error)
	// Retried is called after rejected applications became due: their waiting revocations are, too. It may be nil.
	Retried func()
	// Connectors lists the connectors.
	Connectors func(context.Context) ([]operator.Connector, error)
	// Reload reloads the connectors. Those of the accepted platforms may do more than before.
	Reload func(ctx context.Context, accepted []crmgate.Platform) (operator.Reloaded, error)
}

// Control returns the handler for "crmgate users", "apps", "journal", "connectors", "reload" and "audit". It is served on a unix socket that only the
// server's owner can open, and asks for no other proof.
//
//	GET    /users                  all people
//	GET    /users/{platform}/{id}  one person; hostname says which, if several have the id
//	DELETE /users/{platform}/{id}  removes the person and revokes their grant: {"crm": result}; hostname as above
//	GET    /revocations            the grants that are still to be revoked at a CRM
//	GET    /apps                   the OAuth applications
//	POST   /apps/{platform}/retry  lets rejected applications be tried, account selects: {"retried": number}
//	GET    /journal                the token answers in the journal
//	POST   /journal/{id}           replays an answer; ?dry only reads it
//	DELETE /journal/{id}           drops an answer
//	GET    /connectors             the connectors
//	POST   /reload                 reloads the connectors; accept, repeated, names platforms that may do more than before
//	GET    /audit                  streams the audit log; since, platform and user select entries
//	GET    /audit/verify           streams the problems of the audit log
func Control(d operator.Directory, acts Acts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {
		all, err := d.Entries(r.Context())
		control(w, all, err)
	})
	mux.HandleFunc("GET /users/{platform}/{id}", func(w http.ResponseWriter, r *http.Request) {
		key, err := find(d, r)
		var e operator.Entry
		if err == nil {
			e, err = d.Entry(r.Context(), key)
		}
		control(w, e, err)
	})
	mux.HandleFunc("DELETE /users/{platform}/{id}", func(w http.ResponseWriter, r *http.Request) {
		key, err := find(d, r)
		var result revoke.Result
		if err == nil {
			result, err = acts.Forget(r.Context(), key)
		}
		control(w, map[string]revoke.Result{"crm": result}, err)
	})
	mux.HandleFunc("GET /revocations", func(w http.ResponseWriter, r *http.Request) {
		all, err := d.Revocations(r.Context())
		control(w, all, err)
	})
	mux.HandleFunc("GET /apps", func(w http.ResponseWriter, r *http.Request) {
		all, err := d.Applications(r.Context())
		control(w, all, err)
	})
	mux.HandleFunc("POST /apps/{platform}/retry", func(w http.ResponseWriter, r *http.Request) {
		n, err := retry(d, r)
		if err == nil && acts.Retried != nil {
			acts.Retried()
		}
		control(w, map[string]int{"retried": n}, err)
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
	mux.HandleFunc("GET /connectors", func(w http.ResponseWriter, r *http.Request) {
		all, err := acts.Connectors(r.Context())
		control(w, all, err)
	})
	mux.HandleFunc("POST /reload", reload(acts))
	mux.HandleFunc("GET /audit", auditLog(d))
	mux.HandleFunc("GET /audit/verify", auditVerify(d))
	return mux
}

// find returns the key of the person that a request is about.
func find(d operator.Directory, r *http.Request) (crmgate.UserKey, error) {
	var hostname *string
	if q := r.URL.Query(); q.Has("hostname") {
		host := q.Get("hostname")
		hostname = &host
	}
	return d.Find(r.Context(), crmgate.Platform(r.PathValue("platform")), crmgate.UserID(r.PathValue("id")), hostname)
}

// retry lets the applications that a request names be tried.
func retry(d operator.Directory, r *http.Request) (int, error) {
	var account *crmgate.AccountID
	if q := r.URL.Query(); q.Has("account") {
		a := crmgate.AccountID(q.Get("account"))
		account = &a
	}
	return d.RetryApplications(r.Context(), crmgate.Platform(r.PathValue("platform")), account)
}

// control writes an answer, or an error with its cause: only the operator reads it.
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
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has gone
}
