package connectortest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxDuration limits the repeated calls of one operation.
const maxDuration = 30 * time.Second

// checkRepeated calls an operation many times. Every call starts from the same memory, so only what the connector reads from
// the host can differ: the user's id must not.
func (k *check) checkRepeated(ctx context.Context, operation string, input doc, known bool, good callResult) {
	name := fmt.Sprintf("%s: %d calls", operation, k.Repeats)
	k.scanner.setCase(name)
	m := behaviour("")
	if !known {
		m = "401"
	}
	ids := map[string]bool{}
	began, calls := time.Now(), 0
	for calls < k.Repeats && time.Since(began) < maxDuration {
		a := k.call(ctx, operation, input, m)
		if ctx.Err() != nil {
			return // the check was cancelled
		}
		calls++
		if a.err != nil {
			k.add(name, Failed, fmt.Sprintf("call %d: %s", calls, a.summary()), sameAnswer)
			return
		}
		// unAuthorize revokes the token at the practice CRM, so its second call may have another result.
		if known && operation != "unAuthorize" && (a.Result != good.Result || a.succeeded() != good.succeeded() || a.fetched != good.fetched) {
			k.add(name, Failed, fmt.Sprintf("call %d with the same request: %s", calls, a.summary()), sameAnswer)
			return
		}
		if who := parseDoc(a.Output).object("platformUserInfo"); who != nil {
			ids[fmt.Sprint(who["id"])] = true
		}
	}
	took := (time.Since(began) / time.Duration(calls)).Round(time.Microsecond)
	switch {
	case len(ids) > 1:
		k.add(name, Failed, fmt.Sprintf("the same user got %d ids, such as %s", len(ids), twoOf(ids)), stableIDAdvice)
	case calls < k.Repeats:
		k.add(name, Warning, fmt.Sprintf("only %d calls were made in time: each takes %v", calls, took), "do less in a call: a user waits for it")
	case len(ids) == 1:
		k.add(name, OK, fmt.Sprintf("one id; %v a call", took), "")
	default:
		k.add(name, OK, fmt.Sprintf("%v a call", took), "")
	}
}

// twoOf returns the first two members of a set, sorted.
func twoOf(set map[string]bool) string {
	var all []string
	for s := range set {
		all = append(all, fmt.Sprintf("%.40q", s))
	}
	slices.Sort(all)
	return strings.Join(all[:min(2, len(all))], " and ")
}
