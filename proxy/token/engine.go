package token

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Config is what New needs. Fields without a default are required.
type Config struct {
	DB        *storage.DB
	Connector func(crmgate.Platform) (crmgate.Connector, error)
	Fetch     crmgate.Fetch
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Logger gets what callers are not told; default slog.Default().
	Logger *slog.Logger
	// Timeout bounds one token request; default 10 s.
	Timeout time.Duration
	// Wait is how long a caller waits for another's refresh; default 12 s.
	Wait time.Duration
	// Observe, if set, is told of every exchange and refresh, and how it ended.
	Observe func(kind string, platform crmgate.Platform, outcome string)
}

// Engine exchanges codes and keeps access tokens alive. Safe for concurrent use.
type Engine struct {
	Config
	base    context.Context // of flights; ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	flights map[crmgate.UserKey]*flight // guarded by mu
}

// New returns an Engine; the caller closes it.
func New(c Config) (*Engine, error) {
	if c.DB == nil || c.Connector == nil || c.Fetch == nil {
		return nil, errors.New("the token engine needs a store, connectors and a way out")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Wait == 0 {
		c.Wait = 12 * time.Second
	}
	if c.Observe == nil {
		c.Observe = func(string, crmgate.Platform, string) {}
	}
	e := &Engine{Config: c, flights: map[crmgate.UserKey]*flight{}}
	e.base, e.stop = context.WithCancel(context.Background())
	return e, nil
}

// Close waits for the refreshes under way: what a CRM has already answered is stored. Nothing may be asked of the engine afterwards.
func (e *Engine) Close() {
	e.running.Wait()
	e.stop()
}

// Client is the OAuth client to use with a platform: what the connector answers, laid over the manifest.
type Client struct {
	ID          string
	Secret      crmgate.Secret
	TokenURL    string
	RedirectURI string
	Hostname    string // the person's, or what the connector made of it
	Auth        crmgate.TokenAuth
	Account     crmgate.AccountID // owner of the app; empty for the connector's own
	Revision    uint64

	info     crmgate.OAuthInfo
	manifest *crmgate.Manifest
}

// app names the client in a grant.
func (c Client) app() crmgate.App {
	return crmgate.App{ClientID: c.ID, TokenURL: c.TokenURL, Account: c.Account, Revision: c.Revision}
}

// Client asks the connector which application to use, and holds its answer to the manifest: nothing is ever sent to a
// host that is not declared there. A *FailMessage is the connector's refusal in words; a *crmgate.Refusal says what is missing or not allowed.
func (e *Engine) Client(ctx context.Context, conn crmgate.Connector, req crmgate.OAuthInfoRequest) (Client, error) {
	m := conn.Manifest().ForHost(req.Hostname)
	info, err := conn.OAuthInfo(ctx, req)
	if err != nil {
		return Client{}, err
	}
	if info.FailMessage != "" {
		return Client{}, &FailMessage{info.FailMessage}
	}
	fill(&info.ClientID, m.OAuth.ClientID)
	fill(&info.RedirectURI, m.OAuth.RedirectURI)
	fill(&info.AccessTokenURI, req.TokenURL)
	fill(&info.TokenAuth, m.Token.Auth)
	switch {
	case info.ClientID == "":
		return Client{}, crmgate.Refuse(`Expected "clientId" to exist`)
	case info.AccessTokenURI == "":
		return Client{}, crmgate.Refuse(`Expected "accessTokenUri" to exist`)
	}
	if info.Hostname, err = m.CheckHostname(info.Hostname); err != nil {
		return Client{}, err
	}
	fill(&info.Hostname, req.Hostname)
	if err := m.Hosts.AllowURL(info.AccessTokenURI, info.Hostname); err != nil {
		return Client{}, crmgate.Refuse("accessTokenUri: %v", err)
	}
	if info.ClientSecret.IsZero() && info.TokenAuth != crmgate.TokenAuthBody {
		info.TokenAuth = crmgate.TokenAuthNone // a public client has nothing to authenticate with (RFC 6749, 2.3)
	}
	return Client{
		ID: info.ClientID, Secret: info.ClientSecret, TokenURL: info.AccessTokenURI, RedirectURI: info.RedirectURI,
		Hostname: info.Hostname, Auth: info.TokenAuth, info: info, manifest: m,
	}, nil
}

func fill[S ~string](v *S, otherwise S) {
	if *v == "" {
		*v = otherwise
	}
}

// Exchange is a code to be redeemed.
type Exchange struct {
	Code        crmgate.Secret
	RedirectURI string
	Verifier    crmgate.Secret // PKCE; empty without
}

// Tokens is what a token endpoint granted.
type Tokens struct {
	Access  crmgate.Secret // never empty
	Refresh crmgate.Secret
	Issued  time.Time
	Expiry  time.Time // zero: unknown
	// Data is the answer as a JSON object, the tokens excepted.
	Data json.RawMessage
}

// Exchange redeems a code, with one request. Errors are *Error, or a *crmgate.Refusal or *crmgate.ConnectorError if nothing was sent.
func (e *Engine) Exchange(ctx context.Context, conn crmgate.Connector, c Client, x Exchange) (Tokens, error) {
	r := call{engine: e, client: c}
	if conn.Implements("getOverridingOAuthOption") {
		var err error
		r.option, err = conn.OverridingOAuthOption(ctx, crmgate.OAuthOptionRequest{Code: x.Code, OAuth: c.info})
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return Tokens{}, err
		}
	}
	t, err := r.do(ctx, func(ctx context.Context, conf *oauth2.Config) error {
		conf.RedirectURL = x.RedirectURI
		var opts []oauth2.AuthCodeOption
		if !x.Verifier.IsZero() {
			opts = append(opts, oauth2.VerifierOption(x.Verifier.Reveal()))
		}
		_, err := conf.Exchange(ctx, x.Code.Reveal(), opts...)
		return err
	})
	e.Observe("exchange", c.manifest.Platform, outcome(err))
	return t, err
}

