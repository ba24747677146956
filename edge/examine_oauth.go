package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/token"
)

// redirectURI looks at the form of the redirect URI. The authorization endpoint tells whether it is registered.
func (x *examiner) redirectURI(raw string) {
	const check = "redirect URI"
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Fragment != "" || u.User != nil:
		x.say(check, "failed", "%q is not an absolute URL without a fragment.", raw)
	case u.Scheme != "https" && !loopback(u.Hostname()):
		x.say(check, "failed", "%s is not https: the authorization code would be sent unencrypted.", raw)
	case raw == manifest.DefaultRedirectURI:
		x.say(check, "ok", "%s, the page of App Connect. The pages of this server cannot finish such a sign-in.", raw)
	case u.RawQuery != "":
		x.say(check, "warning", "%s has a query, which some CRMs refuse.", raw)
	default:
		x.say(check, "ok", "%s", raw)
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// authorization opens the authorization URL without PKCE, as clients do that compose it themselves. It opens it with PKCE too, if
// the manifest uses PKCE, or if the CRM may require it.
func (x *examiner) authorization(ctx context.Context, c token.Client) {
	const check, pkce = "authorization URL", "PKCE"
	o := x.manifest.OAuth.With(c.Info.Application)
	switch {
	case o.AuthURL == "":
		x.say(check, "failed", "The manifest has no authUrl.")
		return
	case manifest.NeedsHostname(o.AuthURL):
		x.say(check, "failed", "%s is at the person's host: name one with --hostname.", bare(o.AuthURL))
		return
	}
	plain := x.visit(ctx, o, "")
	if plain == "" && !x.manifest.Token.PKCE {
		x.say(check, "ok", "%s answers.", bare(o.AuthURL))
		x.say(pkce, "ok", "The manifest does not use it.")
		return
	}
	challenged := x.visit(ctx, o, "&code_challenge="+token.Challenge(token.NewVerifier())+"&code_challenge_method=S256")
	if plain != "" && challenged != "" {
		x.say(check, "failed", "%s", plain)
		return
	}
	x.say(check, "ok", "%s answers.", bare(o.AuthURL))
	switch {
	case challenged != "":
		x.say(pkce, "failed", "With a code challenge: %s", challenged)
		x.found.Suggest["pkce"] = false
	case plain == "":
		x.say(pkce, "ok", "The CRM accepts a code challenge. Only a sign-in shows whether it checks the verifier.")
	case x.manifest.Token.PKCE:
		x.say(pkce, "warning", "The CRM requires PKCE: clients that compose plain URLs cannot sign in. Without a code challenge: %s", plain)
	default:
		x.say(pkce, "failed", "The CRM requires PKCE, and the manifest does not use it. Without a code challenge: %s", plain)
		x.found.Suggest["pkce"] = true
	}
}

// visit opens the authorization URL. It returns what is wrong with the answer, or an empty text.
func (x *examiner) visit(ctx context.Context, o manifest.OAuthSection, extra string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authflow.PlainURL(x.manifest, o, extra), nil)
	if err != nil {
		return "It is not a URL."
	}
	req.Header.Set("Accept", "text/html")
	host, err := crmgate.ParseHostPattern(req.URL.Host) // a browser goes there, whatever hosts the connector declares
	if err != nil {
		return "Its host is not valid: " + err.Error()
	}
	resp, err := x.fetch(req, crmgate.Egress{Name: "doctor", Hosts: crmgate.Hosts{host}, UserAgent: x.manifest.UserAgent})
	if err != nil {
		return unreached(err)
	}
	defer resp.Body.Close()
	refused := redirectedError(resp.Header.Get("Location"))
	switch {
	case refused.Get("error") != "" && refused.Get("error_description") != "":
		return fmt.Sprintf("It answers with the error %q: %q.", crmgate.Clip(refused.Get("error")), refused.Get("error_description"))
	case refused.Get("error") != "":
		return fmt.Sprintf("It answers with the error %q.", crmgate.Clip(refused.Get("error")))
	case resp.StatusCode >= 400:
		return fmt.Sprintf("It answers with status %d%s: check the client id and the registered redirect URI.", resp.StatusCode, shownText(resp))
	}
	return ""
}

// redirectedError returns the parameters of a redirect. Some servers put an error into the fragment.
func redirectedError(location string) url.Values {
	to, err := url.Parse(location)
	if err != nil {
		return nil
	}
	if q := to.Query(); q.Has("error") {
		return q
	}
	q, _ := url.ParseQuery(to.Fragment) // the readable pairs of a malformed one
	return q
}

