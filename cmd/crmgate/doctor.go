package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/token"
)

type doctorCommand struct {
	storeFlags
	Platform  crmgate.Platform `arg:"" help:"The platform, such as clio."`
	Hostname  string           `env:"-" help:"The person's host, where the CRM has one for everybody." placeholder:"HOST"`
	PublicURL string           `help:"How browsers reach the server (default ${default})." default:"http://127.0.0.1:8080" placeholder:"URL"`
	AllStyles bool             `name:"try-all-styles" env:"-" help:"If the client is refused, try the other ways to authenticate, one after the other. A CRM may lock the client for it."`
	jsonFlag

	preset map[string]string
}

// Help is what `crmgate doctor --help` adds.
func (doctorCommand) Help() string {
	return `Opens the authorization URL as a browser would, and sends the token endpoint a code that nobody gave out, once; nobody is
signed in, and nothing is stored. The connector's configuration comes from the environment, as for serve. It stops at the
first sign that the CRM has had enough. The exit status is 1 if something does not work.`
}

// errDoctor is an examination that found something, which was printed.
var errDoctor = errors.New("the platform does not work as it is configured")

// finding is one thing that was looked at.
type finding struct {
	Check   string `json:"check"`
	Outcome string `json:"outcome"` // ok, failed or warning
	Message string `json:"message"`
}

// examination is what doctor finds out about one platform.
type examination struct {
	Findings []finding `json:"findings"`
	// Suggest holds members for crmgate.token.
	Suggest map[string]any `json:"suggest"`

	fetch    crmgate.Fetch
	probe    *token.Probe
	conn     connector.Connector
	manifest *manifest.Manifest
	hostname string
}

func (x *examination) say(check, outcome, format string, a ...any) {
	x.Findings = append(x.Findings, finding{check, outcome, fmt.Sprintf(format, a...)})
}

func (x *examination) failed() bool {
	return slices.ContainsFunc(x.Findings, func(f finding) bool { return f.Outcome == "failed" })
}

func (c *doctorCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) (err error) {
	a := &app{metrics: proxy.NewMetrics()}
	defer func() { err = errors.Join(err, a.Close()) }()
	x, err := c.open(ctx, a, log)
	if err != nil {
		return err
	}
	x.examine(ctx, c.AllStyles)
	if c.JSON {
		err = printJSON(out, x)
	} else {
		x.print(out)
	}
	if err == nil && x.failed() {
		return errDoctor
	}
	return err
}

// open loads the connectors; no store is needed.
func (c *doctorCommand) open(ctx context.Context, a *app, log *slog.Logger) (*examination, error) {
	f := &serveFlags{storeFlags: c.storeFlags, PublicURL: c.PublicURL, preset: c.preset}
	if err := checkPublicURL(c.PublicURL); err != nil {
		return nil, err
	}
	client, err := a.openConnectors(ctx, f, log)
	if err != nil {
		return nil, err
	}
	conn, err := a.folder.Connector(c.Platform)
	if err != nil {
		return nil, err
	}
	hostname, err := conn.Manifest().CheckHostname(c.Hostname)
	if err != nil {
		return nil, fmt.Errorf("--hostname: %w", err)
	}
	return &examination{
		Findings: []finding{}, Suggest: map[string]any{}, fetch: client.Fetch, probe: token.NewProbe(client.Fetch),
		conn: conn, manifest: conn.Manifest().ForHost(hostname), hostname: hostname,
	}, nil
}

