package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
)

// storeFlags are the flags of every command that needs the store or the connectors.
type storeFlags struct {
	Data       string         `help:"Folder for the database, which only its owner may enter (default ${default})." default:"./data" placeholder:"DIR"`
	Keyset     string         `help:"File of the key ring that seals the database (default DATA/keyset.json; made on first start)." placeholder:"FILE"`
	Connectors string         `help:"Folder of connectors: NAME.wasm, NAME.js or NAME.ts, NAME.json, and manifest.json (default ${default})." default:"./connectors" placeholder:"DIR"`
	Cache      string         `help:"Folder for compiled connectors, which only its owner may write (default DATA/cache)." placeholder:"DIR"`
	Egress     []netip.Prefix `name:"allow-egress" help:"Private addresses that connectors may reach, such as 10.1.2.0/24. Repeatable." placeholder:"CIDR"`
	ProxyNames string         `name:"egress-proxy-names" help:"Whether the proxy of CRMGATE_EGRESS_PROXY resolves the names of CRMs, whose addresses are then not checked: on or off." enum:"on,off" default:"off"`
	Aliases    aliases        `name:"config-alias" sep:";" help:"Read the setting NEW of a connector from the variable OLD, if NEW is not set. Repeatable." placeholder:"NEW=OLD"`
	Resolve    []string       `help:"Dial ADDR:PORT for HOST:PORT. Repeatable." placeholder:"HOST:PORT:ADDR:PORT"`
}

func (s *storeFlags) config(log *slog.Logger) edge.Config {
	return edge.Config{
		Data: s.Data, Keyset: s.Keyset, Connectors: s.Connectors, Cache: s.Cache, AllowEgress: s.Egress, EgressProxyNames: s.ProxyNames == "on",
		Resolve: s.Resolve,
		Setting: s.Aliases.setting, SettingNames: s.Aliases.names(), Logger: log, Version: version,
	}
}

func (s *storeFlags) client(log *slog.Logger) *edge.Client { return edge.NewClient(s.config(log)) }

// AfterApply checks what the flags say together. Kong calls it.
func (s *storeFlags) AfterApply() error { return s.Aliases.check() }

// setting reads NAME from the environment, or from the file that NAME_FILE names, without one line end. ok is false if neither is set.
func setting(name string) (value crmgate.Secret, ok bool, err error) {
	v, inEnv := os.LookupEnv(name)
	file, inFile := os.LookupEnv(name + "_FILE")
	switch {
	case inEnv && inFile:
		return value, false, fmt.Errorf("both %s and %s_FILE are set: unset one", name, name)
	case inFile:
		b, err := os.ReadFile(file)
		if err != nil {
			return value, false, fmt.Errorf("%s_FILE: %w", name, err)
		}
		v = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	}
	return crmgate.NewSecret(v), inEnv || inFile, nil
}

// settingNames lists the names that setting finds in the environment.
func settingNames() (names []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, strings.TrimSuffix(name, "_FILE"))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// warnOfUnknown logs each environment variable that begins with CRMGATE_ and belongs to no flag and no secret.
func warnOfUnknown(log *slog.Logger, commands *kong.Node) {
	known := []string{"CRMGATE_SESSION_KEY", hashKey, egressProxy}
	_ = kong.Visit(commands, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok {
			known = append(known, f.Envs...)
		}
		return next(nil)
	})
	for _, name := range settingNames() {
		if strings.HasPrefix(name, "CRMGATE_") && !slices.Contains(known, name) && !slices.Contains(known, name+"_FILE") {
			log.Warn("an environment variable is ignored: crmgate has no such setting", "name", name)
		}
	}
}

const (
	hashKey     = "CRMGATE_HASH_KEY"
	egressProxy = "CRMGATE_EGRESS_PROXY"
	minHashKey  = 16
)

// checkHashKey refuses a key that can be guessed: who knows it can find the account behind a hash.
func checkHashKey() error {
	key, ok, err := setting(hashKey)
	if n := len(key.Reveal()); err == nil && ok && n < minHashKey {
		return fmt.Errorf("%s has %d bytes: it must have at least %d", hashKey, n, minHashKey)
	}
	return err
}

// flagOf names the flag of each field that a ConfigError can have.
var flagOf = map[string]string{
	"Data": "--data", "Keyset": "--keyset", "Connectors": "--connectors", "Listen": "--listen", "AdminListen": "--admin-listen",
	"PublicURL": "--public-url", "AdminTokenFile": "--admin-token-file", "Hostname": "--hostname",
	"EgressProxyNames": "--egress-proxy-names", "RecordFailures": "--record-failures",
	"Practice": "--practice",
}

// byFlag turns an error about a field of the configuration into one about its flag.
func byFlag(err error) error {
	var wrong *edge.ConfigError
	if !errors.As(err, &wrong) || flagOf[wrong.Field] == "" {
		return err
	}
	return fmt.Errorf("%s: %w", flagOf[wrong.Field], wrong.Err)
}
