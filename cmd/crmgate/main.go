/*
Crmgate signs people in to their CRM and keeps them signed in.

	crmgate serve                          run the server
	crmgate demo                           run it with a practice CRM, and sign two people in
	crmgate check FILE...                  check connectors, and tell their authors what to fix
	crmgate connector new NAME             write a small connector to start from, in a language of your choice
	crmgate connector dev [DIR]            run it on this machine, and build, reload and check it when a file is saved
	crmgate connector call FILE OPERATION  run one operation, and show what it does
	crmgate connector record [DIR]         sign in with an account of yours, and write what the CRM answers as vectors
	crmgate doctor PLATFORM                try a platform's endpoints, and suggest additions to its manifest
	crmgate users list                     list the people who have signed in
	crmgate users show PLATFORM ID         show one person
	crmgate users delete PLATFORM ID       delete one person, and revoke the access at the CRM
	crmgate revocations list               list removed grants that are still to be revoked at the CRM
	crmgate apps list                      list the OAuth applications, and whether their CRM rejects them
	crmgate apps retry PLATFORM [ACCOUNT]  let the next request try rejected applications, without waiting for an hour
	crmgate journal list                   list token answers that could not be read or stored
	crmgate journal replay ID              store the tokens of one answer; --dry-run only reads them
	crmgate journal drop ID                delete one answer
	crmgate replay FILE                    run a failed call of a connector again, as serve --record-failures recorded it
	crmgate audit [show]                   show sign-ins, sign-outs and what else happened
	crmgate audit verify                   check that the audit log was not changed
	crmgate connectors [PLATFORM]          list the connectors, what they may reach and see, and what they do
	crmgate reload                         have the running server load its connectors again
	crmgate admin-token NAME ACCOUNT...    make a token for an admin without RingCentral
	crmgate version

Every flag of serve is also an environment variable, for the other commands too: --public-url is CRMGATE_PUBLIC_URL. Secrets
come from the environment or from files only:

	CRMGATE_SESSION_KEY, CRMGATE_SESSION_KEY_FILE    signs session tokens, at least 32 bytes; made once if absent
	CRMGATE_HASH_KEY, CRMGATE_HASH_KEY_FILE          salts the answers of /userInfoHash, at least 16 bytes; made once if absent
	CRMGATE_EGRESS_PROXY, CRMGATE_EGRESS_PROXY_FILE  the URL of a proxy for outbound requests, such as http://user:password@proxy:3128
	CLIO_CLIENT_SECRET, CLIO_CLIENT_SECRET_FILE, …   settings that connectors declare in their manifests

The exit status is 0, 1 after a failure, and 2 after a usage error.
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
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/project"
	"github.com/crmgate/crmgate/wasmhost/process"
)

// version is set by the linker.
var version = "dev"

type commands struct {
	Serve      serveCommand      `cmd:"" help:"Run the server."`
	Demo       demoCommand       `cmd:"" help:"Run the server with a practice CRM, and sign two people in to show how it works."`
	Check      checkCommand      `cmd:"" help:"Check connectors, and tell their authors what to fix."`
	Connector  connectorCommand  `cmd:"" help:"Start, check, call and run a connector that you write."`
	Doctor     doctorCommand     `cmd:"" help:"Try a platform's endpoints, and suggest additions to its manifest."`
	Users      usersCommand      `cmd:"" help:"List, show or delete the people who have signed in."`
	Waiting    waitingCommand    `cmd:"" name:"revocations" help:"List the removed grants that are still to be revoked at the CRM."`
	Apps       appsCommand       `cmd:"" help:"List the OAuth applications, or retry those that their CRM rejects."`
	Journal    journalCommand    `cmd:"" help:"List, replay or drop the token answers that could not be read or stored."`
	Replay     replayCommand     `cmd:"" help:"Run a recorded call of a connector again, to see why it failed or whether it is mended."`
	Audit      auditCommand      `cmd:"" help:"Show or verify the audit log."`
	Connectors connectorsCommand `cmd:"" help:"List the connectors: what they are, may reach and see, and do."`
	Reload     reloadCommand     `cmd:"" help:"Have the running server load its connectors again."`
	AdminToken adminTokenCommand `cmd:"" help:"Make a token for an organisation's admin who has no RingCentral account."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

type versionCommand struct{}

func (versionCommand) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, "crmgate", version)
	return err
}

func main() {
	process.Main() // does not return in a guest process
	keepFilesPrivate()
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	var level slog.LevelVar
	log := logger(stderr, &level)
	var c commands
	exited, status := false, 0
	parser, err := kong.New(&c,
		kong.Name("crmgate"),
		kong.Description("Signs people in to their CRM, through connectors in WebAssembly, and keeps them signed in."),
		kong.DefaultEnvars("CRMGATE"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(stdout, stderr),
		kong.Vars{"languages": strings.Join(project.Languages(), ","), "exercises": strings.Join(edge.Exercises, ",")},
		kong.Exit(func(n int) { exited, status = true, n }),
		kong.BindTo(stdout, (*io.Writer)(nil)),
		kong.Bind(log, &level),
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
	warnOfUnknown(log, parser.Model.Node)
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals(k.Command() == "serve" && !onTerminal(os.Stderr))...)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(); err != nil {
		fmt.Fprintln(stderr, "crmgate:", byFlag(err))
		return 1
	}
	return 0
}

// called is the command of a usage error, as far as it was recognized.
func called(err error) string {
	var pe *kong.ParseError
	if errors.As(err, &pe) && pe.Context.Selected() != nil {
		return pe.Context.Selected().FullPath()
	}
	return "crmgate"
}

// logger writes text for people on a terminal, JSON for machines otherwise.
func logger(w io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if onTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// onTerminal reports whether a file of this process is a terminal.
func onTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
