package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/crmgate/crmgate/wasmhost/connectortest"
)

type checkCommand struct {
	Files []string `arg:"" name:"file" help:"A connector, NAME.wasm, NAME.js or NAME.ts with NAME.json beside it, or a manifest alone, NAME.json."`
	guestFlags
	jsonFlag
	Quiet   bool   `short:"q" env:"-" help:"Print only problems and the summary."`
	Cache   string `help:"Folder for compiled connectors, which only its owner may write (default: a temporary one)." placeholder:"DIR"`
	Repeats int    `env:"-" help:"Calls of each operation in a row (default ${default})." default:"100" placeholder:"N"`
}

// Help is what `crmgate check --help` adds.
func (checkCommand) Help() string {
	return `The answers of the CRM come from NAME.vectors.json beside the connector, where its author records them. Connectors of the
practice CRM meet a practice CRM. The check covers connectors-wasm/ABI.md. The exit status is 1 if a case failed.`
}

// errChecked is the error of a check with a failed case. The cases were printed.
var errChecked = errors.New("a connector failed the check")

func (c *checkCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	if c.Repeats < 2 {
		return errors.New("--repeats: expected at least 2")
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGPIPE) // such as from head: the temporary folder is removed all the same
	defer stop()
	all := []connectortest.Result{}
	count := map[connectortest.Outcome]int{}
	note := func(r connectortest.Result) {
		count[r.Outcome]++
		all = append(all, r)
		if !c.JSON {
			c.print(out, r)
		}
	}
	if c.Quiet {
		log = nil
	}
	for _, file := range c.Files {
		if strings.HasSuffix(file, ".vectors.json") {
			continue // checked with its connector
		}
		err := connectortest.Check(ctx, file, connectortest.Config{CacheDir: c.Cache, Repeats: c.Repeats, Processes: c.processes(), Memory: int64(c.Memory), Progress: log}, note)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil { // the other files are checked all the same
			note(connectortest.Result{Connector: filepath.Base(file), Case: "file", Outcome: connectortest.Failed, Message: err.Error()})
		}
	}
	if c.JSON {
		if err := printJSON(out, map[string]any{"cases": all, "summary": count}); err != nil {
			return err
		}
	} else {
		cases := "cases"
		if len(all) == 1 {
			cases = "case"
		}
		fmt.Fprintf(out, "%d %s: %d ok, %d failed, %d warnings, %d skipped\n", len(all), cases,
			count[connectortest.OK], count[connectortest.Failed], count[connectortest.Warning], count[connectortest.Skipped])
	}
	if count[connectortest.Failed] > 0 {
		return errChecked
	}
	return nil
}

// print writes a line for the case, and one with advice.
func (c *checkCommand) print(out io.Writer, r connectortest.Result) {
	if !c.Quiet || r.Outcome != connectortest.OK {
		printResult(out, r)
	}
}

func printResult(out io.Writer, r connectortest.Result) {
	fmt.Fprintf(out, "%-7s  %s  %s: %s\n", r.Outcome, printable(r.Connector), printable(r.Case), printable(r.Message))
	if r.Advice != "" {
		fmt.Fprintf(out, "         -> %s\n", printable(r.Advice))
	}
}
