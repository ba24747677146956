package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
)

type appsCommand struct {
	List  appsListCommand  `cmd:"" help:"List the OAuth applications, and whether their CRM rejects them."`
	Retry appsRetryCommand `cmd:"" help:"Let the next request try a rejected application, without waiting for an hour."`
}

// Help is what "crmgate apps --help" adds.
func (appsCommand) Help() string {
	return `If a CRM rejects an application, for example because of a wrong client secret, the server stops its refreshes and tries it again
with one request an hour. After you have corrected the application at the CRM, use retry. A secret that was changed here
needs no retry: restart the server.`
}

type appsListCommand struct {
	storeFlags
	jsonFlag
}

func (c *appsListCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	all, err := c.client(log).Applications(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "No applications yet.")
		return err
	}
	rows := [][]string{{"PLATFORM", "ACCOUNT", "CLIENT ID", "PEOPLE", "STATE", "SINCE", "LAST TRIED", "REASON"}}
	for _, a := range all {
		row := func(state string, r operator.Rejection) []string {
			return []string{string(a.Platform), string(a.Account), a.ClientID, fmt.Sprint(a.People), state, when(r.Since), when(r.Tried), cmp.Or(r.Code, r.Reason)}
		}
		for _, r := range a.Rejections {
			rows = append(rows, row(a.State+" ("+r.Use+")", r))
		}
		if len(a.Rejections) == 0 {
			rows = append(rows, row(a.State, operator.Rejection{}))
		}
	}
	return printTable(out, rows)
}

type appsRetryCommand struct {
	storeFlags
	Platform crmgate.Platform   `arg:"" help:"The platform, such as clio."`
	Account  *crmgate.AccountID `arg:"" optional:"" help:"The account id of the organisation that entered the application (default: all applications of the platform)."`
	jsonFlag
}

func (c *appsRetryCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	n, err := c.client(log).RetryApplications(ctx, c.Platform, c.Account)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, map[string]int{"retried": n})
	}
	what := "1 application"
	if n > 1 {
		what = fmt.Sprintf("%d applications", n)
	}
	_, err = fmt.Fprintf(out, "%s of %s will be tried by the next request.\n", what, c.Platform)
	return err
}
