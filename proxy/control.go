package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
)

// Control is what `crmgate users` talks to: HTTP over a unix socket that only the server's owner can open, which is all
// the proof it asks for.
//
//	GET    /users                  all entries
//	GET    /users/{platform}/{id}  one
//	DELETE /users/{platform}/{id}  removes the person and revokes at the CRM
//
// forget is what DELETE does.
func Control(d authflow.Directory, forget func(context.Context, crmgate.UserKey) error) http.Handler {
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
		control(w, struct{}{}, forget(r.Context(), keyOf(r)))
	})
	return mux
}

func keyOf(r *http.Request) crmgate.UserKey {
	return crmgate.UserKey{Platform: crmgate.Platform(r.PathValue("platform")), ID: crmgate.UserID(r.PathValue("id"))}
}

func control(w http.ResponseWriter, body any, err error) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
		body = map[string]string{"error": "there is no such user"}
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
		body = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(body) // the other side is gone, or it is not
}
