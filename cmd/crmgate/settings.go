package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
)

// storeFlags say where things are kept, and what connectors may reach. Every command that needs the store or connectors has them.
type storeFlags struct {
	Data       string         `help:"Folder for the database and what belongs to it, which only its owner may enter (default ${default})." default:"./data" placeholder:"DIR"`
	Keyset     string         `help:"File of the key ring that seals the database (default DATA/keyset.json; made on first start)." placeholder:"FILE"`
	Connectors string         `help:"Folder of connectors: NAME.wasm and NAME.json, and manifest.json (default ${default})." default:"./connectors" placeholder:"DIR"`
	Cache      string         `help:"Folder for compiled connectors, which only its owner may write (default DATA/cache)." placeholder:"DIR"`
	Egress     []netip.Prefix `name:"allow-egress" help:"Private addresses that connectors may reach all the same, such as 10.1.2.0/24. Repeatable." placeholder:"CIDR"`
	Resolve    []string       `help:"Dial ADDR:PORT for HOST:PORT. Repeatable." placeholder:"HOST:PORT:ADDR:PORT"`

	now func() time.Time // default time.Now
}

func (s *storeFlags) keyset() string {
	if s.Keyset != "" {
		return s.Keyset
	}
	return filepath.Join(s.Data, "keyset.json")
}

func (s *storeFlags) cache() string {
	if s.Cache != "" {
		return s.Cache
	}
	return filepath.Join(s.Data, "cache")
}

func (s *storeFlags) socket() string { return filepath.Join(s.Data, "control.sock") }

// checkConnectors says what to do where there is no folder of connectors.
func (s *storeFlags) checkConnectors() error {
	fi, err := os.Stat(s.Connectors)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !fi.IsDir() {
		return fmt.Errorf("--connectors: there is no folder %s: name the one with NAME.wasm and NAME.json", s.Connectors)
	}
	return advice(err, "--connectors")
}

// clock is the time.
func (s *storeFlags) clock() time.Time {
	if s.now != nil {
		return s.now()
	}
	return time.Now()
}

// serveFlags are the flags of serve.
type serveFlags struct {
	storeFlags
	Listen         string   `help:"Address to answer clients on (default ${default})." default:"127.0.0.1:8080" placeholder:"ADDR"`
	PublicURL      string   `help:"How browsers reach this server (default http://LISTEN)." placeholder:"URL"`
	RingCentralURL string   `name:"ringcentral-url" help:"Where RingCentral access tokens are verified (default ${default})." default:"https://platform.ringcentral.com" placeholder:"URL"`
	AdminTokenFile string   `help:"File of the administrators' tokens, as crmgate admin-token makes them. RingCentral is not asked then." placeholder:"FILE"`
	AdminListen    string   `help:"Address for /metrics, /healthz and /readyz; empty for none (default ${default})." default:"127.0.0.1:9090" placeholder:"ADDR"`
	AllowedOrigin  []string `help:"Origin that the landing page may hand a sign-in to (default: that of --public-url). Repeatable." placeholder:"ORIGIN"`
	AccountProof   string   `help:"Whether a callback must prove the account that it names: optional or required." enum:"optional,required" default:"optional"`
	CompatState    string   `help:"Whether callbacks with the plain state of today's clients are taken: on or off." enum:"on,off" default:"on"`
	AuditRetention age      `help:"How long the audit log is kept, such as 400d or 720h; 0 for ever (default ${default})." default:"400d" placeholder:"AGE"`
	DebugHeader    bool     `help:"Answer requests with the header is-debug: true with a trace as well."`

	preset map[string]string // connectors' configuration that goes before the environment's
}

// checkPublicURL refuses what browsers cannot be sent to. Empty is not wrong: there is a default.
func checkPublicURL(raw string) error {
	u, err := url.Parse(raw)
	if raw != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		return fmt.Errorf("--public-url: expected a URL such as https://connect.example.com, got %q", raw)
	}
	return nil
}

func (f *serveFlags) publicURL() string {
	if f.PublicURL != "" {
		return strings.TrimSuffix(f.PublicURL, "/")
	}
	return "http://" + f.Listen
}

// setting reads NAME from the environment, or from the file that NAME_FILE names, less one line end. ok is false if neither is set.
func setting(name string) (value crmgate.Secret, ok bool, err error) {
	v, inEnv := os.LookupEnv(name)
	file, inFile := os.LookupEnv(name + "_FILE")
	switch {
	case inEnv && inFile:
		return value, false, fmt.Errorf("both %s and %s_FILE are set: leave one", name, name)
	case inFile:
		b, err := os.ReadFile(file)
		if err != nil {
			return value, false, fmt.Errorf("%s_FILE: %w", name, err)
		}
		v = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	}
	return crmgate.NewSecret(v), inEnv || inFile, nil
}

// advice adds what to do to an error of the operating system.
func advice(err error, what string) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: is it owned by somebody else?", what, err)
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
