package proxy

import (
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
)

// cookie is a cookie of ours: it binds a browser to something that it began, and is never a session of a client's.
type cookie string

const (
	// loginCookie has the login secret of a sign-in that a page of ours began.
	loginCookie cookie = "crmgate-login"
	// sessionCookie has the secret of the auth session that the browser's client began.
	sessionCookie cookie = "crmgate-session"
	// adminCookie says, sealed, which admin works on their organisation's page. It comes along with nothing that another
	// site's page has begun.
	adminCookie cookie = "crmgate-admin"
)

// secure reports whether browsers reach this server by https. On loopback they need not, and then take neither Secure nor
// the prefix.
func (s *Server) secure() bool { return strings.HasPrefix(s.Flows.PublicURL, "https://") }

// name is the cookie's name. The prefix __Host- has browsers take it from this very host only, by https.
func (s *Server) name(c cookie) string {
	if s.secure() {
		return "__Host-" + string(c)
	}
	return string(c)
}

// set puts a cookie into the answer. All but the admin's are Lax, so that they come along when the CRM sends the browser back.
func (s *Server) set(r *request, c cookie, v crmgate.Secret, life time.Duration) {
	s.write(r, c, v.Reveal(), int(life.Seconds()))
}

// forget removes a cookie.
func (s *Server) forget(r *request, c cookie) { s.write(r, c, "", -1) }

func (s *Server) write(r *request, c cookie, value string, seconds int) {
	var k fasthttp.Cookie
	k.SetKey(s.name(c))
	k.SetValue(value)
	k.SetPath("/")
	k.SetHTTPOnly(true)
	k.SetSecure(s.secure())
	k.SetSameSite(fasthttp.CookieSameSiteLaxMode)
	if c == adminCookie {
		k.SetSameSite(fasthttp.CookieSameSiteStrictMode)
	}
	if seconds > 0 {
		k.SetMaxAge(seconds)
	} else {
		k.SetExpire(fasthttp.CookieExpireDelete)
	}
	r.fc.Response.Header.SetCookie(&k)
}

// cookie reads a cookie; empty if it did not come.
func (s *Server) cookie(r *request, c cookie) crmgate.Secret {
	return crmgate.NewSecret(string(r.fc.Request.Header.Cookie(s.name(c))))
}

// fromOurPage refuses a form that no page of ours has sent. Browsers say where a request comes from, and no page can have
// them say otherwise: in Sec-Fetch-Site, or, where they do not send that, in Origin, which they send with every POST.
func (s *Server) fromOurPage(r *request) error {
	switch site := r.header("Sec-Fetch-Site"); {
	case site == "same-origin", site == "" && strings.EqualFold(r.header("Origin"), s.origin):
		return nil
	}
	return &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "This form was not sent by a page of this server. Please open the page and send it again."}
}
