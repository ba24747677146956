package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/storage/badger"
)

// Client asks about the people, token answers, connectors and audit log of a data folder: over the control socket of the node that
// has it open or, without a node, from the store itself. It makes no store.
//
// Safe for concurrent use while a node runs. Without a node, a call opens the store, which admits one call at a time.
type Client struct{ config Config }

// NewClient returns a client for the node or the store of a configuration. The fields about listeners are not needed.
func NewClient(c Config) *Client { return &Client{c.withDefaults()} }

// People lists who has signed in.
func (c *Client) People(ctx context.Context) (all []operator.Entry, err error) {
	return all, c.ask(ctx, http.MethodGet, "/users", &all)
}

// PersonName names a person as an operator does.
type PersonName struct {
	Platform crmgate.Platform
	ID       crmgate.UserID
	Hostname *string // of the person's CRM; needed only if several people of the platform have the ID
}

// Person is one of them. A name that fits several people is an error, which names their hosts.
func (c *Client) Person(ctx context.Context, n PersonName) (e operator.Entry, err error) {
	return e, c.ask(ctx, http.MethodGet, n.path(), &e)
}

// Forget removes a person, ends the session and has the CRM revoke the grant. A name that fits several people is an error,
// which names their hosts.
func (c *Client) Forget(ctx context.Context, n PersonName) (revoke.Result, error) {
	var answer struct{ CRM revoke.Result }
	err := c.ask(ctx, http.MethodDelete, n.path(), &answer)
	return answer.CRM, err
}

func (n PersonName) path() string {
	path := "/users/" + url.PathEscape(string(n.Platform)) + "/" + url.PathEscape(string(n.ID))
	if n.Hostname != nil {
		path += "?" + url.Values{"hostname": {*n.Hostname}}.Encode()
	}
	return path
}

// Revocations lists the grants that are still to be revoked at a CRM.
func (c *Client) Revocations(ctx context.Context) (all []operator.Revocation, err error) {
	return all, c.ask(ctx, http.MethodGet, "/revocations", &all)
}

// Reload has the running node reload its connectors, as Node.Reload does. It is an error if no node runs.
func (c *Client) Reload(ctx context.Context, accepted ...crmgate.Platform) (r operator.Reloaded, err error) {
	q := url.Values{}
	for _, p := range accepted {
		q.Add("accept", string(p))
	}
	return r, c.ask(ctx, http.MethodPost, "/reload?"+q.Encode(), &r)
}

// Applications lists the OAuth applications, and whether their CRM rejects them.
func (c *Client) Applications(ctx context.Context) (all []operator.Application, err error) {
	return all, c.ask(ctx, http.MethodGet, "/apps", &all)
}

// RetryApplications lets the next request try the rejected applications of a platform: those of an account, or all if account
// is nil. It returns how many they are; it is an error if there are none.
func (c *Client) RetryApplications(ctx context.Context, p crmgate.Platform, account *crmgate.AccountID) (int, error) {
	path := "/apps/" + url.PathEscape(string(p)) + "/retry"
	if account != nil {
		path += "?" + url.Values{"account": {string(*account)}}.Encode()
	}
	var answer struct{ Retried int }
	err := c.ask(ctx, http.MethodPost, path, &answer)
	return answer.Retried, err
}

// Answers lists the kept token answers.
func (c *Client) Answers(ctx context.Context) (all []operator.Answer, err error) {
	return all, c.ask(ctx, http.MethodGet, "/journal", &all)
}

// Replay reads a kept token answer again and stores its grant; a dry replay only reads.
func (c *Client) Replay(ctx context.Context, id string, dry bool) (r authflow.Replayed, err error) {
	path := "/journal/" + url.PathEscape(id)
	if dry {
		path += "?dry"
	}
	return r, c.ask(ctx, http.MethodPost, path, &r)
}

// DropAnswer removes a kept token answer.
func (c *Client) DropAnswer(ctx context.Context, id string) error {
	return c.ask(ctx, http.MethodDelete, "/journal/"+url.PathEscape(id), &struct{}{})
}

// Audit calls each with the audit entries since a time, the oldest first. A zero time, an empty platform and an empty user
// select all. An error of each ends it.
func (c *Client) Audit(ctx context.Context, since time.Time, p crmgate.Platform, user crmgate.UserID, each func(operator.AuditEntry) error) error {
	q := url.Values{"platform": {string(p)}, "user": {string(user)}}
	if !since.IsZero() {
		q.Set("since", since.Format(time.RFC3339Nano))
	}
	return c.request(ctx, http.MethodGet, "/audit?"+q.Encode(), readLines(func(l proxy.AuditLine) error {
		if l.Entry == nil {
			return nil
		}
		return each(*l.Entry)
	}))
}

