package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// recordFlag names the folder of recordings.
type recordFlag struct {
	RecordFailures string `help:"Folder for recordings of connectors' calls that failed, sealed with the key ring, for crmgate replay. They have data of people, and no secrets (default none)." placeholder:"DIR"`
}

type replayCommand struct {
	File       string `arg:"" help:"A recording, from the folder of serve --record-failures."`
	Module     string `env:"-" help:"Another build of the connector, to see whether it is mended (default PLATFORM.wasm, PLATFORM.js or PLATFORM.ts of --connectors)." placeholder:"FILE"`
	Vectors    string `env:"-" help:"Write the call as a case of NAME.vectors.json, to a new file." placeholder:"FILE"`
	Data       string `help:"Folder of the database, for its key ring (default ${default})." default:"./data" placeholder:"DIR"`
	Keyset     string `help:"File of the key ring that seals recordings (default DATA/keyset.json)." placeholder:"FILE"`
	Connectors string `help:"Folder of connectors (default ${default})." default:"./connectors" placeholder:"DIR"`
	Cache      string `help:"Folder for compiled connectors, which only its owner may write (default: a temporary one)." placeholder:"DIR"`
	guestFlags
	jsonFlag
}

// Help is what `crmgate replay --help` adds.
func (replayCommand) Help() string {
	return `The connector gets the recorded input, answers of the CRM, configuration, clock and random bytes, and reaches no network. Secrets are
handles such as {{accessToken}}. A request that differs from the recorded one is reported, and answered if its method and URL are the same.
The exit status is 0 if the call fails in the same way again, and 1 otherwise. Function names need a module that was not stripped.`
}

func (c *replayCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	r, got, err := edge.Replay(ctx, edge.Config{
		Data: c.Data, Keyset: c.Keyset, Connectors: c.Connectors, Cache: c.Cache, GuestProcesses: c.processes(), GuestMemory: int64(c.Memory), Logger: log,
	}, edge.ReplaySubject{File: c.File, Module: c.Module})
	if err != nil {
		return err
	}
	if c.Vectors != "" {
		if err := writeVectors(c.Vectors, r, got); err != nil {
			return err
		}
	}
	if c.JSON {
		err = printJSON(out, replayJSON(r, got))
	} else {
		err = c.print(out, r, got)
	}
	switch {
	case err != nil:
		return err
	case got.Mended:
		return fmt.Errorf("it is mended: the connector %s; recorded was that it %s", clipped(got.End), clipped(r.End))
	case !got.Same:
		return fmt.Errorf("it fails in another way: the connector %s; recorded was that it %s", clipped(got.End), clipped(r.End))
	}
	return nil
}

// clipped is how a call ended, for a line of text.
func clipped(e recording.End) string {
	const longest = 300
	s := []rune(printable(e.String()))
	if len(s) > longest {
		return string(s[:longest]) + "…"
	}
	return string(s)
}

func (c *replayCommand) print(out io.Writer, r *recording.Recording, got *wasmhost.Replayed) error {
	fmt.Fprintf(out, "%s of %s, recorded %s with the module %.12s\n", r.Operation, r.Platform, when(r.Time), r.Module)
	if got.OtherModule {
		fmt.Fprintln(out, "This module is another build.")
	}
	for _, l := range got.Log {
		fmt.Fprintf(out, "log      %-5s  %s\n", l.Level, printable(l.Text))
	}
	for _, d := range got.Differences {
		fmt.Fprintf(out, "differs  %s\n", printable(d))
	}
	for _, line := range got.Stack {
		fmt.Fprintf(out, "stack    %s\n", printable(line))
	}
	if got.Nameless && len(got.Stack) > 0 {
		fmt.Fprintln(out, "The module was stripped: build it with names (Go: without -s; C: -O0, or without wasm-opt) for a stack with names, and name it with --module.")
	}
	if c.Vectors != "" {
		fmt.Fprintf(out, "Wrote %s. It has data of a person: replace them before it goes into a repository.\n", printable(c.Vectors))
		if got.End.How != recording.Returned || got.End.Problem != "" {
			fmt.Fprintln(out, "The case has no output yet: write what the connector should answer.")
		}
	}
	if !got.Same {
		return nil // the error says how it ended
	}
	_, err := fmt.Fprintf(out, "It fails in the same way: the connector %s\n", clipped(got.End))
	return err
}

func replayJSON(r *recording.Recording, got *wasmhost.Replayed) any {
	list := func(s []string) []string { return append([]string{}, s...) }
	return map[string]any{
		"platform": r.Platform, "operation": r.Operation, "time": r.Time, "module": r.Module, "recorded": r.End, "replayed": got.End, "same": got.Same,
		"mended": got.Mended, "otherModule": got.OtherModule, "log": append([]recording.Line{}, got.Log...), "fetches": append([]recording.Fetch{}, got.Fetches...),
		"differences": list(got.Differences), "stack": list(got.Stack),
	}
}

// writeVectors writes a new file, which only its owner may read.
func writeVectors(path string, r *recording.Recording, got *wasmhost.Replayed) error {
	recorded, err := r.Case(got.Derived, got.Fetches, got.End)
	if err != nil {
		return err
	}
	b, err := recording.Vectors([]recording.Case{recorded}, wasmhost.VectorNonce)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists: name a new file", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
