package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

type journalCommand struct {
	List   journalListCommand   `cmd:"" help:"List token answers that could not be read or stored."`
	Replay journalReplayCommand `cmd:"" help:"Read a kept token answer again, and store its tokens."`
	Drop   journalDropCommand   `cmd:"" help:"Delete a kept token answer."`
}

// Help is what `crmgate journal --help` adds.
func (journalCommand) Help() string {
	return `Every answer of a token endpoint is kept, sealed, until its tokens are stored. An answer stays if it could not be read, or if the
program ended in between. To replay an answer that could not be read, correct crmgate.token in the manifest, reload the
server, and replay. Answers are dropped after a week.`
}

type journalListCommand struct {
	storeFlags
	jsonFlag
}

func (c *journalListCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	all, err := c.client(log).Answers(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "No kept answers: all were read and stored.")
		return err
	}
	rows := [][]string{{"ID", "CAME", "KIND", "PLATFORM", "USER", "STATUS", "BYTES"}}
	for _, a := range all {
		rows = append(rows, []string{a.ID, when(a.At), a.Kind, string(a.Platform), string(a.User), fmt.Sprint(a.Status), fmt.Sprint(a.Bytes)})
	}
	return printTable(out, rows)
}

type oneAnswer struct {
	storeFlags
	ID string `arg:"" help:"The answer's id, as list shows it."`
	jsonFlag
}

type journalReplayCommand struct {
	oneAnswer
	DryRun bool `env:"-" help:"Only say whether the answer can be read and stored."`
}

func (c *journalReplayCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	r, err := c.client(log).Replay(ctx, c.ID, c.DryRun)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, r)
	}
	signIn := r.Kind == "sign-in"
	what := "can be read, and the refreshed grant still exists: replay without --dry-run to store the tokens"
	switch {
	case r.Stored && signIn:
		what = fmt.Sprintf("is stored: %s %s gets a session at the next sign-in", r.Platform, printable(string(r.User)))
	case r.Stored:
		what = fmt.Sprintf("is stored: %s %s needs no new sign-in", r.Platform, printable(string(r.User)))
	case signIn:
		what = "can be read: replay without --dry-run to ask the CRM for the user, and to store the tokens"
	}
	_, err = fmt.Fprintf(out, "%s %s.\n", r.ID, what)
	return err
}

type journalDropCommand struct{ oneAnswer }

func (c *journalDropCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	if err := c.client(log).DropAnswer(ctx, c.ID); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, map[string]string{"dropped": c.ID})
	}
	_, err := fmt.Fprintf(out, "%s is deleted.\n", printable(c.ID))
	return err
}
