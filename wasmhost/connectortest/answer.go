package connectortest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
)

// answer is what a call came to.
type answer struct {
	wasmhost.Answer
	err     error // the guest did not answer in order
	fetched int
	missing []string // requests of a good day that nothing was recorded for
}

// call runs an operation in a mood of the CRM's and looks for secrets in what comes out.
func (k *check) call(ctx context.Context, operation string, input doc, m mood) answer {
	k.crm.as(m)
	hostname := input.text("hostname")
	for _, member := range []string{"user", "oauthInfo"} {
		if hostname == "" {
			hostname = input.object(member).text("hostname")
		}
	}
	out, err := k.folder.Call(ctx, k.name, operation, hostname, input.bytes())
	a := answer{Answer: out, err: err}
	a.fetched, a.missing = k.crm.since()
	if err == nil {
		k.watch.look(operation, out.Result, out.Output)
	}
	return a
}

// told is what the answer says, in one line.
func (a answer) told() string {
	switch d := parseDoc(a.Output); {
	case a.err != nil:
		return a.broke()
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

// broke says how the guest did not answer: the host's sentence, without the names that stand in the line already.
func (a answer) broke() string {
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

// succeeded reports whether the answer is the one that everybody hopes for.
func (a answer) succeeded() bool {
	return a.err == nil && a.Result == 0 && parseDoc(a.Output)["successful"] != false
}
