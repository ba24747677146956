package main

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/crmgate/crmgate/edge"
)

type serveCommand struct {
	storeFlags
	guestFlags
	acceptFlag
	Listen         string         `help:"Address for clients (default ${default})." default:"127.0.0.1:8080" placeholder:"ADDR"`
	PublicURL      string         `help:"URL by which browsers reach this server (default http://LISTEN)." placeholder:"URL"`
	RingCentralURL string         `name:"ringcentral-url" help:"Where RingCentral access tokens are verified; empty to refuse them (default ${default})." default:"https://platform.ringcentral.com" placeholder:"URL"`
	AdminTokenFile string         `help:"File of the admin tokens that crmgate admin-token makes. RingCentral is not asked about them." placeholder:"FILE"`
	AdminListen    string         `help:"Address for /metrics, /healthz and /readyz; empty for none (default ${default})." default:"127.0.0.1:9090" placeholder:"ADDR"`
	TrustedProxies []netip.Prefix `help:"Addresses of reverse proxies, such as 10.1.2.0/24: their X-Forwarded-For names the client, for limits. Repeatable." placeholder:"CIDR"`
	AllowedOrigin  []string       `help:"Origin to which the landing page may hand a sign-in (default: that of --public-url). Repeatable." placeholder:"ORIGIN"`
	AccountProof   string         `help:"Whether sessions are refused until a RingCentral token proves their account: optional or required." enum:"optional,required" default:"optional"`
	CompatState    string         `help:"Whether callbacks with the plain state of today's clients are accepted: on or off." enum:"on,off" default:"on"`
	Index          string         `help:"Whether the page at / lists the CRMs that people can connect: on or off." enum:"on,off" default:"on"`
	AuditRetention age            `help:"How long the audit log is kept, such as 400d or 720h; 0 keeps it for ever (default ${default})." default:"400d" placeholder:"AGE"`
	ShareJS        bool           `name:"share-javascript" help:"Let connectors in JavaScript and TypeScript share a process, which saves some 20 MB for each. Only the engine then keeps the secrets of one from another."`
	Watch          string         `help:"Whether connectors are reloaded when their folder has changed: on or off." enum:"on,off" default:"on"`
	Strict         bool           `help:"Do not start if a platform's manifest or module is wrong, or its settings cannot be read, instead of leaving that platform out."`
	recordFlag
	DebugHeader bool `help:"Answer requests with the header is-debug: true with a trace as well."`
}

// Help is what `crmgate serve --help` adds.
func (serveCommand) Help() string {
	return `Secrets come from the environment. NAME_FILE names a file to read NAME from:

  CRMGATE_SESSION_KEY    Signs session tokens, at least 32 bytes; made once if absent.
  CRMGATE_HASH_KEY       Salts the answers of /userInfoHash, at least 16 bytes; made once if absent.
  CRMGATE_EGRESS_PROXY   The URL of a proxy for outbound requests, such as http://user:password@proxy:3128.
  CLIO_CLIENT_SECRET, …  Settings that connectors declare in their manifests.`
}

func (c *serveCommand) Run(ctx context.Context, log *slog.Logger) error {
	if err := checkHashKey(); err != nil {
		return err
	}
	hup, stop := hangups()
	defer stop()
	n, err := edge.Start(ctx, c.config(log))
	if err != nil && ctx.Err() != nil { // a stop is not a failure
		log.Info("stopped before the server was ready", "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	return serveUntil(ctx, n, hup)
}

func (c *serveCommand) config(log *slog.Logger) edge.Config {
	config := c.storeFlags.config(log)
	config.GuestProcesses, config.GuestMemory = c.processes(), int64(c.Memory)
	config.ShareJavaScript = c.ShareJS
	config.Listen, config.PublicURL, config.AdminListen = c.Listen, c.PublicURL, c.AdminListen
	config.RingCentralURL, config.AdminTokenFile, config.TrustedProxies = c.RingCentralURL, c.AdminTokenFile, c.TrustedProxies
	config.AllowedOrigins = c.AllowedOrigin
	config.RequireAccountProof, config.RefusePlainState = c.AccountProof == "required", c.CompatState == "off"
	config.Accept = c.acceptor(os.Stdin, os.Stderr)
	config.HideIndex = c.Index == "off"
	config.AuditRetention = time.Duration(c.AuditRetention)
	config.RecordFailures = c.RecordFailures
	config.Debug, config.Strict, config.Watch = c.DebugHeader, c.Strict, c.Watch == "on"
	return config
}
