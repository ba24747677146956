package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
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
	// Form has values for the fields of an API-key form, by their consts. Default none.
	Form map[string]string
	// AllStyles also tries the other ways to authenticate a client that is refused. A CRM may lock the client for it.
	AllStyles bool
}

// Examine opens a platform's authorization URL as a browser would, and sends its token endpoint a made-up code. If the code is
// refused, it sends another with a made-up secret. With API keys, it has the connector sign in with a made-up key. It needs the
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
	x := &examiner{found: Examination{Findings: []Finding{}, Suggest: map[string]any{}}}
	c.fetch = x.watched(func(r *http.Request, e crmgate.Egress) (*http.Response, error) { return c.client.Fetch(r, e) })
	if err := c.openConnectors(ctx); err != nil {
		return nil, err
	}
	folder := c.served.Load().folder
	c.served.Store(&served{folder, c.checkSettings(folder, nil, s.Platform)})
	if err := c.served.Load().leftOut()[s.Platform]; err != nil {
		return nil, err
	}
	conn, err := c.connector(ctx, s.Platform)
	if err != nil {
		return nil, err
	}
	hostname, err := conn.Manifest().CheckHostname(s.Hostname)
	if err != nil {
		return nil, badField("Hostname", "%w", errors.Unwrap(err)) // the operator needs the cause, not the sentence for people
	}
	x.fetch, x.probe = c.client.Fetch, token.NewProbe(c.client.Fetch, c.connectorSetting)
	x.conn, x.manifest, x.hostname = conn, conn.Manifest().ForHost(hostname), hostname
	x.run(ctx, s)
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
	requests []request // of the connector
}

func (x *examiner) say(check, outcome, format string, a ...any) {
	x.found.Findings = append(x.found.Findings, Finding{check, outcome, fmt.Sprintf(format, a...)})
}

func (x *examiner) run(ctx context.Context, s Subject) {
	if x.manifest.AuthType == manifest.APIKey {
		x.apiKey(ctx, s.Form)
		return
	}
	client, err := x.probe.Client(ctx, x.conn, connector.OAuthInfoRequest{Hostname: x.hostname})
	if err != nil {
		x.say("application", "failed", "The connector has no usable application: %v", err)
		return
	}
	x.manifest = x.conn.Manifest().ForHost(client.Hostname)
	with := "with a secret"
	if client.Secret.IsZero() {
		with = "without a secret"
	}
	x.say("application", "ok", "Client %q, %s.", client.ID, with)
	if own := x.manifest.OAuth.ClientID; own != "" && own != client.ID {
		x.say("application", "warning", "The manifest names the client %q: App Connect's clients send people to the CRM with it, and the code is exchanged with the other.", own)
	}
	x.redirectURI(client.RedirectURI)
	x.authorization(ctx, client)
	x.token(ctx, client, s.AllStyles)
}
