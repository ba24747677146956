package edge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
)

// Config describes a node. The zero value of a field is its default.
type Config struct {
	// Data is the folder of the database and the control socket, which only its owner may enter. Required; made if absent.
	Data string
	// Keyset is the file of the key ring that seals the database. Default Data/keyset.json; made with the database.
	Keyset string
	// Connectors is the folder of NAME.wasm, NAME.js or NAME.ts, NAME.json, and manifest.json. Required.
	Connectors string
	// Watch reloads the connectors when their folder has changed, and was then unchanged for a second. Default false.
	Watch bool
	// Accept is asked at the start if a connector may do more than when it was accepted: more lists what. Without a yes the platform
	// is left out. Default: no.
	Accept func(ctx context.Context, p crmgate.Platform, more []string) bool
	// Strict ends the start if a platform's manifest or module is wrong, or its settings cannot be read. Default false: the platform
	// is left out.
	Strict bool
	// Cache is the folder of compiled connectors, which only its owner may write. Default Data/cache.
	Cache string
	// GuestProcesses is how many connectors can have a process of their own at once. The program must call process.Main first.
	// Default 0: connectors run in this process.
	GuestProcesses int
	// ShareJavaScript lets connectors in JavaScript and TypeScript share a process. Default false: each has its own.
	ShareJavaScript bool
	// GuestMemory is how many bytes of memory all connectors may use together. Default a quarter of what this system, or its control
	// group, has.
	GuestMemory int64
	// AllowEgress lists private addresses that connectors may reach. Default none.
	AllowEgress []netip.Prefix
	// EgressProxyNames has the proxy of the setting CRMGATE_EGRESS_PROXY resolve host names. The addresses of CRMs are then not
	// checked. Default false.
	EgressProxyNames bool
	// Timeout bounds one call of a connector, and one request to another server. Default 10 s.
	Timeout time.Duration
	// Resolve lists HOST:PORT:ADDR:PORT entries: ADDR:PORT is dialled for HOST:PORT. Default none.
	Resolve []string

	// Listen is the address for clients. Default 127.0.0.1:0, a free port of loopback.
	Listen string
	// PublicURL is the URL by which browsers reach the node. Default http:// and the address that the node listens on.
	PublicURL string
	// AllowedOrigins lists the origins to which the landing page may hand a sign-in. Default the origin of PublicURL.
	AllowedOrigins []string
	// TrustedProxies are the networks of reverse proxies in front of the node. Their X-Forwarded-For names the client. Default
	// none.
	TrustedProxies []netip.Prefix
	// AdminListen is the address for /metrics, /healthz and /readyz. Default none.
	AdminListen string
	// RingCentralURL is where RingCentral access tokens are verified, such as https://platform.ringcentral.com. Default none: they
	// are refused.
	RingCentralURL string
	// AdminTokenFile lists the admin tokens. Default none.
	AdminTokenFile string
	// RequireAccountProof refuses the requests of a session whose account is unproven, until one proves it. Default false.
	RequireAccountProof bool
	// RefusePlainState refuses callbacks whose state crmgate did not make. Default false: App Connect's clients send such.
	RefusePlainState bool
	// HideIndex leaves the CRMs out of the page at /. Default false.
	HideIndex bool
	// AuditRetention is how long audit entries are kept. Default 0: they are never removed.
	AuditRetention time.Duration
	// AuditEvery is how often the audit log is sealed, and counts of repeats are written. Default a minute.
	AuditEvery time.Duration
	// RecordFailures is a folder for recordings of the calls of connectors that failed. It is made with mode 0700. Default none: no call
	// is recorded.
	RecordFailures string
	// Witness gets every call of a connector, for the tools of authors: the calls are those of an author's own account. Default none.
	Witness func(wasmhost.Witnessed)
	// Debug answers requests with the header "is-debug: true" with their trace as well. Default false.
	Debug bool

	// Setting finds a setting by name: CRMGATE_SESSION_KEY, CRMGATE_HASH_KEY, CRMGATE_EGRESS_PROXY (the URL of a proxy for outbound
	// requests), and the names that connectors declare. ok is false if it is not set. Default: nothing is set; the two keys are
	// then made once and kept sealed in the store.
	Setting func(name string) (value crmgate.Secret, ok bool, err error)
	// SettingNames lists the settings that are set. Start logs those that look like a connector's, and that no connector
	// declares. Default none.
	SettingNames []string
	// Now tells the time. Default time.Now.
	Now func() time.Time
	// Logger gets what clients are not told, with the request's id where there is one. Lines of a message that is logged too
	// often are left out, and counted. Default slog.Default().
	Logger *slog.Logger
	// Version is logged at the start, and sent to other servers in User-Agent. Default empty.
	Version string
}

// ConfigError is an error of one field of a Config.
type ConfigError struct {
	Field string // the name in Config
	Err   error
}

// Error implements error.
func (e *ConfigError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

func badField(field, format string, a ...any) error {
	return &ConfigError{field, fmt.Errorf(format, a...)}
}

// inField is nil if err is.
func inField(field string, err error) error {
	if err == nil {
		return nil
	}
	return &ConfigError{field, err}
}

// withDefaults fills in what does not depend on the listener.
func (c Config) withDefaults() Config {
	c.Keyset = cmp.Or(c.Keyset, filepath.Join(c.Data, "keyset.json"))
	c.Cache = cmp.Or(c.Cache, filepath.Join(c.Data, "cache"))
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:0")
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if c.Setting == nil {
		c.Setting = func(string) (s crmgate.Secret, ok bool, err error) { return s, false, nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// check refuses a configuration that cannot work. It writes nothing.
func (c *Config) check() error {
	if c.Data == "" {
		return badField("Data", "expected a folder, got an empty name")
	}
	return c.checkPublicURL()
}

// checkPublicURL refuses what browsers cannot be sent to. Empty means the default.
func (c *Config) checkPublicURL() error {
	u, err := url.Parse(c.PublicURL)
	if c.PublicURL != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		return badField("PublicURL", "expected a URL such as https://connect.example.com, got %q", c.PublicURL)
	}
	return nil
}

// checkConnectors says what to do if there is no folder of connectors.
func (c *Config) checkConnectors() error {
	fi, err := os.Stat(c.Connectors)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !fi.IsDir() {
		return badField("Connectors", "there is no folder %s: name the one with NAME.wasm, NAME.js or NAME.ts, and NAME.json", c.Connectors)
	}
	return inField("Connectors", advice(err))
}

// socket is the path of the control socket.
func (c *Config) socket() string { return filepath.Join(c.Data, "control.sock") }

// advice adds what to do to an error of the operating system.
func advice(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: check its owner", err)
	}
	return err
}
