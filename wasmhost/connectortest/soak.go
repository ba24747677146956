package connectortest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// rounds is how often Repeats calls are made while memory grows in the second half: a garbage collector lets it grow
// until it first runs.
const rounds = 8

// plenty is more memory than a connector in any language was seen to need.
const plenty = 48 << 20

// longest is how long the repeats of one operation may take.
const longest = 30 * time.Second

// repeat calls the operation many times: ids stay, and memory does.
func (k *check) repeat(ctx context.Context, operation string, input doc, glad bool, good answer) {
	name := fmt.Sprintf("%s: %d calls", operation, k.Repeats)
	k.watch.at(name)
	m := mood("")
	if !glad {
		m = "401"
	}
	ids := map[string]bool{}
	var before, after int64
	began, calls := time.Now(), 0
	late := false
	for range rounds {
		for i := range k.Repeats {
			if late = time.Since(began) > longest; late && i > k.Repeats/2 {
				break
			}
			// An error is an answer that is met as often: it may leave something behind as well.
			m := m
			if glad && i%4 == 3 && good.fetched > 0 {
				m = "500"
			}
			if i == k.Repeats/2 {
				before = k.folder.MemorySize(k.name)
			}
			a := k.call(ctx, operation, input, m)
			if ctx.Err() != nil {
				return // it was stopped from outside
			}
			calls++
			if a.err != nil {
				k.say(name, Failed, fmt.Sprintf("call %d: %s", calls, a.told()), "a call leaves the module fit for the next one: free what it allocates, and keep nothing")
				return
			}
			// A revoked token stays revoked at the practice CRM: its second logout may go otherwise.
			if glad && m == "" && operation != "unAuthorize" && (a.Result != good.Result || a.succeeded() != good.succeeded() || a.fetched != good.fetched) {
				k.say(name, Failed, fmt.Sprintf("call %d, of the same request: %s", calls, a.told()), keepNothing)
				return
			}
			if who := parseDoc(a.Output).object("platformUserInfo"); who != nil {
				ids[fmt.Sprint(who["id"])] = true
			}
		}
		if after = k.folder.MemorySize(k.name); after <= before || late {
			break
		}
	}
	took := time.Since(began) / time.Duration(max(calls, 1))
	switch {
	case len(ids) > 1:
		k.say(name, Failed, fmt.Sprintf("the same person got %d ids, such as %s", len(ids), firstTwo(ids)), lastingID)
	case after > plenty:
		k.say(name, Failed, fmt.Sprintf("it holds %s of memory after %d calls, and the server gives it 64 MB", bytesText(after), calls), "free what a call allocates, the calls that fail as well: an instance serves many")
	case after > before && !late:
		k.say(name, Failed, fmt.Sprintf("memory grows without end: it went from %s to %s in the last %d calls", bytesText(before), bytesText(after), k.Repeats-k.Repeats/2),
			"free what a call allocates: an instance serves many calls")
	default:
		id := ""
		if len(ids) == 1 {
			id = "one id; "
		}
		if late {
			k.say(name, Warning, fmt.Sprintf("only %d calls were made: each takes %v", calls, took.Round(time.Microsecond)), "do less in a call: a person waits for it")
			return
		}
		k.say(name, OK, fmt.Sprintf("%smemory stays at %s; %v a call", id, bytesText(after), took.Round(time.Microsecond)), "")
	}
}

func firstTwo(set map[string]bool) string {
	var all []string
	for s := range set {
		all = append(all, fmt.Sprintf("%.40q", s))
	}
	slices.Sort(all)
	return strings.Join(all[:min(2, len(all))], " and ")
}
