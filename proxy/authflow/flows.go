package authflow

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/proxy/session"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// Config is what New needs. Fields without a default are required.
type Config struct {
	DB          *storage.DB
	Tokens      *token.Engine
	Connectors  connector.Registry
	Sessions    *session.Sessions
	Orgs        *org.Orgs
	Revocations *revoke.Worker
	// Verify verifies the tokens that clients send as rcAccessToken.
	Verify identity.Verify
	// PublicURL is the URL at which browsers reach this server, without a slash at its end.
	PublicURL string
	// AllowedOrigins are the origins that the landing page may post a callback to; default PublicURL's own.
	AllowedOrigins []string
	// RefusePlainState refuses callbacks without a bound state.
	RefusePlainState bool
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Logger gets the details that clients do not see; default slog.Default().
	Logger *slog.Logger
	// Count, if set, is called for every sign-in with the flow, the platform and the outcome.
	Count func(flow string, platform crmgate.Platform, outcome string)
	// Held, if set, is called for every callback that is not tried because too many codes were refused.
	Held func(platform crmgate.Platform)
}

// application names an application whose refused codes are counted. It has nothing that a callback can choose, such as the
// token URL.
type application struct {
	platform crmgate.Platform
	account  crmgate.AccountID
	clientID string
}

// guesser is a client whose refused codes of an application are counted.
type guesser struct {
	application
	limit.Client
}

// The refused codes of an application, and those of one client. Ten clients do not use up an application's allowance for long.
var (
	refusedCodes   = limit.RefusalLimits{Burst: 60, Every: time.Second}
	refusedGuesses = limit.RefusalLimits{Burst: 5, Every: 20 * time.Second, AtOnce: 30}
)

// Flows runs the flows. Safe for concurrent use.
type Flows struct {
	Config
	states   states
	sessions authSessions
	// redemptions see to it that a code is exchanged once.
	redemptions *redemptions
	codes       *limit.Refusals[application]
	guesses     *limit.Refusals[guesser]
	people      *limit.Rates[crmgate.UserKey] // sign-ins of each person
	clients     *limit.Rates[limit.Client]    // sign-ins of each client
}

// A person may sign in personBurst times at once, then once every personEvery. A client may sign people in clientBurst times at
// once, then once every clientEvery. Each sign-in writes to the store.
const (
	personBurst = 300
	personEvery = 10 * time.Second
	clientBurst = 1000
	clientEvery = 500 * time.Millisecond
)

// tooOften is the Refusal of a sign-in beyond these limits.
func tooOften(who string) error {
	return &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many sign-ins " + who + ". Please try again in a few minutes.", Err: errTooOften}
}

var errTooOften = errors.New("too many sign-ins")

// New checks the configuration and returns Flows.
func New(c Config) (*Flows, error) {
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" {
		return nil, errors.New("the public URL must be an absolute URL, such as https://connect.example.com")
	}
	if len(c.AllowedOrigins) == 0 {
		c.AllowedOrigins = []string{public.Scheme + "://" + public.Host}
	}
	for i, o := range c.AllowedOrigins {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || strings.Contains(o, "*") {
			return nil, errors.New("an allowed origin must be a scheme and a host, such as https://app.example.com: " + o)
		}
		c.AllowedOrigins[i] = strings.ToLower(u.Scheme + "://" + u.Host)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Count == nil {
		c.Count = func(string, crmgate.Platform, string) {}
	}
	if c.Held == nil {
		c.Held = func(crmgate.Platform) {}
	}
	return &Flows{Config: c,
		states:      states{c.DB, c.Now, limit.NewRates[limit.Client](c.Now, shortStateBurst, shortStateEvery)},
		sessions:    authSessions{c.DB, c.Now, newPolls(), limit.NewRates[limit.Client](c.Now, maxFailures, failureEvery)},
		redemptions: newRedemptions(c.DB, c.Now),
		codes:       limit.NewRefusals[application](c.Now, refusedCodes),
		guesses:     limit.NewRefusals[guesser](c.Now, refusedGuesses),
		people:      limit.NewRates[crmgate.UserKey](c.Now, personBurst, personEvery),
		clients:     limit.NewRates[limit.Client](c.Now, clientBurst, clientEvery),
	}, nil
}
