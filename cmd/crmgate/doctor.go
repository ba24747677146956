package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
)

type doctorCommand struct {
	storeFlags
	guestFlags
	Platform  crmgate.Platform  `arg:"" help:"The platform, such as clio."`
	Hostname  string            `env:"-" help:"The person's host, if the CRM has more than one." placeholder:"HOST"`
	PublicURL string            `help:"How browsers reach the server (default ${default})." default:"http://127.0.0.1:8080" placeholder:"URL"`
	Field     map[string]string `env:"-" help:"A value for a field of an API-key form. Repeat the flag for more fields." placeholder:"NAME=VALUE" mapsep:"none"`
	AllStyles bool              `name:"try-all-styles" env:"-" help:"If the CRM refuses the client, try the other ways to authenticate, one after the other. A CRM may then lock the client."`
	jsonFlag
}

// Help is what `crmgate doctor --help` adds.
func (doctorCommand) Help() string {
	return `Opens the authorization URL as a browser would, and sends a made-up code to the token endpoint. If the CRM refuses only the
code, one more request has a made-up secret: the same answer means that the CRM does not look at the client first. For API
keys, the connector signs in with a made-up key. No person is signed in, and nothing is stored. The connector's configuration
comes from the environment, as for serve. It stops if the CRM starts rate limiting. The exit status is 1 if a check fails.`
}

// errDoctor is the error of an examination with a failed finding. The findings are printed before it.
var errDoctor = errors.New("at least one check failed")

func (c *doctorCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	config := c.config(log)
	config.PublicURL = c.PublicURL
	config.GuestProcesses, config.GuestMemory = c.processes(), int64(c.Memory)
	x, err := edge.Examine(ctx, config, edge.Subject{Platform: c.Platform, Hostname: c.Hostname, Form: c.Field, AllStyles: c.AllStyles})
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(out, x)
	} else {
		printExamination(out, x)
	}
	if err == nil && x.Failed() {
		return errDoctor
	}
	return err
}

func printExamination(out io.Writer, x *edge.Examination) {
	for _, f := range x.Findings {
		fmt.Fprintf(out, "%-7s  %s: %s\n", f.Outcome, f.Check, printable(f.Message))
	}
	if len(x.Suggest) > 0 {
		b, _ := json.Marshal(map[string]any{"token": x.Suggest}) // texts and flags: never fails
		fmt.Fprintf(out, "For the manifest's crmgate object: %s\n", b)
	}
}
