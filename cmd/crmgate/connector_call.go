package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// authorFlags are the flags of the commands that run an author's connector.
type authorFlags struct {
	Set     map[string]string `env:"-" help:"A setting of the connector that is not a secret. The others come from the environment. Repeatable." placeholder:"NAME=VALUE" mapsep:"none"`
	Cache   string            `help:"Folder for compiled connectors, which only its owner may write (default: a temporary one)." placeholder:"DIR"`
	Egress  []netip.Prefix    `name:"allow-egress" env:"-" help:"Private addresses that the connector may reach (default those of this machine). Repeatable." default:"127.0.0.0/8,::1/128" placeholder:"CIDR"`
	Resolve []string          `help:"Dial ADDR:PORT for HOST:PORT. Repeatable." placeholder:"HOST:PORT:ADDR:PORT"`
	guestFlags
}

func (f *authorFlags) config(log *slog.Logger) edge.Config {
	return edge.Config{
		Cache: f.Cache, AllowEgress: f.Egress, Resolve: f.Resolve, GuestProcesses: f.processes(), GuestMemory: int64(f.Memory),
		Setting: f.setting, Logger: log, Version: version,
	}
}

// setting is a flag's value, or one of the environment.
func (f *authorFlags) setting(name string) (value crmgate.Secret, ok bool, err error) {
	if v, ok := f.Set[name]; ok {
		return crmgate.NewSecret(v), true, nil
	}
	return setting(name)
}

type callCommand struct {
	File      string `arg:"" help:"The connector: NAME.wasm, NAME.js or NAME.ts, with NAME.json beside it."`
	Operation string `arg:"" help:"The operation, such as getUserInfo."`
	Input     string `env:"-" help:"File of the operation's input, a JSON object; - for the standard input (default: an empty object)." placeholder:"FILE"`
	authorFlags
	jsonFlag
}

// Help is what "crmgate connector call --help" adds.
func (callCommand) Help() string {
	return `Runs the operation in the sandbox of the server, and prints the answer, what the connector logged, and its requests to the CRM, which
are real. Secrets in what is printed are replaced by handles such as {{accessToken}}. For example:

  echo '{"authHeader": "Bearer …", "hostname": "", "platform": "acme"}' | crmgate connector call acme.js getUserInfo --input -

ABI.md describes the input of each operation. Set CRMGATE_CACHE to a folder of yours, so that the next call need not compile. The exit
status is 1 if the operation failed.`
}

func (c *callCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger, level *slog.LevelVar) error {
	level.Set(slog.LevelWarn)
	input, err := readInput(c.Input, os.Stdin)
	if err != nil {
		return err
	}
	got, err := edge.Call(ctx, c.config(log), edge.CallSubject{File: c.File, Operation: c.Operation, Input: input})
	if err != nil {
		return err
	}
	if got.Err != nil {
		return fmt.Errorf("%s ran, and cannot be shown: %w", c.Operation, got.Err)
	}
	if c.JSON {
		err = printJSON(out, calledJSON(got))
	} else {
		printCalled(out, got)
	}
	if err == nil && got.Recording.End.Failed() {
		return fmt.Errorf("the connector %s", clipped(got.Recording.End))
	}
	return err
}

// readInput reads the input of an operation.
func readInput(file string, stdin io.Reader) ([]byte, error) {
	switch file {
	case "":
		return []byte("{}"), nil
	case "-":
		return io.ReadAll(stdin)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--input: expected a file, or - for the standard input: %w", err)
	}
	return b, nil
}

// calledJSON is a call for programs.
func calledJSON(got *wasmhost.Witnessed) any {
	r := got.Recording
	fetches := []map[string]any{}
	for _, f := range r.Fetches {
		fetches = append(fetches, map[string]any{"request": document(f.Request), "answer": document(f.Answer)})
	}
	return map[string]any{
		"operation": r.Operation, "result": r.End.Result, "answer": document(r.End.Output), "problem": r.End.Problem + r.End.Reason,
		"log": append([]recording.Line{}, r.Log...), "fetches": fetches, "tookMs": float64(got.Took.Microseconds()) / 1000, "memory": got.Memory,
	}
}

// document is a document of the ABI, or a text if it is not JSON; nil if it is empty.
func document(text string) any {
	switch {
	case text == "":
		return nil
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	return text
}

// printCalled prints a call for people.
func printCalled(out io.Writer, got *wasmhost.Witnessed) {
	r := got.Recording
	for _, l := range r.Log {
		fmt.Fprintf(out, "log      %-5s  %s\n", l.Level, printable(l.Text))
	}
	for _, f := range r.Fetches {
		printFetch(out, f)
	}
	took := "took     " + got.Took.Round(10*time.Microsecond).String()
	if got.Memory > 0 {
		took += ", in a process of " + sizeOf(got.Memory)
	}
	fmt.Fprintln(out, took)
	if end := r.End; end.How == recording.Returned && end.Problem == "" {
		fmt.Fprintf(out, "result   %d\n%s\n", end.Result, indented(end.Output))
	}
}

// printFetch prints a request and its answer.
func printFetch(out io.Writer, f recording.Fetch) {
	var request struct{ Method, URL, Body string }
	var answer struct {
		Status int
		Body   string
		Error  *struct{ Kind, Message string }
	}
	if err := errors.Join(json.Unmarshal([]byte(f.Request), &request), json.Unmarshal([]byte(f.Answer), &answer)); err != nil {
		fmt.Fprintf(out, "fetch    %s\n", printable(f.Request)) // malformed, and so refused
		return
	}
	if request.Method == "" {
		request.Method = "GET"
	}
	fmt.Fprintf(out, "fetch    %s %s\n", printable(request.Method), printable(request.URL))
	if request.Body != "" {
		fmt.Fprintf(out, "  sent   %s\n", printable(crmgate.Clip(request.Body)))
	}
	if answer.Error != nil {
		fmt.Fprintf(out, "  error  %s: %s\n", printable(answer.Error.Kind), printable(answer.Error.Message))
		return
	}
	fmt.Fprintf(out, "  %d    %s\n", answer.Status, printable(crmgate.Clip(answer.Body)))
}

// indented is a JSON document for people; other text as it is.
func indented(text string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") != nil {
		return printable(text)
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}
