package proxy

import (
	"net/http"

	"github.com/crmgate/crmgate"
)

// reload answers POST /reload.
func reload(acts Acts) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var accepted []crmgate.Platform
		for _, name := range r.URL.Query()["accept"] {
			accepted = append(accepted, crmgate.Platform(name))
		}
		out, err := acts.Reload(r.Context(), accepted)
		control(w, out, err)
	}
}