func (x *examination) examine(ctx context.Context, allStyles bool) {
	if x.manifest.AuthType != manifest.OAuth {
		x.say("authentication", "ok", "The platform signs people in with an API key: there are no OAuth endpoints to try.")
		return
	}
	client, err := x.probe.Client(ctx, x.conn, connector.OAuthInfoRequest{Hostname: x.hostname})
	if err != nil {
		x.say("application", "failed", "The connector names no application that can be used: %v", err)
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

// redirectURI looks at the shape; whether it is registered, the authorization endpoint says.
func (x *examination) redirectURI(raw string) {
	const check = "redirect URI"
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "" || u.User != nil:
		x.say(check, "failed", "%q is not an absolute URL without a fragment.", raw)
	case u.Scheme != "https" && !loopback(u.Hostname()):
		x.say(check, "failed", "%s is not https: the code would travel in the clear.", raw)
	case raw == manifest.DefaultRedirectURI:
		x.say(check, "ok", "%s, which is App Connect's own page.", raw)
	case u.RawQuery != "":
		x.say(check, "warning", "%s has a query, which some CRMs do not take.", raw)
	default:
		x.say(check, "ok", "%s", raw)
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// authorization opens the authorization URL without PKCE and, if that is well, with it.
func (x *examination) authorization(ctx context.Context, c token.Client) {
	const check, pkce = "authorization URL", "PKCE"
	o := x.manifest.OAuth
	if o.ClientID == "" {
		o.ClientID, o.RedirectURI, o.Scope = c.ID, c.RedirectURI, c.Scopes
		o.AuthURL = cmp.Or(c.Info.AuthorizationURI, o.AuthURL)
	}
	if o.AuthURL == "" {
		x.say(check, "failed", "The manifest names no authUrl.")
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
		x.say(pkce, "ok", "The CRM takes a code challenge; whether it holds anybody to it cannot be told without a sign-in.")
		return
	}
	x.say(pkce, "failed", "With a code challenge: %s", problem)
	x.Suggest["pkce"] = false
}

// visit opens the authorization URL, and says what is wrong with the answer; empty if nothing is.
func (x *examination) visit(ctx context.Context, o manifest.OAuthSection, extra string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authflow.PlainURL(x.manifest, o, extra), nil)
	if err != nil {
		return "It is not a URL."
	}
	req.Header.Set("Accept", "text/html")
	host, err := crmgate.ParseHostPattern(req.URL.Host) // a browser is sent there, whatever the connector may reach
	if err != nil {
		return "Its host is not a name: " + err.Error()
	}
	resp, err := x.fetch(req, crmgate.Egress{Name: "doctor", Hosts: crmgate.Hosts{host}})
	if err != nil {
		return unreached(err)
	}
	resp.Body.Close()
	to, _ := url.Parse(resp.Header.Get("Location"))
	switch {
	case to != nil && to.Query().Get("error") != "":
		return fmt.Sprintf("It answers with the error %q.", crmgate.Clip(to.Query().Get("error")))
	case resp.StatusCode >= 400:
		return fmt.Sprintf("It answers with status %d: is the client id known there, and is the redirect URI registered?", resp.StatusCode)
	}
	return ""
}

// unreached says in words why a request had no answer.
func unreached(err error) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &certificate):
		return "Its TLS certificate is not good: " + certificate.Err.Error()
	case errors.As(err, &record):
		return "It does not speak TLS."
	}
	return "It cannot be reached: " + unasked(err)
}

// unasked says in words why a request was not made.
func unasked(err error) string {
	var refused *crmgate.FetchError
	if errors.As(err, &refused) && refused.Kind == crmgate.FetchRefused && refused.Err != nil { // its address
		return refused.Message + ": if it is the CRM's, name the address in --allow-egress."
	}
	return err.Error()
}

// token tries the token endpoint in the configured style, and in the others if that is wanted and the client is refused.
func (x *examination) token(ctx context.Context, c token.Client, allStyles bool) {
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
			x.say(check, "failed", "%s was not asked: %s", bare(c.TokenURL), unasked(err))
		case te.Status == 0:
			x.say(check, "failed", "%s: %s", bare(c.TokenURL), unreached(err))
		case te.CodeRefused():
			x.accepted(c, i == 0)
		case te.Locked():
			x.say(check, "failed", "The CRM wants no more requests for now%s, so none is made: %v", after(te.RetryAfter), te)
		case token.ClientRefused(err):
			x.say(check, "failed", "%s refuses the client, which authenticates by %q: %v", bare(c.TokenURL), style, te)
			if i+1 < len(styles) {
				continue
			}
			if !allStyles {
				x.say(check, "warning", "If id and secret are right, it may want them in another way: --try-all-styles finds out.")
			}
		case te.Code != "":
			x.say(check, "failed", "%s does not take the request: %v", bare(c.TokenURL), te)
		default:
			x.say(check, "failed", "%s does not answer as a token endpoint: %v", bare(c.TokenURL), te)
		}
		return
	}
}

// accepted is for an endpoint that knew the client.
func (x *examination) accepted(c token.Client, configured bool) {
	x.say("token endpoint", "ok", "%s knows the client, which authenticates by %q, and refuses a made-up code.", bare(c.TokenURL), c.Auth)
	if !configured {
		x.Suggest["auth"] = c.Auth
	}
}

func after(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return " (for " + d.String() + ")"
}

// bare is a URL without its query, which may hold what is not for everybody.
func bare(raw string) string {
	s, _, _ := strings.Cut(raw, "?")
	return s
}

func (x *examination) print(out io.Writer) {
	for _, f := range x.Findings {
		fmt.Fprintf(out, "%-7s  %s: %s\n", f.Outcome, f.Check, printable(f.Message))
	}
	if len(x.Suggest) > 0 {
		b, _ := json.Marshal(map[string]any{"token": x.Suggest}) // texts and flags: never fails
		fmt.Fprintf(out, "For the manifest's crmgate object: %s\n", b)
	}
}
