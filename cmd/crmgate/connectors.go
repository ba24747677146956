package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
)

type connectorsCommand struct {
	storeFlags
	Platform crmgate.Platform `arg:"" optional:"" help:"Show all about the connector of one platform, such as clio."`
	Wide     bool             `env:"-" help:"List what each connector may reach and see, too."`
	jsonFlag
}

// Help is what "crmgate connectors --help" adds.
func (connectorsCommand) Help() string {
	return `Lists the connectors of the running server, with their processes and calls. Without a server it lists those of the folder. The
language is what the module says about itself. Calls and errors count since the version was loaded, and 95 of 100 calls were
shorter than P95. "secrets in clear" means that the connector sees the values of its configuration and of people's credentials.`
}

func (c *connectorsCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	all, err := c.client(log).Connectors(ctx)
	if err != nil {
		return err
	}
	if c.Platform != "" {
		i := slices.IndexFunc(all, func(o operator.Connector) bool { return o.Platform == c.Platform })
		if i < 0 {
			return fmt.Errorf("there is no connector %q: crmgate connectors lists them", c.Platform)
		}
		if c.JSON {
			return printJSON(out, all[i])
		}
		return printConnector(out, all[i])
	}
	if c.JSON {
		return printJSON(out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "No connectors yet.")
		return err
	}
	return printConnectors(out, all, c.Wide)
}

func printConnectors(out io.Writer, all []operator.Connector, wide bool) error {
	header := []string{"PLATFORM", "STATE", "LANGUAGE", "SIZE", "MODULE", "PROCESS", "MEMORY", "CALLS", "ERRORS", "P95", "CHANGED"}
	if wide {
		header = append(header, "MAY REACH AND SEE")
	}
	rows := [][]string{header}
	for _, o := range all {
		row := []string{string(o.Platform), o.State, o.Language, sizeOf(int64(o.Size)), short(o.Module)}
		row = append(append(row, running(o.Running)...), changed(o))
		if wide {
			row = append(row, strings.Join(o.Capabilities, ", "))
		}
		rows = append(rows, row)
	}
	return printTable(out, rows)
}

// running is the part of a row about the running module: process, memory, calls, errors and p95.
func running(r *operator.RunningModule) []string {
	if r == nil {
		return []string{"", "", "", "", ""}
	}
	return []string{processOf(r), sizeOf(r.Memory), fmt.Sprint(r.Calls), fmt.Sprint(r.Errors), duration(r.P95)}
}

// processOf names the process of a connector.
func processOf(r *operator.RunningModule) string {
	switch {
	case !r.Loaded:
		return "idle"
	case r.PID == 0:
		return "the server's"
	}
	return fmt.Sprint(r.PID)
}

// changed says in short what has changed since the version before.
func changed(o operator.Connector) string {
	if o.Previous == nil {
		return ""
	}
	var what []string
	if o.Previous.Module != o.Module {
		what = append(what, "module")
	}
	if n := len(o.Previous.Added); n > 0 {
		what = append(what, fmt.Sprint("may +", n))
	}
	if n := len(o.Previous.Removed); n > 0 {
		what = append(what, fmt.Sprint("may -", n))
	}
	if o.Since != nil {
		what = append(what, when(*o.Since))
	}
	return strings.Join(what, ", ")
}

func printConnector(out io.Writer, o operator.Connector) error {
	rows := [][]string{{"platform", string(o.Platform)}, {"state", o.State}, {"reason", strings.ReplaceAll(o.Reason, "\n", " ")}, {"language", o.Language}, {"size", sizeOf(int64(o.Size))}, {"module", o.Module}}
	if o.Since != nil {
		rows = append(rows, []string{"accepted", when(*o.Since)})
	}
	if r := o.Running; r != nil {
		rows = append(rows, []string{"isolation", r.Isolation}, []string{"process", processOf(r)}, []string{"memory", sizeOf(r.Memory)},
			[]string{"calls", fmt.Sprint(r.Calls)}, []string{"errors", fmt.Sprint(r.Errors)}, []string{"p95", duration(r.P95)})
	}
	rows = append(rows, list("may", o.Capabilities)...)
	rows = append(rows, []string{"secrets", o.Secrets})
	if p := o.Previous; p != nil {
		rows = append(rows, []string{"before", p.Module}, []string{"accepted", when(p.Since)})
		rows = append(rows, list("new", p.Added)...)
		rows = append(rows, list("no more", p.Removed)...)
	}
	return printTable(out, slices.DeleteFunc(rows, func(row []string) bool { return row[1] == "" }))
}

// list is a row for each text, the first with a name.
func list(name string, texts []string) (rows [][]string) {
	for _, text := range texts {
		rows = append(rows, []string{name, text})
		name = ""
	}
	return rows
}

// short is the beginning of a hash, as in the answer of a reload.
func short(hash string) string { return hash[:min(len(hash), 12)] }

// sizeOf is a number of bytes for people; empty if it is 0.
func sizeOf(n int64) string {
	if n == 0 {
		return ""
	}
	return humanize.IBytes(uint64(n))
}

// duration is a time in seconds for people; empty if it is 0.
func duration(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return time.Duration(seconds * float64(time.Second)).Round(10 * time.Microsecond).String()
}
