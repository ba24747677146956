package proxy

import (
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
)

// cookie is the name of a cookie that binds a browser to a sign-in or to an admin. Clients' sessions are not in cookies.
type cookie string

const (
	// loginCookie has the login secret of a sign-in that began on one of our pages.
	loginCookie cookie = "crmgate-login"
	// sessionCookie has the secret of the auth session that the client in this browser opened.
	sessionCookie cookie = "crmgate-session"
	// adminCookie has the sealed statement that names the admin. Browsers do not send it with requests of other sites.
	adminCookie cookie = "crmgate-admin"
)

// cookies reads and writes our cookies.
type cookies struct {
	secure bool // browsers reach this server by https; on loopback they need not
}

// name is the cookie's name. With the prefix __Host-, browsers accept it from this host only, and by https.
func (c cookies) name(k cookie) string {
	if c.secure {
		return "__Host-" + string(k)
	}
	return string(k)
}

// set adds a cookie to the answer.
func (c cookies) set(r *request, k cookie, v crmgate.Secret, life time.Duration) {
	c.write(r, k, v.Reveal(), int(life.Seconds()))
}

// remove removes a cookie from the browser.
func (c cookies) remove(r *request, k cookie) { c.write(r, k, "", -1) }

func (c cookies) write(r *request, k cookie, value string, seconds int) {
	var w fasthttp.Cookie
	w.SetKey(c.name(k))
	w.SetValue(value)
	w.SetPath("/")
	w.SetHTTPOnly(true)
	w.SetSecure(c.secure)
	w.SetSameSite(fasthttp.CookieSameSiteLaxMode) // sent when the CRM sends the browser back
	if k == adminCookie {
		w.SetSameSite(fasthttp.CookieSameSiteStrictMode)
	}
	if seconds > 0 {
		w.SetMaxAge(seconds)
	} else {
		w.SetExpire(fasthttp.CookieExpireDelete)
	}
	r.fc.Response.Header.SetCookie(&w)
}

// value reads a cookie; empty if the request has none.
func (c cookies) value(r *request, k cookie) crmgate.Secret {
	return crmgate.NewSecret(string(r.fc.Request.Header.Cookie(c.name(k))))
}

// fromOurPage refuses a form that was not sent by one of our pages, which are at origin.
//
// Browsers say in Sec-Fetch-Site where a request comes from, or else in Origin, which they send with every POST. A page
// cannot change either.
func (r *request) fromOurPage(origin string) error {
	switch site := r.header("Sec-Fetch-Site"); {
	case site == "same-origin", site == "" && strings.EqualFold(r.header("Origin"), origin):
		return nil
	}
	return &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "This form was not sent by a page of this server. Open the page and send it again."}
}
