package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/authflow"
)

type usersCommand struct {
	List   usersListCommand   `cmd:"" help:"List the people who have signed in."`
	Show   usersShowCommand   `cmd:"" help:"Show somebody who has signed in."`
	Delete usersDeleteCommand `cmd:"" help:"Forget somebody, end their session, and have the CRM revoke what it granted."`
}

type usersListCommand struct {
	storeFlags
	jsonFlag
}

type oneUser struct {
	storeFlags
	Platform crmgate.Platform `arg:"" help:"The platform, such as clio."`
	ID       crmgate.UserID   `arg:"" help:"The user's id, such as 123-clio."`
	jsonFlag
}

func (o *oneUser) path() string {
	return "/users/" + url.PathEscape(string(o.Platform)) + "/" + url.PathEscape(string(o.ID))
}

type (
	usersShowCommand   struct{ oneUser }
	usersDeleteCommand struct{ oneUser }
)

func (c *usersListCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	var all []authflow.Entry
	if err := ask(ctx, &c.storeFlags, log, http.MethodGet, "/users", &all); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b authflow.Entry) int {
		return strings.Compare(string(a.Platform)+"/"+string(a.ID), string(b.Platform)+"/"+string(b.ID))
	})
	if c.JSON {
		return printJSON(out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "Nobody has signed in.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLATFORM\tID\tNAME\tHOST\tSTATE\tHOLDS\tSIGNED IN")
	for _, e := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Platform, printable(string(e.ID)), printable(e.Name), printable(e.Hostname),
			e.State, holds(e), when(e.SignedIn))
	}
	return w.Flush()
}

func (c *usersShowCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	var e authflow.Entry
	if err := ask(ctx, &c.storeFlags, log, http.MethodGet, c.path(), &e); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, e)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"platform", string(e.Platform)}, {"id", string(e.ID)}, {"name", e.Name}, {"host", e.Hostname}, {"account", string(e.Account)},
		{"time zone", e.Timezone}, {"state", e.State}, {"reason", e.Reason}, {"since", when(e.Since)}, {"client id", e.ClientID},
		{"access token", e.AccessToken.String()}, {"expires", when(e.Expiry)}, {"refresh token", e.RefreshToken.String()},
		{"API key", e.APIKey.String()}, {"first sign-in", when(e.Created)}, {"last sign-in", when(e.SignedIn)},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", row[0], printable(row[1]))
		}
	}
	return w.Flush()
}

func (c *usersDeleteCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	var answer struct{ CRM authflow.Told }
	if err := ask(ctx, &c.storeFlags, log, http.MethodDelete, c.path(), &answer); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, map[string]any{"deleted": map[string]any{"platform": c.Platform, "id": c.ID}, "crm": answer.CRM})
	}
	_, err := fmt.Fprintf(out, "%s %s is forgotten.%s\n", c.Platform, printable(string(c.ID)), aboutCRM(answer.CRM))
	return err
}

// aboutCRM says what the CRM knows of it.
func aboutCRM(t authflow.Told) string {
	switch t {
	case authflow.ToldNow:
		return " The CRM was told."
	case authflow.ToldLater:
		return " The CRM could not be told yet: the server tries again, for up to a week."
	case authflow.ToldNever:
		return " The CRM was not told, because it rejects the application: what it granted lives on there."
	}
	return " There was nothing to tell the CRM."
}

// holds says which credentials are kept for somebody.
func holds(e authflow.Entry) string {
	var h []string
	for name, s := range map[string]crmgate.Secret{"access token": e.AccessToken, "refresh token": e.RefreshToken, "API key": e.APIKey} {
		if !s.IsZero() {
			h = append(h, name)
		}
	}
	if len(h) == 0 {
		return "nothing"
	}
	slices.Sort(h)
	return strings.Join(h, ", ")
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// printable keeps what a CRM wrote from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// ask sends a request and decodes the answer.
func ask(ctx context.Context, f *storeFlags, log *slog.Logger, method, path string, into any) error {
	return request(ctx, f, log, method, path, func(status int, body io.Reader) error { return decode(status, body, into) })
}

// request sends a request to the running server's control socket, or, if there is none, opens the store and answers it
// here. read gets the answer while it comes.
func request(ctx context.Context, f *storeFlags, log *slog.Logger, method, path string, read func(status int, body io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://crmgate"+path, nil)
	if err != nil {
		return err
	}
	var dialer net.Dialer
	client := &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: time.Minute, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", f.socket())
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return askAtRest(ctx, f, log, req, read)
	}
	if err != nil {
		return fmt.Errorf("the running server: %w", err)
	}
	defer resp.Body.Close()
	return read(resp.StatusCode, resp.Body)
}

// askAtRest answers from a store that no server has open.
func askAtRest(ctx context.Context, f *storeFlags, log *slog.Logger, req *http.Request, read func(status int, body io.Reader) error) error {
	if _, err := os.Stat(f.keyset()); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no store in %s (no %s): name the folder with --data", f.Data, f.keyset())
	}
	a := &app{metrics: proxy.NewMetrics()}
	if err := a.openStore(ctx, f, log); err != nil {
		return errors.Join(err, a.Close())
	}
	// What tells a CRM something takes everything else.
	open := func(ctx context.Context) error {
		serve := serveFlags{storeFlags: *f, Listen: "localhost", RingCentralURL: "https://platform.ringcentral.com"}
		return a.openRest(ctx, &serve, log)
	}
	control := proxy.Control(authflow.Directory{DB: a.db}, proxy.Acts{
		Forget: func(ctx context.Context, key crmgate.UserKey) (authflow.Told, error) {
			if err := open(ctx); err != nil {
				return "", err
			}
			return a.flows.Forget(ctx, key)
		},
		Replay: func(ctx context.Context, id string, dry bool) (authflow.Replayed, error) {
			if err := open(ctx); err != nil {
				return authflow.Replayed{}, err
			}
			return a.flows.Replay(ctx, id, dry)
		},
	})
	return errors.Join(answered(control, req, read), a.Close())
}

// answered has read read what a handler answers, as that comes, and returns when both have ended.
func answered(h http.Handler, req *http.Request, read func(status int, body io.Reader) error) error {
	body, in := io.Pipe()
	w := &piped{PipeWriter: in, header: http.Header{}, status: make(chan int, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer in.Close()
		h.ServeHTTP(w, req)
		w.WriteHeader(http.StatusOK) // in case that it wrote nothing
	}()
	err := read(<-w.status, body)
	body.Close() // what is still written fails, and the handler ends
	<-done
	return err
}

// piped hands an answer on while it is written.
type piped struct {
	*io.PipeWriter
	header http.Header
	status chan int // has room for the one that counts, which is the first
}

func (p *piped) Header() http.Header { return p.header }

func (p *piped) WriteHeader(status int) {
	select {
	case p.status <- status:
	default:
	}
}

func (p *piped) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.PipeWriter.Write(b)
}

func decode(status int, body io.Reader, into any) error {
	if status == http.StatusOK {
		return json.NewDecoder(body).Decode(into)
	}
	var failed struct{ Error string }
	if err := json.NewDecoder(body).Decode(&failed); err != nil {
		return fmt.Errorf("the server answered with status %d", status)
	}
	return errors.New(failed.Error)
}