// refresh redeems a refresh token, with one request.
func (e *Engine) refresh(ctx context.Context, c Client, token crmgate.Secret) (Tokens, error) {
	r := call{engine: e, client: c}
	return r.do(ctx, func(ctx context.Context, conf *oauth2.Config) error {
		// The source is asked once and dropped: one that is kept refreshes in memory and tells nobody.
		_, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: token.Reveal()}).Token()
		return err
	})
}

// Grant is what to store for these tokens. old is the same person's grant until now: its refresh token is kept if the
// answer brought none, the same client got it, and it is not known to be dead.
func (t Tokens) Grant(c Client, old crmgate.Grant) crmgate.Grant {
	g := crmgate.Grant{AccessToken: t.Access, RefreshToken: t.Refresh, Issued: t.Issued, Expiry: t.Expiry, App: c.app()}
	same := old.App.ClientID == g.App.ClientID && old.App.Account == g.App.Account && old.App.Revision == g.App.Revision
	if g.RefreshToken.IsZero() && same && old.Dead == "" {
		g.RefreshToken = old.RefreshToken
	}
	return g
}

// NewVerifier makes a PKCE code verifier (RFC 7636, 4.1).
func NewVerifier() crmgate.Secret { return crmgate.NewSecret(oauth2.GenerateVerifier()) }

// Challenge is the S256 code challenge of a verifier (RFC 7636, 4.2).
func Challenge(verifier crmgate.Secret) string {
	return oauth2.S256ChallengeFromVerifier(verifier.Reveal())
}

// AuthHeader is what the CRM's API wants to see of a person: "Bearer …", or "Basic …" made anew by the connector.
func AuthHeader(ctx context.Context, conn crmgate.Connector, p crmgate.Person) (crmgate.Secret, error) {
	if p.Grant.APIKey.IsZero() {
		return crmgate.NewSecret("Bearer " + p.Grant.AccessToken.Reveal()), nil
	}
	basic, err := conn.BasicAuth(ctx, p.Grant.APIKey)
	return crmgate.NewSecret("Basic " + basic.Reveal()), err
}
