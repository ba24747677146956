package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/proxy/operator"
)

// acceptFlag names the platforms whose connectors may do more than before. It has no environment variable: it is about one version of a
// connector, and not about the installation.
type acceptFlag struct {
	Accept []crmgate.Platform `name:"accept-capabilities" env:"-" help:"Accept that the connector of platform NAME may reach or see more than before. Repeatable." placeholder:"NAME"`
}

type reloadCommand struct {
	storeFlags
	acceptFlag
	jsonFlag
}

// Help is what `crmgate reload --help` adds.
func (reloadCommand) Help() string {
	return `The running server loads the folder of connectors again, and then serves what the folder has. Requests that run finish with the
connector that they began with. If a manifest, module or setting is wrong, the server keeps the platform's connector of before. The exit
status is 1 if a platform was left out or kept.`
}

// errIncomplete is the error of a reload that left a platform out, or kept its connector of before. The table has the reason.
var errIncomplete = errors.New("not all connectors were reloaded")

func (c *reloadCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	r, err := c.client(log).Reload(ctx, c.Accept...)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(out, r)
	} else {
		err = printReloaded(out, r)
	}
	if err == nil && r.Incomplete() {
		return errIncomplete
	}
	return err
}

func printReloaded(out io.Writer, r operator.Reloaded) error {
	if len(r.Platforms) == 0 {
		_, err := fmt.Fprintln(out, "Nothing has changed.")
		return err
	}
	rows := [][]string{{"PLATFORM", "CHANGE", "BEFORE", "AFTER"}}
	for _, p := range r.Platforms {
		rows = append(rows, []string{string(p.Platform), p.Change, cmp.Or(p.Before, "-"), cmp.Or(p.After, "-")})
	}
	err := printTable(out, rows)
	for _, p := range r.Platforms {
		if p.Reason != "" {
			fmt.Fprintf(out, "\n%s is %s:\n", p.Platform, p.Change)
			for line := range strings.Lines(p.Reason) {
				fmt.Fprintf(out, "  %s\n", printable(strings.TrimSuffix(line, "\n")))
			}
		}
	}
	return err
}

// hangups returns the signals that reload a server's connectors, from now until stop. A server on a terminal has none: SIGHUP says that
// the terminal ends.
func hangups() (hup <-chan os.Signal, stop func()) {
	if onTerminal(os.Stderr) {
		return nil, func() {}
	}
	c := make(chan os.Signal, 1)
	notifyReload(c)
	return c, func() { signal.Stop(c) }
}

// serveUntil runs a node until ctx ends or the node fails, and reloads its connectors at each hangup.
func serveUntil(ctx context.Context, n *edge.Node, hup <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	var reloading sync.WaitGroup
	reloading.Go(func() {
		for {
			select {
			case <-hup:
				_, _ = n.Reload(ctx) // it logs what it does
			case <-ctx.Done():
				return
			}
		}
	})
	err := n.Wait(ctx)
	stop()
	reloading.Wait()
	return err
}
