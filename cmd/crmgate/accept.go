package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// acceptor returns what decides whether a connector may do more than before: the flag, or the person at the terminal. Without a
// terminal no one is asked.
func (f acceptFlag) acceptor(in io.Reader, out io.Writer) func(context.Context, crmgate.Platform, []string) bool {
	ask := func(context.Context, crmgate.Platform, []string) bool { return false }
	if onTerminal(in) {
		ask = asker(in, out)
	}
	return func(ctx context.Context, p crmgate.Platform, more []string) bool {
		return slices.Contains(f.Accept, p) || ask(ctx, p, more)
	}
}

// asker asks a person. Only yes is a yes.
func asker(in io.Reader, out io.Writer) func(context.Context, crmgate.Platform, []string) bool {
	lines := bufio.NewReader(in)
	return func(ctx context.Context, p crmgate.Platform, more []string) bool {
		fmt.Fprintf(out, "The connector of %s asks for more than was accepted:\n", p)
		for _, m := range more {
			fmt.Fprintf(out, "  %s\n", printable(m))
		}
		fmt.Fprint(out, "Accept that? Without it the platform is left out. [yes/no] ")
		answered := make(chan string, 1)
		go func() { // ends with the line, or with the program: a read of a terminal cannot be cancelled
			line, _ := lines.ReadString('\n')
			answered <- line
		}()
		select {
		case line := <-answered:
			return strings.EqualFold(strings.TrimSpace(line), "yes")
		case <-ctx.Done():
			return false
		}
	}
}