// VerifyAudit checks that the audit log was not changed, and calls each with every problem.
func (c *Client) VerifyAudit(ctx context.Context, each func(problem string) error) (operator.AuditReport, error) {
	var report *operator.AuditReport
	err := c.request(ctx, http.MethodGet, "/audit/verify", readLines(func(l proxy.AuditLine) error {
		if l.Report != nil {
			report = l.Report
		}
		if l.Problem == "" {
			return nil
		}
		return each(l.Problem)
	}))
	if err == nil && report == nil {
		err = errors.New("the node sent no report")
	}
	if err != nil {
		return operator.AuditReport{}, err
	}
	return *report, nil
}

// ask sends a request and decodes the answer.
func (c *Client) ask(ctx context.Context, method, path string, into any) error {
	return c.request(ctx, method, path, func(status int, body io.Reader) error { return decode(status, body, into) })
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

// readLines returns a reader of an answer that is a stream of lines.
func readLines(line func(proxy.AuditLine) error) func(status int, body io.Reader) error {
	return func(status int, body io.Reader) error {
		if status != http.StatusOK {
			return decode(status, body, nil)
		}
		for d := json.NewDecoder(body); ; {
			var l proxy.AuditLine
			err := d.Decode(&l)
			switch {
			case err != nil:
				return fmt.Errorf("the answer was cut off: %w", err)
			case l.Error != "":
				return errors.New(l.Error)
			case l.End:
				return nil
			}
			if err := line(l); err != nil {
				return err
			}
		}
	}
}

// answerTime bounds how long a node takes to answer: a reload compiles connectors.
const answerTime = 10 * time.Minute

// request sends a request to the node or, without a node, answers it from the store. read gets the answer as it comes.
func (c *Client) request(ctx context.Context, method, path string, read func(status int, body io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://crmgate"+path, nil)
	if err != nil {
		return err
	}
	var dialer net.Dialer
	client := &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: answerTime, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", c.config.socket())
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return c.requestAtRest(ctx, req, read)
	}
	if err != nil {
		return fmt.Errorf("the running server: %w", err)
	}
	defer resp.Body.Close()
	return read(resp.StatusCode, resp.Body)
}

// requestAtRest answers from a store that no node has open.
func (c *Client) requestAtRest(ctx context.Context, req *http.Request, read func(status int, body io.Reader) error) error {
	if empty, err := badger.Empty(c.config.Data); err != nil {
		return err
	} else if empty {
		return badField("Data", "there is no database in %s", c.config.Data)
	}
	rest := newCore(c.config)
	rest.PublicURL = "http://localhost" // not used, but checked
	err := rest.openStore(ctx)
	if err == nil {
		err = rest.answer(req, read)
	}
	if closing := rest.Close(); closing != nil {
		err = errors.Join(err, closing)
	}
	return err
}

// answer answers a request like the control socket of a node. It opens the rest of the core for what the CRM must be told.
func (c *core) answer(req *http.Request, read func(status int, body io.Reader) error) error {
	var opening error // as it was: the answer has only its text
	control := proxy.Control(operator.Directory{DB: c.db}, proxy.Acts{
		Forget: func(ctx context.Context, key crmgate.UserKey) (revoke.Result, error) {
			if opening = c.openRest(ctx); opening != nil {
				return "", opening
			}
			return c.forget(ctx, key)
		},
		Replay: func(ctx context.Context, id string, dry bool) (authflow.Replayed, error) {
			if opening = c.openRest(ctx); opening != nil {
				return authflow.Replayed{}, opening
			}
			return c.replay(ctx, id, dry)
		},
		Connectors: c.survey,
		Reload: func(context.Context, []crmgate.Platform) (operator.Reloaded, error) {
			return operator.Reloaded{}, crmgate.Refuse("No server runs on %s: it loads the connectors when it starts.", c.Data)
		},
	})
	err := answered(control, req, read)
	if opening != nil {
		return opening
	}
	return err
}

// answered passes what a handler writes to read, while it is written. It returns when both have ended.
func answered(h http.Handler, req *http.Request, read func(status int, body io.Reader) error) error {
	body, in := io.Pipe()
	w := &piped{PipeWriter: in, header: http.Header{}, status: make(chan int, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer in.Close()
		h.ServeHTTP(w, req)
		w.WriteHeader(http.StatusOK) // counts if the handler wrote nothing
	}()
	err := read(<-w.status, body)
	body.Close() // what is still written fails, and the handler ends
	<-done
	return err
}

// piped is a ResponseWriter that passes the answer on while it is written.
type piped struct {
	*io.PipeWriter
	header http.Header
	status chan int // has room for the first status, which counts
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
