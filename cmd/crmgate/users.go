package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/revoke"
)

type usersCommand struct {
	List   usersListCommand   `cmd:"" help:"List the people who have signed in."`
	Show   usersShowCommand   `cmd:"" help:"Show one person who has signed in."`
	Delete usersDeleteCommand `cmd:"" help:"Delete a person, end the session, and have the CRM revoke the access."`
}

type usersListCommand struct {
	storeFlags
	Platform crmgate.Platform  `env:"-" help:"Only people of a platform, such as clio."`
	Account  crmgate.AccountID `env:"-" help:"Only people of a RingCentral account, such as 4711."`
	State    string            `env:"-" help:"Only people in a state: active, refreshing, needs_login, paused or logged_out." enum:",active,refreshing,needs_login,paused,logged_out" default:""`
	jsonFlag
}

// leavesOut reports whether the flags leave a person out.
func (c *usersListCommand) leavesOut(e operator.Entry) bool {
	return c.Platform != "" && e.Platform != c.Platform || c.Account != "" && e.Account != c.Account || c.State != "" && e.State != c.State
}

type oneUser struct {
	storeFlags
	Platform crmgate.Platform `arg:"" help:"The platform, such as clio."`
	ID       crmgate.UserID   `arg:"" help:"The user's id, such as 123-clio."`
	Host     *string          `env:"-" help:"The user's CRM host, if several users of the platform have the id." placeholder:"HOST"`
	jsonFlag
}

func (o *oneUser) name() edge.PersonName {
	return edge.PersonName{Platform: o.Platform, ID: o.ID, Hostname: o.Host}
}

type (
	usersShowCommand   struct{ oneUser }
	usersDeleteCommand struct {
		oneUser
		recordFlag
	}
)

func (c *usersListCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	all, err := c.client(log).People(ctx)
	if err != nil {
		return err
	}
	some := slices.DeleteFunc(slices.Clone(all), c.leavesOut)
	slices.SortFunc(some, func(a, b operator.Entry) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Hostname, b.Hostname))
	})
	if c.JSON {
		return printJSON(out, some)
	}
	switch {
	case len(all) == 0:
		_, err = fmt.Fprintln(out, "No users yet.")
		return err
	case len(some) == 0:
		_, err = fmt.Fprintln(out, "No such users.")
		return err
	}
	rows := [][]string{{"PLATFORM", "ID", "NAME", "HOST", "ACCOUNT", "STATE", "HOLDS", "SIGNED IN"}}
	for _, e := range some {
		rows = append(rows, []string{string(e.Platform), string(e.ID), e.Name, e.Hostname, account(e), e.State, holds(e), when(e.SignedIn)})
	}
	return printTable(out, rows)
}

func (c *usersShowCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	e, err := c.client(log).Person(ctx, c.name())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, e)
	}
	rows := slices.DeleteFunc([][]string{
		{"platform", string(e.Platform)}, {"id", string(e.ID)}, {"name", e.Name}, {"host", e.Hostname}, {"account", account(e)},
		{"time zone", e.Timezone}, {"state", e.State}, {"reason", e.Reason}, {"since", when(e.Since)}, {"client id", e.ClientID},
		{"access token", e.AccessToken.String()}, {"expires", when(e.Expiry)}, {"refresh token", e.RefreshToken.String()},
		{"renewal", renewal(e)}, {"API key", e.APIKey.String()}, {"first sign-in", when(e.Created)}, {"last sign-in", when(e.SignedIn)},
	}, func(row []string) bool { return row[1] == "" })
	return printTable(out, rows)
}

func (c *usersDeleteCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	config := c.config(log)
	config.RecordFailures = c.RecordFailures // needed without a running server only, which has its own
	told, err := edge.NewClient(config).Forget(ctx, c.name())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, map[string]any{"deleted": map[string]any{"platform": c.Platform, "id": c.ID}, "crm": told})
	}
	_, err = fmt.Fprintf(out, "%s %s is deleted.%s\n", c.Platform, printable(string(c.ID)), aboutCRM(told))
	return err
}

// aboutCRM says whether the CRM has revoked the access.
func aboutCRM(t revoke.Result) string {
	switch t {
	case revoke.Now:
		return " The CRM has revoked the access."
	case revoke.Later:
		return " The CRM could not be told yet: the server tries again for up to a week."
	}
	return " Nothing was sent to the CRM: an API key or a token that it issued may still be valid there."
}

// account is the RingCentral account that a person belongs to.
func account(e operator.Entry) string {
	if e.Unproven {
		return string(e.Account) + " (unproven)"
	}
	return string(e.Account)
}

// renewal says that a grant has no refresh token; it is empty if it has one. Only the connector knows whether it needs one.
func renewal(e operator.Entry) string {
	if !e.Unrenewable {
		return ""
	}
	return "not possible without a refresh token, unless the connector renews access by itself: the person must sign in again when the access token expires"
}

// holds lists the credentials that are stored for a person.
func holds(e operator.Entry) string {
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
