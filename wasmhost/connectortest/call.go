package connectortest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
)

// callResult is the result of a call.
type callResult struct {
	wasmhost.Answer
	err     error // the guest broke the ABI
	fetched int
	place   string   // where a script threw the error, such as acme.js:5:18; empty if unknown
	missing []string // requests without a recorded answer, if the CRM behaves normally
}

// call runs an operation while the CRM has a behaviour, and scans the answer for secrets.
func (k *check) call(ctx context.Context, operation string, input doc, b behaviour) callResult {
	k.crm.setBehaviour(b)
	k.crm.setCall(operation, input)
	hostname := input.text("hostname")
	for _, member := range []string{"user", "oauthInfo"} {
		if hostname == "" {
			hostname = input.object(member).text("hostname")
		}
	}
	k.scanner.takePlace()
	out, err := k.folder.Call(ctx, k.name, operation, hostname, input.bytes())
	a := callResult{Answer: out, err: err, place: k.scanner.takePlace()}
	a.fetched, a.missing = k.crm.counts()
	if err == nil {
		k.scanner.scanAnswer(operation, out.Result, out.Output)
		if out.Result == 0 {
			k.compareNames(operation, parseDoc(out.Output))
		}
	}
	return a
}

// summary describes the result in one line.
func (a callResult) summary() string {
	switch d := parseDoc(a.Output); {
	case a.err != nil:
		return a.failure()
	case a.Result == 2:
		return "unsupported"
	case a.Result == 1 && d["status"] != nil:
		return fmt.Sprintf("an error with status %v: %q", d["status"], crmgate.Clip(d.text("message")))
	case a.Result == 1:
		return fmt.Sprintf("an error: %q", crmgate.Clip(d.text("message")))
	case d["successful"] == false:
		return fmt.Sprintf("not successful: %q", crmgate.Clip(d.object("returnMessage").text("message")))
	default:
		return crmgate.Clip(string(a.Output))
	}
}

// problem is summary for an error that should not be there: with its place.
func (a callResult) problem() string {
	if a.place == "" || a.err != nil {
		return a.summary()
	}
	return a.summary() + " at " + a.place
}

// failure describes how the guest broke the ABI: the host's message, without the names of platform and operation.
func (a callResult) failure() string {
	var ce *crmgate.ConnectorError
	if !errors.As(a.err, &ce) {
		return a.err.Error()
	}
	how := strings.TrimPrefix(ce.Message, fmt.Sprintf("The connector of %s ", ce.Platform))
	how = "it " + strings.TrimSuffix(how, fmt.Sprintf(" in %s.", ce.Operation))
	if how == "it trapped" && ce.Err != nil {
		cause, _, _ := strings.Cut(ce.Err.Error(), "\n")
		how += " (" + cause + ")"
	}
	return how
}

// succeeded reports whether the operation was successful.
func (a callResult) succeeded() bool {
	return a.err == nil && a.Result == 0 && parseDoc(a.Output)["successful"] != false
}
