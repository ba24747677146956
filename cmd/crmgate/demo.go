package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

type demoCommand struct {
	Listen   string `help:"Address of crmgate (default ${default})." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Practice string `env:"-" help:"Address of the practice CRM (default ${default})." default:"127.0.0.1:8081" placeholder:"ADDR"`
	Admin    string `name:"admin-listen" help:"Address for /metrics, /healthz and /readyz; empty for none (default ${default})." default:"127.0.0.1:9090" placeholder:"ADDR"`
	// Not the folders of serve: the same person may run the server, too.
	Data       string `env:"-" help:"Folder for the database (default ${default})." default:"./demo-data" placeholder:"DIR"`
	Connectors string `env:"-" help:"Folder of connectors, as make build leaves it (default ${default})." default:"./bin/connectors" placeholder:"DIR"`
	Mood       string `env:"-" help:"How the practice CRM misbehaves after the two sign-ins, in JSON, such as {\"status\":503}; see docs/connectors.md." placeholder:"JSON"`
	guestFlags
	Once bool `env:"-" help:"Stop after the two sign-ins."`
}

func (c *demoCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	crm, err := edge.Listen("Practice", c.Practice)
	if err != nil {
		return err
	}
	practiceURL := "http://" + crm.Addr().String()
	practice := practicecrm.New(practicecrm.Config{})
	mood, err := practice.ParseMood([]byte(cmp.Or(c.Mood, "{}")))
	if err != nil {
		return fmt.Errorf("--mood: %w", err)
	}
	hs := &http.Server{Handler: practice, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = hs.Serve(crm) }() // ends with Close
	defer hs.Close()
	folder, err := demoFolder(c.Connectors, crm.Addr().String())
	defer os.RemoveAll(folder) // empty if it was not made
	if err != nil {
		return fmt.Errorf("--connectors: %w", err)
	}
	fmt.Fprintln(out, "Loading the connectors. The first time, they are compiled, which takes some seconds each.")
	n, err := edge.Start(ctx, c.config(folder, practiceURL, log))
	if err != nil {
		return err
	}
	d := demo{out: out, base: "http://" + n.Addr(), practice: practiceURL, admin: c.Admin, client: &http.Client{Timeout: 15 * time.Second}}
	defer d.client.CloseIdleConnections()
	if err := d.show(ctx, c); err != nil {
		return errors.Join(err, n.Close())
	}
	practice.SetMood(mood)
	if c.Once {
		return n.Close()
	}
	return n.Wait(ctx)
}

func (c *demoCommand) config(folder, practiceURL string, log *slog.Logger) edge.Config {
	preset := map[string]string{"PRACTICE_URL": practiceURL, "PRACTICEKEY_URL": practiceURL, "PRACTICE_CLIENT_SECRET": practicecrm.ClientSecret}
	return edge.Config{
		Data: c.Data, Connectors: folder, AllowEgress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		GuestProcesses: c.processes(), GuestMemory: int64(c.Memory), Listen: c.Listen, AdminListen: c.Admin, RingCentralURL: practiceURL, Debug: true,
		Setting: func(name string) (crmgate.Secret, bool, error) {
			if v, ok := preset[name]; ok {
				return crmgate.NewSecret(v), true, nil
			}
			if name == egressProxy { // the practice CRM is on this machine
				return crmgate.Secret{}, false, nil
			}
			return setting(name)
		},
		Accept: func(context.Context, crmgate.Platform, []string) bool { return true }, // the connectors are the project's own
		Logger: log, Version: version,
	}
}

// demo plays the part of the extension.
type demo struct {
	out                   io.Writer
	base, practice, admin string
	client                *http.Client
}

func (d *demo) show(ctx context.Context, c *demoCommand) error {
	fmt.Fprintf(d.out, "\ncrmgate runs at %s, a practice CRM at %s.\n\n", d.base, d.practice)
	token, err := d.oauth(ctx)
	if err != nil {
		return fmt.Errorf("sign in by OAuth: %w", err)
	}
	if err := d.apiKey(ctx); err != nil {
		return fmt.Errorf("sign in with an API key: %w", err)
	}
	host, err := d.get(ctx, "/authValidation", token)
	if err != nil {
		return fmt.Errorf("use the session: %w", err)
	}
	fmt.Fprintf(d.out, "3  session    GET /authValidation says %s\n\nStored (crmgate users list --data %s):\n\n", host, c.Data)
	list := usersListCommand{storeFlags: storeFlags{Data: c.Data}}
	if err := list.Run(ctx, d.out, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	fmt.Fprintf(d.out, `
Open in a browser:
  %s/connect/practice       by OAuth
  %s/connect/practicekey    with the API key %s

Try:
  curl '%s/crmManifest?platformName=practice'
  curl '%s/authUrl?platform=practice&mode=bound'
  curl '%s/authValidation' -H 'Authorization: Bearer %s'
  curl -X POST '%s/apiKeyLogin' -H 'Content-Type: application/json' -d '{"platform":"practicekey","apiKey":"%s"}'
  bin/crmgate users show practicekey 2-practicekey --data %s
  curl '%s/practice/mood' -d '{"status":503}'     the practice CRM fails; {} ends it (docs/connectors.md)
`, d.base, d.base, practicecrm.APIKey, d.base, d.base, d.base, token, d.base, practicecrm.APIKey, c.Data, d.practice)
	if d.admin != "" {
		fmt.Fprintf(d.out, "  curl 'http://%s/metrics'\n", d.admin)
	}
	if !c.Once {
		fmt.Fprint(d.out, "\nPress Ctrl-C to stop.\n\n")
	}
	return nil
}

type composed struct {
	AuthURL     string `json:"authUrl"`
	LoginSecret string `json:"loginSecret"`
}

func (d *demo) authURL(ctx context.Context, mode string) (composed, error) {
	var c composed
	body, err := d.get(ctx, "/authUrl?platform=practice&mode="+mode, "")
	if err == nil {
		err = json.Unmarshal([]byte(body), &c)
	}
	return c, err
}

// signIn is the answer to both kinds of sign-in.
type signIn struct {
	Token   string `json:"jwtToken"`
	Name    string `json:"name"`
	Message struct {
		Message string `json:"message"`
	} `json:"returnMessage"`
}

func (d *demo) oauth(ctx context.Context) (token string, err error) {
	c, err := d.authURL(ctx, "bound")
	if err != nil {
		return "", err
	}
	landed, err := practicecrm.Browse(ctx, d.client, c.AuthURL, "ada")
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+"/oauth-callback?callbackUri="+url.QueryEscape(landed), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Crmgate-Login", c.LoginSecret)
	in, err := d.signIn(req)
	fmt.Fprintf(d.out, "1  OAuth      %s signed in\n", in.Name)
	return in.Token, err
}

func (d *demo) apiKey(ctx context.Context) error {
	body := fmt.Sprintf(`{"platform":"practicekey","apiKey":%q}`, practicecrm.APIKey)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.base+"/apiKeyLogin", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	in, err := d.signIn(req)
	fmt.Fprintf(d.out, "2  API key    %s signed in\n", in.Name)
	return err
}

func (d *demo) signIn(req *http.Request) (signIn, error) {
	var in signIn
	body, err := d.do(req)
	if err != nil {
		return in, err
	}
	if err := json.Unmarshal([]byte(body), &in); err != nil {
		return in, err
	}
	if in.Token == "" {
		return in, errors.New("the CRM refused the sign-in: " + in.Message.Message)
	}
	return in, nil
}

func (d *demo) get(ctx context.Context, path, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		return "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return d.do(req)
}

func (d *demo) do(req *http.Request) (string, error) {
	resp, err := d.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, b)
	}
	return string(b), err
}
