package token_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
)

// TestUserAgent: every token request and revocation has the User-Agent of the manifest, or that of its headers.
func TestUserAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Path+" "+r.UserAgent())
		_, _ = io.WriteString(rw, tokensOne)
	}))
	t.Cleanup(s.Close)
	declare := func(members string) {
		manifests, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"auth":{"type":"oauth","oauth":{
			"authUrl":"` + s.URL + `/authorize","clientId":"practice-client","redirectUri":"` + redirect + `"}},
			"crmgate":{` + members + `"hosts":["` + hostOf(s.URL) + `"],"revoke":{"url":"` + s.URL + `/revoke"}}}}}`)}, "")
		must(t, err)
		w.conn.manifest, _ = manifests.Platform("practice")
		w.conn.info.AccessTokenURI = s.URL + "/token"
	}
	declare(`"userAgent":"Law/1",`)
	must(t, w.exchangeAnyCode())
	w.due()
	_, err := w.live()
	must(t, err)
	must(t, w.engine.Revoke(t.Context(), w.conn, w.person()))
	declare(`"userAgent":"Law/1","token":{"headers":{"User-Agent":"Law/2"}},`)
	must(t, w.exchangeAnyCode())
	w.conn.option = &connector.OAuthOption{Headers: map[string]string{"User-Agent": "Law/3"}}
	must(t, w.exchangeAnyCode())
	want := []string{"/token Law/1", "/token Law/1", "/revoke Law/1", "/revoke Law/1", "/token Law/2", "/token Law/3"}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q, want %q", seen, want)
	}
}
