package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/project"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/connectortest"
)

// nodeFlags are the flags of the commands that run a local node for an author.
type nodeFlags struct {
	Dir       string `arg:"" optional:"" help:"Folder of the connector (default ${default})." default:"."`
	Listen    string `env:"-" help:"Address of the local server (default ${default})." default:"127.0.0.1:8080" placeholder:"ADDR"`
	PublicURL string `env:"-" help:"URL by which the CRM sends browsers back, if it needs https: that of a tunnel (default http://LISTEN)." placeholder:"URL"`
	Practice  string `env:"-" help:"Address of the practice CRM, which runs while the manifest names it (default ${default})." default:"127.0.0.1:8081" placeholder:"ADDR"`
	Data      string `env:"-" help:"Folder for the database, to keep sign-ins (default: a temporary one)." placeholder:"DIR"`
	Browser   string `env:"-" help:"Whether the page is opened in a browser, if this is a terminal: on or off." enum:"on,off" default:"on"`
	authorFlags
}

func (f *nodeFlags) config(log *slog.Logger) edge.Config {
	c := f.authorFlags.config(log)
	c.Listen, c.PublicURL, c.Data, c.Debug = f.Listen, f.PublicURL, f.Data, true
	return c
}

// ready says where to sign in, and opens the page.
func (f *nodeFlags) ready(s *steps, a project.Addresses) {
	s.say("\nOpen %s and sign in.\n", a.Connect)
	if a.Redirect != "" {
		s.say("The redirect URI of the application at the CRM is %s\n", a.Redirect)
	}
	switch {
	case a.Practice == "":
	case a.Redirect != "":
		s.say("The practice CRM runs at %s: continue as Ada or Grace.\n", a.Practice)
	default:
		s.say("The practice CRM runs at %s: sign in with the API key %s.\n", a.Practice, practicecrm.APIKey)
	}
	if f.Browser == "on" && onTerminal(s.out) {
		browse(a.Connect)
	}
}

// browse opens a page in a browser, if there is one.
func browse(url string) {
	for _, command := range []string{"xdg-open", "open"} {
		if path, err := exec.LookPath(command); err == nil {
			_ = exec.Command(path, url).Start() // the address was printed
			return
		}
	}
}

type devCommand struct{ nodeFlags }

// Help is what "crmgate connector dev --help" adds.
func (devCommand) Help() string {
	return `Serves the connector on this machine, and prints the address of the page where you sign in. When you save a file, it runs build.sh if
the folder has one, reloads the connector and checks it. It prints what is wrong, and each call of the connector with its requests to the
CRM. Secrets in what is printed are replaced by handles. If the manifest names 127.0.0.1:8081, a practice CRM runs there.

Secrets come from the environment: ACME_CLIENT_SECRET=… crmgate connector dev. Ctrl-C ends it.`
}

func (c *devCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger, level *slog.LevelVar) error {
	level.Set(slog.LevelWarn)
	p, err := project.Open(c.Dir)
	if err != nil {
		return err
	}
	lines := &steps{out: out}
	config := c.config(log)
	config.Witness = lines.called
	lines.say("Starting the connector %s. The first time takes some seconds.\n", p.Name)
	return project.Develop(ctx, p, project.DevelopConfig{
		Node: config, Practice: c.Practice, Round: lines.round,
		Ready: func(a project.Addresses) {
			c.ready(lines, a)
			lines.say("Save a file to build, reload and check. Ctrl-C ends this.\n")
		},
	})
}

// steps prints what happens on a local node. It is safe for concurrent use.
type steps struct {
	mu  sync.Mutex
	out io.Writer // mu is held while it is written to
}

func (s *steps) say(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format, a...)
}

// called prints a call of the connector.
func (s *steps) called(w wasmhost.Witnessed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, "\n%s  %s\n", time.Now().Format(time.TimeOnly), w.Recording.Operation)
	if w.Err != nil {
		fmt.Fprintf(s.out, "not shown: %v\n", w.Err)
		return
	}
	printCalled(s.out, &w)
}

// round prints what a round has shown: problems, and one line if there is none.
func (s *steps) round(r project.Round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ok, wrong := 0, 0
	for _, c := range r.Results {
		switch c.Outcome {
		case connectortest.OK:
			ok++
		case connectortest.Failed:
			wrong++
		}
	}
	fmt.Fprintf(s.out, "\n%s  ", time.Now().Format(time.TimeOnly))
	if r.Err != nil && len(r.Results) == 0 {
		fmt.Fprintf(s.out, "failed: %v\n", r.Err)
		printOutput(s.out, r.Output)
		fmt.Fprint(s.out, again)
		return
	}
	done := "loaded and checked"
	if !r.Loaded {
		done = "not loaded, checked"
	}
	fmt.Fprintf(s.out, "%s in %v: %d cases, %d ok, %d failed\n", done, r.Took.Round(10*time.Millisecond), len(r.Results), ok, wrong)
	for _, c := range r.Results {
		if c.Outcome != connectortest.OK {
			printResult(s.out, c)
		}
	}
	if r.Err != nil && wrong == 0 { // the check says the same
		fmt.Fprintf(s.out, "%s\n", printable(r.Err.Error()))
	}
	if !r.Loaded {
		fmt.Fprint(s.out, again)
	}
}

// again follows what is wrong with a connector that was not loaded.
const again = "Fix it and save. Until then, the server keeps the connector that it loaded last, if any.\n"
