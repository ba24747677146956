/*
Crmgate signs people in to their CRM and keeps them signed in.

	crmgate serve                          run the server
	crmgate demo                           run it with a practice CRM, and sign two people in
	crmgate check FILE...                  check connectors, and say what their authors should mend
	crmgate doctor PLATFORM                try a platform's endpoints, and suggest what belongs in its manifest
	crmgate users list                     who has signed in
	crmgate users show PLATFORM ID         one of them
	crmgate users delete PLATFORM ID       forget one of them, and tell the CRM
	crmgate journal list                   token answers that are kept, because they could not be read or stored
	crmgate journal replay ID              store what one of them granted; --dry-run only reads it
	crmgate journal drop ID                forget one of them
	crmgate audit [show]                   who signed in and out, and what else happened
	crmgate audit verify                   whether that was changed
	crmgate version

Every flag of serve, wherever it occurs, is also an environment variable: --public-url is CRMGATE_PUBLIC_URL. Secrets
come from the environment or from files only:

	CRMGATE_SESSION_KEY, CRMGATE_SESSION_KEY_FILE    signs session tokens, at least 32 bytes; made once if absent
	CRMGATE_HASH_KEY, CRMGATE_HASH_KEY_FILE          salts what /userInfoHash answers, by which settings are found; made once if absent
	CLIO_CLIENT_SECRET, CLIO_CLIENT_SECRET_FILE, …   what connectors declare in their manifests

The exit status is 0, 1 if it failed, and 2 if it was called wrongly.
*/
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// version is set by the linker.
var version = "dev"

type commands struct {
	Serve      serveCommand      `cmd:"" help:"Run the server."`
	Demo       demoCommand       `cmd:"" help:"Run the server with a practice CRM, and sign two people in to show how it works."`
	Check      checkCommand      `cmd:"" help:"Check connectors, and say what their authors should mend."`
	Doctor     doctorCommand     `cmd:"" help:"Try a platform's endpoints, and suggest what belongs in its manifest."`
	Users      usersCommand      `cmd:"" help:"List, show or delete the people who have signed in."`
	Journal    journalCommand    `cmd:"" help:"List, replay or drop the token answers that could not be read or stored."`
	Audit      auditCommand      `cmd:"" help:"Show or verify the audit log."`
	AdminToken adminTokenCommand `cmd:"" help:"Make a token for an organisation's administrator, where there is no RingCentral."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

type versionCommand struct{}

func (versionCommand) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, "crmgate", version)
	return err
}

func main() {
	keepFilesPrivate()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	exited, status := false, 0
	parser, err := kong.New(&c,
		kong.Name("crmgate"),
		kong.Description("Signs people in to their CRM, through connectors in WebAssembly, and keeps them signed in."),
		kong.DefaultEnvars("CRMGATE"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(n int) { exited, status = true, n }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.BindTo(stdout, (*io.Writer)(nil)),
		kong.Bind(logger(stderr)),
	)
	if err != nil {
		fmt.Fprintln(stderr, "crmgate:", err)
		return 2
	}
	k, err := parser.Parse(args)
	if exited { // --help
		return status
	}
	if err != nil {
		fmt.Fprintf(stderr, "crmgate: %v\nTry %s --help.\n", err, called(err))
		return 2
	}
	if err := k.Run(); err != nil {
		fmt.Fprintln(stderr, "crmgate:", byFlag(err))
		return 1
	}
	return 0
}

// called is the command that was called wrongly, as far as it was recognized.
func called(err error) string {
	var pe *kong.ParseError
	if errors.As(err, &pe) && pe.Context.Selected() != nil {
		return pe.Context.Selected().FullPath()
	}
	return "crmgate"
}

// logger writes text for people on a terminal, JSON for machines otherwise.
func logger(w io.Writer) *slog.Logger {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, nil))
}