// shownText is what an answer says to a person, if it is a short plain text or JSON; else it is empty.
func shownText(resp *http.Response) string {
	const longest = 500
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	b, err := io.ReadAll(io.LimitReader(resp.Body, longest+1))
	text := strings.TrimSpace(string(b))
	if err != nil || text == "" || len(b) > longest || kind != "text/plain" && kind != "application/json" {
		return ""
	}
	return fmt.Sprintf(" and %q", strings.ToValidUTF8(text, "\uFFFD"))
}

// unreached says why a request had no answer.
func unreached(err error) string {
	var fe *crmgate.FetchError
	if errors.Is(err, egress.ErrProxy) && errors.As(err, &fe) {
		return "It cannot be reached through the proxy of " + egressProxy + ": " + fe.Message
	}
	return "It cannot be reached: " + unasked(err)
}

// unasked says why a request was not sent.
func unasked(err error) string {
	var refused *crmgate.FetchError
	if errors.As(err, &refused) && refused.Kind == crmgate.FetchRefused && refused.Err != nil { // about the address
		return refused.Message + ": if the address belongs to the CRM, name it with --allow-egress."
	}
	return err.Error()
}

// token tries the token endpoint with the configured client authentication. If the client is refused, allStyles tries the others.
func (x *examiner) token(ctx context.Context, c token.Client, allStyles bool) {
	const check = "token endpoint"
	styles := []crmgate.TokenAuth{c.Auth}
	if allStyles && !c.Secret.IsZero() {
		for _, s := range []crmgate.TokenAuth{crmgate.TokenAuthBasic, crmgate.TokenAuthBasicRaw, crmgate.TokenAuthBody} {
			if s != c.Auth {
				styles = append(styles, s)
			}
		}
	}
	for i, style := range styles {
		c.Auth = style
		err := x.probe.Try(ctx, x.conn, c)
		var te *token.Error
		switch {
		case err == nil:
			x.say(check, "failed", "%s answered a made-up code with a token.", bare(c.TokenURL))
		case errors.Is(err, errors.ErrUnsupported):
			x.say(check, "warning", "Token requests have no code (crmgate.token.omit). Only a sign-in shows whether %s accepts the client.", bare(c.TokenURL))
		case !errors.As(err, &te):
			x.say(check, "failed", "No request was sent to %s: %s", bare(c.TokenURL), unasked(err))
		case te.Status == 0:
			x.say(check, "failed", "%s: %s", bare(c.TokenURL), unreached(err))
		case te.CodeRefused():
			x.accepted(ctx, c, i == 0)
		case te.Locked:
			x.say(check, "failed", "The CRM limits the rate of requests%s, so this stops: %v", after(te.RetryAfter), te)
		case token.ClientRefused(err):
			x.say(check, "failed", "%s refuses the client, which authenticates by %q: %v", bare(c.TokenURL), style, te)
			if i+1 < len(styles) {
				continue
			}
			if !allStyles {
				x.say(check, "warning", "If id and secret are right, the CRM may expect another way to authenticate: use --try-all-styles.")
			}
		case te.Code != "":
			x.say(check, "failed", "%s refuses the request: %v", bare(c.TokenURL), te)
		default:
			x.say(check, "failed", "%s does not answer like a token endpoint: %v", bare(c.TokenURL), te)
		}
		return
	}
}

// accepted reports an endpoint that refused a made-up code, and not the client. It may not have looked at the client: a request
// with a made-up secret shows that.
func (x *examiner) accepted(ctx context.Context, c token.Client, configured bool) {
	const check = "token endpoint"
	var te *token.Error
	told, err := x.probe.Control(ctx, x.conn, c)
	switch {
	case told:
		x.say(check, "ok", "%s accepts the client, which authenticates by %q, and refuses a made-up code.", bare(c.TokenURL), c.Auth)
		if !configured {
			x.found.Suggest["auth"] = c.Auth
		}
	case errors.As(err, &te) && te.CodeRefused():
		what := "a made-up secret"
		if c.Secret.IsZero() {
			what = "a made-up client id"
		}
		x.say(check, "warning", "%s refuses a made-up code, but it gives the same answer to %s. Only a sign-in shows whether it accepts the client.", bare(c.TokenURL), what)
	default:
		x.say(check, "warning", "%s refuses a made-up code. Whether it accepts the client is not known, because a request with a made-up secret had no clear answer: %s", bare(c.TokenURL), unasked(err))
	}
}

func after(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return " (for " + d.String() + ")"
}

// bare is a URL without its query, which may hold secrets.
func bare(raw string) string {
	s, _, _ := strings.Cut(raw, "?")
	return s
}
