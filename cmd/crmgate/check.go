package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/crmgate/crmgate/wasmhost/connectortest"
)

type checkCommand struct {
	Files []string `arg:"" name:"file" help:"A connector, NAME.wasm with NAME.json beside it, or a manifest alone, NAME.json."`
	jsonFlag
	Quiet   bool   `short:"q" env:"-" help:"Print only what is not in order, and the summary."`
	Cache   string `help:"Folder for compiled connectors, which only its owner may write (default: a temporary one)." placeholder:"DIR"`
	Repeats int    `env:"-" help:"How often each operation is called in a row (default ${default})." default:"1000" placeholder:"N"`
}

// Help is what `crmgate check --help` adds.
func (checkCommand) Help() string {
	return `The CRM is played from NAME.vectors.json beside the connector, where its author records what the CRM answers; connectors of
the practice CRM meet that. connectors-wasm/ABI.md is all that is checked. The exit status is 1 if a case failed.`
}

// errChecked is a check that found something, which was printed.
var errChecked = errors.New("not every connector is in order")

func (c *checkCommand) Run(ctx context.Context, out io.Writer) error {
	if c.Repeats < 2 {
		return errors.New("--repeats: expected at least 2")
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGPIPE) // of head, say: the folder that is worked in is removed all the same
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
	for _, file := range c.Files {
		if strings.HasSuffix(file, ".vectors.json") {
			continue // of a connector, and checked with it
		}
		err := connectortest.Check(ctx, file, connectortest.Config{CacheDir: c.Cache, Repeats: c.Repeats}, note)
		if err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil { // the others are checked all the same
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

// print writes a line for the case, and one for what to do about it.
func (c *checkCommand) print(out io.Writer, r connectortest.Result) {
	if c.Quiet && r.Outcome == connectortest.OK {
		return
	}
	fmt.Fprintf(out, "%-7s  %s  %s: %s\n", r.Outcome, printable(r.Connector), printable(r.Case), printable(r.Message))
	if r.Advice != "" {
		fmt.Fprintf(out, "         -> %s\n", printable(r.Advice))
	}
}
