package main

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/crmgate/crmgate/project"
	"github.com/crmgate/crmgate/wasmhost/connectortest"
)

type recordCommand struct {
	nodeFlags
	Then []string `env:"-" help:"What to do after the sign-in, in this order: ${exercises} (default all; none for nothing)." default:"${exercises}" enum:"${exercises},none" placeholder:"LIST"`
	Out  string   `env:"-" help:"A new file for the vectors (default NAME.recorded.vectors.json in the connector's folder)." placeholder:"FILE"`
}

// Help is what "crmgate connector record --help" adds.
func (recordCommand) Help() string {
	return `Serves the connector on this machine, and waits until you have signed in with an account of yours. Then it does what a client can ask
for: the session check, reading the person again, the licence, a refresh of the access token, and a logout, which revokes the access. It
writes what the connector got and answered. Secrets are replaced, and other data of the account are not: replace them before you share the
file. Cases of getBasicAuth and getOverridingOAuthOption are yours to write: their input is a key or a code.`
}

func (c *recordCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger, level *slog.LevelVar) error {
	level.Set(slog.LevelWarn)
	p, err := project.Open(c.Dir)
	if err != nil {
		return err
	}
	if len(c.Then) == 1 && c.Then[0] == "none" {
		c.Then = nil
	}
	file := cmp.Or(c.Out, p.Recorded())
	lines := &steps{out: out}
	config := c.config(log)
	config.Witness = lines.called
	lines.say("Starting the connector %s.\n", p.Name)
	got, err := project.Record(ctx, p, project.RecordConfig{
		Node: config, Practice: c.Practice, Then: c.Then, Out: file, Ready: func(a project.Addresses) { c.ready(lines, a) },
	})
	if err != nil {
		return err
	}
	lines.recorded(file, p, got)
	return nil
}

// recorded says what was written.
func (s *steps) recorded(file string, p project.Project, got *project.Recorded) {
	s.say("\nWrote %s: %s.\n", file, strings.Join(got.Operations, ", "))
	for _, f := range got.Failed {
		s.say("failed   %s\n", printable(f))
	}
	for _, r := range got.Results {
		if r.Outcome != connectortest.OK {
			printResult(s.out, r)
		}
	}
	s.say("It has data of a person. Replace them, and then rename it to %s.\n", p.Vectors())
}
