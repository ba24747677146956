package edge

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/token"
)

// Examination is what Examine found out about a platform.
type Examination struct {
	Findings []Finding `json:"findings"`
	// Suggest holds members for crmgate.token in the manifest.
	Suggest map[string]any `json:"suggest"`
}

// Finding is one thing that was tried.
type Finding struct {
	Check   string `json:"check"`
	Outcome string `json:"outcome"` // ok, failed or warning
	Message string `json:"message"`
}

// Failed reports whether a finding failed.
func (x *Examination) Failed() bool {
	return slices.ContainsFunc(x.Findings, func(f Finding) bool { return f.Outcome == "failed" })
}

// Subject says what Examine tries.
type Subject struct {
	Platform crmgate.Platform
	// Hostname is the person's host, if the CRM has more than one. Default none.
	Hostname string
	// AllStyles also tries the other ways to authenticate a client that is refused. A CRM may lock the client for it.
	AllStyles bool
}

// Examine opens a platform's authorization URL as a browser would, and sends its token endpoint a made-up code. It needs the
// configuration's fields about connectors; it opens no store. It stops if the CRM starts rate limiting.
func Examine(ctx context.Context, config Config, s Subject) (_ *Examination, err error) {
	c := newCore(config.withDefaults())
	if err := c.checkPublicURL(); err != nil {
		return nil, err
	}
	defer func() {
		if closing := c.Close(); closing != nil {
			err = errors.Join(err, closing)
		}
	}()
	if err := c.openConnectors(ctx); err != nil {
		return nil, err
	}
	if err := c.folder.LeftOut()[s.Platform]; err != nil {
		return nil, err
	}
	conn, err := c.connector(s.Platform)
	if err != nil {
		return nil, err
	}
	hostname, err := conn.Manifest().CheckHostname(s.Hostname)
	if err != nil {
		return nil, badField("Hostname", "%w", err)
	}
	x := &examiner{
		found: Examination{Findings: []Finding{}, Suggest: map[string]any{}},
		fetch: c.client.Fetch, probe: token.NewProbe(c.client.Fetch),
		conn: conn, manifest: conn.Manifest().ForHost(hostname), hostname: hostname,
	}
	x.run(ctx, s.AllStyles)
	return &x.found, nil
}

// examiner runs one examination.
type examiner struct {
	found    Examination
	fetch    crmgate.Fetch
	probe    *token.Probe
	conn     connector.Connector
	manifest *manifest.Manifest
	hostname string
}

func (x *examiner) say(check, outcome, format string, a ...any) {
	x.found.Findings = append(x.found.Findings, Finding{check, outcome, fmt.Sprintf(format, a...)})
}

func (x *examiner) run(ctx context.Context, allStyles bool) {
	if x.manifest.AuthType != manifest.OAuth {
		x.say("authentication", "ok", "The platform signs people in with an API key: there are no OAuth endpoints to try.")
		return
	}
	client, err := x.probe.Client(ctx, x.conn, connector.OAuthInfoRequest{Hostname: x.hostname})
	if err != nil {
		x.say("application", "failed", "The connector has no usable application: %v", err)
		return
	}
	with := "with a secret"
	if client.Secret.IsZero() {
		with = "without a secret"
	}
	x.say("application", "ok", "Client %q, %s.", client.ID, with)
	x.redirectURI(client.RedirectURI)
	x.authorization(ctx, client)
	x.token(ctx, client, allStyles)
}

// redirectURI looks at the form of the redirect URI. The authorization endpoint tells whether it is registered.
func (x *examiner) redirectURI(raw string) {
	const check = "redirect URI"
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "" || u.User != nil:
		x.say(check, "failed", "%q is not an absolute URL without a fragment.", raw)
	case u.Scheme != "https" && !loopback(u.Hostname()):
		x.say(check, "failed", "%s is not https: the authorization code would be sent unencrypted.", raw)
	case raw == manifest.DefaultRedirectURI:
		x.say(check, "ok", "%s, the page of App Connect.", raw)
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

// authorization opens the authorization URL without PKCE and, if that works, with PKCE.
func (x *examiner) authorization(ctx context.Context, c token.Client) {
	const check, pkce = "authorization URL", "PKCE"
	o := x.manifest.OAuth
	if o.ClientID == "" {
		o.ClientID, o.RedirectURI, o.Scope = c.ID, c.RedirectURI, c.Scopes
		o.AuthURL = cmp.Or(c.Info.AuthorizationURI, o.AuthURL)
	}
	switch {
	case o.AuthURL == "":
		x.say(check, "failed", "The manifest has no authUrl.")
		return
	case manifest.NeedsHostname(o.AuthURL):
		x.say(check, "failed", "%s is at the person's host: name one with --hostname.", bare(o.AuthURL))
		return
	}
	if problem := x.visit(ctx, o, ""); problem != "" {
		x.say(check, "failed", "%s", problem)
		return
	}
	x.say(check, "ok", "%s answers.", bare(o.AuthURL))
	if !x.manifest.Token.PKCE {
		x.say(pkce, "ok", "The manifest does not use it.")
		return
	}
	problem := x.visit(ctx, o, "&code_challenge="+token.Challenge(token.NewVerifier())+"&code_challenge_method=S256")
	if problem == "" {
		x.say(pkce, "ok", "The CRM accepts a code challenge. Only a sign-in shows whether it checks the verifier.")
		return
	}
	x.say(pkce, "failed", "With a code challenge: %s", problem)
	x.found.Suggest["pkce"] = false
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
	resp.Body.Close()
	to, _ := url.Parse(resp.Header.Get("Location"))
	switch {
	case to != nil && to.Query().Get("error") != "":
		return fmt.Sprintf("It answers with the error %q.", crmgate.Clip(to.Query().Get("error")))
	case resp.StatusCode >= 400:
		return fmt.Sprintf("It answers with status %d: check the client id and the registered redirect URI.", resp.StatusCode)
	}
	return ""
}

// unreached says why a request had no answer.
func unreached(err error) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, egress.ErrProxy):
		return "It cannot be reached through the proxy of " + egressProxy + ": " + reasonOf(err)
	case errors.As(err, &certificate):
		return "Its TLS certificate is not valid: " + certificate.Err.Error()
	case errors.As(err, &record):
		return "It does not speak TLS."
	}
	return "It cannot be reached: " + unasked(err)
}

// reasonOf is the client's own message about a request that failed.
func reasonOf(err error) string {
	var fe *crmgate.FetchError
	if errors.As(err, &fe) {
		return fe.Message
	}
	return err.Error()
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
		case !errors.As(err, &te):
			x.say(check, "failed", "No request was sent to %s: %s", bare(c.TokenURL), unasked(err))
		case te.Status == 0:
			x.say(check, "failed", "%s: %s", bare(c.TokenURL), unreached(err))
		case te.CodeRefused():
			x.accepted(c, i == 0)
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

// accepted reports an endpoint that knows the client.
func (x *examiner) accepted(c token.Client, configured bool) {
	x.say("token endpoint", "ok", "%s accepts the client, which authenticates by %q, and refuses a made-up code.", bare(c.TokenURL), c.Auth)
	if !configured {
		x.found.Suggest["auth"] = c.Auth
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
